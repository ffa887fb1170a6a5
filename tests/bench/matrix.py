"""On two cores: the matrix of the reference policy (at most 60 s), and verify (at most 180 s)."""

from __future__ import annotations

from time import perf_counter

from health import Policy
from scenarios.lab import verify
from scenarios.lab.cells import cells
from scenarios.lab.matrix import Place, Result

PROCESSES = 2
PLACE = Place(Policy.preset("reference"), "device", "reference")


def measure(soak_hours: float) -> dict[str, float]:
    """Wall time of both, with verify's soak of so many simulated hours."""
    began = perf_counter()
    matrix = [verify.CellTask(PLACE, cell) for cell in cells(PLACE.firmware, PLACE.policy)]
    results = [item for item in verify.run_tasks(matrix, PROCESSES) if isinstance(item, Result)]
    matrix_s = perf_counter() - began
    began = perf_counter()
    tasks = verify.tasks_of(PLACE, soak_hours)
    for _ in verify.run_tasks(tasks, PROCESSES):
        pass
    return {
        "cells": len(results),
        "runs": sum(len(result.runs) for result in results),
        "wall_s": matrix_s,
        "verify_wall_s": perf_counter() - began,
    }
