"""Hand-overs: the operator's word, by his old key, that another key signs heads from a block on.

The first operator is in the genesis; each hand-over is signed by the key that the one before named, so that whoever
knows any of these keys follows the chain to the one that signs now. It is signed over SHA-256 and names public keys, as
a checkpoint is, so that following it needs nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from hashlib import sha256
from typing import Any

from tbill_defi.chain import schema
from tbill_defi.chain.digests import digest_fields
from tbill_defi.chain.heads import Genesis, SignedHead
from tbill_defi.chain.keys import SigningKey, address_of, is_public_key, public_key_of
from tbill_defi.core.errors import AuditFailure, LedgerError
from tbill_defi.core.hashing import canonical_json

Row = tuple[Any, ...]
"""Of the table `handovers`."""
COLUMNS = tuple(column.name for column in schema.handovers.columns)
TYPES = tuple(column.type.python_type for column in schema.handovers.columns)


@dataclass(frozen=True, slots=True)
class Handover:
    """Hashes and keys as hex, numbers as decimal text: its JSON form is its fields.

    Attributes
    ----------
    height, block_hash
        The last block whose head `operator` signed.
    operator, successor
        Compressed public keys.
    signature
        r || s || v of SHA-256 of the canonical JSON of ["handover", the other fields], by `operator`.
    """

    chain_id: str
    genesis_hash: str
    height: str
    block_hash: str
    operator: str
    successor: str
    signature: str = ""

    @classmethod
    def sign(cls, key: SigningKey, genesis: Genesis, head: SignedHead, successor: bytes) -> Handover:
        """The operator of `head` hands over to the compressed public key `successor`."""
        where = str(genesis.chain_id), genesis.hash.hex(), str(head.height), head.block_hash.hex()
        unsigned = cls(*where, key.public_key.hex(), successor.hex())
        return replace(unsigned, signature=key.sign_digest(unsigned.digest()).hex())

    @classmethod
    def of_row(cls, genesis: Genesis, row: Row) -> Handover:
        """The one of a table row whose columns have their types."""
        _, height, block_hash, operator, successor, signature, _ = row
        where = str(genesis.chain_id), genesis.hash.hex(), str(height), block_hash.hex()
        return cls(*where, operator.hex(), successor.hex(), signature.hex())

    def row(self, number: int) -> dict[str, Any]:
        """Columns of the table."""
        keys = {name: bytes.fromhex(getattr(self, name)) for name in ("operator", "successor", "signature")}
        fields: dict[str, Any] = {
            "number": number,
            "height": int(self.height),
            "hash": bytes.fromhex(self.block_hash),
            **keys,
        }
        return {**fields, "field_digests": digest_fields(fields.values())}

    def digest(self) -> bytes:
        """What is signed, 32 bytes."""
        unsigned = {name: text for name, text in self.value().items() if name != "signature"}
        return sha256(canonical_json(["handover", unsigned])).digest()

    def holds(self) -> bool:
        """Whether the signature is of the key that hands over."""
        return self.signer() == bytes.fromhex(self.operator)

    def signer(self) -> bytes | None:
        """Compressed public key whose signature it is; None if no key can have made it."""
        try:
            return public_key_of(self.digest(), bytes.fromhex(self.signature))
        except (LedgerError, ValueError):
            return None

    def value(self) -> dict[str, str]:
        """Its JSON value."""
        return asdict(self)

    def to_json(self) -> str:
        """One JSON object, indented."""
        return json.dumps(self.value(), indent=2) + "\n"


@dataclass(frozen=True, slots=True)
class Operators:
    """Who signs heads at which height: the genesis's operator, then whom each hand-over names. Addresses are 20 bytes.

    A head of the block at which one hands over may be of either.
    """

    first: bytes
    handovers: tuple[Handover, ...] = ()
    addresses: tuple[bytes, ...] = field(init=False)

    def __post_init__(self) -> None:
        named = [address_of(bytes.fromhex(one.successor)) for one in self.handovers]
        object.__setattr__(self, "addresses", (self.first, *named))

    @property
    def latest(self) -> bytes:
        """Who signs now."""
        return self.addresses[-1]

    def at(self, height: int) -> tuple[bytes, ...]:
        """Whose heads of a height count."""
        starts = [0, *(int(one.height) for one in self.handovers)]
        ends = [*(int(one.height) for one in self.handovers), height]
        return tuple(who for who, a, b in zip(self.addresses, starts, ends, strict=True) if a <= height <= b)

    def until(self, address: bytes) -> int | None:
        """Height at which one of them handed over; None: he has not, or never was the operator."""
        place = self.addresses.index(address) if address in self.addresses else len(self.handovers)
        return int(self.handovers[place].height) if place < len(self.handovers) else None


def operators_of(genesis: Genesis, rows: Sequence[Row]) -> Operators:
    """The operators of a ledger whose hand-overs are these rows, in order.

    Raises
    ------
    AuditFailure
        If one of them is not what the operator before signed.
    """
    found = Operators(genesis.operator)
    for row in rows:
        number = len(found.handovers) + 1
        fault = fault_of(genesis, found, row)
        if fault is not None:
            raise AuditFailure(f"hand-over {number}, column {fault[0]}: {fault[1]}; run `tbill audit verify`")
        found = Operators(found.first, (*found.handovers, Handover.of_row(genesis, row)))
    return found


def fault_of(genesis: Genesis, before: Operators, row: Row) -> tuple[str, str] | None:
    """(column, what is wrong) of the row that comes after these hand-overs; None: it is what the operator signed.

    Digests of fields tell an audit which one was altered; nothing rests on them.
    """
    for name, value, wanted in zip(COLUMNS, row, TYPES, strict=True):
        if type(value) is not wanted:
            return name, f"holds {type(value).__name__} where {wanted.__name__} belongs"
    number, height, _, operator, successor, *_ = row
    if number != len(before.handovers) + 1:
        return "number", f"holds {number} where {len(before.handovers) + 1} belongs"
    for name, key in (("operator", operator), ("successor", successor)):
        if not is_public_key(key):
            return name, "is no public key"
    if address_of(operator) != before.latest:
        return "operator", f"is 0x{address_of(operator).hex()}'s, the operator then was 0x{before.latest.hex()}"
    signer = Handover.of_row(genesis, row).signer()
    if signer != operator:
        who = "no key can have made it" if signer is None else f"it is of 0x{address_of(signer).hex()}"
        return "signature", f"not the operator's, {who}: it was forged, or a field that it covers was altered"
    if before.handovers and height < int(before.handovers[-1].height):
        return "height", f"holds {height}, below that of the hand-over before"
    if address_of(successor) in before.addresses:
        return "successor", "was the operator before: nobody is twice"
    return None


def require_operator(operators: Operators, key: SigningKey | None) -> None:
    """Refuse a key that is not the operator's, or is not any more: LedgerError "WrongOperator"; None is a reader's."""
    if key is None or key.address == operators.latest:
        return
    height = operators.until(key.address)
    text = f"ledger: its operator is 0x{operators.latest.hex()}, the key is 0x{key.address.hex()}'s"
    if height is not None:
        text += f", which handed over at block {height}; `tbill keys rotate operator` goes on with one that was cut off"
    raise LedgerError(text, code="WrongOperator")
