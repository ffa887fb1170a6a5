"""Wire facts: replies round-trip, descriptors are whole, and the package stays light."""

import subprocess
import sys
from dataclasses import replace

import pytest
from hypothesis import given, strategies as st

from hw import protocol
from hw.protocol import DeviceInfo, SdkStatus, Stats

WORD = st.integers(0, 2**32 - 1)
HALF = st.integers(0, 2**16 - 1)
BYTE = st.integers(0, 255)
FULL = st.builds(Stats, WORD, BYTE, WORD, HALF, WORD, WORD, BYTE, WORD, BYTE, st.booleans())


@given(FULL)
def test_stats_round_trip_in_all_three_forms(stats):
    clock_form = replace(stats, boot_count=None)
    short_form = replace(clock_form, clk0_control=None, clk0_on=None)
    sizes = []
    for form in (stats, clock_form, short_form):
        sizes.append(len(form.pack()))
        assert Stats.unpack(form.pack()) == form
    assert sizes == [26, 22, 20]
    assert stats.pack()[:20] == short_form.pack()


@given(st.binary(min_size=26, max_size=26).map(lambda b: b[:25] + bytes((b[25] & 1,))))
def test_any_26_bytes_are_kept(reply):
    assert Stats.unpack(reply).pack() == reply


def test_stats_layout_byte_by_byte():
    reply = bytes.fromhex("01000000 09 02000000 0510 03000000 04000000 01 05000000 4f 01")
    stats = Stats.unpack(reply)
    assert stats == Stats(1, 9, 2, protocol.OVERRUN_THREAD_0, 3, 4, 1, 5, 0x4F, True)
    assert Stats.unpack(reply + b"\x00\x08\x00\x00") == stats


def test_capabilities_name_what_was_sent():
    full = Stats.unpack(bytes(26))
    assert "boot_count" in full.capabilities
    assert "clk0_on" in Stats.unpack(bytes(22)).capabilities
    assert "boot_count" not in Stats.unpack(bytes(22)).capabilities
    assert "clk0_on" not in Stats.unpack(bytes(20)).capabilities


@pytest.mark.parametrize("size", [0, 4, 19, 21, 24, 25])
def test_unknown_lengths_are_refused(size):
    with pytest.raises(ValueError, match=f"of {size} bytes"):
        Stats.unpack(bytes(size))


def test_half_a_form_cannot_be_packed():
    with pytest.raises(ValueError, match="boot_count"):
        Stats(0, 0, 0, 0, 0, 0, 0, boot_count=1).pack()


@given(BYTE, BYTE, BYTE, BYTE)
def test_device_info_round_trip(hardware, major, minor, count):
    info = DeviceInfo(hardware, major, minor, count)
    assert DeviceInfo.unpack(info.pack()) == info


def test_device_info_refuses_other_lengths():
    with pytest.raises(ValueError, match="3 bytes"):
        DeviceInfo.unpack(bytes(3))


@pytest.mark.parametrize(
    "descriptor",
    [
        protocol.DEVICE_DESCRIPTOR_SS,
        protocol.DEVICE_DESCRIPTOR_HS,
        protocol.BOOT_DEVICE_DESCRIPTOR,
        protocol.QUALIFIER_DESCRIPTOR,
        protocol.STRING_LANGUAGES,
        protocol.STRING_MANUFACTURER,
        protocol.STRING_PRODUCT,
    ],
)
def test_descriptors_state_their_length(descriptor):
    assert descriptor[0] == len(descriptor)


@pytest.mark.parametrize(
    "tree",
    [
        protocol.BOS_DESCRIPTOR,
        protocol.CONFIGURATION_DESCRIPTOR_SS,
        protocol.CONFIGURATION_DESCRIPTOR_HS,
        protocol.CONFIGURATION_DESCRIPTOR_FS,
    ],
)
def test_descriptor_trees_state_their_total_and_chain(tree):
    assert int.from_bytes(tree[2:4], "little") == len(tree)
    offset = 0
    while offset < len(tree):
        offset += tree[offset]
    assert offset == len(tree)


def test_codes_that_documents_print_in_decimal():
    assert SdkStatus(68) is SdkStatus.NOT_CONFIGURED
    assert SdkStatus(74) is SdkStatus.FAILURE
    assert SdkStatus(81) is SdkStatus.XFER_CANCELLED
    assert SdkStatus(29) is SdkStatus.MUTEX_FAILURE
    assert protocol.UsbEvent(18) is protocol.UsbEvent.EP_UNDERRUN
    assert protocol.UsbEvent(24) is protocol.UsbEvent.LMP_EXCH_FAIL
    assert protocol.OVERRUN_THREAD_1 == 0x1006


@pytest.mark.parametrize("module", ["hw", "hw.protocol", "hw.trace", "hw.trace.chrome"])
def test_wire_facts_and_recorder_load_no_usb_library(module):
    code = f"import sys, {module}; sys.exit('usb' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
