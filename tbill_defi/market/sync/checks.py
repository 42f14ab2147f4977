"""What a whole answer must be before any of it is stored."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from itertools import pairwise

import polars as pl

from tbill_defi.core.errors import DataError
from tbill_defi.market.data import KINDS
from tbill_defi.market.merging import Merged, Precedence
from tbill_defi.market.sync.feeds import Feed, Span


class Implausible(DataError):
    """An answer that can be read, and would do to the store what no publisher does."""


LONGEST_GAP_DAYS = 7
"""A daily feed has no longer time without a row: since 1990 the longest was four days."""
REVISIONS_ALLOWED = 20
"""Stored values that an answer may replace whatever their share."""
SHARE_ALLOWED = 0.05
"""Share of the stored values of its rows that an answer may replace."""


def check_text(feed: Feed, text: str, name: str, *, framed: bool) -> None:
    """Refuse CSV that may have been cut: the server did not say where it ends, and its last line has no end."""
    if feed.suffix == "csv" and not framed and not text.endswith(("\n", "\r")):
        raise DataError(f"{name}: ends within a line, and the server did not say how long it is; it may be cut off")


def check_frame(feed: Feed, span: Span, frame: pl.DataFrame, name: str, today: date) -> None:
    """Refuse rows of other days than were asked for, and holes in a daily series."""
    days = frame[KINDS[feed.kind].day]
    last = min(span.last, today)
    strange = days.filter((days < span.first) | (days > last))
    if len(strange):
        raise DataError(f"{name}: has a row of {strange[0]}, outside {span.first} to {last}")
    if not feed.daily:
        return
    known = [max(span.first, feed.earliest), *days.sort().to_list(), last]
    for before, after in pairwise(known):
        if (after - before).days > LONGEST_GAP_DAYS:
            raise DataError(f"{name}: has no row between {before} and {after}; the answer is not whole")


def check_empty(feed: Feed, span: Span, name: str, today: date) -> None:
    """Refuse an answer without rows, unless so little time has passed that there may be none."""
    since, last = max(span.first, feed.earliest), min(span.last, today)
    if last - since > timedelta(days=LONGEST_GAP_DAYS):
        raise DataError(f"{name}: is empty, though {since} to {last} was asked for")


def check_changes(feed: Feed, frame: pl.DataFrame, name: str) -> Callable[[Merged], None]:
    """A check of what an answer would do to the store: not lose a column, not replace too much at once."""
    key = KINDS[feed.kind].key
    columns = [column for column in frame.columns if column not in key]

    def check(merged: Merged) -> None:
        kept = frame.height - len(merged.new)
        cells = kept * sum(frame[column].null_count() < frame.height for column in columns)
        revised = sum(change.old is not None for change in merged.changes)
        if revised > max(REVISIONS_ALLOWED, SHARE_ALLOWED * cells):
            raise Implausible(
                f"{name}: would replace {revised:,} of {cells:,} stored values; if it is right, import it by hand"
            )

    return check


def check_columns(feed: Feed, frame: pl.DataFrame, stored: pl.DataFrame, name: str) -> None:
    """Refuse an answer without any value in a column of which its rows have stored ones.

    A second source may have fewer columns than the first.
    """
    if feed.precedence is Precedence.SECOND:
        return
    kind = KINDS[feed.kind]
    mine = stored.join(frame.select(kind.key), on=list(kind.key), how="semi")
    for column in frame.columns:
        if frame[column].null_count() == frame.height and mine[column].null_count() < mine.height:
            count = mine.height - mine[column].null_count()
            raise DataError(f'{name}: has no value in "{column}", of which {count:,} of its rows have a stored one')
