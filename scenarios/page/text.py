"""Numbers as people read them, each with its unit."""

from __future__ import annotations

NARROW = "\N{NARROW NO-BREAK SPACE}"
DASH = "–"
DIGITS_MAX = 7
"""Of a percentage, after the point; more say nothing any more."""
ACRONYMS = frozenset(("adc", "dma", "ep0", "gpif", "i2c", "pll", "usb"))


def duration(time_ms: float | None, absent: str = DASH) -> str:
    """Return a duration in the unit that suits it, such as ``2.098 s``.

    Args:
        time_ms: in ms; None where there is none.
        absent: what is said then.
    """
    if time_ms is None:
        return absent
    size = abs(time_ms)
    if size < 1 and size:
        return f"{time_ms * 1000:.0f}{NARROW}µs"
    if size < 1_000:
        return f"{time_ms:.1f}".removesuffix(".0") + f"{NARROW}ms"
    if size < 120_000:
        return f"{time_ms / 1_000:.3f}{NARROW}s"
    if size < 7_200_000:
        return f"{time_ms / 60_000:.1f}{NARROW}min"
    return f"{count(round(time_ms / 3_600_000))}{NARROW}h"


def count(number: int) -> str:
    """Return a whole number with its thousands apart, such as ``1 911``."""
    return f"{number:,}".replace(",", NARROW)


def number(value: float) -> str:
    """Return a number with as many digits as it deserves."""
    if value == int(value) and abs(value) < 1e12:
        return count(int(value))
    return f"{value:.4g}"


def share(part: float) -> str:
    """Return a proportion in percent, without claiming a round 100 % that is none."""
    return shares(part)[0]


def shares(*parts: float) -> list[str]:
    """Return proportions in percent, with digits enough to tell those that differ apart."""
    for digits in range(1, DIGITS_MAX):
        texts = [f"{100 * part:.{digits}f}" for part in parts]
        is_honest = all(
            part >= 1 or float(text) < 100 for part, text in zip(parts, texts, strict=True)
        )
        if is_honest and len(set(texts)) == len(set(parts)):
            break
    return [_percent(part, text) for part, text in zip(parts, texts, strict=True)]


def _percent(part: float, text: str) -> str:
    if part < 1 and float(text) >= 100:
        return f"<{NARROW}100{NARROW}%"
    return text.rstrip("0").rstrip(".") + f"{NARROW}%"


def words(name: str) -> str:
    """Return an identifier as words: ``main_death`` as ``main death``, ``ep0_x`` as ``EP0 x``."""
    parts = name.split("_")
    return " ".join(part.upper() if part in ACRONYMS else part for part in parts)


def heading(name: str) -> str:
    """Return an identifier as words with a capital in front."""
    text = words(name)
    return text[:1].upper() + text[1:]


def setting(time_ms: float) -> str:
    """Return a duration that was chosen, not measured: ``1 s``, not ``1.000 s``."""
    text, _, unit = duration(time_ms).partition(NARROW)
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return f"{text}{NARROW}{unit}"


def plural(number_of: int, one: str, many: str = "") -> str:
    """Return a count with its noun, such as ``3 cells``."""
    return f"{count(number_of)} {one if number_of == 1 else many or one + 's'}"
