"""The SDK as one object, as firmware sees it."""

from __future__ import annotations

from sim.sdk.dma import DmaCalls
from sim.sdk.gpif import GpifCalls
from sim.sdk.os import OsCalls
from sim.sdk.serial import SerialCalls
from sim.sdk.system import SystemCalls
from sim.sdk.usb import UsbCalls


class Sdk(SystemCalls, OsCalls, DmaCalls, GpifCalls, UsbCalls, SerialCalls):
    """Every SDK call of one boot of the firmware."""
