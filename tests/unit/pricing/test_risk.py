from __future__ import annotations

from datetime import date

import pytest

from tbill_defi.conventions import YieldConvention
from tbill_defi.core.errors import ConventionError
from tbill_defi.instruments import Bill, Note
from tbill_defi.pricing import (
    accrued_interest,
    clean_price_from_yield,
    convexity,
    dirty_price_from_yield,
    dv01,
    macaulay_duration,
    measures_from_clean_price,
    measures_from_yield,
    modified_duration,
)

STREET = YieldConvention.STREET
DAY = date(2026, 8, 24)
NOTE = Note(cusip="91282CQX2", coupon=0.04125, dated_date=date(2026, 6, 30), maturity_date=date(2031, 6, 30))
BILL = Bill(cusip="912797SC2", issue_date=date(2026, 8, 20), maturity_date=date(2027, 2, 18))


def test_macaulay_is_modified_times_one_and_half_the_yield_when_compounded() -> None:
    modified = modified_duration(NOTE, 0.04, settlement=DAY, convention=STREET)
    assert macaulay_duration(NOTE, 0.04, settlement=DAY, convention=STREET) == pytest.approx(modified * 1.02, rel=1e-14)


def test_a_zero_coupon_has_the_duration_of_its_term() -> None:
    assert macaulay_duration(BILL, 0.04, settlement=DAY, convention=STREET) == pytest.approx(178 / 365, abs=1e-15)
    strip = Note(cusip="91282CQX2", coupon=0.0, dated_date=date(2026, 8, 15), maturity_date=date(2036, 8, 15))
    duration = macaulay_duration(strip, 0.04, settlement=date(2026, 8, 15), convention=STREET)
    assert duration == pytest.approx(10.0, abs=1e-13)
    assert convexity(strip, 0.04, settlement=date(2026, 8, 15), convention=STREET) == pytest.approx(
        20 * 21 / 4 / 1.02**2, rel=1e-13
    )


@pytest.mark.parametrize("security", [NOTE, BILL])
@pytest.mark.parametrize("convention", [STREET, YieldConvention.TREASURY, YieldConvention.TRUE_YIELD])
def test_dv01_is_positive_dollars_of_a_fall(security: Note | Bill, convention: YieldConvention) -> None:
    def price(rate: float) -> float:
        return dirty_price_from_yield(security, rate, settlement=DAY, convention=convention)

    numerical = (price(0.04 - 1e-5) - price(0.04 + 1e-5)) * 5.0
    given = dv01(security, 0.04, settlement=DAY, convention=convention)
    assert given == pytest.approx(numerical, rel=1e-8)
    assert given > 0
    assert dv01(security, 0.04, settlement=DAY, convention=convention, face=25e6) == pytest.approx(given * 25e4)


def test_dv01_is_duration_times_price() -> None:
    price = dirty_price_from_yield(NOTE, 0.04, settlement=DAY, convention=STREET)
    duration = modified_duration(NOTE, 0.04, settlement=DAY, convention=STREET)
    assert dv01(NOTE, 0.04, settlement=DAY, convention=STREET) == pytest.approx(duration * price * 1e-4, rel=1e-15)


@pytest.mark.parametrize("security", [NOTE, BILL])
def test_measures_are_the_verbs(security: Note | Bill) -> None:
    where = {"settlement": DAY, "convention": STREET}
    found = measures_from_yield(security, 0.0412, **where)
    assert found.dirty_price == dirty_price_from_yield(security, 0.0412, **where)
    assert found.clean_price == clean_price_from_yield(security, 0.0412, **where)
    assert found.accrued == accrued_interest(security, settlement=DAY)
    assert found.modified_duration == modified_duration(security, 0.0412, **where)
    assert found.macaulay_duration == macaulay_duration(security, 0.0412, **where)
    assert found.convexity == convexity(security, 0.0412, **where)
    assert found.dv01 == pytest.approx(dv01(security, 0.0412, **where), rel=1e-15)
    again = measures_from_clean_price(security, found.clean_price, **where)
    assert again.yield_ == pytest.approx(0.0412, abs=1e-14)


def test_face_must_be_a_number() -> None:
    with pytest.raises(ConventionError, match="face: nan"):
        dv01(NOTE, 0.04, settlement=DAY, convention=STREET, face=float("nan"))
