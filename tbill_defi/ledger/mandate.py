"""Managed accounts: whose assets they hold, who deals with them, within which mandate; and their books.

A managed party's wallet is a ManagedAccount contract. Its owner is the key of the party's name; its manager signs
instructions with his own key; the guard's books say what is accounted to it, which is what a plan may use.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import astuple, dataclass, field, replace
from typing import Any

from tbill_defi.chain.executor import DEPLOYMENT_PROXY, create2_address
from tbill_defi.chain.types import CallReverted
from tbill_defi.core.errors import LedgerError, UsageError
from tbill_defi.core.hashing import keccak256
from tbill_defi.core.identifiers import bytes32, text32
from tbill_defi.ledger.abi import decode_result, encode_call, encode_creation
from tbill_defi.ledger.claims import REGISTRAR_KEY
from tbill_defi.ledger.deployment import CURRENCY, Step
from tbill_defi.ledger.ledger import OPERATOR, Ledger
from tbill_defi.ledger.open import CLAIM_SECONDS

DAY = 86_400
SHORTEST_DELAY, LONGEST_DELAY = 3_600, 366 * DAY
"""Seconds (ManagedAccount.MIN_DELAY, and the most that its constructor takes)."""
INTERFACE = bytes.fromhex("7ceab3b1")
"""ERC-165 id of IManagedAccount: the selector of guard()."""


@dataclass(frozen=True, slots=True)
class Mandate:
    """What a manager may do: duration band (10^-6 years), shares in bp, a window in seconds.

    Attributes
    ----------
    issue_cap_bp
        Greatest share of one security in the portfolio.
    turnover_bp, window_seconds
        Half of what is bought and sold in any window, of the portfolio's value.
    slippage_bp
        What a plan may cost against the oracle's prices, of the securities it trades.
    """

    duration_min_e6: int
    duration_max_e6: int
    issue_cap_bp: int
    turnover_bp: int
    window_seconds: int
    slippage_bp: int

    @classmethod
    def from_answer(cls, raw: dict[str, int]) -> Mandate | None:
        """The contract's struct; None where there is no mandate."""
        found = cls(*raw.values())
        return found if found.duration_max_e6 else None


@dataclass(frozen=True)
class ManagedAccount:
    """A managed account as it stands.

    Attributes
    ----------
    delay
        Seconds between the announcement of a loosening, another guard or a withdrawal and its effect.
    mandate, next_mandate, next_from
        In force; announced, and when it can be applied (0: none).
    positions, cash
        What is accounted to it, base units.
    unrecognised
        Asset -> units it has beyond that: deposits, coupons, redemptions, gifts.
    turnover
        Half of what was bought and sold within the mandate's window, units of cash.
    """

    party: str
    address: bytes
    owner: bytes
    manager: bytes
    guard: bytes
    delay: int
    mandate: Mandate | None
    next_mandate: Mandate | None
    next_from: int
    positions: dict[str, int] = field(default_factory=dict)
    cash: int = 0
    unrecognised: dict[str, int] = field(default_factory=dict)
    turnover: int = 0


def is_managed(ledger: Ledger, address: bytes) -> bool:
    """Whether a contract that names a guard is at the address (ERC-165)."""
    try:
        answer = ledger.chain.call(address, encode_call("ManagedAccount", "supportsInterface", INTERFACE))
    except CallReverted:
        return False
    return len(answer) == 32 and int.from_bytes(answer, "big") == 1


def managed_account(ledger: Ledger, party: str) -> ManagedAccount | None:
    """The managed account that is a party's wallet; None if its wallet is a key's, or a contract that guards itself.

    The facility of repos and the book of options are such: nobody owns them, and no mandate is theirs.
    """
    address = ledger.address_of(party)
    if not is_managed(ledger, address) or ledger.call("ManagedAccount", address, "guard") == address:
        return None
    return _account(ledger, party, address)


def require_account(ledger: Ledger, party: str) -> ManagedAccount:
    """The same, or an error (code "NotManaged")."""
    found = managed_account(ledger, party)
    if found is None:
        raise LedgerError(f"{party} has no managed account; make one with `tbill mandate set {party}`", "NotManaged")
    return found


def approver_of(ledger: Ledger, party: str) -> str:
    """Name of the key that approves for a party: its own, or of a managed account the manager's, if that is here."""
    account = managed_account(ledger, party)
    return party if account is None else ledger.keyring.name_of(account.manager) or party


def approving_address(ledger: Ledger, party: str) -> bytes:
    """Whose signature approves for a party: its first wallet's, or of a managed account the manager's."""
    account = managed_account(ledger, party)
    return ledger.address_of(party) if account is None else account.manager


def _account(ledger: Ledger, party: str, address: bytes) -> ManagedAccount:
    def ask(function: str) -> Any:
        return ledger.call("ManagedAccount", address, function)

    guard = ask("guard")
    mandate, following, following_from = ledger.call("MandateGuard", guard, "mandateOf", address)
    tokens, units, cash = ledger.call("MandateGuard", guard, "holdings", address)
    names = [text32(ledger.call("AssetRegistry", ledger.contracts.asset_registry, "assetIdOf", t)) for t in tokens]
    found = ManagedAccount(
        party=party,
        address=address,
        owner=ask("owner"),
        manager=ask("manager"),
        guard=guard,
        delay=ask("delay"),
        mandate=Mandate.from_answer(mandate),
        next_mandate=Mandate.from_answer(following),
        next_from=following_from,
    )
    wallet = ledger.books().settling_wallet(party)
    has = {**wallet.positions, CURRENCY: wallet.cash}
    # what was accounted and has left on another way is no longer there: the guard lowers its books when next asked
    positions = {name: min(amount, has.get(name, 0)) for name, amount in zip(names, units, strict=True)}
    accounted = {**positions, CURRENCY: min(cash, wallet.cash)}
    window = found.mandate.window_seconds if found.mandate else 0
    return replace(
        found,
        positions=dict(sorted((name, amount) for name, amount in positions.items() if amount)),
        cash=accounted[CURRENCY],
        unrecognised={a: more for a, units in sorted(has.items()) if (more := units - accounted.get(a, 0))},
        turnover=ledger.call("MandateGuard", guard, "turnoverWithin", address, window),
    )


def open_account(ledger: Ledger, party: str, *, manager: str, delay: int = DAY) -> ManagedAccount:
    """Make a managed account and bind it to the party as its wallet.

    The owner's key is the one of the party's name, the manager's that of `manager`; either is made if it is not there.
    The party must be new, or hold nothing in wallets of its own, which are unbound.

    Raises
    ------
    UsageError
        If manager and owner are one, the party holds something, or the delay (seconds) is not between an hour and 366
        days.
    LedgerError
        If it has a managed account already (code "AlreadyManaged").
    """
    _require_another(party, manager)
    if not SHORTEST_DELAY <= delay <= LONGEST_DELAY:
        raise UsageError(f"delay: {delay} s is not between an hour and 366 days")
    ring, held = ledger.keyring, ledger.books().wallet(party)
    bound = [bytes.fromhex(text[2:]) for text in held.addresses]
    if bound and is_managed(ledger, bound[0]):
        raise LedgerError(f"{party} has a managed account already", "AlreadyManaged")
    if held.positions or held.cash:
        raise UsageError(f"{party} holds assets in its own wallet; give the managed party a name of its own")
    owner_key, manager_key = ring.ensure(party), ring.ensure(manager)
    places = ledger.contracts
    code = encode_creation(
        "ManagedAccount", places.settlement, owner_key.address, manager_key.address, places.mandate_guard, delay
    )
    salt = keccak256(bytes32(party))
    address = create2_address(salt, keccak256(code))
    # a process that was killed here, or anyone on a node, may have deployed it: of this code, owner and manager already
    steps = [] if is_managed(ledger, address) else [Step(OPERATOR, DEPLOYMENT_PROXY, salt + code)]
    if bound:
        calls = [encode_call("IdentityRegistry", "removeWallet", wallet) for wallet in bound]
        calls.append(encode_call("IdentityRegistry", "registerWallet", address, bytes32(party)))
        steps += [Step(REGISTRAR_KEY, places.identity_registry, call) for call in calls]
    ledger.send(steps)
    if not bound:
        ledger.add_party(party, address, claim_expiry=ledger.chain.now() + CLAIM_SECONDS)
    return _account(ledger, party, address)


def set_mandate(ledger: Ledger, account: ManagedAccount, mandate: Mandate) -> None:
    """Set the mandate, by the owner: in force at once if it is the first or nowhere looser, else announced."""
    _by_owner(ledger, account, account.guard, _guard("setMandate", account.address, astuple(mandate)))


def apply_mandate(ledger: Ledger, account: ManagedAccount) -> None:
    """Put the announced mandate in force, by the owner, after the delay."""
    _by_owner(ledger, account, account.guard, _guard("applyMandate", account.address))


def recognise(ledger: Ledger, account: ManagedAccount, assets: Iterable[str], *, key: str) -> None:
    """Take what the account has of these assets into its books, by the owner's or the manager's key.

    Raises
    ------
    LedgerError
        "PriceMissing" or "StalePrice" if one of them has no price: publish first.
    """
    tokens = [_token(ledger, asset) for asset in assets]
    ledger.send([Step(key, account.guard, _guard("recognise", account.address, tokens))])


def set_manager(ledger: Ledger, account: ManagedAccount, manager: str) -> None:
    """Name another manager, by the owner; at once."""
    _require_another(account.party, manager)
    ring = ledger.keyring
    key = ring.ensure(manager)
    data = encode_call("ManagedAccount", "setManager", key.address)
    _by_owner(ledger, account, account.address, data)


def announce_withdrawal(ledger: Ledger, account: ManagedAccount, asset: str, to: bytes, units: int) -> int:
    """Announce a withdrawal, by the owner; its number."""
    data = encode_call("ManagedAccount", "announceWithdrawal", _token(ledger, asset), to, units)
    (receipt,) = ledger.send([Step(account.party, account.address, data)])
    return int(decode_result("ManagedAccount", "announceWithdrawal", receipt.return_data)[0])


def withdrawable_from(ledger: Ledger, account: ManagedAccount, number: int) -> int:
    """From when an announced withdrawal can be made, Unix seconds; 0 if it was made or taken back."""
    return int(ledger.call("ManagedAccount", account.address, "withdrawal", number)["from"])


def withdraw(ledger: Ledger, account: ManagedAccount, number: int) -> None:
    """Make an announced withdrawal, by the owner, after the delay.

    Raises
    ------
    LedgerError
        "NothingAnnounced" if there is none of that number, "TooEarly" before its time, "AnnouncementLapsed" a week
        later.
    """
    if not 0 < number <= ledger.call("ManagedAccount", account.address, "withdrawals"):
        raise LedgerError(f"{account.party} has announced no withdrawal {number}", "NothingAnnounced")
    _by_owner(ledger, account, account.address, encode_call("ManagedAccount", "withdraw", number))


def _token(ledger: Ledger, asset: str) -> bytes:
    token = ledger.token_of(asset)
    if token is None:
        raise LedgerError(f"{asset} has no token on this ledger", "UnknownAsset")
    return token


def _require_another(party: str, manager: str) -> None:
    if manager == party:
        raise UsageError(f"manager: {manager!r} is the owner's own key; a manager has another")


def _guard(function: str, *arguments: object) -> bytes:
    return encode_call("MandateGuard", function, *arguments)


def _by_owner(ledger: Ledger, account: ManagedAccount, to: bytes, data: bytes) -> None:
    ledger.send([Step(account.party, to, data)])
