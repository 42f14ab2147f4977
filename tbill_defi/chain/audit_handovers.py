"""Hand-overs in an audit: each row against the signature of the operator before, and the block it names.

One column that was altered is named by the digests beside it; a row that agrees with them, and that the operator before
did not sign, was forged.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection

from tbill_defi.chain import schema
from tbill_defi.chain.audit_blocks import StoredChain
from tbill_defi.chain.digests import digest_fields, split_digests
from tbill_defi.chain.findings import Findings, Kind
from tbill_defi.chain.handovers import COLUMNS, Handover, Operators, Row, fault_of
from tbill_defi.chain.heads import Genesis
from tbill_defi.chain.stored import check_types, scan


def read_operators(connection: Connection, chain: StoredChain, genesis: Genesis, findings: Findings) -> Operators:
    """The operators as far as their hand-overs hold; what does not is a finding, and nothing after it counts."""
    operators, whole = Operators(genesis.operator), True
    for row, altered in _in_order(connection, chain, findings):
        block = _block(chain, row)
        fault = fault_of(genesis, operators, row) if whole else None
        if whole and fault is None and _altered(row):
            altered = ["field_digests"]  # what the operator signed is there
        for name in altered:
            findings.add(Kind.COLUMN, block, f"handovers.{name}", "a stored value is not what was written")
        if fault is not None:
            _tell(fault, row, len(operators.handovers) + 1, block, altered, findings)
        whole = whole and fault is None
        if not whole:
            continue
        operators = Operators(operators.first, (*operators.handovers, Handover.of_row(genesis, row)))
        if row[1] > chain.height:
            text = f"the operator handed over at block {row[1]}; the ledger ends at {chain.height}"
            findings.add(Kind.DROPPED_TAIL, chain.height + 1, "blocks", text)
        elif chain.hash_at(row[1]) != row[2]:
            text = "the operator handed over at another block of this height: blocks were replaced"
            findings.add(Kind.REHASHED, row[1], "blocks.hash", text)
    return operators


def _tell(
    fault: tuple[str, str], row: Row, expected: int, block: int, altered: Sequence[str], findings: Findings
) -> None:
    """A row that does not follow: one before it is missing, or nobody signed it who could."""
    if row[0] > expected:
        findings.add(Kind.MISSING, block, "handovers", f"number {expected} is missing before number {row[0]}")
    elif not altered:
        findings.add(Kind.HANDOVER, block, f"handovers.{fault[0]}", fault[1])


def _in_order(connection: Connection, chain: StoredChain, findings: Findings) -> list[tuple[Row, list[str]]]:
    """Rows whose types are right, with the columns that were altered; one under another number at its own place."""
    stored = list(scan(connection, schema.handovers))
    rows = []
    for row in stored:
        if check_types(schema.handovers, row, _block(chain, row), findings):
            altered = _altered(row)
            right = (n for n in range(1, len(stored) + 1) if altered == ["number"] and not _altered((n, *row[1:])))
            rows.append(((next(right, row[0]), *row[1:]), altered))
    return sorted(rows, key=lambda one: int(one[0][0]))


def _block(chain: StoredChain, row: Row) -> int:
    return row[1] if type(row[1]) is int and 0 <= row[1] <= chain.height else chain.height


def _altered(row: Row) -> list[str]:
    """Columns whose digest, as it was written beside them, is another."""
    own, kept = split_digests(digest_fields(row[:-1])), split_digests(row[-1])
    return [name for n, name in enumerate(COLUMNS[:-1]) if n >= len(kept) or own[n] != kept[n]]
