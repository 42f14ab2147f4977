"""Laws that hold for every security, yield and date."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tbill_defi.conventions import YieldConvention, quasi_coupon_dates, settlement_date
from tbill_defi.conventions.calendars import SETTLEMENT, TRADING
from tbill_defi.instruments import Bill, Bond, Note, read_security
from tbill_defi.pricing import (
    Curve,
    accrued_interest,
    carried_back_price,
    clean_price_from_yield,
    convexity,
    coupons_between,
    dirty_price_from_yield,
    discount_rate_from_price,
    dv01,
    forward_price_from_repo,
    modified_duration,
    price_from_discount_rate,
    yield_from_clean_price,
    yield_from_dirty_price,
)

settings.register_profile("fixed", derandomize=True, deadline=None, max_examples=200)
fixed = settings.get_profile("fixed")

DAYS = st.dates(date(1985, 1, 1), date(2040, 12, 31))
YIELDS = st.floats(-0.02, 0.25)
CONVENTIONS = st.sampled_from([YieldConvention.TREASURY, YieldConvention.STREET, YieldConvention.TRUE_YIELD])
COUPONS = st.integers(0, 160).map(lambda eighths: eighths / 800)


@st.composite
def coupon_securities(draw: st.DrawFn) -> Note | Bond:
    """Notes and bonds of 1 day to 30 years, with regular, short and long first periods."""
    dated = draw(DAYS)
    maturity = dated + timedelta(days=draw(st.integers(1, 10_957)))
    if draw(st.booleans()):
        maturity = (maturity.replace(day=1) + timedelta(days=32)).replace(day=1) - timedelta(days=1)
    cycle = quasi_coupon_dates(dated, maturity)
    first = draw(st.sampled_from([None, *cycle[1:4]]))
    kind = draw(st.sampled_from([Note, Bond]))
    return kind(
        cusip="91282CQX2",
        coupon=draw(COUPONS),
        dated_date=dated,
        maturity_date=maturity,
        first_coupon_date=first,
    )


@st.composite
def bills(draw: st.DrawFn) -> Bill:
    issue = draw(DAYS)
    return Bill(cusip="912797SC2", issue_date=issue, maturity_date=issue + timedelta(days=draw(st.integers(1, 364))))


@st.composite
def placed(draw: st.DrawFn, what: st.SearchStrategy[Note | Bond | Bill]) -> tuple[Note | Bond | Bill, date]:
    """A security and a settlement date, coupon dates favoured."""
    security = draw(what)
    flows = security.resolve()
    last = flows.maturity - timedelta(days=1)
    dates = [day for day in flows.payment_dates[:-1] if day <= last]
    anywhere = st.dates(flows.first_settlement, last)
    return security, draw(st.one_of(anywhere, st.sampled_from(dates)) if dates else anywhere)


SECURITIES = st.one_of(coupon_securities(), bills())
PLACED = placed(SECURITIES)


@fixed
@given(PLACED, YIELDS, CONVENTIONS)
def test_the_yield_of_the_price_is_the_yield(
    place: tuple[Note | Bond | Bill, date], yield_: float, convention: YieldConvention
) -> None:
    security, day = place
    where = {"settlement": day, "convention": convention}
    duration = modified_duration(security, yield_, **where)
    # a price of 100 carries 14 significant digits, a yield what is left of them after the duration
    tolerance = 1e-14 + 2e-15 / duration
    dirty = dirty_price_from_yield(security, yield_, **where)
    assert yield_from_dirty_price(security, dirty, **where) == pytest.approx(yield_, abs=tolerance)
    clean = clean_price_from_yield(security, yield_, **where)
    assert yield_from_clean_price(security, clean, **where) == pytest.approx(yield_, abs=4 * tolerance)
    assert dirty - clean == pytest.approx(accrued_interest(security, settlement=day), abs=1e-12)


@fixed
@given(PLACED, YIELDS, st.floats(1e-6, 0.2), CONVENTIONS)
def test_prices_fall_and_are_convex_in_the_yield(
    place: tuple[Note | Bond | Bill, date], yield_: float, step: float, convention: YieldConvention
) -> None:
    security, day = place
    where = {"settlement": day, "convention": convention}
    prices = [dirty_price_from_yield(security, yield_ + n * step, **where) for n in range(3)]
    assert prices[0] > prices[1] > prices[2] > 0
    assert prices[0] + prices[2] >= 2 * prices[1] - 1e-12 * prices[0]


@fixed
@given(PLACED, YIELDS, CONVENTIONS)
def test_derivatives_are_the_slopes_of_the_price(
    place: tuple[Note | Bond | Bill, date], yield_: float, convention: YieldConvention
) -> None:
    security, day = place
    where = {"settlement": day, "convention": convention}
    step = 1e-4
    up, here, down = (dirty_price_from_yield(security, yield_ + n * step, **where) for n in (1, 0, -1))
    assert dv01(security, yield_, **where) == pytest.approx((down - up) / 2, rel=2e-5)
    assert convexity(security, yield_, **where) * here == pytest.approx(
        (up + down - 2 * here) / step**2, rel=1e-3, abs=1e-4
    )


@fixed
@given(PLACED, CONVENTIONS)
def test_at_yield_zero_the_price_is_the_sum_of_the_flows(
    place: tuple[Note | Bond | Bill, date], convention: YieldConvention
) -> None:
    security, day = place
    flows = security.resolve()
    later = [amount for when, amount in zip(flows.payment_dates, flows.amounts, strict=True) if when > day]
    price = dirty_price_from_yield(security, 0.0, settlement=day, convention=convention)
    assert price == pytest.approx(sum(later), abs=1e-10)


@fixed
@given(placed(coupon_securities()))
def test_accrued_interest_grows_by_the_day_and_falls_by_the_coupon(place: tuple[Note | Bond | Bill, date]) -> None:
    security, day = place
    assume(not isinstance(security, Bill))
    flows = security.resolve()
    tomorrow = day + timedelta(days=1)
    assume(tomorrow < flows.maturity)
    paid = sum(
        coupon for when, coupon in zip(flows.payment_dates, flows.coupons, strict=True) if day < when <= tomorrow
    )
    earned = accrued_interest(security, settlement=tomorrow) + paid - accrued_interest(security, settlement=day)
    assert float(flows.rate) / 368 - 1e-12 <= earned <= float(flows.rate) / 362 + 1e-12


@fixed
@given(coupon_securities())
def test_interest_paid_is_rate_times_years(security: Note | Bond) -> None:
    flows = security.resolve()
    assert sum(flows.fractions) * 2 == len(flows.fractions) - 1 + 2 * flows.fractions[0]
    assert all(fraction == flows.fractions[-1] for fraction in flows.fractions[1:])
    assert flows.coupons.sum() == pytest.approx(float(flows.rate * sum(flows.fractions)), abs=1e-10)
    assert flows.amounts.sum() - flows.coupons.sum() == pytest.approx(100.0, abs=1e-10)


@fixed
@given(placed(bills()), st.floats(-0.01, 0.2))
def test_discount_rates_round_trip(place: tuple[Note | Bond | Bill, date], rate: float) -> None:
    bill, day = place
    assert isinstance(bill, Bill)
    price = price_from_discount_rate(bill, rate, settlement=day)
    days = (bill.maturity_date - day).days
    assert discount_rate_from_price(bill, price, settlement=day) == pytest.approx(rate, abs=1e-13 / days)


@fixed
@given(placed(coupon_securities()), st.integers(0, 400), st.floats(0.0, 0.2), st.floats(50.0, 150.0))
def test_carrying_there_and_back(
    place: tuple[Note | Bond | Bill, date], days: int, repo_rate: float, price: float
) -> None:
    security, day = place
    later = day + timedelta(days=days)
    assume(later < security.maturity_date)
    back = carried_back_price(security, price, quoted_settlement=later, settlement=day, repo_rate=repo_rate)
    forward = forward_price_from_repo(security, back, settlement=day, forward_settlement=later, repo_rate=repo_rate)
    assert forward == pytest.approx(price, abs=1e-11)
    held = sum(coupon for _, coupon in coupons_between(security, day, later))
    free = carried_back_price(security, price, quoted_settlement=later, settlement=day, repo_rate=0.0)
    assert free == pytest.approx(price + held, abs=1e-11)
    assert back <= free + 1e-11


@fixed
@given(SECURITIES)
def test_terms_survive_their_text(security: Note | Bond | Bill) -> None:
    assert read_security(security.model_dump_json()) == security


@fixed
@given(st.dates(date(1990, 1, 1), date(2060, 1, 1)))
def test_settlement_follows_the_trade_by_one_good_day(day: date) -> None:
    assume(TRADING.is_good(day))
    settles = settlement_date(day)
    assert day < settles <= day + timedelta(days=6)
    assert SETTLEMENT.is_good(settles)
    assert SETTLEMENT.good_days(day + timedelta(days=1), settles) == [settles]


@settings(fixed, max_examples=25)
@given(
    st.dates(date(1990, 1, 2), date(2026, 8, 21)),
    st.lists(st.floats(0.002, 0.12), min_size=6, max_size=6),
    st.floats(-0.01, 0.01),
    st.sampled_from(["monotone_convex", "log_linear"]),
)
def test_curves_reproduce_any_smooth_row(day: date, levels: list[float], slope: float, method: str) -> None:
    tenors = ["3 Mo", "1 Yr", "3 Yr", "7 Yr", "15 Yr", "30 Yr"]
    level = sum(levels) / len(levels) + 0.01
    row = {tenor: level + slope * n / 10 + 0.02 * (levels[n] - level) for n, tenor in enumerate(tenors)}
    curve = Curve.bootstrap(day, row, method)
    for tenor, rate in row.items():
        assert curve.par_yield(tenor) == pytest.approx(rate, abs=1e-11)
    assert curve.factors[0] == 1.0
