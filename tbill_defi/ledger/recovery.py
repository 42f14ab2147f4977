"""A lost key: another wallet takes the place of a party's, and all that the lost one had goes with it.

The registrar announces it and the enforcer confirms it, a day later at the earliest; until then the wallet itself can
contest it. What follows then needs no authority: tokens, options, repos and managed accounts ask the registry who
stands for the wallet.
"""

from __future__ import annotations

from dataclasses import dataclass

from tbill_defi.core.errors import LedgerError
from tbill_defi.core.identifiers import bytes32
from tbill_defi.ledger.abi import encode_call
from tbill_defi.ledger.deployment import Step
from tbill_defi.ledger.ledger import Ledger
from tbill_defi.ledger.mandate import ManagedAccount, managed_account

REGISTRAR_KEY, ENFORCER_KEY, BANK_KEY = "registrar", "enforcer", "bank"
REGISTRY, ACCOUNT = "IdentityRegistry", "ManagedAccount"


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
    """Confirm a recovery and carry it out: securities, holds, cash, options, repos, managed accounts, in one go.

    The bank destroys the lost wallet's cash, of every currency, and issues as much to its successor.

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
        if asset in books.decimals:
            if units:
                steps.append(Step(BANK_KEY, token, encode_call("CashToken", "redeem", lost, units)))
                steps.append(Step(BANK_KEY, token, encode_call("CashToken", "issue", found.successor, units)))
        elif (holds := books.holds_of(name, wallet)) or units or any(books.blocked(name, wallet)):
            steps.append(Step(ENFORCER_KEY, token, encode_call("SecurityToken", "recover", lost, holds)))
    options, facility = ledger.contracts.option_book, ledger.contracts.repo_facility
    steps += [Step(ENFORCER_KEY, options, encode_call("OptionBook", "follow", i)) for i in books.options_of(wallet)]
    repos = books.custody.repos_of(wallet)
    steps += [Step(ENFORCER_KEY, facility, encode_call("RepoFacility", "follow", i)) for i in repos]
    steps += [Step(ENFORCER_KEY, account, encode_call(ACCOUNT, "follow")) for account in owned_by(ledger, lost)]
    ledger.send(steps)
    return found


def announce_owner(ledger: Ledger, account: ManagedAccount, successor: bytes) -> Recovery:
    """Announce that another key takes the place of a managed account's owner. Raises as `announce`.

    The registry recovers registered wallets, and the owner's is none: the account itself is the party's. So the
    registrar registers it for as long as the announcement takes, within one block.
    """
    data = encode_call(REGISTRY, "announceRecovery", account.owner, successor)
    announcing = Step(REGISTRAR_KEY, ledger.contracts.identity_registry, data)
    ledger.send(_registered_for(ledger, account, announcing, removed=account.owner))
    return announced(ledger, account.owner)


def confirm_owner(ledger: Ledger, account: ManagedAccount) -> Recovery:
    """Confirm that another key takes the owner's place, and let the account follow. Raises as `confirm`."""
    place = ledger.contracts.identity_registry
    current = ledger.call(REGISTRY, place, "currentWallet", account.owner)
    if current != account.owner:  # confirmed on a node, and cut off before the account followed
        gone = Step(REGISTRAR_KEY, place, encode_call(REGISTRY, "removeWallet", current))
        bound = "0x" + current.hex() in ledger.books().addresses(account.party)
        follow = Step(ENFORCER_KEY, account.address, encode_call(ACCOUNT, "follow"))
        ledger.send([follow, gone] if bound else [follow])
        return Recovery(account.owner, current, 0)
    found = announced(ledger, account.owner)
    data = encode_call(REGISTRY, "confirmRecovery", account.owner)
    confirming = Step(ENFORCER_KEY, place, data)
    steps = _registered_for(ledger, account, confirming, removed=found.successor)
    followed = dict.fromkeys((account.address, *owned_by(ledger, account.owner)))
    ledger.send([*steps, *(Step(ENFORCER_KEY, one, encode_call(ACCOUNT, "follow")) for one in followed)])
    return found


def _registered_for(ledger: Ledger, account: ManagedAccount, step: Step, *, removed: bytes) -> list[Step]:
    """A step with the owner's key registered as a wallet of the party for its sake, and no wallet more than before."""
    registry = ledger.contracts.identity_registry
    if int.from_bytes(ledger.call(REGISTRY, registry, "identityOf", account.owner), "big"):
        return [step]
    bound = encode_call(REGISTRY, "registerWallet", account.owner, bytes32(account.party))
    gone = encode_call(REGISTRY, "removeWallet", removed)
    return [Step(REGISTRAR_KEY, registry, bound), step, Step(REGISTRAR_KEY, registry, gone)]


def owned_by(ledger: Ledger, owner: bytes) -> list[bytes]:
    """Managed accounts of the parties whose owner is this address."""
    accounts = (managed_account(ledger, party) for party in ledger.books().parties())
    return [account.address for account in accounts if account is not None and account.owner == owner]
