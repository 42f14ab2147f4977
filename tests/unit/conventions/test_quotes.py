from __future__ import annotations

import math

import pytest

from tbill_defi.conventions import format_32nds, parse_32nds, ticks_from_price
from tbill_defi.core.errors import ConventionError


@pytest.mark.parametrize(
    ("price", "text"),
    [
        (99.5, "99-16"),
        (99.515625, "99-16+"),
        (99.5078125, "99-162"),
        (100.0, "100-00"),
        (99.99609375, "99-317"),
        (0.03125, "0-01"),
        (-0.515625, "-0-16+"),
    ],
)
def test_prices_in_32nds_and_back(price: float, text: str) -> None:
    assert format_32nds(price) == text
    assert parse_32nds(text) == price


def test_rounding_is_to_the_nearest_eighth_and_carries() -> None:
    assert format_32nds(99.999) == "100-00"
    assert format_32nds(99.5 + 1 / 512) == "99-16"
    assert format_32nds(99.5 + 3 / 512) == "99-162"


def test_zero_eighths_may_be_written() -> None:
    assert parse_32nds("99-160") == 99.5


@pytest.mark.parametrize("text", ["99.5", "99-32", "99-5", "99-168", "99-16 +", "", "--1-00"])
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(ConventionError, match="is not a price in 32nds"):
        parse_32nds(text)


@pytest.mark.parametrize("price", [math.nan, math.inf])
def test_prices_must_be_finite(price: float) -> None:
    with pytest.raises(ConventionError, match="not a finite"):
        format_32nds(price)


def test_ticks() -> None:
    assert ticks_from_price(0.5) == 16.0
