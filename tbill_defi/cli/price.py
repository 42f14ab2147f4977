"""`tbill price`: one security, from a price, a yield, a discount rate or the day's market."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tbill_defi.cli.common import Day, Home, Json, chosen_date, console, parse_date, print_json, view_at
from tbill_defi.core.errors import ConventionError, DataError, UsageError

if TYPE_CHECKING:
    from datetime import date

    from tbill_defi.instruments import AnySecurity


CONVENTIONS = ("street", "treasury")
LARGEST_PRICE = 10_000
"""Per 100 face: no Treasury is worth more."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("price")(price)


def price(
    cusip: Annotated[str | None, typer.Argument(help="CUSIP of the imported universe.")] = None,
    terms: Annotated[Path | None, typer.Option(help="JSON file with a security's terms, in place of a CUSIP.")] = None,
    day: Day = None,
    settlement: Annotated[str | None, typer.Option(help="Settlement date.", show_default="as quoted")] = None,
    clean: Annotated[str | None, typer.Option("--price", help="Clean price: 99.5 or 99-16+.")] = None,
    yield_: Annotated[float | None, typer.Option("--yield", help="Decimal yield.")] = None,
    discount: Annotated[float | None, typer.Option("--discount", help="Decimal discount rate of a bill.")] = None,
    convention: Annotated[str, typer.Option(help="Convention of --yield: street or treasury.")] = "street",
    home: Home = None,
    json_: Json = False,
) -> None:
    """Price one security: yields, accrued, duration, DV01.

    Of a CUSIP the market price of the date is shown, unless one of --price, --yield, --discount is given.
    """
    if sum(x is not None for x in (clean, yield_, discount)) > 1:
        raise UsageError("price: give one of --price, --yield, --discount")
    if (cusip is None) == (terms is None):
        raise UsageError("price: give a CUSIP, or --terms with a file")
    if convention.lower() not in CONVENTIONS:
        raise UsageError(f"convention: {convention!r} is not {' or '.join(CONVENTIONS)}")
    given = clean is not None or yield_ is not None or discount is not None
    source = "given"
    if terms is not None:
        if not given or settlement is None:
            raise UsageError("price: with --terms give --settlement and one of --price, --yield, --discount")
        security, settles, clean_price = _read_terms(terms), parse_date(settlement, "settlement"), 0.0
    else:
        view = view_at(home, chosen_date(home, day))
        index = view.index(str(cusip))
        quote = view.bid[index] or view.offer[index]
        quoted_for = quote.quote_settlement_date if quote else view.market_settlement_date
        security, settles = view.securities[index], parse_date(settlement, "settlement") if settlement else quoted_for
        clean_price = float(view.clean_price[index])
        if not given and settles != quoted_for:
            raise UsageError(f"price: the quote is for {quoted_for}; give --price or --yield for another settlement")
        if not given:
            source = f"{view.sources[index]} {view.quote_dates[index]}"
    value = _figures(
        security, settles, _clean(security, settles, clean, yield_, discount, convention, clean_price), source
    )
    if json_:
        print_json(value)
    else:
        _show(security, value)


def _read_terms(path: Path) -> AnySecurity:
    from tbill_defi.instruments import read_security

    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise DataError(f"{path}: is not UTF-8 text; expected JSON with the terms of a security") from None
    try:
        return read_security(text)
    except ConventionError as error:
        raise ConventionError(f"{path.name}: {error}") from None


def _clean(
    security: AnySecurity,
    settles: date,
    clean: str | None,
    yield_: float | None,
    discount: float | None,
    convention: str,
    market: float,
) -> float:
    """The clean price that the options mean."""
    from tbill_defi.conventions import YieldConvention, parse_quote
    from tbill_defi.pricing.bills import price_from_discount_rate
    from tbill_defi.pricing.prices import clean_price_from_yield

    if clean is not None:
        price = parse_quote(clean)
        if not 0 < price < LARGEST_PRICE:
            raise UsageError(f"price: {clean} is not a positive price per 100 face such as 99.5 or 99-16+")
        return price
    if yield_ is not None:
        named = YieldConvention[convention.upper()]
        return clean_price_from_yield(security, yield_, settlement=settles, convention=named)
    if discount is not None:
        if security.kind != "bill":
            raise UsageError(f"discount: {security.cusip} is a {security.kind}; discount rates are for bills")
        return price_from_discount_rate(security, discount, settlement=settles)
    return market


def _figures(security: AnySecurity, settles: date, clean: float, source: str) -> dict[str, Any]:
    from tbill_defi.conventions import YieldConvention
    from tbill_defi.pricing.bills import discount_rate_from_price, investment_rate_from_price
    from tbill_defi.pricing.prices import accrued_interest, yield_from_clean_price
    from tbill_defi.pricing.risk import measures_from_clean_price

    street = measures_from_clean_price(security, clean, settlement=settles, convention=YieldConvention.STREET)
    accrued = accrued_interest(security, settlement=settles)
    value: dict[str, Any] = {
        "security": security.model_dump(mode="json", exclude_none=True),
        "settlement_date": settles.isoformat(),
        "source": source,
        "clean_price": clean,
        "accrued_interest": accrued,
        "dirty_price": clean + accrued,
        "yield_street": street.yield_,
        "yield_treasury": yield_from_clean_price(
            security, clean, settlement=settles, convention=YieldConvention.TREASURY
        ),
        "modified_duration": street.modified_duration,
        "convexity": street.convexity,
        "dv01_per_million": street.dv01 * 10_000,
    }
    if security.kind == "bill":
        value["discount_rate"] = discount_rate_from_price(security, clean, settlement=settles)
        value["investment_rate"] = investment_rate_from_price(security, clean, settlement=settles)
    return value


def _show(security: AnySecurity, value: dict[str, Any]) -> None:
    from tbill_defi.report import formats
    from tbill_defi.report.layout import Column, Sheet

    title = f"{security.cusip} {security.kind} {formats.coupon(security)} {security.maturity_date}"
    sheet = Sheet(" ".join(title.split()), Column("", left=True), "value")
    sheet.add("settlement", value["settlement_date"])
    sheet.add("source", value["source"])
    clean = value["clean_price"]
    in_32nds = "" if security.kind == "bill" else f"{formats.price(security, clean)}  "
    sheet.add("clean price", f"{in_32nds}{clean:.6f}")
    sheet.add("accrued interest", f"{value['accrued_interest']:.6f}")
    sheet.add("dirty price", f"{value['dirty_price']:.6f}")
    sheet.add("yield, STREET", formats.percent(value["yield_street"], 4))
    sheet.add("yield, TREASURY", formats.percent(value["yield_treasury"], 4))
    if security.kind == "bill":
        sheet.add("discount rate", formats.percent(value["discount_rate"]))
        sheet.add("investment rate", formats.percent(value["investment_rate"]))
    sheet.add("modified duration", f"{value['modified_duration']:.4f} y")
    sheet.add("convexity", f"{value['convexity']:.4f} y²")
    sheet.add("DV01 of $1m face", f"${value['dv01_per_million']:,.2f}")
    console().print(sheet)
