"""Which two ports are one connector, and how they are switched.

Facts: uhubctl (matching, requests, kernel attribute first), USB 2.0 11.24, USB 3.2 9.6.2.3.
"""

import errno

import pytest
from hypothesis import given, strategies as st

from hw.bus import Bus, Selector
from hw.errors import BadReplyError, StalledError
from hw.guard import Authority, HostState, RiskMode
from hw.hub import Hub, HubAccessError, Switching, companion_of, container_id_in, sockets_of
from tests.hw.fake_hubs import CONTAINER, FakeHub, HubBackend
from tests.hw.fake_usb import FakeRuntime

STANDARD = Authority(RiskMode.STANDARD, host_state=HostState.NORMAL)
OFF, ON = (1, 8, 4), (3, 8, 4)
"""CLEAR_FEATURE and SET_FEATURE of PORT_POWER at port 4."""


def bus_of(*hubs):
    """A real bus, as the guard sees it."""
    return Bus(HubBackend(*hubs), FakeRuntime(), STANDARD, Selector())


def halves(*hubs, port=(2, (1, 4)), sysfs=None):
    return sockets_of(bus_of(*hubs), port, sysfs)


def labels(*hubs, port=(2, (1, 4)), sysfs=None):
    return [socket.label for socket in halves(*hubs, port=port, sysfs=sysfs)]


def attribute(root, *names):
    """A tree as Linux since 6.0 has it: a port with the file ``disable``."""
    path = root.joinpath(*names)
    path.mkdir(parents=True)
    (path / "disable").write_text("0")
    return path / "disable"


def test_the_two_halves_are_found_from_either_side():
    """By their Container ID; the USB 3 half comes first."""
    pair = (FakeHub(1, 1), FakeHub(2, 1, is_super=True))
    assert labels(*pair) == ["2-1.4", "1-1.4"]
    assert labels(*pair, port=(1, (1, 4))) == ["2-1.4", "1-1.4"]


@pytest.mark.parametrize(
    "other",
    [
        FakeHub(1, 1, container=bytes(16)),
        FakeHub(1, 1, container=b""),
        FakeHub(1, 1, count=7),
        FakeHub(1, 1, serial="B2"),
        FakeHub(1, 1, is_super=True),
        FakeHub(1, 1, fault=errno.EACCES),
    ],
    ids=["other box", "no box", "other size", "other serial", "same speed", "not to be opened"],
)
def test_a_hub_that_differs_is_no_other_half(other):
    """Container, ports, serial and speed all have to fit, and it has to answer."""
    assert labels(FakeHub(2, 1, is_super=True), other) == ["2-1.4"]


def test_a_half_without_a_serial_number_fits_any():
    """Serial numbers count only where both have one."""
    assert labels(FakeHub(2, 1, is_super=True), FakeHub(1, 1, serial="")) == ["2-1.4", "1-1.4"]


def test_of_several_the_one_on_the_same_way_is_meant():
    """A box with two chips in a row has one Container ID for all four halves."""
    outer, inner = FakeHub(1, 1), FakeHub(1, 1, 4)
    assert labels(FakeHub(2, 1, is_super=True), inner, outer) == ["2-1.4", "1-1.4"]
    assert labels(*(FakeHub(2, 1, 4, is_super=True), outer, inner), port=(2, (1, 4, 4))) == [
        "2-1.4.4",
        "1-1.4.4",
    ]


def test_of_two_controllers_the_one_whose_buses_follow_is_meant():
    """The USB 3 bus of a controller has the number after its USB 2 bus."""
    assert labels(
        *(FakeHub(4, 1, is_super=True), FakeHub(1, 1), FakeHub(3, 1)), port=(4, (1, 4))
    ) == ["4-1.4", "3-1.4"]


def test_a_port_below_no_hub_has_no_halves():
    """Nothing is guessed."""
    assert labels(FakeHub(1, 2)) == []


def test_the_system_tells_the_other_half_of_a_root_hub(tmp_path):
    """Root hubs have no Container ID, and need not number their ports alike."""
    port = tmp_path / "usb2" / "2-0:1.0" / "usb2-port1"
    port.mkdir(parents=True)
    (port / "peer").symlink_to("../../../usb1/1-0:1.0/usb1-port5")
    roots = (FakeHub(1, container=b""), FakeHub(2, container=b"", is_super=True))
    assert labels(*roots, port=(2, (1,)), sysfs=tmp_path) == ["2-1", "1-5"]
    assert labels(*roots, port=(2, (1,))) == ["2-1"]


def test_requests_go_to_the_hub():
    """0x23: CLEAR_FEATURE or SET_FEATURE of PORT_POWER, wIndex the port."""
    hub = FakeHub(2, 1, is_super=True)
    (socket,) = halves(hub)
    assert [socket.switch(False), socket.switch(True)] == ["hub", "hub"]
    assert hub.switched == [OFF, ON]


def test_the_kernels_attribute_comes_first(tmp_path):
    """Linux since 6.0; then the hub is asked nothing."""
    super_file = attribute(tmp_path, "2-1", "2-1:1.0", "2-1-port4")
    high_file = attribute(tmp_path, "1-1", "1-1:1.0", "1-1-port4")
    pair = (FakeHub(1, 1), FakeHub(2, 1, is_super=True))
    for socket in halves(*pair, sysfs=tmp_path):
        assert socket.switch(False) == "kernel"
    assert (super_file.read_text(), high_file.read_text()) == ("1", "1")
    for socket in halves(*pair, sysfs=tmp_path):
        socket.switch(True)
    assert (super_file.read_text(), high_file.read_text()) == ("0", "0")
    assert [hub.switched for hub in pair] == [[], []]


def test_where_it_may_not_be_written_the_hub_is_asked(tmp_path):
    """The file is root's; a folder stands for it, which nobody can write."""
    (tmp_path / "2-1/2-1:1.0/2-1-port4/disable").mkdir(parents=True)
    hub = FakeHub(2, 1, is_super=True)
    (socket,) = halves(hub, sysfs=tmp_path)
    assert socket.switch(False) == "hub"
    assert hub.switched == [OFF]


@pytest.mark.parametrize(
    ("claimed", "ports", "switching"),
    [
        (0, 4, Switching.GANGED),
        (0, 1, Switching.PER_PORT),
        (1, 4, Switching.PER_PORT),
        (2, 4, Switching.NONE),
        (3, 1, Switching.NONE),
        (0x09, 4, Switching.PER_PORT),
    ],
)
def test_what_a_hub_claims_of_its_ports(claimed, ports, switching):
    """The low two bits of wHubCharacteristics; a gang of one is per port."""
    (socket,) = halves(FakeHub(2, 1, is_super=True, switching=claimed, count=ports))
    assert socket.hub.switching is switching


def test_a_hub_that_may_not_be_opened_is_an_error_of_its_own():
    """The port's own hub has to be asked; the device's udev rule does not help there."""
    with pytest.raises(HubAccessError, match="bDeviceClass"):
        halves(FakeHub(2, 1, fault=errno.EACCES))


def test_a_refused_request_is_an_error():
    """It names the port."""
    hub = FakeHub(2, 1, is_super=True)
    hub.switch_fault = errno.EPIPE
    with pytest.raises(StalledError, match=r"switch port 2-1\.4 off"):
        halves(hub)[0].switch(False)


def test_a_reply_that_is_no_hub_descriptor_is_seen():
    """Too short, or of the other kind."""
    hub = FakeHub(2, 1, is_super=True)
    hub.control = lambda *arguments: 0
    with pytest.raises(BadReplyError):
        halves(hub)


def test_looking_at_hubs_is_a_probe():
    """A host of which nothing is known allows it."""
    bus = Bus(HubBackend(FakeHub(1, 1)), FakeRuntime(), Authority(), Selector())
    assert [hub.bus for hub in bus.hubs()] == [1]


def test_a_companion_is_of_the_other_speed():
    """Never itself."""
    hub = Hub(None, (1, (1,)), False, 4, Switching.PER_PORT, CONTAINER)
    assert companion_of(hub, [hub]) is None


@given(st.binary(max_size=120))
def test_any_bytes_are_a_bos_without_a_container_id_or_with_one(content):
    """Descriptors come from strangers: nothing but 16 bytes or none."""
    assert len(container_id_in(content)) in (0, 16)


@given(st.binary(min_size=16, max_size=16), st.binary(min_size=4, max_size=30))
def test_a_container_id_is_found_behind_other_capabilities(container, other):
    """By the lengths of those before it."""
    before = bytes([len(other) + 3, 0x10, 0x02]) + other
    bos = b"\x05\x0f\x00\x00\x02" + before + b"\x14\x10\x04\x00" + container
    assert container_id_in(bos) == container
