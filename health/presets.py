"""The policies that come with the package, one TOML file each."""

from __future__ import annotations

from pathlib import Path

from health.errors import PolicyError
from health.policy_toml import nearest

NAMES = ("none", "level-1", "level-1-4", "level-1-4-5", "reference")
"""All presets, from the blindest to the most complete."""

FOLDER = Path(__file__).parent / "policies"


def path(name: str) -> Path:
    """Return the file of the preset *name*.

    Raises:
        PolicyError: there is no such preset; the message names the nearest ones.
    """
    if name not in NAMES:
        raise PolicyError(
            "unknown-preset",
            f"no preset policy is called {name!r}",
            nearest=nearest(name, NAMES) or NAMES,
        )
    return FOLDER / f"{name}.toml"
