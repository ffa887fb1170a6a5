"""What the samples of a stream are: what the ADC makes of a tone and noise, or a counter.

A sample's value depends on its place in the ADC's own stream, on the front end at that moment and
on the world's seed, so what the device lost is missing in the data, and what a program reads twice
is the same twice. A block that repeats is made once for each setting; reading is copying from it.
"""

from __future__ import annotations

from array import array
from collections import OrderedDict
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from hw.protocol import SAMPLE_BYTES
from sim.front_end import Pin

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from sim.chip.flow import Flow
    from sim.chip.hardware import Hardware
    from sim.front_end import FrontEnd
    from sim.kernel import World
    from sim.options import Options

BLOCK_SAMPLES = 1 << 16
"""Samples after which tone and noise repeat; also the counter's."""
BLOCK_BYTES = BLOCK_SAMPLES * SAMPLE_BYTES
BLOCKS_KEPT = 8
STRETCHES_KEPT = 256
"""Changes of the front end that are remembered, the newest ones; a full ring and all the reads a
program queues are over long before."""
FULL_SCALE = 1 << 15
NOISE_RMS = 3.0
"""In steps of the converter: 77.7 dB below full scale (LTC2208 data sheet)."""
TONE_AMPLITUDE = 1_000.0
"""In steps of the converter, for a gain of 1 between antenna and converter (assumed)."""
_NOISE_STREAM = "samples"


@dataclass(frozen=True, slots=True)
class Setting:
    """What a sample's value depends on, beside its place.

    Attributes:
        rate_hz: sample rate.
        gain: from the antenna to the converter.
        randomized: bits 1 to 15 are XORed with bit 0 (LTC2208 data sheet).
    """

    rate_hz: Fraction
    gain: float
    randomized: bool


class Stretch:
    """Source samples of one setting.

    Attributes:
        since: the first of them.
        setting: what they have in common.
        block: their repeating block, once it was needed; kept for the newest stretch alone.
    """

    __slots__ = ("block", "setting", "since")

    def __init__(self, since: int, setting: Setting) -> None:
        self.since = since
        self.setting = setting
        self.block: memoryview | None = None


class Samples:
    """The data of one board.

    Args:
        world: the clock and the seed.
        options: which tone, or the counter.
        chip: whose stream carries the samples.
        front_end: what shapes them.

    Attributes:
        rate_hz: the sample rate now, None while there is no clock.
    """

    def __init__(self, world: World, options: Options, chip: Hardware, front_end: FrontEnd) -> None:
        self.world = world
        self.options = options
        self.chip = chip
        self.front_end = front_end
        self.rate_hz: Fraction | None = None
        self._rate_hz = Fraction(0)
        """The last rate there was: a stopped clock makes no samples."""
        self._flow: Flow | None = None
        self._stretches: list[Stretch] = []
        self._blocks: OrderedDict[Setting | None, memoryview] = OrderedDict()
        self._noise: NDArray[np.float64] | None = None
        self._wave: NDArray[np.float64] | None = None

    # ------------------------------------------------------------ changes

    def set_rate(self, rate_hz: Fraction | None) -> None:
        """The sample clock has changed."""
        self.rate_hz = rate_hz
        if rate_hz is not None:
            self._rate_hz = rate_hz
            self.note_change()

    def note_change(self) -> None:
        """What is sampled from now on is shaped by the front end as it is now."""
        flow = self.chip.stream.flow
        stretches = self._stretches
        if flow is not self._flow:
            # A reset of the chip began another stream.
            self._flow = flow
            stretches.clear()
        taken = flow.samples_taken(self.world.now_ns) if stretches else 0
        while stretches and stretches[-1].since >= taken:
            stretches.pop()
        if stretches:
            # Only the newest holds its block by itself, so that the others' memory stays bounded.
            stretches[-1].block = None
        stretches.append(Stretch(taken, self._setting()))
        if len(stretches) >= 2 * STRETCHES_KEPT:
            del stretches[:STRETCHES_KEPT]

    def _setting(self) -> Setting:
        front_end = self.front_end
        randomized = self.options.randomizer_wired and front_end.level(Pin.RANDOMIZER)
        return Setting(self._rate_hz, front_end.gain, randomized)

    # ------------------------------------------------------------ reading

    def fill(
        self, buffer: bytearray | memoryview | array[int], first_packet: int, length: int
    ) -> None:
        """Write delivered samples, little-endian int16, to the front of a buffer.

        Args:
            buffer: where to, byte by byte.
            first_packet: the packet that they begin with, counted over all that the stream has
                delivered.
            length: how many bytes; whole samples.
        """
        flow = self.chip.stream.flow
        if flow is not self._flow:
            self.note_change()
        now_ns = self.world._now
        target = buffer if type(buffer) is memoryview else memoryview(buffer)
        newest = self._stretches[-1]
        if newest.block is not None and length <= BLOCK_BYTES:
            source = flow.newest_source(now_ns, first_packet)
            if source is not None and source >= newest.since:
                # What nearly every read is: one slice.
                start = source % BLOCK_SAMPLES * SAMPLE_BYTES
                target[:length] = newest.block[start : start + length]
                return
        for sample, count in flow.sources(now_ns, first_packet, length // SAMPLE_BYTES):
            size = count * SAMPLE_BYTES
            self._fill_run(target[:size], sample, count)
            target = target[size:]

    def read(self, first_packet: int, length: int) -> bytes:
        """Return delivered samples as bytes; arguments as in :meth:`fill`."""
        data = bytearray(length)
        self.fill(data, first_packet, length)
        return bytes(data)

    def _fill_run(self, target: memoryview, sample: int, count: int) -> None:
        """Write a run, stretch by stretch, the newest first."""
        end = sample + count
        for stretch in reversed(self._stretches):
            start = max(stretch.since, sample)
            if start < end:
                first, last = (start - sample) * SAMPLE_BYTES, (end - sample) * SAMPLE_BYTES
                _copy(target[first:last], stretch.block or self._block(stretch), start)
                end = start
            if end == sample:
                return
        _copy(target[: (end - sample) * SAMPLE_BYTES], self._block(self._stretches[0]), sample)

    # ------------------------------------------------------------ blocks

    def _block(self, stretch: Stretch) -> memoryview:
        """The repeating block of a stretch; twice over, so that most reads are one slice of it."""
        setting = None if self.options.sample_counter else stretch.setting
        block = self._blocks.get(setting)
        if block is None:
            made = self._count() if setting is None else self._make(setting)
            block = self._blocks[setting] = memoryview(made.astype("<i2").tobytes() * 2)
            if len(self._blocks) > BLOCKS_KEPT:
                self._blocks.popitem(last=False)
        if stretch is self._stretches[-1]:
            stretch.block = block
        return block

    @staticmethod
    def _count() -> NDArray[np.int16]:
        import numpy as np

        return np.arange(BLOCK_SAMPLES).astype(np.int16)

    def _make(self, setting: Setting) -> NDArray[np.int16]:
        import numpy as np

        # The nearest frequency that has a whole number of cycles in the block; aliases fold.
        cycles = round(self.options.tone_hz * BLOCK_SAMPLES / setting.rate_hz) % BLOCK_SAMPLES
        places = np.arange(BLOCK_SAMPLES) * cycles & BLOCK_SAMPLES - 1
        signal = self._wave_block().take(places)
        signal *= setting.gain * TONE_AMPLITUDE
        signal += self._noise_block()
        np.rint(signal, out=signal)
        clipped = signal.clip(-FULL_SCALE, FULL_SCALE - 1, out=signal).astype(np.int16)
        return clipped ^ -2 * (clipped & 1) if setting.randomized else clipped

    def _wave_block(self) -> NDArray[np.float64]:
        """One cycle of a sine over the block: every tone takes its values from there."""
        import numpy as np

        if self._wave is None:
            turns = np.arange(BLOCK_SAMPLES) / BLOCK_SAMPLES
            self._wave = np.sin(2 * np.pi * turns)
        return self._wave

    def _noise_block(self) -> NDArray[np.float64]:
        """Nearly normal: sums of eight bytes, which no library version changes."""
        import numpy as np

        if self._noise is None:
            raw = self.world.random(_NOISE_STREAM).raw(BLOCK_SAMPLES)
            sums = raw.astype("<u8").view(np.uint8).reshape(-1, 8).sum(axis=1, dtype=np.int64)
            self._noise = (sums - 4 * 255) * (NOISE_RMS / np.sqrt(8 * (256**2 - 1) / 12))
        return self._noise


def _copy(target: memoryview, block: memoryview, sample: int) -> None:
    """Fill from a block that repeats, beginning at the sample's place in it."""
    start = sample % BLOCK_SAMPLES * SAMPLE_BYTES
    length = len(target)
    done = 0
    while done < length:
        piece = min(length - done, BLOCK_BYTES)
        target[done : done + piece] = block[start : start + piece]
        done += piece
