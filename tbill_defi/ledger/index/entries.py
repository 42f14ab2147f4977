"""From events to journal entries: what moved together, and why.

Every Transfer of a registered token becomes one movement of exactly one entry, so entries add up to the balances. An
event that explains movements opens a `Frame` which says exactly which ones it explains; what no event explains is a
deposit, a withdrawal or a transfer of its own. Events are believed from the ledger's own contracts and its tokens only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, NamedTuple

from tbill_defi.chain.types import EventRecord
from tbill_defi.core.identifiers import text32
from tbill_defi.ledger.deployment import Contracts
from tbill_defi.ledger.index.nets import Gross, Houses, NetKey

TOKEN_EVENTS = (
    "Transfer",
    "Frozen",
    "HoldCreated",
    "HoldExecuted",
    "HoldReleased",
    "HoldExpired",
    "HoldFollowed",
    "ForcedTransfer",
)
REGISTRY_EVENTS = ("AssetRegistered", "SecurityCreated", "WalletRegistered", "WalletRecovered")
LIFE_EVENTS = (
    *("CouponAnnounced", "RecoveryAnnounced", "CouponFunded", "CouponPaid", "CouponClosed"),
    *("Issued", "RedemptionOpened", "RedemptionFunded", "Redeemed", "RedemptionCompleted", "BlockedReleased"),
)
OF_COUPONS = ("Coupon", "Recovery")
"""How the names of the CouponPayer's events begin."""
REPO_EVENTS = (
    *("RepoOpened", "MarginDelivered", "CollateralSubstituted", "CollateralReleased", "PartlyRepurchased"),
    *("Repurchased", "ClosedOut", "RepoFollowed"),
)
CUSTODY_EVENTS = ("CustodyChanged", "CouponPassed", "DeliveryDeferred", "DeliveryCollected")
"""Of the repo facility and of the queue of early redemptions: both keep securities of others."""
EARLY_EVENTS = (
    *("EarlyRedemptionRequested", "EarlyRedemptionStruck", "EarlyRedemptionEnded"),
    *("WindowFunded", "FundsWithdrawn"),
)
STRIPPING_EVENTS = ("PiecesNamed", "StrippingBegun", "ReconstitutionBegun", "PieceMoved", "ActSeized", "ActCompleted")
OPTION_EVENTS = (
    "OptionWritten",
    "OptionBought",
    "OptionExercised",
    "OptionExpired",
    "OptionWithdrawn",
    "OptionFollowed",
)
CLEARING_EVENTS = ("Novated", "NetSettled")
EVENTS = (
    *(*REGISTRY_EVENTS, *TOKEN_EVENTS, "Settled", *LIFE_EVENTS, *EARLY_EVENTS, *STRIPPING_EVENTS),
    *(*REPO_EVENTS, *CUSTODY_EVENTS, *OPTION_EVENTS, *CLEARING_EVENTS),
)
"""What the read model is made of."""


class Movement(NamedTuple):
    """Units of a token from one account to another (0x-text); the zero address is the issuer."""

    token: str
    source: str
    target: str
    units: int


@dataclass(slots=True)
class Entry:
    """What moved together and why: movements, what it changed in custody, and the facts of the event.

    `custody` has (account, token, change of units), of any custodian.
    `sequence` orders entries as their first movements were ordered.
    """

    sequence: int
    height: int
    timestamp: int
    position: int
    transaction_hash: bytes
    kind: str
    reference: str = ""
    plan_hash: str = ""
    movements: list[Movement] = field(default_factory=list)
    custody: list[tuple[str, str, int]] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Frame:
    """An entry that is still open: how many settlements and which movements it explains beyond those it has."""

    entry: Entry
    settles: int = 0
    expected: list[Movement] = field(default_factory=list)


@dataclass(slots=True)
class Repo:
    """A repo as its events tell it; `accrued` is the sum of principal x rate x days up to `accrued_to`."""

    repo_id: str
    lender: str
    borrower: str
    principal: int
    rate_e9: int
    start: int
    end: int
    accrued_to: int
    accrued: int = 0
    open: bool = True


@dataclass(slots=True)
class Option:
    """An option as its events tell it: wallets, security, amounts in base units, last second of its window."""

    option_id: str
    kind: int
    writer: str
    holder: str
    token: str
    face: int
    payment: int
    until: int
    status: str = "written"


class Piece(NamedTuple):
    """A piece of a bond: units of its token are numerator / denominator of those of the bond."""

    token: str
    numerator: int
    denominator: int


class Act(NamedTuple):
    """A bond being taken apart ("strip") or put together ("reconstitution"): its token, whose, how much face."""

    act_id: str
    kind: str
    bond: str
    holder: str
    face: int


@dataclass
class Known:
    """What has to be remembered from one block to the next, besides balances.

    Attributes
    ----------
    assets
        Token (0x-text) -> CUSIP or currency.
    securities
        CUSIP -> (terms hash as 0x-text, maturity as Unix time).
    parties
        Wallet -> the party it belongs to, or last belonged to.
    coupons
        Coupon id -> (token, payer of what is left, "" until it is funded).
    payers
        Token -> (who funds its redemption, cash per unit of face as numerator and denominator).
    recoveries
        Coupon ids that are no coupons but recoveries of securities in default.
    custody
        (custodian, account, token) -> units kept for the account.
    requests
        Id of a request for early redemption -> who made it; also when it is over.
    pieces
        Token of a bond -> its pieces.
    acts
        Id -> bond taken apart or put together; also when it is over.
    nets
        What is open of what CCPs netted.
    holds
        (token, hold id) -> (holder, units).
    """

    assets: dict[str, str] = field(default_factory=dict)
    securities: dict[str, tuple[str, int]] = field(default_factory=dict)
    parties: dict[str, str] = field(default_factory=dict)
    coupons: dict[str, tuple[str, str]] = field(default_factory=dict)
    payers: dict[str, tuple[str, int, int]] = field(default_factory=dict)
    recoveries: set[str] = field(default_factory=set)
    custody: dict[tuple[str, str, str], int] = field(default_factory=dict)
    requests: dict[str, str] = field(default_factory=dict)
    pieces: dict[str, tuple[Piece, ...]] = field(default_factory=dict)
    acts: dict[str, Act] = field(default_factory=dict)
    repos: dict[str, Repo] = field(default_factory=dict)
    options: dict[str, Option] = field(default_factory=dict)
    nets: dict[NetKey, Gross] = field(default_factory=dict)
    holds: dict[tuple[str, str], tuple[str, int]] = field(default_factory=dict)
    frozen: dict[tuple[str, str], int] = field(default_factory=dict)
    held: dict[tuple[str, str], int] = field(default_factory=dict)

    def token_of(self, asset: str) -> str:
        """Token of a CUSIP or currency."""
        return next(token for token, name in self.assets.items() if name == asset)

    def party_of(self, wallet: str) -> str:
        """Party of a wallet; the wallet itself if it never was registered."""
        return self.parties.get(wallet, wallet)

    def beneficiary(self, account: str) -> str:
        """Wallet whose the units in an account are: who borrowed on them or asked for their redemption, or its own."""
        repo = self.repos.get(account)
        return repo.borrower if repo is not None else self.requests.get(account, "0x" + account[26:])


class Sources:
    """Which contract each event is believed from; token events from registered tokens."""

    def __init__(self, contracts: Contracts, known: Known) -> None:
        self._known = known
        custodians = (contracts.repo_facility, contracts.early_redemption)
        self._of: dict[str, tuple[bytes, ...]] = {
            "AssetRegistered": (contracts.asset_registry,),
            "SecurityCreated": (contracts.asset_factory,),
            **dict.fromkeys(("WalletRegistered", "WalletRecovered"), (contracts.identity_registry,)),
            "Settled": (contracts.settlement,),
            **dict.fromkeys(REPO_EVENTS, (contracts.repo_facility,)),
            **dict.fromkeys(CUSTODY_EVENTS, custodians),
            **dict.fromkeys(EARLY_EVENTS, (contracts.early_redemption,)),
            **dict.fromkeys(STRIPPING_EVENTS, (contracts.stripping,)),
            **dict.fromkeys(OPTION_EVENTS, (contracts.option_book,)),
            **{name: (contracts.coupon_payer,) for name in LIFE_EVENTS if name.startswith(OF_COUPONS)},
            **{name: (contracts.issuance,) for name in LIFE_EVENTS if not name.startswith(OF_COUPONS)},
        }
        self._tokens: dict[bytes, str] = {}
        self.houses = Houses(contracts, known.parties)

    def token(self, address: bytes) -> str | None:
        """0x-text of a registered token; None of any other contract."""
        found = self._tokens.get(address)
        if found is None:
            text = "0x" + address.hex()
            if text not in self._known.assets:
                return None
            self._tokens[address] = found = text
        return found

    def believed(self, event: EventRecord) -> bool:
        """Whether an event that is not a token's comes from whom it should."""
        if event.name in CLEARING_EVENTS:
            return self.houses.ccp(event.log.address) is not None
        return event.log.address in self._of.get(event.name, ())


def transactions(events: Iterable[EventRecord]) -> Iterator[list[EventRecord]]:
    """Events by transaction, in order."""
    for _, group in groupby(events, key=lambda event: (event.height, event.position)):
        yield list(group)


def text(word: str) -> str:
    """The text of a 32-byte identifier; the word itself if it is not ASCII."""
    try:
        return text32(bytes.fromhex(word[2:]))
    except UnicodeDecodeError:
        return word


def legs_of(settled: Mapping[str, Any]) -> list[Movement]:
    """Movements that a Settled event says were made, in order."""
    return [Movement(leg["token"], leg["from"], leg["to"], int(leg["amount"])) for leg in settled["legs"]]
