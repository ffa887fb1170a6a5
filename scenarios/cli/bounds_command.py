"""``fx3loop bounds``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from health import Policy
    from scenarios.lab.bench import LabBench
    from scenarios.lab.bounds import Condition
    from scenarios.lab.phases import Result

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
    from scenarios.cli import bounds_document, bounds_text, inputs, output
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
        output.print_json(bounds_document.document(policy, bench, bounds, found, results))
    else:
        bounds_text.report(policy, bench, bounds, found, results)
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
    from scenarios.cli import bounds_document, output
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
                chrome.write(
                    whole, path, {"policy": policy.name, **bounds_document.answer_of(answer)}
                )
