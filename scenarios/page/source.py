"""From what a user names to a page: a file or folder is told by what is in it."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from hw.guard.certificate import SCHEMA as CERTIFICATE, Certificate
from scenarios import registry
from scenarios.errors import InputError
from scenarios.lab import schedule
from scenarios.lab.campaign_folder import ROWS, SUMMARY
from scenarios.lab.campaign_summary import SCHEMA as SWEEP
from scenarios.page import certificate_page, run_page, sweep_page, sweep_runs, traces
from scenarios.page.model import Page
from scenarios.page.sweep_rows import COLUMNS
from scenarios.reports.document import SCHEMA as RESULTS
from scenarios.runner import run_episode

CALIBRATION = "calibration"
"""The other report, which takes no source."""
ACCEPTED = (
    "a certificate (fx3loop verify --out), results (fx3loop run --json), a trace (fx3loop run "
    "--trace FILE.json), a fault schedule, a sweep's folder (fx3loop sweep --out), or a "
    "scenario's name"
)


def page_of(name: str, text: str | None = None) -> Page:
    """Return the page over a file, a folder or a scenario.

    Args:
        name: what was named.
        text: what is in it, where it was read already (from standard input).

    Raises:
        InputError: it is none of what is accepted; the message says what is.
        CertificateError: a certificate was changed.
    """
    path = Path(name)
    if text is None and name in registry.SCENARIOS and not path.exists():
        episode = run_episode(registry.find(name), seed=1, look_interval_ms=traces.LOOK_INTERVAL_MS)
        return run_page.of_episode(episode, name, run_page.command_of(episode.row))
    if text is None and path.is_dir():
        return _sweep(path)
    if text is None:
        text = _read(path)
    try:
        document = json.loads(text)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise InputError(f"{name}: no file that a page can be made of; give {ACCEPTED}")
    return _page(name, path, document, text)


def _page(name: str, path: Path, document: Mapping[str, Any], text: str) -> Page:
    schema = document.get("schema")
    if schema == CERTIFICATE:
        return certificate_page.build(Certificate.from_json(text, name), name)
    if schema == RESULTS:
        return _results(document, name)
    if schema == schedule.SCHEMA:
        return run_page.of_schedule(schedule.read(path), name)
    if schema == SWEEP:
        return _sweep(path.parent)
    if "traceEvents" in document:
        return _trace(text, name)
    raise InputError(f"{name}: its schema is {schema!r}, of which no page is made; give {ACCEPTED}")


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        near = get_close_matches(str(path), [*registry.SCENARIOS, CALIBRATION], n=2)
        advice = f"did you mean {' or '.join(near)}?" if near else f"give {ACCEPTED}"
        raise InputError(f"there is no {path}; {advice}") from None
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError:
        raise InputError(f"{path}: no file that a page can be made of; give {ACCEPTED}") from None


def _results(document: Mapping[str, Any], name: str) -> Page:
    rows = document.get("rows")
    known = [*run_page.ROW_FIELDS, "group", "outcome", "reasons"]
    if not isinstance(rows, list) or not isinstance(document.get("counts"), dict):
        raise InputError(f"{name}: rows or counts are missing; make it with fx3loop run --json")
    for index, row in enumerate(rows):
        missing = [key for key in known if key not in row]
        if missing:
            raise InputError(
                f"{name}: row {index} has no {missing[0]}; make it with fx3loop run --json"
            )
    return run_page.of_results({"without_row": [], **document}, name)


def _trace(text: str, name: str) -> Page:
    try:
        timelines = traces.of_chrome(traces.loads(text))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            f"{name}: no trace of fx3loop run --trace FILE.json ({type(error).__name__}: {error})"
        ) from error
    return run_page.of_trace(timelines, name)


def _sweep(folder: Path) -> Page:
    if not (folder / SUMMARY).is_file() or not (folder / ROWS).is_file():
        raise InputError(f"{folder}: no {SUMMARY} and {ROWS} in this folder; give {ACCEPTED}")
    try:
        summary = json.loads(_read(folder / SUMMARY))
    except ValueError as error:
        raise InputError(f"{folder / SUMMARY} is no JSON: {error}") from error
    schema = summary.get("schema") if isinstance(summary, dict) else None
    if schema != SWEEP:
        raise InputError(f"{folder / SUMMARY}: its schema is {schema!r}, not {SWEEP!r}")
    rows = list(csv.DictReader(_read(folder / ROWS).splitlines()))
    for column in COLUMNS:
        if rows and rows[-1].get(column) is None:
            raise InputError(f"{folder / ROWS}: there is no column {column}, or a row is torn")
    try:
        shown = sweep_runs.worst(folder, summary, rows)
        return sweep_page.build(summary, rows, str(folder), shown)
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{folder / SUMMARY}: not what fx3loop sweep writes ({type(error).__name__}: {error})"
        ) from error
