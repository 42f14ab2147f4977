"""Who holds what, and what was traded: read from the decoded events alone, without an EVM."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from tbill_defi.chain.types import EventRecord
from tbill_defi.core.identifiers import text32
from tbill_defi.ledger import custody, option_books
from tbill_defi.ledger.deployment import DECIMALS, DOLLAR, Contracts
from tbill_defi.ledger.option_terms import OptionState

ZERO = "0x" + "00" * 20
EVENTS = (
    "AssetRegistered",
    "CurrencyCreated",
    "WalletRegistered",
    "WalletRemoved",
    "WalletRecovered",
    "Transfer",
    "Frozen",
    "HoldCreated",
    "HoldExecuted",
    "HoldReleased",
    "HoldExpired",
    "HoldFollowed",
    "Settled",
    *custody.EVENTS,
    *option_books.EVENTS,
)
"""What the books are made of."""


@dataclass(frozen=True, slots=True)
class TapeLeg:
    """One leg of a settled instruction, by names; `amount` in base units of the asset."""

    asset: str
    giver: str
    receiver: str
    amount: int


@dataclass(frozen=True, slots=True)
class TapeEntry:
    """One settled instruction: block, Unix time, hashes as 0x-text ("" for a trade without a plan), legs."""

    height: int
    timestamp: int
    instruction_hash: str
    plan_hash: str
    context_hash: str
    legs: tuple[TapeLeg, ...]


@dataclass
class Wallet:
    """Balances of one party in base units: dollars, other currencies and securities, and what of these cannot move.

    `blocked` is what cannot move for either reason, wallet by wallet at most its balance. Not in the balances:
    `pledged`, what the RepoFacility holds of what the party gave as collateral, and `collateral`, what it holds there
    for the party as a lender of cash.
    """

    party: str
    addresses: tuple[str, ...]
    cash: int = 0
    currencies: dict[str, int] = field(default_factory=dict)
    positions: dict[str, int] = field(default_factory=dict)
    frozen: dict[str, int] = field(default_factory=dict)
    held: dict[str, int] = field(default_factory=dict)
    blocked: dict[str, int] = field(default_factory=dict)
    pledged: dict[str, int] = field(default_factory=dict)
    collateral: dict[str, int] = field(default_factory=dict)

    def unavailable(self) -> dict[str, int]:
        """Face that is frozen or held, by CUSIP, at most the position."""
        return dict(sorted(self.blocked.items()))


class Books:
    """Balances folded from events in order; `apply` may be called again with the events that follow.

    Anyone may deploy a contract that emits an event of the same name: registrations and settlements are believed
    only from the ledger's own contracts, balances only of registered tokens.
    """

    def __init__(self, contracts: Contracts, currency: str) -> None:
        self._currency = currency
        self.decimals: dict[str, int] = {currency: DECIMALS}
        """Currency -> its decimals; one unit is 10^-decimals."""
        self.currency_names: dict[str, str] = {currency: DOLLAR}
        """Currency -> its name."""
        self._sources = {
            "AssetRegistered": contracts.asset_registry,
            "CurrencyCreated": contracts.cash_factory,
            "WalletRegistered": contracts.identity_registry,
            **dict.fromkeys(("WalletRemoved", "WalletRecovered"), contracts.identity_registry),
            "Settled": contracts.settlement,
            **dict.fromkeys(custody.EVENTS, contracts.repo_facility),
            **dict.fromkeys(option_books.EVENTS, contracts.option_book),
        }
        self._assets: dict[str, str] = {}
        self._parties: dict[str, str] = {}
        self._successors: dict[str, str] = {}
        self._balances: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        self._frozen: dict[tuple[str, str], int] = {}
        self._holds: dict[tuple[str, str], int] = {}
        self._hold_parties: dict[tuple[str, str], tuple[str, str, str]] = {}
        self._held: dict[tuple[str, str], int] = defaultdict(int)
        self.custody = custody.CustodyBooks()
        self._options = option_books.OptionBooks()
        self.tape: list[TapeEntry] = []
        self.transfers = 0
        """Transfer events of registered tokens or not, as read."""

    def apply(self, events: Iterable[EventRecord]) -> Books:
        """Fold more events in; returns itself."""
        for event in events:
            if self._sources.get(event.name, event.log.address) == event.log.address:
                self._apply(event)
        return self

    def _apply(self, event: EventRecord) -> None:
        arguments, token = event.arguments, "0x" + event.log.address.hex()
        match event.name:
            case "AssetRegistered":
                self._assets[arguments["token"]] = _text(arguments["assetId"])
            case "CurrencyCreated":
                code = _text(arguments["currency"])
                self.decimals[code] = int(arguments["decimals"])
                self.currency_names[code] = arguments["name"]
            case "WalletRegistered":
                self._parties[arguments["wallet"]] = _text(arguments["identity"])
            case "WalletRemoved":
                self._parties.pop(arguments["wallet"], None)
            case "WalletRecovered":
                self._successors[arguments["wallet"]] = arguments["successor"]
            case "Transfer":
                self.transfers += 1
                amount = int(arguments["value"])
                self._balances[arguments["from"]][token] -= amount
                self._balances[arguments["to"]][token] += amount
            case "Frozen":
                self._frozen[arguments["account"], token] = int(arguments["amount"])
            case "HoldCreated":
                self._holds[arguments["id"], token] = int(arguments["amount"])
                parties = arguments["holder"], arguments["notary"], arguments["to"]
                self._hold_parties[arguments["id"], token] = parties
                self._held[arguments["holder"], token] += int(arguments["amount"])
            case "HoldExecuted" | "HoldReleased" | "HoldExpired":
                self._held[arguments["holder"], token] -= self._holds.pop((arguments["id"], token), 0)
            case "HoldFollowed":
                self._follow((arguments["id"], token), arguments["lost"], arguments["successor"])
            case "Settled":
                self.tape.append(self._entry(event))
            case name if name in custody.EVENTS:
                self.custody.apply(name, arguments, event.timestamp)
            case name if name in option_books.EVENTS:
                self._options.apply(name, arguments, event.timestamp)

    def _follow(self, hold: tuple[str, str], lost: str, successor: str) -> None:
        """A recovered wallet's successor is in its place; if that was recipient's or notary's only, no units move."""
        if hold not in self._holds:
            return
        holder, notary, to = (successor if party == lost else party for party in self._hold_parties[hold])
        moved, self._hold_parties[hold] = holder != self._hold_parties[hold][0], (holder, notary, to)
        if moved:
            self._held[lost, hold[1]] -= self._holds[hold]
            self._held[successor, hold[1]] += self._holds[hold]

    def _entry(self, event: EventRecord) -> TapeEntry:
        arguments = event.arguments
        legs = tuple(
            TapeLeg(
                self._assets.get(leg["token"], leg["token"]),
                self._parties.get(leg["from"], leg["from"]),
                self._parties.get(leg["to"], leg["to"]),
                int(leg["amount"]),
            )
            for leg in arguments["legs"]
        )
        plan = arguments["planHash"]
        return TapeEntry(
            event.height,
            event.timestamp,
            arguments["instructionHash"],
            "" if int(plan, 16) == 0 else plan,
            arguments["contextHash"],
            legs,
        )

    def parties(self) -> list[str]:
        """Names of the parties with a wallet, sorted."""
        return sorted(set(self._parties.values()))

    def securities(self) -> list[str]:
        """CUSIPs with a token, sorted."""
        return sorted(asset for asset in self._assets.values() if asset not in self.decimals)

    def addresses(self, party: str) -> tuple[str, ...]:
        """Wallets of a party as 0x-text, first registered first."""
        return tuple(address for address, name in self._parties.items() if name == party)

    def wallet(self, party: str, addresses: tuple[str, ...] | None = None) -> Wallet:
        """What a party holds over all its wallets, or in some of them; unknown parties hold nothing."""
        wallet = Wallet(party, self.addresses(party) if addresses is None else addresses)
        for address in wallet.addresses:
            for token, amount in self._balances.get(address, {}).items():
                asset = self._assets.get(token)
                if asset == self._currency:
                    wallet.cash += amount
                elif asset in self.decimals:
                    _add(wallet.currencies, asset, amount)
                elif asset is not None and amount:
                    wallet.positions[asset] = wallet.positions.get(asset, 0) + amount
                    frozen, held = self._frozen.get((address, token), 0), self._held.get((address, token), 0)
                    _add(wallet.frozen, asset, frozen)
                    _add(wallet.held, asset, held)
                    _add(wallet.blocked, asset, min(amount, frozen + held))
        wallet.positions = dict(sorted(wallet.positions.items()))
        wallet.currencies = dict(sorted(wallet.currencies.items()))
        lost = [one for one in self._successors if self._current(one) in wallet.addresses]
        wallet.pledged = self._by_asset(self.custody.pledged((*wallet.addresses, *lost)))
        wallet.collateral = self._by_asset(self.custody.collateral(wallet.addresses))
        return wallet

    def settling_wallet(self, party: str) -> Wallet:
        """What a party holds in its first wallet, from which its instructions settle."""
        return self.wallet(party, self.addresses(party)[:1])

    def holders(self, asset: str) -> dict[str, int]:
        """Wallet (0x-text) -> units of every wallet that holds the asset or ever did, by wallet."""
        tokens = {token for token, name in self._assets.items() if name == asset}
        found = {
            address: sum(units for token, units in amounts.items() if token in tokens)
            for address, amounts in self._balances.items()
            if address != ZERO and not tokens.isdisjoint(amounts)
        }
        return dict(sorted(found.items()))

    def _by_asset(self, amounts: Mapping[str, int]) -> dict[str, int]:
        return dict(sorted((self.asset_of(token), units) for token, units in amounts.items()))

    def asset_of(self, token: str) -> str:
        """CUSIP or currency of a token (0x-text); the address itself if it is not registered."""
        return self._assets.get(token, token)

    def party_of(self, address: str) -> str:
        """Name of the party a wallet (0x-text) belongs to, or did until another took its place; else the address."""
        return self._parties.get(self._current(address), address)

    def _current(self, wallet: str) -> str:
        """The wallet that stands for another since it was recovered, or itself."""
        while wallet in self._successors:
            wallet = self._successors[wallet]
        return wallet

    def options(self) -> dict[bytes, OptionState]:
        """Id -> every option ever written, in order."""
        return self._options.states(self.party_of)

    def options_of(self, wallet: str) -> list[bytes]:
        """Ids of the live options that a wallet (0x-text) wrote or holds."""
        return self._options.of(wallet)

    def option(self, option_id: bytes) -> OptionState | None:
        """An option by its id; None if it was never written."""
        return self._options.state(option_id, self.party_of)

    def holds_of(self, token: str, wallet: str) -> list[bytes]:
        """Ids of pending holds in a token (0x-text) of which a wallet is holder, notary or recipient, oldest first."""
        return [
            bytes.fromhex(name[2:])
            for (name, where), units in self._holds.items()
            if where == token and units and wallet in self._hold_parties[name, where]
        ]

    def tokens(self) -> dict[str, str]:
        """Registered tokens (0x-text) -> asset."""
        return dict(self._assets)

    def balances(self, token: str) -> dict[str, int]:
        """Everyone who ever held a token (0x-text) -> base units; the zero address has minus the supply."""
        return {who: held[token] for who, held in self._balances.items() if token in held}

    def blocked(self, token: str, holder: str) -> tuple[int, int]:
        """Frozen and held base units of a wallet, as told by events; they may exceed its balance."""
        return self._frozen.get((holder, token), 0), self._held.get((holder, token), 0)

    def name(self, address: str) -> str:
        """The party or asset at an address (0x-text), else the address."""
        return self._assets.get(address) or self.party_of(address)

    def supply(self) -> Iterator[tuple[str, int]]:
        """(asset, units in circulation) of every registered asset, by asset."""
        for token, asset in sorted(self._assets.items(), key=lambda item: item[1]):
            yield asset, -self._balances.get(ZERO, {}).get(token, 0)


def _add(amounts: dict[str, int], asset: str, amount: int) -> None:
    if amount:
        amounts[asset] = amounts.get(asset, 0) + amount


def _text(word: str) -> str:
    """The text of a 32-byte identifier; the word itself if it is not ASCII."""
    try:
        return text32(bytes.fromhex(word[2:]))
    except UnicodeDecodeError:
        return word
