"""The debug console, by itself and beside a stream.

Its text has 256 bytes of room and is taken 63 bytes at a time; commands run at the next turn of
the main loop, up to 100 ms later. Functions are as in :mod:`scenarios.suite.protocol`.

Source: ``fx3_cmd.c``; ``DebugConsole.c`` for the texts.
"""

from __future__ import annotations

import re
from functools import partial

from hw.errors import DeviceError, StalledError
from hw.protocol import Argument, Request
from scenarios.errors import Trouble
from scenarios.station import Station
from scenarios.suite.moves import (
    BLOCK_BYTES,
    MHZ,
    ask,
    failure_of,
    read_console,
    read_up_to,
    set_argument,
    start_at,
)

RATE_HZ = 64 * MHZ
FILL_CHARACTERS = 35
"""The console keeps 31 of them."""
RACE_ROUNDS = 50
ATTENUATOR_STEPS = 64
POLL_INTERVAL_MS = 50
POLL_ROUNDS = 40
TEXT_BYTES_MAX = 1_023
HELP_WORDS = (b"commands", b"reset", b"threads")
HELP = b"Enter commands:\r\nthreads, stack, gpif, reset;\r\n"
STACK_ROUNDS = 60
STACK_BYTES = 2_048
STACK_FREE_PERCENT_MIN = 25
DRAIN_ROUNDS = 30
DRAIN_PAUSE_MS = 20
KEY_PAUSE_MS = 10
STREAM_ROUNDS = 20
STREAM_ROUNDS_MIN = 15
ENOUGH_BYTES = 1_024
PIB_ERROR = b"PIB error"
PIB_TEXT_BYTES_MAX = 4_095


def console_fill(station: Station) -> str:
    """More characters than the command line holds, then a return: the rest is dropped."""
    ask(station, debug=True)
    for _ in range(FILL_CHARACTERS):
        read_console(station, "a")
    read_console(station, "\r")
    station.sleep_ms(100)
    ask(station)
    return f"{FILL_CHARACTERS} characters typed"


def debug_race(station: Station) -> str:
    """Requests that print, and polls that take the text, in turns: writer against reader."""
    ask(station, debug=True)
    for turn in range(RACE_ROUNDS):
        failure_of(partial(set_argument, station, Argument.ATTENUATOR, turn % ATTENUATOR_STEPS))
        read_console(station)
    reply = ask(station)
    if len(reply) == 4 and reply[0] == 0:
        raise Trouble("hardware reads 0")
    return f"{RACE_ROUNDS} rounds"


def debug_poll(station: Station) -> str:
    """The question mark brings the help text; leaves the debug text on."""
    ask(station, debug=True)
    read_console(station, "?")
    station.sleep_ms(POLL_INTERVAL_MS)
    read_console(station, "\r")
    text = b""
    for _ in range(POLL_ROUNDS):
        station.sleep_ms(POLL_INTERVAL_MS)
        text = _appended(text, read_console(station), TEXT_BYTES_MAX)
    station.strictly(HELP in text, "no help text")
    if not text:
        raise Trouble("no debug text")
    found = any(word in text for word in HELP_WORDS)
    return "help text" if found else f"{len(text)} bytes of other text"


def stack_check(station: Station) -> str:
    """The command ``stack`` tells at least a quarter of the main thread's stack free."""
    ask(station, debug=True)
    for _ in range(DRAIN_ROUNDS):
        if not read_console(station):
            break
        station.sleep_ms(DRAIN_PAUSE_MS)
    for key in "stack":
        read_console(station, key)
        station.sleep_ms(KEY_PAUSE_MS)
    read_console(station, "\r")
    text = b""
    for _ in range(STACK_ROUNDS):
        station.sleep_ms(POLL_INTERVAL_MS)
        text = _appended(text, read_console(station), TEXT_BYTES_MAX)
        if b"Stack free" in text:
            break
    return _judge_stack(text)


def _judge_stack(text: bytes) -> str:
    found = re.search(rb"Stack free.*? is (\d+)/(\d+)", text, re.DOTALL)
    if found is None:
        raise Trouble("no stack figure in the debug text")
    free_bytes, total_bytes = (int(number) for number in found.groups())
    if total_bytes != STACK_BYTES:
        raise Trouble(f"stack of {total_bytes} bytes, not {STACK_BYTES}")
    if 100 * free_bytes // total_bytes < STACK_FREE_PERCENT_MIN:
        raise Trouble(f"{free_bytes} of {total_bytes} bytes of stack free")
    return f"{free_bytes}/{total_bytes} free"


def readinfodebug_flood(station: Station) -> str:
    """Text that nobody takes is dropped, and holds nobody up."""
    ask(station, debug=True)
    for turn in range(RACE_ROUNDS):
        failure_of(partial(set_argument, station, Argument.ATTENUATOR, turn % ATTENUATOR_STEPS))
    station.strictly(bool(read_console(station)), "no debug text to be taken")
    failure_of(lambda: ask(station))
    ask(station)
    return f"{RACE_ROUNDS} lines unread"


def debug_while_streaming(station: Station) -> str:
    """A poll after each block that is read: most of both must work."""
    ask(station, debug=True)
    start_at(station, RATE_HZ)
    reads = polls = 0
    for _ in range(STREAM_ROUNDS):
        reads += read_up_to(station, BLOCK_BYTES, 500) >= ENOUGH_BYTES
        polls += _poll_works(station)
    station.device.stop()
    ask(station)
    if min(reads, polls) < STREAM_ROUNDS_MIN:
        raise Trouble(f"{reads} reads and {polls} polls of {STREAM_ROUNDS}")
    station.strictly(
        reads == polls == STREAM_ROUNDS, f"{reads} reads and {polls} polls of {STREAM_ROUNDS} only"
    )
    return f"{reads} reads, {polls} polls"


def _poll_works(station: Station) -> bool:
    try:
        station.device.request_in(Request.READINFODEBUG, 64)
    except StalledError:
        return True
    except DeviceError as error:
        station.say(str(error))
        return False
    return True


def debug_cmd_while_stream(station: Station) -> str:
    """A command while a stream runs; its text is taken for 1 s, in which nobody reads data."""
    ask(station, debug=True)
    start_at(station, RATE_HZ)
    before = read_up_to(station, BLOCK_BYTES, 1_000)
    read_console(station, "?")
    read_console(station, "\r")
    text_bytes = 0
    for _ in range(STREAM_ROUNDS):
        text_bytes += len(read_console(station))
        station.sleep_ms(POLL_INTERVAL_MS)
    after = read_up_to(station, BLOCK_BYTES, 1_000)
    station.device.stop()
    ask(station)
    station.strictly(min(before, after) >= ENOUGH_BYTES, f"{before} and {after} bytes only")
    if max(before, after) < ENOUGH_BYTES:
        raise Trouble(f"{before} and {after} bytes only")
    return f"{before} and {after} bytes, {text_bytes} bytes of text"


def pib_overflow(station: Station) -> str:
    """A stream that nobody reads overruns at once, and the console says so, once."""
    ask(station, debug=True)
    for _ in range(10):
        read_console(station)
        station.sleep_ms(DRAIN_PAUSE_MS)
    start_at(station, RATE_HZ)
    station.sleep_ms(10)
    text = b""
    for _ in range(5):
        text = _appended(text, read_console(station), PIB_TEXT_BYTES_MAX)
    failure_of(station.device.stop)
    if PIB_ERROR not in text:
        station.sleep_ms(300)
    for _ in range(20):
        text = _appended(text, read_console(station), PIB_TEXT_BYTES_MAX)
        if PIB_ERROR in text:
            break
        station.sleep_ms(POLL_INTERVAL_MS)
    ask(station)
    if PIB_ERROR not in text:
        raise Trouble("no 'PIB error' in the debug text")
    return "PIB error seen"


def _appended(text: bytes, more: bytes, limit_bytes: int) -> bytes:
    return (text + more)[:limit_bytes]
