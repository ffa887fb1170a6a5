"""The Python firmware of the RX888mk2, written on the simulated SDK alone."""

from sim.firmware.app import Firmware
from sim.firmware.image import image, program_of
from sim.firmware.revisions import REVISIONS, Revision, revision

__all__ = ["REVISIONS", "Firmware", "Revision", "image", "program_of", "revision"]
