"""`tbill backtest`: a strategy over the past, to a table, Parquet files and a tear sheet."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tbill_defi.cli.common import Home, Interrupted, Json, console, parse_date, print_json
from tbill_defi.cli.desk import SETTINGS, STRATEGY_HELP, checked_options, isolated_strategy, strategy_names
from tbill_defi.core.errors import UsageError

if TYPE_CHECKING:
    from tbill_defi.backtest.result import BacktestResult
    from tbill_defi.strategy.isolation import IsolatedStrategy

OVER = "--over."
"""Begins an option of the strategy whose holdings calls are written on."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("backtest", context_settings=SETTINGS)(backtest)


def backtest(
    context: typer.Context,
    strategy: Annotated[str, typer.Argument(metavar="STRATEGY", help=STRATEGY_HELP, autocompletion=strategy_names)],
    first: Annotated[str, typer.Option("--from", help="First day, a trading day such as 1990-01-02.")],
    last: Annotated[str, typer.Option("--to", help="Last day.")],
    over: Annotated[
        str | None,
        typer.Option(
            metavar="STRATEGY",
            help="Whose holdings a strategy that writes calls writes on; its own options: --over.rungs 8.",
            show_default="what the strategy says, mostly ladder",
        ),
    ] = None,
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

    first_day, last_day = parse_date(first), parse_date(last)
    with ExitStack() as stack:
        own, of_holder = _shared(context.args)
        chosen = stack.enter_context(isolated_strategy(strategy, own))
        advance, resumed = stack.enter_context(_progress())
        market = loaded_market(data, home)  # while the strategy's process starts
        checked_options(chosen, context)
        stack.enter_context(_interruptible())
        result = run(
            chosen,
            over=_holder(over or chosen.about.over, of_holder, context, stack),
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
    _show(result, json_)


def _shared(words: list[str]) -> tuple[list[str], list[str]]:
    """Options of the strategy, and of the one it is over: of these `--over.rungs 8` is `--rungs 8`."""
    own: list[str] = []
    other: list[str] = []
    rest = iter(words)
    for word in rest:
        ours = not word.startswith(OVER)
        found = [word if ours else "--" + word.removeprefix(OVER)]
        if word.startswith("--") and "=" not in word:
            found += [value for value in [next(rest, None)] if value is not None]
        (own if ours else other).extend(found)
    return own, other


def _holder(reference: str, words: list[str], context: typer.Context, stack: ExitStack) -> IsolatedStrategy | None:
    """The strategy on whose holdings calls are written, once all its options are known to it; None: none are."""
    if reference:
        holder = stack.enter_context(isolated_strategy(reference, words))
        checked_options(holder, context, prefix=OVER)
        return holder
    if words:
        raise UsageError(f"option {OVER}{words[0].removeprefix('--')}: it is over no strategy; name one with --over")
    return None


@contextmanager
def _interruptible() -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        kept = "interrupted; the years that are done are kept, the same command goes on from there"
        raise Interrupted(kept) from None


def _show(result: BacktestResult, json_: bool) -> None:
    from tbill_defi.report import backtest_tables
    from tbill_defi.report.tearsheet import require_plotly, write_tearsheet

    plots = require_plotly()
    if plots is None:
        result.files["tear_sheet"] = write_tearsheet(result)
    if json_:
        print_json(result.to_json())
        return

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
