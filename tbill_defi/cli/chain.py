"""`tbill chain doctor`: what is wrong with a connection to a node."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from tbill_defi.cli.common import Home, Json, console, group, print_json
from tbill_defi.core.errors import LedgerError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from tbill_defi.ledger.chain_file import ChainFile


def register(app: typer.Typer) -> None:
    """Add the commands."""
    commands = group("Nodes: what a ledger on a chain is connected to.")
    commands.command("doctor")(doctor)
    app.add_typer(commands, name="chain")


def doctor(
    url: Annotated[
        str | None, typer.Argument(metavar="[URL]", help="Such as http://127.0.0.1:8545.", show_default="the ledger's")
    ] = None,
    home: Home = None,
    json_: Json = False,
) -> None:
    """Say what is wrong with a connection to a node.

    Reachable, chain id, sync, time, fees, what the node can do, the deployment proxy, our contracts' code against the
    artifacts, ether of the keys. Needs no passphrase and sends nothing; exit code 7 if something is wrong.
    """
    from tbill_defi.core.clock import SystemClock
    from tbill_defi.ledger.doctor import WRONG, examine

    stored = _stored(home)
    if url is None and stored is None:
        raise UsageError("chain doctor: this home has no ledger on a node; give the URL of one")
    checks = examine(
        url or (stored.target() if stored else ""), clock=SystemClock(), stored=stored, accounts=_keys(home)
    )
    wrong = [check for check in checks if check.state == WRONG]
    if json_:
        print_json(
            {
                "ok": not wrong,
                "checks": [{"name": c.name, "state": c.state, "detail": c.detail} for c in checks],
            }
        )
    else:
        from tbill_defi.report.tables import checks as table

        console().print(table([(c.name, c.state, c.detail) for c in checks]))
    if wrong:
        raise LedgerError(
            f"chain doctor: {len(wrong)} of {len(checks)} checks are wrong: {wrong[0].name}: {wrong[0].detail}",
            "Unhealthy",
        )


def _stored(home: Path | None) -> ChainFile | None:
    from tbill_defi.core.home import home_path
    from tbill_defi.ledger.chain_file import ChainFile
    from tbill_defi.ledger.open import CHAIN_FILE, on_node

    return ChainFile.read(home_path(home) / "ledger" / CHAIN_FILE) if on_node(home) else None


def _keys(home: Path | None) -> dict[str, bytes]:
    """The accounts that pay for gas, as their keystores name them."""
    from tbill_defi.chain.keys import list_keystores
    from tbill_defi.ledger.ledger import ROLE_NAMES
    from tbill_defi.ledger.open import keys_folder

    stored = {entry.name: entry.address for entry in list_keystores(keys_folder(home))}
    return {name: stored[name] for name in ROLE_NAMES if name in stored}
