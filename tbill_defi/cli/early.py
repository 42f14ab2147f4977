"""`tbill early`: the early redemption queue of a security."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from tbill_defi.cli.common import Home, Json, console, group, hint, open_scene, parse_date, positive_units, print_json
from tbill_defi.core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tbill_defi.chain.types import Receipt

Cusip = Annotated[str, typer.Argument(metavar="CUSIP", help="The security.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    commands = group("Early redemption: a queue with a limit a day.")
    commands.command("open")(open_)
    for command in (fund, request, cancel, strike, collect, show):
        commands.command(command.__name__)(command)
    app.add_typer(commands, name="early")


def open_(
    cusip: Cusip,
    opens: Annotated[str, typer.Option(help="First day, from its New York midnight on.")],
    closes: Annotated[str, typer.Option(help="The day on which it is closed.")],
    daily: Annotated[str, typer.Option(help="Most face a day, dollars.")],
    minimum: Annotated[str, typer.Option(help="Least face of a request, dollars.")] = "100",
    price: Annotated[
        str | None, typer.Option(help="All that is paid per 100.", show_default="the oracle's clean and accrued")
    ] = None,
    cut_off: Annotated[
        str, typer.Option(metavar="HH:MM", help="Time of the first day at which requests are final.")
    ] = "16:00",
    home: Home = None,
    json_: Json = False,
) -> None:
    """Open a window for early redemption, or change its terms.

    What is asked before a day's cut-off is final from then on, and is struck at a price observed after it. A change
    of the price or of the cut-off gives back what was asked before.
    """
    from tbill_defi.core.clock import new_york_midnight
    from tbill_defi.ledger.early_redemption import EarlyRedemption, Window

    first, last = parse_date(opens, "opens"), parse_date(closes, "closes")
    if last <= first:
        raise UsageError(f"closes: {last} is not after {first}, the first day")
    window = Window(
        opens_at=new_york_midnight(first),
        closes_at=new_york_midnight(last),
        minimum_face=positive_units(minimum, "minimum"),
        daily_face=positive_units(daily, "daily"),
        price_e6=0 if price is None else _price_e6(price),
        cut_off=_seconds(cut_off),
    )
    with open_scene(home) as scene:
        receipts = EarlyRedemption(scene.ledger).set_window(cusip.upper(), window)
    if json_:
        print_json({"cusip": cusip.upper(), **_window_json(window), "block": receipts[-1].height})
        return
    console().print(f"{cusip.upper()}: up to {daily} a day from {first} to {last}, cut-off {cut_off}")
    hint(f"tbill early fund {cusip.upper()} 100000")


def fund(
    cusip: Cusip,
    amount: Annotated[str, typer.Argument(metavar="AMOUNT", help="Dollars.")],
    home: Home = None,
    json_: Json = False,
) -> None:
    """Fund a window: without cash nothing is struck."""
    from tbill_defi.ledger.early_redemption import EarlyRedemption

    units = positive_units(amount, "amount")
    with open_scene(home) as scene:
        queue = EarlyRedemption(scene.ledger)
        receipts = queue.fund(cusip.upper(), units)
        _, funds = queue.windows()[cusip.upper()]
    if json_:
        print_json({"cusip": cusip.upper(), "funds": str(funds), "block": receipts[-1].height})
        return
    _say(f"{cusip.upper()}: {{0}} in the window", funds, receipts)


def request(
    cusip: Cusip,
    face: Annotated[str, typer.Argument(metavar="FACE", help="Dollars.")],
    party: Annotated[str, typer.Option(help="Who asks.")] = "desk",
    home: Home = None,
    json_: Json = False,
) -> None:
    """Put a face at the end of the queue. The units lie in it until they are struck or taken back."""
    from tbill_defi.core.clock import moment
    from tbill_defi.ledger.early_redemption import EarlyRedemption

    units = positive_units(face, "face")
    with open_scene(home) as scene:
        queue = EarlyRedemption(scene.ledger)
        made = queue.request(party, cusip.upper(), units)
        window, _ = queue.windows()[cusip.upper()]
        final_from = window.cut_off_after(queue.find(made.hex())[1].made_at)
    if json_:
        value = {"request_id": "0x" + made.hex(), "cusip": cusip.upper(), "party": party, "face": str(units)}
        print_json({**value, "final_from": final_from})
        return
    name = f"0x{made.hex()[:16]}..."
    console().print(f"{party}: {face} {cusip.upper()} in the queue as {name}, final from {moment(final_from)}")


def cancel(
    request_id: Annotated[str, typer.Argument(metavar="REQUEST", help="Its id, or the first digits.")],
    home: Home = None,
    json_: Json = False,
) -> None:
    """Take back what has not been struck of a request.

    At once before its cut-off, afterwards at the next one, until which it can still be struck. Then ask again, or leave
    it to the next strike.
    """
    from tbill_defi.core.clock import moment
    from tbill_defi.core.money import format_units
    from tbill_defi.ledger.early_redemption import EarlyRedemption

    with open_scene(home) as scene:
        queue = EarlyRedemption(scene.ledger)
        cusip, found = queue.find(request_id)
        done = queue.cancel(found.holder, found.request_id)
    back = 0 if done.leaves_at else found.face_units
    if json_:
        value = {"request_id": "0x" + found.request_id.hex(), "cusip": cusip, "party": found.holder}
        print_json({**value, "face": str(back), "leaves_at": done.leaves_at, "block": done.height})
        return
    if done.leaves_at:
        face, until = format_units(found.face_units), moment(done.leaves_at)
        console().print(f"{found.holder}: {face} {cusip} is final, and leaves at {until} what is not struck by then")
        hint(f"tbill early cancel 0x{found.request_id.hex()[:16]}")
        return
    console().print(f"{found.holder}: {format_units(back)} {cusip} taken back, block {done.height}")


def strike(cusip: Cusip, home: Home = None, json_: Json = False) -> None:
    """Redeem from the front of the queue, as far as limit and cash go."""
    from tbill_defi.core.money import format_units
    from tbill_defi.ledger.early_redemption import EarlyRedemption

    with open_scene(home) as scene:
        struck = EarlyRedemption(scene.ledger).strike(cusip.upper())
    if json_:
        rows = [
            {
                "request_id": "0x" + one.request_id.hex(),
                "party": one.holder,
                "face": str(one.face_units),
                "cash": str(one.paid_units),
            }
            for one in struck
        ]
        print_json({"cusip": cusip.upper(), "struck": rows})
        return
    for one in struck:
        console().print(
            f"{one.holder}: {format_units(one.face_units)} {cusip.upper()} for {format_units(one.paid_units)}"
        )
    if not struck:
        console().print(
            f"nothing of {cusip.upper()} was struck: no request or price of the day's cut-off, no cash, or the limit"
        )


def collect(
    cusip: Cusip,
    party: Annotated[str, typer.Argument(metavar="PARTY", help="Whose units wait.")],
    home: Home = None,
    json_: Json = False,
) -> None:
    """Deliver what a holder could not receive before."""
    from tbill_defi.ledger.early_redemption import EarlyRedemption

    with open_scene(home) as scene:
        receipts = EarlyRedemption(scene.ledger).collect(party, cusip.upper())
        units = scene.ledger.wallet(party).positions.get(cusip.upper(), 0)
    if json_:
        value = {"cusip": cusip.upper(), "party": party, "position": str(units), "block": receipts[-1].height}
        print_json(value)
        return
    _say(f"{party}: has {{0}} {cusip.upper()}", units, receipts)


def show(home: Home = None, json_: Json = False) -> None:
    """Show windows, their cash, and who waits in which queue."""
    from tbill_defi.core.clock import moment
    from tbill_defi.core.money import format_units
    from tbill_defi.ledger.early_redemption import EarlyRedemption
    from tbill_defi.report.layout import Column, Sheet

    with open_scene(home, read_only=True) as scene:
        queue = EarlyRedemption(scene.ledger)
        windows = [(cusip, *found, queue.waiting(cusip)) for cusip, found in queue.windows().items()]
    if json_:
        print_json([_queue_json(*entry) for entry in windows])
        return
    if not windows:
        console().print("no window for early redemption was opened on this ledger")
        return
    for cusip, window, funds, waiting in windows:
        last, daily = moment(window.closes_at), format_units(window.daily_face)
        console().print(f"{cusip}: {daily} a day until {last}, {format_units(funds)} of cash")
        columns = (Column("request", left=True), Column("party", left=True), "face $", "since", "final from", "leaves")
        sheet = Sheet("Queue", *columns)
        for one in waiting:
            leaves = moment(one.leaves_at) if one.leaves_at else ""
            times = (moment(one.made_at), moment(window.cut_off_after(one.made_at)), leaves)
            sheet.add(f"0x{one.request_id.hex()[:16]}", one.holder, format_units(one.face_units), *times)
        console().print(sheet if waiting else "nobody waits")


# --- inside -----------------------------------------------------------------------------------------------------


def _price_e6(text: str) -> int:
    from decimal import Decimal, InvalidOperation

    wrong = UsageError(f"price: {text!r} is not a positive price per 100 such as 99.5, below 1000, at most 6 decimals")
    try:
        found = Decimal(text) * 10**6
    except InvalidOperation:
        raise wrong from None
    if not found.is_finite() or not 0 < found < 1000 * 10**6 or found != int(found):
        raise wrong
    return int(found)


def _seconds(text: str) -> int:
    from datetime import time

    try:
        found = time.fromisoformat(text)
    except ValueError:
        raise UsageError(f"cut-off: {text!r} is not a time of the day such as 16:00") from None
    if found.tzinfo is not None or found.microsecond:
        raise UsageError(f"cut-off: {text!r}: a New York time, to the second, such as 16:00")
    return found.hour * 3_600 + found.minute * 60 + found.second


def _window_json(window: Any) -> dict[str, Any]:
    return {
        "opens_at": window.opens_at,
        "closes_at": window.closes_at,
        "minimum_face": str(window.minimum_face),
        "daily_face": str(window.daily_face),
        "price_e6": window.price_e6,
        "cut_off": window.cut_off,
    }


def _queue_json(cusip: str, window: Any, funds: int, waiting: list[Any]) -> dict[str, Any]:
    rows = [
        {
            "request_id": "0x" + one.request_id.hex(),
            "party": one.holder,
            "made_at": one.made_at,
            "face": str(one.face_units),
            "final_from": window.cut_off_after(one.made_at),
            "leaves_at": one.leaves_at,
        }
        for one in waiting
    ]
    return {"cusip": cusip, **_window_json(window), "funds": str(funds), "queue": rows}


def _say(words: str, units: int, receipts: Sequence[Receipt]) -> None:
    from tbill_defi.core.money import format_units

    console().print(f"{words.format(format_units(units))}, block {receipts[-1].height}")
