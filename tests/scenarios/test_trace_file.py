"""``fx3loop run --trace``: the file's ending says as what."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from scenarios import trace_file
from scenarios.cli.group import cli
from scenarios.registry import find
from scenarios.runner import run_episode


def run(path: Path) -> None:
    done = CliRunner().invoke(
        cli, ["run", "stopfx3_hang", "--trace", str(path)], standalone_mode=False
    )
    assert done.exit_code == 0, done.output


def test_json_is_for_perfetto_with_onset_answer_and_return(tmp_path):
    """Beside what was recorded: the onset, the level that answered, and when data came again."""
    path = tmp_path / "run.json"
    run(path)
    events = json.loads(path.read_text())["traceEvents"]
    marks = [event["name"] for event in events if event["ph"] == "i"]
    assert marks.count("onset") == marks.count("serves again") == 1
    levels = [event["args"]["value"] for event in events if event["name"] == "recovery level"]
    assert levels == [0, 4, 0]


def test_vcd_is_for_gtkwave_with_its_list_of_signals(tmp_path):
    path = tmp_path / "run.vcd"
    run(path)
    assert "$scope module EP0 $end" in path.read_text()
    assert "trace.fx3.EP0.now" in (tmp_path / "run.gtkw").read_text()


def test_pcap_is_for_wireshark_with_every_transfer(tmp_path):
    """The same run gives the same bytes, and the STOPFX3 that hangs is in it."""
    path = tmp_path / "run.pcap"
    run(path)
    data = path.read_bytes()
    assert data[:4] == bytes.fromhex("4d3cb2a1")
    assert bytes.fromhex("40ab000000000400") in data
    run(tmp_path / "again.pcap")
    assert (tmp_path / "again.pcap").read_bytes() == data


@pytest.mark.parametrize("name", ["run.json", "run.vcd", None])
def test_only_a_capture_has_transfers_told(name):
    assert trace_file.transfers_for(Path(name) if name else None) is None


def test_a_run_without_an_onset_has_no_marks():
    episode = run_episode(find("double_stop"))
    tracks = {record[1] for record in trace_file.recorder_of(episode).records}
    assert trace_file.MARKS_TRACK not in tracks
    assert trace_file.LEVEL_TRACK not in tracks
