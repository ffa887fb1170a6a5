"""The matrix of a certificate: what stands in its cells, and what faults of no call came to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from scenarios.lab.cells import LOCKS, MANNERS, Cell
from scenarios.lab.matrix import VERDICTS
from scenarios.page.model import Block, Item, Matrix, MatrixCell, MatrixRow, Note, Table, tone_of
from scenarios.page.text import duration, heading, plural, setting, words
from sim.faults import Fault

AT_CALLS = ("hang", "delay", "error")
"""Faults that strike an SDK call, the columns of the matrix."""
COLUMNS = (
    *(("hang", manner, lock) for manner in MANNERS for lock in LOCKS),
    *(("delay", manner, "none") for manner in MANNERS),
    ("error", "blocked", "none"),
)
Key = tuple[str, str, str]


def cell_of(name: str) -> Cell:
    """Return the cell that a certificate calls by this name."""
    request, _, fault = name.partition(": ")
    return Cell(request, Fault.parse(fault))


def title_of(cell: Cell) -> str:
    """Return a cell in words."""
    fault = cell.fault
    if fault.kind not in AT_CALLS:
        return _fault_text(cell)
    what = {"hang": "hangs", "delay": "is late", "error": "fails"}[fault.kind]
    manner = f", {fault.manner}" if fault.kind == "hang" else ""
    nth = f" ×{fault.nth}" if fault.nth > 1 else ""
    lock = f", {fault.lock} lock held" if cell.lock not in ("", "none") else ""
    return f"{fault.call}{nth} {what} in {cell.request}{manner}{lock}"


def _key(cell: Cell) -> Key:
    return cell.fault.kind, cell.fault.manner, cell.fault.lock


def matrix(cells: Mapping[Cell, Mapping[str, Any]]) -> Block:
    """Return the cells at SDK calls, a row for each call."""
    if not cells:
        return Note("The certificate holds no cell at an SDK call.")
    sites: dict[tuple[str, str, int], dict[Key, MatrixCell]] = {}
    for cell, item in cells.items():
        site = (cell.request, cell.fault.call, cell.fault.nth)
        sites.setdefault(site, {})[_key(cell)] = _matrix_cell(cell, item)
    tally = Counter(item["verdict"] for item in cells.values())
    return Matrix(
        caption=f"{plural(len(cells), 'cell')} at {plural(len(sites), 'call')}",
        groups=(("hangs, blocked", 3), ("hangs, spinning", 3), ("200 ms late", 2), ("fails", 1)),
        columns=(
            *("no lock", "channel lock", "USB lock") * 2,
            "asleep",
            "computing",
            "status code",
        ),
        rows=tuple(
            MatrixRow(request, call, nth, tuple(found.get(key) for key in COLUMNS))
            for (request, call, nth), found in sites.items()
        ),
        legend=tuple(
            (words(verdict), tone_of(verdict), tally[verdict])
            for verdict in reversed(VERDICTS)
            if tally[verdict]
        ),
    )


def _matrix_cell(cell: Cell, item: Mapping[str, Any]) -> MatrixCell:
    levels = ", ".join(map(str, item["levels"]))
    red = tuple(item["red"])
    return MatrixCell(
        text=levels or "–",
        latency=duration(item["detected_ms"], ""),
        verdict=words(item["verdict"]),
        tone=tone_of(item["verdict"]),
        is_red=bool(red),
        notes=(
            title_of(cell),
            *(f"broken: {text}" for text in red),
            f"{words(item['verdict'])}, {_level_text(item['levels'])}",
            f"answers within {duration(item['detected_ms'], 'nothing')}",
            f"claimed: {_claim_text(item['claim'])}",
            _serving_text(item["serving_ms"]),
            f"over {plural(item['onsets'], 'onset')}",
            cell.name,
        ),
    )


def _level_text(levels: Sequence[int]) -> str:
    if not levels:
        return "no level had to act"
    return f"level {' or '.join(map(str, levels))} acted"


def _claim_text(claim: Mapping[str, Any] | None) -> str:
    if claim is None:
        return "nothing"
    if claim["kind"] != "recovers":
        return str(claim["kind"])
    within = f" within {duration(claim['within_ms'])}" if claim["within_ms"] else ""
    instead = f", or {_claim_text(claim['instead'])}" if claim.get("instead") else ""
    return f"level {claim['level']}{within}{instead}"


def _serving_text(serving_ms: float | None) -> str:
    if serving_ms is None:
        return "does not serve again in some run"
    return (
        f"serves again within {duration(serving_ms)}" if serving_ms else "the host noticed nothing"
    )


def whole_device(cells: Mapping[Cell, Mapping[str, Any]]) -> Block:
    """Return the cells that strike no call, as a table."""
    rows = tuple(
        (
            Item(_fault_text(cell)),
            Item(", ".join(map(str, item["levels"])) or "–", is_number=True),
            Item(duration(item["detected_ms"]), is_number=True),
            Item(_claim_text(item["claim"])),
            Item(
                duration(item["serving_ms"], "never") if item["serving_ms"] != 0 else "unnoticed",
                is_number=True,
            ),
            Item(
                words(item["verdict"]) + (": claim broken" if item["red"] else ""),
                "bad" if item["red"] else tone_of(item["verdict"]),
                note="; ".join(item["red"]),
            ),
        )
        for cell, item in cells.items()
    )
    return Table(
        "Faults that strike no call",
        ("Fault", "Level", "Answers within", "Claimed", "Serves again within", "Verdict"),
        rows,
    )


def _fault_text(cell: Cell) -> str:
    fault = cell.fault
    text = heading(fault.kind)
    if fault.kind == "main_hang":
        text += f", {fault.manner}"
    if fault.kind == "cold_start":
        text += f", until the next {fault.until}"
    if fault.for_ms:
        text += f", {setting(fault.for_ms)}"
    return f"{text} ({cell.request})"
