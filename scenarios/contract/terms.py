"""What a firmware revision owes its host, as far as revisions differ."""

from __future__ import annotations

from dataclasses import dataclass

from hw.protocol import STATS_BYTES
from sim.firmware import revision


@dataclass(frozen=True, slots=True)
class Terms:
    """The terms of one revision.

    Attributes:
        version: major and minor, as TESTFX3 answers them.
        stats_bytes: length of GETSTATS.
        has_test_hooks: HANGFX3 and HANGMAIN exist.
        has_preflight: STARTFX3 without a sample clock starts nothing.
        refuses_early: ... and the host sees the refusal as a stall; otherwise as success.
        refuses_arguments_early: an unknown SETARGFX3 stalls; otherwise it looks like success.
        has_stream_contract: what STOP, START and STARTADC leave behind is certain. The first
            firmware wedges by itself (incident F1), so nothing is owed of it but its replies.
        adc_settle_ms: how long STARTADC keeps the control endpoint busy at least.
    """

    version: tuple[int, int]
    stats_bytes: int
    has_test_hooks: bool
    has_preflight: bool
    refuses_early: bool
    refuses_arguments_early: bool
    has_stream_contract: bool
    adc_settle_ms: int

    @property
    def sends_clock_control(self) -> bool:
        """GETSTATS carries boot count and CLK0 control."""
        return self.stats_bytes >= STATS_BYTES


def terms_of(revision_name: str) -> Terms:
    """Return the terms of a revision.

    Raises:
        FirmwareNotKnown: for any other name, with the nearest right ones.
    """
    found = revision(revision_name)
    return Terms(
        version=found.version,
        stats_bytes=found.stats_bytes,
        has_test_hooks=found.test_hooks,
        has_preflight=found.preflight,
        refuses_early=found.preflight_first,
        refuses_arguments_early=found.argument_first,
        has_stream_contract=found.stops_state_machine,
        adc_settle_ms=found.adc_settle_ticks,
    )
