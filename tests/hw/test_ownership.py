"""Who has the interface, as Linux shows it."""

import pytest

from hw import ownership
from hw.ownership import Owner, owner_in_sysfs


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
