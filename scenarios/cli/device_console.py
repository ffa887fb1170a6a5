"""``fx3loop device console``: over USB, on a serial port, or a recorded log."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from scenarios.cli import console, output
from scenarios.cli.codes import CHECK_FAILED, OK
from scenarios.cli.device_session import Done, Session
from scenarios.errors import InputError

if TYPE_CHECKING:
    from health import Policy
    from hw.console_verdict import Verdict
    from hw.guard import Authority, AuthoritySource
    from hw.runtime import Runtime
    from hw.uart_console import UartConsole

SCHEMA_LOG = "fx3loop.console-log/1"
POLL_INTERVAL_MS = 20
QUIET_MS = 1_000
"""A script on a serial port ends when nothing came for so long."""
NS_PER_MS = 1_000_000


def is_terminal() -> bool:
    """Whether a person types."""
    return sys.stdin is not None and sys.stdin.isatty()


def talk(session: Session) -> Done:
    """The console over USB: keys of a terminal, or the characters of a script."""
    shown: list[str] = []

    def show(text: str) -> None:
        shown.append(text if sys.stdout.isatty() else text.replace("\r", ""))
        session.say(shown[-1])

    if session.place.is_live and is_terminal():
        console.converse(session.station, show, _remark)
    else:
        console.play(session.station, console.standard_input(), show)
    return Done(True, "".join(shown), is_shown=True)


def _remark(text: str) -> None:
    click.echo(text, nl=False, err=True)


# ------------------------------------------------------------ a serial port


def listen(
    port: str,
    authority: Authority | AuthoritySource,
    runtime: Runtime,
    *,
    duration_ms: int | None = None,
) -> int:
    """Show what a console on a serial port says, each line with its time; type what is typed.

    Args:
        port: name of the serial port.
        authority: what the guard is told.
        runtime: clock and sleep.
        duration_ms: end after so long; None: a person's Ctrl-D, or a script's end and 1 s of
            silence.

    Returns:
        The exit code.

    Raises:
        DeniedError: the guard does not allow it.
        DeviceError: there is no such port, or it left.
    """
    from hw.uart_console import UartConsole

    began_ns = runtime.now_ns()
    with UartConsole(port, authority) as uart:
        listener = _Listener(uart, runtime, began_ns, duration_ms)
        if is_terminal():
            _remark(f"console on {port}: Ctrl-D to end\n")
            listener.converse()
        else:
            listener.play()
    return OK


class _Listener:
    """Shows what an open console says, and types."""

    def __init__(
        self, uart: UartConsole, runtime: Runtime, began_ns: int, duration_ms: int | None
    ) -> None:
        from hw.uart_console import Stamper

        self._uart = uart
        self._runtime = runtime
        self._duration_ms = duration_ms
        self._stamper = Stamper()
        self._began_ns = began_ns

    def converse(self) -> None:
        """A person's keys, as they come, until Ctrl-D."""
        with console.key_by_key() as read:
            while not self._is_over():
                keys = read()
                if console.CONTROL_C in keys:
                    raise KeyboardInterrupt
                if console.CONTROL_D in keys:
                    return
                if keys:
                    self._uart.type(keys)
                if not self._show():
                    self._runtime.sleep_ms(POLL_INTERVAL_MS)

    def play(self) -> None:
        """A script's characters; then what comes, until 1 s of silence if no time was given."""
        for line in console.standard_input():
            self._uart.type(line)
        heard_ns = self._runtime.now_ns()
        while not self._is_over():
            if self._show():
                heard_ns = self._runtime.now_ns()
            elif self._duration_ms is None and self._since_ms(heard_ns) >= QUIET_MS:
                return
            else:
                self._runtime.sleep_ms(POLL_INTERVAL_MS)

    def _show(self) -> bool:
        text = self._uart.read()
        click.echo(self._stamper.stamp(text, self._since_ms(self._began_ns)), nl=False)
        return bool(text)

    def _is_over(self) -> bool:
        return self._duration_ms is not None and self._since_ms(self._began_ns) >= self._duration_ms

    def _since_ms(self, then_ns: int) -> int:
        return (self._runtime.now_ns() - then_ns) // NS_PER_MS


# ------------------------------------------------------------ a recorded log


def judge_file(path: Path, policy: Policy, *, as_json: bool) -> int:
    """Say what a recorded log tells, and what a policy would have done.

    Args:
        path: the log, or ``-`` for standard input.
        policy: what is asked.
        as_json: print data.

    Returns:
        The exit code: 1 when there is trouble in it.

    Raises:
        InputError: it cannot be read.
        ConsoleLogError: it is no log of this console.
    """
    from hw.console_log import ConsoleLogError, parse
    from hw.console_replay import judge

    try:
        entries = parse(_content(path))
    except ConsoleLogError as error:
        raise InputError(f"{path}: {error}") from None
    found = judge(entries, policy)
    if as_json:
        output.print_json(_document(path, policy, found))
    else:
        _print_verdict(policy, found)
    return OK if found.is_healthy else CHECK_FAILED


def _content(path: Path) -> bytes:
    if str(path) == "-":
        return sys.stdin.buffer.read()
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error


def _print_verdict(policy: Policy, found: Verdict) -> None:
    table = output.table("time", "line", "who", "what")
    for moment in found.moments:
        time = f"{'~' if moment.is_inferred else ''}{moment.at_ms / 1000:.3f} s"
        table.add_row(time, str(moment.line), moment.source.value, moment.what)
    if found.moments:
        output.print_table(table)
        click.echo()
    for line in _summary(policy, found):
        click.echo(line)


def _summary(policy: Policy, found: Verdict) -> list[str]:
    from hw.console_verdict import Source

    span = f"{found.entries} texts in {found.duration_ms / 1000:.1f} s"
    implied = (
        "; the log has no times, so they are implied by its polls" if found.is_inferred else ""
    )
    return [
        f"{'PASS' if found.is_healthy else 'FAIL'} console: {span}{implied}",
        f"seen: {_counts(found.statuses())}",
        f"the firmware applied: {_counts(found.levels(Source.FIRMWARE), 'level ')}",
        f"policy {policy.name} would have applied: "
        f"{_counts(found.levels(Source.POLICY), 'level ')}",
    ]


def _counts(counts: dict[Any, int], prefix: str = "") -> str:
    if not counts:
        return "nothing"
    return ", ".join(f"{prefix}{item} ×{number}" for item, number in counts.items())


def _document(path: Path, policy: Policy, found: Verdict) -> dict[str, Any]:
    from hw.console_verdict import Source

    return {
        "schema": SCHEMA_LOG,
        "file": str(path),
        "policy": policy.name,
        "healthy": found.is_healthy,
        "texts": found.entries,
        "duration_ms": found.duration_ms,
        "times_inferred": found.is_inferred,
        "statuses": found.statuses(),
        "levels": {
            source.value: {str(int(level)): count for level, count in found.levels(source).items()}
            for source in (Source.FIRMWARE, Source.POLICY)
        },
        "moments": [
            {
                "at_ms": moment.at_ms,
                "inferred": moment.is_inferred,
                "line": moment.line,
                "source": moment.source.value,
                "what": moment.what,
                "level": None if moment.level is None else int(moment.level),
                "trouble": moment.is_trouble,
            }
            for moment in found.moments
        ],
    }
