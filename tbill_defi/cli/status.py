"""`tbill status`: how a home is, without opening a key or replaying anything."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from tbill_defi.cli.common import Home, Json, console, hint, print_json

if TYPE_CHECKING:
    from tbill_defi.ledger.audit_record import AuditRecord
    from tbill_defi.market.sync.freshness import Freshness


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("status")(status)


def status(home: Home = None, json_: Json = False) -> None:
    """Show a home at a glance: ledger, audit, market files, keys."""
    from tbill_defi.core.clock import SystemClock
    from tbill_defi.core.home import home_path
    from tbill_defi.ledger.audit_record import AuditRecord

    folder, now = home_path(home), SystemClock().now()
    ledger, audit = _ledger(home), AuditRecord.read(folder)
    day, fresh = _market(home, ledger["market_date"] if ledger else None, now)
    value: dict[str, Any] = {
        "home": str(folder),
        "bytes": sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) if folder.is_dir() else 0,
        "ledger": ledger,
        "audit": _audit(audit, ledger, now),
        "market_date": day,
        "market": [_feed(row) for row in fresh],
        "keys": _keys(home),
    }
    if json_:
        print_json(value)
        return
    _print(value, fresh)


def _ledger(home: Path | None) -> dict[str, Any] | None:
    """Where the ledger is, how large, how high; None if there is none."""
    from tbill_defi.chain.engine import shown_url
    from tbill_defi.core.errors import LedgerError
    from tbill_defi.ledger.clock import clock_kind
    from tbill_defi.ledger.emergency import stopped_until
    from tbill_defi.ledger.open import ledger_url, on_node, open_ledger
    from tbill_defi.ledger.succession import predecessor

    try:
        with open_ledger(home=home, read_only=True) as ledger:
            found: dict[str, Any] = {
                "url": ledger.chain.url if on_node(home) else shown_url(ledger_url(home)),
                "chain_id": ledger.chain.chain_id,
                "height": ledger.chain.height,
                "time": ledger.chain.now(),
                "clock": clock_kind(ledger),
                "market_date": ledger.market_date.isoformat(),
                "head": None,
                "bytes": 0,
                "stopped_until": stopped_until(ledger),
                "after": None,
            }
            if (before := predecessor(ledger)) is not None:
                found["after"] = before.value()
            if not on_node(home):
                head = ledger.embedded.head()
                found["head"] = "0x" + head.block_hash.hex()
                found["operator"] = "0x" + head.operator.hex()
    except LedgerError as error:
        if error.code != "NotFound":
            raise
        return None
    file = Path(str(found["url"]).removeprefix("sqlite:///"))
    if file.is_file():
        parts = [file, *(file.with_name(file.name + end) for end in ("-wal", "-shm"))]
        found["bytes"] = sum(part.stat().st_size for part in parts if part.is_file())
    return found


def _audit(record: AuditRecord | None, ledger: dict[str, Any] | None, now: int) -> dict[str, Any] | None:
    if record is None:
        return None
    behind = ledger["height"] - record.height if ledger else None
    return {
        "time": record.time,
        "age_seconds": max(now - record.time, 0),
        "height": record.height,
        "blocks_since": behind,
        "ok": record.ok,
        "verdict": record.verdict,
    }


def _market(home: Path | None, ledger_day: str | None, now: int) -> tuple[str, Sequence[Freshness]]:
    """The market date in force and what is known on it."""
    from datetime import date

    from tbill_defi.core.clock import market_date
    from tbill_defi.core.home import home_path
    from tbill_defi.market.store import MarketStore
    from tbill_defi.market.sync.freshness import freshness
    from tbill_defi.market.sync.state import SyncFolder

    day = date.fromisoformat(ledger_day) if ledger_day else market_date(now)
    store = MarketStore(home_path(home))
    return day.isoformat(), freshness(store.load(), day, SyncFolder(store.folder).load())


def _feed(row: Freshness) -> dict[str, Any]:
    return {
        "kind": row.kind,
        "rows": row.rows,
        "last": row.last.isoformat(),
        "age_days": row.age_days,
        "checked_at": row.checked_at,
    }


def _keys(home: Path | None) -> dict[str, Any]:
    """Names and addresses; which have cheap scrypt; where the passphrase would come from."""
    from tbill_defi.chain.keys import list_keystores
    from tbill_defi.ledger.open import PASSPHRASE_FILE, PASSPHRASE_VARIABLE, keys_folder

    folder = keys_folder(home)
    entries = list_keystores(folder)
    stored = (folder / PASSPHRASE_FILE).exists()
    source = PASSPHRASE_VARIABLE if os.environ.get(PASSPHRASE_VARIABLE) else PASSPHRASE_FILE if stored else None
    return {
        "folder": str(folder),
        "keys": {entry.name: "0x" + entry.address.hex() for entry in entries},
        "light": [entry.name for entry in entries if entry.light],
        "passphrase": source,
    }


def _print(value: dict[str, Any], fresh: Sequence[Freshness]) -> None:
    from tbill_defi.core.clock import moment
    from tbill_defi.report import market_tables

    out, ledger, audit, keys = console(), value["ledger"], value["audit"], value["keys"]
    out.print(f"home {value['home']}, {value['bytes']:,} bytes")
    if ledger is None:
        out.print("ledger: none")
        hint("tbill init")
    else:
        size = f", {ledger['bytes']:,} bytes" if ledger["bytes"] else ""
        out.print(f"ledger {ledger['url']}, chain id {ledger['chain_id']}, block {ledger['height']}{size}")
        if ledger["head"]:
            out.print(f"head {ledger['head']}, operator {ledger['operator']}")
        if ledger["after"]:
            before = ledger["after"]
            out.print(
                f"goes on after block {before['height']} of chain id {before['chainId']}, head {before['blockHash']}"
            )
        out.print(f"time {moment(ledger['time'])}, {ledger['clock']} clock, market date {ledger['market_date']}")
        if ledger["stopped_until"] is not None:
            out.print(f"STOPPED until {moment(ledger['stopped_until'])}: nothing moves; tbill resume lifts it")
    if audit is None:
        out.print("last audit: none on record; tbill audit verify")
    else:
        since = (
            f", {audit['blocks_since']} block{'s' * (audit['blocks_since'] > 1)} since" if audit["blocks_since"] else ""
        )
        out.print(f"last audit {moment(audit['time'])} at block {audit['height']}{since}: {audit['verdict']}")
    light = f", {len(keys['light'])} under cheap scrypt" if keys["light"] else ""
    source = f"passphrase from {keys['passphrase']}" if keys["passphrase"] else "no passphrase at hand"
    out.print(f"keys: {len(keys['keys'])} in {keys['folder']}{light}; {source}")
    if fresh:
        out.print(market_tables.freshness(fresh))
    else:
        out.print("market files: none; tbill market import FILE..., or tbill market sync")
