"""Integer books: entitlements at the start of the date, payment on good days, balance always."""

from datetime import date

import pytest

from tbill_defi.backtest.books import DESK, Books, Line, coupons_due
from tbill_defi.backtest.schedule import decision_days
from tbill_defi.core.errors import PlanError, UsageError
from tbill_defi.instruments import Bill, Note
from tbill_defi.ledger.coupons import coupons as coupons_of_the_ledger

NOTE = Note(cusip="#03260403", coupon=0.04125, dated_date=date(2023, 4, 3), maturity_date=date(2026, 4, 3))
ODD = Note(
    cusip="LONGFIRST", coupon=0.0975, dated_date=date(1988, 10, 15), maturity_date=date(1994, 12, 15),
    first_coupon_date=date(1989, 6, 15),
)  # fmt: skip


def holding(security, face=1_000_000_000, day=date(2023, 4, 3)):
    books = Books()
    books.capital(day, 10**12)
    books.securities[security.cusip] = security
    books._move(Line(day, "trade", "dealer", DESK, security.cusip, face, ""))
    return books


def test_a_coupon_is_due_on_its_date_and_paid_on_the_next_good_day():
    books = holding(NOTE)
    lines, found = books.entitle(date(2024, 10, 2), date(2024, 10, 3))
    assert [(due.nominal, due.cash) for due in found] == [(date(2024, 10, 3), 20_625_000)]
    assert books.receivable == 20_625_000
    assert len(lines) == 1
    books.pay(date(2024, 10, 3))
    assert (books.cash, books.receivable) == (10**12 + 20_625_000, 0)
    books.check(date(2024, 10, 3))


@pytest.mark.invariant("I1")
def test_maturity_on_a_day_that_does_not_settle_pays_on_the_next():
    """2026-04-03 trades and does not settle: principal and last coupon are paid on the 6th."""
    books = holding(NOTE)
    books.entitle(date(2026, 4, 2), date(2026, 4, 3))
    lines, paid = books.pay(date(2026, 4, 3))
    assert (lines, paid) == ([], [])
    assert (books.matured, books.receivable) == (1_000_000_000, 20_625_000)
    assert books.live_positions() == {}
    assert books.positions() == {NOTE.cusip: 1_000_000_000}
    books.check(date(2026, 4, 3))
    _, paid = books.pay(date(2026, 4, 6))
    assert [due.kind for due in paid] == ["coupon", "redemption"]
    assert books.positions() == {}
    assert books.cash == 10**12 + 20_625_000 + 1_000_000_000
    books.check(date(2026, 4, 6))


def test_a_bill_pays_its_face_once():
    bill = Bill(cusip="#TB230706", issue_date=date(2023, 4, 6), maturity_date=date(2023, 7, 6))
    books = holding(bill, day=date(2023, 4, 6))
    books.entitle(date(2023, 7, 5), date(2023, 7, 6))
    assert books.entitle(date(2023, 7, 6), date(2023, 7, 7)) == ([], [])
    assert books.pay(date(2023, 7, 6))[1][0].cash == 1_000_000_000


@pytest.mark.parametrize("security", [NOTE, ODD])
@pytest.mark.parametrize("face", [1, 999_999, 1_000_000_001, 123_456_789_123])
def test_coupons_are_those_of_the_ledger_to_the_base_unit(security, face):
    ours = [(due.nominal, due.cash) for due in coupons_due(security, face, date(1980, 1, 1), date(2030, 1, 1))]
    assert ours == [(coupon.day, coupon.units(face)) for coupon in coupons_of_the_ledger(security)]


def test_stored_books_are_the_same_books():
    books = holding(NOTE)
    books.entitle(date(2026, 4, 2), date(2026, 4, 3))
    again = Books.from_json(books.to_json())
    assert again.to_json() == books.to_json()
    assert (again.dues, again.securities, again.cash) == (books.dues, books.securities, books.cash)


def test_books_that_do_not_balance_stop_the_run():
    books = holding(NOTE)
    books.balances["USD"][DESK] += 1
    with pytest.raises(PlanError, match="USD does not balance"):
        books.check(date(2024, 1, 2))


@pytest.mark.parametrize(
    ("frequency", "expected"),
    [
        ("monthly", [date(2024, 1, 2), date(2024, 2, 1), date(2024, 3, 1)]),
        ("weekly", [date(2024, 1, 2), date(2024, 1, 8)]),
        ("quarterly", [date(2024, 1, 2)]),
        ("annual", [date(2024, 1, 2)]),
        ("maturity", [date(2024, 1, 2)]),
    ],
)
def test_decision_days(frequency, expected):
    from tbill_defi.conventions import TRADING

    days = TRADING.good_days(date(2024, 1, 2), date(2024, 3, 29))
    assert sorted(decision_days(days, frequency))[: len(expected)] == expected


def test_an_unknown_frequency():
    with pytest.raises(UsageError, match="'hourly' is not one of daily, weekly"):
        decision_days([date(2024, 1, 2)], "hourly")
