"""Raw EIP-1559 transactions: the only way to change an embedded ledger. Signed here, recovered here, strictly.

Every transaction has the ledger's chain id, gas limit exactly `TRANSACTION_GAS`, tip, fee and value 0, an empty access
list, a recipient, and a low-s signature. There is one encoding of it: what does not encode back to itself is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import rlp

from tbill_defi.chain.executor import TRANSACTION_GAS
from tbill_defi.chain.keys import SigningKey, recover_address
from tbill_defi.core.errors import LedgerError
from tbill_defi.core.hashing import keccak256

LONGEST_TRANSACTION = 2**17
"""Bytes of a raw transaction; at 16 gas a byte half of the gas a transaction may use."""

_TYPE = b"\x02"
_FIELDS = 12


@dataclass(frozen=True, slots=True)
class Transaction:
    """A transaction whose sender is recovered from its signature, not claimed."""

    sender: bytes
    to: bytes
    data: bytes
    nonce: int
    chain_id: int
    hash: bytes
    raw: bytes


def sign_transaction(
    key: SigningKey, *, chain_id: int, nonce: int, to: bytes, data: bytes, gas_limit: int = TRANSACTION_GAS
) -> bytes:
    """Raw EIP-1559 transaction of fee, tip and value 0.

    Parameters
    ----------
    to
        Contract, 20 bytes. Contracts are created through the deployment proxy, not by transactions without recipient.
    """
    fields = b"".join(
        (
            _item(_integer(chain_id)),
            _item(_integer(nonce)),
            _item(b""),
            _item(b""),
            _item(_integer(gas_limit)),
            _item(to),
            _item(b""),
            _item(data),
            _list(b""),
        )
    )
    signature = key.sign_digest(keccak256(_TYPE + _list(fields)))
    tail = (_integer(signature[64] - 27), signature[:32].lstrip(b"\0"), signature[32:64].lstrip(b"\0"))
    return _TYPE + _list(fields + b"".join(map(_item, tail)))


def recover(raw: bytes, *, chain_id: int) -> Transaction:
    """The transaction, if it is one this ledger executes.

    Raises
    ------
    LedgerError
        By code: "BadTransaction" (not a canonical EIP-1559 transaction), "TooLong", "WrongChain", "NotZeroFee",
        "NotZeroValue", "WrongGasLimit", "NotEmptyAccessList", "NoRecipient", "BadSignature".
    """
    if len(raw) > LONGEST_TRANSACTION:
        raise LedgerError(f"transaction: {len(raw)} bytes; at most {LONGEST_TRANSACTION}", code="TooLong")
    fields = _decode(raw)
    chain, nonce, tip, fee, gas, to, value, data, access, parity, r, s = fields
    _check("chain id", int.from_bytes(chain, "big"), chain_id, "WrongChain")
    _check("tip", int.from_bytes(tip, "big"), 0, "NotZeroFee")
    _check("max fee", int.from_bytes(fee, "big"), 0, "NotZeroFee")
    _check("value", int.from_bytes(value, "big"), 0, "NotZeroValue")
    _check("gas limit", int.from_bytes(gas, "big"), TRANSACTION_GAS, "WrongGasLimit")
    if access:
        raise LedgerError("transaction: its access list is not empty", code="NotEmptyAccessList")
    if len(to) != 20:
        raise LedgerError("transaction: no recipient; deploy through the deployment proxy", code="NoRecipient")
    if len(nonce) > 8:
        raise LedgerError("transaction: its nonce is beyond 2^64 - 1", code="BadTransaction")
    if parity not in (b"", b"\x01") or len(r) > 32 or len(s) > 32:
        raise LedgerError("transaction: its signature is out of range", code="BadSignature")
    signed = b"".join(map(_item, fields[:8])) + _list(b"")
    signature = r.rjust(32, b"\0") + s.rjust(32, b"\0") + bytes((27 + len(parity),))
    sender = recover_address(keccak256(_TYPE + _list(signed)), signature)
    return Transaction(sender, to, data, int.from_bytes(nonce, "big"), chain_id, keccak256(raw), bytes(raw))


def _decode(raw: bytes) -> list[bytes]:
    """The twelve fields; the access list, if empty, as b"", else as its encoding."""
    if raw[:1] != _TYPE:
        raise LedgerError("transaction: not of type 2 (EIP-1559)", code="BadTransaction")
    try:
        decoded: Any = rlp.decode(raw[1:], strict=True)
    except Exception:  # rlp raises IndexError and others beside its DecodingError
        raise LedgerError("transaction: not RLP", code="BadTransaction") from None
    if not isinstance(decoded, list) or len(decoded) != _FIELDS or not isinstance(decoded[8], list):
        raise LedgerError("transaction: not the twelve fields of EIP-1559", code="BadTransaction")
    access = bytes(rlp.encode(decoded[8]))
    fields: list[bytes] = [*decoded[:8], access if decoded[8] else b"", *decoded[9:]]
    if not all(isinstance(field, bytes) for field in fields):
        raise LedgerError("transaction: a field is a list", code="BadTransaction")
    if any(field[:1] == b"\0" for field in (*fields[:5], fields[6], *fields[9:])):
        raise LedgerError("transaction: an integer has leading zeros", code="BadTransaction")
    body = b"".join(map(_item, fields[:8])) + access + b"".join(map(_item, fields[9:]))
    if _TYPE + _list(body) != raw:
        raise LedgerError("transaction: not its canonical encoding", code="BadTransaction")
    return fields


def _check(what: str, value: int, right: int, code: str) -> None:
    if value != right:
        raise LedgerError(f"transaction: {what} is {value}; on this ledger it is {right}", code=code)


def _integer(value: int) -> bytes:
    return value.to_bytes((value.bit_length() + 7) // 8, "big")


def _item(data: bytes) -> bytes:
    """RLP of a byte string."""
    if len(data) == 1 and data[0] < 0x80:
        return data
    return _prefix(len(data), 0x80) + data


def _list(body: bytes) -> bytes:
    """RLP of a list whose items are encoded already."""
    return _prefix(len(body), 0xC0) + body


def _prefix(length: int, offset: int) -> bytes:
    if length < 56:
        return bytes((offset + length,))
    size = _integer(length)
    return bytes((offset + 55 + len(size),)) + size
