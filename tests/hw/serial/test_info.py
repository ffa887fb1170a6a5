"""What a module tells of itself: values with their sources, and what is missing.

Facts: 3GPP TS 27.007 (CPIN 8.3, CREG 7.2, CME 9.2); QuecPython API reference.
"""

from __future__ import annotations

import json

import pytest
from hypothesis import given, strategies as st

from hw.serial import parse
from hw.serial.at import FAILURES, Reply
from hw.serial.errors import ChoiceError
from hw.serial.info import Info, diagnose, read_info, take_fallback
from hw.serial.redact import redact, redact_text
from scenarios.cli.modem_info import as_dict
from sim.modem import identity
from tests.hw.serial.bench import modem


def info_of(allow_interrupt=False, **options):
    """What is read from a module that behaves so."""
    with modem(**options) as bench:
        return read_info(bench.at(), 1, bench.repl if allow_interrupt else None)


def codes(info):
    return [item.code for item in info.diagnoses]


def test_a_healthy_module():
    """Every value, the command that told it, and nothing missing."""
    info = info_of()
    assert info.values == {
        "model": identity.MODEL,
        "firmware": identity.REVISION,
        "imei": identity.IMEI,
        "card": "READY",
        "iccid": identity.ICCID,
        "imsi": identity.IMSI,
        "ip": identity.ADDRESS,
        "cid": "1",
    }
    assert info.sources["imei"] == "AT:AT+GSN"
    assert info.sources["iccid"] == "AT:AT+QCCID"
    assert info.registration == ("AT:AT+CEREG?", 1)
    assert info.diagnoses == []
    assert len(info.replies) == 15


@pytest.mark.parametrize("cme", ["numeric", "text"])
@pytest.mark.parametrize(
    ("sim", "card", "is_inserted", "code"),
    [
        ("absent", "NOT INSERTED", False, "SIM_NOT_INSERTED"),
        ("not-inserted", "NOT INSERTED", False, "SIM_NOT_INSERTED"),
        ("pin", "SIM PIN", True, "SIM_LOCKED"),
        ("puk", "SIM PUK", True, "SIM_LOCKED"),
        ("not-ready", "NOT READY", None, "NOT_REGISTERED"),
        ("ready", "READY", True, None),
    ],
)
def test_weakness_23_each_state_of_the_card(sim, card, is_inserted, code, cme):
    """Absent as +CME ERROR: 10, by number or by text, is understood."""
    info = info_of(sim=sim, cme=cme)
    assert info.values["card"] == card
    assert parse.is_inserted(card) is is_inserted
    assert codes(info)[:1] == ([code] if code else [])


def test_weakness_23_without_a_reason_nothing_is_claimed():
    """``ERROR`` alone (AT+CMEE=0) does not say that there is no card."""
    info = info_of(sim="absent", cme="off")
    assert "card" not in info.values
    assert "SIM_NOT_INSERTED" not in codes(info)


@pytest.mark.parametrize(
    ("status", "card", "is_inserted"),
    [(0, "NOT INSERTED", False), (1, "READY", True), (2, "SIM PIN", True), (20, "LOCKED", True)],
)
def test_weakness_23_a_locked_card_is_inserted_on_the_prompt_too(status, card, is_inserted):
    """``sim.getStatus``: 0 alone is absent, 21 is not known."""
    info = Info()
    take_fallback(info, ([-1, -1, -1], [status, -1, -1], None, -1))
    assert info.values == {"card": card}
    assert parse.is_inserted(card) is is_inserted
    unknown = Info()
    take_fallback(unknown, ([], [21, -1, -1], None, -1))
    assert unknown.values == {}


def test_the_prompt_tells_what_at_leaves_open():
    """Only where it is wanted, and each value says where it is from."""
    healthy = info_of(allow_interrupt=True)
    assert healthy.fallback == "not needed"
    absent = info_of(allow_interrupt=True, sim="absent", cme="off")
    assert absent.fallback == "used"
    assert absent.sources["card"] == "REPL:sim.getStatus"
    assert "SIM_NOT_INSERTED" in codes(absent)
    assert info_of(sim="absent").fallback == "not asked"


def test_a_prompt_that_fails_costs_nothing_that_is_known():
    """The reason stands in the report."""
    info = info_of(allow_interrupt=True, sim="absent", repl="traceback")
    assert "simulated" in info.fallback
    assert info.values["model"] == identity.MODEL


@pytest.mark.parametrize(
    ("network", "is_registered", "wanted"),
    [
        ("home", True, []),
        ("roaming", True, []),
        ("searching", False, ["NOT_REGISTERED", "NO_PDP_IP"]),
        ("denied", False, ["NOT_REGISTERED", "NO_PDP_IP"]),
    ],
)
def test_each_state_of_the_network(network, is_registered, wanted):
    """1 and 5 are service."""
    info = info_of(network=network)
    assert parse.is_registered(info.registration[1]) is is_registered
    assert codes(info) == wanted


@pytest.mark.parametrize(
    ("stat", "is_registered"),
    [(0, False), (1, True), (4, False), (5, True), (6, None), (10, None), (None, None)],
)
def test_what_a_stat_means(stat, is_registered):
    """What is neither service nor none is left open."""
    assert parse.is_registered(stat) is is_registered


def test_a_module_that_refuses_everything():
    """One diagnosis, and no further question."""
    info = info_of(at="error")
    assert codes(info) == ["AT_BASELINE_FAIL"]
    assert len(info.replies) == 1


def test_the_imei_by_another_command_is_told():
    """Low severity: it is known all the same."""
    info = Info(replies=[Reply("AT", (), "OK")])
    info.tell("imei", identity.IMEI, "AT:AT+CGSN=1")
    assert "IMEI_CMD_VARIANT" in [item.code for item in diagnose(info)]


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("0.0.0.0", ""),
        ("::", ""),
        ("", ""),
        ("300.1.1.1", ""),
        ("32.1.13.184.0.0.0.0.0.0.0.0.0.0.0.1", "2001:db8::1"),
        ("32.1.13.184.0.0.0.0.0.0.0.0.0.0.0.256", ""),
        ("1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.99999", ""),
        ("2001:DB8::1", "2001:db8::1"),
    ],
)
def test_an_address_in_its_plain_form(text, plain):
    """TS 27.007 writes IPv6 as 16 numbers; nowhere is none."""
    assert parse.address(text) == plain


@pytest.mark.parametrize("context", [0, 17, -1])
def test_a_context_that_is_none(context):
    """1 to 16."""
    with modem() as bench, pytest.raises(ChoiceError, match="1 to 16"):
        read_info(bench.at(), context)


# ---------------------------------------------------------------- who somebody is


def test_weakness_15_nothing_personal_stands_in_a_report():
    """Unless it was asked for: IMEI, IMSI, ICCID and address, in the raw answers too."""
    info = info_of(unsolicited=True)
    told = (identity.IMEI, identity.ICCID, identity.IMSI, identity.ADDRESS)
    hidden = json.dumps(as_dict(info, personal=False, raw=True))
    shown = json.dumps(as_dict(info, personal=True, raw=True))
    assert all(value not in hidden for value in told)
    assert all(value in shown for value in told)
    assert as_dict(info, personal=False)["fields"]["iccid"] == "***34"


@pytest.mark.parametrize(
    "text",
    [
        "+CGPADDR: 1,32.1.13.184.0.0.0.0.0.0.0.0.0.0.0.1",
        "2001:db8::17",
        '+CREG: 2,1,"1A2B","01C3D4E5",7',
        "89860012345678901234F",
        "10.11.12.13",
    ],
)
def test_weakness_15_numbers_addresses_and_cells_are_hidden_in_texts(text):
    """Where somebody is tells who he is."""
    shown = redact_text(text)
    assert "***" in shown
    for value in ("1A2B", "01C3D4E5", "db8", "13.184", "898600", "10.11"):
        assert value not in shown


def test_what_is_not_personal_stays():
    """A report has to be of use."""
    for text in ("Revision: EC600NCNLER06A01M08", "+CEREG: 0,1", "+CSQ: 24,99"):
        assert redact_text(text) == text
    assert redact("") == ""


# ---------------------------------------------------------------- any bytes


LINES = st.lists(
    st.text(max_size=40)
    | st.builds(
        "{}{}".format,
        st.sampled_from(["+CPIN: ", "+CEREG: ", "+QIACT: ", "+CGPADDR: ", "Revision: ", ""]),
        st.text('0123456789,.:"AF ', max_size=60),
    ),
    max_size=5,
).map(tuple)
FINALS = st.sampled_from(["OK", "", "+CME ERROR: 10", "+CME ERROR: \x00", *FAILURES])


@given(LINES, FINALS)
def test_any_lines_give_values_or_none(lines, final):
    """No parser of an answer raises, whatever stands in it."""
    reply = Reply("AT+CPIN?", lines, final)
    assert all(isinstance(text, str) for text in parse.identity(reply))
    assert isinstance(parse.card(reply), str)
    assert parse.digits(reply, 14, 17).isascii()
    parse.registration(reply)
    parse.contexts(reply)
    parse.context_address(reply)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4),
    max_leaves=12,
)


@given(st.lists(JSON, max_size=6).map(tuple))
def test_any_results_of_the_prompt_are_taken(results):
    """What a module hands over may be anything."""
    info = Info(replies=[Reply("AT", (), "OK")])
    take_fallback(info, results)
    diagnose(info)
    json.dumps(as_dict(info, personal=True))
