"""A pseudo-terminal with a peer on its far end: any serial program can open the near one.

This is the one part of the simulator that runs in wall time: whoever is on the other end does too.
"""

from __future__ import annotations

import os
import select
import threading
import tty
from collections.abc import Callable
from typing import Protocol

READ_BYTES = 4_096


class Peer(Protocol):
    """What stands behind the far end."""

    def feed(self, data: bytes) -> None:
        """Take what the host sent."""
        ...


class Unplugged(Exception):
    """The module left."""


class Wire:
    """One port of the module.

    Args:
        name: of its thread.
        piece_bytes: what is sent goes in pieces of so many bytes; 0 for whole.
        unplug_after_bytes: called off when so many bytes came; 0 for never.
        on_unplug: called when that happens.

    Attributes:
        path: what a serial program opens.
        received: all that the host sent.
    """

    def __init__(
        self,
        name: str,
        *,
        piece_bytes: int = 0,
        unplug_after_bytes: int = 0,
        on_unplug: Callable[[], None] = lambda: None,
    ) -> None:
        self._near, self._far = -1, -1
        self._far, self._near = os.openpty()
        tty.setraw(self._near)
        os.set_blocking(self._far, False)
        self.path = os.ttyname(self._near)
        self.received = bytearray()
        self._wake_read, self._wake_write = os.pipe()
        self._piece_bytes = piece_bytes
        self._unplug_after_bytes = unplug_after_bytes
        self._on_unplug = on_unplug
        self._pending = bytearray()
        self._is_leaving = threading.Event()
        self._closing = threading.Lock()
        self._is_closed = False
        self._peer: Peer | None = None
        self._thread = threading.Thread(target=self._serve, name=name, daemon=True)

    def start(self, peer: Peer) -> None:
        """Begin to answer."""
        self._peer = peer
        self._thread.start()

    def close(self) -> None:
        """Leave, as a module whose cable is pulled: the near end hangs up. Any thread may call."""
        with self._closing:
            self._is_leaving.set()
            if not self._is_closed:
                os.write(self._wake_write, b"x")
        if self._thread.is_alive() and threading.current_thread() is not self._thread:
            self._thread.join()

    def write(self, data: bytes) -> None:
        """Send bytes to the host.

        Raises:
            Unplugged: the module left meanwhile.
        """
        size = self._piece_bytes or len(data) or 1
        for start in range(0, len(data), size):
            if self._piece_bytes:
                self.pause(1)
            self._write_all(data[start : start + size])

    def _write_all(self, data: bytes) -> None:
        while data:
            self._check()
            _, writable, _ = select.select([self._wake_read], [self._far], [])
            if writable:
                data = data[os.write(self._far, data) :]

    def pause(self, duration_ms: int) -> None:
        """Let time pass.

        Raises:
            Unplugged: the module left meanwhile.
        """
        if duration_ms:
            self._is_leaving.wait(duration_ms / 1000)
        self._check()

    def is_interrupted(self) -> bool:
        """Whether Ctrl-C came; what was typed before it is dropped.

        Raises:
            Unplugged: the module left meanwhile.
        """
        self._check()
        self._collect(0)
        _, control_c, after = bytes(self._pending).partition(b"\x03")
        if control_c:
            self._pending = bytearray(after)
        return bool(control_c)

    def _check(self) -> None:
        if self._is_leaving.is_set():
            raise Unplugged

    def _collect(self, limit_s: float | None) -> None:
        readable, _, _ = select.select([self._far, self._wake_read], [], [], limit_s)
        if self._far not in readable:
            return
        data = os.read(self._far, READ_BYTES)
        self.received += data
        if 0 < self._unplug_after_bytes <= len(self.received):
            self._on_unplug()
            raise Unplugged
        self._pending += data

    def _serve(self) -> None:
        assert self._peer is not None
        try:
            while True:
                self._check()
                if not self._pending:
                    self._collect(None)
                data, self._pending = bytes(self._pending), bytearray()
                self._peer.feed(data)
        except Unplugged:
            pass
        finally:
            with self._closing:
                self._is_closed = True
                for number in (self._near, self._far, self._wake_read, self._wake_write):
                    os.close(number)
