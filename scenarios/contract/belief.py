"""All that a host can know of the device from what passed between them."""

from __future__ import annotations

from hw.protocol import GPIF_DISABLED, Stats
from scenarios.contract.clock import Clock
from scenarios.contract.stream import Stream

CONSOLE_LINE_MAX = 31
CARRIAGE_RETURN = 0x0D
LOWER_CASE = 0x20
"""The console ORs it into every character (USBHandler.c)."""


class Console:
    """What was typed into the debug console, for two of its commands reset the chip."""

    def __init__(self) -> None:
        self.line = ""
        self._is_complete = False

    def type(self, value: int) -> str | None:
        """Take wValue of READINFODEBUG; returns the command when this is a carriage return."""
        if not value:
            return None
        character = value & 0xFF
        if character == CARRIAGE_RETURN:
            # The line is kept, so that a bare carriage return repeats it.
            self._is_complete = True
            return self.line
        if self._is_complete:
            self.line, self._is_complete = "", False
        if len(self.line) < CONSOLE_LINE_MAX:
            self.line += chr(character | LOWER_CASE)
        return None


class Belief:
    """What is believed; None is "cannot be known".

    Attributes:
        clock: of the sample clock.
        stream: of the stream.
        console: of the debug console.
        request_count: the next TESTFX3's fourth byte.
        last: the last GETSTATS of this boot.
        nacks: I2C transfers of the host since then that nobody acknowledged.
        unsure_nacks: ... and those that may have failed.
        is_debug_on: debug text is being stored.
        may_have_text: the debug buffer need not be empty.
        busy_until_ns: until then a handler may keep EP0 silent.
        may_leave: it was asked to reset, or may have been.
        leaves_until_ns: an answer after that says that it has not.
        is_whole: nothing was forgotten since somebody last said so.
    """

    def __init__(self) -> None:
        self.clock = Clock()
        self.stream = Stream(self.clock)
        self.console = Console()
        self.request_count: int | None = None
        self.last: Stats | None = None
        self.nacks = 0
        self.unsure_nacks = 0
        self.is_debug_on = True
        self.may_have_text = True
        self.busy_until_ns = 0
        self.may_leave = False
        self.leaves_until_ns = 0
        self.is_whole = True

    def forget(self) -> None:
        """A request of unknown effect: keep what says when it will be over, and no more."""
        self.is_whole = False
        self.clock.forget()
        self.stream.forget()
        self.console = Console()
        self.request_count = None
        self.last = None
        self.nacks = self.unsure_nacks = 0
        self.is_debug_on = self.may_have_text = True

    def expect_silence(self, until_ns: int) -> None:
        """A handler may keep EP0 silent until then."""
        self.busy_until_ns = max(self.busy_until_ns, until_ns)

    def expect_leaving(self, until_ns: int) -> None:
        """The device may leave the bus until then."""
        self.may_leave = True
        self.leaves_until_ns = max(self.leaves_until_ns, until_ns)

    def note_answer(self, began_ns: int) -> None:
        """It answered a request that was sent then."""
        if self.may_leave and began_ns > self.leaves_until_ns:
            self.may_leave = False

    def count_request(self) -> None:
        """TESTFX3, a valid SETARGFX3 or a READINFODEBUG with text (USBHandler.c)."""
        if self.request_count is not None:
            self.request_count = self.request_count + 1 & 0xFF

    def may_be_disabled(self) -> bool:
        """The state machine may be disabled, where the console's ``gpif`` resets the chip."""
        return self.last is None or GPIF_DISABLED in self.stream.states
