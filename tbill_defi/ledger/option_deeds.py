"""What is sent to write, buy, exercise and end an option: transactions and signed instructions, nothing asked first.

`Options` asks first and sends one deed at a time; a plan and a backtest put them into one batch with what else settles.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tbill_defi.chain.keys import SigningKey
from tbill_defi.ledger.abi import encode_call
from tbill_defi.ledger.deployment import CURRENCY, Step
from tbill_defi.ledger.instructions import digest, instruction_of, required_token
from tbill_defi.ledger.ledger import OPERATOR, Ledger
from tbill_defi.ledger.option_terms import OptionQuote, OptionState, OptionTerms, exercise_context
from tbill_defi.ledger.settlement import Instruction, PlanLeg

BOOK = "option-book"
"""The OptionBook's name as a party."""
CONTRACT = "OptionBook"
QUOTE_SECONDS = 900


def payment_units(ledger: Ledger, terms: OptionTerms) -> int:
    """Strike and accrued interest for the face, base units, rounded up: computed by the contract."""
    found: int = ledger.call(CONTRACT, ledger.contracts.option_book, "paymentOf", terms.abi_value())
    return found


def write_steps(ledger: Ledger, terms: OptionTerms, key: str | SigningKey) -> list[Step]:
    """Set collateral aside and write; both signed by the writer's key."""
    book = ledger.contracts.option_book
    if terms.kind == "call":
        hold = (terms.hold_salt, book, terms.holder, terms.face_units, terms.exercise_until)
        token = required_token(ledger, terms.cusip)
        first = Step(key, token, encode_call("SecurityToken", "createHold", *hold))
    else:
        approval = encode_call("CashToken", "approve", book, payment_units(ledger, terms))
        first = Step(key, ledger.contracts.usd, approval)
    return [first, Step(key, book, encode_call(CONTRACT, "write", terms.abi_value()))]


def signed_quote(
    ledger: Ledger, terms: OptionTerms, premium_units: int, key: SigningKey, *, valid_seconds: int = QUOTE_SECONDS
) -> OptionQuote:
    """The writer's offer at a premium, signed by his key."""
    writer, holder = (ledger.books().party_of("0x" + wallet.hex()) for wallet in (terms.writer, terms.holder))
    legs = [PlanLeg(CURRENCY, holder, BOOK, premium_units)]
    instruction = _instruction(ledger, legs, terms.option_id, valid_seconds)
    return OptionQuote(terms, writer, holder, instruction, key.sign_digest(digest(ledger, instruction)))


def buy_step(ledger: Ledger, quote: OptionQuote, key: SigningKey) -> Step:
    """Premium against option; `key` is the holder's."""
    signatures = [key.sign_digest(digest(ledger, quote.instruction))]
    return call_step(ledger, "buy", quote.terms.option_id, quote.instruction.abi_value(), signatures, quote.signature)


def exercise_step(ledger: Ledger, option: OptionState, key: SigningKey) -> Step:
    """Cash against delivery; `key` is the holder's."""
    terms, book = option.terms, ledger.contracts.option_book
    if terms.kind == "call":
        legs = [PlanLeg(CURRENCY, option.holder, BOOK, option.payment_units)]
    else:
        legs = [
            PlanLeg(terms.cusip, option.holder, option.writer, terms.face_units),
            PlanLeg(CURRENCY, BOOK, option.holder, option.payment_units),
        ]
    instruction = _instruction(ledger, legs, exercise_context(terms.option_id), QUOTE_SECONDS)
    signature = key.sign_digest(digest(ledger, instruction))
    signatures = [b"" if giver == book else signature for giver in instruction.givers]
    return call_step(ledger, "exercise", terms.option_id, instruction.abi_value(), signatures)


def call_step(ledger: Ledger, function: str, *arguments: Any) -> Step:
    """A call of the book that anyone may make: the operator does."""
    return Step(OPERATOR, ledger.contracts.option_book, encode_call(CONTRACT, function, *arguments))


def _instruction(ledger: Ledger, legs: Sequence[PlanLeg], context: bytes, seconds: int) -> Instruction:
    """Legs that touch the book, under the hash of what they are for."""
    return instruction_of(ledger, legs, context, places={BOOK: ledger.contracts.option_book}, seconds=seconds)
