"""What was asked and answered, so that a run goes on where the last one ended; and answers that were refused."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from tbill_defi.core.errors import DataError
from tbill_defi.core.files import FileLock, read_text, write_durably
from tbill_defi.core.json_text import parse_json

FORMAT = "tbill_defi market sync, version 1"
MOST_QUARANTINED = 50
"""Refused answers that are kept; the oldest go."""


@dataclass(frozen=True, slots=True)
class Piece:
    """An answer that is in the store.

    Attributes
    ----------
    url
        Its address.
    etag, last_modified
        Its validators.
    fetched_at
        Unix seconds at which the server last said so.
    rows, first, last
        How many rows, and the days of the first and last; None: none.
    pages
        Pages of the whole span, as it said.
    """

    url: str
    etag: str | None
    last_modified: str | None
    fetched_at: int
    rows: int
    first: date | None
    last: date | None
    pages: int

    def to_json(self) -> dict[str, Any]:
        """JSON form."""
        return {name: value.isoformat() if isinstance(value, date) else value for name, value in asdict(self).items()}

    @classmethod
    def of(cls, value: dict[str, Any]) -> Piece:
        """From its JSON form."""
        first, last = (None if value[name] is None else date.fromisoformat(value[name]) for name in ("first", "last"))
        return cls(**{**value, "first": first, "last": last})


@dataclass
class FeedState:
    """What is known of one feed: pieces by name, when it was last asked with success, and until when it is left."""

    pieces: dict[str, Piece] = field(default_factory=dict)
    checked_at: int | None = None
    not_before: int | None = None


class SyncFolder:
    """`market/sync/` of a home: `state.json`, and `quarantine/`.

    Parameters
    ----------
    market
        The store's folder.
    """

    def __init__(self, market: Path) -> None:
        self.folder = market / "sync"
        self._file = self.folder / "state.json"

    def load(self) -> dict[str, FeedState]:
        """State by feed; empty if nothing was ever asked.

        Raises
        ------
        DataError
            If the file is damaged.
        """
        try:
            raw = parse_json(read_text(self._file))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError):
            raise self._damaged() from None
        try:
            if raw["format"] != FORMAT:
                raise self._damaged()
            return {
                name: FeedState(
                    {key: Piece.of(piece) for key, piece in entry["pieces"].items()},
                    entry["checked_at"],
                    entry["not_before"],
                )
                for name, entry in raw["feeds"].items()
            }
        except (KeyError, TypeError, ValueError, AttributeError):
            raise self._damaged() from None

    def _damaged(self) -> DataError:
        return DataError(f"{self._file}: is damaged or of another version; delete it, and everything is asked again")

    def save(self, feeds: dict[str, FeedState]) -> None:
        """Write all of it: a crash leaves the old file or the new one."""
        value = {
            "format": FORMAT,
            "feeds": {
                name: {
                    "pieces": {key: piece.to_json() for key, piece in sorted(state.pieces.items())},
                    "checked_at": state.checked_at,
                    "not_before": state.not_before,
                }
                for name, state in sorted(feeds.items())
            },
        }
        _write(self._file, (json.dumps(value, indent=1) + "\n").encode())

    def quarantine(self, name: str, suffix: str, body: bytes) -> Path:
        """Keep a refused answer beside the store; the same one only once."""
        place = self.folder / "quarantine"
        path = place / f"{name.replace(' ', '-')}-{hashlib.sha256(body).hexdigest()[:12]}.{suffix}"
        _write(path, body)
        kept = sorted(place.iterdir(), key=lambda file: (file.stat().st_mtime_ns, file.name))
        for old in kept[:-MOST_QUARANTINED]:
            old.unlink(missing_ok=True)
        return path

    @contextmanager
    def alone(self) -> Iterator[None]:
        """One sync at a time.

        Raises
        ------
        DataError
            If another is running, or the folder cannot be written.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.folder / ".lock")
        except BlockingIOError:
            raise DataError(f"{self.folder}: another sync is running; let it end") from None
        except OSError as error:
            raise DataError(f"{self.folder}: cannot be written ({error.strerror})") from None
        try:
            yield
        finally:
            lock.release()


def _write(path: Path, body: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_durably(path, body)
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror or error})") from None
