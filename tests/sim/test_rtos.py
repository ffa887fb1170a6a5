"""ThreadX on the FX3: preemption, FIFO, spins, ticks, mutexes, queues, timers, resets.

Facts: the ThreadX guide, chapter 3, and the sources of ThreadX.
"""

from __future__ import annotations

from collections import deque

import pytest
from hypothesis import example, given, settings, strategies as st

from hw.protocol import SdkStatus
from sim.errors import NoProgress, TaskFailed
from sim.kernel import HARDWARE, World
from sim.options import Options
from sim.rtos import DELETED, NO_WAIT, SUCCESS, WAIT_ERROR, WAIT_FOREVER, Rtos
from sim.rtos_objects import (
    MUTEX_NOT_AVAILABLE,
    MUTEX_NOT_OWNED,
    QUEUE_EMPTY,
    QUEUE_FULL,
    Mutex,
    Queue,
    Timer,
    TimerThread,
)
from sim.world import BenchWorld

US = 1_000
MS = 1_000_000
SECOND_NS = 1_000_000_000


class Cpu:
    """A world with nothing but an RTOS, and a log of what its threads do when."""

    def __init__(self, tick_ns: int = MS) -> None:
        self.world = World()
        self.rtos = Rtos(self.world, tick_ns)
        self.timers = TimerThread(self.rtos)
        self.log: list[tuple] = []

    def note(self, *what: object) -> None:
        self.log.append((self.world.now_ns, *what))

    def thread(self, name, priority, call):
        return self.rtos.create_thread(name, priority, call)

    def mutex(self) -> Mutex:
        return Mutex(self.rtos, self.timers, "mutex")

    def queue(self, capacity: int) -> Queue:
        return Queue(self.rtos, self.timers, capacity)

    def run_until(self, at_ns: int) -> list[tuple]:
        self.world.run_until(at_ns)
        return self.log


@pytest.fixture
def cpu():
    cpu = Cpu()
    with cpu.world:
        yield cpu


# ---------------------------------------------------------------- preemption


def test_a_better_thread_runs_inside_the_put_that_wakes_it(cpu):
    """ThreadX switches at the put, so the waker goes on only when the other blocks."""
    queue = cpu.queue(4)
    mutex = cpu.mutex()

    def better() -> None:
        cpu.note("better got", queue.receive(WAIT_FOREVER)[1])
        cpu.note("better asks", mutex.get(WAIT_FOREVER))
        mutex.put()

    def worse() -> None:
        mutex.get(NO_WAIT)
        cpu.rtos.work(5)
        queue.send("message")
        cpu.note("worse sent")
        mutex.put()
        cpu.note("worse put")

    cpu.thread("better", 4, better)
    cpu.thread("worse", 8, worse)
    assert cpu.run_until(MS) == [
        (5, "better got", "message"),
        (5, "worse sent"),
        (5, "better asks", SUCCESS),
        (5, "worse put"),
    ]


def test_a_thread_of_equal_priority_waits_until_the_running_one_blocks(cpu):
    """ThreadX guide: no time slicing anywhere; equal priorities run to block, first come first."""
    queue = cpu.queue(4)

    def first() -> None:
        cpu.rtos.work(50 * MS)
        queue.send("wakes the third")
        cpu.rtos.work(50 * MS)
        cpu.note("first blocks")
        cpu.rtos.sleep(1)
        cpu.note("first again")

    def second() -> None:
        cpu.note("second")
        cpu.rtos.work(5 * MS)

    def third() -> None:
        queue.receive(WAIT_FOREVER)
        cpu.note("third")

    cpu.thread("third", 4, third)
    cpu.thread("first", 4, first)
    cpu.thread("second", 4, second)
    assert cpu.run_until(SECOND_NS) == [
        (100 * MS, "first blocks"),
        (100 * MS, "second"),
        (105 * MS, "third"),
        (105 * MS, "first again"),
    ]


def test_a_preempted_thread_goes_on_before_its_equals(cpu):
    """A preempted thread returns to the front of its priority."""

    def better() -> None:
        cpu.rtos.sleep(3)
        cpu.note("better")

    def first() -> None:
        cpu.rtos.work(5 * MS)
        cpu.note("first done")

    cpu.thread("better", 4, better)
    cpu.thread("first", 8, first)
    cpu.thread("second", 8, lambda: cpu.note("second"))
    assert cpu.run_until(SECOND_NS) == [
        (3 * MS, "better"),
        (5 * MS, "first done"),
        (5 * MS, "second"),
    ]


def test_preempted_work_keeps_its_rest_exactly(cpu):
    """Work takes CPU time: what better threads take comes on top, to the nanosecond."""

    def better() -> None:
        for _ in range(3):
            cpu.rtos.sleep(1)
            cpu.rtos.work(123_457)

    def worse() -> None:
        cpu.rtos.work(3_333_333)
        cpu.note("done")

    cpu.thread("better", 4, better)
    cpu.thread("worse", 8, worse)
    assert cpu.run_until(SECOND_NS) == [(3_333_333 + 3 * 123_457, "done")]


def test_an_interrupt_wakes_a_better_thread_in_the_middle_of_work(cpu):
    """ThreadX guide: ISRs run whatever computes; the thread they wake preempts at once."""
    queue = cpu.queue(4)

    def driver() -> None:
        cpu.note("driver", queue.receive(WAIT_FOREVER)[1])
        cpu.rtos.work(10)

    def main() -> None:
        cpu.rtos.work(1_000)
        cpu.note("main done")

    cpu.thread("driver", 4, driver)
    cpu.thread("main", 8, main)
    cpu.world.alarm(333, lambda: queue.send("setup"), HARDWARE)
    assert cpu.run_until(MS) == [(333, "driver", "setup"), (1_010, "main done")]


def test_all_time_outs_of_a_tick_are_handed_out_before_a_lower_thread_runs(cpu):
    """ThreadX guide: a thread of priority 0 hands them out, so the best of one tick runs first."""
    timer_due_at_10 = []

    def sleeper(name: str, ticks: int):
        def run() -> None:
            cpu.rtos.sleep(ticks)
            cpu.note(name)

        return run

    def late_starter() -> None:
        cpu.rtos.sleep(9)
        timer_due_at_10.append(Timer(cpu.rtos, cpu.timers, lambda: cpu.note("timer"), 1, 0))
        cpu.rtos.sleep(1)
        cpu.note("better")

    cpu.thread("worse", 8, sleeper("worse", 10))
    cpu.thread("middle", 6, sleeper("middle", 10))
    cpu.thread("better", 4, late_starter)
    assert cpu.run_until(SECOND_NS) == [
        (10 * MS, "timer"),
        (10 * MS, "better"),
        (10 * MS, "middle"),
        (10 * MS, "worse"),
    ]


# ---------------------------------------------------------------- spins


@pytest.mark.parametrize("spinner", [0, 2, 4, 8])
def test_a_spin_starves_what_is_at_or_below_its_priority(cpu, spinner):
    """ThreadX guide: threads below and equal stop, better ones and interrupts go on."""
    beats = dict.fromkeys((0, 2, 4, 6, 8), 0)

    def beat(priority: int) -> None:
        while True:
            cpu.rtos.sleep(1)
            beats[priority] += 1

    def spin() -> None:
        cpu.rtos.sleep(10)
        cpu.rtos.spin()

    for priority in beats:
        cpu.thread(f"beat {priority}", priority, lambda priority=priority: beat(priority))
    told = []
    cpu.rtos.on_spin = lambda thread: told.append((cpu.world.now_ns, thread.name))
    cpu.thread("spinner", spinner, spin)
    cpu.run_until(100 * MS)
    for priority, count in beats.items():
        assert count in ((100,) if priority < spinner else (9, 10))
    assert told == [(10 * MS, "spinner")]


def test_a_spinner_gives_way_to_a_better_thread_and_spins_on(cpu):
    """A preempted spin is not over."""

    def better() -> None:
        cpu.rtos.sleep(5)
        cpu.rtos.work(MS)
        cpu.note("better")

    cpu.thread("better", 4, better)
    cpu.thread("spinner", 8, cpu.rtos.spin)
    cpu.thread("equal", 8, lambda: cpu.note("equal"))
    assert cpu.run_until(SECOND_NS) == [(6 * MS, "better")]


# ---------------------------------------------------------------- ticks


@pytest.mark.parametrize(
    ("begun_ns", "ticks", "ended_ns"),
    [
        (3 * MS, 1, 4 * MS),
        (3 * MS + 1, 1, 4 * MS),
        (4 * MS - 1, 1, 4 * MS),
        (4 * MS, 1, 5 * MS),
        (4 * MS - 1, 100, 103 * MS),
        (4 * MS, 0, 4 * MS),
        (4 * MS - 1, 0, 4 * MS - 1),
    ],
)
def test_a_sleep_ends_at_a_tick(cpu, begun_ns, ticks, ended_ns):
    """cyu3os.h: all times are ticks of the OS, so a sleep of n lasts more than n-1 up to n ms."""

    def run() -> None:
        cpu.rtos.work(begun_ns)
        cpu.rtos.sleep(ticks)
        cpu.note("awake")

    cpu.thread("sleeper", 8, run)
    assert cpu.run_until(SECOND_NS) == [(ended_ns, "awake")]


@pytest.mark.parametrize("ppm", [-40_000, -137, 0, 137, 40_000])
def test_the_tick_may_be_off(ppm):
    """cyu3os.h: the tick is off by up to 4 %, and everything that counts ticks with it."""
    with BenchWorld("fw-2.3", "level-1", options=Options(tick_ppm=ppm)) as world:
        world.boot()
        rtos = world.chip.rtos
        woke = []

        def run() -> None:
            rtos.sleep(1)
            begun_ns = world.now_ns
            rtos.sleep(1_000)
            woke.append(world.now_ns - begun_ns)

        begun_ns = world.now_ns
        ticks = world.firmware.sdk.get_time()
        rtos.create_thread("sleeper", 9, run)
        world.run_until(world.now_ns + 2 * SECOND_NS)
        assert woke == [SECOND_NS + 1_000 * ppm]
        elapsed = (world.now_ns - begun_ns) // (MS + ppm)
        assert world.firmware.sdk.get_time() - ticks in (elapsed, elapsed + 1)


def test_without_ticks_nothing_times_out(cpu):
    """ThreadX guide: time-outs are the timer thread's work; when it dies nothing expires."""
    queue = cpu.queue(1)

    def sleeper() -> None:
        cpu.note("asleep")
        cpu.rtos.sleep(5)
        cpu.note("never")

    def server() -> None:
        cpu.note("served", queue.receive(10))

    cpu.thread("sleeper", 8, sleeper)
    cpu.thread("server", 4, server)
    cpu.world.alarm(2 * MS, lambda: setattr(cpu.rtos, "ticking", False))
    cpu.world.alarm(20 * MS, lambda: queue.send("still works"))
    assert cpu.run_until(SECOND_NS) == [
        (0, "asleep"),
        (20 * MS, "served", (SUCCESS, "still works")),
    ]


# ---------------------------------------------------------------- mutexes


def test_a_mutex_is_recursive_for_its_owner(cpu):
    """ThreadX guide: the owner may take it again, and gives it back as often."""
    mutex = cpu.mutex()

    def owner() -> None:
        assert [mutex.get(NO_WAIT) for _ in range(3)] == [SUCCESS] * 3
        for _ in range(3):
            cpu.rtos.sleep(10)
            mutex.put()
            cpu.note("put")
        cpu.note("once more", mutex.put())

    def other() -> None:
        cpu.note("other", mutex.get(WAIT_FOREVER))

    cpu.thread("owner", 8, owner)
    cpu.thread("other", 4, lambda: (cpu.rtos.sleep(1), other()))
    assert cpu.run_until(SECOND_NS) == [
        (10 * MS, "put"),
        (20 * MS, "put"),
        (30 * MS, "other", SUCCESS),
        (30 * MS, "put"),
        (30 * MS, "once more", MUTEX_NOT_OWNED),
    ]


def test_a_mutex_goes_to_the_one_who_waited_longest(cpu):
    """ThreadX guide: FIFO wake-up, whatever the priorities."""
    mutex = cpu.mutex()

    def owner() -> None:
        mutex.get(NO_WAIT)
        cpu.rtos.sleep(10)
        mutex.put()

    def waiter(name: str, after: int):
        def run() -> None:
            cpu.rtos.sleep(after)
            mutex.get(WAIT_FOREVER)
            cpu.note(name)
            cpu.rtos.sleep(1)
            mutex.put()

        return run

    cpu.thread("owner", 8, owner)
    for name, priority, after in (("worse", 9, 1), ("better", 4, 2), ("equal", 8, 3)):
        cpu.thread(name, priority, waiter(name, after))
    assert [name for _, name in cpu.run_until(SECOND_NS)] == ["worse", "better", "equal"]


def test_priorities_are_not_inherited(cpu):
    """ThreadX guide: a middle thread keeps the owner from ending a better thread's wait."""
    mutex = cpu.mutex()

    def owner() -> None:
        mutex.get(NO_WAIT)
        cpu.rtos.work(5 * MS)
        mutex.put()

    def better() -> None:
        cpu.rtos.sleep(1)
        mutex.get(WAIT_FOREVER)
        cpu.note("better")

    def middle() -> None:
        cpu.rtos.sleep(2)
        cpu.rtos.work(100 * MS)
        cpu.note("middle")

    cpu.thread("owner", 8, owner)
    cpu.thread("better", 2, better)
    cpu.thread("middle", 4, middle)
    assert cpu.run_until(SECOND_NS) == [(102 * MS, "middle"), (105 * MS, "better")]


def test_a_wait_for_a_mutex_ends_with_its_time(cpu):
    """ThreadX guide: who gives up is off the list; NO_WAIT answers at once."""
    mutex = cpu.mutex()

    def owner() -> None:
        mutex.get(NO_WAIT)
        cpu.rtos.sleep(10)
        mutex.put()
        cpu.note("free", mutex.owner)

    def impatient() -> None:
        cpu.note("not now", mutex.get(NO_WAIT))
        cpu.note("gave up", mutex.get(5))

    def patient() -> None:
        cpu.rtos.sleep(20)
        cpu.note("patient", mutex.get(5))

    cpu.thread("owner", 8, owner)
    cpu.thread("impatient", 9, impatient)
    cpu.thread("patient", 9, patient)
    assert cpu.run_until(SECOND_NS) == [
        (0, "not now", MUTEX_NOT_AVAILABLE),
        (5 * MS, "gave up", MUTEX_NOT_AVAILABLE),
        (10 * MS, "free", None),
        (20 * MS, "patient", SUCCESS),
    ]


def test_deleting_a_mutex_wakes_its_waiters(cpu):
    """ThreadX guide and S131: also while it is owned; every waiter's call answers DELETED."""
    mutex = cpu.mutex()

    def waiter(name: str):
        def run() -> None:
            cpu.note(name, mutex.get(WAIT_FOREVER))

        return run

    def owner() -> None:
        mutex.get(NO_WAIT)
        cpu.rtos.sleep(3)
        mutex.delete()
        cpu.note("deleted", mutex.put(), mutex.get(NO_WAIT), mutex.get(WAIT_FOREVER))

    cpu.thread("owner", 6, owner)
    cpu.thread("worse", 8, waiter("worse"))
    cpu.thread("better", 4, lambda: (cpu.rtos.sleep(1), waiter("better")()))
    assert cpu.run_until(SECOND_NS) == [
        (3 * MS, "better", DELETED),
        (3 * MS, "deleted", DELETED, DELETED, DELETED),
        (3 * MS, "worse", DELETED),
    ]


# ---------------------------------------------------------------- queues


def test_a_full_queue_drops_and_counts(cpu):
    """RunApplication.c and trap 18: senders never wait; what does not fit is gone silently."""
    queue = cpu.queue(3)

    def sender() -> None:
        cpu.note(*[queue.send(number) for number in range(5)])

    def receiver() -> None:
        cpu.rtos.sleep(1)
        cpu.note(*[queue.receive(NO_WAIT) for _ in range(4)])

    cpu.thread("sender", 4, sender)
    cpu.thread("receiver", 8, receiver)
    assert cpu.run_until(SECOND_NS) == [
        (0, SUCCESS, SUCCESS, SUCCESS, QUEUE_FULL, QUEUE_FULL),
        (MS, (SUCCESS, 0), (SUCCESS, 1), (SUCCESS, 2), (QUEUE_EMPTY, None)),
    ]
    assert queue.dropped == 2


def test_a_receiver_waits_for_a_message_or_its_time(cpu):
    """A message in time is received at once; a wait that ends without one says so."""
    queue = cpu.queue(3)

    def receiver() -> None:
        cpu.note(queue.receive(5))
        cpu.note(queue.receive(5))

    cpu.thread("receiver", 4, receiver)
    cpu.world.alarm(2_500 * US, lambda: queue.send("late"))
    assert cpu.run_until(SECOND_NS) == [
        (2_500 * US, (SUCCESS, "late")),
        (7 * MS, (QUEUE_EMPTY, None)),
    ]


# ---------------------------------------------------------------- timers


def test_timers_run_at_ticks_in_the_timer_thread(cpu):
    """ThreadX guide: callbacks run at priority 0, in the order they came due, again and again."""

    def tick() -> None:
        cpu.note("timer", cpu.rtos.current().name)
        cpu.rtos.work(100 * US)

    def main() -> None:
        cpu.rtos.work(500 * US)
        timers.append(Timer(cpu.rtos, cpu.timers, tick, 3, 5))
        cpu.rtos.work(20 * MS)
        cpu.note("main")
        timers[0].stop()

    timers: list[Timer] = []
    cpu.thread("main", 8, main)
    name = "timer thread"
    assert cpu.run_until(SECOND_NS) == [
        (3 * MS, "timer", name),
        (8 * MS, "timer", name),
        (13 * MS, "timer", name),
        (18 * MS, "timer", name),
        (20_900 * US, "main"),
    ]


def test_a_timer_callback_may_not_wait(cpu):
    """ThreadX guide: any wait but NO_WAIT answers TX_WAIT_ERROR there, even for a free mutex."""
    mutex, held = cpu.mutex(), cpu.mutex()
    queue = cpu.queue(1)

    def callback() -> None:
        cpu.note(mutex.get(WAIT_FOREVER), mutex.get(1), mutex.get(NO_WAIT), mutex.put())
        cpu.note(held.get(NO_WAIT), held.get(WAIT_FOREVER))
        cpu.note(queue.receive(5), queue.receive(NO_WAIT))

    cpu.thread("holder", 8, lambda: (held.get(NO_WAIT), cpu.rtos.sleep(100)))
    timer = Timer(cpu.rtos, cpu.timers, callback, 5, 0)
    assert cpu.run_until(SECOND_NS) == [
        (5 * MS, WAIT_ERROR, WAIT_ERROR, SUCCESS, SUCCESS),
        (5 * MS, MUTEX_NOT_AVAILABLE, WAIT_ERROR),
        (5 * MS, (WAIT_ERROR, None), (QUEUE_EMPTY, None)),
    ]
    timer.stop()


def test_sdk_calls_that_lock_fail_in_a_timer_callback():
    """F27 and ThreadX guide: MUTEX_FAILURE 0x1D from the SDK's locks, 0x13 from a sleep."""
    with BenchWorld("fw-2.3", "level-1") as world:
        world.boot()
        sdk = world.chip.sdk
        seen = []

        def callback() -> None:
            seen.append(sdk.usb_flush_ep(0x81))
            seen.append(sdk.dma_multi_channel_reset("glMultiChHandleSlFifoPtoU"))
            seen.append(sdk.i2c_transmit_bytes(0xC0, 16, b"\x80"))
            seen.append(sdk.thread_sleep(1))
            seen.append(sdk.get_time())

        sdk.timer_create("mine", callback, 5, 0)
        world.run_until(world.now_ns + SECOND_NS)
        assert seen[:4] == [SdkStatus.MUTEX_FAILURE] * 3 + [SdkStatus.INVALID_CALLER]
        assert seen[4] > 0


# ---------------------------------------------------------------- ends and errors


def test_a_reset_ends_every_firmware_thread_while_host_tasks_live_on():
    """The RTOS is dead first, so nothing of it is released or runs again."""
    with BenchWorld("fw-2.3", "level-1") as world:
        world.boot()
        sdk = world.chip.sdk
        rtos = world.chip.rtos
        log: list = []

        def firmware_thread(call) -> None:
            try:
                call()
            finally:
                log.append(("unwound", world.now_ns))
                sdk.usb_lock.put()
                sdk.thread_sleep(5)
                log.append("never")

        blocked = [
            rtos.create_thread("blocked", 9, lambda: firmware_thread(lambda: rtos.sleep(10**6))),
            rtos.create_thread("working", 10, lambda: firmware_thread(lambda: rtos.work(10**12))),
            rtos.create_thread("starved", 11, lambda: firmware_thread(lambda: rtos.work(10**12))),
            rtos.create_thread("spinning", 7, lambda: firmware_thread(rtos.spin)),
        ]

        def host() -> None:
            world.sleep(100 * MS)
            world.chip.reset("device_reset")
            log.append(("host goes on", world.now_ns))
            world.sleep(MS)
            log.append(("host goes on", world.now_ns))

        begun_ns = world.now_ns
        threads = list(rtos.threads)
        world.spawn("host", host)
        world.run_until(world.now_ns + SECOND_NS)
        at_ns = begun_ns + 100 * MS
        assert log == [("host goes on", at_ns), ("host goes on", at_ns + MS)] or log == [
            *[("unwound", at_ns)] * (len(log) - 2),
            ("host goes on", at_ns),
            ("host goes on", at_ns + MS),
        ]
        assert all(thread.dead or not thread for thread in threads + blocked)
        assert world.chip.rtos is None


def test_a_reset_is_safe_from_a_firmware_thread_itself(cpu):
    """Kill all firmware from itself works; no other thread survives it."""

    def sleeper() -> None:
        try:
            cpu.rtos.sleep(100)
            cpu.note("survived")
        finally:
            cpu.note("unwound")

    def killer() -> None:
        cpu.rtos.sleep(10)
        cpu.rtos.kill()
        cpu.note("never")

    cpu.thread("one", 7, sleeper)
    cpu.thread("killer", 8, killer)
    cpu.thread("two", 9, sleeper)
    assert cpu.run_until(SECOND_NS) == [(10 * MS, "unwound"), (10 * MS, "unwound")]


def test_endless_switching_between_threads_names_one(cpu):
    """DESIGN 5: two threads that wake each other for ever do not hang the process."""
    queues = cpu.queue(4), cpu.queue(4)

    def player(mine: int) -> None:
        while True:
            queues[1 - mine].send("ball")
            queues[mine].receive(WAIT_FOREVER)

    cpu.thread("ping", 8, lambda: player(0))
    cpu.thread("pong", 8, lambda: player(1))
    with pytest.raises(NoProgress, match=r"'p[io]ng'"):
        cpu.run_until(SECOND_NS)


def test_an_exception_in_a_firmware_thread_ends_the_run(cpu):
    """With the thread's name and the simulated time."""

    def broken() -> None:
        cpu.rtos.sleep(7)
        raise ZeroDivisionError("mine")

    cpu.thread("11:HF103", 8, broken)
    with pytest.raises(TaskFailed, match=r"'11:HF103' failed at 0\.007") as caught:
        cpu.run_until(SECOND_NS)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_an_rtos_call_from_outside_of_a_thread_is_a_mistake(cpu):
    """A host program cannot take a firmware's mutex by accident."""
    with pytest.raises(RuntimeError, match="outside of the firmware"):
        cpu.mutex().get(WAIT_FOREVER)


# ---------------------------------------------------------------- against a reference


class Reference:
    """An independent scheduler: it steps every nanosecond and looks at everything each time."""

    def __init__(self, programs, tick_ns: int) -> None:
        self.tick_ns = tick_ns
        self.log: list[tuple] = []
        self.now = 0
        self.threads = [
            {"name": name, "priority": priority, "steps": deque(enumerate(steps)), "left": 0}
            for name, (priority, steps) in enumerate(programs)
        ]
        self.ready = list(self.threads)
        self.running = None
        self.waiting: list[dict] = []
        self.mutexes: dict[int, dict] = {}

    def run(self, until_ns: int) -> list[tuple]:
        while self.now <= until_ns:
            for thread in [item for item in self.waiting if item["until"] == self.now]:
                self.waiting.remove(thread)
                mutex = thread.pop("on", None)
                if mutex is not None:
                    mutex["waiters"].remove(thread)
                    thread["result"] = MUTEX_NOT_AVAILABLE
                self.ready.append(thread)
            self.settle()
            if self.running is not None:
                self.running["left"] -= 1
            self.now += 1
        return self.log

    def best(self):
        return min(self.ready, key=lambda thread: thread["priority"], default=None)

    def settle(self) -> None:
        """Run zero-time code until the one that runs has work to do, or nobody is ready."""
        while True:
            best = self.best()
            running = self.running
            if running is None:
                if best is None:
                    return
                self.ready.remove(best)
                self.running = best
            elif best is not None and best["priority"] < running["priority"]:
                self.ready.insert(0, running)
                self.ready.remove(best)
                self.running = best
            elif running["left"]:
                return
            else:
                self.step(running)

    def tick_after(self, ticks: int) -> int:
        return (self.now // self.tick_ns + ticks) * self.tick_ns

    def step(self, thread) -> None:
        if "done" in thread:
            number, result = thread.pop("done"), thread.pop("result", SUCCESS)
            self.log.append((self.now, thread["name"], number, result))
            return
        if not thread["steps"]:
            self.running = None
            return
        number, (what, value, ticks) = thread["steps"].popleft()
        thread["done"] = number
        if what == "work":
            thread["left"] = value
        elif what == "sleep":
            if ticks:
                thread["until"] = self.tick_after(ticks)
                self.waiting.append(thread)
                self.running = None
        elif what == "get":
            self.get(thread, self.mutex(value), ticks)
        else:
            self.put(thread, self.mutex(value))

    def mutex(self, number: int) -> dict:
        return self.mutexes.setdefault(number, {"owner": None, "count": 0, "waiters": []})

    def get(self, thread, mutex, ticks: int) -> None:
        if mutex["owner"] in (None, thread["name"]):
            mutex["owner"] = thread["name"]
            mutex["count"] += 1
        elif ticks == NO_WAIT:
            thread["result"] = MUTEX_NOT_AVAILABLE
        else:
            thread["until"] = None if ticks == WAIT_FOREVER else self.tick_after(ticks)
            thread["on"] = mutex
            mutex["waiters"].append(thread)
            self.waiting.append(thread)
            self.running = None

    def put(self, thread, mutex) -> None:
        if mutex["owner"] != thread["name"]:
            thread["result"] = MUTEX_NOT_OWNED
            return
        mutex["count"] -= 1
        if mutex["count"]:
            return
        mutex["owner"] = None
        if mutex["waiters"]:
            heir = mutex["waiters"].pop(0)
            del heir["on"]
            self.waiting.remove(heir)
            mutex["owner"], mutex["count"] = heir["name"], 1
            self.ready.append(heir)


STEPS = st.one_of(
    st.tuples(st.just("work"), st.integers(0, 25), st.just(0)),
    st.tuples(st.just("sleep"), st.just(0), st.integers(0, 3)),
    st.tuples(st.just("get"), st.integers(0, 1), st.sampled_from((NO_WAIT, 1, 2, WAIT_FOREVER))),
    st.tuples(st.just("put"), st.integers(0, 1), st.just(0)),
)
PROGRAMS = st.lists(
    st.tuples(st.integers(1, 4), st.lists(STEPS, max_size=8)), min_size=1, max_size=5
)


def run_programs(programs, tick_ns: int, until_ns: int) -> list[tuple]:
    cpu = Cpu(tick_ns)
    mutexes = [cpu.mutex(), cpu.mutex()]

    def run(name: int, steps) -> None:
        for number, (what, value, ticks) in enumerate(steps):
            result = SUCCESS
            if what == "work":
                cpu.rtos.work(value)
            elif what == "sleep":
                cpu.rtos.sleep(ticks)
            elif what == "get":
                result = mutexes[value].get(ticks)
            else:
                result = mutexes[value].put()
            cpu.note(name, number, result)

    with cpu.world:
        for name, (priority, steps) in enumerate(programs):
            cpu.thread(str(name), priority, lambda name=name, steps=steps: run(name, steps))
        return cpu.run_until(until_ns)


@settings(max_examples=400)
@given(PROGRAMS)
@example([(4, [("sleep", 0, 2)]), (1, [("work", 5, 0), ("sleep", 0, 2)])])
@example([(2, [("get", 0, NO_WAIT), ("work", 25, 0), ("put", 0, 0)]), (1, [("get", 0, 2)])])
def test_any_programs_run_as_on_an_independent_scheduler(programs):
    """Every step of every thread, at the same nanosecond and in the same order."""
    assert run_programs(programs, 10, 400) == Reference(programs, 10).run(400)
