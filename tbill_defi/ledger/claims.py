"""What trusted issuers say of parties, and who is sanctioned: claims by topic, class, country and expiry.

A claim counts while its issuer is trusted with its topic, until its last second or its revocation. A KYC claim of a
trusted issuer is as good as the registrar's own; the other topics are what a security's required claims ask for.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from tbill_defi.core.errors import UsageError
from tbill_defi.core.identifiers import bytes32
from tbill_defi.ledger.abi import encode_call
from tbill_defi.ledger.deployment import INVESTOR_TOPIC, Step
from tbill_defi.ledger.ledger import Ledger

REGISTRAR_KEY = "registrar"
SANCTIONS_KEY = "compliance"


class Topic(IntEnum):
    """What a claim is about; the value is the topic's number in the registry."""

    KYC = 1
    INVESTOR = INVESTOR_TOPIC
    TAX = 3

    @property
    def label(self) -> str:
        """Its name at the command line."""
        return self.name.lower()


class InvestorClass(IntEnum):
    """Classes of the topic INVESTOR: whom a security may be offered to."""

    RETAIL = 1
    ACCREDITED = 2
    QUALIFIED_PURCHASER = 3
    QUALIFIED_INSTITUTIONAL = 4

    @property
    def label(self) -> str:
        """Its name at the command line."""
        return self.name.lower().replace("_", "-")


TOPICS = {topic.label: topic for topic in Topic}
CLASSES = {kind.label: kind for kind in InvestorClass}


@dataclass(frozen=True, slots=True)
class Claim:
    """What an issuer that is trusted with the topic said of a party.

    Attributes
    ----------
    issuer
        Its address.
    class_
        Kind under the topic, of INVESTOR an `InvestorClass`; 0: none.
    country
        ISO 3166-1 numeric, whose law it is under; 0: no one country's.
    issued_at, expiry
        When it was said, and its last second (Unix).
    """

    topic: Topic
    issuer: bytes
    class_: int
    country: int
    issued_at: int
    expiry: int


def trust(ledger: Ledger, issuer: str, topics: Iterable[Topic]) -> bytes:
    """Trust an issuer with these topics and no others; its key is made where there is none. Gives its address."""
    address = ledger.keyring.ensure(issuer).address
    if ledger.chain.shared:
        from tbill_defi.ledger.node import give_gas

        give_gas(ledger, issuer)
    bits = sum(1 << topic for topic in topics)
    _send(ledger, REGISTRAR_KEY, "trustIssuer", address, bits)
    return address


def issuers(ledger: Ledger) -> dict[bytes, frozenset[Topic]]:
    """Address of each trusted issuer -> its topics, in the order of the topics."""
    found: dict[bytes, set[Topic]] = {}
    for topic in Topic:
        for address in _ask(ledger, "issuersOf", topic):
            found.setdefault(address, set()).add(topic)
    return {address: frozenset(topics) for address, topics in found.items()}


def issue(
    ledger: Ledger, party: str, topic: Topic, *, issuer: str, expiry: int, class_: int = 0, country: int = 0
) -> Claim:
    """Have an issuer make a claim about a party, in place of the one it had made of that topic.

    Raises
    ------
    UsageError
        If the issuer is not trusted with the topic.
    LedgerError
        If the party has no identity (code "UnknownIdentity"), a KYC claim is of another country than its own (code
        "ClaimOfAnotherCountry").
    """
    address = ledger.keyring.key(issuer).address
    if not _ask(ledger, "topicsOf", address) >> topic & 1:
        raise UsageError(
            f"issuer: {issuer} is not trusted with {topic.label} claims; "
            f"`tbill kyc trust {issuer} --topics {topic.label}` trusts it"
        )
    _send(ledger, issuer, "issueClaim", bytes32(party), topic, class_, country, expiry)
    return Claim(topic, address, class_, country, ledger.chain.now(), expiry)


def revoke(ledger: Ledger, party: str, topic: Topic, *, issuer: str) -> None:
    """Have an issuer take its claim back.

    Raises
    ------
    LedgerError
        If it has made none (code "ClaimNotFound").
    """
    _send(ledger, issuer, "revokeClaim", bytes32(party), topic)


def claims(ledger: Ledger, party: str) -> tuple[Claim, ...]:
    """Claims about a party of the issuers that are trusted with their topics, lapsed ones included."""
    found = []
    for topic in Topic:
        for address in _ask(ledger, "issuersOf", topic):
            said = _ask(ledger, "claimOf", bytes32(party), topic, address)
            if said["expiry"]:
                found.append(Claim(topic, address, said["class"], said["country"], said["issuedAt"], said["expiry"]))
    return tuple(found)


def sanction(ledger: Ledger, parties: Sequence[str], *, lift: bool = False) -> None:
    """Put parties on the sanctions list, or (`lift`) take them off it: all, or none if one has no identity."""
    _send(ledger, SANCTIONS_KEY, "setSanctioned", [bytes32(party) for party in parties], not lift)


def _ask(ledger: Ledger, function: str, *arguments: object) -> Any:
    return ledger.call("IdentityRegistry", ledger.contracts.identity_registry, function, *arguments)


def _send(ledger: Ledger, key: str, function: str, *arguments: object) -> None:
    data = encode_call("IdentityRegistry", function, *arguments)
    ledger.send([Step(key, ledger.contracts.identity_registry, data)])
