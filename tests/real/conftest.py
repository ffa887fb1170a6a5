"""Fixtures of the tests on the real libusb."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.real.bench import RealBench, absence


@pytest.fixture(scope="session")
def libusb() -> None:
    """Skip where no real libusb can be asked."""
    reason = absence()
    if reason:
        pytest.skip(reason)


@pytest.fixture
def bench(libusb: None, tmp_path: Path):
    """Start a bench; arguments as :class:`RealBench` takes them."""
    with ExitStack() as stack:

        def start(**more: object) -> RealBench:
            return stack.enter_context(RealBench(tmp_path, **more))  # type: ignore[arg-type]

        yield start
