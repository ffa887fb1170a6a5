"""The many-to-one streaming channel (S131 dma/cyu3multichannel.c; cyu3dma.h).

Every call takes the channel's mutex without a limit. Disabling a producer socket loops while the
hardware reports it enabled: the one unbounded loop on this path (dma/cyu3socket.c).
"""

from __future__ import annotations

from collections.abc import Hashable

from hw.protocol import SdkStatus
from sim.chip.gpif import GpifState
from sim.rtos import WAIT_FOREVER, Thread
from sim.rtos_objects import Mutex
from sim.sdk.base import DMA_THREAD_PRIORITY, SdkBase
from sim.sdk.types import DMA_CB_PROD_EVENT, DmaMultiChannelConfig, DmaState, DmaType

WAITING_STATES = frozenset(
    (GpifState.TH0_BUSY, GpifState.TH1_BUSY, GpifState.TH0_WAIT, GpifState.TH1_WAIT)
)


def _ignore(count: int) -> None:
    """The callback of a channel that asked for no notification."""


class ChannelMutex(Mutex):
    """The channel's mutex: callbacks that were due before somebody takes it were made before."""

    def __init__(self, sdk: DmaCalls) -> None:
        super().__init__(sdk.rtos, sdk.timers, "channel mutex")
        self.sdk = sdk

    def get(self, wait_ticks: int) -> int:
        """Take the mutex, see :meth:`Mutex.get`."""
        if self.owner is None:
            self.sdk.serve_dma_interrupts()
        status = super().get(wait_ticks)
        self._watch()
        return status

    def put(self) -> int:
        """Give the mutex back, see :meth:`Mutex.put`; the DMA thread has waited for it if due."""
        if self.count == 1 and self.owner is self.rtos.running:
            self.sdk.serve_dma_interrupts()
            self.rtos.yield_to_better()
        status = super().put()
        self._watch()
        return status

    def _watch(self) -> None:
        """Have the CPU look for due callbacks while the lock is held: then they wake the thread."""
        if not self.deleted and not self.rtos.dead:
            held = self.owner is not None or self.sdk.callbacks_need_thread
            self.rtos.interrupt_work = self.sdk.serve_dma_interrupts if held else None


class Channel:
    """A configured multi-channel."""

    def __init__(self, mutex: Mutex, config: DmaMultiChannelConfig) -> None:
        self.mutex = mutex
        self.config = config
        asked = config.notification & DMA_CB_PROD_EVENT
        self.callback = config.callback if asked else _ignore
        self.callback_uses_sdk = config.callback_uses_sdk
        self.state = DmaState.CONFIGURED
        self.produced_seen = 0
        """Buffers whose callback has been made or dropped."""


class DmaCalls(SdkBase):
    """Calls on DMA channels."""

    channel: Channel | None = None
    _channel_handle: Hashable = None
    _dma_thread: Thread | None = None
    _dma_idle = False
    callbacks_need_thread = False

    @property
    def channel_lock(self) -> Mutex | None:
        """The streaming channel's mutex, while the channel exists."""
        return None if self.channel is None else self.channel.mutex

    def dma_multi_channel_create(
        self, handle: Hashable, kind: DmaType, config: DmaMultiChannelConfig
    ) -> int:
        """CyU3PDmaMultiChannelCreate of the one many-to-one channel of this firmware."""
        if kind is not DmaType.AUTO_MANY_TO_ONE or config.count <= 0 or config.size_bytes % 16:
            return SdkStatus.BAD_ARGUMENT
        if self.channel is not None:
            return SdkStatus.BAD_ARGUMENT
        self.channel = Channel(ChannelMutex(self), config)
        self._channel_handle = handle
        if self._dma_thread is None:
            self._dma_thread = self.rtos.create_thread(
                "DMA thread", DMA_THREAD_PRIORITY, self._dma_run
            )
        self.callbacks_need_thread = config.callback_uses_sdk
        return SdkStatus.SUCCESS

    def dma_multi_channel_set_xfer(self, handle: Hashable, count: int, offset: int) -> int:
        """CyU3PDmaMultiChannelSetXfer: ALREADY_STARTED unless CONFIGURED; 0 is without end."""
        channel, status = self._enter(handle)
        if channel is None:
            return status
        if count != 0:
            raise ValueError("only endless transfers (count 0) are modelled")
        if channel.state is not DmaState.CONFIGURED:
            status = SdkStatus.ALREADY_STARTED
        elif not 0 <= offset < len(channel.config.producers):
            status = SdkStatus.BAD_ARGUMENT
        else:
            self._disable_sockets()
            channel.state = DmaState.ACTIVE
            channel.produced_seen = self.chip.stream.flow.produced(self.world.now_ns)
            self.chip.stream.arm()
        channel.mutex.put()
        return status

    def dma_multi_channel_reset(self, handle: Hashable) -> int:
        """CyU3PDmaMultiChannelReset: any configured state, to CONFIGURED; drops every buffer."""
        channel, status = self._enter(handle)
        if channel is None:
            return status
        self._disable_sockets()
        self._forget_buffers(channel)
        channel.state = DmaState.CONFIGURED
        channel.mutex.put()
        return status

    def dma_multi_channel_destroy(self, handle: Hashable) -> int:
        """CyU3PDmaMultiChannelDestroy: deletes the mutex while owned; its waiters fail."""
        channel, status = self._enter(handle)
        if channel is None:
            return status
        self._disable_sockets()
        self._forget_buffers(channel)
        channel.state = DmaState.NOT_CONFIGURED
        self.channel = None
        self.rtos.interrupt_work = None
        channel.mutex.delete()
        return status

    def _enter(self, handle: Hashable) -> tuple[Channel | None, int]:
        """Take the channel's mutex: (channel, SUCCESS), or (None, the status to answer)."""
        channel = self.channel
        if channel is None or handle != self._channel_handle:
            return None, SdkStatus.NOT_CONFIGURED
        status = self.lock(channel.mutex)
        return (channel if status == SdkStatus.SUCCESS else None), status

    def _disable_sockets(self) -> None:
        """CyU3PDmaSocketDisable of both producers: while (ENABLED), without a limit."""
        flow = self.chip.stream.flow
        waits = flow.running and flow.state(self.world.now_ns) in WAITING_STATES
        if waits and self.chip.options.socket_disable_hangs:
            self.rtos.spin()

    def _forget_buffers(self, channel: Channel) -> None:
        channel.produced_seen = self.chip.stream.flow.produced(self.world.now_ns)
        self.chip.stream.reset()

    # ------------------------------------------------------------ callbacks

    def serve_dma_interrupts(self) -> None:
        """Make the callbacks that are due.

        The hardware's count is computed, never an event. While the channel's lock is free, what
        the DMA thread would have done can wait until it makes a difference: firmware asks for it
        before it looks at what its callback counts, and whoever takes the lock asks before that.
        Then, and for callbacks that use the SDK themselves, the thread is woken.
        """
        channel = self.channel
        if channel is None or not self._dma_idle:
            return
        produced = self.chip.stream.flow.glance(self.world._now)[0]
        due = produced - channel.produced_seen
        if not due:
            return
        if channel.mutex.owner is None and not channel.callback_uses_sdk:
            channel.produced_seen = produced
            channel.callback(due)
            return
        thread = self._dma_thread
        if thread is not None:
            self._dma_idle = False
            self.rtos.wake(thread)

    def _dma_run(self) -> None:
        while True:
            self._dma_idle = True
            self.rtos.block(WAIT_FOREVER, None)
            self._serve_callbacks()

    def _serve_callbacks(self) -> None:
        channel = self.channel
        if channel is None:
            return
        must_wait = channel.mutex.owner is not None
        if self.lock(channel.mutex) != SdkStatus.SUCCESS:
            return
        produced = self.chip.stream.flow.produced(self.world.now_ns)
        due = produced - channel.produced_seen
        if must_wait:
            # It was kept waiting from the first buffer on, whenever somebody asked: it walks the
            # ring up to the buffer in use, so whole laps are never counted (S131
            # dma/cyu3dmaint.c).
            due %= channel.config.count * len(channel.config.producers)
        channel.produced_seen = produced
        if due > 0:
            channel.callback(due)
        channel.mutex.put()
