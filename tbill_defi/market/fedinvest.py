"""FedInvest's daily price sheet: every marketable Treasury, headerless, eight columns."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl

from tbill_defi.core.errors import DataError
from tbill_defi.market.table import COUPON_PERCENT, PRICE, PRICE_OR_NONE, Row, read_text, refuse_duplicates, rows_of

COLUMNS = ("CUSIP", "type", "rate", "maturity date", "call date", "buy", "sell", "end of day")
"""What the file's eight columns are, in its order; these names are used in errors."""
TYPES = ("MARKET BASED BILL", "MARKET BASED NOTE", "MARKET BASED BOND", "MARKET BASED FRN", "TIPS")
SCHEMA: dict[str, pl.DataType] = {
    "date": pl.Date(),
    "cusip": pl.String(),
    "type": pl.String(),
    "rate": pl.Float64(),
    "maturity_date": pl.Date(),
    "call_date": pl.Date(),
    "buy": pl.Float64(),
    "sell": pl.Float64(),
    "end_of_day": pl.Float64(),
}
LARGEST_CROSS = 0.25
"""A bid more than this above the offer, per 100 face, is an error of the file and not a market."""


def read_fedinvest(path: str | Path, *, price_date: date) -> pl.DataFrame:
    """One day's sheet, sorted by CUSIP.

    Parameters
    ----------
    path
        FedInvest's headerless CSV: CUSIP, type, rate (percent with a % sign), maturity date, call date, buy, sell,
        end of day.
    price_date
        The day the sheet is for; the file does not carry it.

    Returns
    -------
    polars.DataFrame
        `date` (= `price_date`), `cusip`, `type`, `rate` (decimal), `maturity_date`, `call_date`, and per 100 face,
        clean: `buy` (the offer: what a buyer pays; null where the file has 0, which means no offer), `sell` (the bid),
        `end_of_day` (null where the file has 0). TIPS prices are before the index ratio.

    Raises
    ------
    DataError
        Names file, line, column, value and what was expected. The file is read whole or not at all.

    Notes
    -----
    https://www.treasurydirect.gov/GA-FI/FedInvest/selectSecurityPriceDate
    """
    return parse_fedinvest(read_text(path), Path(path).name, price_date)


def _price(row: Row, column: str) -> float | None:
    return row.number(column, PRICE_OR_NONE) or None


def _record(row: Row, price_date: date) -> dict[str, object]:
    kind = row.required("type", "one of " + ", ".join(TYPES))
    if kind not in TYPES:
        raise row.error("type", kind, f"is not a type of security (expected one of {', '.join(TYPES)})")
    rate = row.required("rate", "percent such as 4.125%")
    if not rate.endswith("%"):
        raise row.error("rate", rate, "has no % sign (expected percent such as 4.125%)")
    maturity = row.day("maturity date")
    if maturity < price_date:
        raise row.error("maturity date", row.text("maturity date"), f"is before the sheet's own date {price_date}")
    bid, offer = row.number("sell", PRICE), _price(row, "buy")
    if offer is not None and bid - offer > LARGEST_CROSS:
        raise row.error("sell", row.text("sell"), f"is above buy {offer} by more than {LARGEST_CROSS}")
    return {
        "date": price_date,
        "cusip": row.cusip("CUSIP"),
        "type": kind,
        "rate": row.number("rate", COUPON_PERCENT, rate[:-1].strip()),
        "maturity_date": maturity,
        "call_date": row.optional_day("call date"),
        "buy": offer,
        "sell": bid,
        "end_of_day": _price(row, "end of day"),
    }


def parse_fedinvest(text: str, file: str, price_date: date) -> pl.DataFrame:
    """`read_fedinvest` on a text; `file` names it in errors."""
    if not isinstance(price_date, date):
        raise DataError(f"{file}: price_date {price_date!r} is not a date")
    rows = list(rows_of(text, file, COLUMNS, first_line=1))
    records = [_record(row, price_date) for row in rows]
    refuse_duplicates(rows, [record["cusip"] for record in records], "CUSIP", "CUSIP")
    return pl.DataFrame(records, schema=SCHEMA).sort("cusip")
