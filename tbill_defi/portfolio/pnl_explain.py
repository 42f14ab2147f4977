"""Where a day's profit came from: carry, roll-down, level, slope, curvature and spread, each by revaluation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tbill_defi.conventions.yields import Floats, YieldConvention
from tbill_defi.core.errors import ConventionError
from tbill_defi.portfolio.face_vector import face_vector
from tbill_defi.pricing.book.book import Book
from tbill_defi.pricing.book.carry_roll import Still, paid_between
from tbill_defi.pricing.book.curve_values import DiscountCurve, OnCurve

DAYS_PER_YEAR = 365.0
SHAPE_YEARS = np.array([0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 7.0, 10.0, 15.0, 20.0, 30.0])
"""Terms at which level and slope are fitted to the move of the zero rates."""


@dataclass(frozen=True)
class Explained:
    """A profit and its parts, base units of cash (10^-6 dollar).

    Attributes
    ----------
    profit
        End value plus what was paid on the way, less start value.
    carry
        Passage of time at each security's own yield, what was paid included.
    roll_down
        Passage of time on a curve that stands still by term, less carry.
    level, slope, curvature
        The move of the zero rates: its part that is the same at all terms, its part linear in the logarithm of the
        term, and all the rest of its shape.
    spread
        Moves of the securities' own spreads over the curve.
    residual
        Profit less the parts. Every part is rounded by itself; nothing is put where it does not belong.
    """

    profit: int
    carry: int
    roll_down: int
    level: int
    slope: int
    curvature: int
    spread: int

    @property
    def parts(self) -> dict[str, int]:
        """Name -> part."""
        names = ("carry", "roll_down", "level", "slope", "curvature", "spread")
        return {name: getattr(self, name) for name in names}

    @property
    def residual(self) -> int:
        """Profit less the parts."""
        return self.profit - sum(self.parts.values())


def explain(
    book: Book,
    face_units: Mapping[str, int],
    *,
    start: tuple[date, DiscountCurve, ArrayLike],
    end: tuple[date, DiscountCurve, ArrayLike],
) -> Explained:
    """Explain the profit of positions held from one day to a later one.

    Parameters
    ----------
    book
        The securities, all alive at the end.
    face_units
        CUSIP -> face held throughout, base units (10^-6 dollar).
    start, end
        Settlement date, that day's discount curve, [n] clean prices per 100 face in the book's order.

    Raises
    ------
    ConventionError
        If the end is not after the start, a CUSIP is not in the book, a face is no integer, or a price is wrong.

    Notes
    -----
    Revalued one after another, in the order of the attributes of `Explained`. Spreads are z-spreads, so the curve and
    they explain the start's prices exactly.
    """
    (first, before, _), (last, after, _) = start, end
    if last <= first:
        raise ConventionError(f"end: {last} is not after the start {first}")
    face = face_vector(book, face_units) / 100.0  # base units of cash for each unit of price
    opening = _prices(book, start)
    closing = _prices(book, end)
    paid = _paid(book, first, last)
    spreads = book.z_spreads(before, opening - book.accrued(first), first)
    own = book.analytics(
        clean_prices=opening - book.accrued(first), settlement=first, convention=YieldConvention.STREET
    )
    aged = book.analytics(yields=own.yield_, settlement=last, convention=YieldConvention.STREET).dirty_price
    still = Still(before, last)
    moves = _shape(before, after)
    steps = [opening - paid, aged]  # the start without what is paid on the way, which is income
    for share in (None, (1, 0), (1, 1)):
        curve = still if share is None else _Moved(still, moves, share)
        steps.append(OnCurve(book.at(last), curve).dirty_at_spreads(spreads))
    steps.append(OnCurve(book.at(last), after).dirty_at_spreads(spreads))
    steps.append(closing)
    values = [float(face @ prices) for prices in steps]
    return Explained(
        round(values[-1] - values[0]),
        *(round(later - sooner) for sooner, later in pairwise(values)),
    )


def _prices(book: Book, day: tuple[date, DiscountCurve, ArrayLike]) -> Floats:
    settlement, _, clean = day
    found = book.analytics(clean_prices=clean, settlement=settlement, convention=YieldConvention.STREET)
    return found.dirty_price


def _paid(book: Book, first: date, last: date) -> Floats:
    """[n] interest per 100 face with first < date <= last."""
    rows, _, amounts = paid_between(book.at(first), last)
    paid = np.zeros(len(book))
    np.add.at(paid, rows, amounts)
    return paid


@dataclass(frozen=True, eq=False)
class _Moved:
    """A curve whose zero rates moved by shares of level and slope."""

    curve: Still
    moves: Floats
    share: tuple[int, int]

    @property
    def curve_date(self) -> date:
        return self.curve.curve_date

    def discount_factors(self, days: NDArray[np.datetime64]) -> Floats:
        years = (days - np.datetime64(self.curve_date)).astype(np.int64) / DAYS_PER_YEAR
        rates = _basis(years) @ (self.moves * np.array(self.share))
        moved: Floats = self.curve.discount_factors(days) * np.exp(-rates * years)
        return moved


def _basis(years: Floats) -> Floats:
    """[..., 2] level, and slope: linear in the logarithm of the term, from a quarter to thirty years, 0 at five."""
    slope = np.log(np.clip(years, SHAPE_YEARS[0], SHAPE_YEARS[-1]) / 5.0)
    return np.stack([np.ones_like(slope), slope], axis=-1)


def _shape(before: DiscountCurve, after: DiscountCurve) -> Floats:
    """[2] level and slope of the move of the zero rates by term, by least squares."""
    days = np.round(SHAPE_YEARS * DAYS_PER_YEAR).astype(np.int64)
    rates = [
        -np.log(curve.discount_factors(np.datetime64(curve.curve_date, "D") + days)) / days * DAYS_PER_YEAR
        for curve in (before, after)
    ]
    fitted = np.linalg.lstsq(_basis(days / DAYS_PER_YEAR), rates[1] - rates[0], rcond=None)[0]
    return np.asarray(fitted, dtype=np.float64)
