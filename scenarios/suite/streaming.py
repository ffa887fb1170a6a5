"""Streams that start, stop, run on, and carry control requests beside them.

Functions are as in :mod:`scenarios.suite.protocol`.

Source: ``fx3_cmd.c``.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable
from functools import partial

from hw.protocol import (
    DEVICE_INFO_BYTES,
    GPIF_DISABLED,
    GPIO_BOOT_WORD,
    SAMPLE_BYTES,
    Argument,
    GpifState,
    Request,
)
from scenarios.errors import Trouble
from scenarios.station import MILLISECOND_NS, Station
from scenarios.suite.moves import (
    BLOCK_BYTES,
    CLOCK_ADDRESS,
    MHZ,
    ask,
    failure_of,
    primed_start,
    primed_start_with_retry,
    read_enough,
    read_up_to,
    send_word_with_retry,
    set_argument,
    set_arguments,
    start_at,
)

STOPPED_STATES = (GpifState.RESET, GpifState.IDLE, GPIF_DISABLED)
ENOUGH_BYTES = 1_024
SUSTAINED_READ_BYTES = 65_536
SUSTAINED_MS = 30_000
SUSTAINED_RATE_HZ = 64 * MHZ
SUSTAINED_PERCENT_MIN = 50
SUSTAINED_PERCENT_SEEN = 99
"""What hardware reached in every published run."""
COUNT_READ_BYTES = 32_768
COUNT_SAMPLES = 10
HAMMER_REQUESTS = 500
HAMMER_REQUESTS_MIN = 490
CONTROL_ROUNDS = 20
CONTROL_ROUNDS_MIN = 15
STREAM_GPIO_WORDS = (
    0x0000_0000,
    0xFFFF_FFFF,
    0xAAAA_AAAA,
    0x5555_5555,
    0x0000_FFFF,
    0xFFFF_0000,
    0x0000_0000,
)
"""The second, third and fifth put the ADC to sleep for 10 ms."""
FULL_SCALE = (-32_768, 32_767)


def stop_gpif_state(station: Station) -> str:
    """STOPFX3 stops the state machine: IDLE when it went softly."""
    start_at(station, 32 * MHZ)
    read_up_to(station, BLOCK_BYTES, 500)
    station.device.stop()
    station.sleep_ms(50)
    state = station.device.stats().gpif_state
    if state not in STOPPED_STATES:
        raise Trouble(f"GPIF state {state} after STOPFX3")
    station.strictly(state == GpifState.IDLE, f"GPIF state {state} after STOPFX3, not 1")
    return "clean" if state == GpifState.IDLE else f"state {state}, by the fallback"


def stop_start_cycle(station: Station, cycles: int = 5) -> str:
    """Start, read one block and stop, five times: the test that the first firmware never passed."""
    send_word_with_retry(station, Request.STARTADC, 32 * MHZ)
    for cycle in range(cycles):
        station.begin(f"cycle {cycle + 1}")
        station.enough(_first_with_retry(station, cycle))
        station.device.stop()
        station.sleep_ms(100)
    return f"{cycles} cycles"


def _first_with_retry(station: Station, cycle: int) -> int:
    """Start primed; the first time with retries, as the original does."""
    return primed_start(station) if cycle else primed_start_with_retry(station)


def gpif_soft_stop(station: Station, cycles: int = 10) -> str:
    """STOPFX3 finds the state machine in IDLE every time, and never has to force it."""
    send_word_with_retry(station, Request.STARTADC, 64 * MHZ)
    soft = 0
    for cycle in range(cycles):
        station.begin(f"cycle {cycle + 1}")
        station.enough(_first_with_retry(station, cycle))
        station.device.stop()
        station.sleep_ms(50)
        state = _state_or_reset(station)
        if state not in STOPPED_STATES:
            raise Trouble(f"GPIF state {state} after STOPFX3")
        soft += state == GpifState.IDLE
        station.sleep_ms(50)
    if soft < cycles:
        raise Trouble(f"{cycles - soft} of {cycles} stops forced")
    return f"{cycles} soft stops"


def _state_or_reset(station: Station) -> int:
    """The GPIF state; a GETSTATS that fails leaves the original's variable at 0."""
    states: list[int] = []
    error = failure_of(lambda: states.append(station.device.stats().gpif_state))
    if error is not None:
        station.say(str(error))
    return states[0] if states else GpifState.RESET


def stop_under_backpressure(station: Station, cycles: int = 5) -> str:
    """STOPFX3 while all buffers are full stops the state machine, and the next stream runs."""
    send_word_with_retry(station, Request.STARTADC, 64 * MHZ)
    idle = 0
    for cycle in range(cycles):
        station.begin(f"cycle {cycle + 1}")
        send_word_with_retry(station, Request.STARTFX3)
        station.sleep_ms(200)
        station.device.stop()
        station.sleep_ms(50)
        state = station.device.stats().gpif_state
        if state not in STOPPED_STATES:
            raise Trouble(f"GPIF state {state} after STOPFX3")
        idle += state == GpifState.IDLE
        station.enough(primed_start(station))
        failure_of(station.device.stop)
        station.sleep_ms(100)
    station.strictly(idle == cycles, f"{cycles - idle} of {cycles} stops not in state 1")
    return f"{idle} of {cycles} in IDLE"


def rapid_start_stop(station: Station, cycles: int = 50) -> str:
    """START, 1 ms, STOP, 1 ms, 50 times without a read; then a stream that delivers."""
    send_word_with_retry(station, Request.STARTADC, 32 * MHZ)
    for cycle in range(cycles):
        station.begin(f"cycle {cycle + 1}")
        if cycle:
            station.device.start()
        else:
            send_word_with_retry(station, Request.STARTFX3)
        station.sleep_ms(1)
        station.device.stop()
        station.sleep_ms(1)
    station.begin("last start")
    station.device.start()
    read_enough(station, 2_000)
    station.device.stop()
    return f"{cycles} cycles"


def double_stop(station: Station) -> str:
    """A second STOPFX3 does no harm."""
    start_at(station, 32 * MHZ)
    station.sleep_ms(50)
    station.device.stop()
    station.sleep_ms(50)
    station.device.stop()
    ask(station)
    return "second STOPFX3 taken"


def double_start(station: Station) -> str:
    """A second STARTFX3 restarts the stream, and STOPFX3 and STARTFX3 work after it."""
    send_word_with_retry(station, Request.STARTADC, 32 * MHZ)
    station.sleep_ms(50)
    send_word_with_retry(station, Request.STARTFX3)
    station.sleep_ms(50)
    failure_of(station.device.start)
    station.device.stop()
    station.sleep_ms(100)
    station.device.start()
    received = read_enough(station, 2_000)
    station.device.stop()
    return f"{received} bytes after it"


def sustained_stream(station: Station, duration_ms: int = SUSTAINED_MS) -> str:
    """64 MS/s for 30 s, read back to back: half of the data at least."""
    send_word_with_retry(station, Request.STARTADC, SUSTAINED_RATE_HZ)
    began_ns = station.runtime.now_ns()
    total = primed_start_with_retry(station, SUSTAINED_READ_BYTES)
    end_ns = began_ns + duration_ms * MILLISECOND_NS
    buffer = array("B", bytes(SUSTAINED_READ_BYTES))
    while station.runtime.now_ns() < end_ns:
        total += station.device.read_into(buffer, timeout_ms=2_000)
    station.device.stop()
    ideal = SUSTAINED_RATE_HZ * SAMPLE_BYTES * duration_ms // 1_000
    percent = 100 * total // ideal
    if percent < SUSTAINED_PERCENT_MIN:
        raise Trouble(f"{percent} % of the data")
    station.strictly(percent >= SUSTAINED_PERCENT_SEEN, f"{percent} % of the data only")
    return f"{percent} % of {ideal} bytes"


def dma_count_reset(station: Station) -> str:
    """The DMA count starts again with each session."""
    send_word_with_retry(station, Request.STARTADC, 64 * MHZ)
    primed_start_with_retry(station, SUSTAINED_READ_BYTES)
    first = station.device.stats().dma_count
    station.device.stop()
    if first == 0:
        raise Trouble("DMA count 0 after a read")
    station.sleep_ms(200)
    primed_start(station, 4_096)
    second = station.device.stats().dma_count
    station.device.stop()
    station.strictly(second < first, f"DMA count went on from {first} to {second}")
    return f"{first}, then {second}, {'dropped' if second < first else 'cumulative'}"


def dma_count_monotonic(station: Station) -> str:
    """The DMA count grows while the stream is read."""
    failure_of(station.device.stats)
    send_word_with_retry(station, Request.STARTADC, 64 * MHZ)
    primed_start_with_retry(station, COUNT_READ_BYTES)
    counts: list[int] = []
    for sample in range(COUNT_SAMPLES):
        station.begin(f"sample {sample + 1}")
        counts.append(_count_during_read(station))
        if sample and counts[-1] <= counts[-2]:
            raise Trouble(f"DMA count {counts[-2]}, then {counts[-1]}")
    station.device.stop()
    return f"{counts[0]} to {counts[-1]}"


def _count_during_read(station: Station) -> int:
    """GETSTATS while a read is in flight; what becomes of the read is not judged."""
    reader = station.runtime.spawn(
        "counted read", lambda: read_up_to(station, COUNT_READ_BYTES, 500)
    )
    count = station.device.stats().dma_count
    reader.join(2_000)
    return count


def hw_smoke(station: Station) -> str:
    """GPIO word of the boot, a clock, a start, a block."""
    station.device.set_gpio(GPIO_BOOT_WORD)
    station.sleep_ms(200)
    send_word_with_retry(station, Request.STARTADC, 32 * MHZ)
    received = station.enough(primed_start_with_retry(station))
    station.device.stop()
    return f"{received} bytes"


def data_sanity(station: Station) -> str:
    """With the input turned down few samples are at the ends of the scale."""
    set_arguments(station, attenuator=63, gain=0)
    start_at(station, 64 * MHZ)
    data = station.device.read(65_536, timeout_ms=3_000)
    station.device.stop()
    set_arguments(station, attenuator=0, gain=0)
    if len(data) < 4_096:
        raise Trouble(f"{len(data)} bytes only")
    samples = len(data) // SAMPLE_BYTES
    at_the_ends = _samples_at_the_ends(data)
    if at_the_ends > max(10, samples // 100):
        raise Trouble(f"{at_the_ends} of {samples} samples at full scale")
    return f"{at_the_ends} of {samples} samples at full scale"


def _samples_at_the_ends(data: bytes) -> int:
    # Importing numpy takes longer than any other scenario does.
    import numpy as np

    samples = np.frombuffer(data, "<i2", len(data) // SAMPLE_BYTES)
    return int(np.isin(samples, FULL_SCALE).sum())


def ep0_hammer(station: Station, requests: int = HAMMER_REQUESTS) -> str:
    """500 control requests in a row while the stream waits, and it goes on afterwards."""
    start_at(station, 64 * MHZ)
    read_up_to(station, BLOCK_BYTES, 500)
    answered = sum(_answers(station) for _ in range(requests))
    received = read_up_to(station, BLOCK_BYTES, 2_000)
    station.device.stop()
    if answered < HAMMER_REQUESTS_MIN * requests // HAMMER_REQUESTS:
        raise Trouble(f"{answered} of {requests} answered")
    station.enough(received)
    station.strictly(answered == requests, f"{answered} of {requests} answered only")
    return f"{answered} of {requests} answered, {received} bytes after"


def _answers(station: Station) -> bool:
    replies: list[bytes] = []
    failure_of(lambda: replies.append(ask(station)))
    return [len(reply) for reply in replies] == [DEVICE_INFO_BYTES]


def ep0_control_while_streaming(station: Station) -> str:
    """Every kind of control request between reads: most of both must work."""
    start_at(station, 64 * MHZ)
    reads = requests = 0
    for turn in range(CONTROL_ROUNDS):
        reads += read_up_to(station, BLOCK_BYTES, 1_000) >= ENOUGH_BYTES
        error = failure_of(_control_of(station, turn))
        requests += error is None
        if error is not None:
            station.say(str(error))
    station.device.stop()
    set_arguments(station, attenuator=0, gain=0)
    if min(reads, requests) < CONTROL_ROUNDS_MIN:
        raise Trouble(f"{reads} reads and {requests} requests of {CONTROL_ROUNDS}")
    station.strictly(
        reads == requests == CONTROL_ROUNDS,
        f"{reads} reads and {requests} requests of {CONTROL_ROUNDS} only",
    )
    return f"{reads} reads, {requests} requests"


def _control_of(station: Station, turn: int) -> Callable[[], object]:
    kinds: tuple[Callable[[], object], ...] = (
        station.device.stats,
        partial(ask, station),
        partial(set_argument, station, Argument.ATTENUATOR, turn % 64),
        partial(set_argument, station, Argument.VGA, 10 * turn),
        partial(station.device.set_gpio, 0),
    )
    return kinds[turn % len(kinds)]


def gpio_during_stream(station: Station) -> str:
    """Every pin moves while the stream runs, the ADC's sleep among them, and the stream goes on."""
    start_at(station, 64 * MHZ)
    read_enough(station, 1_000)
    for word in STREAM_GPIO_WORDS:
        station.device.set_gpio(word)
        station.sleep_ms(10)
    received = read_enough(station, 1_000)
    station.device.stop()
    station.device.set_gpio(0)
    return f"{len(STREAM_GPIO_WORDS)} words, then {received} bytes"


def i2c_under_load(station: Station) -> str:
    """The clock generator answers on I2C while the stream runs."""
    start_at(station, 64 * MHZ)
    read_enough(station, 1_000)
    if not station.device.i2c_read(CLOCK_ADDRESS, 0, 1):
        raise Trouble("no byte from the clock generator")
    received = read_enough(station, 1_000)
    station.device.stop()
    return f"I2C answers, then {received} bytes"
