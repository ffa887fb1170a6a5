"""What the samples say: which were lost, how the front end shapes them, and that they repeat."""

from __future__ import annotations

import numpy as np
import pytest

from hw.protocol import BUFFER_BYTES, SAMPLES_PER_BUFFER, Argument, Request
from sim.options import Options
from sim.samples import BLOCK_SAMPLES, BLOCKS_KEPT, STRETCHES_KEPT

from .bench import DONE, MHZ, booted, clocked, driver, pause, request, stats, word

COUNTER = Options(sample_counter=True)


def set_argument(world, argument: Argument, value: int) -> None:
    assert request(world, Request.SETARGFX3, value, index=argument, data=b"\0").status is DONE
    pause(world, 1)


def started(world, rate_hz: int = 64 * MHZ):
    """A primed start of the driver; returns it and the first samples."""
    device = driver(world)
    device.start_adc(rate_hz)
    return device, samples_of(device.primed_start(4 * BUFFER_BYTES, timeout_ms=1_000))


def samples_of(data: bytes) -> np.ndarray:
    return np.frombuffer(data, "<i2")


def level(samples: np.ndarray) -> float:
    """Root mean square, in steps of the converter."""
    return float(np.sqrt(np.mean(samples.astype(float) ** 2)))


def losses(samples: np.ndarray) -> list[int]:
    """Where the counter does not go on, as sample numbers."""
    steps = np.diff(samples.astype(np.int64)) & 0xFFFF
    return [int(at) + 1 for at in np.flatnonzero(steps != 1)]


# ---------------------------------------------------------------- the counter


def test_a_read_in_time_has_no_gap():
    """A stream that is read as it comes counts on over the reads."""
    with booted(options=COUNTER) as world:
        device, samples = started(world)
        more = [samples_of(device.read(2 * BUFFER_BYTES, timeout_ms=500)) for _ in range(30)]
        assert losses(np.concatenate([samples, *more])) == []


def test_a_gap_is_as_long_as_the_device_could_not_take_samples():
    """fx3_cmd.c pib_overflow: eight buffers, then what came in the pause is missing."""
    with booted(options=COUNTER) as world:
        clocked(world)
        pause(world, 10)
        assert word(world, Request.STARTFX3) is DONE
        device = driver(world)
        flow = world.chip.stream.flow
        pause(world, 20)
        state_ns = world.now_ns
        samples = samples_of(device.read(16 * BUFFER_BYTES, timeout_ms=500))
        assert losses(samples) == [8 * SAMPLES_PER_BUFFER]
        # The exact place: the first of it was made after the read began.
        ((first, before), (resumed, after)) = flow.sources(world.now_ns, 0, len(samples))
        assert before + after == len(samples)
        rate = world.board.samples.rate_hz
        elapsed = flow.samples_taken(world.now_ns) - resumed
        assert resumed > first + before
        assert world.now_ns - elapsed * 10**9 / rate >= state_ns


def test_a_stop_and_start_is_a_gap():
    """STOPFX3 drops what is not on the wire; the ADC goes on meanwhile."""
    with booted(options=COUNTER) as world:
        device, before = started(world)
        device.stop()
        pause(world, 5)
        after = samples_of(device.primed_start(BUFFER_BYTES, timeout_ms=1_000))
        assert losses(np.concatenate([before, after])) == [len(before)]


def test_a_recovery_is_a_gap():
    """The stream watchdog's restart drops eight buffers and begins anew."""
    with booted(options=COUNTER) as world:
        device, before = started(world)
        pause(world, 700)
        assert stats(world).streaming_faults == 1
        after = samples_of(device.read(BUFFER_BYTES, timeout_ms=500))
        assert losses(np.concatenate([before, after])) == [len(before)]


def test_the_counter_wraps_after_65536():
    """16 bits: the same value comes again after that many samples."""
    with booted(options=COUNTER) as world:
        _, samples = started(world)
        assert len(samples) == 32_768
        flow = world.chip.stream.flow
        ((first, _),) = flow.sources(world.now_ns, 0, len(samples))
        assert samples[0] == np.array([first & 0xFFFF], "<u2").view("<i2")[0]


# ---------------------------------------------------------------- the signal


def test_data_sanity():
    """fx3_cmd.c data_sanity: with full attenuation hardly a sample is at full scale."""
    with booted() as world:
        set_argument(world, Argument.ATTENUATOR, 63)
        set_argument(world, Argument.VGA, 0)
        _, samples = started(world)
        at_limit = np.count_nonzero((samples == 32767) | (samples == -32768))
        assert at_limit <= max(10, len(samples) // 100)
        assert np.count_nonzero(samples)


def test_without_gain_there_is_the_noise_of_the_converter():
    """LTC2208 data sheet: 77.7 dB below full scale, about 3 steps."""
    with booted() as world:
        _, samples = started(world)
        assert level(samples) == pytest.approx(3.0, rel=0.03)
        assert abs(float(samples.mean())) < 0.1


@pytest.mark.parametrize(
    ("code", "decibels"), [(0, 0), (12, 6), (40, 20)], ids=["0 dB", "6 dB", "20 dB"]
)
def test_the_attenuator_takes_half_a_decibel_a_step(code, decibels):
    """PE4304 data sheet."""
    with booted() as world:
        set_argument(world, Argument.VGA, 0x80 | 20)
        set_argument(world, Argument.ATTENUATOR, code)
        _, samples = started(world)
        full = 20 * 0.055744 * 7.079458 * 1.5 * 1_000 / 2**0.5
        assert level(samples) == pytest.approx(full / 10 ** (decibels / 20), rel=0.01)


def test_too_much_gain_clips_to_16_bits():
    """The converter has no more than 16 bits, and never wraps."""
    with booted() as world:
        set_argument(world, Argument.VGA, 0xFF)
        _, samples = started(world)
        assert (samples.max(), samples.min()) == (32767, -32768)
        assert np.count_nonzero(abs(samples.astype(int)) >= 32767) > len(samples) // 3
        assert np.abs(np.diff(np.sign(samples))).sum() / 2 == pytest.approx(
            len(samples) * 2 * 10 / 64, rel=0.01
        )


@pytest.mark.parametrize(
    ("tone_hz", "seen_hz"), [(10_000_000, 10_000_000), (40_000_000, 24_000_000)]
)
def test_the_tone_is_where_it_should_be(tone_hz, seen_hz):
    """At 64 MS/s a tone of 40 MHz folds to 24 MHz."""
    with booted(options=Options(tone_hz=tone_hz)) as world:
        set_argument(world, Argument.VGA, 0x80 | 40)
        _, samples = started(world)
        spectrum = np.abs(np.fft.rfft(samples))
        peak_hz = int(np.argmax(spectrum)) * 64e6 / len(samples)
        assert peak_hz == pytest.approx(seen_hz, abs=2_000)


def test_the_randomizer_xors_with_the_lowest_bit():
    """LTC2208 data sheet: bits 1 to 15 are XORed with bit 0, which stays."""
    plain, randomized = [], []
    for gpio, found in ((0x800, plain), (0x880, randomized)):
        with booted(seed=5) as world:
            set_argument(world, Argument.VGA, 0x80 | 40)
            assert word(world, Request.GPIOFX3, gpio) is DONE
            found.append(started(world)[1])
    mask = (randomized[0] & 1) * np.int16(-2)
    assert np.array_equal(randomized[0] ^ mask, plain[0])
    assert not np.array_equal(randomized[0], plain[0])


def test_same_seed_same_samples_and_another_seed_other_noise():
    """The noise comes from the world's seed."""
    runs = []
    for seed in (1, 1, 2):
        with booted(seed=seed) as world:
            runs.append(started(world)[1])
    assert np.array_equal(runs[0], runs[1])
    assert not np.array_equal(runs[0], runs[2])


def test_what_is_buffered_keeps_the_setting_of_its_time():
    """The attenuator stands before the converter: eight full buffers are older than the change."""
    with booted() as world:
        set_argument(world, Argument.VGA, 0x80 | 40)
        clocked(world)
        pause(world, 10)
        assert word(world, Request.STARTFX3) is DONE
        pause(world, 10)
        set_argument(world, Argument.ATTENUATOR, 63)
        samples = samples_of(driver(world).read(12 * BUFFER_BYTES, timeout_ms=500))
        buffered = 8 * SAMPLES_PER_BUFFER
        ratio = level(samples[:buffered]) / level(samples[buffered:])
        assert 20 * np.log10(ratio) == pytest.approx(31.5, abs=0.1)


def test_a_change_in_mid_stream_takes_effect_at_one_sample():
    """No earlier and no later than the latch line's rise."""
    with booted() as world:
        set_argument(world, Argument.VGA, 0x80 | 40)
        device, _ = started(world)
        flow = world.chip.stream.flow
        first = flow.delivered_packets(world.now_ns)
        before = flow.samples_taken(world.now_ns)
        set_argument(world, Argument.ATTENUATOR, 63)
        after = flow.samples_taken(world.now_ns)
        device.read(8 * BUFFER_BYTES, timeout_ms=500)
        samples = samples_of(world.board.samples.read(first, 8 * BUFFER_BYTES))
        ((origin, _), *_) = flow.sources(world.now_ns, first, len(samples))
        loud = np.flatnonzero(np.abs(samples) > 1_500)
        assert before <= origin + int(loud[-1]) <= after
        assert level(samples[: before - origin]) == pytest.approx(
            40 * 0.055744 * 7.079458 * 1_500 / 2**0.5, rel=0.02
        )


# ---------------------------------------------------------------- reading


@pytest.mark.parametrize("packets", [1, 3, 64, 128, 129, 640])
def test_a_read_of_any_length_is_the_same_data(packets):
    """Pieces and wholes agree, over the end of the repeating block too."""
    with booted() as world:
        set_argument(world, Argument.VGA, 0x80 | 40)
        device, _ = started(world)
        device.read(640 * 1024, timeout_ms=500)
        samples = world.board.samples
        whole = samples.read(0, packets * 1024)
        pieces = b"".join(samples.read(number, 1024) for number in range(packets))
        assert whole == pieces
        assert len(whole) > 2 * BLOCK_SAMPLES or packets < 256


def test_only_the_front_of_the_buffer_is_written():
    """A read that timed out with some bytes leaves the rest alone."""
    with booted() as world:
        started(world)
        buffer = bytearray(b"\xaa" * 4096)
        world.board.samples.fill(buffer, 0, 2048)
        assert buffer[2048:] == b"\xaa" * 2048
        assert buffer[:2048] == world.board.samples.read(0, 2048)


def test_nothing_grows_without_end():
    """A host that turns the attenuator for hours costs no memory."""
    with booted() as world:
        samples = world.board.samples
        started(world)
        for number in range(3 * STRETCHES_KEPT):
            world.run_until(world.now_ns + 1_000)
            world.board.front_end.attenuator = number % 64
            samples.note_change()
            if number % 300 == 0:
                samples.read(0, 1024)
        assert len(samples._stretches) < 2 * STRETCHES_KEPT
        assert len(samples._blocks) <= BLOCKS_KEPT
