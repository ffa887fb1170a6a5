"""docs/sweeps.md: its tables are those of the code. Run as a module it writes them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from scenarios.lab import campaign_file
from scenarios.lab.campaign_summary import MEANINGS
from scenarios.lab.campaign_table import COLUMNS
from scenarios.lab.trial import VERDICTS

PAGE = Path(__file__).parents[3] / "docs/sweeps.md"
TABLES = {
    "verdicts": ("verdict", VERDICTS),
    "columns": ("column", COLUMNS),
    "metrics": ("metric", MEANINGS),
}


def table(name):
    heading, entries = TABLES[name]
    lines = [f"| {heading} | meaning |", "|---|---|"]
    return "\n".join(lines + [f"| `{key}` | {text} |" for key, text in entries.items()])


def pattern(name):
    return re.compile(rf"(<!-- {name}:.*?-->\n)(.*?)(<!-- end of {name} -->)", re.DOTALL)


@pytest.mark.parametrize("name", TABLES)
def test_the_table_is_the_codes(name):
    """Verdicts, columns and metrics."""
    found = pattern(name).search(PAGE.read_text())
    assert found is not None
    assert found.group(2).strip() == table(name)


def test_every_preset_is_named():
    """And no other."""
    text = PAGE.read_text()
    for name in campaign_file.presets():
        assert f"`{name}`" in text


def test_the_campaign_on_the_page_can_be_run():
    """As it stands there."""
    block = re.search(r"## A campaign\n\n((?:    .*\n|\n)+)", PAGE.read_text())
    assert block is not None
    text = "\n".join(line[4:] for line in block.group(1).splitlines())
    assert campaign_file.parse(text, "page").rows == 200


if __name__ == "__main__":
    content = PAGE.read_text()
    for key in TABLES:
        content = pattern(key).sub(rf"\g<1>{table(key)}\n\g<3>", content)
    PAGE.write_text(content)
