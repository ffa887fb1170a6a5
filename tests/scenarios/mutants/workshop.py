"""Makes a private copy of the health module with one bug in it."""

from __future__ import annotations

import builtins
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

import health
from health import HealthFactory

FOLDER = Path(health.__file__).parent
PRIVATE = ("ticks", "record", "detect", "watchdog", "cascade", "health")
"""What decides, each after what it imports. The words of the contract (events, levels, statuses,
policies) are shared with everybody else."""

WORLD = "a world"
VECTORS = "the vectors"
NOBODY = "nobody"


@dataclass(frozen=True)
class Mutant:
    """One bug, as a patch.

    Attributes:
        name: what it is called.
        module: of `health`, one of `PRIVATE`.
        old: text that stands in it once.
        new: what takes its place.
        story: how it comes about, in one sentence.
        fact: what it violates, with the source.
        seen_by: who has to catch it: `WORLD`, `VECTORS` or `NOBODY`.
        argument: why no world does, where none does.
    """

    name: str
    module: str
    old: str
    new: str
    story: str
    fact: str
    seen_by: str = WORLD
    argument: str = ""


UNCHANGED = Mutant("unchanged", "ticks", "WRAP = 0xFFFF_FFFF", "WRAP = 0xFFFF_FFFF", "", "")
"""No bug: what the suite says of it is said of the suite."""


def build(mutant: Mutant) -> HealthFactory:
    """Return a `Health` made of modules of its own, with the bug in one of them.

    Raises:
        ValueError: the old text does not stand exactly once in the module.
    """
    made: dict[str, ModuleType] = {}

    def import_private(
        name: str,
        global_names: Mapping[str, Any] | None = None,
        local_names: Mapping[str, Any] | None = None,
        wanted: Sequence[str] = (),
        level: int = 0,
    ) -> ModuleType:
        found = made.get(name)
        return found or __import__(name, global_names, local_names, wanted, level)

    for name in PRIVATE:
        # Of the real module's name, because data classes look their types up there.
        module = ModuleType(f"health.{name}")
        vars(module)["__builtins__"] = {**vars(builtins), "__import__": import_private}
        exec(_patched(mutant) if name == mutant.module else _plain(name), vars(module))
        made[module.__name__] = module
    factory: HealthFactory = made["health.health"].Health
    vars(made["health.health"])["Health"].__name__ = mutant.name
    return factory


def _patched(mutant: Mutant) -> CodeType:
    path = FOLDER / f"{mutant.module}.py"
    text = path.read_text(encoding="utf-8")
    count = text.count(mutant.old)
    if count != 1:
        raise ValueError(
            f"{mutant.name}: its text is {count} times in health/{path.name}: {mutant.old!r}"
        )
    return compile(text.replace(mutant.old, mutant.new), f"<{mutant.name}>", "exec")


@cache
def _plain(name: str) -> CodeType:
    path = FOLDER / f"{name}.py"
    return compile(path.read_text(encoding="utf-8"), str(path), "exec")
