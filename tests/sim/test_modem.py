"""The simulated module: what any serial program sees of it.

Facts: ITU-T V.250; 3GPP TS 27.007; MicroPython documentation (REPL, raw REPL, os).
"""

from __future__ import annotations

import os

import pytest
import serial

from sim.modem import ModemOptions, SimulatedModem
from sim.modem.options import CHOICES, RANGES, rows


def talk(path, *sent, until=b"", limit_s=2.0):
    """Send to a port, and return what came until it ends so."""
    with serial.Serial(path, 115_200, timeout=limit_s) as port:
        for data in sent:
            port.write(data)
        return port.read_until(until) if until else port.read(4_096)


def at(command, **options):
    with SimulatedModem(ModemOptions(**options)) as module:
        return talk(module.at.path, command, until=b"OK\r\n")


def test_an_answer_has_echo_lines_and_result():
    """As V.250 writes them: the echo with its return, each line between two line ends."""
    assert at(b"AT+CGMR\r") == b"AT+CGMR\r\r\n\r\nEC600NCNLER06A01M08\r\n\r\nOK\r\n"
    assert at(b"AT+CGMR\r", echo=False) == b"\r\nEC600NCNLER06A01M08\r\n\r\nOK\r\n"


def test_the_echo_can_be_switched():
    """ATE0 is the last command that is repeated."""
    with SimulatedModem() as module:
        assert talk(module.at.path, b"ATE0\r", until=b"OK\r\n") == b"ATE0\r\r\n\r\nOK\r\n"
        assert talk(module.at.path, b"AT\r", until=b"OK\r\n") == b"\r\nOK\r\n"


@pytest.mark.parametrize(
    ("options", "ending"),
    [
        ({"sim": "absent"}, b"+CME ERROR: 10\r\n"),
        ({"sim": "absent", "cme": "text"}, b"+CME ERROR: SIM not inserted\r\n"),
        ({"sim": "absent", "cme": "off"}, b"\r\nERROR\r\n"),
        ({"sim": "pin"}, b"+CPIN: SIM PIN\r\n\r\nOK\r\n"),
        ({"sim": "not-inserted"}, b"+CPIN: NOT INSERTED\r\n\r\nOK\r\n"),
        ({"at": "no-carrier"}, b"NO CARRIER\r\n"),
        ({"at": "broken"}, b"BROKEN\r\n"),
    ],
)
def test_each_manner_of_answering(options, ending):
    """What AT+CPIN? ends with."""
    with SimulatedModem(ModemOptions(**options)) as module:
        assert talk(module.at.path, b"AT+CPIN?\r", until=ending).endswith(ending)


def test_the_friendly_prompt():
    """Values are shown, blocks wait for an empty line, errors come as a traceback."""
    with SimulatedModem() as module:
        heard = talk(module.repl.path, b"6*7\r", until=b">>> ")
        assert heard == b"6*7\r\n42\r\n>>> "
        heard = talk(module.repl.path, b"for i in range(2): print(i)\r", b"\r", until=b"\r\n>>> ")
        assert heard.endswith(b"... \r\n0\r\n1\r\n>>> ")
        heard = talk(module.repl.path, b"1/0\r", until=b">>> ")
        assert b"Traceback (most recent call last)" in heard


def test_the_raw_prompt():
    """No echo; OK, output, 04, error, 04, and the next program."""
    with SimulatedModem() as module, serial.Serial(module.repl.path, timeout=2) as port:
        port.write(b"\x01")
        assert port.read_until(b"\r\n>") == b"\r\nraw REPL; CTRL-B to exit\r\n>"
        port.write(b"print('hi')\x04")
        assert port.read_until(b"\x04>") == b"OKhi\r\n\x04\x04>"
        port.write(b"nothing\x04")
        assert b"NameError" in port.read_until(b"\x04>")
        port.write(b"\x02")
        assert port.read_until(b">>> ").endswith(b">>> ")


def test_a_program_is_ended_by_control_c():
    """Even one that stands in a single line, and never asks."""
    with SimulatedModem() as module, serial.Serial(module.repl.path, timeout=5) as port:
        port.write(b"while True: pass\r\r")
        port.read_until(b"... \r\n")
        port.write(b"\x03")
        assert b"KeyboardInterrupt" in port.read_until(b">>> ")


def test_a_program_sees_the_module_and_not_this_host():
    """Its files and its modules, by name."""
    with SimulatedModem() as module:
        for line in (b"open('/etc/passwd')\r", b"import subprocess\r", b"import shutil\r"):
            assert b"Traceback" in talk(module.repl.path, line, until=b"\r\n>>> ")
        heard = talk(module.repl.path, b"__import__('uos').listdir('/usr')\r", until=b"]\r\n>>> ")
        assert b"['_main.py', 'config.json', 'lib']" in heard


def test_the_application_reads_nothing_until_it_is_interrupted():
    """What is typed is lost; Ctrl-C ends it for good."""
    with SimulatedModem(ModemOptions(running=True)) as module:
        assert b"application running" in talk(module.repl.path, b"1", until=b"running\r\n")
        assert b"KeyboardInterrupt" in talk(module.repl.path, b"\x03", until=b">>> ")
        assert talk(module.repl.path, b"1+1\r", until=b">>> ") == b"1+1\r\n2\r\n>>> "


def test_unplugging_hangs_up_both_ports():
    """Whoever has one open is told by the system."""
    with SimulatedModem() as module:
        with (
            serial.Serial(module.at.path, timeout=2) as first,
            serial.Serial(module.repl.path, timeout=2) as second,
        ):
            module.unplug()
            for port in (first, second):
                with pytest.raises(serial.SerialException):
                    port.read(1)
        assert module.ports() == []
        assert not any(os.path.exists(wire.path) for wire in (module.at, module.repl))


def test_a_file_can_be_opened_in_each_mode():
    """Reading, writing, appending, as text and as bytes."""
    program = (
        b"f=open('/usr/a','w'); f.write('one'); f.close();"
        b"f=open('/usr/a','ab'); f.write(b'two'); f.close();"
        b"print(open('/usr/a').read(), open('/usr/a','rb').read(3))\r"
    )
    with SimulatedModem(ModemOptions(line_bytes=1_000)) as module:
        assert b"\r\nonetwo b'one'\r\n" in talk(module.repl.path, program, until=b"\r\n>>> ")
        assert bytes(module.files.content("/usr/a")) == b"onetwo"


def test_every_option_is_described():
    """And what its values can be is known."""
    names = [name for name, _, _ in rows()]
    assert set(CHOICES) | set(RANGES) < set(names)
    assert all(text for _, _, text in rows())
    defaults = {name: value for name, value, _ in rows()}
    assert all(defaults[name] == values[0] for name, values in CHOICES.items())
