"""A lost key: another wallet takes the place of a party's, and all that the lost one had goes with it.

The registrar announces it and the enforcer confirms it, a day later at the earliest; until then the wallet itself can
contest it. What follows then needs no authority: tokens, options and repos ask the registry who stands for the wallet.
"""

from __future__ import annotations

from dataclasses import dataclass

from tbill_defi.core.errors import LedgerError
from tbill_defi.ledger.abi import encode_call
from tbill_defi.ledger.deployment import CURRENCY, Step
from tbill_defi.ledger.ledger import Ledger

REGISTRAR_KEY, ENFORCER_KEY, BANK_KEY = "registrar", "enforcer", "bank"
REGISTRY = "IdentityRegistry"


@dataclass(frozen=True, slots=True)
class Recovery:
    """What was announced of a wallet.

    Attributes
    ----------
    lost, successor
        Addresses.
    since
        Unix second from which it can be confirmed.
    """

    lost: bytes
    successor: bytes
    since: int


def announced(ledger: Ledger, lost: bytes) -> Recovery:
    """What was announced of a wallet.

    Raises
    ------
    LedgerError
        If nothing was (code "RecoveryNotAnnounced").
    """
    found = ledger.call(REGISTRY, ledger.contracts.identity_registry, "recoveryOf", lost)
    if not found["from"]:
        raise LedgerError(f"wallet: no recovery of 0x{lost.hex()} was announced", "RecoveryNotAnnounced")
    return Recovery(lost, found["successor"], found["from"])


def announce(ledger: Ledger, lost: bytes, successor: bytes) -> Recovery:
    """Announce that a wallet's key is lost, and which wallet shall take its place.

    Raises
    ------
    LedgerError
        With the contract's error as code: the wallet is not registered, the successor belongs to someone else.
    """
    data = encode_call(REGISTRY, "announceRecovery", lost, successor)
    ledger.send([Step(REGISTRAR_KEY, ledger.contracts.identity_registry, data)])
    return announced(ledger, lost)


def withdraw(ledger: Ledger, lost: bytes) -> None:
    """Take an announcement back."""
    data = encode_call(REGISTRY, "withdrawRecovery", lost)
    ledger.send([Step(REGISTRAR_KEY, ledger.contracts.identity_registry, data)])


def confirm(ledger: Ledger, lost: bytes) -> Recovery:
    """Confirm a recovery and carry it out: securities, holds, cash, options and repos, in one go.

    The bank destroys the lost wallet's cash and issues as much to its successor.

    Raises
    ------
    LedgerError
        With the contract's error as code: nothing was announced, or it is too early.
    """
    found, books, wallet = announced(ledger, lost), ledger.books(), "0x" + lost.hex()
    place = ledger.contracts.identity_registry
    steps = [Step(ENFORCER_KEY, place, encode_call(REGISTRY, "confirmRecovery", lost))]
    for name, asset in sorted(books.tokens().items(), key=lambda item: item[1]):
        token, units = bytes.fromhex(name[2:]), books.balances(name).get(wallet, 0)
        if asset == CURRENCY:
            if units:
                steps.append(Step(BANK_KEY, token, encode_call("CashToken", "redeem", lost, units)))
                steps.append(Step(BANK_KEY, token, encode_call("CashToken", "issue", found.successor, units)))
        elif units or any(books.blocked(name, wallet)):
            holds = books.holds_of(name, wallet)
            steps.append(Step(ENFORCER_KEY, token, encode_call("SecurityToken", "recover", lost, holds)))
    options, facility = ledger.contracts.option_book, ledger.contracts.repo_facility
    steps += [Step(ENFORCER_KEY, options, encode_call("OptionBook", "follow", i)) for i in books.options_of(wallet)]
    repos = books.custody.repos_of(wallet)
    steps += [Step(ENFORCER_KEY, facility, encode_call("RepoFacility", "follow", i)) for i in repos]
    ledger.send(steps)
    return found
