"""Drafts: what is written beside a target until it is whole, and what killed processes left of theirs.

A draft is locked by the process that writes it, so that another can tell a live one from one that is left over. Nothing
reads it.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

ENDING = ".new"
"""Of the name of every draft."""
_DRAFT = re.compile(r"[0-9a-f]{16}" + re.escape(ENDING))


def is_draft(name: str) -> bool:
    """Whether a file or folder of this name is one."""
    return name.startswith(".") and name.endswith(ENDING)


@contextmanager
def draft_file(target: Path, mode: int = 0o666) -> Iterator[tuple[Path, BinaryIO]]:
    """A new file beside a target, and what writes it; removed at the end, unless it has been moved."""
    while True:
        draft = _name(target)
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        with _named(target):
            descriptor = os.open(draft, flags, mode)
        with os.fdopen(descriptor, "wb") as stream:
            if not _ours(draft, stream.fileno()):
                continue
            try:
                yield draft, stream
            finally:
                draft.unlink(missing_ok=True)
            return


def finish(stream: BinaryIO) -> None:
    """Put what was written into a draft on the disk; then it can be moved."""
    stream.flush()
    os.fsync(stream.fileno())
    if sys.platform == "win32":
        stream.close()  # an open file does not move there


@contextmanager
def draft_folder(target: Path) -> Iterator[Path]:
    """A new folder beside a target; removed at the end, unless it has been moved."""
    while True:
        draft = _name(target)
        with _named(target):
            draft.mkdir(mode=0o700)
        with _held(draft) as ours:
            if not ours:
                continue
            try:
                yield draft
            finally:
                shutil.rmtree(draft, ignore_errors=True)
            return


def sweep(target: Path) -> None:
    """Remove drafts of a target that no process has any more; what cannot be told, or removed, stays."""
    target = target.absolute()
    prefix = f".{target.name}."
    with suppress(OSError):
        for draft in [one for one in target.parent.iterdir() if one.name.startswith(prefix)]:
            if _DRAFT.fullmatch(draft.name.removeprefix(prefix)) and not draft.is_symlink():
                _sweep(draft)


def _sweep(draft: Path) -> None:
    with suppress(OSError):
        descriptor = os.open(draft, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        try:
            if _lock(descriptor) and os.path.samestat(os.fstat(descriptor), draft.lstat()):
                if draft.is_dir():
                    shutil.rmtree(draft, ignore_errors=True)
                else:
                    draft.unlink()
        finally:
            os.close(descriptor)


@contextmanager
def _named(target: Path) -> Iterator[None]:
    """Errors under the name that was asked for, not the draft's."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(target)) from None


def _name(target: Path) -> Path:
    return target.with_name(f".{target.name}.{os.urandom(8).hex()}{ENDING}")


@contextmanager
def _held(draft: Path) -> Iterator[bool]:
    """Lock a folder that was just made; yields whether it is this process's."""
    if os.name != "posix":
        yield True
        return
    try:
        descriptor = os.open(draft, os.O_RDONLY)
    except FileNotFoundError:
        yield False
        return
    try:
        yield _ours(draft, descriptor)
    finally:
        os.close(descriptor)


def _ours(draft: Path, descriptor: int) -> bool:
    """Whether a draft that was just made is this process's; one that sweeps may have been between the two."""
    if _lock(descriptor) is False:
        return False
    try:
        return os.path.samestat(os.fstat(descriptor), draft.lstat())
    except FileNotFoundError:
        return False


if sys.platform == "win32":

    def _lock(descriptor: int) -> bool | None:
        return None
else:
    import fcntl

    def _lock(descriptor: int) -> bool | None:
        """Whether this process has the lock now; None where none can be had."""
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            return None
        return True
