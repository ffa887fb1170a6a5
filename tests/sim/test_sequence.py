"""Packet numbers at both ends of EP1: when they are in step, and what programs see when not.

Facts: USB 3.2 8.4.1, USB 2.0 8.6, xHCI 4.6.8; incidents F8, F10, F12; commits 35521f5, a2d956c and
309fb4e for the handlers that were tried.
"""

from __future__ import annotations

import errno

import pytest
import usb.core
import usb.util

from hw.protocol import BULK_IN_ENDPOINT, GpifState, Request
from hw.trace.transfers import BUS_ERROR, Stage, TransferLog
from sim.chip.sequence import SequenceNumbers
from sim.host.backend import get_backend
from sim.host.endpoint import FAILING, HEALTHY, OUT_OF_STEP
from sim.host.monitor import UsbMonitor
from sim.options import Options
from sim.world import BenchWorld
from tests.sim.bench import DONE, MHZ, booted, levels, pause, stats, word

PACKET = 1_024


def bench(handler: str, **more):
    return booted(options=Options(clear_halt_handler=handler, **more))


def opened(world):
    """A program that has the device, by pyusb alone."""
    device = usb.core.find(idVendor=0x04B4, backend=get_backend(world))
    usb.util.claim_interface(device, 0)
    return device


def streaming(world, device, packets: int) -> int:
    """Set the clock, start, read so many packets; returns how many came."""
    assert word(world, Request.STARTADC, 64 * MHZ) is DONE
    assert word(world, Request.STARTFX3) is DONE
    return len(device.read(BULK_IN_ENDPOINT, packets * PACKET, timeout=500)) // PACKET


def refused(device, packets: int = 16, timeout: int = 500) -> int:
    with pytest.raises(usb.core.USBError) as caught:
        device.read(BULK_IN_ENDPOINT, packets * PACKET, timeout=timeout)
    return caught.value.errno


# ---------------------------------------------------------------- the numbers alone


@pytest.mark.parametrize(("packet_bytes", "numbers"), [(1_024, 32), (512, 2), (64, 2)])
def test_numbers_come_again(packet_bytes, numbers):
    """Modulo 32 at SuperSpeed, one toggle bit below it."""
    sequence = SequenceNumbers(packet_bytes)
    for packet in range(2 * numbers + 1):
        sequence.restart_host(packet)
        assert sequence.in_step == (packet % numbers == 0)


def test_a_packet_with_an_old_number_goes_out_first_until_a_flush():
    sequence = SequenceNumbers(PACKET)
    sequence.restart_device(7, holds_packet=True)
    sequence.restart_host(7)
    assert not sequence.in_step
    sequence.flush()
    assert sequence.in_step


def test_a_refused_packet_counts_at_neither_end():
    sequence = SequenceNumbers(PACKET)
    sequence.restart_host(31)
    sequence.refuse()
    assert (sequence.device_zero, sequence.host_zero) == (1, 32)
    assert not sequence.in_step


# ---------------------------------------------------------------- handlers


def test_as_shipped_both_ends_stay_in_step():
    """Stall and flush in the callback, after any number of packets."""
    with bench("flush") as world:
        device = opened(world)
        for packets in (1, 31, 32, 33, 5):
            assert streaming(world, device, packets) == packets
            device.clear_halt(BULK_IN_ENDPOINT)
            assert word(world, Request.STOPFX3) is DONE
        assert world.host.device.bulk.health == HEALTHY


@pytest.mark.parametrize(("packets", "works"), [(31, False), (32, True), (33, False), (64, True)])
def test_an_acknowledgement_alone_works_by_chance(packets, works):
    """Seen on hardware: every bulk transfer fails. In the model one number in 32 fits."""
    with bench("ack") as world:
        device = opened(world)
        assert streaming(world, device, packets) == packets
        assert word(world, Request.STOPFX3) is DONE
        device.clear_halt(BULK_IN_ENDPOINT)
        assert word(world, Request.STARTFX3) is DONE
        if works:
            assert len(device.read(BULK_IN_ENDPOINT, PACKET, timeout=500)) == PACKET
            return
        assert refused(device) == errno.EIO
        assert world.host.device.bulk.health == FAILING


def test_a_refused_stream_fills_the_ring():
    """Incident F10: an I/O error with 8 buffers counted and the state machine in its wait, 9."""
    with bench("ack") as world:
        device = opened(world)
        streaming(world, device, 5)
        assert word(world, Request.STOPFX3) is DONE
        device.clear_halt(BULK_IN_ENDPOINT)
        assert word(world, Request.STARTFX3) is DONE
        assert refused(device) == errno.EIO
        pause(world, 5)
        seen = stats(world)
        assert (seen.dma_count, seen.gpif_state) == (8, GpifState.TH0_WAIT)


def test_a_stall_alone_leaves_a_packet_with_its_old_number():
    """F10, commit 35521f5: the next read of a full ring fails; a flush before it mends that."""
    for flushes, expected in ((False, errno.EIO), (True, None)):
        with bench("stall") as world:
            device = opened(world)
            streaming(world, device, 5)
            pause(world, 5)  # the ring is full, and nobody has stopped it
            device.clear_halt(BULK_IN_ENDPOINT)
            assert world.host.device.bulk.health == OUT_OF_STEP
            if flushes:
                assert word(world, Request.STOPFX3) is DONE
                assert word(world, Request.STARTFX3) is DONE
                assert len(device.read(BULK_IN_ENDPOINT, PACKET, timeout=500)) == PACKET
            else:
                assert refused(device) == expected


def test_the_teardown_of_a_channel_that_is_waited_for_never_returns():
    """F10, before 35521f5: the next STOPFX3 is broken; here the handler loops as in F1."""
    with bench("teardown") as world:
        device = opened(world)
        streaming(world, device, 5)
        pause(world, 5)
        with pytest.raises(usb.core.USBError):
            device.clear_halt(BULK_IN_ENDPOINT)
        pause(world, 4_000)
        assert [reset.cause for reset in world.chip.resets] == ["watchdog"]


def test_a_deferred_restart_breaks_a_stream_that_was_healthy():
    """The first stream of all: both ends count from 0, until level 2 restarts one of them."""
    with bench("deferred") as world:
        device = opened(world)
        device.clear_halt(BULK_IN_ENDPOINT)
        assert streaming(world, device, 5) == 5
        pause(world, 100)
        assert levels(world) == [2]
        assert refused(device) == errno.EIO
        device.clear_halt(BULK_IN_ENDPOINT)
        assert word(world, Request.STOPFX3) is DONE
        pause(world, 100)  # who waits for a poll is served
        assert streaming(world, device, 5) == 5


# ---------------------------------------------------------------- around it


def test_a_queued_read_waits_for_the_packet_that_fails_it():
    """Without data there is nothing to refuse: the read times out as any other."""
    with bench("ack") as world:
        device = opened(world)
        streaming(world, device, 5)
        assert word(world, Request.STOPFX3) is DONE
        device.clear_halt(BULK_IN_ENDPOINT)
        assert refused(device, timeout=50) == errno.ETIMEDOUT
        assert world.host.device.bulk.health == OUT_OF_STEP


def test_a_clear_halt_that_is_not_acknowledged_leaves_the_host_as_it_was():
    """Linux restarts its own numbers only after success (usb_clear_halt, message.c)."""
    with bench("flush", clear_halt_acked=False) as world:
        device = opened(world)
        streaming(world, device, 5)
        assert word(world, Request.STOPFX3) is DONE
        with pytest.raises(usb.core.USBError):
            device.clear_halt(BULK_IN_ENDPOINT)
        assert word(world, Request.STARTFX3) is DONE
        assert refused(device) == errno.EIO


def test_set_configuration_restarts_both_ends():
    with bench("ack") as world:
        device = opened(world)
        streaming(world, device, 5)
        assert word(world, Request.STOPFX3) is DONE
        device.clear_halt(BULK_IN_ENDPOINT)
        usb.util.release_interface(device, 0)
        device.set_configuration(1)
        usb.util.claim_interface(device, 0)
        assert streaming(world, device, 5) == 5


@pytest.mark.parametrize("restarts", [False, True])
def test_level_3_on_the_device_may_leave_the_host_behind(restarts):
    """S131: SetEpConfig resets a connected endpoint; nobody tells the host. Until a clear-halt."""
    options = Options(set_ep_config_restarts=restarts)
    with booted("reference", "reference", options=options) as world:
        device = opened(world)
        streaming(world, device, 5)
        world.chip.rtos.create_thread("level 3", 8, world.firmware.platform.restart_application)
        pause(world, 300)
        if restarts:
            assert refused(device) == errno.EIO
            device.clear_halt(BULK_IN_ENDPOINT)
        assert streaming(world, device, 5) == 5


def test_a_capture_shows_the_refused_read_as_a_bus_error():
    """As usbmon does for a transfer that failed on the wire: EPROTO."""
    log = TransferLog()
    with BenchWorld("fw-2.3", "none", options=Options(clear_halt_handler="ack")) as world:
        world.host.monitor = UsbMonitor(world, log, world.board.samples.read)
        world.boot()
        device = opened(world)
        streaming(world, device, 5)
        assert word(world, Request.STOPFX3) is DONE
        device.clear_halt(BULK_IN_ENDPOINT)
        assert word(world, Request.STARTFX3) is DONE
        assert refused(device) == errno.EIO
    assert BUS_ERROR in {event.status for event in log.events if event.stage is Stage.COMPLETED}
