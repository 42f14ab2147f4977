"""Sheets of the market store: what was revised."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tbill_defi.core.clock import moment
from tbill_defi.market.sightings import Revision
from tbill_defi.market.simulation import Simulation
from tbill_defi.market.sync import FeedReport
from tbill_defi.market.sync.freshness import Freshness
from tbill_defi.report import formats
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


def simulated(made: Simulation) -> Sheet:
    """Each tenor's path: where it starts, ends, and between; and its volatility beside the published curves'."""
    first, last = made.days[0], made.days[-1]
    fitted = f"fitted to {made.sample.days[0]} to {made.sample.days[-1]}"
    floored = f", {made.floored:,} values floored at 0" if made.floored else ""
    sheet = Sheet(
        f"Simulated par yields, {made.label}, {first} to {last}, {fitted}{floored}",
        Column("tenor", left=True),
        *("start", "end", "lowest", "highest", "bp a day", "published"),
    )
    moves = np.diff(made.yields, axis=0, prepend=made.sample.yields[-1:]).std(axis=0)
    published = made.sample.changes().std(axis=0)
    for place, tenor in enumerate(made.sample.tenors):
        path = made.yields[:, place]
        rates = (made.sample.yields[-1, place], path[-1], path.min(), path.max())
        volatility = (f"{1e4 * deviation[place]:.2f}" for deviation in (moves, published))
        sheet.add(tenor, *(formats.percent(float(rate), 2) for rate in rates), *volatility)
    return sheet
