"""Which run catches which bug, as a table: docs/mutants.md."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from tests.scenarios.mutants.suite import PARTS, VECTOR_RUNS, catches
from tests.scenarios.mutants.workshop import NOBODY, VECTORS, WORLD, Mutant, build

DOCUMENT = Path(__file__).parents[3] / "docs" / "mutants.md"
NAMED = 3
"""So many runs that catch a bug are named."""
LONGEST = 90

HEAD = """\
# Seeded bugs: what the regression suite catches

Each row is one realistic bug, put into a private copy of `health` as a patch
(`tests/scenarios/mutants`) and judged as a health module of somebody's own: by all scenarios, other
policies and firmware, the host position, a short soak, the invariants of `scenarios/oracle.py` and
`scenarios/conduct.py`, and, where no device behaviour can show it, by the vectors in
`tests/vectors`. `python -m tests.scenarios.mutants` makes this page; a test keeps it current.

Of {count} bugs, {worlds} are caught in simulated worlds,
{vectors} by the vectors alone and {nobody} by nobody.

## Caught in simulated worlds

| bug | story | violates | first caught by | how | and by |
|---|---|---|---|---|---|
"""
APART = """
## Not to be seen in a device's behaviour

| bug | story | violates | caught by | how | why no scenario shows it |
|---|---|---|---|---|---|
"""


@dataclass(frozen=True)
class Result:
    """A bug and who caught it.

    Attributes:
        mutant: the bug.
        caught_by: a world, the vectors or nobody.
        found: the first runs that caught it, of one part of the suite, each with its reason.
    """

    mutant: Mutant
    caught_by: str
    found: tuple[tuple[str, str], ...]


def result(mutant: Mutant) -> Result:
    """Try a bug with one part after the other, until runs of one caught it."""
    factory = build(mutant)
    for runs in PARTS.values():
        found = tuple(islice(catches(factory, runs), NAMED))
        if found:
            return Result(mutant, WORLD, found)
    found = tuple(islice(catches(factory, VECTOR_RUNS), NAMED))
    return Result(mutant, VECTORS if found else NOBODY, found)


def page(results: Sequence[Result]) -> str:
    """Return the page."""
    by_whom = [item.caught_by for item in results]
    head = HEAD.format(
        count=len(results),
        worlds=by_whom.count(WORLD),
        vectors=by_whom.count(VECTORS),
        nobody=by_whom.count(NOBODY),
    )
    caught = [_row(item, also(item)) for item in results if item.caught_by == WORLD]
    apart = [_row(item, item.mutant.argument) for item in results if item.caught_by != WORLD]
    return head + "".join(caught) + APART + "".join(apart)


def also(item: Result) -> str:
    """The runs that caught it after the first."""
    return ", ".join(name for name, _ in item.found[1:])


def shortened(reason: str) -> str:
    """Return a reason as it stands in a cell."""
    text = reason.replace("|", "/")
    return text if len(text) <= LONGEST else text[: LONGEST - 1].rstrip() + "…"


def rows(text: str) -> dict[str, tuple[str, ...]]:
    """Return the cells of the page's rows by the bug's name."""
    found = re.findall(r"^\| `(\w+)` \| (.*) \|$", text, re.MULTILINE)
    return {name: tuple(cell.strip() for cell in rest.split(" | ")) for name, rest in found}


def _row(item: Result, last: str) -> str:
    mutant = item.mutant
    name, reason = item.found[0] if item.found else (NOBODY, "")
    cells = (f"`{mutant.name}`", mutant.story, mutant.fact, name, shortened(reason), last)
    return f"| {' | '.join(cells)} |\n"
