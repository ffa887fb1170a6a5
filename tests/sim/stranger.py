"""A program that knows nothing of simulators: pyusb, time, and what its author read of the RX888.

It is run as it stands, by tests/sim/test_virtual_time.py.
"""

import struct
import sys
import time

import usb.core
import usb.util

VENDOR, PRODUCT = 0x04B4, 0x00F1
STARTFX3, STOPFX3, STARTADC, GETSTATS = 0xAA, 0xAB, 0xB2, 0xB3
READ_BYTES = 1 << 20


def main() -> int:
    device = usb.core.find(idVendor=VENDOR, idProduct=PRODUCT)
    if device is None:
        print("no RX888 with firmware found")
        return 1
    device.set_configuration()
    usb.util.claim_interface(device, 0)
    print(f"found {usb.util.get_string(device, device.iProduct)}")

    device.ctrl_transfer(0x40, STARTADC, 0, 0, struct.pack("<I", 64_000_000))
    time.sleep(0.3)
    device.ctrl_transfer(0x40, STARTFX3, 0, 0, bytes(4))
    begun = time.monotonic()
    received = 0
    for _ in range(8):
        received += len(device.read(0x81, READ_BYTES, timeout=1000))
    seconds = time.monotonic() - begun
    reply = device.ctrl_transfer(0xC0, GETSTATS, 0, 0, 26)
    device.ctrl_transfer(0x40, STOPFX3, 0, 0, bytes(4))
    time.sleep(0.1)

    buffers, state = struct.unpack_from("<IB", reply)
    print(f"{received} bytes in {seconds:.3f} s, {received / seconds / 1e6:.1f} MB/s")
    print(f"{buffers} buffers, state {state}")
    usb.util.dispose_resources(device)
    return 0


if __name__ == "__main__":
    sys.exit(main())
