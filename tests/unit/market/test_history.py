"""What the past could hold: records, and the regular calendar where these have holes."""

from datetime import date

import polars as pl
import pytest

from tbill_defi.core.identifiers import cusip
from tbill_defi.market.data import KINDS, MarketData
from tbill_defi.market.history import issue_history, par_coupon
from tests.unit.backtest.support import par_yields

FIRST, LAST = date(2003, 1, 2), date(2004, 12, 31)


@pytest.fixture(scope="module")
def issues():
    return {issue.security.cusip: issue for issue in issue_history(MarketData(par_yields=par_yields())).issues}


@pytest.mark.parametrize(
    ("rate", "coupon"),
    [
        (0.0419, 0.04125),
        (0.04125, 0.04125),
        (0.04124999, 0.04),
        (0.0787, 0.0775),
        (0.0009, 0.00125),
        (0.07875, 0.07875),
    ],
)
def test_coupons_are_rounded_down_to_an_eighth(rate, coupon):
    assert par_coupon(rate) == coupon


def test_identifiers_have_the_form_of_a_cusip_and_cannot_be_one(issues):
    assert all(cusip(name) == name and name[0] == "#" for name in issues)


def test_calendar(issues):
    note = issues["#10130515"]
    assert (note.security.dated_date, note.security.issue_date, note.listed) == (date(2003, 5, 15),) * 3
    two = issues["#02050531"]
    assert (two.security.dated_date, two.security.issue_date) == (date(2003, 5, 31), date(2003, 6, 2))
    assert two.listed == date(2003, 6, 2)
    assert "#03060715" in issues
    assert "#10130415" not in issues, "the 10-year is issued in February, May, August and November"
    bill = issues["#TB040102"]
    assert (bill.security.issue_date, bill.security.maturity_date) == (date(2003, 7, 3), date(2004, 1, 2))


def test_bills_of_one_maturity_are_one(issues):
    bills = [issue.security.maturity_date for issue in issues.values() if issue.security.kind == "bill"]
    assert len(bills) == len(set(bills))


def test_a_tenor_without_par_yield_is_not_issued(issues):
    assert not any(name.startswith("#30") for name in issues)


def test_coupons_come_from_the_curve_before_the_issue(issues):
    rows = {row["date"]: row for row in par_yields().to_dicts()}
    assert issues["#10130515"].security.coupon == par_coupon(rows[date(2003, 5, 14)]["10 Yr"])


def test_what_was_issued_before_the_first_curve_carries_its_coupon(issues):
    first = par_yields()["10 Yr"][0]
    old = issues["#10050215"]
    assert (old.security.dated_date, old.listed) == (date(1995, 2, 15), FIRST)
    assert old.security.coupon == par_coupon(first)


def test_later_curves_change_no_earlier_issue():
    base = issue_history(MarketData(par_yields=par_yields()))
    moved = issue_history(MarketData(par_yields=par_yields(shift=0.01, from_day=date(2004, 1, 5))))
    known = [issue for issue in base.issues if issue.listed <= date(2004, 1, 5)]
    assert known == [issue for issue in moved.issues if issue.listed <= date(2004, 1, 5)]
    assert base != moved


def record(**changes):
    row = dict.fromkeys(KINDS["auctions"].schema)
    row |= {
        "cusip": "912828AA1", "type": "Note", "reopening": False, "tips": False, "floatingRate": False,
        "auctionDate": date(2003, 5, 8), "issueDate": date(2003, 5, 15), "datedDate": date(2003, 5, 15),
        "maturityDate": date(2013, 5, 15), "firstInterestPaymentDate": date(2003, 11, 15), "interestRate": 0.03875,
    }  # fmt: skip
    return row | changes


def with_records(*rows):
    frame = pl.DataFrame(list(rows), schema=KINDS["auctions"].schema)
    found = issue_history(MarketData(par_yields=par_yields(), auctions=frame))
    return {issue.security.cusip: issue for issue in found.issues}, found


def test_a_record_takes_its_place_in_the_calendar():
    found, _ = with_records(record())
    assert "#10130515" not in found
    assert (found["912828AA1"].source, found["912828AA1"].listed) == ("auction", date(2003, 5, 15))


def test_a_later_reopening_does_not_change_the_past():
    """Only a reopening is on record: on its issue date the calendar's place was empty, so it was filled."""
    again = record(
        reopening=True, auctionDate=date(2003, 6, 11), issueDate=date(2003, 6, 16), originalIssueDate=date(2003, 5, 15)
    )
    found, _ = with_records(again)
    assert found["#10130515"].listed == date(2003, 5, 15)
    assert found["912828AA1"].listed == date(2003, 6, 11)


def test_what_has_no_pricer_is_excluded_by_name():
    found, history = with_records(record(cusip="912828TT1", type="TIPS", tips=True))
    assert "912828TT1" not in found
    assert [(e.kind, e.cusip, e.listed) for e in history.exclusions] == [("TIPS", "912828TT1", date(2003, 5, 15))]
    assert "#10130515" in found, "an inflation-protected note does not fill a nominal one's place"
