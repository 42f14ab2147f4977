"""A checkpoint: what the operator signs so that one transaction, or one holding, can be shown without the ledger.

It names a block and has the root of a Merkle tree over all transactions up to it, and of one over its assets: of each
the root of a sum tree over its holders, whose sum is the supply. It is signed over SHA-256 and names the operator's
public key, so that who verifies needs nothing else.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, fields, replace
from hashlib import sha256
from typing import Any

from tbill_defi.chain.keys import SigningKey, public_key_of
from tbill_defi.core.errors import DataError, LedgerError
from tbill_defi.core.hashing import canonical_json
from tbill_defi.core.json_text import parse_json

_HEIGHT = re.compile(r"0|[1-9][0-9]{0,18}")
"""As `to_json` writes it; 19 digits are all that a journal's integers have."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Hashes and keys as hex, numbers as decimal text: its JSON form is its fields.

    Attributes
    ----------
    transactions, transactions_root
        How many there are up to the block, and the hash of the root of their tree, whose sum says so too.
    assets, assets_root
        The same of the assets.
    operator
        Compressed public key.
    signature
        r || s || v of SHA-256 of the canonical JSON of ["checkpoint", the other fields].
    """

    chain_id: str
    genesis_hash: str
    height: str
    block_hash: str
    transactions: str
    transactions_root: str
    assets: str
    assets_root: str
    operator: str = ""
    signature: str = ""

    def signed(self, key: SigningKey) -> Checkpoint:
        """Signed by the operator."""
        named = replace(self, operator=key.public_key.hex())
        return replace(named, signature=key.sign_digest(named.digest()).hex())

    def digest(self) -> bytes:
        """What is signed, 32 bytes."""
        unsigned = {name: text for name, text in self.value().items() if name != "signature"}
        return sha256(canonical_json(["checkpoint", unsigned])).digest()

    def holds(self) -> bool:
        """Whether the signature is of the key it names."""
        try:
            signature = bytes.fromhex(self.signature)
            return (public_key_of(self.digest(), signature).hex(), signature.hex()) == (self.operator, self.signature)
        except (LedgerError, ValueError):
            return False

    def value(self) -> dict[str, str]:
        """Its JSON value."""
        return asdict(self)

    def to_json(self) -> str:
        """One JSON object, indented."""
        return json.dumps(self.value(), indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Checkpoint:
        """Parse what `to_json` wrote; the signature is not checked here.

        Raises
        ------
        DataError
            If it is not a checkpoint.
        """
        names = {field.name for field in fields(cls)}
        try:
            found: Any = parse_json(text)
        except ValueError:
            found = None
        good = isinstance(found, dict) and found.keys() == names and all(isinstance(v, str) for v in found.values())
        if not good or not _HEIGHT.fullmatch(found["height"]):
            raise DataError("checkpoint: not one that `tbill audit checkpoint` wrote")
        return cls(**found)
