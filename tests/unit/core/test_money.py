from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tbill_defi.core.errors import ConventionError
from tbill_defi.core.money import (
    LARGEST_UNITS,
    Rounding,
    cash_from_price,
    decimal_price,
    format_cents,
    format_units,
    units,
)


@settings(derandomize=True)
@given(st.integers(-(10**20), 10**20))
def test_format_then_parse_is_the_identity(amount):
    assert units(format_units(amount)) == amount


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (format_units(1_234_567_000_000), "1,234,567.00"),
        (format_units(-1), "-0.000001"),
        (format_units(1_234_567, decimals=0), "1,234,567"),
        (format_units(5_000_000, 0), "5"),
        (format_units(5_100_000, 0), "5.1"),
        (format_units(3_601, 3, 3), "3.601"),
    ],
)
def test_as_many_places_as_the_amount_needs_and_no_point_without_any(shown, expected):
    assert shown == expected


def test_the_largest_amount_is_one():
    for sign in ("", "-"):
        assert abs(units(f"{sign}1{'0' * 18}")) == LARGEST_UNITS
        with pytest.raises(ConventionError, match="out of range"):
            units(f"{sign}1{'0' * 18}.000001")


@pytest.mark.parametrize(
    "text", ["1.0000001", "abc", "NaN", "Infinity", "", "1e30", "9" * 30, "1.000,50", "1,2,3", "1_000", "1,0000", "--1"]
)
def test_what_is_not_an_exact_amount_is_refused(text):
    with pytest.raises(ConventionError, match="face"):
        units(text, field="face")


@pytest.mark.parametrize(
    ("face", "price", "rounding", "cash"),
    [
        (1_000_000_000, "99.5", Rounding.HALF_UP, 995_000_000),
        (1, "50", Rounding.HALF_UP, 1),
        (1, "50", Rounding.HALF_EVEN, 0),
        (3, "50", Rounding.HALF_EVEN, 2),
        (1, "99.999999", Rounding.DOWN, 0),
        (1, "0.000001", Rounding.UP, 1),
        (10**24, "123.456789", Rounding.HALF_UP, 1234567890000000000000000),
    ],
)
def test_cash_from_price_rounds_once(face, price, rounding, cash):
    assert cash_from_price(face, Decimal(price), rounding) == cash


def test_a_float_price_crosses_by_its_shortest_repr():
    assert decimal_price(99.0578925) == Decimal("99.057893")
    assert decimal_price(100.0) == Decimal("100.000000")


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (0, "0.00"),
        (4_999, "0.00"),
        (-4_999, "0.00"),
        (5_000, "0.01"),
        (-5_000, "-0.01"),
        (38_653_125_000, "38,653.13"),
        (90_071_992_547_409_935_000, "90,071,992,547,409.94"),  # a float has no such cents
    ],
)
def test_cents_are_rounded_half_up_from_the_integer(amount, text):
    assert format_cents(amount) == text
