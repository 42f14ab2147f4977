"""`tbill repo quote`, `open`, `mark`, `margin`, `substitute`, `close`, `show`: cash against Treasuries."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tbill_defi.cli import repo_market, repo_screens
from tbill_defi.cli.common import Home, Json, console, group, hint, print_json, progress, the_only
from tbill_defi.cli.repo_words import asked_terms, positive_units, whole_lots
from tbill_defi.core.errors import DataError, LedgerError, UsageError
from tbill_defi.core.files import read_text, write_output
from tbill_defi.core.json_text import parse_json

if TYPE_CHECKING:
    from tbill_defi.ledger.ledger import Ledger
    from tbill_defi.ledger.repo import Repos
    from tbill_defi.ledger.repo_state import RepoState

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
    end: Annotated[str, typer.Option(help="Repurchase date, or days such as 7: to the settlement day on or after it.")],
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
        terms = asked_terms(ledger.market_date, price_e6, cusip.upper(), rate, end, face, cash, haircut, margin_ratio)
        made = repos.quote(
            terms, lender=lender, borrower=borrower, signer=signer, call_seconds=call_hours * 3600, nonce=nonce
        )
        figures = repo_market.figures(repo_market.market_of(home, ledger.market_date), terms, price_e6)
    path = out or home_path(home) / "repo" / f"{made.terms.repo_id.hex()}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_output(path, (json.dumps(made.to_json(), indent=1) + "\n").encode())
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
        found = RepoQuote.from_json(parse_json(read_text(file)))
    except (OSError, ValueError) as error:
        raise DataError(f"repo open: {file} cannot be read as a quote ({error})") from None
    with progress("replaying") as advance, _ledger(home, advance) as ledger:
        repos, signed = Repos(ledger), found
        for address, name in ((found.terms.lender, found.lender), (found.terms.borrower, found.borrower)):
            if address not in signed.signatures:
                signed = repos.sign(signed, name)
        state = repos.open(signed)
        value = _told(ledger, repos, state)
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
        face_units, cash_units = positive_units(face, "face"), positive_units(cash, "cash")
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
        repos.substitute(name, cusip.upper(), positive_units(face, "face") or whole_lots(needed))
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
        after = repos.repurchase(
            name, principal_units=positive_units(principal, "principal"), face_units=positive_units(face, "face")
        )
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
        view = repo_market.market_of(home, ledger.market_date)
        rows = [
            repo_screens.state(one, repo_market.coverage(repos, one), ledger.chain.now())
            | {"value": repo_market.value(one, view, ledger.market_date)}
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
        return {**_told(ledger, repos, repos.state(name)), **more}


def _told(ledger: Ledger, repos: Repos, state: RepoState) -> dict[str, Any]:
    """The repo as it stands after an act, and the block it is in."""
    row = repo_screens.state(state, repo_market.coverage(repos, state), ledger.chain.now())
    return {"block": ledger.chain.height, "repo": row}


def _open_ids(repos: Repos) -> list[bytes]:
    from tbill_defi.ledger.repo_state import RepoStatus

    return [repo.repo_id for repo in repos.all() if repo.status is RepoStatus.OPEN]
