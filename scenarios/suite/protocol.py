"""Limits of the control endpoint: what is refused, what is taken, and that it lives afterwards.

Each function takes the station where it runs, returns the text of its PASS line, and raises
:class:`~scenarios.errors.Trouble` or a :class:`~hw.errors.DeviceError` where the original fails.

Source: ``fx3_cmd.c``.
"""

from __future__ import annotations

from functools import partial
from itertools import pairwise

from hw.connection import request_name
from hw.errors import BadReplyError
from hw.protocol import DEVICE_INFO_BYTES, GPIO_BOOT_WORD, Argument, Request
from scenarios.errors import Trouble
from scenarios.station import Station
from scenarios.suite.moves import (
    OVERSIZED_BYTES,
    ask,
    failure_of,
    must_stall,
    send,
    send_word,
    set_argument,
    set_arguments,
    stalled_or_taken,
)

OVERSIZED_REQUESTS = (
    Request.GPIOFX3,
    Request.STARTADC,
    Request.STARTFX3,
    Request.I2CWFX3,
    Request.SETARGFX3,
    Request.STOPFX3,
)
UNKNOWN_REQUEST = 0xCC
STALE_REQUESTS = (0xB0, 0xB7, 0xB9)
GAP_ARGUMENTS = (12, 13, 15)
BOUNDARY_VALUES = (
    (Argument.ATTENUATOR, (0, 63, 64, 65_535)),
    (Argument.VGA, (0, 255, 256, 65_535)),
)
WRAP_REQUESTS = 260
EXTREME_GPIO_WORDS = (0x0000_0000, 0xFFFF_FFFF, 0x0001_FFFF)


def _send_oversized(station: Station, request: int) -> None:
    send(station, request, bytes(OVERSIZED_BYTES))


def ep0_overflow(station: Station) -> str:
    """128 bytes to GPIOFX3 are refused, for the firmware's buffer holds 64."""
    must_stall("128 bytes", lambda: _send_oversized(station, Request.GPIOFX3))
    return "128 bytes stalled"


def ep0_oversize_all(station: Station) -> str:
    """128 bytes are refused by every OUT request, and the device lives on.

    Firmware before 489411b forgot to end the handler's time here and reset itself 2 s later.
    """
    for request in OVERSIZED_REQUESTS:
        name = request_name(request)
        station.begin(name)
        must_stall(f"{name} of 128 bytes", partial(_send_oversized, station, request))
    ask(station)
    return f"{len(OVERSIZED_REQUESTS)} requests of 128 bytes stalled"


def oob_brequest(station: Station) -> str:
    """A request code behind the table of names does no harm while the debug text is on."""
    ask(station, debug=True)
    stalled = stalled_or_taken("request 0xcc", lambda: send_word(station, UNKNOWN_REQUEST))
    station.strictly(stalled, "an unknown request was taken")
    ask(station)
    return "stalled" if stalled else "accepted"


def oob_setarg(station: Station) -> str:
    """An argument id far behind the table of names does no harm while the debug text is on."""
    ask(station, debug=True)
    stalled = stalled_or_taken("SETARGFX3 id 0xffff", lambda: set_argument(station, 0xFFFF, 42))
    ask(station)
    return "stalled" if stalled else "accepted"


def ep0_stall_recovery(station: Station) -> str:
    """The stall of EP0 ends by itself at the next request."""
    failure_of(lambda: send_word(station, UNKNOWN_REQUEST))
    ask(station)
    return "EP0 answers right after a stall"


def stale_vendor_codes(station: Station) -> str:
    """Codes of requests that were taken out are refused."""
    for code in STALE_REQUESTS:
        must_stall(request_name(code), partial(send_word, station, code))
    ask(station)
    return f"{len(STALE_REQUESTS)} codes stalled"


def setarg_gap_index(station: Station) -> str:
    """Argument ids between and behind the known ones: refused, early or too late to be seen."""
    failure_of(station.device.stats)
    stalls = 0
    for argument in GAP_ARGUMENTS:
        stalls += stalled_or_taken(
            f"SETARGFX3 id {argument}", partial(set_argument, station, argument, 0)
        )
    ask(station)
    return f"{stalls} of {len(GAP_ARGUMENTS)} stalled"


def setarg_boundary(station: Station) -> str:
    """Attenuator and gain at and past the ends of their ranges: cut to width, never refused."""
    for argument, values in BOUNDARY_VALUES:
        for value in values:
            what = f"{argument.name} {value}"
            stalled = stalled_or_taken(what, partial(set_argument, station, argument, value))
            station.strictly(not stalled, f"{what} was refused")
    ask(station)
    set_arguments(station, attenuator=0, gain=0)
    return "all values taken or stalled"


def vendor_rqt_wrap(station: Station) -> str:
    """The 8-bit request counter wraps: 260 times TESTFX3, counted once each."""
    counts = []
    for _ in range(WRAP_REQUESTS):
        reply = ask(station)
        if len(reply) != DEVICE_INFO_BYTES:
            raise BadReplyError("TESTFX3", f"{len(reply)} bytes")
        counts.append(reply[3])
    if all(before <= after for before, after in pairwise(counts)):
        raise Trouble("counter did not wrap")
    station.strictly(
        all(after == before + 1 & 0xFF for before, after in pairwise(counts)),
        "a TESTFX3 was not counted once",
    )
    return f"wrapped, last count {counts[-1]}"


def gpio_extremes(station: Station) -> str:
    """Every pin set, every pin clear, and bits that have no pin; then the word of the boot."""
    for word in EXTREME_GPIO_WORDS:
        station.device.set_gpio(word)
    failure_of(lambda: station.device.set_gpio(GPIO_BOOT_WORD))
    ask(station)
    return f"{len(EXTREME_GPIO_WORDS)} words taken"
