"""Every security that a day of the past can hold: auction records, and where these have holes, implied issues.

An implied issue stands for one that the Treasury's regular calendar says there was and of which no auction record is
known on its issue date. Calendar, the same in all years: 2, 5 and 7-year notes each month end; 3-year notes on the
15th of each month; 10-year notes, 20 and 30-year bonds on the 15th of February, May, August and November; 26-week
bills each Thursday, 52-week bills every fourth (from 2020-01-02 both ways). A 13-week bill is a reopening of a longer
one and makes a security only where that was not issued. A tenor is issued while the Treasury publishes its par yield:
no 30-year from 2002-02-19 to 2006-02-08, no 20-year before 1993-10-01. Coupons are the tenor's par yield on the last
curve before the issue date, rounded down to 1/8 of a percent, at least 1/8. What was issued before the first curve
carries the first curve's coupon.

Identifiers have the form of a CUSIP and cannot be one: `#`, the tenor in years (02 to 30) or TB for a bill, and the
maturity as YYMMDD: `#10000215` is a 10-year note due 2000-02-15. No US security's CUSIP begins with `#`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Literal

from tbill_defi.conventions.calendars import FIRST_DAY, SETTLEMENT
from tbill_defi.conventions.schedules import add_months, month_end
from tbill_defi.instruments import Bill, Bond, Note
from tbill_defi.market.data import MarketData
from tbill_defi.market.par_yields import TENORS
from tbill_defi.market.universe import excluded_auction, terms_from_auctions

Row = dict[str, Any]
Terms = Bill | Note | Bond

MONTH_END_YEARS, MID_MONTH_YEARS, QUARTERLY_YEARS = (2, 5, 7), (3,), (10, 20, 30)
QUARTER_MONTHS = (2, 5, 8, 11)
BILL_TENORS = ((52, "1 Yr"), (26, "6 Mo"), (13, "3 Mo"))
BILL_ANCHOR = date(2020, 1, 2)
"""A Thursday on which a 52-week bill was issued; the others are a multiple of four weeks away."""
LONGEST_NOTE_YEARS = 10
STALE_DAYS = 10
"""Nothing is issued when the last curve is older: the data have a hole."""
EIGHTHS = 800
LATE_DAYS = 7
"""An auctioned security this much later than the calendar's date fills its place."""


@dataclass(frozen=True, slots=True)
class Issue:
    """One security of history.

    Attributes
    ----------
    security
        Its terms.
    listed
        First day on which it is in the universe: issued, and known.
    source
        "auction": from auction records. "implied": by the regular calendar.
    """

    security: Terms
    listed: date
    source: Literal["auction", "implied"]


@dataclass(frozen=True, slots=True)
class Exclusion:
    """A security without nominal flows that its terms fix (TIPS, FRN, callable): its CUSIP and its days."""

    kind: str
    cusip: str
    listed: date
    maturity: date


@dataclass(frozen=True)
class IssueHistory:
    """All issues ordered by (maturity, CUSIP), and what was excluded.

    It spans the whole history: what a day may see of it is `portfolio.history`'s to select.
    """

    issues: tuple[Issue, ...]
    exclusions: tuple[Exclusion, ...]


def issue_history(data: MarketData) -> IssueHistory:
    """Every issue up to the last curve of the data.

    Raises
    ------
    DataError
        If auction records contradict each other.
    """
    groups: dict[str, list[Row]] = {}
    for row in data.datasets["auctions"].rows:
        groups.setdefault(row["cusip"], []).append(row)
    recorded: list[Issue] = []
    exclusions: list[Exclusion] = []
    for cusip, rows in groups.items():
        issued = min(row["originalIssueDate"] or row["issueDate"] for row in rows)
        listed = max(issued, rows[0]["auctionDate"])
        kind = excluded_auction(rows)
        if kind:
            exclusions.append(Exclusion(kind, cusip, listed, rows[0]["maturityDate"]))
        else:
            recorded.append(Issue(terms_from_auctions(rows), listed, "auction"))
    curves = Curves.of(data)
    implied = list(_implied(curves, recorded)) if curves.days else []
    issues = sorted([*recorded, *implied], key=lambda issue: (issue.security.maturity_date, issue.security.cusip))
    return IssueHistory(tuple(issues), tuple(sorted(exclusions, key=lambda found: (found.kind, found.cusip))))


@dataclass(frozen=True)
class Curves:
    """Par yields by day: `yields[tenor][i]` is of `days[i]`, None where none was published."""

    days: list[date]
    yields: dict[str, list[float | None]]

    @classmethod
    def of(cls, data: MarketData) -> Curves:
        """All of the data's, oldest first."""
        found = data.datasets["par_yields"]
        return cls(found.days, {tenor: found.frame[tenor].to_list() for tenor in TENORS})

    def last_before(self, issued: date) -> int | None:
        """The curve an issue is priced on: the last before it; the first of all for what was issued before."""
        place = max(bisect_left(self.days, issued) - 1, 0)
        return place if (issued - self.days[place]).days <= STALE_DAYS else None


def _implied(curves: Curves, recorded: Sequence[Issue]) -> Iterator[Issue]:
    """Issues of the calendar that no record fills."""
    first, last = curves.days[0], curves.days[-1]
    coupons: dict[tuple[int, int, int], date] = {}
    bills: dict[date, date] = {}
    for issue in recorded:
        security = issue.security
        if isinstance(security, Bill):
            bills[security.maturity_date] = min(issue.listed, bills.get(security.maturity_date, date.max))
        else:
            key = _place(tenor_years(security), security.maturity_date)
            coupons[key] = min(issue.listed, coupons.get(key, date.max))
    yield from _implied_bills(curves, bills)
    for years in (*MONTH_END_YEARS, *MID_MONTH_YEARS, *QUARTERLY_YEARS):
        for dated in _calendar(years, first, last):
            issued, maturity = SETTLEMENT.following(dated), _maturity(dated, years)
            place = curves.last_before(issued)
            rate = None if place is None else curves.yields[f"{years} Yr"][place]
            if rate is None or maturity <= first or issued > last:
                continue
            if coupons.get(_place(years, maturity), date.max) > issued + timedelta(days=LATE_DAYS):
                yield Issue(_coupon_security(years, dated, issued, maturity, rate), max(issued, first), "implied")


def tenor_years(security: Note | Bond) -> int:
    """Years at issue: from dated date to maturity, rounded."""
    return round((security.maturity_date - security.dated_date).days / 365.25)


def _place(years: int, maturity: date) -> tuple[int, int, int]:
    return years, maturity.year, maturity.month


def _maturity(dated: date, years: int) -> date:
    return add_months(dated, 12 * years, end_of_month=years in MONTH_END_YEARS)


def _calendar(years: int, first: date, last: date) -> Iterator[date]:
    """Dated dates of a tenor, from those still outstanding on the first day."""
    month = max(add_months(first.replace(day=1), -12 * years), add_months(FIRST_DAY.replace(day=1), 1))
    while month <= last:
        if years in MONTH_END_YEARS:
            yield month_end(month.year, month.month)
        elif years in MID_MONTH_YEARS or month.month in QUARTER_MONTHS:
            yield month.replace(day=15)
        month = add_months(month, 1)


def par_coupon(rate: float) -> float:
    """A par yield rounded down to 1/8 of a percent, at least 1/8, as at auctions; decimal."""
    return max(round(rate * 1e8) // (10**8 // EIGHTHS), 1) / EIGHTHS


def _coupon_security(years: int, dated: date, issued: date, maturity: date, rate: float) -> Note | Bond:
    model = Note if years <= LONGEST_NOTE_YEARS else Bond
    return model(
        cusip=f"#{years:02d}{maturity:%y%m%d}",
        coupon=par_coupon(rate),
        dated_date=dated,
        maturity_date=maturity,
        issue_date=issued,
    )


def _implied_bills(curves: Curves, recorded: dict[date, date]) -> Iterator[Issue]:
    """Weekly bills; those of one maturity are one security, issued at the longest term."""
    first, last = curves.days[0], curves.days[-1]
    made: set[date] = set()
    week = BILL_ANCHOR + timedelta(weeks=4 * ((first - BILL_ANCHOR).days // 28 - 13))
    while (issued := SETTLEMENT.following(week)) <= last:
        place = curves.last_before(issued)
        for weeks, tenor in BILL_TENORS:
            maturity = SETTLEMENT.following(week + timedelta(weeks=weeks))
            skipped = weeks == 52 and (week - BILL_ANCHOR).days % 28
            if place is None or curves.yields[tenor][place] is None or skipped:
                continue
            if maturity <= first or maturity in made:
                continue
            near = (maturity + timedelta(days=shift) for shift in (-1, 0, 1))
            if all(recorded.get(day, date.max) > issued for day in near):
                made.add(maturity)
                terms = Bill(cusip=f"#TB{maturity:%y%m%d}", issue_date=issued, maturity_date=maturity)
                yield Issue(terms, max(issued, first), "implied")
        week += timedelta(weeks=1)
