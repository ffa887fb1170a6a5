"""``fx3loop device fw-test``: the firmware's own acceptance run."""

from __future__ import annotations

from collections.abc import Callable

from hw.guard import Operation
from scenarios.cli.device_session import Done, Session
from scenarios.suite.tap import PLANNED, fw_test, tap_text

NEEDED = (Operation.CONFIGURE, Operation.STREAM, Operation.READ, Operation.RAW)


def acceptance(rate_hz: int) -> Callable[[Session], Done]:
    """The 41 steps, as TAP.

    Args:
        rate_hz: sample rate of those that stream.
    """

    def do(session: Session) -> Done:
        session.station.device.permit(*NEEDED)
        # Each step opens the device itself.
        session.leave()
        lines = []
        for text in tap_text(fw_test(session.place.station, rate_hz, streams=session.streams)):
            lines.append(text)
            session.say(f"{text}\n")
        has_passed = sum(text.startswith("ok ") for text in lines) == PLANNED
        return Done(has_passed, "\n".join(lines), is_shown=True)

    return do
