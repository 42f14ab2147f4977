"""Carrying out a plan that writes options: collateral on hold, the writer's signed quotes, premium against option.

Every option's salt is the plan's context hash: its id, which both sign, says which plan wrote it, and no plan writes
twice. Nothing is sent until all is known to pass; then holds, writings and purchases go in one block.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from tbill_defi.chain.keys import SigningKey
from tbill_defi.core.decision import Decision
from tbill_defi.core.errors import ComplianceRejection, PlanError
from tbill_defi.ledger.decisions import decide
from tbill_defi.ledger.deployment import Step
from tbill_defi.ledger.keyring import Keys
from tbill_defi.ledger.ledger import Ledger
from tbill_defi.ledger.mandate import managed_account
from tbill_defi.ledger.option import Options
from tbill_defi.ledger.option_deeds import buy_step, signed_quote, write_steps
from tbill_defi.ledger.option_terms import OptionQuote, OptionTerms
from tbill_defi.ledger.settlement import Instruction, Leg, PlanLeg
from tbill_defi.portfolio import execution
from tbill_defi.portfolio.plan import RebalancePlan

if TYPE_CHECKING:
    from tbill_defi.portfolio.execution import Execution, Stage


def option_terms(plan: RebalancePlan, ledger: Ledger) -> list[OptionTerms]:
    """The options of a plan on a ledger, in the plan's order."""
    salt = int.from_bytes(plan.context_hash, "big")
    return [
        Options(ledger).terms(
            write.security,
            writer=plan.party,
            holder=plan.counterparty,
            kind="call",
            strike_e6=write.strike_e6,
            face_units=write.face_units,
            expiry=write.expiry,
            salt=salt,
        )
        for write in plan.writes
    ]


def execute_writes(
    plan: RebalancePlan, ledger: Ledger, ring: Keys, approve_by: str, *, dry_run: bool, stage: Stage
) -> Execution:
    """As `execution.execute`, of a plan with writes."""
    if managed_account(ledger, plan.party) is not None:
        raise PlanError(f"{plan.party} is a managed account; its manager cannot write options for it")
    salt = int.from_bytes(plan.context_hash, "big")
    if any(option.terms.salt == salt for option in ledger.books().options().values()):
        raise PlanError("the plan's options were written; a plan settles once, make a new one")
    execution.require_current(plan, ledger)
    stage("dealer registers his cash")
    inventory, deposits = execution.dealer_inventory(plan, ledger)
    stage("contracts decide on every delivery and on the premium")
    decisions = _decisions(plan, ledger, deposits)
    if refused := [d for d in decisions if not d.ok]:
        raise ComplianceRejection(refused)
    would = execution.Execution(plan.hash, False, decisions, inventory, approve_by)
    if dry_run:
        return would
    writer = execution.approver(plan, ledger, ring, approve_by, None)
    holder = ring.key(plan.counterparty)
    Options(ledger).ensure_book()
    stage(f"{approve_by} approves: collateral is set aside, quotes are signed")
    steps, quotes = writing_steps(plan, ledger, writer, holder)
    stage("premium against option, each")
    receipts = ledger.send([*deposits, *steps])
    entry = ledger.tape()[-1]
    return replace(
        would,
        settled=True,
        transaction_hash="0x" + receipts[-1].transaction_hash.hex(),
        height=entry.height,
        timestamp=entry.timestamp,
        options=tuple(quotes),
    )


def writing_steps(
    plan: RebalancePlan, ledger: Ledger, writer: SigningKey, holder: SigningKey
) -> tuple[list[Step], list[OptionQuote]]:
    """Hold, write and buy each option; and the writer's quotes, which the holder's signatures accept."""
    steps: list[Step] = []
    quotes = []
    for write, terms in zip(plan.writes, option_terms(plan, ledger), strict=True):
        quote = signed_quote(ledger, terms, write.premium_units, writer)
        steps += [*write_steps(ledger, terms, writer), buy_step(ledger, quote, holder)]
        quotes.append(quote)
    return steps, quotes


def _decisions(plan: RebalancePlan, ledger: Ledger, deposits: list[Step]) -> tuple[Decision, ...]:
    """Whether all that is written could be delivered now, and whether the premiums are there."""
    party, dealer = ledger.address_of(plan.party), ledger.address_of(plan.counterparty)
    named = [PlanLeg(w.cusip, plan.party, plan.counterparty, w.face_units) for w in plan.writes]
    legs = [Leg(ledger.predicted_token(w.security), party, dealer, w.face_units) for w in plan.writes]
    (premium,) = plan.legs
    cash = Leg(ledger.contracts.usd, dealer, party, premium.amount)
    now = ledger.chain.now()
    return decide(ledger, [*named, premium], Instruction((*legs, cash), now, now, 0), after=deposits)
