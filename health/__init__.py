"""The reference recovery module: events in, one status out, and the remedy that answers it.

It runs on the device and on the host, in worlds and on hardware; `Platform`, `Watchdog` and
`Sampler` are all that differs. Standard library alone, integers alone, 32-bit wrapping time.
"""

from health.cascade import Recovery
from health.contract import HealthFactory, HealthModule
from health.errors import HealthError, PolicyError
from health.events import Event
from health.health import Health
from health.levels import Level, Outcome, level_bit
from health.platform import Intent, Platform, Recorder, Sampler, Watchdog
from health.policy import Policy
from health.policy_cautions import Caution
from health.status import Evidence, Status, StatusCode

__all__ = [
    "Caution",
    "Event",
    "Evidence",
    "Health",
    "HealthError",
    "HealthFactory",
    "HealthModule",
    "Intent",
    "Level",
    "Outcome",
    "Platform",
    "Policy",
    "PolicyError",
    "Recorder",
    "Recovery",
    "Sampler",
    "Status",
    "StatusCode",
    "Watchdog",
    "level_bit",
]
