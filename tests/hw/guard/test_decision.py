"""The decision function, over everything it can be asked.

The oracle is written from the rules in plain ifs, and knows nothing of the table.
"""

import itertools

import pytest
from hypothesis import given, strategies as st

from health import Level
from hw.errors import DeniedError
from hw.guard import (
    Acknowledgement,
    Authority,
    Grant,
    HostState,
    Operation,
    RiskMode,
    Target,
    decide,
    require,
)

SERIAL = "0009072C00D62F32"
DEVICE = Target.of_serial(SERIAL)
TARGETS = (
    Target("world", "any device"),
    DEVICE,
    Target("usb", "any device"),
    Target("serial", "/dev/ttyUSB2"),
    Target("host", "this host"),
)
MODES = tuple(RiskMode)
NOW_S = 1_800_000_000.0

READ_ONLY = {"probe", "at-query", "evidence"}
INTERRUPTING = {"open", "read", "clear-halt", "repl"}
WRITE = {"configure", "stream", "upload", "fs-write"}
DESTRUCTIVE = {
    *("raw", "set-configuration", "reset", "port-reset", "power-cycle", "hang"),
    *("fs-delete", "fs-run", "release-port"),
}
FORCE = {"detach-driver", "force-release-port"}
PERSISTENT = {"flash"}

BY_LEVEL = {
    None: set(),
    1: {"open", "stream"},
    2: {"open", "clear-halt"},
    3: {"open", "set-configuration"},
    4: {"open", "reset", "port-reset", "upload"},
    5: set(),
}

# What was acknowledged: whether it is this operation, whether this target, and how long it holds.
WORDS = (
    None,
    (True, True, None),
    (True, True, NOW_S + 1),
    (True, True, NOW_S),
    (True, False, None),
    (False, True, None),
)
ALL_LEVELS = frozenset(Level) - {Level.WATCHDOG}
GRANTS = (
    (),
    (Grant(SERIAL, ALL_LEVELS),),
    (Grant("other", ALL_LEVELS),),
    (Grant("other", ALL_LEVELS), Grant(SERIAL, frozenset((Level.STREAM,)))),
)


def acknowledgements(operation, target, word):
    if word is None:
        return frozenset()
    is_same_operation, is_same_target, expires_s = word
    other = Operation.READ if operation is Operation.OPEN else Operation.OPEN
    elsewhere = Target(target.kind, target.name + " not")
    return frozenset(
        (
            Acknowledgement(
                operation if is_same_operation else other,
                target if is_same_target else elsewhere,
                expires_s,
            ),
        )
    )


def expected(operation, target, mode, state, word, grants, phrase, level):
    """The rules, as a person would say them."""
    name = operation.label
    if name in PERSISTENT:
        return False
    if target.kind == "world":
        return True
    if name in READ_ONLY:
        return True
    if state in ("frozen", "unknown"):
        return False
    is_acknowledged = word in (WORDS[1], WORDS[2])
    if state == "observing":
        return name in INTERRUPTING and is_acknowledged
    if name in FORCE:
        return mode != "safe" and is_acknowledged and phrase
    is_granted = (
        name in BY_LEVEL[level]
        and target == DEVICE
        and any(item.serial == SERIAL and level in item.levels for item in grants)
    )
    if is_granted:
        return True
    if name in INTERRUPTING:
        return mode != "safe" or is_acknowledged
    if mode == "safe":
        return False
    if name in WRITE and mode == "aggressive":
        return True
    return is_acknowledged


QUESTIONS = list(
    itertools.product(TARGETS, HostState, WORDS, GRANTS, (False, True), (None, *Level))
)


@pytest.mark.workflow("C.3")
@pytest.mark.workflow("C.4")
@pytest.mark.parametrize("operation", Operation, ids=lambda item: item.label)
def test_every_question_has_the_answer_of_the_rules(operation):
    """Each operation on all targets and host states, with all acknowledgements and grants."""
    for target, state, word, grants, phrase, level in QUESTIONS:
        said = acknowledgements(operation, target, word)
        allowed = []
        for mode in MODES:
            authority = Authority(mode, said, state, grants, phrase, NOW_S, level)
            decision = decide(operation, target, authority)
            question = (operation, target, mode, state, word, grants, phrase, level)
            assert decision.allow is expected(*question), question
            assert decision.reason
            assert decision.rule
            allowed.append(decision.allow)
        # A riskier mode never allows less.
        assert allowed == sorted(allowed), (operation, target, state, word, grants, phrase, level)


def test_the_oracle_knows_every_operation():
    known = READ_ONLY | INTERRUPTING | WRITE | DESTRUCTIVE | FORCE | PERSISTENT
    assert {item.label for item in Operation} == known
    assert len(Operation) == len(known)


@pytest.mark.workflow("A.1")
@pytest.mark.workflow("A.2")
@pytest.mark.parametrize("state", [HostState.FROZEN, HostState.UNKNOWN])
@pytest.mark.parametrize("operation", Operation, ids=lambda item: item.label)
def test_a_frozen_or_unknown_host_only_looks_whatever_was_granted(operation, state):
    authority = Authority(
        RiskMode.AGGRESSIVE,
        acknowledgements(operation, DEVICE, WORDS[1]),
        state,
        GRANTS[1],
        True,
        NOW_S,
        Level.DEVICE_RESET,
    )
    assert decide(operation, DEVICE, authority).allow is (operation.label in READ_ONLY)


@pytest.mark.parametrize("operation", Operation, ids=lambda item: item.label)
def test_by_default_a_real_device_is_looked_at_and_no_more(operation):
    assert decide(operation, DEVICE, Authority()).allow is (operation.label in READ_ONLY)


def test_an_acknowledgement_holds_for_its_own_operation_alone():
    given = frozenset({Acknowledgement(Operation.UPLOAD, DEVICE)})
    authority = Authority(RiskMode.STANDARD, given, HostState.NORMAL)
    assert decide(Operation.UPLOAD, DEVICE, authority).allow
    assert not decide(Operation.RESET, DEVICE, authority).allow


def acknowledged_until(expires_s, now_s):
    said = frozenset((Acknowledgement(Operation.RESET, DEVICE, expires_s),))
    authority = Authority(RiskMode.STANDARD, said, HostState.NORMAL, now_s=now_s)
    return decide(Operation.RESET, DEVICE, authority)


@given(st.integers(2, 4_000_000_000))
def test_an_acknowledgement_holds_until_its_expiry_and_not_at_it(expires_s):
    """One second before, at it, one second after."""
    assert acknowledged_until(expires_s, expires_s - 1).allow
    for now_s in (expires_s, expires_s + 1):
        assert acknowledged_until(expires_s, now_s).rule == "acknowledgement-expired"


@given(st.floats(0.001, 4e9), st.floats(-4e9, 8e9))
def test_expiry_is_exact(expires_s, now_s):
    assert acknowledged_until(expires_s, now_s).allow is (0 < now_s < expires_s)


def test_where_nobody_read_a_clock_what_can_expire_has_expired():
    assert acknowledged_until(None, 0).allow
    assert not acknowledged_until(NOW_S, 0).allow


def test_a_second_acknowledgement_counts_where_the_first_has_expired():
    said = frozenset(
        Acknowledgement(Operation.RESET, DEVICE, expires_s) for expires_s in (NOW_S - 5, NOW_S + 5)
    )
    authority = Authority(RiskMode.STANDARD, said, HostState.NORMAL, now_s=NOW_S)
    assert decide(Operation.RESET, DEVICE, authority).allow


@pytest.mark.parametrize(
    ("operation", "target", "authority", "rule"),
    [
        (Operation.FLASH, TARGETS[0], Authority(), "persistent"),
        (Operation.RESET, TARGETS[0], Authority(), "world"),
        (Operation.PROBE, DEVICE, Authority(), "read-only"),
        (Operation.OPEN, DEVICE, Authority(), "host-state"),
        (
            Operation.RESET,
            DEVICE,
            Authority(RiskMode.SAFE, host_state=HostState.NORMAL),
            "mode",
        ),
        (
            Operation.OPEN,
            DEVICE,
            Authority(RiskMode.AGGRESSIVE, host_state=HostState.OBSERVING),
            "acknowledgement-missing",
        ),
        (
            Operation.DETACH_DRIVER,
            DEVICE,
            Authority(RiskMode.AGGRESSIVE, host_state=HostState.NORMAL),
            "force-guard",
        ),
        (
            Operation.DETACH_DRIVER,
            DEVICE,
            Authority(RiskMode.AGGRESSIVE, host_state=HostState.NORMAL, is_force_guarded=True),
            "acknowledgement-missing",
        ),
        (
            Operation.RESET,
            DEVICE,
            Authority(
                host_state=HostState.NORMAL, grants=GRANTS[1], acting_level=Level.DEVICE_RESET
            ),
            "grant",
        ),
    ],
)
def test_the_rule_that_decided_is_named(operation, target, authority, rule):
    assert decide(operation, target, authority).rule == rule


def test_require_names_reason_and_rule():
    with pytest.raises(DeniedError) as caught:
        require(Operation.RESET, DEVICE, Authority(RiskMode.STANDARD, host_state=HostState.NORMAL))
    assert caught.value.rule == "acknowledgement-missing"
    assert SERIAL in str(caught.value)
    assert require(Operation.RESET, TARGETS[0], Authority()) is None
