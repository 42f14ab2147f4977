"""Genesis and the signed head: where a ledger begins, and the operator's word on where it ends."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tbill_defi.chain.digests import digest_fields, hash_digests
from tbill_defi.chain.keys import SigningKey, recover_address
from tbill_defi.core.errors import ConventionError, DataError, LedgerError
from tbill_defi.core.files import read_text, write_durably
from tbill_defi.core.hashing import canonical_json, keccak256
from tbill_defi.core.json_text import parse_json

FORMAT_VERSION = 1
GENESIS_DOMAIN = "tbill_defi genesis"
BLOCK_DOMAIN = "tbill_defi block"
_HEAD_DOMAIN = b"\x19tbill_defi head\n"


@dataclass(frozen=True)
class Genesis:
    """Block 0. Its hash, the parent of block 1, covers every field.

    Attributes
    ----------
    chain_id
        EIP-155 id, random and never a public chain's.
    operator
        Account (20 bytes) whose key signs heads.
    code
        Contracts that exist from the start: runtime code by address.
    clock_start
        Unix seconds at which the simulated clock starts; None: the ledger runs on the clock it is given.
    extras
        Whatever the makers of the ledger wanted said: text by name.
    """

    chain_id: int
    operator: bytes
    code: Mapping[bytes, bytes]
    clock_start: int | None
    extras: Mapping[str, str]
    version: int = FORMAT_VERSION

    def row(self) -> dict[str, Any]:
        """Columns of the genesis table."""
        code = {f"0x{address.hex()}": f"0x{runtime.hex()}" for address, runtime in self.code.items()}
        clock: dict[str, Any] = {"kind": "system"}
        if self.clock_start is not None:
            clock = {"kind": "simulated", "start": self.clock_start}
        fields: dict[str, Any] = {
            "version": self.version,
            "chain_id": self.chain_id,
            "operator": self.operator,
            "code": canonical_json(code).decode(),
            "clock": canonical_json(clock).decode(),
            "extras": canonical_json(self.extras).decode(),
        }
        digests = digest_fields(fields.values())
        return {**fields, "field_digests": digests, "hash": hash_digests(GENESIS_DOMAIN, digests)}

    @cached_property
    def hash(self) -> bytes:
        """Hash over the digests of all fields, 32 bytes."""
        return bytes(self.row()["hash"])

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Genesis:
        """The genesis of a table row whose columns have their types.

        Raises
        ------
        ValueError
            If a text column does not parse.
        """
        code = {bytes.fromhex(k[2:]): bytes.fromhex(v[2:]) for k, v in parse_json(row["code"]).items()}
        clock = parse_json(row["clock"])
        start = clock["start"] if clock["kind"] == "simulated" else None
        extras = parse_json(row["extras"])
        return cls(row["chain_id"], row["operator"], code, start, extras, row["version"])

    @classmethod
    def checked(cls, row: Mapping[str, Any]) -> Genesis | None:
        """The genesis of a stored row of any content; None if it does not have its own hash."""
        try:
            found = cls.from_row(row)
            return found if row == found.row() else None
        except (ValueError, KeyError, TypeError, AttributeError, ConventionError):
            return None


@dataclass(frozen=True, slots=True)
class SignedHead:
    """The operator's signature that the ledger of this genesis had this block at this height.

    `signature` is r || s || v (65 bytes) of Keccak-256 of the domain and the canonical JSON of the other fields.
    """

    chain_id: int
    genesis_hash: bytes
    height: int
    block_hash: bytes
    operator: bytes
    signature: bytes

    @classmethod
    def sign(cls, key: SigningKey, genesis: Genesis, height: int, block_hash: bytes) -> SignedHead:
        """Sign as operator."""
        unsigned = cls(genesis.chain_id, genesis.hash, height, block_hash, key.address, b"")
        return unsigned.with_signature(key.sign_digest(unsigned.digest()))

    def with_signature(self, signature: bytes) -> SignedHead:
        """The same head under this signature."""
        return SignedHead(self.chain_id, self.genesis_hash, self.height, self.block_hash, self.operator, signature)

    def digest(self) -> bytes:
        """What is signed. The domain's first byte keeps it from ever being a transaction or typed data."""
        return keccak256(_HEAD_DOMAIN + canonical_json(self._unsigned()))

    def holds(self) -> bool:
        """Whether the signature is the operator's."""
        return self.signer() == self.operator

    def signer(self) -> bytes | None:
        """Account whose signature it is, 20 bytes; None if no key can have made it."""
        try:
            return recover_address(self.digest(), self.signature)
        except LedgerError:
            return None

    def _unsigned(self) -> dict[str, Any]:
        return {
            "blockHash": f"0x{self.block_hash.hex()}",
            "chainId": str(self.chain_id),
            "genesisHash": f"0x{self.genesis_hash.hex()}",
            "height": str(self.height),
            "operator": f"0x{self.operator.hex()}",
        }

    def value(self) -> dict[str, Any]:
        """Its JSON value: integers as decimal strings, bytes as 0x-hex."""
        return {**self._unsigned(), "signature": f"0x{self.signature.hex()}"}

    def to_json(self) -> str:
        """One JSON object, indented."""
        return json.dumps(self.value(), indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str, *, source: str = "head") -> SignedHead:
        """Parse what `to_json` wrote; the signature is not checked here.

        Raises
        ------
        DataError
            If a field is missing or malformed.
        """
        try:
            fields = parse_json(text)
            sizes = {"genesisHash": 32, "blockHash": 32, "operator": 20, "signature": 65}
            raw = {name: bytes.fromhex(fields[name].removeprefix("0x")) for name in sizes}
            chain_id, height = int(fields["chainId"]), int(fields["height"])
        except (ValueError, KeyError, TypeError, AttributeError, ConventionError):
            raise DataError(f"{source}: not a signed head as `tbill audit head` writes it") from None
        for name, size in sizes.items():
            if len(raw[name]) != size:
                raise DataError(f"{source}: {name} has {len(raw[name])} bytes, not {size}")
        found = cls(chain_id, raw["genesisHash"], height, raw["blockHash"], raw["operator"], raw["signature"])
        if found.value() != fields:
            raise DataError(f"{source}: written otherwise than `tbill audit head` writes it")
        return found

    def write(self, path: Path) -> None:
        """Write to a file."""
        write_durably(path, self.to_json().encode())

    @classmethod
    def read(cls, path: Path) -> SignedHead:
        """Read from a file.

        Raises
        ------
        DataError
            If there is none, or it is malformed.
        """
        try:
            text = read_text(path)
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"{path}: cannot be read: {getattr(error, 'strerror', 'is not UTF-8 text')}") from None
        return cls.from_json(text, source=str(path))
