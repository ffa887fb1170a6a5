"""What outlives the supervisor, and what a crash at any point leaves of it."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hw.supervisor import Action, Memory, MemoryDamaged
from hw.supervisor.memory import KEPT, OTHER, REASONS_KEPT, set_aside

ROOT = Path(__file__).parents[3]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "state" / "supervisor.json"


def test_an_action_is_on_the_disk_before_it_is_done(path):
    """The device forgets: who resets it writes down why, first."""
    Memory.open(path).begin(1_000, "level-4", "EP0_WEDGED")
    found = json.loads(path.read_text())
    assert found["schema"] == "fx3loop.supervisor/1"
    assert found["counts"] == {"level-4 EP0_WEDGED": 1}
    assert found["actions"] == [
        {"at_s": 1_000, "what": "level-4", "reason": "EP0_WEDGED", "outcome": "BEGUN"}
    ]


def test_the_next_supervisor_finds_what_was_cut_short(path):
    """Begun and never ended: it died, or its host did. It is told once."""
    Memory.open(path).begin(1_000, "level-4", "EP0_WEDGED")
    assert Memory.open(path).was_cut_short == Action(1_000, "level-4", "EP0_WEDGED")
    again = Memory.open(path)
    assert again.was_cut_short is None
    assert again.actions[-1].outcome == "DIED"
    assert again.resets_s == (1_000,)


def test_counts_and_resets_outlive_the_supervisor(path):
    memory = Memory.open(path)
    for at_s, what in ((10, "level-1"), (20, "level-4"), (30, "upload")):
        memory.begin(at_s, what, "REASON")
        memory.end("DONE")
    again = Memory.open(path)
    assert again.counts == {"level-1 REASON": 1, "level-4 REASON": 1, "upload REASON": 1}
    assert again.resets_s == (20, 30)
    assert list(path.parent.iterdir()) == [path]
    assert {action.outcome for action in again.actions} == {"DONE"}


def test_it_stays_small_whatever_happens(path):
    """A month of trouble, and reasons without end: one file of bounded size."""
    sizes = []
    memory = Memory(path, lambda path, data: sizes.append(len(data)))
    for number in range(300):
        memory.begin(number, "level-4", f"REASON_{number}")
        memory.end("DONE")
    assert len(memory.actions) == KEPT
    assert len(memory.counts) == REASONS_KEPT + 1
    assert sum(memory.counts.values()) == 300
    assert memory.counts[OTHER] == 300 - REASONS_KEPT
    assert max(sizes) < 16_384


def test_what_cannot_be_written_has_not_begun():
    """OSError: and nothing is remembered of it, so it must not be done."""

    def full(path, data):
        raise OSError(28, "No space left on device")

    memory = Memory(Path("state"), full)
    with pytest.raises(OSError, match="No space"):
        memory.begin(1, "level-4", "EP0_WEDGED")
    assert (memory.actions, memory.counts) == ((), {})


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b'{"schema": "fx3loop.supervisor/2", "actions": [], "counts": {}}',
        b'{"schema": "fx3loop.supervisor/1"}',
        b'{"schema": "fx3loop.supervisor/1", "actions": [{"at_s": 1}], "counts": {}}',
        b'{"schema": "fx3loop.supervisor/1", "actions": 7, "counts": {}}',
        b'{"schema": "fx3loop.supervisor/1", "actions": [], "counts": {"a": "b"}}',
        b'{"schema": "fx3loop.supervisor/1", "counts": {}, "actions": '
        b'[{"at_s": "1", "what": "x", "reason": "y", "outcome": "z"}]}',
        b"\xff\xfe",
    ],
)
def test_nothing_of_a_damaged_file_is_believed(path, content):
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(MemoryDamaged, match="move it away to begin a new one") as caught:
        Memory.open(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert set_aside(path).read_bytes() == content
    assert Memory.open(path).actions == ()


KILLED = """
import json, os, signal, sys
from pathlib import Path
from hw.supervisor import Memory

folder, when = Path(sys.argv[1]), sys.argv[2]
count = 0

def write(point, path, said):
    def deadly(original):
        def call(*arguments, **named):
            global count
            count += 1
            number = count
            if number == point and when == "before":
                os.kill(os.getpid(), signal.SIGKILL)
            try:
                return original(*arguments, **named)
            finally:
                if number == point and when == "after":
                    os.kill(os.getpid(), signal.SIGKILL)
        return call

    memory = Memory.open(path)
    memory.begin(1, "level-1", "OLD")
    memory.end("DONE")
    for owner, name in ((os, "fsync"), (os, "open"), (os, "close"), (os, "mkdir"),
                        (Path, "replace"), (Path, "open"), (Path, "mkdir")):
        setattr(owner, name, deadly(getattr(owner, name)))
    memory.begin(2, "level-4", "NEW")
    os.write(said, b"begun ")
    memory.end("DONE")
    os.write(said, b"ended")

for point in range(1, 60):
    path = folder / str(point) / "supervisor.json"
    heard, said = os.pipe()
    child = os.fork()
    if not child:
        write(point, path, said)
        os._exit(0)
    os.close(said)
    status = os.waitpid(child, 0)[1]
    actions = json.loads(path.read_text())["actions"]
    found = [(item["reason"], item["outcome"]) for item in actions]
    print(json.dumps([point, status, os.read(heard, 99).decode(), found]))
    os.close(heard)
    if status == 0:
        break
"""
OLD = [["OLD", "DONE"]]
BEGUN = [*OLD, ["NEW", "BEGUN"]]
ENDED = [*OLD, ["NEW", "DONE"]]
MAY_BE_FOUND = {"": (OLD, BEGUN), "begun ": (BEGUN, ENDED), "begun ended": (ENDED,)}
"""By what the process had said before it was killed."""


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_kill_at_any_point_leaves_the_old_or_the_new(tmp_path, when):
    """SIGKILL before and after every system call of a write; what was said to be done is there."""
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path), when],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    runs = [json.loads(line) for line in done.stdout.splitlines()]
    for point, _, said, found in runs:
        assert found in MAY_BE_FOUND[said]
        again = Memory.open(tmp_path / str(point) / "supervisor.json")
        assert (again.was_cut_short is not None) is (found == BEGUN)
    assert [status for _, status, _, _ in runs] == [signal.SIGKILL] * (len(runs) - 1) + [0]
    assert len(runs) > 12
    assert {len(found) for _, _, _, found in runs} == {1, 2}
