"""The Python prompt of a module: one program at a time, with an answer that cannot be an echo.

Ctrl-C ends whatever runs on the module, and nothing starts it again: that is why a program is an
operation of its own class. The raw prompt is used where the module offers it, else the friendly
one, in short lines of which each waits for the next prompt.

Source: MicroPython documentation, "The MicroPython Interactive Interpreter Mode (aka REPL)".
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Final

from hw.guard import Operation
from hw.guard.gate import Gate
from hw.serial.errors import BadAnswerError, ProgramError, SilentError
from hw.serial.frame import NONCE_DIGITS, OUTPUT_BYTES_MAX, Frame, framed, has_begun, read_frame
from hw.serial.transport import Clock, Deadline, Transport

RAW, FRIENDLY, INTERRUPT, RUN = b"\x01", b"\x02", b"\x03", b"\x04"
PROMPT: Final = b">>> "
RAW_BANNER: Final = b"raw REPL; CTRL-B to exit"
TRACEBACK: Final = "Traceback (most recent call last)"
INTERRUPTED: Final = "KeyboardInterrupt"
LIMIT_MS: Final = 5_000
PROMPT_LIMIT_MS: Final = 3_000
RAW_LIMIT_MS: Final = 500
QUIET_MS: Final = 300
"""So long a prompt is waited for after Ctrl-C; one that comes later does no harm."""
PIECE_BYTES: Final = 128
"""Kept below the input buffers of small modules, 256 bytes."""
PIECE_GAP_MS: Final = 2
RAW_END: Final = b"\x04>"


def new_nonce() -> str:
    """Return 16 hexadecimal digits that were never sent before."""
    return secrets.token_hex(NONCE_DIGITS // 2)


class Repl:
    """Runs programs on a module.

    Args:
        transport: its REPL port, open.
        gate: asked before anything is sent.
        clock: for the deadlines.
        new_nonce: makes the nonces.
        prompt_limit_ms: how long the module may take to come to its prompt.

    Attributes:
        is_raw: programs go to the raw prompt; known after the first one.
    """

    def __init__(
        self,
        transport: Transport,
        gate: Gate,
        clock: Clock,
        new_nonce: Callable[[], str] = new_nonce,
        prompt_limit_ms: int = PROMPT_LIMIT_MS,
    ) -> None:
        self._transport = transport
        self._gate = gate
        self._clock = clock
        self._new_nonce = new_nonce
        self._prompt_limit_ms = prompt_limit_ms
        self._is_ready = False
        self.is_raw = False

    def run(self, program: str, limit_ms: int = LIMIT_MS, *, interrupts: bool = True) -> Frame:
        """Run a program; the first one interrupts what runs on the module.

        Args:
            program: Python.
            limit_ms: how long it may take.
            interrupts: one that takes longer is ended; False leaves it running.

        Returns:
            What it said.

        Raises:
            DeniedError: the guard does not allow it; nothing was sent.
            ProgramError: it raised an exception.
            SilentError: it did not end in time, or nobody runs programs there.
            BadAnswerError: what came is damaged.
            ModuleGoneError: the module left.
        """
        self._begin()
        # Until its answer is whole nobody knows where the prompt stands.
        self._is_ready = False
        nonce = self._new_nonce()
        text = self._send(framed(program, nonce), nonce, limit_ms)
        frame = read_frame(text, nonce)
        if frame is not None:
            self._is_ready = True
            if frame.error:
                raise ProgramError("program", frame.error)
            return frame
        failure = "" if has_begun(text, nonce) else _failure(text)
        if failure:
            raise ProgramError("program", failure)
        if interrupts:
            self._transport.write(INTERRUPT)
        if has_begun(text, nonce):
            output = text.partition(f"{nonce}<")[2].strip()
            raise SilentError("program", f"it still runs after {limit_ms} ms", output)
        raise SilentError("program", "it never began")

    def close(self) -> None:
        """Leave the friendly prompt behind, as people expect it."""
        if self._is_ready and self.is_raw:
            self._transport.write(FRIENDLY)
        self._is_ready = False

    def _begin(self) -> None:
        """Interrupt what runs, see that somebody runs programs, and find the raw prompt."""
        if self._is_ready:
            return
        self._gate.permit(Operation.REPL)
        self._transport.write(FRIENDLY + INTERRUPT + INTERRUPT)
        self._until(lambda text: text.endswith(PROMPT), QUIET_MS)
        nonce = self._new_nonce()
        half = NONCE_DIGITS // 2
        self._transport.write(f"print('{nonce[:half]}'+'{nonce[half:]}')\r".encode("ascii"))
        heard = self._until(
            lambda text: text.endswith(PROMPT) and (nonce.encode() in text or _has_failed(text)),
            self._prompt_limit_ms,
        )
        if nonce.encode() not in heard:
            raise self._no_prompt(heard)
        self.is_raw = self._offers_raw()
        self._is_ready = True

    def _no_prompt(self, heard: bytes) -> ProgramError | SilentError:
        text = heard.decode("utf-8", "backslashreplace")
        failure = _failure(text)
        if failure:
            return ProgramError("prompt", failure)
        if b"print(" in heard:
            detail = "the port repeats what is sent and runs nothing"
        else:
            detail = f"only {text[:40]!r} came" if text.strip() else "nothing came at all"
        return SilentError("prompt", f"{self._transport.name}: {detail}")

    def _offers_raw(self) -> bool:
        self._transport.write(RAW)
        heard = self._until(
            lambda text: RAW_BANNER in text and text.rstrip().endswith(b">"), RAW_LIMIT_MS
        )
        if RAW_BANNER in heard:
            return True
        # Whatever the friendly prompt made of Ctrl-A is taken back.
        self._transport.write(INTERRUPT)
        self._until(lambda text: text.endswith(PROMPT), RAW_LIMIT_MS)
        return False

    def _send(self, source: str, nonce: str, limit_ms: int) -> str:
        deadline = Deadline(self._clock, limit_ms)
        if self.is_raw:
            data = source.encode("ascii") + RUN
            for start in range(0, len(data), PIECE_BYTES):
                self._transport.write(data[start : start + PIECE_BYTES])
                self._clock.sleep_ms(PIECE_GAP_MS)
            end = RAW_END
        else:
            self._type_lines(source, deadline)
            end = PROMPT
        heard = self._until(lambda text: text.endswith(end) and _is_over(text, nonce), deadline)
        return heard.decode("utf-8", "backslashreplace")

    def _type_lines(self, source: str, deadline: Deadline) -> None:
        """Build the program on the module, line by line, each after the prompt of the last."""
        lines = ["_t=''"]
        start = 0
        while start < len(source):
            size = PIECE_BYTES
            # An escaped character takes up to four; a piece is as long as its line allows.
            while len(ascii(source[start : start + size])) > PIECE_BYTES:
                size -= 8
            lines.append(f"_t+={source[start : start + size]!a}")
            start += size
        for line in lines:
            self._transport.write(line.encode("ascii") + b"\r")
            self._until(lambda text: text.endswith(PROMPT), deadline)
        self._transport.write(f"exec(_t if len(_t)=={len(source)} else 1/0)\r".encode("ascii"))

    def _until(self, is_enough: Callable[[bytes], bool], limit: int | Deadline) -> bytes:
        """Read until it is enough or the time has passed."""
        deadline = Deadline(self._clock, limit) if isinstance(limit, int) else limit
        heard = b""
        while deadline.left_ms:
            data = self._transport.read(deadline.left_ms)
            heard += data
            if len(heard) > OUTPUT_BYTES_MAX:
                self._is_ready = False
                raise BadAnswerError("program", f"more than {OUTPUT_BYTES_MAX} bytes")
            if is_enough(heard):
                break
        return heard


def _is_over(heard: bytes, nonce: str) -> bool:
    """The program ended, or failed before its frame began."""
    text = heard.decode("utf-8", "backslashreplace")
    is_closed = f"{nonce}=ok" in text or f"{nonce}=failed" in text
    return is_closed or (not has_begun(text, nonce) and bool(_failure(text)))


def _has_failed(heard: bytes) -> bool:
    return bool(_failure(heard.decode("utf-8", "backslashreplace")))


def _failure(text: str) -> str:
    """The line of the last traceback that says what happened; empty where there is none.

    What Ctrl-C ended does not count: its traceback may come late.
    """
    _, traceback, tail = text.rpartition(TRACEBACK)
    if not traceback or INTERRUPTED in tail:
        return ""
    told = [line.strip() for line in tail.splitlines()[1:] if line.strip(" >\x04")]
    found = [line for line in told if not line.startswith("File ")]
    return found[0] if found else TRACEBACK
