"""The kernel: integer time over SimPy, tasks as straight-line code, order, ends and errors."""

from __future__ import annotations

import gc
import traceback
import weakref

import pytest
import simpy
from greenlet import greenlet
from hypothesis import given, settings, strategies as st

from sim.errors import NoProgress, NothingLeft, TaskFailed, TaskKilled, WorldClosed
from sim.kernel import HARDWARE, SOFTWARE, World
from sim.streams import Stream
from sim.world import BenchWorld

SECOND_NS = 1_000_000_000


@pytest.fixture
def world():
    with World() as world:
        yield world


class OddError(Exception):
    """An exception that cannot be built from its arguments (SimPy's own loop would fail on it)."""

    def __init__(self, first: int, second: int) -> None:
        super().__init__(f"{first}/{second}")


# ---------------------------------------------------------------- one instant


def test_within_one_nanosecond_completions_come_before_software(world):
    """DESIGN 5: first completions, then software; inside each by order of scheduling."""
    log: list[str] = []
    for name, priority in (("s1", SOFTWARE), ("h1", HARDWARE), ("s2", SOFTWARE), ("h2", HARDWARE)):
        world.alarm(10, lambda name=name: log.append(name), priority)
    world.run_until(10)
    assert log == ["h1", "h2", "s1", "s2"]


def test_simpy_events_are_software_in_heap_order(world):
    """DESIGN 5: inside software by heap order, SimPy's events and alarms alike."""
    log: list[str] = []

    def process():
        yield world.timeout(5)
        log.append("process")

    world.alarm(5, lambda: log.append("before"))
    world.process(process())
    world.run_until(0)
    world.alarm(5, lambda: log.append("after"))
    world.alarm(5, lambda: log.append("completion"), HARDWARE)
    world.run_until(5)
    assert log == ["completion", "before", "process", "after"]


def test_run_until_includes_everything_at_its_time(world):
    """DESIGN 5: run_until(t) includes everything at t, also what is added at t, and ends at t."""
    log: list[tuple[str, int]] = []

    def first() -> None:
        log.append(("first", world.now_ns))
        world.alarm(world.now_ns, lambda: log.append(("added", world.now_ns)))

    world.alarm(100, first)
    world.alarm(101, lambda: log.append(("later", world.now_ns)))
    world.run_until(100)
    assert log == [("first", 100), ("added", 100)]
    assert world.now_ns == 100
    world.run_until(1_000)
    assert log[-1] == ("later", 101)
    assert world.now_ns == 1_000


def test_time_does_not_go_back(world):
    """An alarm or a run before now is a mistake of the caller, and said so."""
    world.run_until(50)
    with pytest.raises(ValueError, match="before now"):
        world.alarm(49, lambda: None)
    with pytest.raises(ValueError, match="before now"):
        world.run_until(49)
    assert world.now_ns == 50


def test_a_cancelled_alarm_does_not_run(world):
    """Cancelling drops the callback; it is harmless twice and after the call."""
    log: list[str] = []
    gone = world.alarm(10, lambda: log.append("gone"))
    done = world.alarm(11, lambda: log.append("done"))
    gone.cancel()
    gone.cancel()
    world.run_until(20)
    done.cancel()
    assert log == ["done"]


@settings(max_examples=60)
@given(
    st.lists(st.tuples(st.integers(0, 20), st.sampled_from((HARDWARE, SOFTWARE)), st.booleans()))
)
def test_any_schedule_runs_in_order_of_time_then_kind_then_scheduling(schedule):
    """DESIGN 5, for any mix of live and cancelled alarms."""
    with World() as world:
        log: list[tuple[int, int, int]] = []
        expected = []
        for number, (at_ns, priority, kept) in enumerate(schedule):
            entry = (at_ns, priority, number)
            alarm = world.alarm(at_ns, lambda entry=entry: log.append(entry), priority)
            if kept:
                expected.append(entry)
            else:
                alarm.cancel()
        world.run_until(20)
        assert log == sorted(expected)


# ---------------------------------------------------------------- waiting


def waiting_program(world, log):
    """A program of every kind of wait, with what it sees and when."""

    def note(*what):
        log.append((world.now_ns, *what))

    def completes_at(at_ns, priority=SOFTWARE):
        event = world.event()
        world.alarm(at_ns, lambda: event.succeed("value"), priority)
        return event

    world.sleep(7)
    note("slept")
    early = completes_at(world.now_ns + 5)
    note("early", world.wait(early, 100), early.value)
    note("again", world.wait(early, 100))
    note("late", world.wait(completes_at(world.now_ns + 50), 20))
    note("on the limit", world.wait(completes_at(world.now_ns + 20, HARDWARE), 20))
    note("on the limit, software", world.wait(completes_at(world.now_ns + 20), 20))
    note("at once", world.wait(completes_at(world.now_ns), 0))
    note("never", world.wait(world.event(), 0))
    note("without limit", world.wait(completes_at(world.now_ns + 3)))
    failing = world.event()
    world.alarm(world.now_ns + 4, lambda: failing.fail(OddError(1, 2)))
    try:
        world.wait(failing, 10)
    except OddError as error:
        note("failed", str(error))
    note("timeout event", world.wait(world.timeout(9), 10), world.wait(world.timeout(11), 10))
    world.sleep(0)
    note("end")


def test_the_same_program_in_a_task_and_in_ordinary_code(world):
    """DESIGN 5: one wait for tasks and ordinary code; the same log, the same times."""
    ordinary: list = []
    waiting_program(world, ordinary)
    with World() as other:
        task: list = []
        other.spawn("program", lambda: waiting_program(other, task))
        other.run_until(SECOND_NS)
    assert task == ordinary
    assert [entry[1:] for entry in ordinary[:4]] == [
        ("slept",),
        ("early", True, "value"),
        ("again", True),
        ("late", False),
    ]
    assert ("on the limit", True) in [entry[1:] for entry in ordinary]


def test_a_completion_on_the_last_nanosecond_of_a_limit_is_in_time(world):
    """DESIGN 5: completions come before software, so a time-out at t loses against one at t."""
    results = []
    done = world.event()

    def program() -> None:
        results.append((world.wait(done, 1_000), world.now_ns))

    world.spawn("reader", program)
    world.run_until(0)
    world.alarm(1_000, done.succeed, HARDWARE)
    world.run_until(2_000)
    assert results == [(True, 1_000)]


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(st.integers(0, 30), st.integers(0, 30), st.sampled_from((HARDWARE, SOFTWARE))),
        max_size=12,
    )
)
def test_waits_end_alike_in_a_task_and_in_ordinary_code(steps):
    """The same property for any series of completions and limits, ties included."""

    def program(world, log):
        for after_ns, limit_ns, priority in steps:
            event = world.event()
            world.alarm(world.now_ns + after_ns, event.succeed, priority)
            log.append((world.wait(event, limit_ns), world.now_ns))

    ordinary: list = []
    with World() as world:
        program(world, ordinary)
    task: list = []
    with World() as world:
        world.spawn("program", lambda: program(world, task))
        world.run_until(SECOND_NS)
    assert task == ordinary
    now_ns = 0
    for (after_ns, limit_ns, _), (happened, at_ns) in zip(steps, ordinary, strict=True):
        now_ns += min(after_ns, limit_ns)
        assert (happened, at_ns) == (after_ns <= limit_ns, now_ns)


def test_time_outs_that_were_not_needed_do_not_pile_up(world):
    """20,000 cancelled 5 s time-outs leave some 45 heap entries, not 20,000."""
    sizes = []

    def program() -> None:
        for _ in range(20_000):
            event = world.event()
            event.succeed()
            assert world.wait(event, 5 * SECOND_NS)
            world.sleep(1)
        sizes.append(len(world._queue))

    world.spawn("program", program)
    world.run_until(SECOND_NS)
    assert sizes[0] < 200


def test_ordinary_code_that_waits_for_nothing_is_told(world):
    """An empty heap is an error for a wait without a limit."""
    world.run_until(3)
    with pytest.raises(NothingLeft, match="limit") as caught:
        world.wait(world.event())
    assert caught.value.at_ns == 3
    assert not world.wait(world.event(), limit_ns=10)
    assert world.now_ns == 13


def test_run_without_an_end_stops_when_nothing_is_left(world):
    """A task that waits for ever does not keep a world running."""
    reached = []

    def program() -> None:
        world.sleep(100)
        reached.append(world.now_ns)
        world.wait(world.event())
        reached.append("never")

    world.spawn("program", program)
    world.run()
    assert reached == [100]


def test_a_task_may_not_run_the_world(world):
    """Time in a task passes by sleeping; running the loop from inside it would nest it."""
    world.spawn("program", lambda: world.run_until(10))
    with pytest.raises(TaskFailed, match="sleep"):
        world.run_until(10)


def test_a_callback_may_not_run_the_world(world):
    """The loop does not nest: a callback that runs it would move the clock under its caller."""
    caught = []

    def callback() -> None:
        with pytest.raises(RuntimeError, match="callbacks") as error:
            world.run_until(500)
        caught.append(error.value)
        with pytest.raises(RuntimeError, match="callbacks"):
            world.wait(world.event(), 500)

    world.alarm(10, callback)
    world.run_until(20)
    assert len(caught) == 1
    assert world.now_ns == 20


# ---------------------------------------------------------------- errors


def broken_driver() -> None:
    raise OddError(3, 4)


def test_an_exception_in_a_task_ends_the_run_with_name_time_and_traceback(world):
    """An exception in a thread ends the run with its name, time and real traceback."""

    def program() -> None:
        world.sleep(1_234)
        broken_driver()

    world.spawn("the reader", program)
    with pytest.raises(TaskFailed, match=r"'the reader' failed at 0\.000001234 s.*3/4") as caught:
        world.run_until(SECOND_NS)
    failure = caught.value
    assert (failure.task, failure.at_ns) == ("the reader", 1_234)
    assert isinstance(failure.__cause__, OddError)
    frames = [frame.name for frame in traceback.extract_tb(failure.__cause__.__traceback__)]
    assert frames[-2:] == ["program", "broken_driver"]


def test_a_failed_event_that_nobody_waits_for_ends_the_run_with_its_own_exception(world):
    """SimPy copies the exception, which fails for odd constructors."""
    event = world.event()
    error = OddError(5, 6)
    world.alarm(10, lambda: event.fail(error))
    with pytest.raises(OddError) as caught:
        world.run_until(20)
    assert caught.value is error


def test_endless_switching_is_an_error_that_names_the_task(world):
    """DESIGN 5: many switches without time advancing is an error naming the thread."""
    world.sleep(77)
    turn = {"ping": world.event(), "pong": world.event()}

    def player(mine: str, other: str) -> None:
        while True:
            world.wait(turn[mine])
            turn[mine] = world.event()
            turn[other].succeed()

    world.spawn("ping", lambda: player("ping", "pong"))
    world.spawn("pong", lambda: player("pong", "ping"))
    world.alarm(77, lambda: turn["ping"].succeed())
    with pytest.raises(NoProgress, match=r"'p[io]ng'.*sleep") as caught:
        world.run_until(SECOND_NS)
    assert caught.value.at_ns == 77
    assert caught.value.task in ("ping", "pong")


def test_a_process_that_never_lets_time_pass_is_an_error(world):
    """DESIGN 5: a world never hangs the process, whatever kind of code makes no progress."""

    def restless():
        for _ in range(1_000_000):  # for ever, but for a test that must fail and not hang
            yield world.timeout(0)

    world.process(restless())
    with pytest.raises(NoProgress, match="restless"):
        world.run_until(SECOND_NS)


def test_many_switches_are_no_error_while_time_advances(world):
    """The count begins again with every nanosecond."""

    def program() -> None:
        for _ in range(150_000):
            world.sleep(1)

    task = world.spawn("program", program)
    world.run_until(SECOND_NS)
    assert task.dead


# ---------------------------------------------------------------- killing


def sleeper(world, log, name="sleeper"):
    try:
        world.sleep(SECOND_NS)
        log.append((name, "woke"))
    finally:
        log.append((name, "finally", world.now_ns))


def test_a_host_task_kills_another_and_goes_on_at_the_same_instant(world):
    """The killed one unwinds, the killer is resumed, no time passes."""
    log: list = []
    victim = world.spawn("sleeper", lambda: sleeper(world, log))

    def killer() -> None:
        world.sleep(500)
        victim.kill()
        log.append(("killer", world.now_ns))
        world.sleep(1)
        log.append(("killer", world.now_ns))

    world.spawn("killer", killer)
    world.run_until(2 * SECOND_NS)
    assert log == [("sleeper", "finally", 500), ("killer", 500), ("killer", 501)]
    assert victim.dead


def test_ordinary_code_and_callbacks_kill_too(world):
    """Whoever kills goes on; a task that is waited for with a limit is killed as cleanly."""
    log: list = []

    def waiter() -> None:
        try:
            world.wait(world.event(), SECOND_NS)
        finally:
            log.append("unwound")

    one = world.spawn("one", waiter)
    two = world.spawn("two", waiter)
    world.run_until(5)
    one.kill()
    world.alarm(6, two.kill)
    world.run_until(2 * SECOND_NS)
    assert log == ["unwound", "unwound"]
    assert one.dead
    assert two.dead


def test_a_task_kills_itself(world):
    """Kill from itself ends it there; its end is an event like any other."""
    log: list = []

    def program() -> None:
        try:
            task.kill()
            log.append("never")
        finally:
            log.append("finally")

    task = world.spawn("program", program)
    assert world.wait(task.finished, 10)
    assert log == ["finally"]


def test_a_task_that_was_never_started_is_killed_without_running(world):
    """Nothing of it runs, and whoever waits for its end is told."""
    log: list = []
    task = world.spawn("program", lambda: log.append("ran"))
    task.kill()
    assert world.wait(task.finished, 10)
    task.kill()
    assert log == []


def test_a_finally_that_waits_again_is_cut(world):
    """What unwinds may not block again, by sleep or by wait."""
    log: list = []

    def program() -> None:
        try:
            world.sleep(SECOND_NS)
        finally:
            log.append("finally")
            try:
                world.sleep(1)
                log.append("slept")
            finally:
                log.append("inner")
                world.wait(world.event(), 1)
                log.append("waited")

    task = world.spawn("program", program)
    world.run_until(10)
    task.kill()
    world.run_until(2 * SECOND_NS)
    assert log == ["finally", "inner"]
    assert task.dead


@pytest.mark.parametrize("how", ["sleep", "wait"])
def test_a_task_that_swallows_its_kill_is_reported(how):
    """It is named, and it neither survives the kill nor hangs the process."""
    world = World()
    rounds = 0

    def program() -> None:
        nonlocal rounds
        while rounds < 1_000_000:  # for ever, but for a test that must fail and not hang
            rounds += 1
            try:
                if how == "sleep":
                    world.sleep(SECOND_NS)
                else:
                    world.wait(world.event(), SECOND_NS)
            except BaseException:  # noqa: BLE001 - the point of this test
                continue

    task = world.spawn("stubborn", program)
    world.run_until(10)
    with pytest.raises(TaskFailed, match=r"'stubborn'.*swallows its kill"):
        task.kill()
    world.run_until(3 * SECOND_NS)
    assert rounds < 10_000
    with pytest.raises(TaskFailed, match=r"'stubborn'.*swallows its kill"):
        world.close()


def test_a_stubborn_task_does_not_keep_a_world_from_closing_the_others():
    """close() ends everything it can, then reports the one that swallows its kill."""
    world = World()
    log: list = []
    stop = []

    def stubborn() -> None:
        while not stop:
            try:
                world.sleep(SECOND_NS)
            except BaseException:  # noqa: BLE001 - the point of this test
                if len(log) > 10_000:
                    return
                log.append("swallowed")

    world.spawn("stubborn", stubborn)
    other = world.spawn("sleeper", lambda: sleeper(world, log))
    world.run_until(10)
    with pytest.raises(TaskFailed, match="swallows its kill"):
        world.close()
    assert other.dead
    assert ("sleeper", "finally", 10) in log
    stop.append(True)


def test_firmware_that_catches_everything_cannot_survive():
    """errors.py: TaskKilled is no Exception, so ``except Exception`` does not stop a reset."""
    assert not issubclass(TaskKilled, Exception)


# ---------------------------------------------------------------- closing


def test_close_ends_tasks_in_every_state_and_leaks_none():
    """Gc does not find the frame of a suspended greenlet; close ends them all."""
    log: list = []

    def live_and_close() -> list[weakref.ref]:
        world = World()
        states = {
            "waiting": lambda: world.wait(world.event()),
            "limited": lambda: world.wait(world.event(), SECOND_NS),
            "sleeping": lambda: world.sleep(SECOND_NS),
            "finished": lambda: None,
        }

        def guarded(name):
            try:
                states[name]()
            finally:
                log.append(name)

        tasks = [world.spawn(name, lambda name=name: guarded(name)) for name in states]
        world.run_until(10)
        tasks.append(world.spawn("not started", lambda: log.append("ran")))
        assert log == ["finished"]
        world.close()
        world.close()
        return [weakref.ref(item) for item in (*tasks, world)]

    references = live_and_close()
    assert sorted(log) == ["finished", "limited", "sleeping", "waiting"]
    gc.collect()
    assert [reference() for reference in references] == [None] * len(references)


def test_a_bench_leaves_no_greenlet_behind():
    """DESIGN 5: a world is a context manager, and a leak check stands in the tests."""

    def suspended() -> int:
        gc.collect()
        return sum(1 for item in gc.get_objects() if isinstance(item, greenlet) and not item.dead)

    def live() -> None:
        with BenchWorld() as world:
            world.boot()
            world.spawn("reader", lambda: world.sleep(10 * SECOND_NS))
            world.run_until(world.now_ns + SECOND_NS)
            assert suspended() > before

    before = suspended()
    for _ in range(3):
        live()
    assert suspended() == before


def test_a_world_closes_when_its_program_fails():
    """The with statement closes a world whatever happens inside."""
    log: list = []

    def program() -> None:
        with World() as world:
            world.spawn("sleeper", lambda: sleeper(world, log))
            world.run_until(5)
            raise OddError(7, 8)

    with pytest.raises(OddError):
        program()
    assert log == [("sleeper", "finally", 5)]


def test_a_closed_world_refuses_to_run(world):
    """A closed world says so; it does not return as if time had passed."""
    world.close()
    for use in (
        lambda: world.run_until(10),
        lambda: world.sleep(10),
        lambda: world.wait(world.event(), 10),
        lambda: world.run(),
    ):
        with pytest.raises(WorldClosed, match="new one"):
            use()


def test_what_was_registered_for_the_end_is_called_last_first(world):
    """The board goes before what it stands on."""
    log: list = []
    world.on_close(lambda: log.append("first"))
    world.on_close(lambda: log.append("second"))
    world.close()
    world.close()
    assert log == ["second", "first"]


# ---------------------------------------------------------------- randomness


GOLDEN_BELOW = [374, 168, 52, 887, 541, 189, 561, 385]
GOLDEN_BETWEEN = [-3, -3, 2, -2, -2, -2, -3, 3]
GOLDEN_CHANCE = [True, False, True, True, False, False, True, False]


def test_the_numbers_of_a_stream_are_fixed_for_all_time():
    """DESIGN 5: streams are stable over library versions; these numbers may never change."""
    stream = Stream(0, "drain")
    assert [stream.below(1_000) for _ in range(8)] == GOLDEN_BELOW
    stream = Stream(20, "campaign")
    assert [stream.between(-3, 3) for _ in range(8)] == GOLDEN_BETWEEN
    stream = Stream(2**63, "x")
    assert [stream.chance(1, 3) for _ in range(8)] == GOLDEN_CHANCE


def test_streams_do_not_depend_on_one_another():
    """DESIGN 5: named, independent streams: neither order nor use of one moves another."""
    with World(seed=7) as one, World(seed=7) as two:
        first = [one.random("a").below(10**6) for _ in range(5)]
        second = [one.random("b").below(10**6) for _ in range(5)]
        two_b = two.random("b")
        mixed = [(two_b.below(10**6), two.random("a").below(10**6)) for _ in range(5)]
    assert mixed == list(zip(second, first, strict=True))
    assert first != second


def test_draws_in_one_go_are_the_same_draws():
    """Many at once and one after the other give the same numbers and leave the same stream."""
    one, two = Stream(5, "x"), Stream(5, "x")
    assert one.many_below(1_000, 7) == [two.below(1_000) for _ in range(7)]
    assert one.below(10**6) == two.below(10**6)


def test_the_seed_of_a_world_decides_its_numbers():
    """One seed a world: equal seeds draw alike, others do not."""
    draws = {}
    for seed in (0, 1, 2, 0):
        with World(seed) as world:
            numbers = tuple(world.random("x").below(1 << 32) for _ in range(4))
        draws.setdefault(seed, numbers)
        assert draws[seed] == numbers
    assert len(set(draws.values())) == 3


@settings(max_examples=60)
@given(st.integers(0, 2**64), st.integers(-50, 50), st.integers(0, 1_000))
def test_draws_stay_in_their_bounds_and_reach_both_ends(seed, low, width):
    """Both ends of ``between`` are included, nothing outside is drawn."""
    stream = Stream(seed, "x")
    drawn = {stream.between(low, low + width) for _ in range(50)}
    assert min(drawn) >= low
    assert max(drawn) <= low + width
    if width <= 2:
        assert drawn == set(range(low, low + width + 1))
    assert not stream.chance(0, 5)
    assert stream.chance(5, 5)


# ---------------------------------------------------------------- SimPy beside tasks


def test_simpy_processes_run_beside_tasks_in_the_same_world(world):
    """DESIGN 4: hardware is SimPy processes, threads are tasks; each waits for the other."""
    log: list = []
    store = simpy.Store(world)

    def machine():
        for part in range(3):
            yield world.timeout(10)
            yield store.put(part)
        yield task.finished
        log.append(("machine", world.now))
        return "done"

    def program() -> None:
        for _ in range(3):
            item = store.get()
            world.wait(item)
            log.append((item.value, world.now_ns))
        world.sleep(5)

    task = world.spawn("program", program)
    process = world.process(machine())
    assert world.run(until=process) == "done"
    assert log == [(0, 10), (1, 20), (2, 30), ("machine", 35)]


def test_simpy_run_is_inclusive_here(world):
    """run(until=t) reaches t with all that happens at it, unlike simpy.Environment.run."""
    log: list = []

    def process():
        yield world.timeout(10)
        log.append(world.now)

    world.process(process())
    world.run(until=10)
    assert log == [10]
    assert isinstance(world.now, int)


def test_simpy_interrupts_and_conditions_work(world):
    """A world is a simpy.Environment, so its other tools are there too."""
    log: list = []

    def victim():
        try:
            yield world.timeout(100)
        except simpy.Interrupt as interrupt:
            log.append((world.now, interrupt.cause))

    process = world.process(victim())

    def program() -> None:
        world.wait(world.timeout(3) | world.timeout(9))
        log.append(world.now_ns)
        process.interrupt("enough")

    world.spawn("program", program)
    world.run_until(50)
    assert log == [3, (3, "enough")]
