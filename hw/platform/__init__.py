"""The health module's clock, hands and eyes in the host position: over USB."""

from hw.platform.platform import OPERATIONS, HostPlatform, HostRecovery
from hw.platform.sampler import HostSampler

__all__ = ["OPERATIONS", "HostPlatform", "HostRecovery", "HostSampler"]
