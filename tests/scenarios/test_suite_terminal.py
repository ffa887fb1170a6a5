"""The debug terminal and its local command line.

Facts: ``fx3_cmd.c``, command ``debug``: a poll each 50 ms, LF sent as CR, 127 characters.
"""

from __future__ import annotations

import pytest

from hw.errors import DeviceTimeoutError
from hw.protocol import Request
from scenarios.errors import InputError
from scenarios.suite.terminal import LINE_CHARACTERS_MAX, Terminal, run_line

from .suite_bench import fails, lie, stations


@pytest.fixture
def station():
    with stations() as (station, _):
        yield station


def typed(terminal, text):
    """What is shown while these keys are typed."""
    return "".join(terminal.turn(key) for key in text)


def test_a_command_of_the_firmware_brings_its_text(station):
    """A question mark and a line feed; the help comes within the next ticks."""
    terminal = Terminal(station)
    shown = typed(terminal, "?\n") + "".join(terminal.turn() for _ in range(10))
    assert "Enter commands:\r\nthreads, stack, gpif, reset;" in shown


def test_a_turn_takes_50_ms(station):
    """And types nothing when no key was pressed."""
    terminal = Terminal(station)
    seen = []
    station.device.observe(seen.append)
    began_ns = station.runtime.now_ns()
    terminal.turn()
    assert station.runtime.now_ns() - began_ns == pytest.approx(50e6, abs=1e6)
    assert [(item.request, item.value) for item in seen] == [(Request.READINFODEBUG, 0)]


@pytest.mark.parametrize(("key", "value"), [("\n", 0x0D), ("\r", 0x0D), ("a", 0x61), ("€", 0)])
def test_what_a_key_becomes(station, key, value):
    """A line feed is a return; what has no byte is not typed."""
    terminal = Terminal(station)
    seen = []
    station.device.observe(seen.append)
    terminal.turn(key)
    assert seen[0].value == value


def test_a_local_line_runs_a_command(station):
    """Echo, backspace and outcome; nothing of it reaches the firmware's console."""
    terminal = Terminal(station)
    seen = []
    station.device.observe(seen.append)
    shown = typed(terminal, "!raw 0xB4x\x7f\r")
    assert shown == "!raw 0xB4x\b \b\r\nPASS raw: STALL\r\n"
    assert [item.request for item in seen] == [0xB4]
    assert terminal.line is None


@pytest.mark.parametrize("cancel", ["\x1b", "\x03"])
def test_a_local_line_can_be_cancelled(station, cancel):
    """Escape and Ctrl-C; the next key goes to the firmware again."""
    terminal = Terminal(station)
    assert typed(terminal, f"!reset{cancel}") == "!reset\r\n"
    assert terminal.line is None
    station.sleep_ms(1_000)
    station.device.info()


def test_a_local_line_has_127_characters(station):
    """More are not taken, nor is a backspace on an empty line echoed."""
    terminal = Terminal(station)
    assert typed(terminal, "!\b") == "!"
    typed(terminal, "a" * (LINE_CHARACTERS_MAX + 5))
    assert len(terminal.line) == LINE_CHARACTERS_MAX


def test_a_failure_is_told_and_the_session_goes_on(station):
    """FAIL with its reason."""
    terminal = Terminal(station)
    lie(station, 0xB4, fails(DeviceTimeoutError))
    assert "FAIL raw: request 0xb4 no answer in time" in typed(terminal, "!raw 0xB4\r")
    assert "no command 'ra'; did you mean raw" in typed(terminal, "!ra\r")
    assert "no command ''" in typed(terminal, "!\r")
    assert terminal.turn() is not None


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("att", "att takes 1 numbers: att VALUE"),
        ("att 1 2", "att takes 1 numbers"),
        ("att loud", "att takes whole numbers: att VALUE"),
        ("i2cw 0xC0 183", "i2cw takes bytes of 0 to 255 at its end"),
        ("i2cw 0xC0 183 256", "i2cw takes bytes of 0 to 255 at its end"),
    ],
)
def test_a_wrong_line_is_told_what_is_right(station, line, text):
    """One line: the command, what it takes, and in which order."""
    with pytest.raises(InputError, match=text):
        run_line(station, line)


def test_bytes_at_the_end_of_a_line(station):
    """As many as there are."""
    lie(station, Request.I2CWFX3, lambda true, payload: len(payload))
    assert run_line(station, "i2cw 0xC0 183 0xD2 1 2") == "3 bytes"
    assert run_line(station, "adc 32000000") == "32000000 Hz"
