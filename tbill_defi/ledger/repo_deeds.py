"""What is sent to open, margin, exchange and end a repo: transactions and signed instructions, nothing asked first.

`Repos` asks first and sends one deed at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from tbill_defi.core.clock import new_york_midnight
from tbill_defi.ledger.abi import encode_call
from tbill_defi.ledger.deployment import CURRENCY, Step
from tbill_defi.ledger.instructions import digest, instruction_of, required_token
from tbill_defi.ledger.ledger import OPERATOR, Ledger
from tbill_defi.ledger.repo_state import DAY_SECONDS, RepoState
from tbill_defi.ledger.repo_terms import FACILITY, RepoQuote, margin_hash, repurchase_hash, substitution_hash
from tbill_defi.ledger.settlement import Instruction, PlanLeg

CONTRACT = "RepoFacility"
QUOTE_SECONDS = 900


def today_of(ledger: Ledger) -> int:
    """The day of acts, which is no more than 24 hours ago: midnight, or an hour later late on a 25-hour day."""
    day = ledger.market_date
    midnight, latest = new_york_midnight(day), new_york_midnight(day + timedelta(days=1)) - DAY_SECONDS
    return latest if midnight < latest <= ledger.chain.now() else midnight


def instruction(ledger: Ledger, legs: Sequence[PlanLeg], context: bytes, seconds: int = QUOTE_SECONDS) -> Instruction:
    """Legs that touch the facility, under the hash of what they are for."""
    places = {FACILITY: ledger.contracts.repo_facility}
    return instruction_of(ledger, legs, context, places=places, seconds=seconds)


def signature(ledger: Ledger, party: str, given: Instruction) -> bytes:
    """A party's signature over an instruction, by its key in the keyring."""
    return ledger.keyring.key(party).sign_digest(digest(ledger, given))


def open_step(ledger: Ledger, quote: RepoQuote) -> Step:
    """Cash against collateral, by a quote that both have signed."""
    signatures = [quote.signatures[giver] for giver in quote.instruction.givers]
    return call_step(ledger, OPERATOR, "open", quote.terms.abi_value(), quote.instruction.abi_value(), signatures)


def margin_step(ledger: Ledger, repo: RepoState, face_units: int, cash_units: int) -> Step:
    """More of the collateral, or cash, or both, from the borrower."""
    legs = [
        PlanLeg(repo.cusip, repo.borrower, FACILITY, face_units),
        PlanLeg(CURRENCY, repo.borrower, FACILITY, cash_units),
    ]
    today = today_of(ledger)
    given = instruction(ledger, [leg for leg in legs if leg.amount], margin_hash(repo.repo_id, repo.acts, today))
    signatures = [signature(ledger, repo.borrower, given)]
    return call_step(ledger, OPERATOR, "deliverMargin", repo.repo_id, today, given.abi_value(), signatures)


def substitute_step(ledger: Ledger, repo: RepoState, cusip: str, face_units: int) -> Step:
    """Other collateral from the borrower, with the lender's consent."""
    token, today = required_token(ledger, cusip), today_of(ledger)
    context = substitution_hash(repo.repo_id, repo.acts, today, token, face_units)
    given = instruction(ledger, [PlanLeg(cusip, repo.borrower, FACILITY, face_units)], context)
    signatures, consent = [signature(ledger, repo.borrower, given)], signature(ledger, repo.lender, given)
    act = (repo.repo_id, today, token, face_units, given.abi_value(), signatures, consent)
    return call_step(ledger, OPERATOR, "substitute", *act)


def repurchase_step(ledger: Ledger, repo: RepoState, principal_units: int, face_units: int) -> Step:
    """Cash from the borrower: all, with interest, or a part against `face_units`; the lender consents where he must."""
    today, whole = today_of(ledger), principal_units == repo.principal_units
    context = repurchase_hash(repo.repo_id, repo.acts, today, principal_units, face_units)
    pays = principal_units + (repo.interest_units if whole else 0)
    given = instruction(ledger, [PlanLeg(CURRENCY, repo.borrower, FACILITY, pays)], context)
    signatures = [signature(ledger, repo.borrower, given)]
    needed = not whole or ledger.market_date < repo.end_date
    consent = signature(ledger, repo.lender, given) if needed else b""
    act = (repo.repo_id, today, principal_units, face_units, given.abi_value(), signatures, consent)
    return call_step(ledger, OPERATOR, "repurchase", *act)


def call_step(ledger: Ledger, key: str, function: str, *arguments: Any) -> Step:
    """A call of the facility by a key."""
    return Step(key, ledger.contracts.repo_facility, encode_call(CONTRACT, function, *arguments))
