"""``fx3loop host smoke``, ``soak`` and ``release``, as an operator uses them.

A pty stands for the real module's port: nothing in the commands can tell the difference.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from hw.guard import Authority, HostState, Operation, RiskMode, Target, decide
from hw.guard.decision import Acknowledgement
from hw.guard.journal import Journal
from hw.guard.place import boot_id, state_dir
from hw.host import HostKeeper
from hw.host.memory_file import read_memory
from hw.host.soak_record import read_soak
from scenarios.cli.group import COMMANDS, cli
from sim.modem import ModemOptions, SimulatedModem, identity
from tests.hw.host.made import PlayedSource
from tests.scenarios.test_host_evidence import crash

ROOT = Path(__file__).parents[2]
MODULE = ("--kind", "quecpython")
SIM = ("--target", "sim")
DEPLOY = ("--allow-interrupt", "--acknowledge", "fs-write", "--acknowledge", "fs-delete")
SAFE_STEPS = ["discovery", "AT", "identity", "evidence"]


def host(*arguments):
    """Run a command in this process."""
    words = ["host", *map(str, arguments)]
    return CliRunner().invoke(cli, words, prog_name="fx3loop")


def document(done, *codes):
    """The JSON of a command that ended with one of these codes."""
    assert done.exit_code in (codes or (0,)), (done.exit_code, done.output, done.stderr)
    return json.loads(done.stdout)


def outcomes(report):
    """Name and outcome of each step."""
    return {step["name"]: step["outcome"] for step in report["steps"]}


@contextmanager
def real(**options):
    """A module whose ports are named as a real one's, and a call that runs commands on it."""
    with SimulatedModem(ModemOptions(**options)) as module:
        ports = (*MODULE, "--at-port", module.at.path, "--repl-port", module.repl.path)
        yield module, lambda verb, *more: host(verb, *ports, *more)


def memory():
    """What the operator's state folder remembers."""
    return read_memory(state_dir() / "host_state.json")


def notes(kind):
    """Facts of all notes of a kind in the operator's journal."""
    return [item.facts for item in Journal.open_default().records() if item.kind == kind]


# ---------------------------------------------------------------- smoke


@pytest.mark.workflow("C.1")
@pytest.mark.workflow("A.2")
def test_weakness_07_a_smoke_is_safe_by_default(stable_host):
    """On a real module not one byte goes to its REPL port, whose program runs on."""
    with real(running=True) as (module, run):
        report = document(run("smoke", "--json"))
        assert bytes(module.repl.received) == b""
        assert module.interrupts == 0
    assert report["risk_mode"] == "safe"
    assert [name for name, how in outcomes(report).items() if how == "passed"] == [
        *SAFE_STEPS,
        "release",
    ]
    assert outcomes(report)["REPL"] == outcomes(report)["deploy"] == "not run"
    assert "--allow-interrupt" in report["steps"][4]["text"]
    assert report["is_complete"]


@pytest.mark.workflow("E.1")
def test_a_complete_safe_smoke_counts_and_stands_between_two_marks(stable_host):
    """In the journal, with each step; remembered for the exit criterion."""
    with real() as (_, run):
        report = document(run("smoke", "--json"))
    assert (report["counts_for_exit"], report["not_counted"]) == (True, "")
    assert memory().smoke_utc is not None
    assert notes("host.smoke") == [{"is_pass": True, "is_complete": True}]
    begin, *_, end = (i for i in Journal.open_default().records() if i.kind in ("begin", "end"))
    assert (begin.operation, begin.facts["run_id"]) == ("probe", report["run_id"])
    assert begin.identity == end.identity
    steps = [facts["step"] for facts in notes("host.smoke.step")]
    assert steps == [*SAFE_STEPS, "release"]


@pytest.mark.parametrize("how", ["simulated", "standard", "failing", "no evidence"])
def test_what_is_no_complete_safe_smoke_does_not_count(stable_host, monkeypatch, how):
    """Each for its own reason, which is told."""
    if how == "no evidence":
        monkeypatch.setenv("FX3LOOP_EVIDENCE_DIR", "/no/such")
    with real(at="error" if how == "failing" else "normal") as (_, run):
        if how == "simulated":
            done = host("smoke", *MODULE, *SIM, "--json")
        else:
            done = run("smoke", "--json", *(("--risk-mode", how) if how == "standard" else ()))
    report = document(done, 0, 1, 4)
    assert not report["counts_for_exit"]
    said = {
        "simulated": "the target is simulated",
        "standard": "risk mode standard is not safe",
        "failing": "it did not pass",
        "no evidence": "it did not pass",
    }
    assert report["not_counted"] == said[how]
    assert memory().smoke_utc is None
    assert done.exit_code == {"failing": 1, "no evidence": 4}.get(how, 0)


@pytest.mark.parametrize("verb", ["smoke", "triage"])
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a disk that is always full")
def test_weakness_16_a_full_disk_costs_the_file_and_not_what_was_found(stable_host, tmp_path, verb):
    """All is printed before; the error is one line. What is no plain file is never replaced."""
    words = (verb, *MODULE, *SIM) if verb == "smoke" else (verb,)
    whole = host(*words)
    full, pipe = tmp_path / "full.json", tmp_path / "null.json"
    full.symlink_to("/dev/full")
    pipe.symlink_to("/dev/null")
    done = host(*words, "--json-out", full)
    assert (done.exit_code, done.stderr) == (
        2,
        f"fx3loop: cannot write {full}: No space left on device\n",
    )
    assert len(done.stdout.splitlines()) == len(whole.stdout.splitlines())
    assert host(*words, "--json-out", pipe).exit_code == 0
    assert full.is_symlink()
    assert pipe.is_symlink()


def test_the_prompt_is_asked_where_it_is_allowed(stable_host):
    """In safe mode it needs an acknowledgement too; a denial is a step that was not run, exit 3."""
    with real(running=True) as (module, run):
        denied = run("smoke", "--allow-interrupt", "--json")
        report = document(denied, 3)
        assert outcomes(report)["REPL"] == "not run"
        assert report["steps"][4]["text"].endswith("allow it with --acknowledge repl")
        assert report["is_complete"]
        assert bytes(module.repl.received) == b""
        asked = run("smoke", "--allow-interrupt", "--acknowledge", "repl", "--json")
        assert outcomes(document(asked))["REPL"] == "passed"
        assert module.interrupts > 0


@pytest.mark.workflow("C.3")
@pytest.mark.parametrize(
    ("words", "outcome", "why"),
    [
        (DEPLOY, "not run", "risk mode safe writes nothing"),
        (("--risk-mode", "standard", "--allow-interrupt"), "not run", "--acknowledge fs-write"),
        (("--risk-mode", "aggressive", *DEPLOY[:3]), "not run", "--acknowledge fs-delete"),
        (("--risk-mode", "standard", *DEPLOY[1:]), "not run", "needs the step REPL"),
        (("--risk-mode", "standard", *DEPLOY), "passed", "written, imported and deleted"),
        (("--risk-mode", "aggressive", *DEPLOY), "passed", "written, imported and deleted"),
    ],
)
def test_the_deploy_is_off_unless_mode_and_word_allow_it(stable_host, words, outcome, why):
    """And leaves the files as they were."""
    with real() as (module, run):
        before = sorted(module.files.entries("/usr"))
        given = (*words, "--acknowledge", "repl") if words == DEPLOY else words
        report = document(run("smoke", "--json", *given))
        assert sorted(module.files.entries("/usr")) == before
    step = next(item for item in report["steps"] if item["name"] == "deploy")
    assert step["outcome"] == outcome
    assert why in step["text"]


@pytest.mark.parametrize(
    ("options", "code", "failed"),
    [
        (("at=silent",), 4, "AT"),
        (("at=echo-only",), 4, "AT"),
        (("at=broken",), 4, "AT"),
        (("at=error",), 1, "AT"),
        (("mode=download",), 4, "discovery"),
        (("unplug_after_bytes=12",), 4, "AT"),
        (("sim=absent",), 0, None),
        (("network=denied", "unsolicited=on", "piece_bytes=3"), 0, None),
    ],
)
def test_each_fault_is_one_failed_step_and_a_whole_report(options, code, failed):
    """The exit code is that of the first failure; the rest says why it was not run."""
    given = [word for item in options for word in ("--option", item)]
    # What answers has time enough on a busy machine too.
    limit_ms = 200 if code == 4 else 2_000
    done = host("smoke", *MODULE, *SIM, "--limit-ms", limit_ms, "--json", *given)
    report = document(done, code)
    assert done.exit_code == code
    found = [name for name, how in outcomes(report).items() if how == "failed"]
    assert found == ([failed] if failed else [])
    assert list(outcomes(report)) == [*SAFE_STEPS, "REPL", "deploy", "release"]
    assert outcomes(report)["release"] == "passed"


@pytest.mark.parametrize("repl", ["echo-only", "traceback", "silent"])
def test_weakness_02_a_prompt_that_echoes_or_fails_does_not_pass(repl):
    """The deploy behind it is not run."""
    words = ("--risk-mode", "standard", *DEPLOY, "--option", f"repl={repl}", "--limit-ms", 300)
    report = document(host("smoke", *MODULE, *SIM, "--json", *words), 1, 4)
    assert outcomes(report)["REPL"] == "failed"
    assert outcomes(report)["deploy"] == "not run"


@pytest.mark.parametrize(("writes", "step"), [("flipped", "deploy"), ("full", "deploy")])
def test_a_module_that_stores_wrong_fails_the_deploy(writes, step):
    """By size and hash, and its answer when it is imported."""
    words = ("--risk-mode", "standard", *DEPLOY, "--option", f"writes={writes}")
    report = document(host("smoke", *MODULE, *SIM, "--json", *words), 1)
    assert outcomes(report)[step] == "failed"


def test_an_fx3_is_looked_at_and_not_claimed():
    """GETSTATS, a probe, its identity; nothing is interrupted."""
    report = document(host("smoke", *SIM, "--json"))
    assert list(outcomes(report)) == [
        *("discovery", "GETSTATS", "probe", "identity", "evidence", "release")
    ]
    assert (report["kind"], report["is_pass"]) == ("fx3", True)
    assert report["steps"][1]["facts"]["stats"]["dma_count"] == 0


def test_without_a_device_the_report_is_whole_all_the_same(stable_host):
    """Exit 4; the host's evidence is in it."""
    done = host("smoke", "--json")
    report = document(done, 4)
    assert outcomes(report)["evidence"] == "passed"
    assert outcomes(report)["identity"] == "not run"


def test_weakness_15_a_smoke_report_names_nobody_unless_asked(tmp_path):
    """On the screen, as JSON, in the file."""
    out = tmp_path / "report.json"
    done = host("smoke", *MODULE, *SIM, "--json", "--json-out", out)
    plain = host("smoke", *MODULE, *SIM)
    known = (identity.IMEI, identity.IMSI, identity.ICCID, identity.ADDRESS)
    known = (*known, identity.SERIAL_NUMBER)
    for text in (done.stdout, out.read_text(), plain.stdout):
        assert not [value for value in known if value in text]
    assert json.loads(out.read_text()) == json.loads(done.stdout)
    shown = host("smoke", *MODULE, *SIM, "--json", "--show-identifiers").stdout
    assert all(value in shown for value in known)


def test_a_smoke_says_what_it_found():
    """One line a step, a verdict, and whether it counts."""
    lines = host("smoke", *MODULE, *SIM).stdout.splitlines()
    assert [line.split()[0] for line in lines[:7]] == [
        *("PASS", "PASS", "PASS", "SKIP", "SKIP", "SKIP", "PASS")
    ]
    assert lines[-2].startswith("smoke passed, not complete, in ")
    assert lines[-1].endswith("no: the target is simulated")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("smoke", "--at-port", "/dev/ttyUSB2"), "--at-port is for a module"),
        (("smoke", *SIM, *MODULE, "--serial", "1"), "leave out --target sim"),
        (("smoke", "--option", "at=silent"), "give --target sim"),
        (("smoke", "--allow-interrupt"), "--kind quecpython"),
        (("smoke", *MODULE, "--acknowledge", "fs-wrte"), "did you mean fs-write"),
        (("smoke", *MODULE, *SIM, "--option", "at=loud"), "at"),
        (("smoke", *MODULE, *SIM, "--json-out", "/no/such/file"), "there is no folder"),
        (("smoke", "--risk-mode", "bold"), "bold"),
        (("soak", "--abort-on", "moon"), "moon"),
        (("soak", "--duration-s", "0"), "--duration-s"),
        (("release",), "PORT"),
        (("release", "/dev/ttyUSB2", "--pid", "1"), "--pid"),
    ],
)
def test_a_slip_is_one_line(words, said):
    """Exit 2, never a traceback, nothing sent."""
    done = host(*words)
    assert done.exit_code == 2
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "words",
    [
        ("smoke", "--allow", *MODULE, *SIM),
        ("smoke", "--risk-m", "aggressive"),
        ("release", "/dev/ttyUSB2", "--for"),
        ("soak", "--ack", "repl"),
    ],
)
def test_weakness_12_no_abbreviation_arms_a_guard(words):
    """Every option is written out."""
    done = host(*words)
    assert done.exit_code == 2
    assert "No such option" in done.stderr


def test_weakness_14_no_firmware_of_a_module_is_ever_flashed():
    """No state, mode, word or grant allows it, and no command offers it; nothing to match loosely.

    What an FX3 is given is checked before, format and checksum: see
    ``test_a_damaged_image_is_refused_before_anything_is_done``.
    """
    target = Target("serial", "/dev/ttyUSB2")
    given = frozenset((Acknowledgement(Operation.FLASH, target),))
    for state in HostState:
        for mode in RiskMode:
            authority = Authority(mode, given, state, is_force_guarded=True)
            for on in (target, Target("world", "simulated module")):
                assert not decide(Operation.FLASH, on, authority).allow
    assert host("confirm", "flash").exit_code == 2
    assert not [name for name in COMMANDS if "flash" in name or "firmware" in name]
    assert "flash" not in CliRunner().invoke(cli, ["modem", "--help"]).stdout


# ---------------------------------------------------------------- soak


@pytest.mark.workflow("C.2")
@pytest.mark.workflow("A.1")
def test_weakness_07_a_soak_is_safe_by_default(stable_host, tmp_path):
    """Each iteration is a safe smoke; its deploy is off, however often it would be due."""
    path = tmp_path / "soak.jsonl"
    with real(running=True) as (module, run):
        words = ("--max-iterations", 2, "--interval-s", 0, "--deploy-every", 1)
        summary = document(run("soak", *words, "--report", path, *DEPLOY[1:], "--json"))
        assert bytes(module.repl.received) == b""
    assert summary["iterations"] == {"begun": 2, "ended": 2, "passed": 2, "failed": 0}
    steps = [item for item in read_soak(path).records if item["kind"] == "step"]
    deploys = [item["text"] for item in steps if item["name"] == "deploy"]
    assert deploys == ["risk mode safe writes nothing"] * 2
    assert notes("host.smoke") == [{"is_pass": True, "is_complete": True}] * 2


def test_weakness_15_the_name_of_a_port_tells_no_serial_number(stable_host, tmp_path, monkeypatch):
    """Udev's names hold it; not even the first line of a soak's report, before any look, does."""
    serial = identity.SERIAL_NUMBER
    with SimulatedModem(ModemOptions()) as module:
        monkeypatch.setattr("hw.serial.ports.system_ports", module.ports)
        link = tmp_path / f"usb-Quectel_{serial}-if02"
        link.symlink_to(module.at.path)
        words = (*MODULE, "--at-port", link, "--max-iterations", 1)
        shown, hidden = tmp_path / "shown.jsonl", tmp_path / "hidden.jsonl"
        assert host("soak", *words, "--report", hidden).exit_code == 0
        assert host("soak", *words, "--report", shown, "--show-identifiers").exit_code == 0
    assert serial not in hidden.read_text()
    assert serial in shown.read_text().splitlines()[0]


def test_a_soak_deploys_every_nth_iteration(tmp_path):
    """Where mode and word allow it."""
    path = tmp_path / "soak.jsonl"
    words = ("--risk-mode", "standard", *DEPLOY, "--deploy-every", 2, "--max-iterations", 2)
    done = host("soak", *MODULE, *SIM, *words, "--interval-s", 0, "--report", path)
    assert done.exit_code == 0, done.output
    steps = [item for item in read_soak(path).records if item["kind"] == "step"]
    deploys = [item["outcome"] for item in steps if item["name"] == "deploy"]
    assert deploys == ["not run", "passed"]


def test_a_soak_ends_at_its_thresholds_and_can_be_read_again(tmp_path):
    """Exit 1; ``--show`` prints the same of the file."""
    path = tmp_path / "soak.jsonl"
    words = ("--option", "at=error", "--interval-s", 0, "--report", path)
    done = host("soak", *MODULE, *SIM, *words)
    assert done.exit_code == 1
    assert "max-consecutive-failures-reached" in done.stdout
    assert "AT failed 2 times" in done.stdout
    again = host("soak", "--show", path)
    assert (again.exit_code, again.stdout) == (1, done.stdout)
    missing = host("soak", "--show", tmp_path / "none")
    assert (missing.exit_code, missing.stderr.count("\n")) == (2, 1)
    refused = host("soak", *MODULE, *SIM, *words)
    assert refused.exit_code == 2
    assert "each soak has a report of its own" in refused.stderr


def test_a_host_that_freezes_ends_the_soak_with_5(stable_host, tmp_path):
    """The crash is written by another thread of time: while the soak waits."""
    path = tmp_path / "soak.jsonl"
    with SimulatedModem(ModemOptions()) as module:
        program = [sys.executable, "-c", "from scenarios.cli import main; main()"]
        words = ["host", "soak", *MODULE, "--at-port", module.at.path, "--report", str(path)]
        process = subprocess.Popen(
            [*program, *words, "--interval-s", "60"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        assert process.stderr.readline().startswith("iteration 1: passed")
        crash(stable_host, boot_id(), minutes_ago=0)
        stdout, _ = process.communicate(timeout=20)
    assert process.returncode == 5
    assert stdout.startswith("soak failed: new-incident (bugcheck Oops")
    assert read_soak(path).is_finished
    again = host("soak", "--show", path)
    assert (again.exit_code, again.stdout) == (5, stdout)
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:-1]))
    killed = host("soak", "--show", path)
    assert killed.exit_code == 1
    assert killed.stdout.startswith("soak not finished: not-ended\niterations: 1 begun, 1 ended")


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_prints_the_summary(stable_host, tmp_path, sent):
    """Exit 130, a finished report, no mark left open; likewise where a service manager ends it."""
    path = tmp_path / "soak.jsonl"
    with SimulatedModem(ModemOptions()) as module:
        program = [sys.executable, "-c", "from scenarios.cli import main; main()"]
        words = ["host", "soak", *MODULE, "--at-port", module.at.path, "--report", str(path)]
        process = subprocess.Popen(
            [*program, *words, "--interval-s", "60"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        assert process.stderr.readline().startswith("iteration 1: passed")
        process.send_signal(sent)
        stdout, stderr = process.communicate(timeout=20)
    assert (process.returncode, stderr) == (130, "")
    assert stdout.startswith("soak not finished: interrupted\niterations: 1 begun, 1 ended")
    assert read_soak(path).is_finished
    assert Journal.open_default().unfinished() == ()


KILLER = """
import os, signal, sys
from pathlib import Path
from click.testing import CliRunner
import hw.guard.disk, hw.guard.place, hw.host.memory_file
from scenarios.cli.group import cli
from scenarios.cli import host_soak, smoke_place, modem_place, inputs
import hw.host.soak, hw.host.smoke_host, hw.host.smoke_modem, hw.host.watch, hw.host.folder
import sim.modem

folder = Path(sys.argv[1])

def arm(point, log):
    count = 0
    whole, put = hw.guard.disk.Disk._write, hw.guard.place.atomic_write
    def due(what):
        nonlocal count
        count += 1
        os.write(log, f"{what}\\n".encode())
        return count == point
    def die():
        os.kill(os.getpid(), signal.SIGKILL)
    def write(self, descriptor, data):
        name = os.path.basename(os.readlink(f"/proc/self/fd/{descriptor}"))
        if due(name):
            whole(self, descriptor, data[:len(data) // 2])
            die()
        whole(self, descriptor, data)
    def atomic(path, data):
        if due(path.name):
            die()
        put(path, data)
    hw.guard.disk.Disk._write = write
    hw.host.memory_file.atomic_write = atomic

def run(point):
    place = folder / str(point)
    place.mkdir()
    os.environ["FX3LOOP_STATE_DIR"] = str(place / "state")
    log = os.open(place / "writes", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    arm(point, log)
    with sim.modem.SimulatedModem() as module:
        words = ["host", "soak", "--kind", "quecpython", "--at-port", module.at.path]
        words += ["--max-iterations", "1", "--report", str(place / "soak.jsonl")]
        done = CliRunner().invoke(cli, words)
    os._exit(done.exit_code)

point = 0
while True:
    point += 1
    child = os.fork()
    if not child:
        run(point)
    _, status = os.waitpid(child, 0)
    print(point, os.waitstatus_to_exitcode(status), flush=True)
    if os.waitstatus_to_exitcode(status) != -signal.SIGKILL or point > 99:
        break
"""


@pytest.mark.workflow("D.3")
@pytest.mark.workflow("E.1")
def test_weakness_17_a_soak_killed_at_any_write_is_found_at_the_next_start(stable_host, tmp_path):
    """By SIGKILL, in the middle of the write, at every one of them; then another boot.

    From the mark of the beginning to that of the end criterion 3 fires; before it nothing was
    touched. The report is readable wherever it has a line.
    """
    done = subprocess.run(
        [sys.executable, "-c", KILLER, tmp_path],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        timeout=240,
    )
    ends = [int(line.split()[1]) for line in done.stdout.splitlines()]
    assert ends[-1] == 0, (done.stdout, done.stderr)
    assert ends[:-1] == [-signal.SIGKILL] * (len(ends) - 1)
    writes = (tmp_path / str(len(ends)) / "writes").read_text().splitlines()
    assert len(writes) == len(ends) - 1
    marks = [number for number, name in enumerate(writes, 1) if name == "journal.jsonl"]
    begun, ended = marks[0], marks[-1]
    assert writes.count("soak.jsonl") > 10
    last_line = len(writes) - writes[::-1].index("soak.jsonl")
    fired = 0
    for point in range(1, len(ends) + 1):
        place = tmp_path / str(point)
        journal = Journal(place / "state/journal.jsonl", "another-boot", time.time)
        keeper = HostKeeper(
            PlayedSource(), journal, place / "state/host_state.json", "another-boot"
        )
        status = keeper.status()
        criteria = [item.name for item in status.escalation]
        is_under_way = begun < point <= ended
        assert criteria == (["interrupted-probe"] if is_under_way else []), (point, writes)
        assert (status.state is HostState.FROZEN) is is_under_way
        fired += is_under_way
        path = place / "soak.jsonl"
        if path.exists() and path.read_bytes().count(b"\n"):
            found = read_soak(path)
            assert found.damaged_lines <= 1
            assert found.is_finished is (point > last_line)
    assert fired == ended - begun > 10


def test_a_soak_that_was_killed_in_this_boot_is_no_crash_of_the_host(stable_host):
    """The program died, not the host: the next start marks it abandoned."""
    with SimulatedModem(ModemOptions()) as module:
        program = [sys.executable, "-c", "from scenarios.cli import main; main()"]
        words = ["host", "soak", *MODULE, "--at-port", module.at.path]
        process = subprocess.Popen(
            [*program, *words], stderr=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
        )
        assert process.stderr.readline().startswith(b"iteration 1: passed")
        process.kill()
        process.communicate(timeout=10)
    done = host("status")
    assert (done.exit_code, done.stdout.split()[0]) == (0, "normal")


# ---------------------------------------------------------------- the way out


@pytest.mark.workflow("E.1")
@pytest.mark.workflow("E.2")
@pytest.mark.workflow("E.3")
def test_a_frozen_host_is_led_back_to_normal(stable_host):
    """Evidence, a day without a crash, a complete safe smoke, the word; none is enough alone."""
    assert host("status").exit_code == 0
    crash(stable_host, boot_id(), minutes_ago=26 * 60)
    assert host("status").exit_code == 5
    refused = host("confirm", "reset")
    assert refused.exit_code == 3
    assert "fx3loop host smoke" in refused.stderr
    assert host("triage").exit_code == 0
    assert host("status").stdout.startswith("observing")
    document(host("smoke", *MODULE, *SIM, "--json"))
    assert host("confirm", "reset").exit_code == 3
    with real() as (_, run):
        assert run("smoke", *DEPLOY, "--risk-mode", "standard").exit_code in (0, 3)
        assert host("confirm", "reset").exit_code == 3
        assert run("smoke").exit_code == 0
    assert host("confirm", "reset").exit_code == 0
    assert host("status").stdout.startswith("normal")


# ---------------------------------------------------------------- release

HOLD = """
import signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN if sys.argv[2] == "stubborn" else signal.SIG_DFL)
port = open(sys.argv[1], "rb", buffering=0)
print("ready", flush=True)
time.sleep(60)
"""


@pytest.fixture
def held():
    """A port that a stubborn process holds."""
    far, near = os.openpty()
    path = os.ttyname(near)
    os.close(near)
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, path, "stubborn"], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "ready\n"
    yield path, process
    process.kill()
    process.wait(10)
    process.stdout.close()
    os.close(far)


@pytest.mark.workflow("C.4")
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_weakness_11_force_needs_flag_phrase_mode_and_word(stable_host, monkeypatch, held):
    """Each is missing once, and nothing is sent; with all of them the port is free."""
    path, process = held
    monkeypatch.delenv("QPY_FORCE_KILL_GUARD", raising=False)
    word = ("--acknowledge", "release-port", "--grace-s", 0.2, "--json")
    standard = ("--risk-mode", "standard", *word)
    assert host("release", path).exit_code == 3
    assert host("release", path, "--risk-mode", "aggressive").exit_code == 3
    blocked = document(host("release", path, "--force", *standard), 3)
    assert blocked["result"] == "force_guard_blocked"
    monkeypatch.setenv("QPY_FORCE_KILL_GUARD", " I_UNDERSTAND_RISK")
    blocked = document(host("release", path, "--force", *standard), 3)
    assert blocked["result"] == "force_guard_blocked"
    monkeypatch.setenv("QPY_FORCE_KILL_GUARD", "I_UNDERSTAND_RISK")
    blocked = document(host("release", path, "--force", *word), 3)
    assert blocked["result"] == "force_blocked"
    assert "--risk aggressive" in blocked["detail"]
    blocked = document(host("release", path, "--risk", "safe", "--force", *word), 3)
    assert blocked["result"] == "force_blocked"
    assert [item for item in Journal.open_default().records() if item.kind == "begin"] == []
    unfinished = document(host("release", path, *standard), 1)
    assert unfinished["result"] == "unfinished"
    assert process.poll() is None
    forced = document(host("release", path, "--force", *standard))
    assert (forced["schema"], forced["result"]) == ("fx3loop.host-release/1", "forced")
    assert forced["process"]["pid"] == process.pid
    assert process.wait(10) == -signal.SIGKILL
    gone = document(host("release", path, *standard), 4)
    assert gone["result"] == "not_found"


def test_weakness_13_nothing_is_run_from_the_working_folder(stable_host, tmp_path, monkeypatch):
    """Neither smoke nor release starts a program at all, even where the path leads there first."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    trap = tmp_path / "trap"
    for name in ("python", "kill", "lsof", "fuser", "QPYcom.exe", "get_com.exe", "journalctl"):
        file = tmp_path / name
        file.write_text(f"#!/bin/sh\n: > {trap}\n")
        file.chmod(0o755)
    with real() as (_, run):
        assert run("smoke").exit_code == 0
    far, near = os.openpty()
    path = os.ttyname(near)
    os.close(near)
    allowed = ("--risk-mode", "standard", "--acknowledge", "release-port")
    assert host("release", path, *allowed).exit_code == 4
    os.close(far)
    assert not trap.exists()
    subprocess.run(["lsof"], check=True)
    assert trap.exists()
