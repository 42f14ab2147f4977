"""`tbill price --file`: many securities at once, each from its own price, yield, rate or the market's quote."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tbill_defi.cli.common import console
from tbill_defi.cli.price_figures import linked
from tbill_defi.cli.price_market import PriceMarket
from tbill_defi.core.errors import DataError, TbillError, UsageError

if TYPE_CHECKING:
    from tbill_defi.conventions.yields import YieldConvention
    from tbill_defi.instruments import AnySecurity
    from tbill_defi.market.quotes_file import QuotedRow
    from tbill_defi.pricing.book import Analytics, Book
    from tbill_defi.pricing.shocks import Shock

NOMINAL_YIELD = 0.04
"""What fills the places of rows that are not priced from a yield."""
_ROW = re.compile(r"\b(securities|yields|clean_prices)\[(\d+)\]")


def price_file(
    file: Path, market: PriceMarket, settlement: date | None, convention: YieldConvention, chosen: list[Shock]
) -> dict[str, Any]:
    """JSON form of the securities of a file at a settlement; None: the sheet's date if all prices are its, else T+1.

    Raises
    ------
    TbillError
        Names file, line, CUSIP and field.
    """
    from tbill_defi.conventions import settlement_date
    from tbill_defi.market.quotes_file import read_quotes

    rows = read_quotes(file)
    if settlement is None:
        given = any(row.quote for row in rows)
        settlement = settlement_date(market.day) if given else market.quoted_for
    securities = [_security(row, market) for row in rows]
    book = market.book(securities)
    with by_line(rows):
        clean, sources = _clean_prices(rows, book, market, settlement, convention)
        found = book.analytics(clean_prices=clean, settlement=settlement, convention=convention)
        after = market.scenarios(book, clean, settlement, chosen)
        described = [
            _described(row, security, i, found, market, settlement)
            | {"clean_price": float(clean[i]), "source": sources[i]}
            | after[i]
            for i, (row, security) in enumerate(zip(rows, securities, strict=True))
        ]
    return {
        "settlement_date": settlement.isoformat(),
        "convention": convention.name,
        "curve_date": min(market.day, settlement).isoformat() if chosen else None,
        "securities": described,
    }


@contextmanager
def by_line(rows: Sequence[QuotedRow]) -> Iterator[None]:
    """Errors of a book as those of the file it was made of: its line in place of the row in the book."""
    try:
        yield
    except TbillError as error:
        match = _ROW.search(str(error))
        if match is None:
            raise
        row = rows[int(match[2])]
        words = _ROW.sub(lambda m: "" if m[1] == "securities" else m[1].removesuffix("s"), str(error)).strip(": ")
        raise type(error)(f"{row.place}: {' '.join(words.split())}") from None


def _security(row: QuotedRow, market: PriceMarket) -> AnySecurity:
    if row.security is not None:
        return row.security
    try:
        return market.snapshot.security(row.cusip)
    except TbillError as error:
        raise type(error)(f"{row.place}: {error}") from None


def _clean_prices(
    rows: Sequence[QuotedRow], book: Book, market: PriceMarket, settlement: date, convention: YieldConvention
) -> tuple[Any, list[str]]:
    """[n] clean prices per 100 face that the rows mean, and where each is from."""
    import numpy as np

    from tbill_defi.pricing.bills import price_from_discount_rate

    yields, clean, sources = np.full(len(rows), NOMINAL_YIELD), np.full(len(rows), np.nan), []
    floating = book.at(settlement).floating
    for i, row in enumerate(rows):
        security = book.columns.securities[i]
        name, value = row.quote or ("market", 0.0)
        sources.append("given" if row.quote else "")
        if name == "market":
            try:
                clean[i], sources[i] = market.quoted(row.cusip)
            except DataError as error:
                raise DataError(f"{row.place}: {error}") from None
        elif name == "price":
            clean[i] = value
        elif name == "discount_rate":
            if security.kind != "bill":
                raise UsageError(f"{row.place}: discount_rate: {row.cusip} is a {security.kind}; it is for bills")
            clean[i] = price_from_discount_rate(security, value, settlement=settlement)
        elif name == "discount_margin":
            if floating is None or security.kind != "frn":
                raise UsageError(f"{row.place}: discount_margin: {row.cusip} is a {security.kind}; it is for an frn")
            yields[i] = floating.index + value
        else:
            yields[i] = value
    priced = book.analytics(yields=yields, settlement=settlement, convention=convention)
    return np.where(np.isnan(clean), priced.clean_price, clean), sources


def _described(
    row: QuotedRow, security: AnySecurity, i: int, found: Analytics, market: PriceMarket, settlement: date
) -> dict[str, Any]:
    """JSON form of one security."""
    value: dict[str, Any] = {
        "place": row.place,
        "security": security.model_dump(mode="json", exclude_none=True),
        "clean_price": float(found.clean_price[i]),
        "accrued_interest": float(found.accrued[i]),
        "dirty_price": float(found.dirty_price[i]),
        "yield": float(found.yield_[i]),
        "modified_duration": float(found.modified_duration[i]),
        "convexity": float(found.convexity[i]),
        "dv01_per_million": float(found.dv01[i]) * 10_000,
    }
    try:
        return value | linked(security, found, market, settlement, i)
    except DataError as error:
        raise DataError(f"{row.place}: {error}") from None


def show_file(value: dict[str, Any]) -> None:
    """A row a security, and a table of the scenarios where there are some."""
    from tbill_defi.instruments import read_security
    from tbill_defi.report import formats
    from tbill_defi.report.layout import Column, Sheet

    convention = value["convention"]
    sheet = Sheet(
        f"{len(value['securities']):,} securities, settlement {value['settlement_date']}",
        Column("cusip", left=True),
        Column("kind", left=True, rank=3),
        Column("coupon", rank=5),
        Column("maturity", rank=4),
        "clean",
        Column("accrued", rank=6),
        Column("dirty", rank=2),
        f"yield {convention}",
        Column("to worst", rank=9, of_some=True),
        Column("margin", rank=8, of_some=True),
        Column("index ratio", rank=10, of_some=True),
        "duration",
        Column("convexity", rank=7),
        Column("DV01 of $1m", rank=1),
    )
    for row in value["securities"]:
        security = read_security(row["security"])
        worst, margin = row.get("yield_to_worst"), row.get("discount_margin")
        sheet.add(
            security.cusip,
            security.kind,
            formats.coupon(security),
            str(security.maturity_date),
            formats.decimals(row["clean_price"]),
            formats.decimals(row["accrued_interest"]),
            formats.decimals(row["dirty_price"]),
            formats.percent(row["yield"], 4),
            "" if worst is None else formats.percent(worst, 4),
            "" if margin is None else formats.basis_points(margin),
            f"{row['index_ratio']:.5f}" if "index_ratio" in row else "",
            f"{row['modified_duration']:.4f}",
            f"{row['convexity']:.3f}",
            f"${row['dv01_per_million']:,.2f}",
        )
    console().print(sheet)
    if value["curve_date"] is not None:
        show_scenarios(value["securities"])


def show_scenarios(rows: Sequence[dict[str, Any]]) -> None:
    """Changes of the clean price, a column a shock, and a line on each curve that is shocked."""
    from tbill_defi.report.layout import Column, Sheet

    names = [after["name"] for after in rows[0]["scenarios"]]
    sheet = Sheet(
        "change of the clean price per 100 face, zero rates moved, own spread kept",
        Column("cusip", left=True),
        *(Column(name, rank=i) for i, name in enumerate(names)),
    )
    for row in rows:
        sheet.add(row["security"]["cusip"], *(f"{round(after['change'], 6) + 0.0:+.6f}" for after in row["scenarios"]))
    console().print(sheet)
    curves = dict.fromkeys((row["security"]["kind"] == "tips", row["scenario_curve"]) for row in rows)
    for real, name in curves:
        console().print(f"curve{' of TIPS' if real else ''}: {name}")
    if any(row["security"].get("call_schedule") for row in rows):
        console().print("callable bonds are valued to maturity here, their calls left out")
