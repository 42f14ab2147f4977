"""The demo's screens: what each act shows."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.console import Console
from rich.markup import escape

from tbill_defi.chain.evidence import AuditReport
from tbill_defi.core.decision import Decision
from tbill_defi.core.errors import LedgerError
from tbill_defi.core.money import UNITS_PER_DOLLAR, format_units
from tbill_defi.ledger.books import TapeEntry, Wallet
from tbill_defi.portfolio.execution import Execution
from tbill_defi.portfolio.plan import RebalancePlan
from tbill_defi.portfolio.settlement_cost import SettlementComparison
from tbill_defi.portfolio.view import View
from tbill_defi.report import formats, tables
from tbill_defi.report.layout import Column, Sheet


def require(holds: bool) -> None:
    """What a screen is about to say is so."""
    if not holds:
        raise LedgerError("demo: a refusal changed a balance", "Demo")


def opening(out: Console, view: View, plan: RebalancePlan, band: tuple[float, float]) -> None:
    """The book, and what is wrong with it."""
    book = plan.before
    out.rule(f"[bold]The desk's book, {view.date}[/]", align="left")
    sheet = Sheet(
        "",
        Column("CUSIP", left=True),
        Column("coupon", rank=1),
        *("maturity", "face $", "clean", "yield", "duration", "weight"),
    )
    for cusip, units in sorted(plan.holdings.positions.items(), key=lambda item: view.index(item[0])):
        i = view.index(cusip)
        security = view.securities[i]
        sheet.add(
            cusip,
            formats.coupon(security),
            security.maturity_date.isoformat(),
            formats.face(units),
            formats.price(security, float(view.clean_price[i])),
            formats.percent(float(view.yield_[i])),
            f"{view.modified_duration[i]:.2f}",
            f"{units / UNITS_PER_DOLLAR * view.mid_dirty[i] / 100 / book.nav:.1%}",
        )
    out.print(sheet)
    out.print(tables.book_line(book))
    over = (book.duration - band[1]) * book.nav / 1e4
    short = sum(
        units / UNITS_PER_DOLLAR * view.mid_dirty[i] / 100
        for cusip, units in plan.holdings.positions.items()
        if view.years_to_maturity[i := view.index(cusip)] <= 1
    )
    out.print(
        f"[bold red]wrong:[/] duration {book.duration:.2f} is above the mandate's {band[0]}-{band[1]}: "
        f"{formats.dollars(over)} of DV01 too much; only {short / book.nav:.0%} matures within a year, the mandate "
        "wants at least 10%\n"
    )


def side_by_side(out: Console, plans: Sequence[RebalancePlan], band: tuple[float, float]) -> None:
    """Plans beside each other."""
    sheet = Sheet("Two plans", Column("", left=True), *(plan.strategy.name for plan in plans))
    rows: list[tuple[str, Callable[[RebalancePlan], str]]] = [
        ("orders, legs", lambda p: f"{len(p.orders)}, {len(p.legs)}"),
        (
            "yield",
            lambda p: f"{formats.percent(p.after.yield_)} ({formats.basis_points(p.after.yield_ - p.before.yield_)})",
        ),
        (
            "duration",
            lambda p: f"{p.after.duration:.3f} y{'' if band[0] <= p.after.duration <= band[1] else ' (outside)'}",
        ),
        (
            "DV01",
            lambda p: f"{formats.dollars(p.after.dv01)} ({formats.dollars(p.after.dv01 - p.before.dv01, sign=True)})",
        ),
        ("cost", lambda p: f"{formats.cash(p.cost_units)} = {p.cost_32nds:.2f}/32"),
        ("break-even", lambda p: "none by yield" if p.breakeven_days is None else f"{p.breakeven_days:.0f} days"),
        ("binding limit", _binding),
        ("plan hash", lambda p: formats.short_hash(p.hash)),
    ]
    for name, show in rows:
        sheet.add(name, *(show(plan) for plan in plans))
    out.print(sheet)
    out.print()


def _binding(plan: RebalancePlan) -> str:
    """The dearest limit: duration and buckets by their own unit."""
    binding = max(plan.limits, key=lambda limit: limit.shadow_price_bp, default=None)
    if binding is None or binding.shadow_price_bp == 0:
        return "none (fixed weights)"
    return f"{binding.name}: {formats.shadow_price(binding.shadow_price_bp, binding.unit)}"


def settled(
    out: Console,
    plan: RebalancePlan,
    execution: Execution,
    stages: Sequence[tuple[str, float]],
    start: float,
    end: float,
    wallet: Wallet,
) -> None:
    """The chosen plan, its stages with times, and the result."""
    out.rule(f"[bold]{plan.strategy.name} approved by {execution.approved_by}[/]", align="left")
    out.print(tables.orders(plan))
    moments = [*(moment for _, moment in stages[1:]), end]
    for (text, began), after in zip(stages, moments, strict=True):
        out.print(f"  {text:<36} {(after - began) * 1e3:7.1f} ms")
    out.print(
        f"[bold green]settled[/] {len(plan.legs)} legs atomically in block {execution.height}, "
        f"{formats.moment(execution.timestamp)}, {(end - start) * 1e3:.0f} ms in all; plan {execution.plan_hash}"
    )
    out.print(f"now: {tables.book_line(plan.after)}; cash {formats.cents(wallet.cash)}\n")


def refusal(out: Console, title: str, decision: Decision) -> None:
    """A refusal: rule, code, largest amount."""
    require(not decision.ok)
    out.print(f"[bold]{title}[/]: rule {decision.rule}, code {decision.code}: {escape(decision.message)}")
    out.print(f"   largest amount that passes: ${format_units(decision.largest_amount)}")


def retail(out: Console, wallets: Sequence[Wallet], view: View, tape: Sequence[TapeEntry]) -> None:
    """Small holders' wallets, and the last trades."""
    out.rule("[bold]Fractions for investors, and the tape[/]", align="left")
    for wallet in wallets:
        out.print(tables.wallet(wallet, view))
    out.print()
    out.print(tables.tape(tape[-2:]))
    out.print(f"and before them {len(tape[0].legs)} legs in block {tape[0].height}\n")


def audit(out: Console, sound: AuditReport, tampered: AuditReport) -> None:
    """The ledger as it is, and a copy with one byte flipped."""
    out.rule("[bold]Audit[/]", align="left")
    require(sound.ok and not tampered.ok)
    out.print(f"{sound.verdict}; {sound.transactions} signed transactions executed again")
    out.print(f"[bold red]one byte flipped in a copy:[/] {escape(tampered.findings[0].describe())}\n")


def closing(
    out: Console, plan: RebalancePlan, result: SettlementComparison, move_bp: float, target_rate: float
) -> None:
    """T+1 against atomic, in dollars."""
    out.rule("[bold]This trade, T+1 against atomic[/]", align="left")
    sheet = Sheet("", Column("", left=True), "T+1", "atomic")
    sheet.add("settles", str(plan.market_settlement_date), str(plan.settlement_date))
    sheet.add("net cash paid", f"${result.net_cash_regular:,.2f}", f"${result.net_cash_atomic:,.2f}")
    sheet.add("higher yield earned meanwhile", "$0.00", f"${result.carry_gained:,.2f}")
    sheet.add("replacement risk, 1 s.d.", f"${result.replacement_risk:,.2f}", "$0.00")
    sheet.add("charge if purchases fail a day", f"${result.fails_charge:,.2f}", "$0.00")
    out.print(sheet)
    charge = f"TMPG charge max(1%, 3% - {formats.percent(target_rate, 2)}) of purchase proceeds / 360"
    out.print(
        f"assumed: {result.days} day(s); a day's yield move of {move_bp} bp (s.d. of the 2-year, last 250 days), "
        f"parallel; repo {formats.percent(plan.repo_rate, 2)}; {charge}\n"
    )
