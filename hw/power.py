"""The power cycle of one port: what stands past all levels, and what no status bit can prove.

Hubs that claim to switch and leave the supply on are common, and their status bits lie with them.
So the proof is the device's own: it left the bus, and what came back has lost its state. An
application has to come back as the boot ROM. A boot ROM comes back as itself, so a mark is left in
its RAM before, which must be gone afterwards.

Source: judgement (the proof); uhubctl (the order of the requests and the times).
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import usb.util

from hw import protocol
from hw.bus import Bus, Selector, UsbDevice, place_name
from hw.errors import DeviceError, NoDeviceError
from hw.guard import Operation
from hw.guard.journal import Entry
from hw.hub import Socket, Switching, sockets_of
from hw.ports import SYSFS, Port, label

OFF_MS = 2_000
"""How long the port stays off (uhubctl's own default)."""
SUPER_SPEED_SETTLE_MS = 150
"""A USB 3 half needs so long to turn off (uhubctl)."""
BACK_TIMEOUT_MS = 10_000
"""Longest wait for the device; resets were seen to take 2 to 7 s."""
UNSEEN_TIMEOUT_MS = 3_000
"""A device that was never seen to leave has so long to come back as another one: kernels before
6.0 may notice only then (uhubctl's issues 113 and 458)."""
_POLL_INTERVAL_MS = 50
_BOTH = (protocol.APPLICATION_PRODUCT_ID, protocol.BOOT_PRODUCT_ID)
_MARK_ADDRESS = 0x4003_0000
"""In the middle of the system RAM, where the boot ROM keeps nothing (TRM, memory map)."""
_MARK = b"before the cycle"
_NS_PER_MS = 1_000_000


class PowerOutcome(StrEnum):
    """How a power cycle ended."""

    CYCLED = "cycled"
    """The device left, and has lost its state."""
    NOT_SWITCHABLE = "not switchable"
    """Nothing was switched: no hub there switches this port's power alone."""
    HUB_LIED = "hub lied"
    """Everything was acknowledged, and the device kept its state."""
    NOT_BACK = "device did not come back"
    """It left and is not there again."""


@dataclass(frozen=True, slots=True)
class PowerCycle:
    """What a power cycle did.

    Attributes:
        outcome: how it ended.
        port: which connector, such as ``2-1.4``.
        halves: the ports that were switched.
        way: ``kernel`` or ``hub``; empty when nothing was switched.
        left_after_ms: from the first request to the device's absence; None when none was seen.
        back_after_ms: from the power's return to the device's; None when it did not come back.
        detail: what it rests on, in one sentence.
    """

    outcome: PowerOutcome
    port: str
    halves: tuple[str, ...] = ()
    way: str = ""
    left_after_ms: int | None = None
    back_after_ms: int | None = None
    detail: str = ""


def power_cycle(
    bus: Bus,
    *,
    port: Port | None = None,
    off_ms: int = OFF_MS,
    repeats: int = 1,
    sysfs: Path | None = None,
) -> PowerCycle:
    """Turn a port's power off and on, and see whether the device lost its state by it.

    The power is on again whatever happens meanwhile. No handle of the device may be open: its
    connector is locked against other programs of ours as long as this takes.

    Args:
        bus: which device, and the guard in front of it.
        port: where it is; needed for a device that has left the bus, or whose serial number cannot
            be asked for any more.
        off_ms: how long the port stays off.
        repeats: how often it is told to be off; some drivers turn it on again.
        sysfs: instead of ``/sys/bus/usb/devices``, which is asked for a real bus alone.

    Raises:
        DeniedError: before anything is asked or switched, when the guard does not allow it.
        NoDeviceError: the device is not there, and no port is given.
        LockedError: another program of ours works on the device.
        JournalError: the beginning cannot be marked, so nothing was switched.
        DeviceError: the hub may not be opened, or refuses.
    """
    bus.permit(Operation.POWER_CYCLE)
    if sysfs is None and bus.target.kind == "usb":
        sysfs = SYSFS
    if port is None:
        port = _port_of(bus.find(_BOTH))
    sockets = sockets_of(bus, port, sysfs)
    refusal = _refusal(sockets)
    if refusal:
        return PowerCycle(PowerOutcome.NOT_SWITCHABLE, label(port), detail=refusal)
    bus.hold_port(port)
    try:
        with bus.gate.doing(Operation.POWER_CYCLE, port=label(port)) as entry:
            done = _Cycle(bus, port, sockets).run(off_ms, repeats)
            if isinstance(entry, Entry):
                entry.end(done.outcome)
            return done
    finally:
        bus.gate.release()


def _port_of(device: UsbDevice | None) -> Port:
    if device is None:
        raise NoDeviceError("power-cycle", "it is not on the bus; name the port that it was on")
    if not device.port_numbers:
        raise NoDeviceError("power-cycle", f"nobody tells the port of {place_name(device)}")
    return device.bus, tuple(device.port_numbers)


def _refusal(sockets: tuple[Socket, ...]) -> str:
    """Why these ports are not switched; empty when they can be."""
    if not sockets:
        return "the system shows no hub above this port"
    if len(sockets) == 1 and sockets[0].hub.is_super:
        return f"the USB 2 half of {sockets[0].label} was not found, and it would keep the power on"
    for socket in sockets:
        if socket.hub.switching is not Switching.PER_PORT:
            return f"the hub of {socket.label} switches the power of {socket.hub.switching}"
    return ""


class _Cycle:
    """One power cycle of a port that can be switched."""

    def __init__(self, bus: Bus, port: Port, sockets: tuple[Socket, ...]) -> None:
        self._bus = bus
        self._port = port
        self._sockets = sockets
        # The two halves are known by now, so that no other bus has a port of the same path.
        first, last = sockets[0].port, sockets[-1].port
        self._place = Selector(None, first[1], first[0], peer=last)
        before = self._look()
        self._before = before
        self._before_address = None if before is None else (before.bus, before.address)
        self._way = ""

    def run(self, off_ms: int, repeats: int) -> PowerCycle:
        is_marked = self._leave_mark()
        began_ns = self._bus.runtime.now_ns()
        try:
            for _ in range(repeats):
                self._off()
            left_after_ms = self._see_it_leave(began_ns, off_ms)
        finally:
            self._on()
        on_ns = self._bus.runtime.now_ns()
        after = self._see_it_return(left_after_ms is not None)
        back_after_ms = None if after is None else self._since_ms(on_ns)
        outcome, detail = self._judge(after, left_after_ms is not None, is_marked)
        halves = tuple(socket.label for socket in self._sockets)
        name = label(self._port)
        return PowerCycle(outcome, name, halves, self._way, left_after_ms, back_after_ms, detail)

    def _off(self) -> None:
        for socket in self._sockets:
            self._way = socket.switch(False)
            if socket.hub.is_super:
                self._bus.runtime.sleep_ms(SUPER_SPEED_SETTLE_MS)

    def _on(self) -> None:
        """Turn on every half, whatever the others answer."""
        failure: DeviceError | None = None
        for socket in self._sockets:
            try:
                socket.switch(True)
            except DeviceError as error:
                failure = error
        if failure is not None:
            raise failure

    def _see_it_leave(self, began_ns: int, off_ms: int) -> int | None:
        """Let the port be off for its time; return when the device was missed first."""
        off_ns = self._bus.runtime.now_ns()
        left_after_ms: int | None = None
        while True:
            if left_after_ms is None and self._look() is None:
                left_after_ms = self._since_ms(began_ns)
            left_ms = off_ms - self._since_ms(off_ns)
            if left_ms <= 0:
                return left_after_ms
            self._bus.runtime.sleep_ms(min(_POLL_INTERVAL_MS, left_ms))

    def _see_it_return(self, has_left: bool) -> UsbDevice | None:
        """Wait for the device; for one that never left, whether it becomes another one."""
        limit_ms = BACK_TIMEOUT_MS if has_left else UNSEEN_TIMEOUT_MS
        began_ns = self._bus.runtime.now_ns()
        while True:
            found = self._look()
            if found is not None and (has_left or self._is_new(found)):
                return found
            if self._since_ms(began_ns) >= limit_ms:
                return found
            self._bus.runtime.sleep_ms(_POLL_INTERVAL_MS)

    def _judge(
        self, after: UsbDevice | None, has_left: bool, is_marked: bool
    ) -> tuple[PowerOutcome, str]:
        if after is None:
            return PowerOutcome.NOT_BACK, "the port is on again and nothing is there"
        if not has_left and not self._is_new(after):
            return PowerOutcome.HUB_LIED, "the device never left the bus"
        if after.idProduct != protocol.BOOT_PRODUCT_ID:
            return PowerOutcome.HUB_LIED, "the device left and came back with its firmware"
        found = self._access(after, protocol.VENDOR_IN, len(_MARK)) if is_marked else b""
        if found is None:
            return PowerOutcome.NOT_BACK, "its boot ROM is there and does not answer"
        if found == _MARK:
            return PowerOutcome.HUB_LIED, "the device left and came back with its RAM"
        return PowerOutcome.CYCLED, "the device left and came back in its boot ROM, empty"

    def _look(self) -> UsbDevice | None:
        return self._bus.find(_BOTH, self._place)

    def _is_new(self, device: UsbDevice) -> bool:
        return (device.bus, device.address) != self._before_address

    def _since_ms(self, then_ns: int) -> int:
        return (self._bus.runtime.now_ns() - then_ns) // _NS_PER_MS

    def _leave_mark(self) -> bool:
        """Write to the RAM of a boot ROM; one that does not take it is proven by answering."""
        device = self._before
        if device is None or device.idProduct != protocol.BOOT_PRODUCT_ID:
            return False
        return self._access(device, protocol.VENDOR_OUT, _MARK) == len(_MARK)

    def _access(self, device: UsbDevice, kind: int, data: bytes | int) -> bytes | int | None:
        try:
            with suppress(OSError):
                answer = device.ctrl_transfer(
                    kind,
                    protocol.Request.RAM_ACCESS,
                    _MARK_ADDRESS & 0xFFFF,
                    _MARK_ADDRESS >> 16,
                    data,
                    protocol.CONTROL_TIMEOUT_MS,
                )
                return answer if isinstance(answer, int) else bytes(answer)
            return None
        finally:
            usb.util.dispose_resources(device)
