"""The times of a bench that the closed forms need, and the file that describes a board."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

from health import Policy
from scenarios import option_text
from scenarios.errors import InputError
from sim.chip.watchdog import CLOCK_HZ, COUNTS_PER_MS
from sim.firmware.revisions import Revision, revision
from sim.options import Options
from sim.si5351 import PARAMETER_REGISTERS, REGISTER_OUTPUT_DISABLE

PET_NS = 100_000
"""CyU3PSysWatchDogClear busy-waits so long in the timer thread, before any other thread runs
(S131 system/cyu3system.c)."""
BUFFER_SAMPLES = 8_192
"""One DMA buffer of 16 KiB (StartStopApplication.c)."""
RATE_HZ = 64_000_000
"""Sample rate of the streams that the lab breaks."""
BUFFER_NS = BUFFER_SAMPLES * 1_000_000_000 // RATE_HZ
TICK_NS = 1_000_000
CLOCK_READ_BYTES = (REGISTER_OUTPUT_DISABLE + 1, 1, PARAMETER_REGISTERS)
"""What the sampler reads of the clock generator: its status up to the output enable, CLK0's
control register, the parameters of its divider (AN619)."""
WIRE_BYTES = 3
"""Beside the data: two addresses and the register's number (I2C, a read with a restart)."""

EXAMPLE = "watchdog_clock_ppm = 500"


@dataclass(frozen=True)
class LabBench:
    """What a policy runs on.

    Attributes:
        revision: of the firmware; it says what the module is shown.
        options: the bench's knobs. `poll_offset_ms` is not used: it is one of the phases.
    """

    revision: Revision
    options: Options

    @classmethod
    def of(cls, firmware: str, options: Options | None = None) -> LabBench:
        """Return the bench of a firmware revision's name.

        Raises:
            FirmwareNotKnown: there is no such revision.
        """
        return cls(revision(firmware), options or Options())

    @property
    def tick_ns(self) -> int:
        """The real length of an OS tick in ns (cyu3os.h: off by up to 4 %)."""
        return TICK_NS + self.options.tick_ppm

    @property
    def look_ns(self) -> int:
        """How long a poll reads the clock generator while the count stands still, in ns."""
        if not self.revision.samples_clock:
            return 0
        options = self.options
        once_ns = options.i2c_conditions_ns + options.i2c_read_driver_ns
        return sum(
            once_ns + (count + WIRE_BYTES) * options.i2c_byte_ns for count in CLOCK_READ_BYTES
        )

    @property
    def look_ticks(self) -> int:
        """How many ticks later than usual the poll after one that read the clock comes."""
        return self.look_ns // self.tick_ns

    def watchdog_ns(self, policy: Policy) -> int:
        """Return the watchdog's real period in ns: 33 counts a ms of a clock near 32 kHz."""
        counts = policy.hwdt_period_ms * COUNTS_PER_MS
        return counts * 10**15 // (CLOCK_HZ * (1_000_000 + self.options.watchdog_clock_ppm))

    def pet_ns(self, policy: Policy) -> int:
        """Return how long a pet keeps a poll of the same tick waiting, in ns."""
        return PET_NS if policy.level_5_enabled else 0


def read_board(path: Path) -> tuple[str, ...]:
    """Return the knobs that a board file turns, as ``name=value`` each.

    The file is TOML: one knob a line, such as ``watchdog_clock_ppm = 500``.

    Raises:
        InputError: the file cannot be read, is no TOML, or holds something else than knobs.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is no TOML: {error}; a board file reads {EXAMPLE}") from error
    texts = []
    for name, value in document.items():
        if not isinstance(value, bool | int | str):
            raise InputError(f"{path}: {name} is no knob of a board; a right line is {EXAMPLE}")
        text = f"{name}={option_text.as_text(value)}"
        try:
            option_text.parse((text,))
        except InputError as error:
            raise InputError(f"{path}: {error}") from error
        texts.append(text)
    return tuple(texts)
