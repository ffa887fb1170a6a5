"""What a service tells systemd: that it is ready, that it lives, that it stops.

Source: sd_notify(3): datagrams of ``NAME=value`` lines to the socket in ``NOTIFY_SOCKET``, whose
``@`` stands for the abstract name space; sd_watchdog_enabled(3): ``WATCHDOG_USEC`` and
``WATCHDOG_PID``.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping

_US_PER_NS = 1_000


class Notifier:
    """Tells the service manager, where there is one.

    Args:
        environment: of the process.
        now_ns: a clock that never goes back.
        process_id: of this process.
    """

    def __init__(
        self,
        environment: Mapping[str, str],
        now_ns: Callable[[], int],
        process_id: int | None = None,
    ) -> None:
        self._now_ns = now_ns
        name = environment.get("NOTIFY_SOCKET", "")
        self._address = f"\0{name[1:]}" if name.startswith("@") else name
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) if name else None
        own = str(os.getpid() if process_id is None else process_id)
        is_meant = environment.get("WATCHDOG_PID", own) == own
        limit_us = environment.get("WATCHDOG_USEC", "") if is_meant else ""
        # Half the limit, as sd_watchdog_enabled(3) recommends.
        self._interval_ns = int(limit_us) * _US_PER_NS // 2 if limit_us.isdecimal() else 0
        self._fed_ns: int | None = None

    def ready(self) -> None:
        """Start-up is complete."""
        self._send("READY=1")

    def stopping(self) -> None:
        """The service has begun to stop."""
        self._send("STOPPING=1")

    def status(self, text: str) -> None:
        """Say in one line what the service is doing."""
        self._send(f"STATUS={' '.join(text.split())}")

    def progress(self) -> None:
        """Feed the service manager's watchdog, if it has one: something has moved on.

        Cheap enough to be called for each piece of an upload.
        """
        if not self._interval_ns:
            return
        now_ns = self._now_ns()
        if self._fed_ns is None or now_ns - self._fed_ns >= self._interval_ns:
            self._fed_ns = now_ns
            self._send("WATCHDOG=1")

    def close(self) -> None:
        """Give the socket back; closing twice is harmless."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _send(self, text: str) -> None:
        if self._socket is None:
            return
        try:
            self._socket.sendto(text.encode(), self._address)
        except OSError:
            # A service manager that does not listen must not end the service.
            return
