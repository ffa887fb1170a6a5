"""The udev rule: parsed by its grammar, and fit for both of the device's identities."""

import re

import pytest

from hw.protocol import APPLICATION_PRODUCT_ID, BOOT_PRODUCT_ID, VENDOR_ID
from hw.udev import rule_path

TOKEN = re.compile(r'([A-Z]+)(?:\{(\w+)\})?(==|!=|\+=|-=|:=|=)"([^"]*)"')
"""One key of a rule: name, attribute, operator, value (man 7 udev)."""
MATCHES = {"SUBSYSTEM", "ENV", "ATTR"}
ASSIGNMENTS = {"MODE", "GROUP", "TAG"}


def parsed(line):
    tokens = [token.strip() for token in line.split(", ")]
    found = [TOKEN.fullmatch(token) for token in tokens]
    assert all(found), line
    return [match.groups() for match in found]


RULES = [
    parsed(line)
    for line in rule_path().read_text().splitlines()
    if line and not line.startswith("#")
]


def applies(rule, device):
    """Whether a rule's matches all fit a device's properties."""
    return all(
        (device.get((name, attribute)) == value) == (operator == "==")
        for name, attribute, operator, value in rule
        if operator in ("==", "!=")
    )


def usb(vendor, product, kind="usb_device"):
    return {
        ("SUBSYSTEM", None): "usb",
        ("ENV", "DEVTYPE"): kind,
        ("ATTR", "idVendor"): f"{vendor:04x}",
        ("ATTR", "idProduct"): f"{product:04x}",
    }


@pytest.mark.parametrize("product", [APPLICATION_PRODUCT_ID, BOOT_PRODUCT_ID])
def test_application_and_boot_rom_are_given_to_user_and_group(product):
    (rule,) = [rule for rule in RULES if applies(rule, usb(VENDOR_ID, product))]
    given = {name: (operator, value) for name, _, operator, value in rule if name in ASSIGNMENTS}
    assert given == {"MODE": ("=", "0660"), "GROUP": ("=", "plugdev"), "TAG": ("+=", "uaccess")}


@pytest.mark.parametrize(
    "device",
    [
        usb(VENDOR_ID, 0x00F0),
        usb(0x1D6B, APPLICATION_PRODUCT_ID),
        usb(VENDOR_ID, APPLICATION_PRODUCT_ID, "usb_interface"),
    ],
)
def test_nothing_else_is_touched(device):
    assert not any(applies(rule, device) for rule in RULES)


def test_the_rules_have_only_keys_that_match_or_assign_as_udev_wants():
    for rule in RULES:
        for name, _, operator, _ in rule:
            assert operator in (("==",) if name in MATCHES else ("=", "+="))
            assert name in MATCHES | ASSIGNMENTS


def test_the_name_sorts_before_the_rule_that_acts_on_uaccess():
    assert rule_path().name < "73-seat-late.rules"
