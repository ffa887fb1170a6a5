"""Nothing real happens without a decision, a mark in the journal and a lock."""

import errno

import pytest

from hw import bus
from hw.errors import BusyError, DeniedError, DeviceTimeoutError, JournalError, LockedError
from hw.guard import (
    Acknowledgement,
    Authority,
    HostState,
    Operation,
    OperationClass,
    RiskMode,
    Target,
)
from hw.guard.gate import Gate
from hw.guard.journal import Journal
from hw.protocol import Request
from hw.rx888 import Rx888
from tests.hw.fake_usb import IMAGE, FakeBackend, FakeDevice, FakeRuntime, WorldBackend

NAME = "any device"
DEVICE = Target("usb", NAME)
REAL = [item for item in Operation if item.operation_class is not OperationClass.PERSISTENT]
MARKED = [item for item in REAL if item.operation_class is not OperationClass.READ_ONLY]
ALL = Authority(
    RiskMode.AGGRESSIVE,
    frozenset(Acknowledgement(operation, DEVICE) for operation in REAL),
    HostState.NORMAL,
    is_force_guarded=True,
)


@pytest.fixture
def journal(state_dir):
    return Journal(state_dir / "journal.jsonl", "boot-a", lambda: 1.8e9)


def marks(journal):
    """What the journal tells: operation, how it ended, what was told of it."""
    records = journal.records()
    ends = {item.identity: item.outcome for item in records if item.kind == "end"}
    return [
        (item.operation, ends.get(item.identity), item.facts)
        for item in records
        if item.kind == "begin"
    ]


def opened(device, journal, authority=ALL, **more):
    return Rx888.open(
        FakeBackend(device), FakeRuntime(), authority=authority, journal=journal, **more
    )


# --- marks ---------------------------------------------------------------------------------------


def test_what_is_done_to_a_real_device_stands_between_two_marks(journal):
    with opened(FakeDevice(), journal) as rx:
        rx.stats()
        assert [mark[:2] for mark in marks(journal)] == [("open", None)]
        rx.set_gpio(0x800)
        rx.clear_halt()
        rx.reset()
    assert [mark[:2] for mark in marks(journal)] == [
        ("open", "done"),
        ("configure", "done"),
        ("clear-halt", "done"),
        ("reset", "done"),
    ]
    assert marks(journal)[0][2] == {"bus": 2, "address": 5}
    assert marks(journal)[1][2] == {"request": "GPIOFX3", "value": 0, "index": 0}


def test_an_upload_a_port_reset_and_a_driver_are_marked_too(journal):
    device = FakeDevice(application=False)
    with opened(device, journal, image=IMAGE) as rx:
        device.kernel_driver = True
        rx.port_reset()
        rx.reacquire(IMAGE, in_place=True)
    assert [mark[:2] for mark in marks(journal)] == [
        ("upload", "done"),
        ("open", "done"),
        ("port-reset", "done"),
        ("upload", "done"),
        ("detach-driver", "done"),
    ]


def test_the_mark_comes_first(journal, monkeypatch):
    device = FakeDevice()
    with opened(device, journal) as rx:
        seen = []
        begin = journal.begin
        monkeypatch.setattr(
            journal, "begin", lambda *told, **facts: seen.append(len(device.log)) or begin(*told)
        )
        before = len(device.log)
        rx.start()
    assert seen == [before]
    assert len(device.log) > before


def test_many_reads_have_one_mark(journal):
    with opened(FakeDevice(), journal) as rx:
        for _ in range(50):
            rx.read(1024, timeout_ms=100)
    assert [mark[:2] for mark in marks(journal)] == [("open", "done"), ("read", "done")]


def test_many_starts_and_stops_have_one_mark(journal):
    """Two writes to the disk before each would change how a stream starts."""
    with opened(FakeDevice(), journal) as rx:
        for _ in range(10):
            rx.start()
            rx.stop()
        rx.set_gpio(0x800)
    assert [mark[:2] for mark in marks(journal)] == [
        ("open", "done"),
        ("stream", "done"),
        ("configure", "done"),
    ]


def test_a_failure_ends_as_failed(journal):
    device = FakeDevice()
    with opened(device, journal) as rx:
        device.faults[Request.RESETFX3] = errno.ETIMEDOUT
        with pytest.raises(DeviceTimeoutError):
            rx.reset()
    assert marks(journal)[1][1].startswith("failed: RESETFX3")


def test_an_opening_that_fails_ends_as_failed_and_gives_the_lock_back(journal):
    backend = FakeBackend(FakeDevice())
    backend.claim_fault = errno.EBUSY
    with pytest.raises(BusyError, match="in use by another program"):
        Rx888.open(backend, FakeRuntime(), authority=ALL, journal=journal)
    assert marks(journal)[0][1].startswith("failed: claim interface")
    backend.claim_fault = 0
    Rx888.open(backend, FakeRuntime(), authority=ALL, journal=journal).close()


def test_a_driver_that_is_left_open_is_unfinished(journal):
    """As is one whose host went down: that is what the mark is for."""
    rx = opened(FakeDevice(), journal)
    assert [item.operation for item in journal.unfinished()] == ["open"]
    rx.close()
    rx.close()
    assert journal.unfinished() == ()


def test_without_a_journal_nothing_is_sent(journal):
    device = FakeDevice()
    with opened(device, journal) as rx:
        count = len(device.log)
        journal.path.unlink()
        journal.path.mkdir()
        with pytest.raises(JournalError):
            rx.reset()
        assert len(device.log) == count
        assert rx.stats()
        journal.path.rmdir()


def test_a_world_has_no_journal_and_no_lock(state_dir):
    device = FakeDevice()
    for _ in range(2):
        rx = Rx888.open(WorldBackend(device), FakeRuntime())
        rx.reset()
        device.become(application=True)
    assert not state_dir.exists()


def test_a_denied_operation_is_not_marked(journal):
    with opened(
        FakeDevice(), journal, Authority(RiskMode.STANDARD, host_state=HostState.NORMAL)
    ) as rx:
        with pytest.raises(DeniedError):
            rx.reset()
        assert [mark[0] for mark in marks(journal)] == ["open"]


@pytest.mark.parametrize("operation", REAL, ids=lambda item: item.label)
def test_every_operation_that_is_not_read_only_is_marked(journal, operation):
    gate = Gate(DEVICE, ALL, journal=journal)
    with gate.doing(operation):
        pass
    gate.lasting(operation)
    gate.lasting(operation)
    gate.release()
    together = operation in (Operation.CONFIGURE, Operation.STREAM)
    assert len(marks(journal)) == (1 if together else 2 if operation in MARKED else 0)
    assert journal.unfinished() == ()


# --- decisions -----------------------------------------------------------------------------------


def test_a_host_that_freezes_stops_running_work_at_its_next_operation(journal):
    states = [HostState.NORMAL]

    def authority():
        return Authority(RiskMode.AGGRESSIVE, host_state=states[0])

    device = FakeDevice()
    with opened(device, journal, authority) as rx:
        rx.start()
        states[0] = HostState.FROZEN
        count = len(device.log)
        for call in (rx.start, rx.stop, rx.clear_halt, lambda: rx.read(1024, timeout_ms=9)):
            with pytest.raises(DeniedError, match="frozen"):
                call()
        assert len(device.log) == count
        assert rx.stats()


@pytest.mark.parametrize(("now_s", "is_allowed"), [(99, True), (100, False), (101, False)])
def test_an_acknowledgement_expires_while_the_program_runs(journal, now_s, is_allowed):
    said = frozenset((Acknowledgement(Operation.RESET, DEVICE, 100),))
    authority = Authority(RiskMode.STANDARD, said, HostState.NORMAL, now_s=1)
    gate = Gate(DEVICE, authority, journal=journal, clock=lambda: now_s)
    if is_allowed:
        gate.permit(Operation.RESET)
    else:
        with pytest.raises(DeniedError, match="expired"):
            gate.permit(Operation.RESET)


@pytest.mark.parametrize(
    ("call", "label"),
    [
        (lambda rx: rx.port_reset(), "port-reset"),
        (lambda rx: rx.clear_halt(), "clear-halt"),
        (lambda rx: rx.reset(), "reset"),
        (lambda rx: rx.read_debug(ord("r")), "raw"),
        (lambda rx: rx.request_in(Request.READINFODEBUG, 64, value=ord("r")), "raw"),
        (lambda rx: rx.request_in(Request.RESETFX3, 4), "reset"),
        (lambda rx: rx.request_in(0x77, 4), "raw"),
        (lambda rx: rx.request_out(0x77), "raw"),
    ],
)
def test_each_way_to_act_asks_for_its_own_operation(journal, call, label):
    """The debug console's commands, `reset` among them, are typed through a request that reads."""
    asked_for = {item.label: item for item in Operation}
    others = frozenset(item for item in ALL.acknowledgements if item.operation.label != label)
    if asked_for[label].operation_class is OperationClass.INTERRUPTING:
        others = frozenset((Acknowledgement(Operation.OPEN, DEVICE),))
        authority = Authority(RiskMode.SAFE, others, HostState.NORMAL)
    else:
        authority = Authority(RiskMode.STANDARD, others, HostState.NORMAL)
    device = FakeDevice()
    with opened(device, journal, authority) as rx:
        count = len(device.log)
        with pytest.raises(DeniedError) as caught:
            call(rx)
        assert caught.value.operation == label
        assert len(device.log) == count


def test_the_requests_that_only_read_are_allowed_to_who_may_only_look(journal):
    said = frozenset((Acknowledgement(Operation.OPEN, DEVICE),))
    with opened(FakeDevice(), journal, Authority(RiskMode.SAFE, said, HostState.NORMAL)) as rx:
        rx.stats()
        rx.info()
        rx.request_in(Request.GETSTATS, 24)
    assert [mark[0] for mark in marks(journal)] == ["open"]


# --- locks ---------------------------------------------------------------------------------------


def test_a_second_user_of_a_device_is_told_of_the_first_and_touches_nothing(journal):
    device = FakeDevice()
    with opened(device, journal):
        count = len(device.log)
        with pytest.raises(LockedError, match=r"usb 2-1\.4 is held by process"):
            opened(device, journal)
        assert len(device.log) == count
    opened(device, journal).close()


def test_a_device_stays_locked_while_it_is_reset_and_uploaded_to(journal):
    device = FakeDevice()
    with opened(device, journal) as rx:
        rx.reset()
        with pytest.raises(LockedError):
            opened(device, journal, image=IMAGE)
        assert not device.is_application
        rx.reacquire(IMAGE)
        with pytest.raises(LockedError):
            opened(device, journal)


def test_boot_rom_and_application_of_one_connector_are_one_device(journal, monkeypatch):
    """One is at the connector's USB 2 port, the other at its USB 3 port; another at port 1-1.4."""
    connector = {(2, (1, 4)): (1, (5, 4)), (1, (5, 4)): (2, (1, 4))}
    monkeypatch.setattr(bus, "peer_of", connector.get)
    application, rom, other = FakeDevice(), FakeDevice(application=False), FakeDevice()
    rom.bus, rom.ports = 1, (5, 4)
    other.bus = 1
    with opened(application, journal):
        with pytest.raises(LockedError, match=r"usb 1-5\.4 is held"):
            opened(rom, journal, image=IMAGE)
        assert not rom.ram
        opened(other, journal).close()


def test_another_device_is_free(journal):
    one, two = FakeDevice(), FakeDevice()
    two.ports, two.address = (2,), 9
    with opened(one, journal), opened(two, journal):
        pass


def test_a_backend_that_knows_no_ports_locks_the_address(journal):
    device = FakeDevice()
    device.ports = None
    with opened(device, journal), pytest.raises(LockedError, match="usb 2 address 5"):
        opened(device, journal)
