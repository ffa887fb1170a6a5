"""The boot ROM: its enumeration, RAM access, the jump, and what images leave in RAM.

Sources: AN76405, TRM (boot chapter, memory map), a public kernel log for the strings.
"""

import pytest

from hw import protocol
from hw.boot import Image, Section, upload
from hw.protocol import (
    BOOT_PRODUCT_ID,
    STANDARD_DEVICE_IN,
    STANDARD_DEVICE_OUT,
    STANDARD_INTERFACE_OUT,
    DescriptorType,
    Request,
    StandardRequest,
)
from sim.chip.bootrom import RAM_BASE
from sim.chip.usb import Setup, UsbSpeed
from sim.firmware import image, program_of
from sim.firmware.image import ENTRY_ADDRESS, MARKER_BYTES
from sim.host.backend import get_backend
from sim.host.runtime import WorldRuntime
from sim.options import Options
from sim.world import BenchWorld

from .bench import DONE, MS, STALLED, pause, request

RAM = Request.RAM_ACCESS
GET = StandardRequest.GET_DESCRIPTOR


@pytest.fixture
def rom():
    """A world whose device stands in its boot ROM."""
    with BenchWorld() as world:
        world.power_on()
        world.wait(world.host.appeared)
        yield world


def access(world, address: int, data: bytes = b"", length: int | None = None, into: bool = False):
    return request(
        world, RAM, address & 0xFFFF, index=address >> 16, data=data, length=length, into=into
    )


def standard(world, kind, code, value=0, length=0):
    return world.host.control(world.host.device, Setup(kind, code, value, 0, length), b"", 1_000)


def silent_after(world, duration_ms: int = 60_000) -> bool:
    pause(world, duration_ms)
    return world.host.device is None and world.firmware is None


# ---------------------------------------------------------------- enumeration


@pytest.mark.parametrize(("speed", "link"), [("super", 2), ("high", 2), ("full", 1)])
def test_the_rom_enumerates_at_high_speed_with_its_own_names(speed, link):
    """AN76405: 04B4:00F3, no SuperSpeed; strings as a kernel logged them."""
    with BenchWorld(options=Options(usb_speed=speed)) as world:
        world.power_on()
        world.wait(world.host.appeared)
        device = world.host.device
        assert device.function.product_id == BOOT_PRODUCT_ID
        assert device.speed is UsbSpeed(link)
        assert device.descriptors.device == protocol.BOOT_DEVICE_DESCRIPTOR
        assert device.descriptors.device[12:14] == b"\x00\x01"
        assert device.descriptors.bos == b""
        names = (device.manufacturer, device.product, device.serial_number)
        assert names == ("Cypress", "WestBridge ", "0000000004BE")
        assert device.bulk is None
        assert 1_000 * MS <= world.now_ns < 1_001 * MS


def test_the_roms_standard_requests(rom):
    """USB 2.0 chapter 9: what an enumeration needs; everything else stalls."""
    product = standard(rom, STANDARD_DEVICE_IN, GET, DescriptorType.STRING << 8 | 2, 255).reply
    assert product == b"\x18\x03" + "WestBridge ".encode("utf-16-le")
    assert standard(rom, STANDARD_DEVICE_IN, GET, 1 << 8, 8).reply == bytes.fromhex(
        "12 01 00 02 00 00 00 40"
    )
    for value in (DescriptorType.BOS << 8, DescriptorType.STRING << 8 | 4, 6 << 8):
        assert standard(rom, STANDARD_DEVICE_IN, GET, value, 255).status is STALLED
    status = standard(rom, STANDARD_DEVICE_IN, StandardRequest.GET_STATUS, length=2)
    assert status.reply == b"\0\0"
    for value, answer in ((0, DONE), (1, DONE), (2, STALLED)):
        configured = standard(rom, STANDARD_DEVICE_OUT, StandardRequest.SET_CONFIGURATION, value)
        assert configured.status is answer
    current = standard(rom, STANDARD_DEVICE_IN, StandardRequest.GET_CONFIGURATION, length=1)
    assert current.reply == b"\x01"
    for kind, code in (
        (STANDARD_INTERFACE_OUT, StandardRequest.SET_INTERFACE),
        (STANDARD_DEVICE_OUT, StandardRequest.SET_SEL),
        (protocol.TYPE_CLASS, RAM),
    ):
        assert standard(rom, kind, code).status is STALLED


def test_a_port_reset_keeps_what_was_written(rom):
    """A bus reset is no chip reset: RAM stays, the device has a new address."""
    assert access(rom, ENTRY_ADDRESS, b"kept").status is DONE
    old = rom.host.device
    assert rom.host.port_reset(old)
    assert rom.host.device.address == old.address + 1
    assert access(rom, ENTRY_ADDRESS, length=4, into=True).reply == b"kept"


# ---------------------------------------------------------------- RAM access


@pytest.mark.parametrize("into", [False, True])
def test_every_other_vendor_request_stalls(rom, into):
    """AN76405: 20 to 9F and A1 to FF."""
    for code in (*range(0x20, 0xA0), *range(0xA1, 0x100)):
        data = b"" if into else bytes(4)
        assert request(rom, code, data=data, length=4, into=into).status is STALLED
    assert access(rom, ENTRY_ADDRESS, bytes(4)).status is DONE


@pytest.mark.parametrize(
    ("length", "status"), [(1, DONE), (4_095, DONE), (4_096, DONE), (4_097, STALLED)]
)
def test_a_transfer_holds_4096_bytes_at_most(rom, length, status):
    """AN76405 and every uploader: 4096; both ways."""
    data = bytes(index % 251 for index in range(length))
    assert access(rom, RAM_BASE, data).status is status
    back = access(rom, RAM_BASE, length=length, into=True)
    assert back.status is status
    assert back.reply == (data if status is DONE else b"")


MEMORIES = {
    "system RAM": (0x4000_0000, 0x4008_0000),
    "I-TCM": (0x0000_0000, 0x0000_4000),
    "D-TCM": (0x1000_0000, 0x1000_2000),
}


@pytest.mark.parametrize("name", MEMORIES)
def test_the_memories_of_the_chip(rom, name):
    """TRM memory map: 512 KB, 16 KB, 8 KB; from their first byte to their last and no further."""
    first, end = MEMORIES[name]
    for address in (first, end - 4):
        assert access(rom, address, length=4, into=True).reply == bytes(4)
        assert access(rom, address, b"\x01\x02\x03\x04").status is DONE
        assert access(rom, address, length=4, into=True).reply == b"\x01\x02\x03\x04"
    assert access(rom, end - 3, bytes(4)).status is STALLED
    assert access(rom, end, bytes(4)).status is STALLED
    assert access(rom, end, length=4, into=True).status is STALLED


def test_a_read_of_nothing_is_no_jump(rom):
    """AN76405: the jump is the OUT request without data."""
    assert access(rom, ENTRY_ADDRESS, length=0, into=True).status is DONE
    pause(rom, 100)
    assert rom.host.device.present


# ---------------------------------------------------------------- images and the jump


def uploaded(world, content: bytes) -> None:
    """Upload as a real program does."""
    import usb.core

    device = usb.core.find(backend=get_backend(world), idProduct=BOOT_PRODUCT_ID)
    upload(device, Image.parse(content), WorldRuntime(world))


def test_sections_go_to_their_addresses_and_the_jump_to_the_entry(rom, monkeypatch):
    """AN76405: vectors' handlers at 0x100 of I-TCM, code and data in RAM, in pieces of 4096."""
    jumps = []
    monkeypatch.setattr(
        rom.chip, "load", lambda ram, entry: jumps.append((bytes(ram), entry)) and None
    )
    vectors = bytes(range(256))
    code = bytes(index * 7 % 256 for index in range(10_000))
    data = b"data" * 25
    sections = [
        Section(0x100, vectors),
        Section(ENTRY_ADDRESS, code),
        Section(0x4003_0000, data),
    ]
    uploaded(rom, Image.build(sections, ENTRY_ADDRESS + 8))
    pause(rom, 1)
    ((ram, entry),) = jumps
    assert entry == ENTRY_ADDRESS + 8
    assert ram[0x3000 : 0x3000 + len(code)] == code
    assert ram[0x3_0000 : 0x3_0000 + len(data)] == data
    assert not any(ram[:0x3000]), "the vector area of I-TCM is no part of RAM"
    assert not any(ram[0x3000 + len(code) : 0x3_0000])


def test_an_image_with_a_vector_section_boots(rom):
    """elf2img: real images have one; what it holds does not matter here."""
    whole = Image.parse(image("fw-2.3"))
    sections = [Section(0x100, bytes(0x200)), *whole.sections]
    uploaded(rom, Image.build(sections, whole.entry))
    rom.wait(rom.host.appeared, 1_000 * MS)
    assert rom.firmware.name == "fw-2.3"


@pytest.mark.parametrize("size_bytes", [64, 4_096, 129_040])
def test_an_image_of_any_size_runs_when_it_is_whole(rom, size_bytes):
    """Releases have 129,040 to 129,704 bytes."""
    uploaded(rom, image("fw-2.2", size_bytes))
    rom.wait(rom.host.appeared, 1_000 * MS)
    assert rom.firmware.name == "fw-2.2"


@pytest.mark.parametrize("missing", [0, 1, 7])
def test_the_jump_into_a_partly_written_image_is_silence(rom, missing):
    """AN76405: the ROM checks nothing; code of which a piece is missing does not run."""
    whole = image("fw-2.3", 8 * 4_096)[12:-12]
    for piece in range(8):
        if piece != missing:
            start = piece * 4_096
            data = whole[start : start + 4_096]
            assert access(rom, ENTRY_ADDRESS + start, data).status is DONE
    assert access(rom, ENTRY_ADDRESS).status is DONE
    assert silent_after(rom)


@pytest.mark.parametrize("at", [MARKER_BYTES, 2_000, 4_095])
def test_one_wrong_byte_of_code_is_silence(at):
    """A byte that was not what the image says: the program is not found."""
    whole = bytearray(image("fw-2.3")[12:-12])
    before = bytes(ENTRY_ADDRESS - RAM_BASE)
    assert program_of(bytearray(before + whole), ENTRY_ADDRESS).name == "fw-2.3"
    whole[at] ^= 1
    assert program_of(bytearray(before + whole), ENTRY_ADDRESS) is None


@pytest.mark.parametrize("entry", [ENTRY_ADDRESS, ENTRY_ADDRESS + 4, 0, 0x2000_0000, 0xFFFF_FFFC])
def test_a_jump_anywhere_is_taken_and_ends_in_silence(rom, entry):
    """AN76405: the entry address is not checked; only a power cycle helps."""
    assert access(rom, entry).status is DONE
    assert silent_after(rom)
    rom.host.unplug()
    rom.host.plug()
    pause(rom, 1_100)
    assert rom.host.device.function.product_id == BOOT_PRODUCT_ID
    assert access(rom, ENTRY_ADDRESS, length=4, into=True).reply == bytes(4)
