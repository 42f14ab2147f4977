"""Who may do what: every restricted function of the sources is mapped, on chain as on paper."""

import json
import re
from importlib import resources
from pathlib import Path

import pytest

from tbill_defi.core.errors import LedgerError
from tbill_defi.core.hashing import keccak256
from tbill_defi.ledger.artifacts import CONTRACTS, PER_PARTY, artifact
from tbill_defi.ledger.decisions import MESSAGES, RULES
from tbill_defi.ledger.deployment import RESTRICTED, ROLE_KEYS, RULE_PLACES, Contracts, Role, plan_deployment
from tbill_defi.ledger.ledger import ROLE_NAMES
from tests.unit.ledger.powers import OPEN
from tests.unit.ledger.support import OUTSIDER

SOURCES = Path(__file__).resolve().parents[3] / "contracts" / "src"
RESTRICTED_FUNCTION = re.compile(r"function\s+(\w+)\s*\([^)]*\)([^{;]*)[{;]")
PART_OF = {
    "Claims": "IdentityRegistry",
    "Defaults": "Issuance",
    "EmergencyStop": "Compliance",
    "Limits": "Compliance",
    "Redemptions": "Issuance",
}
"""Abstract contract -> the one that is deployed with it."""


def restricted_in_sources():
    """Contract -> names of its functions with the modifier `restricted`, read from the Solidity text."""
    found = {}
    for path in sorted(SOURCES.rglob("*.sol")):
        text = re.sub(r"//[^\n]*|/\*.*?\*/", "", path.read_text(), flags=re.DOTALL)
        names = {name for name, rest in RESTRICTED_FUNCTION.findall(text) if re.search(r"\brestricted\b", rest)}
        if names:
            for contract in RULE_PLACES if path.stem == "Rule" else [PART_OF.get(path.stem, path.stem)]:
                found.setdefault(contract, set()).update(names)
    return found


def mapped():
    return {name: {f for functions in roles.values() for f in functions} for name, roles in RESTRICTED.items()}


def test_who_may_what_in_so_many_words():
    """Written out a second time, by the role: what each key's holder can do to others."""
    found = {}
    for contract, roles in RESTRICTED.items():
        for role, functions in roles.items():
            for function in functions:
                assert (contract, function) not in found, "one role"
                found[contract, function] = role.name
    powers = {}
    for (contract, function), role in found.items():
        powers.setdefault(role, set()).add(f"{contract}.{function}")
    assert powers == {
        "REGISTRAR": {
            "IdentityRegistry.registerIdentity",
            "IdentityRegistry.setClaim",
            "IdentityRegistry.registerWallet",
            "IdentityRegistry.removeWallet",
            "IdentityRegistry.announceRecovery",
            "IdentityRegistry.withdrawRecovery",
            "IdentityRegistry.trustIssuer",
        },
        "ISSUER": {
            "AssetRegistry.setDenomination",
            "AssetFactory.create",
            "SecurityToken.issue",
            "SecurityToken.redeem",
            "SecurityToken.redeemMatured",
            "Issuance.issue",
            "Issuance.setDatedCpi",
            "Issuance.openRedemption",
            "Issuance.openIndexedRedemption",
            "Issuance.callSecurity",
            "Issuance.declareDefault",
            "Issuance.cureDefault",
            "CouponPayer.announce",
            "CouponPayer.announceIndexed",
            "CouponPayer.announceFloating",
            "CouponPayer.announceRecovery",
            "EarlyRedemption.setWindow",
            "Stripping.namePieces",
            "AuctionBook.announce",
            "AuctionBook.close",
            "HolderVotes.open",
            "HolderVotes.withdraw",
        },
        "FREEZER": {"SecurityToken.setFrozenTokens", "AssetRegistry.setPaused", "IdentityRegistry.setSanctioned"},
        "ENFORCER": {
            "IdentityRegistry.confirmRecovery",
            "SecurityToken.forcedTransfer",
            "SecurityToken.forcedTransferEndingHolds",
            "Issuance.releaseBlocked",
            "Stripping.seize",
        },
        "CASH_ISSUER": {"CashToken.issue", "CashToken.redeem", "CashFactory.create"},
        "LIMITS": {
            "Compliance.setTradeLimit",
            "Compliance.setVolumeLimit",
            "Compliance.setHoldingCap",
            "Compliance.setOwnLimits",
            "Compliance.setCountries",
            "AssetRegistry.setTokenRules",
            *(f"{rule}.{function}" for rule in RULE_PLACES for function in ("setValue", "setExempt")),
        },
        "FACTORY": {"AssetRegistry.register"},
        "DEFAULTS": {"AssetRegistry.setInDefault"},
        "CUSTODIAN": {"SecurityToken.deliver"},
        "ORACLE": {"PriceOracle.setPricers", "PriceOracle.setRules"},
        "GUARDIAN": {"Compliance.stop", "Compliance.resume"},
        "ADMIN": {"Compliance.renewStop"},
    }


def test_every_restricted_function_is_mapped_and_nothing_else():
    assert restricted_in_sources() == mapped()


@pytest.mark.parametrize("name", CONTRACTS)
def test_every_other_function_that_changes_state_is_justified(name):
    abi = json.loads(resources.files("tbill_defi.ledger").joinpath("artifacts", f"{name}.json").read_text())["abi"]
    changing = {e["name"] for e in abi if e["type"] == "function" and e["stateMutability"] in ("nonpayable", "payable")}
    assert changing - mapped().get(name, set()) == set(OPEN[name])
    payable = {e["name"] for e in abi if e["type"] == "function" and e["stateMutability"] == "payable"}
    relays = {"RoleManager": {"execute"}, "TimelockController": {"execute", "executeBatch"}}
    assert payable == relays.get(name, set())


def test_roles_are_those_of_the_sources():
    text = (SOURCES / "Roles.sol").read_text()
    declared = {name: int(value) for name, value in re.findall(r"constant (\w+) = (\d+);", text)}
    assert declared == {role.name: role.value for role in Role}


def targets(bench):
    places = bench.contracts
    return {
        "AssetRegistry": places.asset_registry,
        "IdentityRegistry": places.identity_registry,
        "Compliance": places.compliance,
        "AssetFactory": places.asset_factory,
        "CashToken": places.usd,
        "CashFactory": places.cash_factory,
        "PriceOracle": places.price_oracle,
        "Issuance": places.issuance,
        "CouponPayer": places.coupon_payer,
        "EarlyRedemption": places.early_redemption,
        "Stripping": places.stripping,
        "AuctionBook": places.auction_book,
        "HolderVotes": places.holder_votes,
        **{rule: getattr(places, field) for rule, field in RULE_PLACES.items()},
        "RepoFacility": places.repo_facility,
        "OptionBook": places.option_book,
        "TradeBook": places.trade_book,
        "SecurityToken": places.security_token,
    }


def test_the_chain_has_the_map(shared):
    """Every function of every contract: its role on chain is the mapped one, else the administrator's."""
    for name, target in targets(shared).items():
        roles = {f: role for role, functions in RESTRICTED.get(name, {}).items() for f in functions}
        for entry in artifact(name).entries:
            if entry.kind == "function":
                found = shared.ledger.call(
                    "RoleManager", shared.contracts.role_manager, "getTargetFunctionRole", target, entry.selector
                )
                assert found == roles.get(entry.name, Role.ADMIN), f"{name}.{entry.name}"


def holders(bench):
    """Role -> holders, folded from the AccessManager's events."""
    found = {}
    place = bench.contracts.role_manager
    for event in bench.chain.events(names=["RoleGranted", "RoleRevoked"], addresses=[place]):
        role, account = int(event.arguments["roleId"]), event.arguments["account"]
        if event.name == "RoleGranted":
            assert event.arguments["delay"] == "0"
            found.setdefault(role, set()).add(account)
        else:
            found[role].discard(account)
    return {Role(role): accounts for role, accounts in found.items()}


def test_each_role_has_its_key_and_the_timelock_administers(shared):
    expected = {Role.ADMIN: {"0x" + shared.contracts.timelock.hex()}}
    for name, roles in ROLE_KEYS.items():
        expected |= {role: {"0x" + shared.address(name).hex()} for role in roles}
    contracts = shared.contracts
    expected[Role.ISSUER] |= {
        "0x" + c.hex() for c in (contracts.issuance, contracts.early_redemption, contracts.stripping)
    }
    makers = (shared.contracts.asset_factory, shared.contracts.cash_factory)
    expected[Role.FACTORY] = {"0x" + maker.hex() for maker in makers}
    expected[Role.DEFAULTS] = {"0x" + contracts.issuance.hex()}
    expected[Role.CUSTODIAN] = {"0x" + c.hex() for c in (contracts.repo_facility, contracts.early_redemption)}
    assert holders(shared) == expected


def test_has_role_says_the_same(shared):
    manager = shared.contracts.role_manager
    people = [shared.address(name) for name in (*ROLE_NAMES, "desk", "dealer")] + [
        OUTSIDER.address,
        shared.contracts.asset_factory,
        shared.contracts.cash_factory,
        shared.contracts.issuance,
        shared.contracts.coupon_payer,
        shared.contracts.settlement,
        shared.contracts.timelock,
    ]
    found = holders(shared)
    for role in Role:
        for who in people:
            is_member, _ = shared.ledger.call("RoleManager", manager, "hasRole", role, who)
            assert is_member == ("0x" + who.hex() in found[role])


def test_no_key_holds_two_of_freezer_enforcer_issuer_bank():
    apart = {Role.FREEZER, Role.ENFORCER, Role.ISSUER, Role.CASH_ISSUER, Role.ORACLE}
    for roles in ROLE_KEYS.values():
        assert len(apart & set(roles)) <= 1
    assert {role for roles in ROLE_KEYS.values() for role in roles} == set(Role) - {
        Role.ADMIN,
        *(Role.FACTORY, Role.DEFAULTS, Role.CUSTODIAN),  # contracts' alone
    }


def test_roles_are_labelled_for_explorers(shared):
    labels = {int(e.arguments["roleId"]): e.arguments["label"] for e in shared.chain.events(names=["RoleLabel"])}
    assert labels == {role.value: role.name for role in Role if role is not Role.ADMIN}


def test_contracts_are_where_planned_and_run_the_committed_code(shared):
    contracts, codes = plan_deployment(shared.address("admin"))
    assert contracts == shared.contracts
    assert len(codes) == len(CONTRACTS) - len(PER_PARTY)
    assert len({bytes(getattr(contracts, f)) for f in contracts.__dataclass_fields__}) == len(codes)
    other, _ = plan_deployment(OUTSIDER.address)
    assert other.settlement != contracts.settlement, "another administrator, another ledger"


def test_genesis_names_the_contracts():
    contracts, _ = plan_deployment(OUTSIDER.address)
    assert Contracts.from_extras(contracts.to_extras()) == contracts
    extras = contracts.to_extras()
    del extras["contract.usd"]
    with pytest.raises(LedgerError, match=r"contract\.usd") as caught:
        Contracts.from_extras(extras)
    assert caught.value.code == "NotOurs"


def test_settlement_is_fixed_in_the_tokens(shared):
    for contract, token in (("SecurityToken", shared.note), ("CashToken", shared.usd)):
        assert shared.ledger.call(contract, token, "settlement") == shared.contracts.settlement


def test_codes_and_rules_are_those_of_the_contract(shared):
    """Python's words for a code and the contract's sentence speak of the same rule."""
    words = {1: "identity", 2: "identity", 3: "claim", 4: "claim", 5: "unfrozen", 6: "balance", 7: "trade", 8: "hold"}
    words |= {9: "paused", 10: "country", 11: "country", 12: "volume", 13: "volume", 14: "cap"}
    words |= {15: "denomination", 16: "default", 17: "stopped", 18: "sanctions list"}
    words |= {19: "sanctions list", 20: "claim", 21: "share of the supply", 22: "holders", 23: "lock-up"}
    words |= {24: "minimum holding", 25: "minimum holding", 26: "rule"}
    for code, word in words.items():
        sentence = shared.ledger.call("SecurityToken", shared.note, "messageForTransferRestriction", code)
        assert word in sentence
        assert word.removeprefix("un") in RULES[code] + MESSAGES[code]
    text = (SOURCES / "RestrictionCodes.sol").read_text()
    declared = {int(value) for value in re.findall(r"constant \w+ = (\d+);", text)}
    assert declared == set(RULES)
    assert set(MESSAGES) == declared - {0}


def test_selectors_are_keccak():
    entry = artifact("CashToken").function("transfer")
    assert entry.signature == "transfer(address,uint256)"
    assert entry.selector == keccak256(b"transfer(address,uint256)")[:4] == bytes.fromhex("a9059cbb")
