"""`tbill vote`: the issuer asks a security's holders, each votes what he held when the record day began."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tbill_defi.cli.common import Home, Json, console, group, hint, open_scene, parse_date, print_json, read_document
from tbill_defi.core.errors import DataError, UsageError
from tbill_defi.core.files import read_text, write_output
from tbill_defi.core.json_text import parse_json

if TYPE_CHECKING:
    from fractions import Fraction

    from tbill_defi.ledger.ledger import Ledger
    from tbill_defi.ledger.votes import Choice, Position, SignedBallot, Vote

Id = Annotated[str, typer.Argument(metavar="ID", help="First digits of the vote's id suffice.")]
CHOICES = {"for": "FOR", "against": "AGAINST", "abstain": "ABSTAIN", "none": "NONE"}
FRACTION = re.compile(r"[0-9]{1,30}(?:/[0-9]{1,30}|\.[0-9]{0,30})?|\.[0-9]{1,30}")
"""As `--at-least` and `--quorum` have it; an exponent could ask for more digits than there is memory."""
LARGEST_FILE = 1_000_000


def register(app: typer.Typer) -> None:
    """Add the commands."""
    commands = group("Votes of a security's holders.")
    for name, command in (
        ("open", open_),
        ("cast", cast),
        ("submit", submit),
        ("show", show),
        ("close", close),
        ("withdraw", withdraw),
    ):
        commands.command(name)(command)
    app.add_typer(commands, name="vote")


def open_(
    cusip: Annotated[str, typer.Argument(metavar="CUSIP", help="The security.")],
    document: Annotated[Path, typer.Option(metavar="FILE", help="The resolution; its Keccak-256 goes on record.")],
    until: Annotated[str, typer.Option(metavar="DATE", help="Last day of voting, in New York.")],
    record: Annotated[
        str | None, typer.Option(metavar="DATE", help="Positions at its start count.", show_default="the ledger's")
    ] = None,
    at_least: Annotated[
        str | None,
        typer.Option("--at-least", metavar="FRACTION", help="Such as 2/3.", show_default="more than half"),
    ] = None,
    outstanding: Annotated[
        bool, typer.Option("--outstanding", help="Of all that is outstanding, not of what votes for or against.")
    ] = False,
    quorum: Annotated[str, typer.Option(metavar="FRACTION", help="Of what is outstanding must vote.")] = "0",
    home: Home = None,
    json_: Json = False,
) -> None:
    """Ask the holders of a security for their consent.

    Weights are positions at the start of the record day: who buys later has no vote, who sells keeps his. What the
    Treasury has in its own wallets is not outstanding and has no vote.
    """
    from fractions import Fraction

    from tbill_defi.ledger.votes import ALL_BP, HolderVotes, Threshold

    text = read_document(document, "resolution")
    day, last = None if record is None else parse_date(record, "record"), parse_date(until, "until")
    part = Fraction(1, 2) if at_least is None else _fraction(at_least, "at-least")
    share = _fraction(quorum, "quorum") * ALL_BP
    if share.denominator != 1:
        raise UsageError(f"quorum: {quorum} is not a whole number of basis points")
    threshold = Threshold(part, at_least is None, outstanding, int(share))
    with open_scene(home) as scene:
        scene.token(cusip.upper())
        made = HolderVotes(scene.ledger).open(cusip.upper(), text, day or scene.today, last, threshold)
    if json_:
        print_json(_value(made))
        return
    _tell(made)
    hint(f"tbill vote cast {made.vote_id.hex()[:10]} for")


def cast(
    vote_id: Id,
    choice: Annotated[str, typer.Argument(help="for, against, abstain; none takes it back.")],
    party: Annotated[str, typer.Option(help="Who votes, all that it had.")] = "desk",
    sign: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write signed ballots instead, for vote submit.")
    ] = None,
    home: Home = None,
    json_: Json = False,
) -> None:
    """Vote what a party had at the record time.

    Until the deadline it may be changed. Collateral in a repo is its borrower's to vote, units in the early redemption
    queue are of who asked. With --sign the party signs and sends nothing: anyone brings the file to the ledger.
    """
    from tbill_defi.ledger.votes import HolderVotes

    wanted = _choice(choice)
    with open_scene(home) as scene:
        votes = HolderVotes(scene.ledger)
        vote = votes.state(votes.find(vote_id))
        if sign is not None:
            ballots = votes.sign(party, vote.vote_id, wanted)
            _write(sign, ballots)
            rows = [_ballot_row(scene.ledger, ballot) for ballot in ballots]
        else:
            rows = [_row(scene.ledger, at) for at in votes.cast(party, vote.vote_id, wanted)]
            vote = votes.state(vote.vote_id)
    if json_:
        print_json({"party": party, "sent": sign is None, "positions": rows, "vote": _value(vote)})
        return
    if sign is not None:
        console().print(f"{party}: {len(rows)} signed in {sign}; tbill vote submit {sign}", soft_wrap=True)
        return
    _tell_cast(party, rows)
    _tell(vote)


def submit(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What vote cast --sign wrote.")],
    home: Home = None,
    json_: Json = False,
) -> None:
    """Bring signed ballots to the ledger, all or none."""
    from tbill_defi.ledger.votes import HolderVotes

    ballots = _read(file)
    with open_scene(home) as scene:
        votes = HolderVotes(scene.ledger)
        vote = votes.state(ballots[0].ballot.vote_id)
        votes.submit(ballots)
        vote = votes.state(vote.vote_id)
        rows = [_ballot_row(scene.ledger, ballot) for ballot in ballots]
    if json_:
        print_json({"ballots": rows, "vote": _value(vote)})
        return
    console().print(f"{len(rows)} ballot{'s' * (len(rows) != 1)} counted")
    _tell(vote)


def show(
    vote_id: Annotated[str | None, typer.Argument(metavar="[ID]", help="First digits.", show_default="all")] = None,
    home: Home = None,
    json_: Json = False,
) -> None:
    """Show votes and how they stand; of one, its positions too."""
    from tbill_defi.ledger.votes import HolderVotes

    with open_scene(home, read_only=True) as scene:
        votes = HolderVotes(scene.ledger)
        found = [votes.state(votes.find(vote_id))] if vote_id else votes.all()
        rows = [_row(scene.ledger, at) for at in votes.positions(found[0].vote_id)] if vote_id else []
    if json_:
        print_json([{**_value(vote), **({"positions": rows} if vote_id else {})} for vote in found])
        return
    if vote_id:
        _tell(found[0])
        _tell_positions(rows)
        return
    _tell_all(found)


def close(vote_id: Id, home: Home = None, json_: Json = False) -> None:
    """Put the result on record, once the deadline is over."""
    _end("close", vote_id, home, json_)


def withdraw(vote_id: Id, home: Home = None, json_: Json = False) -> None:
    """Call a vote off before its deadline, for good."""
    _end("withdraw", vote_id, home, json_)


# --- inside -----------------------------------------------------------------------------------------------------


def _end(word: str, vote_id: str, home: Path | None, json_: bool) -> None:
    from tbill_defi.ledger.votes import HolderVotes

    with open_scene(home) as scene:
        votes = HolderVotes(scene.ledger)
        vote = getattr(votes, word)(votes.find(vote_id))
    if json_:
        print_json(_value(vote))
        return
    _tell(vote)


def _fraction(text: str, field: str) -> Fraction:
    from fractions import Fraction

    wrong = UsageError(f"{field}: {text!r:.60} is not a fraction such as 2/3 or 0.25")
    if not FRACTION.fullmatch(text):
        raise wrong
    try:
        found = Fraction(text)
    except ZeroDivisionError:
        raise wrong from None
    if not 0 <= found <= 1:
        raise UsageError(f"{field}: {text} is not between 0 and 1")
    return found


def _choice(word: str) -> Choice:
    from tbill_defi.ledger.votes import Choice

    if word.lower() not in CHOICES:
        raise UsageError(f"choice: {word!r} is none of {', '.join(CHOICES)}")
    return Choice[CHOICES[word.lower()]]


def _write(path: Path, ballots: list[SignedBallot]) -> None:
    write_output(path, (json.dumps([ballot.to_json() for ballot in ballots], indent=1) + "\n").encode())


def _read(path: Path) -> list[SignedBallot]:
    from tbill_defi.ledger.votes import SignedBallot

    if not path.is_file():
        raise UsageError(f"file: {path} is not a file")
    try:
        found = parse_json(read_text(path, LARGEST_FILE))
    except ValueError:
        raise DataError(f"{path}: is not JSON; tbill vote cast --sign writes it") from None
    if not isinstance(found, list) or not found or not all(isinstance(one, dict) for one in found):
        raise DataError(f"{path}: is no list of signed ballots; tbill vote cast --sign writes it")
    return [SignedBallot.from_json(one) for one in found]


def _party(ledger: Ledger, wallet: bytes) -> str:
    return ledger.books().party_of("0x" + wallet.hex())


def _row(ledger: Ledger, at: Position) -> dict[str, Any]:
    return {
        "holder": _party(ledger, at.holder),
        "account": None if not any(at.account) else "0x" + at.account.hex(),
        "voter": _party(ledger, at.voter),
        "weight": str(at.weight),
        "choice": at.choice.name.lower(),
    }


def _ballot_row(ledger: Ledger, signed: SignedBallot) -> dict[str, Any]:
    ballot = signed.ballot
    return {
        "holder": _party(ledger, ballot.holder),
        "account": None if not any(ballot.account) else "0x" + ballot.account.hex(),
        "choice": ballot.choice.name.lower(),
        "nonce": ballot.nonce,
    }


def _value(vote: Vote) -> dict[str, Any]:
    threshold, tally = vote.threshold, vote.tally
    return {
        "vote_id": "0x" + vote.vote_id.hex(),
        "cusip": vote.cusip,
        "status": vote.word,
        "recorded": vote.stage.name == "CLOSED",
        "record_time": vote.record_time,
        "deadline": vote.deadline,
        "text_hash": "0x" + vote.text_hash.hex(),
        "threshold": [threshold.fraction.numerator, threshold.fraction.denominator],
        "more_than": threshold.more_than,
        "of_outstanding": threshold.of_outstanding,
        "quorum_bp": threshold.quorum_bp,
        "outstanding": str(tally.outstanding),
        "in_favour": str(tally.in_favour),
        "against": str(tally.against),
        "abstained": str(tally.abstained),
        "carries": vote.carries,
    }


def _asked(vote: Vote) -> str:
    threshold = vote.threshold
    words = f"{'more than' if threshold.more_than else 'at least'} {threshold.fraction}"
    words += " of what is outstanding" if threshold.of_outstanding else " of what votes"
    return words + (f", quorum {threshold.quorum_bp / 100:g}%" if threshold.quorum_bp else "")


def _tell(vote: Vote) -> None:
    from tbill_defi.core.clock import moment
    from tbill_defi.core.money import format_units

    tally, out = vote.tally, console()
    standing = f", {'carried' if vote.carries else 'not carried'} as it stands" if vote.word == "open" else ""
    out.print(f"vote {vote.vote_id.hex()[:10]} on {vote.cusip}: {vote.word}{standing}", soft_wrap=True)
    out.print(f"  {_asked(vote)}; record {moment(vote.record_time)}, until {moment(vote.deadline)}", soft_wrap=True)
    counted = (("for", tally.in_favour), ("against", tally.against), ("abstained", tally.abstained))
    said = ", ".join(f"{word} {format_units(units)}" for word, units in counted)
    out.print(f"  {said}, of {format_units(tally.outstanding)} outstanding", soft_wrap=True)


def _tell_cast(party: str, rows: list[dict[str, Any]]) -> None:
    from tbill_defi.core.money import format_units

    for row in rows:
        where = "" if row["holder"] == party and row["account"] is None else f" held by {row['holder']}"
        said = "has taken its vote back of" if row["choice"] == "none" else f"votes {row['choice']} with"
        console().print(f"{party} {said} {format_units(int(row['weight']))}{where}")


def _tell_positions(rows: list[dict[str, Any]]) -> None:
    from tbill_defi.core.money import format_units
    from tbill_defi.report.layout import Column, Sheet

    left = (Column(name, left=True) for name in ("holder of record", "voted by"))
    sheet = Sheet("Positions", *left, "face $", Column("choice", left=True), Column("account", rank=1, left=True))
    for row in rows:
        face = format_units(int(row["weight"]))
        sheet.add(row["holder"], row["voter"], face, row["choice"], (row["account"] or "")[:12])
    console().print(sheet)


def _tell_all(votes: list[Vote]) -> None:
    from tbill_defi.core.clock import moment
    from tbill_defi.core.money import format_units
    from tbill_defi.report.layout import Column, Sheet

    left = (Column(name, left=True) for name in ("vote", "CUSIP", "status", "asked"))
    sheet = Sheet("Votes", *left, "for $", "against $", "abstained $", "outstanding $", Column("until", rank=1))
    for vote in votes:
        tally = vote.tally
        figures = (tally.in_favour, tally.against, tally.abstained, tally.outstanding)
        words = (vote.vote_id.hex()[:10], vote.cusip, vote.word, _asked(vote))
        sheet.add(*words, *map(format_units, figures), moment(vote.deadline))
    console().print(sheet if votes else "nobody was asked on this ledger")
