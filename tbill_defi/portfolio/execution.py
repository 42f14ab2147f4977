"""Carrying a plan out: the dealer's signed quote, decisions, approval, one Instruction, atomically.

Nothing is sent until everything is known to pass: dates, holdings, every leg's decision, and the whole batch in
simulation with its real signatures. Then deposits of the dealer's inventory and the Instruction go in one block.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from tbill_defi.chain.keys import SigningKey
from tbill_defi.core.decision import Decision
from tbill_defi.core.errors import ComplianceRejection, PlanError
from tbill_defi.core.money import format_units
from tbill_defi.ledger.abi import encode_call
from tbill_defi.ledger.decisions import CAP_CODE, MESSAGES, RULES, decide
from tbill_defi.ledger.deployment import Step
from tbill_defi.ledger.keyring import Keys
from tbill_defi.ledger.ledger import OPERATOR, Ledger
from tbill_defi.ledger.limits import standings
from tbill_defi.ledger.mandate import ManagedAccount, managed_account
from tbill_defi.ledger.option_terms import OptionQuote
from tbill_defi.ledger.settlement import Instruction, Leg
from tbill_defi.portfolio.holdings import Holdings
from tbill_defi.portfolio.plan import CURRENCY, RebalancePlan

QUOTE_SECONDS = 900
"""How long a dealer's quote stands."""

Stage = Callable[[str], None]


@dataclass(frozen=True)
class DealerQuote:
    """The dealer's signature on the whole Instruction: binding until its deadline, stored beside the plan."""

    instruction: Instruction
    instruction_hash: bytes
    signer: bytes
    signature: bytes

    def to_json(self) -> dict[str, Any]:
        """JSON form, bytes as 0x-hex."""
        return {
            "instruction_hash": "0x" + self.instruction_hash.hex(),
            "plan_hash": "0x" + self.instruction.plan_hash.hex(),
            "context_hash": "0x" + self.instruction.context_hash.hex(),
            "not_before": self.instruction.not_before,
            "deadline": self.instruction.deadline,
            "nonce": str(self.instruction.nonce),
            "signer": "0x" + self.signer.hex(),
            "signature": "0x" + self.signature.hex(),
        }


@dataclass(frozen=True)
class Execution:
    """What happened: settled, or in a dry run what would.

    Attributes
    ----------
    height, timestamp
        Block of the settlement and its Unix time; 0 in a dry run.
    inventory
        CUSIP or currency -> base units the dealer had registered to deliver.
    options
        The writer's signed quotes of the options that were written and bought.
    """

    plan_hash: str
    settled: bool
    decisions: tuple[Decision, ...]
    inventory: dict[str, int]
    approved_by: str
    instruction_hash: str = ""
    transaction_hash: str = ""
    height: int = 0
    timestamp: int = 0
    quote: DealerQuote | None = None
    options: tuple[OptionQuote, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """JSON form; base units as decimal text."""
        return {
            "plan_hash": self.plan_hash,
            "settled": self.settled,
            "approved_by": self.approved_by,
            "instruction_hash": self.instruction_hash,
            "transaction_hash": self.transaction_hash,
            "height": self.height,
            "timestamp": self.timestamp,
            "inventory": {asset: str(units) for asset, units in self.inventory.items()},
            "decisions": [
                {
                    "ok": d.ok,
                    "code": d.code,
                    "rule": d.rule,
                    "message": d.message,
                    "asset": d.asset,
                    "party": d.party,
                    "amount": str(d.amount),
                    "largest_amount": str(d.largest_amount),
                }
                for d in self.decisions
            ],
            "quote": self.quote.to_json() if self.quote else None,
            **({"options": [quote.to_json() for quote in self.options]} if self.options else {}),
        }


def execute(
    plan: RebalancePlan,
    ledger: Ledger,
    *,
    approve_by: str,
    keys: Keys | None = None,
    dry_run: bool = False,
    nonce: int | None = None,
    stage: Stage = lambda text: None,
) -> Execution:
    """Settle a plan as one Instruction, or say why not and change nothing; one that writes options: see `writing`.

    Parameters
    ----------
    approve_by
        Name of the key that approves: the key of the party's wallet, or the manager's of its managed account. Its
        signature on the Instruction is the approval.
    keys
        Where that key and the dealer's are; None: the ledger's own.
    dry_run
        Decide everything, send nothing; the approver is checked too, if the key is here. Of a managed account the
        settlement is tried as well: with signatures that are then forgotten.
    nonce
        The Instruction's; None: the plan hash. The contract refuses a giver's second one ("NonceAlreadyUsed").
    stage
        Told what is being done.

    Raises
    ------
    PlanError
        If the plan is for another date, has nothing to settle, was settled, or the holdings moved.
    ComplianceRejection
        If a leg is refused: rule, code and the largest amount that passes.
    MandateBreach
        If the managed account would leave its mandate.
    LedgerError
        If a contract refuses for another reason.
    """
    ring = keys or ledger.keyring
    if plan.writes:
        from tbill_defi.portfolio.writing import execute_writes

        return execute_writes(plan, ledger, ring, approve_by, dry_run=dry_run, stage=stage)
    _require_unsettled(plan, ledger)
    require_current(plan, ledger)
    account = managed_account(ledger, plan.party)
    stage("dealer registers his inventory")
    inventory, deposits = dealer_inventory(plan, ledger)
    instruction = instruction_of(plan, ledger, nonce=nonce)
    stage("contracts decide on every leg")
    decisions = _decided(plan, ledger, instruction, inventory, deposits)
    would = Execution(plan.hash, False, decisions, inventory, approve_by)
    present = set(ring.names())
    if dry_run and approve_by == plan.party and approve_by not in present:
        return would  # the party's key is elsewhere
    signer = approver(plan, ledger, ring, approve_by, account)
    if dry_run and (account is None or plan.counterparty not in present):
        return would
    stage("dealer signs his quote")
    quote = _quote(instruction, ledger, ring.key(plan.counterparty))
    stage(f"{approve_by} approves")
    settlement = _settlement(plan, ledger, quote, signer.sign_digest(quote.instruction_hash))
    stage("legs settle, all or none")
    steps = [*deposits, settlement]
    if dry_run:
        ledger.rehearse(steps)
        return would
    receipts = ledger.send(steps)
    return _settled(would, ledger, quote, receipts[-1].transaction_hash)


def _decided(
    plan: RebalancePlan, ledger: Ledger, instruction: Instruction, inventory: Mapping[str, int], deposits: list[Step]
) -> tuple[Decision, ...]:
    """The contracts' decision on every leg, all of which pass."""
    _require_room(plan.counterparty, inventory, ledger)
    decisions = decide(ledger, plan.legs, instruction, after=deposits)
    if refused := [d for d in decisions if not d.ok]:
        raise ComplianceRejection(refused)
    return decisions


def _settlement(plan: RebalancePlan, ledger: Ledger, quote: DealerQuote, approval: bytes) -> Step:
    """The transaction that settles, with both signatures."""
    wallet, dealer = ledger.address_of(plan.party), ledger.address_of(plan.counterparty)
    by_address, instruction = {dealer: quote.signature, wallet: approval}, quote.instruction
    data = encode_call("Settlement", "settle", instruction.abi_value(), [by_address[g] for g in instruction.givers])
    return Step(OPERATOR, ledger.contracts.settlement, data)


def _settled(would: Execution, ledger: Ledger, quote: DealerQuote, transaction_hash: bytes) -> Execution:
    """What was to happen, as the tape has it."""
    (entry,) = (e for e in ledger.tape() if e.instruction_hash == "0x" + quote.instruction_hash.hex())
    return replace(
        would,
        settled=True,
        instruction_hash=entry.instruction_hash,
        transaction_hash="0x" + transaction_hash.hex(),
        height=entry.height,
        timestamp=entry.timestamp,
        quote=quote,
    )


def approver(plan: RebalancePlan, ledger: Ledger, ring: Keys, name: str, account: ManagedAccount | None) -> SigningKey:
    """The key that signs for the party: its wallet's, or its manager's."""
    key = ring.key(name)
    if account is None and key.address != ledger.address_of(plan.party):
        raise PlanError(f"approve-by: key {name!r} is 0x{key.address.hex()}, not {plan.party}'s wallet")
    if account is not None and key.address != account.manager:
        raise PlanError(
            f"approve-by: key {name!r} is 0x{key.address.hex()}; {plan.party} is managed by "
            f"0x{account.manager.hex()}: name the manager's key"
        )
    return key


def _quote(instruction: Instruction, ledger: Ledger, key: SigningKey) -> DealerQuote:
    digest = instruction.digest(ledger.chain.chain_id, ledger.contracts.settlement)
    return DealerQuote(instruction, digest, key.address, key.sign_digest(digest))


def _require_unsettled(plan: RebalancePlan, ledger: Ledger) -> None:
    for entry in ledger.tape():
        if entry.plan_hash == plan.hash:
            raise PlanError(f"the plan was settled in block {entry.height}; a plan settles once, make a new one")


def require_current(plan: RebalancePlan, ledger: Ledger) -> None:
    """The plan is for today's ledger and the holdings it was made for."""
    today = ledger.market_date
    if plan.trade_date != today:
        raise PlanError(
            f"the plan is for {plan.trade_date}, the ledger's market date is {today}; make a plan for {today}, or a "
            f"ledger with `tbill init --at {plan.trade_date}T15:00`"
        )
    if not plan.legs:
        raise PlanError("the plan has no orders: the holdings are at their target and nothing needs to settle")
    held = Holdings.of(ledger, plan.party)
    if held.positions != dict(plan.holdings.positions) or held.cash_units != plan.holdings.cash_units:
        moved = sorted(
            asset
            for asset in {*held.positions, *plan.holdings.positions}
            if held.positions.get(asset, 0) != plan.holdings.positions.get(asset, 0)
        )
        if held.cash_units != plan.holdings.cash_units:
            moved.append("cash")
        raise PlanError(
            f"holdings of {plan.party} on the ledger are not those of the plan ({', '.join(moved[:6])}); "
            "make the plan again from the ledger"
        )


def dealer_inventory(plan: RebalancePlan, ledger: Ledger) -> tuple[dict[str, int], list[Step]]:
    """What the dealer registers so that he can deliver: the difference between his legs and his wallet."""
    securities = {order.cusip: order.security for order in plan.orders}
    held = ledger.books().settling_wallet(plan.counterparty)
    face, cash = {}, 0
    for leg in plan.legs:
        if leg.from_party != plan.counterparty:
            continue
        if leg.asset == CURRENCY:
            cash = max(0, leg.amount - held.cash)
        else:
            missing = leg.amount - (held.positions.get(leg.asset, 0) - held.unavailable().get(leg.asset, 0))
            if missing > 0:
                face[securities[leg.asset]] = missing
    inventory = {security.cusip: units for security, units in face.items()}
    return inventory | ({CURRENCY: cash} if cash else {}), ledger.deposit_steps(
        ledger.address_of(plan.counterparty), face, cash
    )


def _require_room(dealer: str, inventory: Mapping[str, int], ledger: Ledger) -> None:
    """What the dealer registers counts under his holding cap: refused like a leg where it is more."""
    left, refused = standings(ledger, [dealer])[dealer].holding_left, []
    for asset, units in inventory.items():
        if asset == CURRENCY or left is None:
            continue
        if units <= left:
            left -= units
            continue
        what = f"{format_units(units)} of {asset} that {dealer} has to register is {format_units(units - left)} over"
        message = f"{what}: {MESSAGES[CAP_CODE]}"
        refused.append(Decision(False, CAP_CODE, RULES[CAP_CODE], message, units, left, asset, dealer))
    if refused:
        raise ComplianceRejection(refused)


def instruction_of(plan: RebalancePlan, ledger: Ledger, *, nonce: int | None = None) -> Instruction:
    """The plan as the Instruction that settles it now, with addresses of this ledger; nonce None: the plan hash."""
    addresses = {name: ledger.address_of(name) for name in (plan.party, plan.counterparty)}
    securities = {order.cusip: order.security for order in plan.orders}
    legs = tuple(
        Leg(
            ledger.contracts.usd if leg.asset == CURRENCY else ledger.predicted_token(securities[leg.asset]),
            addresses[leg.from_party],
            addresses[leg.to_party],
            leg.amount,
        )
        for leg in plan.legs
    )
    plan_hash = bytes.fromhex(plan.hash[2:])
    now = ledger.chain.now()
    return Instruction(
        legs=legs,
        not_before=now,
        deadline=now + QUOTE_SECONDS,
        nonce=int.from_bytes(plan_hash, "big") if nonce is None else nonce,
        context_hash=plan.context_hash,
        plan_hash=plan_hash,
    )
