"""FX3 firmware images, and their upload into RAM through the boot ROM.

The checksum of an image is the sum of its data words. One damaged byte in the data changes one
summand by less than 2^32, so it is always seen, as is one in the checksum itself. Lengths and
addresses are not summed: a damaged length shifts everything after it off the end of the file, a
damaged address is seen by :meth:`Image.require_runnable` where it leaves the RAM, the other
sections or the entry point in the lurch. What no reader can see is data moved by a few words.

Source: AN76405 and the FX3 Technical Reference Manual, boot image format; vendor request 0xA0.
"""

import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Protocol, Self

from hw import protocol
from hw.errors import (
    BadReplyError,
    DeviceError,
    ImageError,
    NoDeviceError,
    TransferError,
    usb_errors,
)
from hw.runtime import Runtime

_WORD = struct.Struct("<I")
_SECTION_HEADER = struct.Struct("<II")
_ADDRESS_LIMIT = 1 << 32
_LOOKALIKES = (
    (b"\x7fELF", "an ELF file: convert it with the SDK's elf2img"),
    (b"<", "a web page: download the raw file"),
    (b":", "an Intel HEX file: convert the ELF file with the SDK's elf2img"),
)


@dataclass(frozen=True, slots=True)
class Section:
    """A stretch of memory: start address and data, a whole number of 32-bit words."""

    address: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Image:
    """An executable firmware image.

    Attributes:
        sections: what to write where, in file order.
        entry: address to jump to.
        control: the bImageCTL byte.
    """

    sections: tuple[Section, ...]
    entry: int
    control: int = protocol.IMAGE_CONTROL

    @property
    def checksum(self) -> int:
        """Sum of all data words modulo 2^32; headers do not count."""
        return _checksum(self.sections)

    @property
    def data_bytes(self) -> int:
        """Number of bytes that an upload writes."""
        return sum(len(section.data) for section in self.sections)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read an image from a file, and see that an FX3 can run it.

        Args:
            path: the ``.img`` file.

        Raises:
            ImageError: when the file cannot be read, or as :meth:`parse` and
                :meth:`require_runnable` raise it; it names the file.
        """
        try:
            with open(path, "rb") as file:
                content = file.read(protocol.IMAGE_MAX_BYTES + 1)
            image = cls.parse(content)
            image.require_runnable()
        except OSError as error:
            raise ImageError(str(path), error.strerror or str(error)) from error
        except ImageError as error:
            raise ImageError(str(path), error.detail) from None
        return image

    @classmethod
    def parse(cls, content: bytes) -> Self:
        """Read an image file.

        Args:
            content: the whole file.

        Raises:
            ImageError: when it is too large, no image, not executable, truncated, or its checksum
                is wrong.
        """
        if len(content) > protocol.IMAGE_MAX_BYTES:
            raise _bad(f"more than {protocol.IMAGE_MAX_BYTES} bytes, the limit of an image")
        control = _check_header(content)
        sections: list[Section] = []
        offset = protocol.IMAGE_HEADER_BYTES
        while True:
            length_words, address = _read_pair(content, offset)
            offset += _SECTION_HEADER.size
            if length_words == 0:
                break
            end = offset + length_words * protocol.IMAGE_WORD_BYTES
            if end > len(content):
                raise _bad(f"truncated: section at {address:#010x} ends at byte {end}")
            sections.append(Section(address, content[offset:end]))
            _check_section(sections[-1])
            offset = end
        _check_sum(content, offset, _checksum(sections))
        return cls(tuple(sections), address, control)

    def require_runnable(self) -> None:
        """Return if every section lies in the FX3's RAM, alone, and the entry in one of them.

        The boot ROM checks none of this: it would write what it can, jump, and be silent until the
        power goes.

        Raises:
            ImageError: for the first thing that is wrong.
        """
        areas = [range(start, start + size) for start, size in protocol.RAM_AREAS]
        spans = sorted(
            ((item.address, item.address + len(item.data)) for item in self.sections),
        )
        for start, end in spans:
            if start % protocol.IMAGE_WORD_BYTES:
                raise _bad(f"section at {start:#010x} does not begin at a whole word")
            if not any(start in area and end - 1 in area for area in areas):
                raise _bad(f"section {start:#010x} to {end:#010x} leaves the FX3's RAM")
        for (_, end), (start, _) in pairwise(spans):
            if start < end:
                raise _bad(
                    f"section at {start:#010x} begins inside another, which ends at {end:#x}"
                )
        if not any(start <= self.entry < end for start, end in spans):
            raise _bad(f"entry address {self.entry:#010x} lies in no section")

    @classmethod
    def build(cls, sections: Sequence[Section], entry: int) -> bytes:
        """Return the file that holds these sections.

        Args:
            sections: what to write where.
            entry: address to jump to.

        Raises:
            ImageError: when a section is empty, no whole number of words or beyond the address
                space, or when the image gets too large.
        """
        if not 0 <= entry < _ADDRESS_LIMIT:
            raise _bad(f"entry address {entry:#x} has more than 32 bits")
        parts = [protocol.IMAGE_MAGIC + bytes((protocol.IMAGE_CONTROL, protocol.IMAGE_TYPE_NORMAL))]
        for section in sections:
            _check_section(section)
            length_words = len(section.data) // protocol.IMAGE_WORD_BYTES
            parts += (_SECTION_HEADER.pack(length_words, section.address), section.data)
        parts += (_SECTION_HEADER.pack(0, entry), _WORD.pack(_checksum(sections)))
        content = b"".join(parts)
        if len(content) > protocol.IMAGE_MAX_BYTES:
            raise _bad(f"{len(content)} bytes, the limit is {protocol.IMAGE_MAX_BYTES}")
        return content


class BootDevice(Protocol):
    """What an upload needs of a pyusb ``Device``."""

    def ctrl_transfer(
        self,
        bmRequestType: int,  # noqa: N803 - pyusb's own name
        bRequest: int,  # noqa: N803 - pyusb's own name
        wValue: int,  # noqa: N803 - pyusb's own name
        wIndex: int,  # noqa: N803 - pyusb's own name
        data_or_wLength: bytes | int,  # noqa: N803 - pyusb's own name
        timeout: int,
    ) -> int | Sequence[int]:
        """Do a control transfer; times in ms."""
        ...


@dataclass(frozen=True, slots=True)
class Upload:
    """What an upload did: bytes written and verified, and how long it took."""

    written_bytes: int
    duration_ns: int


def upload(
    device: BootDevice,
    image: Image,
    runtime: Runtime,
    *,
    progress: Callable[[int, int], None] | None = None,
    timeout_ms: int = protocol.CONTROL_TIMEOUT_MS,
) -> Upload:
    """Write an image into RAM piece by piece, read each piece back, then jump to its entry.

    Args:
        device: the boot ROM's device.
        image: what to write.
        runtime: the clock.
        progress: called after each piece with bytes done and bytes in all.
        timeout_ms: limit of each transfer.

    Returns:
        Size and duration, the jump included.

    Raises:
        BadReplyError: when a piece reads back differently or short.
        DeviceError: when a transfer fails, with a note on how far the upload came; nothing has run
            yet, and the upload can be repeated from its start. The jump may end with an I/O error
            or with the device gone, because the ROM leaves the bus in the middle of it.
    """
    started_ns = runtime.now_ns()
    total_bytes = image.data_bytes
    done_bytes = 0
    for address, piece in _pieces(image):
        try:
            _write(device, address, piece, timeout_ms)
            _verify(device, address, piece, timeout_ms)
        except DeviceError as error:
            error.add_note(
                f"{done_bytes} of {total_bytes} bytes were written and nothing has run: if the "
                "boot ROM is still there, upload again from the start"
            )
            raise
        done_bytes += len(piece)
        if progress is not None:
            progress(done_bytes, total_bytes)
    _jump(device, image.entry, timeout_ms)
    return Upload(done_bytes, runtime.now_ns() - started_ns)


def _pieces(image: Image) -> Iterator[tuple[int, bytes]]:
    for section in image.sections:
        for offset in range(0, len(section.data), protocol.BOOT_TRANSFER_BYTES):
            piece = section.data[offset : offset + protocol.BOOT_TRANSFER_BYTES]
            yield section.address + offset, piece


def _write(device: BootDevice, address: int, data: bytes, timeout_ms: int) -> None:
    operation = f"upload to {address:#010x}"
    with usb_errors(operation):
        written = device.ctrl_transfer(
            protocol.VENDOR_OUT, protocol.Request.RAM_ACCESS, *_split(address), data, timeout_ms
        )
    if written != len(data):
        raise BadReplyError(operation, f"{written} of {len(data)} bytes accepted")


def _verify(device: BootDevice, address: int, data: bytes, timeout_ms: int) -> None:
    operation = f"read back from {address:#010x}"
    with usb_errors(operation):
        reply = device.ctrl_transfer(
            protocol.VENDOR_IN, protocol.Request.RAM_ACCESS, *_split(address), len(data), timeout_ms
        )
    if isinstance(reply, int) or bytes(reply) != data:
        raise BadReplyError(operation, "memory differs from what was written")


def _jump(device: BootDevice, entry: int, timeout_ms: int) -> None:
    operation = f"jump to {entry:#010x}"
    try:
        with usb_errors(operation):
            device.ctrl_transfer(
                protocol.VENDOR_OUT, protocol.Request.RAM_ACCESS, *_split(entry), b"", timeout_ms
            )
    except (NoDeviceError, TransferError):
        # The ROM may drop off the bus before its status stage; whether the firmware runs shows
        # when the application appears.
        return


def _split(address: int) -> tuple[int, int]:
    """Return wValue and wIndex for an address."""
    return address & 0xFFFF, address >> 16


def _checksum(sections: Sequence[Section]) -> int:
    total = 0
    for section in sections:
        count = len(section.data) // protocol.IMAGE_WORD_BYTES
        total += sum(struct.unpack(f"<{count}I", section.data))
    return total % _ADDRESS_LIMIT


def _check_header(content: bytes) -> int:
    if not content:
        raise _bad("empty file")
    if content[:2] != protocol.IMAGE_MAGIC:
        for beginning, what in _LOOKALIKES:
            if content.startswith(beginning):
                raise _bad(what)
        raise _bad(f"does not begin with {protocol.IMAGE_MAGIC.decode()}")
    if len(content) < protocol.IMAGE_HEADER_BYTES:
        raise _bad("truncated: no whole header")
    control, image_type = content[2], content[3]
    if image_type != protocol.IMAGE_TYPE_NORMAL:
        raise _bad(f"type {image_type:#04x}, executable firmware has 0xb0")
    if control & protocol.IMAGE_CONTROL_DATA_BIT:
        raise _bad(f"control byte {control:#04x} marks data, not firmware")
    return control


def _read_pair(content: bytes, offset: int) -> tuple[int, int]:
    if offset + _SECTION_HEADER.size > len(content):
        raise _bad(f"truncated: section header expected at byte {offset}")
    length_words, address = _SECTION_HEADER.unpack_from(content, offset)
    return length_words, address


def _check_section(section: Section) -> None:
    size_bytes = len(section.data)
    if size_bytes == 0 or size_bytes % protocol.IMAGE_WORD_BYTES:
        raise _bad(f"section at {section.address:#x} has {size_bytes} bytes, not whole words")
    if not 0 <= section.address <= _ADDRESS_LIMIT - size_bytes:
        raise _bad(f"section at {section.address:#x} leaves the 32-bit address space")


def _check_sum(content: bytes, offset: int, computed: int) -> None:
    rest = content[offset:]
    if len(rest) < _WORD.size:
        raise _bad("truncated: no checksum")
    if len(rest) > _WORD.size:
        raise _bad(f"{len(rest) - _WORD.size} bytes after the checksum")
    (stored,) = _WORD.unpack(rest)
    if stored != computed:
        raise _bad(f"checksum {stored:#010x}, data sums to {computed:#010x}")


def _bad(detail: str) -> ImageError:
    return ImageError("image", detail)
