"""Instructions of contracts that settle through their own functions: legs by address, under what they are for.

The RepoFacility and the OptionBook are parties whose wallets no registry needs to know for an Instruction to be made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tbill_defi.core.errors import LedgerError
from tbill_defi.core.hashing import keccak256
from tbill_defi.ledger.deployment import CURRENCY
from tbill_defi.ledger.ledger import Ledger
from tbill_defi.ledger.settlement import Instruction, Leg, PlanLeg, plan_hash


def required_token(ledger: Ledger, cusip: str) -> bytes:
    """Token of a security.

    Raises
    ------
    LedgerError
        If the ledger has none (code "UnknownAsset").
    """
    token = ledger.token_of(cusip)
    if token is None:
        known = ", ".join(ledger.books().securities()[:6]) or "none"
        raise LedgerError(f"{cusip} has no token on this ledger; securities: {known}", "UnknownAsset")
    return token


def instruction_of(
    ledger: Ledger, legs: Sequence[PlanLeg], context: bytes, *, places: Mapping[str, bytes], seconds: int
) -> Instruction:
    """The legs by address, valid for some seconds from now on, under the hash of what they are for.

    Parameters
    ----------
    places
        Wallets of the parties that are contracts.

    Raises
    ------
    LedgerError
        If a party or a token is not there.
    """
    hashed, now = plan_hash(context, legs), ledger.chain.now()
    return Instruction(
        legs=tuple(
            Leg(
                ledger.contracts.usd if leg.asset == CURRENCY else required_token(ledger, leg.asset),
                places.get(leg.from_party) or ledger.address_of(leg.from_party),
                places.get(leg.to_party) or ledger.address_of(leg.to_party),
                leg.amount,
            )
            for leg in sorted(legs)
        ),
        not_before=now,
        deadline=now + seconds,
        nonce=int.from_bytes(keccak256(hashed + now.to_bytes(8, "big")), "big"),
        context_hash=context,
        plan_hash=hashed,
    )


def digest(ledger: Ledger, instruction: Instruction) -> bytes:
    """What the givers of an instruction sign on this ledger."""
    return instruction.digest(ledger.chain.chain_id, ledger.contracts.settlement)
