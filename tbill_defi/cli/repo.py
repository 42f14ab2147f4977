"""`tbill repo quote`, `open`, `mark`, `margin`, `substitute`, `close`, `show`: cash against Treasuries."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tbill_defi.cli import repo_screens
from tbill_defi.cli.common import Home, Json, console, group, hint, parse_date, print_json, progress, the_only
from tbill_defi.core.errors import DataError, LedgerError, TbillError, UsageError
from tbill_defi.core.json_text import parse_json

if TYPE_CHECKING:
    from tbill_defi.instruments.repo import Repo
    from tbill_defi.ledger.ledger import Ledger
    from tbill_defi.ledger.repo import Repos
    from tbill_defi.ledger.repo_state import Mark, RepoState
    from tbill_defi.portfolio.view import View

CENT = 10_000
LOT = 100 * 10**6
"""Collateral that is sized here comes in hundreds of dollars of face: the Treasury's smallest denomination."""

ID_HELP = "First digits of the repo's id suffice."
Id = Annotated[str | None, typer.Argument(metavar="[ID]", help=ID_HELP, show_default="the only open one")]
Face = Annotated[str | None, typer.Option(help="Face of the collateral, dollars.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    commands = group("Cash against Treasuries for a term.")
    for command in (quote, open_, mark, margin, substitute, close, show):
        commands.command(command.__name__.rstrip("_"))(command)
    app.add_typer(commands, name="repo")


def quote(
    cusip: Annotated[str, typer.Option(help="The collateral.")],
    rate: Annotated[float, typer.Option(help="Decimal, simple, Act/360.")],
    end: Annotated[str, typer.Option(help="Repurchase date, or days such as 7.")],
    face: Face = None,
    cash: Annotated[
        str | None, typer.Option(help="Cash, dollars.", show_default="what the face lends, to the cent")
    ] = None,
    haircut: Annotated[float | None, typer.Option(help="cash = market value x (1 - haircut).")] = None,
    margin_ratio: Annotated[float | None, typer.Option(help="cash = market value / ratio.")] = None,
    lender: Annotated[str, typer.Option(help="Who gives cash.")] = "dealer",
    borrower: Annotated[str, typer.Option(help="Who gives collateral.")] = "desk",
    signer: Annotated[str | None, typer.Option(help="Who quotes.", show_default="the lender")] = None,
    call_hours: Annotated[int, typer.Option(min=1, max=8_784, help="Time to meet a margin call.")] = 24,
    nonce: Annotated[int, typer.Option(min=0, help="Tells repos with the same terms apart.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Where the quote goes.", show_default="HOME/repo/ID.json")] = None,
    home: Home = None,
    json_: Json = False,
) -> None:
    """Quote a repo at the oracle's price.

    It is signed by one party; `repo open` takes the file.
    """
    from tbill_defi.core.home import home_path
    from tbill_defi.ledger.repo import Repos

    with progress("replaying") as advance, _ledger(home, advance) as ledger:
        repos = Repos(ledger)
        price_e6 = repos.price(cusip.upper())
        terms = _terms(ledger, price_e6, cusip.upper(), rate, end, face, cash, haircut, margin_ratio)
        made = repos.quote(
            terms, lender=lender, borrower=borrower, signer=signer, call_seconds=call_hours * 3600, nonce=nonce
        )
        figures = _figures(home, ledger, terms, price_e6)
    path = out or home_path(home) / "repo" / f"{made.terms.repo_id.hex()}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(made.to_json(), indent=1) + "\n")
    if json_:
        print_json({"file": str(path), "quote": made.to_json(), "figures": figures})
        return
    repo_screens.show_quote(made, figures)
    console().print(f"quote in {path}", soft_wrap=True)
    hint(f"tbill repo open {path}")


def open_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A quote of `repo quote`.")],
    home: Home = None,
    json_: Json = False,
) -> None:
    """Sign a quote for the other party and open it.

    Cash moves against collateral, or nothing does.
    """
    from tbill_defi.ledger.repo import Repos
    from tbill_defi.ledger.repo_terms import RepoQuote

    try:
        found = RepoQuote.from_json(parse_json(file.read_text()))
    except (OSError, ValueError) as error:
        raise DataError(f"repo open: {file} cannot be read as a quote ({error})") from None
    with progress("replaying") as advance, _ledger(home, advance) as ledger:
        repos, signed = Repos(ledger), found
        for address, name in ((found.terms.lender, found.lender), (found.terms.borrower, found.borrower)):
            if address not in signed.signatures:
                signed = repos.sign(signed, name)
        state = repos.open(signed)
        value = {"block": ledger.chain.height, "repo": repo_screens.state(state, _coverage(repos, state))}
    repo_screens.tell(value, json_, "opened")


def mark(repo_id: Id = None, home: Home = None, json_: Json = False) -> None:
    """Mark a repo at the oracle's price.

    Margin is called if the collateral is short; a call that is met ends.
    """

    def act(repos: Repos, name: bytes) -> dict[str, Any]:
        repos.mark(name)
        return {}

    repo_screens.tell(_acted(home, repo_id, act), json_, "marked")


def margin(
    repo_id: Id = None,
    face: Face = None,
    cash: Annotated[
        str | None,
        typer.Option(help="Cash, dollars: at most what is called.", show_default="all of it, if no --face"),
    ] = None,
    home: Home = None,
    json_: Json = False,
) -> None:
    """Deliver margin in face or cash.

    Cash, at most what is called, goes to the lender and reduces what is outstanding.
    """

    def act(repos: Repos, name: bytes) -> dict[str, Any]:
        face_units, cash_units = _units(face, "face"), _units(cash, "cash")
        if face_units is None and cash_units is None:
            cash_units = repos.coverage(name).deficit_units
            if not cash_units:
                raise LedgerError("repo margin: the collateral covers, so nothing is called", "CashNotCalled")
        repos.deliver_margin(name, face_units=face_units or 0, cash_units=cash_units or 0)
        return {}

    repo_screens.tell(_acted(home, repo_id, act), json_, "margin delivered")


def substitute(
    repo_id: Annotated[str, typer.Argument(metavar="ID", help=ID_HELP)],
    cusip: Annotated[str, typer.Argument(help="The new collateral.")],
    face: Annotated[str | None, typer.Option(help="Its face, dollars.", show_default="what covers")] = None,
    home: Home = None,
    json_: Json = False,
) -> None:
    """Exchange the collateral for another.

    Cash, rate and end stay, and the new collateral must cover.
    """

    def act(repos: Repos, name: bytes) -> dict[str, Any]:
        found = repos.state(name)
        exposure = found.principal_units + found.interest_units
        price_e6 = repos.price(cusip.upper())
        needed = found.margin_rule.face_units(exposure, price_e6, found.margin_e9)
        repos.substitute(name, cusip.upper(), _units(face, "face") or -(-needed // LOT) * LOT)
        return {}

    repo_screens.tell(_acted(home, repo_id, act), json_, "substituted")


def close(
    repo_id: Id = None,
    principal: Annotated[str | None, typer.Option(help="Cash repurchased, dollars.", show_default="all")] = None,
    face: Annotated[str | None, typer.Option(help="Collateral that comes back.", show_default="all")] = None,
    default: Annotated[bool, typer.Option("--default", help="Close out: the borrower is in default.")] = False,
    home: Home = None,
    json_: Json = False,
) -> None:
    """Repurchase, or close out on default."""
    if default and (principal or face):
        raise UsageError("repo close: --default takes all; leave --principal and --face out")
    if face and not principal:
        raise UsageError("repo close: --face needs --principal, the cash that is repurchased for it")

    def act(repos: Repos, name: bytes) -> dict[str, Any]:
        if default:
            return {
                "paid": None,
                "close_out": {key: str(value) for key, value in asdict(repos.close_out(name)).items()},
            }
        before = repos.state(name)
        after = repos.repurchase(name, principal_units=_units(principal, "principal"), face_units=_units(face, "face"))
        interest = before.interest_units if after.status is not before.status else 0
        paid = {"principal": str(before.principal_units - after.principal_units), "interest": str(interest)}
        return {"paid": paid, "close_out": None}

    repo_screens.tell(_acted(home, repo_id, act), json_, "closed out" if default else "repurchased")


def show(
    repo_id: Annotated[str | None, typer.Argument(metavar="ID", help="One repo.", show_default="all")] = None,
    home: Home = None,
    json_: Json = False,
) -> None:
    """Show repos and how they are covered.

    Coverage is at the oracle's price, value to the lender at the market's repo rate.
    """
    from tbill_defi.ledger.open import open_ledger
    from tbill_defi.ledger.repo import Repos

    with progress("replaying") as advance, open_ledger(home=home, read_only=True, progress=advance) as ledger:
        repos = Repos(ledger)
        found = [repos.state(repos.find(repo_id))] if repo_id else repos.all()
        view = _view(home, ledger.market_date)
        rows = [
            repo_screens.state(one, _coverage(repos, one)) | {"value": _value(one, view, ledger.market_date)}
            for one in found
        ]
        value = {"market_date": ledger.market_date.isoformat(), "repos": rows}
    if json_:
        print_json(value)
    elif not rows:
        console().print("no repo on this ledger")
    else:
        for row in rows:
            repo_screens.show_state(row)


# --- inside -----------------------------------------------------------------------------------------------------


def _ledger(home: Path | None, advance: Any) -> Ledger:
    from tbill_defi.ledger.open import open_ledger

    return open_ledger(home=home, progress=advance)


def _acted(home: Path | None, repo_id: str | None, act: Any) -> dict[str, Any]:
    """What an act gives, and the repo after it."""
    from tbill_defi.ledger.repo import Repos

    with progress("replaying") as advance, _ledger(home, advance) as ledger:
        repos = Repos(ledger)
        name = repos.find(repo_id) if repo_id else the_only("repo", _open_ids(repos))
        more = act(repos, name)
        state = repos.state(name)
        return {"block": ledger.chain.height, "repo": repo_screens.state(state, _coverage(repos, state)), **more}


def _open_ids(repos: Repos) -> list[bytes]:
    from tbill_defi.ledger.repo_state import RepoStatus

    return [repo.repo_id for repo in repos.all() if repo.status is RepoStatus.OPEN]


def _units(text: str | None, field: str) -> int | None:
    from tbill_defi.core.money import units

    if text is None:
        return None
    found = units(text, field=field)
    if found <= 0:
        raise UsageError(f"--{field}: {text} is not a positive amount of dollars")
    return found


def _terms(
    ledger: Ledger,
    price_e6: int,
    cusip: str,
    rate: float,
    end: str,
    face: str | None,
    cash: str | None,
    haircut: float | None,
    ratio: float | None,
) -> Repo:
    """The terms asked for; face from cash or cash from face, whichever is left out."""
    from tbill_defi.instruments.repo import MarginRule, Repo, checked_margin, exact_e9

    if (haircut is None) == (ratio is None):
        raise UsageError("repo quote: give --haircut or --margin-ratio, one of them")
    rule = MarginRule.HAIRCUT if ratio is None else MarginRule.MARGIN_RATIO
    option = "--haircut" if ratio is None else "--margin-ratio"
    number = checked_margin(rule, (haircut if ratio is None else ratio) or 0.0, option)
    face_units, cash_units = _units(face, "face"), _units(cash, "cash")
    margin_e9 = exact_e9("margin", number)
    if face_units is None and cash_units is None:
        raise UsageError("repo quote: give --face, --cash or both")
    if face_units is None:
        face_units = -(-rule.face_units(cash_units or 0, price_e6, margin_e9) // LOT) * LOT
    if cash_units is None:
        cash_units = rule.lendable_units(face_units, price_e6, margin_e9) // CENT * CENT
    return Repo(
        cusip=cusip,
        face_units=face_units,
        cash_units=cash_units,
        rate=rate,
        start_date=ledger.market_date,
        end_date=_last_day(ledger.market_date, end),
        margin_rule=rule,
        margin=number,
    )


def _last_day(start: date, text: str) -> date:
    """The repurchase date of a repo from `start` on, given as a date or in days."""
    from tbill_defi.instruments.repo import LONGEST_DAYS

    days = text.isdecimal() and len(text) < 5
    last = start + timedelta(days=int(text)) if days else parse_date(text, "--end", "7 for days")
    if not 0 < (last - start).days <= LONGEST_DAYS:
        raise UsageError(f"--end: {last} is not 1 to {LONGEST_DAYS} days after the ledger's market date {start}")
    return last


def _view(home: Path | None, day: date) -> View | None:
    from tbill_defi.cli.common import view_at

    try:
        return view_at(home, day)
    except TbillError:
        return None


def _figures(home: Path | None, ledger: Ledger, repo: Repo, price_e6: int) -> dict[str, Any]:
    """What the repo costs, and what its rate says of the collateral where market files are there."""
    from tbill_defi.pricing.repo import carry

    flows = repo.resolve()
    found: dict[str, Any] = {
        "dirty_price": price_e6 / 1e6,
        "days": flows.days,
        "interest": str(flows.interest_units),
        "repurchase_price": str(flows.repurchase_units),
        "carry": None,
    }
    view = _view(home, ledger.market_date)
    if view is not None and repo.cusip in view.cusips:
        i = view.index(repo.cusip)
        security = view.securities[i]
        if repo.end_date < security.maturity_date:
            found["carry"] = asdict(
                carry(
                    security,
                    float(view.clean_price[i]),
                    settlement=repo.start_date,
                    horizon=repo.end_date,
                    repo_rate=repo.rate,
                )
            )
    return found


def _coverage(repos: Repos, state: RepoState) -> Mark | None:
    """The mark of an open repo; None without a fresh price."""
    from tbill_defi.ledger.repo_state import RepoStatus

    if state.status is not RepoStatus.OPEN:
        return None
    try:
        return repos.coverage(state.repo_id)
    except LedgerError as error:
        if error.code not in ("StalePrice", "PriceMissing"):
            raise
        return None


def _value(state: RepoState, view: View | None, today: date) -> float | None:
    """Dollars to the lender at the market's repo rate; None when it is over, overdue, or there are no market files."""
    from tbill_defi.ledger.repo_state import RepoStatus
    from tbill_defi.pricing.repo import repo_value

    if view is None or state.status is not RepoStatus.OPEN or today > state.end_date:
        return None
    return repo_value(
        state.principal_units / 1e6,
        state.interest_units / 1e6,
        state.rate_e9 / 1e9,
        on=today,
        end=state.end_date,
        repo_rate=view.repo_rate,
    )
