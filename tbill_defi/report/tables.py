"""Sheets of plans, wallets, the tape and the market."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.text import Text

from tbill_defi.core.clock import age_days
from tbill_defi.core.decision import Decision
from tbill_defi.core.money import UNITS_PER_DOLLAR, format_units
from tbill_defi.ledger.books import TapeEntry, Wallet
from tbill_defi.portfolio.dealing_rows import MILLION, UNIT
from tbill_defi.portfolio.metrics import Metrics
from tbill_defi.portfolio.plan import CURRENCY, RebalancePlan
from tbill_defi.portfolio.view import View
from tbill_defi.report import formats
from tbill_defi.report.layout import Column, Sheet, text

UNIT_DECIMALS = 6
"""Of the dollar, and of face."""
SMALLEST_SHADOW_BP = 0.005
"""Shadow prices below this are shown as 0.00 and do not bind."""


def effect_rows(plan: RebalancePlan) -> list[tuple[str, str, str, str]]:
    """(figure, before, after, change) of a plan."""
    before, after = plan.before, plan.after
    return [
        _dollars("NAV", before.nav, after.nav),
        _yields("yield (STREET)", before.yield_, after.yield_),
        _yields("yield, DV01-weighted", before.dv01_weighted_yield, after.dv01_weighted_yield),
        _years("modified duration", before.duration, after.duration),
        _years("WAM", before.wam_years, after.wam_years),
        _dollars("DV01", before.dv01, after.dv01),
        _dollars("cash", before.cash, after.cash),
        ("securities", str(before.securities), str(after.securities), f"{after.securities - before.securities:+d}"),
        ("rating", before.rating or "-", after.rating or "-", ""),
    ]


def _dollars(name: str, before: float, after: float) -> tuple[str, str, str, str]:
    return name, formats.dollars(before), formats.dollars(after), formats.dollars(after - before, sign=True)


def _yields(name: str, before: float, after: float) -> tuple[str, str, str, str]:
    return name, formats.percent(before), formats.percent(after), formats.basis_points(after - before)


def _years(name: str, before: float, after: float) -> tuple[str, str, str, str]:
    return name, f"{before:.3f} y", f"{after:.3f} y", f"{after - before:+.3f} y"


def effect(plan: RebalancePlan) -> Sheet:
    """Figures before and after a plan."""
    sheet = Sheet("Effect", Column("figure", left=True), "before", "after", "change")
    for row in effect_rows(plan):
        sheet.add(*row)
    return sheet


def cost_line(plan: RebalancePlan) -> str:
    """Cost in dollars, basis points and 32nds, and the days that earn it back."""
    days = plan.breakeven_days
    return (
        f"cost {formats.cash(plan.cost_units)} = {plan.cost_bp:.2f} bp of NAV = {plan.cost_32nds:.2f}/32 of "
        f"face traded; {f'earned back in {days:.0f} days' if days is not None else 'not earned back by yield'}"
    )


def orders(plan: RebalancePlan) -> Sheet:
    """Orders with every price, its source and age, as far as the screen is wide."""
    sheet = Sheet(
        f"Orders with {plan.counterparty}, settling {plan.settlement_date} (prices per 100 face)",
        Column("", left=True),
        Column("CUSIP", left=True),
        Column("coupon", rank=3),
        Column("maturity", rank=2),
        "face $",
        Column("quoted", rank=1),
        Column("T+1 dirty", rank=4),
        Column("clean", rank=7),
        Column("accrued", rank=6),
        "dirty",
        "cash $",
        Column("price", left=True, rank=5),
        Column("why", left=True, rank=8),
    )
    for o in plan.orders:
        age = age_days(o.quote_date, plan.trade_date)
        sheet.add(
            Text(o.side, style="green" if o.side == "buy" else "red"),
            o.cusip,
            formats.coupon(o.security),
            o.security.maturity_date.isoformat(),
            formats.face(o.face_units),
            formats.price(o.security, float(o.quoted_clean_price)),
            str(o.regular_dirty_price or "-"),
            str(o.clean_price),
            str(o.accrued),
            str(o.dirty_price),
            formats.cash(o.cash_units)[1:],
            text(o.source) + (f", {age} d old" if age else ""),
            text(o.reason),
        )
    return sheet


def writes(plan: RebalancePlan) -> Sheet:
    """Calls with what they cover, their premium and delta, as far as the screen is wide."""
    sheet = Sheet(
        f"Calls written to {plan.counterparty}, premium on {plan.settlement_date} (prices per 100 face)",
        Column("CUSIP", left=True),
        Column("coupon", rank=4),
        Column("maturity", rank=3),
        "covers face $",
        Column("of free $", rank=2),
        "strike",
        "expiry",
        Column("clean", rank=6),
        Column("forward", rank=1),
        Column("volatility", rank=5),
        "premium",
        "premium $",
        "delta",
        Column("price", left=True, rank=7),
        Column("why", left=True, rank=8),
    )
    for w in plan.writes:
        age = age_days(w.quote_date, plan.trade_date)
        sheet.add(
            w.cusip,
            formats.coupon(w.security),
            w.security.maturity_date.isoformat(),
            formats.face(w.face_units),
            formats.face(plan.holdings.available(w.cusip)),
            formats.price(w.security, float(w.strike)),
            w.expiry.isoformat(),
            str(w.clean_price),
            str(w.forward_clean),
            formats.percent(w.volatility, 2),
            str(w.premium_price),
            formats.cash(w.premium_units)[1:],
            f"{w.delta:+.3f}",
            text(w.source) + (f", {age} d old" if age else ""),
            text(w.reason),
        )
    return sheet


def writes_line(plan: RebalancePlan) -> str:
    """Premium of the calls in dollars and basis points of NAV."""
    premium = -plan.net_cash_units
    share = premium / UNITS_PER_DOLLAR / plan.before.nav * 1e4
    return (
        f"premium {formats.cash(premium)} = {share:.2f} bp of NAV, Black-76 on the clean forward at the "
        "price volatility of each line; duration and DV01 after are less the calls' delta"
    )


def limits(plan: RebalancePlan, *, binding_only: bool = True) -> Sheet:
    """Limits of the programme: those that bind, or all. A limit on trades binds where not one more lot fits."""
    sheet = Sheet(
        "Limits that bind" if binding_only else "Limits",
        Column("limit", left=True),
        "value",
        *(Column(name, rank=1) for name in ("from", "to")),
        Column("slack", rank=2),
        "shadow price",
    )
    for limit in sorted(plan.limits, key=lambda x: -x.shadow_price_bp):
        earns = limit.shadow_price_bp > SMALLEST_SHADOW_BP
        reached = limit.unit == UNIT and limit.slack * MILLION < plan.lot_units
        if binding_only and not (earns or reached):
            continue
        unit, suffix = {"years": (1.0, " y"), "$m": (1.0, " $m"), "bp": (1.0, " bp")}.get(limit.unit, (100.0, "%"))
        bounds = [f"{b * unit:.2f}{suffix}" if abs(b) != float("inf") else "" for b in (limit.lower, limit.upper)]
        sheet.add(
            text(limit.name),
            f"{limit.value * unit:.3f}{suffix}",
            *bounds,
            f"{limit.slack * unit:.3f}{suffix}",
            "reached" if reached and not earns else formats.shadow_price(limit.shadow_price_bp, limit.unit),
        )
    return sheet


def refusals(decisions: Sequence[Decision]) -> Sheet:
    """Legs that the contracts refuse: rule, code, largest amount that passes."""
    sheet = Sheet(
        "Refused",
        Column("asset", left=True),
        "amount $",
        Column("rule", left=True),
        "code",
        Column("party", left=True, rank=1),
        "largest that passes $",
        Column("why", left=True, rank=2),
    )
    for d in decisions:
        sheet.add(
            d.asset,
            format_units(d.amount),
            d.rule,
            str(d.code),
            text(d.party),
            format_units(d.largest_amount),
            d.message.rpartition(": ")[2],
        )
    return sheet


def wallet(found: Wallet, view: View | None, decimals: Mapping[str, int] | None = None) -> Sheet:
    """Holdings of a party; with a view also prices, yields and values; `decimals` of the currencies."""
    priced = (
        Column("type", left=True, rank=5),
        Column("coupon", rank=6),
        Column("maturity", rank=4),
        "clean",
        Column("yield", rank=2),
        Column("duration", rank=3),
        "value $",
        Column("price", left=True, rank=1),
    )
    sheet = Sheet(
        f"{found.party}: {', '.join(found.addresses)}",
        Column("CUSIP", left=True),
        "face $",
        *(priced if view is not None else ()),
    )
    for cusip, units in found.positions.items():
        row = [cusip, format_units(units)]
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
        sheet.add(*row)
    rest = [""] * len(sheet.columns[2:])
    sheet.add(CURRENCY, format_units(found.cash), *rest)
    for code, units in found.currencies.items():
        sheet.add(code, format_units(units, decimals=(decimals or {}).get(code, UNIT_DECIMALS)), *rest)
    return sheet


def blocked(found: Wallet) -> list[str]:
    """One line for each position of which part is frozen or held, or that is collateral of a repo."""
    frozen, held = found.frozen, found.held
    lines = [
        f"{cusip}: frozen {formats.cents(frozen.get(cusip, 0))}, on hold {formats.cents(held.get(cusip, 0))}"
        for cusip in found.unavailable()
    ]
    lines += [f"{cusip}: {formats.cents(units)} pledged in repo" for cusip, units in found.pledged.items()]
    lines += [
        f"{cusip}: {formats.cents(units)} held by the repo facility as collateral of cash lent"
        for cusip, units in found.collateral.items()
    ]
    return lines


def tape(entries: Sequence[TapeEntry], decimals: Mapping[str, int] | None = None) -> Sheet:
    """Settled legs in order; `decimals` of the currencies."""
    sheet = Sheet(
        "Tape",
        "block",
        Column("time", left=True, rank=1),
        *(Column(name, left=True) for name in ("asset", "from", "to")),
        "amount",
        Column("plan", left=True, rank=2),
    )
    for entry in entries:
        for leg in entry.legs:
            sheet.add(
                str(entry.height),
                formats.moment(entry.timestamp),
                leg.asset,
                leg.giver,
                leg.receiver,
                format_units(leg.amount, decimals=(decimals or {}).get(leg.asset, UNIT_DECIMALS)),
                formats.short_hash(entry.plan_hash) or "-",
            )
    return sheet


def curve(view: View) -> Sheet:
    """Par yields of the date."""
    sheet = Sheet(f"Par yields of {view.date}", Column("tenor", left=True), "par yield")
    for tenor, rate in view.curve.items():
        sheet.add(tenor, formats.percent(rate, 2))
    return sheet


def universe(view: View) -> Sheet:
    """Every security of the date, by maturity; no offer: it can be sold and not bought."""
    sheet = Sheet(
        f"Universe of {view.date}, clean prices per 100 face",
        *(Column("CUSIP", left=True), Column("type", left=True, rank=2), Column("coupon", rank=3), "maturity"),
        *("bid", "offer", Column("yield", rank=1), Column("duration", rank=1)),
        Column("price", left=True, rank=4),
    )
    for i, security in enumerate(view.securities):
        quotes = (view.bid[i], view.offer[i])
        sheet.add(
            security.cusip,
            security.kind,
            formats.coupon(security),
            security.maturity_date.isoformat(),
            *("-" if q is None else formats.price(security, float(q.quoted_clean_price)) for q in quotes),
            formats.percent(float(view.yield_[i])),
            f"{view.modified_duration[i]:.2f}",
            f"{view.sources[i]} {view.quote_dates[i]}{', terms inferred' if view.inferred[i] else ''}",
        )
    return sheet


def book_line(metrics: Metrics) -> str:
    """A portfolio in one line."""
    return (
        f"{formats.dollars(metrics.nav)} in {metrics.securities} securities, yield {formats.percent(metrics.yield_)}, "
        f"duration {metrics.duration:.2f} y, WAM {metrics.wam_years:.2f} y, DV01 {formats.dollars(metrics.dv01)}"
    )


def checks(rows: Sequence[tuple[str, str, str]]) -> Sheet:
    """Name, state and what was seen of each check; what is wrong stands out."""
    sheet = Sheet("connection", Column("check", left=True), Column("state", left=True), Column("seen", left=True))
    for name, state, seen in rows:
        style = {"ok": "green", "warning": "yellow"}.get(state, "bold red")
        sheet.add(name, Text(state, style=style), seen)
    return sheet


def roles(rows: Sequence[tuple[str, str, str]]) -> Sheet:
    """Role, who holds it, and since when or from when."""
    sheet = Sheet("roles", Column("role", left=True), Column("held by", left=True), Column("in force", left=True))
    for row in rows:
        sheet.add(*row)
    return sheet
