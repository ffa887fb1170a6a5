"""The log of USB transfers and its capture file."""

import shutil
import struct
import subprocess

import pytest

from hw.trace import usbmon
from hw.trace.transfers import DONE, GONE, STALLED, TAKEN_BACK, Stage, Target, TransferLog

EP0_IN = Target(2, 7, 0x80)
EP0_OUT = Target(2, 7, 0x00)
EP1_IN = Target(2, 7, 0x81)
GETSTATS = bytes.fromhex("c0b3000000001a00")
STARTADC = bytes.fromhex("40b2000000000400")
HEADER = struct.Struct("<QBBBBHBBqiiII8siiII")


def example() -> TransferLog:
    log = TransferLog(data_bytes_max=4)
    adc = log.submit(1_000, EP0_OUT, 4, STARTADC, bytes.fromhex("00127a00"))
    log.complete(adc, 91_000, DONE, 4)
    read = log.submit(100_000, EP1_IN, 16_384)
    stats = log.submit(5_000_002_500, EP0_IN, 26, GETSTATS)
    log.complete(stats, 5_000_300_000, DONE, 26, bytes(range(26)))
    log.complete(read, 5_500_000_000, TAKEN_BACK)
    return log


def packets(data: bytes) -> list[tuple[tuple[int, ...], tuple, bytes]]:
    """(pcap header, usbmon header, data) of each record."""
    found, at = [], 24
    while at < len(data):
        outer = struct.unpack_from("<IIII", data, at)
        inner = HEADER.unpack_from(data, at + 16)
        found.append((outer, inner, data[at + 16 + 64 : at + 16 + outer[2]]))
        at += 16 + outer[2]
    return found


def test_the_file_is_a_pcap_of_link_type_220_in_nanoseconds():
    assert struct.unpack("<IHHiIII", usbmon.dumps(TransferLog())) == (
        0xA1B23C4D,
        2,
        4,
        0,
        0,
        65_535,
        220,
    )


def test_a_transfer_is_told_when_submitted_and_when_completed():
    """Both carry its number; a pending one has -EINPROGRESS, as usbmon has."""
    headers = [inner for _, inner, _ in packets(usbmon.dumps(example()))]
    assert [(chr(item[1]), item[0], item[10]) for item in headers] == [
        ("S", 1, -115),
        ("C", 1, 0),
        ("S", 2, -115),
        ("S", 3, -115),
        ("C", 3, 0),
        ("C", 2, -2),
    ]


def test_the_setup_packet_stands_in_the_submission_alone():
    """flag_setup is 0 there, and '-' in every other record."""
    found = [(inner[6], inner[13]) for _, inner, _ in packets(usbmon.dumps(example()))]
    assert found[0] == (0, STARTADC)
    assert found[3] == (0, GETSTATS)
    assert {found[number] for number in (1, 2, 4, 5)} == {(ord("-"), bytes(8))}


def test_data_goes_with_the_submission_of_an_out_and_the_completion_of_an_in():
    """flag_data is 0 with data, else the direction; lengths tell what was cut."""
    found = packets(usbmon.dumps(example()))
    assert [(inner[7], inner[11], inner[12], data) for _, inner, data in found] == [
        (0, 4, 4, bytes.fromhex("00127a00")),
        (ord(">"), 4, 0, b""),
        (ord("<"), 16_384, 0, b""),
        (ord("<"), 26, 0, b""),
        (0, 26, 4, bytes(range(4))),
        (ord("<"), 0, 0, b""),
    ]
    assert found[4][0][2:] == (64 + 4, 64 + 26)


def test_no_time_is_rounded_in_the_file_and_the_header_counts_microseconds():
    outer, inner, _ = packets(usbmon.dumps(example()))[3]
    assert outer[:2] == (5, 2_500)
    assert inner[8:10] == (5, 2)


def test_kind_endpoint_address_and_bus():
    headers = [inner for _, inner, _ in packets(usbmon.dumps(example()))]
    assert headers[0][2:6] == (2, 0x00, 7, 2)
    assert headers[3][2:6] == (2, 0x80, 7, 2)
    assert headers[2][2:6] == (3, 0x81, 7, 2)


def test_records_are_written_by_time_whatever_the_order_of_telling():
    """A driver tells a transfer when it has ended; a longer one may have begun before it."""
    log = TransferLog()
    for began, ended in ((50, 60), (10, 90)):
        log.complete(log.submit(began, EP1_IN, 2), ended, DONE)
    assert [event.at_ns for event in log.in_order()] == [10, 50, 60, 90]


def test_a_transfer_completes_once():
    log = TransferLog()
    number = log.submit(1, EP1_IN, 2)
    log.complete(number, 2, GONE)
    with pytest.raises(KeyError):
        log.complete(number, 3, DONE)
    assert [event.stage for event in log.events] == [Stage.SUBMITTED, Stage.COMPLETED]


def test_a_negative_limit_is_refused():
    with pytest.raises(ValueError, match="-1"):
        TransferLog(-1)


@pytest.mark.heavy
def test_tshark_reads_the_capture(tmp_path):
    """Every field that a reader filters by comes out of Wireshark's own dissector."""
    tshark = shutil.which("tshark")
    if tshark is None:
        pytest.skip("no tshark here: apt-get install tshark")
    log = example()
    log.complete(log.submit(6_000_000_000, EP0_IN, 26, GETSTATS), 6_000_100_000, STALLED)
    path = tmp_path / "example.pcap"
    usbmon.write(log, path)
    fields = (
        "frame.time_epoch",
        "usb.urb_type",
        "usb.transfer_type",
        "usb.endpoint_address",
        "usb.bus_id",
        "usb.device_address",
        "usb.urb_status",
        "usb.urb_len",
        "usb.setup.bRequest",
        "usb.setup.wLength",
        "usb.time",
    )
    command = [tshark, "-r", str(path), "-T", "fields", "-E", "separator=,"]
    for field in fields:
        command += ["-e", field]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        "0.000001000,'S',0x02,0x00,2,7,-115,4,178,4,",
        "0.000091000,'C',0x02,0x00,2,7,0,4,,,0.000090000",
        "0.000100000,'S',0x03,0x81,2,7,-115,16384,,,",
        "5.000002500,'S',0x02,0x80,2,7,-115,26,179,26,",
        "5.000300000,'C',0x02,0x80,2,7,0,26,,,0.000297500",
        "5.500000000,'C',0x03,0x81,2,7,-2,0,,,5.499900000",
        "6.000000000,'S',0x02,0x80,2,7,-115,26,179,26,",
        "6.000100000,'C',0x02,0x80,2,7,-32,0,,,0.000100000",
    ]
    malformed = subprocess.run(
        [tshark, "-r", str(path), "-Y", "_ws.malformed"], capture_output=True, text=True, check=True
    )
    assert malformed.stdout == ""
