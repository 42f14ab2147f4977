"""Rich tables of plans, wallets, the tape and the market."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from tbill_defi.core.clock import age_days
from tbill_defi.core.money import UNITS_PER_DOLLAR
from tbill_defi.ledger.books import TapeEntry, Wallet
from tbill_defi.portfolio.metrics import Metrics
from tbill_defi.portfolio.plan import CURRENCY, RebalancePlan
from tbill_defi.portfolio.view import View
from tbill_defi.report import formats


def make_table(title: str, *columns: str, left: Sequence[str] = ()) -> Table:
    """A table whose columns are right-aligned, but for those named in `left`."""
    table = Table(title=title, title_justify="left", header_style="bold", box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, justify="left" if column in left else "right", no_wrap=True)
    return table


def effect_rows(plan: RebalancePlan) -> list[tuple[str, str, str, str]]:
    """(figure, before, after, change) of a plan."""
    before, after = plan.before, plan.after
    return [
        (
            "NAV",
            formats.dollars(before.nav),
            formats.dollars(after.nav),
            formats.dollars(after.nav - before.nav, sign=True),
        ),
        (
            "yield (STREET)",
            formats.percent(before.yield_),
            formats.percent(after.yield_),
            formats.basis_points(after.yield_ - before.yield_),
        ),
        (
            "yield, DV01-weighted",
            formats.percent(before.dv01_weighted_yield),
            formats.percent(after.dv01_weighted_yield),
            formats.basis_points(after.dv01_weighted_yield - before.dv01_weighted_yield),
        ),
        _years("modified duration", before.duration, after.duration),
        _years("WAM", before.wam_years, after.wam_years),
        (
            "DV01",
            formats.dollars(before.dv01),
            formats.dollars(after.dv01),
            formats.dollars(after.dv01 - before.dv01, sign=True),
        ),
        (
            "cash",
            formats.dollars(before.cash),
            formats.dollars(after.cash),
            formats.dollars(after.cash - before.cash, sign=True),
        ),
        ("securities", str(before.securities), str(after.securities), f"{after.securities - before.securities:+d}"),
        ("rating", before.rating or "-", after.rating or "-", ""),
    ]


def _years(name: str, before: float, after: float) -> tuple[str, str, str, str]:
    return name, f"{before:.3f} y", f"{after:.3f} y", f"{after - before:+.3f} y"


def effect(plan: RebalancePlan) -> Table:
    """Figures before and after a plan."""
    table = make_table("Effect", "figure", "before", "after", "change", left=("figure",))
    for row in effect_rows(plan):
        table.add_row(*row)
    return table


def cost_line(plan: RebalancePlan) -> str:
    """Cost in dollars, basis points and 32nds, and the days that earn it back."""
    days = plan.breakeven_days
    return (
        f"cost {formats.cents(plan.cost_units)} = {plan.cost_bp:.2f} bp of NAV = {plan.cost_32nds:.2f}/32 of face "
        "traded; " + (f"earned back in {days:.0f} days" if days is not None else "not earned back by yield")
    )


def orders(plan: RebalancePlan) -> Table:
    """Orders with every price, its source and age."""
    table = make_table(
        f"Orders with {plan.counterparty}, settling {plan.settlement_date} (prices per 100 face)",
        *(
            "",
            "CUSIP",
            "coupon",
            "maturity",
            "face $",
            "quoted",
            "T+1 dirty",
            "clean",
            "accrued",
            "dirty",
            "cash $",
            "price",
            "why",
        ),
        left=("", "CUSIP", "price", "why"),
    )
    for o in plan.orders:
        age = age_days(o.quote_date, plan.trade_date)
        table.add_row(
            f"[green]{o.side}[/]" if o.side == "buy" else f"[red]{o.side}[/]",
            o.cusip,
            formats.coupon(o.security),
            o.security.maturity_date.isoformat(),
            f"{o.face_units // UNITS_PER_DOLLAR:,}",
            formats.price(o.security, float(o.quoted_clean_price)),
            str(o.regular_dirty_price or "-"),
            str(o.clean_price),
            str(o.accrued),
            str(o.dirty_price),
            f"{o.cash_units / UNITS_PER_DOLLAR:,.2f}",
            o.source + (f", {age} d old" if age else ""),
            o.reason,
        )
    return table


def orders_in_brief(plan: RebalancePlan) -> Table:
    """Orders on a narrow screen: both prices, no reasons."""
    table = make_table(
        f"Orders with {plan.counterparty}, settling {plan.settlement_date} (prices per 100 face)",
        *("", "CUSIP", "coupon", "maturity", "face $", "quoted", "dirty T+1", "dirty today", "cash $", "price"),
        left=("", "CUSIP", "price"),
    )
    for o in plan.orders:
        table.add_row(
            f"[green]{o.side}[/]" if o.side == "buy" else f"[red]{o.side}[/]",
            o.cusip,
            formats.coupon(o.security),
            o.security.maturity_date.isoformat(),
            f"{o.face_units // UNITS_PER_DOLLAR:,}",
            formats.price(o.security, float(o.quoted_clean_price)),
            str(o.regular_dirty_price or "-"),
            str(o.dirty_price),
            f"{o.cash_units / UNITS_PER_DOLLAR:,.2f}",
            o.source,
        )
    return table


def limits(plan: RebalancePlan, *, binding_only: bool = True) -> Table:
    """Limits of the programme: those that bind, or all."""
    table = make_table("Limits", "limit", "value", "from", "to", "slack", "shadow price", left=("limit",))
    shown = [x for x in plan.limits if not binding_only or x.shadow_price_bp > 0.005]
    for limit in sorted(shown, key=lambda x: -x.shadow_price_bp):
        unit = 1.0 if limit.unit == "years" else 100.0
        suffix = " y" if limit.unit == "years" else "%"
        bounds = [f"{b * unit:.2f}{suffix}" if abs(b) != float("inf") else "" for b in (limit.lower, limit.upper)]
        table.add_row(
            limit.name,
            f"{limit.value * unit:.3f}{suffix}",
            *bounds,
            f"{limit.slack * unit:.3f}{suffix}",
            f"{limit.shadow_price_bp / (10.0 if limit.unit == 'years' else 100.0):.2f} bp per "
            + ("0.1 y" if limit.unit == "years" else "1%"),
        )
    return table


def wallet(found: Wallet, view: View | None) -> Table:
    """Holdings of a party; with a view also prices, yields and values."""
    columns = ["CUSIP", "face $"]
    if view is not None:
        columns += ["type", "coupon", "maturity", "clean", "yield", "duration", "value $", "price"]
    table = make_table(f"{found.party}: {', '.join(found.addresses)}", *columns, left=("CUSIP", "type", "price"))
    for cusip, units in found.positions.items():
        row = [cusip, formats.cents(units)[1:]]
        if view is not None:
            i = view.index(cusip)
            security = view.securities[i]
            row += [
                security.kind,
                formats.coupon(security),
                security.maturity_date.isoformat(),
                formats.price(security, float(view.clean_price[i])),
                formats.percent(float(view.yield_[i])),
                f"{view.modified_duration[i]:.2f}",
                f"{units / UNITS_PER_DOLLAR * view.mid_dirty[i] / 100:,.2f}",
                f"{view.sources[i]} {view.quote_dates[i]}",
            ]
        table.add_row(*row)
    table.add_row(CURRENCY, formats.cents(found.cash)[1:])
    return table


def blocked(found: Wallet) -> list[str]:
    """One line for each position of which part is frozen or held."""
    frozen, held = found.frozen, found.held
    return [
        f"{cusip}: frozen {formats.cents(frozen.get(cusip, 0))}, on hold {formats.cents(held.get(cusip, 0))}"
        for cusip in found.unavailable()
    ]


def tape(entries: Sequence[TapeEntry]) -> Table:
    """Settled legs in order."""
    table = make_table(
        "Tape", "block", "time", "asset", "from", "to", "amount $", "plan", left=("time", "asset", "from", "to", "plan")
    )
    for entry in entries:
        for leg in entry.legs:
            table.add_row(
                str(entry.height),
                formats.moment(entry.timestamp),
                leg.asset,
                leg.giver,
                leg.receiver,
                formats.cents(leg.amount)[1:],
                formats.short_hash(entry.plan_hash) or "-",
            )
    return table


def curve(view: View) -> Table:
    """Par yields of the date."""
    table = make_table(f"Par yields of {view.date}", *view.curve)
    table.add_row(*(formats.percent(rate, 2) for rate in view.curve.values()))
    return table


def book_line(metrics: Metrics) -> str:
    """A portfolio in one line."""
    return (
        f"{formats.dollars(metrics.nav)} in {metrics.securities} securities, yield {formats.percent(metrics.yield_)}, "
        f"duration {metrics.duration:.2f} y, WAM {metrics.wam_years:.2f} y, DV01 {formats.dollars(metrics.dv01)}"
    )
