"""What the firmware tells the health module: one number and up to three small integers."""

from __future__ import annotations

from enum import IntEnum


class Event(IntEnum):
    """Something that happened. The numbers are fixed: test vectors and C code use them.

    An event without a mentioned argument ignores its arguments.
    """

    EP0_ENTER = 1
    """The USB thread enters the setup callback."""
    EP0_EXIT = 2
    """The USB thread leaves the setup callback, on every path out of it."""
    EP0_ERROR = 3
    """A handler's EP0 data phase failed (CyU3PUsbGetEP0Data or SendEP0Data not successful)."""
    EP0_CANCELLED = 4
    """A new SETUP packet cut an EP0 data phase short (XFER_CANCELLED, 0x51)."""
    USB_EVENT_ENTER = 5
    """The USB thread enters the event callback (SET_CONFIGURATION, RESET, DISCONNECT ...)."""
    USB_EVENT_EXIT = 6
    """The USB thread leaves the event callback."""
    STREAM_START = 7
    """STARTFX3 succeeded: the stream is armed. Resets the use of the stream cap."""
    STREAM_STOP = 8
    """STOPFX3, or anything else that ends the stream on purpose. Resets the use of the stream cap.
    """
    STREAM_SAMPLE = 9
    """One look at the stream. first = DMA count, second = GPIF state (255 when the block is off or
    the state is unknown), third = full buffers (255 when unknown)."""
    STREAM_CAP = 10
    """SETARGFX3 id 14. first = level 1 cap, 0 = unlimited; at once, and over START and STOP."""
    CLOCK_STATE = 11
    """The sample clock. first = 1 when CLK0 is on and PLL A locked, 0 when not."""
    PIB_ERROR = 12
    """The PIB error callback ran. first = its code."""
    EP_UNDERRUN = 13
    """EP1 reported an underrun."""
    CONFIGURED = 14
    """The application was started; nothing streams yet and EP0 begins afresh."""
    DECONFIGURED = 15
    """The application was stopped, or the bus was reset; nothing streams any more."""
    HOST_READING = 16
    """Where it can be known: first = 1 while a host reads the stream, 0 while none does."""
