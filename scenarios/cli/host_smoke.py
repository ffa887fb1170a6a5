"""``fx3loop host smoke``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from scenarios.cli.codes import (
    CHECK_FAILED,
    DENIED,
    ESCALATION_REQUIRED,
    INTERRUPTED,
    OK,
    denial,
    exit_code,
)
from scenarios.cli.smoke_place import marked, opened_bench, smoke_options

if TYPE_CHECKING:
    from hw.host.smoke import SmokeReport

WORDS = {"passed": "PASS", "failed": "FAIL", "not run": "SKIP"}


@click.command("smoke")
@smoke_options
@click.option(
    "--json-out", type=click.Path(path_type=Path), metavar="FILE", help="Write the report as JSON."
)
@click.pass_context
def command(
    context: click.Context,
    /,
    json_out: Path | None,
    show_identifiers: bool,
    as_json: bool,
    **_: object,
) -> None:
    """Ask a device and this host whether all is well.

    Safe by default: discovery, AT commands with their final results (or GETSTATS and a probe), the
    device's identity, the evidence of the host. What interrupts the module's program is a step of
    its own, behind --allow-interrupt; a file is written, imported and deleted only in standard and
    aggressive mode, with --acknowledge fs-write --acknowledge fs-delete.

    A complete safe run on a real device is what a frozen host needs first. Exit codes: 0 passed,
    1 a check failed, 3 a step was denied, 4 no device or no evidence, 5 the host froze meanwhile.
    """
    import uuid

    from hw.guard.place import boot_id
    from hw.host.keeper import Clock, HostKeeper
    from hw.host.smoke import run_smoke
    from hw.host.smoke_host import count, evidence_step
    from hw.host.soak import HostDelta
    from scenarios.cli import output

    output.writable_file(json_out)
    keeper = HostKeeper.open_default()
    run_id = str(uuid.uuid4())
    with (
        opened_bench(context, lambda is_real: evidence_step(keeper, is_real=is_real)) as bench,
        marked(bench, run_id, "smoke") as begins,
    ):
        clock = Clock()
        delta = HostDelta(keeper, clock.monotonic_ns)
        report = run_smoke(
            bench.make_steps(""),
            run_id=run_id,
            about={**bench.about(), "boot_id": boot_id()},
            runtime=bench.runtime,
            clock=clock,
            hold=delta.hold,
            begins=begins,
            explain=denial,
        )
        # An incident that came meanwhile is newer than the run, whenever that is remembered.
        delta.look()
        not_counted = delta.hold() or count(
            report, keeper, is_real=bench.is_real, risk_mode=bench.risk_mode
        )
        document = {
            **report.as_dict(shows_identifiers=show_identifiers),
            "counts_for_exit": not not_counted,
            "not_counted": report.privacy(shows=show_identifiers).text(not_counted),
        }
        # Printed first: a disk that is full meanwhile costs the file alone.
        if as_json:
            output.print_json(document)
        else:
            _print(report, document["not_counted"], shows=show_identifiers)
        if json_out is not None:
            output.write_json(json_out, document)
    context.exit(ESCALATION_REQUIRED if delta.stop else code_of(report))


def code_of(report: SmokeReport) -> int:
    """Return the exit code of a run: that of its first failure, as any command's would be."""
    if report.was_interrupted:
        return INTERRUPTED
    for result in report.failed:
        return CHECK_FAILED if result.error is None else exit_code(result.error)[0]
    if report.denied:
        return DENIED
    return OK if report.is_pass else CHECK_FAILED


def _print(report: SmokeReport, not_counted: str, *, shows: bool) -> None:
    from scenarios.cli.modem_place import printable

    privacy = report.privacy(shows=shows)
    for result in report.results:
        text = printable(privacy.text(result.text)).replace("\n", " ")
        click.echo(f"{WORDS[result.outcome.value]} {result.step.name}: {text}")
    verdict = "passed" if report.is_pass else "failed"
    complete = "complete" if report.is_complete else "not complete"
    click.echo(f"smoke {verdict}, {complete}, in {report.span.duration_ms} ms")
    told = f"no: {not_counted}" if not_counted else "yes"
    click.echo(f"counts as the safe smoke that a frozen host needs: {told}")
