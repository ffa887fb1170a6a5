"""What systemd is told, over a real datagram socket."""

import socket

import pytest

from hw.supervisor import Notifier

SECOND_NS = 1_000_000_000


class Manager:
    """A service manager that listens."""

    def __init__(self, address):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address)
        self.socket.settimeout(0)
        self.time_ns = 0

    def notifier(self, **environment):
        return Notifier(environment, lambda: self.time_ns, process_id=42)

    def heard(self):
        found = []
        while True:
            try:
                found.append(self.socket.recv(4_096).decode())
            except BlockingIOError:
                return found


@pytest.fixture
def name(tmp_path):
    return str(tmp_path / "notify")


@pytest.fixture
def manager(name):
    made = Manager(name)
    yield made
    made.socket.close()


def test_ready_status_and_stopping(manager, name):
    notifier = manager.notifier(NOTIFY_SOCKET=name)
    notifier.ready()
    notifier.status("EP0_WEDGED,\nobserving")
    notifier.stopping()
    notifier.close()
    notifier.close()
    assert manager.heard() == ["READY=1", "STATUS=EP0_WEDGED, observing", "STOPPING=1"]


def test_an_abstract_socket(tmp_path):
    """sd_notify(3): a leading @ stands for a NUL byte."""
    text = f"fx3loop-{tmp_path.name}"
    manager = Manager(f"\0{text}")
    notifier = manager.notifier(NOTIFY_SOCKET=f"@{text}")
    notifier.ready()
    notifier.close()
    assert manager.heard() == ["READY=1"]
    manager.socket.close()


def test_the_watchdog_is_fed_at_half_its_limit(manager, name):
    """sd_watchdog_enabled(3); however often there is progress, no more than that is sent."""
    notifier = manager.notifier(NOTIFY_SOCKET=name, WATCHDOG_USEC="10000000")
    fed_s = []
    for tenth in range(200):
        manager.time_ns = tenth * SECOND_NS // 10
        notifier.progress()
        fed_s += [tenth / 10 for text in manager.heard() if text == "WATCHDOG=1"]
    notifier.close()
    assert fed_s == [0, 5, 10, 15]


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"WATCHDOG_USEC": ""},
        {"WATCHDOG_USEC": "soon"},
        {"WATCHDOG_USEC": "9", "WATCHDOG_PID": "41"},
    ],
)
def test_without_a_watchdog_of_ones_own_nothing_is_fed(manager, name, environment):
    notifier = manager.notifier(NOTIFY_SOCKET=name, **environment)
    notifier.progress()
    notifier.close()
    assert manager.heard() == []


def test_without_a_service_manager_nothing_happens():
    notifier = Notifier({"WATCHDOG_USEC": "10000000"}, lambda: 0)
    for call in (notifier.ready, notifier.progress, notifier.stopping, notifier.close):
        call()


def test_a_manager_that_does_not_listen_ends_nothing(name):
    notifier = Notifier({"NOTIFY_SOCKET": name}, lambda: 0)
    notifier.ready()
    notifier.close()
