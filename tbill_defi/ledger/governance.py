"""The timelock over the roles: what the governor proposes waits in the open, and then anyone carries it out.

Until then the guardian may veto it. Every operation is a batch; its salt makes it one of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from tbill_defi.core.clock import moment
from tbill_defi.core.errors import LedgerError, UsageError
from tbill_defi.core.hashing import keccak256
from tbill_defi.ledger.abi import decode_call, encode_call
from tbill_defi.ledger.deployment import GOVERNOR, GUARDIAN, TIMELOCK_SECONDS, Role, Step, timelock_role
from tbill_defi.ledger.ledger import Ledger

MANAGER, TIMELOCK, COMPLIANCE = "RoleManager", "TimelockController", "Compliance"
OPERATION_EVENTS = ("CallScheduled", "CallSalt", "Cancelled", "CallExecuted")
TIMELOCK_ROLES = ("PROPOSER", "CANCELLER")
KEPT_APART = (Role.ISSUER, Role.FREEZER, Role.ENFORCER, Role.ORACLE)
"""Roles of which nobody is granted two (contracts/src/RoleManager.sol)."""
NO_PREDECESSOR = bytes(32)

State = Literal["waiting", "ready", "done", "vetoed"]


@dataclass(frozen=True, slots=True)
class Call:
    """One call of an operation: its contract (a name of the artifacts), the address, and the calldata."""

    contract: str
    target: bytes
    data: bytes


@dataclass(slots=True)
class Operation:
    """What was proposed.

    Attributes
    ----------
    id
        32 bytes.
    due
        Unix second from which it can be carried out.
    state
        "waiting" until then, "ready", "done", or "vetoed".
    """

    id: bytes
    salt: bytes = bytes(32)
    calls: list[Call] = field(default_factory=list)
    due: int = 0
    state: State = "waiting"


def role_call(ledger: Ledger, function: str, role: Role, account: bytes) -> Call:
    """`grantRole` or `revokeRole` of a role of the contracts."""
    more = (0,) if function == "grantRole" else ()
    return Call(MANAGER, ledger.contracts.role_manager, encode_call(MANAGER, function, role, account, *more))


def grant_call(ledger: Ledger, role: Role, account: bytes) -> Call:
    """Grants a role, if the RoleManager will do so.

    Raises
    ------
    UsageError
        If it is ADMIN, the timelock's alone.
    LedgerError
        If the account holds a role that is kept apart from it (code "RolesKeptApart").
    """
    if role is Role.ADMIN:
        raise UsageError("role: ADMIN is the timelock's alone and is never granted")
    held = [r for r in KEPT_APART if r is not role and role in KEPT_APART and in_force(ledger, r, account)]
    if held:
        raise LedgerError(
            f"role: 0x{account.hex()} holds {held[0].name}, and nobody holds two of "
            f"{', '.join(r.name for r in KEPT_APART)}; give {role.name} to another key",
            "RolesKeptApart",
        )
    return role_call(ledger, "grantRole", role, account)


def timelock_call(ledger: Ledger, function: str, role: str, account: bytes) -> Call:
    """`grantRole` or `revokeRole` of a role of the timelock itself, of `TIMELOCK_ROLES`."""
    return Call(TIMELOCK, ledger.contracts.timelock, encode_call(TIMELOCK, function, timelock_role(role), account))


def renewal_call(ledger: Ledger) -> Call:
    """Gives the guardian 72 hours again, or lets the stop that is on last that long from then."""
    return Call(COMPLIANCE, ledger.contracts.compliance, encode_call(COMPLIANCE, "renewStop"))


def in_force(ledger: Ledger, role: Role, account: bytes) -> int:
    """Unix second from which an account holds a role, 0 if it was not granted it."""
    return int(ledger.call(MANAGER, ledger.contracts.role_manager, "getAccess", role, account)[0])


def holders(ledger: Ledger) -> Mapping[Role, tuple[bytes, ...]]:
    """Role -> the accounts that it was granted to, by the RoleManager's own events; in force or not yet."""
    found: dict[Role, dict[bytes, None]] = {role: {} for role in Role}
    place = (ledger.contracts.role_manager,)
    for event in ledger.chain.events(names=("RoleGranted", "RoleRevoked"), addresses=place):
        members = found.setdefault(Role(int(event.arguments["roleId"])), {})
        account = bytes.fromhex(event.arguments["account"][2:])
        if event.name == "RoleGranted":
            members[account] = None
        else:
            members.pop(account, None)
    return {role: tuple(members) for role, members in found.items()}


def operations(ledger: Ledger) -> tuple[Operation, ...]:
    """All that was ever proposed, in order."""
    place, found = ledger.contracts.timelock, dict[bytes, Operation]()
    for event in ledger.chain.events(names=OPERATION_EVENTS, addresses=(place,)):
        key = bytes.fromhex(event.arguments["id"][2:])
        operation = found.setdefault(key, Operation(key))
        if event.name == "CallSalt":
            operation.salt = bytes.fromhex(event.arguments["salt"][2:])
        elif event.name == "CallScheduled":
            if event.arguments["index"] == "0":
                operation.calls = []
            operation.calls.append(_call_of(ledger, event.arguments))
    for operation in found.values():
        operation.due = ledger.call(TIMELOCK, place, "getTimestamp", operation.id)
        ready = operation.due <= ledger.chain.now()
        operation.state = {0: "vetoed", 1: "done"}.get(operation.due, "ready" if ready else "waiting")  # type: ignore[assignment]
    return tuple(found.values())


def propose(ledger: Ledger, calls: Sequence[Call], *, salt: bytes | None = None) -> Operation:
    """Schedule an operation by the governor's key; its delay begins now.

    Parameters
    ----------
    salt
        32 bytes, not zero; None: another one for each operation.

    Raises
    ------
    LedgerError
        If the same was proposed already.
    """
    if salt is None:
        salt = keccak256(b"operation" + len(operations(ledger)).to_bytes(8, "big"))
    arguments = (*_batch(calls), NO_PREDECESSOR, salt)
    place = ledger.contracts.timelock
    key = ledger.call(TIMELOCK, place, "hashOperationBatch", *arguments)
    data = encode_call(TIMELOCK, "scheduleBatch", *arguments, TIMELOCK_SECONDS)
    ledger.send([Step(GOVERNOR, place, data)])
    return operation_of(ledger, key.hex())


def execute(ledger: Ledger, operation: Operation) -> None:
    """Carry out an operation whose delay is over. Anyone may; here the governor's key signs.

    Raises
    ------
    LedgerError
        If it still waits (code "Timelocked"), was vetoed or is done (code "NotPending").
    """
    short = operation.id.hex()[:10]
    if operation.state == "waiting":
        raise LedgerError(f"operation {short}: waits in the timelock until {moment(operation.due)}", "Timelocked")
    _require_pending(operation)
    data = encode_call(TIMELOCK, "executeBatch", *_batch(operation.calls), NO_PREDECESSOR, operation.salt)
    ledger.send([Step(GOVERNOR, ledger.contracts.timelock, data)])


def veto(ledger: Ledger, operation: Operation) -> None:
    """End an operation before it is carried out, by the guardian's key. Raises as `execute`."""
    _require_pending(operation)
    data = encode_call(TIMELOCK, "cancel", operation.id)
    ledger.send([Step(GUARDIAN, ledger.contracts.timelock, data)])


def operation_of(ledger: Ledger, digits: str) -> Operation:
    """The operation whose id begins with these hex digits.

    Raises
    ------
    LedgerError
        If there is none, or more than one (code "UnknownOperation").
    """
    found = [one for one in operations(ledger) if one.id.hex().startswith(digits.lower().removeprefix("0x"))]
    if len(found) != 1:
        known = (
            ", ".join(one.id.hex()[:10] for one in operations(ledger) if one.state in ("waiting", "ready")) or "none"
        )
        many = "more than one begins so" if found else "there is none"
        raise LedgerError(f"operation {digits}: {many}; pending: {known}", "UnknownOperation")
    return found[0]


def describe(ledger: Ledger, call: Call) -> str:
    """A call in words, such as "grant ISSUER to 0x..."."""
    name, arguments = decode_call(call.contract, call.data) if call.contract else ("call", {})
    verbs = {"grantRole": "grant {} to {}", "revokeRole": "revoke {} of {}"}
    if name in verbs:
        role = arguments.get("roleId", arguments.get("role"))
        told = Role(role).name if isinstance(role, int) else f"the timelock's {_timelock_name(role)}"
        return verbs[name].format(told, ledger.books().name("0x" + arguments["account"].hex()))
    if name == "renewStop":
        return "renew the guardian's 72 hours"
    return f"{call.contract or '0x' + call.target.hex()}.{name} 0x{call.data.hex()}"


def _timelock_name(role: Any) -> str:
    return next((name for name in TIMELOCK_ROLES if timelock_role(name) == role), "0x" + bytes(role).hex())


def _call_of(ledger: Ledger, arguments: Mapping[str, Any]) -> Call:
    target = bytes.fromhex(arguments["target"][2:])
    contracts = ledger.contracts
    known = {contracts.role_manager: MANAGER, contracts.timelock: TIMELOCK, contracts.compliance: COMPLIANCE}
    return Call(known.get(target, ""), target, bytes.fromhex(arguments["data"][2:]))


def _batch(calls: Sequence[Call]) -> tuple[list[bytes], list[int], list[bytes]]:
    return [call.target for call in calls], [0] * len(calls), [call.data for call in calls]


def _require_pending(operation: Operation) -> None:
    if operation.state in ("done", "vetoed"):
        words = {"done": "was carried out already", "vetoed": "was vetoed"}[operation.state]
        raise LedgerError(f"operation {operation.id.hex()[:10]}: {words}", "NotPending")
