"""Floating rate notes, corporate and municipal bonds in a book are the single verbs, and QuantLib."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise
from random import Random
from typing import Any

import numpy as np
import pytest
import QuantLib as ql  # noqa: N813 - its own alias

import tbill_defi as td
from bench.universe import FLOATING, frn_index, universe
from tbill_defi.conventions.day_counts import thirty_360 as single_count
from tbill_defi.conventions.schedules import add_months, quasi_coupon_dates
from tbill_defi.core.errors import ConventionError, DataError, SettlementOutOfRange
from tbill_defi.pricing.book.columns import day_number, thirty_360
from tbill_defi.pricing.interop import quantlib_bond, quantlib_frn
from tbill_defi.pricing.risk import measures_from_clean_price, measures_from_yield

DAY = date(2026, 3, 24)
STREET = td.YieldConvention.STREET
CONVENTIONS = [STREET, td.YieldConvention.TREASURY, td.YieldConvention.TRUE_YIELD]
MEASURES = ("clean_price", "dirty_price", "accrued", "modified_duration", "convexity", "dv01")
INDEX = frn_index(DAY, weeks=120)
CURVE = td.Curve.bootstrap(
    DAY, {"3 Mo": 0.0373, "6 Mo": 0.0371, "1 Yr": 0.0372, "2 Yr": 0.0385, "10 Yr": 0.0435, "30 Yr": 0.0494}
)


def bonds(count: int, seed: int) -> list[Any]:
    """Any day of the month, 1, 2 and 4 coupons a year, odd first periods, calls on and between coupon dates."""
    random, found = Random(seed), []
    while len(found) < count:
        municipal = random.random() < 0.3
        frequency = 2 if municipal else random.choice([1, 2, 2, 4])
        dated = DAY - timedelta(days=random.randint(0, 3650))
        late = dated + timedelta(days=random.randint(0, 40))
        maturity = add_months(late, random.choice([12, 24, 84, 360]), end_of_month=random.random() < 0.3)
        if maturity <= DAY:
            continue
        cycle = quasi_coupon_dates(dated, maturity, 12 // frequency)
        days = {dated + timedelta(days=random.randint(1, (maturity - dated).days - 1)) for _ in range(2)}
        days |= set(random.sample(cycle, min(len(cycle), 3)))
        calls = tuple((day, random.choice([100.0, 101.5, 103.0])) for day in sorted(days) if dated < day < maturity)
        terms: dict[str, Any] = {
            "cusip": f"{len(found):09d}",
            "coupon": random.randint(0, 64) / 800,
            "dated_date": dated,
            "maturity_date": maturity,
            "first_coupon_date": random.choice([None, None, *cycle[1:4]]),
            "call_schedule": calls if random.random() < 0.6 else (),
        }
        found.append(td.MunicipalBond(**terms) if municipal else td.CorporateBond(**terms, frequency=frequency))
    return found


def floaters(count: int, seed: int) -> list[td.Frn]:
    random, found = Random(seed), []
    while len(found) < count:
        dated = DAY - timedelta(days=random.randint(0, 725))
        maturity = add_months(dated, 24, end_of_month=random.random() < 0.5)
        terms = {"cusip": f"F{len(found):08d}", "dated_date": dated, "maturity_date": maturity}
        if maturity > DAY:
            found.append(td.Frn(**terms, spread=random.choice([-500, -20, 0, 10, 45]) / 10_000))
    return found


BONDS, FLOATERS = bonds(300, 3), floaters(120, 4)


def test_days_on_30_360_are_the_single_count() -> None:
    random = Random(8)
    starts = [date(2024, 1, 1) + timedelta(days=random.randint(0, 800)) for _ in range(4000)]
    ends = [day + timedelta(days=random.randint(0, 400)) for day in starts]
    first, last = (np.array([day_number(day) for day in days]) for days in (starts, ends))
    for month_ends in (False, True):
        found = thirty_360(first, last, np.full(len(first), month_ends))
        assert found.tolist() == [
            single_count(start, end, end_of_month=month_ends) for start, end in zip(starts, ends, strict=True)
        ]


@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize("day", [DAY, date(2026, 2, 28), date(2026, 3, 31), date(2026, 8, 30)])
def test_bonds_are_the_single_verbs(convention: td.YieldConvention, day: date) -> None:
    kept = []
    for bond in BONDS:  # on the 30th there may be no day left to a 31st: the single verb refuses, as the book does
        try:
            td.yield_to_worst(bond, 100.0, settlement=day, convention=convention)
            kept.append(bond)
        except SettlementOutOfRange:
            continue
    assert len(kept) > 200
    yields = np.random.default_rng(5).uniform(-0.01, 0.12, len(kept))
    book = td.Book(kept)
    found = book.analytics(yields=yields, settlement=day, convention=convention)
    solved = book.analytics(clean_prices=found.clean_price, settlement=day, convention=convention)
    assert np.abs(solved.yield_ - yields).max() < 1e-11
    assert found.yield_to_worst is not None
    assert found.worst_date is not None
    for i, bond in enumerate(kept):
        single = measures_from_yield(bond, float(yields[i]), settlement=day, convention=convention)
        for name in MEASURES:
            limit = 1e-10 if name == "convexity" else 1e-11
            assert getattr(found, name)[i] == pytest.approx(getattr(single, name), abs=limit, rel=0), (name, bond)
        worst = td.yield_to_worst(bond, single.clean_price, settlement=day, convention=convention)
        assert found.yield_to_worst[i] == pytest.approx(worst.yield_, abs=1e-11), bond
        assert found.worst_date[i].item() == worst.date


def test_bonds_are_quantlib() -> None:
    yields = np.random.default_rng(1).uniform(0.0, 0.09, len(BONDS))
    found = td.Book(BONDS).analytics(yields=yields, settlement=DAY, convention=STREET)
    day, compared = ql.Date(24, 3, 2026), 0
    frequencies = {1: ql.Annual, 2: ql.Semiannual, 4: ql.Quarterly}
    for i, bond in enumerate(BONDS):
        flows = bond.resolve()
        if bond.maturity_date.day >= 28 or bond.dated_date.day > 30 or flows.first_flow > 1:
            continue  # by month ends QuantLib counts 178 to 182 days; of long first periods it compounds the part
        theirs = quantlib_bond(bond)
        final = sum(flow.date() > day for flow in theirs.cashflows()) == 2
        frequency = frequencies[bond.periods_per_year]
        terms = theirs.dayCounter(), ql.SimpleThenCompounded if final else ql.Compounded, frequency
        rate, f = float(yields[i]), ql.BondFunctions
        assert found.clean_price[i] == pytest.approx(f.cleanPrice(theirs, rate, *terms, day), abs=1e-11)
        duration = f.duration(theirs, rate, *terms, ql.Duration.Modified, day)
        assert found.modified_duration[i] == pytest.approx(duration, abs=1e-11)
        assert found.convexity[i] == pytest.approx(f.convexity(theirs, rate, *terms, day), abs=1e-10)
        compared += 1
    assert compared > 80


def test_bonds_on_a_curve_are_their_discounted_flows() -> None:
    book = td.Book(BONDS)
    found = book.analytics(curve=CURVE, settlement=DAY, convention=STREET)
    assert found.dirty_price == pytest.approx([CURVE.dirty_price(b, settlement=DAY) for b in BONDS], abs=1e-11, rel=0)
    dear = found.clean_price - 3.0
    spreads = [td.z_spread(b, p, CURVE, settlement=DAY) for b, p in zip(BONDS, dear.tolist(), strict=True)]
    assert book.z_spreads(CURVE, dear, DAY) == pytest.approx(spreads, abs=1e-11)


def test_a_bond_that_cannot_be_called_is_worst_at_maturity() -> None:
    note = td.Note(cusip="91282CQX2", coupon=0.04, dated_date=date(2026, 2, 15), maturity_date=date(2036, 2, 15))
    book = td.Book([note, *BONDS[:5]])
    found = book.analytics(yields=np.full(6, 0.04), settlement=DAY, convention=STREET)
    assert found.yield_to_worst is not None
    assert found.worst_date is not None
    assert (found.yield_to_worst[0], found.worst_date[0].item()) == (0.04, note.maturity_date)
    assert {"yield_to_worst", "worst_date"} <= set(found.frame().columns)
    alone = td.Book([note]).analytics(yields=[0.04], settlement=DAY, convention=STREET)
    assert alone.yield_to_worst is None
    assert "yield_to_worst" not in alone.frame().columns


@pytest.mark.parametrize("day", [DAY, date(2026, 3, 31), date(2026, 2, 27)])
def test_floaters_are_the_single_verbs(day: date) -> None:
    kept = [frn for frn in FLOATERS if frn.dated_date <= day < frn.maturity_date]
    index = frn_index(day, weeks=120)
    book = td.Book(kept, frn_index=index)
    margins = np.random.default_rng(2).uniform(-0.01, 0.03, len(kept))
    now = float(index.on(day, end=day))
    found = book.analytics(yields=now + margins, settlement=day, convention=STREET)
    assert found.discount_margin == pytest.approx(margins, abs=1e-16)
    for i, frn in enumerate(kept):
        margin, at = float(margins[i]), {"settlement": day, "index": index}
        assert found.clean_price[i] == pytest.approx(td.price_from_discount_margin(frn, margin, **at), abs=1e-12)
        assert found.accrued[i] == pytest.approx(td.floating_accrued_interest(frn, **at), abs=1e-14)
        duration = td.discount_margin_duration(frn, margin, **at)
        assert found.modified_duration[i] == pytest.approx(duration, abs=1e-13)
    prices = found.clean_price * np.random.default_rng(3).uniform(0.3, 1.2, len(kept))
    solved = book.analytics(clean_prices=prices, settlement=day, convention=STREET)
    assert solved.clean_price == pytest.approx(prices, abs=1e-11)
    for i, frn in enumerate(kept[:30]):
        margin = td.discount_margin_from_price(frn, float(prices[i]), settlement=day, index=index)
        assert solved.discount_margin is not None
        assert solved.discount_margin[i] == pytest.approx(margin, abs=1e-11)


def test_derivatives_of_floaters_are_bumps() -> None:
    book, size = td.Book(FLOATERS, frn_index=INDEX), 1e-6
    yields = np.random.default_rng(6).uniform(0.01, 0.06, len(FLOATERS))
    low, mid, high = (
        book.analytics(yields=yields + move, settlement=DAY, convention=STREET) for move in (-size, 0.0, size)
    )
    assert mid.dv01 == pytest.approx((low.dirty_price - high.dirty_price) / 2 / size * 1e-4, abs=1e-9)
    bend = (low.modified_duration * low.dirty_price - high.modified_duration * high.dirty_price) / 2 / size
    assert mid.convexity == pytest.approx(bend / mid.dirty_price, abs=1e-7)


def test_floaters_are_quantlib() -> None:
    day = ql.Date(24, 3, 2026)
    ql.Settings.instance().evaluationDate = day
    offsets = list(range(0, 1200, 7))
    factors = CURVE.discount_factors(np.datetime64(DAY, "D") + np.array(offsets))
    handle = ql.YieldTermStructureHandle(
        ql.DiscountCurve([day + n for n in offsets], factors.tolist(), ql.Actual365Fixed())
    )

    class Same:
        curve_date = DAY

        def discount_factors(self, days: Any) -> Any:
            numbers = (days - np.datetime64(DAY, "D")).astype(np.int64)
            return np.exp(np.interp(numbers, offsets, np.log(factors)))

    book = td.Book(FLOATERS, frn_index=INDEX)
    on_curve = book.analytics(curve=Same(), settlement=DAY, convention=STREET)
    terms = ql.Actual360(), ql.Simple, ql.Quarterly
    yields = np.random.default_rng(7).uniform(0.0, 0.08, len(FLOATERS))
    found = book.analytics(yields=yields, settlement=DAY, convention=STREET)
    for i, frn in enumerate(FLOATERS):
        projected = quantlib_frn(frn, settlement=DAY, index=INDEX)
        price = ql.BondFunctions.cleanPrice(projected, float(yields[i]), *terms, day)
        assert found.dirty_price[i] == pytest.approx(price, abs=1e-11)
        floating = quantlib_frn(frn, settlement=DAY, index=INDEX, curve=handle)
        floating.setPricingEngine(ql.DiscountingBondEngine(handle))
        assert on_curve.dirty_price[i] == pytest.approx(floating.NPV(), abs=1e-11)


def test_a_floater_hardly_moves_with_the_curve_and_its_key_rates_add_up() -> None:
    book = td.Book(FLOATERS, frn_index=INDEX)
    found = book.analytics(curve=CURVE, settlement=DAY, convention=STREET, key_years=(0.5, 1.0, 2.0))
    assert found.effective_duration is not None
    assert found.key_rate_dv01 is not None
    spread = np.array([abs(frn.spread) for frn in FLOATERS])
    assert (np.abs(found.effective_duration) < 0.02 + 4.0 * spread).all()
    total = found.effective_duration * found.dirty_price * 1e-4
    assert found.key_rate_dv01.sum(axis=1) == pytest.approx(total, abs=1e-15)
    moves = np.array([[0.0, 0.0, 0.0], [0.01, 0.01, 0.01]])
    prices = book.scenario_prices(CURVE, DAY, moves, (0.5, 1.0, 2.0))
    assert prices[:, 0] == pytest.approx(found.dirty_price, abs=1e-12)
    assert prices[:, 1] - prices[:, 0] == pytest.approx(-100.0 * total, abs=2e-3)


def test_z_spreads_of_floaters_leave_projected_payments_alone() -> None:
    book = td.Book(FLOATERS, frn_index=INDEX)
    base = book.dirty_prices(CURVE, DAY) - book.accrued(DAY)
    assert book.z_spreads(CURVE, base, DAY) == pytest.approx(np.zeros(len(FLOATERS)), abs=1e-13)
    spreads = book.z_spreads(CURVE, base - 0.5, DAY)
    for i in (0, 50, 119):
        frn, accrued = FLOATERS[i], book.accrued(DAY)[i]
        total, edges = 0.0, [DAY, *(day for day in frn.payment_dates if day > DAY)]
        for left, right in pairwise(edges):
            grown = CURVE.discount(left) / CURVE.discount(right) - 1.0
            paid = 100.0 * (grown + frn.spread * (right - left).days / 360.0)
            paid += accrued * (left == DAY) + 100.0 * (right == edges[-1])
            total += paid * CURVE.discount(right) * np.exp(-spreads[i] * (right - DAY).days / 365.0)
        assert total == pytest.approx(base[i] + accrued - 0.5, abs=1e-11)


def test_the_market_with_its_mix_of_types() -> None:
    securities = [*universe(300, DAY, seed=5, floating=10 * FLOATING), *BONDS[:60]]
    book = td.Book(securities, frn_index=INDEX)
    yields = np.random.default_rng(9).uniform(0.0, 0.09, len(securities))
    found = book.analytics(yields=yields, settlement=DAY, convention=STREET)
    solved = book.analytics(clean_prices=found.clean_price, settlement=DAY, convention=STREET)
    assert np.abs(solved.yield_ - yields).max() < 1e-11
    for i, security in enumerate(securities):
        if isinstance(security, td.Frn):
            assert solved.discount_margin is not None
            assert np.isfinite(solved.discount_margin[i])
            continue
        single = measures_from_clean_price(security, float(found.clean_price[i]), settlement=DAY, convention=STREET)
        assert solved.modified_duration[i] == pytest.approx(single.modified_duration, abs=1e-11)


def test_what_a_book_needs_of_its_floaters() -> None:
    with pytest.raises(DataError, match=r"securities\[1\] \(F00000000\): a floating rate note needs the rates"):
        td.Book([BONDS[0], FLOATERS[0]])
    with pytest.raises(DataError, match="frn_index: dict is not an FrnIndex"):
        td.Book([FLOATERS[0]], frn_index={})  # type: ignore[arg-type]
    book = td.Book([FLOATERS[0]], frn_index=td.FrnIndex({}))
    with pytest.raises(DataError, match="FRN index of"):
        book.accrued(DAY)
    many = td.Book([next(f for f in FLOATERS if (f.maturity_date - DAY).days > 200)], frn_index=INDEX)
    with pytest.raises(ConventionError, match=r"MONEY_MARKET is defined .* securities\[0\] \(F"):
        many.analytics(yields=[0.04], settlement=DAY, convention=td.YieldConvention.MONEY_MARKET)


@pytest.mark.parametrize("security", [BONDS[0], FLOATERS[0]])
def test_a_price_that_no_yield_explains_names_row_and_cusip(security: Any) -> None:
    book = td.Book([security], frn_index=INDEX)
    with pytest.raises(ConventionError, match=rf"clean_prices\[0\] \({security.cusip}\): the dirty price"):
        book.analytics(clean_prices=[-200.0], settlement=DAY, convention=STREET)


@pytest.mark.parametrize("kind", ["corporate", "frn", "bill"])
def test_a_yield_beyond_all_bounds_is_none(kind: str) -> None:
    life = {"cusip": "594918BZ6", "dated_date": DAY, "maturity_date": date(2026, 12, 24)}
    securities = {
        "corporate": td.CorporateBond(**life, coupon=0.0, frequency=4),
        "frn": td.Frn(**life, spread=0.0),
        "bill": td.Bill(cusip="594918BZ6", issue_date=DAY, maturity_date=date(2026, 12, 24)),
    }
    book = td.Book([securities[kind]], frn_index=INDEX)
    with pytest.raises(ConventionError, match=r"clean_prices\[0\] \(594918BZ6\): no yield up to 1e\+12"):
        book.analytics(clean_prices=[1e-60], settlement=DAY, convention=STREET)


def test_a_floater_is_no_part_of_a_curve_fit() -> None:
    with pytest.raises(ConventionError, match=r"securities\[0\] \(F00000000\): the price of a floating rate note"):
        td.Curve.svensson(DAY, FLOATERS[:10], [100.0] * 10)


def test_a_bond_whose_calls_are_past_is_worst_at_maturity() -> None:
    terms = {"cusip": "594918BZ6", "coupon": 0.05, "dated_date": date(2020, 3, 1), "maturity_date": date(2030, 3, 1)}
    bond = td.CorporateBond(**terms, call_schedule=((date(2025, 3, 1), 101.0),))
    found = td.Book([bond]).analytics(clean_prices=[99.0], settlement=DAY, convention=STREET)
    assert found.worst_date is not None
    assert found.worst_date[0].item() == bond.maturity_date
