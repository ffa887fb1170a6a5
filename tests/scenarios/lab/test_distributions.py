"""What is drawn: whole numbers, by integer arithmetic, each stratum of a hypercube once."""

from __future__ import annotations

from statistics import mean

import pytest

from scenarios.errors import InputError
from scenarios.lab.distributions import DRAW, MILLION, Distribution, Draws, shuffled
from sim.streams import Stream

UNIFORM = {"distribution": "uniform", "low": 10, "high": 19, "source": "assumed"}


def parse(**fields):
    return Distribution.parse({"source": "assumed", **fields}, "c.toml: onset_ms")


def test_uniform_has_both_ends_and_each_value_as_often():
    """Ten values over ten equal parts."""
    item = Distribution.parse(UNIFORM, "x")
    assert [item.value(part, 10) for part in range(10)] == list(range(10, 20))
    assert (item.value(0, DRAW), item.value(DRAW - 1, DRAW)) == (10, 19)


def test_log_uniform_has_as_many_per_decade():
    """Half of 1 to 9999 lies below 100."""
    item = parse(distribution="log_uniform", low=1, high=9_999)
    assert item.value(0, DRAW) == 1
    assert item.value(DRAW - 1, DRAW) == 9_999
    assert item.value(1, 2) in (99, 100)
    assert item.value(1, 4) in (9, 10)


def test_exponential_has_its_mean():
    """The mean over equal parts, and the median mean x ln 2."""
    item = parse(distribution="exponential", mean=10_000)
    assert mean(item.value(part, 4_000) for part in range(4_000)) == pytest.approx(10_000, rel=0.01)
    assert item.value(1, 2) == 6_931


def test_a_choice_follows_its_weights():
    """9 to 1, the second from the last tenth on."""
    item = parse(distribution="choice", values=[0, 500], weights=[9, 1])
    assert [item.value(part, 10) for part in range(10)] == [0] * 9 + [500]
    assert [parse(distribution="choice", values=[3, 4]).value(part, 2) for part in (0, 1)] == [3, 4]


def test_quantiles_are_joined_by_straight_lines():
    """Half below 300, and from there to 5000."""
    points = [[0, 100], [500_000, 300], [MILLION, 5_000]]
    item = parse(distribution="quantiles", points=points)
    values = [item.value(part, 4) for part in range(4)]
    assert values == [100, 200, 300, 2_650]


def test_a_plain_number_is_itself_and_needs_no_source():
    """It is a choice of the campaign, no claim about the field."""
    assert Distribution.parse(7, "x").value(5, 9) == 7


def test_a_latin_hypercube_draws_once_from_each_part():
    """100 runs of 0 to 99: every value once, in an order of chance."""
    item = Distribution.parse({**UNIFORM, "low": 0, "high": 99}, "x")
    draws = Draws(1, "onset", 100, is_stratified=True)
    values = [draws.of(item, run) for run in range(100)]
    assert sorted(values) == list(range(100))
    assert values != sorted(values)
    alone = Draws(1, "onset", 100, is_stratified=False)
    assert sorted(alone.of(item, run) for run in range(100)) != list(range(100))


def test_parameters_are_drawn_apart():
    """Another name, another order; the same name and seed, the same."""
    item = Distribution.parse({**UNIFORM, "low": 0, "high": 99}, "x")

    def values(seed, name):
        draws = Draws(seed, name, 50, is_stratified=True)
        return [draws.of(item, run) for run in range(50)]

    assert values(1, "a") == values(1, "a")
    assert values(1, "a") != values(1, "b")
    assert values(1, "a") != values(2, "a")


def test_the_draws_stay_what_they_are():
    """Published rows rest on them: raw 64-bit words and our own mapping (NEP 19)."""
    assert shuffled(Stream(1, "order"), 8) == [1, 2, 4, 6, 3, 5, 0, 7]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("soon", ["whole number nor a distribution", "a right one is { distribution"]),
        ({"distribution": "unifrom"}, ["did you mean uniform"]),
        ({"distribution": "uniform", "low": 1}, ["source = "]),
        ({**UNIFORM, "source": " "}, ['source = "assumed"']),
        ({**UNIFORM, "low": 1.5}, ["low is a whole number", "low = 0"]),
        ({**UNIFORM, "low": 30}, ["low = 30 lies above high = 19"]),
        ({**UNIFORM, "mean": 3}, ["uniform takes low, high and source, not 'mean'"]),
        ({**UNIFORM, "distribution": "log_uniform", "low": 0}, ["at 1 or above"]),
        ({"distribution": "exponential", "mean": 0, "source": "a"}, ["mean = 500"]),
        ({"distribution": "choice", "values": [], "source": "a"}, ["values = [0, 500]"]),
        (
            {"distribution": "choice", "values": [1], "weights": [0], "source": "a"},
            ["weights = [9, 1]"],
        ),
        (
            {"distribution": "quantiles", "points": [[0, 1], [5, 2]], "source": "a"},
            ["from 0 to 1000000"],
        ),
    ],
)
def test_a_wrong_distribution_is_named_with_a_right_one(given, words):
    """File, key, what is wrong, and how it would be right."""
    with pytest.raises(InputError) as caught:
        Distribution.parse(given, "c.toml: fault 1: onset_ms")
    assert str(caught.value).startswith("c.toml: fault 1: onset_ms: ")
    for word in words:
        assert word in str(caught.value)
