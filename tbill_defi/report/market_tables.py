"""Sheets of the market store: what was revised."""

from __future__ import annotations

from collections.abc import Sequence

from tbill_defi.core.clock import moment
from tbill_defi.market.sightings import Revision
from tbill_defi.market.sync import FeedReport
from tbill_defi.market.sync.freshness import Freshness
from tbill_defi.report.layout import Column, Sheet, text


def when(seconds: int | None) -> str:
    """A time, or what is said of one that nobody noted."""
    return "not noted" if seconds is None else moment(seconds)


def revisions(found: Sequence[Revision]) -> Sheet:
    """Replaced values with both dates; figures as the store holds them, rates decimal."""
    sheet = Sheet(
        "Revised values",
        Column("kind", left=True),
        Column("row", left=True),
        Column("column", left=True),
        "old",
        Column("first seen", left=True),
        "new",
        Column("revised", left=True),
        Column("from", left=True, rank=1),
    )
    for row in found:
        sheet.add(
            row.kind,
            row.key,
            row.column or "whole row",
            "-" if row.old is None else row.old,
            when(row.first_seen),
            "-" if row.new is None else row.new,
            when(row.revised_at),
            text(row.source),
        )
    return sheet


def synced(reports: Sequence[FeedReport]) -> Sheet:
    """What a sync did with each feed."""
    sheet = Sheet(
        "Feeds",
        Column("feed", left=True),
        Column("of", left=True, rank=1),
        "answers",
        "unchanged",
        Column("final", rank=2),
        "rows",
        "new",
        "changed",
        "differ",
        Column("state", left=True),
    )
    for row in reports:
        counts = (row.answers, row.unchanged, row.final, row.rows, row.new, row.changed, row.differing)
        state = f"failed: {len(row.faults)}" if row.faults else "up to date"
        sheet.add(row.feed, row.title, *(f"{count:,}" for count in counts), state)
    return sheet


def freshness(found: Sequence[Freshness]) -> Sheet:
    """How old the latest record of each kind is, and when publishers were last asked."""
    sheet = Sheet(
        "Freshness",
        Column("kind", left=True),
        "rows",
        Column("first", left=True, rank=1),
        Column("last", left=True),
        "age",
        Column("last asked", left=True),
        Column("of", left=True, rank=1),
    )
    for row in found:
        asked = "never" if row.checked_at is None else moment(row.checked_at)
        days = (str(row.first), str(row.last), f"{row.age_days:,} d")
        sheet.add(row.kind, f"{row.rows:,}", *days, asked, ", ".join(row.feeds) or "-")
    return sheet
