"""What a module tells of itself: device, card, network and data, each value with its source.

Fifteen queries, none of which changes anything. What they leave open can be asked on the Python
prompt, which interrupts the module's program; so that is done only where it is wanted. A value
that nobody told stays empty, and a diagnosis says what is missing and why it may be.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from hw.serial import parse
from hw.serial.at import LIMIT_MS, AtPort, Reply
from hw.serial.errors import ChoiceError, RefusedError, SilentError
from hw.serial.repl import Repl

CONTEXTS: Final = (1, 16)
"""First and last number of a data context (3GPP TS 27.007 10.1.1; Quectel: 1 to 16)."""
PERSONAL: Final = ("imei", "iccid", "imsi", "ip")
"""Values that tell who somebody is."""
CARD_BY_STATUS: Final = MappingProxyType(
    {0: "NOT INSERTED", 1: "READY", 2: "SIM PIN", 3: "SIM PUK"}
)
"""QuecPython API reference, ``sim.getStatus``; 4 to 20 are other locks, 21 is unknown."""
CARD_LOCKED: Final = range(2, 21)
NO_VALUE: Final = ("-1", "", "None")

FALLBACK: Final = """
def _t(f):
 try:
  return f()
 except Exception:
  return None
import modem,sim,net,dataCall
_r([_t(modem.getDevModel),_t(modem.getDevFwVersion),_t(modem.getDevImei)])
_r([_t(sim.getStatus),_t(sim.getIccid),_t(sim.getImsi)])
_r(_t(net.getState))
_r(_t(lambda:dataCall.getInfo({context},0)))
"""
"""Source: QuecPython API reference (modem, sim, net, dataCall)."""


@dataclass(frozen=True)
class Diagnosis:
    """Something is missing.

    Attributes:
        code: its name.
        severity: ``high``, ``medium`` or ``low``.
        causes: what it may come from.
        advice: what to try.
    """

    code: str
    severity: str
    causes: tuple[str, ...]
    advice: tuple[str, ...]

    def as_dict(self) -> dict[str, object]:
        """The diagnosis for JSON."""
        return {
            "code": self.code,
            "severity": self.severity,
            "causes": list(self.causes),
            "advice": list(self.advice),
        }


AT_BASELINE_FAIL: Final = Diagnosis(
    "AT_BASELINE_FAIL",
    "high",
    ("AT was not answered with OK",),
    ("see that this is the AT port", "switch the module off and on"),
)
SIM_NOT_INSERTED: Final = Diagnosis(
    "SIM_NOT_INSERTED",
    "high",
    ("no card", "the card does not touch its contacts"),
    ("insert the card again with the power off",),
)
SIM_LOCKED: Final = Diagnosis(
    "SIM_LOCKED",
    "high",
    ("the card waits for its PIN or PUK",),
    ("unlock it in another device; this program never sends a PIN",),
)
NOT_REGISTERED: Final = Diagnosis(
    "NOT_REGISTERED",
    "high",
    ("no coverage or no antenna", "no subscription, or roaming is not allowed"),
    ("look at the antenna", "see the signal with AT+CSQ, and AT+CGATT? for the attachment"),
)
ICCID_UNAVAILABLE: Final = Diagnosis(
    "ICCID_UNAVAILABLE",
    "medium",
    ("no card that can be read", "the firmware has neither AT+QCCID nor AT+CCID"),
    ("ask on the Python prompt: --allow-interrupt",),
)
NO_PDP_IP: Final = Diagnosis(
    "NO_PDP_IP",
    "medium",
    ("the data context is not active", "the access point's name is wrong"),
    ("see AT+QICSGP for the access point; AT+QIACT=1 activates the context",),
)
IMEI_CMD_VARIANT: Final = Diagnosis(
    "IMEI_CMD_VARIANT",
    "low",
    ("AT+GSN did not tell the IMEI and another command did",),
    ("none is needed",),
)


@dataclass
class Info:
    """What was found.

    Attributes:
        values: model, firmware, imei, iccid, imsi, ip and cid, card; empty where nobody told.
        sources: which command or call told it.
        registrations: ``<stat>`` by command, None where it was not told.
        contexts: data contexts.
        diagnoses: what is missing.
        replies: all answers, in order.
        fallback: ``not asked``, ``not needed``, ``used``, or why it failed.
    """

    values: dict[str, str] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    registrations: dict[str, int | None] = field(default_factory=dict)
    contexts: list[parse.Context] = field(default_factory=list)
    diagnoses: list[Diagnosis] = field(default_factory=list)
    replies: list[Reply] = field(default_factory=list)
    fallback: str = "not asked"

    def tell(self, name: str, value: str, source: str) -> None:
        """Keep a value, unless it is known already or is none."""
        if value and not self.values.get(name):
            self.values[name] = value
            self.sources[name] = source

    @property
    def is_answering(self) -> bool:
        """``AT`` was answered with ``OK``."""
        return bool(self.replies) and self.replies[0].is_ok

    @property
    def registration(self) -> tuple[str, int | None]:
        """Source and ``<stat>``: LTE before packet data before voice, service before none."""
        told = [(name, stat) for name, stat in self.registrations.items() if stat is not None]
        registered = [item for item in told if parse.is_registered(item[1])]
        return (registered or told)[0] if told else ("", None)


REGISTRATION_QUERIES: Final = ("AT+CEREG?", "AT+CGREG?", "AT+CREG?")


def read_info(
    port: AtPort,
    context: int = 1,
    open_repl: Callable[[], Repl] | None = None,
    limit_ms: int = LIMIT_MS,
) -> Info:
    """Ask a module for all it tells of itself.

    Args:
        port: its AT port.
        context: the data context to ask for.
        open_repl: opens its Python prompt, where the rest may be asked there; None to leave it.
        limit_ms: how long each answer may take.

    Raises:
        ChoiceError: there is no such context.
        SilentError: nothing answers on the port.
        DeviceError: the guard does not allow it, or the module left.
    """
    if not CONTEXTS[0] <= context <= CONTEXTS[1]:
        raise ChoiceError(f"context {context}", f"it is within {CONTEXTS[0]} to {CONTEXTS[1]}")
    info = Info()
    info.replies.append(port.wake(limit_ms))
    if info.is_answering:
        _ask_device(port, info, limit_ms)
        _ask_network(port, info, context, limit_ms)
        if open_repl is not None:
            _ask_prompt(info, context, open_repl)
    info.diagnoses = diagnose(info)
    return info


def _ask(port: AtPort, info: Info, command: str, limit_ms: int) -> tuple[Reply, str]:
    reply = port.ask(command, limit_ms)
    info.replies.append(reply)
    return reply, f"AT:{command}"


def _ask_device(port: AtPort, info: Info, limit_ms: int) -> None:
    reply, source = _ask(port, info, "ATI", limit_ms)
    if reply.is_ok:
        model, revision = parse.identity(reply)
        info.tell("model", model, source)
        info.tell("firmware", revision, source)
    reply, source = _ask(port, info, "AT+CGMR", limit_ms)
    if reply.is_ok:
        info.tell("firmware", parse.plain(reply), source)
    for command in ("AT+GSN", "AT+CGSN=1", "AT+CGSN"):
        reply, source = _ask(port, info, command, limit_ms)
        if reply.is_ok:
            info.tell("imei", parse.digits(reply, 14, 17), source)
    reply, source = _ask(port, info, "AT+CPIN?", limit_ms)
    info.tell("card", parse.card(reply), source)
    for command in ("AT+QCCID", "AT+CCID"):
        reply, source = _ask(port, info, command, limit_ms)
        if reply.is_ok:
            info.tell("iccid", parse.digits(reply, 18, 22), source)
    reply, source = _ask(port, info, "AT+CIMI", limit_ms)
    if reply.is_ok:
        info.tell("imsi", parse.digits(reply, 14, 16), source)


def _ask_network(port: AtPort, info: Info, context: int, limit_ms: int) -> None:
    for command in REGISTRATION_QUERIES:
        reply, source = _ask(port, info, command, limit_ms)
        info.registrations[source] = parse.registration(reply) if reply.is_ok else None
    reply, source = _ask(port, info, "AT+QIACT?", limit_ms)
    if reply.is_ok:
        info.contexts = parse.contexts(reply)
    with_address = [item for item in info.contexts if item.is_active and item.address]
    chosen = [item for item in with_address if item.number == context] or with_address
    if chosen:
        info.tell("ip", chosen[0].address, source)
        info.tell("cid", str(chosen[0].number), source)
    reply, source = _ask(port, info, f"AT+CGPADDR={context}", limit_ms)
    if reply.is_ok:
        info.tell("ip", parse.context_address(reply), source)
        info.tell("cid", str(context) if info.values.get("ip") else "", source)


def _ask_prompt(info: Info, context: int, open_repl: Callable[[], Repl]) -> None:
    wanted = ("model", "firmware", "imei", "iccid", "imsi", "ip", "card")
    if all(info.values.get(name) for name in wanted):
        info.fallback = "not needed"
        return
    try:
        results = open_repl().run(FALLBACK.format(context=context)).results
    except (RefusedError, SilentError) as error:
        info.fallback = str(error)
        return
    info.fallback = "used"
    take_fallback(info, results)


def take_fallback(info: Info, results: tuple[Any, ...]) -> None:
    """Add what the Python prompt told: four results, each of which may be anything."""
    device, card, network, data = (*results, None, None, None, None)[:4]
    for name, value in zip(("model", "firmware", "imei"), _items(device), strict=False):
        info.tell(name, _told(value), "REPL:modem")
    status, iccid, imsi = (*_items(card), None, None, None)[:3]
    if type(status) is int:
        other = "LOCKED" if status in CARD_LOCKED else ""
        info.tell("card", CARD_BY_STATUS.get(status, other), "REPL:sim.getStatus")
    info.tell("iccid", _told(iccid), "REPL:sim.getIccid")
    info.tell("imsi", _told(imsi), "REPL:sim.getImsi")
    for part in reversed(_items(network)):
        stat = (*_items(part), None)[0]
        if type(stat) is int:
            info.registrations["REPL:net.getState"] = stat
    for part in _items(data):
        for value in _items(part)[2:3]:
            info.tell("ip", parse.address(_told(value)), "REPL:dataCall.getInfo")


def _items(value: object) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else []


def _told(value: object) -> str:
    text = str(value).strip()
    return "" if text in NO_VALUE else text


def diagnose(info: Info) -> list[Diagnosis]:
    """Return what is missing, the gravest first."""
    if not info.is_answering:
        return [AT_BASELINE_FAIL]
    card = info.values.get("card", "")
    is_inserted = parse.is_inserted(card)
    is_registered = parse.is_registered(info.registration[1])
    is_other_imei = info.sources.get("imei", "AT:AT+GSN") != "AT:AT+GSN"
    found = [
        (is_inserted is False, SIM_NOT_INSERTED),
        (is_inserted is True and card != "READY", SIM_LOCKED),
        (is_registered is False, NOT_REGISTERED),
        (not info.values.get("iccid"), ICCID_UNAVAILABLE),
        (not info.values.get("ip"), NO_PDP_IP),
        (is_other_imei, IMEI_CMD_VARIANT),
    ]
    return [diagnosis for is_so, diagnosis in found if is_so]
