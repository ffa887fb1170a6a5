"""Reads a campaign from TOML; every error names file, key and a right example."""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

from scenarios import option_text
from scenarios.errors import InputError, not_known
from scenarios.lab import campaign_policies
from scenarios.lab.campaign import (
    DURATION,
    HOST_FIELDS,
    JITTER,
    ONSET,
    Campaign,
    Life,
    Rate,
    Strike,
    lasting_for,
)
from scenarios.lab.distributions import MILLION, Distribution
from scenarios.lab.receiver import REQUESTS
from sim.errors import FaultError, FirmwareNotKnown
from sim.faults import KINDS, Fault
from sim.firmware import revision
from sim.options import Options

KEYS = (
    "name",
    "seed",
    "runs",
    "sampling",
    "firmware",
    "rate_hz",
    "policy",
    "fault",
    "options",
    "host",
    JITTER,
    "life",
)
FAULT_KEYS = ("name", "fault", "request", ONSET, DURATION, "per_day", "source")
LIFE_KEYS = ("days", "devices", "repair_min", "source", "session")
SAMPLINGS = ("latin_hypercube", "independent")
SESSIONS = ("kept", "restarted")
EXAMPLES = {
    "name": 'name = "pet-interval"',
    "seed": "seed = 1",
    "runs": "runs = 100",
    "sampling": 'sampling = "latin_hypercube"',
    "firmware": 'firmware = "reference"',
    "rate_hz": "rate_hz = 64000000",
    "fault": '[[fault]] name = "main_death", fault = "main_hang"',
    "days": "days = 365",
    "devices": "devices = 10",
    "repair_min": "repair_min = 480",
    "per_day": 'per_day = 1.0 and source = "assumed"',
}
ANY_PHASE = Distribution(
    "uniform", "judgement: a fault knows nothing of the phase; over one minute", (0, 59_999)
)
RUNS_MAX = 1_000_000
RATES_HZ = (1_000_000, 64_000_000)
"""What the converter samples at (LTC2208 data sheet; 64 MS/s is what the bus carries)."""


def presets() -> tuple[str, ...]:
    """Return the names of the campaigns that come with the program."""
    folder = files("scenarios.lab").joinpath("campaigns")
    return tuple(sorted(item.name[:-5] for item in folder.iterdir() if item.name.endswith(".toml")))


def text_of(name: str) -> tuple[str, str]:
    """Return the text of a campaign and what to call it.

    Args:
        name: a preset's name or a file.

    Raises:
        InputError: there is no such campaign, or it cannot be read.
    """
    if name in presets():
        path = files("scenarios.lab").joinpath("campaigns", f"{name}.toml")
        return path.read_text(encoding="utf-8"), name
    if not name.endswith(".toml") and not Path(name).exists():
        raise not_known("campaign", name, presets())
    try:
        return Path(name).read_text(encoding="utf-8"), name
    except OSError as error:
        raise InputError(f"cannot read {name}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"cannot read {name}: no text in UTF-8 (byte {error.start})") from error


def parse(text: str, source: str) -> Campaign:
    """Return the campaign in a text.

    Args:
        text: TOML.
        source: what to call it in an error; policy files are looked for beside it.

    Raises:
        InputError: with source, key and a right example.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(
            f"{source} is no TOML: {error}; a right line is {EXAMPLES['runs']}"
        ) from error
    _only(document, KEYS, source)
    policies = campaign_policies.read(document.get("policy", {}), source, _seed(document, source))
    life = _life(document, source)
    campaign = Campaign(
        name=_text(document, "name", source, Path(source).stem),
        seed=_seed(document, source),
        runs=_whole(document, "runs", source, 1, RUNS_MAX, 1 if life else None),
        is_stratified=_choice(document, "sampling", SAMPLINGS, source) == SAMPLINGS[0],
        firmwares=_firmwares(document, source),
        policies=policies.policies,
        varied=policies.varied,
        left_out=policies.left_out,
        strikes=_strikes(document, source, is_life=life is not None),
        options=_options(document, source),
        host=_host(document, source),
        poll_jitter_ms=_distribution(document, JITTER, source, Distribution.fixed(0), (0, 1_000)),
        rate_hz=_whole(document, "rate_hz", source, *RATES_HZ, RATES_HZ[1]),
        life=life,
        digest="",
    )
    # What a preset or file says today decides the rows, too.
    decided = {"campaign": document, "policies": [item.digest for item in policies.policies]}
    digest = hashlib.sha256(json.dumps(decided, sort_keys=True).encode()).hexdigest()
    return replace(campaign, digest=digest)


def _only(table: Mapping[str, Any], keys: tuple[str, ...], where: str) -> None:
    for key in table:
        if key not in keys:
            raise InputError(f"{where}: {not_known('key', key, keys)}")


def _text(table: Mapping[str, Any], key: str, where: str, default: str | None) -> str:
    value = table.get(key, default)
    if not isinstance(value, str) or not value.strip():
        example = EXAMPLES.get(key, f'{key} = "..."')
        raise InputError(f"{where}: {key} is a text, as in {example}, not {value!r}")
    return value


def _whole(
    table: Mapping[str, Any], key: str, where: str, low: int, high: int, default: int | None
) -> int:
    value = table.get(key, default)
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        said = "is missing" if value is None else f"is not {value!r}"
        raise InputError(
            f"{where}: {key} {said}; it is a whole number from {low} to {high}, "
            f"as in {EXAMPLES.get(key, f'{key} = {low}')}"
        )
    return value


def _choice(table: Mapping[str, Any], key: str, choices: tuple[str, ...], where: str) -> str:
    value = table.get(key, choices[0])
    if value not in choices:
        raise InputError(f"{where}: {key}: {not_known('way', str(value), choices)}")
    return str(value)


def _seed(document: Mapping[str, Any], source: str) -> int:
    return _whole(document, "seed", source, 0, 2**31 - 1, 1)


def _firmwares(document: Mapping[str, Any], source: str) -> tuple[str, ...]:
    given = document.get("firmware", "reference")
    names = given if isinstance(given, list) else [given]
    if not names or not all(isinstance(name, str) for name in names):
        raise InputError(f"{source}: firmware is a name or a list, as in {EXAMPLES['firmware']}")
    try:
        return tuple(revision(name).name for name in names)
    except FirmwareNotKnown as error:
        raise InputError(f"{source}: firmware: {error}; as in {EXAMPLES['firmware']}") from error


def _distribution(
    table: Mapping[str, Any],
    key: str,
    where: str,
    default: Distribution,
    limits: tuple[int, int],
) -> Distribution:
    if key not in table:
        return default
    found = Distribution.parse(table[key], f"{where}: {key}")
    low, high = limits
    if found.value(0, MILLION) < low or found.value(MILLION - 1, MILLION) > high:
        raise InputError(f"{where}: {key}: {found} is not within {low} to {high}")
    return found


def _options(document: Mapping[str, Any], source: str) -> tuple[tuple[str, Distribution], ...]:
    table = document.get("options", {})
    where = f"{source}: options"
    _table(table, where, "watchdog_clock_ppm = 500")
    defaults = Options()
    known = [
        name
        for name, value in vars(defaults).items()
        if isinstance(value, int) and not isinstance(value, bool)
    ]
    found = []
    for name in table:
        if name not in known:
            raise InputError(f"{where}: {not_known('knob with a number', name, known)}")
        limits = option_text.RANGES.get(name, (0, option_text.LARGEST))
        found.append((name, _distribution(table, name, where, Distribution.fixed(0), limits)))
    return tuple(found)


def _host(document: Mapping[str, Any], source: str) -> tuple[tuple[str, Distribution], ...]:
    table = document.get("host", {})
    where = f"{source}: host"
    _table(table, where, "restart_after_ms = 1000")
    _only(table, HOST_FIELDS, where)
    fixed = Distribution.fixed(0)
    return tuple((name, _distribution(table, name, where, fixed, (0, 600_000))) for name in table)


def _table(value: object, where: str, example: str) -> None:
    if not isinstance(value, Mapping):
        raise InputError(f"{where} is a table, with lines such as {example}")


def _strikes(document: Mapping[str, Any], source: str, *, is_life: bool) -> tuple[Strike, ...]:
    given = document.get("fault")
    if not isinstance(given, list) or not given:
        raise InputError(f"{source}: fault: there is none; a right one is {EXAMPLES['fault']}")
    found = tuple(
        _strike(item, f"{source}: fault {number}") for number, item in enumerate(given, 1)
    )
    names = [item.name for item in found]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"{source}: fault: two are called {name!r}; give each a name")
    if is_life:
        for item in found:
            if item.per_day is None:
                raise InputError(
                    f"{source}: fault {item.name}: a life needs to know how often it comes, "
                    f"as in {EXAMPLES['per_day']}"
                )
    return found


def _strike(table: object, where: str) -> Strike:
    if not isinstance(table, Mapping):
        raise InputError(f"{where} is a table; a right one is {EXAMPLES['fault']}")
    _only(table, FAULT_KEYS, where)
    text = _text(table, "fault", where, None)
    if text.startswith("delay:") and "for_ms" not in text and DURATION in table:
        # A delay without a length is no fault; this one's is drawn.
        text += ",for_ms=1"
    try:
        fault = Fault.parse(text)
    except FaultError as error:
        raise InputError(f"{where}: fault: {error}") from error
    if fault.at_ms or fault.before_ms:
        raise InputError(f"{where}: fault: when it strikes is said by {ONSET}, not in {text!r}")
    name = _text(table, "name", where, fault.kind)
    where = f"{where} ({name})"
    request = table.get("request", fault.during)
    if request and request not in REQUESTS:
        raise InputError(f"{where}: request: {not_known('request', str(request), REQUESTS)}")
    if fault.kind == "cold_start":
        request = request or "STARTFX3"
    if fault.kind in ("remedy_fails", "remedy_refused", "watchdog_stuck", "tick_wrap"):
        raise InputError(f"{where}: fault: {fault.kind} hurts nobody by itself; use main_hang")
    duration = _distribution(table, DURATION, where, Distribution.fixed(0), (0, 3_600_000))
    passes = "for_ms" in KINDS[fault.kind][1]
    if duration != Distribution.fixed(0) and not passes:
        raise InputError(f"{where}: {DURATION}: {fault.kind} does not pass by itself; leave it out")
    return Strike(
        name=name,
        fault=lasting_for(fault, 0),
        request=request,
        onset_ms=_distribution(table, ONSET, where, ANY_PHASE, (0, 3_600_000)),
        duration_ms=duration,
        per_day=_rate(table, where),
    )


def _rate(table: Mapping[str, Any], where: str) -> Rate | None:
    given = table.get("per_day")
    if given is None:
        return None
    is_number = isinstance(given, int | float) and not isinstance(given, bool)
    if not is_number or not 0 < given <= 1_000:
        raise InputError(f"{where}: per_day is a number up to 1000, as in {EXAMPLES['per_day']}")
    source = table.get("source")
    if not isinstance(source, str) or not source.strip():
        raise InputError(f"{where}: per_day: say where it comes from, as in {EXAMPLES['per_day']}")
    millionths = round(given * MILLION)
    if millionths < 1:
        raise InputError(f"{where}: per_day: a millionth a day is the least, not {given}")
    return Rate(millionths, source)


def _life(document: Mapping[str, Any], source: str) -> Life | None:
    if "life" not in document:
        return None
    table = document["life"]
    where = f"{source}: life"
    _table(table, where, EXAMPLES["days"])
    _only(table, LIFE_KEYS, where)
    for key in ("runs", "sampling", JITTER):
        if key in document:
            raise InputError(f"{source}: {key}: a life has none; say {EXAMPLES['days']} in [life]")
    if "reader_jitter_us" in document.get("host", {}):
        raise InputError(
            f"{source}: host: reader_jitter_us: a reader that is late by chance knows no period, "
            f"so the time between incidents cannot be skipped; leave it out"
        )
    return Life(
        days=_whole(table, "days", where, 1, 3_650, None),
        devices=_whole(table, "devices", where, 1, 10_000, 1),
        repair_min=_whole(table, "repair_min", where, 1, 100_000, 480),
        repair_source=_text(table, "source", where, "assumed"),
        is_session_kept=_choice(table, "session", SESSIONS, where) == SESSIONS[0],
    )


def load(name: str) -> Campaign:
    """Return the campaign of a preset's name or a file.

    Raises:
        InputError: it cannot be read, or is wrong.
    """
    text, source = text_of(name)
    return parse(text, source)
