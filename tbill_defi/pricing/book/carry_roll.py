"""What the securities of a book earn to a horizon if the curve stands still: carry, pull to par and roll-down."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tbill_defi.conventions.yields import Floats
from tbill_defi.core.errors import ConventionError, SettlementOutOfRange
from tbill_defi.pricing.book.columns import EPOCH, Columns, Ints
from tbill_defi.pricing.book.curve_values import DiscountCurve, OnCurve
from tbill_defi.pricing.book.cycles import Placed
from tbill_defi.pricing.book.groups import Groups
from tbill_defi.pricing.carry import REPO_YEAR
from tbill_defi.pricing.valuation import checked_rate

if TYPE_CHECKING:
    import polars as pl

BASIS_POINT = 1e-4


@dataclass(frozen=True)
class Still:
    """A curve that stands still by term, on a later day."""

    curve: DiscountCurve
    curve_date: date

    def discount_factors(self, days: NDArray[np.datetime64]) -> Floats:
        """Of days, of their shape."""
        aged = np.datetime64(self.curve_date) - np.datetime64(self.curve.curve_date)
        return self.curve.discount_factors(days - aged)


@dataclass(frozen=True, eq=False)
class CarryRoll:
    """A book financed from settlement to a horizon, in its order; prices and profits per 100 face.

    Attributes
    ----------
    interest_income
        [n] coupons in between and growth of accrued interest.
    financing_cost
        [n] repo interest on the dirty price less that on the coupons; of a TIPS less its indexation too.
    carry
        [n] income less cost: the spot clean price less the forward clean price.
    accretion
        [n] change of the clean price at an unchanged yield: the pull to par.
    roll_down
        [n] change of the clean price by the change of the yield as the security ages along the curve, its own spread
        unchanged.
    total
        [n] carry + accretion + roll-down: the profit if the curve stands still.
    forward_clean_price, rolled_clean_price
        [n] at the horizon: financed, and on the curve that stands still.
    carry_bp
        [n] forward yield less yield: by how much the yield may rise until carry and accretion are gone.
    roll_down_bp
        [n] fall of the yield by ageing.
    """

    cusips: tuple[str, ...]
    interest_income: Floats
    financing_cost: Floats
    carry: Floats
    accretion: Floats
    roll_down: Floats
    forward_clean_price: Floats
    rolled_clean_price: Floats
    carry_bp: Floats
    roll_down_bp: Floats

    @property
    def total(self) -> Floats:
        """[n] profit per 100 face if the curve stands still."""
        return self.carry + self.accretion + self.roll_down

    def frame(self) -> pl.DataFrame:
        """One row a security."""
        import polars as pl

        names = [name for name in self.__dataclass_fields__ if name != "cusips"]
        names.insert(names.index("roll_down") + 1, "total")
        return pl.DataFrame({"cusip": list(self.cusips)} | {name: getattr(self, name) for name in names})


def paid_between(placed: Placed, until: date) -> tuple[Ints, Ints, Floats]:
    """(place in the book, day number, interest per 100 face) of what is paid after settlement and not after a day.

    The day is before every maturity, so no principal is among it.
    """
    last = until.toordinal() - EPOCH
    flows = placed.flows
    due = flows.days <= last
    found = [(placed.rows[flows.owner[due]], flows.days[due], flows.amounts[due])]
    if (odd := placed.odd_last) is not None:
        due = odd.days <= last
        found.append((odd.rows[odd.owner[due]], odd.days[due], odd.amounts[due]))
    if (floating := placed.floating) is not None:
        period, note = np.nonzero(floating.days <= last)
        found.append((floating.rows[note], floating.days[period, note], floating.amounts[period, note]))
    rows, days, amounts = (np.concatenate(part) for part in zip(*found, strict=True))
    return rows, days, amounts


def checked_horizon(columns: Columns, settlement: date, horizon: date) -> None:
    """Demand a horizon after settlement and before every maturity.

    Raises
    ------
    SettlementOutOfRange
        Names the first row and its CUSIP.
    ConventionError
        If it is no date.
    """
    if isinstance(horizon, datetime) or not isinstance(horizon, date):
        raise ConventionError(f"horizon: {horizon!r} is not a datetime.date such as date(2026, 9, 24)")
    if horizon <= settlement:
        raise SettlementOutOfRange(f"horizon: {horizon} is not after settlement {settlement}")
    if (gone := np.flatnonzero(columns.maturity <= horizon.toordinal() - EPOCH)).size:
        row = int(gone[0])
        end = date.fromordinal(int(columns.maturity[row]) + EPOCH)
        raise SettlementOutOfRange(
            f"horizon: {horizon} is not before the maturity {end} of securities[{row}] {columns.cusips[row]}; "
            "give an earlier one, or leave it out"
        )


def carry_roll(
    start: Groups,
    end: Groups,
    curve: DiscountCurve,
    dirty: Floats,
    repo_rate: float,
    inflation: float | None,
) -> CarryRoll:
    """Carry and roll-down of a book between two placings of it; see `Book.carry_roll`."""
    placed, later = start.placed, end.placed
    rate = checked_rate("repo_rate", repo_rate)
    growth = _index_growth(placed.columns, inflation)
    days = later.day - placed.day
    rows, at, amounts = paid_between(placed, later.settlement)
    terms = at - placed.day
    paid, worth = np.zeros(len(dirty)), np.zeros(len(dirty))
    np.add.at(paid, rows, amounts)
    np.add.at(worth, rows, amounts * growth[rows] ** terms / (1.0 + rate * terms / REPO_YEAR))
    forward = (dirty - worth) * (1.0 + rate * days / REPO_YEAR) / growth**days - later.accrued
    clean, yields = dirty - placed.accrued, start.yields(dirty)
    spreads = OnCurve(placed, curve).z_spreads(dirty)
    rolled = OnCurve(later, Still(curve, later.settlement)).dirty_at_spreads(spreads)
    aged = end.prices(yields)
    rolled_yields = end.yields(rolled)
    carry, income = clean - forward, paid + later.accrued - placed.accrued
    return CarryRoll(
        cusips=placed.columns.cusips,
        interest_income=income,
        financing_cost=income - carry,
        carry=carry,
        accretion=aged - later.accrued - clean,
        roll_down=rolled - aged,
        forward_clean_price=forward,
        rolled_clean_price=rolled - later.accrued,
        carry_bp=(end.yields(forward + later.accrued) - yields) / BASIS_POINT,
        roll_down_bp=(yields - rolled_yields) / BASIS_POINT,
    )


def _index_growth(columns: Columns, inflation: float | None) -> Floats:
    """[n] growth of the index ratio a day: 1 of all but TIPS."""
    linked = columns.kind == "tips"
    if inflation is None:
        if (rows := np.flatnonzero(linked)).size:
            row = int(rows[0])
            raise ConventionError(
                f"inflation: securities[{row}] ({columns.cusips[row]}) is a TIPS, whose carry needs the annual rate at "
                "which its index ratio grows to the horizon, a decimal such as 0.025"
            )
        return np.ones(len(columns))
    return np.where(linked, (1.0 + checked_rate("inflation", inflation)) ** (1.0 / 365.0), 1.0)
