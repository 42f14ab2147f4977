"""Locks that one holder has, and files that are there whole."""

import errno
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tbill_defi.core.archive import pack
from tbill_defi.core.files import FileLock, new_folder, read_bytes, read_text, write_durably, write_new, write_output
from tests.unit.automation.killed import Reaper, forked

HOLD = """
import sys
from pathlib import Path
from tbill_defi.core.files import FileLock
lock = FileLock(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def test_a_lock_has_one_holder_at_a_time(tmp_path):
    path = tmp_path / "lock"
    first = FileLock(path)
    with pytest.raises(BlockingIOError, match="is locked"):
        FileLock(path)
    first.release()
    first.release()
    FileLock(path).release()


def test_a_lock_ends_with_its_process(tmp_path):
    path = tmp_path / "lock"
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert holder.stdout.readline() == b"held\n"
    with pytest.raises(BlockingIOError):
        FileLock(path)
    holder.kill()
    holder.communicate()
    FileLock(path).release()


@pytest.mark.parametrize("code", [errno.EAGAIN, errno.EACCES])
def test_a_lock_that_is_held_says_so_by_either_code(tmp_path, monkeypatch, code):
    monkeypatch.setattr("tbill_defi.core.files._lock", refusing(code))
    with pytest.raises(BlockingIOError, match="is locked"):
        FileLock(tmp_path / "lock")


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.EIO, errno.EOPNOTSUPP])
def test_a_file_system_that_cannot_lock_is_no_holder(tmp_path, monkeypatch, code):
    monkeypatch.setattr("tbill_defi.core.files._lock", refusing(code))
    with pytest.raises(OSError, match="cannot be locked") as caught:
        FileLock(tmp_path / "lock")
    assert not isinstance(caught.value, BlockingIOError)
    assert (caught.value.errno, caught.value.filename) == (code, str(tmp_path / "lock"))
    assert os.strerror(code) in str(caught.value)


def refusing(code):
    def lock(descriptor):
        raise OSError(code, os.strerror(code))

    return lock


def test_a_file_is_replaced_whole(tmp_path):
    path = tmp_path / "state.json"
    for text in (b"first, and longer", b"second"):
        write_durably(path, text)
        assert path.read_bytes() == text
    assert [entry.name for entry in tmp_path.iterdir()] == ["state.json"]


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path, monkeypatch):
    path = tmp_path / "state.json"
    write_durably(path, b"old")
    monkeypatch.setattr("tbill_defi.core.files.os.fsync", lambda descriptor: (_ for _ in ()).throw(OSError("full")))
    with pytest.raises(OSError, match="full"):
        write_durably(path, b"new")
    assert path.read_bytes() == b"old"


def test_a_file_is_read_if_it_is_one_and_ends(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"\xef\xbb\xbfabc")
    assert (read_bytes(path, 6), read_text(path)) == (path.read_bytes(), "abc")
    (tmp_path / "link").symlink_to(path)
    assert read_text(tmp_path / "link") == "abc"
    with pytest.raises(OSError, match="more than 5 bytes"):
        read_bytes(path, 5)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(IsADirectoryError, match="is a directory"):
        read_bytes(tmp_path)
    for place in (tmp_path / "pipe", "/dev/zero"):
        with pytest.raises(OSError, match="not a regular file"):
            read_bytes(place)
    with pytest.raises(FileNotFoundError):
        read_bytes(tmp_path / "none")


def folder(path):
    with new_folder(path) as draft:
        (draft / "in").mkdir()
        write_new(draft / "in" / "a", b"new")
        write_new(draft / "b", b"new")


def archive(path):
    pack(path, {"a": path.with_name("source")}, {}, lambda *_: None)


def content(path):
    """Of a file, or a folder's files by name; None if there is nothing."""
    if path.is_dir():
        return {one.name: one.read_bytes() for one in path.rglob("*") if one.is_file()}
    return path.read_bytes() if path.exists() else None


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
@pytest.mark.parametrize(
    ("write", "old"),
    [
        (lambda path: write_durably(path, b"new"), b"old"),
        (lambda path: write_output(path, b"new"), b"old"),
        (lambda path: write_output(path, b"new"), None),
        (lambda path: write_new(path, b"new"), None),
        (folder, None),
        (archive, None),
    ],
    ids=["durably", "over", "output", "new", "folder", "archive"],
)
def test_a_kill_before_any_change_on_the_disk_leaves_nothing_half(tmp_path, write, old):
    """And who comes after it writes it."""

    def killed(place, die_at):
        reaper = Reaper(die_at)
        write(place)
        return reaper.seen.total()

    def prepared(name):
        place = tmp_path / name / "state"
        place.parent.mkdir()
        (place.parent / "source").write_bytes(b"new")
        if old is not None:
            place.write_bytes(old)
        return place

    whole = prepared("whole")
    changes = forked(lambda: killed(whole, 0))
    assert changes >= 4
    for die_at in range(1, changes + 1):
        place = prepared(str(die_at))
        assert forked(lambda place=place, die_at=die_at: killed(place, die_at)) is None
        assert content(place) in (old, content(whole))
        if content(place) == old:
            write(place)
        assert content(place) == content(whole)


def test_an_output_goes_through_a_link_and_into_a_pipe(tmp_path):
    target, link, pipe = tmp_path / "target", tmp_path / "link", tmp_path / "pipe"
    link.symlink_to(target)
    write_output(link, b"through")
    assert link.is_symlink()
    assert target.read_bytes() == b"through"
    os.mkfifo(pipe)
    read = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()
    write_output(pipe, b"piped")
    reader.join()
    assert read == [b"piped"]


@pytest.mark.parametrize("write", [write_durably, write_output, write_new])
def test_what_cannot_be_written_is_named_as_it_was_asked_for(tmp_path, write):
    (tmp_path / "folder").mkdir()
    for place, kind in ((tmp_path / "folder", OSError), (tmp_path / "none" / "a", FileNotFoundError)):
        with pytest.raises(kind) as caught:
            write(place, b"new")
        assert caught.value.filename == str(place)
    assert [one.name for one in tmp_path.rglob("*")] == ["folder"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device that is full")
def test_a_device_that_is_full_is_named():
    with pytest.raises(OSError, match="No space") as caught:
        write_output(Path("/dev/full"), b"new")
    assert caught.value.filename == "/dev/full"


def test_a_folder_that_fails_leaves_nothing(tmp_path):
    def half(path):
        with new_folder(path) as draft:
            write_new(draft / "b", b"half")
            write_new(draft / "b", b"again")

    with pytest.raises(FileExistsError):
        half(tmp_path / "a")
    assert list(tmp_path.iterdir()) == []
