"""Corporate bonds: verbs, calls and spreads. Oracles are QuantLib and MSRB Rule G-33 written out."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
import QuantLib as ql  # noqa: N813 - its own alias
from hypothesis import assume, given
from hypothesis import strategies as st

import tbill_defi as td
from tbill_defi.conventions.day_counts import thirty_360
from tbill_defi.pricing.interop import quantlib_bond
from tests.property.pricing.test_properties import fixed

STREET = td.YieldConvention.STREET
BOND = td.CorporateBond(
    cusip="594918BZ6",
    coupon=0.041,
    dated_date=date(2024, 3, 6),
    maturity_date=date(2037, 2, 6),
    first_coupon_date=date(2024, 8, 6),
    call_schedule=[(date(2029, 2, 6), 102.05), (date(2031, 2, 6), 101.0), (date(2036, 8, 20), 100.0)],
    rating="AAA",
    recovery=0.4,
)
DAY = date(2026, 3, 24)
FREQUENCY = {1: ql.Annual, 2: ql.Semiannual, 4: ql.Quarterly}


def at(day: date) -> Any:
    return ql.Date(day.day, day.month, day.year)


@st.composite
def corporates(draw: st.DrawFn) -> td.CorporateBond:
    """Coupon days 1 to 28, regular and odd short first periods."""
    dated = draw(st.dates(date(2015, 1, 1), date(2026, 1, 1)))
    maturity = draw(st.dates(dated + timedelta(days=500), date(2055, 12, 31)))
    assume(maturity.day < 28 and dated.day < 31)
    return td.CorporateBond(
        cusip="594918BZ6",
        coupon=draw(st.floats(0.0, 0.12)),
        dated_date=dated,
        maturity_date=maturity,
        frequency=draw(st.sampled_from([1, 2, 4])),
    )


@fixed
@given(corporates(), st.floats(0.0, 0.98), st.floats(-0.01, 0.2))
def test_every_verb_agrees_with_quantlib(bond: td.CorporateBond, life: float, yield_: float) -> None:
    settlement = bond.dated_date + timedelta(days=int(life * (bond.maturity_date - bond.dated_date).days))
    assume(settlement.day < 31)
    final = sum(day > settlement for day in bond.resolve().payment_dates) == 1
    assume(not (final and thirty_360(settlement, bond.maturity_date) == 0))
    theirs = quantlib_bond(bond)
    count = theirs.dayCounter()
    rate = ql.InterestRate(yield_, count, ql.Simple if final else ql.Compounded, FREQUENCY[bond.frequency])
    flows, day = theirs.cashflows(), at(settlement)
    where: dict[str, Any] = {"settlement": settlement, "convention": STREET}
    dirty = ql.CashFlows.npv(flows, rate, False, day, day)
    assert td.dirty_price_from_yield(bond, yield_, **where) == pytest.approx(dirty, abs=1e-10)
    accrued = theirs.accruedAmount(day)
    assert td.accrued_interest(bond, settlement=settlement) == pytest.approx(accrued, abs=1e-11)
    assert td.clean_price_from_yield(bond, yield_, **where) == pytest.approx(dirty - accrued, abs=1e-10)
    duration = ql.CashFlows.duration(flows, rate, ql.Duration.Modified, False, day)
    assert td.modified_duration(bond, yield_, **where) == pytest.approx(duration, abs=1e-10)
    assert td.convexity(bond, yield_, **where) == pytest.approx(
        ql.CashFlows.convexity(flows, rate, False, day), abs=1e-9
    )
    assert td.dv01(bond, yield_, **where) == pytest.approx(duration * dirty * 1e-4, abs=1e-11)
    solved = td.yield_from_clean_price(bond, dirty - accrued, **where)
    assert solved == pytest.approx(yield_, abs=1e-13 + 1e-13 / duration)


def test_a_settlement_on_the_31st_is_as_rule_g_33_has_it() -> None:
    # A = 6 Feb to 31 March: 30 + 25 - 0 = 55 of E = 180; QuantLib counts 126 days left instead of 125
    settlement, half, base = date(2026, 3, 31), 2.05, 1.0 + 0.05 / 2
    left = (180 - 55) / 180
    periods = 2 * 11 - 1  # from 2026-08-06 to 2037-02-06
    dirty = sum(half / base ** (k + left) for k in range(periods + 1)) + 100 / base ** (periods + left)
    price = td.clean_price_from_yield(BOND, 0.05, settlement=settlement, convention=STREET)
    assert price == pytest.approx(dirty - 4.1 * 55 / 360, abs=1e-11)


def test_a_long_first_coupon_counts_all_its_days() -> None:
    bond = BOND.model_copy(update={"first_coupon_date": date(2025, 2, 6)})
    flows = bond.resolve()
    assert flows.coupons[0] == pytest.approx(4.1 * 330 / 360, abs=1e-14)  # 6 March 2024 to 6 February 2025
    assert float(flows.accrued(date(2024, 12, 6))) == pytest.approx(4.1 * 270 / 360, abs=1e-14)


@pytest.mark.parametrize("day", [date(2027, 2, 27), date(2027, 8, 30), date(2028, 2, 28)])
def test_interest_of_a_month_end_bond_never_exceeds_the_coupon(day: date) -> None:
    bond = td.CorporateBond(
        cusip="594918BZ6", coupon=0.06, dated_date=date(2026, 8, 31), maturity_date=date(2031, 8, 31)
    )
    assert 2.9 < td.accrued_interest(bond, settlement=day) <= 3.0
    assert set(bond.resolve().coupons) == {3.0}
    assert 90 < td.clean_price_from_yield(bond, 0.07, settlement=day, convention=STREET) < 100
    with pytest.raises(td.SettlementOutOfRange, match="no day left"):
        td.clean_price_from_yield(bond, 0.07, settlement=date(2031, 8, 30), convention=STREET)


@pytest.mark.parametrize(("day", "price"), BOND.call_schedule)
def test_a_yield_to_call_is_quantlibs(day: date, price: float) -> None:
    """On a coupon date and, for the par call of 2036-08-20, 14 days after one."""
    found = td.yield_to_call(BOND, 103.0, settlement=DAY, call_date=day, convention=STREET)
    count = ql.Thirty360(ql.Thirty360.BondBasis)
    coupons = [d for d in BOND.resolve().payment_dates if DAY < d <= day]
    stub = 4.1 * count.dayCount(at(coupons[-1]), at(day)) / 360
    leg = [ql.SimpleCashFlow(2.05, at(d)) for d in coupons] + [ql.SimpleCashFlow(price + stub, at(day))]
    rate = ql.InterestRate(found, count, ql.Compounded, ql.Semiannual)
    dirty = ql.CashFlows.npv(leg, rate, False, at(DAY), at(DAY))
    assert dirty - td.accrued_interest(BOND, settlement=DAY) == pytest.approx(103.0, abs=1e-10)


def test_the_worst_of_the_yields() -> None:
    def worst(price: float) -> Any:
        return td.yield_to_worst(BOND, price, settlement=DAY, convention=STREET)

    ends = {
        day: td.yield_to_call(BOND, 110.0, settlement=DAY, call_date=day, convention=STREET)
        for day, _ in BOND.call_schedule
    }
    assert worst(110.0).date == min(ends, key=lambda day: ends[day]) == date(2029, 2, 6)
    assert worst(110.0).price == 102.05
    assert worst(110.0).yield_ == min(ends.values())
    low = worst(90.0)  # at a discount the last date is the worst
    assert (low.date, low.price) == (BOND.maturity_date, 100.0)
    assert low.yield_ == td.yield_from_clean_price(BOND, 90.0, settlement=DAY, convention=STREET)
    after = td.yield_to_worst(BOND, 110.0, settlement=date(2030, 1, 2), convention=STREET)
    assert after.date == date(2031, 2, 6)


def test_a_call_without_a_date_is_refused() -> None:
    where: dict[str, Any] = {"settlement": DAY, "convention": STREET}
    with pytest.raises(td.ConventionError, match="2029-02-07 is not a call date of 594918BZ6; it has 2029-02-06, "):
        td.yield_to_call(BOND, 100.0, call_date=date(2029, 2, 7), **where)
    bullet = BOND.model_copy(update={"call_schedule": ()})
    with pytest.raises(td.ConventionError, match="none: it is not callable"):
        td.yield_to_call(bullet, 100.0, call_date=date(2029, 2, 6), **where)
    with pytest.raises(td.SettlementOutOfRange, match="not before the call"):
        td.yield_to_call(BOND, 100.0, settlement=date(2029, 2, 6), call_date=date(2029, 2, 6), convention=STREET)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"call_schedule": [(date(2031, 2, 6), 101), (date(2029, 2, 6), 102)]},
            "2029-02-06 after 2031-02-06 is not asc",
        ),
        ({"call_schedule": [(date(2037, 2, 6), 100)]}, "call_schedule: 2037-02-06 is not between the issue"),
        ({"call_schedule": [(date(2031, 2, 6), 0.0)]}, "call_schedule: 0 on 2031-02-06 is not a price"),
        ({"call_schedule": [(date(2031, 2, 6), float("nan"))]}, "call_schedule: nan on 2031-02-06 is not a price"),
        ({"call_schedule": [("soon", 100)]}, r"call_schedule\[0\]\[0\]: 'soon' is not a date"),
        ({"frequency": 3}, "frequency: 3: Input should be 1, 2 or 4"),
        ({"recovery": 40}, "recovery: 40: Input should be less than 1"),
        ({"coupon": 4.1}, "coupon: 4.1 looks like percent"),
        ({"first_coupon_date": date(2024, 9, 6)}, "first_coupon_date: 2024-09-06 is not one of 2024-08-06"),
    ],
)
def test_wrong_terms_name_field_value_and_cure(change: dict[str, Any], message: str) -> None:
    with pytest.raises(td.ConventionError, match=message):
        td.CorporateBond(**(BOND.model_dump() | change))


def test_terms_are_read_back_and_kept_off_the_ledger() -> None:
    from tbill_defi.instruments import require_nominal

    assert td.read_security(BOND.model_dump_json()) == BOND
    assert len(td.terms_hash(BOND)) == 32
    with pytest.raises(td.ConventionError, match="594918BZ6: a corporate is not held here"):
        require_nominal(BOND)
    assert td.Book([BOND]).cusips == (BOND.cusip,)


CURVE = td.Curve.nelson_siegel(DAY, parameters=[0.045, -0.01, 0.005, 2.0])


def test_a_z_spread_is_quantlibs_and_the_books() -> None:
    days = [DAY, *(day for day in BOND.resolve().payment_dates if day > DAY)]
    curve = ql.DiscountCurve([at(d) for d in days], [CURVE.discount(d) for d in days], ql.Actual365Fixed())
    before = ql.Settings.instance().evaluationDate
    ql.Settings.instance().evaluationDate = at(DAY)
    try:
        bond = quantlib_bond(BOND)
        spread = td.z_spread(BOND, 95.0, CURVE, settlement=DAY)
        shifted = ql.ZeroSpreadedTermStructure(
            ql.YieldTermStructureHandle(curve), ql.QuoteHandle(ql.SimpleQuote(spread)), ql.Continuous
        )
        dirty = ql.CashFlows.npv(bond.cashflows(), ql.YieldTermStructureHandle(shifted), False, at(DAY), at(DAY))
    finally:
        ql.Settings.instance().evaluationDate = before
    assert dirty - td.accrued_interest(BOND, settlement=DAY) == pytest.approx(95.0, abs=1e-9)
    note = td.Note(cusip="91282CAA9", coupon=0.04, dated_date=date(2025, 8, 15), maturity_date=date(2035, 8, 15))
    where = date(2026, 3, 25)
    [of_book] = td.Book([note]).z_spreads(CURVE, [97.0], where)
    assert td.z_spread(note, 97.0, CURVE, settlement=where) == pytest.approx(of_book, abs=1e-13)


@pytest.mark.parametrize("price", [20.0, 95.0, 180.0])
def test_a_z_spread_gives_its_price_back(price: float) -> None:
    spread = td.z_spread(BOND, price, CURVE, settlement=DAY)
    flows = BOND.resolve()
    dirty = sum(
        amount * CURVE.discount(day) * 2.718281828459045 ** (-spread * (day - DAY).days / 365)
        for day, amount in zip(flows.payment_dates, flows.amounts, strict=True)
        if day > DAY
    )
    assert dirty - td.accrued_interest(BOND, settlement=DAY) == pytest.approx(price, abs=1e-10)


def test_a_z_spread_needs_a_curve_of_the_day_and_a_price() -> None:
    with pytest.raises(td.SettlementOutOfRange, match="before the curve"):
        td.z_spread(BOND, 95.0, CURVE, settlement=date(2026, 3, 23))
    with pytest.raises(td.ConventionError, match="must be positive"):
        td.z_spread(BOND, -5.0, CURVE, settlement=DAY)
