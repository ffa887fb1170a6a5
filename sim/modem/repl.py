"""The REPL port: MicroPython's friendly prompt, and its raw one.

Source: MicroPython documentation, "The MicroPython Interactive Interpreter Mode (aka REPL)".
"""

from __future__ import annotations

from codeop import compile_command
from collections.abc import Callable
from typing import Final

from sim.modem.options import ModemOptions
from sim.modem.python import Interpreter

CONTROL_A, CONTROL_B, CONTROL_C, CONTROL_D = 0x01, 0x02, 0x03, 0x04
RETURN, NEW_LINE = 0x0D, 0x0A
END = b"\x04"
BANNER: Final = '\r\nQuecPython on EC600N (simulated)\r\nType "help()" for more information.\r\n'
PROMPT: Final = ">>> "
CONTINUED: Final = "... "
RAW_BANNER: Final = "raw REPL; CTRL-B to exit\r\n>"
NOISE: Final = "\r\nlog: \x1b[31m\ufffd\ufffd>>> Traceback OK\r\n"


class ReplPeer:
    """What stands behind the REPL port.

    Args:
        options: how the module behaves.
        write: sends bytes to the host.
        pause: lets so many ms pass.
        interpreter: makes the interpreter, given where its output goes.
    """

    def __init__(
        self,
        options: ModemOptions,
        write: Callable[[bytes], None],
        pause: Callable[[int], None],
        interpreter: Callable[[Callable[[str], None]], Interpreter],
    ) -> None:
        self._options = options
        self._write = write
        self._pause = pause
        self._interpreter = interpreter(self._emit)
        self._is_raw = False
        self._is_running = options.running
        self._line = bytearray()
        self._block = ""
        self._was_return = False
        self.interrupts = 0

    def feed(self, data: bytes) -> None:
        """Take what the host sent."""
        if self._options.repl == "silent":
            return
        if self._options.repl == "echo-only":
            self._write(data)
            return
        for byte in data:
            if byte == CONTROL_C:
                self._interrupt()
            elif self._is_running:
                # The program reads nothing: what is typed is lost.
                self._emit("application running\n")
            elif self._is_raw:
                self._raw(byte)
            else:
                self._friendly(byte)

    def _emit(self, text: str) -> None:
        if self._options.repl == "garbage":
            text = f"{NOISE}{text}"
        self._write(text.replace("\r\n", "\n").replace("\n", "\r\n").encode("utf-8"))

    def _interrupt(self) -> None:
        self.interrupts += 1
        self._line.clear()
        self._block = ""
        if self._is_running:
            self._is_running = False
            self._emit("Traceback (most recent call last):\nKeyboardInterrupt: \n")
        self._write(b">" if self._is_raw else f"\r\n{PROMPT}".encode())

    def _raw(self, byte: int) -> None:
        if byte == CONTROL_B:
            self._is_raw = False
            self._line.clear()
            self._write((BANNER + PROMPT).encode())
        elif byte == CONTROL_A:
            self._line.clear()
            self._write(b"\r\n" + RAW_BANNER.encode())
        elif byte == CONTROL_D:
            source, self._line = bytes(self._line), bytearray()
            self._write(b"OK")
            self._pause(self._options.delay_ms)
            failure = self._run(source.decode("utf-8", "replace"))
            self._write(END)
            self._emit(failure)
            self._write(END + b">")
        else:
            self._line.append(byte)

    def _friendly(self, byte: int) -> None:
        is_second = byte == NEW_LINE and self._was_return
        self._was_return = byte == RETURN
        if is_second:
            return
        if byte in (RETURN, NEW_LINE):
            self._take_line()
        elif byte == CONTROL_A:
            if self._options.raw_repl:
                self._is_raw = True
                self._line.clear()
                self._write(b"\r\n" + RAW_BANNER.encode())
        elif byte == CONTROL_B:
            self._line.clear()
            self._write((BANNER + PROMPT).encode())
        elif byte >= 0x20 and len(self._line) < self._options.line_bytes:
            self._line.append(byte)
            if self._options.repl_echo:
                self._write(bytes((byte,)))

    def _take_line(self) -> None:
        line = bytes(self._line).decode("utf-8", "replace")
        self._line.clear()
        self._write(b"\r\n")
        source = f"{self._block}{line}"
        if self._wants_more(source):
            self._block = f"{source}\n"
            self._write(CONTINUED.encode())
            return
        self._block = ""
        if source.strip():
            self._pause(self._options.delay_ms)
            failure = self._run(source, shows_value=True)
            if failure:
                self._emit(failure)
        self._write(PROMPT.encode())

    @staticmethod
    def _wants_more(source: str) -> bool:
        try:
            return compile_command(source) is None
        except (SyntaxError, ValueError, OverflowError):
            return False

    def _run(self, source: str, *, shows_value: bool = False) -> str:
        return self._interpreter.run(source, shows_value=shows_value)
