"""I15 on three machines: every role and every selector of every contract, by what the chain itself answers."""

import json
from functools import cache
from importlib import resources

import pytest
from eth_abi.abi import encode

from tbill_defi.chain.types import CallReverted
from tbill_defi.ledger import governance
from tbill_defi.ledger.abi import decode_revert
from tbill_defi.ledger.artifacts import CONTRACTS, PER_PARTY, artifact
from tbill_defi.ledger.currencies import create_currency
from tbill_defi.ledger.deployment import GOVERNOR, GUARDIAN, RESTRICTED, ROLE_KEYS, Role, contract_roles
from tbill_defi.ledger.ledger import ROLE_NAMES
from tests.behaviour.day import BACKENDS, ledger_on
from tests.unit.ledger.powers import OPEN
from tests.unit.ledger.support import DOLLAR, NOTE, OUTSIDER

LEAST_GRANT_DELAY = 86_400
REFUSALS = {"AccessManagedUnauthorized", "AccessManagerUnauthorizedAccount"}
FIELDS = {name: "".join("_" * c.isupper() + c.lower() for c in name).lstrip("_") for name in CONTRACTS} | {
    "CashToken": "usd",
    "TimelockController": "timelock",
}
"""Contract -> its field of `Contracts`."""
MEMBERS = 16
"""Roles of numbers below this are looked at: those there are, and some that a later version might add."""


@cache
def changing(contract):
    """Functions that change state, by signature: as its artifact lists them."""
    text = resources.files("tbill_defi.ledger").joinpath("artifacts", f"{contract}.json").read_text()
    names = {
        entry["name"]
        for entry in json.loads(text)["abi"]
        if entry["type"] == "function" and entry["stateMutability"] in ("nonpayable", "payable")
    }
    return [e for e in artifact(contract).entries if e.kind == "function" and e.name in names]


@pytest.fixture(scope="module", params=BACKENDS)
def ledger(request):
    """With a security, and a currency that the bank made after the handing over."""
    with ledger_on(request.param) as made:
        made.deposit("desk", {NOTE: DOLLAR}, DOLLAR)
        create_currency(made, "EUR", "euro")
        yield made


def places(ledger):
    """(contract, where it is, where its map of roles stands): all that were deployed, a security, a new currency."""
    found = [
        (name, getattr(ledger.contracts, FIELDS[name]), getattr(ledger.contracts, FIELDS[name]))
        for name in CONTRACTS
        if name not in PER_PARTY
    ]
    assert {place for _, place, _ in found} == set(ledger.contracts.addresses())
    note, euro = ledger.token_of(NOTE.cusip), ledger.token_of("EUR")
    return [
        *found,
        ("SecurityToken", note, ledger.contracts.security_token),
        ("CashToken", euro, ledger.contracts.usd),
    ]


def ask(ledger, function, *arguments):
    return ledger.call("RoleManager", ledger.contracts.role_manager, function, *arguments)


def keys(ledger):
    return {name: ledger.keyring.key(name).address for name in (*ROLE_NAMES, "desk", "dealer", "stranger")}


def everyone_of(ledger):
    """Keys and contracts, by name."""
    contracts = {name: getattr(ledger.contracts, FIELDS[name]) for name in CONTRACTS if name not in PER_PARTY}
    return {**keys(ledger), **contracts, "outsider": OUTSIDER.address}


def error_of(ledger, caller, place, data):
    """Name of the error with which a call is refused, None if it is not."""
    try:
        ledger.chain.call(place, data, sender=caller)
    except CallReverted as reverted:
        return decode_revert(reverted.data)[0]
    return None


@pytest.mark.invariant("I15")
def test_every_selector_is_mapped_or_justified(ledger):
    for contract, _, mapped_at in places(ledger):
        roles = {f: role for role, names in RESTRICTED.get(contract, {}).items() for f in names}
        for entry in changing(contract):
            role = ask(ledger, "getTargetFunctionRole", mapped_at, entry.selector)
            if role == Role.ADMIN and roles.get(entry.name) is not Role.ADMIN:
                assert OPEN[contract][entry.name], f"{contract}.{entry.name} is nobody's and not justified"
            else:
                assert (roles[entry.name], entry.name in OPEN[contract]) == (role, False), f"{contract}.{entry.name}"


@pytest.mark.invariant("I15")
def test_who_holds_no_role_calls_nothing_that_is_restricted(ledger):
    """Every restricted selector, by every key: refused for its role's holders alone by something else."""
    held = {role: set(accounts) for role, accounts in governance.holders(ledger).items()}
    for contract, place, _ in places(ledger):
        for role, names in RESTRICTED.get(contract, {}).items():
            for name in names:
                entry = artifact(contract).function(name)
                data = entry.selector + bytes(32 * 24)
                for who, caller in keys(ledger).items():
                    error = error_of(ledger, caller, place, data)
                    may = caller in held[role] and place != ledger.contracts.security_token  # nobody's, bare
                    assert (error in REFUSALS) != may, f"{who} calls {contract}.{name}: {error}"


@pytest.mark.invariant("I15")
def test_the_timelock_alone_administers(ledger):
    manager, timelock = ledger.contracts.role_manager, ledger.contracts.timelock
    everyone = everyone_of(ledger)
    for role in range(MEMBERS):
        assert ask(ledger, "getRoleAdmin", role) == Role.ADMIN
        assert ask(ledger, "getRoleGrantDelay", role) >= LEAST_GRANT_DELAY
        assert ask(ledger, "getRoleGuardian", role) == Role.ADMIN
    expected = {role: set() for role in Role} | {Role.ADMIN: {timelock}}
    for name, roles in ROLE_KEYS.items():
        for role in roles:
            expected[role].add(everyone[name])
    for role, members in contract_roles(ledger.contracts).items():
        expected[role] |= set(members)
    assert {role: set(accounts) for role, accounts in governance.holders(ledger).items()} == expected
    for who, account in everyone.items():
        for role in Role:
            assert ask(ledger, "hasRole", role, account)[0] == (account in expected[role]), (who, role)
    assert ask(ledger, "timelock") == timelock
    assert ledger.call("Compliance", ledger.contracts.compliance, "authority") == manager


@pytest.mark.invariant("I15")
def test_the_deployer_has_renounced_here_and_there(ledger):
    timelock = ledger.contracts.timelock
    for name, has in {"PROPOSER": GOVERNOR, "CANCELLER": GUARDIAN, "EXECUTOR": None, "": None}.items():
        role = governance.timelock_role(name) if name else bytes(32)
        for who, account in everyone_of(ledger).items():
            expected = who == has or (not name and account == timelock)
            assert ledger.call("TimelockController", timelock, "hasRole", role, account) == expected, (name, who)
    assert ledger.call("TimelockController", timelock, "getMinDelay") == 2 * 86_400


@pytest.mark.invariant("I15")
def test_nobody_holds_two_that_are_kept_apart(ledger):
    held = governance.holders(ledger)
    apart = [set(held[role]) for role in governance.KEPT_APART]
    assert sum(map(len, apart)) == len(set().union(*apart))


@pytest.mark.invariant("I15")
def test_nobody_grants_himself_a_role(ledger):
    manager, timelock = ledger.contracts.role_manager, ledger.contracts.timelock
    for who, caller in keys(ledger).items():
        for role in Role:
            data = artifact("RoleManager").function("grantRole").selector
            data += encode(["uint64", "address", "uint32"], [role, caller, 0])
            assert error_of(ledger, caller, manager, data) == "AccessManagerUnauthorizedAccount", (who, role)
        proposal = artifact("TimelockController").function("grantRole").selector
        for name in governance.TIMELOCK_ROLES:
            data = proposal + encode(["bytes32", "address"], [governance.timelock_role(name), caller])
            assert error_of(ledger, caller, timelock, data) == "AccessControlUnauthorizedAccount", (who, name)
