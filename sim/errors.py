"""The errors of the simulator: one root, with the facts in fields."""

from __future__ import annotations


class SimulationError(Exception):
    """Root of every error that the simulator raises on its own account."""


class TaskFailed(SimulationError):
    """A simulated thread ended with an exception; the real one is its ``__cause__``.

    Attributes:
        task: name of the thread or host task.
        at_ns: simulated time in nanoseconds.
    """

    def __init__(self, task: str, at_ns: int, error: BaseException) -> None:
        self.task = task
        self.at_ns = at_ns
        super().__init__(
            f"{task!r} failed at {at_ns / 1e9:.9f} s of simulated time: "
            f"{type(error).__name__}: {error}"
        )


class NoProgress(SimulationError):
    """Threads keep switching while simulated time stands still.

    Attributes:
        task: name of the thread that was switched to last.
        at_ns: simulated time in nanoseconds.
        switches: switches counted at that instant.
    """

    def __init__(self, task: str, at_ns: int, switches: int) -> None:
        self.task = task
        self.at_ns = at_ns
        self.switches = switches
        super().__init__(
            f"no progress: {switches} switches at {at_ns / 1e9:.9f} s without time advancing, "
            f"last to {task!r}; give its loop a sleep or a wait"
        )


class NothingLeft(SimulationError):
    """Code waits for something that nothing in the world can bring about any more."""

    def __init__(self, what: str, at_ns: int) -> None:
        self.what = what
        self.at_ns = at_ns
        super().__init__(
            f"nothing is left at {at_ns / 1e9:.9f} s that could complete {what}; "
            "give the wait a limit, for example world.wait(event, limit_ns=1_000_000_000)"
        )


class WorldClosed(SimulationError):
    """The world was closed; it cannot run any further."""


class FaultError(SimulationError):
    """A fault cannot be armed as written; the message names the field and a right example."""


class FirmwareNotKnown(SimulationError):
    """No firmware revision has this name, or an image holds none that the simulator knows."""


class TaskKilled(BaseException):
    """Thrown into a simulated thread that a reset, a power cut or a closing world ends.

    It is not an Exception, so that firmware which catches everything cannot survive its reset.
    """
