"""The numbers that C code and test vectors rely on, and the small words of the contract."""

import dataclasses

import pytest

import health
from health import Event, Evidence, Intent, Level, Outcome, Recovery, Status, StatusCode, level_bit
from health.ladders import LADDERS, field_names


def test_event_numbers_are_fixed():
    """Event numbers never change: they are in vectors and in C."""
    assert {event.name: int(event) for event in Event} == {
        "EP0_ENTER": 1,
        "EP0_EXIT": 2,
        "EP0_ERROR": 3,
        "EP0_CANCELLED": 4,
        "USB_EVENT_ENTER": 5,
        "USB_EVENT_EXIT": 6,
        "STREAM_START": 7,
        "STREAM_STOP": 8,
        "STREAM_SAMPLE": 9,
        "STREAM_CAP": 10,
        "CLOCK_STATE": 11,
        "PIB_ERROR": 12,
        "EP_UNDERRUN": 13,
        "CONFIGURED": 14,
        "DECONFIGURED": 15,
        "HOST_READING": 16,
    }


def test_status_level_and_outcome_numbers_are_fixed():
    """Status codes, levels and outcomes never change either."""
    assert [code.name for code in sorted(StatusCode)] == [
        "OK",
        "STREAM_STALL",
        "STREAM_WEDGE",
        "COLD_START",
        "CLOCK_LOST",
        "EP0_WEDGED",
        "USB_EVENT_WEDGED",
        "EP0_DESYNC",
        "APPLICATION_WEDGED",
        "UNKNOWN",
    ]
    assert [int(code) for code in StatusCode] == list(range(10))
    assert {level.name: int(level) for level in Level} == {
        "STREAM": 1,
        "EP0": 2,
        "APPLICATION": 3,
        "DEVICE_RESET": 4,
        "WATCHDOG": 5,
    }
    assert [outcome.name for outcome in sorted(Outcome)] == [
        "NONE",
        "DONE",
        "FAILED",
        "REFUSED",
        "CAPPED",
        "COOLING",
    ]


@pytest.mark.parametrize("level", list(Level))
def test_level_bit(level):
    """Level n is bit n of the mask of available levels."""
    assert level_bit(level) == 2 ** int(level)


def test_ladders_are_the_table_of_the_cascade():
    """Each status has exactly these remedies, in this order, and level 5 is on none."""
    assert {code.name: [int(level) for level in ladder] for code, ladder in LADDERS.items()} == {
        "OK": [],
        "STREAM_STALL": [1],
        "STREAM_WEDGE": [1, 3, 4],
        "COLD_START": [1, 3, 4],
        "CLOCK_LOST": [],
        "EP0_WEDGED": [4],
        "USB_EVENT_WEDGED": [4],
        "EP0_DESYNC": [2, 4],
        "APPLICATION_WEDGED": [3, 4],
        "UNKNOWN": [2, 3, 4],
    }
    assert field_names(StatusCode.COLD_START) == ("cold_start_first_level", "cold_start_ceiling")


@pytest.mark.parametrize(
    "value",
    [
        Evidence(),
        Status(StatusCode.OK, 0, Evidence()),
        Recovery(None, Outcome.NONE),
        Intent(Level.EP0, Status(StatusCode.OK, 0, Evidence())),
    ],
)
def test_answers_are_frozen(value):
    """What was answered cannot be changed afterwards, and carries no dict."""
    name = dataclasses.fields(value)[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(value, name, 1)
    assert not hasattr(value, "__dict__")


def test_the_public_names():
    """The package offers its contract under fixed names."""
    assert health.__all__ == sorted(health.__all__, key=lambda name: (name.islower(), name))
    assert all(hasattr(health, name) for name in health.__all__)
