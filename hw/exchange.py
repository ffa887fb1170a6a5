"""One transfer as a driver saw it: what observers of a device are told."""

from typing import Literal, NamedTuple

from hw.errors import DeviceError


class Exchange(NamedTuple):
    """A transfer that has ended.

    A tuple, because one is made for each read: a frozen dataclass takes three times as long.

    Attributes:
        kind: ``out`` and ``in`` are vendor requests; ``bulk`` is a read of the data endpoint.
        request: bRequest, the endpoint's address, or the configuration's value.
        value: wValue.
        index: wIndex.
        sent: data of an OUT request.
        asked_bytes: how much was asked for by an IN request or a read.
        reply: data of an IN request.
        received_bytes: how much came; samples are not kept.
        error: how it failed, or None.
        began_ns: when it began, on the runtime's clock.
        ended_ns: when it ended.
    """

    kind: Literal["out", "in", "bulk", "clear-halt", "port-reset", "set-configuration"]
    request: int
    value: int
    # wIndex; nobody looks for an item of this tuple by its method of the same name.
    index: int  # type: ignore[assignment]
    sent: bytes
    asked_bytes: int
    reply: bytes
    received_bytes: int
    error: DeviceError | None
    began_ns: int
    ended_ns: int
