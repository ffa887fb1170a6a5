"""docs/workflow.md says which test shows each clause, and says it of the tests that there are."""

from __future__ import annotations

import pytest

from tests.workflow_table import CLAUSES, DOCUMENT, TABLES, WEAKNESSES, block, shown


@pytest.mark.parametrize("name", TABLES)
def test_the_tables_are_current(name):
    """Run ``make workflow`` where this fails."""
    found = block(name).search(DOCUMENT.read_text(encoding="utf-8"))
    assert found is not None
    assert found[2] == TABLES[name]()


def test_no_test_names_a_clause_or_a_weakness_that_there_is_not():
    """A slip of the pen would vanish from the tables."""
    by_clause, by_weakness = shown()
    assert set(by_clause) <= set(CLAUSES)
    assert set(by_weakness) <= set(WEAKNESSES)


def test_every_clause_and_every_weakness_has_its_test():
    """No row of the tables is empty."""
    by_clause, by_weakness = shown()
    assert [clause for clause in CLAUSES if not by_clause[clause]] == []
    assert [number for number in WEAKNESSES if not by_weakness[number]] == []
    assert len(WEAKNESSES) == 26
