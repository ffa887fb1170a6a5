"""The supervisor on worlds: beside a program, alone, unplugged, denied, frozen."""

import errno
import re
from itertools import pairwise
from pathlib import Path

import pytest

from health import Event, Level, Outcome, Policy, Status, StatusCode
from health.status import Evidence
from hw.boot import Image, Section
from hw.errors import BusyError, DeviceTimeoutError, JournalError
from hw.guard import HostState
from hw.guard.journal import Journal
from hw.guard.locks import DeviceLock
from hw.ownership import Owner
from hw.platform import HostPlatform
from hw.protocol import Request
from hw.rx888 import Rx888
from hw.supervisor import Memory, Notifier, Restraint, Supervisor
from sim.faults import Fault
from sim.firmware import revision
from sim.host.backend import get_backend
from sim.host.runtime import WorldRuntime
from sim.world import BenchWorld
from tests.scenarios.guarded_bench import SECOND_NS, GuardedBench

SICK = Status(StatusCode.UNKNOWN, 1, Evidence())


@pytest.fixture
def world():
    with BenchWorld("fw-2.3", "none") as made:
        made.boot()
        yield made


def opened(world, process, *, is_shared):
    return Rx888.open(get_backend(world, process=process), WorldRuntime(world), is_shared=is_shared)


# --- beside a program --------------------------------------------------------------------------


def test_a_shared_driver_claims_nothing_and_clears_no_halt(world):
    """Judgement (usbfs): vendor requests to the device need no claim."""
    seen = []
    shared = opened(world, "supervisor", is_shared=True)
    shared.observe(seen.append)
    assert shared.stats().gpif_state is not None
    assert world.host.device.claims == {}
    assert [item.kind for item in seen] == ["in"]
    assert shared.owner is Owner.NOBODY
    with opened(world, "station", is_shared=False) as owner:
        owner.start_adc(64_000_000)
        assert shared.owner is Owner.ANOTHER
        assert owner.owner is Owner.NOBODY
        shared.start()
        assert len(owner.read(16_384, timeout_ms=100)) == 16_384
        shared.stop()
    assert shared.owner is Owner.NOBODY


@pytest.mark.parametrize("call", ["clear_halt", "set_configuration"])
def test_beside_the_owner_the_interface_is_busy(world, call):
    """Judgement (usbfs): clear-halt and SET_CONFIGURATION answer EBUSY beside the owner."""
    shared = opened(world, "supervisor", is_shared=True)
    with opened(world, "station", is_shared=False):
        with pytest.raises(BusyError) as caught:
            getattr(shared, call)()
        assert caught.value.__cause__.errno == errno.EBUSY
    getattr(shared, call)()
    assert world.host.device.claims == {}


@pytest.mark.parametrize("level", [2, 3])
def test_levels_2_and_3_are_not_available_beside_the_owner(world, level):
    """REFUSED, which never escalates and uses up no cap; nothing was sent."""
    seen = []
    shared = opened(world, "supervisor", is_shared=True)
    shared.observe(seen.append)
    platform = HostPlatform(shared, None, WorldRuntime(world))
    with opened(world, "station", is_shared=False) as owner:
        assert platform.available() == 1 << 1
        assert platform.apply(Level(level), SICK) is Outcome.REFUSED
        assert "another program has the interface" in platform.last_recovery.reason
        assert (seen, list(world.host.device.claims)) == ([], [0])
        owner.stats()
    assert platform.available() == 1 << 1 | 1 << 2 | 1 << 3
    assert platform.apply(Level(level), SICK) is Outcome.DONE


def test_the_owner_itself_has_levels_2_and_3(world):
    """A supervising thread of the program: the interface is given back for the call, and kept."""
    with opened(world, "station", is_shared=False) as owner:
        platform = HostPlatform(owner, None, WorldRuntime(world))
        for level in (Level.EP0, Level.APPLICATION):
            assert platform.apply(level, SICK) is Outcome.DONE
            assert [handle.process for handle in world.host.device.claims.values()] == ["station"]
        owner.start_adc(64_000_000)
        assert len(owner.primed_start(16_384, timeout_ms=1_000)) == 16_384


def test_beside_a_reader_a_stalled_stream_is_restarted():
    with GuardedBench() as bench:
        bench.run(2)
        bench.wedge_stream()
        bench.run(2)
        assert bench.listener.is_served
        assert bench.listener.outages == 0
        assert [item.request for item in bench.acts] == [Request.STOPFX3, Request.STARTFX3]
        assert bench.supervisor.tally.remedies == {(Level.STREAM, Outcome.DONE): 1}


def test_a_stream_that_nobody_reads_is_stopped_not_restarted():
    """The program was killed and never sent STOPFX3 (incident F6)."""
    with GuardedBench(has_program=False) as bench:
        starter = opened(bench.world, "killed", is_shared=False)
        starter.start_adc(64_000_000)
        starter.start()
        starter.close()
        bench.run(5)
        assert [item.request for item in bench.acts] == [Request.STOPFX3]
        assert bench.is_serving


@pytest.mark.parametrize(
    "fault",
    [
        "dma_error:at_ms=3000",
        "clock_loss:at_ms=3000,for_ms=3000",
        "host_paused:at_ms=3000,for_ms=4000",
        "ep0_desync:at_ms=3000",
        "delay:call=gpif_get_sm_state,thread=usb,at_ms=3000,for_ms=4000",
        "main_hang:at_ms=3000",
        "cold_start:until=reset",
        "timer_death:at_ms=3000",
        "endpoint_error:cause=late_read",
    ],
)
def test_no_remedy_sets_a_sample_rate_or_takes_the_interface(fault):
    """Whatever goes wrong beside a program; STARTADC is the program's business."""
    with GuardedBench(faults=(Fault.parse(fault),)) as bench:
        for _ in range(200):
            bench.run(0.1)
            device = bench.world.host.device
            owners = {handle.process for handle in device.claims.values()} if device else set()
            assert owners <= {"listener"}
        assert Request.STARTADC not in {item.request for item in bench.acts}
        beside = {"out", "port-reset"}
        # Between two tries of the program nobody owns it, and levels 2 and 3 are there.
        assert {item.kind for item in bench.acts} <= beside | {"clear-halt", "set-configuration"}


# --- probe and loop ----------------------------------------------------------------------------


def test_nothing_probes_during_a_remedy():
    """The probe and the remedy take turns: no GETSTATS from its first request to its last."""
    with GuardedBench() as bench:
        bench.run(2)
        bench.wedge_stream()
        bench.run(1)
        stop, start = bench.acts
        between = [
            item for item in bench.exchanges if stop.ended_ns <= item.began_ns < start.ended_ns
        ]
        assert between == [start]
        after = [item for item in bench.exchanges if item.began_ns > start.ended_ns]
        assert len(after) > 3


def test_a_hung_request_is_seen_while_it_hangs():
    """The age of the request in flight counts: 2 s, and not after two whole time-outs more."""
    with GuardedBench() as bench:
        bench.run(2)
        bench.hang_ep0(3_000)
        began_ns = bench.world.now_ns
        while not bench.supervisor.remedies:
            bench.run(0.01)
        assert [item.level for item in bench.supervisor.remedies] == [Level.DEVICE_RESET]
        # One probe interval until the first unanswered probe, one poll to see its age.
        assert 2.0 <= (bench.world.now_ns - began_ns) / SECOND_NS <= 2.0 + 0.1 + 0.1 + 0.02


# --- leaving and coming back -------------------------------------------------------------------


def test_a_device_in_its_boot_rom_is_uploaded_to_at_the_start():
    with GuardedBench(is_booted=False) as bench:
        bench.run(10)
        assert bench.is_serving
        assert bench.listener.is_served
        assert bench.supervisor.tally.uploads == {True: 1}
        assert bench.supervisor.tally.departures <= 1
        assert bench.memory.counts == {"upload BOOT_ROM": 1}


def test_unplugged_and_plugged_again():
    """The cable: state is lost, the boot ROM comes up, the firmware is uploaded and verified."""
    with GuardedBench() as bench:
        bench.run(2)
        for count in (1, 2):
            bench.world.host.unplug()
            bench.run(6)
            assert bench.supervisor.is_absent
            assert not bench.listener.is_served
            bench.world.host.plug()
            bench.run(10)
            assert bench.is_serving
            assert bench.listener.is_served
            assert bench.supervisor.tally.departures == count
            assert bench.supervisor.tally.uploads == {True: count}
        # A device that is not there is neither wedged nor reset.
        assert bench.acts == []
        assert bench.supervisor.remedies == type(bench.supervisor.remedies)()


def test_a_device_that_comes_back_by_itself_is_taken_up_again():
    """Somebody else uploaded: a re-enumeration, and no upload of ours."""
    with GuardedBench(has_program=False, image=None) as bench:
        bench.run(1)
        bench.world.host.unplug()
        bench.run(2)
        bench.world.boot()
        bench.run(2)
        assert bench.is_serving
        assert bench.supervisor.tally.uploads == {}
        assert len(bench.events("found")) == 2


def test_without_an_image_a_boot_rom_is_left_alone():
    with GuardedBench(is_booted=False, image=None, has_program=False) as bench:
        bench.run(10)
        assert bench.supervisor.is_absent
        assert "there is no image to upload" in bench.events("in-boot-rom")[0]
        assert len(bench.events("in-boot-rom")) == 1


# --- what may not be done ----------------------------------------------------------------------


def spoil(bench):
    """One stream wedge, one hung request, one reset by somebody else."""
    bench.run(2)
    bench.wedge_stream()
    bench.run(3)
    bench.hang_ep0(6_000)
    bench.run(15)


@pytest.mark.parametrize("state", [HostState.FROZEN, HostState.OBSERVING, HostState.UNKNOWN])
def test_on_a_host_that_is_not_stable_it_only_looks(state):
    with GuardedBench() as bench:
        bench.state = state
        spoil(bench)
        assert bench.acts == []
        assert bench.supervisor.observing == f"the host is {state.value}"
        would = bench.supervisor.tally.would
        assert would[Level.STREAM, StatusCode.STREAM_STALL] == 1
        assert would[Level.DEVICE_RESET, StatusCode.EP0_WEDGED] == 1
        assert bench.supervisor.tally.remedies == {}
        assert bench.memory.actions == ()


def test_without_a_grant_it_only_looks():
    with GuardedBench(levels=()) as bench:
        spoil(bench)
        assert bench.acts == []
        assert "no standing grant" in bench.supervisor.observing
        assert sum(bench.supervisor.tally.would.values()) == 2


def test_without_a_grant_a_boot_rom_is_left_alone():
    with GuardedBench(levels=(), is_booted=False) as bench:
        bench.run(10)
        assert bench.supervisor.is_absent
        assert bench.world.programs.total == 0
        assert len(bench.events("in-boot-rom")) == 1


def test_a_host_that_freezes_is_left_alone_within_one_poll():
    """The stream is wedged already; its remedy would be due at the next poll."""
    policy = Policy.preset("reference")
    with GuardedBench(policy=policy) as bench:
        bench.run(2)
        bench.wedge_stream()
        bench.run(0.25)
        bench.state = HostState.FROZEN
        bench.run(policy.poll_interval_ms / 1000)
        assert bench.supervisor.observing == "the host is frozen"
        bench.run(3)
        assert bench.acts == []
        bench.state = HostState.NORMAL
        bench.run(1)
        assert [item.request for item in bench.acts][:2] == [Request.STOPFX3, Request.STARTFX3]


@pytest.mark.parametrize("levels", [{Level.STREAM}, {Level.DEVICE_RESET}])
def test_a_level_that_the_guard_refuses_never_escalates(levels):
    """Cold starts climb 1, 3, 4. A grant of 4 alone is no grant to begin with 4."""
    with GuardedBench(has_program=False, levels=levels) as bench:
        bench.run(1)
        bench.supervisor.tell(Event.STREAM_START)
        owner = opened(bench.world, "station", is_shared=False)
        owner.start_adc(64_000_000)
        for _ in range(100):
            bench.run(0.1)
        levels_applied = {item.level for item in bench.supervisor.remedies}
        assert levels_applied <= levels - {Level.DEVICE_RESET}
        assert bench.supervisor.tally.statuses[StatusCode.COLD_START] >= 1
        assert Request.RESETFX3 not in {item.request for item in bench.acts}


def test_a_host_that_freezes_in_an_upload_ends_it_and_resumes_it_later():
    """Nothing has run yet, so the upload is repeated from its start."""
    with GuardedBench() as bench:
        bench.run(2)
        bench.hang_ep0(3_000)
        while bench.world.host.device is None or bench.world.host.device.is_application:
            bench.run(0.001)
        bench.state = HostState.FROZEN
        bench.run(30)
        assert bench.supervisor.is_absent
        assert not bench.world.host.device.is_application
        assert bench.world.programs.total == 1
        bench.state = HostState.NORMAL
        bench.run(20)
        assert bench.is_serving
        assert bench.world.programs.total == 2


# --- what is written down ----------------------------------------------------------------------


def test_a_reset_is_written_down_before_it_is_applied():
    with GuardedBench() as bench:
        kept = []
        original = bench.memory.begin

        def begin(at_s, what, reason):
            kept.append((what, reason, len(bench.acts)))
            original(at_s, what, reason)

        bench.memory.begin = begin
        spoil(bench)
        assert kept[0] == ("level-1", "STREAM_STALL", 0)
        assert kept[1] == ("level-4", "EP0_WEDGED", 2)
        assert [action.outcome for action in bench.memory.actions] == ["DONE", "DONE"]


def test_what_cannot_be_written_down_is_not_done():
    def full(path, data):
        raise OSError(errno.ENOSPC, "No space left on device")

    with GuardedBench(memory=Memory(Path("state"), full)) as bench:
        spoil(bench)
        assert bench.acts == []
        assert "cannot be written down" in bench.events("would")[0]
        assert not bench.supervisor.is_busy


def test_the_journal_has_each_deed_with_its_end(tmp_path):
    journal = Journal(tmp_path / "journal.jsonl", "boot", lambda: 1_000.0)
    with GuardedBench(journal=journal) as bench:
        spoil(bench)
    found = [item.operation or item.outcome for item in journal.records()]
    assert found == ["stream", "done", "port-reset", "done", "upload", "done"]
    assert journal.unfinished() == ()


def test_a_journal_that_cannot_be_written_refuses_and_never_escalates():
    class Full:
        def begin(self, operation, target, **facts):
            raise JournalError(operation.label, "no space left on device")

    with GuardedBench(journal=Full()) as bench:
        spoil(bench)
        assert bench.acts == []
        assert {outcome for _, outcome in bench.supervisor.tally.remedies} == set()
        assert bench.supervisor.tally.would[Level.STREAM, StatusCode.STREAM_STALL] >= 1


def test_another_fx3loop_that_works_on_the_device_is_let_alone():
    """Its lock is held; the supervisor's remedy is refused, and comes when the lock is gone."""
    with GuardedBench() as bench:
        bench.run(2)
        lock = DeviceLock.take("usb 2-1")
        bench.wedge_stream()
        bench.run(2)
        assert bench.acts == []
        lock.release()
        bench.run(1)
        assert [item.request for item in bench.acts][:2] == [Request.STOPFX3, Request.STARTFX3]


def test_a_crash_loop_ends_in_peace():
    """A device whose EP0 hangs again and again: after so many resets it is let alone, and said."""
    again = Fault.parse("delay:call=gpif_get_sm_state,thread=usb,at_ms=3000,for_ms=3000,times=0")
    restraint = Restraint(resets=3, window_s=600, first_pause_s=10, longest_pause_s=60)
    with GuardedBench(faults=(again,), restraint=restraint) as bench:
        bench.run(300)
        resets = bench.memory.resets_s
        assert len(resets) == 3
        pauses_s = [after - before for before, after in pairwise(resets)]
        assert pauses_s[0] >= 10
        assert pauses_s[1] >= 20
        assert bench.supervisor.tally.remedies == {(Level.DEVICE_RESET, Outcome.DONE): 3}
        assert any("crash loop: 3 resets within 600 s" in line for line in bench.lines)
        assert len([line for line in bench.lines if "crash loop" in line]) < 200
        bench.run(400)
        assert len(bench.memory.actions) > 3


# --- the service manager -----------------------------------------------------------------------


class Fed(Notifier):
    """Notes when the watchdog of the service manager would be fed."""

    def __init__(self):
        super().__init__({}, lambda: 0)
        self.times_ns = []
        self.said = []
        self.world = None

    def progress(self):
        if self.world is not None:
            self.times_ns.append(self.world.now_ns)

    def _send(self, text):
        self.said.append(text)


@pytest.mark.parametrize(("hang_ms", "outcome"), [(4_000, Outcome.DONE), (65_000, Outcome.FAILED)])
def test_the_watchdog_is_fed_through_a_level_4(hang_ms, outcome):
    """No silence as long as half the WatchdogSec of the unit file, whatever the remedy does."""
    fed = Fed()
    with GuardedBench(notifier=fed) as bench:
        fed.world = bench.world
        bench.run(2)
        bench.hang_ep0(hang_ms)
        bench.run(70)
        assert bench.supervisor.tally.remedies == {(Level.DEVICE_RESET, outcome): 1}
        bench.supervisor.stop()
    silences_s = [(after - before) / SECOND_NS for before, after in pairwise(fed.times_ns)]
    assert max(silences_s) < 60
    assert fed.said[0] == "READY=1"
    assert fed.said[-1] == "STOPPING=1"


def test_each_piece_of_an_upload_feeds_the_watchdog():
    """An upload of 6 to 12 s must not look like a hang; nothing else moves meanwhile."""
    with BenchWorld("fw-2.3", "none") as other:
        small = Image.parse(other.image)
    padding = Section(0x40030000, bytes(160 * 1024))
    image = Image.parse(Image.build([*small.sections, padding], small.entry))
    fed = Fed()
    with GuardedBench(notifier=fed, image=image, is_booted=False, has_program=False) as bench:
        fed.world = bench.world
        while not bench.supervisor.is_busy:
            bench.run(0.001)
        count = len(fed.times_ns)
        while bench.supervisor.is_busy:
            bench.run(0.001)
        assert bench.is_serving
        assert len(fed.times_ns) - count >= image.data_bytes // 4_096


def test_a_device_whose_ep0_is_dead_when_it_is_found_is_wedged_not_lost(world):
    """The supervisor starts beside a device that hangs already: nothing is asked to find it."""
    runtime = WorldRuntime(world)
    stranger = opened(world, "stranger", is_shared=True)
    with pytest.raises(DeviceTimeoutError):
        stranger.hang_handler(20_000, timeout_ms=10)
    device = Rx888.expect(get_backend(world, process="supervisor"), runtime, is_shared=True)
    supervisor = Supervisor(device, runtime, Policy.preset("reference"), None)
    supervisor.start()
    world.run_until(world.now_ns + 3 * SECOND_NS)
    assert not supervisor.is_absent
    assert supervisor.status is StatusCode.EP0_WEDGED
    assert supervisor.tally.would == {(Level.DEVICE_RESET, StatusCode.EP0_WEDGED): 1}


def test_it_stops_after_what_it_does():
    """SIGTERM in the middle of a level 4: the device is not left without its firmware."""
    with GuardedBench(has_program=False) as bench:
        bench.run(2)
        bench.hang_ep0(3_000)
        while bench.world.host.device is None or bench.world.host.device.is_application:
            bench.run(0.001)
        bench.supervisor.stop()
        assert bench.world.host.device.is_application
        assert bench.memory.actions[-1].outcome == "DONE"
        count = len(bench.exchanges)
        bench.run(5)
        assert len(bench.exchanges) == count


def test_the_releases_that_it_can_watch():
    """Older firmware answers GETSTATS with less or not at all; it is watched by what there is."""
    for firmware in ("original", "fw-2.2", "fw-2.3", "reference"):
        with GuardedBench(firmware, has_program=False) as bench:
            bench.run(3)
            assert bench.is_serving, revision(firmware).name
            assert bench.supervisor.tally.failed_probes <= 3


def test_the_page_names_every_event_of_the_log():
    """docs/supervise.md: an event that nobody explains is noise."""
    root = Path(__file__).parents[2]
    page = (root / "docs" / "supervise.md").read_text(encoding="utf-8")
    sources = [*(root / "hw" / "supervisor").glob("*.py"), root / "scenarios/cli/supervising.py"]
    text = "\n".join(path.read_text(encoding="utf-8") for path in sources)
    events = set(re.findall(r'(?:log|\.news)\(\s*"([a-z-]+)"', text))
    assert {"remedy", "would", "absent", "stopped", "cut-short"} <= events
    assert {event for event in events if f"`{event}`" not in page} == set()
