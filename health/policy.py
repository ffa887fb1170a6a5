"""The watchdog policy: every threshold, cap, first level and ceiling, as data."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from health import policy_cautions, policy_header, policy_rules, policy_toml, presets
from health.levels import Level
from health.policy_cautions import Caution
from health.policy_fields import PolicyFields


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy(PolicyFields):
    """One watchdog policy, checked when it is made; its fields are those of `PolicyFields`.

    Raises:
        PolicyError: a value has the wrong type or breaks a rule of `policy_rules`.
    """

    def __post_init__(self) -> None:
        policy_rules.check(self)

    @classmethod
    def load(cls, path: str | Path) -> Policy:
        """Return the policy in the TOML file *path*.

        Raises:
            PolicyError: no such file, no TOML, an unknown key, a wrong type, a broken rule; the
                message names the file, the key, the rule and a correct example.
        """
        return cls.from_toml(policy_toml.read(Path(path)), source=str(path))

    @classmethod
    def from_toml(cls, text: str, source: str = "policy") -> Policy:
        """Return the policy written in *text*; fields left out take their defaults.

        Args:
            text: flat TOML, one `field = value` a line.
            source: what to call the text in an error.

        Raises:
            PolicyError: as `load`.
        """
        return policy_toml.parse(cls, text, source)

    def to_toml(self) -> str:
        """Return all fields as TOML; `from_toml` makes the same policy of it."""
        return policy_toml.write(self)

    def to_c_header(self) -> str:
        """Return a C header with each field as a #define, unit last, and the digest."""
        return policy_header.write(self, self.digest)

    @staticmethod
    @cache
    def preset(name: str) -> Policy:
        """Return the preset policy *name*.

        Args:
            name: one of `preset_names()`.

        Raises:
            PolicyError: there is no such preset; the message names the nearest ones.
        """
        return Policy.load(presets.path(name))

    @staticmethod
    def preset_names() -> tuple[str, ...]:
        """Return the names of all presets, from the blindest to the most complete."""
        return presets.NAMES

    @property
    def digest(self) -> str:
        """SHA-256 in hex over the lines `field = value` without the name, sorted by field.

        Two policies that decide alike have one digest, whatever they are called.
        """
        return policy_toml.digest(self)

    def warnings(self) -> tuple[Caution, ...]:
        """Return what is legal in this policy but dangerous, each with its rule and a text."""
        return policy_cautions.cautions(self)

    def without_level(self, level: int) -> Policy:
        """Return this policy with one level off, for an ablation.

        Args:
            level: 1 to 5.

        Raises:
            ValueError: *level* is none.
        """
        number = int(Level(level))
        name = f"{self.name}-without-{number}"
        return replace(self, name=name, **{f"level_{number}_enabled": False})
