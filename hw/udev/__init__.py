"""The udev rule that lets a user open the device on Linux, shipped as a file."""

from pathlib import Path
from typing import Final

INSTALL_DIRECTORY: Final = "/etc/udev/rules.d/"
"""Where rules of the machine's administrator live (``man 7 udev``)."""


def rule_path() -> Path:
    """Return where the rule's file is installed with this package."""
    return Path(__file__).with_name("70-rx888.rules")
