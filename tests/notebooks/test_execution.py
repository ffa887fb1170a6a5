"""Each notebook runs from top to bottom, and every number in its answer is asserted on the way."""

from __future__ import annotations

import os
import warnings

import pytest

from tests.notebooks.books import BOOKS, ROOT

TIMEOUT_S = 300
MISSING = "the dependency group `heavy` is not installed; `make heavy` does that"

pytestmark = pytest.mark.heavy


@pytest.mark.parametrize("path", BOOKS, ids=[path.stem for path in BOOKS])
def test_it_runs(path, monkeypatch):
    """In a kernel of its own, on the modules of this tree."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(ROOT), os.environ.get("PYTHONPATH", ""))))
    with warnings.catch_warnings():
        # Jupyter's own: of event loops and sockets, none of which is ours.
        warnings.simplefilter("ignore")
        nbformat = pytest.importorskip("nbformat", reason=MISSING)
        nbclient = pytest.importorskip("nbclient", reason=MISSING)
        pytest.importorskip("ipykernel", reason=MISSING)
        book = nbformat.read(path, as_version=4)
        nbformat.validate(book)
        nbclient.NotebookClient(
            book,
            timeout=TIMEOUT_S,
            kernel_name="python3",
            resources={"metadata": {"path": str(ROOT)}},
        ).execute()
    pictures = [
        output
        for cell in book.cells
        for output in cell.get("outputs", ())
        if "image/png" in output.get("data", {})
    ]
    assert pictures
