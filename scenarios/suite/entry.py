"""How a function of the suite becomes a scenario."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from health import Level
from scenarios.scenario import Scenario
from sim.firmware import REVISIONS

WITH_TEST_HOOKS = tuple(name for name, item in REVISIONS.items() if item.test_hooks)
"""The revisions that know HANGFX3 and HANGMAIN."""
ALL = tuple(REVISIONS)


def entry(
    group: str,
    run: Callable[..., str | None],
    *,
    rate_hz: int = 32_000_000,
    firmwares: tuple[str, ...] = ALL,
    is_legal: bool = True,
    remedies: Mapping[Level, tuple[int, int]] | None = None,
    resets: tuple[str, ...] = (),
) -> Scenario:
    """Return the scenario of a function: its name is the function's, its summary the first line.

    Args:
        group: heading in lists.
        run: the function.
        rate_hz: sample rate that a station goes on with after trouble.
        firmwares: revisions that it can run on.
        is_legal: see :class:`~scenarios.scenario.Scenario`, as ``remedies`` and ``resets``.
        remedies: levels that have to act, at least and at most; by default none may.
        resets: causes of resets that it provokes.
    """
    return Scenario(
        name=run.__name__,
        run=run,
        summary=(run.__doc__ or run.__name__).splitlines()[0].rstrip("."),
        group=group,
        firmwares=firmwares,
        rate_hz=rate_hz,
        is_legal=is_legal,
        remedies=remedies or {},
        resets=resets,
    )
