"""The device-side Platform, Watchdog and Sampler of the health module.

With :mod:`sim.firmware.streaming` the only place that makes recovery-class SDK calls.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from health import Event, Intent, Level, Outcome, Status, StatusCode, level_bit
from hw.protocol import GPIF_DISABLED, SdkStatus
from sim.firmware.streaming import CHANNEL, ENDLESS, EP1
from sim.rtos import SUCCESS
from sim.sdk.system import EP1_SOCKET_STATUS_REGISTER

if TYPE_CHECKING:
    from sim.firmware.clock import ClockDriver
    from sim.firmware.state import FirmwareState
    from sim.firmware.streaming import Streaming

UNKNOWN_BUFFERS = 255
SAMPLE_EVENT = Event.STREAM_SAMPLE
HEALTH_WEDGED_EP0 = 1
HEALTH_WEDGED_UNKNOWN = 2
"""health_status_t of health.h, which the console prints; it has no number for anything else."""


class DevicePlatform:
    """What each level means inside the firmware."""

    def __init__(self, firmware: FirmwareState, streaming: Streaming, clock: ClockDriver) -> None:
        self.firmware = firmware
        self.streaming = streaming
        self.clock = clock
        self.sdk = firmware.sdk
        self.now_ms: Callable[[], int] = firmware.sdk.get_time
        """OS ticks; the firmware's milliseconds are ticks."""

    def available(self) -> int:
        """Levels 1 to 3 need a configured application; level 4 is always there.

        Levels 1 to 3 take locks that a USB callback in progress may hold. A revision that knows
        better has nothing to offer until the callback returned, and level 4 alone once it is over
        its limit: a level skipped meanwhile would make a legal handler cost the firmware.
        """
        firmware = self.firmware
        if firmware.revision.remedies_wait and firmware.in_callback:
            return level_bit(Level.DEVICE_RESET) if self._callback_is_late() else 0
        levels = level_bit(Level.DEVICE_RESET)
        if firmware.active:
            levels |= level_bit(Level.STREAM) | level_bit(Level.EP0) | level_bit(Level.APPLICATION)
        return levels

    def _callback_is_late(self) -> bool:
        firmware = self.firmware
        policy = firmware.policy
        limit_ms = policy.ep0_limit_ms
        if firmware.current_request is None:
            limit_ms = policy.usb_event_limit_ms or limit_ms
        age_ms = self.now_ms() - firmware.callback_since_ms & 0xFFFF_FFFF
        return 0 < limit_ms <= age_ms

    def note(self, intent: Intent) -> None:
        """Leave a mark in the trace: every reset of this chip loses its memory."""
        self.firmware.mark(f"level {int(intent.level)}: {intent.status.code.name}")
        console = self.firmware.console
        if console.on and intent.level is not Level.STREAM:
            known = intent.status.code is StatusCode.EP0_WEDGED
            status = HEALTH_WEDGED_EP0 if known else HEALTH_WEDGED_UNKNOWN
            console.write(f"\r\nHEALTH: status={status}, recovering")

    def apply(self, level: Level, status: Status) -> Outcome:
        """Apply a remedy in the main thread.

        Levels 1 to 3 take the channel's and the USB driver's locks without a limit, as the SDK
        does; level 4 does not return.
        """
        del status
        self.firmware.remedies_applied.append((self.sdk.world.now_ns, int(level)))
        if level is Level.STREAM:
            return self.restart_stream()
        if level is Level.EP0:
            return self.restart_ep0()
        if level is Level.APPLICATION:
            return self.restart_application()
        if level is Level.DEVICE_RESET:
            self.sdk.device_reset(False)
        return Outcome.REFUSED

    def restart_stream(self) -> Outcome:
        """Level 1: stop, reset the channel, and start again if the clock is there.

        A revision that does not load the table after a forced stop gets NOT_CONFIGURED from
        SMStart and stays dead (S131 pport/cyu3gpif.c, RunApplication.c).
        """
        firmware = self.firmware
        narrator = firmware.narrator
        sdk = self.sdk
        narrator.recovery_begins()
        sdk.gpif_control_sw_input(False)
        sdk.thread_sleep(1)
        forced = self.streaming.disable_state_machine("WDG:")
        reset = sdk.dma_multi_channel_reset(CHANNEL)
        flush = sdk.usb_flush_ep(EP1)
        clocked = self.clock.ready()
        armed = started = SUCCESS
        if clocked:
            armed = sdk.dma_multi_channel_set_xfer(CHANNEL, ENDLESS, 0)
            if forced and firmware.revision.recovery_reloads:
                sdk.gpif_load(firmware.revision.table)
            started = sdk.gpif_sm_start(0, 0)
            sdk.gpif_control_sw_input(True)
        firmware.streaming_faults += 1
        narrator.recovery_ends(clocked, reset, flush, armed, started)
        firmware.dma_count = 0
        done = clocked and armed == SdkStatus.SUCCESS and started == SdkStatus.SUCCESS
        return Outcome.DONE if done else Outcome.FAILED

    def restart_ep0(self) -> Outcome:
        """Level 2: stall EP0 (the next SETUP ends the stall) and flush EP1."""
        stalled = self.sdk.usb_stall(0, True, False)
        flushed = self.sdk.usb_flush_ep(EP1)
        done = stalled == SdkStatus.SUCCESS and flushed == SdkStatus.SUCCESS
        return Outcome.DONE if done else Outcome.FAILED

    def restart_endpoint(self) -> None:
        """Stall and flush EP1 after a clear-halt, as level 2: option `clear_halt_handler=deferred`.

        It comes with the first poll after the request, the soonest that a status of its own could
        be answered; no status has it, since the module knows no such event.
        """
        firmware = self.firmware
        firmware.halt_cleared = False
        firmware.remedies_applied.append((self.sdk.world.now_ns, int(Level.EP0)))
        firmware.mark("level 2: HALT_CLEARED")
        self.sdk.usb_stall(EP1, False, True)
        self.sdk.usb_flush_ep(EP1)

    def restart_application(self) -> Outcome:
        """Level 3: stop and start the application, and the stream if one was running."""
        streaming = self.streaming
        resume = streaming.streaming
        streaming.stop_application()
        streaming.start_application()
        if resume and self.clock.ready():
            return Outcome.DONE if streaming.start() == SdkStatus.SUCCESS else Outcome.FAILED
        return Outcome.DONE


class DeviceWatchdog:
    """The hardware watchdog, through the SDK."""

    def __init__(self, firmware: FirmwareState) -> None:
        self.sdk = firmware.sdk

    def arm(self, period_ms: int) -> None:
        """Start it."""
        self.sdk.sys_watch_dog_configure(True, period_ms)

    def clear(self) -> None:
        """Pet it."""
        self.sdk.sys_watch_dog_clear()

    def every(self, interval_ms: int, call: Callable[[], None]) -> None:
        """Run ``call`` in the timer thread again and again."""
        self.sdk.timer_create("health pet", call, interval_ms, interval_ms)


class DeviceSampler:
    """Reads counters and registers for the health module; takes no driver lock in good times."""

    def __init__(self, firmware: FirmwareState, streaming: Streaming, clock: ClockDriver) -> None:
        self.firmware = firmware
        self.streaming = streaming
        self.clock = clock
        self.sdk = firmware.sdk
        self.samples_ring = firmware.revision.samples_ring
        self.samples_clock = firmware.revision.samples_clock
        self.last_count = 0

    def sample(self, record: Callable[..., None]) -> None:
        """Record one look at the stream."""
        firmware = self.firmware
        count = firmware.dma_count
        _, state = self.sdk.gpif_get_sm_state()
        full = UNKNOWN_BUFFERS
        if self.samples_ring:
            status, words = self.sdk.read_device_registers(EP1_SOCKET_STATUS_REGISTER, 1)
            if status == SUCCESS:
                full = words[0]
        shown = GPIF_DISABLED if state is None else state
        record(SAMPLE_EVENT, count, shown, full)
        # The clock costs three I2C reads and their lock: looked at when the count stands still,
        # and never while a handler that may hang holds that lock.
        looks = self.samples_clock and not firmware.in_callback
        if count == self.last_count and looks and self.streaming.streaming:
            # The clock generator does not know that the converter behind it sleeps.
            runs = not firmware.front_end.adc_sleeps and self.clock.drives_adc()
            record(Event.CLOCK_STATE, int(runs))
        if firmware.active:
            firmware.narrator.look(count, shown)
        self.last_count = count
