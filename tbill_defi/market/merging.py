"""Rows laid over rows: whose value stands, and what that changed, cell by cell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

import polars as pl

from tbill_defi.core.errors import DataError
from tbill_defi.market.data import Kind


class Precedence(Enum):
    """Whose value stands where a new one differs from a stored one."""

    FILE = "file"
    """The new one; a column without any value says nothing."""
    FEED = "feed"
    """The new one; an empty cell says nothing."""
    SECOND = "second"
    """The stored one; only what is not known yet is taken."""


@dataclass(frozen=True, slots=True)
class Change:
    """One cell that is not what it was; or a whole row that is gone (`column` is empty).

    Attributes
    ----------
    key
        The row: date, or CUSIP and date, as text.
    column
        Column of the frame.
    old, new
        Stored value and new one, None for an empty cell.
    """

    key: str
    column: str
    old: Any
    new: Any

    def describe(self) -> str:
        """One line for a person."""
        if not self.column:
            return f"{self.key}: no longer on the sheet"
        return f"{self.key}, {self.column}: {self.old} -> {self.new}"


@dataclass(frozen=True)
class Merged:
    """Stored and new rows together.

    Attributes
    ----------
    frame
        All rows, in the kind's order.
    new
        Keys of rows that were not stored.
    changed
        Keys of stored rows of which a value was replaced or filled.
    changes
        Every such value, and every row that is gone.
    differing
        With `Precedence.SECOND`: values that differ from the stored ones, which stand.
    removed
        Rows that are gone: of an earlier sheet of the same day.
    """

    frame: pl.DataFrame
    new: tuple[str, ...]
    changed: tuple[str, ...]
    changes: tuple[Change, ...]
    differing: tuple[Change, ...]
    removed: int

    @property
    def anything(self) -> bool:
        """Whether the frame is not the stored one."""
        return bool(self.new or self.changes)


def key_of(kind: Kind, row: Mapping[str, Any]) -> str:
    """What identifies a row, as text: "2026-03-24", or "91282CPZ8 2026-02-11"."""
    return " ".join(str(row[name]) for name in kind.key)


def merge(kind: Kind, stored: pl.DataFrame, frame: pl.DataFrame, precedence: Precedence = Precedence.FILE) -> Merged:
    """Lay the rows of `frame` (at least one) over the stored ones.

    A price sheet replaces an earlier one of its day as a whole.

    Raises
    ------
    DataError
        If one has published curves and the other simulated ones, or of another simulation.
    """
    _refuse_mixture(kind, stored, frame)
    days = frame[kind.day]
    near = pl.col(kind.day).is_between(days.min(), days.max())
    rows = {key_of(kind, row): row for row in stored.filter(near).iter_rows(named=True)}
    whole = kind.name == "fedinvest"
    silent = set() if whole else {name for name in frame.columns if frame[name].null_count() == frame.height}
    new, changed, changes, differing = [], [], [], []
    for row in frame.iter_rows(named=True):
        key = key_of(kind, row)
        old = rows.setdefault(key, row)
        if old is row:
            new.append(key)
            continue
        found = [
            Change(key, name, old[name], row[name]) for name in row if name not in silent and row[name] != old[name]
        ]
        if precedence is not Precedence.FILE:
            found = [change for change in found if change.new is not None]
        if precedence is Precedence.SECOND:
            differing += [change for change in found if change.old is not None]
            found = [change for change in found if change.old is None]
        if found:
            changed.append(key)
            changes += found
            rows[key] = {**old, **{change.column: change.new for change in found}}
    gone = _gone(kind, rows, frame) if whole else []
    for key in gone:
        del rows[key]
        changes.append(Change(key, "", None, None))
    merged = pl.concat([stored.filter(~near), pl.DataFrame(list(rows.values()), schema=kind.schema)]).sort(kind.order)
    return Merged(merged, tuple(new), tuple(changed), tuple(changes), tuple(differing), len(gone))


def _refuse_mixture(kind: Kind, stored: pl.DataFrame, frame: pl.DataFrame) -> None:
    """Simulated curves beside published ones would be taken for them."""
    if kind.name != "par_yields" or stored.is_empty():
        return
    old, new = (rows["simulated"][0] for rows in (stored, frame))
    if old != new:
        here, there = (f"simulated ({label})" if label else "published" for label in (old, new))
        raise DataError(
            f"par yields: those that are here are {here}, the new ones {there}; keep them in homes or folders apart"
        )


def _gone(kind: Kind, rows: Mapping[str, Mapping[str, Any]], frame: pl.DataFrame) -> list[str]:
    """Rows of a day of which there is a new sheet without them."""
    days = set(frame[kind.day].to_list())
    given = {key_of(kind, row) for row in frame.iter_rows(named=True)}
    return [key for key, row in rows.items() if row[kind.day] in days and key not in given]
