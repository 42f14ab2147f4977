"""`tbill audit`: the operator's signed head, and the replay that checks everything."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tbill_defi.cli.common import Home, Json, console, group, print_json, progress
from tbill_defi.core.files import read_text, write_output

if TYPE_CHECKING:
    from tbill_defi.chain.checkpoint import Checkpoint
    from tbill_defi.chain.findings import Finding
    from tbill_defi.ledger.proofs import Evidence


def register(app: typer.Typer) -> None:
    """Add the commands."""
    commands = group("Evidence: the signed head, a full check, proofs.")
    commands.command("head")(head)
    commands.command("verify")(verify)
    commands.command("export")(export)
    commands.command("checkpoint")(checkpoint)
    commands.command("prove")(prove)
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
    evidence: Annotated[
        Path | None, typer.Option("--evidence", help="A folder of `audit export`, in place of the ledger.")
    ] = None,
    checkpoint: Annotated[
        Path | None, typer.Option("--checkpoint", help="One of `audit checkpoint`; needs the operator's key.")
    ] = None,
    home: Home = None,
    json_: Json = False,
) -> None:
    """Replay the ledger and check every stored byte.

    Every transaction since the first is executed again; receipts, events, digests and signatures must be the same. A
    ledger on a node has no journal: there every token's events are checked against balances and supply.
    """
    from tbill_defi.chain.evidence import SignedHead
    from tbill_defi.chain.evidence import verify as verify_journal
    from tbill_defi.core.clock import SystemClock
    from tbill_defi.core.errors import AuditFailure, UsageError
    from tbill_defi.core.home import home_path
    from tbill_defi.ledger.abi import decode_log
    from tbill_defi.ledger.audit_record import AuditRecord
    from tbill_defi.ledger.open import ledger_url, on_node

    if checkpoint is not None and (evidence is not None or on_node(home)):
        raise UsageError("checkpoint: it is held to the ledger of a home, with its journal and the operator's key")
    given_checkpoint = None if checkpoint is None else _read_checkpoint(checkpoint)
    if evidence is None and on_node(home):
        _verify_node(head_file, home, json_)
        return
    url, beside = _evidence(evidence) if evidence else (ledger_url(home), None)
    given = head_file or beside
    kept = SignedHead.read(given) if given else None
    with progress("replaying") as advance:
        report = verify_journal(url, head=kept, decoder=decode_log, progress=advance)
    if evidence is None:
        with suppress(OSError):  # an auditor may have no right to write there
            AuditRecord(SystemClock().now(), report.height, report.ok, report.verdict).write(home_path(home))
    if given_checkpoint is not None and report.ok:
        report = replace(report, findings=_checkpoint_findings(home, given_checkpoint))
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


def _read_checkpoint(path: Path) -> Checkpoint:
    from tbill_defi.chain.checkpoint import Checkpoint
    from tbill_defi.core.errors import DataError

    try:
        return Checkpoint.from_json(read_text(path))
    except (UnicodeDecodeError, DataError):
        raise DataError(f"{path}: is no checkpoint that `tbill audit checkpoint` wrote") from None


def _checkpoint_findings(home: Path | None, kept: Checkpoint) -> tuple[Finding, ...]:
    """Fields of a checkpoint that the ledger, which was replayed, does not give."""
    from tbill_defi.chain.findings import Finding, Kind
    from tbill_defi.ledger.open import desk_keys, open_ledger
    from tbill_defi.ledger.proofs import checkpoint_faults

    with open_ledger(home=home, read_only=True) as ledger:
        faults = checkpoint_faults(ledger, desk_keys(home), kept)
    return tuple(Finding(Kind.CHECKPOINT, int(kept.height), f"checkpoint.{n}", why) for n, why in faults.items())


def _evidence(folder: Path) -> tuple[str, Path]:
    """URL of the journal and file of the head in a folder of evidence."""
    from tbill_defi.chain.evidence_copy import HEAD, JOURNAL
    from tbill_defi.core.errors import DataError

    if not (folder / JOURNAL).is_file() or not (folder / HEAD).is_file():
        raise DataError(f"evidence: {folder} is no folder of `tbill audit export`: {JOURNAL} or {HEAD} is not there")
    return f"sqlite:///{folder / JOURNAL}", folder / HEAD


def export(folder: Annotated[Path, typer.Argument(help="A folder that is empty or new.")], home: Home = None) -> None:
    """Copy all evidence into a folder.

    `tbill audit verify --evidence FOLDER` checks it on any machine, without this ledger's database or keys.
    """
    from tbill_defi.chain.evidence_copy import export_evidence
    from tbill_defi.core.errors import LedgerError
    from tbill_defi.ledger.open import ledger_url, on_node

    if on_node(home):
        raise LedgerError("ledger: it is on a node, which has no journal and no signed head", "NoJournal")
    kept = export_evidence(ledger_url(home), folder)
    console().print(f"{folder}: the journal to block {kept.height}, and its signed head", soft_wrap=True)


At = Annotated[int | None, typer.Option("--at", help="As of this block.", show_default="the last")]


@contextmanager
def _trees(home: Path | None, at: int | None) -> Iterator[Evidence]:
    """The trees of a ledger, with the operator's key."""
    from tbill_defi.ledger.ledger import OPERATOR
    from tbill_defi.ledger.open import desk_keys, open_ledger
    from tbill_defi.ledger.proofs import Evidence

    with open_ledger(home=home, read_only=True) as ledger:
        yield Evidence(ledger, desk_keys(home).key(OPERATOR), at)


def checkpoint(at: At = None, home: Home = None) -> None:
    """Sign the roots of all transactions and holdings.

    Prints JSON: a block, the roots of its trees, the operator's public key. Proofs are held to it. Needs the
    operator's key; that the supplies are what the contracts report is checked before it is signed.
    """
    with _trees(home, at) as trees:
        sys.stdout.write(trees.checkpoint.to_json())


def prove(
    what: Annotated[str, typer.Argument(metavar="HASH|ASSET", help="Hash of a transaction; or a CUSIP or USD.")],
    holder: Annotated[str | None, typer.Argument(metavar="[PARTY]", help="Whose holding of the asset.")] = None,
    out: Annotated[Path | None, typer.Option(help="File.", show_default="standard output")] = None,
    at: At = None,
    home: Home = None,
) -> None:
    """Prove that a transaction or a holding is there.

    A small JSON file that `tools/verify_proof.py` checks alone, against the operator's public key. A proof of a holding
    is the holder's own: it names nobody else, and shows no other amount but sums.
    """
    from tbill_defi.core.errors import UsageError
    from tbill_defi.core.hashing import canonical_json

    with _trees(home, at) as trees:
        if what.startswith("0x"):
            if len(what) != 66 or not set(what[2:]) <= set("0123456789abcdef") or holder is not None:
                raise UsageError(f"prove: {what!r} is not a transaction's hash, 0x and 64 hex digits, alone")
            proof = trees.prove_transaction(bytes.fromhex(what[2:]))
        elif holder is None:
            raise UsageError(f"prove: whose {what}? `tbill audit prove {what} PARTY`")
        else:
            proof = trees.prove_holding(what, holder)
    text = canonical_json(proof).decode()
    if out is None:
        sys.stdout.write(text + "\n")
    else:
        write_output(out, text.encode())
        console().print(f"{out}: {len(text)} bytes, at block {proof['checkpoint']['height']}", soft_wrap=True)


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
