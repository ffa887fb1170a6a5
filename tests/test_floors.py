"""The house has four floors, and nothing reaches up.

Imports are read from the source, so a forbidden one is found wherever it stands; imports for type
checkers alone make no floor, but they have to point down as well.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = ("health", "hw", "sim", "scenarios")

MAY_IMPORT = {
    "health": ("health",),
    "hw": ("hw", "health"),
    "sim": ("sim", "health", "hw.protocol", "hw.trace"),
    "scenarios": ROOMS,
}
"""What of the house each room may import."""


@dataclass(frozen=True)
class Import:
    """One module that another one names in an import.

    Attributes:
        importer, imported: full module names.
        line: where.
        at_import_time: executed when the importer is imported, not in a call or for type checkers.
    """

    importer: str
    imported: str
    line: int
    at_import_time: bool

    def __str__(self) -> str:
        return f"{self.importer}:{self.line} imports {self.imported}"


def module_name(path: Path) -> str:
    parts = list(path.relative_to(ROOT).with_suffix("").parts)
    if parts[-1] == "__init__":
        parts.pop()
    return ".".join(parts)


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def statements(node: ast.AST, at_import_time: bool = True) -> Iterator[tuple[ast.stmt, bool]]:
    """Every import statement below a node, and whether it runs when the module is imported."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child, at_import_time
            continue
        runs = at_import_time and not isinstance(
            child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
        )
        if is_type_checking(child):
            for branch in child.body:
                yield from statements(ast.Module([branch], []), False)
            for branch in child.orelse:
                yield from statements(ast.Module([branch], []), runs)
            continue
        yield from statements(child, runs)


def named(
    statement: ast.stmt, importer: str, is_package: bool, modules: frozenset[str]
) -> list[str]:
    """The modules that a statement names, submodules in ``from package import module`` included."""
    if isinstance(statement, ast.Import):
        return [alias.name for alias in statement.names]
    assert isinstance(statement, ast.ImportFrom)
    base = statement.module or ""
    if statement.level:
        package = importer.split(".")
        package = package[: len(package) - statement.level + is_package]
        base = ".".join([*package, *([base] if base else [])])
    found = []
    for alias in statement.names:
        whole = f"{base}.{alias.name}"
        found.append(whole if whole in modules else base)
    return found


def read_house() -> tuple[frozenset[str], list[Import]]:
    paths = [path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))]
    modules = frozenset(module_name(path) for path in paths)
    imports = []
    for path in paths:
        importer = module_name(path)
        tree = ast.parse(path.read_text(), str(path))
        for statement, at_import_time in statements(tree):
            imports += [
                Import(importer, imported, statement.lineno, at_import_time)
                for imported in named(statement, importer, path.stem == "__init__", modules)
            ]
    return modules, imports


MODULES, IMPORTS = read_house()


def is_within(module: str, place: str) -> bool:
    return module == place or module.startswith(f"{place}.")


def room_of(module: str) -> str:
    return module.split(".", 1)[0]


def test_the_house_is_there():
    """All four rooms were found and read; an empty walk would pass everything below."""
    assert {room_of(module) for module in MODULES} == set(ROOMS)
    assert len(IMPORTS) > 200
    assert Import("sim.world", "sim.bench", 1, True).imported in {
        each.imported for each in IMPORTS if each.importer == "sim.world"
    }


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_from_floors_below(room):
    """DESIGN 4: health alone; hw may import health; sim those two facts of hw; scenarios all."""
    wrong = [
        str(each)
        for each in IMPORTS
        if room_of(each.importer) == room
        and room_of(each.imported) in ROOMS
        and not any(is_within(each.imported, place) for place in MAY_IMPORT[room])
    ]
    assert wrong == []


def test_health_imports_the_standard_library_alone():
    """DESIGN 4: floor 0 must run where nothing is installed; no third-party package, ever."""
    wrong = [
        str(each)
        for each in IMPORTS
        if room_of(each.importer) == "health"
        and room_of(each.imported) not in {*sys.stdlib_module_names, "health"}
    ]
    assert wrong == []


def test_no_room_imports_the_tests():
    """What is installed does not need what is not."""
    assert [str(each) for each in IMPORTS if room_of(each.imported) == "tests"] == []


def test_hw_protocol_pulls_no_pyusb_into_the_simulator():
    """hw/__init__ imports nothing, and the wire facts the standard library alone."""
    wrong = [
        str(each)
        for each in IMPORTS
        if (each.importer == "hw" or is_protocol(each.importer))
        and not is_protocol(each.imported)
        and room_of(each.imported) not in sys.stdlib_module_names
    ]
    assert wrong == []


def is_protocol(module: str) -> bool:
    return module == "hw.protocol" or module.startswith("hw.protocol.")


def cycles(edges: dict[str, set[str]]) -> list[list[str]]:
    """The strongly connected parts of more than one module (Tarjan), each sorted."""
    order: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(module: str) -> None:
        order[module] = low[module] = len(order)
        stack.append(module)
        for other in sorted(edges.get(module, ())):
            if other not in order:
                visit(other)
                low[module] = min(low[module], low[other])
            elif other in stack:
                low[module] = min(low[module], order[other])
        if low[module] == order[module]:
            part = [stack.pop()]
            while part[-1] != module:
                part.append(stack.pop())
            if len(part) > 1:
                found.append(sorted(part))

    for module in sorted(edges):
        if module not in order:
            visit(module)
    return found


def test_no_modules_import_each_other_in_a_circle():
    """Done means: the drawing of the structure has no circle, at import time."""
    edges: dict[str, set[str]] = {module: set() for module in MODULES}
    for each in IMPORTS:
        if each.at_import_time and each.imported in MODULES and each.imported != each.importer:
            edges[each.importer].add(each.imported)
    assert cycles(edges) == []


def test_the_rule_finds_what_it_looks_for():
    """The test itself: an import in a function counts for the floors, not for the circles."""
    tree = ast.parse(
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    import a\nelse:\n    import b\n"
        "def f():\n    import c\n"
        "class C:\n    import d\n"
        "try:\n    from . import e\nexcept ImportError:\n    from .. import f\n"
    )
    seen = [(ast.unparse(node), at) for node, at in statements(tree)]
    assert seen == [
        ("from typing import TYPE_CHECKING", True),
        ("import a", False),
        ("import b", True),
        ("import c", False),
        ("import d", True),
        ("from . import e", True),
        ("from .. import f", True),
    ]
    house = frozenset({"x.y", "x.e", "x"})
    relative = ast.parse("from . import e").body[0]
    assert named(relative, "x.y", False, house) == ["x.e"]
    assert named(relative, "x", True, house) == ["x.e"]
    assert cycles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == [["a", "b", "c"]]
