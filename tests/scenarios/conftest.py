"""Episodes of the demo, run once a seed for all tests."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import pytest

from scenarios import demo
from scenarios.runner import Episode


@cache
def _episodes(seed: int) -> tuple[Episode, ...]:
    return tuple(demo.run(seed))


@pytest.fixture(scope="session")
def demo_episodes() -> Callable[[int], tuple[Episode, ...]]:
    """All episodes of the demo for a seed."""
    return _episodes
