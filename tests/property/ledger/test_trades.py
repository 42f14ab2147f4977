"""Random trades against a plain model on the embedded machine: what settles, in which parts, and what is refused."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date, timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tbill_defi.core.clock import new_york_midnight
from tbill_defi.core.errors import LedgerError
from tbill_defi.ledger.abi import encode_call
from tbill_defi.ledger.clearing import open_clearing, plan_lines
from tbill_defi.ledger.clock import move_clock
from tbill_defi.ledger.deployment import Step
from tbill_defi.ledger.trades import Trades
from tests.unit.ledger.support import DOLLAR, NOTE, make_ledger

PARTIES = ("ann", "ben", "cat")
STOCK = 5_000
FIRST = date(2026, 3, 25)
UNIT = DOLLAR


@dataclass
class Deal:
    """A trade as the model knows it: face in units, where it stands."""

    seller: str
    buyer: str
    face: int
    proceeds: int
    day: date
    last: date
    minimum: int
    lot: int
    cleared: bool
    allocator: str | None
    settled: int = 0
    paid: int = 0
    status: str = "open"

    def cash(self, part: int) -> int:
        """floor of the cumulated share, less what was paid."""
        return self.proceeds * (self.settled + part) // self.face - self.paid


@dataclass
class Net:
    """What a member is owed by the CCP."""

    face: int = 0
    cash: int = 0


@dataclass
class World:
    """Balances, trades, nets."""

    units: dict[str, int] = field(default_factory=lambda: dict.fromkeys(PARTIES, STOCK * UNIT))
    cash: dict[str, int] = field(default_factory=lambda: dict.fromkeys(PARTIES, STOCK * UNIT))
    frozen: dict[str, int] = field(default_factory=lambda: dict.fromkeys(PARTIES, 0))
    deals: dict[bytes, Deal] = field(default_factory=dict)
    nets: dict[tuple[date, str], Net] = field(default_factory=lambda: defaultdict(Net))

    def free(self, party: str) -> int:
        """What can be delivered."""
        return max(0, self.units[party] - self.frozen[party])


parties = st.sampled_from(PARTIES)
picks = st.integers(0, 10**9)


class TradeLives(RuleBasedStateMachine):
    """Agree, settle parts, freeze, cancel, allocate, novate and net, and let days pass."""

    @initialize()
    def begin(self) -> None:
        self.ledger = make_ledger(*PARTIES, "ccp")
        for party in PARTIES:
            self.ledger.deposit(party, {NOTE: STOCK * UNIT}, STOCK * UNIT)
        self.house = open_clearing(self.ledger, "ccp")
        self.trades = self.house.trades
        self.world = World()

    def teardown(self) -> None:
        if hasattr(self, "ledger"):
            self.ledger.close()

    @property
    def today(self) -> date:
        return self.ledger.market_date

    def pick(self, at: int, status: str = "open") -> tuple[bytes, Deal] | None:
        found = [(key, deal) for key, deal in self.world.deals.items() if deal.status == status]
        return found[at % len(found)] if found else None

    @rule(seller=parties, step=st.integers(1, 2), face=st.integers(1, 40), price=st.integers(1, 130), at=picks)
    def agree(self, seller: str, step: int, face: int, price: int, at: int) -> None:
        buyer = PARTIES[(PARTIES.index(seller) + step) % 3]
        day = self.today + timedelta(days=at % 3)
        lot = (0, 3, 7)[at % 3] * UNIT
        parts = 0 < lot <= face * UNIT
        minimum = min(face * UNIT, lot * (1 + at % 2)) if parts else 0
        deal = Deal(
            seller,
            buyer,
            face * UNIT,
            face * UNIT * price // 100 + 1,
            day,
            day + timedelta(days=at % 5),
            minimum,
            lot if parts else 0,
            at % 4 == 0,
            (None, seller, buyer)[at % 3],
        )
        terms = self.trades.terms(
            seller=seller,
            buyer=buyer,
            asset=NOTE.cusip,
            face_units=deal.face,
            proceeds_units=deal.proceeds,
            settlement_date=day,
            fail_days=at % 5,
            minimum_units=deal.minimum,
            lot_units=deal.lot,
            clearer=self.house.address if deal.cleared else bytes(20),
            allocator=deal.allocator,
        )
        self.world.deals[self.trades.agree(terms).trade_id] = deal

    @precondition(lambda self: self.world.deals)
    @rule(at=picks, share=st.integers(0, 11), whole=st.booleans())
    def settle(self, at: int, share: int, whole: bool) -> None:
        found = list(self.world.deals.items())
        key, deal = found[at % len(found)]
        left = deal.face - deal.settled
        part = left if whole else left * share // 10
        if not whole and deal.lot and at % 2:
            part = part // deal.lot * deal.lot
        fits = part == left or (deal.lot and deal.minimum <= part < left and part % deal.lot == 0)
        allowed = (
            deal.status == "open"
            and fits
            and part > 0
            and deal.day <= self.today <= deal.last
            and part <= self.world.free(deal.seller)
            and 0 < (cash := deal.cash(part)) <= self.world.cash[deal.buyer]
        )
        data = encode_call("TradeBook", "settle", self.trades.state(key).terms.abi_value(), part, [b"", b""])
        if not allowed:
            with pytest.raises(LedgerError):
                self.ledger.send([Step("operator", self.trades.address, data)])
            return
        self.ledger.send([Step("operator", self.trades.address, data)])
        self.world.units[deal.seller] -= part
        self.world.units[deal.buyer] += part
        self.world.cash[deal.seller] += cash
        self.world.cash[deal.buyer] -= cash
        deal.settled, deal.paid = deal.settled + part, deal.paid + cash
        deal.status = "settled" if part == left else "open"

    @rule(party=parties, face=st.integers(0, STOCK))
    def freeze(self, party: str, face: int) -> None:
        self.ledger.freeze(party, NOTE.cusip, face * UNIT)
        self.world.frozen[party] = face * UNIT

    @rule(at=picks)
    def cancel(self, at: int) -> None:
        if found := self.pick(at):
            self.trades.cancel(found[0])
            found[1].status = "cancelled"

    @rule(at=picks, first=st.integers(1, 39))
    def allocate(self, at: int, first: int) -> None:
        if not (found := self.pick(at)):
            return
        key, deal = found
        other = next(p for p in PARTIES if p not in (deal.seller, deal.buyer))
        head = min(first * UNIT, deal.face - 1)
        faces = {deal.allocator or other: head, other: deal.face - head} if deal.allocator else {other: deal.face}
        shares = [deal.proceeds * head // deal.face, deal.proceeds - deal.proceeds * head // deal.face]
        if not deal.allocator or deal.settled or self.today > deal.last or not all(shares):
            with pytest.raises(LedgerError):
                self.trades.allocate(key, faces)
            return
        deal.status = "allocated"
        children = self.trades.allocate(key, faces)
        for child, (party, face), share in zip(children, faces.items(), shares, strict=True):
            sells = deal.allocator == deal.seller
            parts = deal.minimum <= face
            self.world.deals[child.trade_id] = Deal(
                party if sells else deal.seller,
                deal.buyer if sells else party,
                face,
                share,
                deal.day,
                deal.last,
                deal.minimum if parts else 0,
                deal.lot if parts else 0,
                deal.cleared,
                None,
            )

    @rule()
    def novate(self) -> None:
        due = {key: deal for key, deal in self.world.deals.items() if deal.cleared and deal.status == "open"}
        if not due:
            with pytest.raises(LedgerError):
                self.house.novate()
            return
        assert set(self.house.novate()) == set(due)
        for deal in due.values():
            face, cash = deal.face - deal.settled, deal.proceeds - deal.paid
            for member, sign in ((deal.seller, -1), (deal.buyer, 1)):
                net = self.world.nets[deal.day, member]
                net.face, net.cash = net.face + sign * face, net.cash - sign * cash
            deal.status = "novated"

    @rule()
    def net(self) -> None:
        """All that is due settles, date by date, unless a member of a date is short: then nothing of that date does."""
        for day in sorted({day for day, _ in self.world.nets if day <= self.today}):
            owed = {m: n for (d, m), n in self.world.nets.items() if d == day and (n.face or n.cash)}
            short = any(
                -net.face > self.world.free(member) or -net.cash > self.world.cash[member]
                for member, net in owed.items()
            )
            mine = {k: o for k, o in self.house.obligations().items() if k.opens == new_york_midnight(day)}
            lines = plan_lines(mine)
            assert {line.key.member for line in lines} == set(owed)
            if not owed:
                continue
            if short:
                with pytest.raises(LedgerError):
                    self.house.settle(lines)
                continue
            self.house.settle(lines)
            for member, net in owed.items():
                self.world.units[member] += net.face
                self.world.cash[member] += net.cash
                del self.world.nets[day, member]

    @rule(days=st.integers(1, 2))
    def wait(self, days: int) -> None:
        move_clock(self.ledger, new_york_midnight(self.today + timedelta(days=days)))

    @invariant()
    def balances_are_the_model_s(self) -> None:
        if not hasattr(self, "world"):
            return
        for party in PARTIES:
            wallet = self.ledger.wallet(party)
            assert (wallet.positions.get(NOTE.cusip, 0), wallet.cash) == (
                self.world.units[party],
                self.world.cash[party],
            )

    @invariant()
    def trades_stand_as_in_the_model(self) -> None:
        if not hasattr(self, "world"):
            return
        found = {state.trade_id: (state.status.name.lower(), state.settled) for state in Trades(self.ledger).all()}
        assert found == {key: (deal.status, deal.settled) for key, deal in self.world.deals.items()}

    @invariant()
    def nets_sum_to_zero_and_are_the_model_s(self) -> None:
        if not hasattr(self, "world"):
            return
        found = self.house.obligations()
        assert sum(one.face for one in found.values()) == sum(one.cash for one in found.values()) == 0
        wanted = {
            (new_york_midnight(d), m): (n.face, n.cash) for (d, m), n in self.world.nets.items() if n.face or n.cash
        }
        assert {(key.opens, key.member): (one.face, one.cash) for key, one in found.items()} == wanted


TestTradeLives = TradeLives.TestCase
TestTradeLives.settings = settings(max_examples=12, stateful_step_count=30, deadline=None)
