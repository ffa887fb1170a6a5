"""What the documents claim of the code."""

import re
from pathlib import Path

from sim.options import table

ROOT = Path(__file__).resolve().parents[1]


def test_the_options_table_is_current():
    """docs/model.md lists every knob with the default and the source that the code has."""
    text = (ROOT / "docs/model.md").read_text()
    found = re.search(r"<!-- options:.*?-->\n(.*?)\n<!-- end of options -->", text, re.DOTALL)

    assert found is not None
    assert found.group(1).strip() == table()


def test_every_path_that_a_document_names_exists():
    """README and docs point only to files that are there."""
    for document in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        for path in re.findall(
            r"`((?:health|sim|hw|scenarios|tests|docs)/[\w./-]+)`", document.read_text()
        ):
            assert (ROOT / path).exists(), f"{document.name} names {path}"
