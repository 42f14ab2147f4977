"""`tbill strategies`, `plan`, `rebalance`: from a strategy to settled trades."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tbill_defi.cli.common import Day, Home, Json, console, hint, parse_date, print_json, progress
from tbill_defi.core.errors import ComplianceRejection, DataError, PlanError, UsageError
from tbill_defi.core.files import write_durably

if TYPE_CHECKING:
    from rich.console import Console

    from tbill_defi.ledger.ledger import Ledger
    from tbill_defi.portfolio.dealing import DealingLimits
    from tbill_defi.portfolio.execution import Execution
    from tbill_defi.portfolio.holdings import Holdings
    from tbill_defi.portfolio.plan import RebalancePlan
    from tbill_defi.strategy.isolation import IsolatedStrategy

SETTINGS = {"allow_extra_args": True, "ignore_unknown_options": True}
"""A strategy's own fields are options too: --rungs 8."""
DESK, DEALER = "desk", "dealer"


def strategy_names() -> list[str]:
    """Installed strategies, for the shell's completion: without loading them."""
    from importlib.metadata import entry_points

    return [point.name for point in entry_points(group="tbill_defi.strategies")]


STRATEGY_HELP = "ladder, a file such as ideas.py, or package.module:Class."
StrategyName = Annotated[
    str | None,
    typer.Argument(metavar="[STRATEGY]", help=STRATEGY_HELP, autocompletion=strategy_names, show_default=False),
]
Party = Annotated[str | None, typer.Option(help="Whose portfolio.", show_default=DESK)]
Counterparty = Annotated[str | None, typer.Option(help="Dealer who quotes.", show_default=DEALER)]
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
        out.print(name, style="bold", end="  ")
        out.print(kind.question(), soft_wrap=True)
        for field, info in kind.config_type.model_fields.items():
            default = json.dumps(info.get_default(call_default_factory=True), default=str)
            out.print(f"    {_option(field):<18} {info.description or ''} (default {default})", soft_wrap=True)
    hint("tbill plan STRATEGY, with its options")


def plan(
    context: typer.Context,
    strategy: Annotated[str, typer.Argument(metavar="STRATEGY", help=STRATEGY_HELP, autocompletion=strategy_names)],
    day: Day = None,
    party: Party = None,
    counterparty: Counterparty = None,
    holdings: Annotated[
        Path | None,
        typer.Option(help="CSV with the columns cusip,face,cost_price.", show_default="the ledger's wallet"),
    ] = None,
    repo_rate: RepoRate = None,
    out: Annotated[Path | None, typer.Option(help="Write the plan here, for `rebalance --plan`.")] = None,
    home: Home = None,
    json_: Json = False,
) -> None:
    """Make a plan and show it; nothing is sent.

    A strategy's own settings are options too, as in `tbill plan ladder --rungs 8 --longest-years 5`; values are JSON
    where they look like it: `--buckets '{"0-1y": [0.1, 0.4]}'`. `tbill strategies` lists them.
    """
    from tbill_defi.ledger.open import open_ledger
    from tbill_defi.portfolio.holdings import Holdings

    if out is not None and out.is_dir():
        raise UsageError(f"out: {out} is a directory; name a file such as plan.json")
    owner, dealing = party or DESK, None
    with isolated_strategy(strategy, context.args) as chosen:
        if holdings is not None and day is not None:
            book, date = Holdings.read(holdings, party=owner), parse_date(day)
        else:
            with progress("replaying") as advance, open_ledger(home=home, read_only=True, progress=advance) as ledger:
                date = parse_date(day) if day else ledger.market_date
                if holdings is not None:
                    book = Holdings.read(holdings, party=owner)
                else:
                    book, dealing = _from_wallet(ledger, owner), _dealing(ledger, owner, counterparty)
        checked_options(chosen, context)
        made = _make(chosen, home, date, book, counterparty, repo_rate, dealing)
    if out is not None:
        made.save(out)
    if json_:
        print_json(made.to_json())
        return
    _show(console(), made)
    if made.legs and holdings is None and day is None:
        hint(f"tbill rebalance --plan {out}" if out else f"tbill rebalance {strategy}, with the same options")


def rebalance(
    context: typer.Context,
    strategy: StrategyName = None,
    plan_file: Annotated[Path | None, typer.Option("--plan", help="A plan written by `plan --out`.")] = None,
    party: Party = None,
    counterparty: Counterparty = None,
    approve_by: Annotated[
        str | None,
        typer.Option(help="Name of the key that approves.", show_default="the party's, or its manager's"),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Decide everything, send nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    repo_rate: RepoRate = None,
    home: Home = None,
    json_: Json = False,
) -> None:
    """Make a plan, have it approved, settle it whole or not at all.

    All lines settle in one Instruction at the dealer's signed prices. A strategy's own settings are options too, as
    with `tbill plan`. A plan saved by `plan --out` settles as it was approved, or is refused if market data or
    holdings have changed since.
    """
    if (strategy is None) == (plan_file is None):
        cure = "not both, and no settings for a saved plan" if strategy else "such as ladder, or plan.json"
        raise UsageError(f"rebalance: give a strategy, or --plan with a plan's file: {cure}")
    own = {"--party": party, "--counterparty": counterparty, "--repo-rate": repo_rate}
    given = [*context.args, *(name for name, value in own.items() if value is not None)]
    if plan_file is not None and given:
        raise UsageError(f"{given[0]} is for a new plan; a saved plan has its own party, dealer and settings")
    from tbill_defi.ledger.mandate import approver_of

    with (
        isolated_strategy(strategy, context.args) if strategy else nullcontext() as chosen,
        _opened(home, dry_run=dry_run) as ledger,
    ):
        if chosen is not None:
            checked_options(chosen, context)
            book = _from_wallet(ledger, party or DESK)
            dealing = _dealing(ledger, book.party, counterparty)
            made = _make(chosen, home, ledger.market_date, book, counterparty, repo_rate, dealing)
            chosen.close()
        else:
            made = _loaded(plan_file or Path(), home)
        screen, approver = console(), approve_by or approver_of(ledger, made.party)
        if dry_run and approve_by is not None:
            ledger.keyring.key(approve_by)
        if not json_:
            _show(screen, made)
        if made.legs and not (dry_run or yes):
            what = f"write {len(made.writes)} calls" if made.writes else f"settle {len(made.orders)} orders"
            _ask(f"{what}, approved by {approver}?")
        try:
            execution = made.execute(ledger, approve_by=approver, dry_run=dry_run)
        except ComplianceRejection as refusal:
            _tell_refused(screen, made, refusal, json_)
            raise
        after = ledger.wallet(made.party)
    if json_:
        print_json({"plan": made.to_json(), "execution": execution.to_json(), "cash_after": str(after.cash)})
    else:
        _report(screen, made, execution)
    if execution.settled:
        _keep(home, made, execution)


def _opened(home: Path | None, *, dry_run: bool) -> Ledger:
    """The ledger with its keys; for a dry run it is opened for reading only."""
    from tbill_defi.ledger.ledger import Ledger
    from tbill_defi.ledger.open import desk_keys, ledger_url, open_ledger

    with progress("replaying") as advance:
        if not dry_run:
            return open_ledger(home=home, progress=advance)
        open_ledger(home=home, read_only=True).close()
        return Ledger.open(ledger_url(home), keys=desk_keys(home), write=False, progress=advance)


def _tell_refused(screen: Console, made: RebalancePlan, refusal: ComplianceRejection, json_: bool) -> None:
    from tbill_defi.report import tables

    if json_:
        from tbill_defi.portfolio.execution import Execution

        refused = Execution(made.hash, False, refusal.decisions, {}, "").to_json()["decisions"]
        print_json({"plan": made.to_json(), "refused": refused})
    else:
        screen.print(tables.refusals(refusal.decisions))


def _option(field: str, prefix: str = "--") -> str:
    return prefix + field.replace("_", "-")


def isolated_strategy(reference: str, words: list[str]) -> IsolatedStrategy:
    """A strategy of these options in a process of its own, where alone its code runs; then `checked_options`."""
    from tbill_defi.strategy.isolation import IsolatedStrategy

    return IsolatedStrategy(reference, _settings(words))


def checked_options(strategy: IsolatedStrategy, context: typer.Context, *, prefix: str = "--") -> None:
    """Wait until it is loaded; raise for an option that neither the command nor the strategy has."""
    known_settings(strategy.settings, strategy.about.name, strategy.about.fields, context, prefix=prefix)


def known_settings(
    settings: Mapping[str, Any], name: str, fields: Sequence[str], context: typer.Context, *, prefix: str = "--"
) -> None:
    """Raise `UsageError` for an option that neither the command nor the strategy has."""
    for setting in settings:
        if setting not in fields:
            raise UsageError(_unknown(setting, name, fields, context, prefix))


def _unknown(name: str, strategy: str, fields: Sequence[str], context: typer.Context, prefix: str) -> str:
    """What to say of it."""
    from difflib import get_close_matches

    own = [_option(field, prefix) for field in fields]
    others = [text for parameter in context.command.params for text in parameter.opts if text.startswith("--")]
    near = get_close_matches(_option(name, prefix), [*own, *others], n=1, cutoff=0.75)
    known = f"did you mean {near[0]}?" if near else f"the options of {strategy} are {', '.join(own) or 'none'}"
    return f"option {_option(name, prefix)} is not known; {known}"


def _settings(extra: list[str]) -> dict[str, Any]:
    """--name value pairs: values are JSON where they parse as JSON, else text."""
    settings: dict[str, Any] = {}
    words = iter(extra)
    for word in words:
        option, equals, value = word.partition("=")
        name = option.removeprefix("--").replace("-", "_")
        if not option.startswith("--") or not name:
            raise UsageError(f"{word!r} is not an option; a strategy's options look like --rungs 8")
        if name in settings:
            raise UsageError(f"option {option} is there twice")
        if not equals:
            value = next(words, "")
            if not value:
                raise UsageError(f"option {option} needs a value")
        try:
            settings[name] = json.loads(value)
        except ValueError:
            settings[name] = value
    return settings


def _from_wallet(ledger: Ledger, party: str) -> Holdings:
    from tbill_defi.portfolio.holdings import Holdings

    return Holdings.of(ledger, party)


def _make(
    strategy: IsolatedStrategy,
    home: Path | None,
    day: Any,
    book: Holdings,
    counterparty: str | None,
    repo_rate: float | None,
    dealing: DealingLimits | None,
) -> RebalancePlan:
    from tbill_defi.portfolio.market_view import view
    from tbill_defi.strategy.planning import plan as make_plan

    seen = view(day, home=home, repo_rate=repo_rate)
    return make_plan(strategy, seen, book, counterparty=counterparty or DEALER, dealing=dealing)


def _dealing(ledger: Ledger, party: str, counterparty: str | None) -> DealingLimits:
    from tbill_defi.portfolio.dealing import dealing_limits

    ledger.wallet(counterparty or DEALER)  # who is not on the ledger is named
    return dealing_limits(ledger, party, counterparty or DEALER)


def _loaded(path: Path, home: Path | None) -> RebalancePlan:
    """A saved plan, if the market data it was made from are still the same."""
    from tbill_defi.portfolio.market_view import require_same_market
    from tbill_defi.portfolio.plan import RebalancePlan

    made = RebalancePlan.load(path)
    require_same_market(made, home=home)
    return made


def _ask(question: str) -> None:
    if not sys.stdin.isatty():
        raise UsageError("rebalance: nobody is there to ask; say --yes to settle or --dry-run to look")
    if not typer.confirm(question, err=True):
        raise PlanError("not approved; nothing was sent")


def _keep(home: Path | None, made: RebalancePlan, execution: Execution) -> None:
    """The plan, and beside it the signed quotes: the dealer's, or of options the writer's."""
    from tbill_defi.core.home import home_path

    quotes = [quote.to_json() for quote in execution.options]
    quote = quotes if execution.quote is None else execution.quote.to_json()
    folder = home_path(home) / "plans"
    try:
        path = made.save(folder / f"{made.hash}.json")
        write_durably(path.with_suffix(".quote.json"), (json.dumps(quote, indent=1) + "\n").encode())
    except OSError as error:
        raise DataError(
            f"the plan has settled in block {execution.height}, but {folder} cannot keep it: {error.strerror}"
        ) from None


def _show(screen: Console, made: RebalancePlan) -> None:
    from tbill_defi.core.clock import age_days
    from tbill_defi.report import formats, tables

    screen.print(made.strategy.name, style="bold", end=" ")
    screen.print(f"for {made.party}, trade date {made.trade_date}")
    if made.writes:
        screen.print(tables.writes(made))
    elif not made.orders:
        screen.print("no orders: the holdings are at their target")
    else:
        screen.print(tables.orders(made))
    screen.print(tables.effect(made))
    if made.limits:
        sheet = tables.limits(made)
        screen.print(sheet if sheet.rows else f"no limit binds, of {len(made.limits)} checked")
    screen.print(tables.writes_line(made) if made.writes else tables.cost_line(made), soft_wrap=True)
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
    how = f"{len(execution.options)} calls written and sold" if execution.options else "settled atomically"
    screen.print(
        f"{passed}; approved by {execution.approved_by}; {how} in block {execution.height} at "
        f"{formats.moment(execution.timestamp)}"
    )
    if execution.options:
        for quote in execution.options:
            screen.print(f"option 0x{quote.terms.option_id.hex()}: premium {formats.cents(quote.premium_units)}")
        hint(f"tbill option show, tbill wallet {made.party}, tbill audit verify")
        return
    verb = "paid" if made.net_cash_units > 0 else "received"
    screen.print(f"net cash {verb} {formats.cents(abs(made.net_cash_units))}; instruction {execution.instruction_hash}")
    hint(f"tbill wallet {made.party}, tbill tape, tbill audit verify")
