"""The host: what its records say of crashes, and in which state that leaves it."""

from hw.host.errors import EvidenceError
from hw.host.keeper import Clock, HostKeeper, current_state
from hw.host.states import HostStatus

__all__ = ["Clock", "EvidenceError", "HostKeeper", "HostStatus", "current_state"]
