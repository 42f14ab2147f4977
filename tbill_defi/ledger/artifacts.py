"""Compiled contracts as data: ABI and bytecode, committed with the package, so that no compiler is needed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from tbill_defi.core.hashing import keccak256

CONTRACTS = (
    "RoleManager",
    "TimelockController",
    "AssetRegistry",
    "IdentityRegistry",
    "Compliance",
    "Settlement",
    "SecurityToken",
    "AssetFactory",
    "CashToken",
    "CashFactory",
    "PriceOracle",
    "MandateGuard",
    "ManagedAccount",
    "Issuance",
    "CouponPayer",
    "EarlyRedemption",
    "Stripping",
    "AuctionBook",
    "RepoFacility",
    "OptionBook",
    "TradeBook",
    "HolderVotes",
    "ShareOfSupply",
    "HolderCount",
    "LockUp",
    "MinimumHolding",
    "RequiredClaims",
    "ClearingHouse",
)
PER_PARTY = ("ManagedAccount", "ClearingHouse")
"""Those of `CONTRACTS` that are not deployed with the ledger, but one for a party."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One input or output: its name, its canonical type ("(address,uint256)[]") and its parts when a tuple."""

    name: str
    type: str
    indexed: bool
    components: tuple[Parameter, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """A function, event or error of an ABI."""

    kind: str
    name: str
    inputs: tuple[Parameter, ...]
    outputs: tuple[Parameter, ...]

    @property
    def signature(self) -> str:
        """Canonical signature, such as transfer(address,uint256)."""
        return f"{self.name}({','.join(p.type for p in self.inputs)})"

    @property
    def topic(self) -> bytes:
        """Keccak-256 of the signature: an event's topic; its first four bytes are a selector."""
        return keccak256(self.signature.encode())

    @property
    def selector(self) -> bytes:
        """First four bytes of the signature's hash."""
        return self.topic[:4]


@dataclass(frozen=True)
class Artifact:
    """A compiled contract."""

    name: str
    creation_code: bytes
    entries: tuple[Entry, ...]

    def function(self, name: str) -> Entry:
        """The function of that name."""
        return next(e for e in self.entries if e.kind == "function" and e.name == name)

    @property
    def constructor_types(self) -> list[str]:
        """Canonical types of the constructor's arguments."""
        found = [e for e in self.entries if e.kind == "constructor"]
        return [p.type for p in found[0].inputs] if found else []


def _parameter(raw: dict[str, Any]) -> Parameter:
    components = tuple(_parameter(part) for part in raw.get("components", ()))
    kind = raw["type"]
    if kind.startswith("tuple"):
        kind = f"({','.join(part.type for part in components)}){kind.removeprefix('tuple')}"
    return Parameter(raw.get("name", ""), kind, raw.get("indexed", False), components)


def _entry(raw: dict[str, Any]) -> Entry:
    return Entry(
        kind=raw["type"],
        name=raw.get("name", ""),
        inputs=tuple(_parameter(p) for p in raw.get("inputs", ())),
        outputs=tuple(_parameter(p) for p in raw.get("outputs", ())),
    )


@cache
def artifact(name: str) -> Artifact:
    """The artifact of one contract of `CONTRACTS`."""
    text = resources.files("tbill_defi.ledger").joinpath("artifacts", f"{name}.json").read_text()
    raw = json.loads(text)
    code = bytes.fromhex(raw["bytecode"].removeprefix("0x"))
    return Artifact(name, code, tuple(_entry(entry) for entry in raw["abi"]))


@cache
def _index(kind: str) -> dict[bytes, Entry]:
    found: dict[bytes, Entry] = {}
    for name in CONTRACTS:
        for entry in artifact(name).entries:
            if entry.kind == kind:
                found.setdefault(entry.topic, entry)
    return found


def event_of(topic: bytes) -> Entry | None:
    """The event with that topic in any contract."""
    return _index("event").get(topic)


@cache
def _errors() -> dict[bytes, Entry]:
    return {entry.selector: entry for entry in _index("error").values()}


def error_of(selector: bytes) -> Entry | None:
    """The custom error with that selector in any contract."""
    return _errors().get(selector)
