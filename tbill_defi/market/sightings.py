"""When each row was first seen, and every value that was replaced, with both dates: one Parquet file beside the frames.

A row of the file is a sighting: a row of a frame that was not known before (`column` is empty), or a cell that is no
longer what it was. It is written before the frame it is about, so that a crash in between leaves a sighting that the
next import finds again and does not repeat; never a replaced value of which nothing is known.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import polars as pl

from tbill_defi.market.merging import Change

SCHEMA: dict[str, pl.DataType] = {
    "kind": pl.String(),
    "key": pl.String(),
    "column": pl.String(),
    "old": pl.String(),
    "new": pl.String(),
    "seen_at": pl.Int64(),
    "source": pl.String(),
}


@dataclass(frozen=True, slots=True)
class Revision:
    """A published value that was replaced.

    Attributes
    ----------
    kind, key, column
        Kind of file; the row (date, or CUSIP and date); the column, empty if the whole row is gone.
    old, first_seen
        The value that stood, and when it was first seen: Unix seconds, None if nobody said.
    new, revised_at
        The value that stands, None if there is none, and when that was first seen.
    source
        File or feed that brought it.
    """

    kind: str
    key: str
    column: str
    old: str | None
    first_seen: int | None
    new: str | None
    revised_at: int | None
    source: str

    @property
    def is_fill(self) -> bool:
        """Whether there was no value before: published later, not revised."""
        return self.old is None and bool(self.column)


def _text(value: Any) -> str | None:
    if value is None:
        return None
    return value.isoformat() if isinstance(value, date) else str(value)


class Sightings:
    """What was seen when.

    Parameters
    ----------
    frame
        Of `SCHEMA`, oldest first; None: nothing was seen yet.
    """

    def __init__(self, frame: pl.DataFrame | None = None) -> None:
        self.frame = pl.DataFrame(schema=SCHEMA) if frame is None else frame

    def with_(
        self, kind: str, new: Sequence[str], changes: Sequence[Change], *, seen_at: int | None, source: str
    ) -> Sightings:
        """These and those of one import; one that a crash left behind is not repeated."""
        mine = self.frame.filter(pl.col("kind") == kind)
        known = set(mine.filter(pl.col("column").is_null())["key"].to_list())
        last = {
            (row["key"], row["column"]): (row["old"], row["new"])
            for row in mine.filter(pl.col("column").is_not_null()).iter_rows(named=True)
        }
        rows: list[tuple[str | int | None, ...]] = [
            (kind, key, None, None, None, seen_at, source) for key in new if key not in known
        ]
        for change in changes:
            values = (_text(change.old), _text(change.new))
            if last.get((change.key, change.column)) != values:
                rows.append((kind, change.key, change.column, *values, seen_at, source))
        return Sightings(pl.concat([self.frame, pl.DataFrame(rows, schema=SCHEMA, orient="row")])) if rows else self

    def revisions(self, kind: str | None = None, *, fills: bool = False) -> Iterator[Revision]:
        """Replaced values, oldest first.

        Parameters
        ----------
        kind
            Of one kind of file only.
        fills
            Also values of cells that were empty before.
        """
        since: dict[tuple[str, ...], int | None] = {}
        for row in self.frame.iter_rows(named=True):
            place = (row["kind"], row["key"])
            if row["column"] is None:
                since[place] = row["seen_at"]
                continue
            cell = (*place, row["column"])
            found = Revision(
                kind=row["kind"],
                key=row["key"],
                column=row["column"],
                old=row["old"],
                first_seen=since.get(cell, since.get(place)),
                new=row["new"],
                revised_at=row["seen_at"],
                source=row["source"],
            )
            since[cell] = row["seen_at"]
            if (kind is None or kind == found.kind) and (fills or not found.is_fill):
                yield found
