"""``fx3loop list``."""

from __future__ import annotations

from typing import Any

import click

SCHEMA = "fx3loop.list/1"
COMMON_FIELDS = ("at_ms", "times")


@click.command("list")
@click.option("--calls", is_flag=True, help="Also every injection point: the SDK's calls.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def command(calls: bool, as_json: bool) -> None:
    """Say what there is: scenarios, firmware, policies, faults and options."""
    from scenarios.cli import output

    found = document(calls)
    if as_json:
        output.print_json(found)
        return
    _heading("Scenarios")
    made = output.table("name", "group", "incident", "firmware", "what happens")
    for item in sorted(found["scenarios"], key=lambda item: str(item["group"])):
        made.add_row(*(item[name] for name in ("name", "group", "incident", "firmware", "summary")))
    output.print_table(made)
    _heading("Firmware")
    click.echo("  " + ", ".join(found["firmware"]))
    _heading("Policies (fx3loop policies NAME)")
    click.echo("  " + ", ".join(found["policies"]))
    _heading("Faults (--fault kind:field=value,...)")
    made = output.table("kind", "fields", "what it does")
    for item in found["faults"]:
        made.add_row(item["kind"], ", ".join(item["fields"]), item["summary"])
    output.print_table(made)
    for name, choices in found["choices"].items():
        click.echo(f"  {name}: {', '.join(choices)}")
    click.echo(f"  for example --fault {found['example']}")
    _heading("Options (--option name=value)")
    made = output.table("name", "default", "what it rests on")
    for item in found["options"]:
        made.add_row(item["name"], item["default"], item["source"])
    output.print_table(made)
    if calls:
        _heading("Injection points (call=NAME, either name)")
        made = output.table("method", "SDK call")
        for name, sdk_name in found["calls"].items():
            made.add_row(name, sdk_name)
        output.print_table(made)


def document(calls: bool) -> dict[str, Any]:
    """Return everything as data.

    Args:
        calls: with the injection points.
    """
    from health import Policy
    from scenarios.option_text import as_text
    from scenarios.registry import SCENARIOS
    from sim.faults import CHOICES, EXAMPLE, KINDS, calls as injection_points
    from sim.firmware import REVISIONS
    from sim.options import sources

    found: dict[str, Any] = {
        "schema": SCHEMA,
        "scenarios": [
            {
                "name": item.name,
                "group": item.group,
                "incident": item.incident,
                "summary": item.summary,
                "firmware": item.firmware,
                "firmwares": list(item.firmwares),
                "is_legal": item.is_legal,
                "needs_world": item.needs_world,
            }
            for item in SCENARIOS.values()
        ],
        "firmware": list(REVISIONS),
        "policies": list(Policy.preset_names()),
        "faults": [
            {"kind": kind, "summary": text, "fields": [*sorted(names), *COMMON_FIELDS]}
            for kind, (text, names) in KINDS.items()
        ],
        "choices": {name: list(choices) for name, choices in CHOICES.items()},
        "example": EXAMPLE,
        "options": [
            {"name": name, "default": as_text(default), "source": source}
            for name, default, source in sources()
        ],
    }
    if calls:
        found["calls"] = dict(injection_points())
    return found


def _heading(text: str) -> None:
    click.echo(f"\n{text}")
