"""A recorded console log: which texts are found, where they stand, and when they were said.

Facts: DebugConsole.c, RunApplication.c, USBHandler.c, Support.c (the texts and their line breaks).
"""

import pytest

from hw import console_log
from hw.console_log import ConsoleLogError, Said, parse


def said(text):
    """What a log says, as (text, values)."""
    return [(entry.said, entry.values) for entry in parse(text.encode())]


@pytest.mark.parametrize(
    ("text", "kind", "values"),
    [
        ("\r\nWDG: stall 2/3 SM=9 DMA=8", Said.STALL, (2, 3, 9, 8)),
        (
            "\r\nWDG: === RECOVERY START === SM=9 DMA=8 recov=1/5",
            Said.RECOVERY_BEGINS,
            (9, 8, 1, 5),
        ),
        (
            "\r\nWDG: === RECOVERY DONE === rst=0 flush=0 xfer=0 sm=68",
            Said.RECOVERY_DONE,
            (0, 0, 0, 68),
        ),
        (
            "\r\nWDG: === RECOVERY WAIT === rst=0 flush=0 xfer=0 sm=0",
            Said.RECOVERY_WAITS,
            (0, 0, 0, 0),
        ),
        ("\r\nWDG: recovery limit (5), waiting for STARTFX3", Said.CAPPED, (5,)),
        ("\r\nWDG: stall cleared SM=2 (was 2/3)", Said.CLEARED, (2, 2, 3)),
        ("\r\nWDG: DMA resumed (8->4711), stall cleared", Said.RESUMED, (8, 4711)),
        ("\r\nWDG: soft-stop fail SM=9, forcing", Said.FORCED, (9,)),
        ("\r\nSTP soft-stop fail SM=255, forcing", Said.FORCED, (255,)),
        ("\r\nGO s=2 r=0", Said.STARTED, (2, 0)),
        ("\r\nSTP s=1", Said.STOPPED, (1,)),
        ("\r\nSTARTADC: implicit GPIF stop (SM=6)", Said.STOPPED_BY_CLOCK, (6,)),
        (
            "\r\nPreflight FAIL: ADC clock not enabled",
            Said.NO_CLOCK,
            ("ADC clock not enabled",),
        ),
        (
            "\r\nPreflight FAIL: Si5351 PLL_A not locked",
            Said.NO_CLOCK,
            ("Si5351 PLL_A not locked",),
        ),
        ("\r\nPIB error 0x1005\r\n", Said.PIB_ERROR, (0x1005,)),
        ("\r\nEP Underrun on 1", Said.UNDERRUN, (1,)),
        ("\r\nEvent received = RESET   \r\n", Said.USB_EVENT, ("RESET",)),
        ("\r\nHANGFX3: sleeping 5000 ms (test-only)", Said.HANDLER_SLEEPS, (5000,)),
        ("\r\nHANGMAIN: spinning forever \N{EM DASH} HWDT should reset us", Said.MAIN_SPINS, ()),
        ("\r\nHEALTH: status=1, recovering", Said.HEALTH_RECOVERS, (1,)),
        ("\r\n\r\nHOST RESETTING CPU \r\n", Said.HOST_RESETS, ()),
        ("reset:\r\nRESETTING CPU\r\n", Said.CONSOLE_RESETS, ()),
        (
            "\r\nGet GPIF State  failed, 68 = CY_U3P_ERROR_NOT_CONFIGURED\r\n",
            Said.SETUP_FAILED,
            ("Get GPIF State ", 68),
        ),
        ("SETARGFX3\tWDG_MAX_RECOV\t3\r\n\n", Said.CAP_SET, (3,)),
        ("SETARGFX3\tDAT31_ATT\t63\r\n\n", Said.REQUEST, ("SETARGFX3",)),
        ("TESTFX3\t0x4\t0x2\r\n\n", Said.REQUEST, ("TESTFX3",)),
        ("GPIOFX3\t\t0x800\r\n\n", Said.REQUEST, ("GPIOFX3",)),
        ("STARTADC\t64000000\r\n\n", Said.REQUEST, ("STARTADC",)),
        ("0xCE\t0x0\t0x0\r\n\n", Said.REQUEST, ("0xCE",)),
    ],
)
def test_each_text_and_its_values(text, kind, values):
    """Once each, as the firmware writes it."""
    assert said(text) == [(kind, values)]


def test_texts_that_share_a_line_are_both_found():
    """The break stands before the one and behind the other."""
    assert said("\r\nGO s=2 r=0STARTFX3\t\r\n\n") == [
        (Said.STARTED, (2, 0)),
        (Said.REQUEST, ("STARTFX3",)),
    ]


def test_a_number_may_run_into_a_requests_code():
    """The count is 8, and the request is B4."""
    assert said("\r\nWDG: stall 1/3 SM=9 DMA=80xB4\t0x0\t0x1\r\n\n") == [
        (Said.STALL, (1, 3, 9, 8)),
        (Said.REQUEST, ("0xB4",)),
    ]


def test_what_is_not_known_is_passed_by():
    """Help, names of threads, other programs' lines, bytes that are no text."""
    log = b"Enter commands:\r\n\xff\xfe\x00[  1.0] usb 2-1\nStack free in X is 1280/2048\nSTP s=1"
    (entry,) = parse(log)
    assert (entry.said, entry.line) == (Said.STOPPED, 4)


@pytest.mark.parametrize(
    ("first", "second", "apart_ms"),
    [
        ("[   12.345] ", "[   13.500] ", 1_155),
        ("[1.25 0.01] ", "[2.5 1.25] ", 1_250),
        ("[7] ", "[9] ", 2_000),
        ("[2026-05-13 04:58:01.123] ", "[2026-05-13 04:59:01.124] ", 60_001),
        ("[2026-05-13T23:59:59+00:00]", "[2026-05-14T00:00:01+00:00]", 2_000),
    ],
)
def test_the_time_in_brackets(first, second, apart_ms):
    """Seconds or a date, from the first line on."""
    log = f"{first}GO s=2 r=0\n{second}STP s=1\n"
    assert [entry.at_ms for entry in parse(log.encode())] == [0, apart_ms]


def test_lines_without_a_time_have_that_of_the_line_above():
    """A log without any has none."""
    log = "GO s=2 r=0\n[5.0] STP s=1\nGO s=2 r=0"
    assert [entry.at_ms for entry in parse(log.encode())] == [None, 0, 0]


@pytest.mark.parametrize(
    ("log", "message"),
    [
        (b"", "nothing in it is text of this firmware's console"),
        (b"\x7fELF\x00\x01", "nothing in it is text"),
        (b"[2.0] STP s=1\n[1.0] STP s=1", "line 2: its time lies before the one above it"),
        (b"[2.0] STP s=1\n[2026-05-13 04:58:01] STP s=1", "line 2: dates and seconds in one log"),
        (b"[0] STP s=1\n[9999999999] STP s=1", "line 2: its time is more than a century after"),
    ],
)
def test_what_is_no_log_is_one_error(log, message):
    """One line, which names the line."""
    with pytest.raises(ConsoleLogError, match=message):
        parse(log)


def test_a_log_has_a_largest_size(monkeypatch):
    """Nobody's memory is filled by a wrong file; the limit itself passes."""
    log = b"STP s=1\n"
    monkeypatch.setattr(console_log, "LOG_BYTES_MAX", len(log))
    assert len(parse(log)) == 1
    with pytest.raises(ConsoleLogError, match="more than 8 bytes"):
        parse(log + b"\n")
