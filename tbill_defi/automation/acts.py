"""What a firing does: plan and settle, pay, redeem, call margin. Each act is one block or can be taken up again."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from tbill_defi.automation import pending
from tbill_defi.automation.dues import told
from tbill_defi.automation.firing import Firing
from tbill_defi.automation.rules import (
    MarginCallAction,
    PayCouponAction,
    RebalanceAction,
    RedeemAction,
    SettleTradesAction,
    StrikeAction,
)
from tbill_defi.automation.scene import Scene
from tbill_defi.automation.settling import Queued
from tbill_defi.automation.strategies import strategy_of
from tbill_defi.automation.triggers import closes_out, is_settled
from tbill_defi.core.errors import LedgerBusy, LedgerError, PlanError, TbillError
from tbill_defi.core.files import write_durably
from tbill_defi.core.money import format_cents
from tbill_defi.ledger.deployment import Step
from tbill_defi.ledger.early_redemption import EarlyRedemption
from tbill_defi.ledger.life import TREASURY, Payment, coupon_steps, pay_coupon, redeem, redemption_steps
from tbill_defi.ledger.mandate import approver_of, approving_address
from tbill_defi.ledger.passing import pass_on
from tbill_defi.ledger.repo import Repos
from tbill_defi.ledger.trades import Trades
from tbill_defi.portfolio.execution import execute
from tbill_defi.portfolio.holdings import Holdings
from tbill_defi.portfolio.plan import RebalancePlan
from tbill_defi.strategy.planning import plan as make_plan

DONE, WOULD, NOTHING, PENDING, DECLINED, REFUSED = "done", "would", "nothing", "pending", "declined", "refused"
FAILED = "failed"
"""Of a trade: its date has closed and it did not settle."""
LOT_UNITS = 100 * 10**6
"""Margin in collateral is delivered in whole hundreds of dollars of face, rounded up: the borrower bears it."""

Ask = Callable[[str], bool]


@dataclass(frozen=True)
class Result:
    """What an act came to: status, words for a person, and figures (integers of base units as decimal text)."""

    status: str
    message: str
    details: dict[str, Any] = field(default_factory=dict)
    exit_code: int = 0


@dataclass(frozen=True)
class Actor:
    """Carries firings out on a scene.

    Attributes
    ----------
    keeper_file
        Strategy files are looked for beside it.
    drafts, pending
        Folders of plans that are about to settle, and of those that wait for a person.
    ask
        Asks a person; None: nobody is there.
    dry_run
        Decide and simulate; sign, write and send nothing.
    """

    scene: Scene
    keeper_file: Path
    drafts: Path
    pending: Path
    ask: Ask | None
    dry_run: bool

    def act(self, firing: Firing) -> Result:
        """Do what the firing's rule says. Raises `TbillError` if it cannot be done; then nothing was."""
        match firing.rule.action:
            case RebalanceAction() as action:
                return self._rebalance(firing, action)
            case PayCouponAction():
                return self._pay_coupon(firing, *firing.subject)
            case RedeemAction():
                return self._redeem(firing, *firing.subject)
            case StrikeAction():
                return self._strike(firing, firing.subject)
            case SettleTradesAction():
                return self._settle_trade(firing, firing.subject)
            case MarginCallAction() as action:
                return self._margin(firing, action, firing.subject)

    def _approved(self, firing: Firing, question: str, *, by_party: bool, name: str = "") -> Result | None:
        """None if approved; else what to say. A key is there, and where the party gives, it is the party's.

        `name`: what `tbill keeper approve` calls it; the firing's id if empty.
        """
        key, party, ledger = firing.rule.key, firing.rule.party, self.scene.ledger
        if key is not None:
            address = ledger.keyring.key(key).address
            if by_party and address != (wanted := approving_address(ledger, party)):
                raise PlanError(f"approval: key {key!r} is 0x{address.hex()}; for {party} 0x{wanted.hex()} approves")
            return None
        if self.dry_run:
            return None
        if self.ask is None:
            called = (name or "0x" + firing.id(ledger).hex())[: pending.SHOWN]
            return Result(PENDING, f"{question} nothing was sent; tbill keeper approve {called}")
        return None if self.ask(question) else Result(DECLINED, "not approved; nothing was sent")

    # --- rebalance --------------------------------------------------------------------------------------------------

    def _rebalance(self, firing: Firing, action: RebalanceAction) -> Result:
        ledger = self.scene.ledger
        book = Holdings.of(ledger, firing.rule.party)
        with strategy_of(self.keeper_file, action) as strategy:
            plan = make_plan(strategy, self.scene.view, book, counterparty=action.counterparty, ledger=ledger)
        name = plan.strategy.name
        if plan.writes:
            raise PlanError(f"{name} writes options, which a rule does not do; `tbill rebalance` does")
        if not plan.orders:
            said = f"{name} has no orders: the holdings are at their target"
            return Result(NOTHING, said, {"plan_hash": plan.hash, "orders": 0, "cost": str(plan.cost_units)})
        return self.settle(firing, plan)

    def settle(self, firing: Firing, plan: RebalancePlan) -> Result:
        """Settle this plan for a firing, if it is approved; one that has to wait for a person is kept.

        The firing's id is the Instruction's nonce: the contract itself refuses a second one.
        """
        ledger, rule = self.scene.ledger, firing.rule
        details = {"plan_hash": plan.hash, "orders": len(plan.orders), "cost": str(plan.cost_units)}
        approver, nonce = rule.key or approver_of(ledger, rule.party), int.from_bytes(firing.id(ledger), "big")
        name = plan.strategy.name
        said = f"{len(plan.orders)} orders of {name} for {rule.party}, cost ${format_cents(plan.cost_units)}"
        decided = execute(plan, ledger, approve_by=approver, dry_run=True, nonce=nonce)
        if refused := self._approved(firing, f"settle {said}?", by_party=True, name=plan.hash):
            if refused.status == PENDING:
                pending.keep(self.pending, firing.id(ledger), plan)
            return Result(refused.status, refused.message, details)
        if self.dry_run:
            return Result(WOULD, f"settle {said}; {len(decided.decisions)} legs pass every rule", details)
        draft = self.drafts / f"{plan.hash}.json"
        plan.save(draft)
        done = execute(plan, ledger, approve_by=approver, nonce=nonce)
        quote = "" if done.quote is None else json.dumps(done.quote.to_json(), indent=1) + "\n"
        keep(draft, self.scene.home, quote)
        details |= {"instruction_hash": done.instruction_hash, "height": done.height}
        return Result(DONE, f"settled {said}, block {done.height}", details)

    # --- life of a security -----------------------------------------------------------------------------------------

    def _pay_coupon(self, firing: Firing, cusip: str, day: date, payable: date) -> Result:
        ledger, security = self.scene.ledger, self.scene.terms(cusip)
        if refused := self._approved(firing, f"pay the coupon of {cusip} of {day}?", by_party=False):
            return refused
        fixings = self.scene.fixings
        if self.dry_run:
            return self._would(
                firing, lambda: coupon_steps(ledger, security, day, payment_date=payable, fixings=fixings)
            )
        payment = pay_coupon(ledger, security, day, payment_date=payable, fixings=fixings)
        passed = pass_on(ledger, security, day)
        result = _paid(f"coupon of {cusip} of {day}", payment)
        on = f"; passed on by who holds for others: {format_cents(sum(passed.values()))}" if passed else ""
        passed_units = {who: str(units) for who, units in passed.items()}
        return Result(result.status, result.message + on, {**result.details, "passed": passed_units})

    def _redeem(self, firing: Firing, cusip: str, payable: date) -> Result:
        ledger, security = self.scene.ledger, self.scene.terms(cusip)
        if refused := self._approved(firing, f"redeem {cusip}?", by_party=False):
            return refused
        fixings = self.scene.fixings
        if self.dry_run:
            return self._would(
                firing, lambda: redemption_steps(ledger, security, payment_date=payable, fixings=fixings)
            )
        return _paid(f"redemption of {cusip}", redeem(ledger, security, payment_date=payable, fixings=fixings))

    def _would(self, firing: Firing, steps_of: Callable[[], tuple[list[Step], int]]) -> Result:
        """Simulate the steps where the Treasury is registered; a dry run does not register it."""
        ledger = self.scene.ledger
        if TREASURY not in ledger.books().parties() or TREASURY not in ledger.keyring.names():
            return Result(WOULD, f"pay: {firing.reason}; the Treasury is registered then")
        steps, due = steps_of()
        ledger.rehearse(steps)
        return Result(WOULD, f"pay {format_cents(due)}: {firing.reason}; it passes in simulation", {"due": str(due)})

    def _strike(self, firing: Firing, queued: Queued) -> Result:
        """Strike the requests that were made before the time of the day, and no later one."""
        if refused := self._approved(firing, f"{firing.reason}: strike?", by_party=False):
            return refused
        details = {"cusip": queued.cusip, "face": str(queued.face_units)}
        if self.dry_run:
            return Result(WOULD, f"strike: {firing.reason}", details)
        struck = EarlyRedemption(self.scene.ledger).strike(queued.cusip, steps=queued.requests)
        face, paid = sum(one.face_units for one in struck), sum(one.paid_units for one in struck)
        said = f"struck {format_cents(face)} of {queued.cusip} for {format_cents(paid)}, {len(struck)} requests"
        return Result(DONE, said, details | {"face": str(face), "paid": str(paid)})

    # --- trades -----------------------------------------------------------------------------------------------------

    def _settle_trade(self, firing: Firing, trade_id: bytes) -> Result:
        """Whole, else the largest part; what does not settle once its date has closed is a fail, which is told."""
        book = Trades(self.scene.ledger)
        before = book.state(trade_id)
        if refused := self._approved(firing, f"{firing.reason}: settle?", by_party=False):
            return refused
        details = {"trade": "0x" + trade_id.hex(), "open": str(before.open_face)}
        if self.dry_run:
            return Result(WOULD, f"settle: {firing.reason}", details)
        try:
            after = book.settle_most(trade_id)
        except LedgerBusy:
            raise
        except TbillError as error:
            if before.word(self.scene.ledger.chain.now()) != "failed":
                raise
            return Result(FAILED, f"failed: {format_cents(before.open_face)} not settled: {error}", details)
        settled = after.settled - before.settled
        said = f"settled {format_cents(settled)}, {format_cents(after.open_face)} open"
        return Result(DONE, said, details | {"settled": str(settled), "open": str(after.open_face)})

    # --- repos ------------------------------------------------------------------------------------------------------

    def _margin(self, firing: Firing, action: MarginCallAction, repo_id: bytes) -> Result:
        """Mark if a call opens or ends; then deliver. Each is told by the repo's state, so each is taken up again."""
        repos, party = Repos(self.scene.ledger), firing.rule.party
        mark, repo = repos.coverage(repo_id), repos.state(repo_id)
        if closes_out(firing.rule, repo, mark, self.scene.ledger.chain.now()):
            return self._close_out(firing, repos, repo_id)
        delivers = action.deliver != "nothing" and party == repo.borrower and mark.deficit_units > 0
        units = _margin_units(action.deliver, mark.deficit_units, repo.face_units, mark.lendable_units)
        cash, face = (min(units, repo.principal_units), 0) if action.deliver == "cash" else (0, units)
        what = f"{format_cents(cash or face)} of {'cash' if cash else repo.cusip}"
        said = f"{firing.reason}: mark" + (f" and deliver {what}" if delivers else "")
        if refused := self._approved(firing, f"{said}?", by_party=delivers):
            return refused
        details: dict[str, Any] = {"repo_id": "0x" + repo_id.hex(), "deficit": str(mark.deficit_units)}
        if self.dry_run:
            return Result(WOULD, f"{said.partition(': ')[2]}: {firing.reason}", details)
        if bool(mark.call_deadline) != bool(mark.deficit_units):
            details["call_deadline"] = repos.mark(repo_id).call_deadline
        if not delivers:
            return Result(DONE, f"marked: {firing.reason}", details)
        repos.deliver_margin(repo_id, face_units=face, cash_units=cash)
        left = repos.coverage(repo_id).deficit_units
        delivered = {"delivered_cash": str(cash), "delivered_face": str(face), "left": str(left)}
        return Result(DONE, f"delivered {what}; {format_cents(left)} short after it", details | delivered)

    def _close_out(self, firing: Firing, repos: Repos, repo_id: bytes) -> Result:
        """The lender takes collateral for the debt at the mark; the contract knows whether there is a default."""
        if refused := self._approved(firing, f"{firing.reason}: close out?", by_party=True):
            return refused
        details: dict[str, Any] = {"repo_id": "0x" + repo_id.hex()}
        if self.dry_run:
            return Result(WOULD, f"close out: {firing.reason}", details)
        done = repos.close_out(repo_id, by=firing.rule.key)
        took, back, short = done.lender_face_units, done.borrower_face_units, done.shortfall_units
        details |= {"debt": str(done.debt_units), "taken_face": str(took), "back_face": str(back)}
        what = f"{format_cents(took)} of face taken for {format_cents(done.debt_units)}"
        said = f"closed out: {what}, {format_cents(back)} back"
        owed = f", {format_cents(short)} still owed" if short else ""
        return Result(DONE, said + owed, details | {"shortfall": str(short)})


def _margin_units(deliver: str, deficit: int, face: int, lendable: int) -> int:
    """Cash that ends a deficit, or face of the collateral in whole lots that does."""
    if deliver != "face" or not deficit:
        return deficit
    if not lendable:
        raise LedgerError("margin: the collateral is worth nothing by the oracle; deliver cash", "CollateralShort")
    needed = -(-deficit * face // lendable)
    return -(-needed // LOT_UNITS) * LOT_UNITS


def _paid(what: str, payment: Payment) -> Result:
    details = {
        "due": str(payment.due),
        "paid": str(sum(payment.paid.values())),
        "height": payment.height,
        "complete": payment.complete,
    }
    return Result(DONE, told(what, payment), details)


def keep(draft: Path, home: Path, quote: str) -> None:
    """Move a settled plan from the drafts to the home's plans, the dealer's quote beside it."""
    place = home / "plans" / draft.name
    place.parent.mkdir(parents=True, exist_ok=True)
    if quote:
        write_durably(place.with_suffix(".quote.json"), quote.encode())
    draft.replace(place)


def take_up_drafts(drafts: Path, scene: Scene) -> list[str]:
    """After a crash: plans that settled are kept, those that did not are dropped; hashes of those kept."""
    settled = {entry.plan_hash for entry in scene.ledger.tape()}
    kept = []
    for draft in sorted(drafts.glob("*")) if drafts.is_dir() else ():
        if draft.stem in settled and draft.suffix == ".json":
            keep(draft, scene.home, "")
            kept.append(draft.stem)
        else:
            draft.unlink(missing_ok=True)
    return kept


def was_settled(firing: Firing, scene: Scene) -> bool:
    """Whether the firing's rebalance is on the ledger by now: another keeper's, on a shared node."""
    return isinstance(firing.rule.action, RebalanceAction) and is_settled(firing, scene)
