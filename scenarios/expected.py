"""Known failures: which scenario fails on which firmware, and why."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scenarios.errors import InputError, not_known
from sim.firmware import REVISIONS

BUILT_IN = Path(__file__).with_name("expected_failures.toml")
NEVER_EXPECTED = "reference"
"""The firmware that has every known defect mended."""
TEXTS = ("firmware", "scenario", "fact", "reason")
EXAMPLE = (
    'firmware = "fw-2.3", scenario = "stop_start_wedge", fact = "F1", reason = "..." and, if it '
    'fails by chance, chance = 0.034; policy = "level-1-4-5" if it fails under that one alone'
)


@dataclass(frozen=True)
class Expectation:
    """A known failure.

    Attributes:
        firmware: the revision that has it.
        scenario: which fails on it.
        fact: the incident or source that says so.
        reason: in one sentence.
        policy: the policy under which it fails; None for any.
        chance: in this share of all runs, above 0 and below 1; None for always.
    """

    firmware: str
    scenario: str
    fact: str
    reason: str
    policy: str | None = None
    chance: float | None = None


class Expectations:
    """The known failures by firmware and scenario.

    Args:
        items: in any order, no firmware, scenario and policy twice.
    """

    def __init__(self, items: Iterable[Expectation] = ()) -> None:
        self._items = {(item.firmware, item.scenario, item.policy): item for item in items}

    def __len__(self) -> int:
        return len(self._items)

    def find(self, firmware: str, scenario: str, policy: str) -> Expectation | None:
        """Return what is expected to fail here, or None; an entry with the policy goes first."""
        of_policy = self._items.get((firmware, scenario, policy))
        return of_policy or self._items.get((firmware, scenario, None))


def load(path: Path, scenarios: Iterable[str]) -> Expectations:
    """Read a file of known failures.

    Args:
        path: a TOML file with a table ``[[expected]]`` for each.
        scenarios: all names that it may mention.

    Raises:
        InputError: it cannot be read, or a line of it is wrong; file and entry are named.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not TOML: {error}") from error
    entries = document.pop("expected", None)
    if document or not isinstance(entries, list):
        raise InputError(f"{path}: a list of [[expected]] tables is wanted, and nothing else")
    known = list(scenarios)
    items: dict[tuple[str, str, str | None], Expectation] = {}
    for number, entry in enumerate(entries, 1):
        try:
            item = _entry(entry, known)
        except InputError as error:
            raise InputError(f"{path}, entry {number}: {error}") from error
        key = item.firmware, item.scenario, item.policy
        if key in items:
            raise InputError(
                f"{path}, entry {number}: {' '.join(filter(None, key))} is there twice"
            )
        items[key] = item
    return Expectations(items.values())


def _entry(entry: Any, scenarios: list[str]) -> Expectation:  # noqa: ANN401 - TOML
    if not isinstance(entry, dict) or not set(entry) <= {*TEXTS, "policy", "chance"}:
        raise InputError(f"the fields are {EXAMPLE}")
    for name in TEXTS:
        if not isinstance(entry.get(name), str) or not entry[name]:
            raise InputError(f"{name} has to be a text; the fields are {EXAMPLE}")
    if not isinstance(entry.get("policy", "any"), str):
        raise InputError(f"policy has to be a policy's name; the fields are {EXAMPLE}")
    chance = entry.get("chance")
    if chance is not None and not (isinstance(chance, float) and 0 < chance < 1):
        raise InputError(f"chance has to be above 0 and below 1, not {chance}; for example 0.034")
    if entry["firmware"] == NEVER_EXPECTED:
        raise InputError(f"nothing is expected to fail on {NEVER_EXPECTED}: mend it instead")
    if entry["firmware"] not in REVISIONS:
        raise not_known("firmware", entry["firmware"], REVISIONS)
    if entry["scenario"] not in scenarios:
        raise not_known("scenario", entry["scenario"], scenarios)
    return Expectation(**entry)
