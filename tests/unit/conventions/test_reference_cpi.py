from __future__ import annotations

import math
from datetime import date
from decimal import Decimal
from fractions import Fraction

import pytest

from tbill_defi.conventions.reference_cpi import ReferenceCpi, truncated_and_rounded
from tbill_defi.core.errors import ConventionError, DataError

# BLS, CPI-U, U.S. city average, all items, not seasonally adjusted
CPI = {
    date(2025, 6, 1): 322.561,
    date(2025, 7, 1): 323.048,
    date(2025, 8, 1): 323.976,
    date(2025, 9, 1): 324.800,
}


def test_the_first_of_a_month_has_the_cpi_of_three_months_before() -> None:
    assert ReferenceCpi.of_monthly(CPI).on(date(2025, 10, 1)) == Decimal("323.04800")


def test_days_between_are_interpolated() -> None:
    # 323.048 + 14/31 (323.976 - 323.048) = 323.467096..., 31 CFR 356 Appendix B, I.B
    assert ReferenceCpi.of_monthly(CPI).on(date(2025, 10, 15)) == Decimal("323.46710")


def test_truncated_to_six_then_rounded_to_five() -> None:
    assert truncated_and_rounded(Fraction(123_456_449, 10**8)) == Decimal("1.23456")
    assert truncated_and_rounded(Fraction(123_456_499, 10**8)) == Decimal("1.23456")  # straight rounding: the same
    assert truncated_and_rounded(Fraction(123_456_599, 10**8)) == Decimal("1.23457")
    assert truncated_and_rounded(Fraction(12_345_649_999, 10**10)) == Decimal("1.23456")
    assert truncated_and_rounded(Fraction(1_234_565, 10**6)) == Decimal("1.23457")


def test_a_published_day_goes_before_the_months() -> None:
    cpi = ReferenceCpi({date(2025, 10, 15): Decimal("323.5")}, {d: Decimal(str(v)) for d, v in CPI.items()})
    assert cpi.on(date(2025, 10, 15)) == Decimal("323.5")
    assert cpi.on(date(2025, 10, 16)) == Decimal("323.49703")


def test_the_days_of_a_month_determine_the_cpi_at_both_its_ends() -> None:
    days = {date(2025, 10, 1): 323.048, date(2025, 10, 31): 323.94606}
    cpi = ReferenceCpi.of_daily(days)
    assert cpi.on(date(2025, 11, 1)) == Decimal("323.97600")
    assert cpi.on(date(2025, 10, 15)) == Decimal("323.46710")
    assert not cpi.is_estimated(date(2025, 11, 1))


def test_a_cpi_beyond_the_fallback_is_named() -> None:
    months = CPI | {date(2024, 9, 1): 315.301}
    cpi = ReferenceCpi.of_monthly(months)
    assert cpi.is_estimated(date(2026, 1, 1))
    with pytest.raises(DataError) as caught:
        cpi.on(date(2026, 1, 2))
    assert str(caught.value) == (
        "reference CPI of 2026-01-02: needs the CPI-U of 2025-11, which is not there; the last one before it is of "
        "2025-09, and the fallback of 31 CFR 356 needs those of 2025-10 and 2024-10"
    )
    with pytest.raises(DataError, match=r"needs the CPI-U of 2024-12, .*; the last one before it is of 2024-09"):
        cpi.on(date(2025, 3, 5))
    with pytest.raises(DataError, match="there is none before it"):
        cpi.on(date(2020, 3, 5))


@pytest.mark.parametrize("value", [math.nan, math.inf, -1.0, 3.2])
def test_what_is_no_cpi_is_refused(value: float) -> None:
    with pytest.raises(ConventionError, match=r"CPI-U of 2025-09-01: .* is not a CPI-U"):
        ReferenceCpi.of_monthly({date(2025, 9, 1): value})
