"""``fx3loop verify``."""

from __future__ import annotations

from pathlib import Path

import click

from scenarios.cli.codes import CHECK_FAILED, OK
from scenarios.cli.target import health_option

FILE = click.Path(path_type=Path)
POSITIONS = {"device": ("device",), "host": ("host",), "both": ("device", "host")}
DEFAULT_SEED = 1
SCHEDULE = Path("fx3loop-violation.json")


@click.command("verify")
@click.argument("policy", metavar="POLICY")
@click.option(
    "--position",
    type=click.Choice(tuple(POSITIONS)),
    default="device",
    show_default=True,
    help="Where the health module runs; both: one after the other.",
)
@click.option("--firmware", default="reference", show_default=True, metavar="R")
@health_option
@click.option("--out", type=FILE, help="Write the certificate.")
@click.option(
    "--against", type=FILE, metavar="CERTIFICATE", help="Fail where anything got worse since."
)
@click.option(
    "--schedule",
    type=FILE,
    default=SCHEDULE,
    show_default=True,
    metavar="FILE",
    help="Where the smallest run that shows a violation goes, if there is one.",
)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    help="Of sampled onsets and worlds; by default 1, or that of --against.",
)
@click.option(
    "--soak-hours",
    type=click.FloatRange(min=0, min_open=True),
    default=1.0,
    show_default=True,
    help="Length of the soak, in simulated time.",
)
@click.option(
    "-j", "--jobs", type=click.IntRange(min=1), default=1, show_default=True, help="Processes."
)
@click.option("--json", "as_json", is_flag=True, help="Print the certificate.")
@click.pass_context
def command(
    context: click.Context,
    policy: str,
    position: str,
    firmware: str,
    health: str,
    out: Path | None,
    against: Path | None,
    schedule: Path,
    seed: int | None,
    soak_hours: float,
    jobs: int,
    as_json: bool,
) -> None:
    """Find out what POLICY, a preset or a TOML file, is worth, and write its certificate.

    Every fault at every SDK call that START, STOP, STARTADC and SET_CONFIGURATION make, blocked and
    spinning, with and without a lock, at the worst onset and at sampled ones; then every scenario,
    a soak, and the invariants. Ends with 0 when every invariant and every claim of the policy
    holds, and nothing got worse --against an older certificate; else with 1.

    A certificate of a health module of your own names it, and lets nobody supervise a device.
    """
    from hw.guard.certificate import Certificate
    from scenarios import custom_health
    from scenarios.cli import inputs, output, verify_text
    from scenarios.errors import InputError
    from scenarios.lab import baseline, evidence, verify
    from scenarios.lab.matrix import Place
    from sim.firmware import revision

    chosen = inputs.policy(policy)
    release = revision(firmware).name
    output.writable_file(out)
    output.writable_file(schedule)
    before = None if against is None else Certificate.read(against)
    if seed is None:
        seed = DEFAULT_SEED if before is None else before.seed
    module = custom_health.identity(health)
    places = [Place(chosen, name, release, seed, health=health) for name in POSITIONS[position]]
    if before is not None:
        baseline.require_common(before, POSITIONS[position])
    tasks = [task for place in places for task in verify.tasks_of(place, soak_hours)]
    outcomes = []
    with output.progress_bar("verify", len(tasks)) as step:
        for outcome in verify.run_tasks(tasks, jobs):
            outcomes.append(outcome)
            step("")
    found = verify.collect(places, tasks, outcomes)
    certificate = verify.certify(found)
    if certificate.health != module:
        raise InputError(f"{health}: the file was changed while it was verified; verify it again")
    if out is not None:
        with output.Writing(out):
            certificate.write(out)
    worse = [] if before is None else baseline.worse(before, certificate)
    if as_json:
        output.print_json(certificate.as_dict())
    else:
        verify_text.report(found, certificate, worse if before is not None else None)
    if not certificate.is_good:
        with output.Writing(schedule):
            shown = evidence.write_first(found, schedule)
        if shown:
            click.echo(f"fx3loop: the smallest run that shows it: fx3loop run {schedule}", err=True)
    for text in worse:
        click.echo(f"fx3loop: worse: {text}", err=True)
    context.exit(OK if certificate.is_good and not worse else CHECK_FAILED)
