"""Threads as a runtime."""

import threading

import pytest

from hw.runtime import ThreadRuntime


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
