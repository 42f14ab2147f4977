"""The keeper's memory: a small file beside the ledger, written whole; the ledger is believed before it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tbill_defi.core.files import read_text, write_durably
from tbill_defi.core.json_text import parse_json

VERSION = 1
MOST = 1_000
"""Firings that are remembered; older ones are dropped."""


@dataclass
class State:
    """What became of firings, by id: for people, and for firings that had nothing to do.

    Whether something settled or was paid is told from the ledger; without this file the keeper looks again at the
    firings that came to nothing, and that is all.
    """

    path: Path
    firings: dict[str, dict[str, Any]] = field(default_factory=dict)
    note: str = ""

    @classmethod
    def load(cls, path: Path) -> State:
        """The state in a file; empty, with a note, if there is none that can be used."""
        try:
            raw = parse_json(read_text(path))
            firings = raw["firings"]
            if raw["version"] != VERSION or not all(isinstance(row["status"], str) for row in firings.values()):
                raise ValueError(f"version {raw['version']}")
        except FileNotFoundError:
            return cls(path)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            return cls(path, note=f"{path} cannot be used ({error}); going by the ledger alone")
        return cls(path, dict(firings))

    def status(self, firing_id: bytes) -> str:
        """What became of a firing; "" if nothing is known."""
        row = self.firings.get("0x" + firing_id.hex())
        return str(row["status"]) if row else ""

    def record(self, firing_id: bytes, row: dict[str, Any]) -> None:
        """Remember what became of a firing: the old file or the new one is there, never a half."""
        name = "0x" + firing_id.hex()
        self.firings.pop(name, None)
        self.firings[name] = row
        for old in list(self.firings)[:-MOST]:
            del self.firings[old]
        self.path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps({"version": VERSION, "firings": self.firings}, indent=1) + "\n"
        write_durably(self.path, text.encode())
