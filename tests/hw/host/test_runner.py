"""Commands on this machine: real processes, no shell, bounded in time."""

from __future__ import annotations

import os
import sys

import pytest

from hw.host.errors import EvidenceError
from hw.host.runner import SystemRunner

ECHO = "import sys; print(sys.argv[1:]); sys.stderr.write('said'); sys.exit(3)"


def test_weakness_10_no_shell_reads_an_argument(tmp_path, monkeypatch):
    """Each arrives as it is, and nothing in it is run."""
    monkeypatch.chdir(tmp_path)
    words = ["$(touch made)", "; touch made", "`touch made`", "$HOME", "a b"]
    done = SystemRunner().run((sys.executable, "-c", ECHO, *words))
    assert done.stdout.decode().strip() == str(words)
    assert (done.code, done.stderr) == (3, b"said")
    assert os.listdir(tmp_path) == []


def test_weakness_16_a_command_that_hangs_is_ended_and_told():
    """By the typed error, at its limit."""
    hang = "import time; print('begun', flush=True); time.sleep(60)"
    with pytest.raises(EvidenceError, match="took longer than 300 ms"):
        SystemRunner().run((sys.executable, "-c", hang), limit_ms=300)


@pytest.mark.parametrize(
    ("name", "said"), [("missing", "no such program"), ("text", "cannot be started")]
)
def test_a_program_that_cannot_be_started_is_the_typed_error(tmp_path, name, said):
    """It is not there, or is no program."""
    (tmp_path / "text").write_text("no program")
    with pytest.raises(EvidenceError, match=said):
        SystemRunner().run((str(tmp_path / name),))
