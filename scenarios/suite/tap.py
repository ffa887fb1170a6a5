"""The original's acceptance run: 41 lines of TAP, each step on a freshly opened device.

The script's own plan says 36 or 39; it emits 41 lines, with the stream test and without it.

Source: ``fw_test.sh``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial

from hw.errors import DeviceError
from hw.protocol import GPIO_BOOT_WORD, HARDWARE_RX888MK2, SAMPLE_BYTES
from scenarios.errors import Trouble, describe
from scenarios.station import MILLISECOND_NS, Station
from scenarios.suite import clock, commands, console, counters, protocol, recovery, streaming
from scenarios.suite.moves import SILENT_ADDRESSES, ask, set_up_as_uploader, upload

OpenStation = Callable[[], Station]
"""Opens the device anew (claim, clear-halt) and returns a place of work; the run closes it."""
Run = Callable[[Station], str | None]

PLANNED = 41
RATE_HZ = 32_000_000
STREAM_S = 5
STREAM_READ_BYTES = 1 << 20
STREAM_PERCENT_MIN = 50
HEAD_BYTES = 4_096
QUIESCE_MS = 100
QUIESCE_RETRY_MS = 2_000
UNKNOWN_CODES = (0xB4, 0xB5, 0xB8)

WITHOUT_CLOCK: tuple[Run, ...] = (
    protocol.ep0_overflow,
    protocol.oob_brequest,
    protocol.oob_setarg,
    console.console_fill,
    console.debug_race,
    console.debug_poll,
    console.stack_check,
    commands.stats,
    counters.stats_i2c,
    counters.stats_pll,
    protocol.vendor_rqt_wrap,
    protocol.stale_vendor_codes,
    protocol.setarg_gap_index,
    protocol.gpio_extremes,
    counters.i2c_write_bad_addr,
)
"""Lines 15 to 29, after ``adc 0``."""
STREAMING: tuple[Run, ...] = (
    streaming.hw_smoke,
    streaming.stop_gpif_state,
    streaming.stop_start_cycle,
    clock.pll_preflight,
    recovery.wedge_recovery,
    streaming.gpif_soft_stop,
    streaming.stop_under_backpressure,
    console.pib_overflow,
)
"""Lines 30 to 37, each on a device at rest."""


@dataclass(frozen=True)
class TapLine:
    """One result.

    Attributes:
        number: from 1 on.
        description: what was tried.
        is_ok: it went well.
        diagnostics: what there is to say about it: the PASS text, the failure, strict violations.
        is_skipped: it was not tried.
    """

    number: int
    description: str
    is_ok: bool
    diagnostics: tuple[str, ...] = ()
    is_skipped: bool = False

    def __str__(self) -> str:
        """The line itself."""
        directive = " # SKIP" if self.is_skipped else ""
        return f"{'ok' if self.is_ok else 'not ok'} {self.number} - {self.description}{directive}"


def fw_test(
    open_station: OpenStation,
    rate_hz: int = RATE_HZ,
    stream_s: int = STREAM_S,
    *,
    streams: bool = True,
) -> Iterator[TapLine]:
    """Run all steps; ends after line 1 when the firmware cannot be brought up.

    Args:
        open_station: called for each step.
        rate_hz: sample rate of ``adc`` and of the stream test.
        stream_s: length of the stream test in s.
        streams: False skips the three lines of the stream test.

    Yields:
        Each result as soon as it is there.
    """
    first = _line(1, "firmware uploaded, 04b4:00f1 on the bus", open_station, _bring_up(rate_hz))
    yield first
    if not first.is_ok:
        return
    number = 1
    for description, run in _steps(rate_hz):
        number += 1
        yield _line(number, description, open_station, run)
    for run in STREAMING:
        number += 1
        _quiesce(open_station)
        yield _line(number, run.__name__, open_station, run)
    number += 1
    yield _line(number, "stats_pib", open_station, counters.stats_pib)
    yield from _stream_lines(number + 1, open_station, rate_hz, stream_s, streams)


def tap_text(lines: Iterable[TapLine]) -> Iterator[str]:
    """Write results as TAP, line by line as they come.

    Args:
        lines: of :func:`fw_test`.
    """
    yield f"1..{PLANNED}"
    last = 0
    for line in lines:
        last = line.number
        yield str(line)
        for text in line.diagnostics:
            yield f"# {text}"
    if last < PLANNED:
        yield "Bail out! the firmware did not come up"


def _bring_up(rate_hz: int) -> Run:
    return lambda station: upload(station, rate_hz)


def _steps(rate_hz: int) -> Iterator[tuple[str, Run]]:
    """Lines 2 to 29."""
    yield "hwconfig is RX888mk2", _is_rx888mk2
    yield "gpio 0x0800", partial(commands.gpio, word=GPIO_BOOT_WORD)
    yield f"adc {rate_hz}", partial(commands.adc, rate_hz=rate_hz)
    for value in (0, 63):
        yield f"att {value}", partial(commands.att, value=value)
    for value in (0, 255):
        yield f"vga {value}", partial(commands.vga, value=value)
    yield "stop", commands.stop
    for code in UNKNOWN_CODES:
        yield f"raw {code:#04x} stalls", partial(_stalls, code=code)
    yield f"i2cr {SILENT_ADDRESSES[1]:#04x} fails", _read_of_nobody_fails
    yield "adc 0", partial(commands.adc, rate_hz=0)
    for run in WITHOUT_CLOCK:
        yield run.__name__, run


def _is_rx888mk2(station: Station) -> str:
    found = station.device.info().hardware
    if found != HARDWARE_RX888MK2:
        raise Trouble(f"hwconfig {found:#04x}")
    return f"hwconfig {found:#04x}"


def _stalls(station: Station, code: int) -> str:
    text = commands.raw(station, code)
    if text != "STALL":
        raise Trouble(text)
    return text


def _read_of_nobody_fails(station: Station) -> str:
    try:
        text = commands.i2cr(station, SILENT_ADDRESSES[1], 0, 1)
    except DeviceError as error:
        return describe(error)
    raise Trouble(f"read {text}")


def _quiesce(open_station: OpenStation) -> None:
    """Bring the device to rest; that it does not answer is only a warning."""

    def rest(station: Station) -> None:
        station.device.stop()
        station.device.set_gpio(GPIO_BOOT_WORD)
        station.sleep_ms(QUIESCE_MS)
        try:
            ask(station)
        except DeviceError:
            station.sleep_ms(QUIESCE_RETRY_MS)
            ask(station)

    _play(open_station, rest)


def _stream_lines(
    number: int, open_station: OpenStation, rate_hz: int, stream_s: int, streams: bool
) -> Iterator[TapLine]:
    """Lines 39 to 41, from one stream."""
    total_bytes = rate_hz * SAMPLE_BYTES * stream_s
    names = (
        "stream delivers data",
        f"stream delivers {STREAM_PERCENT_MIN} % of {total_bytes} bytes",
        "stream data is not all zero",
    )
    if not streams:
        for offset, name in enumerate(names):
            yield TapLine(number + offset, name, True, is_skipped=True)
        return
    got: list[tuple[int, bytes]] = [(0, b"")]
    _, diagnostics = _play(
        open_station, lambda station: got.append(_stream(station, rate_hz, stream_s, total_bytes))
    )
    received, head = got[-1]
    oks = (received > 0, 100 * received >= STREAM_PERCENT_MIN * total_bytes, any(head))
    for offset, (name, is_ok) in enumerate(zip(names, oks, strict=True)):
        yield TapLine(number + offset, name, is_ok, (*diagnostics, f"{received} bytes"))


def _stream(station: Station, rate_hz: int, stream_s: int, total_bytes: int) -> tuple[int, bytes]:
    """Stream as ``rx888_stream | head -c`` does: (bytes, the first of them)."""
    set_up_as_uploader(station, rate_hz)
    end_ns = station.runtime.now_ns() + stream_s * 1_000 * MILLISECOND_NS
    data = station.device.primed_start(STREAM_READ_BYTES, timeout_ms=2_000)
    head, received = data[:HEAD_BYTES], len(data)
    try:
        while received < total_bytes and station.runtime.now_ns() < end_ns:
            received += len(station.device.read(STREAM_READ_BYTES, timeout_ms=2_000))
    finally:
        station.device.stop()
    return received, head


def _line(number: int, description: str, open_station: OpenStation, run: Run) -> TapLine:
    is_ok, diagnostics = _play(open_station, run)
    return TapLine(number, description, is_ok, diagnostics)


def _play(open_station: OpenStation, run: Run) -> tuple[bool, tuple[str, ...]]:
    """Open, let a step run, close: (whether it went well, what there is to say)."""
    try:
        station = open_station()
    except DeviceError as error:
        return False, (describe(error),)
    found: list[str] = []
    is_ok = False
    try:
        text = run(station)
        is_ok = True
        found += [text] if text else []
    except (DeviceError, Trouble) as error:
        found.append(describe(error))
    finally:
        station.read_no_more()
        station.device.close()
    found += [f"strict: {text}" for text in station.violations]
    return is_ok, tuple(found)
