"""Supervision of one device over USB by the very same health module that runs in the firmware."""

from hw.supervisor.log import Log
from hw.supervisor.mandate import (
    Forbidden,
    FreeHand,
    Mandate,
    StandingMandate,
    standing_authority,
)
from hw.supervisor.memory import Action, Memory, MemoryDamaged
from hw.supervisor.notify import Notifier
from hw.supervisor.restraint import UNRESTRAINED, Restraint
from hw.supervisor.supervisor import Remedy, Supervisor
from hw.supervisor.tally import Tally

__all__ = [
    "UNRESTRAINED",
    "Action",
    "Forbidden",
    "FreeHand",
    "Log",
    "Mandate",
    "Memory",
    "MemoryDamaged",
    "Notifier",
    "Remedy",
    "Restraint",
    "StandingMandate",
    "Supervisor",
    "Tally",
    "standing_authority",
]
