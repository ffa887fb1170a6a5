"""The steps of a smoke run on a cellular module.

Safe are the AT queries, from a fixed list of which none changes anything. The Python prompt ends
the program that runs on the module, so it is a step of its own that has to be allowed; the deploy
writes, imports and deletes a file of its own, and never another.

Source: quecpython-dev-skill, ``device_smoke_test.py``, for what a smoke run looks at; the pass
rules are ours: a final result for each command, and a nonce that an echo cannot have.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol

from hw.guard import Operation
from hw.guard.gate import Gate
from hw.host.smoke import RELEASE_BUDGET_MS, NotRun, Stage, Step, StepFailed, Told
from hw.serial.at import AtPort, Reply
from hw.serial.files import SUFFIX_DIGITS, DeviceFiles
from hw.serial.info import read_info
from hw.serial.paths import ROOT
from hw.serial.ports import Port, Role
from hw.serial.repl import Repl, new_nonce

QUERIES: Final = ("ATI", "AT+CSQ")
AT_QUERIES: Final = 1 + len(QUERIES)
IDENTITY_QUERIES: Final = 15
ATTEMPTS: Final = 3
"""The first command may be lost while a module wakes up."""
DISCOVERY_BUDGET_MS: Final = 5_000
SPARE_MS: Final = 2_000
REPL_BUDGET_MS: Final = 15_000
DEPLOY_BUDGET_MS: Final = 60_000
SNAPSHOT: Final = "import uos,usys\n_r(uos.getcwd())\n_r(list(usys.path))"
IDENTITY: Final = ("model", "firmware")
"""Without these nobody knows what was tested."""
OFF_IN_SAFE: Final = "risk mode safe writes nothing"
NOT_INTERRUPTED: Final = (
    "it would end the program that runs on the module; --allow-interrupt asks for it"
)
NOT_ACKNOWLEDGED: Final = "it needs --acknowledge fs-write and --acknowledge fs-delete"


class ModemBench(Protocol):
    """A module, for one run: its ports are opened when they are needed."""

    @property
    def gate(self) -> Gate:
        """The guard in front of it."""
        ...

    def discover(self) -> list[Port]:
        """Return all ports of the host."""
        ...

    def choose(self, role: Role) -> str:
        """Return the name of the one port of a role."""
        ...

    def at(self) -> AtPort:
        """Open the AT port."""
        ...

    def repl(self) -> Repl:
        """Open the REPL port."""
        ...

    def close(self) -> None:
        """Close what was opened."""
        ...


@dataclass(frozen=True, slots=True)
class Wanted:
    """What was asked for beside the safe steps.

    Attributes:
        limit_ms: for one answer.
        repl_why_not: why the prompt is left alone; empty to ask it.
        deploy_why_not: why nothing is written; empty to write.
    """

    limit_ms: int
    repl_why_not: str
    deploy_why_not: str


def modem_steps(bench: ModemBench, wanted: Wanted, evidence: Step) -> tuple[Step, ...]:
    """Return the steps of one run.

    Args:
        bench: the module.
        wanted: what is to be done.
        evidence: looks at the host.
    """
    run = _Run(bench, wanted)
    return (
        Step("discovery", Stage.DISCOVERY, DISCOVERY_BUDGET_MS, run.discover, is_required=True),
        Step(
            "AT",
            Stage.LINK,
            (ATTEMPTS + AT_QUERIES) * wanted.limit_ms + SPARE_MS,
            run.ask,
            needs=("discovery",),
            is_required=True,
        ),
        Step(
            "identity",
            Stage.IDENTITY,
            (ATTEMPTS + IDENTITY_QUERIES) * wanted.limit_ms + SPARE_MS,
            run.identify,
            needs=("AT",),
            is_required=True,
        ),
        evidence,
        Step(
            "REPL",
            Stage.REPL,
            REPL_BUDGET_MS,
            run.prompt,
            needs=("discovery",),
            why_not=wanted.repl_why_not,
        ),
        Step(
            "deploy",
            Stage.DEPLOY,
            DEPLOY_BUDGET_MS,
            run.deploy,
            needs=("REPL",),
            why_not=wanted.deploy_why_not,
        ),
        release_step(bench.close),
    )


def release_step(close: Callable[[], None]) -> Step:
    """Return the step that gives the device back, whatever happened before."""

    def release() -> Told:
        close()
        return Told("given back")

    return Step("release", Stage.RELEASE, RELEASE_BUDGET_MS, release, touches_device=False)


class _Run:
    """What the steps of one run have in common: the ports that are open."""

    def __init__(self, bench: ModemBench, wanted: Wanted) -> None:
        self._bench = bench
        self._wanted = wanted
        self._at: AtPort | None = None
        self._repl: Repl | None = None

    def discover(self) -> Told:
        ports = self._bench.discover()
        chosen = self._bench.choose(Role.AT)
        listed = [port.as_dict() | {"serial": port.serial or ""} for port in ports]
        return Told(f"the AT port is {chosen}", {"at_port": chosen, "ports": listed})

    def ask(self) -> Told:
        self._at = self._bench.at()
        limit_ms = self._wanted.limit_ms
        replies = [self._at.wake(limit_ms)]
        if replies[0].is_ok:
            replies += [self._at.ask(query, limit_ms) for query in QUERIES]
        facts = {"replies": [_as_dict(reply) for reply in replies]}
        for reply in replies:
            if not reply.is_ok:
                final = reply.final or "no final result in time"
                raise StepFailed(f"{reply.command} ended with {final}", facts)
        return Told(f"{len(replies)} commands ended with OK", facts)

    def identify(self) -> Told:
        if self._at is None:
            raise NotRun("the AT port is not open")
        info = read_info(self._at, limit_ms=self._wanted.limit_ms)
        facts: dict[str, Any] = {
            name: info.values.get(name, "")
            for name in (*IDENTITY, "imei", "imsi", "iccid", "ip", "card")
        }
        facts["diagnoses"] = [item.code for item in info.diagnoses]
        missing = [name for name in IDENTITY if not facts[name]]
        if missing:
            raise StepFailed(f"the module did not tell its {' and '.join(missing)}", facts)
        return Told(f"{facts['model']}, {facts['firmware']}", facts)

    def prompt(self) -> Told:
        self._repl = self._bench.repl()
        with self._bench.gate.doing(Operation.REPL):
            (here, path) = self._repl.run(SNAPSHOT).results
        manner = "raw" if self._repl.is_raw else "friendly"
        return Told(f"runs programs ({manner} prompt)", {"folder": here, "path": path})

    def deploy(self) -> Told:
        if self._repl is None:
            raise NotRun("the REPL port is not open")
        nonce = new_nonce()
        name = f"fx3loop_probe_{nonce[:8]}"
        path = f"{ROOT}/{name}.py"
        files = DeviceFiles(self._repl, self._bench.gate, lambda: new_nonce()[:SUFFIX_DIGITS])
        content = f"answer = '{nonce[:8]}' + '{nonce[8:]}'\n".encode()
        pushed = files.push(content, ROOT, f"{name}.py")
        try:
            with self._bench.gate.doing(Operation.REPL, path=path):
                (answer,) = self._repl.run(f"import {name}\n_r({name}.answer)").results
        finally:
            # Its file may not stay behind, whatever the import did.
            files.rm(path)
        if answer != nonce:
            raise StepFailed(f"the imported file answered {answer!r}", {"path": path})
        facts = {"path": path, "size_bytes": pushed.size_bytes, "sha256": pushed.sha256}
        return Told("a file was written, imported and deleted again", facts)


def _as_dict(reply: Reply) -> dict[str, Any]:
    return {
        "command": reply.command,
        "final": reply.final,
        "lines": list(reply.lines),
        "duration_ms": reply.duration_ms,
    }
