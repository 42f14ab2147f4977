"""A ledger that another process writes: read by following it, written through its inbox.

Answers the `Chain` protocol as the writer's own does, so that the floors above cannot tell.
"""

from __future__ import annotations

from collections.abc import Sequence
from time import monotonic

from tbill_defi.chain.embedded import EmbeddedChain, Progress
from tbill_defi.chain.engine import BLOCK_BELL, listen
from tbill_defi.chain.inbox import Entry, Inbox
from tbill_defi.chain.keys import SigningKey
from tbill_defi.chain.types import EventDecoder, Receipt
from tbill_defi.core.clock import Clock
from tbill_defi.core.errors import LedgerBusy, LedgerError

PATIENCE_SECONDS = 60
"""How long `submit` waits for the sequencer."""

_LOOK_MILLISECONDS = 250


class InboxChain(EmbeddedChain):
    """A reader that submits through the inbox. It needs no key but those of whoever acts."""

    patience_seconds = PATIENCE_SECONDS

    def submit(self, signed: Sequence[bytes]) -> Sequence[Receipt]:
        """Put a batch into the inbox and wait until its block is on the sequencer's disk.

        It is executed in one block, or refused as a whole. When this returns, the block is durable; when the wait is
        too long, the batch stays in the inbox: to submit the same bytes again is to go on waiting.

        Raises
        ------
        LedgerError
            As a writer's own `submit`, by the code of the refusal; "NotSequenced" if nobody executed it in time.
        """
        if not signed:
            return ()
        inbox = Inbox(self._journal.target)
        listener = listen(self._journal.target, BLOCK_BELL)
        try:
            hashes = inbox.put(signed)
            deadline = monotonic() + self.patience_seconds
            while True:
                entries = inbox.look(hashes)
                self._raise_refusal(hashes, entries)
                if all(one in entries and entries[one].height for one in hashes):
                    break
                if monotonic() >= deadline:
                    raise self._not_sequenced(len(signed))
                listener.wait(_LOOK_MILLISECONDS)
        finally:
            listener.close()
            inbox.close()
        return self._receipts(hashes, {one: entries[one].height for one in hashes})

    @property
    def served_by(self) -> str:
        """The sequencer's process, as it said itself; empty if the last writer was none."""
        return self._journal.serving()

    def advance_clock(self, seconds: int) -> None:
        """Refused: the sequencer's clock is not this process's.

        Raises
        ------
        LedgerError
            Always (code "ServedElsewhere").
        """
        raise LedgerError(
            f"clock: {self.served_by or 'another process'} serves this ledger; stop it to move time",
            code="ServedElsewhere",
        )

    def _raise_refusal(self, hashes: Sequence[bytes], entries: dict[bytes, Entry]) -> None:
        for one in hashes:
            if one in entries and entries[one].code:
                raise LedgerError(entries[one].message, code=entries[one].code)

    def _not_sequenced(self, count: int) -> LedgerError:
        what = "1 transaction waits" if count == 1 else f"{count} transactions wait"
        return LedgerError(
            f"ledger: {what} in the inbox after {self.patience_seconds} s and will be executed when a sequencer "
            "runs; start one with `tbill serve`",
            code="NotSequenced",
        )

    def _receipts(self, hashes: Sequence[bytes], heights: dict[bytes, int]) -> list[Receipt]:
        head = self.head()
        found: dict[bytes, Receipt] = {}
        for height in sorted(set(heights.values())):
            if not 0 < height <= head.height:
                raise LedgerError(f"inbox: it speaks of block {height}; the ledger ends at {head.height}", "NotALedger")
            found |= {receipt.transaction_hash: receipt for receipt in self._reader.receipts(head, height)}
        missing = [one for one in hashes if one not in found]
        if missing:
            raise LedgerError(f"inbox: it says that 0x{missing[0].hex()} is in a block that has it not", "NotALedger")
        return [found[one] for one in hashes]


def open_to_submit(
    url: str,
    *,
    clock: Clock,
    operator: SigningKey | None,
    decoder: EventDecoder | None = None,
    progress: Progress | None = None,
) -> EmbeddedChain:
    """Open a ledger as its writer; where a sequencer is that, or the operator's key is not at hand, by its inbox.

    Raises
    ------
    LedgerBusy
        If another writer holds it that executes nothing but its own.
    """
    if operator is None:
        return InboxChain.open(url, clock=clock, decoder=decoder, progress=progress)
    try:
        return EmbeddedChain.open(url, clock=clock, operator=operator, decoder=decoder, progress=progress)
    except LedgerBusy:
        chain = InboxChain.open(url, clock=clock, decoder=decoder, progress=progress)
        if chain.served_by:
            return chain
        chain.close()
        raise
