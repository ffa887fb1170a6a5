"""The worst runs of a real sweep, made again with their traces."""

import csv

import pytest

from scenarios.page import source
from scenarios.page.model import Note, Timeline
from tests.scenarios.page_bench import fx3loop

CAMPAIGN = """
name = "small"
seed = 3
runs = 2
firmware = "reference"

[policy]
base = "reference"
pet_interval_ms = [1500]
pet_jitter_ms = [0]

[[fault]]
name = "main_death"
fault = "main_hang"

[[fault]]
name = "stop_hang"
fault = "hang:call=usb_flush_ep,thread=usb,during=STOPFX3"
"""


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """A sweep of four runs."""
    folder = tmp_path_factory.mktemp("sweep")
    campaign = folder / "small.toml"
    campaign.write_text(CAMPAIGN)
    done = fx3loop("sweep", campaign, "--out", folder / "out")
    assert done.exit_code == 0, done.stderr
    return folder / "out"


def worst(folder):
    page = source.page_of(str(folder))
    section = next(item for item in page.sections if item.key == "worst")
    return section.blocks[1:]


def test_one_run_of_each_kind_is_made_again_and_is_the_run_of_the_table(swept):
    """The times of the picture are those of the row; the slowest run of its kind is shown."""
    with (swept / "runs.csv").open() as file:
        rows = list(csv.DictReader(file))
    shown = worst(swept)
    assert [type(block) for block in shown] == [Timeline, Timeline]
    for block, fault in zip(shown, ("main_death", "stop_hang"), strict=True):
        own = [row for row in rows if row["fault"] == fault]
        row = max(own, key=lambda item: float(item["recovery_ms"]))
        assert block.title.startswith(f"Row {row['row']}: ")
        marks = {name: at for at, name, _ in block.data["marks"]}
        assert marks["serves again"] == int(float(row["recovery_ms"]) * 1_000)
        assert [text for _, text, where in block.story if where == "Chip resets"] == [
            "watchdog" if fault == "main_death" else "device_reset"
        ]


def test_a_run_that_ends_otherwise_now_is_not_shown(swept, tmp_path):
    """The page says so, for then the programs have changed since."""
    import shutil

    folder = shutil.copytree(swept, tmp_path / "old")
    table = folder / "runs.csv"
    table.write_text(table.read_text().replace(",recovered,", ",unrecovered,"))
    assert {type(block) for block in worst(folder)} == {Note}
    assert "the programs have changed since" in worst(folder)[0].text


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (lambda path: path.unlink(), "The runs cannot be made again"),
        (lambda path: path.write_text(CAMPAIGN.replace("seed = 3", "seed = 4")), "is not that of"),
    ],
)
def test_without_its_campaign_a_sweep_still_makes_a_page(swept, tmp_path, change, part):
    import shutil

    folder = shutil.copytree(swept, tmp_path / "other")
    change(folder / "campaign.toml")
    (note,) = worst(folder)
    assert part in note.text
