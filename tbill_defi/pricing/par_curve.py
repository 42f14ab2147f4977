"""A day's discount curve from its Treasury par yields."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Self

from tbill_defi.conventions.yields import Floats
from tbill_defi.pricing.bootstrap import Interpolation, daily_factors, node_date, tenor_months
from tbill_defi.pricing.daily_curve import DailyCurve, average_forward, tenor_rates


@dataclass(frozen=True, eq=False)
class ParCurve(DailyCurve):
    """Discount factors for every day from the curve date on.

    Tenors under a year are zero-coupon: D = 1 / (1 + y days/365), the simple
    bond-equivalent yield from the curve date. From one year they are par bonds: semiannual coupons of y/2,
    ActAct(Bond), unadjusted, settled on the curve date. Beyond the last node the forward is flat at its average over
    the last segment.

    Attributes
    ----------
    curve_date
        Its discount factor is 1.
    par_yields
        Tenor label -> decimal yield, ascending in tenor, missing tenors left out.
    interpolation
        Of `Interpolation`.
    factors
        [n_days + 1] float64, read-only: discount factor i days after the curve date, to the last node.
    tail_forward
        Continuous Act/365 forward rate beyond the last node.
    """

    curve_date: date
    par_yields: Mapping[str, float]
    interpolation: Interpolation
    factors: Floats
    tail_forward: float

    @classmethod
    def bootstrap(
        cls,
        curve_date: date,
        par_yields: Mapping[str, float | None],
        interpolation: str | Interpolation = Interpolation.MONOTONE_CONVEX,
    ) -> Self:
        """The curve through a row of par yields.

        Parameters
        ----------
        curve_date
            Date of the row, and of settlement of its instruments.
        par_yields
            Tenor label ("1 Mo" ... "30 Yr") -> decimal yield; None or NaN where the Treasury published none.
        interpolation
            "monotone_convex" or "log_linear".

        Raises
        ------
        ConventionError
            If fewer than two tenors have a yield, one looks like percent, a label or the interpolation is unknown,
            or no curve passes through the yields.
        """
        method = Interpolation.of(interpolation)
        ordered = tenor_rates(f"par yields of {curve_date}", par_yields, tenor_months)
        nodes = [(tenor_months(label), rate) for label, rate in ordered.items()]
        factors = daily_factors(curve_date, nodes, method)
        before = (node_date(curve_date, nodes[-2][0]) - curve_date).days
        return cls(curve_date, ordered, method, factors, average_forward(factors, before))

    def moved(self, shifts: Mapping[str, float]) -> Self:
        """The curve after moves of its par yields: tenor -> decimal."""
        par = {tenor: rate + shifts.get(tenor, 0.0) for tenor, rate in self.par_yields.items()}
        return self.bootstrap(self.curve_date, par, self.interpolation)
