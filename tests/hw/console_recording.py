"""Records the console of a world, as an operator does with READINFODEBUG."""

from hw.errors import NoDeviceError, StalledError
from hw.protocol import EP0_BUFFER_BYTES, Request
from tests.sim.bench import booted, driver

MS = 1_000_000


class Recording:
    """A world whose console is read each 50 ms.

    Attributes:
        lines: what it said, each line with its time.
    """

    def __init__(self, firmware="fw-2.3", policy="level-1-4-5", **options):
        self.world = booted(firmware, policy, **options)
        self.device = driver(self.world)
        self.device.info(debug=True)
        self.lines = []

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.device.close()
        self.world.close()

    def listen(self, duration_ms):
        """Read what is said in that time."""
        end_ns = self.world.now_ns + duration_ms * MS
        while self.world.now_ns < end_ns:
            text = self._text()
            at_s = self.world.now_ns / 1e9
            self.lines += [f"[{at_s:10.3f}] {line}" for line in text.splitlines() if line.strip()]
            self.world.sleep(50 * MS)

    def _text(self):
        pages = []
        while True:
            try:
                pages.append(self.device.request_in(Request.READINFODEBUG, EP0_BUFFER_BYTES)[:-1])
            except (StalledError, NoDeviceError):
                return b"".join(pages).decode()

    def log(self, *, times=True):
        """The log so far."""
        lines = self.lines if times else [line.partition("] ")[2] for line in self.lines]
        return "\n".join(lines).encode()

    def levels(self):
        """What the firmware's own module applied."""
        return [level for program in self.world.programs for _, level in program.remedies_applied]
