"""What users name on the command line, turned into the things they mean."""

from __future__ import annotations

import os
from pathlib import Path

from health import Policy
from health.errors import PolicyError


def policy(text: str) -> Policy:
    """Return the policy of this preset's name, or in this file.

    Raises:
        PolicyError: neither; the message names the nearest presets, or file, key and rule.
    """
    if text in Policy.preset_names():
        return Policy.preset(text)
    looks_like_a_file = os.sep in text or text.endswith(".toml") or Path(text).exists()
    if not looks_like_a_file:
        return Policy.preset(text)
    path = Path(text)
    if path.is_dir():
        raise PolicyError("readable-file", "this is a folder, not a policy file", source=text)
    return Policy.load(path)
