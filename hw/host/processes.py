"""Which process holds a serial port, and an end of it: the right one, once, and seen to be so.

A process is meant by its number, its executable and the time of its start, all three, because a
number is given again. What is to be allowed is asked before anything is sent, the force too. It is
asked to end, given time, and looked at; that the port is free is seen, not assumed. Nothing here
is ever done by name, to a group, or twice.

Sources: Linux, Documentation/filesystems/proc.rst (``/proc/<pid>/fd``); psutil's documentation
(``Process.create_time``: identity of a process; signals are sent only to that one).
"""

from __future__ import annotations

import os
import re
import stat
import sys
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, ClassVar, Final, Protocol

from hw.errors import DeniedError, DeviceError
from hw.guard import Operation
from hw.guard.gate import Gate
from hw.guard.journal import Entry
from hw.owner import PROC
from hw.serial.transport import Clock, Deadline

GRACE_MS: Final = 5_000
KILL_LIMIT_MS: Final = 3_000
"""The system ends a killed process at once, unless it waits in a driver."""
POLL_MS: Final = 50
PORT: Final = re.compile(r"/dev/(tty[A-Za-z]\w*|rfcomm\d+|pts/\d+)")
"""Serial ports and pseudo-terminals; a console such as ``/dev/tty1`` is none."""


class ReleaseResult(StrEnum):
    """How a release ended."""

    NOT_FOUND = "not_found"
    """Nobody holds the port, as far as this user may see."""
    RELEASED = "released"
    """The process ended when it was asked to, and the port is free."""
    UNFINISHED = "unfinished"
    """It was asked to end, and has not."""
    FORCE_BLOCKED = "force_blocked"
    """Force was asked for where the guard does not allow it: nothing was sent."""
    FORCE_GUARD_BLOCKED = "force_guard_blocked"
    """Force was asked for without the phrase in the environment: nothing was sent."""
    FORCED = "forced"
    """It did not end when it was asked to, was killed, and the port is free."""
    VERIFY_FAILED = "verify_failed"
    """What was to be true in the end is not: it still runs, or the port has a holder."""


@dataclass(frozen=True, slots=True)
class Holder:
    """A process that has a port open.

    Attributes:
        pid: its number.
        executable: what it runs; empty where this user may not see it.
        started_s: when it was started, UTC since 1970.
        name: for people.
    """

    pid: int
    executable: str
    started_s: float
    name: str = ""

    def as_dict(self) -> dict[str, Any]:
        """The process for JSON and for the journal."""
        return {
            "pid": self.pid,
            "executable": self.executable,
            "started_s": self.started_s,
            "name": self.name,
        }


@dataclass(frozen=True, slots=True)
class Holders:
    """Who has a port open.

    Attributes:
        found: the processes, by number.
        unseen: how many processes this user may not look into.
    """

    found: tuple[Holder, ...]
    unseen: int = 0


class ProcessTable(Protocol):
    """The processes of this host."""

    def holders(self, port: str) -> Holders:
        """Return who has a port open."""
        ...

    def is_running(self, holder: Holder) -> bool:
        """Whether this very process runs: the number alone does not say so."""
        ...

    def family(self) -> frozenset[int]:
        """Return the numbers of this process and of all that it comes from."""
        ...

    def end(self, holder: Holder) -> None:
        """Ask this very process to end; nothing when it is gone."""
        ...

    def kill(self, holder: Holder) -> None:
        """End this very process; nothing when it is gone."""
        ...


class ReleaseError(DeviceError):
    """A port cannot be released; nothing was sent."""

    happened: ClassVar[str] = "cannot be released"
    advice = "nothing was sent; end the program that has it yourself"


class HolderChoiceError(ReleaseError):
    """Which process is meant is not clear."""

    happened: ClassVar[str] = "cannot be released"
    advice = "nothing was sent; name one with --pid"


class NoPortError(ReleaseError):
    """What was named is no serial port."""

    happened: ClassVar[str] = "is no serial port"
    advice = "nothing was sent; name one such as /dev/ttyUSB2"


class NoTableError(ReleaseError):
    """Nobody tells which process holds a port."""

    happened: ClassVar[str] = "its holder cannot be known"
    advice = "nothing was sent; on Linux install what looks: pip install 'fx3loop[host]'"


@dataclass(frozen=True, slots=True)
class Release:
    """What came of a release.

    Attributes:
        result: how it ended.
        holder: which process was meant; None where none was found or none was looked for.
        detail: in words.
    """

    result: ReleaseResult
    holder: Holder | None
    detail: str


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be released.

    Attributes:
        port: as the system names it.
        pid: the process that is meant, where several hold it; None for the only one.
        is_forced: a process that does not end in time is killed.
        grace_ms: how long it has to end.
    """

    port: str
    pid: int | None = None
    is_forced: bool = False
    grace_ms: int = GRACE_MS


def release_port(
    wish: Wish,
    table: ProcessTable,
    gate: Gate,
    clock: Clock,
    explain: Callable[[DeniedError], str] = str,
) -> Release:
    """End the process that holds a port.

    Args:
        wish: which port, and how.
        table: the processes.
        gate: asked for all of it before anything is sent; it marks what is.
        clock: for the waiting.
        explain: says what would allow the force that was denied.

    Raises:
        DeniedError: the guard does not allow to ask a process to end.
        ReleaseError: which process is meant is not clear, or it is one that may not be ended.
        JournalError: it cannot be marked; nothing was sent.
    """
    blocked = _force_blocked(wish, gate, explain)
    if blocked is not None:
        return blocked
    gate.permit(Operation.RELEASE_PORT)
    seen = table.holders(wish.port)
    if not seen.found:
        unseen = f"; {seen.unseen} processes could not be looked into" if seen.unseen else ""
        return Release(ReleaseResult.NOT_FOUND, None, f"nobody holds {wish.port}{unseen}")
    holder = _chosen(wish, seen.found, table.family())
    with gate.doing(Operation.RELEASE_PORT, port=wish.port, **holder.as_dict()) as entry:
        made = _end(wish, holder, table, gate, clock)
        if isinstance(entry, Entry):
            entry.end(made.result.value)
        return made


def _force_blocked(wish: Wish, gate: Gate, explain: Callable[[DeniedError], str]) -> Release | None:
    """Whether force is asked for and not allowed: that is known before anything is sent."""
    if not wish.is_forced:
        return None
    try:
        gate.permit(Operation.FORCE_RELEASE_PORT)
    except DeniedError as denial:
        result = ReleaseResult.FORCE_BLOCKED
        if denial.rule == "force-guard":
            result = ReleaseResult.FORCE_GUARD_BLOCKED
        return Release(result, None, explain(denial))
    return None


def _chosen(wish: Wish, found: tuple[Holder, ...], family: frozenset[int]) -> Holder:
    listed = ", ".join(f"{item.pid} ({item.name or item.executable})" for item in found)
    named = [item for item in found if wish.pid in (None, item.pid)]
    if not named:
        raise HolderChoiceError(wish.port, f"process {wish.pid} does not hold it, but {listed}")
    if len(named) > 1:
        raise HolderChoiceError(wish.port, f"{len(named)} processes hold it: {listed}")
    (holder,) = named
    if holder.pid in family:
        raise ReleaseError(wish.port, f"process {holder.pid} is this program or what started it")
    if not holder.executable:
        raise ReleaseError(wish.port, f"what process {holder.pid} runs cannot be seen")
    return holder


def _until(is_so: Callable[[], bool], clock: Clock, limit_ms: int) -> bool:
    """Look again and again until it is so, or the time has passed."""
    deadline = Deadline(clock, limit_ms)
    while not is_so():
        left_ms = deadline.left_ms
        if not left_ms:
            return False
        clock.sleep_ms(min(POLL_MS, left_ms))
    return True


def _end(wish: Wish, holder: Holder, table: ProcessTable, gate: Gate, clock: Clock) -> Release:
    def is_gone() -> bool:
        return not table.is_running(holder)

    name = f"process {holder.pid} ({holder.name or holder.executable})"
    table.end(holder)
    if _until(is_gone, clock, wish.grace_ms):
        return _verified(wish, holder, table, ReleaseResult.RELEASED, f"{name} ended")
    if not wish.is_forced:
        detail = f"{name} has not ended within {wish.grace_ms} ms"
        return Release(ReleaseResult.UNFINISHED, holder, detail)
    with gate.doing(Operation.FORCE_RELEASE_PORT, port=wish.port, **holder.as_dict()):
        table.kill(holder)
        is_killed = _until(is_gone, clock, KILL_LIMIT_MS)
    if not is_killed:
        return Release(ReleaseResult.VERIFY_FAILED, holder, f"{name} was killed and still runs")
    return _verified(wish, holder, table, ReleaseResult.FORCED, f"{name} was killed")


def _verified(
    wish: Wish, holder: Holder, table: ProcessTable, result: ReleaseResult, detail: str
) -> Release:
    left = table.holders(wish.port).found
    if left:
        others = ", ".join(str(item.pid) for item in left)
        detail = f"{detail}, but {wish.port} is held by {others}"
        return Release(ReleaseResult.VERIFY_FAILED, holder, detail)
    return Release(result, holder, f"{detail}, {wish.port} is free")


def checked_port(port: str) -> str:
    """Return a port as the system names it, links followed.

    Raises:
        NoPortError: there is no such port, or it is none.
    """
    path = os.path.realpath(port)
    try:
        mode = Path(path).stat().st_mode
    except OSError as error:
        raise NoPortError(f"port {port}", error.strerror or "it is not there") from error
    if not stat.S_ISCHR(mode) or not PORT.fullmatch(path):
        raise NoPortError(f"port {port}")
    return path


class SystemTable:
    """The processes of this Linux host, as far as this user may see them.

    Args:
        proc: what to take for ``/proc``.

    Raises:
        NoTableError: psutil is not installed, or this is not Linux.
    """

    def __init__(self, proc: Path = PROC) -> None:
        if not sys.platform.startswith("linux"):
            raise NoTableError("release", f"{sys.platform} does not tell who holds a port")
        try:
            import psutil
        except ImportError as error:
            raise NoTableError("release", "psutil is not installed") from error
        self._psutil = psutil
        self._proc = proc

    def holders(self, port: str) -> Holders:
        """See :meth:`ProcessTable.holders`."""
        found, unseen = [], 0
        for item in sorted(self._proc.iterdir(), key=lambda path: path.name):
            if not item.name.isdecimal():
                continue
            is_holder = _has_open(item, port)
            if is_holder is None:
                unseen += 1
            elif is_holder:
                holder = self._holder(int(item.name))
                found += [holder] if holder is not None else []
        return Holders(tuple(sorted(found, key=lambda holder: holder.pid)), unseen)

    def is_running(self, holder: Holder) -> bool:
        """See :meth:`ProcessTable.is_running`; one that only waits to be reaped does not run."""
        return self._same(holder) is not None

    def family(self) -> frozenset[int]:
        """See :meth:`ProcessTable.family`."""
        own = self._psutil.Process()
        return frozenset((own.pid, *(item.pid for item in own.parents())))

    def end(self, holder: Holder) -> None:
        """See :meth:`ProcessTable.end`."""
        self._signal(holder, "terminate")

    def kill(self, holder: Holder) -> None:
        """See :meth:`ProcessTable.kill`."""
        self._signal(holder, "kill")

    def _signal(self, holder: Holder, call: str) -> None:
        process = self._same(holder)
        if process is None:
            return
        try:
            # psutil compares the time of the start once more before it sends.
            getattr(process, call)()
        except self._psutil.NoSuchProcess:
            return
        except self._psutil.AccessDenied as error:
            detail = f"process {holder.pid} belongs to another user"
            raise ReleaseError("release", detail) from error

    def _same(self, holder: Holder) -> Any:  # noqa: ANN401 - a psutil.Process
        """The process, if number, executable and start are still the same; else None."""
        try:
            process = self._psutil.Process(holder.pid)
            is_same = process.create_time() == holder.started_s
            is_dead = process.status() == self._psutil.STATUS_ZOMBIE
            if not is_same or is_dead or process.exe() != holder.executable:
                return None
        except self._psutil.NoSuchProcess:
            return None
        except self._psutil.AccessDenied as error:
            detail = f"what process {holder.pid} runs cannot be seen any more"
            raise ReleaseError("release", detail) from error
        return process

    def _holder(self, pid: int) -> Holder | None:
        try:
            process = self._psutil.Process(pid)
            started_s, name = process.create_time(), process.name()
            try:
                executable = process.exe()
            except self._psutil.AccessDenied:
                executable = ""
        except self._psutil.NoSuchProcess:
            return None
        return Holder(pid, executable, started_s, name)


def _has_open(process: Path, port: str) -> bool | None:
    """Whether a process has a file open; None where this user may not look."""
    try:
        links = list((process / "fd").iterdir())
    except PermissionError:
        return None
    except OSError:
        return False
    for link in links:
        try:
            if str(link.readlink()) == port:
                return True
        except OSError:
            continue
    return False
