"""Windows evidence: event XML, event logs, dumps, registry; in any language and on any system."""

from __future__ import annotations

import os
from datetime import UTC, datetime

import pytest

from hw.host import event_log
from hw.host.crash_dump import parse_crash_dump
from hw.host.errors import EvidenceError
from hw.host.event_log import read_event_log
from hw.host.event_xml import event_time, parse_events
from hw.host.findings import CouldNotLook, EvidenceKind, FindingKind, Looked
from hw.host.folder import Folder
from hw.host.registry import dump_places, parse_registry
from hw.host.runner import Completed
from hw.host.windows import WindowsHost, dumps_in
from hw.host.windows_events import QUERIES, bugcheck_code, find
from tests.hw.host.evtx_maker import MadeEvent, evtx
from tests.hw.host.made import (
    NOW,
    PlayedRunner,
    ago,
    application_crash,
    dump_header,
    error_report,
    event_xml,
    filter_driver,
    kernel_power,
    planned_restart,
    write,
)

# What the three systems say of the same bugcheck; the last has no code in its text at all.
TEXTS = {
    "zh": "计算机已经从检测错误后重新启动。检测错误: 0x0000009f (0x1, 0x2, 0x3, 0x4)。",
    "de": "Der Computer wurde nach einem schwerwiegenden Fehler neu gestartet.",
    "ja": "このコンピューターはバグチェック後、再起動されました。",
}


def one(event: MadeEvent):
    """What one event means."""
    (finding,) = find(parse_events(event_xml(event), "test"))
    return finding


@pytest.mark.workflow("B.2")
@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "gbk", "shift-jis", "cp932"])
def test_weakness_21_the_code_needs_no_rendered_text_and_no_encoding(text, encoding):
    """Code and parameters of WER 1001 come from its data, whatever bytes the message is in."""
    event = error_report(NOW, 0x139, message=text)
    content = event_xml(event).encode(encoding, errors="replace")
    (finding,) = find(parse_events(content, "test"))
    assert finding.kind is FindingKind.BUGCHECK
    assert finding.code == "0x00000139"
    assert finding.detail["parameters"].split()[1] == "0xffff868f7c3f9a70"
    assert finding.detail["dump"].endswith("031026-1.dmp")


@pytest.mark.workflow("B.1")
@pytest.mark.parametrize(
    ("data", "kind", "code"),
    [
        ({"BugcheckCode": "313"}, FindingKind.BUGCHECK, "0x00000139"),
        ({"BugcheckCode": "0"}, FindingKind.UNEXPECTED_RESTART, ""),
        (
            {"BugcheckCode": "0", "PowerButtonTimestamp": "133545678901234567"},
            FindingKind.POWER_BUTTON,
            "",
        ),
        (
            {"BugcheckCode": "0", "LongPowerButtonPressDetected": "true"},
            FindingKind.POWER_BUTTON,
            "",
        ),
    ],
)
def test_weakness_21_kernel_power_is_decimal_and_tells_the_button(data, kind, code):
    """313 is 0x139, 0 is no bugcheck, and a long press of the button is told apart."""
    finding = one(kernel_power(NOW, **data))
    assert (finding.kind, finding.code) == (kind, code)


def test_weakness_21_an_event_41_of_another_provider_is_not_a_restart():
    """A number means something only together with its provider."""
    assert find(parse_events(event_xml(MadeEvent("Other-Provider", 41, NOW)), "test")) == ()


@pytest.mark.workflow("B.3")
def test_weakness_05_a_crash_of_a_program_is_seen_without_its_message():
    """The names come from the data by place, as older systems write them, and by name."""
    finding = one(application_crash(NOW, "QPYcom.exe", "c0000374"))
    assert finding.kind is FindingKind.APPLICATION_CRASH
    assert finding.detail == {
        "program": "QPYcom.exe",
        "module": "ntdll.dll",
        "exception": "0xc0000374",
    }
    named = MadeEvent(
        "Application Error",
        1000,
        NOW,
        [("AppName", "ARPProtection.exe"), ("ExceptionCode", "0xC0000374")],
        channel="Application",
    )
    assert one(named).detail["program"] == "ARPProtection.exe"


@pytest.mark.workflow("B.4")
def test_filter_and_monitor_drivers_are_known_by_name():
    """A filter of security software is named as such; the system's own are listed alone."""
    assert one(filter_driver(NOW, "sysdiag")).detail["known"] == "Huorong security suite"
    assert "known" not in one(filter_driver(NOW, "FileInfo")).detail
    monitor = MadeEvent("hcmon", 1, NOW, [("", "Detected unrecognized USB driver \\hrdevmon")])
    finding = one(monitor)
    assert (finding.kind, finding.detail["driver"]) == (FindingKind.USB_MONITOR, "hrdevmon")


def test_weakness_22_planned_restarts_live_dumps_and_failed_dumps_are_told():
    """1074 is a plan, 6008 is not, LiveKernelEvent is a dump of a kernel that went on."""
    planned = one(planned_restart(NOW))
    assert planned.kind is FindingKind.PLANNED_RESTART
    assert planned.detail["program"] == "RuntimeBroker.exe"
    assert one(MadeEvent("EventLog", 6008, NOW)).kind is FindingKind.UNEXPECTED_RESTART
    assert one(MadeEvent("volmgr", 161, NOW)).kind is FindingKind.DUMP_FAILED
    assert one(MadeEvent("Microsoft-Windows-WHEA-Logger", 18, NOW)).kind is (
        FindingKind.HARDWARE_ERROR
    )
    report = MadeEvent(
        "Windows Error Reporting",
        1001,
        NOW,
        [("", text) for text in ("0", "0", "LiveKernelEvent", "-", "0", "144", "1", "2")],
        channel="Application",
    )
    live = one(report)
    assert (live.kind, live.code) == (FindingKind.LIVE_DUMP, "0x00000144")


@pytest.mark.parametrize(
    ("text", "code"),
    [("313", "0x00000139"), ("0x139", "0x00000139"), ("0X9F", "0x0000009f"), ("0", ""), ("x", "")],
)
def test_a_code_has_one_form(text, code):
    """Decimal and hexadecimal, capital or not, give the same code."""
    assert bugcheck_code(text) == code


def test_weakness_24_times_are_utc_and_aware():
    """Nine decimals, as wevtutil writes them, are no problem; a time without a zone is refused."""
    assert event_time("2026-03-10T12:00:00.1234567Z", "t") == datetime(
        2026, 3, 10, 12, 0, 0, 123456, tzinfo=UTC
    )
    with pytest.raises(EvidenceError, match="is no time such as 2026"):
        event_time("2026-03-10T12:00:00", "t")
    with pytest.raises(EvidenceError, match="is no time"):
        event_time("2026-02-30T12:00:00Z", "t")


@pytest.mark.parametrize(
    ("xml", "said"),
    [
        ("<Event>", "no event XML"),
        ("text", "text outside of events"),
        ("<Other/>", "<Other> where <Event> is expected"),
        ("<Event/>", "without <System>"),
        ("<!DOCTYPE a [<!ENTITY b 'c'>]><Event/>", "declares entities"),
        ("<Event><System><EventID>x</EventID></System></Event>", "not a number such as 41"),
    ],
)
def test_what_is_no_event_xml_is_one_line(xml, said):
    """The typed error names the file and what is wrong."""
    with pytest.raises(EvidenceError, match=said) as caught:
        parse_events(xml, "some.xml")
    assert str(caught.value).startswith("some.xml: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("language", TEXTS)
def test_weakness_25_event_logs_are_read_on_any_system(tmp_path, language):
    """A real .evtx, over several chunks, gives the same findings as its XML, whatever it says."""
    made = [
        kernel_power(ago(hours=3), 0x9F),
        error_report(ago(hours=2, minutes=58), 0x9F, message=TEXTS[language]),
        planned_restart(ago(days=1)),
    ] * 60
    events, damaged = read_event_log(write(tmp_path / "System.evtx", evtx(made)))
    assert damaged == 0
    assert [event.record_id for event in events] == list(range(1, 181))
    xml = "".join(event_xml(event, number) for number, event in enumerate(made, start=1))
    assert events == parse_events(xml, "test")
    assert find(events) == find(parse_events(xml, "test"))


def test_a_damaged_log_gives_what_is_whole_and_says_that_some_is_not(tmp_path):
    """A log that was open when its system died."""
    content = bytearray(evtx([kernel_power(ago(hours=3)), kernel_power(ago(hours=2))] * 150))
    # The second chunk loses its mark.
    content[4096 + 65536 : 4096 + 65536 + 8] = b"\xff" * 8
    write(tmp_path / "System.evtx", bytes(content))
    looks = Folder(tmp_path).look(ago(days=2), NOW)
    whole = next(look for look in looks if isinstance(look, Looked))
    assert 0 < len(whole.findings) < 300
    assert any("cannot be read" in look.reason for look in looks if isinstance(look, CouldNotLook))


CHUNK = 65_536
LOG = evtx([kernel_power(ago(hours=3))] * 200)


@pytest.mark.parametrize(
    ("content", "read", "lost"),
    [
        (LOG, 200, 0),
        (LOG + b"\0" * 15 * CHUNK, 200, 0),
        (LOG[: 4096 + CHUNK + 30_000], 171, 29),
        (LOG[: 4096 + CHUNK], 171, 1),
        (LOG[:4096] + b"\0" * CHUNK + LOG[4096 + CHUNK :], 29, 1),
        (LOG[: 4096 + 512] + b"\0\0\0\0" + LOG[4096 + 516 :], 29, 171),
        (evtx([]), 0, 0),
    ],
    ids=["whole", "room for more", "cut", "no chunk", "no mark", "spoilt record", "empty"],
)
def test_weakness_05_what_a_log_lost_is_counted_though_its_reader_says_nothing(
    tmp_path, content, read, lost
):
    """A copy that was cut off is not "no events"; a log that has room for more is whole."""
    events, damaged = read_event_log(write(tmp_path / "System.evtx", content))
    assert (len(events), damaged) == (read, lost)


@pytest.mark.parametrize("length", [4096, 4096 + 30_000])
def test_weakness_05_a_log_of_which_nothing_can_be_read_is_no_empty_one(tmp_path, length):
    """Its header has chunks that are not there: nobody could look."""
    path = write(tmp_path / "System.evtx", LOG[:length])
    with pytest.raises(EvidenceError, match="damaged"):
        read_event_log(path)
    (look,) = (look for look in Folder(tmp_path).look(ago(days=2), NOW) if "damaged" in str(look))
    assert EvidenceKind.RESTARTS in look.kinds


def test_one_record_that_is_no_event_costs_itself_alone(tmp_path, monkeypatch):
    """As in real logs, where one has no time: the others are read, and one is said to be lost."""

    def without_time(xml, source):
        return parse_events(xml.replace("SystemTime=", "x=") if "0x9f" in xml else xml, source)

    made = [kernel_power(ago(hours=3))] * 200
    made[7] = kernel_power(ago(hours=3), BugcheckParameter1="0x9f")
    monkeypatch.setattr(event_log, "parse_events", without_time)
    events, damaged = read_event_log(write(tmp_path / "System.evtx", evtx(made)))
    assert (len(events), damaged) == (199, 1)


def test_what_is_no_log_is_one_line(tmp_path):
    """Neither a text nor half a header is taken for an empty log."""
    with pytest.raises(EvidenceError, match="no event log"):
        read_event_log(write(tmp_path / "a.evtx", b"text"))
    with pytest.raises(EvidenceError, match="damaged"):
        read_event_log(write(tmp_path / "b.evtx", evtx([kernel_power(NOW)])[:100]))
    with pytest.raises(EvidenceError, match="cannot be read"):
        read_event_log(tmp_path / "missing.evtx")


@pytest.mark.parametrize("bits", [32, 64])
def test_weakness_22_the_dump_itself_tells_code_parameters_and_time(bits):
    """At the documented places of both layouts."""
    parameters = (0x11, 0x22, 0x33, 0x44)
    dump = parse_crash_dump(dump_header(ago(hours=3), 0xFE, parameters, bits), "test")
    assert (dump.bits, dump.build, dump.code) == (bits, 22631, 0xFE)
    assert dump.parameters == parameters
    assert dump.time_utc == ago(hours=3)
    assert parse_crash_dump(dump_header(None, bits=bits), "test").time_utc is None


@pytest.mark.parametrize("cut", [0, 7, 8, 0xFFF, 0x1FFF])
def test_a_dump_that_is_cut_off_is_refused(cut):
    """One byte less than the header is one too few."""
    with pytest.raises(EvidenceError, match=r"kernel dump|cut off"):
        parse_crash_dump(dump_header(NOW)[:cut], "test")


REG_QUERY = rb"""
HKEY_LOCAL_MACHINE\SYSTEM\CurrentControlSet\Control\CrashControl
    AutoReboot    REG_DWORD    0x1
    DumpFile    REG_EXPAND_SZ    D:\dumps\full one.dmp
    MinidumpDir    REG_EXPAND_SZ    %SystemRoot%\Mini
"""
REG_FILE = r"""Windows Registry Editor Version 5.00

[HKEY_LOCAL_MACHINE\SYSTEM\ControlSet001\Control\CrashControl]
"AutoReboot"=dword:00000001
"DumpFile"="D:\\dumps\\full one.dmp"
"MinidumpDir"=hex(2):25,00,53,00,79,00,73,00,74,00,65,00,6d,00,52,00,6f,00,6f,\
  00,74,00,25,00,5c,00,4d,00,69,00,6e,00,69,00,00,00
"""


@pytest.mark.parametrize(
    "content",
    [REG_QUERY, REG_FILE.encode("utf-16"), REG_FILE.replace("\n", "\r\n").encode("utf-8")],
)
def test_weakness_22_the_registry_says_where_dumps_are(content):
    """``reg query`` and ``.reg`` text, with the numbered control set too."""
    places = dump_places(parse_registry(content, "test")).resolved(r"C:\Windows")
    assert places.full == r"D:\dumps\full one.dmp"
    assert places.small == r"C:\Windows\Mini"
    assert places.live == r"C:\Windows\LiveKernelReports"


def windows(answers, places=REG_QUERY):
    """A Windows host whose logs hold these events; an error for a query is raised for it alone."""

    def answer(command):
        if command[0].endswith("reg.exe"):
            return Completed(0, places)
        query = command[3]
        for provider, given in answers.items():
            if f"'{provider}'" in query:
                if isinstance(given, list):
                    text = "".join(event_xml(e, n) for n, e in enumerate(given, start=7))
                    return Completed(0, text.encode("utf-16"))
                return given
        return Completed(0, b"")

    runner = PlayedRunner(answer)
    return WindowsHost(runner, {"SystemRoot": r"C:\Windows"}), runner


def test_weakness_05_no_events_and_could_not_look_differ():
    """One query that fails is told, and takes no other with it."""
    denied = Completed(5, b"", "Zugriff verweigert".encode("utf-16"))
    host, _ = windows({"Microsoft-Windows-Kernel-Power": denied, "User32": [planned_restart(NOW)]})
    looks = {look.source: look for look in host.look(ago(days=2), NOW)}
    missing = looks["Kernel-Power 41"]
    assert isinstance(missing, CouldNotLook)
    assert "Zugriff verweigert" in missing.reason
    assert looks["hcmon"].as_dict()["answer"] == "no-events"
    assert looks["User32 1074"].as_dict() == {
        "source": "User32 1074",
        "kinds": ["restarts"],
        "answer": "events",
        "count": 1,
    }


def test_weakness_16_a_query_that_hangs_costs_itself_alone():
    """The others answer, and the reason says that it took too long."""
    late = EvidenceError("wevtutil.exe", "took longer than 20000 ms")
    host, _ = windows({"hcmon": late})
    looks = host.look(ago(days=2), NOW)
    lost = [look for look in looks if isinstance(look, CouldNotLook)]
    assert [look.source for look in lost] == ["hcmon"]
    assert "20000 ms" in lost[0].reason


def test_weakness_26_commands_are_fixed_programs_without_a_shell():
    """By their full path, each provider its own query, structured output in Unicode."""
    host, runner = windows({})
    host.look(ago(days=2), NOW)
    queries = [command for command in runner.commands if command[1] == "qe"]
    assert len(queries) == len(QUERIES)
    assert {command[0] for command in queries} == {r"C:\Windows\System32\wevtutil.exe"}
    assert all("/f:xml" in command and "/uni:true" in command for command in queries)
    assert all(command[3].count("Provider[") == 1 for command in queries)


def test_a_second_look_asks_for_new_events_alone():
    """From ten minutes before the first look; what was found stays found, and once."""
    answers = {"Microsoft-Windows-Kernel-Power": [kernel_power(ago(hours=1))]}
    host, runner = windows(answers)
    for _ in range(2):
        looks = host.look(ago(days=2), NOW)
        assert sum(len(look.findings) for look in looks if isinstance(look, Looked)) == 1
    answers.clear()
    looks = host.look(ago(days=2), NOW)
    assert sum(len(look.findings) for look in looks if isinstance(look, Looked)) == 1
    asked = [command[3] for command in runner.commands if "Kernel-Power" in "".join(command)]
    assert "@SystemTime>='2026-03-08T12:00:00.000Z'" in asked[0]
    assert "@SystemTime>='2026-03-10T11:50:00.000Z'" in asked[1]


def test_weakness_22_a_dump_folder_that_may_not_be_read_is_no_empty_one(tmp_path):
    """The folder is that of the registry; a file in place of it cannot be looked at."""
    folder = tmp_path / "dumps"
    write(folder / "031026-1.dmp", dump_header(ago(hours=3), 0x9F))
    places = (
        "HKEY_LOCAL_MACHINE\\SYSTEM\\CurrentControlSet\\Control\\CrashControl\n"
        f"    MinidumpDir    REG_SZ    {folder}\n"
        f"    DumpFile    REG_SZ    {tmp_path / 'MEMORY.DMP'}\n"
    ).encode()
    host, _ = windows({}, places)
    looks = {look.source: look for look in host.look(ago(days=2), NOW)}
    (dump,) = looks[str(folder)].findings
    assert (dump.code, dump.time_utc) == ("0x0000009f", ago(hours=3))
    assert looks[str(tmp_path / "MEMORY.DMP")].as_dict()["answer"] == "no-events"
    (folder / "031026-1.dmp").unlink()
    folder.rmdir()
    folder.write_bytes(b"")
    looks = {look.source: look for look in host.look(ago(days=2), NOW)}
    assert isinstance(looks[str(folder)], CouldNotLook)


def test_what_grows_older_than_asked_for_is_dropped():
    """The window moves on with the looks."""
    host, _ = windows({"Microsoft-Windows-Kernel-Power": [kernel_power(ago(hours=47))]})
    assert sum(len(look.findings) for look in host.look(ago(hours=48), NOW)) == 1
    host, runner = windows(answers := {"User32": [planned_restart(ago(hours=47))]})
    host.look(ago(hours=48), NOW)
    answers.clear()
    assert sum(len(look.findings) for look in host.look(ago(hours=46), NOW)) == 0
    assert runner.commands


def test_a_log_of_which_nothing_can_be_read_is_refused(tmp_path):
    """It is not an empty one."""
    content = bytearray(evtx([kernel_power(NOW)]))
    content[4096:4104] = b"\xff" * 8
    with pytest.raises(EvidenceError, match="damaged"):
        read_event_log(write(tmp_path / "System.evtx", bytes(content)))


def test_a_dump_that_was_not_finished_is_a_crash_nevertheless(tmp_path):
    """Its name and time tell of it; the others in its folder are read."""
    folder = tmp_path / "dumps"
    write(folder / "1.dmp", dump_header(ago(hours=3), 0x9F))
    torn = write(folder / "2.dmp", b"")
    os.utime(torn, (ago(hours=1).timestamp(),) * 2)
    found = dumps_in(folder, FindingKind.CRASH_DUMP, ago(days=2))
    assert [(item.code, item.time_utc) for item in found] == [
        ("0x0000009f", ago(hours=3)),
        ("", ago(hours=1)),
    ]
    assert "no kernel dump" in found[1].detail["problem"]


def test_a_dump_of_a_program_is_no_crash_of_the_kernel(tmp_path):
    """It lies among the evidence of many hosts."""
    write(tmp_path / "editor.dmp", b"MDMP" + bytes(100))
    looks = Folder(tmp_path).look(ago(days=2), NOW)
    assert "editor.dmp" not in str([look.as_dict() for look in looks])


def test_a_registry_file_among_the_evidence_tells_where_dumps_are(tmp_path):
    """In the report."""
    write(tmp_path / "crash.reg", REG_FILE.encode("utf-16"))
    folder = Folder(tmp_path)
    folder.look(ago(days=2), NOW)
    places = folder.dump_places()
    assert places is not None
    assert places.full == r"D:\dumps\full one.dmp"
