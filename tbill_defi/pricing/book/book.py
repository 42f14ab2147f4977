"""Many securities at once: prices, yields and risk of a whole book in a few array operations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from tbill_defi.conventions.calendars import SETTLEMENT
from tbill_defi.conventions.yields import Floats, YieldConvention
from tbill_defi.core.errors import ConventionError
from tbill_defi.instruments import AnySecurity
from tbill_defi.pricing.book.columns import EPOCH, Columns, Ints, cycle_days
from tbill_defi.pricing.book.curve_values import DiscountCurve, OnCurve, checked_nodes
from tbill_defi.pricing.book.cycles import Cycles, Placed
from tbill_defi.pricing.book.yields import (
    Compound,
    Kernel,
    Sensitivity,
    Simple,
    Sums,
    in_yield,
    require_positive,
    solve,
)
from tbill_defi.pricing.valuation import LARGEST_YIELD

if TYPE_CHECKING:
    import polars as pl

BASIS_POINT = 1e-4
KEY_YEARS = (0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 7.0, 10.0, 15.0, 20.0, 25.0, 30.0)
"""Nodes of key rates where none are named."""


@dataclass(frozen=True, eq=False)
class Analytics:
    """Figures of a book, in its order; prices per 100 face.

    Attributes
    ----------
    clean_price, dirty_price, accrued
        [n] per 100 face.
    yield_
        [n] decimal, in the convention asked for.
    modified_duration, convexity
        [n] years, years squared: analytic in the yield.
    dv01
        [n] positive dollars per 100 face for a fall of 1 bp in the yield.
    effective_duration, effective_convexity
        [n] the same for a parallel move of the curve's continuous zero rates; None without a curve.
    key_rate_dv01
        [n, n_nodes] dollars per 100 face for a fall of 1 bp in the zero rate at each node; None without a curve.
    key_years
        [n_nodes] the nodes, years.
    """

    cusips: tuple[str, ...]
    clean_price: Floats
    dirty_price: Floats
    accrued: Floats
    yield_: Floats
    modified_duration: Floats
    convexity: Floats
    dv01: Floats
    effective_duration: Floats | None = None
    effective_convexity: Floats | None = None
    key_rate_dv01: Floats | None = None
    key_years: Floats | None = None

    def frame(self) -> pl.DataFrame:
        """One row a security, key rates as columns `key_rate_dv01_2y`."""
        import polars as pl

        columns = {"cusip": list(self.cusips), **{name: getattr(self, name) for name in _COLUMNS}}
        if self.effective_duration is not None:
            columns |= {name: getattr(self, name) for name in _FROM_CURVE}
        if self.key_rate_dv01 is not None and self.key_years is not None:
            columns |= {
                f"key_rate_dv01_{years:g}y": self.key_rate_dv01[:, i] for i, years in enumerate(self.key_years.tolist())
            }
        return pl.DataFrame({name.removesuffix("_"): values for name, values in columns.items()})


_COLUMNS = ("clean_price", "dirty_price", "accrued", "yield_", "modified_duration", "convexity", "dv01")
_FROM_CURVE = ("effective_duration", "effective_convexity")


class Book:
    """Securities whose terms are laid out once, priced together on any day.

    Parameters
    ----------
    securities
        At least one.

    Raises
    ------
    DataError
        If there are none, or one is no security that a book prices.

    Notes
    -----
    Agrees with the verbs on single securities, and with QuantLib, within 1e-11 per 100 face.
    """

    def __init__(self, securities: Sequence[AnySecurity]) -> None:
        self.columns = Columns.of(securities)
        rows = np.flatnonzero(~self.columns.single)
        c = self.columns
        self._cycles = Cycles.among(c.months[rows], c.maturity_month[rows], c.rule[rows])
        self._placed: Placed | None = None
        self._groups: tuple[Placed, YieldConvention, Groups] | None = None

    def __len__(self) -> int:
        return len(self.columns)

    @property
    def cusips(self) -> tuple[str, ...]:
        """In the order of the securities."""
        return self.columns.cusips

    def at(self, settlement: date) -> Placed:
        """The book at a settlement date; the last one is kept.

        Raises
        ------
        SettlementOutOfRange
            If a security is not issued, or has matured: names its row and CUSIP.
        ConventionError
            If `settlement` is not a date.
        """
        if isinstance(settlement, datetime) or not isinstance(settlement, date):
            raise ConventionError(f"settlement: {settlement!r} is not a datetime.date such as date(2026, 8, 24)")
        if self._placed is None or self._placed.settlement != settlement:
            self._placed = Placed(self.columns, self._cycles, settlement)
        return self._placed

    def _kernels(self, settlement: date, convention: YieldConvention) -> Groups:
        placed = self.at(settlement)
        if self._groups is None or self._groups[0] is not placed or self._groups[1] is not convention:
            self._groups = placed, convention, Groups(placed, convention)
        return self._groups[2]

    def accrued(self, settlement: date) -> Floats:
        """[n] accrued interest per 100 face, unrounded."""
        return self.at(settlement).accrued.copy()

    def dirty_prices(self, curve: DiscountCurve, settlement: date) -> Floats:
        """[n] model dirty prices per 100 face."""
        return OnCurve(self.at(settlement), curve).dirty_prices()

    def key_rate_dv01(self, curve: DiscountCurve, settlement: date, nodes: Sequence[float] = KEY_YEARS) -> Floats:
        """[n, n_nodes] dollars per 100 face that a fall of 1 bp in the zero rate at each node (years) brings."""
        return OnCurve(self.at(settlement), curve).key_rates(checked_nodes(np.array(nodes)))

    def scenario_prices(
        self, curve: DiscountCurve, settlement: date, shifts: ArrayLike, nodes: Sequence[float]
    ) -> Floats:
        """[n, n_scenarios] model dirty prices after moves of the curve.

        Parameters
        ----------
        shifts
            [n_scenarios, n_nodes] decimal moves of continuous zero rates at the nodes, linear between them.
        nodes
            [n_nodes] years, ascending.
        """
        places = checked_nodes(np.array(nodes))
        moves = np.asarray(shifts, dtype=np.float64)
        if moves.ndim != 2 or moves.shape[1] != len(places) or not np.isfinite(moves).all():
            raise ConventionError(f"shifts: shape {moves.shape} is not [n_scenarios, {len(places)}] of finite decimals")
        prices = np.empty((len(self), len(moves)))
        for which, block in OnCurve(self.at(settlement), curve).scenarios(moves, places):
            prices[:, which] = block
        return prices

    def z_spreads(self, curve: DiscountCurve, clean_prices: ArrayLike, settlement: date) -> Floats:
        """[n] spreads over the curve's continuous Act/365 zero rates that explain clean prices, decimal."""
        placed = self.at(settlement)
        dirty = self._column("clean_prices", clean_prices) + placed.accrued
        require_positive(dirty, self.cusips)
        return OnCurve(placed, curve).z_spreads(dirty)

    def analytics(
        self,
        *,
        settlement: date,
        convention: YieldConvention,
        curve: DiscountCurve | None = None,
        yields: ArrayLike | None = None,
        clean_prices: ArrayLike | None = None,
        key_years: Sequence[float] = KEY_YEARS,
    ) -> Analytics:
        """Prices, yields and risk from a curve, from yields or from clean prices: exactly one of the three.

        Parameters
        ----------
        settlement
            A date in [issue date, maturity) of every security.
        convention
            Of the yields; see `YieldConvention`.
        curve
            Discounts every flow from its own date.
        yields
            [n] decimal.
        clean_prices
            [n] per 100 face.
        key_years
            [n_nodes] nodes of key rates, years; read with a curve only.

        Raises
        ------
        SettlementOutOfRange
            If a security is not issued, or has matured.
        ConventionError
            If none or several of curve, yields and prices are given, a value is not finite, a yield looks like
            percent, no yield explains a price: names row and CUSIP.
        """
        choices = {"curve": curve, "yields": yields, "clean_prices": clean_prices}
        given = [name for name, value in choices.items() if value is not None]
        if len(given) != 1:
            raise ConventionError(f"analytics: give one of curve, yields, clean_prices; given: {given or 'none'}")
        groups = self._kernels(settlement, convention)
        accrued = groups.placed.accrued
        if yields is not None:
            return self._measured(groups, self._yields(yields), accrued)
        if clean_prices is not None:
            dirty = self._column("clean_prices", clean_prices) + accrued
            require_positive(dirty, self.cusips)
            return self._measured(groups, groups.yields(dirty), accrued)
        assert curve is not None
        nodes = checked_nodes(np.array(key_years))
        on = OnCurve(groups.placed, curve)
        dirty = on.dirty_prices()
        slope, bend = on.effective()
        found = self._measured(groups, groups.yields(dirty), accrued)
        return replace(
            found,
            dirty_price=dirty,
            clean_price=dirty - accrued,
            effective_duration=-slope / dirty,
            effective_convexity=bend / dirty,
            key_rate_dv01=on.key_rates(nodes),
            key_years=nodes,
        )

    def _measured(self, groups: Groups, yields: Floats, accrued: Floats) -> Analytics:
        found = groups.at(yields)
        price = found.price
        return Analytics(
            cusips=self.cusips,
            clean_price=price - accrued,
            dirty_price=price,
            accrued=accrued,
            yield_=yields,
            modified_duration=-found.slope / price,
            convexity=found.curvature / price,
            dv01=-found.slope * BASIS_POINT,
        )

    def _column(self, name: str, values: ArrayLike) -> Floats:
        """[n] finite numbers."""
        column = np.asarray(values, dtype=np.float64)
        if column.shape != (len(self),):
            raise ConventionError(f"{name}: shape {column.shape} is not [{len(self)}], one for each security")
        if not np.isfinite(column).all():
            row = int(np.flatnonzero(~np.isfinite(column))[0])
            raise ConventionError(f"{name}[{row}] ({self.cusips[row]}): {column[row]} is not a finite number")
        return column

    def _yields(self, values: ArrayLike) -> Floats:
        column = self._column("yields", values)
        if (wrong := np.flatnonzero(np.abs(column) > LARGEST_YIELD)).size:
            row = int(wrong[0])
            raise ConventionError(
                f"yields[{row}] ({self.cusips[row]}): {column[row]:g} looks like percent; "
                f"give a decimal such as {column[row] / 100:g}"
            )
        return column


class Groups:
    """The securities of a placed book by the arithmetic of their yields under a convention."""

    def __init__(self, placed: Placed, convention: YieldConvention) -> None:
        if not isinstance(convention, YieldConvention):
            names = ", ".join(f"YieldConvention.{member.name}" for member in YieldConvention)
            raise ConventionError(f"convention: {convention!r} is not one of {names}")
        self.placed = placed
        on_payment_dates = convention is YieldConvention.TRUE_YIELD
        final = placed.last == 0
        amounts = (placed.coupon + placed.odd + 100.0)[final]
        late = np.zeros(int(final.sum()))
        single_days = placed.days
        if on_payment_dates:
            late = self._lateness()[0, placed.cycles.of[final]]
            maturities = placed.columns.maturity[placed.singles]
            single_days = single_days + _late_days(maturities)
        frequency = 12.0 / placed.columns.months[placed.rows]
        years = (placed.fraction[final] + late) / frequency[final]
        bill_years = single_days / placed.year_days
        if convention is YieldConvention.MONEY_MARKET:
            self._require_single(final)
            years = (placed.columns.maturity[placed.rows] - placed.day) / 360.0
            bill_years = single_days / 360.0
        self.final = placed.rows[final]
        self.finals = Simple(amounts, years, compounds=False)
        self.bills = Simple(
            np.full(len(placed.singles), 100.0), bill_years, compounds=convention is not YieldConvention.MONEY_MARKET
        )
        many = ~final
        self.compound = placed.rows[many]
        self._kernel = self._true_kernel(many) if on_payment_dates else self._street(many, convention)

    def _require_single(self, final: np.ndarray) -> None:
        if not final.all():
            row = int(self.placed.rows[~final][0])
            raise ConventionError(
                f"convention: MONEY_MARKET is defined when only the final payment remains; securities[{row}] "
                f"({self.placed.columns.cusips[row]}) has more, use STREET or TREASURY"
            )

    def _street(self, many: np.ndarray, convention: YieldConvention) -> Kernel:
        placed = self.placed
        first = placed.first[many].astype(np.float64)
        simple = placed.fraction[many] if convention is YieldConvention.TREASURY else None
        return Compound(
            frequency=12.0 / placed.columns.months[self.compound],
            coupon=placed.coupon[many],
            odd=placed.odd[many],
            counts=(placed.last - placed.first + 1)[many].astype(np.float64),
            times=first if simple is not None else first + placed.fraction[many],
            simple=simple,
        )

    def _lateness(self) -> Floats:
        """[n_periods, n_cycles] periods from each cycle date to the good day it is paid on."""
        placed = self.placed
        dates = placed.dates
        months = placed.following + np.arange(len(dates) + 1)[:, None] * placed.cycles.months
        following = cycle_days(months[1:], np.broadcast_to(placed.cycles.rule, dates.shape))
        late = _late_days(dates.ravel()).reshape(dates.shape)
        return late / (following - dates)

    def _true_kernel(self, many: np.ndarray) -> Kernel:
        placed, flows = self.placed, self.placed.flows
        late = self._lateness()[flows.period, placed.cycles.of[flows.owner]]
        times = placed.fraction[flows.owner] + flows.period + late
        frequency = 12.0 / placed.columns.months[placed.rows]
        every = Sums(flows.amounts, times, flows.owner, flows.starts, frequency)
        return every.subset(np.flatnonzero(many))

    def at(self, yields: Floats) -> Sensitivity:
        """Prices at yields and their derivatives in the yield, of the whole book."""
        parts = [
            (self.compound, in_yield(self._kernel, yields[self.compound])),
            (self.final, self.finals.in_yield(yields[self.final])),
            (self.placed.singles, self.bills.in_yield(yields[self.placed.singles])),
        ]
        columns = [np.empty(len(yields)) for _ in range(3)]
        for rows, part in parts:
            for column, values in zip(columns, (part.price, part.slope, part.curvature), strict=True):
                column[rows] = values
        return Sensitivity(*columns)

    def yields(self, dirty: Floats) -> Floats:
        """[n] yields of positive dirty prices."""
        found = np.empty(len(dirty))
        singles, placed = self.placed.singles, self.placed
        found[singles] = self.bills.yields(dirty[singles])
        found[self.final] = self.finals.yields(dirty[self.final])
        price, columns = dirty[self.compound] - placed.accrued[self.compound], placed.columns
        coupon = columns.coupon[self.compound] * self._kernel.frequency
        years = (columns.maturity[self.compound] - placed.day) / 365.25
        start = (coupon + (100.0 - price) / years) / np.maximum(0.6 * price + 40.0, 1.0)
        found[self.compound] = solve(self._kernel, dirty[self.compound], np.clip(start, -0.05, 0.5))
        return found


def _late_days(days: Ints) -> Ints:
    """Days from each day to the good settlement day that payment is made on."""
    distinct, place = np.unique(days, return_inverse=True)
    dates = [date.fromordinal(int(number) + EPOCH) for number in distinct]
    late = [(SETTLEMENT.following(day) - day).days for day in dates]
    return np.array(late, dtype=np.int64)[place]
