"""Policies: every rule with its message, every caution, TOML in and out, digests, C header."""

import hashlib
import pickle
import shutil
import subprocess
import tomllib
from dataclasses import FrozenInstanceError, fields, replace
from pathlib import Path

import pytest

from health import HealthError, Level, Policy, PolicyError, StatusCode, presets
from health.policy_toml import nearest

# ------------------------------------------------------------------------------- the rules

BROKEN = [
    (
        {"poll_interval_ms": 0},
        "poll_interval_ms: period-above-zero: what comes again and again needs a period "
        "(poll_interval_ms = 0); for example poll_interval_ms = 100",
    ),
    (
        {"pet_interval_ms": 0, "level_5_enabled": False},
        "pet_interval_ms: period-above-zero: what comes again and again needs a period "
        "(pet_interval_ms = 0); for example pet_interval_ms = 1500",
    ),
    (
        {"ep0_limit_ms": True},
        "ep0_limit_ms: type: must be an integer, not bool (ep0_limit_ms = True); "
        "for example ep0_limit_ms = 2000",
    ),
    (
        {"level_1_cap": 1.5},
        "level_1_cap: type: must be an integer, not float (level_1_cap = 1.5); "
        "for example level_1_cap = 5",
    ),
    (
        {"level_2_enabled": 1},
        "level_2_enabled: type: must be true or false, not int (level_2_enabled = 1); "
        "for example level_2_enabled = false",
    ),
    (
        {"name": 3},
        'name: type: must be a string, not int (name = 3); for example name = "bench-7"',
    ),
    (
        {"name": "a b"},
        "name: name: must be 1 to 64 letters, digits, '.', '_' or '-', and begin with a letter or "
        "digit (name = 'a b'); for example name = \"bench-7\"",
    ),
    (
        {"settle_ms": -1},
        "settle_ms: range: must lie in 0 to 2147483647, so that 32-bit times stay comparable "
        "(settle_ms = -1); for example settle_ms = 1000",
    ),
    (
        {"healthy_ms": 2**31},
        "healthy_ms: range: must lie in 0 to 2147483647, so that 32-bit times stay comparable "
        "(healthy_ms = 2147483648); for example healthy_ms = 10000",
    ),
    (
        {"ring_buffers": 0},
        "ring_buffers: ring: a ring has 1 to 254 buffers (ring_buffers = 0); "
        "for example ring_buffers = 8",
    ),
    (
        {"ring_buffers": 255},
        "ring_buffers: ring: a ring has 1 to 254 buffers (ring_buffers = 255); "
        "for example ring_buffers = 8",
    ),
    *(
        (
            {name: 149, "poll_interval_ms": 150, "host_control_timeout_ms": 1},
            f"{name}: poll-within-limit: a limit is looked at once in a poll, so a shorter one "
            f"cannot be kept ({name} = 149, poll_interval_ms = 150); for example {name} = {common}",
        )
        for name, common in (
            ("ep0_limit_ms", 2000),
            ("usb_event_limit_ms", 2000),
            ("stream_stall_ms", 300),
            ("stream_wedge_ms", 300),
            ("cold_start_ms", 500),
            ("clock_lost_ms", 300),
            ("unknown_ms", 5000),
        )
    ),
    (
        {"stream_stall_ms": 1, "poll_interval_ms": 2},
        "stream_stall_ms: poll-within-limit: a limit is looked at once in a poll, so a shorter one "
        "cannot be kept (stream_stall_ms = 1, poll_interval_ms = 2); "
        "for example stream_stall_ms = 300",
    ),
    (
        {"usb_event_limit_ms": 1, "poll_interval_ms": 1, "longest_handler_ms": 1},
        "usb_event_limit_ms: limit-above-longest-handler: a legal handler would be taken for a "
        "hung one (usb_event_limit_ms = 1, longest_handler_ms = 1); "
        "for example usb_event_limit_ms = 10",
    ),
    (
        {"stream_stall_ms": 300, "poll_interval_ms": 1000, "level_5_enabled": False},
        "stream_stall_ms: poll-within-limit: a limit is looked at once in a poll, so a shorter one "
        "cannot be kept (stream_stall_ms = 300, poll_interval_ms = 1000); "
        "for example stream_stall_ms = 1000",
    ),
    (
        {"ep0_limit_ms": 1000},
        "ep0_limit_ms: ep0-above-host-timeout: the device would be reset while its host still "
        "waits for the answer (ep0_limit_ms = 1000, host_control_timeout_ms = 1000); "
        "for example ep0_limit_ms = 2000",
    ),
    (
        {
            "ep0_limit_ms": 1,
            "host_control_timeout_ms": 1,
            "poll_interval_ms": 1,
            "longest_handler_ms": 0,
        },
        "ep0_limit_ms: ep0-above-host-timeout: the device would be reset while its host still "
        "waits for the answer (ep0_limit_ms = 1, host_control_timeout_ms = 1); "
        "for example ep0_limit_ms = 2",
    ),
    (
        {"ep0_limit_ms": 200, "host_control_timeout_ms": 100},
        "ep0_limit_ms: limit-above-longest-handler: a legal handler would be taken for a hung one "
        "(ep0_limit_ms = 200, longest_handler_ms = 200); for example ep0_limit_ms = 2000",
    ),
    (
        {"usb_event_limit_ms": 200},
        "usb_event_limit_ms: limit-above-longest-handler: a legal handler would be taken for a "
        "hung one (usb_event_limit_ms = 200, longest_handler_ms = 200); "
        "for example usb_event_limit_ms = 2000",
    ),
    (
        {"ep0_desync_limit": 65, "ep0_desync_window_ms": 1},
        "ep0_desync_limit: desync-limit: at most 64 time stamps are kept (ep0_desync_limit = 65); "
        "for example ep0_desync_limit = 4",
    ),
    (
        {"ep0_desync_limit": 1},
        "ep0_desync_window_ms: desync-pair: a number of errors and the time they fall into go "
        "together, both or none (ep0_desync_window_ms = 0, ep0_desync_limit = 1); "
        "for example ep0_desync_limit = 4 with ep0_desync_window_ms = 2000",
    ),
    (
        {"ep0_desync_window_ms": 1},
        "ep0_desync_window_ms: desync-pair: a number of errors and the time they fall into go "
        "together, both or none (ep0_desync_window_ms = 1, ep0_desync_limit = 0); "
        "for example ep0_desync_limit = 4 with ep0_desync_window_ms = 2000",
    ),
    (
        {"stream_stall_ceiling": 4},
        "stream_stall_ceiling: level-on-ladder: the remedies for this status are 1, or 0 for none "
        "(stream_stall_ceiling = 4); "
        "for example stream_stall_first_level = 1 with stream_stall_ceiling = 1",
    ),
    (
        {"stream_wedge_first_level": 2},
        "stream_wedge_first_level: level-on-ladder: the remedies for this status are 1, 3, 4, or "
        "0 for none (stream_wedge_first_level = 2); "
        "for example stream_wedge_first_level = 1 with stream_wedge_ceiling = 4",
    ),
    (
        {"cold_start_first_level": 4, "cold_start_ceiling": 3},
        "cold_start_ceiling: ceiling-above-first: the last level tried cannot lie below the "
        "first, nor stand without one (cold_start_ceiling = 3, cold_start_first_level = 4); "
        "for example cold_start_first_level = 1 with cold_start_ceiling = 4",
    ),
    (
        {"unknown_ceiling": 3},
        "unknown_ceiling: ceiling-above-first: the last level tried cannot lie below the first, "
        "nor stand without one (unknown_ceiling = 3, unknown_first_level = 0); "
        "for example unknown_first_level = 2 with unknown_ceiling = 4",
    ),
    (
        {"hwdt_period_ms": 130_150_525},
        "hwdt_period_ms: hwdt-counts: a period above 130150524 ms overflows the watchdog's 32-bit "
        "counter (hwdt_period_ms = 130150525); for example hwdt_period_ms = 5000",
    ),
    (
        {"pet_interval_ms": 5000},
        "pet_interval_ms: pet-below-period: the watchdog would fire before the first pet, however "
        "healthy the device (pet_interval_ms = 5000, pet_jitter_ms = 0, hwdt_period_ms = 5000); "
        "for example pet_interval_ms = 1500 with hwdt_period_ms = 5000",
    ),
    (
        {"pet_jitter_ms": 2000},
        "pet_interval_ms: pet-below-period: the watchdog would fire before the first pet, however "
        "healthy the device (pet_interval_ms = 3000, pet_jitter_ms = 2000, hwdt_period_ms = "
        "5000); for example pet_interval_ms = 1500 with hwdt_period_ms = 5000",
    ),
    (
        {"pet_interval_ms": 100},
        "pet_interval_ms: pet-above-poll: between two looks of the gate the main loop must beat, "
        "or a pet is skipped in health (pet_interval_ms = 100, poll_interval_ms = 100); "
        "for example pet_interval_ms = 1500",
    ),
    *(
        (
            {f"level_{level}_enabled": True, f"level_{level}_budget_ms": 2600},
            f"level_{level}_budget_ms: remedy-below-watchdog: level {level} and two beats block "
            "the main loop for 2800 ms, but from 2800 ms on level 5 may fire inside it "
            f"(level_{level}_budget_ms = 2600, poll_interval_ms = 100, pet_interval_ms = 3000, "
            f"hwdt_period_ms = 5000); for example level_{level}_budget_ms = 500 with "
            "poll_interval_ms = 100 with pet_interval_ms = 1500 with hwdt_period_ms = 5000",
        )
        for level in (1, 2, 3)
    ),
    (
        {"pet_interval_ms": 150, "level_1_budget_ms": 4810},
        "level_1_budget_ms: remedy-below-watchdog: level 1 and two beats block the main loop for "
        "5010 ms, but from 4750 ms on level 5 may fire inside it (level_1_budget_ms = 4810, "
        "poll_interval_ms = 100, pet_interval_ms = 150, hwdt_period_ms = 5000); "
        "for example level_1_budget_ms = 500 with poll_interval_ms = 100 with pet_interval_ms = "
        "1500 with hwdt_period_ms = 5000",
    ),
]


@pytest.mark.parametrize(("changes", "message"), BROKEN)
def test_a_broken_rule_says_which_and_why(changes, message):
    """One line: field, rule, reason, values and a correct example."""
    with pytest.raises(PolicyError) as caught:
        Policy(**{"name": "p", **changes})
    assert str(caught.value) == message
    assert "\n" not in message
    error = caught.value
    assert message.startswith(f"{error.key}: {error.rule}: {error.why} ")
    assert isinstance(error, HealthError)
    assert isinstance(error, ValueError)


LEGAL = [
    {"settle_ms": 0, "healthy_ms": 2**31 - 1, "ring_buffers": 1},
    {"ring_buffers": 254},
    {"stream_stall_ms": 100, "cold_start_ms": 100, "unknown_ms": 100},
    {"stream_stall_ms": 0, "ep0_limit_ms": 0},
    {"ep0_limit_ms": 1001},
    {"ep0_limit_ms": 201, "usb_event_limit_ms": 201, "host_control_timeout_ms": 200},
    {"ep0_desync_limit": 64, "ep0_desync_window_ms": 1},
    {"cold_start_first_level": 3, "cold_start_ceiling": 3},
    {"unknown_first_level": 3, "unknown_ceiling": 4},
    {"hwdt_period_ms": 130_150_524},
    {"pet_interval_ms": 4999},
    {"pet_jitter_ms": 1999},
    {"pet_interval_ms": 101},
    {"level_1_budget_ms": 2599},
    {"level_3_budget_ms": 2599, "level_3_enabled": True},
    {"level_3_budget_ms": 60_000},
    {"level_1_budget_ms": 60_000, "level_5_enabled": False},
    {"pet_interval_ms": 9000, "level_5_enabled": False},
    {"hwdt_period_ms": 2**31 - 1, "level_5_enabled": False},
    {"name": "A"},
    {"name": "9" * 64},
    {"name": "a.b_c-d"},
]


@pytest.mark.parametrize("changes", LEGAL)
def test_the_edge_of_each_rule_is_legal(changes):
    """One step inside of every rule nothing is wrong."""
    policy = Policy(**{"name": "p", **changes})
    assert all(getattr(policy, name) == value for name, value in changes.items())


@pytest.mark.parametrize("name", ["", "-a", ".a", "9" * 65, "a\n", "ä", 'a"b', "a\\b"])
def test_names_need_no_escaping(name):
    """A name goes into TOML, C and file names as it is."""
    with pytest.raises(PolicyError, match="name: name: "):
        Policy(name=name)


@pytest.mark.parametrize(("changes", "message"), BROKEN)
def test_every_example_mends_its_rule(changes, message):
    """Whoever copies the example of an error gets a legal policy."""
    lines = message.rpartition("; for example ")[2].replace(" with ", "\n")
    example = tomllib.loads(lines)
    assert Policy(**{"name": "p", **changes, **example})


def test_policies_travel(reference):
    """A policy goes to another process and comes back the same."""
    assert pickle.loads(pickle.dumps(reference)) == reference


def test_policies_are_frozen():
    """A policy is data: it cannot change under a running module."""
    with pytest.raises(FrozenInstanceError):
        Policy(name="p").ep0_limit_ms = 1  # type: ignore[misc]


# --------------------------------------------------------------------------------- cautions

SHIPPED_BLIND = ["blind-to-cold-start", "blind-to-clock"]


@pytest.mark.parametrize(
    ("preset", "rules"),
    [
        ("none", ["hung-handler-stays", "no-watchdog"]),
        ("level-1", [*SHIPPED_BLIND, "hung-handler-stays", "no-watchdog"]),
        ("level-1-4", [*SHIPPED_BLIND, "lazy-host-resets", "blind-to-usb-events", "no-watchdog"]),
        (
            "level-1-4-5",
            [*SHIPPED_BLIND, "lazy-host-resets", "blind-to-usb-events", "one-skipped-pet-is-fatal"],
        ),
        ("reference", ["lazy-host-resets"]),
    ],
)
def test_cautions_of_the_presets(preset, rules):
    """What is dangerous in each preset is said."""
    assert [caution.rule for caution in Policy.preset(preset).warnings()] == rules


QUIET = {
    "cold_start_ms": 500,
    "clock_lost_ms": 300,
    "usb_event_limit_ms": 2000,
    "ep0_limit_ms": 5000,
    "pet_interval_ms": 2500,
}


def test_a_policy_can_be_without_cautions():
    """Each caution can be met; at the edge of each there is silence."""
    assert Policy(name="p", **QUIET).warnings() == ()
    edge = {"pet_interval_ms": 1000, "level_1_enabled": False, "level_1_cap": 0}
    assert Policy(name="p", **(QUIET | edge)).warnings() == ()
    blind = {"stream_stall_ms": 0, "cold_start_ms": 0, "clock_lost_ms": 0}
    assert Policy(name="p", **(QUIET | blind)).warnings() == ()


def test_the_shortest_limit_has_its_caution():
    """A limit of 1 ms is on, and below the SDK's wait."""
    fast = {"poll_interval_ms": 1, "host_control_timeout_ms": 0, "longest_handler_ms": 0}
    policy = Policy(name="p", **(QUIET | fast | {"ep0_limit_ms": 1}))
    assert [caution.rule for caution in policy.warnings()] == ["lazy-host-resets"]


@pytest.mark.parametrize(
    ("changes", "rule", "text"),
    [
        (
            {"level_1_cap": 0},
            "uncapped-stream",
            "level_1_cap = 0: a host that died without STOPFX3 is answered by level 1 for ever",
        ),
        (
            {"cold_start_ms": 0},
            "blind-to-cold-start",
            "cold_start_ms = 0: a stream whose first buffer never comes is not seen",
        ),
        (
            {"clock_lost_ms": 0},
            "blind-to-clock",
            "clock_lost_ms = 0: a dead sample clock freezes the stream unseen",
        ),
        *(
            (
                changes,
                "hung-handler-stays",
                "a blocked setup handler stays: the main loop beats on, so level 5 does not fire",
            )
            for changes in (
                {"ep0_limit_ms": 0},
                {"level_4_enabled": False},
                {"ep0_wedged_first_level": 0, "ep0_wedged_ceiling": 0},
            )
        ),
        (
            {"ep0_limit_ms": 4999},
            "lazy-host-resets",
            "ep0_limit_ms = 4999 lies below sdk_data_wait_ms = 5000: a host that vanishes in a "
            "data phase resets the device",
        ),
        (
            {"usb_event_limit_ms": 0},
            "blind-to-usb-events",
            "usb_event_limit_ms = 0: a hang in SET_CONFIGURATION or bus reset is not seen",
        ),
        (
            {"level_5_enabled": False},
            "no-watchdog",
            "level_5_enabled = false: a spin in the USB thread, or a dead main loop, is for ever",
        ),
        (
            {"pet_interval_ms": 2501},
            "one-skipped-pet-is-fatal",
            "2 x pet_interval_ms = 5002 exceeds hwdt_period_ms = 5000: a stall that has passed "
            "can still reset the device",
        ),
        (
            {"pet_interval_ms": 999},
            "frequent-pets",
            "pet_interval_ms = 999: each pet blocks every thread for 100 us, and pets each 100 ms "
            "once stopped streaming",
        ),
    ],
)
def test_each_caution(changes, rule, text):
    """One field over the edge gives this caution and no other."""
    assert Policy(name="p", **(QUIET | changes)).warnings() == ((rule, text),)


# ------------------------------------------------------------------------------------ TOML


@pytest.mark.parametrize("preset", Policy.preset_names())
def test_toml_round_trip(preset, tmp_path):
    """What is written is read back the same, from text and from a file."""
    policy = Policy.preset(preset)
    assert Policy.from_toml(policy.to_toml()) == policy
    path = tmp_path / "policy.toml"
    path.write_text(policy.to_toml(), encoding="utf-8")
    assert Policy.load(path) == policy
    assert Policy.load(str(path)) == policy


def test_toml_form():
    """Every field, in the order of the fields, one a line."""
    lines = Policy(name="p").to_toml().splitlines()
    assert [line.partition(" = ")[0] for line in lines] == [field.name for field in fields(Policy)]
    assert lines[:4] == [
        'name = "p"',
        "poll_interval_ms = 100",
        "level_1_enabled = true",
        "level_2_enabled = false",
    ]
    assert Policy(name="p").to_toml().endswith("sdk_data_wait_ms = 5000\n")


def test_fields_left_out_take_the_shipped_values():
    """A file may name only what it changes; the rest is the firmware as shipped."""
    shipped = Policy.preset("level-1-4-5")
    assert replace(Policy.from_toml('name = "p"'), name="level-1-4-5") == shipped
    assert Policy(name="p").digest == shipped.digest


BAD_TEXT = [
    (
        "x = ",
        "a.toml: toml: Invalid value (at end of document); for example ep0_limit_ms = 2000",
    ),
    (
        'name = "p"\nep0_limt_ms = 3',
        "a.toml: ep0_limt_ms: known-key: a policy has no such field; nearest: ep0_limit_ms, "
        "usb_event_limit_ms, ep0_desync_limit; for example ep0_limit_ms = 2000",
    ),
    (
        'name = "p"\n[zzzzzz]\na = 1',
        "a.toml: zzzzzz: known-key: a policy has no such field; for example ep0_limit_ms = 2000",
    ),
    (
        "ep0_limit_ms = 2000",
        'a.toml: name: named: a policy has a name; for example name = "bench-7"',
    ),
    (
        'name = "p"\nep0_limit_ms = "a"',
        "a.toml: ep0_limit_ms: type: must be an integer, not str (ep0_limit_ms = 'a'); "
        "for example ep0_limit_ms = 2000",
    ),
    (
        'name = "p"\nep0_limit_ms = 3',
        "a.toml: ep0_limit_ms: poll-within-limit: a limit is looked at once in a poll, so a "
        "shorter one cannot be kept (ep0_limit_ms = 3, poll_interval_ms = 100); "
        "for example ep0_limit_ms = 2000",
    ),
]


@pytest.mark.parametrize(("text", "message"), BAD_TEXT)
def test_bad_text_is_one_clear_line(text, message, tmp_path):
    """File, key, rule and example, whether it comes as text or as a file."""
    with pytest.raises(PolicyError) as caught:
        Policy.from_toml(text, "a.toml")
    assert str(caught.value) == message
    assert caught.value.source == "a.toml"
    path = tmp_path / "a.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(PolicyError) as caught:
        Policy.load(path)
    assert str(caught.value) == message.replace("a.toml", str(path), 1)


def test_text_without_a_source_is_called_policy():
    """Text that comes from nowhere has a name all the same."""
    with pytest.raises(PolicyError, match=r"^policy: name: named: "):
        Policy.from_toml("")


def test_unreadable_files(tmp_path):
    """A missing file, a folder and bytes that are no text: one line each."""
    missing = tmp_path / "missing.toml"
    with pytest.raises(PolicyError) as caught:
        Policy.load(missing)
    assert str(caught.value) == (
        f"{missing}: readable-file: the file cannot be read: No such file or directory"
    )
    with pytest.raises(PolicyError, match="the file cannot be read: Is a directory"):
        Policy.load(tmp_path)
    bad = tmp_path / "bad.toml"
    bad.write_bytes(b"ab\xff")
    with pytest.raises(PolicyError) as caught:
        Policy.load(bad)
    assert str(caught.value) == (
        f"{bad}: readable-file: the file is not UTF-8 text: byte 2; for example ep0_limit_ms = 2000"
    )
    text = tmp_path / "umlaut.toml"
    text.write_bytes("# ä\nname = 'p'\n".encode())
    assert Policy.load(text).name == "p"


def test_errors_keep_their_parts():
    """All that the line says is a field too."""
    with pytest.raises(PolicyError) as caught:
        Policy.from_toml('name = "p"\nep0_limt_ms = 3', "a.toml")
    error = caught.value
    assert (error.rule, error.key, error.source) == ("known-key", "ep0_limt_ms", "a.toml")
    assert error.nearest == ("ep0_limit_ms", "usb_event_limit_ms", "ep0_desync_limit")
    assert (error.values, error.example) == ((), "ep0_limit_ms = 2000")
    plain = PolicyError("rule", "why")
    assert (plain.values, plain.example, plain.key, plain.source) == ((), "", "", "")
    assert (plain.nearest, str(plain)) == ((), "rule: why")
    full = PolicyError("r", "w", values=["a", "b"], example="e", key="k", nearest=["n", "m"])
    assert str(full.located("s")) == "s: k: r: w (a, b); nearest: n, m; for example e"
    assert full.located("s").nearest == ("n", "m")
    assert full.args == ("r", "w", ("a", "b"), "e", "k", "", ("n", "m"))
    again = pickle.loads(pickle.dumps(full.located("s")))
    assert (str(again), again.key, again.values) == (str(full.located("s")), "k", ("a", "b"))


def test_nearest_names():
    """At most three, the nearest first, and none that does not resemble."""
    assert nearest("ab", ["abc", "abd", "abe", "abf", "xyz"]) == ("abf", "abe", "abd")
    assert nearest("stream", ["stream_stall_ms", "xyz"]) == ("stream_stall_ms",)
    assert nearest("qqq", ["abc"]) == ()


# ----------------------------------------------------------------------------------- presets

DIGESTS = {
    "none": "7dc2ddc2044d60a10198d467df08ee0ec2e685b41fce1acf8e0ed6345a301c26",
    "level-1": "ecba18cefd964881ee0fb11dfc053424e9ae289a9436b5ade5299b7ad3080f3d",
    "level-1-4": "4c607448fa69c93fbde6634454f1680bd4bbdb8a758c81900f58c0b9b22e9238",
    "level-1-4-5": "c240eddb98972ac9d24436f8f0d436467a9953946b908ff899b7421456f7b98b",
    "reference": "4d60885ba57800627160c13fac96cfa7dc5aeb829dae23e363a632563d3f0f83",
}


def test_preset_files():
    """Each preset has its file in the package, and there is no other."""
    assert sorted(presets.FOLDER.glob("*")) == sorted(map(presets.path, presets.NAMES))
    assert all(presets.path(name).stem == name for name in presets.NAMES)


def test_preset_names():
    """Five presets, from the blindest to the most complete; one file each, no file more."""
    assert Policy.preset_names() == ("none", "level-1", "level-1-4", "level-1-4-5", "reference")
    for name in Policy.preset_names():
        assert Policy.preset(name).name == name
        assert Policy.preset(name) is Policy.preset(name)


@pytest.mark.parametrize(
    ("name", "line"),
    [
        (
            "refrence",
            "unknown-preset: no preset policy is called 'refrence'; nearest: reference",
        ),
        (
            "zzz",
            "unknown-preset: no preset policy is called 'zzz'; "
            "nearest: none, level-1, level-1-4, level-1-4-5, reference",
        ),
    ],
)
def test_an_unknown_preset_names_the_nearest(name, line):
    """The nearest ones, or all when none resembles."""
    with pytest.raises(PolicyError) as caught:
        Policy.preset(name)
    assert str(caught.value) == line


@pytest.mark.parametrize("preset", Policy.preset_names())
def test_digests_are_golden(preset):
    """A digest names a policy in certificates: it never changes unless the policy does."""
    assert Policy.preset(preset).digest == DIGESTS[preset]


def test_digest_is_of_the_content(reference):
    """SHA-256 over the sorted TOML lines of every field but the name."""
    lines = sorted(reference.to_toml().splitlines())
    lines.remove('name = "reference"')
    text = "".join(f"{line}\n" for line in lines)
    assert len(lines) == len(fields(Policy)) - 1
    assert reference.digest == hashlib.sha256(text.encode()).hexdigest()
    assert replace(reference, name="other").digest == reference.digest
    assert replace(reference, ep0_limit_ms=2001).digest != reference.digest
    assert reference.without_level(3).digest != reference.digest


def test_ladders_of_the_presets():
    """What each preset does about each status."""
    ladders = {
        preset: {
            code.name: [int(level) for level in Policy.preset(preset).ladder(code)]
            for code in StatusCode
            if Policy.preset(preset).ladder(code)
        }
        for preset in Policy.preset_names()
    }
    assert ladders == {
        "none": {},
        "level-1": {"STREAM_STALL": [1]},
        "level-1-4": {"STREAM_STALL": [1], "EP0_WEDGED": [4]},
        "level-1-4-5": {"STREAM_STALL": [1], "EP0_WEDGED": [4]},
        "reference": {
            "STREAM_STALL": [1],
            "STREAM_WEDGE": [1, 3, 4],
            "COLD_START": [1, 3, 4],
            "EP0_WEDGED": [4],
            "USB_EVENT_WEDGED": [4],
            "EP0_DESYNC": [2, 4],
            "APPLICATION_WEDGED": [3, 4],
            "UNKNOWN": [2, 3, 4],
        },
    }


def test_fields_by_level(reference):
    """The fields of a level, asked for by its number."""
    assert [reference.is_enabled(level) for level in Level] == [True] * 5
    assert [reference.cap(level) for level in (1, 2, 3, 4)] == [5, 2, 2, 0]
    assert [reference.cool_down_ms(level) for level in (1, 2, 3, 4)] == [0, 1000, 1000, 10_000]
    assert [reference.budget_ms(level) for level in (1, 2, 3)] == [10, 10, 500]


# ------------------------------------------------------------------------------------ C header


def test_c_header_form(reference):
    """One #define a field, unit last, numbers unsigned, the digest in a comment."""
    lines = reference.to_c_header().splitlines()
    assert lines[:8] == [
        "/* Watchdog policy reference",
        f" * digest sha256:{reference.digest}",
        " */",
        "#ifndef HEALTH_POLICY_H",
        "#define HEALTH_POLICY_H",
        "",
        '#define HEALTH_NAME "reference"',
        "#define HEALTH_POLL_INTERVAL_MS 100u",
    ]
    assert lines[-3:] == ["#define HEALTH_SDK_DATA_WAIT_MS 5000u", "", "#endif"]
    assert len(lines) == len(fields(Policy)) + 8
    assert reference.to_c_header().endswith("#endif\n")
    assert "#define HEALTH_LEVEL_1_ENABLED 1u" in lines
    assert "#define HEALTH_LEVEL_2_ENABLED 0u" in Policy(name="p").to_c_header().splitlines()


@pytest.mark.skipif(shutil.which("gcc") is None, reason="no C compiler here")
def test_c_header_compiles(reference, tmp_path):
    """A C compiler reads every field back with its value."""
    (tmp_path / "health_policy.h").write_text(reference.to_c_header(), encoding="ascii")
    checks = "".join(
        f"_Static_assert(HEALTH_{field.name.upper()} == {int(getattr(reference, field.name))}u, "
        f'"{field.name}");\n'
        for field in fields(Policy)
        if field.name != "name"
    )
    source = (
        '#include "health_policy.h"\n#include "health_policy.h"\n'
        f"static const char name[] = HEALTH_NAME;\n{checks}"
        '_Static_assert(sizeof(name) == sizeof("reference"), "name");\n'
    )
    (tmp_path / "check.c").write_text(source, encoding="ascii")
    command = ["gcc", "-std=c11", "-Wall", "-Wno-unused-variable", "-Werror", "-fsyntax-only"]
    done = subprocess.run(
        [*command, "check.c"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_a_file_too_long_for_a_policy(tmp_path):
    """1 MiB is read; a byte more, ten more or no end at all are refused before they are parsed."""
    name = b"name = 'p'\n#"
    path = tmp_path / "long.toml"
    path.write_bytes(name + b"x" * ((1 << 20) - len(name)))
    assert Policy.load(path).name == "p"
    for more in (1, 10):
        path.write_bytes(name + b"x" * ((1 << 20) - len(name) + more))
        with pytest.raises(PolicyError) as caught:
            Policy.load(path)
        assert str(caught.value) == (
            f"{path}: readable-file: the file is no policy: longer than 1048576 bytes; "
            "for example ep0_limit_ms = 2000"
        )
    endless = Path("/dev/zero")
    if endless.exists():
        with pytest.raises(PolicyError, match="longer than 1048576 bytes"):
            Policy.load(endless)
