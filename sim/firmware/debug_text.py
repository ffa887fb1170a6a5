"""What the firmware says on its debug console: names and lines, as pure functions.

Hexadecimal is upper case without padding, as the SDK's CyU3PDebugIntToStr makes it.
Source: DebugConsole.c, USBHandler.c (TraceSerial), Support.c (ErrorCodeText), RunApplication.c.
"""

from __future__ import annotations

import struct

from hw.protocol import Request, SdkStatus

EVENT_NAMES = (
    "CONNECT",
    "DISCONNECT",
    "SUSPEND",
    "RESUME",
    "RESET",
    "SET_CONFIGURATION",
    "SPEED",
    "SET_INTERFACE",
    "SET_EXIT_LATENCY",
    "SOF_ITP",
    "USER_EP0_XFER_COMPLETE",
    "VBUS_VALID",
    "VBUS_REMOVED",
    "HOSTMODE_CONNECT",
    "HOSTMODE_DISCONNECT",
    "OTG_CHANGE",
    "OTG_VBUS_CHG",
    "OTG_SRP",
    "EP_UNDERRUN",
    "LINK_RECOVERY",
    "USB3_LINKFAIL",
    "SS_COMP_ENTRY",
    "SS_COMP_EXIT",
)
"""USB events 0 to 22; the C table ends here too, and the model raises none beyond."""

FIRST_REQUEST = int(Request.STARTFX3)
REQUEST_NAMES = (
    "STARTFX3",
    "STOPFX3",
    "TESTFX3",
    "GPIOFX3",
    "I2CWFX3",
    "I2CRFX3",
    "0xB0",
    "RESETFX3",
    "STARTADC",
    "GETSTATS",
    "0xB4",
    "0xB5",
    "SETARGFX3",
    "0xB7",
    "0xB8",
    "0xB9",
)
"""Requests AA to B9 as the trace line calls them; all others are named by their code."""

ARGUMENT_NAMES = (
    *map(str, range(10)),
    "DAT31_ATT",
    "AD8370_VGA",
    "PRESELECTOR",
    "VHF_ATTENUATOR",
    "WDG_MAX_RECOV",
)
"""SETARGFX3 indices 0 to 14; a larger one is traced as a number."""

WITHOUT_ARGUMENTS = (Request.STARTFX3, Request.STOPFX3, Request.RESETFX3)

THREAD_RING = (
    "04_UIB_THREAD",
    "System Timer Thread",
    "01_DMA_THREAD",
    "02_SYSTEM_THREAD",
    "03_PIB_THREAD",
    "06_SIB_THREAD",
    "05_LPP_THREAD",
)
"""Threads after the main thread in ThreadX's ring of created ones; the USB driver starts later
than the main thread, the others before it (names: S131; the order is a judgement)."""

_STATUS_NAMES = {
    SdkStatus.BAD_EVENT_GRP: "BAD_EVENT_GROUP",
    SdkStatus.SEMGET_FAILED: "GET_SEMAPHORE_FAIL",
    SdkStatus.BAD_ARGUMENT: "Bad_ARGUMENT",
    SdkStatus.OPERN_DISABLED: "OPERATION_DISABLED",
}
"""Where the table of Support.c calls a code otherwise than cyu3error.h."""


def event_name(event: int) -> str:
    """The name of USB event ``event``."""
    return EVENT_NAMES[event]


def status_name(status: int) -> str:
    """The name of an SDK status code as the console prints it, without CY_U3P_ERROR_."""
    if status not in SdkStatus._value2member_map_:
        return "INVALID_ERROR_CODE"
    code = SdkStatus(status)
    return _STATUS_NAMES.get(code, code.name)


def request_trace(request: int, value: int, index: int, buffer: bytearray) -> tuple[str, ...]:
    """The print calls of the trace line of one vendor request: name, arguments, line end.

    Args:
        request: bRequest.
        value: wValue.
        index: wIndex.
        buffer: the shared EP0 buffer after the handler; what an earlier request left shows too.
    """
    place = request - FIRST_REQUEST
    name = REQUEST_NAMES[place] if 0 <= place < len(REQUEST_NAMES) else f"0x{request:X}"
    if request in WITHOUT_ARGUMENTS:
        return f"{name}\t", "\r\n\n"
    return f"{name}\t", _request_arguments(request, value, index, buffer), "\r\n\n"


def _request_arguments(request: int, value: int, index: int, buffer: bytearray) -> str:
    if request == Request.SETARGFX3:
        known = index < len(ARGUMENT_NAMES)
        return f"{ARGUMENT_NAMES[index] if known else index}\t{value}"
    if request == Request.GPIOFX3:
        (word,) = struct.unpack_from("<I", buffer)
        return f"\t0x{word:X}"
    if request == Request.STARTADC:
        (signed,) = struct.unpack_from("<i", buffer)
        return str(signed)
    return f"0x{buffer[0]:X}\t0x{buffer[1]:X}"
