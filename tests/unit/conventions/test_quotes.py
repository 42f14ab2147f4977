from __future__ import annotations

import math

import pytest

from tbill_defi.conventions import (
    QuoteStyle,
    format_discount_rate,
    format_quote,
    parse_discount_rate,
    parse_quote,
    ticks_from_price,
)
from tbill_defi.core.errors import ConventionError


@pytest.mark.parametrize(
    ("price", "text"),
    [
        (99.5, "99-16"),
        (99.515625, "99-16+"),
        (99.5078125, "99-162"),
        (99.5234375, "99-166"),
        (100.0, "100-00"),
        (99.99609375, "99-317"),
        (0.03125, "0-01"),
        (-0.515625, "-0-16+"),
    ],
)
def test_prices_in_32nds_and_back(price: float, text: str) -> None:
    assert format_quote(price) == text
    assert parse_quote(text) == price


@pytest.mark.parametrize(
    ("style", "text"),
    [
        (QuoteStyle.EIGHTHS, "99-166"),
        (QuoteStyle.SIXTY_FOURTHS, "99-16+"),
        (QuoteStyle.THIRTY_SECONDS, "99-17"),
        (QuoteStyle.FRACTION, "99 67/128"),
        (QuoteStyle.DECIMAL, "99.5234375"),
    ],
)
def test_each_style_rounds_to_its_tick(style: QuoteStyle, text: str) -> None:
    assert format_quote(99.5234375 - (1e-9 if style is QuoteStyle.SIXTY_FOURTHS else 0.0), style) == text


@pytest.mark.parametrize(
    ("text", "price"),
    [
        ("99-160", 99.5),
        ("99-164", 99.515625),
        ("99 33/64", 99.515625),
        ("99 1/2", 99.5),
        ("99", 99.0),
        ("99.515625", 99.515625),
        (" 99-16+ ", 99.515625),
        (".5", 0.5),
    ],
)
def test_other_spellings(text: str, price: float) -> None:
    assert parse_quote(text) == price


def test_rounding_is_to_the_nearest_tick_and_carries() -> None:
    assert format_quote(99.999) == "100-00"
    assert format_quote(99.999, QuoteStyle.FRACTION) == "100"
    assert format_quote(99.5 + 1 / 512) == "99-16"
    assert format_quote(99.5 + 3 / 512) == "99-162"


@pytest.mark.parametrize(
    ("text", "cure"),
    [
        ("99-32", "32nds run from 00 to 31, not 32"),
        ("99-5", "32nds have two digits: 99-05"),
        ("99-5+", "32nds have two digits: 99-05+"),
        ("99-168", "or one digit 0 to 7 (eighths): 99-16+"),
        ("99-162+", "or one digit 0 to 7 (eighths): 99-16+"),
        ("99-1625", "one digit at most: 99-162"),
        ("99 3/5", "as in 99 33/64"),
        ("99 4/4", "the fraction is below 1"),
        ("4.285%", "a bill's quote is its discount rate"),
        ("99-16 +", "such as 99-16, 99-16+, 99-166, 99 33/64 or 99.515625"),
        ("", "such as 99-16"),
        ("--1-00", "such as 99-16"),
        ("nan", "such as 99-16"),
        ("1e2", "such as 99-16"),
        ("9999999", "beyond 1,000,000"),
    ],
)
def test_errors_name_the_text_and_the_right_form(text: str, cure: str) -> None:
    with pytest.raises(ConventionError) as caught:
        parse_quote(text)
    assert f"quote: {text!r} is not a price" in str(caught.value)
    assert cure in str(caught.value)


@pytest.mark.parametrize("price", [math.nan, math.inf, -math.inf, 2e6])
def test_prices_must_be_finite_and_of_this_world(price: float) -> None:
    with pytest.raises(ConventionError, match="price:"):
        format_quote(price)


def test_a_bill_is_quoted_by_its_discount_rate_in_percent() -> None:
    assert parse_discount_rate("4.285") == parse_discount_rate(" 4.285% ") == 0.04285
    assert format_discount_rate(0.04285) == "4.285"
    assert format_discount_rate(0.0) == "0"
    assert parse_discount_rate("-0.015") == -0.00015


@pytest.mark.parametrize("text", ["99-16", "", "nan", "4,285", "100", "4.285%%"])
def test_other_texts_are_no_discount_rate(text: str) -> None:
    with pytest.raises(ConventionError, match=r"percent such as 4\.285"):
        parse_discount_rate(text)


@pytest.mark.parametrize("rate", [math.nan, 4.285])
def test_a_discount_rate_is_decimal(rate: float) -> None:
    with pytest.raises(ConventionError, match="not a decimal discount rate"):
        format_discount_rate(rate)


def test_ticks() -> None:
    assert ticks_from_price(0.5) == 16.0
