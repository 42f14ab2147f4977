"""The demo's covered call: written and bought, a coupon paid while its units are on hold, exercised or expired."""

from __future__ import annotations

from datetime import date

from tbill_defi.cli.demo_stage import Stage, require
from tbill_defi.cli.option_market import OptionMarket
from tbill_defi.core.money import cash_from_price, decimal_price, units
from tbill_defi.ledger.life import pay_coupon
from tbill_defi.ledger.option import Options
from tbill_defi.report import formats
from tbill_defi.report.layout import Column, Sheet

CUSIP, FACE, STRIKE = "91282CPE5", "1000000", 99.4375
COUPON_DAY, EXPIRY = date(2026, 4, 30), date(2026, 5, 1)
SIGMA, MEAN_REVERSION = 0.009, 0.03
"""Hull-White, a year; a short rate that moves 90 bp a year."""


def covered_call(stage: Stage) -> None:
    """The desk writes a call on a note that it holds, and the dealer buys it."""
    ledger, view, options = stage.ledger, stage.view(), Options(stage.ledger)
    security = view.securities[view.index(CUSIP)]
    model = OptionMarket(view, CUSIP, "call", STRIKE, EXPIRY, None, MEAN_REVERSION).value(None, SIGMA)
    face = units(FACE)
    terms = options.terms(
        security,
        writer="desk",
        holder="dealer",
        kind="call",
        strike_e6=round(STRIKE * 1e6),
        face_units=face,
        expiry=EXPIRY,
    )
    quote = options.quote(terms, cash_from_price(face, decimal_price(model["price"])))
    stage.out.rule(f"[bold]A covered call over a coupon date, {view.date}[/]", align="left")
    stage.out.print(
        f"call on {formats.face(face)} of {CUSIP} at {formats.price(security, STRIKE)}, expiry {EXPIRY}; clean "
        f"{model['clean_price']:.6f}, forward {model['forward_clean']:.6f}; Hull-White at sigma "
        f"{SIGMA * 1e4:.0f} bp: {model['price']:.6f} per 100, delta {model['delta']:+.2f}"
    )
    held_columns = (Column("face free $", rank=2), Column("on hold $", rank=1))
    sheet = Sheet("", Column("date", left=True), Column("", left=True), *held_columns, "desk's cash $")
    ledger.deposit("dealer", {}, options.payment_units(terms))
    options.write(terms)
    _row(stage, sheet, "written: the face is set aside", 0)
    before = stage.cash("desk")
    options.buy(quote)
    _row(stage, sheet, "bought by the dealer: premium", stage.cash("desk") - before)
    stage.go_to(COUPON_DAY)
    payment = pay_coupon(ledger, security, COUPON_DAY)
    desk = payment.paid["0x" + ledger.address_of("desk").hex()]
    _row(stage, sheet, "coupon, on held units too", desk)
    held = ledger.wallet("desk").positions[CUSIP]
    require(desk == held * 175 // 10_000 and ledger.wallet("desk").held == {CUSIP: face}, "the coupon is another")
    stage.go_to(EXPIRY)
    clean = _clean(stage)
    before = stage.cash("desk")
    if clean > STRIKE:
        options.exercise(terms.option_id)
        _row(stage, sheet, f"exercised at clean {clean:.4f}: delivered for strike", stage.cash("desk") - before)
    else:
        stage.go_to(EXPIRY, hour=24)
        options.expire(terms.option_id)
        _row(stage, sheet, f"expired at clean {clean:.4f}: the face is free again", 0)
    stage.out.print(sheet)
    require(not ledger.wallet("desk").held, "the hold has not ended")
    stage.out.print("each of these settled whole, or would not have at all\n")


def _clean(stage: Stage) -> float:
    view = stage.view()
    i = view.index(CUSIP)
    return view.settled_clean_price(i)


def _row(stage: Stage, sheet: Sheet, what: str, cash: int) -> None:
    wallet = stage.ledger.wallet("desk")
    position, held = wallet.positions.get(CUSIP, 0), wallet.held.get(CUSIP, 0)
    sheet.add(
        stage.ledger.market_date.isoformat(),
        what,
        formats.face(position - held),
        formats.face(held),
        f"{'+' if cash >= 0 else ''}{formats.cents(cash)[1:]}" if cash else "",
    )
