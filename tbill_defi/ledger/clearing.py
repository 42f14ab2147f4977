"""A central counterparty on the ledger: novates affirmed trades, nets them, settles the nets.

Each CCP is a party with a key of its own and one ClearingHouse contract, whose address follows from it. What members
owe and are owed is folded from that contract's events; it is per settlement date, security and currency, and sums to
zero.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from tbill_defi.chain.executor import DEPLOYMENT_PROXY, create2_address
from tbill_defi.chain.types import CallReverted
from tbill_defi.core.errors import LedgerError, UsageError
from tbill_defi.core.hashing import keccak256
from tbill_defi.ledger.abi import encode_call, encode_creation
from tbill_defi.ledger.deployment import SALT, Contracts, Step
from tbill_defi.ledger.instructions import required_token
from tbill_defi.ledger.ledger import OPERATOR, Ledger
from tbill_defi.ledger.settlement import MAX_LEGS
from tbill_defi.ledger.trade_terms import NOBODY, TradeStatus
from tbill_defi.ledger.trades import Trades, operator_steps

CONTRACT = "ClearingHouse"
EVENTS = ("Novated", "NetSettled")


@dataclass(frozen=True, slots=True, order=True)
class NetKey:
    """What is netted together: settlement date (Unix time of its start), CUSIP, currency, member."""

    opens: int
    asset: str
    currency: str
    member: str


@dataclass(frozen=True, slots=True)
class Obligation:
    """What a member is owed (positive) or owes (negative), base units of the security and of the cash."""

    face: int
    cash: int


@dataclass(frozen=True, slots=True)
class NetLine:
    """How much face of an obligation settles now; its cash goes along, pro rata."""

    key: NetKey
    face: int


@dataclass(frozen=True, slots=True)
class NetMove:
    """A line that has settled: Unix time, and what the member received (positive) or gave."""

    at: int
    key: NetKey
    face: int
    cash: int


def house_code(places: Contracts, ccp: bytes) -> bytes:
    """Creation code of the clearing house of a CCP's wallet."""
    return encode_creation(CONTRACT, places.settlement, places.trade_book, ccp)


def house_address(places: Contracts, ccp: bytes) -> bytes:
    """Where the clearing house of a CCP's wallet is, or will be."""
    return create2_address(SALT, keccak256(house_code(places, ccp)))


def _is_there(ledger: Ledger, address: bytes) -> bool:
    try:
        return len(ledger.chain.call(address, encode_call(CONTRACT, "ccp"))) == 32
    except CallReverted:
        return False


def open_clearing(ledger: Ledger, ccp: str) -> Clearing:
    """Deploy a party's clearing house, if it is not there, and name it as the party's operator."""
    places, wallet = ledger.contracts, ledger.address_of(ccp)
    address = house_address(places, wallet)
    if not _is_there(ledger, address):
        ledger.send([Step(OPERATOR, DEPLOYMENT_PROXY, SALT + house_code(places, wallet))])
    ledger.send(operator_steps(ledger, [ccp], [address]))
    return Clearing(ledger, ccp)


class Clearing:
    """The clearing house of a CCP.

    Raises
    ------
    LedgerError
        If the party has none (code "NoClearingHouse").
    """

    def __init__(self, ledger: Ledger, ccp: str) -> None:
        self._ledger = ledger
        self.ccp = ccp
        self.address = house_address(ledger.contracts, ledger.address_of(ccp))
        if not _is_there(ledger, self.address):
            raise LedgerError(f"{ccp} has no clearing house; `tbill net open {ccp}` makes one", "NoClearingHouse")
        self.trades = Trades(ledger)

    # --- reading ------------------------------------------------------------------------------------------------

    def obligations(self) -> dict[NetKey, Obligation]:
        """Everything that is owed, by date, CUSIP, currency and member; what has settled is gone from it."""
        owed: dict[NetKey, list[int]] = defaultdict(lambda: [0, 0])
        for sign, key, face, cash in self._changes():
            owed[key][0] += sign * face
            owed[key][1] += sign * cash
        return {key: Obligation(*both) for key, both in sorted(owed.items()) if any(both)}

    def _changes(self) -> Iterable[tuple[int, NetKey, int, int]]:
        """(+1, key, face, cash) for each side of a novated trade, (-1, ...) for each line that has settled."""
        books = self._ledger.books()
        for event in self._ledger.chain.events(names=EVENTS, addresses=(self.address,)):
            found = event.arguments
            what = (int(found["opens"]), books.asset_of(found["asset"]), books.asset_of(found["cash"]))
            if event.name == "Novated":
                face, cash = int(found["face"]), int(found["proceeds"])
                yield 1, NetKey(*what, books.party_of(found["seller"])), -face, cash
                yield 1, NetKey(*what, books.party_of(found["buyer"])), face, -cash
            else:
                key = NetKey(*what, books.party_of(found["member"]))
                yield -1, key, int(found["faceMoved"]), int(found["cashMoved"])

    def moves(self) -> list[NetMove]:
        """Every line that has settled, in order."""
        books, moves = self._ledger.books(), []
        for event in self._ledger.chain.events(names=("NetSettled",), addresses=(self.address,)):
            found = event.arguments
            key = NetKey(
                int(found["opens"]),
                books.asset_of(found["asset"]),
                books.asset_of(found["cash"]),
                books.party_of(found["member"]),
            )
            moves.append(NetMove(event.timestamp, key, int(found["faceMoved"]), int(found["cashMoved"])))
        return moves

    @property
    def market_date(self) -> date:
        """New York date of the ledger's time."""
        return self._ledger.market_date

    def decimals(self, currency: str) -> int:
        """Decimals of a currency."""
        return self._ledger.books().decimals[currency]

    # --- acting -------------------------------------------------------------------------------------------------

    def novate(self, trade_ids: Sequence[bytes] | None = None) -> list[bytes]:
        """Take over open trades that name this clearing house; all of them between members unless some are named.

        Anyone can agree a trade that names it: one between others stays open, and holds nobody up.

        Raises
        ------
        LedgerError
            "NothingOpen" if there is none, "NotClearer", "TradeNotOpen", "NotMember" of one that is named.
        """
        if trade_ids is None:
            mine = [s for s in self.trades.all() if s.terms.clearer == self.address and s.status is TradeStatus.OPEN]
            members = self._members({party for s in mine for party in (s.terms.seller, s.terms.buyer)})
            chosen = [s for s in mine if {s.terms.seller, s.terms.buyer} <= members]
        else:
            chosen = [self.trades.state(trade_id) for trade_id in trade_ids]
        if not chosen:
            raise LedgerError(
                f"net: no open trade between members names the clearing house of {self.ccp}", "NothingOpen"
            )
        steps = [
            Step(
                self.ccp,
                self.address,
                encode_call(CONTRACT, "novate", [s.terms.abi_value() for s in chosen[k : k + 32]]),
            )
            for k in range(0, len(chosen), 32)
        ]
        self._ledger.send(steps)
        return [state.trade_id for state in chosen]

    def _members(self, wallets: Iterable[bytes]) -> set[bytes]:
        """Those that have named this clearing house as their operator; the CCP is none."""
        place, ccp = self._ledger.contracts.settlement, self._ledger.address_of(self.ccp)
        others = (wallet for wallet in wallets if wallet != ccp)
        return {one for one in others if self._ledger.call("Settlement", place, "isOperator", one, self.address)}

    def settle(self, lines: Sequence[NetLine]) -> None:
        """Settle lines of one settlement date and currency in one instruction, all or none; signed by the CCP.

        Raises
        ------
        UsageError
            If they are of several dates or currencies, or there is none.
        LedgerError
            "NetTooEarly", "NotOwed", "NothingOwed", "NotCounterparty", or what the tokens refuse.
        """
        self._ledger.send([self.step(lines)])

    def step(self, lines: Sequence[NetLine]) -> Step:
        """The transaction of `settle`."""
        days = {(line.key.opens, line.key.currency) for line in lines}
        if len(days) != 1:
            raise UsageError(f"net: lines are of {len(days)} dates and currencies; settle one at a time")
        ((opens, currency),) = days
        rows = sorted(
            (self._ledger.address_of(line.key.member), required_token(self._ledger, line.key.asset), line.face)
            for line in lines
        )
        cash = required_token(self._ledger, currency)
        return Step(self.ccp, self.address, encode_call(CONTRACT, "settle", opens, cash, rows))

    def settle_due(self, *, failing: Iterable[str] = ()) -> list[NetLine]:
        """Settle what is due by the ledger's time: whole securities in as few instructions as 64 legs allow.

        Parameters
        ----------
        failing
            Members that give nothing now. What they do not deliver is shared among its receivers pro rata, whole units
            down; what they do not pay for is not delivered to them.

        Returns
        -------
        list
            What settled. A security that is paused waits, and holds no other up.
        """
        now, done, out = self._ledger.chain.now(), [], set(failing)
        due = {key: owed for key, owed in self.obligations().items() if key.opens <= now}
        paused = {asset for asset in {key.asset for key in due} if self._is_paused(asset)}
        due = {key: owed for key, owed in due.items() if key.asset not in paused}
        for opens, currency in sorted({(key.opens, key.currency) for key in due}):
            groups: dict[str, list[NetLine]] = defaultdict(list)
            for line in plan_lines({k: o for k, o in due.items() if (k.opens, k.currency) == (opens, currency)}, out):
                groups[line.key.asset].append(line)
            for batch in pack(list(groups.values())):
                self.settle(batch)
                done += batch
        return done

    def _is_paused(self, asset: str) -> bool:
        ledger = self._ledger
        found: bool = ledger.call("AssetRegistry", ledger.contracts.asset_registry, "isPaused", ledger.token_of(asset))
        return found


def clearing_houses(ledger: Ledger) -> list[Clearing]:
    """Every clearing house that a trade of the ledger names and a CCP has opened, by CCP."""
    named = {state.terms.clearer for state in Trades(ledger).all()} - {NOBODY}
    books = ledger.books()
    ccps = {books.party_of("0x" + _ccp_of(ledger, place).hex()) for place in named if _is_there(ledger, place)}
    houses = {ccp: house_address(ledger.contracts, ledger.address_of(ccp)) for ccp in ccps}
    return [Clearing(ledger, ccp) for ccp in sorted(ccps) if houses[ccp] in named]


def _ccp_of(ledger: Ledger, house: bytes) -> bytes:
    found: bytes = ledger.call(CONTRACT, house, "ccp")
    return found


def plan_lines(owed: dict[NetKey, Obligation], failing: Iterable[str] = ()) -> list[NetLine]:
    """Lines that settle what can be: whole obligations, or what the others deliver where a member fails.

    In a security in which nobody fails every obligation settles whole. Else those who do not fail settle among each
    other: the side that gives or takes less whole, the other its share of that, in proportion to what it owes or is
    owed. Shares of deliveries are rounded up and of receipts down, so that the CCP never lacks a unit. Differences of
    prices alone wait.
    """
    out, lines = set(failing), []
    by_asset: dict[str, dict[NetKey, Obligation]] = defaultdict(dict)
    for key, obligation in owed.items():
        by_asset[key.asset][key] = obligation
    for asset in sorted(by_asset):
        part = by_asset[asset]
        if not any(key.member in out for key in part):
            lines += [NetLine(key, abs(obligation.face)) for key, obligation in sorted(part.items())]
            continue
        sound = {key: obligation.face for key, obligation in sorted(part.items()) if key.member not in out}
        given, wanted = -sum(f for f in sound.values() if f < 0), sum(f for f in sound.values() if f > 0)
        for key, face in sound.items():
            # deliverers bring no more than receivers take, receivers take no more than deliverers bring
            whole, other = (given, wanted) if face < 0 else (wanted, given)
            exact = abs(face) * min(whole, other)
            share = -(-exact // whole) if face < 0 else exact // whole
            if share:
                lines.append(NetLine(key, share))
    return lines


def pack(groups: Sequence[Sequence[NetLine]], most: int = MAX_LEGS) -> list[list[NetLine]]:
    """Whole securities together while their legs fit: a line has one, and each member one payment.

    Raises
    ------
    UsageError
        If one security alone needs more.
    """
    batches: list[list[NetLine]] = []
    for group in groups:
        if _legs(group) > most:
            raise UsageError(
                f"net: {group[0].key.asset} alone needs {_legs(group)} legs, at most {most} settle together; "
                "settle some of its lines at a time"
            )
        if batches and _legs([*batches[-1], *group]) <= most:
            batches[-1] += group
        else:
            batches.append([*group])
    return batches


def _legs(lines: Sequence[NetLine]) -> int:
    return sum(1 for line in lines if line.face) + len({line.key.member for line in lines})
