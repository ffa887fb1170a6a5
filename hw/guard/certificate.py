"""The certificate of a policy: what a verification found, and what it is bound to.

A certificate is JSON with a schema and a digest of its own over everything else in it. It names the
policy by digest, the position that the health module was verified in, and what the firmware of that
verification could do; who supervises a device compares these with what he has. It says, too, which
health module was verified: nobody else's holds for the reference one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

SCHEMA: Final = "fx3loop.certificate/2"
DIGEST_KEY: Final = "digest"
_KINDS: Final[Mapping[str, type]] = {
    "policy": dict,
    "health": dict,
    "firmware": dict,
    "versions": dict,
    "seed": int,
    "is_good": bool,
    "positions": dict,
    "not_covered": list,
}
"""Every field beside schema and digest, with its kind."""
_INNER: Final[Mapping[str, Mapping[str, type]]] = {
    "policy": {"name": str, "digest": str, "toml": str},
    "health": {"name": str, "is_reference": bool, "file_sha256": str},
    "firmware": {"name": str, "version": list, "stats_bytes": int, "test_hooks": bool},
}


class CertificateError(Exception):
    """A file is no certificate, or was changed after it was written; the message is one line."""


@dataclass(frozen=True, slots=True)
class Firmware:
    """What the firmware of a verification was, and what it could do.

    Attributes:
        name: the revision.
        version: major and minor, as TESTFX3 tells them.
        stats_bytes: length of its GETSTATS reply, which tells what a host can see.
        test_hooks: HANGFX3 and HANGMAIN exist.
    """

    name: str
    version: tuple[int, int]
    stats_bytes: int
    test_hooks: bool

    def as_dict(self) -> dict[str, Any]:
        """The firmware for JSON."""
        return {
            "name": self.name,
            "version": list(self.version),
            "stats_bytes": self.stats_bytes,
            "test_hooks": self.test_hooks,
        }


@dataclass(frozen=True, slots=True)
class HealthClass:
    """The health module of a verification.

    Attributes:
        name: the file without its folder and the class, such as ``my_health.py:MyHealth``, or the
            name of an entry point; ``reference`` for the reference module.
        is_reference: it is :class:`health.Health` of this program.
        file_sha256: in hex, of the file that defines the class; empty for the reference module.
    """

    name: str
    is_reference: bool
    file_sha256: str

    @property
    def text(self) -> str:
        """For people, the digest shortened."""
        return f"{self.name} ({self.file_sha256[:12]})" if self.file_sha256 else self.name

    def as_dict(self) -> dict[str, Any]:
        """The module for JSON."""
        return {
            "name": self.name,
            "is_reference": self.is_reference,
            "file_sha256": self.file_sha256,
        }


REFERENCE: Final = HealthClass("reference", is_reference=True, file_sha256="")


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a verification found.

    Attributes:
        policy_name, policy_digest, policy_toml: the policy; the digest leaves its name out.
        firmware: what it was verified on.
        versions: of the programs that did it, by name.
        seed: of its draws.
        is_good: no invariant was broken and every claim was kept.
        positions: results by position: ``cells``, ``scenarios``, ``soak`` and ``violations``.
        not_covered: what the policy does not cover, or was not tried, one a line.
        health: the health module that was verified.
    """

    policy_name: str
    policy_digest: str
    policy_toml: str
    firmware: Firmware
    versions: Mapping[str, str]
    seed: int
    is_good: bool
    positions: Mapping[str, Mapping[str, Any]]
    not_covered: tuple[str, ...]
    health: HealthClass = REFERENCE

    @property
    def digest(self) -> str:
        """SHA-256 in hex over all of it, whatever the layout of the file."""
        return digest_of(self._body())

    def _body(self) -> dict[str, Any]:
        return {
            "schema": SCHEMA,
            "policy": {
                "name": self.policy_name,
                "digest": self.policy_digest,
                "toml": self.policy_toml,
            },
            "health": self.health.as_dict(),
            "firmware": self.firmware.as_dict(),
            "versions": dict(self.versions),
            "seed": self.seed,
            "is_good": self.is_good,
            "positions": {name: dict(found) for name, found in self.positions.items()},
            "not_covered": list(self.not_covered),
        }

    def as_dict(self) -> dict[str, Any]:
        """The certificate for JSON, its digest last."""
        body = self._body()
        return {**body, DIGEST_KEY: digest_of(body)}

    def write(self, path: Path) -> None:
        """Write it as JSON.

        Raises:
            OSError: the file cannot be written.
        """
        path.write_text(json.dumps(self.as_dict(), indent=1) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Self:
        """Return the certificate in a file.

        Raises:
            CertificateError: it cannot be read, is no certificate, or its digest is not its own.
        """
        try:
            text = path.read_text(encoding="utf-8")
        except OSError as error:
            raise CertificateError(f"cannot read {path}: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise CertificateError(f"{path} is no certificate: byte {error.start}") from error
        return cls.from_json(text, str(path))

    @classmethod
    def from_json(cls, text: str, source: str = "certificate") -> Self:
        """Return the certificate in a text.

        Args:
            text: what :meth:`write` wrote.
            source: what to call it in an error.

        Raises:
            CertificateError: as :meth:`read`.
        """
        try:
            document = json.loads(text)
        except ValueError as error:
            raise CertificateError(f"{source} is no JSON: {error}") from error
        schema = document.get("schema") if isinstance(document, dict) else None
        if schema != SCHEMA:
            raise CertificateError(
                f"{source} is no certificate that this version reads: its schema is {schema!r}, "
                f"not {SCHEMA!r}; make one with fx3loop verify POLICY --out FILE"
            )
        written = document.pop(DIGEST_KEY, None)
        if written != digest_of(document):
            raise CertificateError(
                f"{source} was changed after it was written: its digest is not that of its "
                "content; make a new one with fx3loop verify POLICY --out FILE"
            )
        _check(document, _KINDS, source)
        for name, kinds in _INNER.items():
            _check(document[name], kinds, f"{source}: {name}")
        if set(document["health"]) != set(_INNER["health"]):
            raise CertificateError(f"{source}: health has fields that this version does not know")
        policy, firmware = document["policy"], document["firmware"]
        health = HealthClass(**document["health"])
        if health.is_reference and health != REFERENCE:
            raise CertificateError(f"{source}: {health.text} is not the reference health module")
        major, minor = firmware["version"]
        return cls(
            policy_name=policy["name"],
            policy_digest=policy["digest"],
            policy_toml=policy["toml"],
            firmware=Firmware(
                firmware["name"], (major, minor), firmware["stats_bytes"], firmware["test_hooks"]
            ),
            versions=document["versions"],
            seed=document["seed"],
            is_good=document["is_good"],
            positions=document["positions"],
            not_covered=tuple(document["not_covered"]),
            health=health,
        )

    def refusal(self, policy_digest: str, position: str, stats_bytes: int) -> str:
        """Return in one line why it does not hold for a case; empty when it does.

        Who supervises a device runs the reference health module, so no other's holds.

        Args:
            policy_digest: of the policy that is to decide.
            position: where the health module is to run.
            stats_bytes: length of the GETSTATS reply of the device's firmware, 0 where there is
                none.
        """
        if not self.is_good:
            return "the verification found broken claims or invariants"
        if not self.health.is_reference:
            return (
                f"it was verified with the health module {self.health.text}, not with the "
                "reference one: verify without --health"
            )
        if policy_digest != self.policy_digest:
            return (
                f"it is bound to policy {self.policy_digest[:12]}, not to {policy_digest[:12]}: "
                "verify this policy"
            )
        if position not in self.positions:
            able = " and ".join(self.positions)
            return f"it was verified in position {able}, not in position {position}"
        if stats_bytes < self.firmware.stats_bytes:
            return (
                f"its firmware tells {self.firmware.stats_bytes} bytes in GETSTATS, the device's "
                f"{stats_bytes}: there the module sees less"
            )
        return ""


def digest_of(body: Mapping[str, Any]) -> str:
    """Return the SHA-256 in hex over a document in its canonical form: sorted, no spaces."""
    text = json.dumps(body, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _check(document: Mapping[str, Any], kinds: Mapping[str, type], source: str) -> None:
    for name, kind in kinds.items():
        if type(document.get(name)) is not kind:
            raise CertificateError(f"{source}: {name} is missing or no {kind.__name__}")
