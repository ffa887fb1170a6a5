"""What a program says on a module, framed so that nothing else can be taken for it.

Each program is sent with two halves of a nonce, which the module joins: what stands around its
output was never sent in one piece, so that no echo, no log and no old text can pass for success.
Source of the module's side: MicroPython documentation (``exec``, ``ujson``).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Final

from hw.serial.errors import BadAnswerError

OUTPUT_BYTES_MAX: Final = 1 << 20
NONCE_DIGITS: Final = 16
_HALF: Final = NONCE_DIGITS // 2


@dataclass(frozen=True)
class Frame:
    """What a program said.

    Attributes:
        output: what it printed, results left out.
        results: what it handed over with ``_r``, in order.
        error: how it failed, such as ``OSError: [Errno 2] ENOENT``; empty when it ended well.
    """

    output: str
    results: tuple[Any, ...]
    error: str


def framed(program: str, nonce: str) -> str:
    """Return a program with its frame.

    The module checks the length of what it got, so that a program which lost a piece on its way is
    not run.

    Args:
        program: to run; it may hand over what JSON can hold with ``_r(value)``.
        nonce: 16 hexadecimal digits, never used before.
    """
    literal = ascii(program)
    return (
        f"_n='{nonce[:_HALF]}'+'{nonce[_HALF:]}'\n"
        "def _r(x):\n"
        " import ujson\n"
        " print('\\n'+_n+':'+ujson.dumps(x))\n"
        "print(_n+'<')\n"
        "try:\n"
        f" _p={literal}\n"
        f" if len(_p)!={len(program)}:\n"
        "  raise ValueError('the program lost a piece on its way')\n"
        " exec(_p)\n"
        " print('\\n'+_n+'=ok')\n"
        "except BaseException as _e:\n"
        " print('\\n'+_n+'!'+type(_e).__name__+': '+' '.join(str(_e).split()))\n"
        " print(_n+'=failed')\n"
    )


def has_begun(text: str, nonce: str) -> bool:
    """Whether a program's frame was opened."""
    return f"{nonce}<" in text


def read_frame(text: str, nonce: str) -> Frame | None:
    """Return what a program said, or None as long as its frame is not closed.

    Args:
        text: all that the module sent.
        nonce: of the program.

    Raises:
        BadAnswerError: the frame is damaged: a line in it is not whole.
    """
    closed = re.search(rf"{nonce}=(ok|failed)\r?\n", text)
    if closed is None:
        return None
    before, opened, inside = text[: closed.start()].partition(f"{nonce}<")
    del before
    if not opened:
        raise BadAnswerError("program", "its output ended and never began")
    inside = inside.replace("\r\n", "\n")
    results = [_value(item) for item in re.findall(rf"{nonce}:(.*)", inside)]
    error = re.search(rf"{nonce}!(.*)", inside)
    has_failed = closed[1] == "failed"
    if has_failed is not (error is not None):
        raise BadAnswerError("program", "it ended well and failed at once")
    output = re.sub(rf"\n?{nonce}[:!].*\n?", "", inside).strip("\n")
    return Frame(output, tuple(results), error[1].strip() if error else "")


def _value(text: str) -> Any:  # noqa: ANN401 - whatever JSON can hold
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadAnswerError("program", f"a result is damaged: {text[:40]!r}") from error
