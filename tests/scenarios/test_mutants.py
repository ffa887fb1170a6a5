"""Each seeded bug is caught where its entry says, and docs/mutants.md tells of each."""

from __future__ import annotations

import re

import pytest
from tests.scenarios.mutants.catalogue import MUTANTS
from tests.scenarios.mutants.report import DOCUMENT, result
from tests.scenarios.mutants.suite import PARTS, findings
from tests.scenarios.mutants.workshop import WORLD, Mutant, build

from health import Health


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_the_suite_catches(mutant):
    """In a world, or, with an argument, by the vectors or by nobody."""
    found = result(mutant)
    assert found.caught_by == mutant.seen_by, found.found[:3]
    if mutant.seen_by != WORLD:
        assert mutant.argument.endswith(".")


def test_the_right_module_is_not_caught():
    """The private copy without a patch passes the whole suite."""
    unchanged = Mutant("unchanged", "ticks", "WRAP = 0xFFFF_FFFF", "WRAP = 0xFFFF_FFFF", "", "")
    factory = build(unchanged)
    assert factory is not Health
    assert findings(factory) == []


def test_the_reference_module_keeps_every_rule_of_the_incidents():
    """What the suite excuses is the want of a level in other policies, firmware or positions."""
    from tests.scenarios.mutants.suite import known

    for name in ("incidents", "suite"):
        assert [str(run) for run in PARTS[name] if known(run) and "without-4" not in str(run)] == []


def test_a_patch_that_does_not_fit_is_named():
    """A change of the module has to be followed here."""
    with pytest.raises(ValueError, match=r"stale: its text is 0 times in health/ticks\.py"):
        build(Mutant("stale", "ticks", "no such text", "", "", ""))


def test_there_are_enough_of_them():
    """At least 40 that worlds catch, each once."""
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)
    assert sum(mutant.seen_by == WORLD for mutant in MUTANTS) >= 40


def test_the_document_tells_of_each():
    """docs/mutants.md has a row for each bug, with its story, in the part that it belongs to."""
    text = DOCUMENT.read_text(encoding="utf-8")
    caught, apart = text.split("## Not to be seen in a device's behaviour")
    for mutant in MUTANTS:
        part = caught if mutant.seen_by == WORLD else apart
        assert f"| `{mutant.name}` | {mutant.story} | {mutant.fact} |" in part
    assert len(re.findall(r"^\| `", text, re.MULTILINE)) == len(MUTANTS)
