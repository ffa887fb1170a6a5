"""Each seeded bug is caught where docs/mutants.md says, and the right module is not.

Here each bug meets the one run that the page names for it. The heavy test tries it with all runs,
in order, and makes the whole page again.
"""

from __future__ import annotations

import pytest

from health import Health, Policy
from tests.scenarios.mutants.catalogue import MUTANTS
from tests.scenarios.mutants.report import DOCUMENT, page, result, rows, shortened
from tests.scenarios.mutants.suite import (
    PARTS,
    RUNS,
    VECTOR_RUNS,
    EpisodeRun,
    catches,
    known,
)
from tests.scenarios.mutants.workshop import NOBODY, UNCHANGED, VECTORS, WORLD, Mutant, build

TEXT = DOCUMENT.read_text(encoding="utf-8")
CAUGHT, APART = (rows(part) for part in TEXT.split("## Not to be seen in a device's behaviour"))
SEEN = [mutant for mutant in MUTANTS if mutant.seen_by != NOBODY]
UNSEEN = [mutant for mutant in MUTANTS if mutant.seen_by == NOBODY]


@pytest.mark.parametrize("mutant", SEEN, ids=lambda mutant: mutant.name)
def test_the_run_that_the_page_names_catches(mutant):
    """In a world or, with an argument, by the vectors; and for the reason that the page gives."""
    part = CAUGHT if mutant.seen_by == WORLD else APART
    _, _, run, how, _ = part[mutant.name]
    assert (run in map(str, VECTOR_RUNS)) == (mutant.seen_by == VECTORS)
    reasons = RUNS[run].reasons(build(mutant))
    assert [shortened(text) for text in reasons[:1]] == [how]


@pytest.mark.parametrize("mutant", UNSEEN, ids=lambda mutant: mutant.name)
def test_what_nobody_sees_is_seen_by_no_vector_and_no_incident(mutant):
    """A bug that is seen after all belongs into the other table."""
    assert list(catches(build(mutant), (*VECTOR_RUNS, *PARTS["incidents"]))) == []


@pytest.mark.parametrize("part", [name for name in PARTS if name != "suite"])
def test_the_right_module_is_not_caught(part):
    """The private copy without a patch passes; the suite's scenarios have tests of their own."""
    factory = build(UNCHANGED)
    assert factory is not Health
    assert list(catches(factory, PARTS[part])) == []


def test_the_right_module_gives_every_vector():
    """The private copy without a patch plays them all."""
    assert list(catches(build(UNCHANGED), VECTOR_RUNS)) == []


def test_nothing_is_excused_under_the_reference_policy():
    """What the suite excuses is the want of a level in other policies, firmware or positions."""
    runs = [run for run in PARTS["incidents"] if isinstance(run, EpisodeRun)]
    assert [str(run) for run in runs if known(run)] == []


def test_the_private_copy_decides_by_the_shared_words():
    """Patches change decisions alone: policies, statuses and levels stay everybody's."""
    module = build(UNCHANGED)(Policy.preset("reference"), _Nowhere(), None)
    assert type(module) is not Health
    assert type(module.evaluate()) is type(
        Health(Policy.preset("reference"), _Nowhere()).evaluate()
    )


class _Nowhere:
    """A platform that has nothing."""

    def now_ms(self):
        return 0


@pytest.mark.parametrize("text", ["no such text", "the"])
def test_a_patch_that_does_not_fit_is_named(text):
    """A change of the module has to be followed here."""
    with pytest.raises(ValueError, match=r"stale: its text is \d+ times in health/ticks\.py"):
        build(Mutant("stale", "ticks", text, "", "", ""))


def test_there_are_enough_of_them():
    """At least 81, each once, and no two the same; those apart have their argument."""
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS) >= 81
    assert len({(mutant.module, mutant.old, mutant.new) for mutant in MUTANTS}) == len(MUTANTS)
    assert sum(mutant.seen_by == WORLD for mutant in MUTANTS) >= 69
    for mutant in MUTANTS:
        assert mutant.argument.endswith("." if mutant.seen_by != WORLD else "")
        assert (mutant.seen_by == WORLD) == (not mutant.argument)


def test_the_page_tells_of_each():
    """docs/mutants.md has a row for each bug, with its story, in the part that it belongs to."""
    for mutant in MUTANTS:
        story, fact, *_, last = (CAUGHT if mutant.seen_by == WORLD else APART)[mutant.name]
        assert (story, fact) == (mutant.story, mutant.fact)
        assert mutant.seen_by == WORLD or last == mutant.argument
    assert {*CAUGHT, *APART} == {mutant.name for mutant in MUTANTS}


@pytest.mark.heavy
def test_the_page_is_what_the_suite_finds():
    """Every bug with every part of the suite, in order, until runs of one caught it."""
    assert page([result(mutant) for mutant in MUTANTS]) == TEXT
