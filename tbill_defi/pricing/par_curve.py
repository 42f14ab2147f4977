"""A day's discount curve from its Treasury par yields."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Self

import numpy as np
from numpy.typing import NDArray

from tbill_defi.conventions.yields import Floats
from tbill_defi.core.errors import ConventionError
from tbill_defi.pricing.bootstrap import Interpolation, daily_factors, node_date, tenor_months
from tbill_defi.pricing.curve import DAYS_PER_YEAR, Curve

LARGEST_PAR_YIELD = 0.25
"""Par yields beyond it are taken for percent."""


@dataclass(frozen=True, eq=False)
class ParCurve(Curve):
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
        try:
            method = Interpolation(interpolation)
        except ValueError:
            names = ", ".join(member.value for member in Interpolation)
            raise ConventionError(f"interpolation: {interpolation!r} is not one of {names}") from None
        given = {label: float(rate) for label, rate in par_yields.items() if rate is not None and not math.isnan(rate)}
        ordered = dict(sorted(given.items(), key=lambda item: tenor_months(item[0])))
        nodes = [(tenor_months(label), rate) for label, rate in ordered.items()]
        if len({months for months, _ in nodes}) < max(len(nodes), 2):
            raise ConventionError(
                f"par yields of {curve_date}: {len(nodes)} tenors ({', '.join(ordered) or 'none'}); "
                "a curve needs at least two, each once"
            )
        for label, rate in ordered.items():
            if not abs(rate) <= LARGEST_PAR_YIELD:
                raise ConventionError(
                    f"par yields of {curve_date}, {label}: {rate:g} looks like percent; "
                    f"give a decimal such as {rate / 100:g}"
                )
        factors = daily_factors(curve_date, nodes, method)
        last, before = ((node_date(curve_date, months) - curve_date).days for months, _ in nodes[-1:-3:-1])
        tail = math.log(factors[before] / factors[last]) / (last - before) * DAYS_PER_YEAR
        return cls(curve_date, ordered, method, factors, tail)

    @property
    def last_date(self) -> date:
        """Date of the last node; the forward is flat beyond it."""
        return node_date(self.curve_date, tenor_months(list(self.par_yields)[-1]))

    def moved(self, shifts: Mapping[str, float]) -> Self:
        """The curve after moves of its par yields: tenor -> decimal."""
        par = {tenor: rate + shifts.get(tenor, 0.0) for tenor, rate in self.par_yields.items()}
        return self.bootstrap(self.curve_date, par, self.interpolation)

    def _factors_after(self, offsets: NDArray[np.int64]) -> Floats:
        last = len(self.factors) - 1
        inside = self.factors.take(offsets, mode="clip")
        if offsets.max(initial=0) <= last:
            return inside
        values: Floats = inside * np.exp(-self.tail_forward * np.maximum(offsets - last, 0) / DAYS_PER_YEAR)
        return values
