"""How a database is opened, whichever it is."""

from __future__ import annotations

from datetime import timedelta
from enum import Enum
from time import sleep

BUSY_MILLISECONDS = 2_000
"""How long a statement waits for another's lock."""

NOT_ITS_TYPE = (TypeError, ValueError, MemoryError, OverflowError)
"""What reading rows raises when a stored value is not of its column's type; UnicodeError is a ValueError."""


class Mode(Enum):
    """What a connection may do.

    Make the ledger; write blocks to it, as the one writer; put transactions into its inbox; only read; or read what may
    be damaged.
    """

    CREATE = "create"
    WRITE = "write"
    SUBMIT = "submit"
    READ = "read"
    AUDIT = "audit"

    @property
    def writes_blocks(self) -> bool:
        """Whether it is the one writer's."""
        return self in (Mode.CREATE, Mode.WRITE)

    @property
    def reads_only(self) -> bool:
        """Whether it can change nothing."""
        return self in (Mode.READ, Mode.AUDIT)


def pause(milliseconds: int) -> None:
    """Wait."""
    sleep(timedelta(milliseconds=milliseconds).total_seconds())
