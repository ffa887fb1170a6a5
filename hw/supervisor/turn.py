"""Turns: who may talk to the device now."""

from __future__ import annotations

from hw.runtime import Runtime


class Turn:
    """A lock made of what every runtime has, so that it holds between tasks of a world too.

    Args:
        runtime: threads or tasks.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._token = runtime.queue(1)
        self._token.put(True)

    def take(self, timeout_ms: int) -> bool:
        """Wait for the turn; return False when it did not come in that time."""
        try:
            self._token.get(timeout_ms)
        except TimeoutError:
            return False
        return True

    def give_back(self) -> None:
        """Let the next one have it; harmless for one who waited in vain and went on without it."""
        if not len(self._token):
            self._token.put(True)
