"""The page over a certificate: verdict, matrix, latencies against the bounds, worst runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from health import Policy
from hw.guard.certificate import Certificate
from scenarios.judge import GOOD_ENDS, LOCKED_UP
from scenarios.lab.bench import LabBench
from scenarios.lab.bounds import MEANING, MILLISECOND_NS, Condition, bounds
from scenarios.lab.cells import LOCKS, MANNERS, Cell, phases
from scenarios.lab.claims import CONDITIONS
from scenarios.lab.histories import HISTORIES
from scenarios.lab.matrix import SAMPLED, VERDICTS, Place
from scenarios.page import traces
from scenarios.page.model import (
    Block,
    Code,
    Distribution,
    Distributions,
    Fact,
    Item,
    Lines,
    Matrix,
    MatrixCell,
    MatrixRow,
    Note,
    Page,
    Section,
    Table,
    Timeline,
    Verdict,
    tone_of,
)
from scenarios.page.text import count, duration, heading, plural, setting, words
from scenarios.runner import run_episode
from sim.faults import Fault

WORST_RUNS = 3
"""So many worst runs get a timeline."""
AT_CALLS = ("hang", "delay", "error")
"""Faults that strike an SDK call, the columns of the matrix."""
COLUMNS = (
    *(("hang", manner, lock) for manner in MANNERS for lock in LOCKS),
    *(("delay", manner, "none") for manner in MANNERS),
    ("error", "blocked", "none"),
)
Key = tuple[str, str, str]


def build(certificate: Certificate, source: str) -> Page:
    """Return the page.

    Args:
        certificate: read and checked.
        source: its file.
    """
    policy = Policy.from_toml(certificate.policy_toml, source=source)
    sections: list[Section] = []
    for position, found in certificate.positions.items():
        cells = {_cell(name): result for name, result in found["cells"].items()}
        suffix = f" ({position})" if len(certificate.positions) > 1 else ""
        sections += _sections(certificate, policy, position, found, cells, suffix)
    gaps = len(certificate.not_covered)
    sections.append(
        Section(
            "gaps",
            "Not covered",
            "What this policy does not mend, or what was not tried. A certificate is worth as much "
            "as this list is honest.",
            (Lines("", certificate.not_covered, empty="Nothing is listed."),),
        )
    )
    sections.append(
        Section("policy", "Policy", "", (Code("The policy as TOML", certificate.policy_toml),))
    )
    return Page(
        kind="Certificate",
        title=f"Policy {certificate.policy_name}",
        source=source,
        verdict=_verdict(certificate, gaps),
        facts=_facts(certificate),
        sections=tuple(sections),
    )


def _verdict(certificate: Certificate, gaps: int) -> Verdict:
    broken = sum(len(found["violations"]) for found in certificate.positions.values())
    cells = sum(len(found["cells"]) for found in certificate.positions.values())
    tried = f"{plural(cells, 'cell')} of the matrix, every scenario and the soak"
    if certificate.is_good:
        ends = Counter(
            item["verdict"]
            for found in certificate.positions.values()
            for item in found["cells"].values()
            if item["verdict"] not in GOOD_ENDS
        )
        verb = "ends" if ends.total() == 1 else "end"
        but = f", but {plural(ends.total(), 'cell')} without one {verb} badly" if ends else ""
        listed = ", ".join(f"{number} {words(verdict)}" for verdict, number in ends.items())
        return Verdict(
            f"Every claim holds{but}",
            f"{tried}: no claim of the policy and no invariant is broken. "
            + (f"Where it claims nothing: {listed}. " if ends else "")
            + f"{plural(gaps, 'line')} not covered.",
            "warn" if ends[LOCKED_UP] else "good",
        )
    return Verdict(
        f"{plural(broken, 'claim or invariant', 'claims and invariants')} broken",
        f"Found in {tried}. {plural(gaps, 'line')} not covered.",
        "bad",
    )


def _facts(certificate: Certificate) -> tuple[Fact, ...]:
    firmware = certificate.firmware
    version = ".".join(map(str, firmware.version))
    programs = ", ".join(f"{name} {text}" for name, text in certificate.versions.items())
    return (
        Fact("Policy digest", certificate.policy_digest[:16], is_code=True),
        Fact("Firmware", f"{firmware.name} ({version}), GETSTATS {firmware.stats_bytes} bytes"),
        Fact("Position", " and ".join(certificate.positions)),
        Fact("Seed", str(certificate.seed)),
        Fact("Made with", programs),
        Fact("Certificate digest", certificate.digest[:16], is_code=True),
    )


def _sections(
    certificate: Certificate,
    policy: Policy,
    position: str,
    found: Mapping[str, Any],
    cells: Mapping[Cell, Mapping[str, Any]],
    suffix: str,
) -> Iterator[Section]:
    at_calls = {cell: item for cell, item in cells.items() if cell.fault.kind in AT_CALLS}
    others = {cell: item for cell, item in cells.items() if cell not in at_calls}
    violations = tuple(found["violations"])
    yield Section(
        f"matrix-{position}",
        f"Matrix{suffix}",
        "Each SDK call of each request, struck by each fault. A cell shows the level that the end "
        "is owed to and the latest detection over all onsets; colour is the worst verdict.",
        (
            *((Lines("Broken", violations, tone="bad"),) if violations else ()),
            _matrix(at_calls),
            _whole_device(others),
        ),
    )
    yield Section(
        f"latency-{position}",
        f"Detection latency{suffix}",
        "The latest detection of each cell. The tinted stretch is what the closed forms say, from "
        "the best case to the worst (fx3loop bounds).",
        _latencies(policy, certificate.firmware.name, position, cells),
    )
    place = Place(policy, position, certificate.firmware.name, certificate.seed)
    yield Section(
        f"worst-{position}",
        f"Worst runs{suffix}",
        "The cells that ended worst, or came back last, each at its worst onset. They were run "
        "again for this page: the same seed gives the same run.",
        tuple(_worst(place, cells)) or (Note("There is no run to show."),),
    )
    yield Section(
        f"scenarios-{position}",
        f"Scenarios and soak{suffix}",
        "",
        (_scenarios(found["scenarios"]), _soak(found["soak"])),
    )


# ---------------------------------------------------------------- matrix


def _cell(name: str) -> Cell:
    request, _, fault = name.partition(": ")
    return Cell(request, Fault.parse(fault))


def _key(cell: Cell) -> Key:
    return cell.fault.kind, cell.fault.manner, cell.fault.lock


def _matrix(cells: Mapping[Cell, Mapping[str, Any]]) -> Block:
    if not cells:
        return Note("The certificate holds no cell at an SDK call.")
    sites: dict[tuple[str, str, int], dict[Key, MatrixCell]] = {}
    for cell, item in cells.items():
        site = (cell.request, cell.fault.call, cell.fault.nth)
        sites.setdefault(site, {})[_key(cell)] = _matrix_cell(cell, item)
    tally = Counter(item["verdict"] for item in cells.values())
    return Matrix(
        caption=f"{plural(len(cells), 'cell')} at {plural(len(sites), 'call')}",
        groups=(("hangs, blocked", 3), ("hangs, spinning", 3), ("200 ms late", 2), ("fails", 1)),
        columns=(
            *("no lock", "channel lock", "USB lock") * 2,
            "asleep",
            "computing",
            "status code",
        ),
        rows=tuple(
            MatrixRow(request, call, nth, tuple(found.get(key) for key in COLUMNS))
            for (request, call, nth), found in sites.items()
        ),
        legend=tuple(
            (words(verdict), tone_of(verdict), tally[verdict])
            for verdict in reversed(VERDICTS)
            if tally[verdict]
        ),
    )


def _matrix_cell(cell: Cell, item: Mapping[str, Any]) -> MatrixCell:
    levels = ", ".join(map(str, item["levels"]))
    red = tuple(item["red"])
    return MatrixCell(
        text=levels or "–",
        latency=duration(item["detected_ms"], ""),
        verdict=words(item["verdict"]),
        tone=tone_of(item["verdict"]),
        is_red=bool(red),
        notes=(
            _run_title(cell),
            *(f"broken: {text}" for text in red),
            f"{words(item['verdict'])}, {_level_text(item['levels'])}",
            f"detected within {duration(item['detected_ms'], 'nothing')}",
            f"claimed: {_claim_text(item['claim'])}",
            _serving_text(item["serving_ms"]),
            f"over {plural(item['onsets'], 'onset')}",
            cell.name,
        ),
    )


def _level_text(levels: Sequence[int]) -> str:
    if not levels:
        return "no level had to act"
    return f"level {' or '.join(map(str, levels))} acted"


def _claim_text(claim: Mapping[str, Any] | None) -> str:
    if claim is None:
        return "nothing"
    if claim["kind"] != "recovers":
        return str(claim["kind"])
    within = f" within {duration(claim['within_ms'])}" if claim["within_ms"] else ""
    return f"level {claim['level']}{within}"


def _serving_text(serving_ms: float | None) -> str:
    if serving_ms is None:
        return "does not serve again in some run"
    return f"serves again within {duration(serving_ms)}" if serving_ms else "data never stopped"


def _whole_device(cells: Mapping[Cell, Mapping[str, Any]]) -> Block:
    rows = tuple(
        (
            Item(_fault_text(cell)),
            Item(", ".join(map(str, item["levels"])) or "–", is_number=True),
            Item(duration(item["detected_ms"]), is_number=True),
            Item(_claim_text(item["claim"])),
            Item(
                duration(item["serving_ms"], "never")
                if item["serving_ms"] != 0
                else "did not stop",
                is_number=True,
            ),
            Item(
                words(item["verdict"]) + (": claim broken" if item["red"] else ""),
                "bad" if item["red"] else tone_of(item["verdict"]),
                note="; ".join(item["red"]),
            ),
        )
        for cell, item in cells.items()
    )
    return Table(
        "Faults that strike no call",
        ("Fault", "Level", "Detected within", "Claimed", "Serves again within", "Verdict"),
        rows,
    )


def _fault_text(cell: Cell) -> str:
    fault = cell.fault
    text = heading(fault.kind)
    if fault.kind == "main_hang":
        text += f", {fault.manner}"
    if fault.kind == "cold_start":
        text += f", until the next {fault.until}"
    if fault.for_ms:
        text += f", {setting(fault.for_ms)}"
    return f"{text} ({cell.request})"


# ---------------------------------------------------------------- latencies


def condition_of(cell: Cell) -> Condition | None:
    """Return the condition that a cell's fault makes; None for one without a closed form."""
    fault = cell.fault
    if fault.kind == "host_paused":
        return Condition.STREAM_STALL
    if fault.kind != "hang":
        return CONDITIONS.get(fault.kind)
    if fault.manner == "spinning":
        return Condition.USB_SPIN
    return Condition.EP0_BLOCKED if fault.during else Condition.USB_EVENT_BLOCKED


def _latencies(
    policy: Policy, firmware: str, position: str, cells: Mapping[Cell, Mapping[str, Any]]
) -> tuple[Block, ...]:
    forms = bounds(policy, LabBench.of(firmware))
    found = []
    for condition in Condition:
        own = [item for cell, item in cells.items() if condition_of(cell) is condition]
        if not own:
            continue
        bound = forms[condition]
        answered = [item for item in own if item["detected_ms"] is not None]
        # A cell's time is that of the level that the end is owed to, not of the first that tried.
        first = [
            item for item in answered if bound.level is None or max(item["levels"]) <= bound.level
        ]
        values = sorted(item["detected_ms"] for item in first)
        is_bound = position == "device" and bound.detection is not None
        low_ms, high_ms = None, None
        if is_bound and bound.detection is not None:
            low_ms = bound.detection.low_ns / MILLISECOND_NS
            high_ms = (bound.detection.high_ns + bound.slack_ns) / MILLISECOND_NS
        found.append(
            Distribution(
                label=heading(condition.value),
                detail=MEANING[condition] + (f"; {bound.unseen}" if bound.unseen else ""),
                values_ms=tuple(values),
                low_ms=low_ms,
                high_ms=high_ms,
                level=None if bound.level is None else int(bound.level),
                missing=len(own) - len(answered),
                climbed=len(answered) - len(first),
            )
        )
    if not found:
        return (Note("No cell has a condition with a closed form."),)
    return (Distributions(f"latency-{position}", "Detection latency by condition", tuple(found)),)


# ---------------------------------------------------------------- worst runs


def _worst(place: Place, cells: Mapping[Cell, Mapping[str, Any]]) -> Iterator[Timeline]:
    """Run the worst cells again, one of a kind, with looks at the chip."""
    order = sorted(cells.items(), key=lambda pair: _badness(pair[1]))
    shown: set[tuple[str, str, str]] = set()
    for cell, item in order:
        kind = (cell.fault.kind, cell.fault.manner, str(item["levels"]))
        if kind in shown or len(shown) == WORST_RUNS or (not item["levels"] and _is_calm(item)):
            continue
        shown.add(kind)
        phase = phases(cell, place.firmware, place.policy, place.seed, SAMPLED)[0]
        episode = run_episode(
            HISTORIES[cell.scenario],
            firmware=place.firmware,
            policy=place.policy,
            position=place.position,
            seed=phase.seed,
            faults=(cell.at(phase.at_ms),),
            parameters={"at_ms": phase.at_ms},
            look_interval_ms=traces.LOOK_INTERVAL_MS,
        )
        yield traces.of_episode(episode, title=_run_title(cell))


def _run_title(cell: Cell) -> str:
    fault = cell.fault
    if fault.kind not in AT_CALLS:
        return _fault_text(cell)
    what = {"hang": "hangs", "delay": "is late", "error": "fails"}[fault.kind]
    manner = f", {fault.manner}" if fault.kind == "hang" else ""
    nth = f" ×{fault.nth}" if fault.nth > 1 else ""
    lock = f", {fault.lock} lock held" if cell.lock not in ("", "none") else ""
    return f"{fault.call}{nth} {what} in {cell.request}{manner}{lock}"


def _is_calm(item: Mapping[str, Any]) -> bool:
    return item["verdict"] in GOOD_ENDS


def _badness(item: Mapping[str, Any]) -> tuple[bool, int, float]:
    serving_ms = item["serving_ms"]
    latest = -1e18 if serving_ms is None else -serving_ms
    return not item["red"], VERDICTS.index(item["verdict"]), latest


# ---------------------------------------------------------------- the rest


def _scenarios(found: Mapping[str, Mapping[str, Any]]) -> Block:
    rows = tuple(
        (
            Item(name),
            Item("–" if item["serving_ms"] is None else _short(item["serving_ms"]), is_number=True),
            Item(words(item["verdict"]), tone_of(item["verdict"])),
            Item("good" if item["is_good"] else "not covered", "" if item["is_good"] else "warn"),
        )
        for name, item in sorted(found.items(), key=lambda pair: pair[1]["is_good"])
    )
    good = sum(item["is_good"] for item in found.values())
    return Table(
        f"{plural(len(found), 'scenario')}, {count(good)} good",
        ("Scenario", "Serves again within", "Verdict", "Counts as"),
        rows,
    )


def _short(serving_ms: float) -> str:
    return duration(serving_ms) if serving_ms else "did not stop"


def _soak(found: Mapping[str, Any] | None) -> Block:
    if found is None:
        return Note("No soak: it runs the module on the device alone.")
    return Lines(
        f"Soak of {found['hours']:g} h of simulated time, seed {found['seed']}: "
        f"{plural(found['cycles'], 'cycle')}",
        tuple(found["failures"]),
        empty="Nothing failed.",
        tone="bad" if found["failures"] else "good",
    )
