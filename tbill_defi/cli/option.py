"""`tbill option price`, `quote`, `write`, `buy`, `exercise`, `expire`, `withdraw`, `show`: calls and puts."""

from __future__ import annotations

import json
import re
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tbill_defi.cli import option_screens
from tbill_defi.cli.common import (
    Day,
    Home,
    Json,
    chosen_date,
    console,
    group,
    hint,
    parse_date,
    print_json,
    progress,
    the_only,
    view_at,
)
from tbill_defi.cli.option_market import OptionMarket, option_kind
from tbill_defi.core.errors import DataError, UsageError
from tbill_defi.core.files import read_text, write_output
from tbill_defi.core.json_text import parse_json

if TYPE_CHECKING:
    from tbill_defi.instruments import Security
    from tbill_defi.ledger.ledger import Ledger
    from tbill_defi.ledger.option import Options
    from tbill_defi.ledger.option_terms import OptionQuote, OptionTerms

MEAN_REVERSION = 0.03
WRITTEN, BOUGHT = "written", "open"
"""What options are that can still be acted on."""
_WINDOW = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")

ID_HELP = "First digits of the option's id suffice."
Id = Annotated[str | None, typer.Argument(metavar="[ID]", help=ID_HELP, show_default="the only one")]
File = Annotated[Path, typer.Argument(metavar="FILE", help="A quote of `option quote`.")]
Cusip = Annotated[str, typer.Argument(help="The security.")]
Kind = Annotated[str, typer.Option(help="call or put: the holder may buy or sell.")]
Strike = Annotated[str, typer.Option(help="Clean price: 98.5 or 98-16.")]
Expiry = Annotated[str, typer.Option(help="Date on which an exercise settles.")]
Volatility = Annotated[float | None, typer.Option(help="Black-76: price volatility, decimal a year.")]
Sigma = Annotated[float | None, typer.Option(help="Hull-White: volatility of the short rate, decimal such as 0.009.")]
MeanReversion = Annotated[float, typer.Option(help="Hull-White: decimal a year.")]
RepoRate = Annotated[float | None, typer.Option(help="Decimal, Act/360.", show_default="latest SOFR")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    commands = group("Calls and puts on Treasuries.")
    for command in (price, quote, write, buy, exercise, expire, withdraw, show):
        commands.command(command.__name__)(command)
    app.add_typer(commands, name="option")


def price(
    cusip: Cusip,
    kind: Kind,
    strike: Strike,
    expiry: Expiry,
    volatility: Volatility = None,
    sigma: Sigma = None,
    mean_reversion: MeanReversion = MEAN_REVERSION,
    premium: Annotated[float | None, typer.Option(help="Per 100 face: the volatility it implies.")] = None,
    hull_white: Annotated[bool, typer.Option("--hull-white", help="Imply sigma, not price volatility.")] = False,
    repo_rate: RepoRate = None,
    html: Annotated[
        Path | None, typer.Option(help="Write the payoff as an HTML plot here; it needs no network.")
    ] = None,
    day: Day = None,
    home: Home = None,
    json_: Json = False,
) -> None:
    """Price an option at the day's market.

    Black-76 with --volatility, Hull-White with --sigma, the implied one with --premium.
    """
    if sum(x is not None for x in (volatility, sigma, premium)) != 1:
        raise UsageError("option price: give one of --volatility, --sigma, --premium")
    view = view_at(home, chosen_date(home, day))
    market = OptionMarket(view, cusip.upper(), kind, _strike(strike), _expiry(expiry), repo_rate, mean_reversion)
    if premium is not None:
        volatility, sigma = market.implied(premium, hull_white)
    value = market.value(volatility, sigma)
    if html is not None:
        from tbill_defi.report.payoff_page import write_payoff

        write_payoff(value, html)
    if json_:
        print_json(value)
        return
    option_screens.show_value(value)
    if html is not None:
        console().print(f"payoff in {html}", soft_wrap=True)


def quote(
    cusip: Cusip,
    kind: Kind,
    strike: Strike,
    expiry: Expiry,
    face: Annotated[str, typer.Option(help="Dollars of face.")],
    premium: Annotated[str | None, typer.Option(help="Dollars for the whole face.", show_default="the model's")] = None,
    volatility: Volatility = None,
    sigma: Sigma = None,
    mean_reversion: MeanReversion = MEAN_REVERSION,
    writer: Annotated[str, typer.Option(help="Who writes it.")] = "desk",
    holder: Annotated[str, typer.Option(help="Who may buy it.")] = "dealer",
    window: Annotated[
        str | None, typer.Option(help="New York times such as 09:30-16:00.", show_default="the whole day")
    ] = None,
    valid: Annotated[int, typer.Option(min=1, max=31_622_400, help="Seconds for which the quote stands.")] = 900,
    salt: Annotated[int, typer.Option(min=0, help="Tells options of the same terms apart.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Where it goes.", show_default="HOME/option/ID.json")] = None,
    home: Home = None,
    json_: Json = False,
) -> None:
    """Offer an option at a premium, signed by its writer.

    `option write` sets its collateral aside, `option buy` takes the offer. The same words again make a new offer of the
    same option.
    """
    if sum(x is not None for x in (premium, volatility, sigma)) != 1:
        raise UsageError("option quote: give one of --premium, --volatility, --sigma")
    if not abs(mean_reversion) <= 1:
        raise UsageError(f"mean-reversion: {mean_reversion} is not a decimal a year such as 0.03")
    clean, on = _strike(strike), _expiry(expiry)
    with progress("replaying") as advance, _ledger(home, advance) as ledger:
        options, view = _options(ledger), view_at(home, ledger.market_date)
        security = view.securities[view.index(cusip.upper())]
        terms = _terms(options, security, kind, clean, on, face, writer, holder, window, salt)
        model = None
        if premium is None:
            market = OptionMarket(view, security.cusip, kind, clean, on, None, mean_reversion)
            model = market.value(volatility, sigma)
        made = options.quote(terms, _premium(premium, model, terms.face_units), valid_seconds=valid)
        payment = options.payment_units(terms)
    path = _keep(made, out, home)
    if json_:
        print_json({"file": str(path), "quote": made.to_json(), "payment": str(payment), "model": model})
        return
    option_screens.show_quote(made, payment, model)
    console().print(f"quote in {path}", soft_wrap=True)
    hint(f"tbill option write {path}, then tbill option buy {path}")


def write(file: File, home: Home = None, json_: Json = False) -> None:
    """Write a quoted option: its collateral is set aside.

    Of a call the face is put on hold, of a put strike and accrued are taken in cash.
    """
    made = _read(file)
    value = _acted(home, lambda options: options.write(made.terms))
    option_screens.tell(value, json_, "written", f"tbill option buy {file}")


def buy(file: File, home: Home = None, json_: Json = False) -> None:
    """Buy a written option by its quote.

    Premium and option change hands, or nothing does.
    """
    made = _read(file)
    value = _acted(home, lambda options: options.buy(made))
    option_screens.tell(value, json_, "bought", "tbill option exercise ID on the expiry date")


def exercise(option_id: Id = None, home: Home = None, json_: Json = False) -> None:
    """Exercise an option inside its window.

    Strike and accrued change hands against the face, or nothing does.
    """
    value = _acted(home, lambda options: options.exercise(_named(options, option_id, BOUGHT)))
    option_screens.tell(value, json_, "exercised", f"tbill wallet {value['option']['holder']}")


def expire(
    option_id: Annotated[
        str | None, typer.Argument(metavar="[ID]", help=ID_HELP, show_default="all whose window has passed")
    ] = None,
    home: Home = None,
    json_: Json = False,
) -> None:
    """End an option whose window has passed, or all of them.

    Their collateral is free again. Anyone may.
    """
    if option_id:
        value = _acted(home, lambda options: options.expire(options.find(option_id)))
        option_screens.tell(value, json_, "expired")
        return
    with progress("replaying") as advance, _ledger(home, advance) as ledger:
        rows = [option_screens.state(one) for one in _options(ledger).expire_all()]
        ended = {"block": ledger.chain.height, "options": rows}
    if json_:
        print_json(ended)
        return
    console().print(f"{len(rows)} expired in block {ended['block']}")
    for row in rows:
        option_screens.show_state(row)


def withdraw(option_id: Id = None, home: Home = None, json_: Json = False) -> None:
    """Take back an option that nobody has bought.

    Its collateral is free again.
    """
    option_screens.tell(
        _acted(home, lambda options: options.withdraw(_named(options, option_id, WRITTEN))), json_, "withdrawn"
    )


def show(
    option_id: Annotated[str | None, typer.Argument(metavar="[ID]", help="Its id.", show_default="all")] = None,
    volatility: Annotated[
        float | None,
        typer.Option(help="Of marks: price volatility, decimal a year.", show_default="implied by the premium paid"),
    ] = None,
    home: Home = None,
    json_: Json = False,
) -> None:
    """Show options, their collateral, and what live ones are worth.

    Marks are Black-76 at the market of the ledger's date, for the holder; without that market there are none.
    """
    from tbill_defi.cli.option_marks import Marks
    from tbill_defi.ledger.open import open_ledger

    with progress("replaying") as advance, open_ledger(home=home, read_only=True, progress=advance) as ledger:
        options = _options(ledger)
        found = [options.state(options.find(option_id))] if option_id else options.all()
        marks = Marks(ledger.chain.now(), lambda day: view_at(home, day), volatility)
        rows = [option_screens.state(one) | marks.of(one) for one in found]
        value = {"market_date": ledger.market_date.isoformat(), "options": rows}
    if json_:
        print_json(value)
    elif not rows:
        console().print("no option on this ledger")
    else:
        for row in rows:
            option_screens.show_state(row)
            option_screens.show_mark(row)


# --- inside -----------------------------------------------------------------------------------------------------


def _strike(text: str) -> float:
    from tbill_defi.conventions import parse_quote

    found = parse_quote(text)
    if not 0.0 < found <= 1_000.0:
        raise UsageError(f"strike: {text} is not a clean price per 100 face such as 98.5 or 98-16")
    return found


def _expiry(text: str) -> date:
    from tbill_defi.conventions import SETTLEMENT, is_settlement_day

    day = parse_date(text, "expiry")
    if not is_settlement_day(day):
        raise UsageError(f"expiry: {day} is no good settlement day; {SETTLEMENT.following(day)} is the next")
    return day


def _ledger(home: Path | None, advance: Any) -> Ledger:
    from tbill_defi.ledger.open import open_ledger

    return open_ledger(home=home, progress=advance)


def _options(ledger: Ledger) -> Options:
    from tbill_defi.ledger.option import Options

    return Options(ledger)


def _acted(home: Path | None, act: Any) -> dict[str, Any]:
    with progress("replaying") as advance, _ledger(home, advance) as ledger:
        done = option_screens.state(act(_options(ledger)))
        return {"block": ledger.chain.height, "option": done}


def _named(options: Options, text: str | None, *states: str) -> bytes:
    """The option that is named, else the only one in one of these states."""
    if text:
        return options.find(text)
    return the_only("option", [o.option_id for o in options.all() if o.status.name.lower() in states])


def _terms(
    options: Options,
    security: Security,
    kind: str,
    strike: float,
    expiry: date,
    face: str,
    writer: str,
    holder: str,
    window: str | None,
    salt: int,
) -> OptionTerms:
    from tbill_defi.core.money import decimal_price, units

    return options.terms(
        security,
        writer=writer,
        holder=holder,
        kind=option_kind(kind).value,
        strike_e6=int(decimal_price(strike).scaleb(6)),
        face_units=units(face, field="face"),
        expiry=expiry,
        window=_window(window, expiry),
        salt=salt,
    )


def _window(text: str | None, day: date) -> tuple[int, int] | None:
    """First and last second of New York times on a date."""
    from tbill_defi.core.clock import parse_time

    if text is None:
        return None
    found = _WINDOW.fullmatch(text)
    if not found:
        raise UsageError(f"window: {text!r} is not New York times such as 09:30-16:00")
    a, b, c, d = found.groups()
    return parse_time(f"{day}T{a}:{b}"), parse_time(f"{day}T{c}:{d}")


def _premium(given: str | None, model: dict[str, Any] | None, face_units: int) -> int:
    """Cash for the whole face: what is given, else the model's price at 6 decimals, half up to the base unit."""
    from tbill_defi.core.money import cash_from_price, decimal_price, units

    if given is not None or model is None:
        return units(given or "0", field="premium")
    return cash_from_price(face_units, decimal_price(model["price"]))


def _keep(made: OptionQuote, out: Path | None, home: Path | None) -> Path:
    from tbill_defi.core.home import home_path

    path = out or home_path(home) / "option" / f"{made.terms.option_id.hex()}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_output(path, (json.dumps(made.to_json(), indent=1) + "\n").encode())
    return path


def _read(file: Path) -> OptionQuote:
    from tbill_defi.ledger.option_terms import OptionQuote

    try:
        raw = parse_json(read_text(file))
    except (OSError, ValueError) as error:
        raise DataError(f"option: {file} cannot be read as a quote ({error})") from None
    return OptionQuote.from_json(raw)
