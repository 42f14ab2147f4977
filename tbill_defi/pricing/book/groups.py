"""Yields of a placed book under a convention: who solves a line, who a parabola, who a series."""

from __future__ import annotations

from typing import NoReturn

import numpy as np

from tbill_defi.conventions.yields import Floats, YieldConvention
from tbill_defi.core.errors import ConventionError
from tbill_defi.pricing.book.calls import Calls
from tbill_defi.pricing.book.columns import Ints, cycle_days
from tbill_defi.pricing.book.cycles import Placed
from tbill_defi.pricing.book.days import late_days
from tbill_defi.pricing.book.floating import Floating
from tbill_defi.pricing.book.odd_last import OddLastYields
from tbill_defi.pricing.book.yields import Compound, Kernel, Sensitivity, Simple, Sums, in_yield, solve
from tbill_defi.pricing.valuation import LARGEST_SOLVED_YIELD


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
            single_days = single_days + late_days(maturities)
        frequency = 12.0 / placed.columns.months[placed.rows]
        years = (placed.fraction[final] + late) / frequency[final]
        bill_years = single_days / placed.year_days
        if convention is YieldConvention.MONEY_MARKET:
            self._require_single(final)
            self._require_one_payment()
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
        self._others = self._loose(convention)
        self.calls = Calls(placed, convention) if len(placed.columns.call_rows) else None

    def _require_single(self, final: np.ndarray) -> None:
        if not final.all():
            self._refuse_money_market(int(self.placed.rows[~final][0]))

    def _refuse_money_market(self, row: int) -> NoReturn:
        raise ConventionError(
            f"convention: MONEY_MARKET is defined when only the final payment remains; securities[{row}] "
            f"({self.placed.columns.cusips[row]}) has more, use STREET or TREASURY"
        )

    def _loose(self, convention: YieldConvention) -> list[tuple[Ints, Floating | OddLastYields]]:
        """Places and arithmetic of what has no level coupon."""
        floating, odd = self.placed.floating, self.placed.odd_last
        parts: list[tuple[Ints, Floating | OddLastYields]] = []
        if floating is not None:
            parts.append((floating.rows, floating))
        if odd is not None:
            parts.append((odd.rows, odd.under(convention)))
        return parts

    def _require_one_payment(self) -> None:
        floating = self.placed.floating
        if floating is not None and (more := np.flatnonzero(floating.counts > 1)).size:
            self._refuse_money_market(int(floating.rows[more[0]]))
        odd = self.placed.odd_last
        if odd is not None and not odd.final.all():
            self._refuse_money_market(int(odd.rows[~odd.final][0]))

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
        late = late_days(dates.ravel()).reshape(dates.shape)
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
        with np.errstate(divide="ignore"):  # a last payment that is worth nothing
            compound = in_yield(self._kernel, yields[self.compound])
        parts = [
            (self.compound, compound),
            (self.final, self.finals.in_yield(yields[self.final])),
            (self.placed.singles, self.bills.in_yield(yields[self.placed.singles])),
        ]
        parts += [(rows, part.in_yield(yields[rows])) for rows, part in self._others]
        columns = [np.empty(len(yields)) for _ in range(3)]
        for rows, part in parts:
            for column, values in zip(columns, (part.price, part.slope, part.curvature), strict=True):
                column[rows] = values
        return Sensitivity(*columns)

    def yields(self, dirty: Floats) -> Floats:
        """[n] yields of positive dirty prices.

        Raises
        ------
        ConventionError
            If a price needs a yield beyond `LARGEST_SOLVED_YIELD`: names row and CUSIP.
        """
        found = np.empty(len(dirty))
        singles, placed = self.placed.singles, self.placed
        found[singles] = self.bills.yields(dirty[singles])
        found[self.final] = self.finals.yields(dirty[self.final])
        price, columns = dirty[self.compound] - placed.accrued[self.compound], placed.columns
        coupon = columns.coupon[self.compound] * self._kernel.frequency
        years = (columns.maturity[self.compound] - placed.day) / 365.25
        start = (coupon + (100.0 - price) / years) / np.maximum(0.6 * price + 40.0, 1.0)
        with np.errstate(all="ignore"):  # on the way to a yield that is refused below
            found[self.compound] = solve(self._kernel, dirty[self.compound], np.clip(start, -0.05, 0.5))
        for rows, part in self._others:
            found[rows] = part.yields(dirty[rows])
        if not found.max() <= LARGEST_SOLVED_YIELD:
            row = int(np.flatnonzero(~(found <= LARGEST_SOLVED_YIELD))[0])
            raise ConventionError(
                f"clean_prices[{row}] ({columns.cusips[row]}): no yield up to {LARGEST_SOLVED_YIELD:g} explains the "
                f"dirty price {dirty[row]:g}"
            )
        return found
