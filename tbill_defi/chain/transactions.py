"""Raw EIP-1559 transactions: the only way to change a ledger. Signed here, recovered here, strictly.

Every transaction of an embedded ledger has the ledger's chain id, gas limit exactly `TRANSACTION_GAS`, tip, fee and
value 0, an empty access list, a recipient, and a low-s signature. There is one encoding of it: what does not encode
back to itself is refused. A node's has fees, and the node is its judge.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tbill_defi.chain.executor import TRANSACTION_GAS
from tbill_defi.chain.keys import SigningKey, recover_address
from tbill_defi.chain.types import Unsigned
from tbill_defi.core.errors import LedgerError
from tbill_defi.core.hashing import keccak256

LONGEST_TRANSACTION = 2**17
"""Bytes of a raw transaction; at 16 gas a byte half of the gas a transaction may use."""

_TYPE = b"\x02"
_FIELDS, _ACCESS_LIST = 12, 8
_NO_ACCESS = b"\xc0"


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
    key: SigningKey,
    *,
    chain_id: int,
    nonce: int,
    to: bytes,
    data: bytes,
    gas_limit: int = TRANSACTION_GAS,
    tip: int = 0,
    max_fee: int = 0,
    value: int = 0,
) -> bytes:
    """Raw EIP-1559 transaction; by default one of an embedded ledger, with fee, tip and value 0.

    Parameters
    ----------
    to
        Contract, 20 bytes. Contracts are created through the deployment proxy, not by transactions without recipient.
    tip, max_fee
        Wei per gas.
    value
        Wei.
    """
    fields = b"".join(
        (
            _item(_integer(chain_id)),
            _item(_integer(nonce)),
            _item(_integer(tip)),
            _item(_integer(max_fee)),
            _item(_integer(gas_limit)),
            _item(to),
            _item(_integer(value)),
            _item(data),
            _NO_ACCESS,
        )
    )
    signature = key.sign_digest(keccak256(_TYPE + _list(fields)))
    tail = (_integer(signature[64] - 27), signature[:32].lstrip(b"\0"), signature[32:64].lstrip(b"\0"))
    return _TYPE + _list(fields + b"".join(map(_item, tail)))


def sign_in_order(
    transactions: Sequence[Unsigned], *, chain_id: int, next_nonce: Callable[[bytes], int]
) -> list[bytes]:
    """Raw transactions of an embedded ledger, each with its sender's next nonce."""
    nonces: dict[bytes, int] = {}
    signed = []
    for item in transactions:
        sender = item.key.address
        nonce = nonces[sender] = nonces[sender] + 1 if sender in nonces else next_nonce(sender)
        signed.append(
            sign_transaction(item.key, chain_id=chain_id, nonce=nonce, to=item.to, data=item.data, value=item.value)
        )
    return signed


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
    chain, nonce, tip, fee, gas, to, value, data, parity, r, s = fields = _decode(raw)
    unsigned = b"".join(map(_item, fields[:8])) + _NO_ACCESS
    if _TYPE + _list(unsigned + b"".join(map(_item, fields[8:]))) != raw:
        raise LedgerError("transaction: not its canonical encoding", code="BadTransaction")
    if any(field[:1] == b"\0" for field in (chain, nonce, tip, fee, gas, value, parity, r, s)):
        raise LedgerError("transaction: an integer has leading zeros", code="BadTransaction")
    _check("chain id", chain, chain_id, "WrongChain")
    _check("tip", tip, 0, "NotZeroFee")
    _check("max fee", fee, 0, "NotZeroFee")
    _check("value", value, 0, "NotZeroValue")
    _check("gas limit", gas, TRANSACTION_GAS, "WrongGasLimit")
    if len(to) != 20:
        raise LedgerError("transaction: no recipient; deploy through the deployment proxy", code="NoRecipient")
    if len(nonce) > 8:
        raise LedgerError("transaction: its nonce is beyond 2^64 - 1", code="BadTransaction")
    if parity not in (b"", b"\x01") or len(r) > 32 or len(s) > 32:
        raise LedgerError("transaction: its signature is out of range", code="BadSignature")
    signature = r.rjust(32, b"\0") + s.rjust(32, b"\0") + bytes((27 + len(parity),))
    sender = recover_address(keccak256(_TYPE + _list(unsigned)), signature)
    return Transaction(sender, to, data, int.from_bytes(nonce, "big"), chain_id, keccak256(raw), bytes(raw))


def _decode(raw: bytes) -> list[bytes]:
    """The eleven fields that are byte strings; the access list must be empty.

    Lenient about lengths: `recover` encodes the fields again and compares, which is what makes decoding strict.
    """
    if raw[:1] != _TYPE or len(raw) < 2 or raw[1] < 0xC0:
        raise LedgerError("transaction: not of type 2 (EIP-1559)", code="BadTransaction")
    position = 2 + max(0, raw[1] - 0xF7)
    fields: list[bytes] = []
    count = 0
    while position < len(raw) and count < _FIELDS:
        first = raw[position]
        if first >= 0xC0:
            if count != _ACCESS_LIST:
                raise LedgerError("transaction: a field is a list", code="BadTransaction")
            if first > 0xC0:
                raise LedgerError("transaction: its access list is not empty", code="NotEmptyAccessList")
            position += 1
        else:
            if first < 0x80:
                start, end = position, position + 1
            elif first < 0xB8:
                start, end = position + 1, position + 1 + first - 0x80
            else:
                start = position + 1 + first - 0xB7
                end = start + int.from_bytes(raw[position + 1 : start], "big")
            fields.append(raw[start:end])
            position = end
        count += 1
    if count != _FIELDS or len(fields) != _FIELDS - 1:
        raise LedgerError("transaction: not the twelve fields of EIP-1559", code="BadTransaction")
    return fields


def _check(what: str, field: bytes, right: int, code: str) -> None:
    value = int.from_bytes(field, "big")
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
