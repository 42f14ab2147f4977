"""The committed contracts in a bare revm: deployment, calls, signatures. No part of the framework's ledger is used."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from eth_abi import decode, encode

from tbill_defi.core.hashing import keccak256

ARTIFACTS = Path(__file__).resolve().parents[3] / "tbill_defi" / "ledger" / "artifacts"
CHAIN_ID = 31_337_001
GAS_LIMIT = 2**24
ROLES = {"REGISTRAR": 1, "ISSUER": 2, "FREEZER": 3, "ENFORCER": 4, "CASH_ISSUER": 5, "LIMITS": 6, "FACTORY": 7}
RESTRICTED = {
    "IdentityRegistry": {
        "registerIdentity": "REGISTRAR",
        "setClaim": "REGISTRAR",
        "registerWallet": "REGISTRAR",
        "removeWallet": "REGISTRAR",
    },
    "AssetRegistry": {"register": "FACTORY"},
    "Compliance": dict.fromkeys(
        ("setTradeLimit", "setVolumeLimit", "setHoldingCap", "setOwnLimits", "setCountries"), "LIMITS"
    ),
    "AssetFactory": {"create": "ISSUER"},
    "CashToken": {"issue": "CASH_ISSUER", "redeem": "CASH_ISSUER"},
    "SecurityToken": {
        "issue": "ISSUER",
        "redeem": "ISSUER",
        "redeemMatured": "ISSUER",
        "setFrozenTokens": "FREEZER",
        "forcedTransfer": "ENFORCER",
        "forcedTransferEndingHolds": "ENFORCER",
    },
}


class RevertError(Exception):
    """A call reverted; `.data` is what it returned."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data.hex())
        self.data = data


def word(text: str) -> bytes:
    return text.encode().ljust(32, b"\0")


def _canonical(parameter: dict[str, Any]) -> str:
    kind = str(parameter["type"])
    if not kind.startswith("tuple"):
        return kind
    return "(" + ",".join(_canonical(c) for c in parameter["components"]) + ")" + kind.removeprefix("tuple")


@dataclass
class Interface:
    """ABI of one contract."""

    artifact: dict[str, Any]

    @classmethod
    def load(cls, name: str) -> Interface:
        return cls(json.loads((ARTIFACTS / f"{name}.json").read_text()))

    def _entry(self, kind: str, name: str) -> dict[str, Any]:
        return next(e for e in self.artifact["abi"] if e["type"] == kind and e["name"] == name)

    def selector(self, name: str, kind: str = "function") -> bytes:
        entry = self._entry(kind, name)
        return keccak256(f"{name}({','.join(_canonical(p) for p in entry['inputs'])})".encode())[:4]

    def selector_of_error(self, name: str) -> bytes:
        return self.selector(name, "error")

    def call_data(self, name: str, *arguments: Any) -> bytes:
        types = [_canonical(p) for p in self._entry("function", name)["inputs"]]
        return self.selector(name) + encode(types, arguments)

    def decode_result(self, name: str, data: bytes) -> Any:
        values = decode([_canonical(p) for p in self._entry("function", name)["outputs"]], data)
        return values[0] if len(values) == 1 else values

    def init_code(self, *arguments: Any) -> bytes:
        constructor = next((e for e in self.artifact["abi"] if e["type"] == "constructor"), {"inputs": []})
        types = [_canonical(p) for p in constructor["inputs"]]
        return bytes.fromhex(self.artifact["bytecode"][2:]) + encode(types, arguments)


@dataclass
class Contract:
    world: World
    address: str
    interface: Interface

    def send(self, name: str, *arguments: Any, sender: str | None = None) -> Any:
        data = self.world.transact(sender or self.world.admin, self.address, self.interface.call_data(name, *arguments))
        return self.interface.decode_result(name, data) if data else None

    def refusal(self, name: str, *arguments: Any) -> bytes:
        """What a call that must revert returns."""
        with pytest.raises(RevertError) as refusal:
            self.send(name, *arguments)
        return refusal.value.data

    def view(self, name: str, *arguments: Any) -> Any:
        return self.interface.decode_result(
            name, self.world.look(self.address, self.interface.call_data(name, *arguments))
        )


@dataclass
class World:
    """One machine with the whole system on it; `admin` holds every role but freezer and enforcer, as the issuer."""

    admin: str = "0x00000000000000000000000000000000000ad317"
    now: int = 1_780_000_000
    gas_used: int = 0
    contracts: dict[str, Contract] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.revm = pytest.importorskip("pyrevm", reason="pyrevm has no wheel for this platform")
        config = self.revm.CfgEnv(chain_id=CHAIN_ID)
        self.machine = self.revm.EVM(spec_id="PRAGUE", env=self.revm.Env(cfg=config))
        self.set_time(self.now)
        manager = self.deploy("RoleManager", self.admin)
        identity = self.deploy("IdentityRegistry", manager.address)
        assets = self.deploy("AssetRegistry", manager.address)
        compliance = self.deploy("Compliance", manager.address, identity.address, assets.address)
        settlement = self.deploy("Settlement", assets.address, identity.address)
        implementation = self.deploy("SecurityToken", settlement.address)
        factory = self.deploy(
            "AssetFactory", manager.address, assets.address, compliance.address, implementation.address
        )
        nobody = "0x" + "00" * 20
        currency = (nobody, word("USD"), "US Dollar", 6)
        cash = self.deploy("CashToken", manager.address, settlement.address, compliance.address, *currency)
        for name, role in ROLES.items():
            if name not in ("FREEZER", "ENFORCER"):
                manager.send("grantRole", role, self.admin, 0)
        manager.send("grantRole", ROLES["FACTORY"], factory.address, 0)
        for name in ("IdentityRegistry", "AssetRegistry", "Compliance", "AssetFactory", "CashToken", "SecurityToken"):
            self.map_roles(self.contracts[name].address, name)
        assets.send("register", cash.address)

    def map_roles(self, target: str, name: str) -> None:
        manager = self.contracts["RoleManager"]
        for function, role in RESTRICTED[name].items():
            selector = self.contracts[name].interface.selector(function)
            manager.send("setTargetFunctionRole", target, [selector], ROLES[role])

    def set_time(self, seconds: int) -> None:
        self.now = seconds
        self.machine.set_block_env(self.revm.BlockEnv(timestamp=seconds, number=1, gas_limit=2**30))

    def deploy(self, name: str, *arguments: Any) -> Contract:
        interface = Interface.load(name)
        self.machine.snapshot()
        address = self.machine.deploy(self.admin, interface.init_code(*arguments), gas=GAS_LIMIT)
        self.machine.commit()
        self.machine.reset_transient_storage()
        self.gas_used = self.machine.result.gas_used
        contract = Contract(self, address, interface)
        self.contracts[name] = contract
        return contract

    def _call(self, sender: str, to: str, data: bytes) -> bytes:
        try:
            return bytes(self.machine.message_call(sender, to, calldata=data, gas=GAS_LIMIT))
        except RuntimeError as error:
            text = str(error)
            if "Revert" not in text:
                raise AssertionError(text.split("{")[0].split("(")[0]) from None
            raise RevertError(bytes.fromhex(text.split("output: 0x")[1].split(" ")[0].split("}")[0].strip())) from None

    def transact(self, sender: str, to: str, data: bytes) -> bytes:
        checkpoint = self.machine.snapshot()
        try:
            returned = self._call(sender, to, data)
        except BaseException:
            self.machine.revert(checkpoint)
            raise
        finally:
            self.machine.reset_transient_storage()
        self.machine.commit()
        self.gas_used = self.machine.result.gas_used
        return returned

    def look(self, to: str, data: bytes) -> bytes:
        checkpoint = self.machine.snapshot()
        try:
            return self._call(self.admin, to, data)
        finally:
            self.machine.revert(checkpoint)
            self.machine.reset_transient_storage()

    def enrol(self, party: str, wallet: str) -> None:
        registry = self.contracts["IdentityRegistry"]
        registry.send("registerIdentity", word(party), 840, 2**63)
        registry.send("registerWallet", wallet, word(party))

    def create(self, cusip: str, maturity: int = 1_900_000_000) -> Contract:
        address = self.contracts["AssetFactory"].send("create", word(cusip), keccak256(cusip.encode()), maturity)
        return Contract(self, address, self.contracts["SecurityToken"].interface)


@pytest.fixture
def world() -> World:
    return World()
