"""The debug console: text for the host, characters from it, events for the main thread.

Text is stored only while the flag is on and the application is active, in a small buffer that
READINFODEBUG empties from its front; what does not fit whole is dropped, print call by print call.
Every caller asks :attr:`Console.on` before it makes a text, so a console that is off costs one
comparison. Texts for the UART alone ("STALL EP0 V.REQ", "I2cwrite Error") never reach the host
and are left out.

Source: DebugConsole.c, USBHandler.c (READINFODEBUG), RunApplication.c (MsgParsing).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hw.protocol import EP0_BUFFER_BYTES, GPIF_DISABLED
from sim.firmware.debug_text import THREAD_RING, event_name, request_trace
from sim.firmware.support import check
from sim.rtos import NO_WAIT, SUCCESS

if TYPE_CHECKING:
    from sim.firmware.state import FirmwareState

EVENTS = "glEventAvailable"
EVENTS_MAX = 16
LINE_CHARACTERS_MAX = 31
PAGE_BYTES = EP0_BUFFER_BYTES - 1
"""READINFODEBUG takes at most this much text and adds a NUL."""
CARRIAGE_RETURN = 0x0D
LOWER_CASE = 0x20
STACK_BYTES = 2_048
"""FIFO_THREAD_STACK of Application.h."""
MAIN_THREAD = "11:HF103_ADC2USB30"

USB_EVENT = 0
PIB_NOTICE = 2
COMMAND = 3


class Console:
    """The console of one boot of the firmware.

    Args:
        firmware: the firmware's globals.

    Attributes:
        on: glFlagDebug: off at boot, set by each TESTFX3.
        text: what waits for READINFODEBUG.
    """

    def __init__(self, firmware: FirmwareState) -> None:
        self.firmware = firmware
        self.sdk = firmware.sdk
        self.on = False
        self.text = bytearray()
        self._line = bytearray()
        self._typed = 0
        self._buffer_bytes = firmware.revision.debug_buffer_bytes
        self._full_sleep_ticks = firmware.revision.debug_full_sleep_ticks
        self._keeps_rest = firmware.revision.debug_keeps_rest

    # ------------------------------------------------------------ text for the host

    def write(self, text: str) -> None:
        """DebugPrint: append ``text`` whole or not at all; any thread of the firmware.

        The oldest firmware first slept when the buffer was full, in the USB thread too, where no
        host can empty it meanwhile (incident F2).
        """
        if not (self.on and self.firmware.active):
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

    # ------------------------------------------------------------ events for the main thread

    def post(self, label: int, data: int) -> None:
        """Queue an event for the main thread without waiting; a full queue drops it."""
        self.sdk.queue_send(EVENTS, label << 24 | data)

    def serve(self) -> None:
        """Empty the queue, once in each pass of the main loop: CR LF, then each event's text."""
        sdk = self.sdk
        status, event = sdk.queue_receive(EVENTS, NO_WAIT)
        if status != SUCCESS:
            return
        self.write("\r\n")
        while status == SUCCESS and isinstance(event, int):
            self._serve_event(event >> 24, event & 0xFF_FFFF)
            status, event = sdk.queue_receive(EVENTS, NO_WAIT)

    def _serve_event(self, label: int, data: int) -> None:
        if label == COMMAND:
            self._run_command()
        elif self.on and label == PIB_NOTICE:
            self.write(f"\r\nPIB error 0x{data:X}\r\n")
        elif self.on and label == USB_EVENT:
            self.write(f"\r\nEvent received = {event_name(data)}   \r\n")

    # ------------------------------------------------------------ commands

    def _run_command(self) -> None:
        """Run the line; it stays, so that a bare CR repeats it. At boot it is empty."""
        command = self._line.decode("utf-8", "surrogateescape")
        match command:
            case "" | "?":
                self._help()
            case "threads":
                self._threads()
            case "stack":
                self._stack()
            case "gpif":
                self._gpif()
            case "reset":
                self._reset()
            case _:
                self.write(f"Input: '{command}'\r\n\r\n")
        self._typed = 0

    def _help(self) -> None:
        count = self.firmware.dma_count & 0xFFFF_FFFF
        self.write(f"Enter commands:\r\nthreads, stack, gpif, reset;\r\nDMAcnt = {count:X}\r\n\r\n")

    def _threads(self) -> None:
        self.write("threads:\r\n")
        self.write(f"This : '{MAIN_THREAD}'")
        for name in THREAD_RING:
            self.write(f"\r\nFound: '{name}'")
        self.write("\r\n\r\n")

    def _stack(self) -> None:
        free_bytes = self.sdk.chip.options.stack_free_bytes
        self.write("stack:\r\n")
        self.write(f"Stack free in {MAIN_THREAD[3:]} is {free_bytes}/{STACK_BYTES}\r\n\r\n")

    def _gpif(self) -> None:
        """The state; on a disabled block a failed call, which resets the device."""
        status, state = self.sdk.gpif_get_sm_state()
        check(self.firmware, "Get GPIF State ", status)
        self.write(f"GPIF State = {GPIF_DISABLED if state is None else state}\r\n\r\n")

    def _reset(self) -> None:
        self.write("reset:\r\n")
        self.write("RESETTING CPU\r\n")
        self.sdk.thread_sleep(100)
        self.sdk.device_reset(False)
