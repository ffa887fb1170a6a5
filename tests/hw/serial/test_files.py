"""Files on a module: contained, checked by size and hash, and never lost half way."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, strategies as st

from hw.errors import DeniedError, DeviceError
from hw.guard import Acknowledgement, Authority, HostState, Operation, RiskMode, Target
from hw.guard.gate import Gate
from hw.guard.journal import Journal
from hw.serial.errors import (
    BadAnswerError,
    ChoiceError,
    ModuleGoneError,
    ProgramError,
    VerifyError,
)
from hw.serial.files import Entry
from hw.serial.paths import child, contained
from tests.hw.serial.bench import PATIENT_MS, modem

TARGET = Target("serial", "bench")
OLD = b"print('application running')\n"


def allowed(*operations, mode=RiskMode.STANDARD, journal=None):
    """A real module on a stable host, with these operations acknowledged."""
    words = frozenset(Acknowledgement(operation, TARGET) for operation in operations)
    return Gate(TARGET, Authority(mode, words, HostState.NORMAL), journal=journal)


def paths(entries):
    return [entry.path for entry in entries]


# ---------------------------------------------------------------- looking


@pytest.mark.parametrize("entry_fields", [3, 4])
@pytest.mark.parametrize("raw_repl", [True, False])
def test_weakness_23_a_listing_with_or_without_sizes(entry_fields, raw_repl):
    """``ilistdir`` gives three fields on some modules: the size is asked for then."""
    with modem(entry_fields=entry_fields, raw_repl=raw_repl) as bench:
        entries = bench.files().ls("/usr")
    assert entries == [
        Entry("/usr/_main.py", is_folder=False, size_bytes=len(OLD)),
        Entry("/usr/config.json", is_folder=False, size_bytes=12),
        Entry("/usr/lib", is_folder=True, size_bytes=0),
    ]


def test_weakness_03_an_empty_folder_is_told_by_the_module():
    """Nothing is in it, and the module says so; a folder that is not there is a failure."""
    with modem() as bench:
        files = bench.files()
        assert files.ls("/usr/lib/empty") == []
        with pytest.raises(ProgramError, match="ENOENT"):
            files.ls("/usr/nowhere")


def test_weakness_03_a_listing_that_lost_an_entry_is_no_listing(monkeypatch):
    """The module tells how many entries there are."""
    with modem() as bench:
        files = bench.files()
        run = files._results
        monkeypatch.setattr(files, "_results", lambda program: run(program)[1:])
        with pytest.raises(BadAnswerError, match="2 entries of 3 arrived"):
            files.ls("/usr")


def test_weakness_03_a_tree_shows_what_is_in_its_folders():
    """Each folder before what is in it, down to the depth that was asked for."""
    with modem() as bench:
        files = bench.files()
        assert paths(files.tree("/usr")) == [
            "/usr/_main.py",
            "/usr/config.json",
            "/usr/lib",
            "/usr/lib/empty",
            "/usr/lib/util.py",
        ]
        assert paths(files.tree("/usr", 1)) == ["/usr/_main.py", "/usr/config.json", "/usr/lib"]


# ---------------------------------------------------------------- changing


def test_folders_are_made_and_deleted():
    """Those above too; what is there already is no failure, and the module is asked again."""
    with modem() as bench:
        files = bench.files()
        assert files.mkdir("/usr/a/b") == ["/usr/a", "/usr/a/b"]
        assert files.mkdir("/usr/a/b") == []
        files.rmdir("/usr/a/b")
        assert files.ls("/usr/a") == []
        with pytest.raises(ProgramError, match="ENOTEMPTY"):
            files.rmdir("/usr/lib")


def test_a_file_is_deleted():
    """And one that is not there is a failure."""
    with modem() as bench:
        files = bench.files()
        files.rm("/usr/config.json")
        assert "/usr/config.json" not in paths(files.ls("/usr"))
        with pytest.raises(ProgramError, match="ENOENT"):
            files.rm("/usr/config.json")


def test_a_file_is_run():
    """Its output comes back; a traceback is a failure; one that does not end is left running."""
    content = {
        "usr": {
            "good.py": bytearray(b"print('hello')"),
            "bad.py": bytearray(b"1/0"),
            "long.py": bytearray(b"print('begun')\nwhile True: pass"),
        }
    }
    with modem(files=content) as bench:
        files = bench.files()
        assert files.run("/usr/good.py").output == "hello"
        with pytest.raises(ProgramError, match="ZeroDivisionError"):
            files.run("/usr/bad.py")
        before = bench.module.interrupts
        ran = files.run("/usr/long.py", PATIENT_MS)
        assert (ran.has_ended, ran.output) == (False, "begun")
        assert bench.module.interrupts == before


# ---------------------------------------------------------------- sending


@pytest.mark.parametrize("raw_repl", [True, False])
@pytest.mark.parametrize("size_bytes", [0, 1, 511, 512, 513])
def test_a_file_is_sent_and_found_again(raw_repl, size_bytes):
    """Every byte of it, around the size of a chunk."""
    content = bytes(place * 7 % 256 for place in range(size_bytes))
    with modem(raw_repl=raw_repl) as bench:
        pushed = bench.files().push(content, "/usr/lib", "data.bin")
        assert bytes(bench.module.files.content("/usr/lib/data.bin")) == content
    assert (pushed.path, pushed.size_bytes) == ("/usr/lib/data.bin", size_bytes)
    assert pushed.sha256 == hashlib.sha256(content).hexdigest()
    assert not pushed.is_replaced


def test_weakness_19_a_file_larger_than_any_command_line_is_sent():
    """The original's way ends at about 14 kB; and no answer is lost, however long."""
    content = bytes(place * place % 251 for place in range(20_000))
    with modem() as bench:
        bench.files().push(content, "/usr", "large.bin")
        assert bytes(bench.module.files.content("/usr/large.bin")) == content


@pytest.mark.parametrize("rename_replaces", [True, False])
def test_weakness_09_a_file_is_replaced_only_by_a_whole_one(rename_replaces):
    """Where renaming does not replace, the old one is put aside, and back if need be."""
    with modem(rename_replaces=rename_replaces) as bench:
        files = bench.files()
        assert files.push(b"new", "/usr", "_main.py").is_replaced
        assert bytes(bench.module.files.content("/usr/_main.py")) == b"new"
        assert len(files.ls("/usr")) == 3


@pytest.mark.parametrize("rename_replaces", [True, False])
@pytest.mark.parametrize(
    ("writes", "error"), [("flipped", VerifyError), ("short", VerifyError), ("full", ProgramError)]
)
def test_weakness_09_a_damaged_file_never_takes_the_place(writes, error, rename_replaces):
    """A wrong bit, a missing byte, no room: the old file stands, and nothing is left behind."""
    with modem(writes=writes, rename_replaces=rename_replaces) as bench:
        with pytest.raises(error):
            bench.files().push(b"new content", "/usr", "_main.py")
        assert bytes(bench.module.files.content("/usr/_main.py")) == OLD
        assert set(bench.module.files.folder("/usr")) == {"_main.py", "config.json", "lib"}


def test_weakness_09_an_old_file_that_was_put_aside_is_put_back(monkeypatch):
    """The new one turned out wrong in its place: the old one is there again, and nothing else."""
    with modem(rename_replaces=False) as bench:
        files = bench.files()
        verify = files._verify

        def spoiled(content, path):
            verify(content if path.endswith(".new") else b"other", path)

        monkeypatch.setattr(files, "_verify", spoiled)
        with pytest.raises(VerifyError):
            files.push(b"new content", "/usr", "_main.py")
        assert bytes(bench.module.files.content("/usr/_main.py")) == OLD
        assert set(bench.module.files.folder("/usr")) == {"_main.py", "config.json", "lib"}


@pytest.mark.parametrize("unplug_after_bytes", range(400, 6_000, 700))
def test_weakness_09_unplugged_while_sending(unplug_after_bytes):
    """Wherever the cable is pulled: a typed error, and the old file or the whole new one."""
    new = bytes(range(256)) * 8
    with modem(unplug_after_bytes=unplug_after_bytes) as bench:
        with pytest.raises(ModuleGoneError):
            bench.files().push(new, "/usr", "_main.py")
        assert bytes(bench.module.files.content("/usr/_main.py")) in (OLD, new)


def test_unplugged_while_the_old_file_is_put_aside():
    """Without a replacing rename there is a moment with neither name: both contents are there."""
    new = b"new"
    with modem(rename_replaces=False) as bench:
        files = bench.files()
        results = files._results

        def pulled(program, *limit):
            if program.startswith("uos.rename"):
                bench.module.unplug()
            return results(program, *limit)

        files._results = pulled
        with pytest.raises(ModuleGoneError):
            files.push(new, "/usr", "_main.py")
        kept = bench.module.files.folder("/usr")
        assert bytes(kept["_main.py.ab12.old"]) == OLD
        assert bytes(kept["_main.py.ab12.new"]) == new


@pytest.mark.parametrize(("call", "number"), [("read", 30), ("write", 60), ("write", 61)])
def test_interrupted_by_the_operator_while_sending(call, number):
    """Ctrl-C on this host: the old file stands, the half of the new one is removed.

    In the middle of a program too: what was typed of it is taken back first.
    """
    with modem() as bench:
        files = bench.files()
        transport = files._repl._transport
        whole = getattr(transport, call)
        calls = iter(range(1_000))

        def pressed(argument):
            if next(calls) == number:
                raise KeyboardInterrupt
            return whole(argument)

        setattr(transport, call, pressed)
        with pytest.raises(KeyboardInterrupt):
            files.push(bytes(20_000), "/usr", "_main.py")
        assert bytes(bench.module.files.content("/usr/_main.py")) == OLD
        assert set(bench.module.files.folder("/usr")) == {"_main.py", "config.json", "lib"}


def test_a_folder_is_not_replaced_by_a_file():
    """It stands."""
    with modem() as bench:
        files = bench.files()
        with pytest.raises(VerifyError, match="is a folder"):
            files.push(b"x", "/usr", "lib")
        assert files.ls("/usr/lib")


# ---------------------------------------------------------------- paths


@pytest.mark.parametrize(
    "path",
    [
        "/usr/../etc/x",
        "/usr",
        "/usr/",
        "/usr/.",
        "/usr/a/..",
        "/usr/..",
        "//usr/x",
        "/usrx",
        "usr/x",
        "",
        "/",
        "/usr/a\nimport uos",
        "/usr/a\rb",
        "/usr/\x00",
        "/usr/\x7f",
        "/usr/\u202e",
        "/usr/" + "a" * 64,
        "/usr/" + "a/" * 150,
    ],
)
def test_weakness_09_a_path_that_leads_elsewhere_is_refused(path):
    """Dots are resolved first, the folder itself stays, and control characters are none."""
    with pytest.raises(ChoiceError):
        contained(path)


@pytest.mark.parametrize(
    ("path", "plain"),
    [("/usr/a/../b", "/usr/b"), ("/usr//a/", "/usr/a"), ("/usr/ü 'x'.py", "/usr/ü 'x'.py")],
)
def test_a_path_below_is_made_plain(path, plain):
    """Whatever way it was written."""
    assert contained(path) == plain


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a\\b", "a\nb", "../x", "x" * 64])
def test_weakness_09_a_name_is_no_path(name):
    """A file's name on the module names one file in the folder."""
    with pytest.raises(ChoiceError):
        child("/usr", name)


@given(st.text(max_size=40))
def test_any_path_is_contained_or_refused(path):
    """Nothing else comes out."""
    try:
        plain = contained(path)
    except ChoiceError:
        return
    assert plain.startswith("/usr/")
    assert ".." not in plain.split("/")


def test_weakness_09_a_name_is_data_and_never_code():
    """Quotes, braces and backslashes arrive as they are."""
    name = "a'+\"b{path}\\x41.py"
    with modem() as bench:
        files = bench.files()
        with pytest.raises(ChoiceError):
            files.push(b"x", "/usr", name)
        name = name.replace("\\", "%")
        files.push(b"x", "/usr", name)
        assert f"/usr/{name}" in paths(files.ls("/usr"))


def test_a_refused_path_is_never_sent():
    """Not one byte, not even Ctrl-C."""
    with modem() as bench:
        files = bench.files()
        for call in (files.ls, files.tree, files.mkdir, files.rm, files.rmdir, files.run):
            with pytest.raises(ChoiceError):
                call("/usr/../x")
        assert bytes(bench.module.repl.received) == b""


# ---------------------------------------------------------------- the guard


CALLS = {
    "mkdir": (Operation.FS_WRITE, lambda files: files.mkdir("/usr/new")),
    "push": (Operation.FS_WRITE, lambda files: files.push(b"x", "/usr", "new")),
    "rm": (Operation.FS_DELETE, lambda files: files.rm("/usr/config.json")),
    "rmdir": (Operation.FS_DELETE, lambda files: files.rmdir("/usr/lib/empty")),
    "run": (Operation.FS_RUN, lambda files: files.run("/usr/_main.py")),
}


@pytest.mark.parametrize("name", CALLS)
def test_weakness_07_each_change_needs_its_own_acknowledgement(name):
    """In standard mode; that of another operation is none, and nothing is sent without it."""
    operation, call = CALLS[name]
    others = {Operation.FS_WRITE, Operation.FS_DELETE, Operation.FS_RUN} - {operation}
    with modem(gate=allowed(*others)) as bench:
        with pytest.raises(DeniedError):
            call(bench.files())
        assert bytes(bench.module.repl.received) == b""
    with modem(gate=allowed(operation)) as bench:
        call(bench.files())


@pytest.mark.parametrize("name", [*CALLS, "ls"])
def test_weakness_07_safe_mode_changes_nothing(name):
    """Whatever was acknowledged of writing and deleting; looking needs the word for Ctrl-C."""
    _, call = CALLS.get(name, (None, lambda files: files.ls("/usr")))
    gate = allowed(Operation.FS_WRITE, Operation.FS_DELETE, Operation.FS_RUN, mode=RiskMode.SAFE)
    with modem(gate=gate) as bench:
        with pytest.raises(DeniedError):
            call(bench.files())
        assert bytes(bench.module.repl.received) == b""


def test_replacing_a_file_needs_the_word_for_deleting():
    """The old content is lost by it."""
    with modem(gate=allowed(Operation.FS_WRITE)) as bench:
        with pytest.raises(DeniedError, match="fs-delete"):
            bench.files().push(b"x", "/usr", "_main.py")
        assert bytes(bench.module.files.content("/usr/_main.py")) == OLD
    with modem(gate=allowed(Operation.FS_WRITE, Operation.FS_DELETE)) as bench:
        assert bench.files().push(b"x", "/usr", "_main.py").is_replaced


def test_changes_stand_between_two_marks_in_the_journal(tmp_path):
    """What was begun, on what, and how it ended."""
    journal = Journal(tmp_path / "journal.jsonl", "boot", lambda: 1.8e9)
    with modem(gate=allowed(Operation.FS_DELETE, journal=journal)) as bench:
        files = bench.files()
        files.rm("/usr/config.json")
        with pytest.raises(ProgramError):
            files.rm("/usr/config.json")
    kinds = [(item.kind, item.operation or item.outcome) for item in journal.records()]
    assert [kind for kind, _ in kinds] == ["begin", "end", "begin", "end"]
    assert kinds[0][1] == "fs-delete"
    assert journal.unfinished() == ()


def test_every_error_is_of_the_one_tree():
    """So that one except clause is enough."""
    for error in (BadAnswerError, ChoiceError, ModuleGoneError, ProgramError, VerifyError):
        assert issubclass(error, DeviceError)
