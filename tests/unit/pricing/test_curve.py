from __future__ import annotations

import csv
import math
import pickle
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest
import QuantLib

from tbill_defi.conventions import YieldConvention
from tbill_defi.core.errors import ConventionError, SettlementOutOfRange
from tbill_defi.instruments import Bill, Bond, Note
from tbill_defi.pricing import Curve, Interpolation, accrued_interest, yield_from_clean_price
from tbill_defi.pricing.bootstrap import node_date, tenor_months

ql = QuantLib
STREET = YieldConvention.STREET
DATA = Path(__file__).resolve().parents[4] / "shared" / "data"
DAY = date(2026, 8, 21)
# US Treasury, Daily Treasury Par Yield Curve Rates, 2026-08-21
PAR = {
    "1 Mo": 0.0380,
    "1.5 Mo": 0.0377,
    "2 Mo": 0.0380,
    "3 Mo": 0.0388,
    "4 Mo": 0.0390,
    "6 Mo": 0.0395,
    "1 Yr": 0.0403,
    "2 Yr": 0.0424,
    "3 Yr": 0.0431,
    "5 Yr": 0.0443,
    "7 Yr": 0.0457,
    "10 Yr": 0.0474,
    "20 Yr": 0.0525,
    "30 Yr": 0.0527,
}
METHODS = ["monotone_convex", "log_linear", "monotone_convex_zero"]


@pytest.fixture(scope="module", params=METHODS)
def curve(request: pytest.FixtureRequest) -> Curve:
    return Curve.bootstrap(DAY, PAR, request.param)


@pytest.fixture(scope="module")
def monotone() -> Curve:
    return Curve.bootstrap(DAY, PAR)


def test_par_yields_are_reproduced(curve: Curve) -> None:
    for tenor, rate in PAR.items():
        assert curve.par_yield(tenor) == pytest.approx(rate, abs=1e-12)


def test_money_market_nodes_by_hand(curve: Curve) -> None:
    assert curve.discount(date(2026, 11, 21)) == pytest.approx(1 / (1 + 0.0388 * 92 / 365), abs=1e-14)
    assert curve.discount(date(2026, 9, 21) + timedelta(days=15)) == pytest.approx(
        1 / (1 + 0.0377 * 46 / 365), abs=1e-14
    )


def test_one_year_node_by_hand(curve: Curve) -> None:
    half = curve.discount(date(2027, 2, 21))
    assert half == pytest.approx(1 / (1 + 0.0395 * 184 / 365), abs=1e-14)
    assert curve.discount(date(2027, 8, 21)) == pytest.approx((1 - 0.0403 / 2 * half) / (1 + 0.0403 / 2), abs=1e-13)


def test_par_bonds_price_to_par(curve: Curve) -> None:
    for years in (1, 2, 5, 10, 30):
        maturity = DAY.replace(year=DAY.year + years)
        note = Note(cusip="91282CQX2", coupon=PAR[f"{years} Yr"], dated_date=DAY, maturity_date=maturity)
        assert curve.dirty_price(note, settlement=DAY) == pytest.approx(100.0, abs=1e-11)
        yield_ = curve.yield_of(note, settlement=DAY, convention=STREET)
        assert yield_ == pytest.approx(PAR[f"{years} Yr"], abs=1e-13)


def test_default_is_monotone_convex(monotone: Curve) -> None:
    assert monotone.interpolation is Interpolation.MONOTONE_CONVEX
    assert monotone.par_yields == PAR
    assert monotone.last_date == date(2056, 8, 21)


@pytest.mark.parametrize("method", METHODS)
def test_quantlib_curve_is_followed_between_nodes(method: str) -> None:
    """QuantLib's piecewise curves with this recipe, written apart from the engine: unadjusted backward schedules."""
    built = Curve.bootstrap(DAY, PAR, method)
    with ql.SavedSettings():
        start = ql.Date(21, 8, 2026)
        ql.Settings.instance().evaluationDate = start
        helpers = []
        for tenor, rate in PAR.items():
            maturity = node_date(DAY, tenor_months(tenor))
            end = ql.Date(maturity.day, maturity.month, maturity.year)
            if tenor_months(tenor) < 12:
                price = 100 / (1 + rate * (end - start) / 365)
                bond = ql.ZeroCouponBond(0, ql.NullCalendar(), 100, end, ql.Unadjusted, 100.0, start)
            else:
                price = 100.0
                schedule = ql.Schedule(
                    start, end, ql.Period(ql.Semiannual), ql.NullCalendar(), ql.Unadjusted, ql.Unadjusted,
                    ql.DateGeneration.Backward, False,
                )  # fmt: skip
                count = ql.ActualActual(ql.ActualActual.Bond, schedule)
                bond = ql.FixedRateBond(0, 100.0, schedule, [rate], count)
            helpers.append(ql.BondHelper(ql.QuoteHandle(ql.SimpleQuote(price)), bond))
        tight, count = ql.IterativeBootstrap(1e-14), ql.Actual365Fixed()
        kinds = {
            "monotone_convex": lambda: ql.PiecewiseConvexMonotoneForward(start, helpers, count, tight),
            "log_linear": lambda: ql.PiecewiseLogLinearDiscount(start, helpers, count, tight),
            "monotone_convex_zero": lambda: ql.PiecewiseConvexMonotoneZero(start, helpers, count, tight),
        }
        oracle = kinds[method]()
        expected = [oracle.discount(start + days) for days in range(0, 10_958, 37)]
    days = np.array([DAY + timedelta(days=n) for n in range(0, 10_958, 37)], dtype="datetime64[D]")
    assert built.discount_factors(days) == pytest.approx(expected, abs=1e-11)


def test_evaluation_date_does_not_leak() -> None:
    before = ql.Settings.instance().evaluationDate
    try:
        ql.Settings.instance().evaluationDate = ql.Date(3, 2, 2020)
        first = Curve.bootstrap(DAY, PAR)
        assert ql.Settings.instance().evaluationDate == ql.Date(3, 2, 2020)
        ql.Settings.instance().evaluationDate = ql.Date(1, 6, 2030)
        second = Curve.bootstrap(DAY, PAR)
        assert (first.factors == second.factors).all()
        with pytest.raises(ConventionError, match="no monotone_convex_zero curve"):
            Curve.bootstrap(date(2013, 10, 10), {"1 Mo": 0.0025, "3 Mo": 0.0005, "1 Yr": 0.0014}, METHODS[2])
        assert ql.Settings.instance().evaluationDate == ql.Date(1, 6, 2030)
    finally:
        ql.Settings.instance().evaluationDate = before


def test_factors_are_positive_and_fall(monotone: Curve) -> None:
    assert monotone.factors[0] == 1.0
    assert (np.diff(monotone.factors) < 0).all()
    forwards = -np.diff(np.log(monotone.factors)) * 365
    assert forwards.min() > 0.035
    assert forwards.max() < 0.065


def test_log_linear_forwards_are_flat_between_nodes() -> None:
    built = Curve.bootstrap(DAY, PAR, "log_linear")
    first = built.forward_rate(date(2032, 1, 1), date(2032, 1, 2))
    assert built.forward_rate(date(2033, 1, 1), date(2033, 6, 1)) == pytest.approx(first, abs=1e-12)


def test_beyond_the_last_node_the_forward_is_flat(curve: Curve) -> None:
    last, before = curve.last_date, date(2046, 8, 21)
    average = curve.forward_rate(before, last)
    assert curve.forward_rate(last, last + timedelta(days=1)) == pytest.approx(average, abs=1e-11)
    assert curve.forward_rate(last + timedelta(days=900), date(2070, 1, 1)) == pytest.approx(average, abs=1e-12)


def test_rates_and_factors_agree(monotone: Curve) -> None:
    day = date(2031, 5, 5)
    years = (day - DAY).days / 365
    assert math.exp(-monotone.zero_rate(day) * years) == pytest.approx(monotone.discount(day), rel=1e-14)
    assert monotone.discount(DAY) == 1.0
    assert monotone.discount_factors(np.array([[day, DAY]], dtype="datetime64[D]")).shape == (1, 2)


def test_eighteen_month_par_yield_lies_between_its_neighbours(monotone: Curve) -> None:
    assert 0.0403 < monotone.par_yield("18 Mo") < 0.0424
    with pytest.raises(ConventionError, match="'14 Mo' is not whole half-years"):
        monotone.par_yield("14 Mo")


def test_price_is_the_sum_of_discounted_flows(monotone: Curve) -> None:
    bond = Bond(cusip="912810UV8", coupon=0.05, dated_date=date(2026, 5, 15), maturity_date=date(2046, 5, 15))
    settlement = date(2026, 8, 24)
    flows = bond.resolve()
    total = sum(amount * monotone.discount(day) for day, amount in zip(flows.payment_dates, flows.amounts, strict=True))
    dirty = monotone.dirty_price(bond, settlement=settlement)
    assert dirty == pytest.approx(total / monotone.discount(settlement), abs=1e-11)
    clean = monotone.clean_price(bond, settlement=settlement)
    assert dirty - clean == pytest.approx(accrued_interest(bond, settlement=settlement), abs=1e-13)


def test_the_coupon_of_the_settlement_date_is_left_out(monotone: Curve) -> None:
    note = Note(cusip="91282CQX2", coupon=0.04, dated_date=date(2026, 2, 28), maturity_date=date(2028, 8, 31))
    before = monotone.dirty_price(note, settlement=date(2026, 8, 30))
    on = monotone.dirty_price(note, settlement=date(2026, 8, 31))
    assert before - on == pytest.approx(2.0, abs=0.02)


def test_a_bill_beyond_half_a_year(monotone: Curve) -> None:
    bill = Bill(cusip="912797SC2", issue_date=DAY, maturity_date=date(2027, 8, 5))
    assert monotone.dirty_price(bill, settlement=DAY) == pytest.approx(100 * monotone.discount(date(2027, 8, 5)))


def test_spread_and_its_inverse(monotone: Curve) -> None:
    note = Note(cusip="91282CQX2", coupon=0.04125, dated_date=date(2026, 6, 30), maturity_date=date(2031, 6, 30))
    where = {"settlement": date(2026, 8, 24), "convention": STREET}
    spread = monotone.yield_spread(note, 98.5, **where)
    own = yield_from_clean_price(note, monotone.clean_price(note, settlement=date(2026, 8, 24)), **where)
    assert spread == pytest.approx(yield_from_clean_price(note, 98.5, **where) - own, abs=1e-14)
    assert monotone.clean_price_at_spread(note, spread, **where) == pytest.approx(98.5, abs=1e-11)
    assert monotone.clean_price_at_spread(note, 0.0, **where) == pytest.approx(
        monotone.clean_price(note, settlement=date(2026, 8, 24)), abs=1e-11
    )


def test_missing_tenors_are_left_out() -> None:
    row = {**PAR, "1 Mo": None, "2 Mo": float("nan"), "30 Yr": None}
    built = Curve.bootstrap(DAY, row)
    assert list(built.par_yields) == [tenor for tenor in PAR if tenor not in ("1 Mo", "2 Mo", "30 Yr")]
    assert built.last_date == date(2046, 8, 21)
    assert built.par_yield("20 Yr") == pytest.approx(0.0525, abs=1e-12)


def test_order_of_the_row_does_not_matter(monotone: Curve) -> None:
    shuffled = Curve.bootstrap(DAY, dict(reversed(PAR.items())))
    assert (shuffled.factors == monotone.factors).all()


def test_a_curve_dated_on_leap_day_has_regular_periods() -> None:
    built = Curve.bootstrap(date(2024, 2, 29), {"6 Mo": 0.05, "1 Yr": 0.049, "5 Yr": 0.043})
    assert built.last_date == date(2029, 2, 28)
    assert built.par_yield("5 Yr") == pytest.approx(0.043, abs=1e-12)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"3 Mo": 3.88, "1 Yr": 0.04}, "3 Mo: 3.88 looks like percent; give a decimal such as 0.0388"),
        ({"3 Mo": float("inf"), "1 Yr": 0.04}, "3 Mo: inf looks like percent"),
        ({"3 Mo": 0.0388}, "1 tenors .3 Mo.; a curve needs at least two"),
        ({}, "0 tenors .none."),
        ({"1 Yr": 0.04, "12 Mo": 0.04}, "each once"),
        ({"3M": 0.0388, "1 Yr": 0.04}, "tenor: '3M' is not a tenor such as '3 Mo' or '10 Yr'"),
        ({"1.5 Yr": 0.0388, "1 Yr": 0.04}, "tenor: '1.5 Yr'"),
    ],
)
def test_a_bad_row_is_one_error(row: dict[str, float], message: str) -> None:
    with pytest.raises(ConventionError, match=message):
        Curve.bootstrap(DAY, row)


def test_unknown_interpolation_is_refused() -> None:
    with pytest.raises(ConventionError, match="interpolation: 'spline' is not one of monotone_convex, log_linear"):
        Curve.bootstrap(DAY, PAR, "spline")


def test_days_before_the_curve_are_refused(monotone: Curve) -> None:
    bill = Bill(cusip="912797SC2", issue_date=date(2026, 8, 20), maturity_date=date(2026, 9, 17))
    with pytest.raises(SettlementOutOfRange, match="2026-08-20 is before the curve of 2026-08-21"):
        monotone.dirty_price(bill, settlement=date(2026, 8, 20))
    with pytest.raises(ConventionError, match="date: 2026-08-20 is before the curve"):
        monotone.discount(date(2026, 8, 20))
    with pytest.raises(ConventionError, match="a zero rate needs a term"):
        monotone.zero_rate(DAY)
    with pytest.raises(ConventionError, match="must be after start"):
        monotone.forward_rate(DAY, DAY)


def test_a_curve_is_immutable_and_travels(monotone: Curve) -> None:
    with pytest.raises(ValueError, match="read-only"):
        monotone.factors[0] = 2.0
    again = pickle.loads(pickle.dumps(monotone))
    assert again.discount(date(2040, 1, 1)) == monotone.discount(date(2040, 1, 1))


@pytest.mark.realdata
@pytest.mark.parametrize("method", METHODS[:2])
def test_par_yields_of_every_year_are_reproduced(method: str) -> None:
    path = DATA / "par_yields.csv"
    if not path.exists():
        pytest.skip(f"{path} is not here")
    # days whose yields near 0 imply negative forwards, where the constrained construction finds no curve
    hard = {"2011-09-22", "2013-10-10", "2015-10-01", "2020-03-25", "2021-10-19"}
    with path.open() as file:
        rows = [row for number, row in enumerate(csv.DictReader(file)) if number % 190 == 0 or row["Date"] in hard]
    assert len({row["Date"][:4] for row in rows}) == 37
    for row in rows:
        day = date.fromisoformat(row.pop("Date"))
        par = {tenor: float(text) / 100 if text else None for tenor, text in row.items()}
        built = Curve.bootstrap(day, par, method)
        assert len(built.par_yields) == sum(rate is not None for rate in par.values())
        for tenor, rate in built.par_yields.items():
            assert built.par_yield(tenor) == pytest.approx(rate, abs=1e-10), (day, tenor)


@pytest.mark.realdata
def test_market_yields_lie_near_the_curve() -> None:
    """Bonds of 3 to 30 years on 2026-03-24: monotone convex forwards find them within basis points.

    The same on zero yields does not, which is why it is not the default.
    """
    paths = DATA / "par_yields.csv", DATA / "fedinvest_2026-03-24.csv"
    if not all(path.exists() for path in paths):
        pytest.skip(f"{paths} are not here")
    day = date(2026, 3, 24)
    with paths[0].open() as file:
        row = next(row for row in csv.DictReader(file) if row["Date"] == day.isoformat())
    par = {tenor: float(text) / 100 for tenor, text in row.items() if tenor != "Date" and text}
    quotes = []
    with paths[1].open() as file:
        for cusip, kind, coupon, maturity, _call, offer, bid, _close in csv.reader(file):
            month, number, year = (int(part) for part in maturity.split("/"))
            if kind in ("MARKET BASED NOTE", "MARKET BASED BOND") and year >= 2029:
                rate, end = float(coupon.rstrip("%")) / 100, date(year, month, number)
                quotes.append(
                    (Bond(cusip=cusip, coupon=rate, dated_date=date(2020, 1, 1), maturity_date=end), bid, offer)
                )
    spreads = {}
    for method in METHODS:
        built = Curve.bootstrap(day, par, method)
        spreads[method] = np.array(
            [
                built.yield_spread(bond, (float(bid) + float(offer)) / 2, settlement=day, convention=STREET) * 1e4
                for bond, bid, offer in quotes
            ]
        )
    assert len(quotes) > 200
    assert np.abs(spreads["monotone_convex"]).max() < 10.0
    assert np.sqrt((spreads["monotone_convex"] ** 2).mean()) < 2.5
    assert np.abs(spreads["monotone_convex_zero"]).max() > 40.0
