from __future__ import annotations

from datetime import date, timedelta
from fractions import Fraction
from typing import Any

import pytest
import QuantLib as ql  # noqa: N813 - its own alias
from hypothesis import given
from hypothesis import strategies as st

import tbill_defi as td
from tbill_defi.pricing.interop import quantlib_bond
from tests.property.pricing.test_properties import coupon_securities, fixed

BOND = td.Bond(
    cusip="912810UJ5",
    coupon=0.0475,
    dated_date=date(2025, 2, 15),
    maturity_date=date(2045, 2, 15),
)
DAY = date(2026, 3, 24)
STREET = td.YieldConvention.STREET
PIECE = td.Strip(cusip="912803BB1", maturity_date=date(2036, 8, 15))


def test_the_price_is_compounded_by_half_years() -> None:
    # 144 of 181 days to 2026-08-15, then twenty half-years
    price = td.clean_price_from_yield(PIECE, 0.045, settlement=DAY, convention=STREET)
    assert price == pytest.approx(100 / 1.0225 ** (20 + 144 / 181), abs=1e-12)
    assert td.accrued_interest(PIECE, settlement=DAY) == 0.0
    # 31 CFR 356: simple interest in the fraction
    treasury = td.clean_price_from_yield(PIECE, 0.045, settlement=DAY, convention=td.YieldConvention.TREASURY)
    assert treasury == pytest.approx(100 / (1.0225**20 * (1 + 144 / 181 * 0.0225)), abs=1e-12)


@fixed
@given(st.dates(DAY + timedelta(days=1), date(2055, 12, 31)), st.floats(-0.01, 0.15))
def test_every_verb_is_that_of_a_note_without_a_coupon(maturity: date, yield_: float) -> None:
    piece = td.Strip(cusip="912803BB1", maturity_date=maturity)
    note = td.Note(cusip="91282CAA9", coupon=0.0, dated_date=date(2026, 1, 1), maturity_date=maturity)
    where: dict[str, Any] = {"settlement": DAY, "convention": STREET}
    for verb in (td.clean_price_from_yield, td.dirty_price_from_yield, td.modified_duration, td.convexity, td.dv01):
        assert verb(piece, yield_, **where) == pytest.approx(verb(note, yield_, **where), rel=1e-13)
    price = td.clean_price_from_yield(piece, yield_, **where)
    duration = td.modified_duration(piece, yield_, **where)
    assert td.yield_from_clean_price(piece, price, **where) == pytest.approx(yield_, abs=1e-14 + 2e-15 / duration)


def test_quantlib_agrees() -> None:
    bond = quantlib_bond(
        td.Note(cusip="91282CAA9", coupon=0.0, dated_date=date(2016, 8, 15), maturity_date=PIECE.maturity_date)
    )
    clean = bond.cleanPrice(0.045, bond.dayCounter(), ql.Compounded, ql.Semiannual, ql.Date(24, 3, 2026))
    mine = td.clean_price_from_yield(PIECE, 0.045, settlement=DAY, convention=STREET)
    assert mine == pytest.approx(clean, abs=1e-11)
    assert quantlib_bond(PIECE).maturityDate() == ql.Date(15, 8, 2036)


@fixed
@given(coupon_securities(), st.integers(1, 10**9))
def test_the_strips_pay_what_the_bond_pays_and_make_it_again(bond: td.Note | td.Bond, face: int) -> None:
    pieces = td.strip(bond, face=face)
    flows = bond.resolve()
    paid: dict[date, Fraction] = {}
    for piece, amount in pieces.items():
        (day,), (hundred,) = piece.resolve().payment_dates, piece.resolve().amounts
        assert hundred == 100.0
        paid[day] = paid.get(day, Fraction(0)) + amount
    exact = {d: flows.rate * f for d, f in zip(flows.payment_dates, flows.fractions, strict=True)}
    exact[flows.maturity] += 100
    assert {day: amount for day, amount in paid.items() if amount} == {d: v * face / 100 for d, v in exact.items() if v}
    assert td.reconstitute(bond, pieces) == face


def test_at_the_curve_a_bond_is_worth_its_strips() -> None:
    curve = td.Curve.bootstrap(DAY, {"3 Mo": 0.0373, "1 Yr": 0.0372, "2 Yr": 0.0385, "10 Yr": 0.0435, "30 Yr": 0.0494})
    pieces = td.strip(BOND, settlement=DAY)
    total = sum(float(face) / 100 * curve.dirty_price(piece, settlement=DAY) for piece, face in pieces.items())
    assert total == pytest.approx(curve.dirty_price(BOND, settlement=DAY), abs=1e-10)


def test_what_was_paid_is_not_stripped() -> None:
    assert len(td.strip(BOND)) == 41
    assert len(td.strip(BOND, settlement=date(2025, 8, 15))) == 40
    assert td.reconstitute(BOND, td.strip(BOND, settlement=DAY), settlement=DAY) == 100
    with pytest.raises(td.ConventionError, match="settlement: 2045-02-15 is not before 912810UJ5's maturity"):
        td.strip(BOND, settlement=BOND.maturity_date)


def test_identifiers() -> None:
    named = list(td.strip(BOND, interest_cusips={date(2025, 8, 15): "912834AB1"}, principal_cusip="912803CD2"))
    assert [piece.cusip for piece in (named[0], named[1], named[-1])] == ["912834AB1", "#CI260215", "912803CD2"]
    assert list(td.strip(BOND))[-1].cusip == "#BP810UJ5"
    assert named[-1].principal_of == BOND.cusip
    assert named[0].principal_of is None


def test_interest_of_any_bond_will_do_and_the_principal_of_this_one_alone() -> None:
    other = BOND.model_copy(update={"cusip": "912810UL0"})
    pieces = td.strip(BOND)
    elsewhere = [piece for piece in td.strip(other) if piece.principal_of is None]
    assert set(elsewhere) < set(pieces)
    with pytest.raises(td.ConventionError, match="the principal of 912810UL0, due 2045-02-15, is missing"):
        td.reconstitute(other, pieces)


@pytest.mark.parametrize(("change", "what"), [(Fraction(-1), "1.375"), (Fraction(1), "3.375")])
def test_what_is_short_or_over_is_named(change: Fraction, what: str) -> None:
    pieces = td.strip(BOND)
    first = next(iter(pieces))
    with pytest.raises(td.ConventionError) as caught:
        td.reconstitute(BOND, pieces | {first: pieces[first] + change})
    assert str(caught.value) == (
        f"strips: interest due 2025-08-15 is of face {what}; 100 face of 912810UJ5 takes 2.375"
    )


def test_only_notes_and_bonds_are_stripped() -> None:
    with pytest.raises(td.ConventionError, match="Strip 912803BB1 is not a note or bond"):
        td.strip(PIECE)  # type: ignore[arg-type]


def test_terms_survive_their_text_and_settlement_is_checked() -> None:
    assert td.read_security(PIECE.model_dump_json()) == PIECE
    with pytest.raises(td.SettlementOutOfRange, match="not before 912803BB1's maturity 2036-08-15"):
        td.clean_price_from_yield(PIECE, 0.04, settlement=PIECE.maturity_date, convention=STREET)
    with pytest.raises(td.ConventionError, match="MONEY_MARKET is defined when only the final payment remains"):
        td.clean_price_from_yield(PIECE, 0.04, settlement=DAY, convention=td.YieldConvention.MONEY_MARKET)
