"""The engine: one day after the other, events in the order they happen, decisions by a strategy that sees one view.

On each day with a curve: coupons and maturities since the last day become due to the positions at the start of the
day, what is payable is paid, and on a decision day the strategy is shown the day's view and the plan made of its target
settles, whole, on the day. The hash of the run covers settings, data, strategy source, and every event.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Protocol

import polars as pl

from tbill_defi.backtest.books import DEALER, DESK, Books, Due, Line
from tbill_defi.backtest.schedule import ON_MATURITY, decision_days
from tbill_defi.backtest.settings import Settings
from tbill_defi.backtest.valuation import DayRecord
from tbill_defi.core.errors import Infeasible, PlanError, TbillError
from tbill_defi.core.hashing import canonical_json, keccak256
from tbill_defi.instruments import Security
from tbill_defi.portfolio.history import HistoricalMarket
from tbill_defi.portfolio.holdings import Holdings
from tbill_defi.portfolio.plan import RebalancePlan
from tbill_defi.portfolio.planner import build_plan
from tbill_defi.portfolio.target import Overlay
from tbill_defi.portfolio.view import View
from tbill_defi.strategy.isolation import IsolatedStrategy
from tbill_defi.strategy.planning import Decider, decided

Progress = Callable[[int, int], None]
"""Called with (days done, days in all)."""


class Bookkeeper(Protocol):
    """Someone who keeps the same books another way and says whether they agree: the contracts."""

    compared_days: int

    def open(self, day: date, capital_units: int) -> None:
        """The investor's cash arrives."""

    def pay(self, day: date, paid: Sequence[Due], securities: dict[str, Security]) -> None:
        """Coupons and principal are paid."""

    def trade(self, day: date, plan: RebalancePlan) -> None:
        """A plan settles."""

    def compare(self, day: date, cash: int, positions: dict[str, int]) -> None:
        """Raise if cash or positions of the desk differ by a base unit."""

    def blocks(self) -> pl.DataFrame:
        """What a resumed run needs of what was done since this was last asked."""

    def resume(self, day: date, capital_units: int, blocks: pl.DataFrame) -> None:
        """Do again, from the first day and its capital, what the blocks of all finished years say."""

    def close(self) -> None:
        """Let go of what it holds."""


@dataclass
class State:
    """Where a run stands at the end of a day.

    Attributes
    ----------
    done
        How many days are done.
    chain
        Hash over settings, data and all events so far, 32 bytes.
    events
        How many events: capital, orders, coupons, redemptions.
    books
        The desk's books.
    """

    done: int
    chain: bytes
    events: int = 0
    books: Books = field(default_factory=Books)

    def add(self, event: dict[str, Any], count: int = 1) -> None:
        """Chain one event."""
        self.chain = keccak256(self.chain + canonical_json(event))
        self.events += count


@dataclass(frozen=True)
class DayResult:
    """A day's record for valuation, journal lines, and the terms of what was held on it."""

    day: date
    record: DayRecord
    lines: tuple[Line, ...]
    securities: dict[str, Security]
    plan: RebalancePlan | None


class Engine:
    """Runs settings on a market from a state on.

    Parameters
    ----------
    strategy
        Asked for targets; in a process of its own (`IsolatedStrategy`) unless it is trusted.
    bookkeeper
        Is told everything, and compared with every day; None: the arrays alone.
    """

    def __init__(
        self, settings: Settings, market: HistoricalMarket, strategy: Decider, bookkeeper: Bookkeeper | None = None
    ) -> None:
        self.settings, self.market, self.strategy, self.bookkeeper = settings, market, strategy, bookkeeper
        self.days = settings.days(market.days)
        decisions = sorted(decision_days(self.days, settings.frequency))
        self._next_decision = dict(zip(decisions, [*decisions[1:], None], strict=True))
        if isinstance(strategy, IsolatedStrategy):
            strategy.meanwhile = self._prepare

    def fresh(self) -> State:
        """The state before the first day."""
        return State(0, self.settings.key(self.market))

    def resume(self, state: State, blocks: pl.DataFrame) -> None:
        """Have the bookkeeper where the state is.

        Raises
        ------
        LedgerError
            If its books are not the state's then (code "BooksDiffer").
        """
        assert self.bookkeeper is not None
        self.bookkeeper.resume(self.days[0], self.settings.capital_units, blocks)
        self.bookkeeper.compare(self.days[state.done - 1], state.books.cash, state.books.positions())
        self.bookkeeper.compared_days = state.done

    def run(self, state: State) -> Iterator[DayResult]:
        """The days that are not done, in order; `state` is that of the end of the day yielded.

        Raises
        ------
        TbillError
            What the strategy, the planner or the other bookkeeper refuses; the message begins with the day.
        """
        while state.done < len(self.days):
            day = self.days[state.done]
            try:
                result = self._day(state, day)
            except TbillError as error:
                raise _dated(error, day) from error
            state.done += 1
            yield result

    def _day(self, state: State, day: date) -> DayResult:
        books, lines = state.books, []
        coupons: dict[str, int] = {}
        redeemed = False
        if state.done == 0:
            lines += books.capital(day, self.settings.capital_units)
            state.add({"kind": "capital", "day": day.isoformat(), "cash": str(self.settings.capital_units)})
            if self.bookkeeper:
                self.bookkeeper.open(day, self.settings.capital_units)
        else:
            held = dict(books.securities)
            entitled, found = books.entitle(self.days[state.done - 1], day)
            for due in found:
                if due.kind == "coupon":
                    coupons[due.cusip] = coupons.get(due.cusip, 0) + due.cash
            payments, paid = books.pay(day)
            lines += [*entitled, *payments]
            for due in paid:
                state.add(_event(day, due))
                redeemed |= due.kind == "redemption"
            if self.bookkeeper and paid:
                self.bookkeeper.pay(day, paid, held)
        made = None
        if day in self._next_decision or (redeemed and self.settings.frequency == ON_MATURITY):
            made = self._decide(state, day, lines)
        if lines:
            books.check(day, lines)
        if self.bookkeeper:
            self.bookkeeper.compare(day, books.cash, books.positions())
        record = DayRecord(
            row=self.market.row(day),
            positions=books.live_positions(),
            cash=books.cash,
            receivable=books.receivable,
            matured=books.matured,
            coupons=coupons,
            cost=made.cost_units if made else 0,
            traded=made.traded_face_units if made else 0,
        )
        return DayResult(day, record, tuple(lines), dict(books.securities), made)

    def _decide(self, state: State, day: date, lines: list[Line]) -> RebalancePlan | None:
        books = state.books
        view = self.view(day, books)
        holdings = Holdings(DESK, books.live_positions(), books.cash)
        target = decided(self.strategy, view, holdings)
        if isinstance(target, Overlay):
            raise PlanError(
                f"{self.strategy.name()} writes options on what is held; a backtest begins with cash and writes none, "
                "back the strategy that holds the securities"
            )
        made = build_plan(target, view, holdings, strategy=self.strategy.identity(), counterparty=DEALER)
        if not made.orders:
            return None
        lines += books.trade(made)
        state.add(
            {"kind": "trade", "day": day.isoformat(), "plan": made.hash, "net_cash": str(made.net_cash_units)},
            len(made.orders),
        )
        if self.bookkeeper:
            self.bookkeeper.trade(day, made)
        return made

    def _prepare(self, day: date) -> None:
        """While the strategy decides on a day: price the next decision's, which its decision cannot change."""
        later = self._next_decision.get(day)
        if later is not None:
            self.market.prepare(later)

    def view(self, day: date, books: Books) -> View:
        """What the strategy is shown on a day."""
        return self.market.view(day, books.securities)


def _event(day: date, due: Due) -> dict[str, Any]:
    return {
        "kind": due.kind,
        "day": day.isoformat(),
        "cusip": due.cusip,
        "nominal": due.nominal.isoformat(),
        "face": str(due.face),
        "cash": str(due.cash),
    }


def _dated(error: TbillError, day: date) -> TbillError:
    """The error with the day it happened on."""
    text = f"{day}: {error}"
    if isinstance(error, Infeasible):
        return type(error)(text, error.relaxation)
    error.args = (text, *error.args[1:])
    return error
