"""Every published figure, by theme."""

from __future__ import annotations

from scenarios.calibration import (
    console,
    levels,
    requests,
    resets,
    soak_order,
    soak_outcome,
    stalls,
    stream,
)
from scenarios.calibration.figure import Group

GROUPS: tuple[Group, ...] = (
    requests.GROUP,
    stalls.GROUP,
    levels.GROUP,
    resets.GROUP,
    stream.GROUP,
    console.GROUP,
    soak_order.GROUP,
    soak_outcome.GROUP,
)
"""In the order of the report."""
