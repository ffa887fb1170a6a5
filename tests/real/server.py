"""A world behind a fake usbfs: the process that the programs' ioctls reach.

It runs under ``umockdev-wrapper`` and Debian's Python, which has GObject. Each line on its standard
input is a Python expression over ``world``, answered by a line of JSON, one in brackets as soon as
it is true; the first line that it writes is the folder that programs need as ``UMOCKDEV_DIR``.
"""

from __future__ import annotations

import json
import queue
import sys
import threading
from pathlib import Path
from typing import Any

import gi

gi.require_version("UMockdev", "1.0")
from gi.repository import UMockdev  # noqa: E402 - after the version is chosen

from sim.errors import TaskFailed  # noqa: E402
from sim.faults import Fault  # noqa: E402
from sim.host.device import UsbDevice  # noqa: E402
from sim.host.pacing import Pace  # noqa: E402
from sim.options import Options  # noqa: E402
from sim.world import BenchWorld  # noqa: E402
from tests.real.sysfs import (  # noqa: E402
    ROOT_HUBS,
    interface_path_of,
    interface_record,
    node_of,
    path_of,
    record,
)
from tests.real.usbfs import REAP_URB, REAP_URB_NO_DELAY, OpenFile, Refused  # noqa: E402

TICK_S = 0.005
"""How often the world catches up with the wall clock where nothing is asked of it."""
USBFS_DRIVER = "../../../../../../bus/usb/drivers/usbfs"
"""What the kernel binds a claimed interface to."""
WHEN = "("
ENUMERATION_LIMIT_NS = 10_000_000_000
CONNECTED, IOCTL, LINE, END = range(4)


class Node(UMockdev.IoctlBase):  # type: ignore[misc]
    """A device node. Its calls come on a thread of umockdev's and are put in the server's queue."""

    def __init__(self, device: UsbDevice, calls: queue.SimpleQueue[tuple[int, Any, Any]]) -> None:
        super().__init__()
        self.device = device
        self.calls = calls

    def do_client_connected(self, client: Any) -> None:
        """A program opened the node."""
        self.calls.put((CONNECTED, client, self.device))

    def do_handle_ioctl(self, client: Any) -> bool:
        """A program waits in an ioctl until its client is completed."""
        self.calls.put((IOCTL, client, None))
        return True


class Server:
    """Serves one world until its standard input ends.

    Args:
        world: booted.
    """

    def __init__(self, world: BenchWorld) -> None:
        self.world = world
        self.pace = Pace(world, 1.0)
        self.calls: queue.SimpleQueue[tuple[int, Any, Any]] = queue.SimpleQueue()
        self.testbed = UMockdev.Testbed.new()
        self.nodes: list[Node] = []
        self.files: dict[Any, OpenFile] = {}
        self.waiting: list[Any] = []
        """Programs in a reap that blocks."""
        self.awaited = ""
        self.shown: UsbDevice | None = None
        self.configuration = 0
        self.is_claimed = False
        self.testbed.add_from_string(ROOT_HUBS)
        self.show()

    def serve(self) -> None:
        """Answer until the end."""
        threading.Thread(target=self._read_lines, daemon=True).start()
        self._say(self.testbed.get_root_dir())
        while True:
            try:
                kind, subject, more = self.calls.get(timeout=TICK_S)
            except queue.Empty:
                self.advance()
                self.close_the_abandoned()
                continue
            if kind == END:
                return
            self.advance()
            if kind == IOCTL:
                self.answer(subject)
            elif kind == CONNECTED:
                self.close_the_abandoned()
                self.files[subject] = OpenFile(self.world, more)
            else:
                self.awaited = subject
                self.answer_when_true()

    def answer_when_true(self) -> None:
        """Answer the line that waits for it, as soon as its expression is true."""
        if not self.awaited:
            return
        value = eval(self.awaited, {"server": self, "world": self.world})
        if value or not self.awaited.startswith(WHEN):
            self.awaited = ""
            self._say(value)

    def _read_lines(self) -> None:
        for line in sys.stdin:
            self.calls.put((LINE, line, None))
        self.calls.put((END, None, None))

    def _say(self, value: object) -> None:
        print(json.dumps(value, default=str), flush=True)

    def advance(self) -> None:
        """Let the world catch up; show what came or went, and wake who waits for it."""
        self.pace.catch_up()
        self.show()
        self.answer_when_true()
        waiting, self.waiting = self.waiting, []
        for client in waiting:
            if client in self.files:
                self.answer(client)

    def close_the_abandoned(self) -> None:
        """Close what programs have closed; umockdev tells of no client that vanished."""
        for client in [client for client in self.files if not client.get_connected()]:
            self.files.pop(client).close()
            self.show()

    def show(self) -> None:
        """Bring sysfs and the device nodes in line with the world's bus."""
        device = self.world.host.device
        if device is not self.shown:
            if self.shown is not None:
                if self.configuration:
                    self.testbed.remove_device(interface_path_of(self.shown))
                self.testbed.uevent(path_of(self.shown), "remove")
                self.testbed.remove_device(path_of(self.shown))
            self.configuration, self.is_claimed = 0, False
            if device is not None:
                self.nodes.append(Node(device, self.calls))
                self.testbed.attach_ioctl(node_of(device), self.nodes[-1])
                self.testbed.add_from_string(record(device))
                self.testbed.uevent(path_of(device), "add")
            self.shown = device
        if device is not None:
            self.show_interface(device)

    def show_interface(self, device: UsbDevice) -> None:
        """Bring its configuration, interface and claim in sysfs in line with the world's."""
        path = interface_path_of(device)
        if device.configuration != self.configuration:
            self.configuration = device.configuration
            value = str(self.configuration or "")
            self.testbed.set_attribute(path_of(device), "bConfigurationValue", value)
            if self.configuration:
                self.testbed.add_from_string(interface_record(device))
            else:
                self.testbed.remove_device(path)
        if bool(device.claims) != self.is_claimed:
            self.is_claimed = bool(device.claims)
            if self.is_claimed:
                self.testbed.set_attribute_link(path, "driver", USBFS_DRIVER)
            else:
                Path(self.testbed.get_root_dir() + path, "driver").unlink()

    def answer(self, client: Any) -> None:
        """Do one ioctl; one of the kernel's own requests goes on beside the others."""
        file = self.files[client]
        request = client.get_request()
        if request == REAP_URB:
            if not file.ended and file.device.present:
                self.waiting.append(client)
                return
            request = REAP_URB_NO_DELAY
        if request in file.may_wait:
            self.world.spawn("ioctl", lambda: self.complete(client, file, request))
        else:
            self.complete(client, file, request)

    def complete(self, client: Any, file: OpenFile, request: int) -> None:
        """Do one ioctl to its end."""
        try:
            result = file.call(request, client.get_arg())
        except Refused as refused:
            client.complete(-1, refused.args[0])
        else:
            # What the call changed is to be seen when it returns.
            self.show()
            client.complete(result, 0)


def main() -> None:
    """Boot the world that the arguments name: firmware, policy, options and faults as JSON."""
    wanted = json.loads(sys.argv[1])
    faults = [Fault.parse(text) for text in wanted["faults"]]
    options = Options(**wanted["options"])
    with BenchWorld(wanted["firmware"], wanted["policy"], options=options, faults=faults) as world:
        if wanted["is_booted"]:
            world.boot()
        else:
            world.power_on()
            world.wait(world.host.appeared, ENUMERATION_LIMIT_NS)
        try:
            Server(world).serve()
        except TaskFailed as failure:
            raise SystemExit(f"{failure}: {failure.__cause__!r}") from failure


if __name__ == "__main__":
    main()
