"""``fx3loop sweep``."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import click

from scenarios.cli.codes import CHECK_FAILED, OK

ENGINES = ("loky", "dask")


@click.command("sweep")
@click.argument("campaign_name", metavar="CAMPAIGN")
@click.option(
    "-j", "--jobs", type=click.IntRange(1, 64), default=1, show_default=True, help="Processes."
)
@click.option(
    "--engine",
    type=click.Choice(ENGINES),
    default="loky",
    show_default=True,
    help="Who does the work: processes here, or a Dask cluster (extra dask).",
)
@click.option("--scheduler", metavar="ADDRESS", help="Of Dask, such as tcp://127.0.0.1:8786.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Keep table and summary; an interrupted sweep goes on there.",
)
@click.option(
    "--require",
    "requirements",
    multiple=True,
    metavar="EXPR",
    help="What a policy has to do; a policy that does is proposed.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
@click.pass_context
def command(
    context: click.Context,
    campaign_name: str,
    jobs: int,
    engine: str,
    scheduler: str | None,
    out: Path | None,
    requirements: tuple[str, ...],
    as_json: bool,
) -> None:
    """Run CAMPAIGN, a TOML file or one of those that come with this program, and sum it up.

    Each row of runs.csv is one accident under one policy. The rows do not depend on who runs them;
    with the same --out an interrupted sweep goes on. Ends with 1 when a requirement is not met.

    \b
    --require takes
      recover FAULT within 6 s        detect FAULT within 2100 ms
      survive FAULT up to 2.5 s       no false reset
      availability at least 99.9 %    undetected at most 1 %
    FAULT is one of the campaign, or a condition of `fx3loop bounds`, such as main_death; `stall`
    is a stall of the main loop.
    """  # noqa: D301 - \b is click's
    from tempfile import TemporaryDirectory

    from scenarios.cli import output, sweep_text
    from scenarios.lab import campaign_file, campaign_folder, requirements as wishes
    from scenarios.lab.campaign_run import Engine
    from scenarios.lab.proposal import propose

    if (scheduler is not None) != (engine == "dask"):
        raise click.UsageError("--engine dask and --scheduler ADDRESS go together")
    text, source = campaign_file.text_of(campaign_name)
    campaign = campaign_file.parse(text, source)
    asked = tuple(wishes.parse(item, campaign) for item in requirements)
    with ExitStack() as stack:
        folder = (
            output.writable_folder(out)
            if out is not None
            else Path(stack.enter_context(TemporaryDirectory(prefix="fx3loop-sweep-")))
        )
        campaign_folder.prepare(folder, campaign, text)
        worker = Engine(engine, jobs, scheduler or "")
        summary = campaign_folder.sweep(folder, campaign, worker, output.Progress("sweep"))
        proposal = propose(campaign, summary, asked, worker) if asked else None
        if proposal is not None:
            summary["proposal"] = proposal.as_dict()
            campaign_folder.write_summary(folder, summary)
    if as_json:
        output.print_json(summary)
    else:
        sweep_text.report(summary, proposal, out)
    context.exit(OK if proposal is None or proposal.is_found else CHECK_FAILED)
