"""Threads as a runtime, and the queue that threads and tasks have alike."""

import threading

import pytest

from hw.runtime import ThreadRuntime
from sim.host.runtime import WorldRuntime
from sim.kernel import World


def test_join_returns_the_result():
    assert ThreadRuntime().spawn("sum", lambda: 1 + 1).join(1000) == 2


def test_join_raises_what_the_call_raised():
    def fail() -> None:
        raise KeyError("inside")

    handle = ThreadRuntime().spawn("fail", fail)
    with pytest.raises(KeyError, match="inside"):
        handle.join(1000)


def test_join_gives_up_and_leaves_the_call_running():
    gate = threading.Event()
    handle = ThreadRuntime().spawn("stuck", gate.wait)
    with pytest.raises(TimeoutError, match="stuck still runs after 1 ms"):
        handle.join(1)
    gate.set()
    assert handle.join(1000) is True


def test_time_passes_by_at_least_what_was_slept():
    runtime = ThreadRuntime()
    before_ns = runtime.now_ns()
    runtime.sleep_ms(2)
    assert runtime.now_ns() - before_ns >= 2_000_000


@pytest.fixture(params=["threads", "world"])
def runtime(request):
    if request.param == "threads":
        yield ThreadRuntime()
        return
    with World() as world:
        yield WorldRuntime(world)


def fill(runtime, queue, count):
    """Wait until so many items are in the queue, and see that there are never more."""
    while len(queue) < count:
        runtime.sleep_ms(1)
    runtime.sleep_ms(1)
    assert len(queue) == count


def test_a_queue_keeps_the_order_and_never_holds_more_than_its_capacity(runtime):
    queue = runtime.queue(3)
    writer = runtime.spawn("writer", lambda: [queue.put(number) for number in range(10)])
    fill(runtime, queue, 3)
    assert [queue.get(1000) for _ in range(10)] == list(range(10))
    assert writer.join(1000) == [True] * 10


def test_an_empty_queue_is_waited_at_for_its_time(runtime):
    queue = runtime.queue(1)
    before_ns = runtime.now_ns()
    with pytest.raises(TimeoutError, match="still empty after 5 ms"):
        queue.get(5)
    assert runtime.now_ns() - before_ns >= 5_000_000


def test_an_item_that_comes_late_is_still_got(runtime):
    queue = runtime.queue(1)

    def write():
        runtime.sleep_ms(5)
        queue.put("late")

    runtime.spawn("writer", write)
    assert queue.get(5000) == "late"


def test_closing_a_queue_refuses_what_waits_for_room_and_keeps_what_is_in_it(runtime):
    queue = runtime.queue(1)
    writer = runtime.spawn("writer", lambda: [queue.put(1), queue.put(2)])
    fill(runtime, queue, 1)
    queue.close()
    assert writer.join(1000) == [True, False]
    assert queue.put(3) is False
    assert queue.get(1000) == 1
    assert len(queue) == 0
