"""Checked set-up calls: one that fails ends in the boot ROM, four seconds later (Support.c)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim.firmware.debug_text import status_name
from sim.front_end import Pin
from sim.rtos import SUCCESS

if TYPE_CHECKING:
    from sim.firmware.state import FirmwareState

BLINKS = 10
BLINK_HALF_TICKS = 200
LED = int(Pin.LED_BLUE)


def check(firmware: FirmwareState, what: str, status: int) -> None:
    """CheckStatus: say how a call ended; a failure blinks the LED and resets the device.

    Args:
        firmware: the firmware's globals.
        what: the call as the console names it.
        status: its status code.
    """
    console = firmware.console
    if status == SUCCESS:
        if console.on:
            console.write(f"{what} = Successful\r\n")
        return
    if console.on:
        console.write(f"\r\n{what} failed, {int(status)} = CY_U3P_ERROR_{status_name(status)}\r\n")
    blink_and_reset(firmware, what)


def blink_and_reset(firmware: FirmwareState, cause: str) -> None:
    """ErrorBlinkAndReset: 4 s of blinks in the caller's thread, then the boot ROM.

    The thread that failed sleeps meanwhile; when it is the USB thread, EP0 is dead.
    """
    firmware.mark(f"LED blinks: {cause.strip()} failed")
    sdk = firmware.sdk
    for _ in range(BLINKS):
        for level in (True, False):
            sdk.gpio_set_value(LED, level)
            sdk.thread_sleep(BLINK_HALF_TICKS)
    sdk.device_reset(False)
