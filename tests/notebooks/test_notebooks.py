"""The notebooks' form: a question, an answer, asserts between them, and nothing that was run."""

from __future__ import annotations

import re

import pytest

from tests.notebooks.books import BOOKS, ROOT, cells, load, source

TITLES = (
    "1_watchdog_period_and_pet_interval",
    "2_level_4_and_the_spinning_thread",
    "3_from_a_sweep_to_a_policy",
    "4_clear_feature_in_the_callback",
)
LINES_MAX = 50
"""A cell with more code than this holds what belongs into the package."""

each = pytest.mark.parametrize("path", BOOKS, ids=[path.stem for path in BOOKS])


def test_there_are_four():
    assert tuple(path.stem for path in BOOKS) == TITLES


@each
def test_it_opens_with_the_question(path):
    first = load(path)["cells"][0]
    title, _, rest = source(first).partition("\n")
    assert (first["id"], first["cell_type"]) == ("question", "markdown")
    assert title.startswith("# ")
    assert "?" in title + rest


@each
def test_it_ends_with_the_answer(path):
    last = load(path)["cells"][-1]
    assert (last["id"], last["cell_type"]) == ("answer", "markdown")
    assert source(last).startswith("# The answer\n")


@each
def test_nothing_that_was_run_is_committed(path):
    for cell in cells(path, "code"):
        assert cell["outputs"] == []
        assert cell["execution_count"] is None
        assert cell["metadata"] == {}


@each
def test_its_cells_have_names_that_do_not_change(path):
    found = load(path)["cells"]
    names = [f"cell-{number:02}" for number in range(2, len(found))]
    assert [cell["id"] for cell in found] == ["question", *names, "answer"]
    assert load(path)["metadata"]["language_info"] == {"name": "python"}


@each
def test_it_can_fail_and_holds_no_logic(path):
    """Asserts in most of its code, and no cell that belongs into the package."""
    sources = [source(cell) for cell in cells(path, "code")]
    assert sum("assert " in text for text in sources) > len(sources) / 2
    assert max(text.count("\n") for text in sources) < LINES_MAX
    assert not any("class " in line for text in sources for line in text.splitlines())


@each
def test_every_file_that_it_names_exists(path):
    for cell in cells(path, "markdown"):
        for name in re.findall(r"\bdocs/[\w./-]+\w", source(cell)):
            assert (ROOT / name).exists(), name
