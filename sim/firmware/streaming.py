"""Start and stop of the stream and of the application.

The calls that also a recovery makes (GpifDisable, MultiChannelReset, FlushEp) stand here only
because the protocol asks for them: START, STOP, STARTADC's implicit stop and SET_CONFIGURATION.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from health import Event
from hw.protocol import BUFFER_BYTES, SdkStatus
from sim.chip.gpif import GpifState
from sim.sdk.types import DMA_CB_PROD_EVENT, DmaMultiChannelConfig, DmaType, EndpointConfig

if TYPE_CHECKING:
    from sim.firmware.state import FirmwareState

CHANNEL = "glMultiChHandleSlFifoPtoU"
EP1 = 0x81
PRODUCERS = (0x0100, 0x0101)
CONSUMER = 0x0301
BUFFERS_PER_PRODUCER = 4
ENDLESS = 0


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
        firmware.reset_counters()
        sdk.pib_init()
        sdk.gpif_load(self.revision.table)
        sdk.gpif_sm_start(0, 0)
        sdk.pib_register_callback(firmware.on_pib_error)
        sdk.set_ep_config(EP1, EndpointConfig(enabled=True))
        sdk.dma_multi_channel_create(
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
        sdk.usb_flush_ep(EP1)
        sdk.dma_multi_channel_set_xfer(CHANNEL, ENDLESS, 0)
        firmware.active = True
        firmware.health.record_event(Event.CONFIGURED)

    def stop_application(self) -> None:
        """Bus reset, disconnect or a second SET_CONFIGURATION: take it all down again."""
        sdk = self.sdk
        self.streaming = False
        self.firmware.active = False
        self.firmware.health.record_event(Event.DECONFIGURED)
        sdk.gpif_disable(True)
        sdk.pib_deinit()
        sdk.dma_multi_channel_destroy(CHANNEL)
        sdk.usb_flush_ep(EP1)
        sdk.set_ep_config(EP1, EndpointConfig(enabled=False))

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
        status = sdk.dma_multi_channel_set_xfer(CHANNEL, ENDLESS, 0)
        if status == SdkStatus.SUCCESS and self.revision.stops_state_machine:
            status = sdk.gpif_load(self.revision.table)
            if status == SdkStatus.SUCCESS:
                status = sdk.gpif_sm_start(0, 0)
        if status == SdkStatus.SUCCESS:
            self.firmware.health.record_event(Event.STREAM_START)
            self.streaming = True
            sdk.gpif_control_sw_input(True)
        return status

    def stop(self) -> None:
        """STOPFX3 after its data stage: never fails."""
        sdk = self.sdk
        self.streaming = False
        sdk.gpif_control_sw_input(False)
        sdk.thread_sleep(self.revision.stop_ticks)
        if self.revision.stops_state_machine:
            self.disable_state_machine()
        sdk.dma_multi_channel_reset(CHANNEL)
        sdk.usb_flush_ep(EP1)
        self.firmware.dma_count = 0
        self.firmware.health.record_event(Event.STREAM_STOP)

    def stop_for_clock_change(self) -> None:
        """STARTADC: stop a state machine that runs, idle included, before its clock changes.

        The DMA count keeps its stale value (USBHandler.c).
        """
        sdk = self.sdk
        _, state = sdk.gpif_get_sm_state()
        if state is None or state == GpifState.RESET:
            return
        self.streaming = False
        sdk.gpif_control_sw_input(False)
        sdk.gpif_disable(True)
        sdk.dma_multi_channel_reset(CHANNEL)
        sdk.usb_flush_ep(EP1)
        self.firmware.health.record_event(Event.STREAM_STOP)

    def clear_halt(self) -> None:
        """CLEAR_FEATURE(ENDPOINT_HALT): unstall and flush EP1, nothing else (incident F10)."""
        self.sdk.usb_stall(EP1, False, True)
        self.sdk.usb_flush_ep(EP1)

    def disable_state_machine(self) -> bool:
        """Stop the state machine: softly when it reached IDLE and the release does that.

        Returns:
            True when it had to be forced, which also loses the table.
        """
        _, state = self.sdk.gpif_get_sm_state()
        forced = self.revision.stop_forces or state != GpifState.IDLE
        self.sdk.gpif_disable(forced)
        return forced
