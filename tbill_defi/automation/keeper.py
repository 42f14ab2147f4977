"""A pass over the rules: what is due, done once, whoever dies on the way and however many run.

The keeper's lock and the ledger's single writer keep two keepers apart, so what is evaluated is still true when it is
sent. What is done is told from the ledger: a rebalance by its nonce, which is the firing's id; a coupon, a redemption
and a repo by the contracts' state.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tbill_defi.automation import pending
from tbill_defi.automation.acts import (
    DECLINED,
    DONE,
    FAILED,
    NOTHING,
    PENDING,
    REFUSED,
    WOULD,
    Actor,
    Ask,
    Result,
    take_up_drafts,
)
from tbill_defi.automation.acts import was_settled as was_settled_meanwhile
from tbill_defi.automation.firing import Evaluation, Firing
from tbill_defi.automation.rules import FILE_NAME, KeeperFile, RebalanceAction, Rule, read_keeper_file
from tbill_defi.automation.scene import Scene
from tbill_defi.automation.state import State
from tbill_defi.automation.strategies import require_strategies
from tbill_defi.automation.triggers import evaluate
from tbill_defi.chain.lock import WriterLock
from tbill_defi.core.clock import Clock
from tbill_defi.core.errors import LedgerBusy, LedgerError, PlanError, TbillError
from tbill_defi.core.home import home_path
from tbill_defi.ledger.keyring import Keys
from tbill_defi.ledger.ledger import Ledger
from tbill_defi.ledger.open import desk_keys, ledger_url, on_node, open_ledger
from tbill_defi.portfolio.market_view import require_same_market

_log = logging.getLogger(__name__)

FOLDER, STATE_FILE, LOCK_FILE, DRAFTS, PENDING_PLANS = "keeper", "state.json", "keeper.lock", "drafts", "pending"
SKIPPED = (NOTHING,)
"""What the memory says of a firing that is not looked at again."""


@dataclass(frozen=True)
class Outcome:
    """What became of one firing, or (without a firing) what stood in the way of evaluating a rule."""

    rule: Rule
    result: Result
    firing: Firing | None = None
    firing_id: str = ""

    def to_json(self) -> dict[str, Any]:
        """JSON form."""
        return {
            "rule": self.rule.name,
            "trigger": self.rule.trigger.kind,
            "action": self.rule.action.kind,
            "event": self.firing.event if self.firing else "",
            "reason": self.firing.reason if self.firing else "",
            "firing": self.firing_id,
            "status": self.result.status,
            "message": self.result.message,
            "details": self.result.details,
        }


@dataclass(frozen=True)
class Pass:
    """One pass: the ledger's time (Unix seconds) and market date, notes, and what became of each firing."""

    time: int
    market_date: str
    notes: tuple[str, ...]
    outcomes: tuple[Outcome, ...]

    def to_json(self) -> dict[str, Any]:
        """JSON form."""
        return {
            "time": self.time,
            "market_date": self.market_date,
            "notes": list(self.notes),
            "outcomes": [outcome.to_json() for outcome in self.outcomes],
        }

    @property
    def exit_code(self) -> int:
        """0, or that of the first refusal."""
        return next((o.result.exit_code for o in self.outcomes if o.result.exit_code), 0)


@dataclass(frozen=True)
class Standing:
    """A rule as it stands: what it says now, ids of its firings by event (0x-text), what was last heard of it.

    `plans`: firing id -> hash of the plan that waits for a person.
    """

    rule: Rule
    evaluation: Evaluation
    ids: dict[str, str]
    plans: dict[str, str]
    last: dict[str, Any] | None


class Keeper:
    """The rules of a file, over the ledger and market files of a home.

    Parameters
    ----------
    home
        As everywhere: None is TBILL_HOME, else `.tbill`.
    file
        None: keeper.toml in the home.
    keys
        None: the home's.
    clock
        Of the ledger; None: its own.
    """

    def __init__(
        self,
        home: str | Path | None = None,
        *,
        file: str | Path | None = None,
        keys: Keys | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.home = home_path(home)
        self.file: KeeperFile = read_keeper_file(file or self.home / FILE_NAME)
        require_strategies(self.file)
        self._keys, self._clock = keys, clock
        self._declined: set[bytes] = set()

    @property
    def folder(self) -> Path:
        """Where lock, memory and drafts are."""
        return self.home / FOLDER

    def show(self) -> tuple[Scene, list[Standing]]:
        """What would fire and why, and when next; no key is opened, nothing is changed.

        The scene's ledger is closed: only its time and date are of use.
        """
        state = State.load(self.folder / STATE_FILE)
        waiting = {"0x" + name.hex(): plan for name, plan in pending.hashes(self.folder / PENDING_PLANS)}
        with open_ledger(home=self.home, read_only=True, clock=self._clock) as ledger:
            scene = Scene(ledger, self.home)
            standings = []
            for rule in self.file.rules:
                found = self._due(rule, scene, state)
                ids = {firing.event: "0x" + firing.id(ledger).hex() for firing in found.firings}
                plans = {name: waiting[name] for name in ids.values() if name in waiting}
                standings.append(Standing(rule, found, ids, plans, _last(rule, state)))
        return scene, standings

    def once(self, *, dry_run: bool = False, ask: Ask | None = None) -> Pass:
        """One pass over all rules.

        Parameters
        ----------
        dry_run
            Plan and simulate, sign, write and send nothing.
        ask
            Asks a person for rules with approval "ask"; None: nobody is there, they stay pending.

        Raises
        ------
        LedgerBusy
            If another keeper, or another writer of the ledger, is at work; nothing was done.
        """
        with self._opened(dry_run) as ledger:
            scene = Scene(ledger, self.home)
            state = State.load(self.folder / STATE_FILE)
            actor = self._actor(scene, ask, dry_run)
            notes = [state.note] if state.note else []
            if not dry_run:
                kept = take_up_drafts(actor.drafts, scene)
                notes += [f"plan {name} had settled when the keeper was stopped; it is kept" for name in kept]
            outcomes: list[Outcome] = []
            for rule in self.file.in_order:
                outcomes += self._carry_out(rule, actor, state, awaited=_awaited(outcomes))
            if not dry_run:
                waiting = {bytes.fromhex(o.firing_id[2:]) for o in outcomes if o.result.status == PENDING}
                pending.drop_others(actor.pending, waiting)
            return Pass(scene.now, scene.today.isoformat(), tuple(notes), tuple(outcomes))

    def approve(self, name: str) -> Pass:
        """Carry out one firing that waits for a person: the plan that was kept for it, and no other.

        Parameters
        ----------
        name
            The first digits of the plan's hash, or of a firing's id.

        Raises
        ------
        PlanError
            If nothing that waits has that name, or more than one thing; if the plan is stale: the date, the market
            data or the holdings are not those that it was made for.
        LedgerBusy
            As of `once`.
        TbillError
            What stands in the way of the act itself. Nothing was sent, and it still waits.
        """
        with self._opened(dry_run=False) as ledger:
            scene, state = Scene(ledger, self.home), State.load(self.folder / STATE_FILE)
            actor = self._actor(scene, ask=lambda _: True, dry_run=False)
            take_up_drafts(actor.drafts, scene)
            firing = self._waiting(name, scene, state)
            firing_id = firing.id(ledger)
            if isinstance(firing.rule.action, RebalanceAction):
                plan = pending.read(actor.pending, firing_id)
                if plan is None:
                    raise PlanError(f"approve: {firing.rule.name} has no plan yet; tbill keeper run --once makes it")
                require_same_market(plan, data=scene.data)
                result = actor.settle(firing, plan)
            else:
                result = actor.act(firing)
            outcome = Outcome(firing.rule, result, firing, "0x" + firing_id.hex())
            state.record(firing_id, {**outcome.to_json(), "time": ledger.chain.now()})
            pending.drop(actor.pending, firing_id)
            return Pass(scene.now, scene.today.isoformat(), (), (outcome,))

    def _waiting(self, name: str, scene: Scene, state: State) -> Firing:
        """The one firing that waits for a person and has this plan or id."""
        plans, ledger = dict(pending.hashes(self.folder / PENDING_PLANS)), scene.ledger
        asking = [rule for rule in self.file.in_order if rule.key is None]
        due = [(firing, firing.id(ledger)) for rule in asking for firing in self._due(rule, scene, state).firings]
        named = [(firing, plans.get(firing_id, ""), "0x" + firing_id.hex()) for firing, firing_id in due]
        wanted = "0x" + name.lower().removeprefix("0x")
        found = [firing for firing, *names in named if any(one.startswith(wanted) for one in names)]
        if len(found) != 1 or wanted == "0x":
            known = ", ".join((plan or firing_id)[: pending.SHOWN] for _, plan, firing_id in named) or "none"
            raise PlanError(f"approve: {len(found)} things that wait are called {name!r}; those that wait: {known}")
        return found[0]

    def _actor(self, scene: Scene, ask: Ask | None, dry_run: bool) -> Actor:
        return Actor(scene, self.file.path, self.folder / DRAFTS, self.folder / PENDING_PLANS, ask, dry_run)

    def run(self, tell: Callable[[Pass], None], *, ask: Ask | None = None, busy: Callable[[str], None]) -> None:
        """Passes until interrupted, `every_seconds` apart; what is said again in the next pass is told once.

        Parameters
        ----------
        tell
            Gets each pass, with the outcomes that are news.
        busy
            Gets a line when another writer is at work, or the ledger cannot be reached any more; the next pass tries
            again.

        Raises
        ------
        LedgerError
            If the first pass finds no ledger that it can use.
        """
        said: set[tuple[str, ...]] = set()
        reached = False
        while True:
            try:
                done = self.once(ask=ask)
            except LedgerError as error:
                if not (reached or isinstance(error, LedgerBusy)):
                    raise
                busy(f"{error}; next try in {self.file.every_seconds} s")
            else:
                reached = True
                lines = {_line(o): o for o in done.outcomes}
                news = tuple(o for line, o in lines.items() if line not in said)
                said = set(lines)
                tell(Pass(done.time, done.market_date, done.notes, news))
            time.sleep(self.file.every_seconds)

    @contextmanager
    def _opened(self, dry_run: bool) -> Iterator[Ledger]:
        keys = self._keys or desk_keys(self.home)
        if dry_run:
            if on_node(self.home):
                opened = open_ledger(home=self.home, keys=keys, clock=self._clock)
            else:
                open_ledger(home=self.home, read_only=True, clock=self._clock).close()
                opened = Ledger.open(ledger_url(self.home), keys=keys, clock=self._clock, write=False)
            with opened as ledger:
                yield ledger
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = WriterLock(self.folder / LOCK_FILE)
        try:
            with open_ledger(home=self.home, keys=keys, clock=self._clock) as ledger:
                yield ledger
        finally:
            lock.release()

    def _due(self, rule: Rule, scene: Scene, state: State) -> Evaluation:
        """The rule's evaluation, without the rebalances that came to nothing."""
        found = evaluate(rule, scene)
        if not isinstance(rule.action, RebalanceAction):
            return found
        kept = tuple(f for f in found.firings if state.status(f.id(scene.ledger)) not in SKIPPED)
        why = found.why if len(kept) == len(found.firings) else f"{found.why}; there was nothing to do"
        return Evaluation(kept, why, found.next, found.problems)

    def _carry_out(self, rule: Rule, actor: Actor, state: State, *, awaited: bool) -> Iterator[Outcome]:
        scene = actor.scene
        found = self._due(rule, scene, state)
        for problem in found.problems:
            yield Outcome(rule, Result(REFUSED, str(problem), exit_code=problem.exit_code))
        for firing in found.firings:
            firing_id = firing.id(scene.ledger)
            if firing_id in self._declined:
                continue
            result = self._tried(firing, actor, awaited=awaited)
            if result.status == DECLINED:
                self._declined.add(firing_id)
            outcome = Outcome(rule, result, firing, "0x" + firing_id.hex())
            if not actor.dry_run and result.status in (DONE, NOTHING, FAILED):
                row = outcome.to_json()
                state.record(firing_id, {**row, "time": scene.ledger.chain.now()})
            if not actor.dry_run:
                _log.info("rule", extra={"rule": rule.name, "firing": firing_id, "status": result.status})
            yield outcome

    @staticmethod
    def _tried(firing: Firing, actor: Actor, *, awaited: bool) -> Result:
        """The act, or its refusal as a result: one rule in trouble does not stop the others.

        `awaited`: a dry run has shown payments that a rebalance would come after, so it cannot be told yet.
        """
        try:
            return actor.act(firing)
        except LedgerBusy:
            raise
        except TbillError as error:
            settled = isinstance(error, LedgerError) and was_settled_meanwhile(firing, actor.scene)
            if settled:
                return Result(DONE, "it has settled already, through another keeper")
            if awaited and isinstance(firing.rule.action, RebalanceAction):
                return Result(WOULD, f"plan after the payments above; with the holdings as they are: {error}")
            return Result(REFUSED, " ".join(str(error).split()), exit_code=error.exit_code)


def _last(rule: Rule, state: State) -> dict[str, Any] | None:
    rows = [row for row in state.firings.values() if row.get("rule") == rule.name]
    return rows[-1] if rows else None


def _awaited(outcomes: list[Outcome]) -> bool:
    """Whether a dry run has shown payments that would change what is held."""
    return any(o.result.status == WOULD and not isinstance(o.rule.action, RebalanceAction) for o in outcomes)


def _line(outcome: Outcome) -> tuple[str, ...]:
    """What makes an outcome news: a settled one always, a pending or refused one when its words change."""
    static = outcome.result.status in (PENDING, REFUSED, FAILED)
    return (outcome.rule.name, outcome.firing_id, outcome.result.status, outcome.result.message if static else "")
