"""Who has the interface, and which serial number is where, as Linux shows it."""

import errno

import pytest

from hw import ownership, ports
from hw.bus import Bus, Selector
from hw.errors import DeviceTimeoutError
from hw.guard import Authority
from hw.ownership import Owner, owner_in_sysfs
from hw.protocol import APPLICATION_PRODUCT_ID
from tests.hw.fake_usb import SERIAL, FakeBackend, FakeDevice, FakeRuntime, WorldBackend


@pytest.fixture
def interface(tmp_path, monkeypatch):
    monkeypatch.setattr(ownership, "SYSFS", tmp_path)
    folder = tmp_path / "2-1.4" / "2-1.4:1.0"
    folder.mkdir(parents=True)
    return folder


def test_an_interface_without_a_driver_is_free(interface):
    assert interface.is_dir()
    assert owner_in_sysfs(2, (1, 4)) is Owner.NOBODY


def test_usbfs_is_the_driver_of_what_a_program_has_claimed(interface):
    (interface / "driver").symlink_to("../../../bus/usb/drivers/usbfs")
    assert owner_in_sysfs(2, (1, 4)) is Owner.ANOTHER


def test_where_nothing_tells_nobody_knows(interface):
    """No Linux, another port, no configuration: then nobody may act as if it were free."""
    assert owner_in_sysfs(2, (1, 5)) is Owner.UNKNOWN
    assert owner_in_sysfs(1, (1, 4)) is Owner.UNKNOWN


@pytest.mark.parametrize(("backend", "is_found"), [(FakeBackend, True), (WorldBackend, False)])
def test_a_device_whose_ep0_is_dead_is_known_by_the_serial_that_was_read_before(
    tmp_path, monkeypatch, backend, is_found
):
    """Linux keeps the string of the enumeration; of a world this machine knows nothing."""
    monkeypatch.setattr(ports, "SYSFS", tmp_path)
    (tmp_path / "2-1.4").mkdir()
    (tmp_path / "2-1.4" / "serial").write_text(f"{SERIAL}\n")
    device = FakeDevice()
    device.faults[6] = errno.ETIMEDOUT
    bus = Bus(backend(device), FakeRuntime(), Authority(), Selector(serial=SERIAL))
    if is_found:
        assert bus.find((APPLICATION_PRODUCT_ID,)) is not None
        stranger = Bus(backend(device), FakeRuntime(), Authority(), Selector(serial="another"))
        assert stranger.find((APPLICATION_PRODUCT_ID,)) is None
    else:
        with pytest.raises(DeviceTimeoutError):
            bus.find((APPLICATION_PRODUCT_ID,))
