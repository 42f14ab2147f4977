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
    from tbill_defi.market.quotes_file import QuotedRow
    from tbill_defi.portfolio.relative_value import Group
    from tbill_defi.pricing.book import RichCheap

LARGEST_HISTORY = 1_000
"""Earlier sheets."""


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

    A Svensson curve is fitted to the mid prices of bills, notes and bonds with more than 30 days left, another, of real
    rates, to those of TIPS. Residuals are market less model: a positive yield is cheap. z-scores compare a residual
    with the security's own of earlier sheets.
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
    from tbill_defi.report.richcheap_tables import left_out, plot, ranking

    out = console()
    for curve in value["curves"]:
        out.print(ranking(value, curve, top))
    for line in (*left_out(value), *plot(value["securities"])):
        out.print(line)
    if html is not None:
        out.print(f"residuals in {html}")


def _of_home(market: PriceMarket, history: int) -> dict[str, Any]:
    rows = market.latest_sheet
    if not rows:
        raise DataError(f"sheet: no price sheet known on {market.day} is imported; give --sheet or --file")
    return _of_rows(rows, rows[0]["date"], f"FedInvest sheet of {rows[0]['date']}", market, history)


def _of_sheet(sheet: Path, day: date, market: PriceMarket, history: int) -> dict[str, Any]:
    from tbill_defi.market.fedinvest import read_fedinvest

    return _of_rows(read_fedinvest(sheet, price_date=day).to_dicts(), day, sheet.name, market, history)


def _of_rows(rows: list[dict[str, Any]], day: date, source: str, market: PriceMarket, history: int) -> dict[str, Any]:
    from tbill_defi.portfolio.relative_value import sheet_prices

    found = sheet_prices(day, rows, market.data.datasets["auctions"].known(market.day), market.frn_index)
    curves = {
        name: _measured(group, day, market, history)
        for name, group in (("nominal", found.nominal), ("real", found.real))
        if len(group)
    }
    return _ranked(curves, day, source, found.left_out)


def _of_file(file: Path, market: PriceMarket, history: int) -> dict[str, Any]:
    from tbill_defi.cli.price_file import by_line
    from tbill_defi.market.quotes_file import read_quotes
    from tbill_defi.portfolio.relative_value import Group

    groups: dict[str, list[tuple[QuotedRow, AnySecurity, float]]] = {"nominal": [], "real": []}
    for row in read_quotes(file):
        if row.quote is None or row.quote[0] != "price":
            raise DataError(f"{row.place}: price is empty ({row.cusip}); every row needs one here")
        try:
            security = row.security or market.snapshot.security(row.cusip)
        except TbillError as error:
            raise type(error)(f"{row.place}: {error}") from None
        groups["real" if security.kind == "tips" else "nominal"].append((row, security, row.quote[1]))
    curves = {}
    for name, found in groups.items():
        if found:
            with by_line([row for row, _, _ in found]):
                group = Group.of(((security, price) for _, security, price in found), real=name == "real")
                curves[name] = _measured(group, market.day, market, history)
    return _ranked(curves, market.day, file.name, {})


def _measured(group: Group, settlement: date, market: PriceMarket, history: int) -> tuple[Group, RichCheap, int]:
    from tbill_defi.portfolio.relative_value import rich_cheap

    floating = any(security.kind == "frn" for security in group.securities)
    earlier = market.data.datasets["fedinvest"].known(market.day) if history else ()
    found, sheets = rich_cheap(group, settlement, market.frn_index if floating else None, earlier, history)
    return group, found, sheets


def _ranked(
    curves: dict[str, tuple[Group, RichCheap, int]], settlement: date, source: str, left_out: dict[str, int]
) -> dict[str, Any]:
    """JSON form."""
    rows = [row for group, found, _ in curves.values() for row in _rows(group, found, settlement)]
    return {
        "settlement_date": settlement.isoformat(),
        "source": source,
        "curves": [
            {"name": name, "fit": _parameters(found), "fitted": int(found.fitted.sum()), "rms_bp": found.rms_bp}
            for name, (_, found, _) in curves.items()
        ],
        "history_sheets": max(sheets for _, _, sheets in curves.values()),
        "left_out": left_out,
        "securities": sorted(rows, key=lambda row: -float(row["residual_bp"])),
    }


def _parameters(found: RichCheap) -> dict[str, float]:
    from tbill_defi.pricing.svensson import NAMES, SvenssonCurve

    assert isinstance(found.curve, SvenssonCurve)
    return dict(zip(NAMES[2], (*found.curve.betas, *found.curve.taus), strict=True))


def _rows(group: Group, found: RichCheap, settlement: date) -> list[dict[str, Any]]:
    scores = [math.nan] * len(group) if found.z_score is None else found.z_score.tolist()
    return [
        {
            "cusip": security.cusip,
            "kind": "tips" if group.real else security.kind,
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
        for i, security in enumerate(group.securities)
    ]
