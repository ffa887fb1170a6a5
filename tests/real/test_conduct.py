"""The simulated backend answers as pyusb's backend on libusb 1.0.26 does, call for call.

The record was made by :mod:`tests.real.conduct` on the real libusb; heavy tests ask it again.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from sim.host.backend import get_backend
from tests.real.conduct import Conduct
from tests.sim.bench import booted, pause

RECORD: dict[str, Any] = json.loads(
    Path(__file__).with_name("libusb_1_0_26.json").read_text(encoding="utf-8")
)


@pytest.fixture(scope="module")
def simulated() -> dict[str, Any]:
    """What the simulated backend answers, in the form of the record."""
    with booted() as world:
        conduct = Conduct(get_backend(world), lambda duration_s: pause(world, duration_s * 1_000))
        outcomes: dict[str, Any] = json.loads(json.dumps(dict(conduct.outcomes())))
    return outcomes


@pytest.mark.parametrize("name", RECORD)
def test_a_call_comes_to_what_it_comes_to_on_libusb(simulated, name):
    assert simulated[name] == RECORD[name]


def test_every_call_is_on_record(simulated):
    assert list(simulated) == list(RECORD)


def test_the_record_has_every_kind_of_error_that_programs_meet():
    """No device, timed out, stalled, busy, more data than asked for, and "other"."""
    codes = {outcome[2] for outcome in RECORD.values() if _is_error(outcome)}
    assert {-99, -9, -8, -7, -6, -5, -4, -2, -1} <= codes


@pytest.mark.heavy
def test_libusb_still_answers_as_on_record(bench):
    asked = bench().run((sys.executable, "-m", "tests.real.conduct"))
    assert json.loads(asked) == RECORD


def _is_error(outcome: Any) -> bool:
    return isinstance(outcome, list) and len(outcome) == 4 and isinstance(outcome[0], str)
