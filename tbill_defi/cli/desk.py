"""`tbill strategies`, `plan`, `rebalance`: from a strategy to settled trades."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tbill_defi.cli.common import Day, Home, Json, console, parse_date, print_json, progress
from tbill_defi.core.errors import PlanError, UsageError

if TYPE_CHECKING:
    from rich.console import Console

    from tbill_defi.ledger.ledger import Ledger
    from tbill_defi.portfolio.execution import Execution
    from tbill_defi.portfolio.holdings import Holdings
    from tbill_defi.portfolio.plan import RebalancePlan
    from tbill_defi.strategy.base import Strategy

SETTINGS = {"allow_extra_args": True, "ignore_unknown_options": True}
"""A strategy's own fields are options too: --rungs 8."""

StrategyName = Annotated[
    str | None, typer.Argument(metavar="STRATEGY", help="ladder, a file such as ideas.py, or package.module:Class.")
]
Party = Annotated[str, typer.Option(help="Whose portfolio.")]
Counterparty = Annotated[str, typer.Option(help="Dealer who quotes.")]
RepoRate = Annotated[float | None, typer.Option(help="Decimal, Act/360.", show_default="latest SOFR")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("strategies")(strategies)
    app.command("plan", context_settings=SETTINGS)(plan)
    app.command("rebalance", context_settings=SETTINGS)(rebalance)


def strategies(json_: Json = False) -> None:
    """List installed strategies with the options they take."""
    from tbill_defi.strategy.discovery import find, installed

    found = {name: find(name) for name in installed()}
    if json_:
        print_json(
            [
                {"name": name, "question": kind.question(), "config": kind.config_type.model_json_schema()}
                for name, kind in found.items()
            ]
        )
        return
    out = console()
    for name, kind in found.items():
        out.print(f"[bold]{name}[/]  {kind.question()}")
        for field, info in kind.config_type.model_fields.items():
            option = "--" + field.replace("_", "-")
            default = json.dumps(info.get_default(call_default_factory=True), default=str)
            out.print(f"    {option:<18} {info.description or ''} (default {default})", markup=False)


def plan(
    context: typer.Context,
    strategy: StrategyName,
    day: Day = None,
    party: Party = "desk",
    counterparty: Counterparty = "dealer",
    holdings: Annotated[
        Path | None,
        typer.Option(help="CSV with the columns cusip,face,cost_price.", show_default="the ledger's wallet"),
    ] = None,
    repo_rate: RepoRate = None,
    out: Annotated[Path | None, typer.Option(help="Write the plan here, for `rebalance --plan`.")] = None,
    home: Home = None,
    json_: Json = False,
) -> None:
    """Make a plan and show it; nothing is sent. A strategy's own options follow, such as --rungs 8."""
    from tbill_defi.ledger.open import open_ledger
    from tbill_defi.portfolio.holdings import Holdings

    chosen = _strategy(strategy, context.args)
    if holdings is not None and day is not None:
        book, date = Holdings.read(holdings, party=party), parse_date(day)
    else:
        with open_ledger(home=home, read_only=True) as ledger:
            book = Holdings.read(holdings, party=party) if holdings else _from_wallet(ledger, party)
            date = parse_date(day) if day else ledger.market_date
    made = _make(chosen, home, date, book, counterparty, repo_rate)
    if out is not None:
        made.save(out)
    if json_:
        print_json(made.to_json())
    else:
        _show(console(), made)


def rebalance(
    context: typer.Context,
    strategy: StrategyName = None,
    plan_file: Annotated[Path | None, typer.Option("--plan", help="A plan written by `plan --out`.")] = None,
    party: Party = "desk",
    counterparty: Counterparty = "dealer",
    approve_by: Annotated[
        str | None, typer.Option(help="Name of the key that approves.", show_default="the party's")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Decide everything, send nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    repo_rate: RepoRate = None,
    home: Home = None,
    json_: Json = False,
) -> None:
    """Make a plan, have it approved, and settle all of it in one Instruction, or none."""
    from tbill_defi.ledger.open import open_ledger

    if (strategy is None) == (plan_file is None):
        raise UsageError("rebalance: give a strategy, or --plan with a plan's file")
    chosen = _strategy(strategy, context.args) if strategy else None
    with progress("replaying") as advance:
        ledger = open_ledger(home=home, progress=advance)
    with ledger:
        if chosen is not None:
            book = _from_wallet(ledger, party)
            made = _make(chosen, home, ledger.market_date, book, counterparty, repo_rate)
        else:
            made = _loaded(plan_file, context.args, home)
        screen = console()
        if not json_:
            _show(screen, made)
        if made.orders and not (dry_run or yes):
            _ask(f"settle {len(made.orders)} orders, approved by {approve_by or made.party}?")
        execution = made.execute(ledger, approve_by=approve_by or made.party, dry_run=dry_run)
        _keep(home, made, execution)
        after = ledger.wallet(made.party)
    if json_:
        print_json({"plan": made.to_json(), "execution": execution.to_json(), "cash_after": str(after.cash)})
        return
    _report(screen, made, execution)


def _strategy(reference: str | None, extra: list[str]) -> Strategy[Any]:
    """The strategy with its own options."""
    from tbill_defi.strategy.discovery import find

    kind = find(reference or "")
    return kind(kind.make_config(_settings(extra)))


def _settings(extra: list[str]) -> dict[str, Any]:
    """--name value pairs: values are JSON where they parse as JSON, else text."""
    settings: dict[str, Any] = {}
    words = iter(extra)
    for word in words:
        name, equals, value = word.removeprefix("--").partition("=")
        if not word.startswith("--") or not name:
            raise UsageError(f"option {word!r} is not known; a strategy's options look like --rungs 8")
        if not equals:
            value = next(words, "")
            if not value:
                raise UsageError(f"option {word} needs a value")
        try:
            settings[name.replace("-", "_")] = json.loads(value)
        except ValueError:
            settings[name.replace("-", "_")] = value
    return settings


def _from_wallet(ledger: Ledger, party: str) -> Holdings:
    from tbill_defi.portfolio.holdings import Holdings

    wallet = ledger.wallet(party)
    return Holdings(party, wallet.positions, wallet.cash, wallet.unavailable())


def _make(
    strategy: Strategy[Any], home: Path | None, day: Any, book: Holdings, counterparty: str, repo_rate: float | None
) -> RebalancePlan:
    from tbill_defi.portfolio.market_view import view
    from tbill_defi.strategy.planning import plan as make_plan

    return make_plan(strategy, view(day, home=home, repo_rate=repo_rate), book, counterparty=counterparty)


def _loaded(path: Path | None, extra: list[str], home: Path | None) -> RebalancePlan:
    """A saved plan, if the market data it was made from are still the same."""
    from tbill_defi.portfolio.plan import RebalancePlan

    if extra:
        raise UsageError(f"option {extra[0]!r} belongs to a strategy; a saved plan has its own")
    made = RebalancePlan.load(path or Path())
    given = made.repo_rate if made.repo_source == "given" else None
    from tbill_defi.portfolio.market_view import view

    now = view(made.trade_date, home=home, repo_rate=given).market_hash
    if now != made.market_hash:
        raise PlanError(
            f"the plan was made from market data 0x{made.market_hash.hex()[:16]}…, those of {made.trade_date} are now "
            f"0x{now.hex()[:16]}…; make the plan again"
        )
    return made


def _ask(question: str) -> None:
    if not sys.stdin.isatty():
        raise UsageError("rebalance: nobody is there to ask; say --yes to settle or --dry-run to look")
    if not typer.confirm(question):
        raise PlanError("not approved; nothing was sent")


def _keep(home: Path | None, made: RebalancePlan, execution: Execution) -> None:
    """The plan, and beside it the dealer's signed quote."""
    from tbill_defi.core.home import home_path

    if execution.quote is None:
        return
    path = made.save(home_path(home) / "plans" / f"{made.hash}.json")
    path.with_suffix(".quote.json").write_text(json.dumps(execution.quote.to_json(), indent=1) + "\n")


def _show(screen: Console, made: RebalancePlan) -> None:
    from tbill_defi.core.clock import age_days
    from tbill_defi.report import formats, tables

    screen.print(f"[bold]{made.strategy.name}[/] for {made.party}, trade date {made.trade_date}")
    if not made.orders:
        screen.print("no orders: the holdings are at their target")
    else:
        screen.print(tables.orders(made))
    screen.print(tables.effect(made))
    if made.limits:
        screen.print(tables.limits(made))
    screen.print(tables.cost_line(made))
    age = age_days(made.repo_date, made.trade_date)
    screen.print(
        f"repo {formats.percent(made.repo_rate, 2)} from {made.repo_source} of {made.repo_date} ({age} d old); "
        f"T+1 would be {made.market_settlement_date}"
    )
    screen.print(f"plan {made.hash}")


def _report(screen: Console, made: RebalancePlan, execution: Execution) -> None:
    from tbill_defi.report import formats

    passed = f"{len(execution.decisions)} legs pass every rule"
    if not execution.settled:
        screen.print(f"dry run: {passed}; nothing was signed or sent")
        return
    screen.print(
        f"{passed}; approved by {execution.approved_by}; settled atomically in block {execution.height} at "
        f"{formats.moment(execution.timestamp)}"
    )
    screen.print(f"net cash {formats.cents(-made.net_cash_units)}; instruction {execution.instruction_hash}")
