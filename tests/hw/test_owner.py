"""Which program holds a device: the links in /proc, on a tree of our own."""

import os

from hw.owner import owners_of

NODE = "/dev/bus/usb/002/005"


def process(root, number, name, *nodes):
    folder = root / str(number)
    (folder / "fd").mkdir(parents=True)
    if name:
        (folder / "comm").write_text(f"{name}\n")
    for index, node in enumerate(nodes):
        (folder / "fd" / str(index)).symlink_to(node)


def test_programs_that_have_the_node_open(tmp_path):
    """By name and number, in order of the numbers."""
    process(tmp_path, 100, "rx888_stream", "/dev/null", NODE)
    process(tmp_path, 99, "ka9q", NODE)
    process(tmp_path, 7, "bash", "/dev/bus/usb/002/006")
    assert owners_of(2, 5, tmp_path) == ("ka9q (99)", "rx888_stream (100)")


def test_this_program_is_left_out(tmp_path):
    """Asking is no owning."""
    process(tmp_path, os.getpid(), "fx3loop", NODE)
    assert owners_of(2, 5, tmp_path) == ()


def test_what_cannot_be_seen_is_passed_by(tmp_path):
    """Processes of others, ones that ended meanwhile, and systems without /proc."""
    (tmp_path / "12").mkdir()
    (tmp_path / "self").mkdir()
    process(tmp_path, 13, "", NODE)
    (tmp_path / "13" / "fd" / "9").write_text("no link")
    assert owners_of(2, 5, tmp_path) == ("? (13)",)
    assert owners_of(2, 5, tmp_path / "nowhere") == ()
