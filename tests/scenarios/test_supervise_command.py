"""``fx3loop supervise``, as a new user tries it."""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
import usb.backend.libusb1
from click.testing import CliRunner
from prometheus_client.parser import text_string_to_metric_families

from health import Policy
from hw.guard.locks import DeviceLock
from hw.supervisor import metrics
from hw.supervisor.metrics import MetricsError, parse_address, serve
from scenarios.cli import cli
from scenarios.supervised import Plan, SupervisedWorld
from sim.faults import Fault
from tests.scenarios.guarded_bench import certificate_of

ROOT = Path(__file__).parents[2]
PROGRAM = [sys.executable, "-c", "from scenarios.cli import main; main()", "supervise"]
UNIT = ROOT / "hw" / "systemd" / "fx3loop-supervise.service"
WEDGE = "dma_error:at_ms=5000"
SERIAL = "0009072C00D62F32"
GRANT = f'[[grant]]\nserial = "{SERIAL}"\nlevels = [1, 4]\n'

needs_libusb = pytest.mark.skipif(
    usb.backend.libusb1.get_backend() is None, reason="no libusb on this machine"
)


def supervise(*words):
    return CliRunner().invoke(cli, ["supervise", *map(str, words)], prog_name="fx3loop")


def sim(*words):
    return supervise("--target", "sim", *words)


@pytest.fixture
def certificate(tmp_path):
    path = tmp_path / "certificate.json"
    certificate_of(Policy.preset("reference")).write(path)
    return path


@pytest.fixture
def grants(tmp_path):
    path = tmp_path / "grants.toml"
    path.write_text(GRANT)
    return path


# --- a world -----------------------------------------------------------------------------------


def test_it_recovers_a_wedged_world():
    done = sim("--fault", WEDGE, "--duration", 20)
    assert done.exit_code == 0
    assert "level 1 done: 1\nthe program is served\n" in done.stdout
    events = [line.split()[1] for line in done.stderr.splitlines()]
    assert events == [
        "event=acting",
        "event=found",
        "event=program",
        "event=status",
        "event=remedy-begins",
        "event=remedy",
        "event=status",
    ]


def test_without_a_program_none_is_called_served():
    """The device answers, and that is all there is to say."""
    done = sim("--no-program", "--duration", 5)
    assert done.exit_code == 0
    assert done.stdout.splitlines()[-1] == "the device answers"


def test_unplugged_and_plugged_in_again_it_is_served():
    """The cable is out for 5 s; what comes back is empty, and gets its firmware."""
    done = sim("--unplug", 10, "--duration", 40)
    assert done.exit_code == 0
    times_s = {
        line.split()[1]: float(line.split()[0].removeprefix("time="))
        for line in done.stderr.splitlines()
    }
    assert 10 <= times_s["event=absent"] < 10.5
    assert 15 <= times_s["event=found"] < 17
    assert "uploads: 1 done, 0 failed\nthe program is served\n" in done.stdout


def test_asked_to_observe_it_says_what_it_would_have_done_and_ends_with_0():
    done = sim("--fault", WEDGE, "--duration", 20, "--observe", "--json")
    assert done.exit_code == 0
    found = json.loads(done.stdout)
    assert found["schema"] == "fx3loop.supervise/1"
    assert found["observing"] == "it was asked to observe"
    assert found["counts"]["would"] == [{"level": 1, "status": "STREAM_STALL", "count": 1}]
    assert found["counts"]["remedies"] == []


def test_each_log_line_may_be_json():
    done = sim("--fault", WEDGE, "--duration", 10, "--log-json")
    events = [json.loads(line)["event"] for line in done.stderr.splitlines()]
    assert events[:3] == ["acting", "found", "program"]


def test_a_world_that_it_might_act_on_and_that_is_not_served_is_a_failed_check():
    done = sim("--firmware", "fw-2.3", "--fault", "clock_loss:at_ms=5000", "--duration", 20)
    assert done.exit_code == 1
    assert "the program is not served" in done.stdout


def test_a_world_with_a_certificate_named_is_treated_as_a_device(certificate, grants):
    """The rights of a device can be tried without one."""
    words = ["--firmware", "fw-2.3", "--fault", WEDGE, "--duration", 10, "--json"]
    both = ["--certificate", certificate, "--grants", grants]
    assert json.loads(sim(*words, *both).stdout)["observing"] == ""
    frozen = json.loads(sim(*words, *both, "--host-state", "frozen").stdout)
    assert frozen["observing"] == "the host is frozen"
    grants.write_text("")
    assert "no standing grant" in json.loads(sim(*words, *both).stdout)["observing"]
    alone = json.loads(sim(*words, "--grants", grants).stdout)
    assert "no certificate for policy reference" in alone["observing"]


def test_a_grants_file_that_is_missing_is_named_with_how_to_write_one(certificate, tmp_path):
    """It observes on without it, and says so wherever it gives its reason."""
    path = tmp_path / "none.toml"
    words = ["--certificate", certificate, "--grants", path, "--duration", 2]
    reason = (
        f"no standing grant for serial {SERIAL}: there is no file {path}; write one: "
        f'[[grant]] serial = "{SERIAL}" levels = [1, 4], one item a line'
    )
    found = sim(*words, "--json", "--log-json")
    assert (found.exit_code, json.loads(found.stdout)["observing"]) == (0, reason)
    first = json.loads(found.stderr.splitlines()[0])
    assert (first["event"], first["reason"]) == ("observing", reason)
    told = sim(*words)
    assert f"observed only: {reason}" in told.stdout.splitlines()
    path.write_text(GRANT)
    assert json.loads(sim(*words, "--json").stdout)["observing"] == ""


def test_once_lasts_as_long_as_the_slowest_detection():
    found = json.loads(sim("--once", "--json").stdout)
    assert found["duration_s"] == 6.2
    assert found["status"] == "OK"


@pytest.mark.parametrize(
    "fault",
    [
        "delay:call=gpif_get_sm_state,thread=usb,at_ms=5000,for_ms=3000",
        "host_paused:at_ms=5000,for_ms=2000",
        "dma_error:at_ms=5000",
        "endpoint_error:cause=late_read",
        "clock_loss:at_ms=5000,for_ms=2000",
        "timer_death:at_ms=5000",
    ],
)
def test_wedged_in_many_ways_it_serves_in_the_end(fault):
    done = sim("--firmware", "fw-2.3", "--fault", fault, "--duration", 60)
    assert done.exit_code == 0, done.output


# --- what a user gets wrong --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--seed", 2], 2, "--seed is for --target sim"),
        (["--fault", WEDGE], 2, "--fault is for --target sim"),
        (["--target", "sim", "--serial", "1"], 2, "--serial is for --target usb"),
        (["--once", "--duration", 3], 2, "leave out one of the two"),
        (["--target", "sim", "--policy", "refrence"], 2, "reference"),
        (["--target", "sim", "--firmware", "fw-9"], 2, "fw-9"),
        (["--target", "sim", "--fault", "dma"], 2, "dma_error"),
        (["--target", "sim", "--metrics", "here"], 2, "no port of 0 to 65535; try 127.0.0.1:9471"),
        (["--certificate", "/nowhere.json"], 2, "cannot read /nowhere.json"),
        (["--image", "/nowhere.img"], 2, "cannot read /nowhere.img"),
    ],
)
def test_a_mistake_gives_one_line(words, code, said):
    done = subprocess.run(
        [*PROGRAM, *map(str, words)], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.returncode == code
    (line,) = done.stderr.splitlines()
    assert line.startswith("fx3loop: ")
    assert said in line


def test_grants_with_a_mistake_are_told_at_the_start(grants):
    grants.write_text('[[grant]]\nserial = "1"\nlevels = [5]\n')
    done = subprocess.run(
        [*PROGRAM, "--target", "sim", "--grants", grants],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 2
    assert "level 5 of serial 1 is none of 1 to 4" in done.stderr


# --- metrics -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("9471", ("127.0.0.1", 9471)),
        (":9471", ("127.0.0.1", 9471)),
        ("0.0.0.0:1", ("0.0.0.0", 1)),
        ("[::1]:9471", ("::1", 9471)),
    ],
)
def test_without_a_host_metrics_are_on_loopback(text, address):
    assert parse_address(text) == address


@pytest.mark.parametrize("text", ["", "here", "127.0.0.1:", "127.0.0.1:http", ":65536"])
def test_an_address_without_a_port(text):
    with pytest.raises(MetricsError, match=r"try 127\.0\.0\.1:9471"):
        parse_address(text)


def test_prometheus_reads_what_was_counted():
    plan = Plan(Policy.preset("reference"), firmware="fw-2.3", faults=(Fault.parse(WEDGE),))
    with SupervisedWorld(plan) as place:
        port, close = serve("127.0.0.1:0", place.supervisor)
        for _ in place.run(10_000):
            pass
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as reply:
            text = reply.read().decode()
        with pytest.raises(MetricsError, match="cannot serve metrics"):
            serve(f"127.0.0.1:{port}", place.supervisor)
        close()
        tally = place.supervisor.tally
    values = {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    name = metrics.PREFIX
    assert values[(f"{name}_polls_total",)] == tally.polls
    assert values[(f"{name}_remedies_total", ("level", "1"), ("outcome", "DONE"))] == 1
    assert values[(f"{name}_conditions_total", ("code", "STREAM_STALL"))] == 1
    assert values[(f"{name}_status", ("code", "OK"))] == 1
    assert values[(f"{name}_observing",)] == 0
    assert values[(f"{name}_device_present",)] == 1


def test_without_prometheus_client_the_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    with pytest.raises(MetricsError, match=r"pip install 'fx3loop\[metrics\]'"):
        serve("127.0.0.1:0", None)


# --- as a service ------------------------------------------------------------------------------


def heard_from(address, words, environment):
    """Run it under a service manager that listens; end it by SIGTERM once it is ready."""
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind(str(address))
    manager.settimeout(30)
    heard = []
    with subprocess.Popen(
        [*PROGRAM, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "NOTIFY_SOCKET": str(address), **environment},
    ) as process:
        while "READY=1" not in heard or "WATCHDOG=1" not in heard:
            heard.append(manager.recv(4_096).decode())
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=30)
    manager.setblocking(False)
    while True:
        try:
            heard.append(manager.recv(4_096).decode())
        except BlockingIOError:
            break
    manager.close()
    return process.returncode, heard, out, err


@needs_libusb
def test_systemd_is_told_and_sigterm_ends_it_cleanly(tmp_path):
    """On this machine's own bus, where there is no device: it waits for one and observes."""
    environment = {"FX3LOOP_STATE_DIR": str(tmp_path / "state"), "WATCHDOG_USEC": "200000"}
    code, heard, out, err = heard_from(tmp_path / "notify", ["--serial", "none"], environment)
    assert code == 0, err
    assert heard[0] == "READY=1"
    assert heard[-1] == "STOPPING=1"
    assert "observed only: no certificate" in out
    assert "event=absent" in err
    assert err.splitlines()[-1].split()[1] == "event=stopped"


@needs_libusb
def test_once_without_a_device_is_not_available(tmp_path):
    done = subprocess.run(
        [*PROGRAM, "--once", "--serial", "none"],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, "FX3LOOP_STATE_DIR": str(tmp_path)},
    )
    assert done.returncode == 4
    assert "no device" in done.stderr


@needs_libusb
def test_a_second_supervisor_meets_a_clear_message(tmp_path, monkeypatch):
    monkeypatch.setenv("FX3LOOP_STATE_DIR", str(tmp_path))
    lock = DeviceLock.take("supervisor none")
    done = subprocess.run(
        [*PROGRAM, "--serial", "none", "--duration", "1"],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    lock.release()
    assert done.returncode == 4
    (line,) = done.stderr.splitlines()
    assert "supervisor none is held by" in line


def test_sigterm_ends_a_paced_world_too():
    """--speed 1 would take a minute."""
    with subprocess.Popen(
        [*PROGRAM, "--target", "sim", "--speed", "1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    ) as process:
        assert process.stderr is not None
        assert "event=acting" in process.stderr.readline()
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert out.startswith("watched world for ")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_a_signal_in_the_middle_of_an_upload_waits_for_its_end(number, code):
    """No device is left without its firmware; Ctrl-C too, once, and what was counted is told."""
    slow = "delay:call=usb_send_ep0_data,thread=usb,at_ms=1000,for_ms=3000"
    words = ["--target", "sim", "--speed", "10", "--firmware", "fw-2.3", "--fault", slow, "--json"]
    with subprocess.Popen(
        [*PROGRAM, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    ) as process:
        assert process.stderr is not None
        while "remedy-begins level=4" not in process.stderr.readline():
            assert process.poll() is None
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
    assert process.returncode == code
    assert json.loads(out)["counts"]["remedies"] == [{"level": 4, "outcome": "DONE", "count": 1}]
    assert "Traceback" not in err


def test_the_unit_file_names_what_exists():
    """Every option in ExecStart is one of the command's; the watchdog outlasts a port reset."""
    text = UNIT.read_text()
    command = text.split("ExecStart=")[1].split("\n#")[0]
    options = {word for word in command.split() if word.startswith("--")}
    usage = supervise("--help").output
    assert options
    assert all(f"  {option} " in usage for option in options)
    assert "Type=notify" in text
    assert "WatchdogSec=120" in text
    assert "FX3LOOP_STATE_DIR=/var/lib/fx3loop" in text
