"""The notebooks, as the tests of them see them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "notebooks"
BOOKS = tuple(sorted(FOLDER.glob("*.ipynb")))


def load(path: Path) -> dict[str, Any]:
    """Read a notebook."""
    return json.loads(path.read_text(encoding="utf-8"))


def source(cell: dict[str, Any]) -> str:
    """The text of a cell."""
    return "".join(cell["source"])


def cells(path: Path, kind: str) -> list[dict[str, Any]]:
    """The cells of a kind, ``code`` or ``markdown``."""
    return [cell for cell in load(path)["cells"] if cell["cell_type"] == kind]
