"""What a smoke run has to do with the host: it looks at its evidence, and is remembered there."""

from __future__ import annotations

from typing import Final, Protocol

from hw.errors import JournalError
from hw.guard import HostState, RiskMode
from hw.host.errors import EvidenceError
from hw.host.smoke import NotRun, SmokeReport, Stage, Step, Told
from hw.host.states import HostStatus

EVIDENCE_BUDGET_MS: Final = 60_000


class Keeper(Protocol):
    """What is needed of :class:`hw.host.HostKeeper`."""

    def status(self) -> HostStatus:
        """Return the state of the host now."""
        ...

    def note_smoke(self, *, is_pass: bool, is_complete: bool) -> None:
        """Remember a safe smoke run."""
        ...


def evidence_step(keeper: Keeper, *, is_real: bool) -> Step:
    """Return the step that looks at the host's evidence.

    It passes when the evidence can be had, whatever it says: that a host is frozen is no failure of
    the device, and a run that passes is what it needs to leave that state. On a host whose evidence
    cannot be had it fails; beside a simulated target, which no host crash can come from, it is not
    run.

    Args:
        keeper: of the host.
        is_real: the target is no simulation.
    """

    def look() -> Told:
        status = keeper.status()
        facts = {**status.as_dict()}
        if status.state is HostState.UNKNOWN:
            reason = "; ".join(status.missing)
            if not is_real:
                raise NotRun(f"the state of this host cannot be known: {reason}")
            raise EvidenceError("this host", f"its state cannot be known ({reason})")
        return Told(f"the host is {status.state.value}", facts)

    return Step(
        "evidence", Stage.EVIDENCE, EVIDENCE_BUDGET_MS, look, is_required=True, touches_device=False
    )


def count(report: SmokeReport, keeper: Keeper, *, is_real: bool, risk_mode: RiskMode) -> str:
    """Have a run remembered, and return whether it counts for the exit criterion E.1.

    A run counts when the target is real, the risk mode safe, nothing failed and nothing of the safe
    smoke was left out. All others of a real target are noted too, as what they are.

    Args:
        report: of the run.
        keeper: of the host.
        is_real: the target is no simulation.
        risk_mode: of the run.

    Returns:
        Empty when it counts, else why it does not.
    """
    if not is_real:
        return "the target is simulated"
    if risk_mode is not RiskMode.SAFE:
        return f"risk mode {risk_mode.value} is not safe"
    try:
        keeper.note_smoke(is_pass=report.is_pass, is_complete=report.is_complete)
    except (EvidenceError, JournalError) as error:
        return str(error)
    if not report.is_pass:
        return "it did not pass"
    return "" if report.is_complete else "it is not complete"
