"""The decision function, over everything it can be asked."""

import itertools

import pytest

from hw.errors import DeniedError
from hw.guard import (
    Acknowledgement,
    Authority,
    HostState,
    Operation,
    OperationClass,
    RiskMode,
    Target,
    decide,
    require,
)

WORLD = Target("world", "any device")
DEVICE = Target("usb", "serial 1")
OTHER = Target("usb", "serial 2")
ANSWERS = (None, DEVICE, OTHER)

# What a stable host allows on a real device: plainly, or with an acknowledgement.
PLAIN = {
    (RiskMode.SAFE, OperationClass.READ_ONLY),
    (RiskMode.STANDARD, OperationClass.READ_ONLY),
    (RiskMode.AGGRESSIVE, OperationClass.READ_ONLY),
    (RiskMode.STANDARD, OperationClass.INTERRUPTING),
    (RiskMode.AGGRESSIVE, OperationClass.INTERRUPTING),
    (RiskMode.AGGRESSIVE, OperationClass.WRITE),
}
ACKNOWLEDGED = {
    (RiskMode.SAFE, OperationClass.INTERRUPTING),
    (RiskMode.STANDARD, OperationClass.WRITE),
    (RiskMode.STANDARD, OperationClass.DESTRUCTIVE),
    (RiskMode.AGGRESSIVE, OperationClass.DESTRUCTIVE),
    (RiskMode.AGGRESSIVE, OperationClass.FORCE),
}


@pytest.mark.parametrize(
    ("operation", "mode", "target", "state", "acknowledged"),
    list(itertools.product(Operation, RiskMode, (WORLD, DEVICE), HostState, ANSWERS)),
)
def test_every_question_has_the_answer_of_the_table(operation, mode, target, state, acknowledged):
    given = frozenset() if acknowledged is None else {Acknowledgement(operation, acknowledged)}
    decision = decide(operation, target, Authority(mode, frozenset(given), state))

    cell = (mode, operation.operation_class)
    on_device = cell in PLAIN or (cell in ACKNOWLEDGED and acknowledged == target)
    expected = operation is not Operation.FLASH and (
        target is WORLD or (state is HostState.NORMAL and on_device)
    )
    assert decision.allow is expected
    assert decision.reason
    assert decision.rule


@pytest.mark.parametrize("operation", Operation)
def test_by_default_no_real_device_is_touched(operation):
    assert not decide(operation, DEVICE, Authority()).allow


def test_an_acknowledgement_holds_for_its_own_operation_alone():
    given = frozenset({Acknowledgement(Operation.UPLOAD, DEVICE)})
    authority = Authority(RiskMode.STANDARD, given, HostState.NORMAL)
    assert decide(Operation.UPLOAD, DEVICE, authority).allow
    assert not decide(Operation.RESET, DEVICE, authority).allow


def test_require_names_reason_and_rule():
    with pytest.raises(DeniedError) as caught:
        require(Operation.RESET, DEVICE, Authority(RiskMode.STANDARD, host_state=HostState.NORMAL))
    assert caught.value.rule == "acknowledgement-missing"
    assert "serial 1" in str(caught.value)
    assert require(Operation.RESET, WORLD, Authority()) is None
