"""`tbill risk`: what holdings could lose, by the curve's sensitivities, its past and scenarios."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tbill_defi.cli.common import Day, Home, Json, chosen_date, console, parse_date, print_json, view_at
from tbill_defi.cli.desk import DESK, Party

if TYPE_CHECKING:
    from tbill_defi.portfolio.holdings import Holdings
    from tbill_defi.portfolio.risk_report import RiskReport


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("risk")(risk)


def risk(
    party: Party = None,
    holdings: Annotated[
        Path | None,
        typer.Option(help="CSV with the columns cusip,face,cost_price.", show_default="the ledger's wallet"),
    ] = None,
    day: Day = None,
    level: Annotated[float, typer.Option(help="Of value at risk: beyond it a loss has probability 1 - level.")] = 0.99,
    window: Annotated[int, typer.Option(help="Daily moves of the curve it is measured over.")] = 500,
    home: Home = None,
    json_: Json = False,
) -> None:
    """Show the risk of holdings: DV01, key rates, VaR, scenarios.

    Value at risk and expected shortfall over a day, by revaluing under past moves of the curve and from the moves'
    covariance, with the worst days and a backtest. Moves are of the home's par yields up to the date, nothing later.
    """
    from tbill_defi.core.home import home_path
    from tbill_defi.market.data import MarketData
    from tbill_defi.market.store import MarketStore
    from tbill_defi.portfolio.risk_report import check_tail, risk_report
    from tbill_defi.pricing.curve_history import CurveHistory

    check_tail(level, window)
    chosen = parse_date(day) if day else chosen_date(home, None)
    held = _held(home, party or DESK, holdings)
    view = view_at(home, chosen)
    frame = MarketStore(home_path(home)).frame("par_yields")
    found = risk_report(view, held, CurveHistory.until(frame, chosen), level=level, window=window)
    value = _figures(found, held.party, chosen, MarketData(par_yields=frame).simulation, level, window)
    if json_:
        print_json(value)
    else:
        _show(value)


def _held(home: Path | None, party: str, file: Path | None) -> Holdings:
    from tbill_defi.portfolio.holdings import Holdings

    if file is not None:
        return Holdings.read(file, party=party)
    from tbill_defi.ledger.open import open_ledger

    with open_ledger(home=home, read_only=True) as ledger:
        return Holdings.of(ledger, party)


def _figures(
    found: RiskReport, party: str, day: date, simulation: str | None, level: float, window: int
) -> dict[str, Any]:
    """JSON form."""
    from dataclasses import asdict

    from tbill_defi.portfolio.value_at_risk import least_moves

    tail, known = found.tail, f"{found.moves:,} moves up to {day}"
    value: dict[str, Any] = {
        "party": party,
        "date": day.isoformat(),
        "simulation": simulation,
        "nav": found.nav,
        "cash": found.cash,
        "dv01": found.dv01,
        "curve_value": found.curve_value,
        "key_rate_dv01": [
            {"years": years, "dv01": dv01}
            for years, dv01 in zip(found.key_years.tolist(), found.key_rate_dv01.tolist(), strict=True)
        ],
        "level": level,
        "window": window,
        "moves": found.moves,
        "tail": None,
        "no_tail": f"{known} are too few for level {level:g}: {least_moves(level):,} are needed",
        "backtests": [
            {name: figure for name, figure in asdict(test).items() if name not in ("level", "window")}
            for test in found.backtests
        ],
        "no_backtest": "" if found.backtests else f"{known} leave none to test beyond a window of {window:,}",
        "scenarios": [{"name": name, "profit": profit} for name, profit in found.scenarios.items()],
    }
    if tail is not None:
        worst = [{"date": at.isoformat(), "loss": loss} for at, loss in tail.worst]
        value["tail"] = {
            name: figure for name, figure in asdict(tail).items() if name not in ("level", "market_value", "worst")
        } | {"worst": worst}
        value["no_tail"] = ""
    return value


def _show(value: dict[str, Any]) -> None:
    from tbill_defi.report.risk_tables import backtest_lines, key_rates, scenarios, summary, tail_losses, worst

    out = console()
    out.print(summary(value))
    out.print(key_rates(value))
    if value["tail"] is None:
        out.print(f"no value at risk: {value['no_tail']}")
    else:
        out.print(tail_losses(value))
        out.print(worst(value))
    for line in backtest_lines(value):
        out.print(line)
    out.print(scenarios(value))
