"""Files that survive a crash, and folders that one process has to itself."""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tbill_defi.core.drafts import draft_file, draft_folder, finish, sweep

MOST_BYTES = 2**26
"""Of a file that is read as a whole, where nothing less is stated."""
HELD = (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES)
"""What a lock says that another holds; anything else is a file system that cannot lock."""


class FileLock:
    """A lock of the operating system on a file, exclusive until `release` or the end of the process.

    Raises
    ------
    BlockingIOError
        If another holds it, in this process or any other.
    OSError
        If the file cannot be opened, or its file system cannot lock it.
    """

    def __init__(self, path: Path) -> None:
        self._descriptor: int | None = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o644)
        try:
            _lock(self._descriptor)
        except OSError as error:
            self.release()
            if error.errno in HELD:
                raise BlockingIOError(f"{path} is locked") from None
            raise OSError(error.errno, f"cannot be locked: {error.strerror}", str(path)) from None

    def release(self) -> None:
        """Let the next one in. The file stays: removing it would let two lock two files."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def read_bytes(path: Path, most: int = MOST_BYTES) -> bytes:
    """What a file has that somebody named: a regular one, of a stated size; a pipe or a device would never end.

    Raises
    ------
    OSError
        If it cannot be read, is no regular file, or has more than `most` bytes; `strerror` says which.
    """
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    descriptor = os.open(path, flags)
    try:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, "is a directory", str(path))
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "is not a regular file", str(path))
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            content = file.read(most + 1)
    finally:
        os.close(descriptor)
    if len(content) > most:
        raise OSError(errno.EFBIG, f"has more than {most:,} bytes", str(path))
    return content


def read_text(path: Path, most: int = MOST_BYTES) -> str:
    """The same as text, without byte order mark. OSError as of `read_bytes`; UnicodeDecodeError if it is not UTF-8."""
    return read_bytes(path, most).decode("utf-8-sig")


def write_durably(path: Path, data: bytes) -> None:
    """Write beside, sync, rename, sync the folder: the old file or the new one, whole, and then the new one.

    Raises
    ------
    OSError
        If it cannot be written; `filename` is the path's.
    """
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, "is a directory", str(path))
        with draft_file(path) as (draft, stream):
            stream.write(data)
            finish(stream)
            draft.replace(path)
            sync_folder(path.parent)
    except OSError as error:
        raise _of(path, error) from None


def write_new(path: Path, data: bytes, mode: int = 0o666) -> None:
    """The same where no file may be yet: there whole or not at all, and never over another.

    Raises
    ------
    FileExistsError
        If there is one.
    OSError
        If it cannot be written; `filename` is the path's.
    """
    try:
        with draft_file(path, mode) as (draft, stream):
            stream.write(data)
            finish(stream)
            os.link(draft, path)
            sync_folder(path.parent)
    except OSError as error:
        raise _of(path, error) from None


def write_output(path: Path, data: bytes) -> None:
    """Write what somebody asked for to the path he gave: durably, through a link; to a device or a pipe as it is.

    What killed processes left beside it goes.

    Raises
    ------
    OSError
        If it cannot be written; `filename` is the path's.
    """
    if path.exists() and not path.is_file() and not path.is_dir():
        try:
            path.write_bytes(data)
        except OSError as error:
            raise _of(path, error) from None
    else:
        sweep(path.resolve())
        write_durably(path.resolve(), data)


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """A folder beside one that is absent or empty, for its content; it takes its place at the end, whole.

    After an error nothing is left of it. One that a killed process left beside it goes, at the next call of this or of
    `sweep`.
    """
    folder = folder.absolute()
    folder.parent.mkdir(parents=True, exist_ok=True)
    sweep(folder)
    with draft_folder(folder) as draft:
        yield draft
        for place in (draft, *(one for one in draft.rglob("*") if one.is_dir())):
            sync_folder(place)
        with suppress(FileNotFoundError):
            folder.rmdir()
        draft.replace(folder)
        sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Make what was named in a folder durable, where folders can be synced."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _of(path: Path, error: OSError) -> OSError:
    """The error under the name that was asked for, not the draft's."""
    return error if error.errno is None else OSError(error.errno, error.strerror, str(path))
