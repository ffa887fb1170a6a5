"""What docs/modem.md claims of the code."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from hw.serial import ports
from scenarios.cli import cli
from sim.modem import options

ROOT = Path(__file__).resolve().parents[3]
TEXT = (ROOT / "docs" / "modem.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^    fx3loop (.*)$", TEXT, re.MULTILINE)


@pytest.mark.parametrize(
    ("name", "table"), [("ports", ports.table()), ("options", options.table())]
)
def test_the_tables_are_current(name, table):
    """Each product with its interfaces, each option with its default."""
    found = re.search(rf"<!-- {name}:.*?-->\n(.*?)\n<!-- end of {name} -->", TEXT, re.DOTALL)
    assert found is not None
    assert found[1] == table


@pytest.mark.parametrize("line", COMMANDS)
def test_each_command_works(line, monkeypatch):
    """As it is printed; the one with a damaged file says so."""
    monkeypatch.chdir(ROOT)
    done = CliRunner().invoke(cli, shlex.split(line), prog_name="fx3loop")
    assert done.exit_code == (1 if "flipped" in line else 0), done.stderr
