"""A user's own health module, in the place of the reference one: found by name or by path."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from functools import cache
from importlib.metadata import entry_points
from inspect import getsourcefile, isclass
from pathlib import Path
from types import ModuleType
from typing import cast

from health import Health, HealthFactory
from hw.guard.certificate import REFERENCE as REFERENCE_CLASS, HealthClass
from scenarios.errors import InputError, not_known

GROUP = "fx3loop.health"
"""The group of entry points in which a project offers its module."""
METHODS = ("init", "record_event", "evaluate", "recover", "main_heartbeat")
"""The contract (health.HealthModule)."""
REFERENCE = ""
"""The name of `health.Health` wherever a module is named by text."""
EXAMPLE = "for example --health my_health.py:MyHealth"


@cache
def find(text: str) -> HealthFactory:
    """Return the class of health modules that is meant.

    Args:
        text: ``FILE:CLASS``, the name of an entry point of the group ``fx3loop.health``, or empty
            for the reference module.

    Raises:
        InputError: there is none, it cannot be imported, or it lacks a method of the contract.
    """
    if text == REFERENCE:
        return Health
    path, colon, name = text.rpartition(":")
    if colon:
        return _checked(text, _from_file(Path(path), name))
    offered = {item.name: item for item in entry_points(group=GROUP)}
    if text not in offered:
        if not offered:
            raise InputError(
                f"no health module {text!r}: no project offers one in the group {GROUP}; "
                f"name a file and its class, {EXAMPLE}"
            )
        raise not_known("health module", text, offered)
    try:
        return _checked(text, offered[text].load())
    except (ImportError, AttributeError) as error:
        raise InputError(f"health module {text!r} cannot be imported: {error}") from error


def identity(text: str) -> HealthClass:
    """Return what a certificate says of a class: its name, and the digest of its file as it is now.

    Args:
        text: as for :func:`find`.

    Raises:
        InputError: there is no such class, or its file cannot be read.
    """
    if text == REFERENCE:
        return REFERENCE_CLASS
    found = find(text)
    path_text, colon, class_name = text.rpartition(":")
    path = Path(path_text) if colon else _source_of(found)
    name = f"{path.name}:{class_name}" if colon else text
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    return HealthClass(name, is_reference=False, file_sha256=digest)


def _source_of(found: HealthFactory) -> Path:
    try:
        source = getsourcefile(cast(type, found))
    except TypeError:
        source = None
    if source is None:
        raise InputError(f"the file of {found!r} is not known; name it, {EXAMPLE}")
    return Path(source)


def _from_file(path: Path, name: str) -> object:
    if not path.is_file():
        raise InputError(f"no file {str(path)!r} with a health module, {EXAMPLE}")
    module = _module(path.resolve())
    found = getattr(module, name, None)
    if found is None:
        classes = [key for key, value in vars(module).items() if isclass(value)]
        raise not_known(f"class in {path}", name, classes)
    return found


@cache
def _module(path: Path) -> ModuleType:
    name = f"fx3loop_health_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise InputError(f"{path} is no Python file, {EXAMPLE}")
    module = importlib.util.module_from_spec(spec)
    # Registered while it runs, because data classes look their module up there.
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise InputError(f"{path} cannot be imported: {type(error).__name__}: {error}") from error
    return module


def _checked(text: str, found: object) -> HealthFactory:
    if not isclass(found):
        raise InputError(f"{text} is no class, {EXAMPLE}")
    missing = [name for name in METHODS if not callable(getattr(found, name, None))]
    if missing:
        raise InputError(
            f"{text} has no method {missing[0]}; a health module has {', '.join(METHODS)}"
        )
    return cast(HealthFactory, found)
