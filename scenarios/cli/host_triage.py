"""``fx3loop host triage``."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from scenarios.cli.codes import ESCALATION_REQUIRED, NOT_AVAILABLE, OK

if TYPE_CHECKING:
    from hw.host.triage import Report

DAYS = 2
MAX_DAYS = 3660
EVER = datetime(1970, 1, 1, tzinfo=UTC)
"""Since when a folder is asked, where nobody says."""


@click.command("triage")
@click.option(
    "--days",
    type=click.IntRange(1, MAX_DAYS),
    help=f"How far back: by default {DAYS}, of a folder all that it holds.",
)
@click.option(
    "--evidence",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Files of any host instead: .evtx, .xml, .dmp, .reg, journal .json.",
)
@click.option(
    "--json-out", type=click.Path(path_type=Path), metavar="FILE", help="Write the report as JSON."
)
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@click.pass_context
def command(
    context: click.Context,
    days: int | None,
    evidence: Path | None,
    json_out: Path | None,
    as_json: bool,
) -> None:
    """Take the evidence of crashes; nothing is changed by it.

    Exit codes: 0 nothing that escalates, 4 the restarts or crashes cannot be known, 5 escalate to
    debugging of the system.
    """
    from hw.guard import Authority, Operation, Target, require
    from hw.host.findings import missing
    from hw.host.keeper import HostKeeper
    from scenarios.cli import output

    output.writable_file(json_out)
    require(Operation.EVIDENCE, Target("host", "this host"), Authority())
    if evidence is None:
        report = HostKeeper.open_default().triage(days or DAYS)
    else:
        report = of_folder(evidence, days)
    # Printed first: a disk that is full meanwhile costs the file alone.
    if as_json:
        output.print_json(report.as_dict())
    else:
        _print(report)
    if json_out is not None:
        output.write_json(json_out, report.as_dict())
    if report.escalation:
        context.exit(ESCALATION_REQUIRED)
    context.exit(NOT_AVAILABLE if missing(report.looks) else OK)


def of_folder(path: Path, days: int | None) -> Report:
    """Return the report on files of some host; days count back from its last record.

    Raises:
        InputError: there is no such folder.
    """
    import time
    import uuid
    from datetime import timedelta

    from hw.host.folder import Folder
    from hw.host.triage import found, report
    from scenarios.errors import InputError

    if not path.is_dir():
        raise InputError(f"cannot read {path}: there is no such folder")
    begun_ns = time.monotonic_ns()
    made_utc = datetime.now(UTC)
    folder = Folder(path)
    since_utc = EVER
    looks = folder.look(since_utc, made_utc)
    if days is not None:
        last_utc = max((finding.time_utc for finding in found(looks)), default=made_utc)
        since_utc = last_utc - timedelta(days=days)
        looks = folder.look(since_utc, made_utc)
    return report(
        looks,
        run_id=str(uuid.uuid4()),
        made_utc=made_utc,
        since_utc=since_utc,
        origin=str(path),
        duration_ms=(time.monotonic_ns() - begun_ns) // 1_000_000,
        dump_places=folder.dump_places(),
    )


def _print(report: Report) -> None:
    from hw.host.findings import utc_text
    from hw.host.triage import not_looked
    from scenarios.cli import output

    since = "all of it" if report.since_utc == EVER else f"since {utc_text(report.since_utc)}"
    click.echo(f"Evidence of {report.origin}, {since}")
    for kind, much in report.obtained.items():
        click.echo(f"  {kind.value:12}  {much.value}")
    for look in not_looked(report):
        click.echo(f"  could not look: {look.source}: {look.reason}")
    if report.dump_places is not None:
        click.echo(f"  dumps go to {report.dump_places.small} and {report.dump_places.full}")
    click.echo("")
    if report.incidents:
        made = output.table("time (UTC)", "incident", "code", "marks", folds=("marks",))
        for incident in report.incidents:
            marks = dict.fromkeys(finding.source for finding in incident.findings)
            made.add_row(
                utc_text(incident.time_utc)[:19],
                incident.severity.value,
                incident.code or "–",
                output.words(list(marks)),
            )
        output.print_table(made)
    else:
        where = " in what could be looked at" if not_looked(report) else ""
        click.echo(f"No incident found{where}.")
    for criterion in report.escalation:
        click.echo(f"Escalate: {criterion.name}: {criterion.reason}")
    for step in report.steps:
        click.echo(f"Step {step.name}: {step.action}")
        for reason in step.because:
            click.echo(f"  because of {reason}")
