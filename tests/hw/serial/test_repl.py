"""The Python prompt: an answer that no echo, log or old text can be taken for.

Facts: MicroPython documentation (REPL, raw REPL).
"""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from hw.errors import DeniedError, DeviceError
from hw.guard import Acknowledgement, Authority, HostState, Operation, Target
from hw.guard.gate import Gate
from hw.serial.errors import BadAnswerError, ModuleGoneError, ProgramError, SilentError
from hw.serial.frame import framed, read_frame
from hw.serial.repl import PIECE_BYTES, Repl
from tests.hw.serial.bench import ENOUGH_MS, PATIENT_MS, Echo, Script, free_gate, modem, nonces

NONCE = "00112233aabbccdd"
PROMPTS = pytest.mark.parametrize("raw_repl", [True, False])


# ---------------------------------------------------------------- programs


@PROMPTS
@pytest.mark.parametrize("repl_echo", [True, False])
@pytest.mark.parametrize("repl", ["normal", "garbage"])
def test_a_program_runs_at_either_prompt(raw_repl, repl_echo, repl):
    """Raw where it is offered, else friendly; echo or none, noise or none: the same result."""
    with modem(raw_repl=raw_repl, repl_echo=repl_echo, repl=repl) as bench:
        driver = bench.repl()
        frame = driver.run("print('one')\n_r({'two': [2, None, 'ü\\n']})")
        assert driver.is_raw is raw_repl
    assert frame.results == ({"two": [2, None, "ü\n"]},)
    assert "one" in frame.output
    assert frame.error == ""


@PROMPTS
def test_a_long_program_arrives_whole(raw_repl):
    """In pieces that the smallest input buffer takes, with its length checked on the module."""
    program = f"_r(sum(len(x) for x in {['é' * 100] * 30!r}))"
    with modem(raw_repl=raw_repl) as bench:
        assert bench.repl().run(program).results == (3_000,)


def test_no_line_is_longer_than_the_module_takes():
    """The friendly prompt of the peer drops what is over its limit, so nothing may be."""
    with modem(raw_repl=False, line_bytes=PIECE_BYTES + 16) as bench:
        text = "\\x00'\"\n" * 200
        assert bench.repl().run(f"_r(len({text!r}))").results == (len(text),)


def test_a_program_that_lost_a_piece_is_not_run():
    """A shorter program could be a valid one that does something else."""
    with modem() as bench:
        driver = bench.repl()
        driver.run("pass")
        source = framed("_r(1)#" + "x" * 50, NONCE).replace("x" * 50, "x" * 49)
        text = driver._send(source, NONCE, 2_000)
    assert "lost a piece" in read_frame(text, NONCE).error


@PROMPTS
@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("1/0", "ZeroDivisionError"),
        ("import nothing_here", "ImportError"),
        ("raise ValueError('a\\nb')", "ValueError: a b"),
        ("this is no Python", "SyntaxError"),
        ("raise SystemExit", "SystemExit"),
    ],
)
def test_weakness_02_a_traceback_is_a_failure(raw_repl, program, said):
    """A program that raises fails, and says how."""
    with modem(raw_repl=raw_repl) as bench, pytest.raises(ProgramError, match=said):
        bench.repl().run(program)


def test_weakness_02_a_module_on_which_everything_fails():
    """The traceback of the prompt itself is a failure too, at once and not after a time-out."""
    with modem(repl="traceback") as bench, pytest.raises(ProgramError, match="simulated"):
        bench.repl().run("pass")


# ---------------------------------------------------------------- echoes


def test_weakness_01_an_echo_is_no_success():
    """A port that repeats all it is sent passes nothing."""
    script = Echo()
    with pytest.raises(SilentError, match="repeats what is sent and runs nothing"):
        Repl(script, free_gate(), script.clock, nonces()).run("print('ok')")
    with modem(repl="echo-only") as bench, pytest.raises(SilentError, match="runs nothing"):
        bench.repl(ENOUGH_MS).run("print('ok')")


def test_weakness_01_the_nonce_is_never_sent_whole():
    """It is put together on the module: no echo of a program holds it, at either prompt."""
    for raw_repl in (True, False):
        with modem(raw_repl=raw_repl) as bench:
            bench.repl().run("print('hello')")
            sent = bytes(bench.module.repl.received)
        numbers = [f"{number:016x}".encode() for number in (0xA000, 0xA001)]
        assert all(number not in sent for number in numbers)
        assert all(number[:8] in sent and number[8:] in sent for number in numbers)


@given(st.text(max_size=80))
def test_weakness_01_no_program_can_close_its_own_frame(program):
    """Whatever stands in a program, its own text is no answer to it."""
    source = framed(program, NONCE)
    assert read_frame(source, NONCE) is None
    assert read_frame(source.replace("\n", "\r\n"), NONCE) is None


def test_each_program_has_its_own_nonce():
    """An old answer cannot be taken for a new one."""
    with modem() as bench:
        driver = bench.repl()
        outputs = [driver.run("print(_n)").output for _ in range(3)]
    assert len(set(outputs)) == 3


# ---------------------------------------------------------------- silence and time


def test_silence_is_no_success():
    """Nothing came at all."""
    script = Script()
    with pytest.raises(SilentError, match="nothing came at all"):
        Repl(script, free_gate(), script.clock, nonces()).run("pass")


def test_a_program_that_does_not_end_is_ended():
    """Ctrl-C after the limit, and the prompt can be used again."""
    with modem() as bench:
        driver = bench.repl()
        with pytest.raises(SilentError, match="still runs after 4000 ms") as raised:
            driver.run("print('begun')\nwhile True: pass", PATIENT_MS)
        assert "begun" in raised.value.output
        assert driver.run("_r(7)").results == (7,)


def test_the_traceback_of_what_was_interrupted_may_come_late():
    """It is no failure of ours, even when it comes after the first question was sent."""
    late = b"Traceback (most recent call last):\r\nKeyboardInterrupt: \r\n>>> "
    told = b"print('00000000'+'0000a000')\r\n000000000000a000\r\n>>> "
    script = Script([], [(5, late), (20, told)])
    with pytest.raises(SilentError, match="it never began"):
        Repl(script, free_gate(), script.clock, nonces()).run("pass")


def test_a_slow_module_is_waited_for():
    """Answers late and in pieces."""
    with modem(delay_ms=20, piece_bytes=7) as bench:
        assert bench.repl().run("_r('slow')").results == ("slow",)


def test_a_module_that_leaves_is_a_typed_error():
    """The cable is pulled."""
    with modem() as bench:
        driver = bench.repl()
        driver.run("pass")
        bench.module.unplug()
        with pytest.raises(ModuleGoneError):
            driver.run("pass")


# ---------------------------------------------------------------- the guard


def test_weakness_07_a_program_interrupts_what_runs_there():
    """Ctrl-C ends the application for good: that is why the guard calls it interrupting."""
    assert Operation.REPL.operation_class.value == "interrupting"
    with modem(running=True) as bench:
        assert bench.repl().run("_r(1)").results == (1,)
        assert bench.module.interrupts > 0


def test_weakness_07_the_guard_is_asked_before_anything_is_sent():
    """In safe mode a prompt needs the operator's word; without it not one byte is sent."""
    target = Target("serial", "/dev/x")
    script = Script()
    gate = Gate(target, Authority(host_state=HostState.NORMAL))
    with pytest.raises(DeniedError):
        Repl(script, gate, script.clock, nonces()).run("pass")
    assert script.sent == []
    word = frozenset((Acknowledgement(Operation.REPL, target),))
    gate = Gate(target, Authority(acknowledgements=word, host_state=HostState.NORMAL))
    with pytest.raises(SilentError):
        Repl(script, gate, script.clock, nonces()).run("pass")
    assert script.sent


# ---------------------------------------------------------------- any bytes


def test_output_without_end_is_bounded():
    """A program that prints for ever does not fill the memory."""
    with modem() as bench, pytest.raises(BadAnswerError, match="more than"):
        bench.repl().run("while True: print('x' * 4000)")


@pytest.mark.parametrize(
    "text",
    [
        f"{NONCE}=ok\n",
        f"{NONCE}<\n{NONCE}:{{\n{NONCE}=ok\n",
        f"{NONCE}<\n{NONCE}!E: x\n{NONCE}=ok\n",
        f"{NONCE}<\n{NONCE}=failed\n",
        f"{NONCE}<\n{NONCE}:{'[' * 100_000}\n{NONCE}=ok\n",
    ],
)
def test_a_damaged_frame_is_a_typed_error(text):
    """Ended and never begun, a result that is none, success and failure at once."""
    with pytest.raises(BadAnswerError):
        read_frame(text, NONCE)


PARTS = [NONCE, "<", "=ok", "=failed", "!E: x", ":", "[1", "]", "\r\n", "\n", "\x04", ">>> ", "é"]


@given(st.lists(st.sampled_from(PARTS) | st.text(max_size=5), max_size=30).map("".join))
def test_any_text_gives_a_frame_or_the_typed_error(text):
    """Whatever a module sends, nothing else leaves the parser."""
    try:
        frame = read_frame(text, NONCE)
    except DeviceError:
        return
    assert frame is None or bool(frame.error) is (f"{NONCE}=failed" in text.partition("=ok")[0])


BYTES = [part.encode() for part in PARTS] + [b"00000000000", b"0a000", b"0a001", b"OK", b"raw REPL"]
ANSWERS = st.tuples(
    st.integers(0, 400),
    st.lists(st.sampled_from(BYTES) | st.binary(max_size=6), max_size=12).map(b"".join),
)


@given(st.lists(st.lists(ANSWERS, max_size=4), max_size=8))
def test_any_bytes_on_the_port_give_a_frame_or_the_typed_error(answers):
    """At either prompt, whenever they come; what the program was to hand over came, or nothing."""
    script = Script(*answers)
    try:
        frame = Repl(script, free_gate(), script.clock, nonces()).run("_r(1)")
    except DeviceError:
        return
    assert frame.error == ""
