"""Executing signed transactions: the same steps when they are submitted, replayed at opening, and audited."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tbill_defi.chain.blocks import Tip, tip_after
from tbill_defi.chain.digests import digest_column, digest_fields, hash_digests, receipts_hash, split_digests
from tbill_defi.chain.executor import LARGEST_GAS_USED, Executor, ExecutorFactory, Outcome
from tbill_defi.chain.heads import BLOCK_DOMAIN, Genesis
from tbill_defi.chain.schema import BLOCK_FIELDS, TRANSACTION_COLUMNS
from tbill_defi.chain.transactions import Transaction, recover
from tbill_defi.chain.types import Receipt
from tbill_defi.core.errors import AuditFailure, LedgerError

_RAW = TRANSACTION_COLUMNS.index("raw")


class TooLarge(LedgerError):
    """The transaction at `position` of a batch used more than `LARGEST_GAS_USED`."""

    def __init__(self, position: int, gas_used: int) -> None:
        super().__init__(
            f"transaction {position} of the batch used {gas_used} gas; at most {LARGEST_GAS_USED}. "
            "Nothing was executed; split it",
            code="TooLarge",
        )
        self.position = position


class Machine:
    """An executor with the nonces of all accounts, at a tip.

    `run` leaves a block's changes pending; `keep` or `drop` them before anything else.
    """

    def __init__(self, genesis: Genesis, factory: ExecutorFactory) -> None:
        self.chain_id = genesis.chain_id
        self.tip = Tip(0, genesis.hash, genesis.clock_start or 0)
        self.executor: Executor = factory(genesis.chain_id, genesis.code)
        self._nonces: dict[bytes, int] = {}
        self._pending: tuple[Any, dict[bytes, int]] | None = None

    def nonce(self, address: bytes) -> int:
        """Next nonce of an account."""
        return self._nonces.get(address, 0)

    def admit(self, signed: Sequence[bytes], after: Sequence[Transaction] = ()) -> list[Transaction]:
        """Recover and check a batch, executing nothing; `after` are those that will be executed before it.

        Raises
        ------
        LedgerError
            For the first member that is not admissible: the codes of `recover`, "NonceTooLow", "NonceTooHigh".
        """
        return self.in_order([recover(raw, chain_id=self.chain_id) for raw in signed], after)

    def in_order(self, batch: list[Transaction], after: Sequence[Transaction] = ()) -> list[Transaction]:
        """A batch whose members are in the order of their nonces.

        Raises
        ------
        LedgerError
            By code: "NonceTooLow", "NonceTooHigh".
        """
        nonces = {transaction.sender: transaction.nonce + 1 for transaction in after}
        for transaction in batch:
            sender = transaction.sender
            expected = nonces.get(sender, self.nonce(sender))
            if transaction.nonce != expected:
                code = "NonceTooLow" if transaction.nonce < expected else "NonceTooHigh"
                raise LedgerError(
                    f"transaction: nonce of 0x{sender.hex()} is {transaction.nonce}; its next is {expected}", code=code
                )
            nonces[sender] = expected + 1
        return batch

    def run(self, batch: Sequence[Transaction], timestamp: int) -> list[Outcome]:
        """Execute an admitted batch as the next block; its changes are pending."""
        executor = self.executor
        nonces = {transaction.sender: transaction.nonce + 1 for transaction in batch}
        self._pending = (executor.snapshot(), nonces)
        executor.set_block(self.tip.height + 1, timestamp)
        return [executor.execute(transaction.sender, transaction.to, transaction.data) for transaction in batch]

    def keep(self, tip: Tip) -> None:
        """The pending block is the new tip."""
        if self._pending is not None:
            mark, nonces = self._pending
            self.executor.commit(mark)
            self._nonces |= nonces
            self._pending = None
        self.tip = tip

    def drop(self) -> None:
        """The pending block never was."""
        if self._pending is not None:
            self.executor.revert(self._pending[0])
            self._pending = None

    def replay(self, header: Mapping[str, Any], raws: Sequence[bytes]) -> None:
        """Execute a stored block.

        Raises
        ------
        AuditFailure
            If it does not follow from the tip, a transaction is not its sender's, or the receipts differ.
        """
        check_header(header, self.tip)
        check_raws(header, raws)
        height = header["height"]
        try:
            outcomes = self.run(self.admit(raws), header["timestamp"])
        except LedgerError as error:
            raise AuditFailure(f"block {height}, column transactions.raw: {error}") from None
        if receipts_hash(outcomes) != header["receipts_hash"]:
            raise AuditFailure(f"block {height}, column receipts_hash: replay gives other receipts")
        self.keep(tip_after(header))


def refuse_too_large(outcomes: Sequence[Outcome]) -> None:
    """Refuse a batch with a transaction that used more than `LARGEST_GAS_USED`.

    Raises
    ------
    TooLarge
        For the first of them.
    """
    for position, outcome in enumerate(outcomes):
        if outcome.gas_used > LARGEST_GAS_USED:
            raise TooLarge(position, outcome.gas_used)


def receipt_of(outcome: Outcome, transaction_hash: bytes, height: int) -> Receipt:
    """What a caller is told of an outcome."""
    revert = b"" if outcome.status else outcome.output
    return Receipt(outcome.status, outcome.logs, outcome.output, outcome.gas_used, transaction_hash, height, revert)


def check_header(header: Mapping[str, Any], tip: Tip) -> None:
    """That a stored header has its own hash and follows from the tip."""
    height = header["height"]
    expected = {
        "height": tip.height + 1,
        "parent_hash": tip.hash,
        "first_transaction": tip.next_transaction,
        "first_event": tip.next_event,
    }
    for name, value in expected.items():
        if header[name] != value:
            raise AuditFailure(f"block {height}, column {name}: does not follow from block {tip.height}")
    if header["timestamp"] < tip.timestamp:
        raise AuditFailure(f"block {height}, column timestamp: before its parent's")
    check_digests(header)


def check_digests(header: Mapping[str, Any]) -> None:
    """That a stored header has its own digests and hash."""
    height = header["height"]
    digests = digest_fields(header[name] for name in BLOCK_FIELDS)
    if digests != header["field_digests"] or hash_digests(BLOCK_DOMAIN, digests) != header["hash"]:
        raise AuditFailure(f"block {height}: a column does not have its digest; run `tbill audit verify`")


def check_raws(header: Mapping[str, Any], raws: Sequence[bytes]) -> None:
    """That these are a checked header's transactions."""
    height = header["height"]
    stored = split_digests(header["transaction_digests"])
    if len(raws) != header["transaction_count"] or digest_column(raws) != stored[_RAW]:
        raise AuditFailure(f"block {height}, column transactions.raw: not what the header covers")
