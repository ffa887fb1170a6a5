"""What each position recovers: every kind of fault, under a module in the device, host, or both."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from scenarios.judge import GOOD_ENDS, LEFT_ALONE, Row
from scenarios.registry import find
from scenarios.runner import run_episode
from sim.faults import KINDS, Fault

SCHEMA: Final = "fx3loop.positions/1"
POSITIONS: Final = ("none", "device", "host", "both")
"""In the order of the columns."""
FIRMWARE: Final = "reference"
POLICY: Final = "reference"
SEED: Final = 1
WATCHDOG_LEVEL: Final = 5
MARGIN_MS: Final = 500
"""A difference in time to serve that is worth a word."""


@dataclass(frozen=True)
class Case:
    """A fault, put into a station's day.

    Attributes:
        faults: what is injected, each as it is written.
        scenario: the day; one in which the fault strikes.
    """

    faults: tuple[str, ...]
    scenario: str = "steady_stream"

    @property
    def text(self) -> str:
        """The faults in one line."""
        return " + ".join(self.faults)


REPLY = "call=usb_send_ep0_data,thread=usb"
WEDGE = "dma_error:at_ms=8000"
CASES: Final = (
    Case((f"hang:at_ms=8000,{REPLY}",)),
    Case((f"hang:at_ms=8000,{REPLY},manner=spinning",)),
    Case((f"delay:at_ms=8000,{REPLY},for_ms=3000",)),
    Case((f"error:at_ms=8000,{REPLY},times=8",)),
    Case(("main_hang:at_ms=8000",)),
    Case(("main_hang:at_ms=8000,manner=spinning",)),
    Case(("timer_death:at_ms=8000",)),
    Case(("host_paused:at_ms=8000,for_ms=3000",)),
    Case(("host_gone:at_ms=8000",)),
    Case(("clock_loss:at_ms=8000,for_ms=2000",)),
    Case(("clock_loss:at_ms=8000,for_ms=2000,seen=yes",)),
    Case(("clock_loss:at_ms=8000",)),
    Case(("cold_start:until=restart",)),
    Case(("cold_start:until=reset",)),
    Case(("ep0_desync:at_ms=8000",)),
    Case(("ep0_desync:at_ms=8000",), "ep0_desync"),
    Case((WEDGE,)),
    Case(("endpoint_error:cause=late_read",), "stop_start_wedge"),
    Case(("watchdog_stuck", "main_hang:at_ms=8000,manner=spinning")),
    Case(("remedy_fails:level=1", WEDGE)),
    Case(("remedy_refused:level=1", WEDGE)),
    Case(("tick_wrap:at_ms=8000", "dma_error:at_ms=9000")),
)
"""Every kind of fault, so that it strikes."""


def missing_kinds() -> tuple[str, ...]:
    """Return the kinds of fault that no case has; a new one in the catalogue shows here."""
    had = {text.partition(":")[0] for case in CASES for text in case.faults}
    return tuple(kind for kind in KINDS if kind not in had)


def run(progress: Callable[[int, int], None] | None = None) -> dict[Case, tuple[Row, ...]]:
    """Run every case in every position.

    Args:
        progress: called after each run with the number done and the number of all.

    Returns:
        The rows of each case, in the order of :data:`POSITIONS`.
    """
    found: dict[Case, tuple[Row, ...]] = {}
    done = 0
    for case in CASES:
        rows = []
        for position in POSITIONS:
            faults = tuple(Fault.parse(text) for text in case.faults)
            episode = run_episode(
                find(case.scenario),
                firmware=FIRMWARE,
                policy=POLICY,
                position=position,
                seed=SEED,
                faults=faults,
            )
            rows.append(episode.row)
            done += 1
            if progress is not None:
                progress(done, len(CASES) * len(POSITIONS))
        found[case] = tuple(rows)
    return found


def document(found: dict[Case, tuple[Row, ...]]) -> dict[str, Any]:
    """Return the rows for JSON."""
    return {
        "schema": SCHEMA,
        "firmware": FIRMWARE,
        "policy": POLICY,
        "seed": SEED,
        "cases": [
            {
                "faults": list(case.faults),
                "scenario": case.scenario,
                "rows": [row.as_dict() for row in rows],
            }
            for case, rows in found.items()
        ],
    }


def troubles(found: dict[Case, tuple[Row, ...]]) -> tuple[str, ...]:
    """Return what makes the page worthless, one a line: broken invariants, faults without effect.

    A fault in the device's own remedy strikes only where the device has one to apply.
    """
    lines = [f"no case has a fault of kind {kind}" for kind in missing_kinds()]
    for case, rows in found.items():
        for row in rows:
            lines += [f"{case.text}, {row.position}: {text}" for text in row.violations]
            unused = [text for text in row.unused_faults if not text.startswith("remedy_")]
            lines += [f"{case.text}, {row.position}: {text} never struck" for text in unused]
    return tuple(lines)


def cell(row: Row) -> str:
    """Return what one position made of a case, in a few words."""
    levels = _levels(row.remedies)
    if row.verdict not in GOOD_ENDS:
        end = row.verdict.replace("_", " ")
        return f"**{end}**" + (f", tried {levels}" if levels else ", not seen")
    if row.serving_after_ms == 0:
        # The stream never stopped for the program.
        end = "serves on"
    else:
        assert row.serving_after_ms is not None
        end = f"serves after {row.serving_after_ms / 1000:.2f} s"
    if not levels:
        return end if row.verdict == LEFT_ALONE else f"{end}, by itself"
    assert row.detected_after_ms is not None
    return f"{levels} after {row.detected_after_ms / 1000:.2f} s, {end}"


def _levels(remedies: Sequence[int]) -> str:
    """``1, 3, 4``, with repetitions in a row counted and long stories cut."""
    parts: list[list[int]] = []
    for level in remedies:
        if parts and parts[-1][0] == level:
            parts[-1][1] += 1
        else:
            parts.append([level, 1])
    texts = [f"{level}" if count == 1 else f"{level} ({count}x)" for level, count in parts]
    shown = texts if len(texts) <= 6 else [*texts[:6], "..."]
    return f"level {', '.join(shown)}" if shown else ""


def neither(found: dict[Case, tuple[Row, ...]]) -> tuple[str, ...]:
    """Return the cases that end well in no position."""
    return tuple(
        case.text
        for case, rows in found.items()
        if not any(row.verdict in GOOD_ENDS for row in rows)
    )


def host_hurts(found: dict[Case, tuple[Row, ...]]) -> tuple[str, ...]:
    """Return the cases that end worse, or serve later, with a module on the host than without."""
    lines = []
    for case, (none, device, host, both) in found.items():
        for alone, with_host in ((none, host), (device, both)):
            where = f"{with_host.position} against {alone.position}"
            if alone.verdict in GOOD_ENDS and with_host.verdict not in GOOD_ENDS:
                lines.append(f"{case.text}: {with_host.verdict.replace('_', ' ')} ({where})")
            elif _later_ms(alone, with_host) > MARGIN_MS:
                later_s = _later_ms(alone, with_host) / 1000
                lines.append(f"{case.text}: {later_s:.2f} s later ({where})")
    return tuple(lines)


def _later_ms(first: Row, second: Row) -> float:
    if first.serving_after_ms is None or second.serving_after_ms is None:
        return 0
    return second.serving_after_ms - first.serving_after_ms


def page(found: dict[Case, tuple[Row, ...]]) -> str:
    """Return the page for people."""
    heading = ("fault", "nobody watches", "module in the device", "on the host", "in both")
    lines = [
        "# Positions: what the module recovers from the device, from the host, and from both",
        "",
        "This page is made by `fx3loop report positions --out docs/positions.md`, and a test makes "
        "it again.",
        f"Firmware `{FIRMWARE}`, policy `{POLICY}`, seed {SEED}; each cell is a run of a station's "
        "day (`steady_stream`",
        "unless another is named) in a world of its own. Times count from the fault. On the host "
        "the module is a thread",
        "of the program that owns the interface, so it has levels 1 to 4; in a process of its own "
        "(`fx3loop supervise`)",
        "levels 2 and 3 find the interface busy while the program has it, and it learns of a "
        "start only from GETSTATS.",
        "",
        f"| {' | '.join(heading)} |",
        "|---|---|---|---|---|",
    ]
    for case, rows in found.items():
        where = "" if case.scenario == "steady_stream" else f" in `{case.scenario}`"
        cells = " | ".join(cell(row) for row in rows)
        lines.append(f"| `{case.text}`{where} | {cells} |")
    lines += ["", "## What neither can", ""]
    lines += [f"- `{text}`" for text in neither(found)] or ["Nothing in this table."]
    lines += [
        "",
        "## Where a module on the host costs more than it gives",
        "",
        "Over USB a slow handler and a hung one look the same, and a port reset asks the USB "
        "thread to answer an",
        "enumeration: where that thread is stuck for good, the device is off the bus afterwards "
        "until its own level 5 or a",
        "power cycle, and a stream that flowed on without it has ended.",
        "",
    ]
    lines += [f"- `{text}`" for text in host_hurts(found)] or ["Nowhere in this table."]
    return "\n".join(lines) + "\n"
