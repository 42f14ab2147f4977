"""A whole book at once is the single verbs, and QuantLib, to the last digits."""

from dataclasses import replace
from datetime import date, datetime
from random import Random

import numpy as np
import pytest
import QuantLib as ql  # noqa: N813 - its own alias

import tbill_defi as td
from bench.universe import universe
from tbill_defi.conventions.schedules import add_months, quasi_coupon_dates
from tbill_defi.core.errors import ConventionError, DataError, SettlementOutOfRange
from tbill_defi.pricing.interop import quantlib_bond
from tbill_defi.pricing.risk import measures_from_clean_price, measures_from_yield

DAY = date(2026, 3, 24)
MEASURES = ("clean_price", "dirty_price", "accrued", "modified_duration", "convexity", "dv01")
CONVENTIONS = [td.YieldConvention.STREET, td.YieldConvention.TREASURY, td.YieldConvention.TRUE_YIELD]
STREET = td.YieldConvention.STREET
CURVE = td.Curve.bootstrap(
    DAY, {"3 Mo": 0.0373, "6 Mo": 0.0371, "1 Yr": 0.0372, "2 Yr": 0.0385, "10 Yr": 0.0435, "30 Yr": 0.0494}
)


def odd_universe(count, seed):
    """Maturities on any day of the month, short and long first periods, bills up to a year, strips, TIPS."""
    random, found = Random(seed), []
    while len(found) < count:
        cusip = f"{len(found):09d}"
        if random.random() < 0.15:
            issue = DAY - np.timedelta64(random.randint(0, 180), "D").astype(object)
            maturity = issue + np.timedelta64(random.choice([28, 91, 182, 364]), "D").astype(object)
            if maturity > DAY:
                found.append(td.Bill(cusip=cusip, issue_date=issue, maturity_date=maturity))
            continue
        dated = DAY - np.timedelta64(random.randint(0, 3650), "D").astype(object)
        late = dated + np.timedelta64(random.randint(0, 40), "D").astype(object)
        maturity = add_months(late, random.choice([24, 36, 84, 360]))
        if maturity <= DAY:
            continue
        first = random.choice([None, None, *quasi_coupon_dates(dated, maturity)[1:4]])
        terms = {"cusip": cusip, "dated_date": dated, "maturity_date": maturity, "first_coupon_date": first}
        terms["coupon"] = random.randint(0, 64) / 800
        if len(found) % 9 == 4:
            found.append(td.Strip(cusip=cusip, maturity_date=maturity))
        elif len(found) % 9 == 7:
            found.append(td.Tips(**terms, dated_reference_cpi=310.5))
        else:
            found.append(td.Note(**terms))
    return found


SECURITIES = [*odd_universe(250, 3), *universe(250, DAY, seed=4)]
BOOK = td.Book(SECURITIES)


def some_yields(seed=5):
    yields = np.random.default_rng(seed).uniform(-0.02, 0.15, len(SECURITIES))
    yields[::7] = 0.0
    yields[1::7] *= 1e-6
    return yields


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_measures_at_yields_are_the_single_verbs(convention):
    yields = some_yields()
    found = BOOK.analytics(yields=yields, settlement=DAY, convention=convention)
    singles = [
        measures_from_yield(s, y, settlement=DAY, convention=convention)
        for s, y in zip(SECURITIES, yields.tolist(), strict=True)
    ]
    for name in MEASURES:
        expected = np.array([getattr(single, name) for single in singles])
        limit = 1e-10 if name == "convexity" else 1e-11
        assert getattr(found, name) == pytest.approx(expected, abs=limit, rel=0), name


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_prices_alone_are_those_of_the_analytics(convention):
    yields = some_yields(8)
    alone = BOOK.clean_prices(yields, settlement=DAY, convention=convention)
    found = BOOK.analytics(yields=yields, settlement=DAY, convention=convention)
    assert alone == pytest.approx(found.clean_price, abs=1e-13, rel=0)
    with pytest.raises(ConventionError, match="looks like percent"):
        BOOK.clean_prices(yields * 100, settlement=DAY, convention=convention)


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_yields_of_prices_are_the_single_verbs_and_round_trip(convention):
    yields = some_yields(6)
    prices = BOOK.analytics(yields=yields, settlement=DAY, convention=convention).clean_price
    found = BOOK.analytics(clean_prices=prices, settlement=DAY, convention=convention)
    assert np.abs(found.yield_ - yields).max() < 1e-11
    deep = prices * np.random.default_rng(2).uniform(0.2, 1.6, len(prices))
    solved = BOOK.analytics(clean_prices=deep, settlement=DAY, convention=convention)
    assert solved.clean_price == pytest.approx(deep, abs=1e-11, rel=0)
    for i in range(0, len(SECURITIES), 9):
        single = measures_from_clean_price(SECURITIES[i], deep[i], settlement=DAY, convention=convention)
        assert solved.yield_[i] == pytest.approx(single.yield_, rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("day", [date(2026, 5, 15), date(2026, 5, 14), date(2026, 5, 16), date(2026, 2, 28)])
def test_settlement_on_and_around_a_coupon_date(day):
    alive = [s for s in SECURITIES if s.resolve().first_settlement <= day < s.maturity_date]
    found = td.Book(alive).analytics(yields=np.full(len(alive), 0.043), settlement=day, convention=STREET)
    for i, security in enumerate(alive):
        assert found.accrued[i] == pytest.approx(td.accrued_interest(security, settlement=day), abs=1e-13)
        single = measures_from_yield(security, 0.043, settlement=day, convention=STREET)
        assert found.clean_price[i] == pytest.approx(single.clean_price, abs=1e-11)


def test_quantlib_agrees():
    notes = [s for s in universe(400, DAY, seed=9) if s.kind != "bill"]
    yields = np.random.default_rng(1).uniform(0.0, 0.09, len(notes))
    found = td.Book(notes).analytics(yields=yields, settlement=DAY, convention=STREET)
    day = ql.Date(24, 3, 2026)
    for i, security in enumerate(notes):
        bond = quantlib_bond(security)
        final = sum(flow.date() > day for flow in bond.cashflows()) == 2
        terms = bond.dayCounter(), ql.SimpleThenCompounded if final else ql.Compounded, ql.Semiannual
        rate = float(yields[i])
        assert found.clean_price[i] == pytest.approx(ql.BondFunctions.cleanPrice(bond, rate, *terms, day), abs=1e-11)
        duration = ql.BondFunctions.duration(bond, rate, *terms, ql.Duration.Modified, day)
        assert found.modified_duration[i] == pytest.approx(duration, abs=1e-11)
        bend = ql.BondFunctions.convexity(bond, rate, *terms, day)
        assert found.convexity[i] == pytest.approx(bend, abs=1e-10)


def test_prices_from_a_curve_are_the_sum_of_discounted_flows():
    found = BOOK.analytics(curve=CURVE, settlement=DAY, convention=STREET)
    expected = [CURVE.dirty_price(s, settlement=DAY) for s in SECURITIES]
    assert found.dirty_price == pytest.approx(np.array(expected), abs=1e-11, rel=0)
    again = BOOK.analytics(clean_prices=found.clean_price, settlement=DAY, convention=STREET)
    assert found.yield_ == pytest.approx(again.yield_, abs=1e-13)


@pytest.mark.parametrize("kinds", [("bill",), ("note", "bond"), ("strip",), ("bill", "strip")])
def test_books_of_some_types_have_the_prices_of_the_whole(kinds):
    part = [i for i, s in enumerate(SECURITIES) if s.kind in kinds]
    book, rates = td.Book([SECURITIES[i] for i in part]), some_yields()
    assert np.array_equal(book.dirty_prices(CURVE, DAY), BOOK.dirty_prices(CURVE, DAY)[part])
    assert np.array_equal(book.key_rate_dv01(CURVE, DAY), BOOK.key_rate_dv01(CURVE, DAY)[part])
    found = book.analytics(yields=rates[part], settlement=DAY, convention=STREET)
    whole = BOOK.analytics(yields=rates, settlement=DAY, convention=STREET)
    assert found.clean_price == pytest.approx(whole.clean_price[part], abs=1e-12, rel=0)
    again = book.analytics(clean_prices=found.clean_price, settlement=DAY, convention=STREET)
    assert again.yield_ == pytest.approx(rates[part], abs=1e-12, rel=0)


class Shifted:
    """A curve whose continuous zero rates are moved by linear interpolation between nodes."""

    def __init__(self, nodes, moves):
        self.curve_date, self.nodes, self.moves = CURVE.curve_date, nodes, moves

    def discount_factors(self, days):
        times = (days - np.datetime64(DAY, "D")).astype(np.int64) / 365.0
        return CURVE.discount_factors(days) * np.exp(-times * np.interp(times, self.nodes, self.moves))


def test_key_rates_are_bumps_and_add_up_to_the_effective_duration():
    nodes = (0.5, 2.0, 5.0, 10.0, 30.0)
    found = BOOK.analytics(curve=CURVE, settlement=DAY, convention=STREET, key_years=nodes)
    for i in range(len(nodes)):
        bump = np.eye(len(nodes))[i] * 1e-5
        low = BOOK.dirty_prices(Shifted(nodes, bump), DAY)
        high = BOOK.dirty_prices(Shifted(nodes, -bump), DAY)
        assert found.key_rate_dv01[:, i] == pytest.approx((high - low) / 2e-5 * 1e-4, abs=1e-8)
    total = found.key_rate_dv01.sum(axis=1)
    assert total == pytest.approx(found.effective_duration * found.dirty_price * 1e-4, abs=1e-14)


def test_scenarios_are_prices_on_moved_curves():
    nodes = (1.0, 5.0, 20.0)
    moves = np.random.default_rng(3).normal(0.0, 0.01, (70, 3))
    found = BOOK.scenario_prices(CURVE, DAY, moves, nodes)
    assert found.shape == (len(SECURITIES), 70)
    for i in (0, 31, 32, 69):
        assert found[:, i] == pytest.approx(BOOK.dirty_prices(Shifted(nodes, moves[i]), DAY), abs=1e-11, rel=0)


def test_z_spreads_explain_prices():
    spreads = np.random.default_rng(4).uniform(-0.01, 0.05, len(SECURITIES))
    accrued = BOOK.accrued(DAY)
    for value in (spreads[0], spreads[1]):
        clean = BOOK.dirty_prices(Shifted((1.0,), (value,)), DAY) - accrued
        assert BOOK.z_spreads(CURVE, clean, DAY) == pytest.approx(np.full(len(BOOK), value), abs=1e-12)


def test_frame_has_a_row_a_security():
    plain = BOOK.analytics(yields=some_yields(), settlement=DAY, convention=STREET).frame()
    assert plain.columns == ["cusip", "clean_price", "dirty_price", "accrued", "yield", *MEASURES[3:]]
    full = BOOK.analytics(curve=CURVE, settlement=DAY, convention=STREET, key_years=(2.0, 10.0)).frame()
    assert full.height == len(SECURITIES)
    assert full.columns[-2:] == ["key_rate_dv01_2y", "key_rate_dv01_10y"]


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"yields": [0.04]}, ConventionError, r"yields: shape \(1,\) is not \[2\]"),
        ({"yields": [0.04, float("nan")]}, ConventionError, r"yields\[1\] \(912810XX1\): nan is not a finite"),
        ({"yields": ["0.04", "4 %"]}, ConventionError, r"yields: is not \[2\] numbers, one for each security"),
        ({"clean_prices": [99.5, [1.0]]}, ConventionError, r"clean_prices: is not \[2\] numbers"),
        ({"yields": [4.25, 0.04]}, ConventionError, r"yields\[0\] \(912797XX0\): 4.25 looks like percent"),
        ({"clean_prices": [99.0, -3.0]}, ConventionError, r"clean_prices\[1\] \(912810XX1\): the dirty price"),
        ({}, ConventionError, "give one of curve, yields, clean_prices; given: none"),
        ({"yields": [0.1, 0.1], "clean_prices": [1.0, 1.0]}, ConventionError, "given: "),
        ({"yields": [0.1, 0.1], "settlement": datetime(2026, 3, 24)}, ConventionError, "settlement: "),
        ({"yields": [0.1, 0.1], "settlement": date(2026, 9, 1)}, SettlementOutOfRange, r"securities\[0\] 912797XX0"),
        ({"yields": [0.1, 0.1], "settlement": date(2020, 1, 1)}, SettlementOutOfRange, r"securities\[0\] 912797XX0"),
        ({"yields": [0.1, 0.1], "convention": "street"}, ConventionError, "convention: 'street'"),
        ({"yields": [0.1, 0.1], "convention": td.YieldConvention.MONEY_MARKET}, ConventionError, r"securities\[1\]"),
        ({"curve": CURVE, "key_years": (5, 2)}, ConventionError, "nodes: "),
        ({"curve": CURVE, "settlement": date(2026, 3, 20)}, SettlementOutOfRange, "before the curve of"),
    ],
)
def test_bad_input_names_row_and_cusip(change, error, message):
    book = td.Book(
        [
            td.Bill(cusip="912797XX0", issue_date=date(2026, 3, 3), maturity_date=date(2026, 9, 1)),
            td.Bond(cusip="912810XX1", coupon=0.04, dated_date=date(2020, 2, 15), maturity_date=date(2040, 2, 15)),
        ]
    )
    with pytest.raises(error, match=message):
        book.analytics(**{"settlement": DAY, "convention": STREET, **change})


def test_what_is_no_security_is_refused():
    with pytest.raises(DataError, match="none given"):
        td.Book([])
    with pytest.raises(DataError, match=r"securities\[1\]: str is not a security"):
        td.Book([SECURITIES[0], "912810XX1"])
    with pytest.raises(DataError, match=f"{type(SECURITIES[0]).__name__} is not a list of securities"):
        td.Book(SECURITIES[0])
    with pytest.raises(DataError, match="int is not a list of securities"):
        td.Book(3)


def test_any_iterable_will_do():
    assert td.Book(security for security in SECURITIES).cusips == BOOK.cusips


def test_a_negative_discount_factor_is_refused():
    class Broken(Shifted):
        def discount_factors(self, days):
            return super().discount_factors(days) - 0.5

    said = r"curve of 2026-03-24: the discount factor of \S+ is -\S+, which is not positive; securities\[\d+\] \("
    with pytest.raises(ConventionError, match=said):
        BOOK.dirty_prices(Broken((1.0,), (0.0,)), DAY)


def test_analytics_do_not_remember():
    first = BOOK.analytics(yields=some_yields(), settlement=DAY, convention=STREET)
    BOOK.analytics(yields=some_yields(8), settlement=DAY, convention=CONVENTIONS[1])
    again = td.Book(SECURITIES).analytics(yields=some_yields(), settlement=DAY, convention=STREET)
    assert replace(again).clean_price.tobytes() == first.clean_price.tobytes()


def test_durations_are_those_of_the_analytics():
    """Clear yields in closed form, odd first payments among them; any other by the search of the analytics."""
    rng = np.random.default_rng(9)
    clear, about_zero = rng.uniform(0.005, 0.08, len(SECURITIES)), some_yields()
    low = rng.uniform(0.0006, 0.001, len(SECURITIES))  # c/r loses digits of the mean here, at most
    for yields, within in ((clear, 1e-12), (about_zero, 1e-12), (np.full(len(SECURITIES), 0.4), 1e-12), (low, 1e-10)):
        for convention in CONVENTIONS:
            expected = BOOK.analytics(yields=yields, settlement=DAY, convention=convention)
            dirty, found, durations = BOOK.durations(expected.clean_price, settlement=DAY, convention=convention)
            assert dirty == pytest.approx(expected.dirty_price, rel=1e-14)
            assert found == pytest.approx(yields, abs=2e-13)
            assert durations == pytest.approx(expected.modified_duration, rel=within)
    with pytest.raises(ConventionError, match=r"clean_prices\[3\] .* not positive"):
        BOOK.durations(np.where(np.arange(len(SECURITIES)) == 3, -200.0, 100.0), convention=STREET, settlement=DAY)
