"""The application: boot, the main thread's 100 ms loop, the USB callbacks, the health hooks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from health import Event
from hw.protocol import (
    BOS_DESCRIPTOR,
    CONFIGURATION_DESCRIPTOR_FS,
    CONFIGURATION_DESCRIPTOR_HS,
    CONFIGURATION_DESCRIPTOR_SS,
    DEVICE_DESCRIPTOR_HS,
    DEVICE_DESCRIPTOR_SS,
    FEATURE_FUNCTION_SUSPEND,
    HARDWARE_RX888MK2,
    QUALIFIER_DESCRIPTOR,
    SERIAL_DIGITS,
    STANDARD_ENDPOINT_OUT,
    STANDARD_INTERFACE_OUT,
    STRING_LANGUAGES,
    STRING_MANUFACTURER,
    STRING_PRODUCT,
    TYPE_MASK,
    TYPE_VENDOR,
    DescriptorType,
    Request,
    SdkStatus,
    StandardRequest,
)
from sim.board import SENSE_PIN, TUNER_ADDRESS
from sim.firmware.clock import ClockDriver
from sim.firmware.commands import Commands
from sim.firmware.console import EVENTS, EVENTS_MAX, MAIN_THREAD as MAIN_THREAD, USB_EVENT, Console
from sim.firmware.front_end import FrontEndDriver
from sim.firmware.narrator import StreamNarrator
from sim.firmware.remedies import DevicePlatform, DeviceSampler, DeviceWatchdog
from sim.firmware.state import FirmwareState
from sim.firmware.streaming import Streaming
from sim.firmware.support import blink_and_reset, check
from sim.firmware.vendor import VendorRequests
from sim.sdk.system import DIE_ID_REGISTERS
from sim.sdk.types import GpioSimpleConfig, SetDescriptor, UsbEvent

if TYPE_CHECKING:
    from sim.sdk import Sdk

CLEAR_ENDPOINT_FEATURE = STANDARD_ENDPOINT_OUT | StandardRequest.CLEAR_FEATURE << 8
"""First half of CLEAR_FEATURE(ENDPOINT_HALT)'s SETUP packet."""
INTERFACE_FEATURES = (
    STANDARD_INTERFACE_OUT | StandardRequest.SET_FEATURE << 8,
    STANDARD_INTERFACE_OUT | StandardRequest.CLEAR_FEATURE << 8,
)
"""First halves of SET_FEATURE and CLEAR_FEATURE to an interface."""
EP0_ENTER = Event.EP0_ENTER
EP0_EXIT = Event.EP0_EXIT
MAIN_PRIORITY = 8
"""FIFO_THREAD_PRIORITY of Application.h."""


def request_name(first: int) -> str:
    """The name of the request in a SETUP packet's first word, or its code."""
    request = first >> 8 & 0xFF
    names = Request if first & TYPE_MASK == TYPE_VENDOR else StandardRequest
    return names(request).name if request in names._value2member_map_ else f"{request:#04x}"


class Firmware(FirmwareState):
    """One boot of the firmware: a program that :class:`sim.chip.fx3.Fx3` runs."""

    # ------------------------------------------------------------ boot

    def main(self, sdk: Sdk) -> None:
        """The C main and CyFxApplicationDefine, which runs at priority 0."""
        self.sdk = sdk
        self.trace = sdk.world.trace
        sdk.device_init()
        sdk.device_cache_control()
        sdk.device_configure_io_matrix()
        self.console = Console(sdk, self.revision, lambda: self.active)
        self.commands = Commands(self)
        self.narrator = StreamNarrator(self.console, self.policy)
        self.clock = ClockDriver(self)
        self.front_end = FrontEndDriver(sdk)
        self.streaming = Streaming(self)
        self.platform = DevicePlatform(self, self.streaming, self.clock)
        self.sampler = DeviceSampler(self, self.streaming, self.clock)
        self.vendor = VendorRequests(self, self.streaming, self.clock, self.front_end)
        self.health = self.health_class(self.policy, self.platform, DeviceWatchdog(self))
        self.health.init()
        if self.on_ready is not None:
            self.on_ready()
        check(self, "Create EventAvailableQueue", sdk.queue_create(EVENTS, EVENTS_MAX))
        status = sdk.thread_create(MAIN_THREAD, MAIN_THREAD, self.main_thread, MAIN_PRIORITY)
        check(self, "CyFxApplicationDefine", status)

    def main_thread(self) -> None:
        """Detect the board, start USB, then poll for ever."""
        sdk = self.sdk
        check(self, "CyU3PGpioInit", sdk.gpio_init())
        sdk.i2c_init()
        sdk.i2c_set_config(400_000)
        self.detect()
        self.start_usb()
        interval_ms = self.policy.poll_interval_ms
        # The pet timer began at tick 0: the option is the loop's phase against that, not its delay.
        sdk.thread_sleep((self.poll_offset_ms - sdk.get_time()) % interval_ms)
        while True:
            sdk.thread_sleep(interval_ms)
            if self.hang_main_requested:
                self.mark("HANGMAIN")
                if self.console.on:
                    self.console.write(
                        "\r\nHANGMAIN: spinning forever \N{EM DASH} HWDT should reset us"
                    )
                sdk.rtos.spin()
            self.poll()

    def poll(self) -> None:
        """One pass of the main loop, before and after enumeration alike (incident F18)."""
        health = self.health
        if self.trace is not None:
            self.trace.instant("fx3/main thread", "beat", self.sdk.world.now_ns)
        health.main_heartbeat()
        self.commands.serve()
        self.sampler.sample(health.record_event)
        if self.halt_cleared:
            self.platform.restart_endpoint()
        recovery = health.recover(health.evaluate())
        if self.narrator.stalls:
            self.narrator.decided(recovery)

    def detect(self) -> None:
        """Tell the RX888mk2 by its tuner and its sense pin, and set its front end up."""
        if self.clock.initialise() != SdkStatus.SUCCESS:
            return
        sdk = self.sdk
        sdk.device_gpio_override(SENSE_PIN, True)
        sdk.gpio_set_simple_config(SENSE_PIN, GpioSimpleConfig(input_enabled=True))
        self.clock.start_detection_clock()
        status, _ = sdk.i2c_receive_bytes(TUNER_ADDRESS, 0, 1)
        if status != SdkStatus.SUCCESS:
            self.i2c_failures += 1
        elif sdk.gpio_simple_get_value(SENSE_PIN) == (SdkStatus.SUCCESS, False):
            self.hardware = HARDWARE_RX888MK2
        self.clock.stop_detection_clock()
        if self.hardware == HARDWARE_RX888MK2:
            self.front_end.initialise()

    def start_usb(self) -> None:
        """Register descriptors and callbacks, and connect at SuperSpeed."""
        sdk = self.sdk
        check(self, "Start USB Driver", sdk.usb_start())
        sdk.usb_register_setup_callback(self.on_setup, True)
        sdk.usb_register_event_callback(self.on_usb_event)
        for kind, index, descriptor in (
            (SetDescriptor.SS_DEVICE, 0, DEVICE_DESCRIPTOR_SS),
            (SetDescriptor.HS_DEVICE, 0, DEVICE_DESCRIPTOR_HS),
            (SetDescriptor.SS_BOS, 0, BOS_DESCRIPTOR),
            (SetDescriptor.DEVICE_QUALIFIER, 0, QUALIFIER_DESCRIPTOR),
            (SetDescriptor.SS_CONFIGURATION, 0, CONFIGURATION_DESCRIPTOR_SS),
            (SetDescriptor.HS_CONFIGURATION, 0, CONFIGURATION_DESCRIPTOR_HS),
            (SetDescriptor.FS_CONFIGURATION, 0, CONFIGURATION_DESCRIPTOR_FS),
            (SetDescriptor.STRING, 0, STRING_LANGUAGES),
            (SetDescriptor.STRING, 1, self.manufacturer_descriptor()),
            (SetDescriptor.STRING, 2, STRING_PRODUCT),
            (SetDescriptor.STRING, 3, self.serial_descriptor()),
        ):
            check(self, "Set USB Descriptors", sdk.usb_set_desc(kind, index, descriptor))
        check(self, "ConnectUSB", sdk.connect_state(True, True))

    def manufacturer_descriptor(self) -> bytes:
        """String 1: its last two bytes lie behind the array (USBDescriptor.c)."""
        tail = self.sdk.chip.options.string_1_tail
        return STRING_MANUFACTURER[:-2] + tail.to_bytes(2, "little")

    def serial_descriptor(self) -> bytes:
        """String 3: die id word 1, then word 0, in upper-case hexadecimal."""
        words = self.read_register(DIE_ID_REGISTERS[1]), self.read_register(DIE_ID_REGISTERS[0])
        text = f"{words[0]:08X}{words[1]:08X}"[:SERIAL_DIGITS]
        return bytes([2 + 2 * len(text), DescriptorType.STRING]) + text.encode("utf-16-le")

    def read_register(self, address: int) -> int:
        """A device register, 0 when it cannot be read (the C variable starts as 0)."""
        status, words = self.sdk.read_device_registers(address, 1)
        return words[0] if status == SdkStatus.SUCCESS else 0

    # ------------------------------------------------------------ callbacks

    def on_setup(self, first: int, second: int) -> bool:
        """The setup callback: marked for the health module on every path in and out."""
        self.health.record_event(EP0_ENTER)
        self.callback_since_ms = self.sdk.get_time()
        self.in_callback = True
        self.current_request = first >> 8 & 0xFF
        trace = self.trace
        if trace is not None:
            trace.begin("fx3/EP0", request_name(first), self.sdk.world.now_ns)
        handled = False
        if first & TYPE_MASK == TYPE_VENDOR:
            handled = self.vendor.handle(
                self.current_request, first >> 16, second & 0xFFFF, second >> 16
            )
        elif first & 0xFFFF == CLEAR_ENDPOINT_FEATURE and self.active:
            self.streaming.clear_halt()
            if self.sdk.chip.options.clear_halt_acked:
                self.sdk.usb_ack_setup()
            handled = True
        elif first & 0xFFFF in INTERFACE_FEATURES and first >> 16 == FEATURE_FUNCTION_SUSPEND:
            if self.active:
                self.sdk.usb_ack_setup()
            else:
                self.sdk.usb_stall(0, True, False)
            handled = True
        if trace is not None:
            trace.end("fx3/EP0", self.sdk.world.now_ns)
        self.current_request = None
        self.in_callback = False
        self.health.record_event(EP0_EXIT)
        return handled

    def on_usb_event(self, event: UsbEvent, data: int) -> None:
        """The event callback; the shipped firmware leaves it unmarked, this one does not."""
        self.health.record_event(Event.USB_EVENT_ENTER)
        self.callback_since_ms = self.sdk.get_time()
        self.in_callback = True
        self.console.post(USB_EVENT, event)
        if event is UsbEvent.SETCONF:
            if self.active:
                self.streaming.stop_application()
            if data:
                self.streaming.start_application()
        elif event in (UsbEvent.RESET, UsbEvent.DISCONNECT) and self.active:
            self.streaming.stop_application()
            if event is UsbEvent.RESET and self.sdk.chip.options.usb_reset_ends_in_boot_rom:
                blink_and_reset(self, "teardown")
            self.sdk.usb_lpm_enable()
        elif event is UsbEvent.EP_UNDERRUN:
            self.streaming_faults += 1
            self.health.record_event(Event.EP_UNDERRUN)
            if self.console.on:
                self.console.write(f"\r\nEP Underrun on {data}")
        self.in_callback = False
        self.health.record_event(Event.USB_EVENT_EXIT)
