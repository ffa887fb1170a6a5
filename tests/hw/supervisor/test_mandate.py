"""What gives a supervisor the right to act."""

from dataclasses import replace

import pytest

from health import Level, Policy
from hw.guard import Authority, Grant, HostState, Operation, Target, decide
from hw.guard.certificate import Certificate, Firmware, HealthClass
from hw.guard.grants import GrantsError
from hw.supervisor import Forbidden, FreeHand, StandingMandate, standing_authority

POLICY = Policy.preset("reference")
SERIAL = "0009072C00D62F32"
GRANT = Grant(SERIAL, frozenset((Level.STREAM, Level.DEVICE_RESET)))
OTHER = HealthClass("mine.py:Mine", is_reference=False, file_sha256="0" * 64)
CERTIFICATE = Certificate(
    policy_name=POLICY.name,
    policy_digest=POLICY.digest,
    policy_toml=POLICY.to_toml(),
    firmware=Firmware("fw-2.3", (2, 3), 24, test_hooks=True),
    versions={},
    seed=1,
    is_good=True,
    positions={"host": {}},
    not_covered=(),
)


def mandate(**changes):
    whole = {
        "policy": POLICY,
        "certificate": CERTIFICATE,
        "serial": SERIAL,
        "grants": lambda: (GRANT,),
        "host_state": lambda: HostState.NORMAL,
    }
    return StandingMandate(**{**whole, **changes})


def test_with_certificate_grant_and_a_stable_host_it_may_act():
    assert mandate().observing(24) == ""


@pytest.mark.parametrize(
    ("changes", "stats_bytes", "reason"),
    [
        ({"certificate": None}, 24, "no certificate for policy reference"),
        ({"certificate": replace(CERTIFICATE, is_good=False)}, 24, "does not hold"),
        ({"certificate": replace(CERTIFICATE, positions={"device": {}})}, 24, "position host"),
        ({"certificate": replace(CERTIFICATE, health=OTHER)}, 24, "not with the reference one"),
        ({"policy": Policy.preset("level-1-4")}, 24, "it is bound to policy"),
        ({}, 20, "there the module sees less"),
        ({}, 0, "the device's 0: there the module sees less"),
        ({"serial": None}, 24, "not chosen by its serial number"),
        ({"grants": lambda: ()}, 24, f"no standing grant for serial {SERIAL}"),
        ({"serial": "1"}, 24, "no standing grant for serial 1"),
        ({"host_state": lambda: HostState.FROZEN}, 24, "the host is frozen"),
        ({"host_state": lambda: HostState.OBSERVING}, 24, "the host is observing"),
        ({"host_state": lambda: HostState.UNKNOWN}, 24, "the host is unknown"),
    ],
)
def test_without_any_of_them_it_observes(changes, stats_bytes, reason):
    found = mandate(**changes).observing(stats_bytes)
    assert reason in found
    assert "\n" not in found


def wrong_file():
    raise GrantsError("grants.toml: no TOML")


def test_no_grant_of_a_file_with_a_mistake_holds_and_the_reason_is_told():
    """The operator edits it while the supervisor runs."""
    told = f"no standing grant for serial {SERIAL}: grants.toml: no TOML"
    assert mandate(grants=wrong_file).observing(24) == told
    source = standing_authority(Authority(), wrong_file, lambda: HostState.NORMAL, lambda: 1_000.0)
    assert source().grants == ()


def test_before_the_first_answer_its_length_is_no_reason():
    assert mandate().observing(None) == ""


@pytest.mark.parametrize("state", HostState)
def test_a_world_is_free_but_for_the_host_that_is_played(state):
    assert (FreeHand(lambda: state).observing(None) == "") is (state is HostState.NORMAL)


def test_who_was_asked_to_observe_observes():
    assert Forbidden().observing(24) == "it was asked to observe"


def test_the_guard_is_told_the_authority_of_the_moment():
    """A grant that is revoked and a host that freezes hold from the next question on."""
    grants, state = [GRANT], [HostState.NORMAL]
    source = standing_authority(
        Authority(), lambda: tuple(grants), lambda: state[0], lambda: 1_000.0
    )
    target = Target.of_serial(SERIAL)

    def may_reset():
        acting = replace(source(), acting_level=Level.DEVICE_RESET)
        return decide(Operation.RESET, target, acting).allow

    assert source().now_s == 1_000.0
    assert may_reset()
    state[0] = HostState.FROZEN
    assert not may_reset()
    state[0] = HostState.NORMAL
    grants.clear()
    assert not may_reset()
