"""Images: parse, build, and what is wrong with a damaged one; upload with read back."""

import contextlib
import errno
import struct

import pytest
import usb.core
from hypothesis import given
from hypothesis import strategies as st

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
        (b"", "does not begin with CY"),
        (b"MZ" + content()[2:], "does not begin with CY"),
        (b"CY\x1c", "no whole header"),
        (b"CY\x1c\xb2" + content()[4:], "type 0xb2"),
        (b"CY\x1d\xb0" + content()[4:], "marks data"),
        (content()[:8], "section header expected"),
        (content()[:14], "section at 0x00000100 ends at byte 16"),
        (content()[:-4], "no checksum"),
        (content()[:-1] + b"\x01", "checksum 0x01000001, data sums to 0x00000001"),
        (content() + b"x", "1 bytes after"),
        (content() + bytes(protocol.IMAGE_MAX_BYTES), "the limit is 524288"),
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
