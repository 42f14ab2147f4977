"""The demo's managed account: a rogue plan is stopped by the contract, one within the mandate settles."""

from __future__ import annotations

from rich.markup import escape

from tbill_defi.cli.demo_stage import Stage, require
from tbill_defi.core.errors import MandateBreach
from tbill_defi.core.money import units
from tbill_defi.ledger.mandate import Mandate, open_account, recognise, require_account, set_mandate
from tbill_defi.portfolio.execution import execute
from tbill_defi.portfolio.holdings import Holdings
from tbill_defi.portfolio.oracle_round import publish
from tbill_defi.report import formats
from tbill_defi.report.layout import Column, Sheet
from tbill_defi.strategy.discovery import find
from tbill_defi.strategy.planning import plan

PARTY, MANAGER = "pension", "manager"
BOOK = {"91282CMV0": "2000000", "91282CND9": "3000000", "91282CQE4": "3000000"}
CASH = "100000"
MANDATE = Mandate(
    duration_min_e6=1_700_000,
    duration_max_e6=2_300_000,
    issue_cap_bp=5_000,
    turnover_bp=10_000,
    window_seconds=30 * 86_400,
    slippage_bp=10,
)


def stop_a_rogue(stage: Stage) -> None:
    """The manager of a pension's account signs a plan far out of its mandate, then one within it."""
    ledger, view = stage.ledger, stage.view()
    account = open_account(ledger, PARTY, manager=MANAGER)
    set_mandate(ledger, account, MANDATE)
    ledger.deposit(PARTY, {view.securities[view.index(c)]: units(face) for c, face in BOOK.items()}, units(CASH))
    publish(ledger, view, cusips=view.cusips, confirm=True)
    recognise(ledger, require_account(ledger, PARTY), [*BOOK, "USD"], key=MANAGER)
    stage.out.rule(f"[bold]A rogue plan is stopped by the mandate, {view.date}[/]", align="left")
    low, high = MANDATE.duration_min_e6 / 1e6, MANDATE.duration_max_e6 / 1e6
    stage.out.print(
        f"{PARTY}'s account, dealt for by {MANAGER}: duration {low:g} to {high:g} y, at most "
        f"{MANDATE.issue_cap_bp / 100:g}% of one security, slippage at most {MANDATE.slippage_bp} bp"
    )
    book = Holdings.of(ledger, PARTY)
    rogue = plan(find("bullet")(years=20.0, within_years=6.0), view, book)
    sound = plan(find("duration-target")(lower=1.9, upper=2.1, max_weight=0.3), view, book)
    before = stage.balances()
    sheet = Sheet("", Column("plan", left=True), "duration", "legs", Column("", left=True))
    try:
        execute(rogue, ledger, approve_by=MANAGER)
        require(False, "the mandate let a rogue plan through")
    except MandateBreach as breach:
        stopped = str(breach)
    require(stage.balances() == before, "a refusal changed a balance")
    sheet.add("bullet, 20 years", f"{rogue.after.duration:.2f} y", str(len(rogue.legs)), "stopped in the settlement")
    done = execute(sound, ledger, approve_by=MANAGER)
    settled = f"settled in block {done.height}"
    sheet.add("duration-target", f"{sound.after.duration:.2f} y", str(len(sound.legs)), settled)
    stage.out.print(sheet)
    stage.out.print(f"[bold red]refused:[/] {escape(stopped)}; every balance is what it was")
    after = require_account(ledger, PARTY)
    stage.out.print(f"turnover in the window {formats.cash(after.turnover)}\n")
