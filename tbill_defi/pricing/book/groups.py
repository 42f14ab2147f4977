"""Yields of a placed book under a convention: who solves a line, who a parabola, who a series."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NoReturn, Protocol

import numpy as np

from tbill_defi.conventions.yields import Floats, YieldConvention
from tbill_defi.core.errors import ConventionError
from tbill_defi.pricing.book.calls import Calls
from tbill_defi.pricing.book.columns import Ints, cycle_days
from tbill_defi.pricing.book.compound import Compound
from tbill_defi.pricing.book.cycles import Placed
from tbill_defi.pricing.book.days import late_days
from tbill_defi.pricing.book.yields import Kernel, Risk, Simple, Sums, in_yield, yields_and_risk
from tbill_defi.pricing.valuation import LARGEST_SOLVED_YIELD


class Part(Protocol):
    """Securities of one arithmetic."""

    def prices(self, yields: Floats, /) -> Floats:
        """[n] dirty prices at yields."""
        ...

    def in_yield(self, yields: Floats, /) -> Risk:
        """Prices and risk at yields."""
        ...

    def yields(self, dirty: Floats, /) -> tuple[Floats, Risk]:
        """[n] yields of positive dirty prices, and the risk at them."""
        ...


class Coupons:
    """Securities that compound: what a kernel values."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel

    def prices(self, yields: Floats) -> Floats:
        """[n] dirty prices at yields."""
        rates = yields / self._kernel.frequency
        if isinstance(self._kernel, Compound):
            return self._kernel.prices(rates)
        return self._kernel.at(np.log1p(rates), skew=False).price

    def in_yield(self, yields: Floats) -> Risk:
        """Prices and risk at yields."""
        return in_yield(self._kernel, yields)

    def yields(self, dirty: Floats) -> tuple[Floats, Risk]:
        """[n] yields of positive dirty prices, and the risk at them."""
        return yields_and_risk(self._kernel, dirty, self._kernel.start(dirty))

    def durations(self, dirty: Floats) -> tuple[Floats, Floats]:
        """[n] yields of positive dirty prices, and the modified durations at them."""
        kernel, start = self._kernel, self._kernel.start(dirty)
        found = kernel.stepped(dirty, start) if isinstance(kernel, Compound) else None
        if found is None:
            yields, risk = yields_and_risk(kernel, dirty, start)
            return yields, risk.duration
        yields = np.expm1(found[0])
        yields *= kernel.frequency
        return yields, found[1] / (kernel.frequency + yields)


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
        bills = np.full(len(placed.singles), convention is not YieldConvention.MONEY_MARKET)
        simple = Simple(
            amount=np.concatenate([amounts, np.full(len(bills), 100.0)]),
            years=np.concatenate([years, bill_years]),
            compounds=np.concatenate([np.zeros(len(amounts), dtype=bool), bills]),
        )
        many = np.flatnonzero(~final)
        if not on_payment_dates:
            many = many[np.argsort(placed.odd[many] == 0.0, kind="stable")]
        kernel = self._true_kernel(many) if on_payment_dates else self._street(many, convention)
        self._lay_out(
            [
                (placed.rows[many], Coupons(kernel)),
                (np.concatenate([placed.rows[final], placed.singles]), simple),
                *self._loose(convention),
            ]
        )
        self.calls = Calls(placed, convention) if len(placed.columns.call_rows) else None

    def _lay_out(self, parts: list[tuple[Ints, Part]]) -> None:
        """Securities by part, one after another, and back."""
        self._order = np.concatenate([rows for rows, _ in parts])
        self._place = np.empty_like(self._order)
        self._place[self._order] = np.arange(len(self._order))
        ends = np.cumsum([len(rows) for rows, _ in parts]).tolist()
        self._parts = [
            (slice(end - len(rows), end), part) for end, (rows, part) in zip(ends, parts, strict=True) if len(rows)
        ]

    def _require_single(self, final: np.ndarray) -> None:
        if not final.all():
            self._refuse_money_market(int(self.placed.rows[~final][0]))

    def _refuse_money_market(self, row: int) -> NoReturn:
        raise ConventionError(
            f"convention: MONEY_MARKET is defined when only the final payment remains; securities[{row}] "
            f"({self.placed.columns.cusips[row]}) has more, use STREET or TREASURY"
        )

    def _loose(self, convention: YieldConvention) -> list[tuple[Ints, Part]]:
        """Places and arithmetic of what has no level coupon."""
        floating, odd = self.placed.floating, self.placed.odd_last
        parts: list[tuple[Ints, Part]] = []
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

    def _street(self, many: Ints, convention: YieldConvention) -> Kernel:
        placed = self.placed
        first = placed.first[many].astype(np.float64)
        simple = placed.fraction[many] if convention is YieldConvention.TREASURY else None
        return Compound(
            frequency=12.0 / placed.columns.months[placed.rows[many]],
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

    def _true_kernel(self, many: Ints) -> Kernel:
        placed, flows = self.placed, self.placed.flows
        late = self._lateness()[flows.period, placed.cycles.of[flows.owner]]
        times = placed.fraction[flows.owner] + flows.period + late
        frequency = 12.0 / placed.columns.months[placed.rows]
        every = Sums(flows.amounts, times, flows.owner, flows.starts, frequency)
        return every.subset(many)

    def prices(self, yields: Floats) -> Floats:
        """[n] dirty prices at yields."""
        given, found = yields.take(self._order), np.empty(len(yields))
        with np.errstate(all="ignore"):  # a last payment that is worth nothing
            for where, part in self._parts:
                found[where] = part.prices(given[where])
        return found.take(self._place)

    def at(self, yields: Floats) -> Risk:
        """Prices and risk at yields, of the whole book."""
        given = yields.take(self._order)
        with np.errstate(all="ignore"):  # a last payment that is worth nothing
            return Risk(*self._joined([part.in_yield(given[where]) for where, part in self._parts]))

    def _joined(self, parts: Sequence[Sequence[Floats]]) -> Iterator[Floats]:
        """[n] columns in the book's order, of columns by part."""
        return (np.concatenate(columns).take(self._place) for columns in zip(*parts, strict=True))

    def yields(self, dirty: Floats) -> Floats:
        """[n] yields of positive dirty prices; errors are those of `solved`."""
        return self.solved(dirty)[0]

    def solved(self, dirty: Floats) -> tuple[Floats, Risk]:
        """[n] yields of positive dirty prices, and the risk at them.

        Raises
        ------
        ConventionError
            If a price needs a yield beyond `LARGEST_SOLVED_YIELD`: names row and CUSIP.
        """
        given = dirty.take(self._order)
        with np.errstate(all="ignore"):  # on the way to a yield that is refused below
            found = [part.yields(given[where]) for where, part in self._parts]
        yields, duration, convexity = self._joined([(at, risk.duration, risk.convexity) for at, risk in found])
        self._require_found(yields, dirty)
        return yields, Risk(dirty, duration, convexity)

    def durations(self, dirty: Floats) -> tuple[Floats, Floats]:
        """[n] yields of positive dirty prices, and the modified durations at them; errors are those of `solved`."""
        given = dirty.take(self._order)
        with np.errstate(all="ignore"):  # on the way to a yield that is refused below
            found = [_durations(part, given[where]) for where, part in self._parts]
        yields, durations = self._joined(found)
        self._require_found(yields, dirty)
        return yields, durations

    def _require_found(self, yields: Floats, dirty: Floats) -> None:
        if not np.maximum.reduce(yields) <= LARGEST_SOLVED_YIELD:
            row = int(np.flatnonzero(~(yields <= LARGEST_SOLVED_YIELD))[0])
            raise ConventionError(
                f"clean_prices[{row}] ({self.placed.columns.cusips[row]}): no yield up to {LARGEST_SOLVED_YIELD:g} "
                f"explains the dirty price {dirty[row]:g}"
            )


def _durations(part: Part, dirty: Floats) -> tuple[Floats, Floats]:
    if isinstance(part, Coupons | Simple):
        return part.durations(dirty)
    yields, risk = part.yields(dirty)
    return yields, risk.duration
