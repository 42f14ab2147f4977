"""Files that survive a crash, and folders that one process has to itself."""

from __future__ import annotations

import errno
import os
import stat
import sys
from pathlib import Path

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
    """Write beside, sync, rename, sync the folder: the old file or the new one, whole, and then the new one."""
    draft = path.with_name(f".{path.name}.new")
    with draft.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    if os.name == "posix":
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
