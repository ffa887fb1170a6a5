"""``fx3loop host soak``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from scenarios.cli.codes import CHECK_FAILED, DENIED, ESCALATION_REQUIRED, INTERRUPTED, OK, denial
from scenarios.cli.smoke_place import marked, opened_bench, smoke_options

STAGES = ("discovery", "link", "identity", "evidence", "repl", "deploy", "release")
FOLDER = "soak"


@click.command("soak")
@click.option(
    "--duration-s",
    type=click.IntRange(1, 30 * 86_400),
    default=3_600,
    show_default=True,
    help="No iteration begins later.",
)
@click.option(
    "--interval-s",
    type=click.IntRange(0, 86_400),
    default=300,
    show_default=True,
    help="From the end of one iteration to the begin of the next.",
)
@click.option("--max-iterations", type=click.IntRange(min=0), default=0, help="0: any number.")
@click.option(
    "--max-failures",
    type=click.IntRange(min=0),
    default=3,
    show_default=True,
    help="So many failed iterations end it; 0: any number.",
)
@click.option(
    "--max-consecutive",
    type=click.IntRange(min=0),
    default=2,
    show_default=True,
    help="... one after the other.",
)
@click.option(
    "--abort-on",
    type=click.Choice(STAGES),
    multiple=True,
    help="A failed step of this stage ends it at once.",
)
@click.option(
    "--deploy-every",
    type=click.IntRange(min=1),
    default=6,
    show_default=True,
    metavar="N",
    help="Every Nth iteration deploys, where that is allowed and acknowledged.",
)
@click.option(
    "--report",
    "report_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Where the report goes, line by line; by default into the state folder.",
)
@click.option(
    "--show",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Run nothing: print the summary of a report, finished or not.",
)
@smoke_options
@click.pass_context
def command(
    context: click.Context,
    /,
    duration_s: int,
    interval_s: int,
    max_iterations: int,
    max_failures: int,
    max_consecutive: int,
    abort_on: tuple[str, ...],
    deploy_every: int,
    report_file: Path | None,
    show: Path | None,
    risk: str,
    show_identifiers: bool,
    as_json: bool,
    **_: object,
) -> None:
    """Run smoke after smoke, with thresholds that are fixed before the first.

    The host is looked at before each step and once a second between the iterations: a new incident
    ends the soak with exit code 5, and no step that touches the device is begun after it. Ctrl-C
    finishes the iteration and prints the summary; a second one ends the iteration as well. Each
    line of the report is on the disk before the soak goes on, so that a crash leaves it readable.

    Exit codes: 0 all passed, 1 an iteration failed, 3 a step was denied, 5 the host froze, 130
    interrupted.
    """
    import time
    import uuid

    from hw.guard.place import boot_id, state_dir
    from hw.host.keeper import Clock, HostKeeper
    from hw.host.smoke import Stage
    from hw.host.smoke_host import count, evidence_step
    from hw.host.soak import Plan, Soak
    from hw.host.soak_record import SoakReport, StopReason, read_soak
    from scenarios.cli import output
    from scenarios.cli.soaking import Interrupt
    from scenarios.errors import InputError

    if show is not None:
        if not show.is_file():
            raise InputError(f"cannot read {show}: there is no such file")
        found = read_soak(show)
        _print({**found.summary, "damaged_lines": found.damaged_lines}, show, as_json=as_json)
        context.exit(code_of(found.summary))
    plan = Plan(
        duration_s * 1_000,
        interval_s * 1_000,
        max_iterations,
        max_failures,
        max_consecutive,
        frozenset(Stage(name) for name in abort_on),
        deploy_every,
    )
    if report_file is not None and report_file.exists():
        raise InputError(f"{report_file} exists already, and each soak has a report of its own")
    output.writable_file(report_file)
    keeper, clock, run_id = HostKeeper.open_default(), Clock(), str(uuid.uuid4())
    path = report_file or state_dir() / FOLDER / f"{run_id}.jsonl"
    report = SoakReport(path, run_id, clock)
    not_now = f"of each {deploy_every} iterations only the last deploys"
    with (
        opened_bench(context, lambda is_real: evidence_step(keeper, is_real=is_real)) as bench,
        marked(bench, run_id, "soak"),
        Interrupt() as interrupt,
    ):
        soak = Soak(
            plan,
            lambda iteration: bench.make_steps("" if plan.deploys(iteration) else not_now),
            {**bench.about(), "boot_id": boot_id()},
            keeper,
            report,
            runtime=bench.runtime,
            clock=clock,
            sleep_ms=lambda duration_ms: time.sleep(duration_ms / 1000),
            is_stopped=interrupt.is_requested,
            noted=lambda smoke: count(
                smoke, keeper, is_real=bench.is_real, risk_mode=bench.risk_mode
            ),
            tell=lambda line: click.echo(line, err=True),
            explain=denial,
            shows_identifiers=show_identifiers,
        )
        summary = soak.run()
        _print(summary, path, as_json=as_json)
    if summary["stop_reason"] == StopReason.INTERRUPTED:
        context.exit(INTERRUPTED)
    code = code_of(summary)
    context.exit(DENIED if code == OK and soak.was_denied else code)


def code_of(summary: dict[str, Any]) -> int:
    """Return the exit code for the summary of a soak."""
    from hw.host.soak_record import ESCALATING

    if summary["stop_reason"] in ESCALATING:
        return ESCALATION_REQUIRED
    return OK if summary["is_pass"] else CHECK_FAILED


def verdict(summary: dict[str, Any]) -> str:
    """Return how a soak went, in a word or two."""
    from hw.host.soak_record import StopReason

    if summary["is_pass"]:
        return "passed"
    is_cut_short = summary["stop_reason"] in (StopReason.INTERRUPTED, StopReason.NOT_ENDED)
    return "failed" if summary["iterations"]["failed"] or not is_cut_short else "not finished"


def _print(summary: dict[str, Any], path: Path, *, as_json: bool) -> None:
    from scenarios.cli import output

    if as_json:
        output.print_json({**summary, "report": str(path)})
        return
    counts = summary["iterations"]
    reason = f" ({summary['reason']})" if summary.get("reason") else ""
    click.echo(f"soak {verdict(summary)}: {summary['stop_reason']}{reason}")
    click.echo(
        f"iterations: {counts['begun']} begun, {counts['ended']} ended, "
        f"{counts['passed']} passed, {counts['failed']} failed"
    )
    for name, times in summary["failed_steps"].items():
        click.echo(f"  {name} failed {times} times")
    if summary["unfinished_step"]:
        click.echo(f"  {summary['unfinished_step']} was under way when the report ends")
    click.echo(f"report: {path}")
