"""What `tbill price` says of one security."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import TYPE_CHECKING, Any

from tbill_defi.cli.common import console
from tbill_defi.cli.price_market import PriceMarket
from tbill_defi.core.errors import TbillError

if TYPE_CHECKING:
    from tbill_defi.conventions.yields import YieldConvention
    from tbill_defi.instruments import AnySecurity
    from tbill_defi.pricing.book import Book


@contextmanager
def of_one() -> Iterator[None]:
    """Errors of a book of one security, without its row."""
    try:
        yield
    except TbillError as error:
        words = (
            str(error).replace("securities[0] ", "").replace("clean_prices[0]", "price").replace("yields[0]", "yield")
        )
        raise type(error)(words) from None


def figures(
    book: Book, settles: date, clean: float, source: str, convention: YieldConvention, market: PriceMarket
) -> dict[str, Any]:
    """JSON form of a book's only security at a clean price."""
    from tbill_defi.conventions import YieldConvention
    from tbill_defi.pricing.bills import discount_rate_from_price, investment_rate_from_price

    security = book.columns.securities[0]
    prices = [clean]
    with of_one():
        street, treasury, asked = (
            book.analytics(clean_prices=prices, settlement=settles, convention=named)
            for named in (YieldConvention.STREET, YieldConvention.TREASURY, convention)
        )
    value: dict[str, Any] = {
        "security": security.model_dump(mode="json", exclude_none=True),
        "settlement_date": settles.isoformat(),
        "source": source,
        "clean_price": clean,
        "accrued_interest": float(street.accrued[0]),
        "dirty_price": clean + float(street.accrued[0]),
        "convention": convention.name,
        "yield": float(asked.yield_[0]),
        "yield_street": float(street.yield_[0]),
        "yield_treasury": float(treasury.yield_[0]),
        "modified_duration": float(street.modified_duration[0]),
        "convexity": float(street.convexity[0]),
        "dv01_per_million": float(street.dv01[0]) * 10_000,
    }
    if security.kind == "bill":
        value["discount_rate"] = discount_rate_from_price(security, clean, settlement=settles)
        value["investment_rate"] = investment_rate_from_price(security, clean, settlement=settles)
    return value | linked(security, asked, market, settles, 0)


def linked(security: AnySecurity, found: Any, market: PriceMarket, settles: date, i: int) -> dict[str, Any]:
    """What a security has beside the figures of every other: margin, index ratio, yield to worst."""
    value: dict[str, Any] = {}
    if security.kind == "frn":
        value["discount_margin"] = float(found.discount_margin[i])
        value["index_rate"] = float(found.yield_[i]) - float(found.discount_margin[i])
    if security.kind == "tips" and (ratio := market.index_ratio(security, settles)) is not None:
        value["index_ratio"] = ratio
        value["adjusted_dirty_price"] = float(found.dirty_price[i]) * ratio
    if security.kind in ("corporate", "municipal") and found.yield_to_worst is not None:
        value["yield_to_worst"] = float(found.yield_to_worst[i])
        value["worst_date"] = str(found.worst_date[i])
    return value


def show(security: AnySecurity, value: dict[str, Any]) -> None:
    """One line a figure."""
    from tbill_defi.report import formats
    from tbill_defi.report.layout import Column, Sheet

    title = f"{security.cusip} {security.kind} {formats.coupon(security)} {security.maturity_date}"
    sheet = Sheet(" ".join(title.split()), Column("", left=True), "value")
    sheet.add("settlement", value["settlement_date"])
    sheet.add("source", value["source"])
    clean = value["clean_price"]
    in_32nds = "" if security.kind == "bill" else f"{formats.price(security, clean)}  "
    sheet.add("clean price", f"{in_32nds}{formats.decimals(clean)}")
    sheet.add("accrued interest", formats.decimals(value["accrued_interest"]))
    sheet.add("dirty price", formats.decimals(value["dirty_price"]))
    if "index_ratio" in value:
        sheet.add("index ratio", f"{value['index_ratio']:.5f}")
        sheet.add("adjusted dirty price", formats.decimals(value["adjusted_dirty_price"]))
    if security.kind == "frn":
        sheet.add("spread", f"{value['security']['spread'] * 1e4:.1f} bp")
        sheet.add("index", formats.percent(value["index_rate"], 4))
        sheet.add("discount margin", f"{value['discount_margin'] * 1e4:.2f} bp")
    else:
        real = "real " if security.kind == "tips" else ""
        sheet.add(f"{real}yield, STREET", formats.percent(value["yield_street"], 4))
        sheet.add(f"{real}yield, TREASURY", formats.percent(value["yield_treasury"], 4))
        if value["convention"] not in ("STREET", "TREASURY"):
            sheet.add(f"{real}yield, {value['convention']}", formats.percent(value["yield"], 4))
    if "yield_to_worst" in value:
        sheet.add("yield to worst", f"{formats.percent(value['yield_to_worst'], 4)} on {value['worst_date']}")
    if security.kind == "bill":
        sheet.add("discount rate", formats.percent(value["discount_rate"]))
        sheet.add("investment rate", formats.percent(value["investment_rate"]))
    spread = "spread duration" if security.kind == "frn" else "modified duration"
    sheet.add(spread, f"{value['modified_duration']:.4f} y")
    sheet.add("convexity", f"{value['convexity']:.4f} y²")
    sheet.add(f"{'spread ' if security.kind == 'frn' else ''}DV01 of $1m face", f"${value['dv01_per_million']:,.2f}")
    console().print(sheet)
