"""The strict rule: no legal history is accused, and every lie is."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings, strategies as st

from hw.errors import DeviceTimeoutError, NoDeviceError, StalledError, TransferError
from hw.protocol import BULK_IN_ENDPOINT, Request, Stats
from scenarios.contract import Examiner, WorldLedger
from scenarios.contract.belief import Console
from scenarios.contract.clock import rate_of
from sim.host.runtime import WorldRuntime
from tests.scenarios.contract_bench import (
    ANY_RECOVERY,
    IDLE,
    MS,
    Liar,
    Scripted,
    honest_program,
    ignored,
)
from tests.sim.bench import booted, driver

MHZ = 1_000_000
STALL = StalledError("request", "")
SILENCE = DeviceTimeoutError("request", "")
GONE = NoDeviceError("request", "")
FAILURE = TransferError("request", "")

# ---------------------------------------------------------------- no false alarm

RATES = (0, 1, 1_000, MHZ, 16 * MHZ, 32 * MHZ, 64 * MHZ, 128 * MHZ, 200 * MHZ, 250 * MHZ, 2**32 - 1)
STEPS = st.one_of(
    st.sampled_from(("start", "stop", "stats", "test", "clear_halt", "primed")).map(lambda n: (n,)),
    st.tuples(st.just("clock"), st.sampled_from(RATES)),
    st.tuples(st.just("clock"), st.just(64 * MHZ)),
    st.tuples(st.just("read"), st.sampled_from((1024, 16_384, 65_536, 1 << 20))),
    st.tuples(st.just("reads"), st.integers(1, 40)),
    st.tuples(st.just("sleep"), st.sampled_from((1, 5, 100, 300, 450, 1_000, 3_000))),
    st.tuples(st.just("argument"), st.sampled_from((0, 10, 11, 12, 42, 65_535))),
    st.tuples(st.just("raw"), st.sampled_from((0xB0, 0xB4, 0xCC, 0xFF))),
    st.tuples(st.just("oversize"), st.sampled_from((0xAA, 0xAB, 0xAD, 0xB2, 0xB6))),
    st.tuples(st.just("prefix"), st.integers(1, 64)),
    st.tuples(st.just("gpio"), st.sampled_from((0, 0x20, 0x800, 0x1_FFFF, 0xFFFF_FFFF))),
    st.tuples(st.just("i2c_read"), st.sampled_from((0xC0, 0x74, 0x90, 0xC2))),
    st.tuples(st.just("i2c_write"), st.sampled_from((0x90, 0xC2))),
    st.tuples(st.just("clk0"), st.sampled_from((0x80, 0x4F))),
    st.tuples(st.just("debug"), st.sampled_from((0, ord("?"), ord("s"), 0x0D))),
    st.just(("talk",)),
    st.tuples(st.just("hang"), st.sampled_from((0, 1, 100, 990, 1_000, 1_500))),
)


def play(device, step):
    """One step of a random program; what the device refuses is part of it."""
    name, *rest = step
    number = rest[0] if rest else 0
    actions = {
        "start": device.start,
        "stop": device.stop,
        "stats": device.stats,
        "test": device.info,
        "clear_halt": device.clear_halt,
        "primed": lambda: device.primed_start(16_384, timeout_ms=300),
        "clock": lambda: device.start_adc(number),
        "read": lambda: device.read(number, timeout_ms=20),
        "reads": lambda: [device.read(65_536, timeout_ms=500) for _ in range(number)],
        "argument": lambda: device.request_out(Request.SETARGFX3, b"\0", value=5, index=number),
        "raw": lambda: device.request_out(number, bytes(4)),
        "oversize": lambda: device.request_out(number, bytes(65)),
        "prefix": lambda: device.request_in(Request.GETSTATS, number),
        "gpio": lambda: device.set_gpio(number),
        "i2c_read": lambda: device.i2c_read(number, 0, 4),
        "i2c_write": lambda: device.i2c_write(number, 0, b"\0"),
        "clk0": lambda: device.i2c_write(0xC0, 16, bytes([number])),
        "debug": lambda: device.read_debug(number),
        "talk": lambda: device.info(debug=True),
        "hang": lambda: device.hang_handler(number),
    }
    ignored(actions[name])


@pytest.mark.parametrize("has_witness", [True, False])
@pytest.mark.parametrize(
    ("firmware", "policy"),
    [("fw-2.3", "level-1-4-5"), ("reference", "reference"), ("fw-2.2", "level-1")],
)
@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(program=st.lists(STEPS, min_size=5, max_size=40), uptime_ms=st.integers(0, 400))
def test_no_legal_history_is_accused(firmware, policy, has_witness, program, uptime_ms):
    """Whatever a host may send, in any order: a right device breaks no rule."""
    with booted(firmware, policy) as world:
        world.run_until(world.now_ns + uptime_ms * MS)
        device = driver(world)
        examiner = Examiner(firmware, device, WorldLedger(world) if has_witness else None)
        runtime = WorldRuntime(world)
        examiner.begin(ANY_RECOVERY)
        for step in program:
            if step[0] == "sleep":
                runtime.sleep_ms(step[1])
            else:
                play(device, step)
        assert examiner.end() == ()


# ---------------------------------------------------------------- every lie is found


def findings(lie, firmware="fw-2.3", policy="level-1-4-5"):
    """What is found of the honest program when its transfers are altered."""
    with booted(firmware, policy) as world:
        device = driver(world)
        examiner = Examiner(firmware, Liar(device, lie), WorldLedger(world))
        examiner.begin(ANY_RECOVERY)
        honest_program(device, WorldRuntime(world).sleep_ms)
        return examiner.end()


@pytest.mark.parametrize("firmware", ["fw-2.2", "fw-2.3", "reference"])
def test_the_honest_program_breaks_no_rule(firmware):
    """The ground of all lies below."""
    assert findings(lambda exchange, number: exchange, firmware) == ()


def stats_lie(at, **fields):
    """GETSTATS number ``at`` with other fields."""

    def lie(exchange, number):
        if exchange.request != Request.GETSTATS or number != at:
            return exchange
        told = replace(Stats.unpack(exchange.reply), **fields)
        return exchange._replace(reply=told.pack())

    return lie


def lie_about(request, at, **fields):
    """The ``at``-th transfer of a request, altered."""

    def lie(exchange, number):
        is_meant = exchange.request == request and number == at
        return exchange._replace(**fields) if is_meant else exchange

    return lie


STATS_LIES = [
    (1, {"gpif_state": 255}, "GPIF state 255, expected 0 or 1"),
    (1, {"clk0_control": 0x80, "clk0_on": False}, "CLK0 control 0x80, expected 0x4f"),
    (1, {"clk0_on": False}, "clk0_on False"),
    (1, {"clock_status": 0x21}, "PLL A is not locked"),
    (1, {"clock_status": 0x81}, "SYS_INIT"),
    (1, {"boot_count": 2}, "boot_count 2"),
    (1, {"boot_count": 0}, "boot_count 0"),
    (1, {"i2c_failures": 9}, "i2c_failures grew by"),
    (1, {"last_pib_error": 0x1005}, "though none was counted"),
    (2, {"gpif_state": 255}, "GPIF state 255"),
    (3, {"gpif_state": 1}, "GPIF state 1, expected 2 or"),
    (2, {"dma_count": 100_000}, "no more than"),
    (2, {"pib_errors": 3, "last_pib_error": 0x1006}, "though the stream was read in time"),
    (3, {"dma_count": 0}, "DMA count 0 went back"),
    (3, {"dma_count": 1}, "DMA count 1 went back"),
    (4, {"dma_count": 8}, "expected 0 after STOPFX3"),
    (4, {"gpif_state": 9}, "GPIF state 9, expected 1"),
    (4, {"gpif_state": 255}, "GPIF state 255, expected 1"),
    (5, {"pib_errors": 0, "last_pib_error": 0}, "pib_errors did not grow"),
    (5, {"last_pib_error": 0x1007}, "last PIB error 0x1007"),
    (6, {"streaming_faults": 0}, "streaming_faults"),
    (6, {"pib_errors": 0, "last_pib_error": 0}, "pib_errors went back"),
    (6, {"streaming_faults": 99}, "streaming_faults grew by 99"),
]


@pytest.mark.parametrize(("at", "fields", "part"), STATS_LIES, ids=str)
def test_a_lie_of_getstats_is_found(at, fields, part):
    """Every field of GETSTATS is explained by what passed before it."""
    assert any(part in text for text in findings(stats_lie(at, **fields))), part


TRANSFER_LIES = [
    (Request.TESTFX3, 1, {"reply": b"\x04\x02\x03\x00"}, "TESTFX3: 04 02 03 00, expected 04 02 03"),
    (Request.TESTFX3, 1, {"reply": b"\x04\x02\x03\x01"}, "expected 04 02 03 02"),
    (Request.TESTFX3, 1, {"reply": b"\x04\x02\x03\x03"}, "expected 04 02 03 02"),
    (Request.TESTFX3, 0, {"reply": b"\x00\x02\x03\x00"}, "TESTFX3: 00"),
    (Request.TESTFX3, 0, {"reply": b"\x04\x02\x02\x00"}, "TESTFX3: 04 02 02"),
    (Request.TESTFX3, 0, {"reply": b"\x04\x02\x03"}, "TESTFX3: 04 02 03"),
    (Request.TESTFX3, 0, {"reply": b"", "error": STALL}, "TESTFX3: stalled"),
    (0xB7, 0, {"error": None}, "accepted, expected a stall (unknown request)"),
    (Request.GPIOFX3, 0, {"error": None}, "accepted, expected a stall (wLength 128)"),
    (Request.SETARGFX3, 0, {"error": STALL}, "SETARGFX3 10: stalled"),
    (Request.SETARGFX3, 1, {"error": STALL}, "SETARGFX3 42: stalled"),
    (Request.STARTFX3, 0, {"error": STALL}, "STARTFX3: stalled"),
    (Request.STOPFX3, 0, {"error": STALL}, "STOPFX3: stalled"),
    (Request.STARTADC, 0, {"error": STALL}, "STARTADC: stalled"),
    (Request.STARTADC, 0, {"error": FAILURE}, "STARTADC: transfer failed"),
    (Request.TESTFX3, 1, {"error": GONE}, "the device left the bus"),
    (Request.GETSTATS, 2, {"reply": bytes(20)}, "20 bytes, expected 26"),
    (Request.GETSTATS, 2, {"reply": b"", "error": STALL}, "a stall, expected 26 bytes"),
    (BULK_IN_ENDPOINT, 0, {"received_bytes": 1024, "error": None}, "though no stream runs"),
    (BULK_IN_ENDPOINT, 2, {"received_bytes": 70_000}, "returned 70000"),
    (BULK_IN_ENDPOINT, 2, {"received_bytes": 0, "error": STALL}, "refused with a stall"),
    (BULK_IN_ENDPOINT, 2, {"received_bytes": 0, "error": GONE}, "no device"),
]


@pytest.mark.parametrize(("request_", "at", "fields", "part"), TRANSFER_LIES, ids=str)
def test_a_lie_of_a_transfer_is_found(request_, at, fields, part):
    """A reply, a stall, a success or a failure that is not the contract's."""
    assert any(part in text for text in findings(lie_about(request_, at, **fields))), part


def test_a_silence_that_nothing_explains_is_found():
    """A time-out of a second is a violation; a host that gives up sooner chose to."""
    device = Scripted()
    assert device.found(lambda d: d.word(Request.STOPFX3, error=SILENCE, lasts_ms=1_000)) == (
        "STOPFX3: no answer in time",
    )
    assert device.found(lambda d: d.word(Request.STOPFX3, error=SILENCE, lasts_ms=899)) == ()


# ---------------------------------------------------------------- revisions


def test_a_revision_that_refuses_early_owes_the_stall():
    """STARTFX3 with CLK0 off: success on fw-2.x, a stall on the reference (incident F20)."""

    def start_without_clock(error):
        def script(device):
            device.word(Request.STARTADC, 0)
            device.sample = replace(IDLE, clk0_control=0x80, clk0_on=False)
            device.word(Request.STARTFX3, error=error)

        return script

    assert Scripted("fw-2.3").found(start_without_clock(None)) == ()
    assert "stalled, expected success" in Scripted("fw-2.3").found(start_without_clock(STALL))[0]
    assert Scripted("reference").found(start_without_clock(STALL)) == ()
    assert "expected a stall" in Scripted("reference").found(start_without_clock(None))[0]


def test_the_test_hooks_exist_where_the_revision_has_them():
    """HANGFX3 and HANGMAIN are unknown requests before release 0.1.0."""
    assert Scripted("fw-2.2").found(lambda d: d.out(Request.HANGMAIN, error=STALL)) != ()
    with booted("fw-2.2", "level-1") as world:
        device = driver(world)
        examiner = Examiner("fw-2.2", device, WorldLedger(world))
        examiner.begin(ANY_RECOVERY)
        ignored(device.hang_main)
        assert examiner.end() == ()


@pytest.mark.parametrize(
    ("duration_ms", "lasts_ms", "error", "is_right"),
    [
        (500, 500, None, True),
        (500, 100, None, False),
        (500, 1_000, SILENCE, False),
        (1_500, 1_000, SILENCE, True),
        (1_500, 1_000, STALL, False),
        (5_000, 1_000, SILENCE, True),
    ],
)
def test_hangfx3_is_silent_as_long_as_it_sleeps(duration_ms, lasts_ms, error, is_right):
    """Acknowledged when its sleep is over, not before, and not much later."""
    found = Scripted().found(
        lambda d: (
            d.out(Request.HANGFX3, value=duration_ms, error=error, lasts_ms=lasts_ms),
            d.wait(10_000),
        )
    )
    assert (found == ()) == is_right


def test_a_device_may_leave_when_it_was_told_to():
    """RESETFX3, a long HANGFX3, HANGMAIN and the console's reset; nothing else."""

    def leaves(*before):
        def script(device):
            for step in before:
                step(device)
            device.wait(8_000)
            device.into(Request.TESTFX3, 4, error=GONE)
            device.generation += 1

        return script

    def typed(text):
        return lambda d: [
            d.into(Request.READINFODEBUG, 64, error=STALL, value=ord(letter)) for letter in text
        ]

    def hang(duration_ms):
        return lambda d: d.out(Request.HANGFX3, value=duration_ms, error=SILENCE, lasts_ms=1_000)

    allowed = [
        (lambda d: d.word(Request.RESETFX3),),
        (hang(5_000),),
        (lambda d: d.out(Request.HANGMAIN),),
        (typed("reset\r"),),
        (typed("gpif\r"),),
    ]
    for steps in allowed:
        assert Scripted().found(leaves(*steps)) == ()
    for steps in [(), (typed("resat\r"),), (typed("reset"),), (hang(1_500),)]:
        assert "left the bus" in Scripted().found(leaves(*steps))[0]


# ---------------------------------------------------------------- what no world of today has


def test_every_nack_of_the_host_is_counted_once():
    """i2c_failures grows by the transfers that nobody acknowledged, and by nothing else."""

    def script(device):
        device.into(Request.I2CRFX3, 1, value=0xC2, error=STALL)
        device.out(Request.I2CWFX3, b"\0", value=0x90)
        device.into(Request.I2CRFX3, 1, b"\x01", value=0xC0)
        device.out(Request.I2CWFX3, b"\x53", value=0xC0, index=183)

    for counted, is_right in ((1, False), (2, True), (3, False)):
        device = Scripted()
        device.examiner.begin(ANY_RECOVERY)
        script(device)
        device.sample = replace(IDLE, i2c_failures=counted)
        assert (device.examiner.end() == ()) == is_right


I2C_LIES = [
    ("a read that nobody acknowledged", lambda d: d.into(Request.I2CRFX3, 1, b"\0", value=0xC2)),
    ("a late refusal", lambda d: d.out(Request.I2CWFX3, b"\0", value=0xC0, index=1, error=STALL)),
    ("a read that was", lambda d: d.into(Request.I2CRFX3, 1, value=0xC0, error=STALL)),
    ("a short read", lambda d: d.into(Request.I2CRFX3, 8, bytes(7), value=0xC0)),
    ("GPIO", lambda d: d.word(Request.GPIOFX3, 0x800, error=STALL)),
]


@pytest.mark.parametrize(("what", "script"), I2C_LIES, ids=lambda item: str(item)[:20])
def test_a_lie_of_i2c_or_gpio_is_found(what, script):
    """Reads refuse in time, writes too late to be seen."""
    assert Scripted().found(script) != (), what


def test_host_writes_to_the_clock_generator_count():
    """Register 16 written by the host decides over STARTFX3 as STARTADC does."""

    def script(device):
        device.word(Request.STARTADC, 64 * MHZ)
        device.out(Request.I2CWFX3, b"\x80", value=0xC0, index=16)
        device.word(Request.STARTFX3, error=STALL)
        device.sample = replace(IDLE, clk0_control=0x80, clk0_on=False)

    assert Scripted("reference").found(script) == ()
    assert Scripted("fw-2.3").found(script) != ()


def test_debug_text_comes_only_where_there_can_be_any():
    """A poll after the text was switched off and drained stalls; a reply ends with a NUL."""

    def script(*replies):
        def run(device):
            device.into(Request.TESTFX3, 4, b"\x04\x02\x03\x00", value=1)
            device.into(Request.READINFODEBUG, 64, replies[0])
            device.into(Request.TESTFX3, 4, b"\x04\x02\x03\x02")
            device.into(Request.READINFODEBUG, 64, error=STALL)
            if len(replies) > 1:
                device.into(Request.READINFODEBUG, 64, replies[1])

        return run

    assert Scripted().found(script(b"text\0")) == ()
    assert "expected 00" in Scripted().found(script(b"text"))[0]
    assert "empty text" in Scripted().found(script(b"\0"))[0]
    assert "there is no text" in Scripted().found(script(b"text\0", b"more\0"))[0]


def test_the_console_repeats_its_last_line():
    """Characters are ORed with 20, cut to eight bits and to 31; a bare CR repeats the line."""
    console = Console()
    for character in "GPIF":
        assert console.type(ord(character)) is None
    assert console.type(0) is None
    assert console.type(0x010D) == "gpif"
    assert console.type(0x0D) == "gpif"
    for _ in range(40):
        console.type(ord("a"))
    assert console.type(0x0D) == "a" * 31


def test_an_asleep_converter_excuses_a_silent_stream():
    """Bit 5 of GPIOFX3 may take the sample clock away: nothing is owed of that stream."""

    def script(device, word):
        device.word(Request.STARTADC, 64 * MHZ)
        device.word(Request.GPIOFX3, word)
        device.word(Request.STARTFX3)
        device.bulk(16_384, 0, lasts_ms=1_000, error=SILENCE)
        device.sample = replace(IDLE, gpif_state=0)

    assert Scripted().found(lambda d: script(d, 0x20)) == ()
    assert "0 of 16384 bytes" in Scripted().found(lambda d: script(d, 0x800))[0]


def test_a_stream_that_waits_for_its_clock_is_not_taken_for_none():
    """Started asleep it stands in RESET, and goes on once there is a clock."""

    def script(device):
        device.word(Request.STARTADC, 64 * MHZ)
        device.word(Request.GPIOFX3, 0x20)
        device.word(Request.STARTFX3)
        device.word(Request.STARTADC, 0)
        device.sample = replace(IDLE, gpif_state=0, clk0_control=0x80, clk0_on=False)
        device.stats()
        device.word(Request.GPIOFX3, 0x800)
        device.word(Request.STARTADC, 64 * MHZ)
        device.wait(100)
        device.bulk(16_384, 16_384)
        device.sample = replace(IDLE, gpif_state=2, dma_count=1)

    assert Scripted().found(script) == ()


@pytest.mark.parametrize(
    ("frequency_hz", "rate_hz"),
    [
        (64 * MHZ, 64 * MHZ),
        (200 * MHZ, 200 * MHZ),
        (225 * MHZ, 225 * MHZ),
        (225 * MHZ + 1, 0),
        (300 * MHZ, 300 * MHZ),
        (450 * MHZ, 450 * MHZ),
        (450 * MHZ + 1, 0),
        (MHZ, MHZ),
        (1, 65_536),
    ],
)
def test_the_rate_of_a_frequency(frequency_hz, rate_hz):
    """The VCO's range, and the output divider whose exponent is cut to three bits (Si5351.c)."""
    assert rate_of(frequency_hz) == rate_hz
