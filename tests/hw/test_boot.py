"""Images: parse, build, and what is wrong with a damaged one; upload with read back."""

import contextlib
import errno
import struct
from itertools import product

import pytest
import usb.core
from hypothesis import given, strategies as st

from hw import protocol
from hw.boot import Image, Section, upload
from hw.errors import BadReplyError, DeviceTimeoutError, ImageError, NoDeviceError
from hw.protocol import Request
from tests.hw.fake_usb import IMAGE, FakeBackend, FakeDevice, FakeRuntime

SECTIONS = st.lists(
    st.builds(
        Section,
        st.integers(0, 0xFFFF_0000),
        st.binary(min_size=1, max_size=200).map(lambda b: b + bytes(-len(b) % 4)),
    ),
    max_size=5,
)
ADDRESS = st.integers(0, 2**32 - 1)


def content(sections=((0x100, b"\x01\x00\x00\x00"),), entry=0x100):
    return Image.build([Section(address, data) for address, data in sections], entry)


@given(SECTIONS, ADDRESS)
def test_what_is_built_is_parsed(sections, entry):
    image = Image.parse(Image.build(sections, entry))
    assert image == Image(tuple(sections), entry)
    assert image.data_bytes == sum(len(section.data) for section in sections)


@given(SECTIONS, ADDRESS, st.data())
def test_every_truncation_is_refused(sections, entry, data):
    whole = Image.build(sections, entry)
    cut = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(ImageError):
        Image.parse(whole[:cut])


@given(st.binary(max_size=400))
def test_any_bytes_are_an_image_or_raise_nothing_but_an_image_error(noise):
    with contextlib.suppress(ImageError):
        Image.parse(b"CY\x1c\xb0" + noise)


def test_layout_and_checksum():
    built = content([(0x40003000, bytes.fromhex("ffffffff 02000000"))], 0x40003000)
    assert built.hex(" ", 4) == (
        "43591cb0 02000000 00300040 ffffffff 02000000 00000000 00300040 01000000"
    )
    assert Image.parse(built).checksum == 1
    assert Image.parse(built).control == protocol.IMAGE_CONTROL


@pytest.mark.parametrize(
    ("damaged", "words"),
    [
        (b"", "empty file"),
        (b"C", "does not begin with CY"),
        (b"\x7fELF\x01", "an ELF file: convert it"),
        (b"<!DOCTYPE html>", "a web page"),
        (b":10010000", "an Intel HEX file"),
        (b"CY\x1c\x00" + content()[4:], "type 0x00"),
        (content()[:4], "section header expected at byte 4"),
        (content()[:-12], "section header expected at byte 16"),
        (content()[:4] + b"\xff\xff\xff\x7f" + content()[8:], "truncated: section at 0x00000100"),
        (content()[:-4] + bytes(4), "checksum 0x00000000, data sums to 0x00000001"),
        (content() + content(), "28 bytes after the checksum"),
        (b"MZ" + content()[2:], "does not begin with CY"),
        (b"CY\x1c", "no whole header"),
        (b"CY\x1c\xb2" + content()[4:], "type 0xb2"),
        (b"CY\x1d\xb0" + content()[4:], "marks data"),
        (content()[:8], "section header expected"),
        (content()[:14], "section at 0x00000100 ends at byte 16"),
        (content()[:-4], "no checksum"),
        (content()[:-1] + b"\x01", "checksum 0x01000001, data sums to 0x00000001"),
        (content() + b"x", "1 bytes after"),
        (content() + bytes(protocol.IMAGE_MAX_BYTES), "more than 524288 bytes"),
        (b"CY\x1c\xb0" + struct.pack("<II4s", 1, 0xFFFFFFFE, b"abcd"), "leaves the 32-bit"),
    ],
)
def test_damage_is_named_in_one_line(damaged, words):
    with pytest.raises(ImageError) as caught:
        Image.parse(damaged)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("sections", "entry", "words"),
    [
        ([Section(0, b"")], 0, "not whole words"),
        ([Section(0, b"abc")], 0, "not whole words"),
        ([Section(2**32 - 4, bytes(8))], 0, "leaves the 32-bit"),
        ([], 2**32, "more than 32 bits"),
        ([Section(0, bytes(protocol.IMAGE_MAX_BYTES))], 0, "the limit is"),
    ],
)
def test_what_cannot_be_built_is_refused(sections, entry, words):
    with pytest.raises(ImageError, match=words):
        Image.build(sections, entry)


RUNNABLE = [Section(0x4000_3000, bytes(range(64))), Section(0x100, bytes(range(64, 96)))]


@given(st.data())
def test_one_damaged_byte_is_refused_or_moves_data_whole(data):
    """Data, checksum, magic and type are covered; of the control byte only bit 0 has a meaning."""
    whole = Image.build(RUNNABLE, 0x4000_3000)
    place = data.draw(st.integers(0, len(whole) - 1))
    damage = data.draw(st.integers(1, 255))
    damaged = bytearray(whole)
    damaged[place] ^= damage
    original = Image.parse(whole)
    try:
        image = Image.parse(bytes(damaged))
        image.require_runnable()
    except ImageError:
        return
    addresses = (*range(8, 12), *range(80, 84), *range(len(whole) - 8, len(whole) - 4))
    assert place == 2 or place in addresses
    assert [item.data for item in image.sections] == [item.data for item in original.sections]


def test_every_damaged_byte_of_data_end_mark_and_checksum_is_refused():
    whole = Image.build(RUNNABLE, 0x4000_3000)
    covered = [*range(12, 76), *range(84, 120), *range(124, 128)]
    assert len(whole) == 128
    for place, damage in product(covered, range(1, 256)):
        damaged = bytearray(whole)
        damaged[place] ^= damage
        with pytest.raises(ImageError):
            Image.parse(bytes(damaged))


def test_a_real_sized_image_is_refused_at_every_length_but_its_own():
    whole = Image.build([Section(0x4000_3000, bytes(range(256)) * 32)], 0x4000_3000)
    for cut in range(len(whole)):
        with pytest.raises(ImageError):
            Image.parse(whole[:cut])
    Image.parse(whole)


@pytest.mark.parametrize(
    ("sections", "entry", "words"),
    [
        ([], 0x4000_3000, "entry address 0x40003000 lies in no section"),
        (RUNNABLE, 0x4000_3040, "entry address 0x40003040 lies in no section"),
        (RUNNABLE, 0, "entry address 0x00000000 lies in no section"),
        ([Section(0xE000_0000, bytes(4))], 0xE000_0000, "leaves the FX3's RAM"),
        ([Section(0x4007_FFFC, bytes(8))], 0x4007_FFFC, "0x40080004 leaves the FX3's RAM"),
        ([Section(0x1000_2000, bytes(4))], 0x1000_2000, "leaves the FX3's RAM"),
        ([Section(0x4000_3002, bytes(4))], 0x4000_3002, "whole word"),
        (
            [*RUNNABLE, Section(0x4000_303C, bytes(4))],
            0x4000_3000,
            "section at 0x4000303c begins inside another",
        ),
    ],
)
def test_what_no_fx3_can_run_is_named(sections, entry, words):
    with pytest.raises(ImageError, match=words):
        Image(tuple(sections), entry).require_runnable()


@pytest.mark.parametrize(
    "section",
    [
        Section(0, bytes(0x4000)),
        Section(0x1000_0000, bytes(0x2000)),
        Section(0x4007_FFFC, bytes(4)),
    ],
)
def test_each_ram_may_be_filled_to_its_end(section):
    Image((section,), section.address).require_runnable()


def test_an_image_is_loaded_from_its_file(tmp_path):
    path = tmp_path / "firmware.img"
    path.write_bytes(Image.build(RUNNABLE, 0x4000_3000))
    assert Image.load(path) == Image.load(str(path)) == Image(tuple(RUNNABLE), 0x4000_3000)


@pytest.mark.parametrize(
    ("written", "words"),
    [
        (None, "No such file"),
        (b"", "empty file"),
        (b"\x7fELF", "ELF"),
        (bytes(600_000), "more than 524288 bytes"),
        (Image.build(RUNNABLE, 0x4000_3000)[:-1], "no checksum"),
        (Image.build(RUNNABLE, 0x5000_0000), "entry address 0x50000000 lies in no section"),
    ],
)
def test_trouble_with_a_file_is_one_line_with_its_name(tmp_path, written, words):
    path = tmp_path / "firmware.img"
    if written is not None:
        path.write_bytes(written)
    with pytest.raises(ImageError) as caught:
        Image.load(path)
    text = str(caught.value)
    assert text.startswith(f"{path}: not a usable firmware image (")
    assert words in text
    assert "\n" not in text


def test_a_folder_is_no_image(tmp_path):
    with pytest.raises(ImageError, match="directory"):
        Image.load(tmp_path)


def boot_device(rom):
    return usb.core.find(backend=FakeBackend(rom), idProduct=protocol.BOOT_PRODUCT_ID)


def test_upload_writes_verifies_and_jumps():
    rom = FakeDevice(application=False)
    seen = []
    progress = lambda done, total: seen.append((done, total))  # noqa: E731
    report = upload(boot_device(rom), IMAGE, FakeRuntime(), progress=progress)
    assert report.written_bytes == IMAGE.data_bytes == 5120
    assert seen == [(4096, 5120), (5120, 5120)]
    assert b"".join(rom.ram.values()) == IMAGE.sections[0].data
    assert sorted(rom.ram) == [0x40003000, 0x40004000]
    kinds = [(kind, len(data)) for kind, _, _, _, data in rom.log]
    assert kinds == [(0x40, 4096), (0xC0, 0), (0x40, 1024), (0xC0, 0), (0x40, 0)]
    assert rom.log[-1][1:4] == (Request.RAM_ACCESS, 0x3000, 0x4000)
    assert rom.is_application


def test_a_section_longer_than_the_converter_writes_is_uploaded_in_pieces():
    """The vendor's converter stops at 0x4000 words a section; readers take longer ones."""
    data = bytes(range(256)) * (4 * (protocol.IMAGE_SECTION_MAX_WORDS + 1024) // 256)
    image = Image.parse(Image.build([Section(0x4000_3000, data)], 0x4000_3000))
    rom = FakeDevice(application=False)
    done = []
    upload(boot_device(rom), image, FakeRuntime(), progress=lambda count, _: done.append(count))
    assert b"".join(rom.ram[address] for address in sorted(rom.ram)) == data
    assert done == list(range(4096, len(data) + 1, 4096))


def test_an_upload_that_breaks_off_says_how_far_it_came_and_can_be_repeated():
    rom = FakeDevice(application=False)
    device = boot_device(rom)

    def cut(done, total):
        rom.faults[Request.RAM_ACCESS] = errno.ETIMEDOUT

    with pytest.raises(DeviceTimeoutError, match="upload to 0x40004000") as caught:
        upload(device, IMAGE, FakeRuntime(), progress=cut)
    assert "4096 of 5120 bytes were written" in caught.value.__notes__[0]
    rom.faults.clear()
    assert upload(device, IMAGE, FakeRuntime()).written_bytes == 5120
    assert rom.is_application


@pytest.mark.parametrize("fault", [0, errno.EIO, errno.ENODEV])
def test_the_jump_may_end_the_connection(fault):
    rom = FakeDevice(application=False)
    rom.jump_fault = fault
    upload(boot_device(rom), IMAGE, FakeRuntime())
    assert rom.is_application


def test_a_jump_without_answer_is_an_error():
    rom = FakeDevice(application=False)
    rom.jump_fault = errno.ETIMEDOUT
    with pytest.raises(DeviceTimeoutError, match="jump to 0x40003000"):
        upload(boot_device(rom), IMAGE, FakeRuntime())


def test_memory_that_differs_stops_the_upload():
    rom = FakeDevice(application=False)
    rom.corrupt_readback = True
    with pytest.raises(BadReplyError, match="read back from 0x40003000"):
        upload(boot_device(rom), IMAGE, FakeRuntime())
    assert not rom.is_application


def test_a_piece_that_is_not_taken_whole_stops_the_upload():
    rom = FakeDevice(application=False)
    rom.control = lambda kind, request, value, index, data: 100
    with pytest.raises(BadReplyError, match="100 of 4096 bytes"):
        upload(boot_device(rom), IMAGE, FakeRuntime())


def test_a_device_that_leaves_stops_the_upload():
    rom = FakeDevice(application=False)
    rom.faults[Request.RAM_ACCESS] = errno.ENODEV
    with pytest.raises(NoDeviceError, match="upload to 0x40003000"):
        upload(boot_device(rom), IMAGE, FakeRuntime())
