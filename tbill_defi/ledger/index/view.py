"""Questions to the books: positions, lots, journal; now, or as of a block or a date."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from sqlalchemy import Select, bindparam, func, select

from tbill_defi.core.clock import market_date, new_york_midnight
from tbill_defi.core.errors import ConventionError, LedgerError, UsageError
from tbill_defi.instruments import AnySecurity, Frn, Tips, read_security, terms_hash
from tbill_defi.ledger.coupons import NO_FIXINGS, Fixings
from tbill_defi.ledger.index import schema
from tbill_defi.ledger.index.accrued import Accrued, PerFace, accrued_units, per_face
from tbill_defi.ledger.index.effects import is_currency
from tbill_defi.ledger.index.lots import FIFO, METHODS, SPECIFIC
from tbill_defi.ledger.index.store import Store

Calendar = Callable[[date], date]

_POSTINGS, _TRADES = schema.postings, schema.trades
_STATE, _CUSTODY, _REPOS, _REQUESTS, _ASSETS = map(
    select, (schema.state, schema.custody, schema.repos, schema.requests, schema.assets)
)
_OWNERS = select(schema.owners).where(schema.owners.c.height <= bindparam("height")).order_by(schema.owners.c.height)
_BALANCE_AT = (
    select(_POSTINGS.c.balance)
    .where(
        _POSTINGS.c.account_id == bindparam("account_id"),
        _POSTINGS.c.asset_id == bindparam("asset_id"),
        _POSTINGS.c.line <= bindparam("line"),
    )
    .order_by(_POSTINGS.c.line.desc())
    .limit(1)
)
"""The balance an account had after its last posting up to a moment."""
_HELD = (
    select(_TRADES.c.held)
    .where(
        _TRADES.c.party == bindparam("party"),
        _TRADES.c.asset == bindparam("asset"),
        _TRADES.c.entry <= bindparam("entry"),
    )
    .order_by(_TRADES.c.trade.desc())
    .limit(1)
)
"""What a party had of a security after its last trade up to a moment; of a currency nothing."""


@dataclass(frozen=True, slots=True)
class Point:
    """A moment of the books: up to which block, entry and posting."""

    height: int
    timestamp: int
    entry: int
    line: int
    latest: bool


@dataclass(frozen=True, slots=True)
class Position:
    """What a party has of an asset, base units: in its wallets, and given: as collateral, or to be redeemed early."""

    party: str
    asset: str
    units: int
    pledged: int


@dataclass(frozen=True, slots=True)
class OpenLot:
    """What is left of a lot, base units; `cost` is dirty, `basis` says where it comes from."""

    party: str
    asset: str
    lot: int
    opened: int
    """Unix time."""
    height: int
    units: int
    cost: int
    remaining: int
    remaining_cost: int
    currency: str
    basis: str


@dataclass(frozen=True, slots=True)
class Posting:
    """A debit (+) or credit (-) of an entry: account by party name or 0x-text, base units."""

    entry: int
    height: int
    timestamp: int
    kind: str
    reference: str
    transaction_hash: str
    address: str
    party: str
    asset: str
    amount: int
    balance: int
    accrued: int | None
    """Interest accrued on units of a security that moved, bought (+) and sold (-); None: not known."""
    inflation: int | None
    """What the index had added to their principal."""


REDEMPTION = "redemption"
"""Kind of an entry that pays principal alone: interest to its date is a coupon."""
_ACCRUED = "accrued", "inflation"
_STORED = [name for name in Posting.__slots__ if name not in ("party", *_ACCRUED)]


class BooksView:
    """Reads books; every question can be asked of the past.

    `payable` gives the day on which a payment of a date is made: the next good settlement day, whose calendar is not
    the ledger's to know; without it, the date itself. `fixings` gives the published figures that linked securities
    follow; it is asked when one of them is there.
    """

    def __init__(
        self, store: Store, payable: Calendar | None = None, fixings: Callable[[], Fixings] = lambda: NO_FIXINGS
    ) -> None:
        self.store = store
        self.payable: Calendar = payable or (lambda day: day)
        self._fixings = fixings
        self._per_face: dict[tuple[str, date], PerFace | None] = {}
        self._terms: dict[str, AnySecurity] = {}

    # --- moments ------------------------------------------------------------------------------------------------

    def point(self, at: int | date | None = None) -> Point:
        """The end of a block, or of a New York day; None: where the books end.

        Raises
        ------
        LedgerError
            If the books do not reach so far (code "BooksBehind").
        """
        state = self.store.one(_STATE)
        if state is None:
            raise LedgerError(f"books: {self.store.url} are empty; `tbill books index` reads the ledger", "NotFound")
        marks = schema.marks
        query = select(marks).order_by(marks.c.height.desc()).limit(1)
        if isinstance(at, date):
            query = query.where(marks.c.timestamp < new_york_midnight(at + timedelta(days=1)))
        elif at is not None:
            if at < 0:
                raise UsageError(f"at: {at} is not a height")
            if at > state["height"]:
                raise LedgerError(
                    f"books: they end at block {state['height']}, block {at} is not in them; `tbill books index`",
                    "BooksBehind",
                )
            query = query.where(marks.c.height <= at)
        row = self.store.one(query)
        if row is None:
            return Point(0, 0, 0, 0, False)
        height = at if isinstance(at, int) else state["height"] if at is None else row["height"]
        return Point(height, row["timestamp"], row["entry"], row["line"], at is None)

    def parties(self, point: Point) -> dict[str, str]:
        """Wallet -> party at a moment."""
        return {row["address"]: row["party"] for row in self.store.rows(_OWNERS, {"height": point.height})}

    def require_party(self, name: str, point: Point) -> None:
        """That a party has, or had, a wallet.

        Raises
        ------
        UsageError
            If it never had one.
        """
        known = {row["party"] for row in self.store.rows(_OWNERS, {"height": point.height})}
        if name not in known:
            raise UsageError(f"party: the books know no {name!r}; known: {', '.join(sorted(known)) or 'none'}")

    def terms(self, asset: str) -> AnySecurity | None:
        """Terms of a security, if the books have them: those that its token was made with.

        Raises
        ------
        LedgerError
            If they are others (code "BooksDamaged").
        """
        if asset not in self._terms:
            row = self.store.one(select(schema.terms).where(schema.terms.c.asset == asset))
            if row is None:
                return None
            made = self.store.one(select(schema.assets).where(schema.assets.c.asset == asset))
            found = None
            with suppress(ConventionError):
                found = read_security(row["terms"])
            if found is None or made is None or "0x" + terms_hash(found).hex() != made["terms_hash"]:
                raise self.store.damaged(f"terms of {asset} are not those that its token was made with")
            self._terms[asset] = found
        return self._terms[asset]

    def accrued(self, asset: str, units: int, day: date, *, principal_only: bool = False) -> Accrued | None:
        """What has accrued on units of a security at a date; None: its terms or what it follows are not known.

        Parameters
        ----------
        principal_only
            Of what was redeemed: its interest was paid apart.
        """
        key = asset, day
        if key not in self._per_face:
            security = self.terms(asset)
            if security is None:
                return None
            fixings = self._fixings() if isinstance(security, Frn | Tips) else NO_FIXINGS
            self._per_face[key] = per_face(security, day, fixings)
        each = self._per_face[key]
        return None if each is None else accrued_units(each, units, principal_only=principal_only)

    # --- positions ----------------------------------------------------------------------------------------------

    def positions(self, party: str | None = None, at: int | date | None = None) -> list[Position]:
        """Positions by party and asset, of all or of one, currencies included; nothing of the contracts' own."""
        found: dict[tuple[str, str], list[int]] = {}
        with self.store.reading() as connection:
            point = self.point(at)
            wallets = {wallet: who for wallet, who in self.parties(point).items() if party in (None, who)}
            for address, asset, balance in self.balances(point, list(wallets)):
                found.setdefault((wallets[address], asset), [0, 0])[0] += balance
            for owner, asset in self._in_custody(wallets):
                found.setdefault((owner, asset), [0, 0])
            for (owner, asset), there in found.items():
                asked = {"party": owner, "asset": asset, "entry": point.entry}
                there[1] = (connection.execute(_HELD, asked).scalar() or there[0]) - there[0]
        rows = (Position(*key, *units) for key, units in found.items() if any(units))
        return sorted(rows, key=lambda row: (row.party, row.asset))

    def _in_custody(self, wallets: Mapping[str, str]) -> set[tuple[str, str]]:
        """(party, security) of whatever is or ever was kept in custody for these wallets."""
        rows = self.store.rows(_CUSTODY)
        if not rows:
            return set()
        mine = self.beneficiaries()
        assets = {row["token"]: row["asset"] for row in self.store.rows(_ASSETS)}
        kept = ((mine.get(row["account"], "0x" + row["account"][26:]), assets[row["token"]]) for row in rows)
        return {(wallets[wallet], asset) for wallet, asset in kept if wallet in wallets}

    def beneficiaries(self) -> dict[str, str]:
        """Account in custody that is no wallet's -> whose it is: a repo's borrower, who asked for early redemption."""
        borrowers = {row["repo_id"]: row["borrower"] for row in self.store.rows(_REPOS)}
        return borrowers | {row["request_id"]: row["holder"] for row in self.store.rows(_REQUESTS)}

    def balances(self, point: Point, addresses: Sequence[str] | None = None) -> Iterable[tuple[str, str, int]]:
        """(account, asset, balance) of accounts (0x-text) at a moment; of all of them if None."""
        positions, accounts, assets = schema.positions, schema.accounts, schema.assets
        query = select(accounts.c.address, assets.c.asset, positions).join(
            accounts, accounts.c.account_id == positions.c.account_id
        )
        query = query.join(assets, assets.c.asset_id == positions.c.asset_id)
        if addresses is not None:
            query = query.where(accounts.c.address.in_(addresses))
        with self.store.reading() as connection:
            for row in connection.execute(query).mappings().all():
                balance = row["balance"]
                if not point.latest:
                    asked = {"account_id": row["account_id"], "asset_id": row["asset_id"], "line": point.line}
                    balance = connection.execute(_BALANCE_AT, asked).scalar() or 0
                yield row["address"], row["asset"], balance

    # --- lots ---------------------------------------------------------------------------------------------------

    def lots(
        self, party: str, asset: str | None = None, *, method: str = FIFO, at: int | date | None = None
    ) -> list[OpenLot]:
        """Open lots of a party, oldest first.

        Parameters
        ----------
        method
            "fifo", or "specific": as identified, and first in first out where nothing was.

        Raises
        ------
        UsageError
            If there is no such method, or the books know no such security.
        """
        if method not in METHODS:
            raise UsageError(f"method: {method!r} is not one of {', '.join(METHODS)}")
        if asset is not None and self.store.one(select(schema.assets).where(schema.assets.c.asset == asset)) is None:
            raise UsageError(f"cusip: the books know no {asset!r}; `tbill books positions` shows what they have")
        point = self.point(at)
        identified = self.identified() if method == SPECIFIC else set()
        lots, entries, closures = schema.lots, schema.entries, schema.closures
        query = select(lots, entries.c.height, entries.c.timestamp).join(entries, entries.c.entry == lots.c.entry)
        query = query.where(lots.c.party == party, lots.c.entry <= point.entry).order_by(lots.c.asset, lots.c.lot)
        gone = select(closures.c.method, closures.c.lot, func.sum(closures.c.units), func.sum(closures.c.cost))
        gone = gone.where(closures.c.party == party, closures.c.entry <= point.entry)
        gone = gone.group_by(closures.c.method, closures.c.lot)
        if asset is not None:
            query = query.where(lots.c.asset == asset)
        if point.latest:
            query = query.where(lots.c.remaining != 0)
            closed = {}
        else:
            with self.store.reading() as connection:
                closed = {(row[0], row[1]): (int(row[2]), int(row[3])) for row in connection.execute(gone)}
        found = []
        for row in self.store.rows(query):
            mine = SPECIFIC if (party, row["asset"]) in identified else FIFO
            if row["method"] != mine:
                continue
            left, cost = row["remaining"], row["remaining_cost"]
            if not point.latest:
                units, spent = closed.get((mine, row["lot"]), (0, 0))
                left, cost = row["units"] - units, row["cost"] - spent
            if left:
                found.append(
                    OpenLot(
                        party=party,
                        asset=row["asset"],
                        lot=row["lot"],
                        opened=row["timestamp"],
                        height=row["height"],
                        units=row["units"],
                        cost=row["cost"],
                        remaining=left,
                        remaining_cost=cost,
                        currency=row["currency"],
                        basis=row["basis"],
                    )
                )
        return found

    def identified(self) -> set[tuple[str, str]]:
        """(party, security) whose disposals were identified."""
        lots = schema.lots
        query = select(lots.c.party, lots.c.asset).where(lots.c.method == SPECIFIC).distinct()
        return {(row["party"], row["asset"]) for row in self.store.rows(query)}

    # --- journal ------------------------------------------------------------------------------------------------

    def journal(self, party: str | None = None, *, first: int = 0, at: int | date | None = None) -> list[Posting]:
        """Postings in order, from height `first`; with a party, of all entries that touch its wallets."""
        point = self.point(at)
        if first > point.height + 1:
            raise UsageError(f"from: block {first} is after block {point.height}, at which the journal ends")
        owners = self.parties(point)
        postings, entries, accounts, assets = schema.postings, schema.entries, schema.accounts, schema.assets
        query: Select[Any] = select(entries, postings, accounts.c.address, assets.c.asset).select_from(postings)
        query = query.join(entries, entries.c.entry == postings.c.entry)
        query = query.join(accounts, accounts.c.account_id == postings.c.account_id)
        query = query.join(assets, assets.c.asset_id == postings.c.asset_id)
        query = query.where(postings.c.line > self._last_line(first), postings.c.line <= point.line)
        query = query.order_by(postings.c.line)
        if party is not None:
            mine = [wallet for wallet, who in owners.items() if who == party]
            touched = select(postings.c.entry).join(accounts, accounts.c.account_id == postings.c.account_id)
            query = query.where(entries.c.entry.in_(touched.where(accounts.c.address.in_(mine))))
        return [
            Posting(
                **{name: row[name] for name in _STORED},
                **dict(zip(_ACCRUED, self._accrued_of(row), strict=True)),
                party=owners.get(row["address"], row["address"]),
            )
            for row in self.store.rows(query)
        ]

    def _last_line(self, height: int) -> int:
        """The last posting of the blocks below a height."""
        marks = schema.marks
        row = self.store.one(select(func.max(marks.c.line).label("line")).where(marks.c.height < height))
        return (row and row["line"]) or 0

    def _accrued_of(self, row: Mapping[str, Any]) -> tuple[Any, Any]:
        """Interest and inflation of a posting; of cash 0."""
        if is_currency(row["asset"]):
            return 0, 0
        day, redeemed = market_date(row["timestamp"]), row["kind"] == REDEMPTION
        return self.accrued(row["asset"], row["amount"], day, principal_only=redeemed) or (None, None)
