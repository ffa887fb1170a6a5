"""A soak's place on a real device, through the guard."""

from __future__ import annotations

from hw.boot import Image
from hw.bus import Selector, UsbBackend
from hw.guard import Authority, AuthoritySource, Operation
from hw.runtime import Runtime, ThreadRuntime
from hw.rx888 import Rx888
from scenarios.contract import Examiner
from scenarios.errors import InputError
from scenarios.soak.device_place import DevicePlace, cast_of
from scenarios.soak.tables import Table

HANGING = ("test_health_recovery", "test_main_recovery")
"""They hang a thread of the firmware on purpose, and upload afterwards."""


class SoakDevice(DevicePlace):
    """A real device, on which soaks run; close it, or use it in a ``with``.

    The guard is asked for everything that the soak will do before its first cycle, and not in the
    middle of the night.

    Args:
        table: what may be drawn.
        firmware: the revision that the device is expected to run.
        authority: what the guard is told, or what answers with it.
        selector: which device.
        image: firmware for its boot ROM, or None.
        reloads: the device is reset and uploaded to now and then.
        backend: a pyusb backend; by default the system's libusb.
        runtime: clock and threads; by default the operating system's.

    Raises:
        InputError: a scenario is not known, or cannot be run here.
        DeniedError: the guard does not allow all of it.
        DeviceError: there is no such device, or it cannot be opened.
    """

    def __init__(
        self,
        table: Table,
        firmware: str,
        authority: Authority | AuthoritySource,
        selector: Selector,
        image: Image | None,
        *,
        reloads: bool = False,
        backend: UsbBackend | None = None,
        runtime: Runtime | None = None,
    ) -> None:
        cast = cast_of(table, firmware)
        if image is None and reloads:
            raise InputError("a reload needs the firmware to upload; give --image FILE")
        clock = runtime or ThreadRuntime()
        device = Rx888.open(
            backend,
            clock,
            selector=selector,
            authority=authority,
            image=image,
            clear_halt=False,
        )
        try:
            device.permit(Operation.CONFIGURE, Operation.STREAM, Operation.READ, Operation.RAW)
            hanging = [name for name in HANGING if name in cast]
            if hanging and image is None:
                raise InputError(
                    f"{hanging[0]} ends in the boot ROM; give --image FILE, or leave it out with "
                    + " ".join(f"--weight {name}=0" for name in hanging)
                )
            if hanging:
                device.permit(Operation.HANG)
            if image is not None:
                device.permit(Operation.UPLOAD)
            if reloads:
                device.permit(Operation.RESET)
        except BaseException:
            device.close()
            raise
        super().__init__(device, clock, image, Examiner(firmware, device, None), cast)
