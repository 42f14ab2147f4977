"""`tbill backtest`: a strategy over the past, to a table, Parquet files and a tear sheet."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import typer

from tbill_defi.cli.common import Home, Interrupted, Json, console, parse_date, print_json
from tbill_defi.cli.desk import SETTINGS, STRATEGY_HELP, checked_options, isolated_strategy, strategy_names


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("backtest", context_settings=SETTINGS)(backtest)


def backtest(
    context: typer.Context,
    strategy: Annotated[str, typer.Argument(metavar="STRATEGY", help=STRATEGY_HELP, autocompletion=strategy_names)],
    first: Annotated[str, typer.Option("--from", help="First day, a trading day such as 1990-01-02.")],
    last: Annotated[str, typer.Option("--to", help="Last day.")],
    capital: Annotated[str, typer.Option(help="Dollars of cash on the first day.")] = "25000000",
    ledger: Annotated[
        str, typer.Option(help="arrays, or revm: the contracts keep the same books and are compared every day.")
    ] = "arrays",
    frequency: Annotated[
        str | None,
        typer.Option(
            help="daily, weekly, monthly, quarterly, annual (first trading day) or maturity (when principal is paid).",
            show_default="the strategy's, mostly monthly",
        ),
    ] = None,
    universe: Annotated[
        str | None,
        typer.Option(
            help="issued: auction records and implied issues; par: the day's par curve as securities.",
            show_default="the strategy's, mostly issued",
        ),
    ] = None,
    costs: Annotated[str, typer.Option(help="table: dealer's spreads; none: everything at mid.")] = "table",
    data: Annotated[
        Path | None, typer.Option(help="Folder of market CSV files to read.", show_default="what the home imported")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the run.", show_default="HOME/backtests/STRATEGY-KEY")
    ] = None,
    home: Home = None,
    json_: Json = False,
) -> None:
    """Run a strategy over the past; an interrupted run goes on. A strategy's own options follow, such as --rungs 8."""
    from tbill_defi.backtest.run import loaded_market
    from tbill_defi.backtest.run import run_backtest as run
    from tbill_defi.report.tearsheet import require_plotly, write_tearsheet

    first_day, last_day = parse_date(first), parse_date(last)
    plots = require_plotly()
    with isolated_strategy(strategy, context) as chosen, _progress() as (advance, resumed):
        market = loaded_market(data, home)  # while the strategy's process starts
        checked_options(chosen, context)
        try:
            result = run(
                chosen,
                first=first_day,
                last=last_day,
                capital=capital,
                ledger=ledger,
                frequency=frequency,
                universe=universe,  # type: ignore[arg-type]
                costs=costs,  # type: ignore[arg-type]
                data=market,
                home=home,
                out=out,
                progress=advance,
                resumed=resumed,
            )
        except KeyboardInterrupt:
            kept = "interrupted; the years that are done are kept, the same command goes on from there"
            raise Interrupted(kept) from None
    if plots is None:
        result.files["tear_sheet"] = write_tearsheet(result)
    if json_:
        print_json(result.to_json())
        return
    _show(result, plots)


def _show(result: Any, plots: str | None) -> None:
    from tbill_defi.report import backtest_tables

    out = console()
    out.print(backtest_tables.years(result))
    for line in backtest_tables.summary(result):
        out.print(line, soft_wrap=True)
    for name, path in result.files.items():
        out.print(f"{name.replace('_', ' ')}: {path}", soft_wrap=True)
    if plots is not None:
        out.print(plots, soft_wrap=True)


@contextmanager
def _progress() -> Iterator[tuple[Callable[[int, int], None], Callable[[date], None]]]:
    """A bar with the time left, on stderr, where a person looks; and who says that a run goes on."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    screen = Console(stderr=True, highlight=False)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=screen, transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("days", total=None)

        def resumed(day: date) -> None:
            screen.print(f"an interrupted run is there; going on after {day}")

        yield lambda done, total: bar.update(task, completed=done, total=total), resumed
