"""Two users of one device: the second meets a message that names the first."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hw.errors import BusyError, JournalError, LockedError
from hw.guard import locks
from hw.guard.locks import DeviceLock, exclusive

CHILD = """
import sys
from hw.guard.locks import DeviceLock, exclusive
lock = DeviceLock.take("usb 2-1.4")
print("held", flush=True)
sys.stdin.readline()
"""


@pytest.fixture
def other():
    """Another process, which holds the device at port 2-1.4."""
    process = subprocess.Popen(
        [sys.executable, "-c", CHILD, "soak", "--hours", "1"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[3],
    )
    with process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_the_message_names_the_other_process_and_its_command(other):
    with pytest.raises(LockedError) as caught:
        DeviceLock.take("usb 2-1.4")
    assert f"process {other.pid}, -c soak --hours 1" in str(caught.value)
    assert isinstance(caught.value, BusyError)


def test_a_killed_process_holds_nothing(other):
    other.kill()
    other.wait()
    DeviceLock.take("usb 2-1.4").release()


def test_another_device_is_free(other):
    DeviceLock.take("usb 2-1").release()
    DeviceLock.take("usb 4-1.4").release()


def test_two_users_in_one_process_are_two_users():
    first = DeviceLock.take("/dev/ttyUSB2")
    with pytest.raises(LockedError, match=f"process {os.getpid()}"):
        DeviceLock.take("/dev/ttyUSB2")
    first.release()
    first.release()
    DeviceLock.take("/dev/ttyUSB2").release()


@pytest.mark.parametrize("content", [b"", b"[]", b'{"pid": 1}', b"\xff"])
def test_a_holder_that_has_not_written_its_name_yet(state_dir, content):
    lock = DeviceLock.take("usb 1-1")
    (state_dir / "locks" / "usb_1-1.lock").write_bytes(content)
    with pytest.raises(LockedError, match="has not said its name"):
        DeviceLock.take("usb 1-1")
    lock.release()


def test_a_name_is_no_path(state_dir):
    DeviceLock.take("../../etc/passwd").release()
    assert [item.name for item in (state_dir / "locks").iterdir()] == [".._.._etc_passwd.lock"]


def test_where_no_lock_can_be_written_nothing_is_opened(state_dir):
    state_dir.parent.mkdir(exist_ok=True)
    state_dir.write_text("a file where the folder should be")
    with pytest.raises(JournalError, match="FX3LOOP_STATE_DIR"):
        DeviceLock.take("usb 1-1")


def test_who_was_stopped_with_a_lock_does_not_stop_others_for_ever(tmp_path):
    path = tmp_path / "journal.lock"
    second = exclusive(path, limit_s=0)
    with exclusive(path), pytest.raises(TimeoutError, match="held the lock for 0 s"):
        second.__enter__()
    with exclusive(path, limit_s=0):
        pass


def test_a_file_system_without_locks_is_said(monkeypatch):
    def flock(descriptor, how):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(locks.fcntl, "flock", flock)
    with pytest.raises(JournalError, match="not supported"):
        DeviceLock.take("usb 1-1")
