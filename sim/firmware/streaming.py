"""Start and stop of the stream and of the application.

The calls that also a recovery makes (GpifDisable, MultiChannelReset, FlushEp) stand here only
because the protocol asks for them: START, STOP, STARTADC's implicit stop and SET_CONFIGURATION.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from health import Event
from hw.protocol import BUFFER_BYTES, GPIF_DISABLED, SdkStatus
from sim.chip.gpif import GpifState
from sim.firmware.support import check
from sim.sdk.types import DMA_CB_PROD_EVENT, DmaMultiChannelConfig, DmaType, EndpointConfig

if TYPE_CHECKING:
    from sim.firmware.state import FirmwareState

CHANNEL = "glMultiChHandleSlFifoPtoU"
EP1 = 0x81
PRODUCERS = (0x0100, 0x0101)
CONSUMER = 0x0301
BUFFERS_PER_PRODUCER = 4
ENDLESS = 0
MICROSECOND_NS = 1_000


class Streaming:
    """The streaming path of one boot of the firmware."""

    def __init__(self, firmware: FirmwareState) -> None:
        self.firmware = firmware
        self.sdk = firmware.sdk
        self.revision = firmware.revision
        self.streaming = False
        """Between a START that succeeded and the STOP after it."""

    # ------------------------------------------------------- SET_CONFIGURATION

    def start_application(self) -> None:
        """SET_CONFIGURATION: set the block, the endpoint and the channel up, trigger low."""
        sdk = self.sdk
        firmware = self.firmware
        check(firmware, "Start GPIF Clock", sdk.pib_init())
        firmware.reset_counters()
        status = sdk.set_ep_config(EP1, EndpointConfig(enabled=True))
        check(firmware, "CyU3PSetEpConfig Consumer", status)
        sdk.usb_flush_ep(EP1)
        status = sdk.dma_multi_channel_create(
            CHANNEL,
            DmaType.AUTO_MANY_TO_ONE,
            DmaMultiChannelConfig(
                size_bytes=BUFFER_BYTES,
                count=BUFFERS_PER_PRODUCER,
                producers=PRODUCERS,
                consumer=CONSUMER,
                notification=DMA_CB_PROD_EVENT,
                callback=firmware.on_dma_buffers,
            ),
        )
        check(firmware, "CyU3PDmaMultiChannelCreate", status)
        status = sdk.dma_multi_channel_set_xfer(CHANNEL, ENDLESS, 0)
        check(firmware, "CyU3PDmaMultiChannelSetXfer", status)
        sdk.pib_register_callback(firmware.on_pib_error)
        check(firmware, "GpifStart", self.start_state_machine())
        firmware.active = True
        firmware.health.record_event(Event.CONFIGURED)

    def stop_application(self) -> None:
        """Bus reset, disconnect or a second SET_CONFIGURATION: take it all down again."""
        sdk = self.sdk
        firmware = self.firmware
        self.streaming = False
        firmware.health.record_event(Event.DECONFIGURED)
        sdk.gpif_disable(True)
        check(firmware, "Stop GPIF Block", sdk.pib_deinit())
        check(firmware, "DmaMultiChannelDestroy", sdk.dma_multi_channel_destroy(CHANNEL))
        check(firmware, "FlushEndpoint", sdk.usb_flush_ep(EP1))
        status = sdk.set_ep_config(EP1, EndpointConfig(enabled=False))
        check(firmware, "SetEndpointConfig_Disable", status)
        firmware.active = False

    def start_state_machine(self) -> int:
        """StartGPIF: load the table and start; a table that cannot be loaded resets the device.

        Returns:
            The status of SMStart.
        """
        firmware = self.firmware
        firmware.pib_notified = False
        if firmware.console.on:
            firmware.console.write("\r\nGPIF file HF103.h")
        check(firmware, "GpifLoad", self.sdk.gpif_load(self.revision.table))
        return self.sdk.gpif_sm_start(0, 0)

    # ------------------------------------------------------- STARTFX3, STOPFX3, STARTADC

    def start(self) -> int:
        """STARTFX3 after its data stage; works on a running stream too.

        Returns:
            SUCCESS, or the status of the call that failed.
        """
        sdk = self.sdk
        sdk.gpif_control_sw_input(False)
        if self.revision.stops_state_machine:
            sdk.gpif_disable(True)
        sdk.dma_multi_channel_reset(CHANNEL)
        if self.revision.stops_state_machine:
            sdk.usb_flush_ep(EP1)
        self.firmware.dma_count = 0
        self.firmware.narrator.used = 0
        status = sdk.dma_multi_channel_set_xfer(CHANNEL, ENDLESS, 0)
        if status == SdkStatus.SUCCESS and self.revision.stops_state_machine:
            status = self.start_state_machine()
        if status == SdkStatus.SUCCESS:
            self.firmware.health.record_event(Event.STREAM_START)
            self.streaming = True
            sdk.gpif_control_sw_input(True)
        if self.revision.stops_state_machine and self.firmware.console.on:
            self._tell_start(status)
        return status

    def _tell_start(self, status: int) -> None:
        """The state is read some calls later, long enough to be reading (seen on hardware: 2)."""
        self.sdk.rtos.work(MICROSECOND_NS)
        console = self.firmware.console
        if status != SdkStatus.SUCCESS:
            console.write(f"\r\nSTARTFX3 fail: {int(status)}")
        console.write(f"\r\nGO s={self._state()} r={int(status)}")

    def stop(self) -> None:
        """STOPFX3 after its data stage: never fails."""
        sdk = self.sdk
        self.streaming = False
        sdk.gpif_control_sw_input(False)
        sdk.thread_sleep(self.revision.stop_ticks)
        if self.revision.stops_state_machine:
            self.disable_state_machine("STP")
        sdk.dma_multi_channel_reset(CHANNEL)
        sdk.usb_flush_ep(EP1)
        firmware = self.firmware
        firmware.dma_count = 0
        firmware.health.record_event(Event.STREAM_STOP)
        if self.revision.stops_state_machine and firmware.console.on:
            firmware.console.write(f"\r\nSTP s={self._state()}")

    def stop_for_clock_change(self) -> None:
        """STARTADC: stop a state machine that runs, idle included, before its clock changes.

        The DMA count keeps its stale value (USBHandler.c).
        """
        sdk = self.sdk
        _, state = sdk.gpif_get_sm_state()
        if state is None or state == GpifState.RESET:
            return
        if self.firmware.console.on:
            self.firmware.console.write(f"\r\nSTARTADC: implicit GPIF stop (SM={state})")
        self.streaming = False
        sdk.gpif_control_sw_input(False)
        sdk.gpif_disable(True)
        sdk.dma_multi_channel_reset(CHANNEL)
        sdk.usb_flush_ep(EP1)
        self.firmware.health.record_event(Event.STREAM_STOP)

    def clear_halt(self) -> None:
        """CLEAR_FEATURE(ENDPOINT_HALT): unstall and flush EP1, or what was tried instead.

        As shipped it does nothing else (incident F10). The option `clear_halt_handler` has the
        variants; CyU3PUsbResetEp of the teardown adds nothing to what the stall call does.
        """
        sdk = self.sdk
        handler = sdk.chip.options.clear_halt_handler
        if handler == "ack":
            return
        if handler == "deferred":
            self.firmware.halt_cleared = True
            return
        if handler == "teardown":
            sdk.dma_multi_channel_reset(CHANNEL)
            sdk.usb_flush_ep(EP1)
            sdk.dma_multi_channel_set_xfer(CHANNEL, ENDLESS, 0)
        sdk.usb_stall(EP1, False, True)
        if handler == "flush":
            sdk.usb_flush_ep(EP1)

    def disable_state_machine(self, speaker: str) -> bool:
        """Stop the state machine: softly when it reached IDLE and the release does that.

        Args:
            speaker: who says on the console that it had to be forced, ``STP`` or ``WDG:``.

        Returns:
            True when it had to be forced, which also loses the table.
        """
        _, state = self.sdk.gpif_get_sm_state()
        missed = state != GpifState.IDLE and not self.revision.stop_forces
        console = self.firmware.console
        if missed and console.on:
            shown = GPIF_DISABLED if state is None else state
            console.write(f"\r\n{speaker} soft-stop fail SM={shown}, forcing")
        forced = missed or self.revision.stop_forces
        self.sdk.gpif_disable(forced)
        return forced

    def _state(self) -> int:
        """The GPIF state as GETSTATS and the console show it: 255 while the block is disabled."""
        _, state = self.sdk.gpif_get_sm_state()
        return GPIF_DISABLED if state is None else state
