"""The folder of a sweep: its campaign, its table, its summary, and what made them.

A sweep that was interrupted goes on where it stopped; another campaign, or another version of a
program that results depend on, is refused, because its rows would not be the same.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from scenarios.errors import InputError
from scenarios.lab import campaign_table
from scenarios.lab.campaign import Campaign
from scenarios.lab.campaign_run import Engine, results
from scenarios.lab.campaign_summary import summarise
from scenarios.lab.campaign_table import Row, Table, columns, row_of
from scenarios.lab.verify import versions

CAMPAIGN = "campaign.toml"
ROWS = "runs.csv"
SUMMARY = "summary.json"
PARQUET = "runs.parquet"
ORIGIN = "origin.json"
ORIGIN_SCHEMA = "fx3loop.sweep-origin/1"


def prepare(folder: Path, campaign: Campaign, text: str) -> None:
    """Make a folder this campaign's, or see that it is.

    Args:
        folder: exists and can be written to.
        campaign: what is going to run.
        text: its TOML.

    Raises:
        InputError: another campaign, or another version, has begun there.
    """
    origin = {"schema": ORIGIN_SCHEMA, "digest": campaign.digest, "versions": versions()}
    path = folder / ORIGIN
    if not path.exists():
        if (folder / ROWS).exists():
            raise InputError(f"{folder} has a {ROWS} of unknown origin; give another --out")
        write_atomically(folder / CAMPAIGN, text)
        write_atomically(path, json.dumps(origin, indent=2) + "\n")
        return
    try:
        before = json.loads(path.read_text(encoding="utf-8"))
        digest, programs = before["digest"], dict(before["versions"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} cannot be understood; give another --out") from error
    if digest != campaign.digest:
        raise InputError(
            f"{folder} holds another campaign (digest {str(digest)[:12]}, this one has "
            f"{campaign.digest[:12]}); give another --out"
        )
    for name, value in origin["versions"].items():  # type: ignore[attr-defined]
        if programs.get(name) != value:
            raise InputError(
                f"{folder} was begun with {name} {programs.get(name)}, this is {value}: rows could "
                f"differ; give another --out"
            )


def sweep(
    folder: Path,
    campaign: Campaign,
    engine: Engine,
    progress: Callable[[int, int], None] = lambda done, of: None,
) -> dict[str, Any]:
    """Run what is missing, and write and return the summary.

    Args:
        folder: prepared.
        campaign: what runs.
        engine: who does it.
        progress: told how many rows are done, and of how many.

    Raises:
        InputError: somebody else is at work in the folder, or it cannot be written to.
        NotAvailable: the engine is.
    """
    of = campaign.rows
    with Table(folder / ROWS, columns(campaign)) as table:
        table.cut(campaign.whole_jobs(table.rows))
        progress(table.rows, of)
        for part in results(campaign.jobs(table.rows), engine):
            table.append(row_of(campaign, planned, outcome) for planned, outcome in part)
            progress(table.rows, of)
    rows = list(campaign_table.read(folder / ROWS))
    summary = summarise(campaign, rows)
    write_summary(folder, summary)
    write_parquet(folder / PARQUET, rows)
    return summary


def write_summary(folder: Path, summary: dict[str, Any]) -> None:
    """Write `summary.json`."""
    write_atomically(folder / SUMMARY, json.dumps(summary, indent=2) + "\n")


def write_parquet(path: Path, rows: list[Row]) -> None:
    """Write the table as Parquet too, where pyarrow is installed; every column is text."""
    try:
        from pyarrow import Table as ArrowTable, parquet
    except ImportError:
        return
    temporary = path.with_suffix(".new")
    parquet.write_table(ArrowTable.from_pylist(rows), temporary)
    _put(temporary, path)


def write_atomically(path: Path, text: str) -> None:
    """Write a file that is there whole or not at all, also after the power failed.

    Raises:
        InputError: it cannot be written.
    """
    temporary = path.with_name(path.name + ".new")
    try:
        temporary.write_text(text, encoding="utf-8")
        _put(temporary, path)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}") from error


def _put(temporary: Path, path: Path) -> None:
    with temporary.open("rb") as file:
        os.fsync(file.fileno())
    temporary.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
