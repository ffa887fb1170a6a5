"""The keeper: remembers across processes and crashes, and is quick enough for every poll."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from hw.errors import DeniedError
from hw.guard import Acknowledgement, Authority, HostState, Operation, RiskMode, Target, decide
from hw.guard.journal import Journal
from hw.host import EvidenceError, HostKeeper, current_state
from hw.host.findings import EvidenceKind, Finding, FindingKind
from hw.host.folder import Folder
from hw.host.linux import LinuxHost
from hw.host.memory_file import read_memory, write_memory
from hw.host.sources import EVIDENCE_DIR, this_host
from hw.host.states import Confirmation, Memory
from hw.host.windows import WindowsHost
from tests.hw.host.made import BEFORE, BOOT, NOW, PlayedClock, PlayedSource, ago, bugcheck

DEVICE = Target("usb", "serial 1")


class Bench:
    """A host whose evidence, clock and reboots a test sets; each keeper is a new process."""

    def __init__(self, folder) -> None:
        self.path = folder / "state" / "host_state.json"
        self.source = PlayedSource()
        self.time = PlayedClock()
        self.boot = BOOT

    @property
    def journal(self) -> Journal:
        return Journal(self.path.parent / "journal.jsonl", self.boot, self.time.clock().utc_s)

    def keeper(self) -> HostKeeper:
        return HostKeeper(self.source, self.journal, self.path, self.boot, self.time.clock())

    def state(self) -> HostState:
        return self.keeper().status().state

    def crash(self, code="0x00000139") -> None:
        self.source.findings.append(bugcheck(self.time.now, code))
        self.time.pass_(minutes=1)


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


@pytest.mark.workflow("A.1")
@pytest.mark.workflow("A.2")
@pytest.mark.workflow("E.1")
@pytest.mark.workflow("E.2")
@pytest.mark.workflow("E.3")
def test_a_host_goes_from_normal_to_frozen_to_observing_to_normal(bench):
    """Each step by its own act, each refusal with what is missing, each in a new process."""
    assert bench.state() is HostState.NORMAL
    bench.crash()
    assert bench.state() is HostState.FROZEN
    with pytest.raises(DeniedError, match=r"frozen.*host triage.*host smoke.*24 h") as caught:
        bench.keeper().confirm(Operation.RESET, DEVICE, 60)
    assert "\n" not in str(caught.value)
    bench.keeper().triage(days=2)
    assert bench.state() is HostState.OBSERVING
    bench.keeper().note_smoke(is_pass=False, is_complete=True)
    bench.keeper().note_smoke(is_pass=True, is_complete=False)
    with pytest.raises(DeniedError, match="host smoke"):
        bench.keeper().confirm(Operation.RESET, DEVICE, 60)
    bench.keeper().note_smoke(is_pass=True, is_complete=True)
    with pytest.raises(DeniedError, match="24 h without a bugcheck: over at"):
        bench.keeper().confirm(Operation.RESET, DEVICE, 60)
    bench.time.pass_(hours=24)
    assert bench.state() is HostState.OBSERVING
    bench.keeper().confirm(Operation.RESET, DEVICE, 60)
    assert bench.state() is HostState.NORMAL
    changes = [r.facts for r in bench.journal.records() if r.kind == "host.state"]
    assert [change["after"] for change in changes] == ["frozen", "observing", "normal"]


EVERYTHING = frozenset(Acknowledgement(operation, DEVICE) for operation in Operation)


def allowed(state):
    """What the guard allows to an operator who risks and acknowledges all."""
    authority = Authority(RiskMode.AGGRESSIVE, EVERYTHING, state, is_force_guarded=True, now_s=1)
    return {item for item in Operation if decide(item, DEVICE, authority).allow}


@pytest.mark.workflow("A.1")
@pytest.mark.workflow("A.2")
@pytest.mark.workflow("A.3")
def test_a_frozen_host_only_looks_whatever_is_acknowledged(bench):
    """No write, no reset, no kill; probes, AT queries and evidence go on."""
    bench.crash()
    assert allowed(bench.state()) == {Operation.PROBE, Operation.AT_QUERY, Operation.EVIDENCE}
    bench.keeper().triage(days=2)
    more = allowed(bench.state()) - allowed(HostState.FROZEN)
    assert {item.operation_class.value for item in more} == {"interrupting"}
    assert Operation.REPL in more


def test_the_word_is_an_acknowledgement_until_it_expires(bench):
    """Of its operation, on its target, for its time."""
    bench.keeper().confirm(Operation.RESET, DEVICE, 60)

    def allows(operation, target):
        given = bench.keeper().acknowledgements()
        now_s = bench.time.now.timestamp()
        authority = Authority(RiskMode.STANDARD, given, HostState.NORMAL, now_s=now_s)
        return decide(operation, target, authority).allow

    assert allows(Operation.RESET, DEVICE)
    assert not allows(Operation.UPLOAD, DEVICE)
    assert not allows(Operation.RESET, Target("usb", "serial 2"))
    bench.time.pass_(minutes=59, seconds=59)
    assert allows(Operation.RESET, DEVICE)
    bench.time.pass_(seconds=1)
    assert bench.keeper().acknowledgements() == frozenset()


def test_a_new_word_for_the_same_replaces_the_old(bench):
    """Its time counts anew."""
    bench.keeper().confirm(Operation.RESET, DEVICE, 60)
    bench.keeper().confirm(Operation.UPLOAD, DEVICE, 60)
    bench.keeper().confirm(Operation.RESET, DEVICE, 5)
    expires = (bench.time.now + timedelta(minutes=5)).timestamp()
    assert Acknowledgement(Operation.RESET, DEVICE, expires) in bench.keeper().acknowledgements()
    assert len(bench.keeper().acknowledgements()) == 2


@pytest.mark.workflow("D.3")
def test_weakness_17_a_probe_that_a_restart_interrupted_freezes_the_next_start(bench):
    """The mark of its beginning survived; once the episode is closed it is settled."""
    bench.journal.begin(Operation.PROBE, DEVICE)
    assert bench.state() is HostState.NORMAL
    bench.boot = "c" * 32
    bench.time.pass_(minutes=5)
    status = bench.keeper().status()
    assert status.state is HostState.FROZEN
    assert [criterion.name for criterion in status.escalation] == ["interrupted-probe"]
    bench.keeper().triage(days=2)
    bench.time.pass_(minutes=5)
    bench.keeper().note_smoke(is_pass=True, is_complete=True)
    bench.keeper().confirm(Operation.RESET, DEVICE, 60)
    assert bench.state() is HostState.NORMAL
    assert bench.journal.unfinished() == ()


def test_weakness_17_a_smoke_of_the_soak_that_the_restart_ended_does_not_count(bench):
    """Its rounds passed after the soak began, so by their times they would be newer."""
    bench.journal.begin(Operation.PROBE, DEVICE, what="soak")
    bench.time.pass_(minutes=5)
    bench.keeper().note_smoke(is_pass=True, is_complete=True)
    bench.boot = "c" * 32
    bench.time.pass_(minutes=5)
    bench.keeper().triage(days=2)
    with pytest.raises(DeniedError, match="fx3loop host smoke"):
        bench.keeper().confirm(Operation.RESET, DEVICE, 60)
    bench.keeper().note_smoke(is_pass=True, is_complete=True)
    bench.keeper().confirm(Operation.RESET, DEVICE, 60)
    assert bench.state() is HostState.NORMAL


def test_weakness_17_a_probe_that_ended_before_the_restart_is_fine(bench):
    """Even if it failed."""
    bench.journal.begin(Operation.PROBE, DEVICE).end("failed: no answer")
    bench.boot = "c" * 32
    assert bench.state() is HostState.NORMAL


@pytest.mark.workflow("A.1")
def test_weakness_18_a_crash_is_noticed_within_one_poll(bench):
    """By a loop that asks the callable and nothing else."""
    poll = bench.keeper().state
    assert poll() is HostState.NORMAL
    looks = bench.source.looks
    bench.source.findings.append(
        Finding(FindingKind.HOST_CONTROLLER_DIED, bench.time.now, "journal: kernel", "died")
    )
    assert poll() is HostState.FROZEN
    assert bench.source.looks == looks + 1


def test_a_triage_without_the_essential_evidence_takes_nobody_out_of_frozen(bench):
    """It reports what it has, and the host stays as it is."""
    bench.crash()
    bench.state()
    bench.source.missing = (EvidenceKind.RESTARTS,)
    report = bench.keeper().triage(days=2)
    assert report.as_dict()["obtained"]["restarts"] == "no"
    bench.source.missing = ()
    assert bench.state() is HostState.FROZEN


def test_unknown_is_not_normal_and_not_an_error(bench):
    """Neither evidence that is missing, nor a memory that is damaged."""
    bench.source.missing = (EvidenceKind.BUGCHECKS,)
    status = bench.keeper().status()
    assert status.state is HostState.UNKNOWN
    assert "access denied" in status.missing[0]
    bench.source.missing = ()
    assert bench.state() is HostState.NORMAL
    bench.path.write_text("{")
    status = bench.keeper().status()
    assert status.state is HostState.UNKNOWN
    assert "damaged" in status.reasons[0]
    assert current_state(bench.keeper()) == status


def test_a_damaged_memory_is_never_written_over(bench):
    """Who wrote it may still be asked."""
    bench.crash()
    bench.state()
    bench.path.write_text('{"schema": "other"}')
    bench.state()
    assert json.loads(bench.path.read_text()) == {"schema": "other"}
    with pytest.raises(EvidenceError, match="remove it"):
        bench.keeper().triage(days=2)


def test_removing_the_memory_does_not_make_a_host_normal(bench):
    """The evidence speaks again."""
    bench.crash()
    bench.state()
    bench.path.unlink()
    assert bench.state() is HostState.FROZEN


def test_the_memory_survives_a_crash_at_its_writing(bench, monkeypatch):
    """The old one stands whole when the new one could not take its place."""
    assert bench.state() is HostState.NORMAL
    before = bench.path.read_bytes()
    bench.crash()

    def broken(self, target):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("pathlib.Path.replace", broken)
        status = bench.keeper().status()
    assert status.state is HostState.UNKNOWN
    assert "No space left" in status.reasons[0]
    assert bench.path.read_bytes() == before
    assert bench.state() is HostState.FROZEN


def test_what_is_remembered_is_read_back_whole(tmp_path):
    """Every field; and a file that is not there remembers nothing."""
    path = tmp_path / "host_state.json"
    assert read_memory(path) == Memory()
    memory = Memory(
        state=HostState.OBSERVING,
        since_utc=NOW,
        triaged_utc=ago(hours=1),
        triaged_boot=BOOT,
        smoke_utc=ago(minutes=5),
        smoke_boot=BEFORE,
        closed_utc=ago(days=9),
        closed_by="reset on serial 1",
        confirmations=(Confirmation("reset", "usb", "serial 1", NOW, ago(hours=-1)),),
    )
    write_memory(path, memory)
    assert read_memory(path) == memory


@pytest.mark.parametrize(
    "change",
    [
        {"state": "unknown"},
        {"state": "fine"},
        {"since_utc": "2026-03-10T12:00:00"},
        {"since_utc": 7},
        {"confirmations": [{}]},
        {"confirmations": 1},
        {"triaged_boot": None},
        {"smoke_boot": None},
        {"schema": "fx3loop.host-state/0"},
    ],
)
def test_a_memory_that_was_changed_by_hand_is_refused(tmp_path, change):
    """In one line that says what to do."""
    path = tmp_path / "host_state.json"
    write_memory(path, Memory())
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(EvidenceError, match="remove it"):
        read_memory(path)


def test_weakness_26_the_host_is_chosen_by_what_is_given(tmp_path):
    """System, environment and runner are arguments."""
    assert isinstance(this_host(BOOT, {}, platform="linux"), LinuxHost)
    assert isinstance(this_host(BOOT, {}, platform="win32"), WindowsHost)
    folder = this_host(BOOT, {EVIDENCE_DIR: str(tmp_path)}, platform="linux")
    assert isinstance(folder, Folder)


def test_an_idle_look_writes_nothing(bench):
    """It writes nothing: neither the memory nor the journal."""
    keeper = bench.keeper()
    keeper.status()
    mark = bench.path.stat().st_mtime_ns
    for _ in range(100):
        keeper.status()
    assert bench.path.stat().st_mtime_ns == mark
    assert bench.journal.records() == ()
