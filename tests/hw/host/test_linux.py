"""Linux evidence: the journal, its boots, pstore, dumps, and drivers."""

from __future__ import annotations

import os
from datetime import timedelta

import pytest

from hw.host.errors import EvidenceError
from hw.host.findings import CouldNotLook, EvidenceKind, FindingKind, Looked, Obtained, obtained
from hw.host.folder import Folder
from hw.host.incidents import incidents
from hw.host.kernel_lines import meaning
from hw.host.linux import LinuxHost
from hw.host.runner import Completed
from hw.host.systemd_journal import parse_boots, parse_entries
from tests.hw.host.made import (
    BEFORE,
    BOOT,
    CALM,
    CALM_BOOTS,
    NOW,
    PlayedRunner,
    ago,
    boots,
    entry,
    journal,
    stopped,
    write,
)

SINCE = ago(days=7)


def linux(tmp_path, entries=CALM, of_boots=CALM_BOOTS, more=()):
    """A Linux host with this journal; ``more`` is what was added before the second look."""
    later = list(more)

    def answer(command):
        if "--list-boots" in command:
            return Completed(0, boots(*of_boots))
        if f"_BOOT_ID={BOOT}" in command:
            return Completed(0, journal([entries[-1]]))
        if any(argument.startswith("--after-cursor=") for argument in command):
            return Completed(0, journal(later))
        return Completed(0, journal(entries))

    runner = PlayedRunner(answer)
    return LinuxHost(runner, BOOT, tmp_path), runner


def findings(looks):
    return [f for look in looks if isinstance(look, Looked) for f in look.findings]


@pytest.mark.parametrize(
    ("line", "kind", "code"),
    [
        (
            "xhci_hcd 0000:00:14.0: xHCI host controller not responding, assume dead",
            FindingKind.HOST_CONTROLLER_DIED,
            "host controller died",
        ),
        (
            "xhci_hcd 0000:00:14.0: HC died; cleaning up",
            FindingKind.HOST_CONTROLLER_DIED,
            "host controller died",
        ),
        ("usb usb2-port1: over-current condition", FindingKind.OVER_CURRENT, ""),
        ("usb 2-1: USB disconnect, device number 5", FindingKind.DISCONNECT, ""),
        (
            "BUG: kernel NULL pointer dereference, address: 0000000000000010",
            FindingKind.BUGCHECK,
            "BUG: kernel NULL pointer dereference",
        ),
        (
            "BUG: unable to handle page fault for address: ffffa1b2c3d4e5f6",
            FindingKind.BUGCHECK,
            "BUG: unable to handle page fault",
        ),
        ("kernel BUG at mm/slub.c:4023!", FindingKind.BUGCHECK, "kernel BUG at mm/slub.c:*"),
        ("Oops: 0000 [#1] PREEMPT SMP NOPTI", FindingKind.BUGCHECK, "Oops"),
        (
            "Kernel panic - not syncing: Fatal exception in interrupt",
            FindingKind.BUGCHECK,
            "Fatal exception in interrupt",
        ),
        (
            "watchdog: BUG: soft lockup - CPU#3 stuck for 22s! [kworker/3:1:123]",
            FindingKind.LOCKUP,
            "BUG: soft lockup",
        ),
        (
            "NMI watchdog: Watchdog detected hard LOCKUP on cpu 2",
            FindingKind.BUGCHECK,
            "Watchdog detected hard LOCKUP",
        ),
        (
            "INFO: task rx888_stream:411 blocked for more than 120 seconds.",
            FindingKind.LOCKUP,
            "hung task",
        ),
    ],
)
def test_weakness_25_lines_of_the_kernel_are_understood(line, kind, code):
    """The code leaves out what changes from crash to crash."""
    told = meaning(line)
    assert told is not None
    assert (told.kind, told.code) == (kind, code)


@pytest.mark.parametrize(
    "line",
    ["usb 2-1: new SuperSpeed USB device number 5 using xhci_hcd", "Oopsie", "BUG_ON is harmless"],
)
def test_other_lines_mean_nothing(line):
    """A word alone is no crash."""
    assert meaning(line) is None


@pytest.mark.workflow("B.1")
@pytest.mark.workflow("B.2")
def test_weakness_25_a_linux_host_gives_all_four_kinds(tmp_path):
    """Of a calm host: every look was possible, and the shutdown was planned."""
    host, _ = linux(tmp_path)
    looks = host.look(SINCE, NOW)
    assert set(obtained(looks).values()) == {Obtained.YES}
    (restart,) = findings(looks)
    assert restart.kind is FindingKind.PLANNED_RESTART
    assert incidents(tuple(findings(looks))) == ()


def test_a_boot_that_ended_without_a_word_is_an_unexpected_restart(tmp_path):
    """The same journal without its last words."""
    host, _ = linux(tmp_path, [CALM[0], CALM[2]])
    (restart,) = findings(host.look(SINCE, NOW))
    assert restart.kind is FindingKind.UNEXPECTED_RESTART
    assert restart.time_utc == ago(days=2)


def test_weakness_05_a_journal_that_shows_nothing_is_not_an_empty_one(tmp_path):
    """An account that may not read it gets no lines and code 0: that is "could not look"."""
    runner = PlayedRunner(lambda _: Completed(0, b"", b"Hint: You are currently not seeing ..."))
    looks = LinuxHost(runner, BOOT, tmp_path).look(SINCE, NOW)
    lost = [look for look in looks if isinstance(look, CouldNotLook)]
    assert [look.source for look in lost] == [
        "journal: boots",
        "journal: kernel",
        "journal: coredumps",
    ]
    assert "systemd-journal" in lost[0].reason
    assert "FX3LOOP_EVIDENCE_DIR" in lost[0].reason
    assert obtained(looks)[EvidenceKind.RESTARTS] is Obtained.NO


@pytest.mark.parametrize(
    "answer",
    [
        EvidenceError("journalctl", "there is no such program here"),
        Completed(1, b"", b"Failed to open journal"),
        Completed(0, b"no json\n"),
    ],
)
def test_weakness_05_a_host_without_journalctl_could_not_be_looked_at(tmp_path, answer):
    """No traceback, no empty answer."""
    looks = LinuxHost(PlayedRunner(lambda _: answer), BOOT, tmp_path).look(SINCE, NOW)
    assert isinstance(looks[0], CouldNotLook)


def test_a_journal_kept_in_memory_cannot_tell_how_the_last_boot_ended(tmp_path):
    """One young boot alone: could not look; a boot that runs for a day needs none before it."""
    young = ((BOOT, ago(hours=23), NOW),)
    host, _ = linux(tmp_path, [entry(ago(hours=23), "Linux")], young)
    look = host.look(SINCE, NOW)[0]
    assert isinstance(look, CouldNotLook)
    assert "Storage=persistent" in look.reason
    old = ((BOOT, ago(hours=24), NOW),)
    host, _ = linux(tmp_path, [entry(ago(hours=24), "Linux")], old)
    assert isinstance(host.look(SINCE, NOW)[0], Looked)


def test_a_second_look_reads_only_what_is_new(tmp_path):
    """By the cursor; boots are listed once; an oops that was added is found."""
    oops = entry(NOW, "BUG: kernel NULL pointer dereference, address: 0000000000000010")
    host, runner = linux(tmp_path, more=[oops])
    host.look(SINCE, NOW)
    first = len(runner.commands)
    looks = host.look(SINCE, NOW)
    assert len(runner.commands) == first + 1
    assert f"--after-cursor={CALM[-1]['__CURSOR']}" in runner.commands[-1]
    (crash,) = incidents(tuple(findings(looks)))
    assert crash.code == "BUG: kernel NULL pointer dereference"


def test_a_look_further_back_reads_anew(tmp_path):
    """What a nearer one left out is not lost."""
    host, runner = linux(tmp_path)
    host.look(ago(days=1), NOW)
    host.look(SINCE, NOW)
    assert f"--since=@{int(SINCE.timestamp())}" in runner.commands[-2]


def test_a_journalctl_that_lists_boots_as_a_table_will_do(tmp_path):
    """Then they come from the entries; the boot that runs now is known even if it is silent."""

    def answer(command):
        if "--list-boots" in command:
            return Completed(0, b" 0 bbbb Tue 2026-03-10 12:00:00 CET\n")
        if f"_BOOT_ID={BOOT}" in command:
            return Completed(0, journal([entry(ago(days=9), "Linux")]))
        return Completed(0, b"")

    looks = LinuxHost(PlayedRunner(answer), BOOT, tmp_path).look(SINCE, NOW)
    assert isinstance(looks[0], Looked)


def test_boots_stand_in_the_order_of_the_journal():
    """A machine without a clock of its own begins a boot in the past."""
    listed = boots((BEFORE, ago(days=3), ago(days=2)), (BOOT, ago(days=900), NOW))
    assert [boot.boot for boot in parse_boots(listed, "test")] == [BEFORE, BOOT]


def test_pstore_and_kdump_tell_of_crashes(tmp_path):
    """The code is in the text; what is older than asked for is left out."""
    text = b"<6>[ 1.0] usb 1-1: fine\n<0>[ 2.0] Kernel panic - not syncing: Fatal exception\n"
    new = write(tmp_path / "sys/fs/pstore/dmesg-efi-1", text)
    old = write(tmp_path / "sys/fs/pstore/dmesg-efi-0", text)
    os.utime(new, (ago(hours=2).timestamp(),) * 2)
    os.utime(old, (ago(days=9).timestamp(),) * 2)
    write(tmp_path / "var/crash/202603101000/vmcore-dmesg.txt", b"[  3.1] Oops: 0002 [#1] SMP\n")
    host, _ = linux(tmp_path)
    looks = {look.source: look for look in host.look(SINCE, ago(days=-900))}
    (stored,) = looks["/sys/fs/pstore"].findings
    assert (stored.code, stored.time_utc) == ("Fatal exception", ago(hours=2))
    (dumped,) = looks["/var/crash"].findings
    assert dumped.code == "Oops"


@pytest.mark.workflow("D.r3")
def test_drivers_of_usb_and_serial_devices_are_listed(tmp_path):
    """Which driver each interface and each port has; "none" where it has none."""
    driver = tmp_path / "sys/bus/usb/drivers/option"
    driver.mkdir(parents=True)
    for name in ("1-2:1.0", "1-2:1.1"):
        (tmp_path / "sys/bus/usb/devices" / name).mkdir(parents=True)
    (tmp_path / "sys/bus/usb/devices/1-2:1.0/driver").symlink_to(driver)
    host, _ = linux(tmp_path)
    stack = [f.detail for f in findings(host.look(SINCE, NOW)) if f.kind is FindingKind.STACK]
    assert stack == [
        {"device": "1-2:1.0", "driver": "option"},
        {"device": "1-2:1.1", "driver": "none"},
    ]


def test_crashes_of_programs_come_from_coredumps(tmp_path):
    """By the identifier of the message, not by its text."""
    core = entry(
        ago(hours=1),
        "Prozess 4711 (qpycom) ist abgestürzt",
        _TRANSPORT="journal",
        MESSAGE_ID="fc2e22bc6ee647b6b90729ab34a250b1",
        COREDUMP_EXE="/home/user/bin/qpycom",
        COREDUMP_SIGNAL_NAME="SIGSEGV",
    )
    host, _ = linux(tmp_path, [*CALM, core])
    crash = findings(host.look(SINCE, NOW))[-1]
    assert crash.kind is FindingKind.APPLICATION_CRASH
    assert crash.detail == {"program": "qpycom", "exception": "SIGSEGV"}


def test_a_field_may_be_bytes_or_null():
    """As the export format has it for what is no text, and for what is too long."""
    (found,) = parse_entries(journal([entry(NOW, [72, 67, 255], COREDUMP_EXE=None)]), "test")
    assert found.message == "HC�"
    assert found.fields["COREDUMP_EXE"] == ""


def test_an_export_that_was_cut_off_keeps_its_whole_lines():
    """The host went down while it was written."""
    content = journal(CALM)
    assert len(parse_entries(content[:-20], "test")) == len(CALM) - 1
    with pytest.raises(EvidenceError, match="line 1 is no JSON"):
        parse_entries(content[:20], "test")


@pytest.mark.parametrize("content", [b"{}", b"[1]", b'[{"boot_id": 1}]', b"\xff", b""])
def test_what_is_no_list_of_boots_is_refused(content):
    """One line."""
    with pytest.raises(EvidenceError):
        parse_boots(content, "test")


def test_a_folder_speaks_for_this_host_only_with_its_boot(tmp_path):
    """An export of another boot, or of another host, leaves it unknown."""
    write(tmp_path / "journal.jsonl", journal(CALM))
    assert obtained(Folder(tmp_path, BOOT).look(SINCE, NOW))[EvidenceKind.RESTARTS] is Obtained.YES
    other = Folder(tmp_path, "c" * 32).look(SINCE, NOW)
    assert obtained(other)[EvidenceKind.RESTARTS] is Obtained.NO
    assert any("export it again" in look.reason for look in other if isinstance(look, CouldNotLook))


def test_an_empty_folder_is_not_a_calm_host(tmp_path):
    """No kind was obtained, of a folder that is not there neither."""
    assert set(obtained(Folder(tmp_path).look(SINCE, NOW)).values()) == {Obtained.NO}
    gone = Folder(tmp_path / "gone").look(SINCE, NOW)
    assert "there is no such folder" in gone[0].reason


def test_a_file_of_a_folder_is_read_again_only_when_it_changed(tmp_path, monkeypatch):
    """By its time and size."""
    path = write(tmp_path / "journal.jsonl", journal(CALM))
    folder = Folder(tmp_path)
    folder.look(SINCE, NOW)
    reads = []
    read_bytes = type(path).read_bytes
    monkeypatch.setattr(
        type(path), "read_bytes", lambda self: reads.append(self) or read_bytes(self)
    )
    folder.look(SINCE, NOW)
    assert reads == []
    write(path, journal([*CALM, entry(NOW, "usb 1-1: USB disconnect, device number 2")]))
    assert len(findings(folder.look(SINCE, NOW))) == 2
    assert reads == [path]


def test_two_oopses_far_apart_in_one_boot_are_two_incidents(tmp_path):
    """Ten minutes and what follows within them are one; a cascade is not counted twice."""
    line = "BUG: kernel NULL pointer dereference, address: 0000000000000010"
    begin = ago(hours=2)
    entries = [
        *CALM,
        entry(begin, line),
        entry(begin + timedelta(seconds=1), "Oops: 0000 [#1] PREEMPT SMP"),
        entry(begin + timedelta(minutes=30), line),
    ]
    host, _ = linux(tmp_path, entries)
    assert len(incidents(tuple(findings(host.look(SINCE, NOW))))) == 2


def test_an_oops_and_the_boot_that_it_ended_are_one_incident(tmp_path):
    """They have the boot in common; another boot's end is another incident."""
    entries = [
        entry(ago(days=4), "Linux", BEFORE),
        entry(ago(days=3), "Oops: 0000 [#1] PREEMPT SMP", BEFORE),
        entry(ago(days=2), "Linux", BOOT),
    ]
    of_boots = ((BEFORE, ago(days=4), ago(days=2, hours=12)), (BOOT, ago(days=2), NOW))
    host, _ = linux(tmp_path, entries, of_boots)
    (incident,) = incidents(tuple(findings(host.look(SINCE, NOW))))
    assert {f.kind for f in incident.findings} == {
        FindingKind.BUGCHECK,
        FindingKind.UNEXPECTED_RESTART,
    }


def test_last_words_of_another_boot_do_not_count(tmp_path):
    """A shutdown message belongs to its own boot."""
    host, _ = linux(tmp_path, [CALM[0], stopped(ago(days=2), BOOT), CALM[2]])
    assert findings(host.look(SINCE, NOW))[0].kind is FindingKind.UNEXPECTED_RESTART


def test_a_journalctl_that_fails_is_told_with_its_words(tmp_path):
    """Code 1 with a word is a failure; without one it means "no entries" to some versions."""

    def answer(command, said=b"Failed to seek to cursor"):
        if f"_BOOT_ID={BOOT}" in command:
            return Completed(0, journal(CALM[-1:]))
        return Completed(1, b"", said)

    look = LinuxHost(PlayedRunner(answer), BOOT, tmp_path).look(SINCE, NOW)[0]
    assert isinstance(look, CouldNotLook)
    assert "ended with 1 (Failed to seek" in look.reason
    silent = PlayedRunner(lambda command: answer(command, b""))
    assert isinstance(LinuxHost(silent, BOOT, tmp_path).look(ago(days=1), NOW)[0], Looked)


def test_a_boot_that_ended_before_the_time_that_is_asked_for_is_not_judged(tmp_path):
    """Its last words were not read."""
    old = ("c" * 32, ago(days=12), ago(days=10))
    host, _ = linux(tmp_path, of_boots=(old, *CALM_BOOTS))
    kinds = [f.kind for f in findings(host.look(SINCE, NOW))]
    assert kinds == [FindingKind.PLANNED_RESTART]
