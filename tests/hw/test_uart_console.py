"""The debug console on a serial port, with a pseudo-terminal for the wire.

Facts: StartUp.c (115200 8N1); pyserial's own errors.
"""

import os
import pty
import termios

import pytest

from hw.console_log import parse
from hw.errors import DeniedError
from hw.guard import Acknowledgement, Authority, HostState, Operation, RiskMode, Target
from hw.uart_console import NoPortError, PortBusyError, Stamper, UartConsole


class Wire:
    """Our end of a serial line."""

    def __init__(self):
        self.ours, self.theirs = pty.openpty()
        self.name = os.ttyname(self.theirs)

    def close(self):
        for number in (self.ours, self.theirs):
            os.close(number)


@pytest.fixture
def wire():
    made = Wire()
    yield made
    made.close()


def authority(name, *operations, mode=RiskMode.STANDARD):
    given = frozenset(Acknowledgement(item, Target("serial", name)) for item in operations)
    return Authority(mode, given, HostState.NORMAL)


def test_text_comes_as_it_is_said(wire):
    """Nothing is waited for; what is no text is replaced."""
    with UartConsole(wire.name, authority(wire.name)) as uart:
        assert uart.read() == ""
        os.write(wire.ours, b"\r\nGO s=2 r=0\xff")
        assert uart.read() == "\r\nGO s=2 r=0\N{REPLACEMENT CHARACTER}"


def test_the_line_is_set_to_115200_8n1(wire):
    """As the firmware configures its UART."""
    with UartConsole(wire.name, authority(wire.name)):
        settings = termios.tcgetattr(wire.theirs)
    assert settings[4] == settings[5] == termios.B115200
    assert settings[2] & termios.CSIZE == termios.CS8
    assert not settings[2] & (termios.PARENB | termios.CSTOPB)


def test_keys_are_typed_with_the_firmwares_return(wire):
    """A line feed is a carriage return there."""
    with UartConsole(wire.name, authority(wire.name, Operation.RAW)) as uart:
        uart.type("gpif\n")
        assert os.read(wire.ours, 100) == b"gpif\r"


def test_listening_does_not_allow_typing(wire):
    """Nobody can say what a command does, so each is a raw operation of this port."""
    with UartConsole(wire.name, authority(wire.name)) as uart:
        with pytest.raises(DeniedError, match="raw"):
            uart.type("reset\n")
        assert uart.read() == ""


def test_opening_a_port_is_asked_first():
    """Before the port is looked for: the guard denies on a host of which nothing is known."""
    with pytest.raises(DeniedError):
        UartConsole("/dev/nowhere", Authority())


@pytest.mark.parametrize("name", ["/dev/nowhere", "/dev/null", ""])
def test_what_is_no_serial_port(name):
    """One typed error, with a right example."""
    with pytest.raises(NoPortError, match="/dev/ttyUSB0"):
        UartConsole(name, authority(name))


def test_a_port_is_one_programs(wire):
    """The second one is told so."""
    with UartConsole(wire.name, authority(wire.name)), pytest.raises(PortBusyError):
        UartConsole(wire.name, authority(wire.name))


def test_an_adapter_that_is_pulled_out():
    """The port hangs up."""
    wire = Wire()
    with UartConsole(wire.name, authority(wire.name)) as uart:
        wire.close()
        with pytest.raises(NoPortError):
            uart.read()


def test_lines_are_stamped_where_they_begin():
    """A line that comes in pieces has the time of its first; blank ones are left out."""
    stamper = Stamper()
    assert stamper.stamp("\r\nGO s", 1_234) == "[       1.234] GO s"
    assert stamper.stamp("=2 r=0\r\n\r\nSTP", 2_000) == "=2 r=0\n[       2.000] STP"
    assert stamper.stamp("", 9) == ""


def test_what_is_stamped_can_be_judged():
    """The times are those of the log."""
    stamper = Stamper()
    log = stamper.stamp("GO s=2 r=0\r\n", 1_000) + stamper.stamp("\r\nSTP s=1\r\n", 61_001)
    assert [entry.at_ms for entry in parse(log.encode())] == [0, 60_001]
