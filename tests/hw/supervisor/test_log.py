"""One line an event."""

import json

import pytest

from hw.supervisor import Log


def lines(**named):
    written = []
    return written, Log(written.append, lambda: "12.500", **named)


def test_a_line_names_its_time_and_event_first():
    written, log = lines()
    log("remedy", level=4, code="EP0_WEDGED", is_done=True, reason=None)
    assert written == ["time=12.500 event=remedy level=4 code=EP0_WEDGED is_done=yes reason=-"]


@pytest.mark.parametrize("text", ["two words", 'a "quote"', "a=b", "", "two\nlines", "tab\t"])
def test_no_value_breaks_the_line(text):
    """It is quoted as JSON quotes it, so a reader has one rule."""
    written, log = lines()
    log("remedy", reason=text)
    (line,) = written
    assert "\n" not in line
    assert json.loads(line.removeprefix("time=12.500 event=remedy reason=")) == text


def test_each_line_may_be_json():
    written, log = lines(is_json=True)
    log("remedy", level=4, reason="two words")
    assert json.loads(written[0]) == {
        "time": "12.500",
        "event": "remedy",
        "level": 4,
        "reason": "two words",
    }


def test_news_are_told_once():
    """Until something else is said, or what they told of is over."""
    written, log = lines()
    assert [log.news("absent", at=at) for at in (1, 1, 2, 2)] == [True, False, True, False]
    log.forget("absent", "never-said")
    assert log.news("absent", at=2)
    assert len(written) == 3
