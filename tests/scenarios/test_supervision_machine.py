"""Anything may happen to device, program, host and grants, in any order.

Two things hold whatever happens: no action is outside the guard's table, and once nothing is in
the way any more the device serves again.
"""

import os

from hypothesis import HealthCheck, settings, strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from health import Level
from hw.guard import LEVEL_OPERATIONS, HostState, Operation
from hw.protocol import Request
from tests.scenarios.guarded_bench import ALL, GuardedBench

OPERATION_OF = {
    ("out", Request.STOPFX3): Operation.STREAM,
    ("out", Request.STARTFX3): Operation.STREAM,
    ("out", Request.RESETFX3): Operation.RESET,
    ("clear-halt", 0x81): Operation.CLEAR_HALT,
    ("set-configuration", 1): Operation.SET_CONFIGURATION,
    ("port-reset", 0): Operation.PORT_RESET,
}
"""All that a supervisor may ever send; anything else is a KeyError here."""
RECOVERY_S = 120
"""A hang as long as HANGFX3 can be asked for, whose port reset fails; a wait for a device that does
not come back, twice; an upload; a program's own patience."""


class SupervisionMachine(RuleBasedStateMachine):
    """A station's life."""

    @initialize(seed=st.integers(0, 3), is_booted=st.booleans())
    def power(self, seed, is_booted):
        self.bench = GuardedBench(seed=seed, is_booted=is_booted)
        self.is_plugged = True
        self.judged = 0
        self.programs = self.bench.world.programs.total
        self.history = []
        self.note()

    def teardown(self):
        if not hasattr(self, "bench"):
            return
        try:
            self.make_good()
        finally:
            self.bench.world.close()

    # --- what happens --------------------------------------------------------------------------

    @rule(tenths=st.integers(1, 40))
    def time_passes(self, tenths):
        self.bench.run(tenths / 10)

    @precondition(lambda self: self.is_plugged)
    @rule()
    def unplug(self):
        self.bench.world.host.unplug()
        self.is_plugged = False

    @precondition(lambda self: not self.is_plugged)
    @rule()
    def plug(self):
        self.bench.world.host.plug()
        self.is_plugged = True

    @rule()
    def stream_wedges(self):
        self.bench.wedge_stream()

    @rule(duration_ms=st.sampled_from((500, 2_500, 8_000, 60_000)))
    def request_hangs(self, duration_ms):
        self.bench.hang_ep0(duration_ms)

    @rule()
    def clock_stops(self):
        self.bench.world.board.clock.cut(seen=True)

    @rule()
    def clock_runs(self):
        self.bench.world.board.clock.restore()

    @rule(is_away=st.booleans())
    def owner_comes_or_goes(self, is_away):
        self.bench.listener.away = is_away

    @rule(state=st.sampled_from(list(HostState)))
    def host_changes(self, state):
        self.bench.state = state
        self.note()

    @rule(levels=st.sampled_from((frozenset(), {1}, {4}, {1, 4}, {2, 3}, ALL)))
    def grant_changes(self, levels):
        self.bench.levels = frozenset(map(Level, levels))
        self.note()

    def note(self):
        bench = self.bench
        self.history.append((bench.world.now_ns, bench.state, bench.levels))

    # --- what holds ----------------------------------------------------------------------------

    def allowed_at(self, at_ns):
        """The operations that some granted level covers, on a host that is stable; at that time."""
        found = set()
        for since_ns, state, levels in self.history:
            if since_ns > at_ns:
                break
            # A change and an act of one instant may be in either order.
            if since_ns < at_ns:
                found = set()
            if state is HostState.NORMAL:
                for level in levels:
                    found |= LEVEL_OPERATIONS[level]
        return found

    @invariant()
    def nothing_is_done_outside_the_table(self):
        if not hasattr(self, "bench"):
            return
        acts = self.bench.acts
        for act in acts[self.judged :]:
            operation = OPERATION_OF[act.kind, act.request]
            assert operation in self.allowed_at(act.began_ns), act
        self.judged = len(acts)

    @invariant()
    def nothing_is_claimed_beside_the_program(self):
        if not hasattr(self, "bench"):
            return
        device = self.bench.world.host.device
        owners = {handle.process for handle in device.claims.values()} if device else set()
        assert owners <= {"listener"}

    @invariant()
    def no_upload_ends_while_it_may_only_look(self):
        """Nothing changes while time passes, so what holds now held when the firmware began."""
        if not hasattr(self, "bench"):
            return
        programs = self.bench.world.programs.total
        if programs > self.programs:
            assert self.bench.state is HostState.NORMAL
            assert self.bench.levels
        self.programs = programs

    # --- and in the end ------------------------------------------------------------------------

    def make_good(self):
        bench = self.bench
        if not self.is_plugged:
            self.plug()
        bench.world.board.clock.restore()
        self.host_changes(HostState.NORMAL)
        self.grant_changes(ALL)
        bench.listener.away = False
        bench.run(RECOVERY_S)
        if bench.supervisor.is_absent:
            # A port reset found the USB thread hung: past the levels stands the power cycle.
            assert bench.world.host.device is None
            self.unplug()
            bench.run(3)
            self.plug()
            bench.run(RECOVERY_S)
        self.nothing_is_done_outside_the_table()
        assert bench.is_serving
        assert bench.listener.is_served
        assert not bench.supervisor.is_busy
        assert bench.memory.actions == () or bench.memory.actions[-1].outcome != "BEGUN"


TestSupervision = SupervisionMachine.TestCase
TestSupervision.settings = settings(
    max_examples=int(os.environ.get("MACHINE_EXAMPLES", "25")),
    stateful_step_count=20,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
