"""The AT port: a line in, an echo, information lines, and one final result line out.

Source: ITU-T V.250 5.3 to 5.7 (lines, echo, result codes); 3GPP TS 27.007 (commands, +CME ERROR).
"""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from typing import Final

from sim.modem import identity
from sim.modem.options import ModemOptions

CME_NOT_INSERTED: Final = 10
CME_PIN: Final = 11
CME_PUK: Final = 12
CME_BUSY: Final = 14
CME_TEXTS: Final = MappingProxyType(
    {
        CME_NOT_INSERTED: "SIM not inserted",
        CME_PIN: "SIM PIN required",
        CME_PUK: "SIM PUK required",
        CME_BUSY: "SIM busy",
    }
)
"""3GPP TS 27.007 9.2.1."""
CPIN: Final = MappingProxyType(
    {
        "ready": "READY",
        "pin": "SIM PIN",
        "puk": "SIM PUK",
        "not-inserted": "NOT INSERTED",
        "not-ready": "NOT READY",
    }
)
CARD_ERROR: Final = MappingProxyType(
    {
        "pin": CME_PIN,
        "puk": CME_PUK,
        "absent": CME_NOT_INSERTED,
        "not-inserted": CME_NOT_INSERTED,
        "not-ready": CME_BUSY,
    }
)
REGISTRATION: Final = MappingProxyType({"home": 1, "searching": 2, "denied": 3, "roaming": 5})
"""3GPP TS 27.007 7.2, ``<stat>``."""
NOISE: Final = b"\xff\xfe\x00%DBG\x88\x17\r\n"
LINE_BYTES_MAX: Final = 1_024


class Failure(Exception):
    """A command ends with +CME ERROR."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class AtPeer:
    """What stands behind the AT port.

    Args:
        options: how the module behaves.
        write: sends bytes to the host.
        pause: lets so many ms pass.
    """

    def __init__(
        self,
        options: ModemOptions,
        write: Callable[[bytes], None],
        pause: Callable[[int], None],
    ) -> None:
        self._options = options
        self._write = write
        self._pause = pause
        self._is_echoing = options.echo
        self._line = bytearray()

    def feed(self, data: bytes) -> None:
        """Take what the host sent; answer each whole line."""
        for byte in data:
            if byte == 0x0D:
                line, self._line = bytes(self._line), bytearray()
                self._take(line)
            elif byte != 0x0A and len(self._line) < LINE_BYTES_MAX:
                self._line.append(byte)

    def _take(self, line: bytes) -> None:
        manner = self._options.at
        if manner == "silent":
            return
        if self._is_echoing:
            self._write(line + b"\r\r\n")
        command = line.decode("ascii", "replace").strip().upper()
        if manner == "echo-only" or not command:
            return
        self._pause(self._options.delay_ms)
        if self._options.unsolicited:
            self._write(b"\r\n+QIND: SMS DONE\r\n\r\n+CEREG: 1\r\n")
        if manner == "garbage":
            self._write(NOISE)
        self._answer(command)

    def _answer(self, command: str) -> None:
        manner = self._options.at
        if manner == "error":
            self._say("ERROR")
        elif manner == "no-carrier":
            self._say("NO CARRIER")
        elif manner == "broken":
            self._say("BROKEN")
        else:
            try:
                lines = self._run(command)
            except Failure as failure:
                self._say(self._error(failure.code))
                return
            except KeyError:
                self._say("ERROR")
                return
            self._say(*lines, "OK")

    def _error(self, code: int) -> str:
        if self._options.cme == "off":
            return "ERROR"
        return f"+CME ERROR: {CME_TEXTS[code] if self._options.cme == 'text' else code}"

    def _say(self, *lines: str) -> None:
        for line in lines:
            self._write(f"\r\n{line}\r\n".encode("ascii"))

    def _run(self, command: str) -> list[str]:
        """The information lines of a command; KeyError where there is no such command."""
        if command in ("ATE0", "ATE1"):
            self._is_echoing = command == "ATE1"
            return []
        return _COMMANDS[command](self)

    def _card(self) -> None:
        if self._options.sim != "ready":
            raise Failure(CARD_ERROR[self._options.sim])

    def _pin(self) -> list[str]:
        if self._options.sim == "absent":
            raise Failure(CME_NOT_INSERTED)
        return [f"+CPIN: {CPIN[self._options.sim]}"]

    def _iccid(self, prefix: str) -> list[str]:
        # A locked card tells its number: it is printed on it.
        if self._options.sim in ("absent", "not-inserted", "not-ready"):
            raise Failure(CARD_ERROR[self._options.sim])
        return [f"{prefix}: {identity.ICCID}"]

    def _imsi(self) -> list[str]:
        self._card()
        return [identity.IMSI]

    def _registered(self, name: str) -> list[str]:
        return [f"+{name}: 0,{self.registration}"]

    @property
    def registration(self) -> int:
        """``<stat>`` of 3GPP TS 27.007 7.2; without a card that can be used, not searching."""
        return REGISTRATION[self._options.network] if self._options.sim == "ready" else 0

    @property
    def has_address(self) -> bool:
        """The data context is active."""
        return self.registration in (1, 5)

    def _contexts(self) -> list[str]:
        return [f'+QIACT: 1,1,1,"{identity.ADDRESS}"'] if self.has_address else []

    def _address(self) -> list[str]:
        return [f'+CGPADDR: 1,"{identity.ADDRESS if self.has_address else ""}"']


_COMMANDS: Final[MappingProxyType[str, Callable[[AtPeer], list[str]]]] = MappingProxyType(
    {
        "AT": lambda peer: [],
        "ATI": lambda peer: ["Quectel", identity.MODEL, f"Revision: {identity.REVISION}"],
        "AT+CGMR": lambda peer: [identity.REVISION],
        "AT+GSN": lambda peer: [identity.IMEI],
        "AT+CGSN": lambda peer: [identity.IMEI],
        "AT+CGSN=1": lambda peer: [f'+CGSN: "{identity.IMEI}"'],
        "AT+CPIN?": AtPeer._pin,
        "AT+QCCID": lambda peer: peer._iccid("+QCCID"),
        "AT+CCID": lambda peer: peer._iccid("+CCID"),
        "AT+CIMI": AtPeer._imsi,
        "AT+CSQ": lambda peer: ["+CSQ: 24,99"],
        "AT+CEREG?": lambda peer: peer._registered("CEREG"),
        "AT+CGREG?": lambda peer: peer._registered("CGREG"),
        "AT+CREG?": lambda peer: peer._registered("CREG"),
        "AT+QIACT?": AtPeer._contexts,
        "AT+CGPADDR=1": AtPeer._address,
    }
)
