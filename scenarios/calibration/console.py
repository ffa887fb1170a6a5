"""The debug console's sizes, the error blink, stack and image."""

from __future__ import annotations

from hw.protocol import Argument, SdkStatus
from scenarios import registry
from scenarios.calibration.bench import NS_PER_MS, Bench, booted
from scenarios.calibration.figure import Figure, Group, Interval, Rule, about, exactly
from scenarios.performance import perform
from scenarios.suite import moves
from sim.firmware.console import EVENTS

SETTINGS = 40
"""More trace lines than the buffer holds."""
POSTED = 64
"""More events than the queue holds."""
PAGES = 20


def page() -> Interval:
    """The most text that one READINFODEBUG brings."""
    with booted() as bench:
        return exactly(max(len(text) for text in _pages(bench)))


def buffer() -> Interval:
    """The text that is kept while nobody takes it."""
    with booted() as bench:
        return exactly(sum(len(text) for text in _pages(bench)))


def _pages(bench: Bench) -> list[bytes]:
    moves.ask(bench.station(), debug=True)
    for value in range(SETTINGS):
        bench.device.set_argument(Argument.ATTENUATOR, value)
    station = bench.station()
    return [moves.read_console(station) for _ in range(PAGES)]


def event_queue() -> Interval:
    """Events that are kept between two turns of the main loop."""
    with booted() as bench:
        sdk = bench.firmware.sdk
        statuses = [sdk.queue_send(EVENTS, number) for number in range(POSTED)]
        return exactly(statuses.count(SdkStatus.SUCCESS))


def stack() -> Interval:
    """Free bytes of the application's stack, as the console tells them."""
    with booted() as bench:
        text = perform(registry.find("stack_check"), bench.station(), None).text
        return exactly(int(text.split("/")[0].split()[-1]))


def blink() -> Interval:
    """From the console's ``gpif`` on a disabled block, which fails, to the reset."""
    with booted() as bench:
        station = bench.station()
        # STARTADC disables a block that is merely idle.
        bench.device.start_adc(32_000_000)
        bench.sleep_ms(50)
        bench.device.start_adc(32_000_000)
        bench.sleep_ms(50)
        moves.ask(station, debug=True)
        for character in "gpif\r":
            moves.read_console(station, character)
        typed_ns = bench.world.now_ns
        bench.sleep_ms(6_000)
        (reset,) = bench.world.chip.resets
        turn_ns = min(at_ns for at_ns in bench.beats_ns() if at_ns > typed_ns)
        return exactly((reset.at_ns - turn_ns) / NS_PER_MS)


GROUP = Group(
    "Console, memory and image",
    (
        Figure(
            key="debug_poll",
            quantity="host's poll of READINFODEBUG",
            published="each 50 ms",
            source="fx3_cmd.c, debug",
            reason="a choice of that program",
        ),
        Figure(
            key="debug_page",
            quantity="text in one READINFODEBUG",
            published="at most 63 bytes",
            source="USBHandler.c",
            unit="bytes",
            expected=exactly(63),
            measure=page,
        ),
        Figure(
            key="debug_buffer",
            quantity="text kept while nobody takes it",
            published="buffer of 256 bytes, 255 of them used at most",
            source="DebugConsole.c",
            unit="bytes",
            expected=Interval(224, 255),
            measure=buffer,
            remark="a print that does not fit is dropped whole, so the last bytes stay free",
        ),
        Figure(
            key="event_queue",
            quantity="events kept between two turns of the main loop",
            published="16",
            source="RunApplication.c",
            expected=exactly(16),
            measure=event_queue,
        ),
        Figure(
            key="stack",
            quantity="free stack of the application thread, of 2048 bytes",
            published="1312 measured; 1248 to 1312 shown",
            source="SDDC_FX3/docs/debugging.md",
            unit="bytes",
            expected=Interval(1_248, 1_312),
            measure=stack,
            rule=Rule.MEETS,
            remark="this is option stack_free_bytes: no machine code runs here that could use it",
        ),
        Figure(
            key="blink",
            quantity="error blink before the reset",
            published="10 times 2 times 200 ms: 4 s",
            source="Support.c, commit d78cb53",
            unit="ms",
            expected=about(4_000, 1),
            measure=blink,
        ),
        Figure(
            key="image",
            quantity="size of the firmware image",
            published="129,040 to 129,704 bytes",
            source="commits de9e2c7, dbb64af",
            reason="the model's image stands in for a revision and holds no machine code",
        ),
    ),
)
"""Figures about the console."""
