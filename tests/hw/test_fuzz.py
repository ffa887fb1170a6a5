"""Whatever a device, a file or a recorder delivers: an answer, or the one typed error.

Facts: USBHandler.c (GETSTATS, 20, 22 or 26 bytes), AN76405 (images), DebugConsole.c (texts).
"""

from contextlib import suppress

from hypothesis import example, given, settings, strategies as st

from health import Policy
from hw.boot import Image
from hw.console_log import ConsoleLogError, Said, parse
from hw.console_replay import judge
from hw.errors import ImageError
from hw.protocol import DeviceInfo, Stats

POLICY = Policy.preset("reference")
PIECES = (
    *("WDG: stall ", "/", " SM=", " DMA=", "WDG: === RECOVERY START ===", " recov=", "GO s="),
    *(" r=", "STP s=", "Event received = ", "RESET", "SET_CONFIGURATION", "PIB error 0x", "HANG"),
    *("FX3: sleeping ", " ms", "MAIN: spinning forever", "HEALTH: status=", ", recovering"),
    *(" failed, ", " = CY_U3P_ERROR_", "X", "SETARGFX3\t", "WDG_MAX_RECOV\t", "0xB4\t0x0\t0x0"),
    *("[", "]", ".", " ", "\r\n", "\n", "\t", "0", "1", "3", "9", "255", "4294967296", "-", "(->"),
    *("[1.0] ", "[2.5] ", "[2026-05-13 04:58:01] ", "[2026-99-99 99:99:99] ", "\N{EM DASH}"),
)
WHOLE = (
    *("WDG: stall {}/{} SM={} DMA={}\n", "WDG: DMA resumed ({}->{}), stall cleared\n"),
    "WDG: === RECOVERY START === SM={} DMA={} recov={}/{}\n",
    "WDG: === RECOVERY DONE === rst={} flush={} xfer={} sm={}\n",
    *("GO s={} r={}\n", "STP s={}\n", "PIB error 0x{}\n", "EP Underrun on {}\n"),
    *("HANGFX3: sleeping {} ms\n", "HEALTH: status={}, recovering\n", "0xCE\t0x{}\t0x0\n"),
    *("SETARGFX3\tWDG_MAX_RECOV\t{}\n", "WDG: stall cleared SM={} (was {}/{})\n"),
    *("Event received = SET_CONFIGURATION\n", "Event received = RESET\n", "HOST RESETTING CPU\n"),
)
numbers = st.integers(0, 9_999_999_999)


@given(st.binary(max_size=64))
def test_getstats_of_any_length(reply):
    """Three forms and longer ones are read; all else is a ValueError."""
    with suppress(ValueError):
        stats = Stats.unpack(reply)
        assert len(reply) in (20, 22) or len(reply) >= 26
        assert stats.pack()[: len(reply)][:20] == reply[:20]


@given(st.binary(max_size=8))
def test_testfx3_of_any_length(reply):
    """Four bytes and no other number."""
    with suppress(ValueError):
        assert DeviceInfo.unpack(reply).pack() == reply


@given(st.binary(max_size=200))
@example(b"CY\x1c\xb0")
def test_an_image_of_any_bytes(content):
    """An image, which is built again as it was, or an ImageError."""
    with suppress(ImageError):
        image = Image.parse(content)
        image.require_runnable()


@given(st.lists(st.sampled_from((0, 1, 4, 0x4000_0000, 0xFFFF_FFFF, 0xB01C_5943)), max_size=12))
def test_an_image_of_plausible_words(words):
    """Lengths and addresses from the edges, behind a right header."""
    content = b"CY\x1c\xb0" + b"".join(word.to_bytes(4, "little") for word in words)
    with suppress(ImageError):
        Image.parse(content).require_runnable()


@given(st.binary(max_size=300))
def test_a_console_log_of_any_bytes(content):
    """Entries, or the typed error."""
    with suppress(ConsoleLogError):
        assert parse(content)


@settings(max_examples=300)
@given(st.lists(st.sampled_from(PIECES), max_size=40))
def test_a_console_log_of_its_own_pieces(pieces):
    """Texts torn and put together wrongly, and judged all the same."""
    with suppress(ConsoleLogError):
        judge(parse("".join(pieces).encode()), POLICY)


@settings(max_examples=300)
@given(
    st.lists(st.tuples(st.sampled_from(WHOLE), st.lists(numbers, min_size=4, max_size=4))),
    st.lists(st.integers(0, 10**6), max_size=10),
)
def test_whole_texts_with_any_numbers_and_times(texts, gaps):
    """Every one of them is known, and the module takes what it is told."""
    at_ms, lines = 0, []
    for index, (text, values) in enumerate(texts):
        at_ms += gaps[index % len(gaps)] if gaps else 0
        lines.append(f"[{at_ms / 1000:.3f}] {text.format(*values)}")
    with suppress(ConsoleLogError):
        found = judge(parse("".join(lines).encode()), POLICY)
        times = [moment.at_ms for moment in found.moments]
        assert times == sorted(times)


def test_the_pieces_make_texts():
    """The test itself: what it puts together is text that the parser knows."""
    for text in WHOLE:
        (entry, *_) = parse(text.format(1, 2, 3, 4).encode())
        assert isinstance(entry.said, Said)
