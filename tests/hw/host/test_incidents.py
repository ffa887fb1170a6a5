"""Marks of one crash are one incident; two crashes stay two; advice comes with its evidence."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from hw.host.advice import steps
from hw.host.event_xml import parse_events
from hw.host.findings import (
    CouldNotLook,
    EvidenceKind,
    Finding,
    FindingKind,
    Looked,
    Obtained,
    missing,
)
from hw.host.folder import Folder
from hw.host.incidents import Severity, incidents
from hw.host.triage import report
from hw.host.windows_events import find
from tests.hw.host.evtx_maker import MadeEvent, evtx
from tests.hw.host.made import (
    CALM,
    NOW,
    ago,
    application_crash,
    boots,
    dump_header,
    entry,
    error_report,
    event_xml,
    filter_driver,
    journal,
    kernel_power,
    planned_restart,
    write,
)


def of(*made: MadeEvent, more: tuple[Finding, ...] = ()):
    """The incidents of some events."""
    found = find(parse_events("".join(map(event_xml, made)), "test"))
    return incidents((*found, *more))


def dump(time_utc, code="0x00000139", name="031026-1.dmp"):
    detail = {"dump": f"C:\\Windows\\Minidump\\{name}"}
    return Finding(FindingKind.CRASH_DUMP, time_utc, "dump header", code, "", detail)


@pytest.mark.workflow("B.1")
@pytest.mark.workflow("B.2")
def test_weakness_06_the_marks_of_one_crash_are_one_incident():
    """41, 6008 and 1001 of one start, and the dump that was written hours before it."""
    started = ago(hours=3)
    (incident,) = of(
        kernel_power(started),
        MadeEvent("EventLog", 6008, started + timedelta(seconds=2)),
        error_report(started + timedelta(minutes=2)),
        more=(dump(started - timedelta(hours=9)),),
    )
    assert (incident.severity, incident.code) == (Severity.BUGCHECK, "0x00000139")
    assert incident.time_utc == started - timedelta(hours=9)
    assert len(incident.findings) == 4
    assert incident.dump.endswith("031026-1.dmp")


def test_two_crashes_within_minutes_stay_two():
    """A host that crashes while it starts: two marks of one kind are never one crash."""
    first = ago(hours=3)
    second = first + timedelta(minutes=4)
    found = of(kernel_power(first), kernel_power(second), error_report(second))
    assert [len(item.findings) for item in found] == [1, 2]


def test_marks_with_different_codes_are_different_crashes():
    """However near they are."""
    found = of(kernel_power(ago(hours=3), 0x9F), error_report(ago(hours=3), 0x139))
    assert sorted(item.code for item in found) == ["0x0000009f", "0x00000139"]


@pytest.mark.parametrize(("minutes", "count"), [(10, 1), (10.1, 2)])
def test_marks_of_one_start_are_within_ten_minutes(minutes, count):
    """Exactly."""
    started = ago(hours=3)
    assert len(of(kernel_power(started), error_report(started + timedelta(minutes=minutes)))) == (
        count
    )


def test_a_dump_goes_to_the_crash_that_names_it():
    """By its file, even where another crash is nearer in time; MEMORY.DMP names none."""
    first, second = ago(hours=30), ago(hours=3)
    found = of(
        kernel_power(first),
        error_report(first, dump=r"C:\Windows\Minidump\a.dmp"),
        kernel_power(second),
        error_report(second, dump=r"C:\Windows\Minidump\b.dmp"),
        more=(dump(second - timedelta(hours=1), name="A.DMP"),),
    )
    assert [len(item.findings) for item in found] == [3, 2]


def test_a_dump_alone_is_an_incident():
    """Where the log was cleared."""
    (incident,) = incidents((dump(ago(hours=3), "0x0000009f"),))
    assert (incident.severity, incident.code) == (Severity.BUGCHECK, "0x0000009f")


def test_a_planned_restart_is_no_incident():
    """Nor are crashes of programs and drivers that were loaded."""
    assert of(planned_restart(NOW), application_crash(NOW, "a.exe", "c0000374")) == ()
    assert of(filter_driver(NOW, "sysdiag")) == ()


def names(found, crashes):
    return [step.name for step in steps(tuple(found), crashes)]


@pytest.mark.workflow("D.r1")
@pytest.mark.workflow("D.r2")
@pytest.mark.workflow("D.r3")
def test_advice_comes_only_with_the_evidence_that_points_to_it():
    """No incident, no advice; each step by what was found, which it names."""
    crash = kernel_power(ago(hours=3), 0x139)
    found = find(parse_events(event_xml(crash), "test"))
    crashes = incidents(found)
    assert names(found, ()) == []
    assert names(found, crashes) == []
    with_dump = incidents((*found, dump(ago(hours=4))))
    assert names((*found, dump(ago(hours=4))), with_dump) == ["dump-analysis"]
    (monitor,) = find(parse_events(event_xml(filter_driver(ago(hours=3), "BzProtect")), "test"))
    assert names((*found, monitor), crashes) == ["security-software"]
    (step,) = steps((*found, monitor), crashes)
    assert "BzProtect" in step.because[0]
    assert step.because[0].endswith("near an incident")
    far = replace(monitor, time_utc=ago(days=2))
    assert not steps((*found, far), crashes)[0].because[0].endswith("near an incident")
    died = Finding(FindingKind.HOST_CONTROLLER_DIED, ago(hours=3), "journal: kernel", "died")
    assert names((*found, died), crashes) == ["driver-stack"]


@pytest.mark.workflow("B.3")
def test_weakness_06_a_crash_of_security_software_is_set_beside_the_incident_by_time():
    """ARPProtection.exe with its exception, near or not."""
    made = (
        kernel_power(ago(hours=3)),
        application_crash(ago(hours=3, minutes=5), "ARPProtection.exe", "c0000374"),
        application_crash(ago(days=1), "editor.exe", "c0000005"),
    )
    found = find(parse_events("".join(map(event_xml, made)), "test"))
    (step,) = steps(found, incidents(found))
    assert step.because == ("ARPProtection.exe crashed 0xc0000374, near an incident",)
    told = report(
        (Looked("test", tuple(EvidenceKind), found),),
        run_id="1",
        made_utc=NOW,
        since_utc=ago(days=2),
        origin="test",
    ).as_dict()
    assert [item["near_incident"] for item in told["applications"]] == [False, True]


def test_weakness_05_no_program_is_called_innocent_when_nobody_could_look(tmp_path):
    """The report says which kinds of evidence it has, and nothing of the others."""
    write(tmp_path / "System.evtx", evtx([kernel_power(ago(hours=3))]))
    told = report(
        Folder(tmp_path).look(ago(days=2), NOW),
        run_id="1",
        made_utc=NOW,
        since_utc=ago(days=2),
        origin=str(tmp_path),
    ).as_dict()
    assert told["obtained"] == {
        "restarts": "yes",
        "bugchecks": "yes",
        "applications": "no",
        "drivers": "yes",
    }
    assert "no file in it tells of this" in str(told["looks"])


def test_weakness_24_a_report_has_schema_run_and_utc_times(tmp_path):
    """And the offline folder of a Windows host gives it on any system."""
    write(tmp_path / "System.evtx", evtx([kernel_power(ago(hours=3)), kernel_power(ago(hours=9))]))
    write(tmp_path / "Application.xml", event_xml(planned_restart(NOW)).encode())
    write(tmp_path / "dumps" / "1.dmp", dump_header(ago(hours=9, minutes=1)))
    made = report(
        Folder(tmp_path).look(ago(days=2), NOW),
        run_id="7",
        made_utc=NOW,
        since_utc=ago(days=2),
        origin=str(tmp_path),
    )
    told = made.as_dict()
    assert list(told)[:4] == ["schema", "run_id", "made_utc", "since_utc"]
    assert (told["schema"], told["run_id"]) == ("fx3loop.host-triage/1", "7")
    assert told["made_utc"] == "2026-03-10T12:00:00.000000Z"
    assert told["escalation"]["required"]
    assert [item["name"] for item in told["escalation"]["criteria"]] == [
        "repeated-bugcheck",
        "same-code",
    ]
    assert made.obtained[EvidenceKind.RESTARTS] is Obtained.YES


def test_a_linux_folder_gives_its_report_too(tmp_path):
    """Entries and the list of boots as two files."""
    oops = entry(ago(hours=1), "general protection fault, probably for address 0x1: 0000 [#1]")
    write(tmp_path / "journal.json", journal([*CALM, oops]))
    write(
        tmp_path / "boots.json",
        boots(("a" * 32, ago(days=3), ago(days=2)), ("b" * 32, ago(days=2), NOW)),
    )
    looks = Folder(tmp_path).look(ago(days=7), NOW)
    found = tuple(f for look in looks if isinstance(look, Looked) for f in look.findings)
    assert [f.kind for f in found] == [FindingKind.PLANNED_RESTART, FindingKind.BUGCHECK]
    assert names(found, incidents(found)) == ["dump-analysis"]


def oops(time_utc, boot):
    return Finding(FindingKind.BUGCHECK, time_utc, "journal: kernel", "Oops", boot)


def test_crashes_of_two_boots_are_two_however_near():
    """A machine that panics while it starts."""
    found = incidents((oops(ago(minutes=9), "a"), oops(ago(minutes=5), "b")))
    assert len(found) == 2


def test_memory_dmp_goes_to_the_crash_of_its_code():
    """It is written over by each crash, so both crashes name it."""
    first, second = ago(hours=30), ago(hours=3)
    full = r"C:\Windows\MEMORY.DMP"
    found = of(
        error_report(first, 0x139, dump=full),
        error_report(second, 0x9F, dump=full),
        more=(dump(first + timedelta(hours=1), "0x0000009f", "MEMORY.DMP"),),
    )
    assert [len(item.findings) for item in found] == [1, 2]


@pytest.mark.parametrize(
    ("code", "before", "count"),
    [
        ("0x00000139", timedelta(days=2), 1),
        ("0x00000139", timedelta(days=2, seconds=1), 2),
        ("0x0000009f", timedelta(minutes=1), 2),
    ],
)
def test_a_dump_without_a_name_goes_to_a_crash_of_its_code_and_time(code, before, count):
    """As long as the host may have been off; else it is a crash of its own."""
    started = ago(hours=3)
    assert len(of(kernel_power(started, 0x139), more=(dump(started - before, code),))) == count


def test_no_incident_no_advice():
    """However many monitors there are."""
    (monitor,) = find(parse_events(event_xml(filter_driver(NOW, "sysdiag")), "test"))
    assert steps((monitor,), ()) == ()


def test_an_event_in_another_log_than_its_own_does_not_count():
    """Any program may write into the application log under any name."""
    forged = replace(kernel_power(NOW), channel="Application")
    assert find(parse_events(event_xml(forged), "test")) == ()


def test_restarts_that_are_known_in_part_are_not_known():
    """One of the looks at them was not possible."""
    kinds = (EvidenceKind.RESTARTS,)
    looks = (
        Looked("User32 1074", kinds),
        CouldNotLook("Kernel-Power 41", kinds, "access denied"),
        Looked("WER", (EvidenceKind.BUGCHECKS,)),
    )
    assert missing(looks) == ((EvidenceKind.RESTARTS, "access denied"),)
    assert missing((looks[0], looks[2])) == ()
    assert missing(looks[:1]) == ((EvidenceKind.BUGCHECKS, "nobody looked"),)
