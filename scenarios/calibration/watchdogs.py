"""Watchdogs: when each level answers, how long it takes, and what a host then has to do."""

from __future__ import annotations

from functools import cache

from hw.errors import DeviceError
from hw.protocol import BOOT_PRODUCT_ID, Request
from scenarios import registry
from scenarios.calibration.bench import (
    MHZ,
    NS_PER_MS,
    NS_PER_S,
    SHIPPED,
    booted,
    ignoring_failure,
)
from scenarios.calibration.figure import Figure, Group, Interval, Rule, about, exactly, over
from scenarios.performance import perform
from scenarios.suite import moves
from sim.chip.usb import Setup
from sim.faults import Fault
from sim.options import Options
from sim.world import BenchWorld

PHASES_US = range(0, 100_000, 6_173)
"""Over one turn of the main loop, at no round distance."""
FILL_NS = 1_024_000
"""What is taken off a stall's detection: eight buffers of 128 us at 64 MS/s, see the stream."""
UNREAD_S = 20
WINDOW_NS = 5 * NS_PER_S
TICKS_PPM = range(-40_000, 40_001, 2_500)
"""How far the OS tick may be off: 4 % (cyu3os.h)."""
START_PHASES_US = (0, 25_000, 50_000, 75_000)
PUBLISHED_GROWTH = (13, 13)
HANG_MS = 5_000
DEATH_BASE_MS = 6_000
"""A time at which the pet of every preset looks (a multiple of 3000)."""
DEATH_ONSETS_US = (*range(150, 3_000_150, 187_500), 98_999, 99_999)
DEATH_OFFSETS_MS = (0, 50, 99)
PROBES = 8
CLOCK_CONTROL_REGISTER = 16
CLOCK_0_DOWN = 0x80
APPLICATION_APPEARS = "new device 04b4:00f1"
MISS_PHASES_MS = range(0, 3_000, 10)


# --- main loop and level 1 ----------------------------------------------------------------------


def main_loop() -> Interval:
    """From one turn of the main loop to the next, at rest and with GETSTATS ten times a second."""
    with booted() as bench:
        for _ in range(20):
            bench.device.stats()
            bench.sleep_ms(97)
        beats = bench.beats_ns()
        return over(
            (late - early) / NS_PER_MS for early, late in zip(beats, beats[1:], strict=False)
        )


def level_1_detection() -> Interval:
    """From the moment at which all buffers are full to the restart, at every phase."""
    taken = []
    for phase_us in PHASES_US:
        with booted(uptime_us=1_000_000 + phase_us) as bench:
            started_ns = bench.unread()
            bench.sleep_ms(600)
            taken.append(bench.remedies_ns()[0] - started_ns - FILL_NS)
    return over(each / NS_PER_MS for each in taken)


def level_1_duration() -> Interval:
    """The restart itself, blocking the main loop: what a turn takes beyond its sleep of 100 ms."""
    with booted() as bench:
        bench.unread()
        bench.sleep_ms(1_500)
        beats = bench.beats_ns()
        taken = []
        for at_ns in bench.remedies_ns():
            before = max(beat for beat in beats if beat <= at_ns)
            after = min(beat for beat in beats if beat > at_ns)
            taken.append((after - before) / NS_PER_MS - 100)
        return over(taken)


@cache
def _restarts(tick_ppm: int, phase_us: int) -> tuple[int, tuple[int, ...]]:
    """An unread 64 MS/s stream without a cap: when it was started, and when restarted."""
    options = Options(tick_ppm=tick_ppm)
    with booted(options=options, uptime_us=1_000_000 + phase_us) as bench:
        bench.device.set_watchdog_cap(0)
        started_ns = bench.unread()
        bench.sleep_ms(UNREAD_S * 1_000)
        return started_ns, tuple(bench.remedies_ns())


def restart_interval() -> Interval:
    """From one restart to the next."""
    gaps = []
    for phase_us in START_PHASES_US:
        _, times = _restarts(0, phase_us)
        gaps += [late - early for early, late in zip(times, times[1:], strict=False)]
    return over(gap / NS_PER_MS for gap in gaps)


def restarts_in_5_s() -> Interval:
    """How many fall into 5 s, wherever the 5 s begin."""
    counts = []
    for phase_us in START_PHASES_US:
        started_ns, times = _restarts(0, phase_us)
        for begin_ns in range(started_ns + NS_PER_S, started_ns + 10 * NS_PER_S, 7 * NS_PER_MS):
            counts.append(_within(times, begin_ns))
    return over(counts)


def growth_of_abandoned_stream() -> Interval:
    """The smaller growth of the two 5 s of abandoned_stream, without a cap."""
    return over(min(_growth(0, phase_us)) for phase_us in START_PHASES_US)


def tick_error_implied() -> Interval:
    """Tick errors at which both 5 s of abandoned_stream show 13 restarts at some phase."""
    found = [
        ppm
        for ppm in TICKS_PPM
        if any(_growth(ppm, phase_us) == PUBLISHED_GROWTH for phase_us in START_PHASES_US)
    ]
    return over((ppm / 10_000 for ppm in found), note=f"of -4 to 4 %, {len(found)} steps of 0.25 %")


def _growth(tick_ppm: int, phase_us: int) -> tuple[int, int]:
    """What abandoned_stream counts: 200 ms after the start, then twice 5 s."""
    started_ns, times = _restarts(tick_ppm, phase_us)
    begin_ns = started_ns + 200 * NS_PER_MS
    return _within(times, begin_ns), _within(times, begin_ns + WINDOW_NS)


def _within(times: tuple[int, ...], begin_ns: int) -> int:
    return sum(begin_ns < at_ns <= begin_ns + WINDOW_NS for at_ns in times)


def highest_level_for_a_paused_reader() -> Interval:
    """What is applied to a stream that nobody reads for 10 s."""
    highest = []
    for firmware, policy in (SHIPPED, ("reference", "reference")):
        with booted(firmware, policy) as bench:
            bench.unread()
            bench.sleep_ms(10_000)
            highest.append(max(level for _, level in bench.firmware.remedies_applied))
            highest += [5 for _ in bench.world.chip.resets]
    return over(highest)


def remedies_for_a_lost_clock() -> Interval:
    """What is applied when the host itself turns the clock off in mid stream, in 10 s."""
    counts = []
    for firmware, policy in (SHIPPED, ("reference", "reference")):
        with booted(firmware, policy) as bench:
            bench.streaming(64 * MHZ)
            bench.sleep_ms(500)
            bench.device.i2c_write(
                moves.CLOCK_ADDRESS, CLOCK_CONTROL_REGISTER, bytes([CLOCK_0_DOWN])
            )
            bench.sleep_ms(10_000)
            counts.append(len(bench.remedies_ns()) + len(bench.world.chip.resets))
    return over(counts)


# --- level 4 ------------------------------------------------------------------------------------


def blocked_handler() -> Interval:
    """From the entry of a handler that blocks for ever to level 4, at every phase of a tick."""
    entries_us = (*PHASES_US, *range(0, 2_000, 130))
    return over(_level_4(entry_us)[0] / NS_PER_MS for entry_us in entries_us)


def boot_rom_after_level_4() -> Interval:
    """From the entry of HANGFX3 to the boot ROM on the bus."""
    return over(_level_4(entry_us)[1] / NS_PER_MS for entry_us in PHASES_US)


@cache
def _level_4(entry_us: int) -> tuple[int, int]:
    """A handler entered at a time: ns until level 4 begins, ns until the boot ROM is there."""
    options = Options()
    entry_ns = NS_PER_S + entry_us * 1_000
    with BenchWorld(*SHIPPED, options=options) as world:
        world.boot()
        device = world.host.device
        if device is None:
            raise RuntimeError("the device is not on the bus")
        world.run_until(entry_ns - options.control_setup_ns)
        hang = Setup(0x40, Request.HANGFX3, 60_000, 0, 0)
        world.spawn("host", lambda: world.host.control(device, hang, b"", 1_000))
        while world.host.device is None or world.host.device.is_application:
            world.wait(world.host.changed)
        ((begun_ns, _),) = world.programs[0].remedies_applied
        return begun_ns - entry_ns, world.now_ns - entry_ns


def levels_for_a_blocked_handler() -> Interval:
    """Which levels the policy with all five tries while the handler is in progress."""
    with booted("reference", "reference") as bench:
        ignoring_failure(lambda: bench.device.hang_handler(60_000))
        bench.sleep_ms(5_000)
        return over(level for _, level in bench.firmware.remedies_applied)


def spin_without_level_5() -> Interval:
    """Resets and remedies in 20 s for a handler that spins, under levels 1 and 4."""
    fault = Fault.parse("hang:call=thread_sleep,thread=usb,during=HANGFX3,manner=spinning")
    with BenchWorld("fw-2.3", "level-1-4", faults=[fault]) as world:
        world.boot()
        device = world.host.device
        if device is None:
            raise RuntimeError("the device is not on the bus")
        world.run_until(NS_PER_S)
        world.host.control(device, Setup(0x40, Request.HANGFX3, 100, 0, 0), b"", 1_000)
        world.run_until(20 * NS_PER_S)
        return exactly(len(world.chip.resets) + len(world.programs[0].remedies_applied))


# --- level 5 ------------------------------------------------------------------------------------


def watchdog_period() -> Interval:
    """From the last pet to the reset."""
    with booted() as bench:
        bench.device.hang_main()
        bench.sleep_ms(9_000)
        (reset,) = bench.world.chip.resets
        pets = [item[3] for item in bench.record.records if item[1:3] == ("fx3/watchdog", "pet")]
        last_ns = max(at_ns for at_ns in pets if at_ns < reset.at_ns)
        return exactly((reset.at_ns - last_ns) / NS_PER_MS)


@cache
def _deaths() -> Interval:
    taken = [
        _death(DEATH_BASE_MS * 1_000 + onset_us, offset_ms)
        for offset_ms in DEATH_OFFSETS_MS
        for onset_us in DEATH_ONSETS_US
    ]
    return over((each / NS_PER_MS for each in taken), note=f"{len(taken)} deaths on two axes")


def main_death() -> Interval:
    """From the death of the main loop to the reset, over onset and offset of the poll."""
    return _deaths()


def _death(onset_us: int, offset_ms: int) -> int:
    """The main loop spins from its next turn on: ns until the reset."""
    onset_ns = onset_us * 1_000
    with BenchWorld(*SHIPPED, options=Options(poll_offset_ms=offset_ms)) as world:
        world.boot()
        firmware = world.programs[0]

        def die() -> None:
            firmware.hang_main_requested = True

        world.alarm(onset_ns, die)
        world.run_until(onset_ns + 9 * NS_PER_S)
        (reset,) = world.chip.resets
        return reset.at_ns - onset_ns


def missed_main_recoveries() -> Interval:
    """Part of all phases, in percent, in which test_main_recovery's eight probes see no reset."""
    missed = sum(_is_missed(phase_ms) for phase_ms in MISS_PHASES_MS)
    return exactly(100 * missed / len(MISS_PHASES_MS), note=f"{len(MISS_PHASES_MS)} phases")


def _is_missed(phase_ms: int) -> bool:
    # The second axis, the offset of the poll, takes each of its 100 values three times.
    offset_ms = phase_ms // 10 * 37 % 100
    options = Options(poll_offset_ms=offset_ms)
    with booted(options=options, uptime_us=1_000_000 + phase_ms * 1_000 + 313) as bench:
        bench.device.info()
        bench.device.stats()
        bench.device.hang_main()
        for _ in range(PROBES):
            bench.sleep_ms(1_000)
            try:
                bench.device.info()
            except DeviceError:
                return False
        return True


# --- resets and uploads -------------------------------------------------------------------------


def reset_request() -> Interval:
    """From the acknowledgement of RESETFX3 to the reset."""
    with booted() as bench:
        bench.device.reset()
        acknowledged_ns = bench.world.now_ns
        bench.sleep_ms(500)
        (reset,) = bench.world.chip.resets
        return exactly((reset.at_ns - acknowledged_ns) / NS_PER_MS)


def boot_rom_after_reset() -> Interval:
    """From a reset to the boot ROM on the bus."""
    with booted() as bench:
        bench.device.reset()
        bench.device.wait_for(BOOT_PRODUCT_ID, timeout_ms=10_000)
        (reset,) = bench.world.chip.resets
        return exactly((bench.world.now_ns - reset.at_ns) / NS_PER_S)


def boot_rom_after_port_reset() -> Interval:
    """Resets into the boot ROM within 10 s of a port reset."""
    with booted() as bench:
        ignoring_failure(bench.device.port_reset)
        bench.sleep_ms(10_000)
        return exactly(len(bench.world.chip.resets))


def enumeration() -> Interval:
    """From the jump into the uploaded firmware to a configured device."""
    with booted() as bench:
        station = bench.station()
        bench.device.reset()
        bench.device.wait_for(BOOT_PRODUCT_ID, timeout_ms=10_000)
        bench.device.reacquire(moves.require_image(station), timeout_ms=10_000)
        jumped_ns = max(
            item[4]
            for item in bench.record.records
            if item[1] == "host/control" and item[2].startswith(f"{Request.RAM_ACCESS:#04x} ")
        )
        configured_ns = max(
            at_ns for at_ns, text in bench.world.host.log if text.startswith(APPLICATION_APPEARS)
        )
        return exactly((configured_ns - jumped_ns) / NS_PER_MS)


def upload() -> Interval:
    """The upload helper on a device in its boot ROM, with its waits."""
    with booted() as bench:
        station = bench.station()
        bench.device.reset()
        bench.device.wait_for(BOOT_PRODUCT_ID, timeout_ms=10_000)
        began_ns = bench.world.now_ns
        moves.upload(station)
        return exactly((bench.world.now_ns - began_ns) / NS_PER_S)


def reload() -> Interval:
    """RESETFX3, the harness's wait of 3 s, and the upload helper."""
    with booted() as bench:
        station = bench.station()
        began_ns = bench.world.now_ns
        bench.device.reset()
        station.sleep_ms(3_000)
        moves.upload(station)
        return exactly((bench.world.now_ns - began_ns) / NS_PER_S)


def recovery_test(name: str) -> Interval:
    """How long one of the two recovery tests takes, at several phases."""
    taken = []
    for phase_us in range(0, 3_000_000, 750_013):
        with booted(uptime_us=1_000_000 + phase_us) as bench:
            done = perform(registry.find(name), bench.station(), None)
            if done.failure is None:
                taken.append((done.ended_ns - done.began_ns) / NS_PER_S)
    return over(taken)


GROUP = Group(
    "Watchdogs, resets and uploads",
    (
        Figure(
            key="main_loop",
            quantity="turn of the main loop",
            published="100 ms asleep, and work",
            source="RunApplication.c",
            unit="ms",
            expected=about(100, 1),
            measure=main_loop,
        ),
        Figure(
            key="level_1_detection",
            quantity="level 1: from all buffers full to the restart",
            published="3 turns, 300 ms, and up to one more",
            source="RunApplication.c",
            unit="ms",
            expected=Interval(300, 402),
            measure=level_1_detection,
        ),
        Figure(
            key="level_1_duration",
            quantity="level 1: the restart itself",
            published="about 1 to 2 ms",
            source="RunApplication.c",
            unit="ms",
            expected=Interval(1, 2),
            measure=level_1_duration,
            rule=Rule.MEETS,
        ),
        Figure(
            key="restart_interval",
            quantity="level 1: from restart to restart, 64 MS/s unread, no cap",
            published="400 to 403 ms at a nominal tick",
            source="judgement",
            unit="ms",
            expected=Interval(400, 403),
            measure=restart_interval,
        ),
        Figure(
            key="restarts_in_5_s",
            quantity="level 1: restarts in any 5 s, 64 MS/s unread, no cap",
            published="12 or 13",
            source="judgement",
            expected=Interval(12, 13),
            measure=restarts_in_5_s,
        ),
        Figure(
            key="growth_13_13",
            quantity="abandoned_stream without a cap: the lesser of the two growths in 5 s",
            published="13 (+13 and +13)",
            source="commits d26b40c, db8440c",
            expected=exactly(13),
            measure=growth_of_abandoned_stream,
            reason="two times 13 need a restart each 396 ms at most; four nominal ticks of 100 ms "
            "are 400. The OS tick of that device ran fast, or an underrun was counted; see below",
        ),
        Figure(
            key="tick_error_implied",
            quantity="tick error at which the model shows +13 and +13",
            published="1 to 4 % fast; the OS tick may be off by 4 %",
            source="judgement; cyu3os.h",
            unit="%",
            expected=Interval(-4, -1),
            measure=tick_error_implied,
            remark="negative is fast (option tick_ppm)",
        ),
        Figure(
            key="paused_reader",
            quantity="highest level applied to a stream that nobody reads",
            published="1: a paused reader and a wedge look the same to the device",
            source="judgement",
            expected=exactly(1),
            measure=highest_level_for_a_paused_reader,
        ),
        Figure(
            key="lost_clock",
            quantity="remedies and resets after the host turned the clock off in mid stream",
            published="none mends it; it may be the host's own choice",
            source="judgement",
            expected=exactly(0),
            measure=remedies_for_a_lost_clock,
        ),
        Figure(
            key="level_4_detection",
            quantity="level 4: from the entry of a blocked handler",
            published="2.0 to 2.1 s",
            source="fx3_cmd.c, test_health_recovery",
            unit="ms",
            expected=Interval(2_000, 2_100),
            measure=blocked_handler,
            reason="the limit is 2000 ticks and the entry falls inside a tick: up to 1 ms less",
        ),
        Figure(
            key="level_4_detection_exact",
            quantity="level 4: from the entry of a blocked handler",
            published="more than 1999, at most 2100 ms",
            source="judgement",
            unit="ms",
            expected=Interval(1_999.000_001, 2_100),
            measure=blocked_handler,
        ),
        Figure(
            key="level_4_boot_rom",
            quantity="level 4: from the entry of HANGFX3 to the boot ROM on the bus",
            published="less than 4 s",
            source="fx3_cmd.c, test_health_recovery",
            unit="ms",
            expected=Interval(2_000, 4_000),
            measure=boot_rom_after_level_4,
            remark="rests on option boot_rom_enumeration_ms",
        ),
        Figure(
            key="level_4_at_once",
            quantity="levels tried on a handler in progress, all five allowed",
            published="4 alone: levels 2 and 3 take locks that its thread may hold",
            source="judgement",
            expected=exactly(4),
            measure=levels_for_a_blocked_handler,
        ),
        Figure(
            key="spin_without_level_5",
            quantity="resets and remedies for a spinning handler without level 5, in 19 s",
            published="none: it must still fail",
            source="judgement",
            expected=exactly(0),
            measure=spin_without_level_5,
        ),
        Figure(
            key="watchdog_period",
            quantity="level 5: period, from the last pet to the reset",
            published="5000 ms",
            source="health.c",
            unit="ms",
            expected=exactly(5_000),
            measure=watchdog_period,
            reason="the configured 5000 ms are loaded as 165,000 counts of a 32 kHz clock (S131)",
        ),
        Figure(
            key="watchdog_period_exact",
            quantity="level 5: period, from the last pet to the reset",
            published="5156.25 ms",
            source="judgement; S131",
            unit="ms",
            expected=exactly(5_156.25),
            measure=watchdog_period,
        ),
        Figure(
            key="main_death",
            quantity="level 5: from the death of the main loop to the reset",
            published="5 to 8 s",
            source="health.c; fx3_cmd.c, test_main_recovery",
            unit="ms",
            expected=Interval(5_000, 8_000),
            measure=main_death,
            reason="the period is 5156.25 ms, not 5000, and the pet comes up to 3000 ms later",
        ),
        Figure(
            key="main_death_exact",
            quantity="level 5: from the death of the main loop to the reset",
            published="more than P - 100, at most P + C: 5056.25 to 8156.25 ms",
            source="judgement",
            unit="ms",
            expected=Interval(5_056.250_001, 8_156.25),
            measure=main_death,
        ),
        Figure(
            key="missed_main_recoveries",
            quantity="test_main_recovery: phases in which its eight probes see no reset",
            published="about 3.4 %",
            source="judgement",
            unit="%",
            expected=Interval(2.9, 3.9),
            measure=missed_main_recoveries,
            remark="58 of 58 passed on hardware; at this chance that happens to one soak in eight",
        ),
        Figure(
            key="main_recovery_test",
            quantity="test_main_recovery in whole",
            published="about 15 s; probes 4 to 8 s, and the upload",
            source="commit 8c0d579",
            unit="s",
            expected=about(15, 20),
            measure=lambda: recovery_test("test_main_recovery"),
            rule=Rule.MEETS,
        ),
        Figure(
            key="health_recovery_test",
            quantity="test_health_recovery in whole",
            published="about 15 s",
            source="commit 8c0d579",
            unit="s",
            expected=about(15, 20),
            measure=lambda: recovery_test("test_health_recovery"),
            rule=Rule.MEETS,
            reason="its own waits are 1 s for the hang, 4 s and the upload's 6 s; 15 s was said of "
            "both recovery tests at once",
        ),
        Figure(
            key="reset_request",
            quantity="RESETFX3: from the acknowledgement to the reset",
            published="100 ms asleep",
            source="USBHandler.c",
            unit="ms",
            expected=Interval(99, 101),
            measure=reset_request,
        ),
        Figure(
            key="boot_rom",
            quantity="from a reset to the boot ROM on the bus",
            published="1 to 3 s",
            source="PLAN-reload-interval; soak_test.sh",
            unit="s",
            expected=Interval(1, 3),
            measure=boot_rom_after_reset,
            rule=Rule.MEETS,
            remark="this is option boot_rom_enumeration_ms; test_health_recovery leaves it 1.9 s",
        ),
        Figure(
            key="port_reset",
            quantity="resets into the boot ROM after a port reset (usbreset)",
            published="one, within 2 to 7 s",
            source="soak_test.sh, seen on hardware",
            expected=exactly(1),
            measure=boot_rom_after_port_reset,
            remark="why the firmware does that is inferred, not known",
        ),
        Figure(
            key="enumeration",
            quantity="from the last byte of the firmware to a configured device",
            published="about 430 ms (usbmon)",
            source="ka9q-compat-audit",
            unit="ms",
            expected=about(430, 10),
            measure=enumeration,
            rule=Rule.MEETS,
            remark="option application_enumeration_ms is its greater part",
        ),
        Figure(
            key="host_setup",
            quantity="from a visible device to one that programs may open",
            published="kernel about 3 ms, udev and libusb several hundred ms",
            source="commit 57e68c5",
            reason="software of that host; the model's device can be opened at once",
        ),
        Figure(
            key="harness_waits",
            quantity="waits of the harness after RESETFX3 and usbreset",
            published="3 s; usbreset 0.5 to 2 s",
            source="PLAN-reload-interval; soak_test.sh",
            reason="a choice of those programs, and software of that host",
        ),
        Figure(
            key="upload",
            quantity="upload helper on a device in its boot ROM",
            published="fixed waits of 4 s and 2 s; about 5 s in fact",
            source="fx3_cmd.c, upload_firmware; commit 8c0d579",
            unit="s",
            expected=Interval(5, 6),
            measure=upload,
            rule=Rule.MEETS,
        ),
        Figure(
            key="reload",
            quantity="reload between two chunks: RESETFX3, 3 s, upload",
            published="about 10 s",
            source="PLAN-reload-interval; soak_test.sh",
            unit="s",
            expected=about(10, 20),
            measure=reload,
            rule=Rule.MEETS,
        ),
    ),
)
"""Figures about watchdogs."""
