"""The vendor requests (USBHandler.c): one handler each, in the USB thread.

A handler returns True when it answered the request; otherwise the driver stalls EP0. One shared
64-byte buffer serves all, so a short payload leaves old bytes behind it.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING

from health import Event
from hw.protocol import (
    EP0_BUFFER_BYTES,
    GPIF_DISABLED,
    STATS_BYTES,
    STATS_LAYOUT,
    Argument,
    DeviceInfo,
    Request,
    SdkStatus,
)
from sim.rtos import SUCCESS
from sim.si5351 import REGISTER_CLK0_CONTROL, REGISTER_STATUS

if TYPE_CHECKING:
    from sim.firmware.clock import ClockDriver
    from sim.firmware.front_end import FrontEndDriver
    from sim.firmware.state import FirmwareState
    from sim.firmware.streaming import Streaming

PLL_POLLS_MAX = 100
READINFODEBUG = int(Request.READINFODEBUG)
ARGUMENTS = frozenset(Argument)
"""The wIndex values that SETARGFX3 knows."""


class VendorRequests:
    """The table of requests of one boot of the firmware."""

    def __init__(
        self,
        firmware: FirmwareState,
        streaming: Streaming,
        clock: ClockDriver,
        front_end: FrontEndDriver,
    ) -> None:
        self.firmware = firmware
        self.streaming = streaming
        self.clock = clock
        self.front_end = front_end
        self.sdk = firmware.sdk
        self.console = firmware.console
        self.buffer = bytearray(EP0_BUFFER_BYTES)
        self.request_count = 0
        self.boot_count = 1
        handlers: dict[int, Callable[[int, int, int], bool]] = {
            Request.STARTFX3: self.start,
            Request.STOPFX3: self.stop,
            Request.TESTFX3: self.test,
            Request.GPIOFX3: self.set_gpio,
            Request.I2CWFX3: self.write_i2c,
            Request.I2CRFX3: self.read_i2c,
            Request.RESETFX3: self.reset,
            Request.STARTADC: self.start_adc,
            Request.GETSTATS: self.get_stats,
            Request.SETARGFX3: self.set_argument,
            Request.READINFODEBUG: self.read_debug,
        }
        if firmware.revision.test_hooks:
            handlers[Request.HANGFX3] = self.hang_handler
            handlers[Request.HANGMAIN] = self.hang_main
        self.handlers = handlers

    def handle(self, request: int, value: int, index: int, length: int) -> bool:
        """Serve one vendor request."""
        if length > EP0_BUFFER_BYTES:
            self.sdk.usb_stall(0, True, False)
            return True
        handler = self.handlers.get(request)
        handled = self._unknown() if handler is None else handler(value, index, length)
        if self.console.on and request != READINFODEBUG:
            self.console.trace(request, value, index, self.buffer)
        return handled

    def _unknown(self) -> bool:
        """Any other code: stalled here, before the trace line, and by the driver once more."""
        self.sdk.usb_stall(0, True, False)
        return False

    # ------------------------------------------------------------ data stages

    def _receive(self, length: int) -> bool:
        """Data and status stage of an OUT request; its failures are health events."""
        status, data = self.sdk.usb_get_ep0_data(length)
        self.buffer[: len(data)] = data
        return self._noted(status)

    def _send(self, data: bytes) -> bool:
        """Data stage of an IN request: the reply passes through the shared buffer, too."""
        self.buffer[: len(data)] = data
        return self._noted(self.sdk.usb_send_ep0_data(data))

    def _noted(self, status: int) -> bool:
        if status == SUCCESS:
            return True
        cancelled = status == SdkStatus.XFER_CANCELLED
        self.firmware.health.record_event(Event.EP0_CANCELLED if cancelled else Event.EP0_ERROR)
        return False

    def _refuse_late(self) -> None:
        """Stall after the data stage: too late, the host has seen success (incident F20)."""
        self.sdk.usb_stall(0, True, False)

    # ------------------------------------------------------------ requests

    def start(self, value: int, index: int, length: int) -> bool:
        """STARTFX3: 4 bytes, ignored."""
        del value, index
        firmware = self.firmware
        revision = firmware.revision
        self.sdk.usb_lpm_disable()
        if revision.preflight_first and not self._preflight():
            return False
        self._receive(length)
        if revision.preflight and not revision.preflight_first and not self._preflight():
            self._refuse_late()
            return True
        if self.streaming.start() != SUCCESS:
            self._refuse_late()
        return True

    def _preflight(self) -> bool:
        """GpifPreflightCheck: CLK0, then PLL A; the first failure ends it and says so."""
        if not self.clock.clk0_on():
            failure = "ADC clock not enabled"
        elif not self.clock.pll_locked():
            failure = "Si5351 PLL_A not locked"
        else:
            return True
        if self.console.on:
            self.console.write(f"\r\nPreflight FAIL: {failure}")
        return False

    def stop(self, value: int, index: int, length: int) -> bool:
        """STOPFX3: 4 bytes, ignored; always succeeds."""
        del value, index
        self.sdk.usb_lpm_enable()
        self._receive(length)
        self.streaming.stop()
        return True

    def test(self, value: int, index: int, length: int) -> bool:
        """TESTFX3: four bytes about the device; wValue 1 turns the debug text on, others off."""
        del index, length
        major, minor = self.firmware.revision.version
        info = DeviceInfo(self.firmware.hardware, major, minor, self.request_count)
        self._send(info.pack())
        self.console.on = value == 1
        self.request_count = self.request_count + 1 & 0xFF
        return True

    def set_gpio(self, value: int, index: int, length: int) -> bool:
        """GPIOFX3: 4 bytes, the word that sets the front end's pins."""
        del value, index
        if not self._receive(length):
            return False
        (word,) = struct.unpack_from("<I", self.buffer)
        self.front_end.set_pins(word)
        return True

    def write_i2c(self, value: int, index: int, length: int) -> bool:
        """I2CWFX3: up to 64 bytes for the registers from wIndex on of the device at wValue.

        Both are cut to a byte. A device that does not answer shows in the failure counter alone:
        the host has seen success by then.
        """
        if not self._receive(length):
            return False
        data = bytes(self.buffer[:length])
        status = self.sdk.i2c_transmit_bytes(value & 0xFF, index & 0xFF, data)
        return self._i2c_counted(status)

    def read_i2c(self, value: int, index: int, length: int) -> bool:
        """I2CRFX3: read registers, addressed as in the write; a device that does not answer stalls.

        No bytes are no bus traffic, and succeed.
        """
        self.buffer[:] = bytes(EP0_BUFFER_BYTES)
        data = b""
        if length:
            status, data = self.sdk.i2c_receive_bytes(value & 0xFF, index & 0xFF, length)
            if not self._i2c_counted(status):
                return False
        self._send(data)
        return True

    def _i2c_counted(self, status: int) -> bool:
        if status != SUCCESS:
            self.firmware.i2c_failures += 1
        return status == SUCCESS

    def reset(self, value: int, index: int, length: int) -> bool:
        """RESETFX3: acknowledged, 100 ms, then the boot ROM."""
        del value, index
        self._receive(length)
        if self.console.on:
            self.console.write("\r\n\r\nHOST RESETTING CPU \r\n")
        self.sdk.thread_sleep(100)
        self.sdk.device_reset(False)
        return True

    def start_adc(self, value: int, index: int, length: int) -> bool:
        """STARTADC: 4 bytes, the ADC clock in Hz; 0 turns CLK0 off."""
        del value, index
        firmware = self.firmware
        if not self._receive(length):
            return False
        if firmware.revision.adc_stops_stream:
            self.streaming.stop_for_clock_change()
        (frequency_hz,) = struct.unpack_from("<I", self.buffer)
        status = self.clock.set_adc_clock(frequency_hz)
        if status != SUCCESS:
            if self.console.on:
                self.console.write(f"STARTADC si5351 failed: {int(status)}")
            self._refuse_late()
            return True
        if firmware.revision.adc_settle_ticks:
            self.sdk.thread_sleep(firmware.revision.adc_settle_ticks)
            return True
        if frequency_hz:
            self._wait_for_lock()
        return True

    def _wait_for_lock(self) -> None:
        for _ in range(PLL_POLLS_MAX):
            self.sdk.thread_sleep(1)
            if self.clock.pll_locked():
                return

    def get_stats(self, value: int, index: int, length: int) -> bool:
        """GETSTATS: counters and the clock generator's registers."""
        del value, index, length
        firmware = self.firmware
        _, state = self.sdk.gpif_get_sm_state()
        count = firmware.dma_count
        _, clock_status = self.clock.read(REGISTER_STATUS)
        clk0_control, clk0_on = 0xFF, False
        is_full = firmware.revision.stats_bytes == STATS_BYTES
        if is_full:
            status, value = self.clock.read(REGISTER_CLK0_CONTROL)
            clk0_control = value if status == SUCCESS else 0xFF
            clk0_on = self.clock.clk0_on()
        reply = STATS_LAYOUT.pack(
            count & 0xFFFF_FFFF,
            GPIF_DISABLED if state is None else state,
            firmware.pib_errors,
            firmware.last_pib_error,
            firmware.i2c_failures,
            firmware.streaming_faults,
            clock_status,
            self.boot_count,
            clk0_control,
            clk0_on,
        )
        self._send(reply[: firmware.revision.stats_bytes])
        return True

    def set_argument(self, value: int, index: int, length: int) -> bool:
        """SETARGFX3: the argument's id is wIndex, its value the low bits of wValue.

        The payload is ignored, and no value is too large: it is cut.
        """
        known = index in ARGUMENTS
        if not known and self.firmware.revision.argument_first:
            return False
        self._receive(length)
        if not known:
            self._refuse_late()
            return True
        if index == Argument.WATCHDOG_CAP:
            self.firmware.health.record_event(Event.STREAM_CAP, value & 0xFF)
            self.firmware.narrator.cap = value & 0xFF
        elif index == Argument.ATTENUATOR:
            self.front_end.set_attenuator(value)
        else:
            self.front_end.set_gain(value)
        self.request_count = self.request_count + 1 & 0xFF
        return True

    def read_debug(self, value: int, index: int, length: int) -> bool:
        """READINFODEBUG: first the character in wValue, if any; then a page of text, or a stall."""
        del index, length
        console = self.console
        if value:
            console.type(value & 0xFF)
        page = console.take_page()
        if not page:
            self.sdk.usb_stall(0, True, False)
            return True
        self._send(page + b"\0")
        self.request_count = self.request_count + 1 & 0xFF
        return True

    def hang_handler(self, value: int, index: int, length: int) -> bool:
        """HANGFX3: sleep wValue ms in the USB thread, then acknowledge."""
        del index, length
        if self.console.on:
            self.console.write(f"\r\nHANGFX3: sleeping {value} ms (test-only)")
        self.sdk.thread_sleep(value)
        self.sdk.usb_ack_setup()
        return True

    def hang_main(self, value: int, index: int, length: int) -> bool:
        """HANGMAIN: acknowledge; the main thread spins from its next loop on."""
        del value, index, length
        if self.console.on:
            self.console.write("\r\nHANGMAIN: arming main-loop hang (test-only)")
        self.firmware.hang_main_requested = True
        self.sdk.usb_ack_setup()
        return True
