"""``fx3loop host triage``, ``status`` and ``confirm``, as an operator uses them."""

from __future__ import annotations

import json
import os
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner

from hw.bus import Selector
from hw.guard import Operation, Target
from hw.guard.journal import Journal
from hw.guard.place import boot_id, state_dir
from hw.host import HostKeeper
from hw.host.watch import HostWatch
from scenarios.cli import inputs
from scenarios.cli.group import cli
from tests.hw.host.evtx_maker import evtx
from tests.hw.host.made import ago, dump_header, error_report, event_xml, kernel_power, write


def fx3loop(*arguments):
    """Run a command in this process."""
    return CliRunner().invoke(cli, [str(item) for item in arguments], prog_name="fx3loop")


def crash(place, boot, minutes_ago=5.0, message="Oops: 0000 [#1] PREEMPT SMP"):
    """Add a crash to the journal of the stable host."""
    entry = {
        "__REALTIME_TIMESTAMP": str(int((time.time() - minutes_ago * 60) * 1_000_000)),
        "_BOOT_ID": boot,
        "_TRANSPORT": "kernel",
        "MESSAGE": message,
    }
    with (place / "journal.jsonl").open("a") as file:
        file.write(json.dumps(entry) + "\n")


@pytest.fixture
def windows_evidence(tmp_path):
    """What an operator brought from a Windows host: two crashes with one code."""
    folder = tmp_path / "evidence"
    made = [
        kernel_power(ago(hours=9), 0x9F),
        error_report(ago(hours=8, minutes=58), 0x9F, message="计算机已经从检测错误后重新启动"),
        kernel_power(ago(hours=3), 0x9F),
    ]
    write(folder / "System.evtx", evtx(made))
    write(folder / "Application.xml", event_xml(made[0]).encode())
    write(folder / "dumps" / "031026-1.dmp", dump_header(ago(hours=9, minutes=2), 0x9F))
    return folder


def test_weakness_25_evidence_of_windows_is_judged_on_this_system(windows_evidence, tmp_path):
    """Exit 5, the criteria, the steps with their reasons; the same as JSON, in a file too."""
    out = tmp_path / "report.json"
    done = fx3loop("host", "triage", "--evidence", windows_evidence, "--json-out", out)
    assert (done.exit_code, done.stderr) == (5, "")
    assert "Escalate: repeated-bugcheck" in done.stdout
    assert "Escalate: same-code: 0x0000009f in 2 incidents" in done.stdout
    assert "DRIVER_POWER_STATE_FAILURE" in done.stdout
    written = json.loads(out.read_text())
    printed = json.loads(fx3loop("host", "triage", "--evidence", windows_evidence, "--json").stdout)
    for report in (written, printed):
        assert report["schema"] == "fx3loop.host-triage/1"
        assert len(report["incidents"]) == 2
        assert len(report["incidents"][0]["findings"]) == 3
    assert written["run_id"] != printed["run_id"]


def test_days_of_a_folder_count_back_from_its_last_record(windows_evidence):
    """Evidence of last year is not "no events of the last two days"."""
    done = fx3loop("host", "triage", "--evidence", windows_evidence, "--days", 1, "--json")
    assert len(json.loads(done.stdout)["incidents"]) == 2


def test_of_a_folder_all_is_asked_for(windows_evidence, tmp_path):
    """And said so, not as a date that nobody named."""
    done = fx3loop("host", "triage", "--evidence", windows_evidence)
    assert done.stdout.startswith(f"Evidence of {windows_evidence}, all of it\n")
    done = fx3loop("host", "triage", "--evidence", windows_evidence, "--days", 1)
    assert done.stdout.startswith(f"Evidence of {windows_evidence}, since 20")


def test_a_report_among_the_evidence_is_no_evidence(windows_evidence):
    """It was written there by the command before."""
    out = windows_evidence / "report.json"
    for _ in range(2):
        done = fx3loop(
            "host", "triage", "--evidence", windows_evidence, "--json-out", out, "--json"
        )
        assert "report.json" not in json.dumps(json.loads(done.stdout)["looks"])


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("triage", "--evidence", "/no/such"), 2, "there is no such folder"),
        (("triage", "--days", "0"), 2, "--days"),
        (("triage", "--json-out", "/no/such/file"), 2, "there is no folder"),
        (("triage",), 4, ""),
        (("status",), 4, ""),
        (("confirm", "reset"), 3, "the host is unknown"),
        (("confirm", "reset"), 3, "no risk mode stands in for it"),
        (("confirm", "rset"), 2, "did you mean reset"),
        (("confirm", "probe"), 2, "only reads"),
        (("confirm", "flash"), 2, "no word allows it"),
        (("confirm", "reset", "--target", "moon"), 2, "try usb"),
        (("confirm", "reset", "--for", "0"), 2, "--for"),
        (("confirm",), 2, "OPERATION"),
    ],
)
def test_what_cannot_be_is_one_line(arguments, code, said):
    """On a host of which nothing is known; never a traceback."""
    done = fx3loop("host", *arguments)
    assert done.exit_code == code, done
    assert said in done.stderr
    assert done.stderr.count("\n") <= 1


@pytest.mark.workflow("A.1")
@pytest.mark.workflow("E.3")
def test_a_host_is_driven_from_normal_to_frozen_to_observing(stable_host):
    """By a crash and by the evidence of it; each refusal names what is open."""
    assert fx3loop("host", "status").exit_code == 0
    assert fx3loop("host", "confirm", "reset", "--for", 5).exit_code == 0
    crash(stable_host, boot_id())
    frozen = fx3loop("host", "status", "--json")
    assert frozen.exit_code == 5
    told = json.loads(frozen.stdout)
    assert (told["schema"], told["state"]) == ("fx3loop.host-status/1", "frozen")
    assert "Oops" in told["reasons"][0]
    refused = fx3loop("host", "confirm", "reset")
    assert refused.exit_code == 3
    assert all(step in refused.stderr for step in ("host triage", "host smoke", "24 h"))
    assert "no risk mode stands in for it" in refused.stderr
    triage = fx3loop("host", "triage", "--json")
    assert (triage.exit_code, json.loads(triage.stdout)["obtained"]["bugchecks"]) == (0, "yes")
    observing = fx3loop("host", "status")
    assert observing.exit_code == 1
    assert observing.stdout.startswith("observing since")
    assert "needs: 24 h without a bugcheck: over at" in observing.stdout
    crash(stable_host, boot_id(), minutes_ago=-1, message="kernel BUG at mm/slub.c:4023!")
    assert "frozen" in fx3loop("host", "status").stdout


@pytest.mark.workflow("D.3")
def test_weakness_17_a_host_that_restarted_under_a_probe_escalates(stable_host):
    """The journal's mark of another boot."""
    journal = Journal(state_dir() / "journal.jsonl", "c" * 32, lambda: time.time() - 60)
    journal.begin(Operation.PROBE, Target("usb", "serial 1"))
    done = fx3loop("host", "status")
    assert done.exit_code == 5
    assert "escalate: interrupted-probe: probe on serial 1" in done.stdout


def test_a_word_is_heard_by_the_guard(stable_host):
    """``confirm`` for one target is an acknowledgement there and nowhere else."""
    done = fx3loop("host", "confirm", "reset", "--target", "usb:0009", "--json")
    assert json.loads(done.stdout)["target_name"] == "serial 0009"
    authority = inputs.authority("standard", (), Selector(serial="0009"))()
    (given,) = authority.acknowledgements
    assert (given.operation, given.target) == (Operation.RESET, Target.of_serial("0009"))
    expires = datetime.fromtimestamp(given.expires_s, UTC) - datetime.now(UTC)
    assert timedelta(minutes=59) < expires <= timedelta(minutes=60)


def test_an_export_that_is_old_does_not_speak_for_this_host(stable_host):
    """An hour at most: what happened since is not in it."""
    path = stable_host / "journal.jsonl"
    hour_ago = time.time() - 3590
    os.utime(path, (hour_ago, hour_ago))
    assert fx3loop("host", "status").exit_code == 0
    os.utime(path, (hour_ago - 20, hour_ago - 20))
    done = fx3loop("host", "status")
    assert done.exit_code == 4
    assert "more than an hour ago" in done.stdout


def test_weakness_18_a_running_program_notices_within_its_interval(stable_host):
    """The guard asks at each operation; a look is a second old at most, and runs beside it."""
    now_ns, begun = [0], []
    watch = HostWatch(HostKeeper.open_default, lambda: now_ns[0], begun.append)
    assert watch.state().value == "normal"
    crash(stable_host, boot_id())
    now_ns[0] = 999_999_999
    assert watch.state().value == "normal"
    assert begun == []
    now_ns[0] = 1_000_000_000
    assert watch.state().value == "normal"
    (look,) = begun
    look()
    assert watch.state().value == "frozen"


def test_a_look_that_does_not_end_leaves_the_host_unknown(stable_host):
    """One is under way at a time; when it is 15 s late the answer before it counts no more."""
    now_ns, begun = [0], []
    watch = HostWatch(HostKeeper.open_default, lambda: now_ns[0], begun.append)
    assert watch.state().value == "normal"
    now_ns[0] = 15_999_999_999
    assert watch.state().value == "normal"
    now_ns[0] = 16_000_000_000
    assert watch.state().value == "unknown"
    assert len(begun) == 1
    begun[0]()
    assert watch.state().value == "normal"


def test_a_look_runs_in_a_thread_of_its_own(stable_host):
    """And its answer arrives."""
    now_ns, threads = [0], []

    def start(call):
        threads.append(threading.Thread(target=call))
        threads[-1].start()

    watch = HostWatch(HostKeeper.open_default, lambda: now_ns[0], start)
    watch.state()
    crash(stable_host, boot_id())
    now_ns[0] = 1_000_000_000
    watch.state()
    threads[0].join(10)
    assert watch.state().value == "frozen"


def test_looks_that_take_long_come_seldom(stable_host):
    """A tenth of the time at most: after one of 500 ms the next is due after 5 s."""
    now_ns, begun = [0], []

    def clock():
        now_ns[0] += 500_000_000
        return now_ns[0]

    watch = HostWatch(HostKeeper.open_default, clock, begun.append)
    looks = 0
    while not begun:
        watch.state()
        looks += 1
    assert looks == 10
