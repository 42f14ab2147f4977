from __future__ import annotations

import csv
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest

from tbill_defi.conventions import SETTLEMENT, TRADING, is_settlement_day, is_trading_day, settlement_date
from tbill_defi.core.errors import ConventionError

DATA = Path(__file__).resolve().parents[4] / "shared" / "data"


@pytest.mark.parametrize(
    ("trade", "settle"),
    [
        (date(2026, 4, 1), date(2026, 4, 2)),
        (date(2026, 4, 2), date(2026, 4, 6)),
        (date(2026, 4, 3), date(2026, 4, 6)),
        (date(2026, 8, 21), date(2026, 8, 24)),
        (date(2026, 12, 24), date(2026, 12, 28)),
        (date(2018, 12, 4), date(2018, 12, 6)),
    ],
)
def test_trades_settle_on_the_next_settlement_day(trade: date, settle: date) -> None:
    assert settlement_date(trade) == settle


def test_cash_settlement_is_the_trade_date_unless_nothing_settles_then() -> None:
    assert settlement_date(date(2026, 4, 2), days=0) == date(2026, 4, 2)
    assert settlement_date(date(2026, 4, 3), days=0) == date(2026, 4, 6)
    assert settlement_date(date(2026, 4, 1), days=2) == date(2026, 4, 6)


def test_good_friday_with_an_employment_report_trades_and_does_not_settle() -> None:
    assert is_trading_day(date(2026, 4, 3))
    assert not is_settlement_day(date(2026, 4, 3))


@pytest.mark.parametrize("day", [date(2026, 4, 4), date(2026, 7, 3), date(2001, 9, 11)])
def test_a_trade_date_must_be_a_trading_day(day: date) -> None:
    with pytest.raises(ConventionError, match=f"trade_date: {day}.*is not a trading day; the last one is"):
        settlement_date(day)


def test_negative_days_are_refused() -> None:
    with pytest.raises(ConventionError, match="days: -1"):
        settlement_date(date(2026, 4, 1), days=-1)


def test_days_outside_the_calendars_are_refused() -> None:
    with pytest.raises(ConventionError, match="1900-01-01"):
        TRADING.is_good(date(1900, 1, 1))


def test_moving_over_good_days() -> None:
    assert SETTLEMENT.following(date(2026, 4, 3)) == date(2026, 4, 6)
    assert SETTLEMENT.preceding(date(2026, 4, 5)) == date(2026, 4, 2)
    assert SETTLEMENT.advance(date(2026, 4, 6), -1) == date(2026, 4, 2)
    assert SETTLEMENT.advance(date(2026, 4, 4), 1) == date(2026, 4, 6)
    assert TRADING.good_days(date(2026, 4, 2), date(2026, 4, 6)) == [date(2026, 4, n) for n in (2, 3, 6)]


@pytest.mark.realdata
def test_settlement_calendar_has_the_recommended_holidays_of_2026_and_2027() -> None:
    path = DATA / "bond_holidays_2026_2027.csv"
    if not path.exists():
        pytest.skip(f"{path} is not here")
    with path.open() as file:
        published = {datetime.strptime(row[0], "%A, %B %d, %Y").date() for row in csv.reader(file)}
    weekdays = {date(2026, 1, 1) + timedelta(days=n) for n in range(730)}
    ours = {day for day in weekdays if day.weekday() < 5 and not SETTLEMENT.is_good(day)}
    # the list prints Independence Day 2027 on its Sunday; New Year's Days and the observed Monday are not in it
    assert ours - published == {date(2026, 1, 1), date(2027, 1, 1), date(2027, 7, 5)}
    assert published - ours == {date(2027, 7, 4)}


@pytest.mark.realdata
def test_trading_days_are_the_days_with_a_curve() -> None:
    path = DATA / "par_yields.csv"
    if not path.exists():
        pytest.skip(f"{path} is not here")
    with path.open() as file:
        published = [date.fromisoformat(row["Date"]) for row in csv.DictReader(file)]
    assert TRADING.good_days(published[0], published[-1]) == published


@pytest.mark.realdata
def test_no_settlement_on_days_without_sofr() -> None:
    path = DATA / "sofr.csv"
    if not path.exists():
        pytest.skip(f"{path} is not here")
    with path.open() as file:
        rows = [(date.fromisoformat(row[0]), row[1]) for row in list(csv.reader(file))[1:]]
    assert [day for day, rate in rows if SETTLEMENT.is_good(day) != bool(rate)] == []


def test_good_days_are_the_business_days_of_quantlib_but_for_the_exceptions() -> None:
    import QuantLib

    calendar = QuantLib.UnitedStates(QuantLib.UnitedStates.GovernmentBond)
    day = date(1962, 1, 2)
    while day <= date(2150, 12, 31):
        business = calendar.isBusinessDay(QuantLib.Date(day.day, day.month, day.year))
        assert TRADING.is_good(day) == (business and day not in TRADING.exceptions), day
        assert SETTLEMENT.is_good(day) == (business and day not in SETTLEMENT.exceptions), day
        day += timedelta(days=1)
