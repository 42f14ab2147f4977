"""`tbill roles`, `stop`, `resume`, `keys rotate`: who may do what, changed slowly, and stopped at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tbill_defi.cli.common import Home, Json, console, group, hint, print_json, progress
from tbill_defi.cli.registry import address
from tbill_defi.core.errors import LedgerError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from tbill_defi.ledger.deployment import Role
    from tbill_defi.ledger.emergency import Stop
    from tbill_defi.ledger.governance import Call, Operation
    from tbill_defi.ledger.ledger import Ledger
    from tbill_defi.ledger.rotation import Rotation

ACTIONS = ("grant", "revoke", "renew-stop")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    commands = group("Roles: who holds them, and what is about to change.")
    for command in (show, propose, execute, veto):
        commands.command(command.__name__)(command)
    app.add_typer(commands, name="roles")
    keys = group("Keys: put a new one in an old one's place.")
    keys.command("rotate")(rotate)
    app.add_typer(keys, name="keys")
    app.command("stop")(stop)
    app.command("resume")(resume)


def show(home: Home = None, json_: Json = False) -> None:
    """Show who holds which role, and what the timelock was asked to do."""
    from tbill_defi.chain.keys import list_keystores
    from tbill_defi.ledger import governance
    from tbill_defi.ledger.open import keys_folder, open_ledger

    keys = {entry.address: entry.name for entry in list_keystores(keys_folder(home))}
    with progress("replaying") as advance, open_ledger(home=home, read_only=True, progress=advance) as ledger:
        held = [
            _holding(ledger, role, account, keys)
            for role, accounts in governance.holders(ledger).items()
            for account in accounts
        ]
        found = [_operation(ledger, one) for one in governance.operations(ledger)]
        now = ledger.chain.now()
    if json_:
        print_json({"roles": held, "operations": found})
        return
    from tbill_defi.report import formats, tables

    rows = [
        (row["role"], row["name"] or row["address"], "now" if row["since"] <= now else formats.moment(row["since"]))
        for row in held
    ]
    out = console()
    out.print(tables.roles(rows))
    for one in found:
        out.print(_line(one))


def propose(
    action: Annotated[str, typer.Argument(help="grant, revoke or renew-stop.")],
    role: Annotated[str | None, typer.Argument(help="Such as ISSUER.", show_default=False)] = None,
    account: Annotated[str | None, typer.Argument(help="Address it is about.", show_default=False)] = None,
    home: Home = None,
    json_: Json = False,
) -> None:
    """Propose to the timelock: grant or revoke a role, renew the stop.

    The governor's key signs. It can be carried out two days later, unless the guardian vetoes it; a role that is
    granted is in force a day after that.
    """
    from tbill_defi.ledger import governance
    from tbill_defi.ledger.open import open_ledger

    asked = _asked(action, role, account)
    with progress("replaying") as advance, open_ledger(home=home, progress=advance) as ledger:
        found = _operation(ledger, governance.propose(ledger, [_call(ledger, action, asked)]))
    _tell(found, json_=json_)


def _asked(action: str, role: str | None, account: str | None) -> tuple[Role, bytes] | None:
    """Role and account, before the ledger is opened."""
    from tbill_defi.ledger.deployment import Role

    if action not in ACTIONS:
        raise UsageError(f"action: {action!r} is not {', '.join(ACTIONS[:-1])} or {ACTIONS[-1]}")
    if action == "renew-stop":
        if role is not None:
            raise UsageError("role: renew-stop is about no role; leave it out")
        return None
    names = [one.name for one in Role if one is not Role.ADMIN]
    if role is None or role.upper() not in names:
        raise UsageError(f"role: {role or 'none given'} is not one of {', '.join(names)}")
    if account is None:
        raise UsageError(f"account: give the address, such as tbill roles propose {action} {role.upper()} 0x...")
    place = address("account", account)
    if not any(place):
        raise UsageError("account: the zero address is nobody's; give the address of a key")
    return Role[role.upper()], place


def _call(ledger: Ledger, action: str, asked: tuple[Role, bytes] | None) -> Call:
    from tbill_defi.ledger import governance

    if asked is None:
        return governance.renewal_call(ledger)
    role, account = asked
    if action == "grant":
        return governance.grant_call(ledger, role, account)
    return governance.role_call(ledger, "revokeRole", role, account)


def execute(
    operation: Annotated[str, typer.Argument(help="First digits of its id.")], home: Home = None, json_: Json = False
) -> None:
    """Carry out what the timelock was asked, once its delay is over."""
    from tbill_defi.ledger import governance

    _do(governance.execute, operation, home, json_)


def veto(
    operation: Annotated[str, typer.Argument(help="First digits of its id.")], home: Home = None, json_: Json = False
) -> None:
    """End what the timelock was asked, by the guardian's key."""
    from tbill_defi.ledger import governance

    _do(governance.veto, operation, home, json_)


def _do(act: Callable[[Ledger, Operation], None], digits: str, home: Home, json_: bool) -> None:
    from tbill_defi.ledger import governance
    from tbill_defi.ledger.open import open_ledger

    with progress("replaying") as advance, open_ledger(home=home, progress=advance) as ledger:
        one = governance.operation_of(ledger, _digits(digits))
        act(ledger, one)
        found = _operation(ledger, governance.operation_of(ledger, one.id.hex()))
    _tell(found, json_=json_)


def rotate(
    key: Annotated[str, typer.Argument(help="Key of a role, such as issuer; a party; or operator.")],
    lost: Annotated[
        bool, typer.Option("--lost", help="The old key cannot sign, or is not to be trusted: the timelock revokes it.")
    ] = False,
    home: Home = None,
    json_: Json = False,
) -> None:
    """Put a new key in an old one's place, as far as can be done now.

    The operator's hands the ledger over, at once. A role's goes through the timelock: proposed, two days later granted,
    a day later in force; then the old one renounces. A party's goes by the recovery of its wallet, a day. Run it again
    when the time has come, or after it was cut off: it goes on where it was. The old keystore stays as a .retired file.
    """
    from tbill_defi.ledger import rotation
    from tbill_defi.ledger.ledger import OPERATOR
    from tbill_defi.ledger.open import open_ledger

    if key == OPERATOR:
        found = _rotate_operator(home, lost)
    else:
        with progress("replaying") as advance, open_ledger(home=home, progress=advance) as ledger:
            found = rotation.rotate(ledger, key, lost=lost)
    if json_:
        print_json(
            {
                "name": found.name,
                "old": "0x" + found.old.hex(),
                "new": "0x" + found.new.hex(),
                "waits": found.waits,
                "until": found.until,
            }
        )
        return
    change = f"{found.name}: 0x{found.old.hex()} to 0x{found.new.hex()}"
    if found.until is None:
        console().print(f"{change}, done")
        return
    from tbill_defi.report import formats

    why = {
        "timelock": "proposed, and waits in the timelock",
        "grant": "granted, and not yet in force",
        "recovery": "announced, and may be contested by the old key",
    }[found.waits or ""]
    console().print(f"{change}: {why} until {formats.moment(found.until)}; then run it again")
    hint(f"tbill keys rotate {found.name}")


def _rotate_operator(home: Path | None, lost: bool) -> Rotation:
    from tbill_defi.ledger.open import desk_keys, ledger_url, on_node
    from tbill_defi.ledger.rotation import rotate_operator

    if lost:
        raise UsageError("lost: only the operator's own key hands the ledger over; without it there is a new ledger")
    if on_node(home):
        raise LedgerError("ledger: it is on a node, which has no journal and no signed head", "NoJournal")
    return rotate_operator(ledger_url(home), desk_keys(home))


def stop(home: Home = None, json_: Json = False) -> None:
    """Stop everything that moves, by the guardian's key.

    Securities and cash stand still until `tbill resume`, or until the guardian's 72 hours are used up; only the
    timelock gives him more. Freezing, forced transfers and recovery go on.
    """
    from tbill_defi.ledger import emergency
    from tbill_defi.ledger.open import open_ledger

    with progress("replaying") as advance, open_ledger(home=home, progress=advance) as ledger:
        found = emergency.stop(ledger)
    _tell_stop(found, json_=json_)


def resume(home: Home = None, json_: Json = False) -> None:
    """Lift the stop; what is left of its 72 hours is kept."""
    from tbill_defi.ledger import emergency
    from tbill_defi.ledger.open import open_ledger

    with progress("replaying") as advance, open_ledger(home=home, progress=advance) as ledger:
        found = emergency.resume(ledger)
    _tell_stop(found, json_=json_)


def _tell_stop(found: Stop, *, json_: bool) -> None:
    if json_:
        print_json({"stopped_until": found.until, "seconds_left": found.left})
        return
    from tbill_defi.report import formats

    if found.until is not None:
        console().print(f"stopped until {formats.moment(found.until)}, or until tbill resume")
        return
    hours, rest = divmod(found.left, 3600)
    console().print(f"nothing is stopped; the guardian may stop for {hours} h {rest // 60} min more")


def _digits(text: str) -> str:
    digits = text.lower().removeprefix("0x")
    if not digits or any(c not in "0123456789abcdef" for c in digits):
        raise UsageError(f"operation: {text!r} does not begin an id of hex digits; `tbill roles show` lists them")
    return digits


def _holding(ledger: Ledger, role: Role, account: bytes, keys: Mapping[bytes, str]) -> dict[str, Any]:
    """A holder by the name of its contract, or of its key in this home."""
    from tbill_defi.ledger import governance

    place = "0x" + account.hex()
    names = {value: name.removeprefix("contract.") for name, value in ledger.contracts.to_extras().items()}
    return {
        "role": role.name,
        "address": place,
        "name": names.get(place) or keys.get(account),
        "since": governance.in_force(ledger, role, account),
    }


def _operation(ledger: Ledger, one: Operation) -> dict[str, Any]:
    from tbill_defi.ledger import governance

    return {
        "id": "0x" + one.id.hex(),
        "state": one.state,
        "due": one.due if one.state in ("waiting", "ready") else None,
        "calls": [governance.describe(ledger, call) for call in one.calls],
    }


def _line(found: dict[str, Any]) -> str:
    from tbill_defi.report import formats

    when = f" from {formats.moment(found['due'])} on" if found["state"] == "waiting" else ""
    state = {"waiting": "can be carried out", "ready": "can be carried out now", "done": "carried out"}
    return f"{found['id'][2:12]}: {', '.join(found['calls'])}; {state.get(found['state'], 'vetoed')}{when}"


def _tell(found: dict[str, Any], *, json_: bool) -> None:
    if json_:
        print_json(found)
        return
    console().print(_line(found))
    if found["state"] == "waiting":
        hint(f"tbill roles execute {found['id'][2:12]}, when its time has come")
