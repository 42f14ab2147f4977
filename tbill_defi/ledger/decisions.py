"""Decisions: the contracts' own answer about each leg, before anything is sent."""

from __future__ import annotations

from collections.abc import Sequence

from tbill_defi.chain.types import Call
from tbill_defi.core.decision import Decision
from tbill_defi.core.errors import ComplianceRejection, LedgerError
from tbill_defi.core.money import format_units
from tbill_defi.ledger.abi import decode_revert, encode_call
from tbill_defi.ledger.deployment import CURRENCY, Step
from tbill_defi.ledger.ledger import Ledger
from tbill_defi.ledger.refusals import refusal
from tbill_defi.ledger.settlement import Instruction, Leg, PlanLeg
from tbill_defi.ledger.token_rules import token_rules

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
    9: "paused",
    10: "country",
    11: "country",
    12: "volume",
    13: "volume",
    14: "holding-cap",
    15: "denomination",
    16: "default",
    17: "stopped",
    18: "sanctions",
    19: "sanctions",
    20: "required-claim",
    21: "share-of-supply",
    22: "holder-count",
    23: "lock-up",
    24: "minimum-holding",
    25: "minimum-holding",
    26: "rule",
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
    9: "the security is paused",
    10: "the sender's country is not admitted",
    11: "the recipient's country is not admitted",
    12: "the sender's volume limit leaves less in its window",
    13: "the recipient's volume limit leaves less in its window",
    14: "the recipient's holding cap leaves less",
    15: "only multiples of the denomination pass",
    16: "the security is in default",
    17: "the ledger is stopped in an emergency",
    18: "the sender is on the sanctions list",
    19: "the recipient is on the sanctions list",
    20: "the recipient has no claim of a class that the security requires",
    21: "the recipient's share of the supply leaves less",
    22: "the security has as many holders as it may",
    23: "the rest of the sender's units is under lock-up",
    24: "the sender would keep less than the minimum holding",
    25: "the recipient would have less than the minimum holding",
    26: "a rule of the security refuses, or fails",
}
SENDER_CODES = (1, 3, 5, 6, 8, 10, 12, 18, 23, 24)
TOKEN_RULE_CODES = range(20, 27)
"""Codes of the rules that one security is under."""
STANDING_CODES = (1, 2, 3, 4, 10, 11, 17, 18, 19)
CAP_CODE = 14


def decide(
    ledger: Ledger, legs: Sequence[PlanLeg], instruction: Instruction, *, after: Sequence[Step] = ()
) -> tuple[Decision, ...]:
    """One decision per leg: whether its amount passes, by which rule, and the largest amount that does.

    The legs are tried one after the other on the state that those before leave; one that is refused counts for nothing.

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
    data = encode_call("Settlement", "judge", instruction.abi_value()[0])
    *before, answer = ledger.simulate(after, then=[Call(bytes(20), ledger.contracts.settlement, data)])
    if not all(r.status for r in before) and (barred := _barred(ledger, legs, instruction)):
        raise ComplianceRejection(barred)
    ledger.require_success(before)
    name, arguments = decode_revert(answer.revert)
    if name != "Judged":
        raise refusal(answer.revert)
    findings = [(found["largest"], found["code"]) for found in arguments["findings"]]
    return tuple(
        _judged(leg, largest, code, _figure(ledger, leg, code))
        for leg, (largest, code) in zip(legs, findings, strict=True)
    )


def explained(ledger: Ledger, error: LedgerError, leg: Leg) -> LedgerError:
    """A refusal to move a leg, in the words of the rule of its security that binds; any other error as it is."""
    if error.code != "ERC7943CannotTransfer":
        return error
    books = ledger.books()
    giver, receiver = books.party_of(f"0x{leg.giver.hex()}"), books.party_of(f"0x{leg.receiver.hex()}")
    named = PlanLeg(books.asset_of(f"0x{leg.token.hex()}"), giver, receiver, leg.amount)
    (decision,) = decide(ledger, [named], Instruction((leg,), 0, 0, 0))
    return LedgerError(decision.describe(), error.code) if decision.code in TOKEN_RULE_CODES else error


def _barred(ledger: Ledger, legs: Sequence[PlanLeg], instruction: Instruction) -> list[Decision]:
    """Refusals of the security legs whose parties may not hold at all; their tokens need not be there yet."""
    place, refused = ledger.contracts.compliance, []
    for named, leg in zip(legs, instruction.legs, strict=True):
        if named.asset != CURRENCY:
            largest, code = ledger.call("Compliance", place, "largestAmount", leg.token, leg.giver, leg.receiver)
            if code in STANDING_CODES:
                refused.append(_judged(named, largest, code))
    return refused


def _figure(ledger: Ledger, leg: PlanLeg, code: int) -> str:
    return token_rules(ledger, leg.asset).figure(code) if code in TOKEN_RULE_CODES else ""


def _judged(leg: PlanLeg, largest: int, code: int, figure: str = "") -> Decision:
    ok = code == 0
    message = f"{format_units(leg.amount)} of {leg.asset} from {leg.from_party} to {leg.to_party}"
    if not ok:
        message += f" is {format_units(leg.amount - largest)} over: {MESSAGES[code]}{f' ({figure})' if figure else ''}"
    return Decision(
        ok=ok,
        code=code,
        rule=RULES[code],
        message=message,
        amount=leg.amount,
        largest_amount=largest,
        asset=leg.asset,
        party=leg.from_party if code in SENDER_CODES else leg.to_party,
    )
