"""The contracts of a ledger: where they are, how they get there, and who may do what.

Addresses follow from CREATE2, so they are known before anything is deployed and are the same on every chain for
the same administrator and the same artifacts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from enum import IntEnum

from tbill_defi.chain.executor import DEPLOYMENT_PROXY, create2_address
from tbill_defi.chain.keys import SigningKey
from tbill_defi.core.errors import LedgerError
from tbill_defi.core.hashing import keccak256
from tbill_defi.core.identifiers import bytes32
from tbill_defi.ledger.abi import encode_call, encode_creation
from tbill_defi.ledger.artifacts import artifact

SALT = bytes(32)
CURRENCY = "USD"
DECIMALS = 6
DOLLAR = "US dollar"
OBLIGOR = "treasury"
"""Identity of the issuer of the securities, which has no vote in what it asks their holders."""


class Role(IntEnum):
    """Roles of the RoleManager (contracts/src/Roles.sol); the value is the role id."""

    ADMIN = 0
    REGISTRAR = 1
    ISSUER = 2
    FREEZER = 3
    ENFORCER = 4
    CASH_ISSUER = 5
    LIMITS = 6
    FACTORY = 7
    ORACLE = 8
    DEFAULTS = 9
    CUSTODIAN = 10
    GUARDIAN = 11


ROLE_KEYS: Mapping[str, tuple[Role, ...]] = {
    "registrar": (Role.REGISTRAR,),
    "issuer": (Role.ISSUER,),
    "compliance": (Role.FREEZER, Role.LIMITS),
    "enforcer": (Role.ENFORCER,),
    "bank": (Role.CASH_ISSUER,),
    "oracle": (Role.ORACLE,),
    "guardian": (Role.GUARDIAN,),
}
"""Key name -> the roles it holds. ADMIN is the timelock's, to which the deployer hands over and is nothing any more."""
GOVERNOR = "governor"
"""Name of the key that proposes what the timelock does; the guardian may veto it, and anyone carries it out."""
GUARDIAN = "guardian"
TIMELOCK_SECONDS = 2 * 86_400
"""What everything waits that the timelock does; then a role that it granted waits another day before it is in force."""

RULE_PLACES: Mapping[str, str] = {
    "ShareOfSupply": "share_of_supply",
    "HolderCount": "holder_count",
    "LockUp": "lock_up",
    "MinimumHolding": "minimum_holding",
    "RequiredClaims": "required_claims",
}
"""Contract of a rule that a security can be put under -> its field in `Contracts`."""
INVESTOR_TOPIC = 2
"""Topic of the claims that RequiredClaims asks for."""

RESTRICTED: Mapping[str, Mapping[Role, tuple[str, ...]]] = {
    "AssetRegistry": {
        Role.FACTORY: ("register",),
        Role.ISSUER: ("setDenomination",),
        Role.FREEZER: ("setPaused",),
        Role.LIMITS: ("setTokenRules",),
        Role.DEFAULTS: ("setInDefault",),
    },
    "IdentityRegistry": {
        Role.REGISTRAR: (
            *("registerIdentity", "setClaim", "registerWallet", "removeWallet"),
            *("announceRecovery", "withdrawRecovery", "trustIssuer"),
        ),
        Role.FREEZER: ("setSanctioned",),
        Role.ENFORCER: ("confirmRecovery",),
    },
    "Compliance": {
        Role.LIMITS: ("setTradeLimit", "setVolumeLimit", "setHoldingCap", "setOwnLimits", "setCountries"),
        Role.GUARDIAN: ("stop", "resume"),
        Role.ADMIN: ("renewStop",),
    },
    "AssetFactory": {Role.ISSUER: ("create",)},
    "PriceOracle": {Role.ORACLE: ("setPricers", "setRules")},
    "CashToken": {Role.CASH_ISSUER: ("issue", "redeem")},
    "CashFactory": {Role.CASH_ISSUER: ("create",)},
    "SecurityToken": {
        Role.ISSUER: ("issue", "redeem", "redeemMatured"),
        Role.FREEZER: ("setFrozenTokens",),
        Role.ENFORCER: ("forcedTransfer", "forcedTransferEndingHolds"),
        Role.CUSTODIAN: ("deliver",),
    },
    "Issuance": {
        Role.ISSUER: (
            "issue",
            "setDatedCpi",
            "openRedemption",
            "openIndexedRedemption",
            "callSecurity",
            "declareDefault",
            "cureDefault",
        ),
        Role.ENFORCER: ("releaseBlocked",),
    },
    "CouponPayer": {Role.ISSUER: ("announce", "announceIndexed", "announceFloating", "announceRecovery")},
    "EarlyRedemption": {Role.ISSUER: ("setWindow",)},
    "Stripping": {Role.ISSUER: ("namePieces",), Role.ENFORCER: ("seize",)},
    "AuctionBook": {Role.ISSUER: ("announce", "close")},
    "HolderVotes": {Role.ISSUER: ("open", "withdraw")},
    **{rule: {Role.LIMITS: ("setValue", "setExempt")} for rule in RULE_PLACES},
}
"""Contract -> role -> its restricted functions. What is not here is the administrator's alone. Those of all securities
are mapped on the implementation that their clones run, those of all currencies on the dollar."""


@dataclass(frozen=True, slots=True)
class Contracts:
    """Addresses, 20 bytes each."""

    role_manager: bytes
    timelock: bytes
    asset_registry: bytes
    identity_registry: bytes
    compliance: bytes
    settlement: bytes
    security_token: bytes
    """The implementation that every security's clone runs."""
    asset_factory: bytes
    usd: bytes
    cash_factory: bytes
    price_oracle: bytes
    mandate_guard: bytes
    issuance: bytes
    coupon_payer: bytes
    early_redemption: bytes
    stripping: bytes
    auction_book: bytes
    repo_facility: bytes
    option_book: bytes
    trade_book: bytes
    holder_votes: bytes
    share_of_supply: bytes
    holder_count: bytes
    lock_up: bytes
    minimum_holding: bytes
    required_claims: bytes

    def to_extras(self) -> dict[str, str]:
        """As the ledger's genesis records them."""
        return {f"contract.{f.name}": "0x" + getattr(self, f.name).hex() for f in fields(self)}

    def addresses(self) -> tuple[bytes, ...]:
        """All of them."""
        return tuple(getattr(self, f.name) for f in fields(self))

    @classmethod
    def from_extras(cls, extras: Mapping[str, str]) -> Contracts:
        """From a ledger's genesis."""
        try:
            return cls(**{f.name: bytes.fromhex(extras[f"contract.{f.name}"][2:]) for f in fields(cls)})
        except KeyError as missing:
            raise LedgerError(
                f"ledger: its genesis names no {missing}; it was not made by tbill init", "NotOurs"
            ) from None


@dataclass(frozen=True, slots=True)
class Step:
    """One transaction to send: who signs it (a key, or its name in the ledger's ring), where it goes, its calldata."""

    key: str | SigningKey
    to: bytes
    data: bytes


def plan_deployment(admin: bytes) -> tuple[Contracts, list[bytes]]:
    """Addresses of all contracts for an administrator, and their creation codes in order."""
    codes: list[bytes] = []

    def place(contract: str, *arguments: object) -> bytes:
        code = encode_creation(contract, *arguments)
        codes.append(code)
        return create2_address(SALT, keccak256(code))

    manager = place("RoleManager", admin)
    timelock = place("TimelockController", TIMELOCK_SECONDS, [], [bytes(20)], admin)
    assets = place("AssetRegistry", manager)
    identities = place("IdentityRegistry", manager)
    compliance = place("Compliance", manager, identities, assets)
    settlement = place("Settlement", assets, identities)
    implementation = place("SecurityToken", settlement)
    factory = place("AssetFactory", manager, assets, compliance, implementation)
    usd = place("CashToken", manager, settlement, compliance, bytes(20), bytes32(CURRENCY), DOLLAR, DECIMALS)
    currencies = place("CashFactory", manager, assets, usd)
    oracle = place("PriceOracle", manager)
    guard = place("MandateGuard", settlement, assets, oracle, usd)
    issuance = place("Issuance", manager, settlement, usd, identities)
    payer = place("CouponPayer", manager, usd, identities, issuance)
    early = place("EarlyRedemption", manager, usd, payer, oracle, identities)
    stripping = place("Stripping", manager, issuance)
    auctions = place("AuctionBook", manager, identities)
    facility = place("RepoFacility", settlement, usd, payer, oracle)
    options = place("OptionBook", settlement, usd)
    trades = place("TradeBook", settlement)
    votes = place("HolderVotes", manager, identities, issuance, bytes32(OBLIGOR), [facility, early])
    more: Mapping[str, tuple[object, ...]] = {
        "HolderCount": (identities,),
        "RequiredClaims": (identities, INVESTOR_TOPIC),
    }
    rules = {field: place(rule, manager, compliance, *more.get(rule, ())) for rule, field in RULE_PLACES.items()}
    contracts = Contracts(
        role_manager=manager,
        timelock=timelock,
        asset_registry=assets,
        identity_registry=identities,
        compliance=compliance,
        settlement=settlement,
        security_token=implementation,
        asset_factory=factory,
        usd=usd,
        cash_factory=currencies,
        price_oracle=oracle,
        mandate_guard=guard,
        issuance=issuance,
        coupon_payer=payer,
        early_redemption=early,
        stripping=stripping,
        auction_book=auctions,
        repo_facility=facility,
        option_book=options,
        trade_book=trades,
        holder_votes=votes,
        **rules,
    )
    return contracts, codes


def deployment_steps(admin: bytes, holders: Mapping[str, bytes]) -> tuple[Contracts, list[Step]]:
    """Every transaction that makes a working ledger: contracts, roles, dollars registered, and the handing over.

    Parameters
    ----------
    admin
        Address of the key "admin".
    holders
        Key name of `ROLE_KEYS`, and the governor's -> address.
    """
    contracts, codes = plan_deployment(admin)
    steps = [Step("admin", DEPLOYMENT_PROXY, SALT + code) for code in codes]
    targets = {
        "AssetRegistry": contracts.asset_registry,
        "IdentityRegistry": contracts.identity_registry,
        "Compliance": contracts.compliance,
        "AssetFactory": contracts.asset_factory,
        "CashToken": contracts.usd,
        "CashFactory": contracts.cash_factory,
        "SecurityToken": contracts.security_token,
        "PriceOracle": contracts.price_oracle,
        "Issuance": contracts.issuance,
        "CouponPayer": contracts.coupon_payer,
        "EarlyRedemption": contracts.early_redemption,
        "Stripping": contracts.stripping,
        "AuctionBook": contracts.auction_book,
        "HolderVotes": contracts.holder_votes,
        **{rule: getattr(contracts, field) for rule, field in RULE_PLACES.items()},
    }
    calls = [call for name, target in targets.items() for call in wire(name, target)]
    for name, roles in ROLE_KEYS.items():
        calls += [encode_call("RoleManager", "grantRole", role, holders[name], 0) for role in roles]
    calls += [encode_call("RoleManager", "labelRole", role, role.name) for role in Role if role is not Role.ADMIN]
    for role, members in contract_roles(contracts).items():
        calls += [encode_call("RoleManager", "grantRole", role, member, 0) for member in members]
    calls.append(encode_call("RoleManager", "grantRole", Role.FACTORY, admin, 0))
    steps.append(Step("admin", contracts.role_manager, multicall(calls)))
    steps.append(Step("admin", contracts.asset_registry, encode_call("AssetRegistry", "register", contracts.usd)))
    return contracts, [*steps, *_hand_over(contracts, admin, holders)]


def _hand_over(contracts: Contracts, admin: bytes, holders: Mapping[str, bytes]) -> list[Step]:
    """The deployer's last transactions: the timelock gets its people and then the roles, the deployer keeps nothing."""
    on_timelock = [
        ("grantRole", timelock_role("PROPOSER"), holders[GOVERNOR]),
        ("grantRole", timelock_role("CANCELLER"), holders[GUARDIAN]),
        ("renounceRole", bytes(32), admin),
    ]
    away = [
        encode_call("RoleManager", "renounceRole", Role.FACTORY, admin),
        encode_call("RoleManager", "handOver", contracts.timelock),
    ]
    steps = [Step("admin", contracts.timelock, encode_call("TimelockController", *call)) for call in on_timelock]
    return [*steps, Step("admin", contracts.role_manager, multicall(away))]


def timelock_role(name: str) -> bytes:
    """Id of a role of the TimelockController: "PROPOSER", "CANCELLER", "EXECUTOR"."""
    return keccak256(f"{name}_ROLE".encode())


def contract_roles(contracts: Contracts) -> Mapping[Role, tuple[bytes, ...]]:
    """The roles that contracts hold, in the order in which they are granted."""
    return {
        Role.FACTORY: (contracts.asset_factory, contracts.cash_factory),
        Role.ISSUER: (contracts.issuance, contracts.early_redemption, contracts.stripping),
        Role.DEFAULTS: (contracts.issuance,),
        Role.CUSTODIAN: (contracts.repo_facility, contracts.early_redemption),
    }


def wire(contract: str, target: bytes) -> list[bytes]:
    """RoleManager calls that give a contract's restricted functions to their roles."""
    return [
        encode_call(
            "RoleManager",
            "setTargetFunctionRole",
            target,
            [artifact(contract).function(name).selector for name in names],
            role,
        )
        for role, names in RESTRICTED[contract].items()
    ]


def multicall(calls: Sequence[bytes]) -> bytes:
    """One RoleManager transaction for several of its calls."""
    return encode_call("RoleManager", "multicall", list(calls))
