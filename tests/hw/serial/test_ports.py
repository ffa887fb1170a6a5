"""Which port is which: by number, never by guess; and what opening one can end with.

Facts: constants of QuecPython's VSCode extension; Linux ``option.c``; pyserial 3.5.
"""

from __future__ import annotations

import errno
import os

import pytest
from hypothesis import given, strategies as st
from serial import SerialException, SerialTimeoutException

from hw.serial.errors import (
    ChoiceError,
    DownloadModeError,
    ModuleGoneError,
    NoModuleError,
    PortAccessError,
    PortBusyError,
    PortMissingError,
    SeveralModulesError,
    SilentError,
    from_serial_error,
)
from hw.serial.ports import DOWNLOAD, MODELS, Role, Selection, choose, discover
from hw.serial.transport import SerialTransport
from sim.modem import ListedPort
from tests.hw.serial.bench import modem

ONLY = Selection()


def port(
    device, vid=0x2C7C, pid=0x6001, interface=None, serial="A1", place="1-1", description="n/a"
):
    """A port as pyserial lists it."""
    location = place if interface is None else f"{place}:1.{interface}"
    return ListedPort(device, vid, pid, serial, location, None, description)


def found(*listed):
    return discover(lambda: listed)


def roles(*listed):
    return [item.role for item in found(*listed)]


PAIR = (port("/dev/ttyUSB2", interface=3), port("/dev/ttyUSB3", interface=5))
STRANGERS = (
    port("/dev/ttyACM0", 0x2341, 0x0043, 0, description="USB Serial Device Modem AT Port"),
    port("/dev/ttyUSB9", 0x0403, 0x6001, 0, description="USB Serial REPL"),
    ListedPort("/dev/ttyS0", None, None, None, None, None, "n/a"),
)


# ---------------------------------------------------------------- roles


@pytest.mark.parametrize(("pid", "at", "repl"), [(0x6001, 3, 5), (0x0901, 2, 8), (0x6007, 2, None)])
def test_the_interfaces_of_each_model(pid, at, repl):
    """AT and REPL stand behind these numbers, and behind no other."""
    ports = found(*(port(f"/dev/p{number}", pid=pid, interface=number) for number in range(9)))
    by_role = {role: [item.interface for item in ports if item.role is role] for role in Role}
    assert by_role[Role.AT] == [at]
    assert by_role[Role.REPL] == ([] if repl is None else [repl])


def test_no_model_has_one_port_for_both():
    """In the table neither."""
    for model in MODELS.values():
        assert list(model.roles.values()).count(Role.AT) == 1
        assert list(model.roles.values()).count(Role.REPL) <= 1


@pytest.mark.parametrize(
    ("description", "role"),
    [
        ("Quectel USB AT Port (COM7)", Role.AT),
        ("Quectel USB MI05 COM Port (COM6)", Role.REPL),
        ("Quectel USB DIAG Port (COM5)", Role.DIAG),
        ("Quectel USB AT Port", Role.AT),
        ("My Quectel USB AT Port", Role.UNKNOWN),
        ("Quectel USB AT Port 2", Role.UNKNOWN),
        ("quectel modem", Role.UNKNOWN),
    ],
)
def test_the_names_of_the_windows_driver_count_whole(description, role):
    """A part of a name is no name."""
    assert roles(port("COM7", pid=0x1234, description=description)) == [role]


def test_windows_tells_the_interface_too():
    """As ``1-2:x.3``."""
    listed = ListedPort("COM7", 0x2C7C, 0x6001, "A1", "1-2:x.3", None, "Quectel USB AT Port (COM7)")
    assert roles(listed) == [Role.AT]


def test_a_name_that_contradicts_its_number_is_neither():
    """Two sources that differ are no knowledge."""
    assert roles(port("COM7", interface=5, description="Quectel USB AT Port (COM7)")) == [
        Role.UNKNOWN
    ]


@pytest.mark.parametrize("ids", sorted(DOWNLOAD))
def test_a_download_port_is_named_as_such(ids):
    """The boot ROMs of ASR and Unisoc."""
    assert roles(port("COM9", *ids)) == [Role.DOWNLOAD]


# ---------------------------------------------------------------- choosing


def test_the_only_module_is_found():
    """Among strangers."""
    ports = found(*STRANGERS, *PAIR)
    assert choose(ports, ONLY, Role.AT) == "/dev/ttyUSB2"
    assert choose(ports, ONLY, Role.REPL) == "/dev/ttyUSB3"


@pytest.mark.parametrize("role", [Role.AT, Role.REPL])
@pytest.mark.parametrize(
    "listed",
    [(), STRANGERS, (port("/dev/ttyUSB0", pid=0x4242, interface=3),), (port("/dev/ttyUSB0"),)],
)
def test_weakness_08_what_is_not_known_is_never_guessed(role, listed):
    """No default port, no highest port, no "USB Serial": nothing is opened."""
    with pytest.raises(NoModuleError):
        choose(found(*listed), ONLY, role)


@pytest.mark.parametrize(
    ("listed", "selection", "role", "words"),
    [
        ((), ONLY, Role.AT, "AT port: no module found (this host has no serial port)"),
        (
            STRANGERS[:1],
            ONLY,
            Role.REPL,
            "REPL port: no module found (this host has 1 serial port, but none that is known as a "
            "module's REPL port)",
        ),
        (
            PAIR,
            Selection(serial="C3"),
            Role.AT,
            "AT port: no module found (this host has 2 serial ports, but none that is known as the "
            "AT port of the module serial C3)",
        ),
        (
            (port("/dev/ttyUSB0", pid=0x4242, interface=3),),
            Selection(repl_port="/dev/ttyUSB9"),
            Role.AT,
            "AT port: no module found (the role of /dev/ttyUSB0 is not known)",
        ),
    ],
)
def test_where_no_module_is_found_that_is_said_with_how_to_name_one(listed, selection, role, words):
    """Never "the only module" where there is none."""
    with pytest.raises(NoModuleError) as caught:
        choose(found(*listed), selection, role)
    assert str(caught.value) == (
        f"{words}; see this host's ports with fx3loop modem probe and name the module's, such as "
        "--at-port /dev/ttyUSB2 --repl-port /dev/ttyUSB3; without one try --target sim"
    )


def test_weakness_08_one_port_is_never_both():
    """However it is written."""
    with pytest.raises(ChoiceError, match="at once"):
        choose([], Selection(at_port="/dev/x", repl_port="/dev/x"), Role.AT)
    with pytest.raises(ChoiceError, match="at once"):
        choose([], Selection(at_port="/dev/x", repl_port="/dev/../dev/x"), Role.REPL)


def test_weakness_08_two_names_of_one_port_are_one_port(tmp_path):
    """``/dev/serial/by-id`` has links."""
    (tmp_path / "real").touch()
    (tmp_path / "link").symlink_to("real")
    selection = Selection(at_port=str(tmp_path / "real"), repl_port=str(tmp_path / "link"))
    with pytest.raises(ChoiceError, match="at once"):
        choose([], selection, Role.AT)


def test_weakness_08_a_port_of_another_role_is_refused():
    """The operator's word does not make a REPL port an AT port."""
    ports = found(*PAIR)
    with pytest.raises(ChoiceError, match="it is the repl port, not the at"):
        choose(ports, Selection(at_port="/dev/ttyUSB3"), Role.AT)
    assert choose(ports, Selection(at_port="/dev/ttyUSB2"), Role.AT) == "/dev/ttyUSB2"


def test_weakness_08_a_port_named_for_one_role_is_not_chosen_for_the_other():
    """An unknown port named as the REPL port; the known one is left for AT alone."""
    ports = found(port("/dev/ttyUSB2", interface=3))
    with pytest.raises(NoModuleError):
        choose(ports, Selection(repl_port="/dev/ttyUSB2"), Role.AT)


def test_a_port_that_nobody_knows_is_used_when_it_is_named():
    """A serial adapter on the module's UART, say."""
    assert choose(found(*STRANGERS), Selection(at_port="/dev/ttyS0"), Role.AT) == "/dev/ttyS0"


def test_several_modules_need_a_choice():
    """By serial number or by ids."""
    other = (port("/dev/ttyUSB6", pid=0x0901, interface=2, serial="B2", place="1-2"),)
    ports = found(*PAIR, *other)
    with pytest.raises(SeveralModulesError, match=r"ttyUSB2 \(A1\), /dev/ttyUSB6 \(B2\)"):
        choose(ports, ONLY, Role.AT)
    assert choose(ports, Selection(serial="B2"), Role.AT) == "/dev/ttyUSB6"
    assert choose(ports, Selection(ids="2C7C:6001"), Role.AT) == "/dev/ttyUSB2"
    with pytest.raises(NoModuleError):
        choose(ports, Selection(serial="C3"), Role.AT)


def test_a_module_in_download_mode_is_told_as_such():
    """Nothing is sent to it, named or not."""
    with modem(mode="download") as bench:
        ports = discover(bench.module.ports)
        with pytest.raises(DownloadModeError, match="power off and on"):
            choose(ports, ONLY, Role.AT)
        with pytest.raises(DownloadModeError):
            choose(ports, Selection(at_port=bench.module.at.path), Role.AT)


@pytest.mark.parametrize("ids", ["2c7c", "2c7c:600", "2c7c:60010", "2c7c-6001", "", "xxxx:6001"])
def test_ids_that_are_none(ids):
    """With a right example."""
    with pytest.raises(ChoiceError, match="2c7c:6001"):
        Selection(ids=ids)


@given(
    st.lists(
        st.builds(
            ListedPort,
            st.sampled_from(["/dev/a", "/dev/b", "/dev/c"]),
            st.sampled_from([None, 0x2C7C, 0x2ECC, 0x0403]),
            st.sampled_from([None, 0x6001, 0x0901, 0x3004]),
            st.sampled_from([None, "", "A1"]),
            st.sampled_from([None, "", "1-1", "1-1:1.3", "1-1:x.5", "1-1:1.", ":1.2", "é"]),
            st.none(),
            st.sampled_from(["", "n/a", "Quectel USB AT Port (COM3)", "\x00"]),
        ),
        max_size=5,
    ),
    st.sampled_from([Role.AT, Role.REPL]),
)
def test_weakness_08_whatever_is_listed_a_chosen_port_has_the_role(listed, role):
    """And only ports of products that the table knows are ever chosen by themselves."""
    ports = discover(lambda: listed)
    try:
        chosen = choose(ports, ONLY, role)
    except (NoModuleError, SeveralModulesError):
        return
    assert role in [item.role for item in ports if item.device == chosen]
    assert all(item.vendor_id == 0x2C7C for item in ports if item.role is role)


# ---------------------------------------------------------------- opening


def windows(text):
    """What pyserial raises on Windows, where it keeps no number."""
    return SerialException(f"could not open port 'COM7': {text}")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (SerialException(errno.ENOENT, "no"), PortMissingError),
        (SerialException(errno.EACCES, "no"), PortAccessError),
        (SerialException(errno.EBUSY, "no"), PortBusyError),
        (SerialException(errno.EAGAIN, "no"), PortBusyError),
        (windows("PermissionError(13, 'Access is denied.', None, 5)"), PortBusyError),
        (windows("PermissionError(13, 'Zugriff verweigert', None, 5)"), PortBusyError),
        (windows("PermissionError(13, '拒绝访问。', None, 5)"), PortBusyError),
        (windows("FileNotFoundError(2, '系统找不到指定的文件。', None, 2)"), PortMissingError),
        (
            windows("OSError(22, 'The semaphore timeout period has expired.', None, 121)"),
            SilentError,
        ),
        (SerialTimeoutException("Write timeout"), SilentError),
        (SerialException("nothing that anybody knows"), PortMissingError),
    ],
)
def test_weakness_20_an_error_is_told_by_its_number(error, kind):
    """In any language: the texts differ, the numbers do not."""
    assert type(from_serial_error("open COM7", error, is_opening=True)) is kind


@pytest.mark.parametrize(
    "error",
    [
        SerialException("device reports readiness to read but returned no data"),
        SerialException(errno.EIO, "Eingabe-/Ausgabefehler"),
        windows("PermissionError(13, 'Das Gerät erkennt den Befehl nicht.', None, 22)"),
        OSError(errno.ENXIO, "x"),
    ],
)
def test_weakness_20_an_open_port_that_fails_has_left(error):
    """Whatever the system calls it."""
    assert type(from_serial_error("read COM7", error, is_opening=False)) is ModuleGoneError


def test_a_port_that_is_not_there():
    """A typed error, and no traceback."""
    with pytest.raises(PortMissingError, match="/dev/no-such-port: no such port; see"):
        SerialTransport("/dev/no-such-port")


def test_a_file_is_no_port(tmp_path):
    """It is not written to."""
    file = tmp_path / "file"
    file.write_text("keep")
    with pytest.raises(NoModuleError):
        SerialTransport(str(file))
    assert file.read_text() == "keep"


def test_a_port_has_one_owner():
    """The second program is told so."""
    with modem() as bench:
        bench.at()
        with pytest.raises(PortBusyError, match="one owner"):
            bench.at()


def test_weakness_10_a_port_name_is_a_name_and_nothing_else(tmp_path, monkeypatch):
    """Nothing in it is ever run: it goes to open(2), whole."""
    monkeypatch.chdir(tmp_path)
    for name in ("COM1');CALC;('", "$(touch made)", "; touch made", "`touch made`", "a\nb"):
        with pytest.raises(NoModuleError):
            SerialTransport(name)
    assert os.listdir(tmp_path) == []
