"""One writer per ledger: a lock of the operating system on a file beside the database, released when a holder dies."""

from __future__ import annotations

from pathlib import Path

from tbill_defi.core.errors import LedgerBusy
from tbill_defi.core.files import FileLock


class WriterLock(FileLock):
    """Exclusive from construction until `release` or the end of the process.

    Raises
    ------
    LedgerBusy
        If another writer holds it, in this process or any other.
    """

    def __init__(self, path: Path) -> None:
        try:
            super().__init__(path)
        except BlockingIOError:
            raise LedgerBusy(f"another writer holds {path}; nothing was executed", code="Busy") from None
