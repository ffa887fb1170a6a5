"""The debug console: text for the host, characters from it, events left for the main thread.

Text is stored only while the flag is on and the application is active, in a small buffer that
READINFODEBUG empties from its front; what does not fit whole is dropped, print call by print call.
Every caller asks :attr:`Console.on` before it makes a text, so a console that is off costs one
comparison. Texts for the UART alone ("STALL EP0 V.REQ", "I2cwrite Error") never reach the host
and are left out.

Source: DebugConsole.c, USBHandler.c (READINFODEBUG).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from hw.protocol import EP0_BUFFER_BYTES
from sim.firmware.debug_text import request_trace

if TYPE_CHECKING:
    from sim.firmware.revisions import Revision
    from sim.sdk import Sdk

EVENTS = "glEventAvailable"
EVENTS_MAX = 16
LINE_CHARACTERS_MAX = 31
PAGE_BYTES = EP0_BUFFER_BYTES - 1
"""READINFODEBUG takes at most this much text and adds a NUL."""
CARRIAGE_RETURN = 0x0D
LOWER_CASE = 0x20
MAIN_THREAD = "11:HF103_ADC2USB30"

USB_EVENT = 0
PIB_NOTICE = 2
COMMAND = 3


class Console:
    """The console of one boot of the firmware.

    Args:
        sdk: for its queue and its sleep.
        revision: size and manners of the buffer.
        is_active: whether the application is started; text is stored only then.

    Attributes:
        on: glFlagDebug: off at boot, set by each TESTFX3.
        has_posted: something may be on the queue: spares the main loop a look at an empty one.
        text: what waits for READINFODEBUG.
    """

    def __init__(self, sdk: Sdk, revision: Revision, is_active: Callable[[], bool]) -> None:
        self.sdk = sdk
        self.is_active = is_active
        self.on = False
        self.has_posted = False
        self.text = bytearray()
        self._line = bytearray()
        self._typed = 0
        self._buffer_bytes = revision.debug_buffer_bytes
        self._full_sleep_ticks = revision.debug_full_sleep_ticks
        self._keeps_rest = revision.debug_keeps_rest

    # ------------------------------------------------------------ text for the host

    def write(self, text: str) -> None:
        """DebugPrint: append ``text`` whole or not at all; any thread of the firmware.

        The oldest firmware first slept when the buffer was full, in the USB thread too, where no
        host can empty it meanwhile (incident F2).
        """
        if not (self.on and self.is_active()):
            return
        message = text.encode("utf-8", "surrogateescape")
        # The formatter gives up when two places are left and more is to come.
        if len(message) > self._buffer_bytes - 2:
            return
        if self._full_sleep_ticks and len(self.text) + len(message) > self._buffer_bytes:
            self.sdk.thread_sleep(self._full_sleep_ticks)
        if len(self.text) + len(message) < self._buffer_bytes:
            self.text += message

    def trace(self, request: int, value: int, index: int, buffer: bytearray) -> None:
        """The line about a vendor request, after its handler; three calls, so its tail may survive.

        Args:
            request: bRequest.
            value: wValue.
            index: wIndex.
            buffer: the shared EP0 buffer.
        """
        for part in request_trace(request, value, index, buffer):
            self.write(part)

    def take_page(self) -> bytes:
        """Take up to 63 bytes off the front; works with the flag off too."""
        page = bytes(self.text[:PAGE_BYTES])
        del self.text[: PAGE_BYTES if self._keeps_rest else len(self.text)]
        return page

    # ------------------------------------------------------------ characters from the host

    def type(self, character: int) -> None:
        """One character typed: CR queues a command, any other joins the line in lower case.

        A full queue drops the CR without a word.

        Args:
            character: 0 to 255.
        """
        if character == CARRIAGE_RETURN:
            self.post(COMMAND, 0)
        elif self._typed < LINE_CHARACTERS_MAX:
            del self._line[self._typed :]
            self._line.append(character | LOWER_CASE)
            self._typed += 1

    @property
    def line(self) -> str:
        """The line typed last, or so far; at boot it is empty."""
        return self._line.decode("utf-8", "surrogateescape")

    def end_line(self) -> None:
        """The next character begins a new line; until then this one stays."""
        self._typed = 0

    # ------------------------------------------------------------ events for the main thread

    def post(self, label: int, data: int) -> None:
        """Queue an event for the main thread without waiting; a full queue drops it."""
        self.sdk.queue_send(EVENTS, label << 24 | data)
        self.has_posted = True
