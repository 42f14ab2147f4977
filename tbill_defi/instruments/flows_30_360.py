"""Cash flows of bonds that count 30/360, to maturity or to a call."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from functools import lru_cache

from tbill_defi.conventions.day_counts import thirty_360
from tbill_defi.conventions.schedules import SHORTEST_MONTH, is_month_end, quasi_coupon_dates
from tbill_defi.instruments.flows import CashFlows, exact_rate, frozen, frozen_dates


@dataclass(frozen=True, eq=False)
class Flows30360(CashFlows):
    """What a bond pays that counts 30/360; attributes as of `CashFlows`, and these.

    Attributes
    ----------
    periods_per_year
        1, 2 or 4.
    last_part
        Part of a regular period that the last one is: below 1 to a call between coupon dates.
    end_of_month
        Whether February's last day counts as a 30th.
    """

    end_of_month: bool = False

    def accrued(self, day: date) -> Fraction:
        """Exact interest per 100 face at `day`: days on 30/360 since the last coupon or dated date; 0 on one."""
        return self.rate * self._days(self.accrues_from(day), day) / 360

    def part_left(self, day: date) -> float:
        """Part of a regular period from `day` to the end of the current one: (E - A) / E of MSRB Rule G-33."""
        end = bisect_right(self.quasi_dates, day)
        whole = self.last_part if end == len(self.quasi_dates) - 1 else 1.0
        return whole - self._days(self.quasi_dates[end - 1], day) * self.periods_per_year / 360

    def _days(self, start: date, end: date) -> int:
        return thirty_360(start, end, end_of_month=self.end_of_month)


@lru_cache(maxsize=4096)
def flows_30_360(
    coupon: float,
    dated_date: date,
    maturity: date,
    first_coupon_date: date | None,
    issue_date: date,
    periods_per_year: int,
    call: tuple[date, float] | None = None,
) -> Flows30360:
    """Flows of a fixed coupon: 100 at maturity, or the call price on the call date with the interest to it.

    A regular period pays the annual coupon over `periods_per_year`, whatever its days.
    """
    quasi = quasi_coupon_dates(dated_date, maturity, 12 // periods_per_year)
    month_end = is_month_end(maturity) or maturity.day > SHORTEST_MONTH
    rate, regular = exact_rate(coupon), Fraction(1, periods_per_year)

    def years(start: date, end: date) -> Fraction:
        return Fraction(thirty_360(start, end, end_of_month=month_end), 360)

    first = 1 if first_coupon_date is None else quasi.index(first_coupon_date)
    last, last_part, redemption = len(quasi) - 1, Fraction(1), 100.0
    if call is not None:
        redemption = call[1]
        last = bisect_left(quasi, call[0])
        if quasi[last] != call[0]:
            last_part = years(quasi[last - 1], call[0]) / regular
        quasi = (*quasi[:last], call[0])
        first = min(first, last)
    fractions = [regular] * (last - first) + [regular * last_part]
    if first > 1 or quasi[0] != dated_date:
        fractions[0] = years(dated_date, quasi[first])
    coupons = [float(rate * fraction) for fraction in fractions]
    return Flows30360(
        dates=frozen_dates(quasi[first:]),
        amounts=frozen([*coupons[:-1], coupons[-1] + redemption]),
        coupons=frozen(coupons),
        fractions=tuple(fractions),
        accrual_start=dated_date,
        first_settlement=issue_date,
        quasi_dates=quasi,
        first_flow=first,
        rate=rate,
        periods_per_year=periods_per_year,
        last_part=float(last_part),
        end_of_month=month_end,
    )
