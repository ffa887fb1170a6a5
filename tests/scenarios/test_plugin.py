"""The pytest plugin, tried in small projects of their own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).resolve().parents[2]
GOOD = """
def test_it_streams(device, world, policy, seed):
    device.start_adc(64_000_000)
    assert len(device.primed_start(16_384, timeout_ms=1_000)) == 16_384
    assert (world.revision.name, policy.name, seed) == ("fw-2.3", "level-1-4-5", 7)
"""


@pytest.fixture
def project(tmp_path):
    """A project of somebody's own: returns a function that runs its tests."""
    installed = tmp_path / "site"
    installed.mkdir()
    # As the wheel installs it; see pyproject.toml.
    shutil.copy(ROOT / "scenarios" / "plugin.py", installed / "fx3loop_pytest.py")
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "pytest.ini").write_text("[pytest]\naddopts = -p no:cacheprovider\n")

    def run(text, *options, folders=()):
        (folder / "test_mine.py").write_text(text)
        for name in folders:
            (folder / name).mkdir()
            (folder / name / "__init__.py").write_text("MINE = True\n")
        path = os.pathsep.join([str(installed), str(ROOT)])
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-p", "fx3loop_pytest", "-q", *options],
            cwd=folder,
            env={
                **os.environ,
                "PYTHONPATH": path,
                "PYTHONDONTWRITEBYTECODE": "1",
                "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            },
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout + done.stderr, folder

    return run


def test_the_fixtures_give_a_world_and_its_device(project):
    """Firmware, policy and seed are the options'; the JUnit file tells them and the time."""
    code, text, folder = project(
        GOOD,
        "--fx3-firmware=fw-2.3",
        "--fx3-policy=level-1-4-5",
        "--fx3-seed=7",
        "--junit-xml=out.xml",
    )
    assert code == 0, text
    assert "warning" not in text
    found = {
        item.get("name"): item.get("value")
        for item in ElementTree.parse(folder / "out.xml").iter("property")
    }
    assert found["fx3_firmware"] == "fw-2.3"
    assert found["fx3_policy"] == "level-1-4-5"
    assert found["fx3_seed"] == "7"
    assert int(found["fx3_simulated_ms"]) > 400
    assert "fx3_trace" not in found


def test_the_trace_of_a_failed_test_is_written(project):
    """The JUnit file says where; a test that passes leaves none."""
    code, text, folder = project(
        "def test_bad(device):\n    device.info()\n    assert False\n\n"
        "def test_good(device):\n    pass\n",
        "--fx3-trace-dir=traces",
        "--junit-xml=out.xml",
    )
    assert code == 1, text
    (path,) = [
        item.get("value")
        for item in ElementTree.parse(folder / "out.xml").iter("property")
        if item.get("name") == "fx3_trace"
    ]
    assert "TESTFX3" in (folder / path).read_text()
    assert len(list((folder / "traces").iterdir())) == 1


def test_a_project_without_our_fixtures_is_left_alone(project):
    """Nothing of ours is imported, and the project's own folders of the same names are its own."""
    text = (
        "import sys, sim, hw, health, scenarios\n\n"
        "def test_own():\n    assert sim.MINE and hw.MINE and health.MINE and scenarios.MINE\n"
        "    assert 'simpy' not in sys.modules and 'numpy' not in sys.modules\n"
    )
    code, said, _ = project(text, folders=("sim", "hw", "health", "scenarios"))
    assert code == 0, said


@pytest.mark.parametrize("name", ["sim", "hw", "health", "scenarios"])
def test_a_folder_in_the_way_is_named(project, name):
    """A fixture says which folder takes our package's name, and what to do."""
    code, text, folder = project("def test_it(world):\n    pass\n", folders=(name,))
    assert code != 0
    assert f"fx3loop needs its own package {name!r}" in text
    assert str(folder / name) in text
    assert f"my_project/{name}" in text


def test_hardware_is_skipped_without_a_promise(project):
    """The marker is known, and its tests run with --fx3-hardware alone; then the guard decides."""
    text = "import pytest\n\n@pytest.mark.fx3_hardware\ndef test_it(device):\n    pass\n"
    code, said, _ = project(text, "-rs", "--strict-markers")
    assert code == 0
    assert "1 skipped" in said
    assert "give --fx3-hardware" in said
    code, said, _ = project(text, "--fx3-hardware")
    assert code != 0
    assert "1 error" in said


@pytest.mark.parametrize(
    ("option", "part"),
    [
        ("--fx3-policy=referense", "reference"),
        ("--fx3-firmware=fw-23", "did you mean fw-2.3"),
    ],
)
def test_a_wrong_option_is_named(project, option, part):
    """The nearest right name stands in the message."""
    code, text, _ = project("def test_it(world):\n    pass\n", option)
    assert code != 0
    assert part in text


def test_a_baseline_that_is_not_there(project):
    """Without the option its tests are skipped; with a wrong path they say so."""
    text = "def test_it(fx3_baseline):\n    pass\n"
    code, said, _ = project(text, "-rs")
    assert code == 0
    assert "no baseline: give --fx3-baseline FILE" in said
    code, said, _ = project(text, "--fx3-baseline=nowhere.json")
    assert code != 0
    assert "nowhere.json: no such file" in said
