"""Reading and writing quotes are exact inverses."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tbill_defi import Bill, Note, price_from_quote, quote_from_price
from tbill_defi.conventions import QuoteStyle, format_discount_rate, format_quote, parse_discount_rate, parse_quote
from tbill_defi.core.errors import ConventionError

TICKS = {
    QuoteStyle.EIGHTHS: 256,
    QuoteStyle.FRACTION: 256,
    QuoteStyle.SIXTY_FOURTHS: 64,
    QuoteStyle.THIRTY_SECONDS: 32,
}
PRICES = st.floats(-1e6, 1e6)
SETTLEMENT = date(2026, 3, 25)
BILL = Bill(cusip="912797UQ8", issue_date=date(2026, 3, 24), maturity_date=date(2026, 7, 21))
NOTE = Note(cusip="91282CNY3", coupon=0.03375, dated_date=date(2025, 9, 15), maturity_date=date(2028, 9, 15))


@given(st.sampled_from(list(TICKS)), st.integers(-50_000, 50_000))
def test_every_tick_is_read_back_exactly(style: QuoteStyle, ticks: int) -> None:
    price = ticks / TICKS[style]
    text = format_quote(price, style)
    assert parse_quote(text) == price
    assert format_quote(parse_quote(text), style) == text


@given(st.sampled_from(list(TICKS)), PRICES)
def test_any_price_is_read_back_within_half_a_tick(style: QuoteStyle, price: float) -> None:
    back = parse_quote(format_quote(price, style))
    assert abs(back - price) <= 0.5 / TICKS[style]
    assert back * TICKS[style] == int(back * TICKS[style])


@given(PRICES)
def test_decimals_are_read_back_to_the_same_double(price: float) -> None:
    assert parse_quote(format_quote(price, QuoteStyle.DECIMAL)) == price


@given(st.floats(-0.999, 0.999))
def test_discount_rates_are_read_back_to_the_same_double(rate: float) -> None:
    assert parse_discount_rate(format_discount_rate(rate)) == rate


@given(st.text("0123456789-+./ %", max_size=9))
def test_any_text_is_a_price_or_one_clear_error(text: str) -> None:
    try:
        price = parse_quote(text)
    except ConventionError as error:
        said = str(error)
    else:
        said = ""
        assert parse_quote(format_quote(price, QuoteStyle.DECIMAL)) == price
    assert not said or said.startswith(f"quote: {text!r} is not a price")


@given(st.integers(0, 20_000))
def test_a_bill_and_a_note_by_the_same_verb(thousandths: int) -> None:
    rate = f"{thousandths / 1000:.3f}"
    price = price_from_quote(BILL, rate, settlement=SETTLEMENT)
    assert price == pytest.approx(100 * (1 - thousandths / 100_000 * 118 / 360), abs=1e-12)
    assert float(quote_from_price(BILL, price, settlement=SETTLEMENT)) == pytest.approx(float(rate), abs=1e-11)
    quote = quote_from_price(NOTE, thousandths / 256, settlement=SETTLEMENT)
    assert price_from_quote(NOTE, quote, settlement=SETTLEMENT) == thousandths / 256
