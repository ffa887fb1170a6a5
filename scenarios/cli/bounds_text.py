"""What ``fx3loop bounds`` has to say, as text."""

from __future__ import annotations

import click

from health import Level, Policy
from scenarios import option_text
from scenarios.cli import output
from scenarios.cli.bounds_document import main_loop
from scenarios.lab.bench import LabBench
from scenarios.lab.bounds import Bound, Condition
from scenarios.lab.findings import BLIND_SPOTS, Finding
from scenarios.lab.phases import Result

DIGEST_SHOWN = 12


def report(
    policy: Policy,
    bench: LabBench,
    bounds: dict[Condition, Bound],
    found: tuple[Finding, ...],
    results: dict[Condition, Result],
) -> None:
    """Print all of it, times in ms; arguments as of the document's."""
    knobs = output.words(option_text.changed(bench.options))
    click.echo(
        f"{policy.name}  sha256:{policy.digest[:DIGEST_SHOWN]}  firmware {bench.revision.name}  "
        f"options {knobs}\n"
    )
    _print_bounds(bounds)
    if policy.level_5_enabled:
        loop = main_loop(policy, bench)
        click.echo(
            f"\nmain loop  a stall up to {_ms(loop['survivable_stall_ns'])} is survived at every "
            f"phase (promised: below {loop['promised_survivable_stall_ms']} ms), one from "
            f"{_ms(loop['certainly_fatal_stall_ns'])} at none"
        )
    unseen = {item: bound.unseen for item, bound in bounds.items() if bound.unseen}
    for condition, why in unseen.items():
        click.echo(f"unseen     {condition}: {why}")
    for level, text in BLIND_SPOTS.items():
        if policy.is_enabled(level):
            click.echo(f"level {level:d}    cannot {text}")
    if results:
        click.echo("")
        _print_results(results)
        left_out = [item for item in bounds if item not in results] if len(results) > 1 else []
        for item in left_out:
            click.echo(f"not run    {item}: it takes long; --condition {item} runs it")
    if found:
        click.echo("")
    for finding in found:
        click.echo(f"{finding.severity:10} {finding.rule}: {finding.text}")


def _print_bounds(bounds: dict[Condition, Bound]) -> None:
    made = output.table(
        "condition",
        "level",
        "soonest",
        "latest",
        "remedy takes",
        "survived up to",
        "margin",
        "then",
    )
    for condition, bound in bounds.items():
        made.add_row(
            condition.value,
            "–" if bound.level is None else str(int(bound.level)),
            "–" if bound.detection is None else _ms(bound.detection.low_ns),
            "–" if bound.detection is None else _ms(bound.detection.high_ns),
            _remedy(bound),
            "–" if bound.survivable_ns is None else _ms(bound.survivable_ns),
            "–" if bound.margin_ns is None else _ms(bound.margin_ns),
            _then(bound),
        )
    output.print_table(made)


def _remedy(bound: Bound) -> str:
    if bound.remedy is None or bound.level is None:
        return "–"
    if bound.level >= Level.DEVICE_RESET:
        return f"{_ms(bound.remedy.low_ns)} and the upload"
    return f"up to {_ms(bound.remedy.high_ns)}"


def _then(bound: Bound) -> str:
    rest = bound.ladder[1:]
    if not rest or bound.settle_ns is None:
        return "–"
    return f"level {', '.join(str(int(level)) for level in rest)} each {_ms(bound.settle_ns)} after"


def _print_results(results: dict[Condition, Result]) -> None:
    made = output.table(
        "every phase of",
        "onsets",
        "runs",
        "soonest",
        "at offset",
        "closed form",
        "latest",
        "at offset",
        "closed form",
        "verdict",
    )
    for condition, result in results.items():
        found, form = result.found, result.bound.detection
        if found is None or form is None:
            cells = ["never", "–", "never"] * 2
        else:
            cells = []
            for answer, form_ns in ((found.best, form.low_ns), (found.worst, form.high_ns)):
                cells += [_ms(answer.latency_ns), f"{answer.offset_ms} ms", _ms(form_ns)]
        made.add_row(
            condition.value, str(result.onsets), str(result.runs), *cells, _verdict(result)
        )
    output.print_table(made)


def _verdict(result: Result) -> str:
    if result.disagreement:
        return f"disagrees: {result.disagreement}"
    if result.bound.slack_ns:
        return f"within {_ms(result.bound.slack_ns)}: {result.bound.slack_reason}"
    return "as the closed form"


def _ms(duration_ns: int) -> str:
    """A time in ms, to the nearest µs; the JSON has the ns."""
    return f"{duration_ns / 1_000_000:.3f} ms"
