"""A new key in the place of an old one: of a role by the timelock, of a party by the recovery of its wallet, of the
operator by its hand-over of the ledger.

Every call does what can be done now, and says what it waits for. Where it stands follows from the chain and the
keystores alone, so a process that was killed anywhere is gone on with by the same call.
"""

from __future__ import annotations

from dataclasses import dataclass

from tbill_defi.chain.handing_over import hand_over
from tbill_defi.core.errors import LedgerError, UsageError
from tbill_defi.ledger import governance, recovery
from tbill_defi.ledger.abi import encode_call
from tbill_defi.ledger.deployment import Role, Step, timelock_role
from tbill_defi.ledger.governance import MANAGER, TIMELOCK, TIMELOCK_ROLES, Call, Operation
from tbill_defi.ledger.keyring import NEXT, Keys
from tbill_defi.ledger.ledger import ADMIN, OPERATOR, ROLE_NAMES, Ledger
from tbill_defi.ledger.mandate import managed_account
from tbill_defi.ledger.node import give_gas


@dataclass(frozen=True, slots=True)
class Rotation:
    """How far a rotation has come.

    Attributes
    ----------
    old, new
        Addresses, 20 bytes.
    until
        Unix second until which it waits; None: done.
    waits
        For what: "timelock" (it was proposed), "grant" (the new key's role is not yet in force), "recovery" (of a
        party's wallet; the old key may contest it); None: done.
    """

    name: str
    old: bytes
    new: bytes
    until: int | None = None
    waits: str | None = None


def rotate(ledger: Ledger, name: str, *, lost: bool = False) -> Rotation:
    """Put a new key in the place of the one of that name, as far as can be done now.

    Parameters
    ----------
    name
        Of a role's key (`ROLE_KEYS`, the governor) or of a party.
    lost
        Take the old key's roles away by the timelock, at once when the new one's are granted, rather than let it
        renounce them when the new one's are in force: it cannot sign, or must not be trusted.

    Raises
    ------
    UsageError
        If it has nothing to rotate.
    LedgerError
        If there is no such key (code "UnknownKey"), or a step is refused.
    """
    if name == ADMIN:
        raise UsageError(f"key: {ADMIN} deployed the ledger and holds nothing any more; there is nothing to rotate")
    if name == OPERATOR:
        raise UsageError(f"key: the {OPERATOR}'s hands the ledger over, which is closed meanwhile: `rotate_operator`")
    if name not in ROLE_NAMES and name not in ledger.books().parties():
        known = ", ".join(sorted({*ROLE_NAMES, *ledger.books().parties()} - {ADMIN, OPERATOR}))
        raise LedgerError(f"key {name!r} is of no role and no party of this ledger; there are {known}", "UnknownKey")
    ring = ledger.keyring
    old = ring.address(name)
    new = ring.ensure(name + NEXT).address
    give_gas(ledger, name + NEXT)
    advance = _rotate_role if name in ROLE_NAMES else _rotate_party
    waiting = advance(ledger, name, old, new, lost)
    if waiting is not None:
        return waiting
    ring.replace(name, name + NEXT)
    return Rotation(name, old, new)


def rotate_operator(url: str, ring: Keys) -> Rotation:
    """Put a new key in the place of the operator's: the old one hands the ledger over to it, at once.

    The new key is stored first, then the hand-over and the head under its signature are one commit, then the keystores
    change places; cut off anywhere, the same call goes on, and so does opening the ledger to write.

    Raises
    ------
    LedgerError
        If the key is not the operator's (code "WrongOperator").
    LedgerBusy
        If another process writes the ledger: a sequencer is stopped first.
    """
    old, new = ring.key(OPERATOR), ring.ensure(OPERATOR + NEXT)
    hand_over(url, old, new)
    ring.replace(OPERATOR, OPERATOR + NEXT)
    return Rotation(OPERATOR, old.address, new.address)


def _rotate_role(ledger: Ledger, name: str, old: bytes, new: bytes, lost: bool) -> Rotation | None:
    operation = _operation(ledger, old, new, lost)
    if operation.state == "waiting":
        return Rotation(name, old, new, operation.due, "timelock")
    if operation.state == "ready":
        governance.execute(ledger, operation)
    since = _all_in_force(ledger, old, new)
    if since > ledger.chain.now():
        return Rotation(name, old, new, since, "grant")
    ledger.send(_renounce(ledger, name, old))
    return None


def _operation(ledger: Ledger, old: bytes, new: bytes, lost: bool) -> Operation:
    """The rotation's operation of the timelock, proposed if it is not there or was vetoed; its salt is the new key."""
    salt = new.rjust(32, b"\0")
    found = next((one for one in governance.operations(ledger) if one.salt == salt), None)
    if found is None or found.state == "vetoed":
        return governance.propose(ledger, _calls(ledger, old, new, lost), salt=salt)
    return found


def _calls(ledger: Ledger, old: bytes, new: bytes, lost: bool) -> list[Call]:
    """Grants to the new key of all that the old one holds; of a lost one's they are taken away first."""
    roles = [role for role in Role if governance.in_force(ledger, role, old)]
    own = [role for role in TIMELOCK_ROLES if _has_timelock_role(ledger, role, old)]
    calls = []
    for function, account in (("revokeRole", old), ("grantRole", new)):
        if function == "grantRole" or lost:
            calls += [governance.role_call(ledger, function, role, account) for role in roles]
            calls += [governance.timelock_call(ledger, function, role, account) for role in own]
    if not calls:
        raise LedgerError(f"key 0x{old.hex()} holds no role of this ledger; there is nothing to rotate", "UnknownKey")
    return calls


def _all_in_force(ledger: Ledger, old: bytes, new: bytes) -> int:
    """Unix second from which the new key holds every role, those that the old one still has included."""
    since = {role: governance.in_force(ledger, role, new) for role in Role}
    missing = [role.name for role in Role if not since[role] and governance.in_force(ledger, role, old)]
    missing += [
        role
        for role in TIMELOCK_ROLES
        if _has_timelock_role(ledger, role, old) and not _has_timelock_role(ledger, role, new)
    ]
    if missing:
        raise LedgerError(
            f"key 0x{new.hex()}: {', '.join(missing)} was taken from it again, or came to the old key later; "
            "`tbill roles propose grant` gives it, then go on",
            "NotGranted",
        )
    return max(since.values())


def _renounce(ledger: Ledger, name: str, old: bytes) -> list[Step]:
    """The old key gives up what it still holds, by its own signature: nothing, if the timelock took it away."""
    manager, timelock = ledger.contracts.role_manager, ledger.contracts.timelock
    steps = [
        Step(name, manager, encode_call(MANAGER, "renounceRole", role, old))
        for role in Role
        if governance.in_force(ledger, role, old)
    ]
    steps += [
        Step(name, timelock, encode_call(TIMELOCK, "renounceRole", timelock_role(role), old))
        for role in TIMELOCK_ROLES
        if _has_timelock_role(ledger, role, old)
    ]
    return steps


def _has_timelock_role(ledger: Ledger, role: str, account: bytes) -> bool:
    return bool(ledger.call(TIMELOCK, ledger.contracts.timelock, "hasRole", timelock_role(role), account))


def _rotate_party(ledger: Ledger, name: str, old: bytes, new: bytes, _lost: bool) -> Rotation | None:
    """By the recovery of the party's wallet: announced, a day in which the old key may contest it, confirmed.

    Of a managed account, whose wallet is a contract, the owner's key is what changes.
    """
    registry = ledger.contracts.identity_registry
    account = managed_account(ledger, name)
    if ledger.call(recovery.REGISTRY, registry, "currentWallet", old) == new:
        if account is not None and account.owner == old:
            recovery.confirm_owner(ledger, account)
        return None
    found = ledger.call(recovery.REGISTRY, registry, "recoveryOf", old)
    if not found["from"]:
        if account is None:
            since = recovery.announce(ledger, old, new).since
        else:
            since = recovery.announce_owner(ledger, account, new).since
        found = {"successor": new, "from": since}
    if found["successor"] != new:
        raise LedgerError(
            f"party {name}: a recovery of its wallet to 0x{found['successor'].hex()} was announced, not to this home's "
            f"new key; `tbill kyc recover 0x{old.hex()} --withdraw` takes it back",
            "RecoveryAnnounced",
        )
    if found["from"] > ledger.chain.now():
        return Rotation(name, old, new, found["from"], "recovery")
    if account is None:
        recovery.confirm(ledger, old)
    else:
        recovery.confirm_owner(ledger, account)
    return None
