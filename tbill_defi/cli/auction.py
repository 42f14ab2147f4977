"""`tbill auction` and `tbill issue`: securities sold for the first time, or again, against payment."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tbill_defi.cli.common import Home, Json, console, group, hint, open_scene, parse_date, print_json, read_terms
from tbill_defi.core.errors import DataError, LedgerError, UsageError
from tbill_defi.core.files import read_text
from tbill_defi.core.json_text import parse_json

if TYPE_CHECKING:
    from tbill_defi.automation.scene import Scene
    from tbill_defi.instruments import AnySecurity
    from tbill_defi.ledger.auction import Result
    from tbill_defi.ledger.sealed_bids import SignedBid
    from tbill_defi.portfolio.auction import Offered

Terms = Annotated[Path, typer.Argument(metavar="TERMS", help="JSON file of the security's terms.")]
Cusip = Annotated[str, typer.Argument(metavar="CUSIP", help="The security.")]
_RATE_E5 = 10**5


def register(app: typer.Typer) -> None:
    """Add the commands."""
    commands = group("Primary auctions: sealed bids, one price (31 CFR 356).")
    for command in (announce, bid, close, award):
        commands.command(command.__name__)(command)
    app.add_typer(commands, name="auction")
    app.command("issue")(issue)


def issue(
    terms: Terms,
    to: Annotated[
        list[str], typer.Option(metavar="PARTY=FACE@PRICE", help="A buyer, dollars, and all that is paid per 100.")
    ],
    home: Home = None,
    json_: Json = False,
) -> None:
    """Sell a security of any type against payment; again reopens it.

    Every buyer's cash against his units, all or none. The terms are kept in the home.
    """
    from tbill_defi.ledger.life import issue as issue_security

    security = _read(terms)
    purchases = [_purchase(text) for text in to]
    with open_scene(home) as scene:
        receipts = issue_security(scene.ledger, security, purchases)
        scene.keep(security)
        sold = [(p.buyer, p.face_units, p.cash_units) for p in purchases]
    _tell(security, sold, receipts[-1].height, json_)


def announce(
    terms: Terms,
    offering: Annotated[str, typer.Option(help="Face, dollars.")],
    issue_date: Annotated[str, typer.Option("--issue", help="When awards are settled.")],
    closes: Annotated[str, typer.Option(help="New York time of the competitive close, such as 2026-03-24T13:00.")],
    noncompetitive: Annotated[
        str | None, typer.Option(help="Noncompetitive close.", show_default="as the competitive one")
    ] = None,
    reopening: Annotated[bool, typer.Option("--reopening", help="The coupon is that of the terms.")] = False,
    home: Home = None,
    json_: Json = False,
) -> None:
    """Put an auction on the ledger's record. The coupon of a new note or bond in the terms does not count."""
    from tbill_defi.cli.clock import parse_moment
    from tbill_defi.core.clock import market_date
    from tbill_defi.core.files import write_durably
    from tbill_defi.core.money import units
    from tbill_defi.ledger.auction import Announcement
    from tbill_defi.ledger.auction_book import AuctionBook

    security, last = _read(terms), parse_moment("closes", closes)
    made = Announcement(
        cusip=security.cusip,
        kind=_auctioned_kind(security),
        offering=units(offering, field="offering"),
        auction_date=market_date(last),
        issue_date=parse_date(issue_date, "issue"),
        maturity_date=security.maturity_date,
        noncompetitive_close=parse_moment("noncompetitive", noncompetitive) if noncompetitive else last,
        competitive_close=last,
        reopening=reopening,
    )
    with open_scene(home) as scene:
        AuctionBook(scene.ledger).announce(made)
        folder = _folder(scene, security.cusip)
        folder.mkdir(parents=True, exist_ok=True)
        write_durably(folder / "terms.json", security.model_dump_json(exclude_none=True).encode())
        write_durably(folder / "announcement.json", json.dumps(made.to_json(), indent=1).encode())
    value = {"auction_id": "0x" + made.auction_id.hex(), **made.to_json()}
    if json_:
        print_json(value)
        return
    console().print(f"auction of {offering} {security.cusip} announced, closes {closes}, settles {issue_date}")
    hint(f"tbill auction bid {security.cusip} --party PARTY --face 100000 --rate 0.04")


def bid(
    cusip: Cusip,
    party: Annotated[str, typer.Option(help="Who bids.")],
    face: Annotated[str, typer.Option(help="Dollars.")],
    rate: Annotated[
        float | None, typer.Option(help="Decimal yield, of a bill discount rate.", show_default="noncompetitive")
    ] = None,
    net_long: Annotated[str, typer.Option(help="Net long position to report, dollars.")] = "0",
    home: Home = None,
    json_: Json = False,
) -> None:
    """Sign a bid and seal it: nobody sees it before the close. It is kept in the home, to be opened."""
    from tbill_defi.core.files import write_durably
    from tbill_defi.core.money import units
    from tbill_defi.ledger.auction import Bid
    from tbill_defi.ledger.auction_book import AuctionBook

    with open_scene(home) as scene:
        offered = _offered(scene, cusip.upper())
        made = Bid(party, units(face, field="face"), _rate_e5(rate), units(net_long, field="net-long"))
        signed = AuctionBook(scene.ledger).seal(offered.announcement, made)
        chain_id, place = scene.ledger.chain.chain_id, scene.ledger.contracts.auction_book
        seal = signed.seal(offered.announcement, chain_id=chain_id, book=place).hex()
        text = json.dumps({**made.to_json(), "signature": "0x" + signed.signature.hex()}, indent=1)
        write_durably(_folder(scene, cusip.upper()) / f"bid-{seal}.json", text.encode())
    if json_:
        print_json({"cusip": cusip.upper(), "party": party, "seal": "0x" + seal})
        return
    console().print(f"{party}: bid sealed as 0x{seal[:16]}...")


def close(cusip: Cusip, home: Home = None, json_: Json = False) -> None:
    """Open the bids after the close and find price and awards.

    Stop rate, coupon, price and awards are shown, and their hash is put on record.
    """
    from tbill_defi.core.clock import moment
    from tbill_defi.ledger.auction_book import AuctionBook

    with open_scene(home) as scene:
        last = _offered(scene, cusip.upper()).announcement.competitive_close
        if scene.now < last:
            raise UsageError(
                f"auction close: bidding is open until {moment(last)}; the ledger is at {moment(scene.now)}"
            )
        result, security = _result(scene, cusip.upper())
        AuctionBook(scene.ledger).close(result)
        scene.keep(security)
    if json_:
        print_json({"result_hash": "0x" + result.hash.hex(), **result.to_json()})
        return
    _show(result)
    hint(f"tbill auction award {cusip.upper()}, on {result.announcement.issue_date}")


def award(cusip: Cusip, home: Home = None, json_: Json = False) -> None:
    """Settle the awards on the issue date against payment.

    Each bidder's cash against his units, under the hash of the result.
    """
    from tbill_defi.portfolio.auction import issue_awards

    with open_scene(home) as scene:
        result, security = _result(scene, cusip.upper())
        day = result.announcement.issue_date
        if scene.today != day:
            raise UsageError(f"auction award: awards settle on {day}; the ledger is at {scene.today}")
        issued = issue_awards(scene.ledger, result, security)
        sold = [(buy.buyer, buy.face_units, buy.cash_units) for buy in issued.purchases]
    if sold:
        _tell(security, sold, issued.receipts[-1].height, json_)
    if issued.failed:
        why = "; ".join(f"{who}: {error}" for who, error in issued.failed.items())
        raise LedgerError(f"auction award: {len(issued.failed)} not settled ({why}); award again when they can")


# --- inside -----------------------------------------------------------------------------------------------------


def _read(path: Path) -> AnySecurity:
    if not path.is_file():
        raise UsageError(f"terms: {path} is not there; a JSON file such as docs/life.md shows goes here")
    return read_terms(path)


def _auctioned_kind(security: AnySecurity) -> Any:
    kinds = ("bill", "note", "bond", "tips", "frn")
    if security.kind not in kinds:
        raise UsageError(f"auction: a {security.kind} is not auctioned by the Treasury; one of {', '.join(kinds)} is")
    return security.kind


def _purchase(text: str) -> Any:
    """PARTY=FACE@PRICE."""
    from decimal import Decimal, InvalidOperation

    from tbill_defi.core.money import LARGEST_UNITS, cash_from_price, units
    from tbill_defi.ledger.life import Purchase

    buyer, _, rest = text.partition("=")
    face, _, price = rest.partition("@")
    wrong = UsageError(f"to: {text!r} is not PARTY=FACE@PRICE such as desk=100000@99.5, both positive")
    try:
        paid = Decimal(price)
    except InvalidOperation:
        raise wrong from None
    face_units = units(face, field="to")
    if not buyer or face_units <= 0 or not paid.is_finite() or paid <= 0:
        raise wrong
    if paid * face_units > 100 * LARGEST_UNITS:
        raise UsageError(f"to: {text!r}: its cash is out of range")
    return Purchase(buyer, face_units, cash_from_price(face_units, paid))


def _rate_e5(rate: float | None) -> int | None:
    from fractions import Fraction

    if rate is None:
        return None
    if not math.isfinite(rate):
        raise UsageError(f"rate: {rate} is no rate; a decimal such as 0.04017 is one")
    exact = Fraction(repr(rate)) * _RATE_E5
    if exact.denominator != 1:
        raise UsageError(f"rate: {rate} is finer than 0.001%; a decimal such as 0.04017 is a rate")
    return int(exact)


def _folder(scene: Scene, cusip: str) -> Path:
    return scene.home / "auctions" / cusip


def _offered(scene: Scene, cusip: str) -> Offered:
    from datetime import date

    from tbill_defi.ledger.auction import Announcement
    from tbill_defi.market.fixings import fixings_on
    from tbill_defi.portfolio.auction import Offered

    path = _folder(scene, cusip) / "announcement.json"
    if not os.path.lexists(path):
        raise UsageError(f"auction: none of {cusip} was announced in this home; see tbill auction announce")
    found = _kept(path)
    try:
        dates = {name: date.fromisoformat(found[name]) for name in ("auction_date", "issue_date", "maturity_date")}
        announcement = Announcement(**found | dates | {"offering": int(found["offering"])})
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: is not what `tbill auction announce` writes: {error}") from None
    security: Any = _read(path.with_name("terms.json"))
    return Offered(announcement, security, *fixings_on(scene.data, scene.today))


def _bids(scene: Scene, cusip: str) -> list[SignedBid]:
    from tbill_defi.ledger.auction import Bid
    from tbill_defi.ledger.sealed_bids import SignedBid

    found = []
    for path in sorted(_folder(scene, cusip).glob("bid-*.json")):
        kept = _kept(path)
        try:
            made = Bid(kept["bidder"], int(kept["amount"]), kept["rate_e5"], int(kept["net_long"]))
            found.append(SignedBid(made, bytes.fromhex(kept["signature"][2:])))
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(f"{path}: is not what `tbill auction bid` writes: {error}") from None
    return found


def _kept(path: Path) -> dict[str, Any]:
    """What a command of this group wrote."""
    try:
        found = parse_json(read_text(path))
    except ValueError as error:
        raise DataError(f"{path}: is not JSON: {error}") from None
    if not isinstance(found, dict):
        raise DataError(f"{path}: is not a JSON object")
    return found


def _result(scene: Scene, cusip: str) -> tuple[Result, AnySecurity]:
    from tbill_defi.ledger.auction_book import AuctionBook
    from tbill_defi.ledger.sealed_bids import admitted

    offered = _offered(scene, cusip)
    bids = AuctionBook(scene.ledger).opened(offered.announcement, _bids(scene, cusip))
    taken, rejected = admitted(offered.announcement, bids)
    for entry in rejected:
        typer.echo(f"rejected: {entry.reason}", err=True)
    return offered.result(taken)


def _show(result: Result) -> None:
    from tbill_defi.core.money import format_units
    from tbill_defi.report.layout import Column, Sheet

    found, cusip = result.allocation, result.announcement.cusip
    at_stop = f"{found.at_stop_e4 / 100:.2f}% awarded at {found.stop_e5 / 1000:.3f}%"
    console().print(f"{cusip}: {at_stop}, coupon {result.coupon_e5 / 1000:.3f}%, price {result.price_e6 / 1e6:.6f}")
    sheet = Sheet("Awards", Column("bidder", left=True), "rate %", "bid $", "award $")
    for entry in found.awards:
        rate = "" if entry.bid.rate_e5 is None else f"{entry.bid.rate_e5 / 1000:.3f}"
        sheet.add(entry.bid.bidder, rate, format_units(entry.bid.amount), format_units(entry.amount))
    console().print(sheet)
    console().print(f"result 0x{result.hash.hex()}")


def _tell(security: AnySecurity, sold: list[tuple[str, int, int]], height: int, json_: bool) -> None:
    from tbill_defi.core.money import format_units

    if json_:
        rows = [{"party": who, "face": str(face), "cash": str(paid)} for who, face, paid in sold]
        print_json({"cusip": security.cusip, "kind": security.kind, "issued": rows, "block": height})
        return
    for who, face, paid in sold:
        console().print(f"{who}: {format_units(face)} {security.cusip} for {format_units(paid)}, block {height}")
