"""The rules of the vendor requests: what each has to answer, and what follows from it.

Source: firmware 2.3 USBHandler.c and tests/fx3_cmd.c. Of an OUT request the driver acknowledges
the data and the status stage together, so a refusal that comes later looks like success.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from hw.connection import request_name
from hw.errors import DeviceTimeoutError, NoDeviceError, StalledError
from hw.exchange import Exchange
from hw.protocol import EP0_BUFFER_BYTES, HARDWARE_RX888MK2, Argument, GpioBit, Request, Stats
from scenarios.contract import samples
from scenarios.contract.belief import Belief
from scenarios.contract.terms import Terms

MILLISECOND_NS = 1_000_000
HOST_PATIENCE_NS = 900 * MILLISECOND_NS
"""A host that gives up earlier than that chose to; every test of the firmware waits 1 s."""
LEAVING_NS = 3_000 * MILLISECOND_NS
UNDEFINED_NS = 10_000 * MILLISECOND_NS
"""A handler that waits for data that nobody sends gives up after 5 s (cyu3usb.h), or is reset."""
MAIN_HANG_NS = 20_000 * MILLISECOND_NS
"""More than the watchdog's period, a pet interval and its clock's tolerance."""
SURVIVED_HANG_MS = 1_900
"""A handler older than 2000 ms at a tick resets the device; the tick may run 4 % fast."""
DISABLED_CONSOLE_NS = 10_000 * MILLISECOND_NS
"""The console's gpif command on a disabled state machine: 4 s of blinking, then a reset."""

DEVICES = frozenset((0xC0, 0x74))
"""I2C addresses that answer: clock generator and tuner (driver/Si5351.c, RunApplication.c)."""
CLOCK_ADDRESS = 0xC0
I2C_READ_BIT = 0x01
DATA_REQUESTS = frozenset(
    (
        Request.STARTFX3,
        Request.STOPFX3,
        Request.GPIOFX3,
        Request.I2CWFX3,
        Request.RESETFX3,
        Request.STARTADC,
        Request.SETARGFX3,
    )
)
REPLY_REQUESTS = frozenset(
    (Request.TESTFX3, Request.I2CRFX3, Request.GETSTATS, Request.READINFODEBUG)
)
BARE_REQUESTS = frozenset((Request.HANGFX3, Request.HANGMAIN))
ARGUMENTS = frozenset(Argument)

Rule = Callable[[Exchange, bool], Iterator[str]]


class RequestRules:
    """Judges vendor requests, one after the other, and keeps the belief up to date.

    Args:
        belief: what is believed of the device.
        terms: of its revision.
        may_have_raced: asked whether a recovery ran beside the last change of the stream.
    """

    def __init__(self, belief: Belief, terms: Terms, may_have_raced: Callable[[], bool]) -> None:
        self._belief = belief
        self._terms = terms
        self._may_have_raced = may_have_raced
        self._rules: dict[int, Rule] = {
            Request.STARTFX3: self._start,
            Request.STOPFX3: self._stop,
            Request.TESTFX3: self._test,
            Request.GPIOFX3: self._gpio,
            Request.I2CWFX3: self._i2c_write,
            Request.I2CRFX3: self._i2c_read,
            Request.RESETFX3: self._reset,
            Request.STARTADC: self._start_adc,
            Request.GETSTATS: self._stats,
            Request.SETARGFX3: self._argument,
            Request.READINFODEBUG: self._debug,
        }
        if terms.has_test_hooks:
            self._rules[Request.HANGFX3] = self._hang_handler
            self._rules[Request.HANGMAIN] = self._hang_main

    def judge(self, exchange: Exchange) -> Iterator[str]:
        """Yield what is wrong with a vendor request that has ended."""
        request = exchange.request
        length = len(exchange.sent) if exchange.kind == "out" else exchange.asked_bytes
        rule = self._rules.get(request) if length <= EP0_BUFFER_BYTES else None
        if rule is not None and not _is_defined(exchange, length):
            self._belief.forget()
            self._expect_end(exchange.ended_ns, UNDEFINED_NS)
            return
        error = exchange.error
        if error is None:
            self._belief.note_answer(exchange.began_ns)
        if request == Request.HANGFX3 and rule is not None:
            yield from rule(exchange, False)
        elif isinstance(error, NoDeviceError):
            yield from self._gone(exchange)
        elif error is not None and not isinstance(error, StalledError):
            yield from self._failed(exchange)
        elif rule is None:
            if error is None:
                why = "unknown request" if length <= EP0_BUFFER_BYTES else f"wLength {length}"
                yield f"{request_name(request)}: accepted, expected a stall ({why})"
        else:
            yield from rule(exchange, error is not None)

    # ------------------------------------------------------------ transfers that failed

    def _gone(self, exchange: Exchange) -> Iterator[str]:
        belief = self._belief
        if not belief.may_leave:
            name = request_name(exchange.request)
            yield f"{name}: the device left the bus though nothing asked it to"
        # It is said once; until it is found again every request ends so.
        belief.expect_leaving(exchange.ended_ns)
        belief.forget()

    def _failed(self, exchange: Exchange) -> Iterator[str]:
        belief = self._belief
        error = exchange.error
        if isinstance(error, DeviceTimeoutError):
            is_impatient = exchange.ended_ns - exchange.began_ns < HOST_PATIENCE_NS
            is_fine = is_impatient or exchange.began_ns < belief.busy_until_ns
        else:
            is_fine = exchange.request == Request.RESETFX3
        if exchange.request == Request.RESETFX3:
            belief.expect_leaving(exchange.ended_ns + LEAVING_NS)
        if not is_fine and not belief.may_leave and error is not None:
            yield f"{request_name(exchange.request)}: {error.happened}"
        belief.forget()

    def _expect_end(self, from_ns: int, duration_ns: int) -> None:
        self._belief.expect_silence(from_ns + duration_ns)
        self._belief.expect_leaving(from_ns + duration_ns)

    # ------------------------------------------------------------ stream and clock

    def _start(self, exchange: Exchange, is_stalled: bool) -> Iterator[str]:
        belief, terms = self._belief, self._terms
        is_ready = belief.clock.is_ready if terms.has_preflight else True
        if is_stalled:
            if not terms.refuses_early:
                yield "STARTFX3: stalled, expected success: a late refusal is not seen"
            elif is_ready:
                yield "STARTFX3: stalled though CLK0 is on and PLL A locked"
        elif terms.refuses_early and is_ready is False:
            yield "STARTFX3: accepted though CLK0 is off, expected a stall"
            belief.stream.forget()
        elif is_ready or terms.refuses_early:
            belief.stream.start(exchange.began_ns, exchange.ended_ns)
        elif is_ready is None:
            belief.stream.forget()

    def _stop(self, exchange: Exchange, is_stalled: bool) -> Iterator[str]:
        if is_stalled:
            yield "STOPFX3: stalled, it always succeeds"
        self._belief.stream.stop(exchange.began_ns, exchange.ended_ns)

    def _start_adc(self, exchange: Exchange, is_stalled: bool) -> Iterator[str]:
        if is_stalled:
            yield "STARTADC: stalled, expected success"
        belief = self._belief
        belief.stream.change_clock(exchange.began_ns, exchange.ended_ns)
        belief.clock.set(_word(exchange.sent))
        settle_ns = self._terms.adc_settle_ms * 2 * MILLISECOND_NS
        if settle_ns:
            belief.expect_silence(exchange.ended_ns + settle_ns)

    def _stats(self, exchange: Exchange, is_stalled: bool) -> Iterator[str]:
        belief, terms = self._belief, self._terms
        length = min(exchange.asked_bytes, terms.stats_bytes)
        if is_stalled or len(exchange.reply) != length:
            got = "a stall" if is_stalled else f"{len(exchange.reply)} bytes"
            yield f"GETSTATS: {got}, expected {length} bytes"
            return
        if length < terms.stats_bytes:
            return
        stats = Stats.unpack(exchange.reply)
        yield from (f"GETSTATS: {text}" for text in samples.judge_fields(belief, terms, stats))
        if terms.has_stream_contract:
            found = list(samples.judge_stream(belief, stats, exchange))
            if found and self._may_have_raced():
                belief.stream.forget()
                found = []
            yield from (f"GETSTATS: {text}" for text in found)
        belief.last = stats

    # ------------------------------------------------------------ device information, arguments

    def _test(self, exchange: Exchange, is_stalled: bool) -> Iterator[str]:
        belief = self._belief
        if is_stalled:
            yield "TESTFX3: stalled, it always answers"
            return
        reply = exchange.reply
        count = belief.request_count
        if count is None and len(reply) == 4:
            count = reply[3]
        expected = bytes((HARDWARE_RX888MK2, *self._terms.version, count or 0))
        if count is None:
            expected = expected[:3]
        expected = expected[: exchange.asked_bytes]
        if reply[: len(expected)] != expected or len(reply) != min(exchange.asked_bytes, 4):
            yield f"TESTFX3: {reply.hex(' ')}, expected {expected.hex(' ')}"
        # What the device counts from now on is its own figure, so one lie is one finding.
        belief.request_count = reply[3] + 1 & 0xFF if len(reply) == 4 else None
        belief.is_debug_on = exchange.value == 1
        belief.may_have_text = belief.may_have_text or belief.is_debug_on

    def _argument(self, exchange: Exchange, is_stalled: bool) -> Iterator[str]:
        belief = self._belief
        if exchange.index in ARGUMENTS:
            if is_stalled:
                yield f"SETARGFX3 {exchange.index}: stalled, expected success"
            belief.count_request()
        elif is_stalled != self._terms.refuses_arguments_early:
            told = "stalled, a late refusal looks like success"
            if not is_stalled:
                told = "success, this revision stalls"
            yield f"SETARGFX3 {exchange.index}: {told}"

    def _debug(self, exchange: Exchange, is_stalled: bool) -> Iterator[str]:
        belief = self._belief
        command = belief.console.type(exchange.value)
        may_reset = command == "gpif" and belief.may_be_disabled()
        if may_reset or command == "reset":
            self._expect_end(exchange.ended_ns, DISABLED_CONSOLE_NS)
        if is_stalled:
            belief.may_have_text = belief.is_debug_on
            return
        reply = exchange.reply
        if not belief.may_have_text:
            yield f"READINFODEBUG: {len(reply)} bytes though there is no text, expected a stall"
        is_cut = len(reply) == exchange.asked_bytes < EP0_BUFFER_BYTES
        if len(reply) < 2 and not is_cut:
            yield "READINFODEBUG: an empty text, expected a stall"
        elif reply[-1] and not is_cut:
            yield f"READINFODEBUG: ends with {reply[-1]:02x}, expected 00"
        belief.count_request()

    # ------------------------------------------------------------ front end and I2C

    def _gpio(self, exchange: Exchange, is_stalled: bool) -> Iterator[str]:
        if is_stalled:
            yield "GPIOFX3: stalled, it always succeeds"
        belief = self._belief
        word = _word(exchange.sent)
        may_sleep = word is None or bool(word & GpioBit.ADC_SHUTDOWN)
        belief.clock.may_be_asleep = may_sleep
        if may_sleep:
            belief.stream.doubt_clock()

    def _i2c_write(self, exchange: Exchange, is_stalled: bool) -> Iterator[str]:
        if is_stalled:
            yield "I2CWFX3: stalled, expected success: a late refusal is not seen"
        belief = self._belief
        address = exchange.value & 0xFF & ~I2C_READ_BIT
        if address not in DEVICES:
            belief.nacks += 1
        elif address == CLOCK_ADDRESS and belief.clock.write(exchange.index & 0xFF, exchange.sent):
            belief.stream.doubt_clock()

    def _i2c_read(self, exchange: Exchange, is_stalled: bool) -> Iterator[str]:
        address = exchange.value & 0xFF & ~I2C_READ_BIT
        if address not in DEVICES:
            self._belief.nacks += 1
            if not is_stalled:
                yield f"I2CRFX3 {address:02x}: accepted though nobody answers, expected a stall"
        elif is_stalled:
            self._belief.unsure_nacks += 1
            yield f"I2CRFX3 {address:02x}: stalled, expected {exchange.asked_bytes} bytes"
        elif len(exchange.reply) != exchange.asked_bytes:
            got = len(exchange.reply)
            yield f"I2CRFX3 {address:02x}: {got} bytes, expected {exchange.asked_bytes}"

    # ------------------------------------------------------------ the end of the firmware's run

    def _reset(self, exchange: Exchange, is_stalled: bool) -> Iterator[str]:
        del is_stalled  # the original tests take it for success too
        self._belief.forget()
        self._expect_end(exchange.ended_ns, LEAVING_NS)
        yield from ()

    def _hang_handler(self, exchange: Exchange, is_stalled: bool) -> Iterator[str]:
        del is_stalled
        sleep_ms = exchange.value
        took_ms = (exchange.ended_ns - exchange.began_ns) // MILLISECOND_NS
        error = exchange.error
        # The OS tick is off by up to 4 % (cyu3os.h), and a sleep ends on a tick.
        least_ms, most_ms = sleep_ms * 95 // 100 - 2, sleep_ms * 105 // 100 + 200
        until_ns = exchange.began_ns + most_ms * MILLISECOND_NS
        belief = self._belief
        belief.expect_silence(until_ns)
        if sleep_ms >= SURVIVED_HANG_MS:
            belief.expect_leaving(until_ns + LEAVING_NS)
        if isinstance(error, NoDeviceError):
            yield from self._gone(exchange)
        elif isinstance(error, DeviceTimeoutError):
            if took_ms > most_ms:
                yield f"HANGFX3 {sleep_ms}: no answer after {took_ms} ms"
        elif error is not None:
            yield f"HANGFX3 {sleep_ms}: {error.happened}"
        elif took_ms < least_ms:
            yield f"HANGFX3 {sleep_ms}: acknowledged after {took_ms} ms"

    def _hang_main(self, exchange: Exchange, is_stalled: bool) -> Iterator[str]:
        if is_stalled:
            yield "HANGMAIN: stalled, expected success"
        self._belief.expect_leaving(exchange.ended_ns + MAIN_HANG_NS)


def _is_defined(exchange: Exchange, length: int) -> bool:
    """The firmware's sources say what happens: the right direction, and data where it is due."""
    if exchange.kind == "out":
        if exchange.request in BARE_REQUESTS:
            return length == 0
        return exchange.request in DATA_REQUESTS and length > 0
    return exchange.request in REPLY_REQUESTS and length > 0


def _word(payload: bytes) -> int | None:
    """The word that the firmware reads; None where old bytes of its buffer are part of it."""
    return int.from_bytes(payload[:4], "little") if len(payload) >= 4 else None
