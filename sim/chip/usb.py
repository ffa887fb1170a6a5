"""The device side of a control transfer: what the FX3's EP0 hardware keeps.

Source: S131 usb/cyu3usbpp.c, cyu3usb.h: the ISR stores a SETUP and the newest one wins; one handler
at a time runs in the USB thread; for OUT requests data and status stage are released together, so
the host's call returns before the handler acts and a stall issued later comes too late.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum

from simpy.events import Event

from hw.protocol import DIRECTION_IN
from sim.kernel import HARDWARE, World


class UsbSpeed(IntEnum):
    """Speed of the link, as the SDK numbers it (CyU3PUSBSpeed_t, cyu3usb.h)."""

    NOT_CONNECTED = 0
    FULL = 1
    HIGH = 2
    SUPER = 3


class BusSignal(IntEnum):
    """What the host's port tells a device without a packet."""

    CONNECT = 0
    """The link is up (SuperSpeed), or the port has seen the pull-up."""
    DISCONNECT = 1
    RESET = 2
    SUSPEND = 3
    RESUME = 4


class TransferStatus(IntEnum):
    """How a transfer ended on the host's side."""

    PENDING = 0
    DONE = 1
    STALLED = 2
    NO_DEVICE = 3
    CANCELLED = 4
    FAILED = 5


PENDING = TransferStatus.PENDING
DONE = TransferStatus.DONE


@dataclass(slots=True)
class Setup:
    """The eight bytes of a SETUP packet."""

    request_type: int
    request: int
    value: int
    index: int
    length: int


class ControlTransfer:
    """One control request, from the host's submission to its end.

    Attributes:
        setup: the SETUP packet.
        data: payload of an OUT request.
        withholds_data: the host sends SETUP and then no data (it vanished in the data phase).
        status: how it ended, or PENDING.
        reply: data of an IN request, once DONE.
        ended: event that triggers when it has ended.
    """

    __slots__ = ("data", "ended", "reply", "setup", "status", "withholds_data", "world")

    def __init__(
        self, world: World, setup: Setup, data: bytes = b"", withholds_data: bool = False
    ) -> None:
        self.world = world
        self.setup = setup
        self.data = data
        self.withholds_data = withholds_data
        self.status = PENDING
        self.reply = b""
        self.ended = Event(world)

    @property
    def is_in(self) -> bool:
        """True when the data stage goes to the host."""
        return bool(self.setup.request_type & DIRECTION_IN)

    def end(self, status: TransferStatus, reply: bytes = b"", after_ns: int = 0) -> None:
        """End the transfer; the host learns of it ``after_ns`` later. The first end counts."""
        if self.status is not PENDING:
            return
        self.status = status
        self.reply = reply
        if after_ns:
            self.world.alarm(self.world._now + after_ns, self._tell, HARDWARE)
        else:
            self.ended.succeed()

    def _tell(self) -> None:
        self.world.fire(self.ended)


class Ep0:
    """EP0 as the hardware has it: the newest SETUP, and the one being handled.

    Attributes:
        interrupt: called at each SETUP; the USB driver's ISR.
        arrived: called at each SETUP for a driver that waits in a data stage.
        desynchronised: stale data is queued (incident F26): replies are the previous ones, data
            stages of OUT requests are cancelled, until EP0 is stalled or the bus or chip is reset.
        cancelled: the bus was reset while the current request was handled.
    """

    def __init__(self) -> None:
        self.pending: ControlTransfer | None = None
        self.current: ControlTransfer | None = None
        self.interrupt: Callable[[], None] | None = None
        self.arrived: Callable[[], None] | None = None
        self.desynchronised = False
        self.last_reply = b""
        self.cancelled = False

    def setup(self, transfer: ControlTransfer) -> None:
        """A SETUP packet arrives; one that was not taken yet is lost."""
        self.pending = transfer
        if self.interrupt is not None:
            self.interrupt()
        if self.arrived is not None:
            self.arrived()

    def take(self) -> ControlTransfer | None:
        """The driver takes the newest SETUP to handle it."""
        self.current, self.pending = self.pending, None
        self.cancelled = False
        return self.current

    def bus_reset(self) -> None:
        """The bus is reset: a SETUP that nobody took is gone, and a wait for data ends.

        The driver flushes and unstalls every endpoint (S131 usb/cyu3usbpp.c).
        """
        self.pending = None
        self.desynchronised = False
        self.cancelled = self.current is not None
        if self.arrived is not None:
            self.arrived()

    @property
    def superseded(self) -> bool:
        """True when a newer SETUP waits while one is handled, or the bus was reset meanwhile."""
        return self.pending is not None or self.cancelled
