"""Discount curves: what every one of them can do, and the ways to make one."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tbill_defi.conventions.schedules import add_months
from tbill_defi.conventions.yields import Floats, YieldConvention
from tbill_defi.core.errors import ConventionError, SettlementOutOfRange
from tbill_defi.instruments.reading import AnySecurity
from tbill_defi.pricing.bootstrap import Interpolation, node_date, tenor_months
from tbill_defi.pricing.prices import clean_price_from_yield, yield_from_clean_price, yield_from_dirty_price
from tbill_defi.pricing.valuation import checked_price, checked_rate, checked_settlement

if TYPE_CHECKING:
    from tbill_defi.pricing.par_curve import ParCurve
    from tbill_defi.pricing.sofr_curve import SofrCurve
    from tbill_defi.pricing.svensson import SvenssonCurve

DAYS_PER_YEAR = 365.0


class Curve(ABC):
    """Discount factors for every day from the curve date on.

    Made by `bootstrap` from par yields, by `sofr` from swap rates, or by `svensson` and `nelson_siegel` from prices or
    published parameters.

    Attributes
    ----------
    curve_date
        Its discount factor is 1.
    """

    curve_date: date

    @abstractmethod
    def _factors_after(self, offsets: NDArray[np.int64]) -> Floats:
        """Discount factors of whole days after the curve date, none of them negative."""

    @staticmethod
    def bootstrap(
        curve_date: date,
        par_yields: Mapping[str, float | None],
        interpolation: str | Interpolation = Interpolation.MONOTONE_CONVEX,
    ) -> ParCurve:
        """The curve through a row of par yields; parameters and errors as of `ParCurve.bootstrap`."""
        from tbill_defi.pricing.par_curve import ParCurve

        return ParCurve.bootstrap(curve_date, par_yields, interpolation)

    @staticmethod
    def sofr(
        curve_date: date,
        rates: Mapping[str, float | None],
        interpolation: str | Interpolation = Interpolation.LOG_LINEAR,
    ) -> SofrCurve:
        """The curve of a day's SOFR swap rates; parameters and errors as of `SofrCurve.of_swaps`."""
        from tbill_defi.pricing.sofr_curve import SofrCurve

        return SofrCurve.of_swaps(curve_date, rates, interpolation)

    @staticmethod
    def svensson(
        curve_date: date,
        securities: Sequence[AnySecurity] | None = None,
        clean_prices: ArrayLike | None = None,
        *,
        parameters: Sequence[float] | None = None,
    ) -> SvenssonCurve:
        """A Svensson curve, fitted to clean prices settling on the curve date, or of published parameters.

        See `SvenssonCurve.fit` and `SvenssonCurve.of`.
        """
        return _parametric(curve_date, securities, clean_prices, parameters, humps=2)

    @staticmethod
    def nelson_siegel(
        curve_date: date,
        securities: Sequence[AnySecurity] | None = None,
        clean_prices: ArrayLike | None = None,
        *,
        parameters: Sequence[float] | None = None,
    ) -> SvenssonCurve:
        """A Nelson-Siegel curve: Svensson's without the second hump; `parameters` are beta 0 to 2 and tau."""
        return _parametric(curve_date, securities, clean_prices, parameters, humps=1)

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
        return self._factors_after(offsets)

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


def _parametric(
    curve_date: date,
    securities: Sequence[AnySecurity] | None,
    clean_prices: ArrayLike | None,
    parameters: Sequence[float] | None,
    humps: int,
) -> SvenssonCurve:
    from tbill_defi.pricing.svensson import SvenssonCurve

    if parameters is not None and securities is None and clean_prices is None:
        return SvenssonCurve.of(curve_date, parameters, humps=humps)
    if parameters is None and securities is not None and clean_prices is not None:
        return SvenssonCurve.fit(curve_date, securities, clean_prices, humps=humps)
    raise ConventionError("curve: give securities and clean_prices, or parameters")
