"""AT queries: a command line out, information lines and one final result line back.

An answer has ended when a whole line is a final result; only ``OK`` is success. A line that only
contains these letters is no result, an echo is none, and what nobody asked for is kept apart.

Source: ITU-T V.250 5.3 to 5.7 (lines, echo, results); 3GPP TS 27.007 9.2 and TS 27.005 3.2.5
(``+CME ERROR``, ``+CMS ERROR``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from hw.guard import Operation
from hw.guard.gate import Gate
from hw.serial.errors import BadAnswerError, ChoiceError, SilentError
from hw.serial.transport import Clock, Deadline, Transport

OK: Final = "OK"
FAILURES: Final = ("ERROR", "NO CARRIER", "NO DIALTONE", "BUSY", "NO ANSWER")
EXTENDED: Final = re.compile(r"\+(CME|CMS) ERROR: ?(.*)")
LIMIT_MS: Final = 2_000
SLOW_LIMIT_MS: Final = 10_000
QUIET_MS: Final = 300
"""After a command without an answer, so long a silence is waited for before the next one."""
LINE_BYTES_MAX: Final = 4_096
LINES_MAX: Final = 512
ATTEMPTS: Final = 3
"""The first ``AT`` may be lost while a module wakes up."""

UNSOLICITED: Final = frozenset(
    ("RING", "RDY", "POWERED DOWN", "NORMAL POWER DOWN", "SMS Ready", "Call Ready")
)
"""Lines without a plus sign that nobody asked for (Quectel AT commands manuals)."""

QUERIES: Final = MappingProxyType(
    {
        "AT": (),
        "ATI": ("",),
        "AT+CGMR": ("", "+CGMR:"),
        "AT+GSN": ("", "+GSN:"),
        "AT+CGSN=1": ("", "+CGSN:"),
        "AT+CGSN": ("", "+CGSN:"),
        "AT+CPIN?": ("+CPIN:",),
        "AT+QCCID": ("+QCCID:", "+CCID:", "+ICCID:"),
        "AT+CCID": ("+CCID:", "+QCCID:", "+ICCID:"),
        "AT+CIMI": ("", "+CIMI:"),
        "AT+CEREG?": ("+CEREG:",),
        "AT+CGREG?": ("+CGREG:",),
        "AT+CREG?": ("+CREG:",),
        "AT+QIACT?": ("+QIACT:",),
        "AT+CSQ": ("+CSQ:",),
    }
)
"""Every command that this package sends, with how its information lines begin; an empty beginning
is that of a line without a plus sign. None of them changes anything."""
CONTEXT_QUERY: Final = re.compile(r"AT\+CGPADDR=([1-9]|1[0-6])")
REGISTRATION: Final = re.compile(r"\+C(?:E|G)?REG: ?\d+, ?\d+(?:,.*)?")
"""The answer to a query has two numbers; what is told unasked has one (TS 27.007 7.2, 10.1.20)."""


@dataclass(frozen=True)
class Reply:
    """The answer to one command.

    Attributes:
        command: what was sent.
        lines: its information lines.
        final: its final result line; empty where none came in time.
        unsolicited: lines that do not belong to it.
        was_echoed: the module repeated the command first.
        duration_ms: from the command to the end.
    """

    command: str
    lines: tuple[str, ...]
    final: str
    unsolicited: tuple[str, ...] = ()
    was_echoed: bool = False
    duration_ms: int = 0

    @property
    def is_ok(self) -> bool:
        """The final result is ``OK``."""
        return self.final == OK

    @property
    def failure(self) -> str:
        """Number or text of ``+CME ERROR`` or ``+CMS ERROR``; empty where it is none."""
        found = EXTENDED.fullmatch(self.final)
        return found[2].strip() if found else ""

    @property
    def status(self) -> str:
        """``ok``, ``error`` or ``no-answer``."""
        if not self.final:
            return "no-answer"
        return "ok" if self.is_ok else "error"


def is_final(line: str) -> bool:
    """Whether a whole line is a final result."""
    return line == OK or line in FAILURES or EXTENDED.fullmatch(line) is not None


def beginnings(command: str) -> tuple[str, ...]:
    """Return how the information lines of a query begin.

    Raises:
        ChoiceError: this package does not send it.
    """
    if CONTEXT_QUERY.fullmatch(command):
        return ("+CGPADDR:",)
    if command not in QUERIES:
        raise ChoiceError(
            command, f"only queries are sent, such as {', '.join(list(QUERIES)[1:4])}"
        )
    return QUERIES[command]


class Answer:
    """Puts the answer to one command together, byte by byte.

    Args:
        command: that was sent; one of :data:`QUERIES`.

    Raises:
        ChoiceError: it is none.
    """

    def __init__(self, command: str) -> None:
        self._command = command
        self._beginnings = beginnings(command)
        self._rest = b""
        self._lines: list[str] = []
        self._unsolicited: list[str] = []
        self._is_echo_due = True
        self.final = ""

    @property
    def is_complete(self) -> bool:
        """The final result came."""
        return bool(self.final)

    def feed(self, data: bytes) -> None:
        """Take bytes; what follows the final result belongs to nobody.

        Raises:
            BadAnswerError: a line, or the answer, has no end.
        """
        *whole, self._rest = re.split(rb"[\r\n]", self._rest + data)
        if len(self._rest) > LINE_BYTES_MAX:
            raise BadAnswerError(self._command, f"a line of more than {LINE_BYTES_MAX} bytes")
        for raw in whole:
            line = raw.decode("ascii", "backslashreplace").strip()
            if line:
                self._take(line)
        if len(self._lines) + len(self._unsolicited) > LINES_MAX:
            raise BadAnswerError(self._command, f"more than {LINES_MAX} lines")

    def reply(self, duration_ms: int = 0) -> Reply:
        """Return the answer as far as it came."""
        return Reply(
            self._command,
            tuple(self._lines),
            self.final,
            tuple(self._unsolicited),
            not self._is_echo_due,
            duration_ms,
        )

    def _take(self, line: str) -> None:
        if self._is_echo_due and line == self._command:
            self._is_echo_due = False
            # What came before the echo was not said to this command.
            self._unsolicited += self._lines
            self._lines.clear()
        elif self.is_complete:
            self._unsolicited.append(line)
        elif is_final(line):
            self.final = line
        elif self._belongs(line):
            self._lines.append(line)
        else:
            self._unsolicited.append(line)

    def _belongs(self, line: str) -> bool:
        if line in UNSOLICITED or not line.isprintable() or "\\x" in line:
            return False
        if re.match(r"\+C(E|G)?REG:", line) and not REGISTRATION.fullmatch(line):
            return False
        return any(
            line.startswith(begin) if begin else line[0] not in "+%^" for begin in self._beginnings
        )


class AtPort:
    """Asks a module on its AT port.

    Args:
        transport: the port, open.
        gate: asked before anything is sent.
        clock: for the deadlines.
    """

    def __init__(self, transport: Transport, gate: Gate, clock: Clock) -> None:
        self._transport = transport
        self._gate = gate
        self._clock = clock
        self._is_out_of_step = False

    def ask(self, command: str, limit_ms: int = LIMIT_MS) -> Reply:
        """Send a query and wait for its final result.

        Args:
            command: one of :data:`QUERIES`, or ``AT+CGPADDR=`` and a context.
            limit_ms: how long to wait.

        Returns:
            The answer; its ``final`` is empty when none came in time.

        Raises:
            ChoiceError: the command is no query; nothing was sent.
            DeniedError: the guard does not allow it; nothing was sent.
            ModuleGoneError: the module left.
            BadAnswerError: what came has no end.
        """
        answer = Answer(command)
        self._gate.permit(Operation.AT_QUERY)
        self._settle()
        deadline = Deadline(self._clock, limit_ms)
        self._transport.write(command.encode("ascii") + b"\r")
        while not answer.is_complete and deadline.left_ms:
            answer.feed(self._transport.read(deadline.left_ms))
        self._is_out_of_step = not answer.is_complete
        return answer.reply(deadline.spent_ms)

    def wake(self, limit_ms: int = LIMIT_MS) -> Reply:
        """Ask ``AT`` until it is answered, three times at most.

        Returns:
            The first answer, whatever its result.

        Raises:
            SilentError: none came; with what came instead.
            DeviceError: as :meth:`ask`.
        """
        for _ in range(ATTEMPTS):
            reply = self.ask("AT", limit_ms)
            if reply.final:
                return reply
        heard = reply.lines + reply.unsolicited
        if heard:
            detail = f"only {heard[0]!r} came"
        elif reply.was_echoed:
            detail = "the port repeats what is sent and answers nothing"
        else:
            detail = "nothing came at all"
        raise SilentError("AT", f"{self._transport.name}: {detail}")

    def _settle(self) -> None:
        """Drop what nobody asked for; after a missing answer, wait until it would have come."""
        quiet_ms = QUIET_MS if self._is_out_of_step else 0
        deadline = Deadline(self._clock, SLOW_LIMIT_MS)
        while self._transport.read(quiet_ms) and deadline.left_ms:
            pass
