"""What the kernel's sysfs shows of the bus: text for umockdev.

Two root hubs, one of each speed, whose ports 1 are the two names of one connector.

Source: Linux, Documentation/ABI/testing/sysfs-bus-usb and ``drivers/usb/core/sysfs.c``; umockdev,
``umockdev_testbed_add_from_string``.
"""

from __future__ import annotations

from hw.protocol import CONFIGURATION_VALUE, INTERFACE_NUMBER
from sim.host.device import USB2_BUS, USB3_BUS, UsbDevice

CONTROLLER = "/devices/pci0000:00/0000:00:14.0"
_HUB_CONFIGURATION = "0902190001010 0e000 0904000001090000000705810304000c".replace(" ", "")
_HUBS = {
    USB2_BUS: ("480", "1201000209000140 6b1d0200 0106 03020101"),
    USB3_BUS: ("5000", "1201000309000309 6b1d0300 0106 03020101"),
}


def _root_hub(bus: int) -> str:
    speed, device = _HUBS[bus]
    other = USB2_BUS if bus == USB3_BUS else USB3_BUS
    hub = f"{CONTROLLER}/usb{bus}"
    port = f"{hub}/{bus}-0:1.0/usb{bus}-port1"
    peer = f"../../../usb{other}/{other}-0:1.0/usb{other}-port1"
    return f"""P: {hub}
N: bus/usb/{bus:03}/001
E: SUBSYSTEM=usb
E: DEVTYPE=usb_device
E: DEVNAME=/dev/bus/usb/{bus:03}/001
E: BUSNUM={bus:03}
E: DEVNUM=001
A: busnum={bus}\\n
A: devnum=1\\n
A: speed={speed}\\n
A: bConfigurationValue=1\\n
H: descriptors={device.replace(" ", "")}{_HUB_CONFIGURATION}

P: {port}
E: SUBSYSTEM=port
L: peer={peer}

"""


ROOT_HUBS = _root_hub(USB2_BUS) + _root_hub(USB3_BUS)


def name_of(device: UsbDevice) -> str:
    """The kernel's name of a device, such as ``2-1``."""
    return f"{device.bus}-{'.'.join(map(str, device.ports))}"


def path_of(device: UsbDevice) -> str:
    """Its path in sysfs."""
    return f"/sys{CONTROLLER}/usb{device.bus}/{name_of(device)}"


def node_of(device: UsbDevice) -> str:
    """Its node for usbfs."""
    return f"/dev/bus/usb/{device.bus:03}/{address_of(device):03}"


def address_of(device: UsbDevice) -> int:
    """Its address beside the root hubs, which have 1 on their buses and are not in the world."""
    return device.address + 1


def record(device: UsbDevice) -> str:
    """The device with the descriptors that the host read from it."""
    read = device.descriptors
    speed = 5000 if device.function.super_speed else 480
    product = int.from_bytes(read.device[10:12], "little")
    strings = {
        "manufacturer": device.manufacturer,
        "product": device.product,
        "serial": device.serial_number,
    }
    texts = "".join(f"A: {name}={text}\\n\n" for name, text in strings.items() if text)
    node = node_of(device)
    return f"""P: {path_of(device).removeprefix("/sys")}
N: {node.removeprefix("/dev/")}
E: SUBSYSTEM=usb
E: DEVTYPE=usb_device
E: DEVNAME={node}
E: BUSNUM={device.bus:03}
E: DEVNUM={address_of(device):03}
E: PRODUCT=4b4/{product:x}/{int.from_bytes(read.device[12:14], "little"):x}
A: busnum={device.bus}\\n
A: devnum={address_of(device)}\\n
A: speed={speed}\\n
A: bConfigurationValue={device.configuration}\\n
A: idVendor=04b4\\n
A: idProduct={product:04x}\\n
{texts}H: descriptors={read.device.hex()}{read.configuration.hex()}

"""


def interface_path_of(device: UsbDevice) -> str:
    """The path of its one interface, which is there while it is configured."""
    return f"{path_of(device)}/{name_of(device)}:{CONFIGURATION_VALUE}.{INTERFACE_NUMBER}"


def interface_record(device: UsbDevice) -> str:
    """The one interface, which no driver has."""
    return f"""P: {interface_path_of(device).removeprefix("/sys")}
E: SUBSYSTEM=usb
E: DEVTYPE=usb_interface
A: bInterfaceNumber={INTERFACE_NUMBER:02x}\\n
A: bAlternateSetting= 0\\n
A: bInterfaceClass=ff\\n

"""
