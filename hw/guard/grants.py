"""Standing grants: which levels the supervisor may apply on which device, in a file.

::

    [[grant]]
    serial = "0009072C00D62F32"
    levels = [1, 4]

The operator writes the file and revokes a grant by deleting its lines. No command writes it.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from health import Level
from hw.guard.decision import Grant
from hw.guard.place import config_dir
from hw.guard.rules import LEVEL_OPERATIONS

FILE_NAME: Final = "grants.toml"
EXAMPLE: Final = '[[grant]]\nserial = "0009072C00D62F32"\nlevels = [1, 4]\n'
_EXAMPLE_LINE: Final = '[[grant]] serial = "0009072C00D62F32" levels = [1, 4]'
_KEYS: Final = ("serial", "levels")


class GrantsError(Exception):
    """A file of grants cannot be read or is wrong; the message is one line with an example."""


@dataclass(frozen=True, slots=True)
class Grants:
    """All standing grants of this operator.

    Attributes:
        grants: in the order of the file.
    """

    grants: tuple[Grant, ...] = ()

    @classmethod
    def read(cls, path: Path, *, must_exist: bool = False) -> Self:
        """Return the grants in a file; none when there is no such file.

        Args:
            path: the file.
            must_exist: whoever asks tells the operator why nothing is granted.

        Raises:
            GrantsError: it cannot be read, is no TOML, or a grant in it is wrong. No grant of a
                file with a mistake holds. Or there is none, and it must exist.
        """
        try:
            document = tomllib.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            if not must_exist:
                return cls()
            raise GrantsError(
                f"there is no file {path}; write one: {_EXAMPLE_LINE}, one item a line"
            ) from error
        except OSError as error:
            raise GrantsError(f"cannot read {path}: {error.strerror}") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise _wrong(path, f"no TOML ({error})") from error
        for key in document:
            if key != "grant":
                raise _wrong(path, f"unknown key {key!r}")
        entries = document.get("grant", [])
        if not isinstance(entries, list):
            raise _wrong(path, "grant is no list of tables")
        grants = tuple(_grant(path, entry) for entry in entries)
        serials = [grant.serial for grant in grants]
        for serial in serials:
            if serials.count(serial) > 1:
                raise _wrong(path, f"two grants for serial {serial}")
        return cls(grants)

    @classmethod
    def read_default(cls) -> Self:
        """Return the grants of this operator.

        Raises:
            GrantsError: as :meth:`read`.
        """
        return cls.read(default_path())

    def levels_of(self, serial: str) -> frozenset[Level]:
        """Return the levels that are granted on the device of a serial number."""
        return next((grant.levels for grant in self.grants if grant.serial == serial), frozenset())


def default_path() -> Path:
    """Return where the operator's grants are looked for."""
    return config_dir() / FILE_NAME


def _grant(path: Path, entry: Any) -> Grant:  # noqa: ANN401 - whatever TOML holds
    if not isinstance(entry, Mapping):
        raise _wrong(path, f"{entry!r} is no table")
    for key in entry:
        if key not in _KEYS:
            raise _wrong(path, f"unknown key {key!r} in a grant")
    serial, levels = entry.get("serial"), entry.get("levels")
    if not isinstance(serial, str) or not serial.strip():
        raise _wrong(path, f"serial {serial!r} is no serial number in quotes")
    if not isinstance(levels, list) or not levels:
        raise _wrong(path, f"levels {levels!r} of serial {serial} is no list of levels")
    for level in levels:
        if type(level) is not int or level not in LEVEL_OPERATIONS:
            raise _wrong(path, f"level {level!r} of serial {serial} is none of 1 to 4")
    return Grant(serial, frozenset(map(Level, levels)))


def _wrong(path: Path, what: str) -> GrantsError:
    return GrantsError(f"{path}: {what}; a right one: {_EXAMPLE_LINE}, one item a line")
