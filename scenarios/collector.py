"""The cyclic garbage collector of a program that runs worlds."""

from __future__ import annotations

import gc
from typing import Final

THRESHOLD: Final = 20_000
"""New containers before a collection. Python's 700 costs worlds a sixth of their time: nearly all
that a world makes dies by its count of references, and the cycles that do not are small."""


def relax_collector() -> None:
    """Let it run seldom. For a program to decide about its own process, never for a library."""
    gc.set_threshold(THRESHOLD)
