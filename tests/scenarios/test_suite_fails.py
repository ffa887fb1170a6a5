"""Every scenario of the suite can fail, and fails for the reason that its name promises.

Where the simulated device can be made ill, it is: a fault, an option, a policy, a firmware that
had the defect. Else somebody between driver and device lies.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from health import Policy
from hw.errors import DeviceTimeoutError, StalledError, TransferError
from hw.protocol import Argument, Request
from scenarios.registry import find, suite
from scenarios.station import Station
from scenarios.suite.moves import set_up_as_uploader
from sim.options import Options

from .suite_bench import (
    Played,
    delivers,
    edited,
    fails,
    lie,
    played_on,
    says,
    silent,
    stations,
    swallows,
)

UNCAPPED = replace(Policy.preset("level-1-4-5"), name="uncapped", level_1_cap=0)
NO_FIRST_BUFFER = "cold_start:until=reset"
"""Incident F25: everything is set up, and no data ever comes."""
FULL_SCALE = b"\xff\x7f" * 32_768


def hang(call: str, during: str, nth: int = 1) -> str:
    """A handler that never returns."""
    return f"hang:call={call},thread=usb,during={during},nth={nth}"


def of(request: int, answer: Callable[..., object], **more: Any) -> Callable[[Station], None]:
    """A lie about one request."""
    return lambda station: lie(station, request, answer, **more)


def lies(*all_of: Callable[[Station], None]) -> Callable[[Station], None]:
    """Several at once."""

    def tell(station: Station) -> None:
        for one in all_of:
            one(station)

    return tell


@dataclass(frozen=True)
class Ill:
    """What is wrong, and what the scenario has to say about it."""

    name: str
    failure: str | None
    lie: Callable[[Station], None] = lambda station: None
    firmware: str = "fw-2.3"
    policy: str | Policy = "level-1-4-5"
    faults: tuple[str, ...] = ()
    options: Options = field(default_factory=Options)
    parameters: dict[str, int] = field(default_factory=dict)
    strict: str = ""
    """A part of the violation; with ``failure`` None the original test passes."""


TAKEN = swallows
TIMES_OUT = fails(DeviceTimeoutError)
STALLS = fails(StalledError)
ONCE_COUNTED = says(b"\x04\x02\x03\x07")

ILLS = (
    # --- protocol
    Ill("ep0_overflow", "128 bytes taken, not stalled", of(Request.GPIOFX3, TAKEN)),
    Ill("ep0_overflow", "128 bytes no answer in time, not stalled", of(Request.GPIOFX3, TIMES_OUT)),
    Ill(
        "ep0_oversize_all",
        "SETARGFX3 of 128 bytes taken, not stalled",
        of(Request.SETARGFX3, TAKEN),
    ),
    Ill("ep0_oversize_all", "time-out of request", of(Request.TESTFX3, TIMES_OUT)),
    Ill("oob_brequest", "request 0xcc no answer in time", of(0xCC, TIMES_OUT)),
    Ill("oob_brequest", None, of(0xCC, TAKEN), strict="an unknown request was taken"),
    Ill("oob_setarg", "SETARGFX3 id 0xffff no answer in time", of(Request.SETARGFX3, TIMES_OUT)),
    Ill("oob_setarg", "time-out of request", of(Request.TESTFX3, TIMES_OUT, number=2)),
    Ill("ep0_stall_recovery", "stall of request", of(Request.TESTFX3, STALLS)),
    Ill("stale_vendor_codes", "request 0xb7 taken, not stalled", of(0xB7, TAKEN)),
    Ill(
        "setarg_gap_index",
        "SETARGFX3 id 13 no answer in time",
        of(Request.SETARGFX3, TIMES_OUT, index=13),
    ),
    Ill(
        "setarg_boundary",
        "VGA 65535 transfer failed",
        of(Request.SETARGFX3, fails(TransferError), value=65_535, index=Argument.VGA),
    ),
    Ill(
        "setarg_boundary",
        None,
        of(Request.SETARGFX3, STALLS, value=64),
        strict="ATTENUATOR 64 was refused",
    ),
    Ill("vendor_rqt_wrap", "counter did not wrap", of(Request.TESTFX3, ONCE_COUNTED)),
    Ill(
        "vendor_rqt_wrap",
        None,
        of(Request.TESTFX3, ONCE_COUNTED, number=9),
        strict="a TESTFX3 was not counted once",
    ),
    Ill(
        "vendor_rqt_wrap",
        "TESTFX3 unexpected reply",
        of(Request.TESTFX3, says(b"\x04\x02\x03"), number=3),
    ),
    Ill("gpio_extremes", "stall of request", of(Request.GPIOFX3, STALLS, number=2)),
    # --- console
    Ill("console_fill", "time-out of request", of(Request.TESTFX3, TIMES_OUT, number=2)),
    Ill(
        "debug_race",
        "hardware reads 0",
        of(Request.TESTFX3, says(b"\x00\x02\x03\x07"), number=2),
    ),
    Ill("debug_poll", "no debug text", of(Request.READINFODEBUG, STALLS)),
    Ill("debug_poll", None, of(Request.READINFODEBUG, says(b"hello\x00")), strict="no help text"),
    Ill(
        "debug_poll", None, of(Request.READINFODEBUG, says(b"commands\x00")), strict="no help text"
    ),
    Ill("stack_check", "no stack figure", of(Request.READINFODEBUG, STALLS)),
    Ill(
        "stack_check",
        "stack of 1024 bytes, not 2048",
        of(Request.READINFODEBUG, says(b"Stack free in X is 900/1024\r\n\x00")),
    ),
    Ill(
        "stack_check",
        "511 of 2048 bytes of stack free",
        of(Request.READINFODEBUG, says(b"Stack free in X is 511/2048\r\n\x00")),
    ),
    Ill(
        "readinfodebug_flood",
        None,
        of(Request.READINFODEBUG, STALLS),
        strict="no debug text to be taken",
    ),
    Ill("readinfodebug_flood", "time-out of request", of(Request.TESTFX3, TIMES_OUT, number=3)),
    Ill("debug_while_streaming", "14 reads and 20 polls", lambda station: _tired(station, 14)),
    Ill(
        "debug_while_streaming",
        None,
        of(Request.READINFODEBUG, TIMES_OUT, number=3),
        strict="20 reads and 19 polls",
    ),
    Ill("debug_while_streaming", "20 reads and 0 polls", of(Request.READINFODEBUG, TIMES_OUT)),
    Ill("debug_cmd_while_stream", "0 and 0 bytes only", silent),
    Ill(
        "debug_cmd_while_stream",
        None,
        lambda station: _tired(station, 1),
        strict="16384 and 0 bytes only",
    ),
    Ill("pib_overflow", "no 'PIB error'", faults=(NO_FIRST_BUFFER,)),
    # --- streaming
    Ill(
        "stop_gpif_state", "GPIF state 2 after STOPFX3", of(Request.GETSTATS, edited(gpif_state=2))
    ),
    Ill("stop_gpif_state", None, of(Request.GETSTATS, edited(gpif_state=255)), strict="state 255"),
    Ill("stop_start_cycle", "time-out of bulk read", faults=(NO_FIRST_BUFFER,)),
    Ill(
        "stop_start_cycle",
        "time-out of STARTFX3",
        faults=(hang("dma_multi_channel_reset", "STOPFX3", 3),),
        policy="none",
    ),
    Ill("gpif_soft_stop", "1 of 10 stops forced", lambda station: _forced(station, 4, 255)),
    Ill("gpif_soft_stop", "GPIF state 9 after STOPFX3", lambda station: _forced(station, 4, 9)),
    Ill(
        "gpif_soft_stop",
        "1 of 10 stops forced",
        of(Request.GETSTATS, TIMES_OUT, number=10),
    ),
    Ill(
        "stop_under_backpressure",
        "GPIF state 9 after STOPFX3",
        lambda station: _forced(station, 5, 9),
    ),
    Ill(
        "stop_under_backpressure",
        None,
        lambda station: _forced(station, 5, 255),
        strict="1 of 5 stops not in state 1",
    ),
    Ill(
        "rapid_start_stop",
        "time-out of STARTFX3",
        faults=(hang("dma_multi_channel_reset", "STOPFX3", 7),),
        policy="none",
    ),
    Ill("rapid_start_stop", "0 bytes only", faults=(NO_FIRST_BUFFER,)),
    Ill(
        "double_stop",
        "time-out of TESTFX3",
        faults=(hang("dma_multi_channel_reset", "STOPFX3", 3),),
        policy="none",
    ),
    Ill(
        "double_stop",
        None,
        of(Request.STOPFX3, STALLS, number=2),
        strict="the second STOPFX3 was refused",
    ),
    Ill(
        "double_stop",
        "second STOPFX3 no answer in time",
        of(Request.STOPFX3, TIMES_OUT, number=2),
    ),
    Ill(
        "double_start",
        "time-out of STOPFX3",
        faults=(hang("dma_multi_channel_reset", "STARTFX3", 2),),
        policy="none",
    ),
    Ill(
        "sustained_stream",
        "41 % of the data",
        options=Options(packet_ns=19_000),
        parameters={"duration_ms": 1_000},
    ),
    Ill(
        "sustained_stream",
        None,
        options=Options(packet_ns=10_000),
        strict="% of the data only",
        parameters={"duration_ms": 1_000},
    ),
    Ill(
        "sustained_stream",
        "time-out of bulk read",
        faults=("host_paused:at_ms=2500",),
        parameters={"duration_ms": 10_000},
    ),
    Ill("dma_count_reset", "DMA count 0 after a read", of(Request.GETSTATS, edited(dma_count=0))),
    Ill(
        "dma_count_reset",
        None,
        of(Request.GETSTATS, edited(dma_count=9)),
        strict="DMA count went on from 9 to 9",
    ),
    Ill(
        "dma_count_monotonic",
        "DMA count 9, then 9",
        of(Request.GETSTATS, edited(dma_count=9)),
    ),
    Ill("hw_smoke", "time-out of bulk read", faults=(NO_FIRST_BUFFER,)),
    Ill(
        "data_sanity",
        "32768 of 32768 samples at full scale",
        lambda station: delivers(station, FULL_SCALE),
    ),
    Ill("data_sanity", "1024 bytes only", lambda station: delivers(station, bytes(1_024))),
    Ill("ep0_hammer", "0 of 500 answered", of(Request.TESTFX3, says(b"\x04"))),
    Ill(
        "ep0_hammer",
        None,
        of(Request.TESTFX3, TIMES_OUT, number=77),
        strict="499 of 500 answered only",
    ),
    Ill("ep0_hammer", "0 bytes only", silent),
    Ill(
        "ep0_control_while_streaming",
        "14 reads and 20 requests",
        lambda station: _tired(station, 14),
    ),
    Ill(
        "ep0_control_while_streaming",
        "20 reads and 14 requests",
        lies(
            of(Request.GETSTATS, STALLS),
            of(Request.TESTFX3, STALLS, number=1),
            of(Request.GPIOFX3, STALLS, number=1),
        ),
    ),
    Ill(
        "ep0_control_while_streaming",
        None,
        of(Request.TESTFX3, STALLS, number=2),
        strict="20 reads and 19 requests",
    ),
    Ill("gpio_during_stream", "0 bytes only", lambda station: _tired(station, 1)),
    Ill("gpio_during_stream", "stall of request", of(Request.GPIOFX3, STALLS, number=5)),
    Ill("i2c_under_load", "stall of request", of(Request.I2CRFX3, STALLS)),
    Ill("i2c_under_load", "0 bytes only", lambda station: _tired(station, 1)),
    # --- clock
    Ill("pll_preflight", "data without a clock", lambda station: delivers(station, bytes(4_096))),
    Ill("pll_preflight", "time-out of request", of(Request.STARTFX3, TIMES_OUT)),
    Ill("clk0_chip_query", "data without a clock", of(Request.I2CWFX3, swallows)),
    Ill("clock_pull", "0 bytes only", lambda station: _tired(station, 1)),
    Ill("clock_pull", "0 bytes only", faults=(NO_FIRST_BUFFER,)),
    Ill("freq_hop", "0 bytes only", lambda station: _tired(station, 4)),
    Ill("startadc_mid_stream", "0 bytes only", faults=(NO_FIRST_BUFFER,)),
    Ill("startadc_mid_stream", "0 bytes only", of(Request.STARTFX3, swallows, number=2)),
    Ill(
        "rapid_adc_reprogram",
        "PLL A not locked at 16 MHz",
        options=Options(pll_lock_ms=500),
    ),
    Ill(
        "adc_freq_extremes",
        "time-out of TESTFX3",
        faults=(hang("i2c_transmit_bytes", "STARTADC", 9),),
        policy="none",
    ),
    # --- recovery
    Ill("wedge_recovery", "time-out of STARTFX3", firmware="original", policy="none"),
    Ill("wedge_recovery", "0 bytes only", faults=(NO_FIRST_BUFFER,)),
    Ill("abandoned_stream", None, policy=UNCAPPED, strict="faults after the first 5 s"),
    Ill(
        "abandoned_stream",
        "13 faults in 5 s, then 13",
        policy=UNCAPPED,
        options=Options(tick_ppm=-40_000),
    ),
    Ill(
        "watchdog_cap_observe",
        "faults still grow",
        of(Request.SETARGFX3, swallows),
        policy=UNCAPPED,
    ),
    Ill(
        "watchdog_cap_observe",
        None,
        of(Request.SETARGFX3, swallows),
        strict="5 restarts with a cap of 3",
    ),
    Ill("watchdog_cap_restart", "time-out of bulk read", faults=(NO_FIRST_BUFFER,)),
    Ill(
        "watchdog_stress",
        None,
        policy=UNCAPPED,
        parameters={"duration_s": 15},
        strict="no plateau in 15 s",
    ),
    Ill(
        "watchdog_stress",
        "GETSTATS no answer in time in second 2; EP0 dead",
        faults=(hang("gpif_get_sm_state", "GETSTATS", 3),),
        policy="none",
    ),
    Ill(
        "watchdog_race",
        "time-out of TESTFX3",
        faults=(hang("gpif_get_sm_state", "GETSTATS", 20),),
        policy="none",
        parameters={"rounds": 1},
    ),
    Ill("test_health_recovery", "boot ROM not on the bus", policy="level-1"),
    Ill("test_health_recovery", "HANGFX3 answered, no time-out", of(Request.HANGFX3, swallows)),
    Ill("test_health_recovery", "HANGFX3 refused with a stall, no time-out", firmware="fw-2.2"),
    Ill("test_main_recovery", "still answers after 8 s", policy="level-1-4"),
    Ill("test_main_recovery", "stall of HANGMAIN", firmware="fw-2.2"),
    # --- counters
    Ill("stats_i2c", "I2C failures 0, then 0", of(Request.I2CRFX3, says(b"\x00"))),
    Ill(
        "stats_i2c",
        None,
        of(Request.I2CRFX3, lambda true, _: _twice(true)),
        strict="not one more",
    ),
    Ill("stats_pib", "no PIB error counted", of(Request.GETSTATS, edited(pib_errors=0))),
    Ill(
        "stats_pll",
        "clock generator's status 0x21",
        of(Request.GETSTATS, edited(clock_status=0x21)),
    ),
    Ill(
        "stats_pll",
        "clock generator's status 0x81",
        of(Request.GETSTATS, edited(clock_status=0x81)),
    ),
    Ill("i2c_bad_addr", "time-out of request", of(Request.TESTFX3, TIMES_OUT)),
    Ill(
        "i2c_bad_addr",
        None,
        of(Request.I2CRFX3, says(b"\x00")),
        strict="a read without an answer was not stalled",
    ),
    Ill("i2c_write_bad_addr", "time-out of request", of(Request.TESTFX3, TIMES_OUT)),
    Ill("i2c_write_bad_addr", None, of(Request.I2CWFX3, swallows), strict="not one more"),
    Ill("i2c_write_read", "wrote 0x53, read 0x52", of(Request.I2CWFX3, swallows)),
    Ill("i2c_multibyte", "then 00", of(Request.I2CRFX3, says(bytes(8)), number=2)),
    # --- rebuilt
    Ill(
        "rapid_stress_with_concurrent_stats",
        "time-out of STARTFX3",
        faults=(hang("dma_multi_channel_reset", "STOPFX3", 9),),
        policy="none",
    ),
    Ill(
        "rapid_stress_with_concurrent_stats",
        "time-out of request",
        of(Request.GETSTATS, TIMES_OUT, number=5),
    ),
    Ill(
        "rapid_start_stop_extreme",
        "time-out of STARTFX3",
        faults=(hang("dma_multi_channel_reset", "STOPFX3", 150),),
        policy="none",
    ),
    Ill(
        "stop_during_starting",
        "time-out of STOPFX3",
        faults=(hang("gpif_load", "STARTFX3", 9),),
        policy="none",
    ),
    Ill(
        "stop_during_starting",
        None,
        of(Request.GETSTATS, edited(gpif_state=8)),
        strict="GPIF state 8 after STOPFX3, not 1",
    ),
    Ill(
        "health_latency_after_stress",
        "an answer took 300 ms",
        faults=("delay:call=gpif_get_sm_state,thread=usb,during=GETSTATS,nth=7,for_ms=300",),
    ),
    Ill("health_latency_after_stress", "0 bytes only", faults=(NO_FIRST_BUFFER,)),
)


def _tired(station: Station, reads: int) -> None:
    """A data endpoint that gives nothing any more after some reads."""
    connection = station.device._connection
    true_read = connection.bulk_read_into
    left = reads

    def read(buffer, timeout_ms):
        nonlocal left
        if left:
            left -= 1
            return true_read(buffer, timeout_ms)
        raise DeviceTimeoutError("bulk read", "a lie")

    connection.bulk_read_into = read


def _forced(station: Station, number: int, state: int) -> None:
    """One GETSTATS tells another GPIF state."""
    lie(station, Request.GETSTATS, edited(gpif_state=state), number=number)


def _twice(true: Callable[[], object]) -> object:
    """A host that asks once more than it was told to."""
    with pytest.raises(StalledError):
        true()
    return true()


def _label(ill: Ill) -> str:
    return f"{ill.name}: {ill.failure or ill.strict}"


def _play(ill: Ill) -> Played:
    with stations(ill.firmware, ill.policy, faults=ill.faults, options=ill.options) as (
        station,
        world,
    ):
        if ill.firmware != "original":
            set_up_as_uploader(station, 32_000_000)
        ill.lie(station)
        return played_on(station, world, find(ill.name), **ill.parameters)


@pytest.mark.parametrize("ill", [ill for ill in ILLS if ill.failure], ids=_label)
def test_it_fails_for_its_own_reason(ill):
    """The original's FAIL, with words that name the reason."""
    assert ill.failure in (_play(ill).failure or "")


@pytest.mark.parametrize("ill", [ill for ill in ILLS if not ill.failure], ids=_label)
def test_trap_33_the_strict_form_sees_what_the_original_lets_pass(ill):
    """The original says PASS to a device that is not right; the second check does not."""
    result = _play(ill)
    assert result.failure is None
    assert any(ill.strict in text for text in result.violations), result.violations


@pytest.mark.parametrize("name", ["pll_preflight", "clk0_chip_query"])
def test_a_failed_start_leaves_the_clock_on(name):
    """Whatever STARTFX3 answers, the original ends with its STARTADC of 32 MHz."""
    ill = Ill(name, "time-out of request", of(Request.STARTFX3, TIMES_OUT))
    with stations(ill.firmware, ill.policy) as (station, world):
        set_up_as_uploader(station, 64_000_000)
        ill.lie(station)
        played = played_on(station, world, find(name))
        assert ill.failure in (played.failure or "")
        station.sleep_ms(100)
        assert round(world.board.samples.rate_hz or 0, -3) == 32_000_000


def test_every_scenario_can_fail():
    """None is decoration."""
    assert {ill.name for ill in ILLS if ill.failure} == {item.name for item in suite()}
