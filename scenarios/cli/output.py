"""Printing: JSON and tables to standard output, progress to standard error."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from scenarios.errors import InputError

if TYPE_CHECKING:
    from rich.table import Table

PICTURES = (".png", ".svg", ".pdf")
TRACES = (".json", ".vcd", ".pcap")
WIDE = 240
"""Columns for a table that goes into a file or a pipe: nothing is folded."""


def print_json(document: dict[str, Any]) -> None:
    """Print a document; its first field is ``schema``."""
    click.echo(json_text(document))


def json_text(document: dict[str, Any]) -> str:
    """Return a document as it is printed, for a file too."""
    return json.dumps(document, indent=2)


def write_json(path: Path, document: dict[str, Any]) -> None:
    """Write a document to a file, which is then the old one or the new one, whole.

    What is no plain file, such as a pipe, ``/dev/null`` or a link, is written to as it is:
    replaced, it would be gone.

    Raises:
        InputError: it cannot be written.
    """
    from hw.guard.place import atomic_write

    data = (json_text(document) + "\n").encode()
    is_plain = not path.is_symlink() and (path.is_file() or not path.exists())
    with Writing(path):
        if is_plain:
            atomic_write(path, data)
        else:
            path.write_bytes(data)


def table(*columns: str, folds: Sequence[str] = ()) -> Table:
    """Return an empty table.

    Args:
        columns: its headings.
        folds: those whose cells may take more lines where the terminal is narrow; by default all.
    """
    from rich import box
    from rich.table import Table

    made = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, collapse_padding=True)
    for heading in columns:
        made.add_column(heading, overflow="fold", no_wrap=bool(folds) and heading not in folds)
    return made


def print_table(made: Table) -> None:
    """Print a table: as wide as the terminal, or as it needs where there is none."""
    from rich.console import Console

    is_terminal = sys.stdout.isatty()
    buffer = StringIO()
    # Rendered first: a pipe that closes meanwhile is the command line's business, not rich's.
    console = Console(
        file=buffer,
        force_terminal=is_terminal,
        width=None if is_terminal else WIDE,
        highlight=False,
        legacy_windows=False,
    )
    console.print(made)
    lines = (line.rstrip() for line in buffer.getvalue().splitlines())
    click.echo("\n".join(lines), color=is_terminal)


class Progress:
    """A line on standard error that says how far the work is; on a terminal only."""

    def __init__(self, what: str) -> None:
        self.what = what
        self.is_shown = sys.stderr.isatty()

    def __call__(self, done: int, of: int) -> None:
        """Show a new state."""
        if self.is_shown:
            click.echo(f"\r{self.what}: {done} of {of}", err=True, nl=done == of)


@contextmanager
def progress_bar(what: str, total: int) -> Iterator[Callable[[str], None]]:
    """Show a bar on standard error while something is done; on a terminal only.

    Args:
        what: is being done.
        total: how many steps it has.

    Yields:
        To be called after each step, with the name of the next one.
    """
    from rich.console import Console
    from rich.progress import Progress as Bar

    with Bar(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task(what, total=total)

        def step(following: str) -> None:
            bar.update(task, advance=1, description=following or what)

        yield step


def writable_folder(path: Path) -> Path:
    """Return a folder, made if need be, that files can be written to.

    Raises:
        InputError: it cannot be made or written to.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the folder {path}: {error.strerror}") from error
    if not os.access(path, os.W_OK):
        raise InputError(f"cannot write to the folder {path}: permission denied")
    return path


def writable_file(path: Path | None) -> Path | None:
    """Return a path that a file can be written to, as far as can be told before.

    Raises:
        InputError: it is a folder, or its folder is missing or cannot be written to.
    """
    if path is None:
        return None
    if path.is_dir():
        raise InputError(f"cannot write {path}: it is a folder")
    folder = path.parent
    if not folder.is_dir():
        raise InputError(f"cannot write {path}: there is no folder {folder}")
    if not os.access(path if path.exists() else folder, os.W_OK):
        raise InputError(f"cannot write {path}: permission denied")
    return path


def writable_picture(path: Path | None) -> Path | None:
    """As :func:`writable_file`, for a kind of file that pictures can be written as.

    Raises:
        InputError: it cannot be written, or its ending is none of a picture.
    """
    if path is not None and path.suffix.lower() not in PICTURES:
        raise InputError(f"cannot draw {path}: its name has to end in {', '.join(PICTURES)}")
    return writable_file(path)


def writable_trace(path: Path | None) -> Path | None:
    """As :func:`writable_file`, for a kind of file that runs can be recorded as.

    Raises:
        InputError: it cannot be written, or its ending is none of a trace.
    """
    if path is not None and path.suffix.lower() not in TRACES and not path.is_dir():
        raise InputError(
            f"cannot record {path}: its name has to end in .json (Perfetto), .vcd (GTKWave, "
            "Surfer) or .pcap (Wireshark)"
        )
    return writable_file(path)


class Writing:
    """Turns an error in writing a file into one line that names it: ``with Writing(path):``."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> Path:
        return self.path

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError):
            raise InputError(f"cannot write {self.path}: {error.strerror or error}") from error


def seconds(duration_ms: float | None) -> str:
    """Return a duration for a table, in s with ms; a dash when there is none."""
    return "–" if duration_ms is None else f"{duration_ms / 1000:.3f} s"


def words(items: Sequence[object]) -> str:
    """Return items with commas between, or a dash."""
    return ", ".join(map(str, items)) or "–"
