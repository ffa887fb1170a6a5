"""Calls for workers that die, for processes that import them by name."""

from __future__ import annotations

import os

from scenarios.lab.campaign import Job
from scenarios.lab.trial import Outcome, run

DEADLY_ROW = 21
"""In the second job of 16 rows."""


def dies_at_one_row(job: Job) -> list[Outcome]:
    """Kill the process where one row is run, whenever that is."""
    if any(planned.row == DEADLY_ROW for planned in job.planned):
        os._exit(1)
    return [run(planned.trial) for planned in job.planned]


def dies_once(mark: str, job: Job) -> list[Outcome]:
    """Kill the first process that comes to that row, as a machine out of memory does."""
    if any(planned.row == DEADLY_ROW for planned in job.planned) and not os.path.exists(mark):
        open(mark, "w").close()
        os._exit(1)
    return [run(planned.trial) for planned in job.planned]
