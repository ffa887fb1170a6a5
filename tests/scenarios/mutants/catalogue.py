"""All seeded bugs, by theme."""

from __future__ import annotations

from tests.scenarios.mutants.catalogue_caps import CAPS
from tests.scenarios.mutants.catalogue_cascade import HANDS, LADDERS, TIMES
from tests.scenarios.mutants.catalogue_gate import GATE
from tests.scenarios.mutants.catalogue_handlers import AGES, EP0_ERRORS, HANDLERS
from tests.scenarios.mutants.catalogue_stream import STREAM
from tests.scenarios.mutants.workshop import Mutant

MUTANTS: tuple[Mutant, ...] = (
    *GATE,
    *HANDLERS,
    *AGES,
    *EP0_ERRORS,
    *STREAM,
    *LADDERS,
    *CAPS,
    *TIMES,
    *HANDS,
)
