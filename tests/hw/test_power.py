"""A power cycle is believed when the device lost its state, and never for a status bit.

Facts: uhubctl (order and times; issues 319, 173, 211: hubs that only claim); judgement (proof).
"""

import pytest

from hw.boot import Image
from hw.bus import Bus, Selector
from hw.errors import DeniedError, LockedError, NoDeviceError, TransferError
from hw.guard import Acknowledgement, Authority, HostState, Operation, RiskMode, Target
from hw.guard.journal import Journal
from hw.guard.locks import DeviceLock
from hw.power import OFF_MS, PowerOutcome, power_cycle
from hw.rx888 import Rx888
from sim.host.backend import get_backend
from sim.host.runtime import WorldRuntime
from sim.options import Options
from sim.world import BenchWorld
from tests.hw.fake_hubs import FakeHub, HubBackend
from tests.hw.fake_usb import FakeBackend, FakeDevice, FakeRuntime
from tests.sim.bench import booted, driver, pause

CYCLED, NOT_SWITCHABLE, LIED, NOT_BACK = PowerOutcome
OFF, ON = (1, 8, 4), (3, 8, 4)


def bus_of(world, selector=None):
    return Bus(get_backend(world), WorldRuntime(world), Authority(), selector or Selector())


def in_boot_rom(kind):
    world = BenchWorld(options=Options(hub=kind))
    world.power_on()
    world.wait(world.host.appeared, 10**10)
    return world


@pytest.mark.parametrize(
    ("kind", "outcome", "detail"),
    [
        ("none", NOT_SWITCHABLE, "the system shows no hub above this port"),
        ("per-port", CYCLED, "the device left and came back in its boot ROM, empty"),
        ("lying", LIED, "the device left and came back with its firmware"),
        ("deaf", LIED, "the device never left the bus"),
        ("usb2-only", LIED, "the device never left the bus"),
        ("ganged", NOT_SWITCHABLE, "the hub of 2-1.2 switches the power of all its ports together"),
        ("fixed", NOT_SWITCHABLE, "the hub of 2-1.2 switches the power of no port"),
    ],
)
def test_an_application_behind_each_kind_of_hub(kind, outcome, detail):
    """One typed outcome each, with what it rests on."""
    with booted(options=Options(hub=kind)) as world:
        done = power_cycle(bus_of(world))
        assert (done.outcome, done.detail) == (outcome, detail)
        was_cut = "power_off" in [reset.cause for reset in world.chip.resets]
        assert was_cut == (outcome is CYCLED)
        assert world.chip.powered


@pytest.mark.parametrize(
    ("kind", "outcome", "detail"),
    [
        ("per-port", CYCLED, "the device left and came back in its boot ROM, empty"),
        ("lying", LIED, "the device left and came back with its RAM"),
        ("deaf", LIED, "the device never left the bus"),
        ("usb2-only", LIED, "the device left and came back with its RAM"),
    ],
)
def test_a_boot_rom_behind_each_kind_of_hub(kind, outcome, detail):
    """It comes back as itself, so a mark in its RAM has to be gone."""
    with in_boot_rom(kind) as world:
        done = power_cycle(bus_of(world))
        assert (done.outcome, done.detail) == (outcome, detail)


def test_a_device_whose_control_endpoint_is_dead_is_cycled_and_uploaded_again():
    """What the power cycle is for: HANGMAIN without level 5 is past every level of the device."""
    with booted(policy="none", options=Options(hub="per-port")) as world:
        with driver(world) as device:
            device.hang_main()
            pause(world, 15_000)
        assert power_cycle(bus_of(world)).outcome is CYCLED
        image = Image.parse(world.image)
        with Rx888.open(get_backend(world), WorldRuntime(world), image=image) as device:
            assert device.info().firmware_minor == 3


def test_a_device_that_left_the_bus_is_cycled_by_its_port():
    """Nobody can find it any more, so the operator names the port."""
    with booted(options=Options(hub="per-port")) as world:
        world.host.disconnect()
        pause(world, 100)
        with pytest.raises(NoDeviceError, match="name the port that it was on"):
            power_cycle(bus_of(world))
        assert power_cycle(bus_of(world), port=(2, (1, 2))).outcome is CYCLED


def test_times_are_those_of_the_cycle():
    """Off for 2 s from the last request on, 150 ms for the USB 3 half to turn off."""
    with booted(options=Options(hub="per-port")) as world:
        began_ms = world.now_ns // 10**6
        done = power_cycle(bus_of(world))
        assert done.left_after_ms == 150
        assert done.back_after_ms == 1_000
        took_ms = world.now_ns // 10**6 - began_ms
        assert OFF_MS + 1_150 <= took_ms <= OFF_MS + 1_250


def test_a_short_cycle_is_seen_too():
    """Off for no time at all still takes the requests' own."""
    with booted(options=Options(hub="per-port")) as world:
        assert power_cycle(bus_of(world), off_ms=100).outcome is CYCLED


# ------------------------------------------------------------ on a real bus, as the guard sees it


class Connector:
    """A device behind two fake halves that answer, with whatever happens when they are off."""

    def __init__(self, on_off=lambda device: None, on_on=lambda device: None):
        self.device = FakeDevice()
        self.halves = [FakeHub(1, 1), FakeHub(2, 1, is_super=True)]
        self.order = []
        self.runtime = FakeRuntime()
        self.backend = Backend(*self.halves, inner=FakeBackend(self.device))
        self.backend.on_switch = self.switched
        self.on_off, self.on_on = on_off, on_on

    def switched(self, hub, request):
        self.order.append((hub.bus, request, self.runtime.time_ns // 10**6))
        if all(half.switched and half.switched[-1] == OFF for half in self.halves):
            self.on_off(self.device)
        elif all(half.switched and half.switched[-1] == ON for half in self.halves):
            self.on_on(self.device)

    def bus(self, authority=None):
        allowed = Authority(
            RiskMode.STANDARD,
            frozenset({Acknowledgement(Operation.POWER_CYCLE, Target("usb", "any device"))}),
            HostState.NORMAL,
        )
        return Bus(self.backend, self.runtime, authority or allowed, Selector())

    def cycle(self, tmp_path, **more):
        return power_cycle(self.bus(), sysfs=tmp_path, **more)


class Backend(HubBackend):
    def ctrl_transfer(self, dev_handle, bmRequestType, bRequest, wValue, wIndex, data, timeout):  # noqa: N803
        handle = (dev_handle, bmRequestType, bRequest, wValue, wIndex, data, timeout)
        if not isinstance(dev_handle, FakeHub):
            return self.inner.ctrl_transfer(*handle)
        moved = super().ctrl_transfer(*handle)
        if bmRequestType == 0x23:
            self.on_switch(dev_handle, bRequest)
        return moved


def leave(device):
    device.is_present = False


def come_back(device):
    device.is_present = True
    device.become(application=False)


def test_the_usb_3_half_goes_first_and_has_its_time(tmp_path):
    """150 ms between the two, 2 s off, both on again."""
    connector = Connector(leave, come_back)
    assert connector.cycle(tmp_path).outcome is CYCLED
    assert connector.order == [(2, 1, 0), (1, 1, 150), (2, 3, 2_150), (1, 3, 2_150)]


def test_off_may_be_repeated(tmp_path):
    """Some drivers turn the port on again at once (uhubctl -r)."""
    connector = Connector(leave, come_back)
    connector.cycle(tmp_path, repeats=3)
    assert [half.switched for half in connector.halves] == [[OFF, OFF, OFF, ON]] * 2


def test_a_device_that_stays_away_is_an_outcome(tmp_path):
    """The port is on, and nothing comes in 10 s."""
    connector = Connector(leave)
    done = connector.cycle(tmp_path)
    assert (done.outcome, done.back_after_ms) == (NOT_BACK, None)
    assert connector.runtime.time_ns // 10**6 >= 12_000


def test_a_kernel_that_notices_late_is_waited_for(tmp_path):
    """Before 6.0 the device may be listed all the time, and change only afterwards."""
    connector = Connector()
    connector.runtime.on_sleep.append(
        lambda: (
            come_back(connector.device)
            if connector.runtime.time_ns > 3_000 * 10**6 and connector.device.is_application
            else None
        )
    )
    done = connector.cycle(tmp_path)
    assert (done.outcome, done.left_after_ms) == (CYCLED, None)


def test_a_boot_rom_that_does_not_answer_afterwards_is_not_back(tmp_path):
    """It took the mark before, so that it has to be read."""
    connector = Connector(leave, come_back)
    connector.device.is_application = False
    connector.on_on = lambda device: (come_back(device), device.faults.update({0xA0: 110}))
    assert connector.cycle(tmp_path).outcome is NOT_BACK


def test_the_power_is_on_again_whatever_happens(tmp_path):
    """Ctrl-C while it is off."""
    connector = Connector(leave, come_back)

    def interrupt():
        if connector.runtime.time_ns > 10**9:
            raise KeyboardInterrupt

    connector.runtime.on_sleep.append(interrupt)
    with pytest.raises(KeyboardInterrupt):
        connector.cycle(tmp_path)
    assert [half.switched[-1] for half in connector.halves] == [ON, ON]


def test_one_half_that_fails_does_not_keep_the_other_off(tmp_path):
    """Both are told to be on, and the failure is raised."""
    connector = Connector(leave, come_back)
    connector.halves[1].switch_fault = 5
    with pytest.raises(TransferError):
        connector.cycle(tmp_path)
    assert [half.switched[-1] for half in connector.halves] == [ON, ON]


def test_a_second_board_on_another_controller_is_not_meant(tmp_path):
    """It has the same path there, and neither proves nor hinders anything."""
    connector = Connector(leave, come_back)
    other = FakeDevice(serial="B")
    other.bus = 4
    connector.backend.inner = FakeBackend(connector.device, other)
    done = power_cycle(connector.bus(), port=(2, (1, 4)), sysfs=tmp_path)
    assert (done.outcome, other.is_application) == (CYCLED, True)


def test_a_usb_3_half_alone_is_not_switched(tmp_path):
    """The USB 2 half that is not found would keep the supply on."""
    connector = Connector()
    connector.halves[0].container = b""
    done = connector.cycle(tmp_path)
    assert done.outcome is NOT_SWITCHABLE
    assert "USB 2 half" in done.detail
    assert connector.order == []


def test_a_usb_2_hub_has_one_half(tmp_path):
    """The board in its boot ROM, on a hub without SuperSpeed."""
    connector = Connector()
    connector.halves[1].container = b""
    connector.device.is_application, connector.device.bus = False, 1
    connector.on_off, connector.on_on = leave, come_back
    assert connector.cycle(tmp_path).halves == ("1-1.4",)


@pytest.mark.parametrize(
    "authority",
    [
        Authority(),
        Authority(RiskMode.AGGRESSIVE, host_state=HostState.NORMAL),
        Authority(
            RiskMode.AGGRESSIVE,
            frozenset({Acknowledgement(Operation.POWER_CYCLE, Target("usb", "any device"))}),
            HostState.FROZEN,
        ),
        Authority(
            RiskMode.AGGRESSIVE,
            frozenset({Acknowledgement(Operation.POWER_CYCLE, Target("usb", "serial 1"))}),
            HostState.NORMAL,
        ),
    ],
    ids=["nothing granted", "not acknowledged", "frozen host", "another device"],
)
def test_the_guard_decides_before_anything_is_sent(tmp_path, authority):
    """A power cycle is destructive: it needs its own acknowledgement on a host that is normal."""
    connector = Connector(leave, come_back)
    with pytest.raises(DeniedError):
        power_cycle(connector.bus(authority), sysfs=tmp_path)
    assert connector.order == []
    assert connector.device.log == []


def test_the_journal_knows_before_the_power_goes(tmp_path):
    """Begun before the first request, ended with the outcome."""
    journal = Journal.open_default()
    seen = []
    connector = Connector(lambda device: seen.append(len(journal.unfinished())))
    connector.cycle(tmp_path)
    assert seen == [1]
    begun, ended = journal.records()
    assert (begun.operation, ended.outcome) == ("power-cycle", "hub lied")


def test_a_device_that_another_program_works_on_is_left_alone(tmp_path):
    """Its connector is locked; nothing is switched."""
    lock = DeviceLock.take("usb 2-1.4")
    connector = Connector(leave, come_back)
    with pytest.raises(LockedError):
        connector.cycle(tmp_path)
    assert connector.order == []
    lock.release()
    assert connector.cycle(tmp_path).outcome is CYCLED
    DeviceLock.take("usb 2-1.4").release()
