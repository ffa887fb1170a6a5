"""Standing grants: read from the operator's file, all of it or none."""

import os

import pytest

from health import Level
from hw.guard import Grant
from hw.guard.grants import EXAMPLE, Grants, GrantsError, default_path

SERIAL = "0009072C00D62F32"


def read(tmp_path, text):
    path = tmp_path / "grants.toml"
    path.write_text(text)
    return Grants.read(path)


def test_the_example_that_errors_show_is_right(tmp_path):
    grants = read(tmp_path, EXAMPLE)
    assert grants.grants == (Grant(SERIAL, frozenset((Level.STREAM, Level.DEVICE_RESET))),)
    assert grants.levels_of(SERIAL) == {1, 4}
    assert grants.levels_of("0") == frozenset()


def test_several_devices(tmp_path):
    text = '[[grant]]\nserial = "a"\nlevels = [1]\n[[grant]]\nserial = "b"\nlevels = [2, 3]\n'
    assert [item.serial for item in read(tmp_path, text).grants] == ["a", "b"]


@pytest.mark.parametrize("text", ["", "# nothing yet\n"])
def test_an_empty_file_grants_nothing(tmp_path, text):
    assert read(tmp_path, text).grants == ()


def test_no_file_grants_nothing(tmp_path):
    path = tmp_path / "none.toml"
    assert Grants.read(path) == Grants()
    with pytest.raises(GrantsError, match=f"there is no file {path}; write one: \\[\\[grant"):
        Grants.read(path, must_exist=True)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[[grant]", "no TOML"),
        ("grants = 1", "unknown key 'grants'"),
        ("grant = 1", "grant is no list of tables"),
        ("grant = [1]", "1 is no table"),
        ('[grant]\nserial = "a"\nlevels = [1]', "grant is no list of tables"),
        ("[[grant]]\nlevels = [1]", "serial None"),
        ("[[grant]]\nserial = 9\nlevels = [1]", "serial 9"),
        ('[[grant]]\nserial = " "\nlevels = [1]', "serial ' '"),
        ('[[grant]]\nserial = "a"', "levels None of serial a"),
        ('[[grant]]\nserial = "a"\nlevels = []', r"levels \[\] of serial a"),
        ('[[grant]]\nserial = "a"\nlevels = 1', "levels 1 of serial a"),
        ('[[grant]]\nserial = "a"\nlevels = [0]', "level 0 of serial a is none of 1 to 4"),
        ('[[grant]]\nserial = "a"\nlevels = [1, 5]', "level 5 of serial a is none of 1 to 4"),
        ('[[grant]]\nserial = "a"\nlevels = [true]', "level True"),
        ('[[grant]]\nserial = "a"\nlevels = [1.0]', "level 1.0"),
        ('[[grant]]\nserial = "a"\nlevels = ["1"]', "level '1'"),
        ('[[grant]]\nserial = "a"\nlevels = [1]\nuntil = 3', "unknown key 'until'"),
        (EXAMPLE + EXAMPLE, f"two grants for serial {SERIAL}"),
    ],
)
def test_a_mistake_is_named_with_a_right_example_in_one_line(tmp_path, text, words):
    with pytest.raises(GrantsError, match=words) as caught:
        read(tmp_path, text)
    message = str(caught.value)
    assert message.startswith(str(tmp_path / "grants.toml"))
    assert f'serial = "{SERIAL}" levels = [1, 4]' in message
    assert "\n" not in message


def test_one_mistake_takes_all_grants_of_the_file(tmp_path):
    with pytest.raises(GrantsError):
        read(tmp_path, EXAMPLE + '[[grant]]\nserial = "b"\nlevels = [9]\n')


def test_what_is_no_text_or_cannot_be_read(tmp_path):
    path = tmp_path / "grants.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(GrantsError, match="no TOML"):
        Grants.read(path)
    with pytest.raises(GrantsError, match="cannot read"):
        Grants.read(tmp_path)


def test_the_operators_file(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert default_path() == tmp_path / "fx3loop" / "grants.toml"
    assert Grants.read_default().grants == ()
    os.makedirs(default_path().parent)
    default_path().write_text(EXAMPLE)
    assert len(Grants.read_default().grants) == 1
