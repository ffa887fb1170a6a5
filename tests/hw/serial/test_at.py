"""AT: an answer has ended with a whole final result line, and only OK is success.

Facts: ITU-T V.250 5.3 to 5.7; 3GPP TS 27.007 9.2; TS 27.005 3.2.5.
"""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from hw.errors import DeniedError, DeviceError
from hw.guard import Authority, HostState, Target
from hw.guard.gate import Gate
from hw.serial.at import LINE_BYTES_MAX, QUERIES, Answer, AtPort, is_final
from hw.serial.errors import BadAnswerError, ChoiceError, ModuleGoneError, SilentError
from tests.hw.serial.bench import ENOUGH_MS, Script, free_gate, modem


def answer(command, *pieces):
    """What is made of an answer that comes in these pieces."""
    parser = Answer(command)
    for piece in pieces:
        parser.feed(piece)
    return parser.reply()


def asked(command, *answers, limit_ms=1_000):
    """What a port makes of scripted answers."""
    script = Script(*answers)
    port = AtPort(script, free_gate(), script.clock)
    return port.ask(command, limit_ms), script


# ---------------------------------------------------------------- final results


@pytest.mark.parametrize(
    ("final", "is_ok", "failure"),
    [
        ("OK", True, ""),
        ("ERROR", False, ""),
        ("NO CARRIER", False, ""),
        ("BUSY", False, ""),
        ("+CME ERROR: 10", False, "10"),
        ("+CME ERROR: SIM not inserted", False, "SIM not inserted"),
        ("+CMS ERROR: 500", False, "500"),
    ],
)
def test_each_final_result(final, is_ok, failure):
    """Every final result ends an answer; OK alone is success."""
    reply = answer("AT", f"\r\n{final}\r\n".encode())
    assert (reply.final, reply.is_ok, reply.failure) == (final, is_ok, failure)


@pytest.mark.parametrize("line", ["BROKEN", "OK.", "NOT OK", "ok", "OKAY", "ERRORS", "+CME ERROR"])
def test_weakness_02_letters_of_a_result_are_no_result(line):
    """BROKEN holds the letters of OK, and does not pass; nor does anything but a whole line."""
    assert not is_final(line)
    reply = answer("ATI", f"\r\n{line}\r\n".encode())
    assert reply.status == "no-answer"


def test_weakness_02_each_command_needs_its_own_result():
    """One OK for the first of three commands says nothing of the others."""
    with modem(at="normal") as bench:
        port = bench.at()
        results = [port.ask(command, ENOUGH_MS).is_ok for command in ("AT", "ATI", "AT+CIMI")]
    assert results == [True, True, True]
    with modem(sim="pin") as bench:
        port = bench.at()
        results = [port.ask(command, ENOUGH_MS).is_ok for command in ("AT", "ATI", "AT+CIMI")]
    assert results == [True, True, False]


def test_a_result_split_anywhere_is_found():
    """Bytes come as they like."""
    whole = b"AT+CPIN?\r\r\n\r\n+CPIN: READY\r\n\r\nOK\r\n"
    wanted = answer("AT+CPIN?", whole)
    assert (wanted.lines, wanted.final, wanted.was_echoed) == (("+CPIN: READY",), "OK", True)
    for cut in range(len(whole)):
        assert answer("AT+CPIN?", whole[:cut], whole[cut:]) == wanted


def test_a_result_without_its_line_end_is_none_yet():
    """``+CME ERROR: 1`` may still become 10."""
    assert answer("AT", b"\r\n+CME ERROR: 1").final == ""
    assert answer("AT", b"\r\n+CME ERROR: 1", b"0\r\n").failure == "10"


# ---------------------------------------------------------------- what belongs to an answer


@pytest.mark.parametrize(
    ("command", "line"),
    [
        ("AT+CPIN?", "+QIND: SMS DONE"),
        ("AT+CEREG?", "+CEREG: 1"),
        ("AT+CEREG?", '+CEREG: 1,"1A2B","01C3D4E5",7'),
        ("AT+CREG?", "+CREG: 5"),
        ("ATI", "RING"),
        ("ATI", '+CMTI: "SM",3'),
        ("AT+CIMI", "^MODE: 17"),
        ("ATI", "\x1b[2J"),
    ],
)
def test_unsolicited_lines_stand_apart(command, line):
    """What nobody asked for is kept, and is no part of the answer."""
    reply = answer(command, f"\r\n{line}\r\n\r\nOK\r\n".encode())
    assert reply.lines == ()
    assert len(reply.unsolicited) == 1
    assert reply.is_ok


def test_the_answer_to_a_registration_query_has_two_numbers():
    """``+CEREG: 0,1`` is the answer, ``+CEREG: 1`` is told unasked (TS 27.007 10.1.22)."""
    reply = answer("AT+CEREG?", b"\r\n+CEREG: 2\r\n\r\n+CEREG: 0,1\r\n\r\nOK\r\n")
    assert (reply.lines, reply.unsolicited) == (("+CEREG: 0,1",), ("+CEREG: 2",))


def test_what_came_before_the_echo_was_not_said_to_this_command():
    """A late line of the last answer does not slip into the next."""
    reply = answer("ATI", b"\r\nlate\r\nATI\r\r\nQuectel\r\n\r\nOK\r\n")
    assert (reply.lines, reply.unsolicited) == (("Quectel",), ("late",))


@pytest.mark.parametrize(
    ("manner", "detail"),
    [
        ({"at": "silent"}, "nothing came at all"),
        ({"at": "echo-only"}, "repeats what is sent and answers nothing"),
        ({"at": "broken", "echo": False}, "only 'BROKEN' came"),
    ],
)
def test_a_port_that_answers_nothing(manner, detail):
    """Silence, an echo and a broken result are told apart, and none passes."""
    with modem(**manner) as bench, pytest.raises(SilentError, match=detail):
        bench.at().wake(ENOUGH_MS)


@pytest.mark.parametrize("echo", [True, False])
@pytest.mark.parametrize("unsolicited", [True, False])
@pytest.mark.parametrize("at", ["normal", "garbage"])
@pytest.mark.parametrize("piece_bytes", [0, 3])
def test_a_module_is_understood_in_every_manner(echo, unsolicited, at, piece_bytes):
    """Echo or none, noise or none, whole or in pieces: the same answer."""
    with modem(echo=echo, unsolicited=unsolicited, at=at, piece_bytes=piece_bytes) as bench:
        port = bench.at()
        assert port.wake().is_ok
        reply = port.ask("AT+CEREG?")
    assert (reply.lines, reply.final) == (("+CEREG: 0,1",), "OK")


# ---------------------------------------------------------------- time


@pytest.mark.parametrize(("after_ms", "status"), [(999, "ok"), (1_000, "ok"), (1_001, "no-answer")])
def test_the_deadline_to_the_millisecond(after_ms, status):
    """An answer counts up to the limit, and not one millisecond later."""
    reply, script = asked("AT", [(after_ms, b"\r\nOK\r\n")])
    assert reply.status == status
    assert reply.duration_ms == min(after_ms, 1_000)
    assert script.clock.now_ms == min(after_ms, 1_000)


def test_weakness_19_a_slow_reply_is_waited_for_and_no_more():
    """No fixed sleeps: a reply in pieces over a second is whole; a quick one costs its own time."""
    slow = [(150 * place, bytes((byte,))) for place, byte in enumerate(b"\r\nOK\r\n")]
    reply, script = asked("AT", slow)
    assert reply.is_ok
    assert script.clock.now_ms == 600
    reply, script = asked("AT", [(3, b"\r\nOK\r\n")])
    assert script.clock.now_ms == 3


def test_a_late_answer_is_not_taken_for_the_next():
    """After a missing answer the port is listened to until it is quiet."""
    script = Script([(150, b"\r\nERROR\r\n")], [(5, b"\r\nOK\r\n")])
    port = AtPort(script, free_gate(), script.clock)
    assert port.ask("AT+CIMI", 100).status == "no-answer"
    assert port.ask("AT", 100).final == "OK"


def test_a_module_that_wakes_up_may_miss_the_first_command():
    """AT is tried three times, and no more."""
    script = Script([], [], [(1, b"\r\nOK\r\n")])
    assert AtPort(script, free_gate(), script.clock).wake(100).is_ok
    script = Script([], [], [], [(1, b"\r\nOK\r\n")])
    with pytest.raises(SilentError):
        AtPort(script, free_gate(), script.clock).wake(100)


# ---------------------------------------------------------------- what is sent


@pytest.mark.parametrize(
    "command", ["AT+CFUN=1,1", "AT+QIACT=1", "ATD112;", "AT\rAT+CFUN=0", "AT+CGPADDR=17", "at", ""]
)
def test_only_queries_are_sent(command):
    """Read-only is kept by a list, not by trust."""
    script = Script()
    with pytest.raises(ChoiceError, match="only queries are sent"):
        AtPort(script, free_gate(), script.clock).ask(command)
    assert script.sent == []


def test_the_guard_is_asked_before_anything_is_sent(monkeypatch):
    """A denial leaves the port untouched; a read-only query passes on a frozen host."""
    target = Target("serial", "/dev/x")
    script = Script([(0, b"\r\nOK\r\n")])
    gate = Gate(target, Authority(host_state=HostState.FROZEN))
    assert AtPort(script, gate, script.clock).ask("AT").is_ok

    def denied(operation):
        raise DeniedError(operation.label, "no")

    monkeypatch.setattr(gate, "permit", denied)
    script.sent.clear()
    with pytest.raises(DeniedError):
        AtPort(script, gate, script.clock).ask("AT")
    assert script.sent == []


def test_a_module_that_leaves_is_a_typed_error():
    """The cable is pulled between two commands."""
    with modem() as bench:
        port = bench.at()
        assert port.wake().is_ok
        bench.module.unplug()
        with pytest.raises(ModuleGoneError):
            port.ask("ATI")


# ---------------------------------------------------------------- any bytes


def test_a_line_without_end_is_bounded():
    """Nothing that a port sends can fill the memory."""
    parser = Answer("AT")
    parser.feed(b"x" * LINE_BYTES_MAX)
    with pytest.raises(BadAnswerError, match="a line of more than"):
        parser.feed(b"x")


def test_lines_without_end_are_bounded():
    """The same for lines."""
    with pytest.raises(BadAnswerError, match="more than 512 lines"):
        answer("ATI", b"x\n" * 513)


@given(
    command=st.sampled_from(sorted(QUERIES)), pieces=st.lists(st.binary(max_size=200), max_size=8)
)
def test_any_bytes_give_a_reply_or_the_typed_error(command, pieces):
    """Whatever comes, nothing but a reply or a DeviceError leaves the parser."""
    try:
        reply = answer(command, *pieces)
    except DeviceError:
        return
    assert reply.is_ok is (reply.final == "OK")
    assert reply.final == "" or is_final(reply.final)


@given(
    st.lists(
        st.sampled_from(["OK", "ERROR", "+CPIN: READY", "AT+CPIN?", "\xff", "", "+CME ERROR: 1"])
    )
)
def test_only_a_whole_ok_line_is_success(lines):
    """Of lines in any order the first final result decides."""
    text = "\r\n".join([*lines, ""]).encode("latin-1")
    finals = [line for line in lines if is_final(line)]
    assert answer("AT+CPIN?", text).final == (finals[0] if finals else "")
