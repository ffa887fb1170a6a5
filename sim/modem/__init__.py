"""A simulated cellular module on pseudo-terminals: the test peer of everything in ``hw.serial``."""

from sim.modem.module import ListedPort, SimulatedModem
from sim.modem.options import ModemOptions

__all__ = ["ListedPort", "ModemOptions", "SimulatedModem"]
