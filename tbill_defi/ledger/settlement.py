"""Instructions: the legs that settle together, what their givers sign, and the hash of a plan.

EIP-712 digests and the plan hash are computed here by their published recipes; the Settlement contract
recomputes both, so a difference is a revert, never a wrong settlement.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from tbill_defi.core.errors import UsageError
from tbill_defi.core.hashing import keccak256
from tbill_defi.core.identifiers import bytes32
from tbill_defi.ledger.eip712 import typed_digest, words

MAX_LEGS = 64
ZERO_HASH = bytes(32)

_LEG_TYPE_TEXT = b"Leg(address token,address from,address to,uint256 amount)"
_LEG_TYPE = keccak256(_LEG_TYPE_TEXT)
_INSTRUCTION_TYPE_TEXT = (
    b"Instruction(Leg[] legs,uint64 notBefore,uint64 deadline,uint256 nonce,bytes32 contextHash,bytes32 planHash)"
    + _LEG_TYPE_TEXT
)
_INSTRUCTION_TYPE = keccak256(_INSTRUCTION_TYPE_TEXT)
_BATCH_TYPE = keccak256(b"Batch(Instruction[] instructions)" + _INSTRUCTION_TYPE_TEXT)
_NAME = b"tbill_defi Settlement"


@dataclass(frozen=True, slots=True, order=True)
class PlanLeg:
    """A leg by names, as a plan knows it: no address is in it, so its hash is the same on every ledger.

    Legs are ordered by (asset, from, to), which is the order that is hashed and settled.
    """

    asset: str
    """CUSIP or currency code."""
    from_party: str
    to_party: str
    amount: int
    """Base units: 10^-6 of the currency, 10^-6 dollar of face."""


def legs_hash(legs: Iterable[PlanLeg]) -> bytes:
    """Keccak-256 over the sorted legs, four 32-byte words each: asset id, from id, to id, amount."""
    return keccak256(
        b"".join(
            words(bytes32(leg.asset), bytes32(leg.from_party), bytes32(leg.to_party), leg.amount)
            for leg in sorted(legs)
        )
    )


def plan_hash(context_hash: bytes, legs: Iterable[PlanLeg]) -> bytes:
    """keccak256(abi.encode(contextHash, legsHash)): what a plan is called everywhere."""
    return keccak256(context_hash + legs_hash(legs))


@dataclass(frozen=True, slots=True)
class Leg:
    """A leg by addresses, as the ledger settles it. `amount` in base units of the token."""

    token: bytes
    giver: bytes
    receiver: bytes
    amount: int


@dataclass(frozen=True, slots=True)
class Instruction:
    """What settles all or nothing: 1 to 64 legs between `not_before` and `deadline` (Unix seconds, inclusive)."""

    legs: tuple[Leg, ...]
    not_before: int
    deadline: int
    nonce: int
    context_hash: bytes = ZERO_HASH
    plan_hash: bytes = ZERO_HASH

    @property
    def givers(self) -> list[bytes]:
        """Distinct givers in ascending order: one signature each, in this order."""
        return sorted({leg.giver for leg in self.legs})

    def digest(self, chain_id: int, settlement: bytes) -> bytes:
        """EIP-712 digest for that chain id and Settlement contract: what each giver signs."""
        return typed_digest(_NAME, chain_id, settlement, self.struct())

    def struct(self) -> bytes:
        """EIP-712: the type's hash and the encoded fields, whose Keccak-256 is hashStruct."""
        legs = b"".join(
            keccak256(_LEG_TYPE + words(leg.token, leg.giver, leg.receiver, leg.amount)) for leg in self.legs
        )
        times = words(self.not_before, self.deadline, self.nonce)
        return _INSTRUCTION_TYPE + keccak256(legs) + times + self.context_hash + self.plan_hash

    def abi_value(self) -> tuple[Any, ...]:
        """The struct as the ABI encoder takes it."""
        legs = [(leg.token, leg.giver, leg.receiver, leg.amount) for leg in self.legs]
        return (legs, self.not_before, self.deadline, self.nonce, self.context_hash, self.plan_hash)


@dataclass(frozen=True, slots=True)
class SignedInstruction:
    """An instruction with one signature per giver, in the order of `Instruction.givers`."""

    instruction: Instruction
    signatures: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Batch:
    """Instructions that are signed as one list, in this order, by everyone who gives in any of them.

    Each settles by itself, once, within its own times; a list that was cut, sorted otherwise or added to is not signed.
    """

    instructions: tuple[Instruction, ...]

    @property
    def givers(self) -> list[bytes]:
        """Distinct givers of all instructions in ascending order: one signature each, in this order."""
        return sorted({leg.giver for instruction in self.instructions for leg in instruction.legs})

    def digest(self, chain_id: int, settlement: bytes) -> bytes:
        """EIP-712 digest for that chain id and Settlement contract: what each giver signs."""
        hashes = b"".join([keccak256(instruction.struct()) for instruction in self.instructions])
        return typed_digest(_NAME, chain_id, settlement, _BATCH_TYPE + keccak256(hashes))


@dataclass(frozen=True, slots=True)
class SignedBatch:
    """A batch with one signature per giver, in the order of `Batch.givers`."""

    batch: Batch
    signatures: tuple[bytes, ...]


def settle_batch_arguments(signed: SignedBatch) -> tuple[list[bytes], bytes, list[bytes]]:
    """Arguments of `Settlement.settleBatch`: accounts, packed instructions, signatures."""
    accounts, packed = _packed([(instruction, None) for instruction in signed.batch.instructions])
    return accounts, packed, list(signed.signatures)


def settle_many_arguments(signed: Sequence[SignedInstruction]) -> tuple[list[bytes], bytes]:
    """Arguments of `Settlement.settleMany`: accounts, packed instructions."""
    return _packed([(each.instruction, each.signatures) for each in signed])


def _packed(entries: Sequence[tuple[Instruction, Sequence[bytes] | None]]) -> tuple[list[bytes], bytes]:
    """Instructions, each with its own signatures or None, as PackedInstructions.sol reads them, and their accounts."""
    places: dict[bytes, int] = {}
    parts = [_counted("instructions of a call", len(entries), 2)]
    for instruction, signatures in entries:
        parts += map(_numeral, (instruction.not_before, instruction.deadline, instruction.nonce))
        parts += (_numeral(int.from_bytes(each, "big")) for each in (instruction.context_hash, instruction.plan_hash))
        parts.append(_counted("legs of an instruction", len(instruction.legs), 1))
        for leg in instruction.legs:
            for account in (leg.token, leg.giver, leg.receiver):
                parts.append(_counted("accounts of a call", places.setdefault(account, len(places)), 2))
            parts.append(_numeral(leg.amount))
        if signatures is not None:
            parts.append(_counted("signatures of an instruction", len(signatures), 1))
            for signature in signatures:
                parts += (_counted("bytes of a signature", len(signature), 2), signature)
    return list(places), b"".join(parts)


def _numeral(value: int) -> bytes:
    """How many bytes follow, and these: the number, big-endian, without leading zeros."""
    if not 0 <= value < 1 << 256:
        raise UsageError(f"instruction: {value} is not in [0, 2^256)")
    digits = value.to_bytes((value.bit_length() + 7) // 8, "big")
    return bytes((len(digits),)) + digits


def _counted(what: str, count: int, size: int) -> bytes:
    if count >> 8 * size:
        raise UsageError(f"{what}: {count} are too many; at most {(1 << 8 * size) - 1}")
    return count.to_bytes(size, "big")
