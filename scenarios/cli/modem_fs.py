"""``fx3loop modem fs``: the files of a module, below ``/usr``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from scenarios.cli.codes import USAGE
from scenarios.cli.modem_place import modem_options, opened, printable

if TYPE_CHECKING:
    from hw.serial.files import Entry
    from scenarios.cli.modem_place import Place

SCHEMA = "fx3loop.modem.fs/1"
ROOT = "/usr"


@click.group("fs", invoke_without_command=True)
@click.pass_context
def command(context: click.Context) -> None:
    """Look at the files of a module below /usr, or change them.

    Looking ends the program that runs on the module (repl). Writing is fs-write, deleting and
    replacing fs-delete, running fs-run: on a real module the guard wants each acknowledged.
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help(), err=True)
        context.exit(USAGE)


@command.command("ls")
@click.argument("path", default=ROOT)
@modem_options
@click.pass_context
def ls(context: click.Context, /, path: str, as_json: bool, **_: object) -> None:
    """List what is in the folder PATH."""
    with opened(context) as place:
        entries = place.files().ls(path)
        _finish(place, as_json, "ls", _listing(entries, names=True), **_entries(entries))


@command.command("tree")
@click.argument("path", default=ROOT)
@click.option("--depth", type=click.IntRange(1, 32), default=6, show_default=True)
@modem_options
@click.pass_context
def tree(context: click.Context, /, path: str, depth: int, as_json: bool, **_: object) -> None:
    """List all that is below the folder PATH."""
    with opened(context) as place:
        entries = place.files().tree(path, depth)
        _finish(place, as_json, "tree", _listing(entries, names=False), **_entries(entries))


@command.command("mkdir")
@click.argument("path")
@modem_options
@click.pass_context
def mkdir(context: click.Context, /, path: str, as_json: bool, **_: object) -> None:
    """Make the folder PATH, and those above it that are missing."""
    from hw.guard import Operation

    with opened(context) as place:
        made = place.files(Operation.FS_WRITE).mkdir(path)
        text = f"made {', '.join(made)}" if made else f"{path} was there"
        _finish(place, as_json, "mkdir", text, made=made)


@command.command("rm")
@click.argument("path")
@modem_options
@click.pass_context
def rm(context: click.Context, /, path: str, as_json: bool, **_: object) -> None:
    """Delete the file PATH."""
    from hw.guard import Operation

    with opened(context) as place:
        place.files(Operation.FS_DELETE).rm(path)
        _finish(place, as_json, "rm", f"deleted {path}", path=path)


@command.command("rmdir")
@click.argument("path")
@modem_options
@click.pass_context
def rmdir(context: click.Context, /, path: str, as_json: bool, **_: object) -> None:
    """Delete the empty folder PATH."""
    from hw.guard import Operation

    with opened(context) as place:
        place.files(Operation.FS_DELETE).rmdir(path)
        _finish(place, as_json, "rmdir", f"deleted {path}", path=path)


@command.command("run")
@click.argument("path")
@modem_options
@click.pass_context
def run(context: click.Context, /, path: str, as_json: bool, **_: object) -> None:
    """Run the file PATH; one that does not end within --limit-ms is left running."""
    from hw.guard import Operation

    with opened(context) as place:
        ran = place.files(Operation.FS_RUN).run(path, place.asked.limit_ms)
        shown = printable(ran.output)
        text = shown if ran.has_ended else f"{shown}\n{path} still runs".strip()
        _finish(place, as_json, "run", text, output=shown, has_ended=ran.has_ended)


@command.command("push")
@click.argument("local", type=click.Path(path_type=Path))
@click.argument("folder", default=ROOT)
@click.option("--name", help="Its name on the module; by default its own.")
@modem_options
@click.pass_context
def push(
    context: click.Context,
    /,
    local: Path,
    folder: str,
    name: str | None,
    as_json: bool,
    **_: object,
) -> None:
    """Send the file LOCAL into FOLDER, and check size and SHA-256 on the module.

    A file of that name stands until the new one is whole and checked; replacing it is fs-delete.
    """
    from hw.guard import Operation
    from hw.serial.paths import child
    from scenarios.errors import InputError

    try:
        content = local.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {local}: {error.strerror}") from error
    remote_name = name if name is not None else local.name
    child(folder, remote_name)
    with opened(context) as place:
        pushed = place.files(Operation.FS_WRITE).push(content, folder, remote_name)
        what = "replaced" if pushed.is_replaced else "wrote"
        _finish(
            place,
            as_json,
            "push",
            f"{what} {pushed.path}: {pushed.size_bytes} bytes, sha256 {pushed.sha256}",
            path=pushed.path,
            size_bytes=pushed.size_bytes,
            sha256=pushed.sha256,
            is_replaced=pushed.is_replaced,
        )


def _finish(place: Place, as_json: bool, action: str, text: str, **found: object) -> None:
    if as_json:
        from scenarios.cli import output

        output.print_json({"schema": SCHEMA, **place.about(), "action": action, **found})
    elif text:
        click.echo(text)


def _entries(entries: list[Entry]) -> dict[str, Any]:
    return {
        "entries": [
            {
                "path": entry.path,
                "kind": "folder" if entry.is_folder else "file",
                "size_bytes": None if entry.is_folder else entry.size_bytes,
            }
            for entry in entries
        ]
    }


def _listing(entries: list[Entry], *, names: bool) -> str:
    lines = []
    for entry in entries:
        size = "" if entry.is_folder else str(entry.size_bytes)
        name = entry.name if names else entry.path
        lines.append(f"{size:>9}  {printable(name)}{'/' if entry.is_folder else ''}")
    return "\n".join(lines)
