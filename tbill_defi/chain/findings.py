"""What an audit says: findings as values, and one verdict."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from tbill_defi.chain.heads import SignedHead

MOST_FINDINGS = 1_000


class Kind(StrEnum):
    """What is wrong."""

    COLUMN = "column"
    """A stored value does not have its digest."""
    TYPE = "type"
    """A column holds another type, or NULL."""
    MISSING = "missing"
    """A row that must be there is not."""
    EXTRA = "extra"
    """A row that nothing covers."""
    SWAPPED = "swapped"
    """Two blocks stand in each other's place."""
    LINK = "link"
    """A block does not follow from the one before."""
    CHECKPOINT = "checkpoint"
    """A field of a checkpoint is not what the ledger gives."""
    SIGNATURE = "signature"
    """The stored head is not signed by the operator."""
    HANDOVER = "handover"
    """A hand-over is not what the operator before signed; or the given head is of nobody who was the operator then."""
    REHASHED = "rehashed"
    """Blocks differ from what the operator signed: replaced, and hashed again without his key."""
    DROPPED_TAIL = "dropped-tail"
    """The signed head is of a later block than the last."""
    ROLLED_BACK = "rolled-back"
    """A whole and valid copy, older than the given head."""
    FORK = "fork"
    """The operator signed two blocks of one height."""
    OTHER_LEDGER = "other-ledger"
    """The given head is of another genesis."""
    HEAD_FILE = "head-file"
    """The given head is not signed by the operator it names."""
    PAGES = "pages"
    """The database's own structure is damaged."""
    SCHEMA = "schema"
    """The database's tables are not the journal's."""
    AUTHORITY = "authority"
    """A transaction that its sender did not sign for this place."""
    REPLAY = "replay"
    """Executing the transactions gives something else."""
    TIME = "time"
    """Block time decreases."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong: what kind, in which block (0 is genesis), in which table.column, in a sentence."""

    kind: Kind
    block: int
    column: str
    message: str

    def describe(self) -> str:
        """One line."""
        return f"block {self.block}, {self.column}: {self.message} [{self.kind}]"


@dataclass(frozen=True, slots=True)
class AuditReport:
    """What `verify` found.

    Attributes
    ----------
    findings
        Everything wrong, at most `MOST_FINDINGS`; empty if the ledger is consistent.
    height
        The last block there is.
    replayed
        The last block whose transactions were executed and gave what is stored.
    transactions, events
        How many rows were read.
    head
        The head as stored, if it could be read.
    compared
        Whether it was compared with a head given from outside.
    """

    findings: tuple[Finding, ...]
    height: int
    replayed: int
    transactions: int
    events: int
    head: SignedHead | None
    compared: bool

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings

    @property
    def verdict(self) -> str:
        """One sentence, saying no more than was shown."""
        if self.findings:
            more = f" (and {len(self.findings) - 1} more)" if len(self.findings) > 1 else ""
            return f"the evidence does not hold: {self.findings[0].describe()}{more}"
        operator = f"0x{self.head.operator.hex()}" if self.head else "nobody"
        said = f"consistent to height {self.height} under operator {operator}"
        if self.compared:
            return f"{said}, and it contains the given head"
        return f"{said}; a dropped tail or an older copy cannot be excluded without a head kept elsewhere"


class Findings:
    """Findings as they come; the first of a kind at a place counts."""

    def __init__(self) -> None:
        self._found: dict[tuple[Kind, int, str], Finding] = {}

    def add(self, kind: Kind, block: int, column: str, message: str) -> None:
        """Note something wrong."""
        if len(self._found) < MOST_FINDINGS:
            self._found.setdefault((kind, block, column), Finding(kind, block, column, message))

    def at(self, block: int, column: str) -> bool:
        """Whether anything is noted there."""
        return any(found.block == block and found.column == column for found in self._found.values())

    def first_block(self) -> int:
        """The lowest block anything is noted at; 0 if nothing is."""
        return min((found.block for found in self._found.values()), default=0)

    def ordered(self) -> tuple[Finding, ...]:
        """As they were found."""
        return tuple(self._found.values())

    def __len__(self) -> int:
        return len(self._found)
