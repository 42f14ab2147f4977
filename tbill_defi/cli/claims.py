"""`tbill kyc trust`, `claim`, `sanction`: what trusted issuers say of parties, and who may not deal at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from tbill_defi.cli.common import Home, Json, console, parse_date, print_json, progress
from tbill_defi.core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tbill_defi.ledger.claims import Claim, Topic
    from tbill_defi.ledger.identities import Identity

Party = Annotated[str, typer.Argument(help="A party's name.")]


def register(commands: typer.Typer) -> None:
    """Add the commands."""
    commands.command("trust")(trust)
    commands.command("claim")(claim)
    commands.command("sanction")(sanction)


def trust(
    issuer: Annotated[str | None, typer.Argument(help="Name of the issuer's key.", show_default="all")] = None,
    topics: Annotated[str | None, typer.Option(help="Topics it is trusted with: kyc, investor, tax; or none.")] = None,
    home: Home = None,
    json_: Json = False,
) -> None:
    """Show whose claims count, or trust an issuer with topics.

    What an issuer says of other topics counts no longer, at once. A new issuer gets a key of its name.
    """
    from tbill_defi.ledger import claims
    from tbill_defi.ledger.ledger import ROLE_NAMES
    from tbill_defi.ledger.open import open_ledger
    from tbill_defi.ledger.oracle import PRICER_KEYS

    if (issuer is None) != (topics is None):
        raise UsageError("trust: give an issuer and --topics, or neither")
    if issuer in (*ROLE_NAMES, *PRICER_KEYS):
        raise UsageError(f"issuer: {issuer!r} is the name of a key of the ledger itself; take another")
    words = [] if topics is None or topics == "none" else topics.split(",")
    named = [_one("topics", word, claims.TOPICS) for word in words]
    with (
        progress("replaying") as advance,
        open_ledger(home=home, read_only=issuer is None, progress=advance) as ledger,
    ):
        if issuer is not None:
            claims.trust(ledger, issuer, named)
        value = [
            {"issuer": "0x" + address.hex(), "topics": [topic.label for topic in sorted(found)]}
            for address, found in claims.issuers(ledger).items()
        ]
    if json_:
        print_json(value)
        return
    for one in value:
        console().print(f"{one['issuer']}: {', '.join(one['topics'])}")
    if not value:
        console().print("no issuer is trusted: claims are the registrar's alone")


def claim(
    party: Party,
    topic: Annotated[str, typer.Option(help="kyc, investor or tax.")],
    issuer: Annotated[str, typer.Option(help="Name of the issuer's key.")],
    class_: Annotated[
        str | None,
        typer.Option("--class", help="retail, accredited, qualified-purchaser or qualified-institutional."),
    ] = None,
    country: Annotated[int | None, typer.Option(help="Under whose law, ISO 3166-1 numeric.")] = None,
    until: Annotated[str | None, typer.Option(help="Last day of the claim.", show_default="in two years")] = None,
    revoke: Annotated[bool, typer.Option("--revoke", help="Take the claim back.")] = False,
    home: Home = None,
    json_: Json = False,
) -> None:
    """Have a trusted issuer make a claim about a party.

    A KYC claim is as good as the registrar's own. An investor's class is what a security's rules may ask for.
    """
    from datetime import timedelta

    from tbill_defi.core.clock import new_york_midnight
    from tbill_defi.ledger import claims, identities
    from tbill_defi.ledger.open import CLAIM_SECONDS, open_ledger

    about: Topic = _one("topic", topic, claims.TOPICS)
    kind: int = 0 if class_ is None else _one("class", class_, claims.CLASSES)
    if (about is claims.Topic.INVESTOR) != (class_ is not None) and not revoke:
        raise UsageError("class: a claim of topic investor has one, and no other has")
    if revoke and (class_, country, until) != (None, None, None):
        raise UsageError("revoke: takes --topic and --issuer alone")
    if country is not None and not 0 < country < 1_000:
        raise UsageError(f"country: {country} is not an ISO 3166-1 numeric code such as 840")
    last = None if until is None else new_york_midnight(parse_date(until, "until") + timedelta(days=1)) - 1
    with progress("replaying") as advance, open_ledger(home=home, progress=advance) as ledger:
        now = ledger.chain.now()
        if last is not None and last < now:
            raise UsageError(
                f"until: {until} is over on the ledger ({ledger.market_date}); --revoke takes a claim back"
            )
        if revoke:
            claims.revoke(ledger, party, about, issuer=issuer)
        else:
            expiry = now + CLAIM_SECONDS if last is None else last
            claims.issue(ledger, party, about, issuer=issuer, expiry=expiry, class_=kind, country=country or 0)
        found = identities.identity(ledger, party)
    tell([found], json_=json_)


def sanction(
    party: Annotated[list[str], typer.Argument(help="Parties.")],
    lift: Annotated[bool, typer.Option("--lift", help="Take them off the list.")] = False,
    home: Home = None,
    json_: Json = False,
) -> None:
    """Put parties on the sanctions list: nothing in or out.

    What they have is redeemed at maturity alone, into a blocked account; coupons wait.
    """
    from tbill_defi.ledger import claims, identities
    from tbill_defi.ledger.open import open_ledger

    with progress("replaying") as advance, open_ledger(home=home, progress=advance) as ledger:
        claims.sanction(ledger, party, lift=lift)
        found = [identities.identity(ledger, name) for name in party]
    tell(found, json_=json_)


def _one(field: str, word: str, known: Mapping[str, Any]) -> Any:
    if word not in known:
        raise UsageError(f"{field}: {word!r} is none of {', '.join(known)}")
    return known[word]


def _identity_json(found: Identity) -> dict[str, Any]:
    return {
        "party": found.party,
        "country": found.country,
        "claim_expiry": found.claim_expiry,
        "valid": found.valid,
        "sanctioned": found.sanctioned,
        "wallets": ["0x" + wallet.hex() for wallet in found.wallets],
        "claims": [_claim_json(one) for one in found.claims],
    }


def _claim_json(one: Claim) -> dict[str, Any]:
    return {
        "topic": one.topic.label,
        "issuer": "0x" + one.issuer.hex(),
        "class": _class_of(one),
        "country": one.country,
        "issued_at": one.issued_at,
        "expiry": one.expiry,
    }


def _class_of(one: Claim) -> str | None:
    from tbill_defi.ledger.claims import InvestorClass, Topic

    if one.topic is Topic.INVESTOR and one.class_ in set(InvestorClass):
        return InvestorClass(one.class_).label
    return str(one.class_) if one.class_ else None


def tell(found: list[Identity], *, json_: bool) -> None:
    """Identities, as a table or as JSON."""
    from tbill_defi.report.layout import Column, Sheet

    if json_:
        print_json([_identity_json(one) for one in found])
        return
    sheet = Sheet("Identities", Column("party", left=True), "country", "claim until", "", Column("wallets", left=True))
    for one in found:
        until = _until(one.claim_expiry) if one.claim_expiry else "revoked"
        state = "sanctioned" if one.sanctioned else "valid" if one.valid else "not valid"
        sheet.add(one.party, str(one.country), until, state, " ".join("0x" + wallet.hex() for wallet in one.wallets))
    console().print(sheet)
    for one in found:
        for said in one.claims:
            kind, law = _class_of(said), f" under the law of {said.country:03d}" if said.country else ""
            words = f"{said.topic.label}{f' {kind}' if kind else ''}{law} until {_until(said.expiry)}"
            console().print(f"{one.party}: {words}, by 0x{said.issuer.hex()}")


def _until(expiry: int) -> str:
    from tbill_defi.core.clock import SHOWN_UNTIL, moment

    return moment(expiry) if expiry < SHOWN_UNTIL else "without end"
