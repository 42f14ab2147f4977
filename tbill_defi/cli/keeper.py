"""`tbill keeper run`, `show`, `approve`: rules that rebalance, pay, redeem and call margin by themselves."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tbill_defi.cli.common import Home, Json, console, group, hint, print_json
from tbill_defi.core.errors import UsageError

if TYPE_CHECKING:
    from tbill_defi.automation.keeper import Pass, Standing

RuleFile = Annotated[Path | None, typer.Option("--file", help="The rules.", show_default="keeper.toml in the home")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    commands = group("Rules that act: rebalance, pay, redeem, call margin.")
    commands.command("run")(run)
    commands.command("show")(show)
    commands.command("approve")(approve)
    app.add_typer(commands, name="keeper")


def run(
    once: Annotated[bool, typer.Option("--once", help="One pass over the rules.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="One pass that plans and simulates, sends nothing.")
    ] = False,
    file: RuleFile = None,
    home: Home = None,
    json_: Json = False,
) -> None:
    """Carry out what is due, again and again.

    Each firing acts once, also after a crash and beside another keeper. A rule with approval "ask" asks at the
    terminal; where there is none its plan waits for `keeper approve`. --json goes with --once or --dry-run.
    """
    from tbill_defi.automation.keeper import Keeper

    if json_ and not (once or dry_run):
        raise UsageError("keeper run: --json prints one pass; add --once or --dry-run")
    keeper = Keeper(home, file=file)
    ask = _ask if sys.stdin.isatty() and not json_ else None
    if not (once or dry_run):
        keeper.run(_tell, ask=ask, busy=lambda line: console().print(line, soft_wrap=True))
        return
    done = keeper.once(dry_run=dry_run, ask=ask)
    if json_:
        print_json(done.to_json())
    else:
        _tell(done)
        if not done.outcomes:
            console().print(f"{done.market_date}: nothing is due")
    if done.exit_code:
        raise typer.Exit(done.exit_code)


def approve(
    name: Annotated[str, typer.Argument(metavar="HASH", help="First digits of the plan's hash, or of a firing's id.")],
    file: RuleFile = None,
    home: Home = None,
    json_: Json = False,
) -> None:
    """Settle the plan that a rule left for you, exactly as it is.

    It is refused if the date, the market data or the holdings have changed since. Payments and margin calls that wait
    are named by their firing's id.
    """
    from tbill_defi.automation.keeper import Keeper

    done = Keeper(home, file=file).approve(name)
    if json_:
        print_json(done.to_json())
    else:
        _tell(done)


def show(file: RuleFile = None, home: Home = None, json_: Json = False) -> None:
    """Show what would fire and why, and when next."""
    from tbill_defi.automation.keeper import Keeper
    from tbill_defi.report import formats

    keeper = Keeper(home, file=file)
    scene, standings = keeper.show()
    if json_:
        print_json(
            {
                "file": str(keeper.file.path),
                "time": scene.now,
                "market_date": scene.today.isoformat(),
                "rules": [_standing(standing) for standing in standings],
            }
        )
        return
    out = console()
    out.print(f"{keeper.file.path}, ledger at {formats.moment(scene.now)}")
    for standing in standings:
        rule, found = standing.rule, standing.evaluation
        state = "due" if found.firings else "waits"
        out.print(rule.name, style="bold", end="  ")
        out.print(
            f"{rule.trigger.kind} -> {rule.action.kind} for {rule.party}, {rule.approval}: {state}", soft_wrap=True
        )
        for line in [*(f.reason for f in found.firings), *([] if found.firings else [found.why])]:
            out.print(f"    {line}", soft_wrap=True)
        for plan in standing.plans.values():
            out.print(f"    waits for you: tbill keeper approve {plan}", soft_wrap=True)
        for problem in found.problems:
            out.print(f"    problem: {problem}", soft_wrap=True)
        if found.next:
            out.print(f"    next: {found.next}")
        if standing.last:
            out.print(f"    last: {standing.last['message']}", soft_wrap=True)
    hint("tbill keeper run --dry-run, then tbill keeper run --once")


def _standing(standing: Standing) -> dict[str, Any]:
    rule, found = standing.rule, standing.evaluation
    return {
        "name": rule.name,
        "trigger": rule.trigger.model_dump(mode="json"),
        "action": rule.action.model_dump(mode="json"),
        "party": rule.party,
        "approval": rule.approval,
        "due": [
            {
                "event": f.event,
                "reason": f.reason,
                "firing": standing.ids[f.event],
                "plan": standing.plans.get(standing.ids[f.event]),
            }
            for f in found.firings
        ],
        "why": found.why,
        "next": found.next,
        "problems": [str(problem) for problem in found.problems],
        "last": None if standing.last is None else standing.last["message"],
    }


def _tell(done: Pass) -> None:
    out = console()
    for note in done.notes:
        out.print(note, soft_wrap=True)
    for outcome in done.outcomes:
        out.print(
            f"{done.market_date} {outcome.rule.name}: {outcome.result.status}: {outcome.result.message}", soft_wrap=True
        )


def _ask(question: str) -> bool:
    return typer.confirm(question, err=True)
