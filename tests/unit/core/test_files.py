"""Locks that one holder has, and files that are there whole."""

import errno
import os
import subprocess
import sys

import pytest

from tbill_defi.core.files import FileLock, read_bytes, read_text, write_durably

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
