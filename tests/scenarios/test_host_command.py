"""``fx3loop host``: the guard's rules on the command line."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from hw.bus import Selector
from hw.guard import Acknowledgement, HostState, Operation, RiskMode, Target
from scenarios.cli import cli, inputs
from scenarios.cli.host_command import SUBCOMMANDS
from scenarios.errors import InputError

ROOT = Path(__file__).parents[2]


def host(*arguments):
    """Run the command in this process."""
    return CliRunner().invoke(cli, ["host", *arguments], prog_name="fx3loop")


def test_the_rules_are_printed_for_people():
    done = host("policy")
    assert (done.stderr, done.exit_code) == ("", 0)
    lines = [line.split() for line in done.stdout.splitlines()]
    assert ["interrupting", "normal", "ack", "yes", "yes"] in lines
    assert ["write", "observing,", "frozen,", "unknown", "no", "no", "no"] in lines
    assert ["persistent", "flash"] in lines


def test_the_rules_are_printed_as_data():
    done = host("policy", "--json")
    assert done.exit_code == 0
    document = json.loads(done.stdout)
    assert document["schema"] == "fx3loop.host-policy/1"
    assert len(document["rules"]) == 24
    assert {
        "class": "destructive",
        "host_state": "normal",
        "safe": "grant",
        "standard": "ack",
        "aggressive": "ack",
    } in document["rules"]
    assert document["operations"]["port-reset"] == "destructive"
    assert document["levels"]["3"] == ["open", "set-configuration"]
    assert document["force"]["phrase"] == "I_UNDERSTAND_RISK"


def test_every_subcommand_is_there_and_its_help_is_a_line():
    done = host("--help")
    assert done.exit_code == 0
    for name in SUBCOMMANDS:
        assert f"  {name} " in done.stdout
        assert host(name, "--help").exit_code == 0


@pytest.mark.parametrize("arguments", [("polcy",), ("policy", "--jso"), ("policy", "more")])
def test_a_mistake_is_one_line(arguments):
    done = subprocess.run(
        [sys.executable, "-c", "from scenarios.cli import main; main()", "host", *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("fx3loop: ")
    assert done.stderr.count("\n") == 1


def test_without_a_subcommand_the_help_is_an_error():
    done = host()
    assert (done.exit_code, done.stdout) == (2, "")
    assert "policy" in done.stderr


def test_what_is_typed_binds_to_the_target_and_to_this_process(monkeypatch, stable_host):
    monkeypatch.delenv("QPY_FORCE_KILL_GUARD", raising=False)
    port = Target("serial", "/dev/ttyUSB2")
    made = inputs.authority("standard", ("fs-write",), Selector(), port)()
    assert made.risk_mode is RiskMode.STANDARD
    assert made.host_state is HostState.NORMAL
    assert made.acknowledgements == {Acknowledgement(Operation.FS_WRITE, port, None)}
    assert made.grants == ()
    assert not made.is_force_guarded
    monkeypatch.setenv("QPY_FORCE_KILL_GUARD", "I_UNDERSTAND_RISK")
    assert inputs.authority("standard", (), Selector(), port)().is_force_guarded


def test_an_operation_that_does_not_exist_is_answered_with_the_nearest():
    with pytest.raises(InputError, match="port-reset"):
        inputs.authority("safe", ("portreset",), Selector())
