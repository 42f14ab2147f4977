"""One writer per ledger: a lock of the operating system on a file beside the database, released when a holder dies."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tbill_defi.core.errors import LedgerBusy


class WriterLock:
    """Exclusive from construction until `release` or the end of the process.

    Raises
    ------
    LedgerBusy
        If another writer holds it, in this process or any other.
    """

    def __init__(self, path: Path) -> None:
        self._descriptor: int | None = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o644)
        try:
            _lock(self._descriptor)
        except OSError:
            os.close(self._descriptor)
            raise LedgerBusy(f"another writer holds {path}; nothing was executed", code="Busy") from None

    def release(self) -> None:
        """Let the next writer in. The file stays: removing it would let two writers lock two files."""
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
