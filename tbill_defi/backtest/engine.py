"""The engine: one day after the other, events in the order they happen, decisions by a strategy that sees one view.

On each day with a curve: holds of calls that lapsed end, coupons and maturities since the last day become due to the
positions at the start of the day, what is payable is paid, and calls that expire are exercised or lapse. On a decision
day the strategy is shown the day's view and the plan made of its target settles, whole, on the day. A strategy that
writes calls is asked after the one whose holdings it writes on, and also when calls have ended. The hash of the run
covers settings, data, strategy sources, and every event.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Protocol

import polars as pl

from tbill_defi.backtest.books import DEALER, DESK, Books, Due, Line
from tbill_defi.backtest.calls import OpenCall
from tbill_defi.backtest.schedule import ON_MATURITY, decision_days
from tbill_defi.backtest.settings import Settings
from tbill_defi.backtest.valuation import DayRecord, mid_values
from tbill_defi.core.errors import DataError, Infeasible, PlanError, TbillError
from tbill_defi.core.hashing import canonical_json, keccak256
from tbill_defi.instruments import Security
from tbill_defi.portfolio.history import HistoricalMarket
from tbill_defi.portfolio.holdings import Holdings
from tbill_defi.portfolio.parts import in_parts
from tbill_defi.portfolio.plan import RebalancePlan
from tbill_defi.portfolio.planner import build_plan
from tbill_defi.portfolio.target import Overlay, Target
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
        """A plan settles: its orders, or the calls it writes."""

    def end(self, day: date, exercised: Sequence[OpenCall], lapsed: Sequence[OpenCall]) -> None:
        """Calls end: the dealer exercises them, or their holds are over."""

    def compare(self, day: date, cash: int, positions: dict[str, int], held: dict[str, int]) -> None:
        """Raise if cash, positions or what of them is on hold differ by a base unit."""

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
        How many events: capital, orders, coupons, redemptions, calls written, exercised and lapsed.
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
    plans: tuple[RebalancePlan, ...]


@dataclass
class _Today:
    """What happens on a day.

    Attributes
    ----------
    coupons
        CUSIP -> base units the desk becomes entitled to.
    redeemed, ended
        Whether principal is paid; whether calls end.
    options
        Base units that calls bring in: premiums, and at an exercise what is paid less what is delivered at mid.
    """

    day: date
    lines: list[Line] = field(default_factory=list)
    plans: list[RebalancePlan] = field(default_factory=list)
    coupons: dict[str, int] = field(default_factory=dict)
    redeemed: bool = False
    ended: bool = False
    options: int = 0


class Engine:
    """Runs settings on a market from a state on.

    Parameters
    ----------
    strategy
        Asked for targets; in a process of its own (`IsolatedStrategy`) unless it is trusted.
    bookkeeper
        Is told everything, and compared with every day; None: the arrays alone.
    overlay
        Asked for calls to write on what the strategy holds; None: no calls are written.
    """

    def __init__(
        self,
        settings: Settings,
        market: HistoricalMarket,
        strategy: Decider,
        bookkeeper: Bookkeeper | None = None,
        overlay: Decider | None = None,
    ) -> None:
        self.settings, self.market, self.strategy, self.bookkeeper = settings, market, strategy, bookkeeper
        self.overlay = overlay
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
        books, day = state.books, self.days[state.done - 1]
        self.bookkeeper.resume(self.days[0], self.settings.capital_units, blocks)
        self.bookkeeper.compare(day, books.cash, books.positions(), books.held())
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
        books, today = state.books, _Today(day)
        if state.done == 0:
            self._begin(state, today)
        else:
            self._release(state, today)
            self._pay(state, today)
            self._exercise(state, today)
        decides = day in self._next_decision or (today.redeemed and self.settings.frequency == ON_MATURITY)
        if decides or (today.ended and self.overlay is not None):
            view = self.view(day, books)
            if decides:
                self._trade(state, today, view)
            if self.overlay is not None:
                self._write(state, today, view, self.overlay)
        if today.lines:
            books.check(day, today.lines)
        if self.bookkeeper:
            self.bookkeeper.compare(day, books.cash, books.positions(), books.held())
        record = DayRecord(
            row=self.market.row(day),
            positions=books.live_positions(),
            cash=books.cash,
            receivable=books.receivable,
            matured=books.matured,
            coupons=today.coupons,
            cost=sum(plan.cost_units for plan in today.plans),
            traded=sum(plan.traded_face_units for plan in today.plans),
            calls=tuple(books.calls),
            options=today.options,
        )
        return DayResult(day, record, tuple(today.lines), dict(books.securities), tuple(today.plans))

    def _begin(self, state: State, today: _Today) -> None:
        """The capital arrives."""
        units = self.settings.capital_units
        today.lines += state.books.capital(today.day, units)
        state.add({"kind": "capital", "day": today.day.isoformat(), "cash": str(units)})
        if self.bookkeeper:
            self.bookkeeper.open(today.day, units)

    def _pay(self, state: State, today: _Today) -> None:
        """Coupons and maturities since the last day become due, and what is payable is paid."""
        books, held = state.books, dict(state.books.securities)
        entitled, found = books.entitle(self.days[state.done - 1], today.day)
        for due in found:
            if due.kind == "coupon":
                today.coupons[due.cusip] = today.coupons.get(due.cusip, 0) + due.cash
        payments, paid = books.pay(today.day)
        today.lines += [*entitled, *payments]
        for due in paid:
            state.add(_event(today.day, due))
            today.redeemed |= due.kind == "redemption"
        if self.bookkeeper and paid:
            self.bookkeeper.pay(today.day, paid, held)

    def _release(self, state: State, today: _Today) -> None:
        """Calls that lapsed on the last day no longer hold anything."""
        before, lapsed = self.days[state.done - 1], [call for call in state.books.calls if call.expiry < today.day]
        for call in lapsed:
            if before < call.expiry:
                raise DataError(
                    f"par yields: there is no curve on {call.expiry}, when a call on {call.cusip} expires: nobody "
                    "can say whether it is exercised"
                )
            today.lines += state.books.release(today.day, call)
            state.add(_end("lapse", today.day, call))
        self._ended(today, [], lapsed)

    def _exercise(self, state: State, today: _Today) -> None:
        """The dealer exercises the calls that expire today and are worth it."""
        books, exercised = state.books, []
        due = [call for call in books.calls if call.expiry == today.day]
        for call, value in zip(due, mid_values(self.market, today.day, books.securities, due), strict=True):
            if value > call.payment_units:
                exercised.append(call)
                today.lines += books.exercise(today.day, call)
                today.options += call.payment_units - value
                state.add(_end("exercise", today.day, call))
        self._ended(today, exercised, [])

    def _ended(self, today: _Today, exercised: list[OpenCall], lapsed: list[OpenCall]) -> None:
        if exercised or lapsed:
            today.ended = True
            if self.bookkeeper:
                self.bookkeeper.end(today.day, exercised, lapsed)

    def _trade(self, state: State, today: _Today, view: View) -> None:
        """The strategy's plan settles; in parts if its orders are more than an Instruction has legs."""
        target, holdings = self._asked(self.strategy, view, state.books)
        if isinstance(target, Overlay):
            raise PlanError(
                f"{self.strategy.name()} writes options on what is held, and holds nothing itself; name the strategy "
                "that holds the securities with --over, such as --over ladder"
            )
        for made in self._planned(self.strategy, target, view, holdings):
            if made.orders:
                today.lines += state.books.trade(made)
                self._settled(state, today, made, len(made.orders))

    def _write(self, state: State, today: _Today, view: View, overlay: Decider) -> None:
        """The overlay's calls are written on what is held now, and bought by the dealer."""
        target, holdings = self._asked(overlay, view, state.books)
        if not isinstance(target, Overlay):
            raise PlanError(f"{overlay.name()} says what to hold and writes no options; leave --over out")
        (made,) = self._planned(overlay, target, view, holdings)
        if made.writes:
            today.lines += state.books.write(made)
            today.options -= made.net_cash_units
            self._settled(state, today, made, len(made.writes))

    def _asked(self, strategy: Decider, view: View, books: Books) -> tuple[Target, Holdings]:
        holdings = Holdings(DESK, books.live_positions(), books.cash, books.held())
        return decided(strategy, view, holdings), holdings

    @staticmethod
    def _planned(strategy: Decider, target: Target, view: View, holdings: Holdings) -> tuple[RebalancePlan, ...]:
        made = build_plan(target, view, holdings, strategy=strategy.identity(), counterparty=DEALER, whole=False)
        return in_parts(made, view)

    def _settled(self, state: State, today: _Today, plan: RebalancePlan, count: int) -> None:
        today.plans.append(plan)
        event = {"kind": "trade", "day": today.day.isoformat(), "plan": plan.hash, "net_cash": str(plan.net_cash_units)}
        state.add(event, count)
        if self.bookkeeper:
            self.bookkeeper.trade(today.day, plan)

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


def _end(kind: str, day: date, call: OpenCall) -> dict[str, Any]:
    return {
        "kind": kind,
        "day": day.isoformat(),
        "cusip": call.cusip,
        "strike": str(call.strike),
        "expiry": call.expiry.isoformat(),
        "face": str(call.face_units),
        "cash": str(call.payment_units if kind == "exercise" else 0),
        "context": call.context,
    }


def _dated(error: TbillError, day: date) -> TbillError:
    """The error with the day it happened on."""
    text = f"{day}: {error}"
    if isinstance(error, Infeasible):
        return type(error)(text, error.relaxation)
    error.args = (text, *error.args[1:])
    return error
