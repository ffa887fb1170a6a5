"""The pytest plugin: a simulated bench, or a real device, as fixtures of any project's tests.

It is loaded by every pytest run of an environment that has fx3loop installed, so nothing of ours is
imported until a fixture is asked for. For the same reason it is installed as ``fx3loop_pytest``
(pyproject.toml), which is what pytest loads: importing ``scenarios`` at start would take that name
away from a project that has a folder of its own called so.

Fixtures: ``policy``, ``seed``, ``world`` (booted), ``device`` (the driver, opened on the world; in
a test marked ``fx3_hardware`` a real one), ``fx3_baseline`` (what ``--fx3-baseline`` names). A test
that used a world has its seed and simulated time in the JUnit file, and one that failed the path of
its trace, where ``--fx3-trace-dir`` asks for traces.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from health import Policy
    from hw.rx888 import Rx888
    from sim.world import BenchWorld

PACKAGES = {"health": "cascade.py", "hw": "rx888.py", "sim": "kernel.py", "scenarios": "oracle.py"}
"""Our own packages, each with a file that tells it from another of the same name."""
HARDWARE = "fx3_hardware"
SEED = 1
_failed = pytest.StashKey[bool]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Offer the options."""
    group = parser.getgroup("fx3loop", "simulated FX3 (fx3loop)")
    group.addoption(
        "--fx3-firmware", default="reference", metavar="R", help="firmware of the world"
    )
    group.addoption(
        "--fx3-policy",
        default="reference",
        metavar="P|FILE",
        help="policy: a preset or TOML",
    )
    group.addoption("--fx3-seed", type=int, default=SEED, metavar="N", help="seed of the world")
    group.addoption("--fx3-baseline", metavar="FILE", help="a certificate made by fx3loop verify")
    group.addoption(
        "--fx3-hardware", action="store_true", help="run the tests that need a real device"
    )
    group.addoption(
        "--fx3-trace-dir",
        metavar="DIR",
        help="where the trace of each failed test is written, for ui.perfetto.dev",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line(
        "markers", f"{HARDWARE}: needs a real device; skipped without --fx3-hardware"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip what needs a device, unless one was promised."""
    if config.getoption("--fx3-hardware"):
        return
    for item in items:
        if item.get_closest_marker(HARDWARE) is not None:
            item.add_marker(pytest.mark.skip(reason="needs a real device: give --fx3-hardware"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Remember that a test failed, for its trace."""
    report = yield
    if report.when == "call" and report.failed:
        item.stash[_failed] = True
    return report


def ours(name: str) -> Any:  # noqa: ANN401 - a module
    """Import one of our modules, and make sure that it is ours.

    Raises:
        pytest.UsageError: a package of the project under test has the same name.
    """
    package = name.partition(".")[0]
    found: Any = None
    try:
        found = importlib.import_module(package)
        module = importlib.import_module(name)
    except ImportError as error:
        if found is not None and _is_ours(found):
            raise
        raise _in_the_way(package, found) from error
    if not _is_ours(found):
        raise _in_the_way(package, found)
    return module


def _is_ours(module: Any) -> bool:  # noqa: ANN401 - a module
    telling = PACKAGES[module.__name__]
    return any((Path(path) / telling).is_file() for path in getattr(module, "__path__", ()))


def _in_the_way(package: str, found: Any) -> pytest.UsageError:  # noqa: ANN401 - a module
    where = getattr(found, "__file__", None) or next(iter(getattr(found, "__path__", ())), None)
    if where is None:
        where = getattr(sys.modules.get(package), "__file__", None) or "another project"
    return pytest.UsageError(
        f"fx3loop needs its own package {package!r}, but {where} is in the way: the names "
        f"{', '.join(PACKAGES)} belong to fx3loop. Rename that folder, or put it into a package "
        f"of your project, for example my_project/{package}"
    )


def check_names() -> None:
    """Look at all four packages before any is used: what one imports of another must be ours.

    Raises:
        pytest.UsageError: a package of the project under test has the name of one of ours.
    """
    for package in PACKAGES:
        ours(package)


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """The world's seed: ``--fx3-seed``."""
    return int(request.config.getoption("--fx3-seed"))


@pytest.fixture
def policy(request: pytest.FixtureRequest) -> Policy:
    """The watchdog policy: ``--fx3-policy``, a preset or a TOML file."""
    check_names()
    text = request.config.getoption("--fx3-policy")
    chosen: Policy = _said(lambda: ours("scenarios.cli.inputs").policy(text))
    return chosen


@pytest.fixture
def fx3_baseline(request: pytest.FixtureRequest) -> Any:  # noqa: ANN401 - its reader's type
    """The certificate that ``--fx3-baseline`` names, as :mod:`hw.guard.certificate` reads it."""
    text = request.config.getoption("--fx3-baseline")
    if text is None:
        pytest.skip("no baseline: give --fx3-baseline FILE, made by fx3loop verify")
    check_names()
    if not Path(text).is_file():
        raise pytest.UsageError(f"--fx3-baseline {text}: no such file; make one by fx3loop verify")
    try:
        reader = importlib.import_module("hw.guard.certificate")
    except ModuleNotFoundError as error:
        raise pytest.UsageError(
            "--fx3-baseline: this fx3loop has no reader of certificates (hw.guard.certificate)"
        ) from error
    return _said(lambda: reader.Certificate.read(Path(text)), reader.CertificateError)


@pytest.fixture
def world(request: pytest.FixtureRequest, policy: Policy, seed: int) -> Iterator[BenchWorld]:
    """A simulated bench with the firmware of ``--fx3-firmware``, booted and on the bus."""
    check_names()
    trace_dir = request.config.getoption("--fx3-trace-dir")
    trace = ours("hw.trace").Recorder() if trace_dir else None
    firmware = request.config.getoption("--fx3-firmware")
    bench = _said(lambda: ours("sim.world").BenchWorld(firmware, policy, seed=seed, trace=trace))
    with bench as made:
        made.boot()
        yield made
        # Not by record_property, which warns in each test of a project with pytest's own settings.
        told = request.node.user_properties
        told.append(("fx3_firmware", made.revision.name))
        told.append(("fx3_policy", policy.name))
        told.append(("fx3_seed", seed))
        told.append(("fx3_simulated_ms", made.now_ns // 1_000_000))
        if trace is not None and request.node.stash.get(_failed, False):
            told.append(("fx3_trace", str(_write_trace(trace, Path(trace_dir), request.node))))


@pytest.fixture
def device(request: pytest.FixtureRequest) -> Iterator[Rx888]:
    """The driver: on the fixture ``world``, or in a test marked ``fx3_hardware`` a real device."""
    check_names()
    driver = ours("hw.rx888").Rx888
    if request.node.get_closest_marker(HARDWARE) is not None:
        with _said(driver.open) as opened:
            yield opened
        return
    bench = request.getfixturevalue("world")
    backend = ours("sim.host.backend").get_backend(bench)
    runtime = ours("sim.host.runtime").WorldRuntime(bench)
    with driver.open(backend, runtime) as opened:
        yield opened


def _said(call: Any, *others: type[Exception]) -> Any:  # noqa: ANN401 - whatever it returns
    """Call, and turn our errors about what a user asked for into pytest's, in one line.

    Raises:
        pytest.UsageError: what was asked for does not exist, or may not be done.
    """
    errors = (
        ours("health.errors").HealthError,
        ours("hw.errors").DeviceError,
        *others,
        ours("sim.errors").FirmwareNotKnown,
        ours("scenarios.errors").InputError,
    )
    try:
        return call()
    except errors as error:
        raise pytest.UsageError(" ".join(str(error).split())) from error


def _write_trace(trace: Any, folder: Path, node: pytest.Item) -> Path:  # noqa: ANN401
    name = "".join(letter if letter.isalnum() else "_" for letter in node.nodeid)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    ours("hw.trace.chrome").write(trace, path)
    return path
