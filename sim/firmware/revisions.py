"""What each firmware release did differently from the one before it, as data.

The policy is another axis: any revision runs under any policy, with the health module wired in.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from difflib import get_close_matches

from hw.protocol import STATS_BYTES, STATS_SHORT_BYTES
from sim.chip.gpif import EDGES_13, EDGES_16, GpifTable
from sim.errors import FirmwareNotKnown


@dataclass(frozen=True)
class Revision:
    """One release of the device's software.

    Attributes:
        name: how users call it.
        version: major and minor, as TESTFX3 answers them.
        table: the GPIF table it loads.
        stops_state_machine: STOPFX3 and STARTFX3 disable the state machine (soft in STOP when it
            reached IDLE, else forced) and START loads and starts it again.
        stop_forces: ... always by force, which loses the table, in STOPFX3 and in level 1.
        stop_ticks: sleep of STOPFX3 between trigger low and what follows.
        adc_settle_ticks: sleep of STARTADC; 0: it polls PLL lock instead.
        adc_stops_stream: STARTADC stops a running state machine first.
        preflight: STARTFX3 checks CLK0 and PLL A.
        preflight_first: ... before the data stage, so that the host sees the refusal.
        argument_first: SETARGFX3 looks at its index before the data stage, for the same reason.
        stats_bytes: length of GETSTATS.
        test_hooks: HANGFX3 and HANGMAIN exist.
        recovery_reloads: level 1 loads the table again after a forced stop.
        remedies_wait: levels 1 to 3 are not available while a USB callback is in progress.
        samples_ring: the sampler reads how many buffers wait for the host.
        samples_clock: the sampler looks at the clock generator when the count stands still.
        debug_buffer_bytes: size of the debug console's buffer (MAXLEN_D_USB).
        debug_full_sleep_ticks: sleep of each print call that finds it full; 0: it drops at once.
        debug_keeps_rest: READINFODEBUG keeps what its page has no room for.
    """

    name: str
    version: tuple[int, int]
    table: GpifTable
    stops_state_machine: bool
    stop_forces: bool
    stop_ticks: int
    adc_settle_ticks: int
    adc_stops_stream: bool
    preflight: bool
    preflight_first: bool
    argument_first: bool
    stats_bytes: int
    test_hooks: bool
    recovery_reloads: bool
    remedies_wait: bool
    samples_ring: bool
    samples_clock: bool
    debug_buffer_bytes: int
    debug_full_sleep_ticks: int
    debug_keeps_rest: bool


ORIGINAL = Revision(
    name="original",
    version=(2, 1),
    table=EDGES_13,
    stops_state_machine=False,
    stop_forces=False,
    stop_ticks=10,
    adc_settle_ticks=1_000,
    adc_stops_stream=False,
    preflight=False,
    preflight_first=False,
    argument_first=False,
    stats_bytes=STATS_SHORT_BYTES,
    test_hooks=False,
    recovery_reloads=True,
    remedies_wait=False,
    samples_ring=False,
    samples_clock=False,
    debug_buffer_bytes=100,
    debug_full_sleep_ticks=100,
    debug_keeps_rest=False,
)
"""Before the wedge fixes of February 2026 (incident F1): STOP never disables the state machine."""

FORCE_STOP = replace(
    ORIGINAL,
    name="force-stop",
    version=(2, 2),
    stops_state_machine=True,
    stop_forces=True,
    stop_ticks=1,
    adc_settle_ticks=0,
    adc_stops_stream=True,
    preflight=True,
    recovery_reloads=False,
    debug_buffer_bytes=256,
    debug_full_sleep_ticks=0,
    debug_keeps_rest=True,
)
"""Between February and commit 8e00ab8 of May 2026: every stop is forced, because the 13-edge table
has no way out of its wait states (incident F14)."""

FW_2_2 = replace(FORCE_STOP, name="fw-2.2", table=EDGES_16, stop_forces=False)
"""Main branch of May 2026, before the EP0 watchdog: 16 edges, soft stop, 20 bytes of GETSTATS."""

FW_2_3 = replace(FW_2_2, name="fw-2.3", version=(2, 3), stats_bytes=STATS_BYTES, test_hooks=True)
"""Release 0.1.0 (3f6a6bf): test hooks, 26 bytes of GETSTATS, late preflight (incident F20)."""

REFERENCE = replace(
    FW_2_3,
    name="reference",
    preflight_first=True,
    argument_first=True,
    recovery_reloads=True,
    remedies_wait=True,
    samples_ring=True,
    samples_clock=True,
)
"""What this project proposes: release 0.1.0 with its known defects mended."""

REVISIONS = {item.name: item for item in (ORIGINAL, FORCE_STOP, FW_2_2, FW_2_3, REFERENCE)}


def revision(name: str) -> Revision:
    """The revision of this name.

    Raises:
        FirmwareNotKnown: for any other name, with the nearest right ones.
    """
    found = REVISIONS.get(name)
    if found is None:
        near = get_close_matches(name, REVISIONS, n=2) or list(REVISIONS)
        raise FirmwareNotKnown(f"no firmware {name!r}; did you mean {' or '.join(near)}?")
    return found
