"""Decisions: the contracts' own answer about each leg, before anything is sent."""

from __future__ import annotations

from collections.abc import Sequence

from tbill_defi.chain.types import Call
from tbill_defi.core.decision import Decision
from tbill_defi.core.errors import ComplianceRejection
from tbill_defi.core.identifiers import bytes32
from tbill_defi.core.money import format_units
from tbill_defi.ledger.abi import decode_result, encode_call
from tbill_defi.ledger.deployment import CURRENCY, Step
from tbill_defi.ledger.ledger import Ledger
from tbill_defi.ledger.limits import Room, standing_from
from tbill_defi.ledger.settlement import Instruction, Leg, PlanLeg

RULES = {
    0: "none",
    1: "identity",
    2: "identity",
    3: "claim",
    4: "claim",
    5: "frozen",
    6: "balance",
    7: "trade-limit",
    8: "hold",
    9: "closed",
    10: "country",
    11: "country",
    12: "volume",
    13: "volume",
    14: "holding-cap",
}
"""ERC-1404 code -> rule; codes as in contracts/src/RestrictionCodes.sol."""
MESSAGES = {
    1: "the sender's wallet has no identity",
    2: "the recipient's wallet has no identity",
    3: "the sender's claim has expired or was revoked",
    4: "the recipient's claim has expired or was revoked",
    5: "the rest is frozen",
    6: "the balance is smaller",
    7: "the single-trade limit is lower",
    8: "the rest is on hold",
    9: "the security has matured or is paused",
    10: "the sender's country is not admitted",
    11: "the recipient's country is not admitted",
    12: "the sender's volume limit leaves less in its window",
    13: "the recipient's volume limit leaves less in its window",
    14: "the recipient's holding cap leaves less",
}
SENDER_CODES = (1, 3, 5, 6, 8, 10, 12)
STANDING_CODES = (1, 2, 3, 4, 10, 11)
BALANCE_CODE, TRADE_CODE, CAP_CODE = 6, 7, 14
ROOM_CODES = (12, 13, 14)
"""Rules that count what a party has dealt and holds."""


def decide(
    ledger: Ledger, legs: Sequence[PlanLeg], instruction: Instruction, *, after: Sequence[Step] = ()
) -> tuple[Decision, ...]:
    """One decision per leg: whether its amount passes, by which rule, and the largest amount that does.

    Limits on what a party deals and holds count the legs before; a leg that is refused counts for nothing.

    Parameters
    ----------
    legs, instruction
        The same legs by names and by addresses, in the same order.
    after
        Steps that come before the settlement (deposits): the answer is of the state after them.

    Raises
    ------
    ComplianceRejection
        If the steps fail because a party of a leg has no identity or no valid claim: nothing can be issued to it.
    LedgerError
        If they fail for another reason.
    """
    questions = [question for named, leg in zip(legs, instruction.legs, strict=True) for question in _about(named, leg)]
    parties = sorted({name for leg in legs for name in (leg.from_party, leg.to_party)})
    questions.append(_ask(ledger.contracts.compliance, "Compliance", "tradeLimit"))
    questions += [_ask(ledger.contracts.compliance, "Compliance", "standing", bytes32(name)) for name in parties]
    receipts = ledger.simulate(after, then=questions)
    if not all(r.status for r in receipts[: len(after)]) and (barred := _barred(ledger, legs, instruction)):
        raise ComplianceRejection(barred)
    ledger.require_success(receipts)
    answers = [receipt.return_data for receipt in receipts[len(after) :]]
    of_legs, (trade, *found) = answers[: 2 * len(legs)], answers[2 * len(legs) :]
    (trade_limit,) = decode_result("Compliance", "tradeLimit", trade)
    room = Room({name: standing_from(name, answer) for name, answer in zip(parties, found, strict=True)})
    pairs = zip(of_legs[::2], of_legs[1::2], strict=True)
    return tuple(_decision(leg, *pair, trade_limit, room) for leg, pair in zip(legs, pairs, strict=True))


def _ask(place: bytes, contract: str, function: str, *arguments: object) -> Call:
    return Call(bytes(20), place, encode_call(contract, function, *arguments))


def _about(named: PlanLeg, leg: Leg) -> tuple[Call, Call]:
    """What is asked of a leg's token: the largest amount, and what the giver can spare."""
    if named.asset == CURRENCY:
        balance = _ask(leg.token, "CashToken", "balanceOf", leg.giver)
        return balance, balance
    largest = _ask(leg.token, "SecurityToken", "largestTransfer", leg.giver, leg.receiver)
    return largest, _ask(leg.token, "SecurityToken", "availableOf", leg.giver)


def _barred(ledger: Ledger, legs: Sequence[PlanLeg], instruction: Instruction) -> list[Decision]:
    """Refusals of the security legs whose parties may not hold at all; their tokens need not be there yet."""
    place, refused = ledger.contracts.compliance, []
    for named, leg in zip(legs, instruction.legs, strict=True):
        if named.asset != CURRENCY:
            largest, code = ledger.call("Compliance", place, "largestAmount", leg.token, leg.giver, leg.receiver)
            if code in STANDING_CODES:
                refused.append(_judged(named, largest, code))
    return refused


def _decision(leg: PlanLeg, answer: bytes, spare: bytes, trade_limit: int, room: Room) -> Decision:
    if leg.asset == CURRENCY:
        (largest,) = decode_result("CashToken", "balanceOf", answer)
        return _judged(leg, largest, BALANCE_CODE)
    largest, code = decode_result("SecurityToken", "largestTransfer", answer)
    if code in ROOM_CODES:  # what was left before any leg moved: the rest of the rules, then what is left now
        (available,) = decode_result("SecurityToken", "availableOf", spare)
        largest, code = min((available, BALANCE_CODE), (trade_limit, TRADE_CODE))
    largest, code = room.least(largest, code, leg.from_party, leg.to_party)
    if leg.amount <= largest:
        room.move(leg.from_party, leg.to_party, leg.amount)
    return _judged(leg, largest, code)


def _judged(leg: PlanLeg, largest: int, code: int) -> Decision:
    ok = leg.amount <= largest
    message = f"{format_units(leg.amount)} of {leg.asset} from {leg.from_party} to {leg.to_party}"
    if not ok:
        message += f" is {format_units(leg.amount - largest)} over: {MESSAGES[code]}"
    return Decision(
        ok=ok,
        code=0 if ok else code,
        rule="none" if ok else RULES[code],
        message=message,
        amount=leg.amount,
        largest_amount=largest,
        asset=leg.asset,
        party=leg.from_party if code in SENDER_CODES else leg.to_party,
    )
