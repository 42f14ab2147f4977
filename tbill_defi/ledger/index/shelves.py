"""All open lots, by method, party and security, and what a trade does to them; costs of what is stripped go with it.

A trade at cost carried over ("strip", "reconstitution") realises nothing: what it takes goes at cost into the pool of
its act, what it brings comes out of it. An act may take several transactions; its pool keeps what is still to come.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from tbill_defi.core.clock import market_date
from tbill_defi.ledger.index.apportion import shares
from tbill_defi.ledger.index.effects import CARRIED, CONVERTED, NONE, UNPRICED, Trade
from tbill_defi.ledger.index.entries import Act, Known
from tbill_defi.ledger.index.lots import FIFO, Closure, Lot, Shelf


@dataclass(slots=True)
class Part:
    """Units of a security in a pool and their cost, base units."""

    units: int = 0
    cost: int = 0


@dataclass(slots=True)
class Pool:
    """What an act took and has not brought yet: in which currency, by security; `basis` of the lots to come."""

    currency: str
    basis: str = CONVERTED
    parts: dict[str, Part] = field(default_factory=dict)


class Booked(NamedTuple):
    """What a trade did: the lot it opened, or the lots it took of and the parts of them."""

    opened: Lot | None
    closed: list[tuple[Lot, Closure]]


class Shelves:
    """Open lots; `known` tells what is stripped."""

    def __init__(self, known: Known) -> None:
        self._known = known
        self._shelves: dict[tuple[str, str, str], Shelf] = defaultdict(Shelf)
        self.pools: dict[tuple[str, str, str], Pool] = {}
        """(method, act, party) -> its pool, while there is anything in it."""

    def shelf(self, method: str, party: str, asset: str) -> Shelf:
        """Open lots of a party's security."""
        return self._shelves[method, party, asset]

    def under_way(self, act_id: str, party: str) -> dict[str, int]:
        """Units by security that an act took of a party and has not brought yet."""
        pool = self.pools.get((FIFO, act_id, party))
        return {} if pool is None else {asset: part.units for asset, part in pool.parts.items()}

    def items(self) -> list[tuple[tuple[str, str, str], Shelf]]:
        """(method, party, security) and its open lots."""
        return list(self._shelves.items())

    def book(
        self,
        method: str,
        number: int,
        entry: int,
        trade: Trade,
        chosen: Mapping[int, int] | None = None,
        stage: tuple[str, int] | None = None,
    ) -> Booked:
        """Open a lot, or close lots: those that were identified (`chosen`), then the oldest.

        Parameters
        ----------
        stage
            Of a trade at cost carried over: the id of its act, and the ledger's time.

        Raises
        ------
        DataError
            If there are fewer units, or fewer in a lot that was identified.
        """
        party, asset, units, currency, cash, basis = trade
        shelf = self._shelves[method, party, asset]
        if units > 0:
            cost = -cash
            if stage is not None:
                cost, currency, basis = self._out(method, self._known.acts[stage[0]], trade)
            lot = Lot(number, entry, units, cost, currency, basis, units, cost)
            shelf.add(lot)
            return Booked(lot, [])
        closed = shelf.take(-units, None if basis in (CARRIED, CONVERTED) else cash, chosen)
        if stage is not None:
            self._into(method, self._known.acts[stage[0]], trade, closed, stage[1])
        return Booked(None, closed)

    def _into(self, method: str, act: Act, trade: Trade, closed: list[tuple[Lot, Closure]], moment: int) -> None:
        """Put what was taken into the pool: a bond as its pieces, a piece as it is."""
        lots = [lot for lot, _ in closed]
        pool = self.pools.setdefault((method, act.act_id, trade.party), Pool(lots[0].currency))
        costs = sum(closure.cost for _, closure in closed)
        if any(lot.basis in UNPRICED for lot in lots):
            pool.basis = NONE
        if any(lot.currency != pool.currency for lot in lots):
            pool.basis, costs = NONE, 0
        taken = [(trade.asset, -trade.units, costs)]
        if trade.asset == self._known.assets[act.bond]:
            taken = self._pieces(act, costs, moment)
        for asset, units, cost in taken:
            part = pool.parts.setdefault(asset, Part())
            part.units += units
            part.cost += cost

    def _pieces(self, act: Act, cost: int, moment: int) -> list[tuple[str, int, int]]:
        """(CUSIP, units, cost) of the pieces of a bond that are not paid yet."""
        known, today = self._known, market_date(moment)
        found, payments = [], []
        for piece in known.pieces[act.bond]:
            asset = known.assets[piece.token]
            maturity = known.securities[asset][1]
            if maturity > moment:
                found.append((asset, act.face * piece.numerator // piece.denominator))
                payments.append((found[-1][1], (market_date(maturity) - today).days))
        return [(*one, share) for one, share in zip(found, shares(cost, payments), strict=True)]

    def _out(self, method: str, act: Act, trade: Trade) -> tuple[int, str, str]:
        """Cost, currency and basis of what comes out of the pool: the bond has all of it, a piece its part."""
        key = method, act.act_id, trade.party
        pool = self.pools[key]
        if trade.asset == self._known.assets[act.bond]:
            cost = sum(part.cost for part in pool.parts.values())
            pool.parts.clear()
        else:
            part = pool.parts[trade.asset]
            cost = part.cost * trade.units // part.units
            part.units -= trade.units
            part.cost -= cost
            if not part.units:
                del pool.parts[trade.asset]
        if not pool.parts:
            del self.pools[key]
        return cost, pool.currency, pool.basis
