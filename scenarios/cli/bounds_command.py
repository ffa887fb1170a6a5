"""``fx3loop bounds``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from health import Policy
    from scenarios.lab.bench import LabBench
    from scenarios.lab.bounds import Bound, Condition, Interval
    from scenarios.lab.findings import Finding
    from scenarios.lab.phases import Result
    from scenarios.lab.strikes import Answer

SCHEMA = "fx3loop.bounds/1"
DIGEST_SHOWN = 12
SLOW = "dma_error"
"""Each of its runs counts thousands of PIB errors, so it is explored only when it is named."""


@click.command("bounds")
@click.argument("policy_name", metavar="POLICY")
@click.option("--firmware", default="reference", show_default=True, help="The firmware revision.")
@click.option("--board", "board_file", type=click.Path(path_type=Path), help="TOML, a knob a line.")
@click.option("--option", "options", multiple=True, metavar="NAME=VALUE", help="Turn a knob.")
@click.option(
    "--host-timeout-ms",
    type=click.IntRange(1, 600_000),
    help="When the host gives up on a control transfer; by default as the policy says.",
)
@click.option(
    "--exhaustive", is_flag=True, help="Run every onset at every offset between poll and pet."
)
@click.option(
    "--condition",
    "names",
    multiple=True,
    metavar="NAME",
    help=f"Run this condition alone, with --exhaustive; {SLOW} runs only when named.",
)
@click.option("--jobs", type=click.IntRange(1, 64), default=1, show_default=True, help="Processes.")
@click.option(
    "--trace-dir", type=click.Path(path_type=Path), help="Traces of the best and worst runs."
)
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def command(
    policy_name: str,
    firmware: str,
    board_file: Path | None,
    options: tuple[str, ...],
    host_timeout_ms: int | None,
    exhaustive: bool,
    names: tuple[str, ...],
    jobs: int,
    trace_dir: Path | None,
    as_json: bool,
) -> int:
    """Say how soon and how late each level answers under POLICY, and what it cannot see.

    POLICY is a preset's name or a TOML file. The times are closed forms (docs/bounds.md);
    --exhaustive runs the simulator over every phase and compares. Exits with 1 when a finding is an
    error, or when simulator and closed form disagree.
    """
    from scenarios import option_text
    from scenarios.cli import inputs, output
    from scenarios.cli.codes import CHECK_FAILED, OK
    from scenarios.lab import bounds as forms
    from scenarios.lab.bench import LabBench, read_board
    from scenarios.lab.findings import Severity, findings

    if (names or trace_dir) and not exhaustive:
        raise click.UsageError("--condition and --trace-dir go with --exhaustive")
    policy = inputs.policy(policy_name)
    texts = (*(read_board(board_file) if board_file else ()), *options)
    knobs = option_text.parse(texts)
    if exhaustive and knobs.poll_offset_ms:
        raise click.UsageError("poll_offset_ms is one of the phases that --exhaustive runs over")
    bench = LabBench.of(firmware, knobs)
    found = findings(policy, bench, host_timeout_ms)
    bounds = forms.bounds(policy, bench)
    results: dict[Condition, Result] = {}
    if exhaustive:
        conditions = _conditions(names)
        folder = output.writable_folder(trace_dir) if trace_dir else None
        results = _explore(policy, bench, conditions, jobs)
        if folder is not None:
            _write_traces(policy, bench, results, folder)
    if as_json:
        output.print_json(_document(policy, bench, bounds, found, results))
    else:
        _print_text(policy, bench, bounds, found, results)
    is_wrong = any(item.severity is Severity.ERROR for item in found)
    is_wrong = is_wrong or any(item.disagreement for item in results.values())
    return CHECK_FAILED if is_wrong else OK


def _conditions(names: tuple[str, ...]) -> tuple[Condition, ...]:
    from scenarios.errors import not_known
    from scenarios.lab.bounds import Condition

    if not names:
        return tuple(item for item in Condition if item != SLOW)
    known = [str(item) for item in Condition]
    for name in names:
        if name not in known:
            raise not_known("condition", name, known)
    return tuple(item for item in Condition if item in names)


def _explore(
    policy: Policy, bench: LabBench, conditions: tuple[Condition, ...], jobs: int
) -> dict[Condition, Result]:
    from scenarios.cli import output
    from scenarios.lab import phases

    shown = {item: output.Progress(item.value) for item in conditions}

    def progress(condition: Condition, done: int, of: int) -> None:
        shown[condition](done, of)

    return phases.explore(policy, bench, conditions, jobs, progress)


def _write_traces(
    policy: Policy, bench: LabBench, results: dict[Condition, Result], folder: Path
) -> None:
    """Run the extremes again, with a recorder."""
    from hw.trace import Recorder, chrome
    from scenarios.cli import output
    from scenarios.lab import strikes
    from scenarios.timeline import closed_at_resets

    for condition, result in results.items():
        if result.found is None or result.bound.detection is None:
            continue
        for name, answer in (("best", result.found.best), ("worst", result.found.worst)):
            recorder = Recorder()
            horizon_ns = answer.at_ns - answer.onset_ns + strikes.MILLISECOND_NS
            strikes.run(
                condition, policy, bench, answer.offset_ms, answer.onset_ns, horizon_ns, recorder
            )
            whole = Recorder()
            whole.instant("world/onset", condition.value, answer.onset_ns)
            whole.records.extend(closed_at_resets(recorder.records))
            path = folder / f"{policy.name}-{condition}-{name}.json"
            with output.Writing(path):
                chrome.write(whole, path, {"policy": policy.name, **_answer(answer)})


# ---------------------------------------------------------------- JSON


def _document(
    policy: Policy,
    bench: LabBench,
    bounds: dict[Condition, Bound],
    found: tuple[Finding, ...],
    results: dict[Condition, Result],
) -> dict[str, Any]:
    from scenarios import option_text
    from scenarios.lab import bounds as forms
    from scenarios.lab.findings import BLIND_SPOTS

    return {
        "schema": SCHEMA,
        "policy": policy.name,
        "digest": policy.digest,
        "firmware": bench.revision.name,
        "options": list(option_text.changed(bench.options)),
        "main_loop": _main_loop(policy, bench) if policy.level_5_enabled else None,
        "conditions": [
            {
                "condition": condition.value,
                "meaning": forms.MEANING[condition],
                "level": bound.level,
                "detection_ns": _interval(bound.detection),
                "slack_ns": bound.slack_ns,
                "slack_reason": bound.slack_reason,
                "remedy_ns": _interval(bound.remedy),
                "ladder": [int(level) for level in bound.ladder],
                "settle_ns": bound.settle_ns,
                "survivable_ns": bound.survivable_ns,
                "margin_ns": bound.margin_ns,
                "longest_legal": bound.legal,
                "unseen": bound.unseen,
                "exhaustive": _result(results[condition]) if condition in results else None,
            }
            for condition, bound in bounds.items()
        ],
        "blind_spots": {
            f"level_{level:d}": text
            for level, text in BLIND_SPOTS.items()
            if policy.is_enabled(level)
        },
        "findings": [
            {"severity": item.severity.value, "rule": item.rule, "text": item.text}
            for item in found
        ],
    }


def _main_loop(policy: Policy, bench: LabBench) -> dict[str, int]:
    from scenarios.lab import bounds as forms

    return {
        "survivable_stall_ns": forms.survivable_stall_ns(policy, bench),
        "certainly_fatal_stall_ns": forms.certainly_fatal_stall_ns(policy, bench),
        "promised_survivable_stall_ms": policy.survivable_stall_ms,
        "watchdog_period_ns": bench.watchdog_ns(policy),
    }


def _interval(interval: Interval | None) -> dict[str, int] | None:
    return None if interval is None else {"low": interval.low_ns, "high": interval.high_ns}


def _result(result: Result) -> dict[str, Any]:
    found = result.found
    return {
        "runs": result.runs,
        "onsets": result.onsets,
        "best": None if found is None else _answer(found.best),
        "worst": None if found is None else _answer(found.worst),
        "disagreement": result.disagreement,
    }


def _answer(answer: Answer) -> dict[str, int | None]:
    return {
        "latency_ns": answer.latency_ns,
        "poll_offset_ms": answer.offset_ms,
        "onset_ns": answer.onset_ns,
        "level": answer.level,
    }


# ---------------------------------------------------------------- text


def _print_text(
    policy: Policy,
    bench: LabBench,
    bounds: dict[Condition, Bound],
    found: tuple[Finding, ...],
    results: dict[Condition, Result],
) -> None:
    from scenarios import option_text
    from scenarios.cli import output
    from scenarios.lab.findings import BLIND_SPOTS

    knobs = output.words(option_text.changed(bench.options))
    click.echo(
        f"{policy.name}  sha256:{policy.digest[:DIGEST_SHOWN]}  firmware {bench.revision.name}  "
        f"options {knobs}\n"
    )
    _print_bounds(bounds)
    if policy.level_5_enabled:
        loop = _main_loop(policy, bench)
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
        if [item for item in bounds if item not in results] == [SLOW]:
            click.echo(f"not run    {SLOW}: it takes long; --condition {SLOW} runs it")
    if found:
        click.echo("")
    for finding in found:
        click.echo(f"{finding.severity:10} {finding.rule}: {finding.text}")


def _print_bounds(bounds: dict[Condition, Bound]) -> None:
    from scenarios.cli import output

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
    from health import Level

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
    from scenarios.cli import output

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
