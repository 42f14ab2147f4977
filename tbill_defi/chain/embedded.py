"""The embedded ledger: a durable journal of signed transactions over an EVM in this process.

Who may move what is decided by signatures alone: the sender of a transaction is recovered from it, when it is
submitted, when the ledger is opened, and when it is audited. The operator orders transactions, sets time within
bounds, and signs the head; he can forge no party.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Self

from tbill_defi.chain.blocks import build_block
from tbill_defi.chain.executor import DEPLOYMENT_PROXY, DEPLOYMENT_PROXY_CODE, Outcome, executor_factory
from tbill_defi.chain.handovers import Operators, require_operator
from tbill_defi.chain.heads import Genesis, SignedHead
from tbill_defi.chain.journal import Beside, Journal
from tbill_defi.chain.keys import SigningKey
from tbill_defi.chain.reading import EventReader, checked_head
from tbill_defi.chain.replay import Machine, receipt_of, refuse_too_large
from tbill_defi.chain.transaction_reading import TransactionRecord, read_transactions
from tbill_defi.chain.transactions import Transaction, sign_in_order
from tbill_defi.chain.types import Call, CallReverted, EventDecoder, EventRecord, Log, Receipt, Unsigned
from tbill_defi.core.clock import Clock
from tbill_defi.core.errors import AuditFailure, LedgerError, UsageError

MOST_TRANSACTIONS = 10_000
"""Transactions in one batch."""

CLOCK_TOLERANCE_SECONDS = 2
"""A block's time may be this far ahead of the clock, so that two machines' clocks need not agree to the second."""

Progress = Callable[[int, int], None]
"""Called with (blocks done, blocks in all)."""

_ZERO_ADDRESS = bytes(20)


class EmbeddedChain:
    """A ledger opened by its one writer (the operator) or by a reader. Implements `chain.types.Chain`.

    One instance serves one thread. A reader follows the writer: what it is asked is answered on the latest block.
    """

    shared = False
    simulates = True
    serving = ""
    """Who it is, if it executes what is in the inbox."""

    def __init__(
        self,
        journal: Journal,
        *,
        clock: Clock,
        operator: SigningKey | None,
        decoder: EventDecoder | None,
        progress: Progress | None,
        executor: str | None,
    ) -> None:
        self._journal = journal
        self._clock = clock
        self._operator = operator
        self._decoder = decoder
        self._progress = progress
        self._executor = executor
        self._machine: Machine | None = None
        self._broken = False
        self._advance = 0
        self.genesis = journal.genesis()
        self._reader = EventReader(journal, self.genesis)
        self._head, self._timestamp = checked_head(journal, self.genesis)
        require_operator(journal.operators, operator)

    @classmethod
    def create(
        cls,
        url: str,
        *,
        operator: SigningKey,
        clock: Clock,
        chain_id: int | None = None,
        simulated_start: int | None = None,
        extras: Mapping[str, str] | None = None,
        decoder: EventDecoder | None = None,
        executor: str | None = None,
    ) -> Self:
        """Make a ledger and open it as its operator.

        Parameters
        ----------
        url
            "sqlite:///desk.db"; "sqlite://" is a ledger in memory, gone with the process.
        operator
            Signs heads.
        chain_id
            By default random in [2^40, 2^52): never a public chain's.
        simulated_start
            Unix seconds at which a simulated clock starts; each block is a second after the one before, and `clock`
            is not read.
        extras
            Text by name, covered by the genesis hash.
        executor
            "revm" or "py-evm"; by default the fastest there is.

        Raises
        ------
        LedgerError
            If there is a ledger at `url` (code "Exists").
        LedgerBusy
            If another writer is at it.
        """
        if chain_id is None:
            chain_id = 2**40 + secrets.randbelow(2**52 - 2**40)
        if not 0 < chain_id < 2**53:
            raise UsageError(f"chain id: {chain_id} is not in [1, 2^53)")
        if not all(isinstance(text, str) for item in (extras or {}).items() for text in item):
            raise UsageError("extras: text by name; other values go in as text")
        code = {DEPLOYMENT_PROXY: DEPLOYMENT_PROXY_CODE}
        genesis = Genesis(chain_id, operator.address, code, simulated_start, dict(extras or {}))
        journal = Journal.create(url, genesis, SignedHead.sign(operator, genesis, 0, genesis.hash))
        return cls._opened(journal, clock, operator, decoder, None, executor)

    @classmethod
    def open(
        cls,
        url: str,
        *,
        clock: Clock,
        operator: SigningKey | None = None,
        decoder: EventDecoder | None = None,
        progress: Progress | None = None,
        executor: str | None = None,
    ) -> Self:
        """Open a ledger: as its writer with the operator's key, else read only.

        The head's signature and the last block are checked at once. Replay, which checks every block, is done at once
        for the writer; for a reader when it first needs the EVM, so reading events opens none.

        Raises
        ------
        LedgerError
            If there is none (code "NotFound", "NotALedger"), or the key is not the operator's ("WrongOperator");
            LedgerBusy if another writer holds it; AuditFailure if the evidence does not hold.
        """
        journal = Journal.open(url, writer=operator is not None)
        return cls._opened(journal, clock, operator, decoder, progress, executor)

    @classmethod
    def _opened(
        cls,
        journal: Journal,
        clock: Clock,
        operator: SigningKey | None,
        decoder: EventDecoder | None,
        progress: Progress | None,
        executor: str | None,
    ) -> Self:
        try:
            chain = cls(journal, clock=clock, operator=operator, decoder=decoder, progress=progress, executor=executor)
            if operator is not None:
                chain._loaded()
                journal.begin(chain.genesis, chain._head, serving=chain.serving)
        except BaseException:
            journal.close()
            raise
        return chain

    @property
    def chain_id(self) -> int:
        """EIP-155 chain id."""
        return self.genesis.chain_id

    @property
    def url(self) -> str:
        """Where the journal is."""
        return self._journal.url

    @property
    def records(self) -> Mapping[str, str]:
        """The genesis's extras."""
        return self.genesis.extras

    @property
    def height(self) -> int:
        """Height of the latest block; 0 is genesis."""
        return self.head().height

    def head(self) -> SignedHead:
        """The latest signed head, its signature checked."""
        if self._operator is None:
            self._head, self._timestamp = checked_head(self._journal, self.genesis)
        return self._head

    def block_hash(self, height: int) -> bytes:
        """Hash of a block that there is, held to the signed head; of genesis at 0."""
        return self._reader.block_hash(self.head(), height) if height else self.genesis.hash

    def transactions(self, to_block: int) -> Iterator[TransactionRecord]:
        """Transactions up to the end of a block, in order, held to the signed head."""
        return read_transactions(self._journal, self.genesis, self.head(), to_block)

    def now(self) -> int:
        """Time the next block would carry, Unix seconds UTC; never before the latest block's."""
        self.head()
        return self._next_time(self._timestamp)

    def advance_clock(self, seconds: int) -> None:
        """Let the next block of a ledger with a simulated clock be `seconds` later.

        Raises
        ------
        LedgerError
            If the ledger runs on a real clock (code "RealClock").
        """
        if self.genesis.clock_start is None:
            raise LedgerError("clock: this ledger runs on a real clock; time cannot be moved", code="RealClock")
        if seconds < 0:
            raise UsageError(f"clock: cannot go back {-seconds} s; ledger time never decreases")
        self._advance += seconds

    def nonce(self, address: bytes) -> int:
        """Next nonce of an account."""
        return self._loaded().nonce(address)

    def sign(self, transactions: Sequence[Unsigned]) -> list[bytes]:
        """Raw transactions of zero fee, each with its sender's next nonce, in order."""
        return sign_in_order(transactions, chain_id=self.chain_id, next_nonce=self.nonce)

    def call(self, to: bytes, data: bytes, *, sender: bytes | None = None) -> bytes:
        """Output of a call on the latest state, at the time of the next block; leaves no trace.

        Raises
        ------
        CallReverted
            With the revert's output.
        """
        (outcome,) = self._try((Call(sender or _ZERO_ADDRESS, to, data),), None)
        if not outcome.status:
            raise CallReverted(outcome.output)
        return outcome.output

    def views(self, calls: Sequence[Call]) -> Sequence[Receipt]:
        """Receipts of calls, each by itself on the latest state."""
        return tuple(receipt for call in calls for receipt in self.simulate((call,)))

    def simulate(self, transactions: Sequence[Call], *, at: int | None = None) -> Sequence[Receipt]:
        """Receipts of calls made one after the other in the next block, at time `at`; leaves no trace."""
        outcomes = self._try(transactions, at)
        height = self._loaded().tip.height + 1
        return tuple(receipt_of(outcome, bytes(32), height) for outcome in outcomes)

    def submit(self, signed: Sequence[bytes]) -> Sequence[Receipt]:
        """Execute raw transactions and make them durable, in one block.

        Each succeeds or reverts by itself: a revert is a receipt with status False, journalled, its nonce used. A
        member that is not admissible refuses the whole batch before anything is executed. When this returns, the block
        is on the disk; when it raises, nothing was written, or the ledger says it must be opened again.

        Raises
        ------
        LedgerError
            By code: those of `transactions.recover`, "NonceTooLow", "NonceTooHigh", "TooLarge", "TooMany",
            "ClockBehind", "ReadOnly", "Reopen".
        LedgerBusy
            If the head was moved by another writer.
        """
        machine = self._loaded()
        self._writable()
        if len(signed) > MOST_TRANSACTIONS:
            raise LedgerError(f"batch: {len(signed)} transactions; at most {MOST_TRANSACTIONS}", code="TooMany")
        return self._write_block(machine.admit(signed))

    def _write_block(self, batch: Sequence[Transaction], beside: Beside | None = None) -> Sequence[Receipt]:
        """Execute admitted transactions as a block, and write `beside` it what goes into the same commit."""
        machine, operator, timestamp = self._loaded(), self._writable(), self._block_time()
        if not batch:
            return ()
        self._broken = True  # until it is known that memory and database agree
        try:
            with self._journal.appending(self.genesis, self._head) as appending:
                outcomes = machine.run(batch, timestamp)
                refuse_too_large(outcomes)
                block = build_block(machine.tip, timestamp, batch, outcomes, self._decoder)
                tip = block.tip
                head = SignedHead.sign(operator, self.genesis, tip.height, tip.hash)
                appending.append(block, head)
                if beside is not None:
                    beside(appending.connection, tip.height)
        except BaseException:
            machine.drop()
            with suppress(Exception):
                self._broken = not self._journal.is_writer_at(self.genesis, self._head)
            raise
        machine.keep(tip)
        self._head, self._timestamp, self._advance, self._broken = head, timestamp, 0, False
        return tuple(receipt_of(outcome, item.hash, tip.height) for item, outcome in zip(batch, outcomes, strict=True))

    @property
    def operators(self) -> Operators:
        """Who signs heads at which height, as the signed hand-overs say."""
        self.head()
        return self._journal.operators

    def logs(self, *, from_block: int, addresses: Sequence[bytes] | None = None) -> Iterator[Log]:
        """Logs in order, from a height on."""
        return (record.log for record in self.events(from_block=from_block, addresses=addresses))

    def events(
        self,
        *,
        names: Sequence[str] | None = None,
        addresses: Sequence[bytes] | None = None,
        from_block: int = 1,
        to_block: int | None = None,
    ) -> Iterator[EventRecord]:
        """Events in order, decoded when they were written; opens no EVM.

        The rows are held to the signed head: `reading` says what that shows. A long read sees the ledger as it was
        when it began.

        Raises
        ------
        AuditFailure
            If a row is not what the head covers.
        """
        return self._reader.read(
            self.head(), names=names, addresses=addresses, from_block=from_block, to_block=to_block
        )

    def close(self) -> None:
        """Close the journal; the next writer may open it."""
        self._journal.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _writable(self) -> SigningKey:
        if self._operator is None:
            raise LedgerError("ledger: opened without the operator's key, so it is read only", code="ReadOnly")
        return self._operator

    def _block_time(self) -> int:
        timestamp = self.now()
        if self.genesis.clock_start is None and timestamp > self._clock.now() + CLOCK_TOLERANCE_SECONDS:
            behind = timestamp - self._clock.now()
            raise LedgerError(
                f"clock: {behind} s behind the latest block; ledger time never decreases. Set the clock",
                code="ClockBehind",
            )
        return timestamp

    def _next_time(self, last: int) -> int:
        """Time of the block after one of time `last`."""
        if self.genesis.clock_start is not None:
            return last + 1 + self._advance
        return max(self._clock.now(), last)

    def _loaded(self) -> Machine:
        """The machine at the latest head; replays what it has not seen."""
        if self._broken:
            raise LedgerError("ledger: a commit's outcome is unknown; open the ledger again", code="Reopen")
        if self._machine is None:
            self._machine = Machine(self.genesis, executor_factory(self._executor))
        machine = self._machine
        head = self.head()
        done = machine.tip.height
        if done == head.height:
            return machine
        for header, raws in self._journal.read_blocks(done + 1, head.height):
            try:
                machine.replay(header, raws)
            except BaseException:
                self._machine = None
                raise
            if self._progress is not None:
                self._progress(machine.tip.height, head.height)
        if machine.tip.hash != head.block_hash:
            self._machine = None
            raise AuditFailure(f"block {machine.tip.height}: replay does not end at the head; run `tbill audit verify`")
        return machine

    def _try(self, calls: Sequence[Call], at: int | None) -> list[Outcome]:
        if at is not None and not 0 <= at < 2**63:
            raise UsageError(f"at: {at} is not a time in Unix seconds")
        if any(len(call.sender) != 20 or len(call.to) != 20 for call in calls):
            raise UsageError("call: an address is 20 bytes")
        machine = self._loaded()
        timestamp = self._next_time(machine.tip.timestamp) if at is None else at
        executor = machine.executor
        mark = executor.snapshot()
        try:
            executor.set_block(machine.tip.height + 1, timestamp)
            return [executor.execute(call.sender, call.to, call.data) for call in calls]
        finally:
            executor.revert(mark)
