"""`tbill audit`: the operator's signed head, and the replay that checks everything."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from tbill_defi.cli.common import Home, Json, console, group, print_json, progress


def register(app: typer.Typer) -> None:
    """Add the commands."""
    commands = group("Evidence: the signed head, and a full check.")
    commands.command("head")(head)
    commands.command("verify")(verify)
    app.add_typer(commands, name="audit")


def head(home: Home = None) -> None:
    """Print the operator's signed head as JSON.

    Keep it where the ledger's operator cannot change it, as in `tbill audit head > head.json`: a later
    `audit verify --head head.json` then tells a dropped tail, an older copy or a fork apart.
    """
    from tbill_defi.ledger.open import open_ledger

    with open_ledger(home=home, read_only=True) as ledger:
        sys.stdout.write(ledger.embedded.head().to_json())


def verify(
    head_file: Annotated[Path | None, typer.Option("--head", help="A signed head kept from before.")] = None,
    home: Home = None,
    json_: Json = False,
) -> None:
    """Replay the ledger and check every stored byte.

    Every transaction since the first is executed again; receipts, events, digests and signatures must be the same. A
    ledger on a node has no journal: there every token's events are checked against balances and supply.
    """
    from tbill_defi.chain.evidence import SignedHead
    from tbill_defi.chain.evidence import verify as verify_journal
    from tbill_defi.core.errors import AuditFailure
    from tbill_defi.ledger.abi import decode_log
    from tbill_defi.ledger.open import ledger_url, on_node

    if on_node(home):
        _verify_node(head_file, home, json_)
        return
    kept = SignedHead.read(head_file) if head_file else None
    with progress("replaying") as advance:
        report = verify_journal(ledger_url(home), head=kept, decoder=decode_log, progress=advance)
    if json_:
        print_json(
            {
                "ok": report.ok,
                "verdict": report.verdict,
                "height": report.height,
                "replayed": report.replayed,
                "transactions": report.transactions,
                "events": report.events,
                "compared": report.compared,
                "findings": [
                    {"kind": f.kind.value, "block": f.block, "column": f.column, "message": f.message}
                    for f in report.findings
                ],
            }
        )
    elif report.ok:
        console().print(report.verdict, soft_wrap=True)
        console().print(f"{report.transactions} transactions executed again, {report.events} events equal")
    else:
        for finding in report.findings:
            console().print(finding.describe(), soft_wrap=True)
    if not report.ok:
        raise AuditFailure(report.verdict)


def _verify_node(head_file: Path | None, home: Path | None, json_: bool) -> None:
    """Events against balances."""
    from tbill_defi.core.errors import AuditFailure, UsageError
    from tbill_defi.ledger.audit_node import audit_node
    from tbill_defi.ledger.open import open_ledger

    if head_file is not None:
        raise UsageError("head: a ledger on a node has no signed head")
    with progress("comparing") as advance, open_ledger(home=home, read_only=True) as ledger:
        report = audit_node(ledger, advance)
    if json_:
        print_json(
            {
                "ok": report.ok,
                "verdict": report.verdict,
                "height": report.height,
                "replayed": 0,
                "transactions": 0,
                "events": report.events,
                "compared": False,
                "findings": [
                    {"kind": "balance", "block": report.height, "column": d.question, "message": d.describe()}
                    for d in report.discrepancies
                ],
            }
        )
    else:
        console().print(report.verdict, soft_wrap=True)
        for found in report.discrepancies:
            console().print(found.describe(), soft_wrap=True)
        if report.ok:
            console().print(f"{report.figures} figures equal, {report.events} transfers, {report.holders} holders")
    if not report.ok:
        raise AuditFailure(report.verdict)
