"""The journal: nothing that was acknowledged as written is lost, nothing is half believed."""

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from hw.errors import JournalError
from hw.guard import Operation, Target, disk
from hw.guard.disk import Disk
from hw.guard.journal import ABANDONED, Journal
from hw.guard.place import boot_id
from hw.guard.process import Process, is_alive, process_of

DEVICE = Target.of_serial("0009072C00D62F32")
NOW_S = 1_800_000_000.25
DEAD_PID = 2**22 + 1
"""Beyond the largest that Linux gives."""


class QuickDisk(Disk):
    """Does not wait for the disk."""

    def _sync(self, descriptor):
        pass


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(disk, "sync_folder", lambda folder: None)


def journal(folder, boot="boot-a", **more):
    return Journal(folder / "state" / "journal.jsonl", boot, lambda: NOW_S, **more)


def test_begin_and_end_are_marked_with_what_is_needed_later(tmp_path):
    written = journal(tmp_path)
    entry = written.begin(Operation.RESET, DEVICE, request="RESETFX3", value=0)
    entry.end()
    begun, ended = journal(tmp_path).records()
    assert (begun.kind, begun.operation, begun.target) == ("begin", "reset", DEVICE)
    assert (begun.boot_id, begun.process.pid, begun.utc_s) == ("boot-a", os.getpid(), NOW_S)
    assert begun.facts == {"request": "RESETFX3", "value": 0}
    assert (ended.kind, ended.identity, ended.outcome) == ("end", begun.identity, "done")
    assert written.unfinished() == ()


def test_a_mark_is_on_the_disk_before_begin_returns(tmp_path):
    synced = []

    class Watching(Disk):
        def _sync(self, descriptor):
            synced.append(os.fstat(descriptor).st_size)
            super()._sync(descriptor)

    written = journal(tmp_path, disk=Watching())
    for count in (1, 2):
        written.begin(Operation.RESET, DEVICE)
        assert len(synced) == count
        assert synced[-1] == written.path.stat().st_size


def test_a_new_file_is_on_the_disk_before_it_gets_the_name(tmp_path):
    done = []

    class Watching(Disk):
        def _write(self, descriptor, data):
            done.append("write")
            super()._write(descriptor, data)

        def _sync(self, descriptor):
            done.append("sync")
            super()._sync(descriptor)

        def _rename(self, temporary, path):
            done.append(path.name)
            super()._rename(temporary, path)

    written = journal(tmp_path, limit_bytes=1, disk=Watching())
    written.begin(Operation.RESET, DEVICE)
    done.clear()
    written.begin(Operation.RESET, DEVICE)
    rotated = ["journal.1.jsonl", "write", "sync", "journal.jsonl"]
    assert done == [*rotated, "write", "sync"]


def test_a_system_that_writes_a_little_at_a_time_loses_nothing(tmp_path, monkeypatch):
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:7]))
    written = journal(tmp_path)
    written.begin(Operation.RESET, DEVICE)
    assert len(written.unfinished()) == 1


def test_lines_can_be_read_with_a_pager(tmp_path):
    written = journal(tmp_path)
    written.begin(Operation.RESET, DEVICE)
    (line,) = written.path.read_text().splitlines()
    said = json.loads(line)
    assert said["utc"] == "2027-01-15T08:00:00.250000+00:00"
    assert said["operation"] == "reset"
    assert said["target"] == {"kind": "usb", "name": "serial 0009072C00D62F32"}
    assert said["version"] == 1


def test_what_was_begun_before_a_boot_and_never_ended_is_found(tmp_path):
    before = journal(tmp_path, "boot-a")
    begun = before.begin(Operation.UPLOAD, DEVICE).record
    before.begin(Operation.RESET, DEVICE).end()
    after = journal(tmp_path, "boot-b")
    assert after.unfinished() == (begun,)
    assert begun.boot_id != after.boot_id
    after.settle(begun, "host.incident")
    assert after.unfinished() == ()


def test_an_operation_that_raises_ends_as_failed(tmp_path):
    written = journal(tmp_path)
    with pytest.raises(RuntimeError), written.begin(Operation.RESET, DEVICE):
        raise RuntimeError("no answer")
    with pytest.raises(KeyboardInterrupt), written.begin(Operation.RESET, DEVICE):
        raise KeyboardInterrupt
    ends = [item.outcome for item in written.records() if item.kind == "end"]
    assert ends == ["failed: no answer", "failed: KeyboardInterrupt"]


def test_only_the_first_end_counts(tmp_path):
    entry = journal(tmp_path).begin(Operation.RESET, DEVICE)
    entry.end("failed: left the bus")
    entry.end()
    assert [item.outcome for item in journal(tmp_path).records()] == ["", "failed: left the bus"]


def test_an_end_that_cannot_be_written_does_not_hide_the_failure(tmp_path):
    written = journal(tmp_path)
    entry = written.begin(Operation.RESET, DEVICE)
    written.path.unlink()
    written.path.mkdir()
    with pytest.raises(RuntimeError, match="no answer") as caught, entry:
        raise RuntimeError("no answer")
    assert "journal" in caught.value.__notes__[0]


@pytest.mark.parametrize(
    ("boot", "pid", "alive", "is_settled"),
    [
        ("boot-a", DEAD_PID, False, True),
        ("boot-a", DEAD_PID, True, False),
        ("boot-b", DEAD_PID, False, False),
    ],
)
def test_what_a_killed_program_of_this_boot_left_is_no_crash_of_the_host(
    tmp_path, monkeypatch, boot, pid, alive, is_settled
):
    with monkeypatch.context() as patch:
        patch.setattr(os, "getpid", lambda: pid)
        begun = journal(tmp_path, boot).begin(Operation.OPEN, DEVICE).record
    now = journal(tmp_path, "boot-a")
    now.settle_abandoned(lambda asked: alive)
    assert now.unfinished() == (() if is_settled else (begun,))
    if is_settled:
        assert now.records()[-1].outcome == ABANDONED


def test_a_process_that_runs_is_told_from_one_that_ended():
    mine = process_of(os.getpid())
    assert mine.started
    assert is_alive(mine)
    assert is_alive(process_of(1))
    assert not is_alive(Process(DEAD_PID))


def test_a_number_that_was_given_again_is_another_process():
    """As in a container, where the program has the same number after each start."""
    mine = process_of(os.getpid())
    assert not is_alive(mine._replace(started=mine.started - 1))
    assert is_alive(mine._replace(started=0))


def test_notes_are_kept_with_their_facts(tmp_path):
    written = journal(tmp_path)
    written.note("host.bugcheck", code="0x139")
    (note,) = written.records()
    assert (note.kind, note.facts, note.target) == ("host.bugcheck", {"code": "0x139"}, None)
    for kind in ("begin", "end"):
        with pytest.raises(ValueError, match=r"host\.incident"):
            written.note(kind)


def test_without_a_file_there_is_nothing_and_nothing_is_made(tmp_path):
    read = journal(tmp_path)
    assert (read.records(), read.unfinished(), read.damaged_lines()) == ((), (), 0)
    assert list(tmp_path.iterdir()) == []


def test_a_line_that_lacks_its_line_feed_alone_is_believed_now_and_later(tmp_path):
    written = journal(tmp_path)
    written.begin(Operation.RESET, DEVICE)
    os.truncate(written.path, written.path.stat().st_size - 1)
    assert [item.operation for item in written.unfinished()] == ["reset"]
    written.begin(Operation.UPLOAD, DEVICE)
    assert [item.operation for item in written.unfinished()] == ["reset", "upload"]
    assert written.damaged_lines() == 0


@pytest.mark.parametrize("cut", [2, 3, 40, 10_000])
def test_a_torn_last_line_is_not_believed_and_the_next_record_is(tmp_path, cut):
    written = journal(tmp_path)
    written.begin(Operation.RESET, DEVICE)
    whole = written.path.read_bytes()
    written.begin(Operation.UPLOAD, DEVICE)
    size = max(len(whole) + 1, written.path.stat().st_size - cut)
    os.truncate(written.path, size)
    assert [item.operation for item in written.unfinished()] == ["reset"]
    assert written.damaged_lines() == 1
    written.begin(Operation.HANG, DEVICE)
    assert [item.operation for item in written.unfinished()] == ["reset", "hang"]
    assert written.damaged_lines() == 1


@pytest.mark.parametrize(
    "line",
    [
        b"\0" * 200,
        b"{}",
        b"[1]",
        b"null",
        b'"text"',
        b"\xff\xfe",
        b'{"kind":"begin","crc":0}',
        b'{"crc":' + b"9" * 5000 + b"}",
        b"[" * 100_000,
    ],
)
def test_what_is_no_record_is_counted_and_left(tmp_path, line):
    written = journal(tmp_path)
    written.begin(Operation.RESET, DEVICE)
    with written.path.open("ab") as file:
        file.write(line + b"\n")
    written.begin(Operation.UPLOAD, DEVICE)
    assert [item.operation for item in written.unfinished()] == ["reset", "upload"]
    assert written.damaged_lines() == 1


def test_every_changed_byte_of_a_line_is_noticed(tmp_path):
    written = journal(tmp_path)
    written.begin(Operation.RESET, DEVICE, port="2-1")
    whole = written.path.read_bytes()
    for position in range(len(whole) - 1):
        changed = bytes((whole[position] ^ 1,))
        written.path.write_bytes(whole[:position] + changed + whole[position + 1 :])
        assert written.records() == (), whole[: position + 1]


def test_a_full_file_is_put_aside_and_what_is_unfinished_is_not_lost(tmp_path):
    written = journal(tmp_path, limit_bytes=4096, disk=QuickDisk())
    early = written.begin(Operation.UPLOAD, DEVICE).record
    written.note("host.smoke-passed", run=1)
    for number in range(500):
        written.begin(Operation.STREAM, DEVICE).end()
        written.note("host.triage", number=number)
        assert written.path.stat().st_size <= 4096
    assert written.unfinished() == (early,)
    newest = {item.kind: item.facts for item in written.records()}
    assert newest["host.smoke-passed"] == {"run": 1}
    assert newest["host.triage"] == {"number": 499}
    assert sorted(item.name for item in written.path.parent.iterdir()) == [
        "journal.1.jsonl",
        "journal.jsonl",
        "journal.lock",
    ]


def test_nothing_is_counted_twice_across_a_rotation(tmp_path):
    written = journal(tmp_path, limit_bytes=3000, disk=QuickDisk())
    written.begin(Operation.UPLOAD, DEVICE)
    while not written.older_path.exists():
        written.begin(Operation.STREAM, DEVICE).end()
    marks = [(item.kind, item.identity) for item in written.records()]
    assert len(marks) == len(set(marks))
    assert marks[0][0] == "begin"


def test_programs_that_write_at_once_lose_nothing(tmp_path):
    def work():
        mine = journal(tmp_path, limit_bytes=20_000, disk=QuickDisk())
        for _ in range(40):
            mine.begin(Operation.STREAM, DEVICE)

    workers = [threading.Thread(target=work) for _ in range(6)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    read = journal(tmp_path)
    assert len(read.unfinished()) == 240
    assert read.damaged_lines() == 0


def test_where_it_cannot_be_written_the_operation_must_not_be_done(tmp_path):
    (tmp_path / "state").write_text("a file where the folder should be")
    with pytest.raises(JournalError, match="FX3LOOP_STATE_DIR"):
        journal(tmp_path).begin(Operation.RESET, DEVICE)


def test_a_full_disk_is_said_and_leaves_nothing_believed(tmp_path):
    class Full(Disk):
        def _write(self, descriptor, data):
            super()._write(descriptor, data[: len(data) // 2])
            raise OSError(28, "No space left on device")

    with pytest.raises(JournalError, match="No space left"):
        journal(tmp_path, disk=Full()).begin(Operation.RESET, DEVICE)
    assert journal(tmp_path).records() == ()
    journal(tmp_path).begin(Operation.UPLOAD, DEVICE)
    assert [item.operation for item in journal(tmp_path).unfinished()] == ["upload"]


def test_the_operators_journal_is_in_the_state_folder(state_dir):
    opened = Journal.open_default()
    opened.begin(Operation.RESET, DEVICE)
    assert opened.path == state_dir / "journal.jsonl"
    assert opened.boot_id == boot_id()
    assert Journal.open_default().unfinished() == opened.unfinished()


# --- killed at every point -----------------------------------------------------------------------


class Killed(BaseException):
    """The process is gone; nothing after it runs."""


class KillingDisk(QuickDisk):
    """Kills at one of its points, in one of the ways in which a crash can leave it."""

    def __init__(self, point, way):
        self.points = 0
        self.point, self.way = point, way
        self.begun_at = {}

    def _is_due(self):
        self.points += 1
        return self.points == self.point

    def _write(self, descriptor, data):
        self.begun_at[descriptor] = os.fstat(descriptor).st_size
        if self._is_due():
            length = {"before": 0, "torn": len(data) // 2, "after": len(data) - 1}[self.way]
            super()._write(descriptor, data[:length])
            raise Killed
        super()._write(descriptor, data)

    def _sync(self, descriptor):
        if self._is_due():
            # Without the sync the disk may have all of it, a part or nothing.
            size = os.fstat(descriptor).st_size
            start = self.begun_at[descriptor]
            kept = {"before": start, "torn": (start + size) // 2, "after": size}[self.way]
            os.ftruncate(descriptor, kept)
            raise Killed

    def _rename(self, temporary, path):
        if not self._is_due():
            super()._rename(temporary, path)
            return
        if self.way == "after":
            super()._rename(temporary, path)
        raise Killed


class Model:
    """What the program was told of its marks before it was killed."""

    def __init__(self):
        self.begun, self.ended = [], []
        self.ending = None

    def work(self, written):
        """Twelve operations, each third one left open; the file is put aside several times."""
        for number in range(12):
            entry = written.begin(Operation.STREAM, DEVICE, number=number)
            self.begun.append(number)
            if number % 3:
                self.ending = number
                entry.end()
                self.ended.append(number)
                self.ending = None


@pytest.mark.parametrize("way", ["before", "torn", "after"])
def test_killed_at_every_write_nothing_is_lost_and_nothing_half_believed(tmp_path, way):
    point, was_killed, rotated = 0, True, 0
    while was_killed:
        point += 1
        folder = tmp_path / str(point)
        model = Model()
        written = journal(folder, limit_bytes=1500, disk=KillingDisk(point, way))
        try:
            model.work(written)
            was_killed = False
        except Killed:
            was_killed = True
        after = journal(folder, "boot-b", disk=QuickDisk())
        rotated += after.older_path.exists()
        found = {item.facts["number"] for item in after.unfinished()}
        open_ones = set(model.begun) - set(model.ended)
        # In doubt: the end that was being written, and the begin that never returned.
        assert open_ones - {model.ending} <= found, point
        assert found <= open_ones | {len(model.begun)}, point
        assert all(item.kind in ("begin", "end") for item in after.records()), point
        # And it goes on from there.
        added = after.begin(Operation.RESET, DEVICE, number=99).record
        assert added in after.unfinished(), point
        assert found <= {item.facts["number"] for item in after.unfinished()}, point
    assert point > 50
    assert rotated > 20


CHILD = """
import os, signal, sys
from pathlib import Path
from hw.guard import Operation, Target
from hw.guard.disk import Disk
from hw.guard.journal import Journal

class Deadly(Disk):
    writes = 0
    def _write(self, descriptor, data):
        Deadly.writes += 1
        if Deadly.writes == int(sys.argv[2]):
            super()._write(descriptor, data[:len(data) // 2])
            os.kill(os.getpid(), signal.SIGKILL)
        super()._write(descriptor, data)

journal = Journal(Path(sys.argv[1]), "boot-a", lambda: 1.8e9, limit_bytes=2000, disk=Deadly())
for number in range(30):
    entry = journal.begin(Operation.STREAM, Target("usb", "x"), number=number)
    print("begun", number, flush=True)
    if number % 2:
        entry.end()
        print("ended", number, flush=True)
"""


@pytest.mark.parametrize("write", [1, 2, 9, 33])
def test_kill_9_in_the_middle_of_a_write(tmp_path, write):
    path = tmp_path / "state" / "journal.jsonl"
    done = subprocess.run(
        [sys.executable, "-c", CHILD, path, str(write)],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[3],
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    said = [line.split() for line in done.stdout.splitlines()]
    begun = {int(number) for what, number in said if what == "begun"}
    ended = {int(number) for what, number in said if what == "ended"}
    after = journal(tmp_path, "boot-b")
    assert {item.facts["number"] for item in after.unfinished()} == begun - ended
    after.begin(Operation.RESET, DEVICE)
