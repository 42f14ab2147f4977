"""`tbill coupon show`, `coupon pay`, `redeem`: what securities pay their holders."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tbill_defi.cli.common import Home, Json, console, group, hint, open_scene, parse_date, print_json
from tbill_defi.core.errors import LedgerError, TbillError, UsageError

if TYPE_CHECKING:
    from tbill_defi.automation.dues import CouponDue, PrincipalDue
    from tbill_defi.automation.scene import Scene
    from tbill_defi.ledger.life import Payment

Cusip = Annotated[str | None, typer.Argument(metavar="[CUSIP]", help="One security.", show_default="all")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    commands = group("Coupons of the securities on the ledger.")
    commands.command("show")(show)
    commands.command("pay")(pay)
    app.add_typer(commands, name="coupon")
    app.command("redeem")(redeem)


def show(cusip: Cusip = None, home: Home = None, json_: Json = False) -> None:
    """Show coupons: paid, due, and the next of each security."""
    with open_scene(home, read_only=True) as scene:
        dues, problems = _coupons(scene, cusip)
        value: dict[str, Any] = {
            "market_date": scene.today.isoformat(),
            "coupons": [_coupon_json(due) for due in dues],
            "problems": problems,
        }
    if json_:
        print_json(value)
        return
    _show_coupons(value)
    if any(row["status"] == "due" for row in value["coupons"]):
        hint("tbill coupon pay")


def pay(
    cusip: Cusip = None,
    day: Annotated[
        str | None, typer.Option("--date", help="Only the coupon of this date.", show_default="all that are due")
    ] = None,
    home: Home = None,
    json_: Json = False,
) -> None:
    """Pay what is due to the holders of its record.

    Positions at the start of the coupon date count, units on hold included. The Treasury is a party of its own; dollars
    that it lacks are registered by the bank. Coupons of repo collateral are passed on to who gave it.
    """
    from tbill_defi.automation.dues import Status
    from tbill_defi.ledger.life import pay_coupon
    from tbill_defi.ledger.passing import pass_on

    if day is not None and cusip is None:
        raise UsageError("coupon pay: --date needs a CUSIP")
    wanted = None if day is None else parse_date(day)
    with open_scene(home) as scene:
        dues, problems = _coupons(scene, cusip)
        if cusip is not None and wanted is not None:
            _require_coupon(scene, cusip.upper(), wanted)
        chosen = [due for due in dues if due.status is Status.DUE and wanted in (None, due.day)]
        if cusip is not None and not chosen:
            raise _none_due(scene, cusip.upper(), dues, wanted)
        payments = []
        for due in chosen:
            security = scene.terms(due.cusip)
            payment = pay_coupon(scene.ledger, security, due.day, payment_date=due.payable, fixings=scene.fixings)
            passed = pass_on(scene.ledger, security, due.day)
            entry = {"cusip": due.cusip, "date": due.day.isoformat(), "payable": due.payable.isoformat()}
            payments.append({**entry, **_payment_json(scene, payment), "passed": _texts(passed)})
        coming = [(due.payable, due.cusip) for due in dues if due.status is Status.NEXT]
    nothing = f"no coupon is due on {scene.today}" + _upcoming(coming)
    _tell({"market_date": scene.today.isoformat(), "payments": payments, "problems": problems}, json_, nothing)


def redeem(cusip: Cusip = None, home: Home = None, json_: Json = False) -> None:
    """Redeem what has matured at par.

    Free units are paid to their holder, frozen ones into the blocked account of his identity; units on hold wait. The
    last coupon is paid by `tbill coupon pay`.
    """
    from tbill_defi.automation.dues import Status, principal_dues
    from tbill_defi.ledger.life import redeem as redeem_security

    with open_scene(home) as scene:
        name = None if cusip is None else _on_ledger(scene, cusip)
        dues = [due for due in principal_dues(scene) if name in (None, due.cusip)]
        chosen = [due for due in dues if due.status is Status.DUE]
        if name is not None and not chosen:
            raise _not_redeemable(scene, name, dues)
        payments = []
        for due in chosen:
            security = scene.terms(due.cusip)
            payment = redeem_security(scene.ledger, security, payment_date=due.payable, fixings=scene.fixings)
            entry = {"cusip": due.cusip, "date": due.maturity.isoformat(), "payable": due.payable.isoformat()}
            payments.append({**entry, **_payment_json(scene, payment), "passed": {}})
        coming = [(due.payable, due.cusip) for due in dues if due.status is Status.NEXT]
    nothing = f"nothing is to be redeemed on {scene.today}" + _upcoming(coming)
    _tell({"market_date": scene.today.isoformat(), "payments": payments, "problems": []}, json_, nothing)


# --- inside -----------------------------------------------------------------------------------------------------


def _on_ledger(scene: Scene, cusip: str) -> str:
    name = cusip.upper()
    scene.token(name)
    return name


def _coupons(scene: Scene, cusip: str | None) -> tuple[list[CouponDue], list[str]]:
    """Coupons by date, and what cannot be told of a security; of one that is named it is an error."""
    from tbill_defi.automation.dues import coupon_dues

    if cusip is not None:
        return list(coupon_dues(scene, _on_ledger(scene, cusip))), []
    dues: list[CouponDue] = []
    problems = []
    for name in scene.registered:
        try:
            dues += coupon_dues(scene, name)
        except TbillError as error:
            problems.append(str(error))
    return sorted(dues, key=lambda due: (due.day, due.cusip)), problems


def _require_coupon(scene: Scene, cusip: str, day: date) -> None:
    """Say that a security pays nothing on a date."""
    from tbill_defi.ledger.coupons import require_coupon_date
    from tbill_defi.ledger.life import called_on

    security = scene.terms(cusip)
    require_coupon_date(security, day, called=called_on(scene.ledger, security))


def _none_due(scene: Scene, cusip: str, dues: list[CouponDue], wanted: date | None) -> TbillError:
    """Why a coupon that was asked for is not paid."""
    from tbill_defi.automation.dues import Status
    from tbill_defi.conventions.calendars import SETTLEMENT

    states = {due.day: due.status for due in dues}
    if wanted is None:
        coming = [due for due in dues if due.status is Status.NEXT]
        ahead = f"the next is of {coming[0].day}, payable {coming[0].payable}" if coming else "none is to come"
        return LedgerError(f"coupon pay: no coupon of {cusip} is due on {scene.today}; {ahead}", "NothingDue")
    payable = SETTLEMENT.following(wanted)
    if payable > scene.today:
        why = f"is payable on {payable}; the ledger is at {scene.today}"
    elif wanted not in states:
        why = "has nobody to go to: nobody held the security on this ledger when that day began"
    else:
        words = {Status.PAID: "is paid", Status.DEFAULT: "is not paid: the security is in default"}
        why = words.get(states[wanted], "is paid to all but wallets that are not registered")
    return LedgerError(f"coupon pay: the coupon of {cusip} of {wanted} {why}", "NothingDue")


def _not_redeemable(scene: Scene, cusip: str, dues: list[PrincipalDue]) -> TbillError:
    from tbill_defi.automation.dues import Status

    if not dues:
        why = "nothing of it is outstanding"
    elif dues[0].status is Status.NEXT:
        verb = "matures" if dues[0].maturity == scene.maturity(cusip) else "is called for redemption"
        why = f"it {verb} on {dues[0].maturity}, payable {dues[0].payable}; the ledger is at {scene.today}"
    elif dues[0].status is Status.DEFAULT:
        why = "it is in default"
    else:
        why = "all that is outstanding is on hold or with wallets that are not registered"
    return LedgerError(f"redeem: {cusip}: {why}", "NothingDue")


def _upcoming(coming: list[tuple[date, str]]) -> str:
    return "; the next is of {1}, payable {0}".format(*min(coming)) if coming else ""


def _texts(units: Mapping[str, int]) -> dict[str, str]:
    return {name: str(amount) for name, amount in units.items()}


def _coupon_json(due: CouponDue) -> dict[str, Any]:
    coupon = due.coupon
    return {
        "cusip": due.cusip,
        "date": due.day.isoformat(),
        "payable": due.payable.isoformat(),
        "fraction": None if coupon is None else [coupon.fraction.numerator, coupon.fraction.denominator],
        "face": str(due.face_units),
        "cash": None if coupon is None else str(coupon.units(due.face_units)),
        "status": due.status.value,
    }


def _payment_json(scene: Scene, payment: Payment) -> dict[str, Any]:
    """A payment by party; a wallet that is nobody's keeps its address."""
    books = scene.ledger.books()

    def by_party(amounts: Mapping[str, int]) -> dict[str, str]:
        found: dict[str, int] = {}
        for wallet, amount in amounts.items():
            name = books.party_of(wallet)
            found[name] = found.get(name, 0) + amount
        return _texts(dict(sorted(found.items())))

    return {
        "due": str(payment.due),
        "paid": by_party(payment.paid),
        "blocked": by_party(payment.blocked),
        "withheld": [books.party_of(wallet) for wallet in payment.withheld],
        "returned": str(payment.returned),
        "complete": payment.complete,
        "block": payment.height,
    }


def _tell(value: dict[str, Any], json_: bool, nothing: str) -> None:
    if json_:
        print_json(value)
        return
    if value["payments"]:
        _show_payments(value["payments"])
    else:
        console().print(nothing)
    _show_problems(value["problems"])


def _show_payments(payments: list[dict[str, Any]]) -> None:
    from tbill_defi.core.money import format_units
    from tbill_defi.report.layout import Column, Sheet

    names = (Column("CUSIP", left=True), Column("of", left=True), Column("to", left=True))
    sheet = Sheet("Paid", *names, "cash $", Column("block", rank=1), Column("", left=True))
    for payment in payments:
        where, block = (payment["cusip"], payment["date"]), str(payment["block"])
        for kind, words in (("paid", ""), ("blocked", "into the blocked account"), ("passed", "passed on")):
            for party, units in payment[kind].items():
                sheet.add(*where, party, format_units(int(units)), block, words)
        for party in payment["withheld"]:
            sheet.add(*where, party, "", block, "withheld")
    console().print(sheet)


def _show_coupons(value: dict[str, Any]) -> None:
    from fractions import Fraction

    from tbill_defi.core.money import format_units
    from tbill_defi.report import formats
    from tbill_defi.report.layout import Column, Sheet

    sheet = Sheet(
        f"Coupons, {value['market_date']}",
        *(Column("CUSIP", left=True), "of", Column("payable", rank=1), Column("per 100", rank=2), "face $", "cash $"),
        Column("status", left=True),
    )
    for row in value["coupons"]:
        known = row["fraction"] is not None
        per_100 = f"{float(100 * Fraction(*row['fraction'])):.6f}" if known else "by index"
        amounts = (formats.face(int(row["face"])), format_units(int(row["cash"])) if known else "")
        sheet.add(row["cusip"], row["date"], row["payable"], per_100, *amounts, row["status"])
    console().print(sheet if sheet.rows else "no security on this ledger pays coupons")
    _show_problems(value["problems"])


def _show_problems(problems: list[str]) -> None:
    for problem in problems:
        console().print(f"cannot be told: {problem}", soft_wrap=True)
