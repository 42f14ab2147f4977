"""Who is behind which wallets: identities, their countries and claims, as the registrar keeps them."""

from __future__ import annotations

from dataclasses import dataclass

from tbill_defi.core.errors import LedgerError, UsageError
from tbill_defi.core.identifiers import bytes32, party_name
from tbill_defi.ledger.abi import encode_call
from tbill_defi.ledger.claims import REGISTRAR_KEY, Claim, claims
from tbill_defi.ledger.deployment import Step
from tbill_defi.ledger.ledger import UNITED_STATES, Ledger


@dataclass(frozen=True, slots=True)
class Identity:
    """A party as the registry has it.

    Attributes
    ----------
    country
        ISO 3166-1 numeric.
    claim_expiry
        Last second (Unix) at which a KYC claim of it holds, the registrar's or a trusted issuer's; 0: revoked.
    valid
        Whether it holds now, and the party is not sanctioned.
    wallets
        Addresses bound to it.
    claims
        What trusted issuers say of it.
    """

    party: str
    country: int
    claim_expiry: int
    valid: bool
    wallets: tuple[bytes, ...]
    sanctioned: bool
    claims: tuple[Claim, ...]


def identity(ledger: Ledger, party: str) -> Identity:
    """What the registry says of a party.

    Raises
    ------
    LedgerError
        If it has no such identity (code "UnknownParty").
    """
    name, place = bytes32(party_name(party)), ledger.contracts.identity_registry
    wallets = ledger.call("IdentityRegistry", place, "walletsOf", name)
    expiry = ledger.call("IdentityRegistry", place, "claimExpiry", name)
    country = ledger.call("IdentityRegistry", place, "country", name)
    if not wallets and not expiry and not country:
        raise LedgerError(
            f"party {party!r} has no identity on this ledger; add it with `tbill kyc add`", "UnknownParty"
        )
    sanctioned = ledger.call("IdentityRegistry", place, "isSanctioned", name)
    valid = ledger.chain.now() <= expiry and not sanctioned
    return Identity(party, country, expiry, valid, tuple(wallets), sanctioned, claims(ledger, party))


def admit(
    ledger: Ledger, party: str, *, claim_expiry: int, country: int | None = None, wallet: bytes | None = None
) -> Identity:
    """Register a party, or renew its claim; with a wallet, bind that too.

    A party that is new and brings no wallet gets a key of its name, whose address is its wallet.

    Raises
    ------
    UsageError
        If the country of a known party would change.
    LedgerError
        If the wallet is taken (code "WalletAlreadyRegistered").
    """
    place, name = ledger.contracts.identity_registry, bytes32(party_name(party))
    if not ledger.call("IdentityRegistry", place, "country", name):
        ring = ledger.keyring
        address = wallet or ring.ensure(party).address
        ledger.add_party(party, address, claim_expiry=claim_expiry, country=country or UNITED_STATES)
        return identity(ledger, party)
    known = identity(ledger, party)
    if country is not None and country != known.country:
        raise UsageError(f"country of {party}: it is {known.country} in the registry, and stays; register a new party")
    steps = [Step(REGISTRAR_KEY, place, encode_call("IdentityRegistry", "setClaim", name, claim_expiry))]
    if wallet is not None:
        steps.append(Step(REGISTRAR_KEY, place, encode_call("IdentityRegistry", "registerWallet", wallet, name)))
    ledger.send(steps)
    return identity(ledger, party)


def revoke(ledger: Ledger, party: str) -> Identity:
    """Revoke a party's claim: it can neither send nor receive securities."""
    identity(ledger, party)
    ledger.set_claim(party, 0)
    return identity(ledger, party)


def remove_wallet(ledger: Ledger, wallet: bytes) -> None:
    """Unbind a wallet from its party."""
    data = encode_call("IdentityRegistry", "removeWallet", wallet)
    ledger.send([Step(REGISTRAR_KEY, ledger.contracts.identity_registry, data)])
