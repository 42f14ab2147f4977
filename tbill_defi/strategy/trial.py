"""One trial of a plugin: cases of a day and a book each, decided in a process of its own, planned and judged here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import Any

from tbill_defi.core.errors import Infeasible, LookAhead, PlanError, TbillError
from tbill_defi.core.hashing import json_hash
from tbill_defi.market.store import MarketStore
from tbill_defi.portfolio.holdings import Holdings
from tbill_defi.portfolio.market_view import view
from tbill_defi.portfolio.plan import RebalancePlan
from tbill_defi.portfolio.planner import build_plan
from tbill_defi.portfolio.view import View
from tbill_defi.strategy.answers import one_line
from tbill_defi.strategy.isolation import SHOWN, IsolatedStrategy
from tbill_defi.strategy.planning import DEALER

DOLLAR = 10**6
WATCHED = 5
"""How much slower a plugin may be while it is watched."""


@dataclass(frozen=True)
class Case:
    """A day of a home: in one world, what it sees."""

    name: str
    home: str
    day: date

    @cached_property
    def seen(self) -> View:
        """The view of the day."""
        return view(self.day, data=MarketStore(self.home).load())


@dataclass
class Trial:
    """What became of it.

    Attributes
    ----------
    outcomes
        Case and book -> one outcome a turn: {"plan", "bytes"}, with "broken" where it breaks lots or cash; or
        {"refused"} with a business reason; or {"failed"}.
    failed, attempt, printed, config
        Why it went no further; what it reached for; what it printed; what is wrong with its config. "" for nothing.
    loaded, configured
        How far it came.
    """

    outcomes: dict[str, list[dict[str, str]]] = field(default_factory=dict)
    failed: str = ""
    attempt: str = ""
    printed: str = ""
    config: str = ""
    loaded: bool = False
    configured: bool = False
    name: str = ""
    source: str = ""
    source_hashes: set[bytes] = field(default_factory=set)


def books(seen: View) -> dict[str, Holdings]:
    """Two books to plan with: cash alone, and odd lots of which some are frozen."""
    able = [i for i in range(len(seen.cusips)) if seen.bid[i] is not None][:8]
    faces = {seen.cusips[i]: (1_000_000 + 137_500 * n) * DOLLAR + 7 for n, i in enumerate(able)}
    frozen = {cusip: face // 3 for cusip, face in list(faces.items())[::3]}
    return {
        "cash": Holdings("desk", {}, 10_000_000 * DOLLAR),
        "book": Holdings("desk", faces, 2_500_000 * DOLLAR + 1, frozen),
    }


def run(
    reference: str,
    settings: Mapping[str, Any],
    cases: Sequence[Case],
    *,
    turns: int = 1,
    seconds: float,
    hash_seed: int = 0,
    watch: bool = False,
) -> Trial:
    """Load a plugin and let it decide each case `turns` times; the first failure ends it.

    Parameters
    ----------
    seconds
        Longest time for one decision, and for loading.
    watch
        Look for clocks and the environment; it has `WATCHED` times the time.
    """
    trial = Trial()
    limit = seconds * (WATCHED if watch else 1)
    with IsolatedStrategy(reference, settings, seconds=limit, hash_seed=hash_seed) as strategy:
        try:
            about = strategy.about
            trial.loaded, trial.name, trial.source = True, about.name, about.file
            trial.printed = _first_line(strategy.printed)
            trial.config = strategy.configure()
            trial.configured = True
            trial.source_hashes.add(strategy.identity().source_hash)
            for case in cases:
                for label, book in books(case.seen).items():
                    for _ in range(turns):
                        outcome = _decided(strategy, case, book, trial, watch)
                        trial.outcomes.setdefault(f"{case.name}, {label}", []).append(outcome)
                        if "failed" in outcome:
                            trial.failed = outcome["failed"]
                            return trial
            trial.source_hashes.add(about.source_hash())
        except LookAhead as error:
            trial.failed = trial.attempt = _told(error)
        except TbillError as error:
            trial.failed = _told(error)
    return trial


def _decided(strategy: IsolatedStrategy, case: Case, book: Holdings, trial: Trial, watch: bool) -> dict[str, str]:
    """One decision and its plan."""
    try:
        target = strategy.decide(case.seen, book, home=case.home, watch=watch)
    except LookAhead as error:
        trial.attempt = _told(error)
        return {"failed": trial.attempt}
    except (Infeasible, PlanError) as error:
        return {"refused": _told(error)}
    except TbillError as error:
        return {"failed": _told(error)}
    trial.printed = trial.printed or _first_line(strategy.printed)
    try:
        made = build_plan(target, case.seen, book, strategy=strategy.identity(), counterparty=DEALER)
    except TbillError as error:
        return {"refused": _told(error)}
    wrong = _broken(made, book)
    return {"plan": made.hash, "bytes": "0x" + json_hash(made.to_json()).hex()} | ({"broken": wrong} if wrong else {})


def _told(error: BaseException) -> str:
    return one_line(str(error)) or type(error).__name__


def _first_line(printed: bytes) -> str:
    lines = printed[:SHOWN].decode(errors="replace").strip().splitlines()
    return one_line(lines[0]) if lines else ""


def _broken(made: RebalancePlan, book: Holdings) -> str:
    """Which of lots, cash and availability a plan breaks, from its orders alone."""
    cash = book.cash_units
    for order in made.orders:
        if order.face_units % made.lot_units or order.face_units <= 0:
            return f"{order.cusip}: {order.face_units} is no whole lot of {made.lot_units}"
        if order.side == "sell" and order.face_units > book.available(order.cusip):
            return f"{order.cusip}: sells more than is available"
        cash += order.cash_units if order.side == "sell" else -order.cash_units
    covered: Counter[str] = Counter()
    for write in made.writes:
        covered[write.cusip] += write.face_units
        if write.face_units % made.lot_units or covered[write.cusip] > book.available(write.cusip):
            return f"{write.cusip}: a call is naked or not on whole lots"
    return f"cash is overdrawn by {-cash} base units" if cash < 0 else ""
