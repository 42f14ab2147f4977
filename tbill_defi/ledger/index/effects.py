"""What an entry means to each party: trades of securities against cash, and other flows of cash by their reason.

A party's securities are those in its wallets and those kept for it, by the repo facility or in the queue of early
redemptions: giving collateral is no sale, and asking to be redeemed is none yet.
In every entry, for each party and currency, the cash of its trades and its flows adds up to the change of its wallets'
cash.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import NamedTuple

from tbill_defi.ledger.books import ZERO
from tbill_defi.ledger.index.entries import Entry, Known
from tbill_defi.ledger.index.nets import Gross

Prices = Callable[[str], Mapping[str, int] | None]
"""Plan hash (0x-text) -> cash units by CUSIP that a plan's orders come to, if the plan is known."""
UnderWay = Callable[[str, str], Mapping[str, int]]
"""(act, party) -> units by CUSIP that the act took of the party and has not brought yet."""

CASH, PLAN, NETTED, NONE, CARRIED = "cash", "plan", "netted", "none", "carried"
UNALLOCATED, DECLARED, CONVERTED = "unallocated", "declared", "converted"
"""Where a trade's cash comes from: paid in the entry; the plan's orders; the trades that a CCP netted; nothing was
paid; at cost; several securities for one sum; told by its party; stripped or put together, the cost goes along."""
EARLY_REDEMPTION, STRIP, RECONSTITUTION = "early-redemption", "strip", "reconstitution"
CONVERSIONS = frozenset({STRIP, RECONSTITUTION})
"""Kinds of entries in which a party's securities become others of its own."""
ACT_TRANSFER = "act-transfer"
"""Kind of entries in which what an act of stripping has under way becomes another party's."""
UNPRICED = frozenset({NONE, CARRIED, UNALLOCATED})
"""Bases of trades for which no cash is known, so that they realise nothing."""


class Trade(NamedTuple):
    """A party's units of a security change: units and cash signed as the party sees them (bought: +units, -cash)."""

    party: str
    asset: str
    units: int
    currency: str
    cash: int
    basis: str


class Flow(NamedTuple):
    """Cash of a party that is no trade's: `account` says why, `about` of what; + is received."""

    party: str
    account: str
    about: str
    currency: str
    cash: int


def is_currency(asset: str) -> bool:
    """Whether an asset is a currency: ISO codes have three letters, CUSIPs nine characters."""
    return len(asset) == 3


class Effects:
    """Effects of entries; `contracts` (0x-text) are nobody's wallets, `prices` knows plans."""

    def __init__(
        self,
        known: Known,
        contracts: Collection[str],
        currency: str,
        under_way: UnderWay,
        prices: Prices | None = None,
    ) -> None:
        self._known = known
        self._under_way = under_way
        self._contracts = frozenset((*contracts, ZERO))
        self._currency = currency
        self._prices = prices

    def of(self, entry: Entry, balances: Mapping[tuple[str, str], int]) -> tuple[list[Trade], list[Flow]]:
        """Trades and flows of an entry, by party; `balances` are those of (wallet, token) before it."""
        if entry.kind == "reassignment":
            return self._reassigned(entry, balances)
        if entry.kind == ACT_TRANSFER:
            return self._handed_over(entry), []
        units: dict[str, dict[str, int]] = defaultdict(dict)
        cash: dict[str, dict[str, int]] = defaultdict(dict)
        known, contracts = self._known, self._contracts
        for token, source, target, amount in entry.movements:
            asset = known.assets[token]
            changes = cash if is_currency(asset) else units
            if source not in contracts:
                mine = changes[known.parties.get(source, source)]
                mine[asset] = mine.get(asset, 0) - amount
            if target not in contracts:
                mine = changes[known.parties.get(target, target)]
                mine[asset] = mine.get(asset, 0) + amount
        for account, token, change in entry.custody:
            mine = units[known.party_of(known.beneficiary(account))]
            mine[known.assets[token]] = mine.get(known.assets[token], 0) + change
        trades: list[Trade] = []
        flows: list[Flow] = []
        for party in dict.fromkeys((*units, *cash)):
            mine, paid = units.get(party, {}), cash.get(party, {})
            if entry.facts:
                self._explained(entry, party, mine, paid, trades, flows)
            self._party(entry, party, _changed(mine), _changed(paid), trades, flows)
        return trades, flows

    def _explained(
        self,
        entry: Entry,
        party: str,
        units: dict[str, int],
        cash: dict[str, int],
        trades: list[Trade],
        flows: list[Flow],
    ) -> None:
        """Book what an entry's facts tell of a party, and leave the rest in its changes."""
        for flow in self._claims(entry, party):
            flows.append(flow)
            cash[flow.currency] = cash.get(flow.currency, 0) - flow.cash
        for done in self._netted(entry, party):
            if isinstance(done, Flow):
                flows.append(done)
            else:
                trades.append(done)
                units[done.asset] = units.get(done.asset, 0) - done.units
            cash[done.currency] = cash.get(done.currency, 0) - done.cash

    def _party(
        self,
        entry: Entry,
        party: str,
        units: Mapping[str, int],
        rest: Mapping[str, int],
        trades: list[Trade],
        flows: list[Flow],
    ) -> None:
        """Share what a party paid or got, claims apart, out to its securities; the rest is a flow."""
        if entry.kind in CONVERSIONS:
            for asset, change in sorted(units.items(), key=lambda item: item[1] > 0):  # what goes, before what comes
                trades.append(Trade(party, asset, change, self._currency, 0, CONVERTED))
            return
        if len(units) == 1 and len(rest) == 1:
            ((asset, change),), ((currency, paid),) = units.items(), rest.items()
            if (change > 0) != (paid > 0):
                trades.append(Trade(party, asset, change, currency, paid, CASH))
                return
        priced = self._planned(entry, units, rest)
        for asset, change in units.items():
            if priced is not None:
                trades.append(Trade(party, asset, change, self._currency, priced[asset], PLAN))
            elif rest:
                trades.append(Trade(party, asset, change, self._currency, 0, UNALLOCATED))
            else:
                trades.append(Trade(party, asset, change, self._currency, 0, NONE if change > 0 else CARRIED))
        if priced is None:
            account = UNALLOCATED if units else _ACCOUNTS.get(entry.kind, entry.kind)
            about = str(entry.facts.get("asset", entry.reference))
            flows += [Flow(party, account, about, currency, paid) for currency, paid in rest.items()]

    def _netted(self, entry: Entry, party: str) -> Iterator[Trade | Flow]:
        """What a CCP netted, gross: each security bought, then sold; of a currency what was received and given."""
        known = self._known
        sums: dict[tuple[str, str], Gross] = defaultdict(Gross)
        for key, part in entry.facts.get("nets", ()):
            about = known.assets[key.token], known.assets[key.cash]
            if known.party_of(key.member) == party:
                sums[about].add(part)
            if known.party_of(key.ccp) == party:
                sums[about].add(Gross(part.sold, part.received, part.bought, part.paid))
        for (asset, currency), gross in sums.items():
            if is_currency(asset):
                for what, cash in ((asset, gross.bought - gross.sold), (currency, gross.received - gross.paid)):
                    if cash:
                        yield Flow(party, entry.kind, entry.reference, what, cash)
                continue
            if gross.bought:
                yield Trade(party, asset, gross.bought, currency, -gross.paid, NETTED)
            if gross.sold:
                yield Trade(party, asset, -gross.sold, currency, gross.received, NETTED)

    def _planned(self, entry: Entry, units: Mapping[str, int], cash: Mapping[str, int]) -> dict[str, int] | None:
        """Cash by security of a plan's orders, if it is known and comes to what was paid."""
        if self._prices is None or not entry.plan_hash or len(units) < 2 or cash.keys() - {self._currency}:
            return None
        orders = self._prices(entry.plan_hash)
        if orders is None or orders.keys() != units.keys():
            return None
        signed = {asset: -orders[asset] if change > 0 else orders[asset] for asset, change in units.items()}
        return signed if sum(signed.values()) == cash.get(self._currency, 0) else None

    def _claims(self, entry: Entry, party: str) -> Iterable[Flow]:
        """Debts and claims that arise or end in an entry, of which its movements tell only the sum or nothing."""
        known, facts, kind = self._known, entry.facts, entry.kind

        def is_of(wallet: str) -> bool:
            return known.party_of(wallet) == party

        if kind.startswith("repo-") and "principal" in facts:
            repo = known.repos[entry.reference]
            sign = is_of(repo.lender) - is_of(repo.borrower)
            sign = -sign if kind == "repo-open" else sign
            for account, amount in (("repo", facts["principal"]), ("repo-interest", facts.get("interest", 0))):
                if sign * amount:
                    yield Flow(party, account, entry.reference, self._currency, sign * amount)
        elif kind == "redemption" and facts["blocked"] and is_of(facts["holder"]):
            yield Flow(party, "blocked", entry.reference, self._currency, -facts["blocked"])
        elif kind == "option-exercise" and "writer" in facts and is_of(facts["writer"]):
            yield Flow(party, "escrow", entry.reference, self._currency, facts["payment"])

    def _handed_over(self, entry: Entry) -> list[Trade]:
        """What an act has under way goes from one party to another: out of it at cost, and into it, at no known cost.

        Each disposal is of the trade before it.
        """
        before, after = entry.facts["before"], self._known.party_of(entry.facts["wallet"])
        if before == after:
            return []
        units = sorted(self._under_way(entry.reference, before).items())

        def both(party: str, came: str, went: str) -> Iterator[Trade]:
            for asset, part in units:
                yield Trade(party, asset, part, self._currency, 0, came)
                yield Trade(party, asset, -part, self._currency, 0, went)

        return [*both(before, CONVERTED, CARRIED), *both(after, NONE, CONVERTED)]

    def _reassigned(self, entry: Entry, balances: Mapping[tuple[str, str], int]) -> tuple[list[Trade], list[Flow]]:
        """A wallet goes from one party to another with what is in it, its collateral, and its repos and options."""
        wallet, before = entry.facts["wallet"], entry.facts["before"]
        after = self._known.party_of(wallet)
        found: dict[str, int] = defaultdict(int)
        for token, asset in self._known.assets.items():
            found[asset] += balances.get((wallet, token), 0)
        for asset, units in entry.facts["kept"]:
            found[asset] += units
        trades, flows = [], []
        for asset, units in found.items():
            if units and is_currency(asset):
                flows.append(Flow(before, entry.kind, wallet, asset, -units))
                flows.append(Flow(after, entry.kind, wallet, asset, units))
            elif units:
                trades.append(Trade(before, asset, -units, self._currency, 0, CARRIED))
                trades.append(Trade(after, asset, units, self._currency, 0, NONE))
        for account, about, owed in entry.facts["claims"]:
            for party, part in ((before, owed), (after, -owed)):
                flows.append(Flow(party, account, about, self._currency, part))
                flows.append(Flow(party, entry.kind, about, self._currency, -part))
        return trades, flows


def _changed(changes: dict[str, int]) -> dict[str, int]:
    """Changes without those that came to nothing."""
    return {name: change for name, change in changes.items() if change} if 0 in changes.values() else changes


_ACCOUNTS = {
    "settlement": "payment",
    "option-premium": "premium",
    "option-escrow": "escrow",
    "blocked-release": "blocked",
    "hold-execution": "transfer",
    "delivery": "transfer",
}
"""Kind of an entry -> account of its cash where it differs from the kind."""
