"""The document shows the rules that decide."""

import re
from pathlib import Path

from hw.guard import RULES, HostState, Operation, OperationClass, RiskMode, Verdict
from hw.guard.force import PHRASE, VARIABLE
from hw.guard.grants import EXAMPLE
from hw.guard.tables import MEANINGS, markdown, rule_rows

DOCUMENT = Path(__file__).parents[3] / "docs" / "guard.md"


def test_the_document_has_the_tables_of_the_code():
    """Made again with the line that the document names."""
    found = re.search(
        r"<!-- rules:.*?-->\n(.*?)\n<!-- end of rules -->", DOCUMENT.read_text(), re.S
    )
    assert found is not None
    assert found.group(1) == markdown()


def test_the_document_shows_the_example_and_the_phrase_of_the_code():
    text = DOCUMENT.read_text()
    assert "".join(f"    {line}\n" for line in EXAMPLE.splitlines()) in text
    assert f"`{VARIABLE}={PHRASE}`" in text
    for verdict in MEANINGS:
        assert f"- **{verdict.value}**" in text


def test_the_rules_answer_every_class_state_and_mode():
    assert list(RULES) == [(kind, state) for kind in OperationClass for state in HostState]
    assert all(list(verdicts) == list(RiskMode) for verdicts in RULES.values())
    assert set(MEANINGS) == set(Verdict)


def test_rows_that_are_put_together_lose_nothing():
    told = {}
    for kind, hosts, *verdicts in rule_rows():
        names = [state.value for state in HostState] if hosts == "any" else hosts.split(", ")
        told.update({(kind, name): verdicts for name in names})
    assert told == {
        (kind.value, state.value): [item.value for item in verdicts.values()]
        for (kind, state), verdicts in RULES.items()
    }


def test_every_operation_is_in_the_tables_once():
    for operation in Operation:
        cells = re.findall(rf"(?<=[ |]){operation.label}(?=[ ,])", markdown().split("\n\n")[1])
        assert len(cells) == 1
