"""Audit of a ledger from its database alone, or against a signed head kept elsewhere.

Read as stored and trusting nothing: pages, schema, types, digests, links, signature; then every transaction is
recovered and executed again, and what comes out compared with every row. A fault is a finding, never an exception.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from sqlalchemy import Connection

from tbill_defi.chain import schema
from tbill_defi.chain.audit_ahead import Task, verify_ahead, worthwhile
from tbill_defi.chain.audit_blocks import StoredChain, read_chain
from tbill_defi.chain.audit_handovers import read_operators
from tbill_defi.chain.audit_replay import Replayer
from tbill_defi.chain.engine import Mode, in_memory, is_damage, open_engine, translated
from tbill_defi.chain.executor import executor_factory
from tbill_defi.chain.findings import AuditReport, Finding, Findings, Kind
from tbill_defi.chain.handovers import Operators
from tbill_defi.chain.heads import SignedHead
from tbill_defi.chain.stored import (
    UNREADABLE,
    Row,
    RowStream,
    check_columns,
    check_types,
    renumbered,
    said,
    scan,
)
from tbill_defi.chain.stored_schema import check_schema, page_faults
from tbill_defi.chain.types import EventDecoder
from tbill_defi.core.errors import AuditFailure, LedgerError, UsageError

__all__ = ["AuditReport", "Finding", "Kind", "SignedHead", "verify"]

Progress = Callable[[int, int], None]


def verify(
    url: str,
    *,
    head: SignedHead | None = None,
    decoder: EventDecoder | None = None,
    progress: Progress | None = None,
    executor: str | None = None,
    processes: int | None = None,
) -> AuditReport:
    """Audit a ledger; its database is opened read only.

    Parameters
    ----------
    head
        A signed head kept elsewhere (`SignedHead.read`). Without one, a dropped tail or an older copy with its own
        signed head cannot be told from the truth.
    decoder
        To decode events again; without it, their stored names and arguments are held only to the block's digests.
    progress
        Called with (blocks done, blocks in all).
    executor
        "revm" or "py-evm", by default the fastest there is.
    processes
        1 or 2; by default 2 where there are two cores and the ledger is long. The report is the same.

    Raises
    ------
    LedgerError
        If there is no database (code "NotFound"), no way to it or no right to read it, or it stays locked ("Busy"):
        of the evidence that says nothing.
    UsageError
        If the ledger is in memory.
    """
    if in_memory(url):
        raise UsageError("audit: a ledger in memory has no evidence; give the URL of a database")
    engine = open_engine(url, Mode.AUDIT)
    audit = _Audit(url, decoder, progress, executor, processes)
    try:
        with engine.connect() as connection:
            audit.run(connection, head)
    except UNREADABLE as error:
        if not is_damage(engine, error):
            raise translated(url, getattr(error, "orig", None) or error) from None
        audit.unreadable(error)
    except (AuditFailure, LedgerError) as error:  # as the connection was made
        if isinstance(error, LedgerError) and error.code not in ("Database", "NotALedger"):
            raise
        audit.unreadable(error)
    finally:
        engine.dispose()
    return audit.report(head)


class _Audit:
    """One audit's state."""

    def __init__(
        self,
        url: str,
        decoder: EventDecoder | None,
        progress: Progress | None,
        executor: str | None,
        processes: int | None,
    ) -> None:
        self.url = url
        self.processes = processes
        self.findings = Findings()
        self.decoder = decoder
        self.progress = progress
        self.executor = executor
        self.chain: StoredChain | None = None
        self.head: SignedHead | None = None
        self.operators: Operators | None = None
        self.counts = (0, 0)
        self.replayed = 0
        self.done = 0

    def run(self, connection: Connection, given: SignedHead | None) -> None:
        """Every step in order; each goes as far as the damage lets it."""
        if not check_schema(connection, self.findings):
            return
        faults = page_faults(connection)
        self.chain = read_chain(connection, self.findings)
        self.done = 0
        if not self.shown_by_two(self.chain):
            self.check_rows(connection, self.chain)
        self.check_head(connection, self.chain)
        if given is not None:
            self.compare(given, self.chain)
        first = self.findings.first_block()
        for n, fault in enumerate(faults):
            self.findings.add(Kind.PAGES, first, f"database, fault {n + 1}", f"integrity_check: {fault}")

    def unreadable(self, error: BaseException) -> None:
        """Note damage of the database's own structure."""
        self.findings.add(Kind.PAGES, self.done, "database", f"unreadable from here on: {said(error)}")

    def report(self, given: SignedHead | None) -> AuditReport:
        """What was found."""
        height = self.chain.height if self.chain is not None else 0
        return AuditReport(self.findings.ordered(), height, self.replayed, *self.counts, self.head, given is not None)

    def shown_by_two(self, chain: StoredChain) -> bool:
        """Whether two processes have shown that every row is what its block covers, and what executing it gives."""
        wanted = worthwhile(chain) if self.processes is None else self.processes > 1
        if not wanted or len(self.findings) or chain.genesis is None or self.decoder is None:
            return False
        task = Task(self.url, chain.genesis, self.decoder)
        read = verify_ahead(task, chain, executor_factory(self.executor), self.progress)
        if read is None:
            return False
        self.counts, self.replayed, self.done = (read.transactions, read.events), chain.height, chain.height
        return True

    def check_rows(self, connection: Connection, chain: StoredChain) -> None:
        """Transaction and event rows of every block against its header, then against execution."""
        transactions = RowStream(connection, schema.transactions)
        events = RowStream(connection, schema.events)
        replayer = None
        if chain.genesis is not None and not chain.genesis_damaged:
            replayer = Replayer(chain.genesis, executor_factory(self.executor), self.decoder, self.findings)
        incomplete: list[tuple[RowStream, int, list[Row], range, bytes]] = []
        for block in chain.blocks:
            self.done = block.height
            taken = []
            whole = True
            for stream, span, column in (
                (transactions, block.transactions, "transaction_digests"),
                (events, block.events, "event_digests"),
            ):
                rows = stream.take(span.start, len(span)) if span is not None else []
                taken.append(rows)
                digests = block.header[column]
                if stream.failure:
                    whole = whole and len(rows) == len(span or ())
                    if not stream.told:
                        stream.told = True
                        text = f"unreadable from here on: {stream.failure}"
                        self.findings.add(Kind.PAGES, block.height, stream.table.name, text)
                elif span is None or column in block.damaged:
                    whole = False
                elif len(rows) < len(span):
                    incomplete.append((stream, block.height, rows, span, digests))
                    whole = False
                else:
                    check_columns(stream.table, rows, digests, block.height, self.findings)
            if replayer is not None and whole and replayer.replay(block, taken[0], taken[1]):
                self.replayed = block.height
            self.counts = (transactions.read, events.read)
            if self.progress is not None:
                self.progress(block.height, chain.height)
        for stream in (transactions, events):
            self.place_strays(stream, [one for one in incomplete if one[0] is stream], chain.height)
        self.counts = (transactions.read, events.read)

    def place_strays(
        self, stream: RowStream, incomplete: Sequence[tuple[RowStream, int, list[Row], range, bytes]], height: int
    ) -> None:
        """Rows outside every block: the missing ones under another number, or extra."""
        strays = [] if stream.failure else stream.rest()
        name = stream.table.name
        for _, block, rows, span, digests in incomplete:
            present = {row[0] for row in rows}
            missing = [sequence for sequence in span if sequence not in present]
            for stray in list(strays):
                if len(missing) == 1 and renumbered(stream.table, stray, missing[0], rows, digests):
                    text = f"holds {stray[0]} where {missing[0]} belongs"
                    self.findings.add(Kind.COLUMN, block, f"{name}.sequence", text)
                    strays.remove(stray)
                    missing = []
                    break
            if missing:
                text = f"{len(missing)} of {len(span)} rows are missing, first number {missing[0]}"
                self.findings.add(Kind.MISSING, block, name, text)
        for stray in strays:
            block = stray[1] if type(stray[1]) is int and 0 <= stray[1] <= height else height
            text = f"row {stray[0]!r} belongs to no block"
            self.findings.add(Kind.EXTRA, block, f"{name}.sequence", text[:200])

    def check_head(self, connection: Connection, chain: StoredChain) -> None:
        """The stored head against the last block and the operator's signature."""
        rows = list(scan(connection, schema.head))
        if len(rows) != 1:
            kind = Kind.EXTRA if rows else Kind.MISSING
            self.findings.add(kind, chain.height, "head", f"{len(rows)} rows where one belongs")
            return
        (row,) = rows
        if not check_types(schema.head, row, chain.height, self.findings) or chain.genesis is None:
            return
        identity, height, block_hash, signature = row
        if identity != 1:
            self.findings.add(Kind.COLUMN, chain.height, "head.id", f"holds {identity} where 1 belongs")
        if chain.genesis_damaged:
            return
        genesis = chain.genesis
        self.operators = read_operators(connection, chain, genesis, self.findings)
        operator = self.operators.latest
        stored = SignedHead(genesis.chain_id, genesis.hash, height, block_hash, operator, signature)
        self.head = stored
        tip = chain.tip_hash
        if stored.holds():
            self.judge_signed(stored, chain)
            return
        for column, other in (
            ("head.hash", replace(stored, block_hash=tip)),
            ("head.height", replace(stored, height=chain.height)),
        ):
            if other.holds():
                text = "not what the operator signed; his signature is of the last block as it stands"
                self.findings.add(Kind.COLUMN, chain.height, column, text)
                return
        signer = stored.signer()
        who = "no key can have made it" if signer is None else f"it is of 0x{signer.hex()}, not the operator"
        text = f"{who}: it was altered, or blocks were hashed again without the operator's key"
        self.findings.add(Kind.SIGNATURE, chain.height, "head.signature", text)

    def judge_signed(self, stored: SignedHead, chain: StoredChain) -> None:
        """A head that is signed: it must be the last block's."""
        if stored.height > chain.height:
            text = f"the operator signed height {stored.height}; the ledger ends at {chain.height}"
            self.findings.add(Kind.DROPPED_TAIL, chain.height + 1, "blocks", text)
        elif stored.block_hash != chain.hash_at(stored.height):
            text = "the operator signed another block here: blocks were replaced and hashed again without his key"
            self.findings.add(Kind.REHASHED, stored.height, "blocks.hash", text)
        elif stored.height < chain.height:
            text = f"the operator signed only to height {stored.height}; what follows is not his"
            self.findings.add(Kind.EXTRA, stored.height + 1, "blocks", text)

    def compare(self, given: SignedHead, chain: StoredChain) -> None:
        """The ledger against a head kept elsewhere."""
        add = self.findings.add
        if not given.holds():
            add(Kind.HEAD_FILE, given.height, "head", "the given head is not signed by the operator it names")
            return
        if chain.genesis is None or given.genesis_hash != chain.genesis_hash:
            add(
                Kind.OTHER_LEDGER,
                0,
                "genesis.hash",
                "the given head is of another genesis: another ledger, or replaced",
            )
            return
        signed = self.head is not None and self.head.holds()
        if self.operators is not None and given.operator not in self.operators.at(given.height):
            until = self.operators.until(given.operator)
            who = f"0x{given.operator.hex()}"
            why = (
                f"{who} handed over at block {until}, and signed it after that"
                if until is not None
                else (
                    f"this ledger was never handed over to {who}: an older copy, a fork before it, or a stranger's head"
                )
            )
            add(Kind.HANDOVER, given.height, "head.operator", f"of the given head: {why}")
        if given.height > chain.height:
            whole = signed and self.head is not None and self.head.height == chain.height
            kind = Kind.ROLLED_BACK if whole else Kind.DROPPED_TAIL
            what = "rolled back to an older copy" if whole else "its tail was dropped"
            text = f"the given head is of height {given.height}, the ledger ends at {chain.height}: {what}"
            add(kind, chain.height + 1, "blocks", text)
        elif chain.hash_at(given.height) != given.block_hash:
            kind = Kind.FORK if signed else Kind.REHASHED
            why = "the operator signed both: a fork" if signed else "and this one's head is not signed by the operator"
            add(kind, given.height, "blocks.hash", f"the given head has another block at this height, {why}")
