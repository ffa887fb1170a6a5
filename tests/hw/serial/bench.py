"""What the serial tests share: a scripted port in no time, and a simulated module on real ptys."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from itertools import count

from hw.guard import Authority, Target
from hw.guard.gate import Gate
from hw.runtime import ThreadRuntime
from hw.serial.at import AtPort
from hw.serial.files import DeviceFiles
from hw.serial.repl import PROMPT_LIMIT_MS, Repl
from hw.serial.transport import SerialTransport
from sim.modem import ModemOptions, SimulatedModem

ENOUGH_MS = 500
"""How long the tests wait for an end that never comes, after something that has to come before."""
PATIENT_MS = 4_000
"""Likewise, where all of a program has to be sent and begun before: busy machines stand still."""


class StillClock:
    """A clock that only a scripted port moves."""

    def __init__(self):
        self.now_ms = 0

    def now_ns(self):
        return self.now_ms * 1_000_000

    def sleep_ms(self, duration_ms):
        self.now_ms += duration_ms


class Script:
    """A port whose answers are known beforehand: each write takes the next list of them.

    Args:
        answers: for each write a list of ``(ms after it, bytes)``.
    """

    name = "script"

    def __init__(self, *answers):
        self.clock = StillClock()
        self.sent = []
        self._answers = list(answers)
        self._coming = []

    def write(self, data):
        self.sent.append(data)
        if self._answers:
            answers = self._answers.pop(0)
            self._coming += [(self.clock.now_ms + after, data) for after, data in answers]

    def read(self, limit_ms):
        if self._coming and self._coming[0][0] <= self.clock.now_ms + limit_ms:
            due_ms, data = self._coming.pop(0)
            self.clock.now_ms = max(self.clock.now_ms, due_ms)
            return data
        self.clock.now_ms += limit_ms
        return b""

    def close(self):
        pass


class Echo(Script):
    """A port that repeats whatever it is sent, and does nothing else."""

    def write(self, data):
        self._answers.append([(0, data)])
        super().write(data)


def free_gate():
    """A gate that lets everything pass."""
    return Gate(Target("world", "bench"), Authority())


def nonces():
    """Nonces that can be told beforehand."""
    numbers = count(0xA000)
    return lambda: f"{next(numbers):016x}"


class Bench:
    """A simulated module with a driver on each of its ports."""

    def __init__(self, module, closing, gate):
        self.module = module
        self._closing = closing
        self._gate = gate
        self._clock = ThreadRuntime()

    def _open(self, path):
        return self._closing.enter_context(SerialTransport(path))

    def at(self):
        return AtPort(self._open(self.module.at.path), self._gate, self._clock)

    def repl(self, prompt_limit_ms=PROMPT_LIMIT_MS):
        transport = self._open(self.module.repl.path)
        return Repl(transport, self._gate, self._clock, nonces(), prompt_limit_ms)

    def files(self):
        return DeviceFiles(self.repl(), self._gate, lambda: "ab12")


@contextmanager
def modem(gate=None, files=None, **options):
    """A module that behaves as the options say, with real pyserial on the other end of its ptys."""
    with ExitStack() as closing:
        module = closing.enter_context(SimulatedModem(ModemOptions(**options), files=files))
        yield Bench(module, closing, gate or free_gate())
