"""ERC-2612 permits: a holder signs an allowance, and anybody submits it to the token.

The file that goes from one to the other is the EIP-712 document that wallets sign (`eth_signTypedData_v4`), with the
signature beside it, so any wallet can make one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

from tbill_defi.chain.keys import SigningKey, recover_address
from tbill_defi.core.clock import moment
from tbill_defi.core.errors import DataError, LedgerError, UsageError
from tbill_defi.core.fields import Document, as_address, as_bytes, as_object, as_text, as_uint
from tbill_defi.core.hashing import keccak256
from tbill_defi.ledger.abi import encode_call
from tbill_defi.ledger.deployment import Step
from tbill_defi.ledger.eip712 import typed_digest, words

if TYPE_CHECKING:
    from tbill_defi.chain.types import Receipt
    from tbill_defi.ledger.ledger import Ledger

_TYPE = keccak256(b"Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)")
_FIELDS = b"\x0f"
"""Of EIP-5267: name, version, chain id and contract, no salt."""
_VERSION = "1"
_of = Document("permit", "permit sign").field
_ADDRESS, _UINT = "address", "uint256"
TYPES = {
    "EIP712Domain": [
        {"name": "name", "type": "string"},
        {"name": "version", "type": "string"},
        {"name": "chainId", "type": _UINT},
        {"name": "verifyingContract", "type": _ADDRESS},
    ],
    "Permit": [
        {"name": "owner", "type": _ADDRESS},
        {"name": "spender", "type": _ADDRESS},
        {"name": "value", "type": _UINT},
        {"name": "nonce", "type": _UINT},
        {"name": "deadline", "type": _UINT},
    ],
}


@dataclass(frozen=True, slots=True)
class Domain:
    """What a signature is bound to: the name a token answers by `eip712Domain()`, its chain and its address."""

    name: str
    chain_id: int
    contract: bytes


@dataclass(frozen=True, slots=True)
class Permit:
    """That `spender` may take up to `value` base units of `owner`'s in a token; 20-byte addresses.

    Attributes
    ----------
    nonce
        The owner's next at the token: each permit is used once, in order.
    deadline
        Last second (Unix time) at which it can be submitted.
    signature
        The owner's, r || s || v.
    """

    domain: Domain
    owner: bytes
    spender: bytes
    value: int
    nonce: int
    deadline: int
    signature: bytes = b""

    @property
    def digest(self) -> bytes:
        """What the owner signs."""
        struct = _TYPE + words(self.owner, self.spender, self.value, self.nonce, self.deadline)
        return typed_digest(self.domain.name.encode(), self.domain.chain_id, self.domain.contract, struct)

    def to_json(self) -> dict[str, Any]:
        """The EIP-712 document and the signature: numbers as decimal text, bytes as 0x-hex."""
        domain = self.domain
        return {
            "types": TYPES,
            "primaryType": "Permit",
            "domain": {
                "name": domain.name,
                "version": _VERSION,
                "chainId": str(domain.chain_id),
                "verifyingContract": "0x" + domain.contract.hex(),
            },
            "message": {
                "owner": "0x" + self.owner.hex(),
                "spender": "0x" + self.spender.hex(),
                "value": str(self.value),
                "nonce": str(self.nonce),
                "deadline": str(self.deadline),
            },
            "signature": "0x" + self.signature.hex(),
        }

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Read `to_json` back, or what another wallet made.

        Raises
        ------
        DataError
            If a field is missing or not what it should be, or it is a document of another type.
        """
        types, domain, message = (_of(value, name, as_object) for name in ("types", "domain", "message"))
        if _of(value, "primaryType", as_text) != "Permit" or types.get("Permit") != TYPES["Permit"]:
            raise DataError("permit: it is a document of another type than Permit")
        if _of(domain, "version", as_text) != _VERSION or set(domain) != {f["name"] for f in TYPES["EIP712Domain"]}:
            raise DataError(f"permit: its domain is not name, version {_VERSION}, chainId and verifyingContract")
        return cls(
            Domain(
                _of(domain, "name", as_text),
                _of(domain, "chainId", as_uint),
                _of(domain, "verifyingContract", as_address),
            ),
            owner=_of(message, "owner", as_address),
            spender=_of(message, "spender", as_address),
            value=_of(message, "value", as_uint),
            nonce=_of(message, "nonce", as_uint),
            deadline=_of(message, "deadline", as_uint),
            signature=_of(value, "signature", as_bytes),
        )


@dataclass(frozen=True, slots=True)
class Allowance:
    """Base units that a permit lets its spender take, and the receipt; None if another had submitted it."""

    permit: Permit
    asset: str
    units: int
    receipt: Receipt | None


def domain_of(ledger: Ledger, asset: str) -> Domain:
    """The domain of a token's permits, as the token itself answers; `name()` is not it."""
    token = ledger.require_token(asset)
    fields, name, version, chain_id, contract, _, extensions = _ask(ledger, token, "eip712Domain")
    if (fields, version, extensions) != (_FIELDS, _VERSION, ()) or (chain_id, contract) != (
        ledger.chain.chain_id,
        token,
    ):
        raise LedgerError(f"{asset}: its token answers another domain than its own", "UnknownDomain")
    return Domain(name, chain_id, contract)


def sign(ledger: Ledger, key: SigningKey, asset: str, spender: bytes, units: int, *, seconds: int) -> Permit:
    """A permit for `units`, 0 to take an allowance back, that can be submitted for `seconds`. Sends nothing.

    Raises
    ------
    UsageError
        If the amount is negative.
    """
    if units < 0:
        raise UsageError(f"permit: {units} base units is negative")
    domain, owner = domain_of(ledger, asset), key.address
    nonce = _ask(ledger, domain.contract, "nonces", owner)
    permit = Permit(domain, owner, spender, units, nonce, ledger.chain.now() + seconds)
    return replace(permit, signature=key.sign_digest(permit.digest))


def send(ledger: Ledger, permit: Permit, sender: str) -> Allowance:
    """Submit a permit to its token, in a transaction of `sender`'s.

    Anyone may have submitted it before: what was signed is then in place, and nothing is sent.

    Raises
    ------
    LedgerError
        By code: "WrongChain", "UnknownAsset", "UnknownDomain", "BadSignature" (altered, or another's), "PermitUsed",
        "PermitEarly", "PermitExpired"; else with the contract's error name.
    """
    asset = _require_ours(ledger, permit)
    if (found := _in_place(ledger, permit, asset)) is not None:
        return found
    if ledger.chain.now() > permit.deadline:
        raise LedgerError(f"permit: it could be submitted until {moment(permit.deadline)}", "PermitExpired")
    signature = permit.signature
    data = encode_call(
        "SecurityToken",
        "permit",
        *(permit.owner, permit.spender, permit.value, permit.deadline),
        *(signature[64], signature[:32], signature[32:64]),
    )
    try:
        (receipt,) = ledger.send([Step(sender, permit.domain.contract, data)])
    except LedgerError:
        if (found := _in_place(ledger, permit, asset)) is None:
            raise
        return found
    return Allowance(permit, asset, allowance(ledger, asset, permit.owner, permit.spender), receipt)


def allowance(ledger: Ledger, asset: str, owner: bytes, spender: bytes) -> int:
    """Base units of a token that `spender` may take of `owner`'s."""
    return int(_ask(ledger, ledger.require_token(asset), "allowance", owner, spender))


def draw(ledger: Ledger, asset: str, spender: str, owner: bytes, receiver: bytes, units: int) -> Receipt:
    """Take units of `owner`'s within the allowance of the party `spender`; the token's rules hold as for any transfer.

    Raises
    ------
    LedgerError
        With the contract's error name as `code`, if the allowance or a rule is exceeded.
    """
    data = encode_call("SecurityToken", "transferFrom", owner, receiver, units)
    (receipt,) = ledger.send([Step(spender, ledger.require_token(asset), data)])
    return receipt


# --- inside -----------------------------------------------------------------------------------------------------


def _ask(ledger: Ledger, token: bytes, function: str, *arguments: Any) -> Any:
    return ledger.call("SecurityToken", token, function, *arguments)  # currencies answer these alike


def _require_ours(ledger: Ledger, permit: Permit) -> str:
    """The asset of a permit that is for this ledger and signed by its owner."""
    domain = permit.domain
    if domain.chain_id != ledger.chain.chain_id:
        raise LedgerError(
            f"permit: it is for the chain {domain.chain_id}, and this ledger's is {ledger.chain.chain_id}", "WrongChain"
        )
    token = "0x" + domain.contract.hex()
    asset = ledger.books().asset_of(token)
    if asset == token:
        raise LedgerError(f"permit: {token} is no token of this ledger", "UnknownAsset")
    if domain != domain_of(ledger, asset):
        raise LedgerError(f"permit: {asset}'s token calls itself otherwise than {domain.name!r:.60}", "UnknownDomain")
    try:
        signer = recover_address(permit.digest, permit.signature)
    except LedgerError as error:
        raise LedgerError(f"permit: {error}", error.code) from None
    if signer != permit.owner:
        raise LedgerError(
            f"permit: it was altered, or 0x{permit.owner.hex()} did not sign it (0x{signer.hex()} would have)",
            "BadSignature",
        )
    return asset


def _in_place(ledger: Ledger, permit: Permit, asset: str) -> Allowance | None:
    """What is in place if somebody submitted it before; None if its turn is now."""
    nonce = _ask(ledger, permit.domain.contract, "nonces", permit.owner)
    if nonce == permit.nonce:
        return None
    if nonce < permit.nonce:
        raise LedgerError(
            f"permit: its nonce is {permit.nonce}, and the permit {nonce} of the same owner comes first", "PermitEarly"
        )
    units = allowance(ledger, asset, permit.owner, permit.spender)
    if nonce == permit.nonce + 1 and units == permit.value:
        return Allowance(permit, asset, units, None)
    raise LedgerError(
        f"permit: its nonce {permit.nonce} has been used; the spender's allowance is {units} base units of {asset} now",
        "PermitUsed",
    )
