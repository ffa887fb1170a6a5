"""What a program asks that wants to know whether EP0 serves as it should."""

from __future__ import annotations

from collections.abc import Callable

from hw.errors import DeviceError, NoDeviceError
from hw.protocol import HARDWARE_RX888MK2, Argument
from hw.rx888 import Rx888


def answers_well(
    device: Rx888, limit_ms: int, on_failure: Callable[[DeviceError], None] | None = None
) -> bool:
    """Ask two different questions and set the gain; whether each was served as it should be.

    Of an EP0 that is out of step each reply is the one before: none fits all three.

    Args:
        device: that is asked.
        limit_ms: of each answer.
        on_failure: told of each request that failed, at once; None for nobody.

    Raises:
        NoDeviceError: the device left the bus.
    """
    hardware: list[int] = []
    calls: tuple[Callable[[], object], ...] = (
        lambda: device.stats(timeout_ms=limit_ms),
        lambda: hardware.append(device.info(timeout_ms=limit_ms).hardware),
        lambda: device.set_argument(Argument.VGA, 0, timeout_ms=limit_ms),
    )
    is_well = True
    for call in calls:
        try:
            call()
        except NoDeviceError:
            raise
        except DeviceError as error:
            is_well = False
            if on_failure is not None:
                on_failure(error)
    return is_well and hardware == [HARDWARE_RX888MK2]
