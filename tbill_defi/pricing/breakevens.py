"""Inflation that the market pays for: nominal rates over real ones."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from tbill_defi.core.errors import ConventionError
from tbill_defi.pricing.curve import Curve


@dataclass(frozen=True, eq=False)
class Breakevens:
    """A nominal and a real curve of one day.

    The real curve discounts the unadjusted flows of TIPS, such as `Curve.svensson(day, tips, clean_prices)` on their
    real prices.

    Parameters
    ----------
    nominal, real
        Of the same curve date.

    Raises
    ------
    ConventionError
        If the curves are of different days.

    Notes
    -----
    Breakevens are expected inflation plus its risk premium less the liquidity premium of TIPS. The three months' lag of
    the index and the floor of the principal are not taken out (Gurkaynak, Sack and Wright 2010; Fleckenstein, Longstaff
    and Lustig 2014).
    """

    nominal: Curve
    real: Curve

    def __post_init__(self) -> None:
        if self.nominal.curve_date != self.real.curve_date:
            raise ConventionError(
                f"real: its curve is of {self.real.curve_date}, the nominal of {self.nominal.curve_date}; give one day"
            )

    def par(self, tenor: str) -> float:
        """Nominal less real par yield of a tenor from a year on, decimal, semiannual: the breakeven as it is quoted."""
        return self.nominal.par_yield(tenor) - self.real.par_yield(tenor)

    def zero(self, day: date) -> float:
        """Nominal less real zero rate to a day: decimal, continuous, Act/365."""
        return self.nominal.zero_rate(day) - self.real.zero_rate(day)

    def forward(self, start: date, end: date) -> float:
        """Nominal less real forward rate between two days, such as five and ten years on: decimal, continuous."""
        return self.nominal.forward_rate(start, end) - self.real.forward_rate(start, end)

    def index_growth(self, day: date) -> float:
        """Factor by which the market has the index grow from the curve date to a day: real over nominal discount."""
        if day < self.nominal.curve_date:
            raise ConventionError(f"date: {day} is before the curves of {self.nominal.curve_date}")
        return self.real.discount(day) / self.nominal.discount(day)
