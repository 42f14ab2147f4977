"""`tbill price`: a security or a file of them, from prices, yields, rates or the day's market, and after shocks."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tbill_defi.cli.common import Day, Home, Json, chosen_date, parse_date, print_json, read_terms
from tbill_defi.cli.price_figures import figures, of_one, show
from tbill_defi.cli.price_file import price_file, show_file, show_scenarios
from tbill_defi.cli.price_market import PriceMarket
from tbill_defi.core.errors import UsageError

if TYPE_CHECKING:
    from tbill_defi.conventions.yields import YieldConvention
    from tbill_defi.instruments import AnySecurity
    from tbill_defi.pricing.book import Book
    from tbill_defi.pricing.shocks import Shock

CONVENTIONS = ("street", "treasury", "true-yield", "money-market")
LARGEST_PRICE = 10_000
"""Per 100 face: no Treasury is worth more."""

Shift = Annotated[list[str] | None, typer.Option(help="Parallel move of the curve such as 50bp; may be repeated.")]
Steepener = Annotated[
    list[str] | None, typer.Option(help="Move at 30 years such as 25bp, linear around 5; may be repeated.")
]
KeyRate = Annotated[list[str] | None, typer.Option(help="Move at one node such as 10y:25bp; may be repeated.")]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("price")(price)


def price(
    cusip: Annotated[str | None, typer.Argument(help="CUSIP of the imported universe.")] = None,
    terms: Annotated[Path | None, typer.Option(help="JSON file with a security's terms, in place of a CUSIP.")] = None,
    file: Annotated[
        Path | None, typer.Option(help="CSV file of securities: cusip, fields of terms, price, yield, ...")
    ] = None,
    day: Day = None,
    settlement: Annotated[
        str | None, typer.Option(help="Settlement date.", show_default="a quote's own; else T+1")
    ] = None,
    clean: Annotated[str | None, typer.Option("--price", help="Clean price: 99.5 or 99-16+.")] = None,
    yield_: Annotated[float | None, typer.Option("--yield", help="Decimal yield.")] = None,
    discount: Annotated[float | None, typer.Option("--discount", help="Decimal discount rate of a bill.")] = None,
    convention: Annotated[str, typer.Option(help=f"Of yields: {', '.join(CONVENTIONS)}.")] = "street",
    shift: Shift = None,
    steepener: Steepener = None,
    key_rate: KeyRate = None,
    home: Home = None,
    json_: Json = False,
) -> None:
    """Price one security or a file: yields, duration, DV01.

    Of a CUSIP the market price of the date is shown, unless one of --price, --yield, --discount is given. TIPS are in
    real terms; the yield of a floating rate note is index + discount margin. With --shift, --steepener or --key-rate
    also the price after the date's curve has moved, the security's own spread over it kept.
    """
    from tbill_defi.conventions import YieldConvention
    from tbill_defi.pricing.shocks import shocks

    if sum(x is not None for x in (clean, yield_, discount)) > 1:
        raise UsageError("price: give one of --price, --yield, --discount")
    if sum(x is not None for x in (cusip, terms, file)) != 1:
        raise UsageError("price: give a CUSIP, or --terms or --file with a file")
    if convention.lower() not in CONVENTIONS:
        raise UsageError(f"convention: {convention!r} is not {', '.join(CONVENTIONS)}")
    named = YieldConvention[convention.upper().replace("-", "_")]
    chosen = shocks(shift or (), steepener or (), key_rate or ())
    given = clean is not None or yield_ is not None or discount is not None
    if file is not None:
        if given:
            raise UsageError("price: with --file prices and yields are in its columns")
        _of_file(file, day, settlement, named, chosen, home, json_)
        return
    if terms is not None:
        if not given or settlement is None:
            raise UsageError("price: with --terms give --settlement and one of --price, --yield, --discount")
        security, settles, source = read_terms(terms), parse_date(settlement, "settlement"), "given"
        market = PriceMarket(home, settles if day is None else parse_date(day))
        clean_price = 0.0
    else:
        market = PriceMarket(home, chosen_date(home, day))
        security, clean_price, quoted_for, source = _of_market(market, str(cusip), given)
        settles = parse_date(settlement, "settlement") if settlement else quoted_for
        if not given and settles != quoted_for:
            raise UsageError(f"price: the quote is for {quoted_for}; give --price or --yield for another settlement")
    book = market.book([security])
    clean_price = _clean(book, settles, clean, yield_, discount, named, clean_price)
    value = figures(book, settles, clean_price, source, named, market)
    value |= market.scenarios(book, [clean_price], settles, chosen)[0]
    if json_:
        print_json(value)
    else:
        show(security, value)
        if chosen:
            show_scenarios([value])


def _of_file(
    file: Path,
    day: str | None,
    settlement: str | None,
    convention: YieldConvention,
    chosen: list[Shock],
    home: Path | None,
    json_: bool,
) -> None:
    settles: date | None
    if settlement is not None and day is None and not chosen:
        settles = parse_date(settlement, "settlement")
        market = PriceMarket(home, settles)
    else:
        market = PriceMarket(home, chosen_date(home, day))
        settles = parse_date(settlement, "settlement") if settlement else None
    value = price_file(file, market, settles, convention, chosen)
    if json_:
        print_json(value)
    else:
        show_file(value)


def _of_market(market: PriceMarket, cusip: str, given: bool) -> tuple[AnySecurity, float, date, str]:
    """Terms, clean price, the settlement it is for, and its source, of a CUSIP at the market of the date."""
    from tbill_defi.conventions import settlement_date
    from tbill_defi.portfolio.market_view import view_of

    if any(cusip in market.snapshot.excluded.get(kind, ()) for kind in ("TIPS", "FRN")):
        linked = market.snapshot.security(cusip)
        if given:
            return linked, 0.0, settlement_date(market.day), "given"
        clean, source = market.quoted(cusip)
        return linked, clean, market.quoted_for, source
    view = view_of(market.snapshot)
    index = view.index(cusip)
    if given:
        return view.securities[index], 0.0, view.market_settlement_date, "given"
    bid, offer = view.bid[index], view.offer[index]
    quote = bid or offer
    quoted_for = quote.quote_settlement_date if quote else view.market_settlement_date
    source = f"{view.sources[index]} {view.quote_dates[index]}{', mid' if bid and offer else ''}"
    return view.securities[index], float(view.clean_price[index]), quoted_for, source


def _clean(
    book: Book,
    settles: date,
    clean: str | None,
    yield_: float | None,
    discount: float | None,
    convention: YieldConvention,
    market: float,
) -> float:
    """The clean price that the options mean."""
    from tbill_defi.conventions import parse_quote
    from tbill_defi.pricing.bills import price_from_discount_rate

    security = book.columns.securities[0]
    if clean is not None:
        price = parse_quote(clean)
        if not 0 < price < LARGEST_PRICE:
            raise UsageError(f"price: {clean} is not a positive price per 100 face such as 99.5 or 99-16+")
        return price
    if yield_ is not None:
        with of_one():
            found = book.analytics(yields=[yield_], settlement=settles, convention=convention)
        return float(found.clean_price[0])
    if discount is not None:
        if security.kind != "bill":
            raise UsageError(f"discount: {security.cusip} is a {security.kind}; discount rates are for bills")
        return price_from_discount_rate(security, discount, settlement=settles)
    return market
