"""Which scenarios are meant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from scenarios import registry
from scenarios.errors import InputError
from scenarios.scenario import Scenario
from sim.firmware import revision


@dataclass(frozen=True)
class Chosen:
    """A scenario that was chosen.

    Attributes:
        scenario: which.
        firmware: the revision that it runs on.
        left_out: why it does not run all the same; empty when it does.
    """

    scenario: Scenario
    firmware: str
    left_out: str = ""


def choose(
    names: Sequence[str],
    *,
    is_all: bool = False,
    pattern: str | None = None,
    firmware: str | None = None,
) -> list[Chosen]:
    """Return the scenarios that are meant, none twice.

    Args:
        names: asked for by name, in order.
        is_all: all of them, in the registry's order; the names are then not looked at.
        pattern: of those only the ones whose name contains this, or matches it as a whole where
            it has ``*``, ``?`` or ``[``. Without names it chooses among all.
        firmware: the revision, or None for each scenario's own.

    Raises:
        InputError: a name is unknown or does not run on this firmware, or nothing is left.
        FirmwareNotKnown: there is no such revision.
    """
    is_named = bool(names) and not is_all
    found = [registry.find(name) for name in dict.fromkeys(names)]
    if not is_named:
        found = list(registry.SCENARIOS.values())
    if pattern is not None:
        found = [item for item in found if _matches(item.name, pattern)]
        if not found:
            raise InputError(
                f"no scenario matches {pattern!r}; for example -k stop, see fx3loop list"
            )
    return [_chosen(item, firmware, is_named) for item in found]


def _chosen(scenario: Scenario, firmware: str | None, is_named: bool) -> Chosen:
    release = revision(firmware or scenario.firmware).name
    if release in scenario.firmwares:
        return Chosen(scenario, release)
    able = " or ".join(scenario.firmwares)
    text = f"{scenario.name} does not run on firmware {release!r}; use {able}"
    if is_named:
        raise InputError(text)
    return Chosen(scenario, release, text)


def _matches(name: str, pattern: str) -> bool:
    if any(letter in pattern for letter in "*?["):
        return fnmatchcase(name, pattern)
    return pattern in name
