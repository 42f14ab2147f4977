"""The sequencer: the one writer, executing what others put into the inbox.

It holds the EVM, the writer's lock and an epoch. Another may stand by; it takes over when the first has gone, or was
silent for so long that the database ended its session. The first, if it wakes up, has lost its lock, and its epoch is
no longer the ledger's: it writes nothing more until it has the lock again and has followed what was written.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable

from sqlalchemy import Connection

from tbill_defi.chain.embedded import EmbeddedChain, Progress
from tbill_defi.chain.engine import INBOX_BELL, listen
from tbill_defi.chain.engine_modes import pause
from tbill_defi.chain.handovers import require_operator
from tbill_defi.chain.inbox import Bundle, mark_executed, mark_refused, waiting
from tbill_defi.chain.keys import SigningKey
from tbill_defi.chain.reading import checked_head
from tbill_defi.chain.replay import TooLarge
from tbill_defi.chain.transactions import Transaction
from tbill_defi.chain.types import EventDecoder
from tbill_defi.core.clock import Clock
from tbill_defi.core.errors import LedgerBusy, LedgerError

IDLE_MILLISECONDS = 1_000
"""How often the inbox is looked at when no bell rings: often enough to keep the lease."""

RETRY_MILLISECONDS = 250

_PASSING = frozenset({"Busy", "Reopen", "Unreachable", "Database", "ClockBehind"})
"""Troubles that end by themselves or by someone's doing: full disks, lost servers, other writers, clocks."""

Report = Callable[[str], None]
Stop = Callable[[], bool]

_Refused = list[tuple[Bundle, LedgerError]]


class Sequencer(EmbeddedChain):
    """A ledger opened by its one writer, which executes what is in the inbox."""

    serving = f"process {os.getpid()} on {socket.gethostname()}"

    def step(self) -> int:
        """Execute or refuse what is waiting now, in one commit; how many transactions that were.

        Raises
        ------
        LedgerError
            As `submit`: nothing was executed, and all still waits, unless the code is "Reopen".
        """
        self._loaded()
        self._writable()
        with self._journal.reading() as connection:
            bundles = waiting(connection)
        if not bundles:
            return 0
        refused: _Refused = []
        while not self._settle(bundles, refused):
            pass
        return sum(len(bundle.raws) for bundle in bundles)

    def serve(self, *, stop: Stop, report: Report) -> None:
        """Step for ever, until `stop` says so; troubles that pass are reported once and waited out."""
        listener = listen(self._journal.target, INBOX_BELL)
        told = ""
        try:
            while not stop():
                try:
                    if self._broken:
                        self.take_over()
                    if not self.step():
                        listener.wait(IDLE_MILLISECONDS)
                    if told:
                        told = ""
                        report("serving again")
                except LedgerError as error:
                    if error.code not in _PASSING:
                        raise
                    if str(error) != told:
                        told = str(error)
                        report(told)
                    pause(RETRY_MILLISECONDS)
        finally:
            listener.close()

    def take_over(self) -> None:
        """Be the writer again after a lost connection, once nobody else is; follow what was written meanwhile.

        Raises
        ------
        LedgerBusy
            If another writer holds the lock.
        LedgerError
            If the ledger was handed over meanwhile (code "WrongOperator").
        AuditFailure
            If what was written does not follow from what this one knows.
        """
        self._broken = False
        try:
            self._head, self._timestamp = checked_head(self._journal, self.genesis)
            require_operator(self._journal.operators, self._operator)
            self._loaded()
            self._journal.claim(self.genesis, self._head, serving=self.serving)
        except BaseException:
            self._broken = True
            raise

    def _settle(self, bundles: list[Bundle], refused: _Refused) -> bool:
        """Write what is admissible of the bundles, and the refusals; False if one more must be refused first."""
        known = {id(bundle) for bundle, _ in refused}
        batch: list[Transaction] = []
        owners: list[Bundle] = []
        turned_down = list(refused)
        for bundle in bundles:
            if id(bundle) in known:
                continue
            try:
                admitted = self._admit(bundle, batch)
            except LedgerError as error:
                turned_down.append((bundle, error))
                continue
            batch += admitted
            owners += [bundle] * len(admitted)

        def beside(connection: Connection, height: int) -> None:
            mark_executed(connection, (transaction.hash for transaction in batch), height)
            mark_refused(connection, turned_down)

        try:
            if batch:
                self._write_block(batch, beside)
            else:
                self._broken = True  # one that was fenced judged by a state that is no longer the ledger's
                with self._journal.fenced() as connection:
                    mark_refused(connection, turned_down)
                self._broken = False
        except TooLarge as error:
            refused.append((owners[error.position], error))
            return False
        return True

    def _admit(self, bundle: Bundle, after: list[Transaction]) -> list[Transaction]:
        admitted = self._loaded().admit(bundle.raws, after)
        if [transaction.hash for transaction in admitted] != bundle.hashes:
            raise LedgerError("transaction: put in under a hash that is not its own", code="BadTransaction")
        return admitted


def open_sequencer(
    url: str,
    *,
    operator: SigningKey,
    clock: Clock,
    stop: Stop,
    report: Report,
    decoder: EventDecoder | None = None,
    progress: Progress | None = None,
    executor: str | None = None,
) -> Sequencer | None:
    """Open a ledger as its sequencer, standing by while another writer holds it; None if `stop` came first."""
    told = ""
    while not stop():
        try:
            return Sequencer.open(
                url, clock=clock, operator=operator, decoder=decoder, progress=progress, executor=executor
            )
        except LedgerBusy as busy:
            if str(busy) != told:
                told = str(busy)
                report(f"standing by: {told}")
            pause(RETRY_MILLISECONDS)
    return None
