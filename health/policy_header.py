"""A policy as a C header, for the firmware that will be built with it."""

from __future__ import annotations

from dataclasses import fields

from health.policy_fields import PolicyFields


def write(policy: PolicyFields, digest: str) -> str:
    """Return a header that defines each field of *policy*, unit last, as HEALTH_<FIELD>.

    Booleans are 0 or 1; all numbers are unsigned; times are in the unit of the name.

    Args:
        policy: what to write.
        digest: its digest.
    """
    lines = [
        f"/* Watchdog policy {policy.name}",
        f" * digest sha256:{digest}",
        " */",
        "#ifndef HEALTH_POLICY_H",
        "#define HEALTH_POLICY_H",
        "",
    ]
    for field in fields(policy):
        value = getattr(policy, field.name)
        text = f'"{value}"' if isinstance(value, str) else f"{int(value)}u"
        lines.append(f"#define HEALTH_{field.name.upper()} {text}")
    return "\n".join([*lines, "", "#endif", ""])
