"""A day's discount curve from its Treasury par yields."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Self

import numpy as np
from numpy.typing import NDArray

from tbill_defi.conventions.schedules import add_months
from tbill_defi.conventions.yields import Floats, YieldConvention
from tbill_defi.core.errors import ConventionError, SettlementOutOfRange
from tbill_defi.pricing.bootstrap import Interpolation, daily_factors, node_date, tenor_months
from tbill_defi.pricing.prices import clean_price_from_yield, yield_from_clean_price, yield_from_dirty_price
from tbill_defi.pricing.valuation import AnySecurity, checked_price, checked_rate, checked_settlement

LARGEST_PAR_YIELD = 0.25
"""Par yields beyond it are taken for percent."""

DAYS_PER_YEAR = 365.0


@dataclass(frozen=True, eq=False)
class Curve:
    """Discount factors for every day from the curve date on.

    Built by `from_par_yields`. Tenors under a year are zero-coupon: D = 1 / (1 + y days/365), the simple
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
    def from_par_yields(
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

    def discount_factors(self, days: NDArray[np.datetime64]) -> Floats:
        """Discount factors of an array of days, of its shape.

        Raises
        ------
        ConventionError
            If a day is before the curve date.
        """
        offsets = (np.asarray(days, dtype="datetime64[D]") - np.datetime64(self.curve_date, "D")).astype(np.int64)
        if offsets.size and offsets.min() < 0:
            raise ConventionError(f"date: {np.min(days)} is before the curve of {self.curve_date}")
        last = len(self.factors) - 1
        inside = self.factors[np.minimum(offsets, last)]
        beyond = np.maximum(offsets - last, 0)
        values: Floats = inside * np.exp(-self.tail_forward * beyond / DAYS_PER_YEAR)
        return values

    def discount(self, day: date) -> float:
        """Discount factor from `day` to the curve date."""
        return float(self.discount_factors(np.array([day], dtype="datetime64[D]"))[0])

    def zero_rate(self, day: date) -> float:
        """Zero rate to a day after the curve date: decimal, continuous, Act/365."""
        if day <= self.curve_date:
            raise ConventionError(f"date: {day} is not after the curve's {self.curve_date}; a zero rate needs a term")
        return self.forward_rate(self.curve_date, day)

    def forward_rate(self, start: date, end: date) -> float:
        """Forward rate between two days: decimal, continuous, Act/365."""
        if end <= start:
            raise ConventionError(f"forward rate: end {end} must be after start {start}")
        return math.log(self.discount(start) / self.discount(end)) / (end - start).days * DAYS_PER_YEAR

    def par_yield(self, tenor: str) -> float:
        """Par yield of any tenor by the curve's own recipe: simple under a year, semiannual from one year.

        A tenor of a year or more must be whole half-years ("10 Yr", "18 Mo").
        """
        months = tenor_months(tenor)
        end = node_date(self.curve_date, months)
        if months < 12:
            return (1.0 / self.discount(end) - 1.0) * DAYS_PER_YEAR / (end - self.curve_date).days
        if months % 6:
            raise ConventionError(f"tenor: {tenor!r} is not whole half-years; par yields from a year on are semiannual")
        days = [add_months(self.curve_date, 6 * period) for period in range(1, int(months) // 6 + 1)]
        factors = self.discount_factors(np.array(days, dtype="datetime64[D]"))
        return float(2.0 * (1.0 - factors[-1]) / factors.sum())

    def dirty_price(self, security: AnySecurity, *, settlement: date) -> float:
        """Model dirty price per 100 face for settlement on a date: sum of flows x D(date) / D(settlement).

        Raises
        ------
        SettlementOutOfRange
            If `settlement` is before the curve date or the issue date, or not before maturity.
        """
        flows = security.resolve()
        checked_settlement(security, flows, settlement)
        if settlement < self.curve_date:
            raise SettlementOutOfRange(
                f"settlement: {settlement} is before the curve of {self.curve_date}; give a later date"
            )
        later = flows.dates > np.datetime64(settlement, "D")
        value = float(flows.amounts[later] @ self.discount_factors(flows.dates[later]))
        return value / self.discount(settlement)

    def clean_price(self, security: AnySecurity, *, settlement: date) -> float:
        """Model clean price per 100 face: `dirty_price` less unrounded accrued interest."""
        dirty = self.dirty_price(security, settlement=settlement)
        return dirty - float(security.resolve().accrued(settlement))

    def yield_of(self, security: AnySecurity, *, settlement: date, convention: YieldConvention) -> float:
        """Decimal yield of the security at its model price."""
        dirty = self.dirty_price(security, settlement=settlement)
        return yield_from_dirty_price(security, dirty, settlement=settlement, convention=convention)

    def yield_spread(
        self, security: AnySecurity, clean_price: float, *, settlement: date, convention: YieldConvention
    ) -> float:
        """Yield of a clean price less the yield of the model price, decimal."""
        price = checked_price("clean_price", clean_price)
        quoted = yield_from_clean_price(security, price, settlement=settlement, convention=convention)
        return quoted - self.yield_of(security, settlement=settlement, convention=convention)

    def clean_price_at_spread(
        self, security: AnySecurity, spread: float, *, settlement: date, convention: YieldConvention
    ) -> float:
        """Clean price per 100 face at the model yield plus a decimal spread; inverse of `yield_spread`."""
        yield_ = self.yield_of(security, settlement=settlement, convention=convention) + checked_rate("spread", spread)
        return clean_price_from_yield(security, yield_, settlement=settlement, convention=convention)
