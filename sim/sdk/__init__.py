"""The CyU3P API over the chip: one Python method per SDK call, by its name in snake_case.

Methods block as the real calls do, take and return Python values, and answer the SDK's status
codes (:class:`hw.protocol.SdkStatus`); an out value of None means that the call leaves the
caller's variable untouched. Handles are any hashable value; callbacks are plain callables.

Every method is a named injection point: a fault replaces it on one :class:`Sdk` instance, so a
call that no fault is armed on costs nothing extra.
"""

from sim.sdk.api import Sdk
from sim.sdk.types import DmaMultiChannelConfig, EndpointConfig, UsbEvent

__all__ = ["DmaMultiChannelConfig", "EndpointConfig", "Sdk", "UsbEvent"]
