"""The hub between host and board: its descriptors, its ports, and the ways in which hubs lie.

Facts: USB 2.0 11.23 and 11.24, USB 3.2 10.15 and 10.16 (descriptors, requests); uhubctl (a
connector's supply goes only when both halves are off; issues 319, 173, 211 and 496).
"""

from __future__ import annotations

import pytest
import usb.core

from hw.protocol import APPLICATION_PRODUCT_ID, BOOT_PRODUCT_ID, HUB_CLASS
from scenarios.option_text import CHOICES
from sim.host.backend import get_backend
from sim.host.hub import CONTAINER_ID, KINDS, PORTS
from sim.options import NO_HUB, Options
from tests.sim.bench import booted, pause

OFF, ON = 1, 3
POWER = 8
PORT = 2


class Halves:
    """The two hubs of a world as a program sees them."""

    def __init__(self, kind, **options):
        self.world = booted(options=Options(hub=kind, **options))
        self.backend = get_backend(self.world)
        self.high, self.super = self.find(bDeviceClass=HUB_CLASS)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.world.close()

    def find(self, **wanted):
        return list(usb.core.find(find_all=True, backend=self.backend, **wanted))

    def board(self):
        """Its product, or None while it is not there."""
        found = self.find(idVendor=0x04B4)
        return found[0].idProduct if found else None

    def switch(self, request, *halves, port=PORT):
        for half in halves or (self.super, self.high):
            half.ctrl_transfer(0x23, request, POWER, port, None)
        pause(self.world, 10)

    def status(self, half, port=PORT):
        return int.from_bytes(bytes(half.ctrl_transfer(0xA3, 0, 0, port, 4)), "little")


def test_a_world_has_no_hub_unless_it_is_asked_for():
    """The board hangs on the root port, and nothing of class 9 is there."""
    with booted() as world:
        (board,) = usb.core.find(find_all=True, backend=get_backend(world))
        assert (board.bus, board.port_numbers, board.parent) == (2, (1,), None)
        assert world.host.hub is None


def test_every_kind_is_a_word_of_the_option():
    """And the command line knows them all."""
    assert CHOICES["hub"] == (NO_HUB, *KINDS)


def test_a_usb_3_hub_is_two_logical_hubs():
    """One on each bus; the board is on the half of its speed, at one path on both."""
    with Halves("per-port") as hub:
        assert [(half.bus, half.port_numbers, half.bcdUSB) for half in (hub.high, hub.super)] == [
            (1, (1,), 0x0210),
            (2, (1,), 0x0320),
        ]
        (board,) = hub.find(idVendor=0x04B4)
        assert (board.bus, board.port_numbers) == (2, (1, PORT))
        assert board.parent == hub.super


@pytest.mark.parametrize(
    ("kind", "switching"), [("per-port", 1), ("ganged", 0), ("fixed", 2), ("lying", 1), ("deaf", 1)]
)
def test_the_hub_descriptor_claims_how_power_is_switched(kind, switching):
    """0x29 at USB 2 and 0x2A at USB 3: ports in byte 2, switching in the low bits of byte 3."""
    with Halves(kind) as hub:
        for half, wanted in ((hub.high, 0x2900), (hub.super, 0x2A00)):
            descriptor = bytes(half.ctrl_transfer(0xA0, 6, wanted, 0, 64))
            assert len(descriptor) == descriptor[0]
            assert descriptor[1:3] == bytes((wanted >> 8, PORTS))
            assert descriptor[3] & 3 == switching
            with pytest.raises(usb.core.USBError):
                half.ctrl_transfer(0xA0, 6, wanted ^ 0x0300, 0, 64)


def test_both_halves_have_one_container_id():
    """In the BOS; that is how they are known to be one hub."""
    with Halves("per-port") as hub:
        for half in (hub.high, hub.super):
            bos = bytes(half.ctrl_transfer(0x80, 6, 0x0F00, 0, 255))
            assert len(bos) == int.from_bytes(bos[2:4], "little")
            assert bos.endswith(CONTAINER_ID)


def test_pyusb_reads_a_hub_like_any_device():
    """Strings and configuration; nothing else is asked of the class."""
    with Halves("per-port") as hub:
        for half in (hub.high, hub.super):
            assert half.product == "USB3 Hub"
            interface = half[0][0, 0]
            assert (interface.bInterfaceClass, interface[0].bEndpointAddress) == (HUB_CLASS, 0x81)


@pytest.mark.parametrize("order", [("super", "high"), ("high", "super")])
def test_the_supply_goes_when_both_halves_are_off(order):
    """Not before; then all is lost and the board comes back in its boot ROM."""
    with Halves("per-port") as hub:
        first, second = (getattr(hub, name) for name in order)
        hub.switch(OFF, first)
        assert hub.world.chip.powered
        hub.switch(OFF, second)
        assert (hub.world.chip.powered, hub.board()) == (False, None)
        hub.switch(ON, first)
        assert hub.world.chip.powered
        hub.switch(ON, second)
        pause(hub.world, 2_000)
        assert hub.board() == BOOT_PRODUCT_ID
        assert [reset.cause for reset in hub.world.chip.resets] == ["power_off", "power_on"]


def test_one_half_alone_cuts_only_its_link():
    """The board is at SuperSpeed: its firmware is told, and lives on."""
    with Halves("per-port") as hub:
        hub.switch(OFF, hub.super)
        assert (hub.board(), hub.world.chip.powered) == (None, True)
        hub.switch(ON, hub.super)
        pause(hub.world, 1_000)
        assert hub.board() == APPLICATION_PRODUCT_ID
        hub.switch(OFF, hub.high)
        assert hub.board() == APPLICATION_PRODUCT_ID


def test_status_bits_follow_what_was_asked_for():
    """Power is bit 8 at USB 2 and bit 9 at USB 3; the link state of an empty port is Rx.Detect."""
    with Halves("per-port") as hub:
        assert hub.status(hub.high) == 0x0100
        assert hub.status(hub.super) == 0x0203
        assert hub.status(hub.super, port=1) == 0x02A0
        hub.switch(OFF)
        assert (hub.status(hub.high), hub.status(hub.super)) == (0x0000, 0x00A0)


def test_a_lying_hub_cuts_the_link_and_keeps_the_supply():
    """The device disappears, and comes back with its firmware."""
    with Halves("lying") as hub:
        hub.switch(OFF)
        assert (hub.board(), hub.world.chip.powered) == (None, True)
        assert hub.status(hub.high) == 0
        hub.switch(ON)
        pause(hub.world, 1_000)
        assert hub.board() == APPLICATION_PRODUCT_ID


def test_a_deaf_hub_only_says_so():
    """Every request is acknowledged, every status bit agrees, and nothing happens."""
    with Halves("deaf") as hub:
        hub.switch(OFF)
        assert (hub.status(hub.high), hub.status(hub.super)) == (0, 0x00A0)
        assert hub.world.chip.powered
        assert hub.world.host.device is not None


def test_a_usb_3_half_may_ignore_its_requests():
    """The USB 2 half obeys, and the supply stays on by the other."""
    with Halves("usb2-only") as hub:
        hub.switch(OFF)
        assert (hub.board(), hub.world.chip.powered) == (APPLICATION_PRODUCT_ID, True)


def test_a_gang_goes_off_with_its_last_port():
    """One port alone changes nothing but its bit."""
    with Halves("ganged") as hub:
        for port in (1, 2, 3):
            hub.switch(OFF, port=port)
        assert hub.world.chip.powered
        hub.switch(OFF, port=4)
        assert not hub.world.chip.powered
        hub.switch(ON, port=1)
        assert hub.world.chip.powered


@pytest.mark.parametrize(
    ("kind", "request_code", "value", "port"),
    [(0xA3, 0, 0, 0), (0xA3, 0, 0, 5), (0x23, 3, 8, 5), (0x23, 3, 99, 2), (0x23, 7, 8, 2)],
)
def test_what_a_hub_does_not_know_stalls(kind, request_code, value, port):
    """Ports it has not, features it has not."""
    with Halves("per-port") as hub, pytest.raises(usb.core.USBError, match="Pipe"):
        hub.high.ctrl_transfer(kind, request_code, value, port, 4 if kind & 0x80 else None)


def test_a_pulled_cable_stays_pulled():
    """Port power does not bring it back, and neither does the cable without port power."""
    with Halves("per-port") as hub:
        hub.world.host.unplug()
        hub.switch(OFF)
        hub.switch(ON)
        assert not hub.world.chip.powered
        hub.switch(OFF)
        hub.world.host.plug()
        assert not hub.world.chip.powered
        hub.switch(ON)
        pause(hub.world, 2_000)
        assert hub.board() == BOOT_PRODUCT_ID


def test_a_slower_board_hangs_on_the_usb_2_half():
    """At high speed it is on bus 1, and the USB 3 half means nothing to its link."""
    with Halves("per-port", usb_speed="high") as hub:
        (board,) = hub.find(idVendor=0x04B4)
        assert (board.bus, board.port_numbers, board.parent) == (1, (1, PORT), hub.high)
        hub.switch(OFF, hub.super)
        assert hub.board() == APPLICATION_PRODUCT_ID
        hub.switch(OFF, hub.high)
        assert hub.board() is None
