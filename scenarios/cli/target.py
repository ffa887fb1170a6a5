"""The options that several commands share: a world or a real device, whose health module."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])

USB = "usb"
OF_A_DEVICE = {
    "risk": "--risk",
    "acknowledge": "--acknowledge",
    "serial": "--serial",
}
"""What only a real device needs: parameter and option."""


def target_options(command: Command) -> Command:
    """Give a command ``--target`` and what the guard has to be told for a real device.

    The command gets ``target``, ``risk``, ``acknowledge``, ``serial``, ``image``.
    """
    options = (
        click.option(
            "--target",
            type=click.Choice(["world", USB]),
            default="world",
            show_default=True,
            help="A simulated world, or a real device.",
        ),
        click.option(
            "--risk",
            type=click.Choice(["safe", "standard", "aggressive"]),
            default="safe",
            show_default=True,
            help="For a real device: the guard's risk mode.",
        ),
        click.option(
            "--acknowledge",
            multiple=True,
            metavar="OPERATION",
            help="... an operation, such as reset.",
        ),
        click.option("--serial", metavar="DIGITS", help="... which one, by its serial number."),
        click.option(
            "--image",
            type=click.Path(path_type=Path),
            metavar="FILE",
            help="... firmware to upload to its boot ROM.",
        ),
    )
    return with_options(command, options)


def with_options(command: Command, options: Sequence[Callable[[Any], Any]]) -> Command:
    """Give a command options, which its help lists in their order."""
    for option in reversed(options):
        command = option(command)
    return command


def health_option(command: Command) -> Command:
    """Give a command ``--health``: the module to judge, empty for the reference one."""
    option = click.option(
        "--health", default="", metavar="FILE:CLASS|NAME", help="A health module of your own."
    )
    return option(command)


def is_given(context: click.Context, parameter: str) -> bool:
    """Return whether an option was typed, whatever its value."""
    return context.get_parameter_source(parameter) is not click.core.ParameterSource.DEFAULT


def refuse_other_target(
    context: click.Context, world_only: Mapping[str, tuple[str, str]], *, has_world_image: bool
) -> None:
    """Refuse the options that the chosen target cannot have.

    Args:
        context: of the command.
        world_only: parameters that a real device cannot have: the option and why.
        has_world_image: an image means something in a world too.

    Raises:
        click.UsageError: one was given.
    """
    if context.params["target"] == USB:
        for name, (option, reason) in world_only.items():
            if is_given(context, name):
                raise click.UsageError(f"{option} needs a world: {reason}")
        return
    names = OF_A_DEVICE if has_world_image else {**OF_A_DEVICE, "image": "--image"}
    for name, option in names.items():
        if is_given(context, name):
            raise click.UsageError(f"{option} is for a real device; give --target usb with it")
