"""What the main thread does for the debug console: events told, and commands run.

Source: RunApplication.c (MsgParsing).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hw.protocol import GPIF_DISABLED
from sim.firmware.console import COMMAND, EVENTS, MAIN_THREAD, PIB_NOTICE, USB_EVENT
from sim.firmware.debug_text import THREAD_RING, event_name
from sim.firmware.support import check
from sim.rtos import NO_WAIT, SUCCESS

if TYPE_CHECKING:
    from sim.firmware.state import FirmwareState

STACK_BYTES = 2_048
"""FIFO_THREAD_STACK of Application.h."""


class Commands:
    """The main thread's side of the console.

    Args:
        firmware: the firmware's globals.
    """

    def __init__(self, firmware: FirmwareState) -> None:
        self.firmware = firmware
        self.sdk = firmware.sdk
        self.write = firmware.console.write

    def serve(self) -> None:
        """Empty the queue, once in each pass of the main loop: CR LF, then each event's text."""
        console = self.firmware.console
        if not console.has_posted:
            return
        console.has_posted = False
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
        elif self.firmware.console.on and label == PIB_NOTICE:
            self.write(f"\r\nPIB error 0x{data:X}\r\n")
        elif self.firmware.console.on and label == USB_EVENT:
            self.write(f"\r\nEvent received = {event_name(data)}   \r\n")

    # ------------------------------------------------------------ commands

    def _run_command(self) -> None:
        """Run the line; it stays, so that a bare CR repeats it."""
        command = self.firmware.console.line
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
        self.firmware.console.end_line()

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
