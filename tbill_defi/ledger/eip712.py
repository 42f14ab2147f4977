"""What is signed, as EIP-712 hashes it: words of 32 bytes, domains, digests. Addresses are 20 bytes."""

from __future__ import annotations

from functools import lru_cache

from tbill_defi.core.hashing import keccak256

_DOMAIN_TYPE = keccak256(b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")
_VERSION = keccak256(b"1")


def word(value: int | bytes) -> bytes:
    """An unsigned integer, an address or a bytes32 as 32 bytes; OverflowError if an integer is none that fits."""
    return value.to_bytes(32, "big") if isinstance(value, int) else value.rjust(32, b"\0")


def signed_word(value: int) -> bytes:
    """A signed integer as 32 bytes."""
    return value.to_bytes(32, "big", signed=True)


def words(*values: int | bytes) -> bytes:
    """Values one after the other, as `word` has each."""
    return b"".join(map(word, values))


def hold_id(holder: bytes, salt: bytes) -> bytes:
    """Id of the hold that a wallet makes with a salt: its own, whatever others make."""
    return keccak256(words(holder, salt))


def typed_digest(name: bytes, chain_id: int, contract: bytes, struct: bytes) -> bytes:
    """The digest that is signed of a struct, its type hash and its fields, for a contract that calls itself `name`."""
    return keccak256(b"\x19\x01" + _domain_separator(name, chain_id, contract) + keccak256(struct))


@lru_cache(maxsize=64)
def _domain_separator(name: bytes, chain_id: int, contract: bytes) -> bytes:
    return keccak256(_DOMAIN_TYPE + keccak256(name) + _VERSION + words(chain_id, contract))
