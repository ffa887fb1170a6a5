"""Every scenario of the firmware's own test suite (tests/fx3_cmd.c)."""

from __future__ import annotations

from scenarios.scenario import Scenario

SCENARIOS: tuple[Scenario, ...] = ()
"""All of them, in the order of the original's table of commands."""
