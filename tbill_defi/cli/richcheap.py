"""`tbill richcheap`: which securities the market pays more or less for than a curve fitted to all of them."""

from __future__ import annotations

import math
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tbill_defi.cli.common import Day, Home, Json, chosen_date, console, parse_date, print_json
from tbill_defi.cli.price_market import PriceMarket
from tbill_defi.core.errors import DataError, TbillError, UsageError

if TYPE_CHECKING:
    from tbill_defi.instruments import AnySecurity
    from tbill_defi.pricing.book import RichCheap

LARGEST_HISTORY = 1_000
"""Earlier sheets."""
NAMES = ("beta0", "beta1", "beta2", "beta3", "tau1", "tau2")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("richcheap")(richcheap)


def richcheap(
    day: Day = None,
    sheet: Annotated[
        Path | None, typer.Option(help="A FedInvest file of the date, in place of an imported one.")
    ] = None,
    file: Annotated[Path | None, typer.Option(help="CSV of securities and prices, as price --file takes it.")] = None,
    past_sheets: Annotated[
        int, typer.Option("--history", help="Earlier sheets of the home that z-scores are over.")
    ] = 60,
    top: Annotated[int, typer.Option(help="Cheapest and richest that the table shows, each.")] = 10,
    html: Annotated[Path | None, typer.Option(help="Write an HTML plot here; it needs no network.")] = None,
    home: Home = None,
    json_: Json = False,
) -> None:
    """Rank securities, rich and cheap, against a fitted curve.

    A Svensson curve is fitted to the mid prices of bills, notes and bonds with more than 30 days left. Residuals are
    market less model: a positive yield is cheap. z-scores compare a residual with the security's own of earlier sheets.
    """
    if not 1 <= top <= LARGEST_HISTORY:
        raise UsageError(f"top: {top} is not from 1 to {LARGEST_HISTORY:,}")
    if not 0 <= past_sheets <= LARGEST_HISTORY:
        raise UsageError(f"history: {past_sheets} is not from 0 to {LARGEST_HISTORY:,} sheets")
    if sheet is not None and file is not None:
        raise UsageError("sheet: give a sheet or a --file of prices, not both")
    if html is not None:
        from tbill_defi.report.page import require_page

        require_page()
    chosen = parse_date(day) if day else chosen_date(home, None)
    market = PriceMarket(home, chosen)
    if sheet is not None:
        value = _of_sheet(sheet, chosen, market, past_sheets)
    elif file is not None:
        value = _of_file(file, market, past_sheets)
    else:
        value = _of_home(market, past_sheets)
    if html is not None:
        from tbill_defi.report.richcheap_page import write_richcheap

        write_richcheap(value, html)
    if json_:
        print_json(value)
        return
    from tbill_defi.report.richcheap_tables import plot, ranking

    out = console()
    out.print(ranking(value, top))
    for line in plot(value["securities"]):
        out.print(line)
    if html is not None:
        out.print(f"residuals in {html}")


def _of_home(market: PriceMarket, history: int) -> dict[str, Any]:
    snapshot = market.snapshot
    if snapshot.sheet is None:
        raise DataError(f"sheet: no price sheet known on {market.day} is imported; give --sheet or --file")
    known = snapshot.sheet.quotes
    settlement = snapshot.sheet.date
    pairs: list[tuple[AnySecurity, float]] = [
        (one.security, _mid(known[one.cusip].bid, known[one.cusip].offer))
        for one in snapshot.listings
        if one.cusip in known and one.security.maturity_date > settlement
    ]
    left_out = {kind: len(cusips) for kind, cusips in snapshot.excluded.items()}
    return _ranked(pairs, settlement, f"FedInvest sheet of {settlement}", left_out, market, history)


def _of_sheet(sheet: Path, day: date, market: PriceMarket, history: int) -> dict[str, Any]:
    from tbill_defi.market.fedinvest import read_fedinvest
    from tbill_defi.market.universe import terms_from_sheet

    pairs: list[tuple[AnySecurity, float]] = []
    left_out: dict[str, int] = {}
    for row in read_fedinvest(sheet, price_date=day).iter_rows(named=True):
        kind = "callable" if row["call_date"] else str(row["type"]).removeprefix("MARKET BASED ")
        if kind in ("TIPS", "FRN", "callable"):
            left_out[kind] = left_out.get(kind, 0) + 1
        elif row["maturity_date"] > day:
            pairs.append((terms_from_sheet(row), _mid(row["sell"], row["buy"])))
    return _ranked(pairs, day, f"{sheet.name}, terms inferred", left_out, market, history)


def _of_file(file: Path, market: PriceMarket, history: int) -> dict[str, Any]:
    from tbill_defi.cli.price_file import by_line
    from tbill_defi.market.quotes_file import read_quotes

    rows, pairs = read_quotes(file), []
    for row in rows:
        if row.quote is None or row.quote[0] != "price":
            raise DataError(f"{row.place}: price is empty ({row.cusip}); every row needs one here")
        try:
            pairs.append((row.security or market.snapshot.security(row.cusip), row.quote[1]))
        except TbillError as error:
            raise type(error)(f"{row.place}: {error}") from None
    with by_line(rows):
        return _ranked(pairs, market.day, file.name, {}, market, history)


def _mid(bid: float, offer: float | None) -> float:
    return bid if offer is None else 0.5 * (bid + offer)


def _ranked(
    pairs: list[tuple[AnySecurity, float]],
    settlement: date,
    source: str,
    left_out: dict[str, int],
    market: PriceMarket,
    history: int,
) -> dict[str, Any]:
    """JSON form."""
    from tbill_defi.cli.price_figures import book_of
    from tbill_defi.conventions import YieldConvention
    from tbill_defi.pricing.svensson import SvenssonCurve

    securities = [security for security, _ in pairs]
    past = _past(securities, settlement, market, history) if history else []
    found = book_of(securities, market).rich_cheap(
        [price for _, price in pairs], settlement=settlement, convention=YieldConvention.STREET, history=past
    )
    curve = found.curve
    assert isinstance(curve, SvenssonCurve)
    scores = [math.nan] * len(pairs) if found.z_score is None else found.z_score.tolist()
    rows = [
        {
            "cusip": security.cusip,
            "kind": security.kind,
            "coupon": getattr(security, "coupon", None),
            "maturity_date": security.maturity_date.isoformat(),
            "years": (security.maturity_date - settlement).days / 365.0,
            "clean_price": float(found.clean_price[i]),
            "model_clean_price": float(found.model_clean_price[i]),
            "residual": float(found.residual[i]),
            "yield": float(found.yield_[i]),
            "model_yield": float(found.model_yield[i]),
            "residual_bp": float(found.residual_bp[i]),
            "z_spread_bp": float(found.z_spread_bp[i]),
            "fitted": bool(found.fitted[i]),
            "z_score": None if math.isnan(scores[i]) else scores[i],
        }
        for i, security in enumerate(securities)
    ]
    return {
        "settlement_date": settlement.isoformat(),
        "source": source,
        "fit": dict(zip(NAMES, (*curve.betas, *curve.taus), strict=True)),
        "fitted": int(found.fitted.sum()),
        "rms_bp": found.rms_bp,
        "history_sheets": len(past),
        "left_out": left_out,
        "securities": sorted(rows, key=lambda row: -float(str(row["residual_bp"]))),
    }


def _past(securities: list[AnySecurity], settlement: date, market: PriceMarket, sheets: int) -> list[RichCheap]:
    """The same securities on the latest sheets before the settlement; a sheet with too few for a fit is left out."""
    from tbill_defi.cli.price_figures import book_of
    from tbill_defi.conventions import YieldConvention

    by_cusip = {one.cusip: one for one in securities if one.kind in ("bill", "note", "bond")}
    days: dict[date, dict[str, float]] = {}
    for row in market.data.datasets["fedinvest"].known(market.day):
        if row["date"] < settlement and row["cusip"] in by_cusip:
            days.setdefault(row["date"], {})[row["cusip"]] = _mid(row["sell"], row["buy"])
    found = []
    for day in sorted(days)[-sheets:]:
        prices = {
            cusip: price for cusip, price in days[day].items() if by_cusip[cusip].resolve().first_settlement <= day
        }
        if len(prices) <= 2 * len(NAMES):
            continue
        book = book_of([by_cusip[cusip] for cusip in prices], market)
        found.append(book.rich_cheap(list(prices.values()), settlement=day, convention=YieldConvention.STREET))
    return found
