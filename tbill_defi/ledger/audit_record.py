"""When a home's ledger was last audited, and how it came out: a note for the operator, not evidence."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from tbill_defi.core.files import read_text, write_durably
from tbill_defi.core.json_text import parse_json

FILE = "audit.json"


@dataclass(frozen=True)
class AuditRecord:
    """One audit.

    Attributes
    ----------
    time
        Unix seconds.
    height
        Of the head that was audited.
    """

    time: int
    height: int
    ok: bool
    verdict: str

    def write(self, home: Path) -> None:
        """Replace the home's record."""
        write_durably(home.joinpath(FILE), (json.dumps(asdict(self), indent=1) + "\n").encode())

    @classmethod
    def read(cls, home: Path) -> AuditRecord | None:
        """The home's record; None if there is none that can be read."""
        try:
            raw = parse_json(read_text(home.joinpath(FILE)))
            return cls(int(raw["time"]), int(raw["height"]), raw["ok"] is True, str(raw["verdict"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None
