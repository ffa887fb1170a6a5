"""The whole module: an AT port and a REPL port, as one device that a port listing shows."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from sim.modem import identity
from sim.modem.at import AtPeer
from sim.modem.files import FileSystem, Folder
from sim.modem.options import ModemOptions
from sim.modem.python import Interpreter
from sim.modem.repl import ReplPeer
from sim.modem.wire import Wire


@dataclass(frozen=True)
class ListedPort:
    """A port as ``serial.tools.list_ports`` tells of one.

    Attributes:
        device: what a program opens.
        vid, pid: of the USB device.
        serial_number: of the USB device.
        location: bus and port path, configuration and interface.
        interface: its interface's name, where the device gives one.
        description: for people.
    """

    device: str
    vid: int | None
    pid: int | None
    serial_number: str | None
    location: str | None
    interface: str | None
    description: str


class SimulatedModem:
    """A module that is plugged in as long as the context lasts.

    Args:
        options: how it behaves.
        files: what its file system holds; as it comes from the bench when left out.

    Attributes:
        files: its file system.
        at, repl: its two ports.
    """

    def __init__(self, options: ModemOptions | None = None, *, files: Folder | None = None) -> None:
        self.options = options or ModemOptions()
        self.files = FileSystem(
            files,
            rename_replaces=self.options.rename_replaces,
            writes=self.options.writes,
        )
        self.at = self._wire("modem-at")
        self.repl = self._wire("modem-repl")
        at_peer = AtPeer(self.options, self.at.write, self.at.pause)
        self._repl_peer = ReplPeer(
            self.options, self.repl.write, self.repl.pause, self._interpreter(at_peer)
        )
        self.is_plugged_in = True
        self._unplugging = threading.Lock()
        self.at.start(at_peer)
        self.repl.start(self._repl_peer)

    @property
    def interrupts(self) -> int:
        """How often Ctrl-C came at the prompt or ended the application."""
        return self._repl_peer.interrupts

    def _wire(self, name: str) -> Wire:
        return Wire(
            name,
            piece_bytes=self.options.piece_bytes,
            unplug_after_bytes=self.options.unplug_after_bytes,
            on_unplug=self.unplug,
        )

    def _interpreter(self, at_peer: AtPeer) -> Callable[[Callable[[str], None]], Interpreter]:
        return lambda emit: Interpreter(
            self.options,
            self.files,
            at_peer,
            emit,
            self.repl.is_interrupted,
            self.repl.pause,
        )

    def unplug(self) -> None:
        """Pull the cable: both ports hang up. Any thread may, and the first one does."""
        with self._unplugging:
            was_plugged_in, self.is_plugged_in = self.is_plugged_in, False
        if was_plugged_in:
            self.at.close()
            self.repl.close()

    def ports(self) -> list[ListedPort]:
        """What a listing of the host's ports shows of it."""
        if not self.is_plugged_in:
            return []
        if self.options.mode == "download":
            return [
                ListedPort(
                    self.at.path,
                    identity.DOWNLOAD_VENDOR_ID,
                    identity.DOWNLOAD_PRODUCT_ID,
                    None,
                    "1-1:1.0",
                    None,
                    "ASR Serial Download Device",
                )
            ]
        return [
            self._listed(self.at.path, identity.AT_INTERFACE),
            self._listed(self.repl.path, identity.REPL_INTERFACE),
        ]

    @staticmethod
    def _listed(path: str, interface: int) -> ListedPort:
        return ListedPort(
            path,
            identity.VENDOR_ID,
            identity.PRODUCT_ID,
            identity.SERIAL_NUMBER,
            f"1-1:1.{interface}",
            None,
            f"{identity.MODEL} (simulated)",
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.unplug()
