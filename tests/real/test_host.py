"""The way of a host out of normal and back, by commands alone, with an RX888 on the real libusb.

Source: host stability workflow, A, B and E.
"""

from __future__ import annotations

import json
import sys
from subprocess import CompletedProcess

import pytest

from hw.guard.place import boot_id
from tests.real.bench import LIMIT_S, RealBench
from tests.scenarios.test_host_evidence import crash

pytestmark = pytest.mark.heavy

FX3LOOP = "import sys; sys.argv[0] = 'fx3loop'; from scenarios.cli import main; sys.exit(main())"
RESET = ("device", "reset", "--target", "usb", "--risk", "aggressive")
WORD = ("--acknowledge", "reset", "--acknowledge", "open")
LOOK = ("device", "stats", "--target", "usb", "--acknowledge", "open", "--acknowledge", "read")


class Operator:
    """Who types commands.

    Args:
        world: where the device is.
    """

    def __init__(self, world: RealBench) -> None:
        self.world = world

    def types(self, *words: str) -> CompletedProcess[str]:
        """Run a command as a process."""
        program = self.world.start((sys.executable, "-c", FX3LOOP, *words))
        output, errors = program.communicate(timeout=LIMIT_S)
        return CompletedProcess(words, program.returncode, output, errors)

    def is_told(self, code: int, *words: str) -> str:
        """Run one that ends with this code, and return all that it says."""
        done = self.types(*words)
        assert done.returncode == code, (words, done.returncode, done.stdout, done.stderr)
        return done.stdout + done.stderr


@pytest.mark.workflow("A.1")
@pytest.mark.workflow("E.1")
@pytest.mark.workflow("E.3")
def test_a_host_is_led_from_normal_to_frozen_to_observing_to_normal_by_commands(bench, stable_host):
    """Each refusal says what is open; the one thing that nobody can do by a command is to wait."""
    operator = Operator(bench(policy="none"))
    told = operator.is_told
    assert told(0, "host", "status").startswith("normal")

    # The crash is a day and an hour old, so the window has passed when it is found.
    crash(stable_host, boot_id(), minutes_ago=25 * 60)
    status = told(5, "host", "status")
    assert status.startswith("frozen")
    assert "bugcheck Oops" in status
    assert "fx3loop host triage" in status
    assert "the host is frozen" in told(3, *RESET, *WORD)
    assert "fx3loop host status" in told(3, *LOOK)
    refused = told(3, "host", "confirm", "reset")
    assert "fx3loop host triage" in refused
    assert "fx3loop host smoke" in refused
    assert "Oops" in told(0, "host", "triage")

    assert told(1, "host", "status").startswith("observing")
    assert "the host is observing" in told(3, *RESET, *WORD)
    assert "PASS stats" in told(0, *LOOK)
    refused = told(3, "host", "confirm", "reset")
    assert "fx3loop host triage" not in refused
    assert "fx3loop host smoke" in refused
    assert "is not safe" in told(0, "host", "smoke", "--risk-mode", "standard")
    told(3, "host", "confirm", "reset")
    report = json.loads(told(0, "host", "smoke", "--json"))
    assert (report["kind"], report["target"]["kind"]) == ("fx3", "usb")
    assert (report["is_complete"], report["counts_for_exit"]) == (True, True)
    assert told(1, "host", "status").startswith("observing")
    assert "the host is normal" in told(0, "host", "confirm", "reset")

    # The next export has nothing new, and the word is the acknowledgement.
    crash(stable_host, boot_id(), minutes_ago=0, message="usb 2-1: new SuperSpeed device")
    assert told(0, "host", "status").startswith("normal")
    assert "PASS reset" in told(0, *RESET)
    operator.world.wait_until("world.host.device and not world.host.device.is_application")
    assert "boot ROM" in told(0, "device", "list", "--target", "usb")


@pytest.mark.workflow("E.2")
def test_a_crash_of_now_is_not_talked_away(bench, stable_host):
    """Evidence, smoke and word the same day: the window alone is open, and it says until when."""
    operator = Operator(bench(policy="none"))
    crash(stable_host, boot_id(), minutes_ago=1)
    for code, words in ((5, "status"), (0, "triage"), (0, "smoke"), (1, "status")):
        operator.is_told(code, "host", words)
    refused = operator.is_told(3, "host", "confirm", "reset")
    assert "24 h without a bugcheck: over at" in refused
    assert "fx3loop host smoke" not in refused
    assert "the host is observing" in operator.is_told(3, *RESET, *WORD)
