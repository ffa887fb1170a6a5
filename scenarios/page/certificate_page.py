"""The page over a certificate: verdict, matrix, latencies against the bounds, worst runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from health import Policy
from hw.guard.certificate import Certificate
from scenarios.judge import GOOD_ENDS, LOCKED_UP
from scenarios.lab.cells import Cell
from scenarios.lab.matrix import Place
from scenarios.page import certificate_matrix, certificate_runs
from scenarios.page.certificate_matrix import AT_CALLS, cell_of
from scenarios.page.model import (
    Block,
    Code,
    Fact,
    Item,
    Lines,
    Note,
    Page,
    Section,
    Table,
    Verdict,
    tone_of,
)
from scenarios.page.text import count, duration, plural, words


def build(certificate: Certificate, source: str) -> Page:
    """Return the page.

    Args:
        certificate: read and checked.
        source: its file.
    """
    policy = Policy.from_toml(certificate.policy_toml, source=source)
    sections: list[Section] = []
    for position, found in certificate.positions.items():
        cells = {cell_of(name): result for name, result in found["cells"].items()}
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
        Fact("Health module", certificate.health.text),
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
            certificate_matrix.matrix(at_calls),
            certificate_matrix.whole_device(others),
        ),
    )
    yield Section(
        f"latency-{position}",
        f"Detection latency{suffix}",
        "The latest detection of each cell. The tinted stretch is what the closed forms say, from "
        "the best case to the worst (fx3loop bounds).",
        certificate_runs.latencies(policy, certificate.firmware.name, position, cells),
    )
    yield Section(
        f"worst-{position}",
        f"Worst runs{suffix}",
        "The cells that ended worst, or came back last, each at its worst onset. They were run "
        "again for this page: the same seed gives the same run.",
        _worst(certificate, policy, position, cells),
    )
    yield Section(
        f"scenarios-{position}",
        f"Scenarios and soak{suffix}",
        "",
        (_scenarios(found["scenarios"]), _soak(found["soak"])),
    )


def _worst(
    certificate: Certificate,
    policy: Policy,
    position: str,
    cells: Mapping[Cell, Mapping[str, Any]],
) -> tuple[Block, ...]:
    if not certificate.health.is_reference:
        text = f"The health module {certificate.health.text} is not at hand: nothing was run again."
        return (Note(text),)
    place = Place(policy, position, certificate.firmware.name, certificate.seed)
    return tuple(certificate_runs.worst(place, cells)) or (Note("There is no run to show."),)


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
    return duration(serving_ms) if serving_ms else "unnoticed"


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
