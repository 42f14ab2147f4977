"""Sheets of the market store: what was revised."""

from __future__ import annotations

from collections.abc import Sequence

from tbill_defi.core.clock import moment
from tbill_defi.market.sightings import Revision
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
