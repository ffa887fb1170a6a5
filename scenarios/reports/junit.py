"""Results as JUnit XML, as CI systems read it.

Durations are simulated seconds, and there is no time of day, so that equal runs give equal files.
Source: the schema that Jenkins publishes for its JUnit plugin.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

from scenarios.results import Outcome, Result

SUITE = "fx3loop"
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def text(results: Sequence[Result]) -> str:
    """Return the XML document, with a line break at its end.

    Args:
        results: in their order.
    """
    suite = ElementTree.Element("testsuite", _attributes(results))
    for item in results:
        suite.append(_case(item))
    root = ElementTree.Element("testsuites", _attributes(results))
    root.append(suite)
    ElementTree.indent(root)
    body = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{body}\n'


def write(results: Sequence[Result], path: Path) -> None:
    """Write the document.

    Raises:
        OSError: the file cannot be written.
    """
    path.write_text(text(results), encoding="utf-8", newline="\n")


def _attributes(results: Sequence[Result]) -> dict[str, str]:
    failed = sum(item.outcome is Outcome.FAILED for item in results)
    skipped = sum(item.outcome in (Outcome.SKIPPED, Outcome.EXPECTED) for item in results)
    simulated_ms = sum(item.row.simulated_ms for item in results if item.row is not None)
    return {
        "name": SUITE,
        "tests": str(len(results)),
        "failures": str(failed),
        "errors": "0",
        "skipped": str(skipped),
        "time": f"{simulated_ms / 1000:.3f}",
    }


def _case(item: Result) -> ElementTree.Element:
    row = item.row
    simulated_ms = 0.0 if row is None else row.simulated_ms
    case = ElementTree.Element(
        "testcase",
        {
            "classname": f"{SUITE}.{item.group}",
            "name": item.scenario,
            "time": f"{simulated_ms / 1000:.3f}",
        },
    )
    if row is not None:
        properties = ElementTree.SubElement(case, "properties")
        for name in ("seed", "simulated_ms", "firmware", "policy", "position", "verdict"):
            value = str(getattr(row, name))
            ElementTree.SubElement(properties, "property", {"name": name, "value": value})
    reasons = [_NOT_XML.sub("?", text) for text in item.reasons]
    if item.outcome is Outcome.FAILED:
        failure = {"type": "failed", "message": reasons[0]}
        ElementTree.SubElement(case, "failure", failure).text = "\n".join(reasons)
    elif item.outcome is not Outcome.PASSED:
        message = f"{item.outcome.value}: {reasons[0]}"
        ElementTree.SubElement(case, "skipped", {"message": message}).text = "\n".join(reasons)
    if row is not None and row.said:
        said = _NOT_XML.sub("?", "\n".join(row.said))
        ElementTree.SubElement(case, "system-out").text = said
    return case
