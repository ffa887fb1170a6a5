"""Where the guard's state is, how it is written, and what names a boot; the phrase of force."""

import os
from pathlib import Path

import pytest

from hw.guard import place
from hw.guard.force import PHRASE, VARIABLE, is_force_guarded
from hw.guard.place import atomic_write, boot_id, config_dir, state_dir

HOME = {"HOME": "/home/o"}


@pytest.mark.parametrize(
    ("environ", "folder"),
    [
        (HOME, "/home/o/.local/state/fx3loop"),
        ({**HOME, "XDG_STATE_HOME": "/x"}, "/x/fx3loop"),
        ({**HOME, "XDG_STATE_HOME": ""}, "/home/o/.local/state/fx3loop"),
        ({**HOME, "XDG_STATE_HOME": "not/absolute"}, "/home/o/.local/state/fx3loop"),
        ({**HOME, "XDG_STATE_HOME": "/x", "FX3LOOP_STATE_DIR": "/own"}, "/own"),
        ({**HOME, "FX3LOOP_STATE_DIR": ""}, "/home/o/.local/state/fx3loop"),
    ],
)
def test_the_state_folder(environ, folder):
    assert state_dir(environ) == Path(folder)


@pytest.mark.parametrize(
    ("environ", "folder"),
    [
        (HOME, "/home/o/.config/fx3loop"),
        ({**HOME, "XDG_CONFIG_HOME": "/x"}, "/x/fx3loop"),
        ({**HOME, "XDG_CONFIG_HOME": "x"}, "/home/o/.config/fx3loop"),
    ],
)
def test_the_folder_of_what_the_operator_writes(environ, folder):
    assert config_dir(environ) == Path(folder)


def test_a_file_is_replaced_whole(tmp_path):
    path = tmp_path / "a" / "b" / "state.json"
    atomic_write(path, b"one")
    atomic_write(path, b"two")
    assert path.read_bytes() == b"two"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_write_that_fails_leaves_the_old_file(tmp_path, monkeypatch, call):
    path = tmp_path / "state.json"
    atomic_write(path, b"old")

    def fail(*told):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os if call == "fsync" else Path, call, fail)
    with pytest.raises(OSError, match="No space"):
        atomic_write(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_data_is_on_the_disk_before_it_gets_its_name(tmp_path, monkeypatch):
    done = []
    fsync, replace = os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda number: done.append("sync") or fsync(number))
    monkeypatch.setattr(Path, "replace", lambda *told: done.append("name") or replace(*told))
    atomic_write(tmp_path / "state.json", b"data")
    assert done == ["sync", "name", "sync"]


def test_the_boot_is_the_one_that_linux_names(monkeypatch, tmp_path):
    told = tmp_path / "boot_id"
    told.write_text("63b5c7f2-0000-4000-8000-000000000000\n")
    monkeypatch.setattr(place, "LINUX_BOOT_ID", told)
    assert boot_id() == "63b5c7f2-0000-4000-8000-000000000000"


def test_elsewhere_the_boot_is_named_by_its_time(monkeypatch, tmp_path):
    monkeypatch.setattr(place, "LINUX_BOOT_ID", tmp_path / "none")
    monkeypatch.setattr(place.time, "time", lambda: 1_800_000_512.0)
    for up_s, name in ((500.0, "derived-1800000000"), (100.0, "derived-1800000400")):
        monkeypatch.setattr(place.time, "monotonic", lambda up_s=up_s: up_s)
        assert boot_id() == name


@pytest.mark.workflow("C.4")
@pytest.mark.parametrize(
    ("value", "is_guarded"),
    [
        (PHRASE, True),
        (None, False),
        ("", False),
        (f" {PHRASE}", False),
        (PHRASE.lower(), False),
        ("1", False),
    ],
)
def test_the_phrase_is_exact(value, is_guarded):
    assert is_force_guarded({} if value is None else {VARIABLE: value}) is is_guarded
    assert not is_force_guarded({"OTHER": PHRASE})
