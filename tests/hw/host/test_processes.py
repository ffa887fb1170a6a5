"""Releasing a port: the right process, allowed first, asked first, and seen to be gone."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

import pytest

from hw.errors import DeniedError
from hw.guard import Acknowledgement, Authority, HostState, Operation, RiskMode, Target
from hw.guard.gate import Gate
from hw.guard.journal import Journal
from hw.host.processes import (
    Holder,
    HolderChoiceError,
    Holders,
    NoPortError,
    NoTableError,
    ReleaseError,
    ReleaseResult,
    SystemTable,
    Wish,
    checked_port,
    release_port,
)
from hw.runtime import ThreadRuntime
from tests.hw.host.smoke_bench import PlayedTime

PORT = "/dev/ttyUSB2"
HOLDER = Holder(4711, "/usr/bin/minicom", 1_000.5, "minicom")
TARGET = Target("serial", PORT)


class PlayedTable:
    """Processes that end when a test says so; keeps what was sent."""

    def __init__(self, *found, ends_after_ms=0, dies=True, port_stays=False):
        self.found = list(found)
        self.sent = []
        self.ends_after_ms, self.dies, self.port_stays = ends_after_ms, dies, port_stays

    def holders(self, port):
        gone = self.sent and not self.is_running(HOLDER)
        return Holders(() if gone and not self.port_stays else tuple(self.found), 2)

    def is_running(self, holder):
        if ("kill", holder.pid) in self.sent:
            return not self.dies
        return self.ends_after_ms is None or self.time.ms < self.ends_after_ms

    def family(self):
        return frozenset((1, 50, 51))

    def end(self, holder):
        self.sent.append(("end", holder.pid))

    def kill(self, holder):
        self.sent.append(("kill", holder.pid))


def gate(tmp_path, mode="standard", *operations, phrase=True, state=HostState.NORMAL):
    """The guard, told what was acknowledged; marks go into a journal of its own."""
    operations = operations or (Operation.RELEASE_PORT, Operation.FORCE_RELEASE_PORT)
    given = frozenset(Acknowledgement(item, TARGET) for item in operations)
    authority = Authority(RiskMode(mode), given, state, is_force_guarded=phrase)
    journal = Journal(tmp_path / "journal.jsonl", "boot", lambda: 1.8e9)
    return Gate(TARGET, authority, journal=journal, clock=lambda: 1.8e9)


def release(table, guard, **wish):
    """Release in played time; each sleep is a poll."""
    time = PlayedTime()
    table.time = time
    return release_port(Wish(PORT, **wish), table, guard, time), time.ms


def test_it_is_asked_to_end_and_seen_to_be_gone(tmp_path):
    """No kill where none is needed, not even with force."""
    for is_forced in (False, True):
        table = PlayedTable(HOLDER, ends_after_ms=130)
        made, _ = release(table, gate(tmp_path), is_forced=is_forced)
        assert (made.result, made.holder) == (ReleaseResult.RELEASED, HOLDER)
        assert table.sent == [("end", 4711)]


def test_the_grace_period_is_whole_and_no_longer(tmp_path):
    """At 5 s and not before; then unfinished, or killed where force is allowed."""
    table = PlayedTable(HOLDER, ends_after_ms=None)
    made, spent_ms = release(table, gate(tmp_path), grace_ms=5_000)
    assert (made.result, table.sent) == (ReleaseResult.UNFINISHED, [("end", 4711)])
    assert spent_ms == 5_000
    table = PlayedTable(HOLDER, ends_after_ms=None)
    made, _ = release(table, gate(tmp_path), grace_ms=5_000, is_forced=True)
    assert made.result is ReleaseResult.FORCED
    assert table.sent == [("end", 4711), ("kill", 4711)]
    for ends_after_ms, result in (
        (4_999, ReleaseResult.RELEASED),
        (5_000, ReleaseResult.RELEASED),
        (5_001, ReleaseResult.UNFINISHED),
    ):
        table = PlayedTable(HOLDER, ends_after_ms=ends_after_ms)
        assert release(table, gate(tmp_path), grace_ms=5_000)[0].result is result


@pytest.mark.parametrize(
    ("mode", "operations", "phrase", "state", "result"),
    [
        ("safe", (), True, HostState.NORMAL, ReleaseResult.FORCE_BLOCKED),
        ("standard", (Operation.RELEASE_PORT,), True, HostState.NORMAL, "force_blocked"),
        ("standard", (), False, HostState.NORMAL, ReleaseResult.FORCE_GUARD_BLOCKED),
        ("aggressive", (), False, HostState.NORMAL, ReleaseResult.FORCE_GUARD_BLOCKED),
        ("aggressive", (), True, HostState.FROZEN, ReleaseResult.FORCE_BLOCKED),
        ("aggressive", (), True, HostState.OBSERVING, ReleaseResult.FORCE_BLOCKED),
        ("aggressive", (), True, HostState.UNKNOWN, ReleaseResult.FORCE_BLOCKED),
    ],
)
@pytest.mark.workflow("A.3")
@pytest.mark.workflow("C.4")
def test_force_is_decided_before_anything_is_sent(
    tmp_path, mode, operations, phrase, state, result
):
    """The reference sends its soft kill first; here not even that, and nobody is looked up."""
    table = PlayedTable(HOLDER)
    guard = gate(tmp_path, mode, *operations, phrase=phrase, state=state)
    made, _ = release(table, guard, is_forced=True)
    assert made.result == result
    assert table.sent == []
    assert not (tmp_path / "journal.jsonl").exists()


@pytest.mark.parametrize("mode", ["safe", "standard", "aggressive"])
def test_without_an_acknowledgement_nothing_is_sent(tmp_path, mode):
    """In no mode."""
    table = PlayedTable(HOLDER)
    with pytest.raises(DeniedError):
        release(table, gate(tmp_path, mode, Operation.REPL))
    assert table.sent == []


def test_nobody_holds_it(tmp_path):
    """And how much could not be seen is said."""
    made, _ = release(PlayedTable(), gate(tmp_path))
    assert (made.result, made.holder) == (ReleaseResult.NOT_FOUND, None)
    assert "2 processes could not be looked into" in made.detail


def test_what_was_to_be_true_is_looked_at(tmp_path):
    """A process that a kill does not end; a port that has a holder still."""
    stays = PlayedTable(HOLDER, ends_after_ms=None, dies=False)
    assert release(stays, gate(tmp_path), is_forced=True)[0].result is ReleaseResult.VERIFY_FAILED
    held = PlayedTable(HOLDER, port_stays=True)
    made, _ = release(held, gate(tmp_path))
    assert made.result is ReleaseResult.VERIFY_FAILED
    assert "is held by 4711" in made.detail


def test_weakness_11_the_process_is_one_and_named(tmp_path):
    """Of several one has to be chosen; this program and its parents are never meant."""
    other = replace(HOLDER, pid=4712)
    table = PlayedTable(HOLDER, other)
    with pytest.raises(HolderChoiceError, match=r"4711 \(minicom\), 4712"):
        release(table, gate(tmp_path))
    with pytest.raises(HolderChoiceError, match="process 9 does not hold it"):
        release(table, gate(tmp_path), pid=9)
    assert table.sent == []
    with pytest.raises(ReleaseError, match="what started it"):
        release(PlayedTable(replace(HOLDER, pid=51)), gate(tmp_path))
    with pytest.raises(ReleaseError, match="cannot be seen"):
        release(PlayedTable(replace(HOLDER, executable="")), gate(tmp_path))
    made, _ = release(PlayedTable(HOLDER), gate(tmp_path), pid=4711)
    assert made.result is ReleaseResult.RELEASED


def test_what_was_done_is_in_the_journal(tmp_path):
    """Number, executable and start, before the signal; the result behind it."""
    release(PlayedTable(HOLDER, ends_after_ms=None), gate(tmp_path), is_forced=True)
    records = Journal(tmp_path / "journal.jsonl", "boot", lambda: 1.8e9).records()
    assert [(item.kind, item.operation) for item in records] == [
        ("begin", "release-port"),
        ("begin", "force-release-port"),
        ("end", ""),
        ("end", ""),
    ]
    facts = records[0].facts
    assert (facts["pid"], facts["executable"]) == (4711, "/usr/bin/minicom")
    assert facts["started_s"] == 1_000.5
    assert records[-1].outcome == "forced"


@pytest.mark.parametrize(
    ("port", "said"),
    [
        ("/dev/no-such-port", "No such file"),
        ("/etc/passwd", "is no serial port"),
        ("/dev", "is no serial port"),
        ("/dev/null", "is no serial port"),
        ("/dev/tty", "is no serial port"),
        ("COM1');CALC;('", "No such file"),
    ],
)
def test_weakness_10_what_is_no_port_is_refused(port, said):
    """Before anybody looks for who holds it; nothing reaches a shell, as there is none."""
    with pytest.raises(NoPortError, match=said):
        checked_port(port)


# ---------------------------------------------------------------- real processes

HOLD = """
import signal, sys, time
if sys.argv[2] == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
port = open(sys.argv[1], "rb", buffering=0)
print("ready", flush=True)
time.sleep(60)
"""
needs_linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


@pytest.fixture
def port():
    """A pty whose near end is a port."""
    far, near = os.openpty()
    path = os.ttyname(near)
    os.close(near)
    yield path
    os.close(far)


@pytest.fixture
def hold(port):
    """Start a real process that holds the port; it is ended after the test."""
    started = []

    def start(manner="polite"):
        process = subprocess.Popen(
            [sys.executable, "-c", HOLD, port, manner], stdout=subprocess.PIPE, text=True
        )
        started.append(process)
        assert process.stdout.readline() == "ready\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.wait(10)
        process.stdout.close()


def really(port, guard, **wish):
    """Release a real port in real time."""
    return release_port(Wish(checked_port(port), **wish), SystemTable(), guard, ThreadRuntime())


@needs_linux
def test_weakness_11_a_real_process_is_ended_and_its_neighbour_is_not(tmp_path, port, hold):
    """Both run the same program; one holds the port."""
    other_far, other_near = os.openpty()
    bystander = subprocess.Popen(
        [sys.executable, "-c", HOLD, os.ttyname(other_near), "polite"], stdout=subprocess.PIPE
    )
    process = hold()
    made = really(port, gate(tmp_path))
    assert made.result is ReleaseResult.RELEASED
    assert made.holder.pid == process.pid
    assert made.holder.executable == os.path.realpath(sys.executable)
    assert process.wait(10) == -15
    assert bystander.poll() is None
    bystander.kill()
    bystander.wait(10)
    bystander.stdout.close()
    os.close(other_far)
    os.close(other_near)
    assert really(port, gate(tmp_path)).result is ReleaseResult.NOT_FOUND


@needs_linux
def test_a_real_process_that_does_not_end(tmp_path, port, hold):
    """Unfinished without force; forced with it."""
    process = hold("stubborn")
    assert really(port, gate(tmp_path), grace_ms=200).result is ReleaseResult.UNFINISHED
    assert process.poll() is None
    made = really(port, gate(tmp_path), grace_ms=200, is_forced=True)
    assert made.result is ReleaseResult.FORCED
    assert process.wait(10) == -9


@needs_linux
def test_weakness_11_a_number_that_was_given_again_is_another_process(port, hold):
    """Another start or another executable: nothing is sent to it."""
    process = hold()
    table = SystemTable()
    (holder,) = table.holders(port).found
    assert table.is_running(holder)
    for other in (
        replace(holder, started_s=holder.started_s - 1),
        replace(holder, executable="/usr/bin/minicom"),
    ):
        assert not table.is_running(other)
        table.end(other)
        table.kill(other)
    assert process.poll() is None
    assert {os.getpid(), os.getppid()} <= table.family()


@needs_linux
def test_a_port_that_this_program_holds_is_not_released(tmp_path, port):
    """It would end itself."""
    with open(port, "rb", buffering=0), pytest.raises(ReleaseError, match="is this program"):
        really(port, gate(tmp_path))


def test_other_systems_say_that_they_cannot_tell(monkeypatch):
    """And without psutil too: never a guess."""
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(NoTableError, match="win32 does not tell"):
        SystemTable()
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setitem(sys.modules, "psutil", None)
    with pytest.raises(NoTableError, match="psutil is not installed"):
        SystemTable()
