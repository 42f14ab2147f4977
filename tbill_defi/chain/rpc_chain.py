"""A ledger on a node: what `chain.types.Chain` asks, put to a node and its answers read strictly."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import groupby
from types import TracebackType
from typing import Any, Self

from tbill_defi.chain.executor import TRANSACTION_GAS
from tbill_defi.chain.rpc_calls import call_fields, outcome_of, receipt_of, simulated_outcome
from tbill_defi.chain.rpc_fees import Fee, fee_for, suggested_tip
from tbill_defi.chain.rpc_logs import read_logs, records_of
from tbill_defi.chain.rpc_node import Node, Request
from tbill_defi.chain.rpc_outbox import Draft, Outbox, Settings, pause
from tbill_defi.chain.rpc_values import (
    BlockHead,
    RpcRefusal,
    block_head,
    garbage,
    hexed,
    log_of,
    mapping,
    octets,
    quantity,
    sequence,
)
from tbill_defi.chain.types import Call, CallReverted, EventDecoder, EventRecord, Log, Receipt, Unsigned
from tbill_defi.core.clock import Clock
from tbill_defi.core.errors import LedgerError
from tbill_defi.core.hashing import keccak256

_ZERO = bytes(20)
_SIMULATED_BLOCK_GAS = 2**30
_MARKS = 64
LAG_PAUSE = 250
"""Milliseconds between two looks for a block that is not there."""
MOST_DRAFTS = 10_000
"""Signed transactions remembered for `submit`; the oldest are forgotten."""


class RpcChain:
    """A chain on a node. Implements `chain.types.Chain`; one instance serves one thread.

    Time is the node's: `now` is the time of its next block. A transaction sent is awaited; a block that was read and is
    no longer there is noticed. What the embedded ledger does in one block, a node does in several.
    """

    shared = True

    def __init__(
        self,
        node: Node,
        *,
        clock: Clock,
        records: Mapping[str, str] | None = None,
        decoder: EventDecoder | None = None,
        start_block: int = 0,
        settings: Settings | None = None,
    ) -> None:
        self.node = node
        self.records: Mapping[str, str] = dict(records or {})
        self.start_block = start_block
        self.settings = settings or Settings()
        self._clock = clock
        self.decoder = decoder
        self._chain_id = quantity(node.request("eth_chainId"), "chain id")
        self._outbox = Outbox(node, self._chain_id, self.settings)
        self._drafts: dict[bytes, Draft] = {}
        self._floor: dict[bytes, int] = {}
        self._marks: deque[tuple[int, bytes]] = deque(maxlen=_MARKS)
        self._simulates: bool | None = None

    @property
    def chain_id(self) -> int:
        """EIP-155 chain id, as the node says."""
        return self._chain_id

    @property
    def url(self) -> str:
        """Scheme, host and port of the node."""
        return self.node.url

    @property
    def height(self) -> int:
        """Height of the latest block."""
        return self.tip().number

    def tip(self) -> BlockHead:
        """Head of the latest block; sees first that the blocks read before are still there.

        Raises
        ------
        LedgerError
            If they are not (code "Reorganised").
        """
        latest, marked = self._look()
        waited = 0
        while self._marks and marked is None and waited < self.settings.lag_milliseconds:
            waited += pause(LAG_PAUSE)  # another server behind the same URL may be a block behind
            latest, marked = self._look()
        if self._marks and (marked is None or marked.hash != self._marks[-1][1]):
            raise self._reorganised()
        return latest

    def _look(self) -> tuple[BlockHead, BlockHead | None]:
        """Head of the latest block, and of the one at the highest mark."""
        asked: list[Request] = [("eth_getBlockByNumber", ("latest", False))]
        if self._marks:
            asked.append(("eth_getBlockByNumber", (hex(self._marks[-1][0]), False)))
        latest, *marked = map(block_head, self.node.results(asked))
        if latest is None:
            raise garbage("the latest block", None)
        return latest, marked[0] if marked else None

    def _reorganised(self) -> LedgerError:
        for height, known in self._marks:
            found = self.node.block(height)
            if found is None or found.hash != known:
                break
        now = f"0x{found.hash.hex()[:16]}…" if found else "gone"
        return LedgerError(
            f"chain: the node reorganised: block {height} was 0x{known.hex()[:16]}… and is now {now}; open the ledger "
            "again to read it anew",
            "Reorganised",
        )

    def mark(self, height: int, block_hash: bytes) -> None:
        """Remember a block that something read depends on."""
        if not self._marks or height > self._marks[-1][0]:
            self._marks.append((height, block_hash))

    def forget_above(self, height: int) -> None:
        """Forget blocks above `height`, which the caller undid himself (`dev`), and the nonces used in them."""
        while self._marks and self._marks[-1][0] > height:
            self._marks.pop()
        self._floor.clear()

    def now(self) -> int:
        """Time of the node's next block, Unix seconds; where it names none, the clock's, after the latest block's."""
        latest = self.tip()
        if self.node.machine is not None:
            due: int = self.node.machine.next_time()
            return due
        (answer,) = self.node.ask([("eth_getBlockByNumber", ("pending", False))])
        pending = None if isinstance(answer, RpcRefusal) else block_head(answer)
        if pending is not None and pending.timestamp >= latest.timestamp:
            return pending.timestamp
        return max(latest.timestamp + 1, self._clock.now() if pending is None else 0)

    def nonce(self, address: bytes) -> int:
        """Next nonce of an account, its pending transactions counted."""
        found = quantity(self.node.request("eth_getTransactionCount", hexed(address), "pending"), "nonce")
        return max(found, self._floor.get(address, 0))

    def balance(self, address: bytes) -> int:
        """Wei of an account."""
        return quantity(self.node.request("eth_getBalance", hexed(address), "latest"), "balance")

    def code(self, address: bytes) -> bytes:
        """Runtime code of an account; empty if it has none."""
        return octets(self.node.request("eth_getCode", hexed(address), "latest"), "code")

    # --- reading ------------------------------------------------------------------------------------------------

    def call(self, to: bytes, data: bytes, *, sender: bytes | None = None) -> bytes:
        """Output of a call on the latest state, at the time of the next block.

        Raises
        ------
        CallReverted
            With the revert's output.
        """
        (receipt,) = self.views((Call(sender or _ZERO, to, data),))
        if not receipt.status:
            raise CallReverted(receipt.revert)
        return receipt.return_data

    def views(self, calls: Sequence[Call]) -> Sequence[Receipt]:
        """Receipts of calls, each by itself on the latest state: one batch."""
        if not calls:
            return ()
        height = self.height + 1
        if self.node.machine is not None:
            return tuple(receipt_of(o, height) for c in calls for o in self.node.machine.run((c,), None))
        time = {"time": hex(self.now())}
        answers = self.node.ask([("eth_call", (call_fields(call), "latest", {}, time)) for call in calls])
        if any(isinstance(a, RpcRefusal) and a.number == -32602 for a in answers):
            answers = self.node.ask([("eth_call", (call_fields(call), "latest")) for call in calls])
        return tuple(receipt_of(outcome_of(answer), height) for answer in answers)

    def simulate(self, transactions: Sequence[Call], *, at: int | None = None) -> Sequence[Receipt]:
        """Receipts of calls made one after the other in the next block, at time `at`; leaves no trace.

        Raises
        ------
        LedgerError
            If there are several and the node has no `eth_simulateV1` (code "CannotSimulate").
        """
        if not transactions:
            return ()
        latest = self.tip()
        if self.node.machine is not None:
            return tuple(receipt_of(o, latest.number + 1) for o in self.node.machine.run(transactions, at))
        if not self.simulates:
            if len(transactions) == 1 and at is None:
                return self.views(transactions)
            raise LedgerError(
                f"chain: {self.url} has no eth_simulateV1, so it cannot try {len(transactions)} transactions one after "
                "the other; send them one by one, or use a node that has it",
                "CannotSimulate",
            )
        when = max(self.now() if at is None else at, latest.timestamp + 1)
        (block,) = sequence(self._simulate_v1([call_fields(c, gas=True) for c in transactions], when), "the simulation")
        calls = [mapping(item, "a simulated call") for item in sequence(block.get("calls"), "simulated calls")]
        if len(calls) != len(transactions):
            raise garbage("the simulation", calls)
        return tuple(receipt_of(simulated_outcome(item), latest.number + 1) for item in calls)

    @property
    def simulates(self) -> bool:
        """Whether the node has `eth_simulateV1`, or is an eth-tester in this process."""
        if self.node.machine is not None:
            return True
        if self._simulates is None:
            try:
                self._simulate_v1([call_fields(Call(_ZERO, _ZERO))], self.tip().timestamp + 1)
                self._simulates = True
            except RpcRefusal:
                self._simulates = False
        return self._simulates

    def _simulate_v1(self, calls: Sequence[Mapping[str, str]], when: int) -> Any:
        overrides = {"time": hex(when), "gasLimit": hex(_SIMULATED_BLOCK_GAS), "baseFeePerGas": "0x0"}
        block = {"blockOverrides": overrides, "calls": list(calls)}
        return self.node.request("eth_simulateV1", {"blockStateCalls": [block], "validation": False}, "latest")

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
        """Events in order, decoded, from the block on in which the contracts came.

        Raises
        ------
        LedgerError
            If blocks read before are gone (code "Reorganised").
        """
        latest = self.tip()
        last = latest if to_block is None or to_block >= latest.number else self.node.block(to_block)
        if last is None:
            raise garbage(f"block {to_block}", None)
        first = max(from_block, self.start_block)
        for raws in read_logs(self.node, first, last.number, addresses, self.settings.log_range):
            yield from records_of(self.node, raws, self.decoder, names)
        self.mark(last.number, last.hash)

    # --- writing ------------------------------------------------------------------------------------------------

    def sign(self, transactions: Sequence[Unsigned]) -> list[bytes]:
        """Raw EIP-1559 transactions with the node's fees, gas limits with a margin, and each sender's next nonces.

        They are remembered until `submit`, which can raise, renumber and send them again.
        """
        if not transactions:
            return []
        limits = self._gas_limits(transactions)
        fee = fee_for(self.tip().base_fee, suggested_tip(self.node), self.settings.fee_cap)
        nonces: dict[bytes, int] = {}
        raws = []
        for item, gas in zip(transactions, limits, strict=True):
            sender = item.key.address
            nonce = nonces[sender] = nonces[sender] + 1 if sender in nonces else self.nonce(sender)
            draft = self._outbox.write(item, nonce, gas, fee)
            self._drafts[draft.hashes[0]] = draft
            if len(self._drafts) > MOST_DRAFTS:
                self._drafts.pop(next(iter(self._drafts)))
            raws.append(draft.raws[0])
        return raws

    def _gas_limits(self, items: Sequence[Unsigned]) -> list[int]:
        """Gas of each, as simulated in order, and half as much again; the most there may be for one that reverts.

        A simulation shows gas after refunds (a fifth at most), and an inner call gets 63/64 of what is left.
        """
        calls = [Call(item.key.address, item.to, item.data) for item in items]
        if self.simulates:
            found = [r.gas_used if r.status else TRANSACTION_GAS for r in self.simulate(calls)]
        else:
            asked = [call_fields(call) | ({"value": hex(item.value)}) for call, item in zip(calls, items, strict=True)]
            answers = self.node.ask([("eth_estimateGas", (a,)) for a in asked])
            found = [TRANSACTION_GAS if isinstance(a, RpcRefusal) else quantity(a, "gas") for a in answers]
        return [min(gas + gas // 2 + 10_000, TRANSACTION_GAS) for gas in found]

    def submit(self, signed: Sequence[bytes]) -> Sequence[Receipt]:
        """Send raw transactions and await their receipts. Each succeeds or reverts by itself.

        Their order is kept: those of another sender are sent when the ones before are mined.

        Raises
        ------
        LedgerError
            By code: "NotMined", "NoFunds", "FeeAboveCap", "NonceTooLow", "Reorganised", "NodeDown", "NodeSlow", ...;
            the message says how many were mined.
        """
        self.tip()
        drafts = [
            self._drafts.pop(keccak256(raw)) if keccak256(raw) in self._drafts else _foreign(raw) for raw in signed
        ]
        receipts: list[Receipt] = []
        for _, group in groupby(drafts, key=lambda draft: draft.sender or draft):
            members = list(group)
            try:
                raws = self._outbox.deliver(members)
            except LedgerError as error:
                if len(signed) == 1:
                    raise
                raise LedgerError(f"{error}; {len(receipts)} of {len(signed)} were mined before", error.code) from None
            receipts += [self._mined(draft, raw) for draft, raw in zip(members, raws, strict=True)]
        return tuple(receipts)

    def send_presigned(self, raw: bytes) -> None:
        """Send a transaction that anyone may send, and await it."""
        self._outbox.deliver([_foreign(raw)])

    def await_sent(self, addresses: Sequence[bytes]) -> None:
        """Await what the node has of these accounts and has not mined; see the outbox."""
        if addresses and self.node.machine is None:
            self._outbox.await_sent(addresses)

    def await_hash(self, transaction_hash: bytes) -> None:
        """Await a transaction that the node has."""
        self._outbox.await_all([Draft(None, 0, 0, Fee(0, 0), known=transaction_hash)])

    def _mined(self, draft: Draft, raw: Any) -> Receipt:
        receipt = mapping(raw, "receipt")
        height = quantity(receipt.get("blockNumber"), "receipt's block")
        self.mark(height, octets(receipt.get("blockHash"), "receipt's block hash", 32))
        if draft.sender is not None:
            self._floor[draft.sender] = max(draft.nonce + 1, self._floor.get(draft.sender, 0))
        status = quantity(receipt.get("status"), "status") == 1
        output = b"" if status else self._revert_output(draft, receipt, height)
        return Receipt(
            status=status,
            logs=tuple(map(log_of, sequence(receipt.get("logs"), "logs"))),
            return_data=output,
            gas_used=quantity(receipt.get("gasUsed"), "gas used"),
            transaction_hash=octets(receipt.get("transactionHash"), "transaction hash", 32),
            height=height,
            revert=output,
        )

    def _revert_output(self, draft: Draft, receipt: Mapping[str, Any], height: int) -> bytes:
        """Output of a reverted transaction: receipts have none, so it is traced, or called again a block before."""
        if self.node.machine is not None and draft.item is not None:
            return bytes(
                self.node.machine.again(height, Call(draft.item.key.address, draft.item.to, draft.item.data)).output
            )
        name, again = receipt.get("transactionHash"), None
        try:
            traced = self.node.request("debug_traceTransaction", name, {"tracer": "callTracer"})
            return octets(mapping(traced, "trace").get("output", "0x"), "trace's output")
        except LedgerError:  # that it was mined and reverted is known whatever becomes of this
            pass
        if draft.item is not None:
            call = call_fields(Call(draft.item.key.address, draft.item.to, draft.item.data))
            with suppress(LedgerError):
                (again,) = self.node.ask([("eth_call", (call, hex(height - 1)))])
        return again.output() if isinstance(again, RpcRefusal) else b""

    def close(self) -> None:
        """Nothing is held open."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _foreign(raw: bytes) -> Draft:
    return Draft(None, 0, 0, Fee(0, 0), [raw])
