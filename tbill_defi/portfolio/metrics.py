"""What a portfolio looks like: NAV, yield, duration, WAM, DV01, rating."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np

from tbill_defi.core.money import UNITS_PER_DOLLAR
from tbill_defi.portfolio.view import View


@dataclass(frozen=True)
class Metrics:
    """Figures of one portfolio at mid, dirty; cash counts with yield, duration and maturity 0.

    Attributes
    ----------
    nav, cash
        Dollars.
    yield_
        STREET, decimal, market-value weighted.
    dv01_weighted_yield
        STREET, decimal, DV01 weighted.
    duration, wam_years
        Modified duration and weighted average maturity, years, market-value weighted.
    dv01
        Dollars per 1 bp fall in yield.
    securities
        How many are held.
    rating
        Lowest long-term rating held, or "" for cash alone.
    """

    nav: float
    cash: float
    yield_: float
    dv01_weighted_yield: float
    duration: float
    wam_years: float
    dv01: float
    securities: int
    rating: str

    def as_dict(self) -> dict[str, float | int | str]:
        """Field name -> value."""
        return asdict(self)


def measure(view: View, positions: Mapping[str, int], cash_units: int) -> Metrics:
    """Metrics of positions (CUSIP -> face units) and cash at the view's mid prices.

    Raises
    ------
    UnknownSecurity
        If a CUSIP is not in the view.
    """
    index = [view.index(cusip) for cusip in positions]
    face = np.array([face / UNITS_PER_DOLLAR for face in positions.values()])
    values = face * view.mid_dirty[index] / 100.0 if index else np.zeros(0)
    cash = cash_units / UNITS_PER_DOLLAR
    nav = float(values.sum()) + cash
    durations, yields = view.modified_duration[index], view.yield_[index]
    dv01s = values * durations / 1e4
    dv01 = float(dv01s.sum())
    weights = values / nav if nav else values
    return Metrics(
        nav=nav,
        cash=cash,
        yield_=float(weights @ yields),
        dv01_weighted_yield=float(dv01s @ yields) / dv01 if dv01 else 0.0,
        duration=float(weights @ durations),
        wam_years=float(weights @ view.years_to_maturity[index]),
        dv01=dv01,
        securities=len(index),
        rating=max((view.ratings[i] for i in index), key=_rank, default=""),
    )


RATINGS = (
    "AAA",
    "AA+",
    "AA",
    "AA-",
    "A+",
    "A",
    "A-",
    "BBB+",
    "BBB",
    "BBB-",
    "BB+",
    "BB",
    "BB-",
    "B+",
    "B",
    "B-",
    "CCC",
)


def _rank(rating: str) -> int:
    return RATINGS.index(rating)
