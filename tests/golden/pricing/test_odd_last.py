"""Notes and bonds with an odd last coupon: single verbs against QuantLib, a book against both."""

from __future__ import annotations

from datetime import date, timedelta
from fractions import Fraction
from random import Random
from typing import Any

import numpy as np
import pytest
import QuantLib as ql  # noqa: N813 - its own alias

import tbill_defi as td
from bench.universe import frn_index, universe
from tbill_defi.ledger.accrual import accrual_period
from tbill_defi.ledger.coupons import coupons
from tbill_defi.pricing.interop import quantlib_bond
from tbill_defi.pricing.risk import measures_from_yield

STREET, TREASURY = td.YieldConvention.STREET, td.YieldConvention.TREASURY
DAY = date(2026, 3, 24)
SHORT = td.Note(
    cusip="91282CQX2",
    coupon=0.05,
    dated_date=date(2023, 8, 15),
    maturity_date=date(2026, 11, 30),
    penultimate_coupon_date=date(2026, 8, 15),
)
LONG = SHORT.model_copy(update={"maturity_date": date(2027, 5, 31)})


def odd(count: int, seed: int, alive: date | None = None) -> list[td.Note]:
    random, found = Random(seed), []
    while len(found) < count:
        dated = date(2018, 1, 1) + timedelta(days=random.randint(0, 2900))
        penultimate = dated + timedelta(days=random.randint(1, 3600))
        maturity = penultimate + timedelta(days=random.randint(1, 364))
        if alive is not None and not dated <= alive < maturity:
            continue
        terms: dict[str, Any] = {"dated_date": dated, "maturity_date": maturity, "penultimate_coupon_date": penultimate}
        cycle = td.Note(cusip="912828XX0", coupon=0.0, dated_date=dated, maturity_date=penultimate).resolve()
        first = random.choice([None, None, *cycle.quasi_dates[1:4]])
        try:
            found.append(
                td.Note(cusip=f"{len(found):09d}", coupon=random.randint(1, 64) / 800, first_coupon_date=first, **terms)
            )
        except td.ConventionError:  # on the cycle: no odd last period
            continue
    return found


def test_interest_of_a_short_and_of_a_long_last_period() -> None:
    flows = SHORT.resolve()
    # 107 days of the 184 from 15 August 2026 to 15 February 2027
    assert flows.fractions[-1] == Fraction(107, 368)
    assert flows.amounts[-1] == pytest.approx(100.0 + 5.0 * 107 / 368, abs=1e-13)
    # a whole half-year, and 105 days of the 181 from 15 February to 15 August 2027
    assert LONG.resolve().fractions[-1] == Fraction(1, 2) + Fraction(105, 362)
    assert td.accrued_interest(LONG, settlement=date(2027, 3, 15)) == pytest.approx(5.0 * (0.5 + 28 / 362), abs=1e-14)
    assert td.accrued_interest(LONG, settlement=date(2026, 8, 15)) == 0.0


@pytest.mark.parametrize("seed", range(3))
def test_quantlib_agrees(seed: int) -> None:
    random, compared = Random(seed), 0
    f = ql.BondFunctions
    for note in odd(300, seed):
        flows = note.resolve()
        if note.penultimate_coupon_date is None or note.penultimate_coupon_date.day > 27 or flows.first_flow > 1:
            continue  # QuantLib keeps month ends only with a flag; a long first period it compounds
        theirs = quantlib_bond(note)
        amounts = [flow.amount() for flow in theirs.cashflows()]
        assert [*amounts[:-2], amounts[-2] + amounts[-1]] == pytest.approx(flows.amounts.tolist(), abs=1e-12)
        life = (note.maturity_date - note.dated_date).days
        settlement = note.dated_date + timedelta(days=random.randint(0, life - 1))
        day = ql.Date(settlement.day, settlement.month, settlement.year)
        ql.Settings.instance().evaluationDate = day
        assert td.accrued_interest(note, settlement=settlement) == pytest.approx(theirs.accruedAmount(day), abs=1e-12)
        rate, at = random.uniform(0.0, 0.1), {"settlement": settlement}
        final = settlement >= note.penultimate_coupon_date
        for convention, before in ((STREET, ql.Compounded), (TREASURY, ql.SimpleThenCompounded)):
            terms = theirs.dayCounter(), ql.Simple if final else before, ql.Semiannual
            price = f.cleanPrice(theirs, rate, *terms, day)
            assert td.clean_price_from_yield(note, rate, convention=convention, **at) == pytest.approx(price, abs=1e-11)
            duration = f.duration(theirs, rate, *terms, ql.Duration.Modified, day)
            found = td.modified_duration(note, rate, convention=convention, **at)
            assert found == pytest.approx(duration, abs=1e-11)
            back = td.yield_from_clean_price(note, price, convention=convention, **at)
            assert back == pytest.approx(rate, abs=1e-12)
        compared += 1
    assert compared > 100


@pytest.mark.parametrize("convention", [STREET, TREASURY, td.YieldConvention.TRUE_YIELD])
@pytest.mark.parametrize("day", [DAY, date(2025, 2, 28), date(2025, 8, 15)])
def test_a_book_is_the_single_verbs(convention: td.YieldConvention, day: date) -> None:
    notes = [*odd(200, 5, alive=day), *universe(50, day, seed=3, floating=0.2)]
    book = td.Book(notes, frn_index=frn_index(day))
    yields = np.random.default_rng(2).uniform(-0.01, 0.12, len(notes))
    found = book.analytics(yields=yields, settlement=day, convention=convention)
    for i, note in enumerate(notes[:200]):
        single = measures_from_yield(note, float(yields[i]), settlement=day, convention=convention)
        for name in ("clean_price", "accrued", "modified_duration", "convexity", "dv01"):
            limit = 1e-10 if name == "convexity" else 1e-11
            assert getattr(found, name)[i] == pytest.approx(getattr(single, name), abs=limit, rel=0), (name, note)
    solved = book.analytics(clean_prices=found.clean_price, settlement=day, convention=convention)
    assert np.abs(solved.yield_ - yields).max() < 1e-11


def test_a_book_on_a_curve_is_the_discounted_flows() -> None:
    curve = td.Curve.bootstrap(DAY, {"6 Mo": 0.0371, "2 Yr": 0.0385, "10 Yr": 0.0435, "30 Yr": 0.0494})
    notes = odd(80, 6, alive=DAY)
    book = td.Book([*universe(20, DAY, seed=3, floating=0.2), *notes], frn_index=frn_index(DAY))
    found = book.analytics(curve=curve, settlement=DAY, convention=STREET)
    expected = [curve.dirty_price(note, settlement=DAY) for note in notes]
    assert found.dirty_price[20:] == pytest.approx(expected, abs=1e-11, rel=0)
    spreads = book.z_spreads(curve, found.clean_price - 1.0, DAY)[20:]
    singles = [
        td.z_spread(note, float(price), curve, settlement=DAY)
        for note, price in zip(notes, found.clean_price[20:] - 1.0, strict=True)
    ]
    assert spreads == pytest.approx(singles, abs=1e-11)
    assert found.key_rate_dv01 is not None
    assert found.effective_duration is not None
    total = found.effective_duration * found.dirty_price * 1e-4
    assert found.key_rate_dv01.sum(axis=1) == pytest.approx(total, abs=1e-13)


def test_only_the_final_payment_is_a_money_market_yield() -> None:
    book = td.Book([SHORT])
    with pytest.raises(td.ConventionError, match=r"securities\[0\] \(91282CQX2\) has more"):
        book.analytics(yields=[0.04], settlement=DAY, convention=td.YieldConvention.MONEY_MARKET)
    late = date(2026, 9, 30)
    found = book.analytics(yields=[0.04], settlement=late, convention=td.YieldConvention.MONEY_MARKET)
    worth = SHORT.resolve().amounts[-1] / (1.0 + 0.04 * 61 / 360)
    assert found.dirty_price[0] == pytest.approx(worth, abs=1e-12)


def test_the_ledger_pays_and_accrues_the_same() -> None:
    last = coupons(LONG)[-1]
    assert last.fraction == Fraction(5, 100) * (Fraction(1, 2) + Fraction(105, 362))
    period = accrual_period(LONG, date(2027, 3, 15))
    assert period is not None
    assert [period[name] for name in ("accrual_start", "prior_coupon", "previous_coupon", "next_coupon")] == [
        date(2026, 8, 15),
        date(2026, 8, 15),
        date(2027, 2, 15),
        date(2027, 8, 15),
    ]
    assert accrual_period(SHORT, date(2026, 9, 30))["next_coupon"] == date(2027, 2, 15)  # type: ignore[index]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"penultimate_coupon_date": date(2023, 8, 1)},
            "dated_date: 2023-08-15 must be before penultimate_coupon_date",
        ),
        (
            {"penultimate_coupon_date": date(2026, 11, 30)},
            "penultimate_coupon_date: 2026-11-30 must be before maturity",
        ),
        ({"penultimate_coupon_date": date(2025, 8, 15)}, "2025-08-15 is more than a year before maturity 2026-11-30"),
        ({"penultimate_coupon_date": date(2026, 5, 31)}, "2026-05-31 is on the cycle of maturity 2026-11-30; leave it"),
        ({"first_coupon_date": date(2023, 11, 30)}, "first_coupon_date: 2023-11-30 is not one of 2024-02-15"),
    ],
)
def test_terms_that_cannot_be(change: dict[str, date], message: str) -> None:
    with pytest.raises(td.ConventionError, match=message):
        td.Note(**{**SHORT.model_dump(exclude={"kind"}), **change})
