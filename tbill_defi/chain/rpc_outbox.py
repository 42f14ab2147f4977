"""Getting transactions mined: sent in order, awaited, raised when stuck, sent again when dropped, renumbered when
another of the sender's transactions took the nonce.

A transaction is signed anew under another nonce only when the one before can never be mined: the node refused it, or
its nonce was used by a different one. So each is executed at most once. An answer that is lost says nothing: the node
may have taken the transaction, so the same bytes are offered again, which do nothing twice.

No two are alike: two processes that mean the same under the same nonce would sign the same bytes, and both would take
the one receipt for theirs. So gas limit and fee carry a little chance.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from time import monotonic, sleep
from typing import Any

from tbill_defi.chain.executor import TRANSACTION_GAS
from tbill_defi.chain.rpc_fees import FEE_CAP, Fee, gwei, raised
from tbill_defi.chain.rpc_node import Node
from tbill_defi.chain.rpc_values import RpcRefusal, hexed, quantity
from tbill_defi.chain.transactions import sign_transaction
from tbill_defi.chain.types import Unsigned
from tbill_defi.core.errors import LedgerError
from tbill_defi.core.hashing import keccak256

TRIES = 20
"""How often one transaction is offered to the node under new nonces or fees before it is given up."""
OFFERS = 4
"""How often in a row one is offered whose answers are lost."""
TROUBLES = ("NodeDown", "NodeSlow", "NotANode", "NodeRefuses")
"""Codes of a request that was not answered as JSON-RPC: what the node did is unknown."""
_log = logging.getLogger(__name__)

_LONGEST_PAUSE = 1_000
_OFFER_PAUSE = 125
_CHANCE_GAS = 2**16

_KNOWN = ("already known", "already imported", "known transaction", "already exists in")
_USED = ("nonce too low", "nonce is too low", "invalid transaction nonce", "oldnonce")
_TAKEN = ("replacement transaction underpriced", "replacement underpriced", "too low to replace")
_POOR = ("insufficient funds", "insufficient balance", "not have enough", "cannot afford", "enough funds")
_ELSEWHERE = ("chain id", "chainid", "chain_id")
_CHEAP = ("underpriced", "less than block base fee", "below base fee", "fee too low", "feetoolow", "base fee exceeds")


@dataclass(frozen=True, slots=True)
class Settings:
    """How a node is dealt with. Fees in wei per gas, times in whole seconds and milliseconds.

    Attributes
    ----------
    request_seconds
        A node that takes longer for an answer is slow: an error.
    receipt_seconds
        A transaction not mined by then is an error; it may still be mined.
    patience_seconds
        After this long without being mined a transaction is looked after: sent again if dropped, raised if stuck.
    lag_milliseconds
        How far the servers behind one URL may lag one another before a missing block means that blocks were undone.
    log_range
        Blocks asked for at once; halved where the node wants less.
    """

    fee_cap: int = FEE_CAP
    request_seconds: int = 20
    receipt_seconds: int = 180
    patience_seconds: int = 20
    poll_milliseconds: int = 10
    lag_milliseconds: int = 1_500
    log_range: int = 10_000


@dataclass(eq=False)
class Draft:
    """A transaction on its way: all of `raws` have its nonce, so one of them at most is mined.

    `item` is None for one that was signed elsewhere: it is sent and awaited, never signed anew; `known` is the hash
    of one that the node signed. `accepted`: the node has taken it, or its answer was lost and it may have.
    """

    item: Unsigned | None
    nonce: int
    gas: int
    fee: Fee
    raws: list[bytes] = field(default_factory=list)
    accepted: bool = False
    lost: int = 0
    known: bytes = b""

    @property
    def hashes(self) -> list[bytes]:
        """What it may be mined as."""
        return [self.known] if self.known else [keccak256(raw) for raw in self.raws]

    @property
    def sender(self) -> bytes | None:
        """Its account, if it is ours."""
        return self.item.key.address if self.item else None


class Outbox:
    """See the module."""

    def __init__(self, node: Node, chain_id: int, settings: Settings) -> None:
        self._node = node
        self._chain_id = chain_id
        self._settings = settings

    def write(self, item: Unsigned, nonce: int, gas: int, fee: Fee) -> Draft:
        """A signed draft, unlike any other: up to 2^16 gas and a thousandth of the fee are left to chance."""
        most = fee.max_fee - secrets.randbelow(fee.max_fee // 1024 + 1)
        unlike = Fee(min(fee.tip, most), most)
        draft = Draft(item, nonce, min(gas, TRANSACTION_GAS - _CHANCE_GAS) + secrets.randbelow(_CHANCE_GAS), unlike)
        self._sign(draft)
        return draft

    def _sign(self, draft: Draft) -> None:
        if draft.item is not None:
            raw = sign_transaction(
                draft.item.key,
                chain_id=self._chain_id,
                nonce=draft.nonce,
                to=draft.item.to,
                data=draft.item.data,
                gas_limit=draft.gas,
                tip=draft.fee.tip,
                max_fee=draft.fee.max_fee,
                value=draft.item.value,
            )
            draft.raws.append(raw)
            _log.info("signed", extra={"sender": draft.sender, "nonce": draft.nonce, "hash": draft.hashes[-1]})

    def deliver(self, group: Sequence[Draft]) -> list[Any]:
        """Raw receipts of one sender's drafts, in order.

        Raises
        ------
        LedgerError
            By code: "NotMined" after `receipt_seconds`, "NoFunds", "FeeAboveCap", "NonceTooLow", and the node's.
        """
        for before, draft in enumerate(group):
            try:
                self._offer(draft, group)
            except LedgerError as error:
                if not before and not draft.accepted:
                    raise
                raise LedgerError(f"{error}; {_left(before, draft)}", error.code) from None
        return self.await_all(group)

    def await_all(self, group: Sequence[Draft]) -> list[Any]:
        """Raw receipts of drafts that were offered, in order; looks after them meanwhile."""
        found: dict[Draft, Any] = {}
        start = looked = monotonic()
        milliseconds = self._settings.poll_milliseconds
        while True:
            waiting = [draft for draft in group if draft not in found]
            trouble: LedgerError | None = None
            try:
                found |= self._receipts(waiting)
                waiting = [draft for draft in group if draft not in found]
                if not waiting:
                    return [found[draft] for draft in group]
                if monotonic() - looked >= self._settings.patience_seconds:
                    looked = monotonic()
                    self._look_after(waiting)
            except LedgerError as error:
                if not unanswered(error):
                    raise
                trouble = error
            if monotonic() - start >= self._settings.receipt_seconds:
                raise self._not_mined(waiting[0], trouble)
            milliseconds = min(2 * pause(milliseconds), _LONGEST_PAUSE)

    def await_sent(self, addresses: Sequence[bytes]) -> None:
        """Await what accounts have in the node's pool: sent by an earlier process that did not live to see it mined.

        Raises
        ------
        LedgerError
            If it is not mined after `receipt_seconds` (code "NotMined").
        """
        start, milliseconds = monotonic(), self._settings.poll_milliseconds
        asked = [("eth_getTransactionCount", (hexed(a), tag)) for a in addresses for tag in ("latest", "pending")]
        while True:
            counts = [quantity(answer, "nonce") for answer in self._node.results(asked)]
            pairs = zip(addresses, counts[::2], counts[1::2], strict=True)
            waiting = [(address, latest) for address, latest, pending in pairs if pending > latest]
            if not waiting:
                return
            if monotonic() - start >= self._settings.receipt_seconds:
                address, nonce = waiting[0]
                raise LedgerError(
                    f"chain: what an earlier process sent from 0x{address.hex()} (nonce {nonce}) is not mined after "
                    f"{self._settings.receipt_seconds} s; nothing was sent on top of it; wait, or replace it",
                    "NotMined",
                )
            milliseconds = min(2 * pause(milliseconds), _LONGEST_PAUSE)

    def _not_mined(self, draft: Draft, trouble: LedgerError | None) -> LedgerError:
        if trouble is not None:
            return LedgerError(f"{trouble}; whether 0x{draft.hashes[-1].hex()} was mined is unknown", trouble.code)
        return LedgerError(
            f"chain: 0x{draft.hashes[-1].hex()} (nonce {draft.nonce}) is not mined after "
            f"{self._settings.receipt_seconds} s at {gwei(draft.fee.max_fee)} per gas (cap "
            f"{gwei(self._settings.fee_cap)}); it may still be: look before you send it again",
            "NotMined",
        )

    def _receipts(self, drafts: Sequence[Draft]) -> dict[Draft, Any]:
        asked = [(draft, hexed(found)) for draft in drafts for found in draft.hashes]
        answers = self._node.ask([("eth_getTransactionReceipt", (name,)) for _, name in asked])
        return {
            draft: answer
            for (draft, _), answer in zip(asked, answers, strict=True)
            if answer is not None and not isinstance(answer, RpcRefusal)
        }

    def _offer(self, draft: Draft, group: Sequence[Draft]) -> None:
        """Give it to the node, under another nonce or a higher fee if it must be; again if the answer is lost."""
        lost = 0
        for _ in range(TRIES):
            try:
                if self._node.machine is not None:
                    self._node.machine.touch()
                self._node.request("eth_sendRawTransaction", hexed(draft.raws[-1]))
            except RpcRefusal as refusal:
                if self._settled_by(refusal, draft, group):
                    return
            except LedgerError as error:
                draft.accepted, lost = True, lost + 1
                if not unanswered(error) or lost == OFFERS:
                    raise
                pause(_OFFER_PAUSE << lost)
            else:
                draft.accepted = True
                return
        raise LedgerError(
            f"chain: the node refused nonces and fees {TRIES} times in a row; another process sends from the same key "
            "without pause",
            "NonceTooLow",
        )

    def _settled_by(self, refusal: RpcRefusal, draft: Draft, group: Sequence[Draft]) -> bool:
        """Whether nothing more need be offered; else the draft was changed and is offered again."""
        text = refusal.message.lower()
        if any(word in text for word in _KNOWN):
            draft.accepted = True
            return True
        if any(word in text for word in _USED):
            if draft.accepted or self._receipts([draft]):
                return True  # awaiting it shows whether it was mined or another took its nonce
            self._renumber(draft, group, refusal)
            return False
        if any(word in text for word in _TAKEN):
            if draft.accepted:
                return not self._raise(draft)
            self._renumber(draft, group, refusal)
            return False
        if any(word in text for word in _ELSEWHERE):
            raise LedgerError(
                f"chain: the ledger is on chain {self._chain_id}, and {self._node.url} is no longer: it refuses the "
                f"transaction ({refusal.message}); is the URL right?",
                "WrongChain",
            )
        if any(word in text for word in _POOR):
            raise self._no_funds(draft, refusal)
        if any(word in text for word in _CHEAP) and draft.item is not None:
            if not self._raise(draft):
                raise LedgerError(
                    f"chain: the node wants more than {gwei(draft.fee.max_fee)} per gas, and the cap is "
                    f"{gwei(self._settings.fee_cap)}; wait, or raise fee_cap_gwei in the home's ledger/chain.toml",
                    "FeeAboveCap",
                )
            return False
        raise refusal

    def _renumber(self, draft: Draft, group: Sequence[Draft], refusal: RpcRefusal) -> None:
        """The sender's next nonces for it and all after it, none of which the node has."""
        if draft.item is None:
            raise LedgerError(f"chain: {refusal.message}; the transaction was signed elsewhere", "NonceTooLow")
        nonce = max(self._count(draft, "pending"), draft.nonce + 1)
        for offset, later in enumerate(group[list(group).index(draft) :]):
            if later is draft or not later.accepted:
                later.nonce, later.raws, later.accepted, later.lost = nonce + offset, [], False, 0
                self._sign(later)

    def _raise(self, draft: Draft) -> bool:
        """Sign it with a higher fee, the same nonce; False if the cap forbids, or it is not ours."""
        tip = self._node.tip()
        fee = raised(draft.fee, tip.base_fee, self._settings.fee_cap) if draft.item else None
        if fee is None:
            return False
        draft.fee = fee
        self._sign(draft)
        return True

    def _count(self, draft: Draft, tag: str) -> int:
        return quantity(self._node.request("eth_getTransactionCount", hexed(draft.sender or b""), tag), "nonce")

    def _look_after(self, waiting: Sequence[Draft]) -> None:
        """Nonce used by another, dropped, or stuck: each has its cure."""
        first = waiting[0]
        if first.known:
            return
        if first.item is not None and self._count(first, "latest") > first.nonce:
            first.lost += 1
            if first.lost > 1 and self._is_unknown(first):  # the node has had time to find it
                first.accepted = False
                refusal = RpcRefusal("eth_sendRawTransaction", 0, "its nonce was used by another transaction")
                self._renumber(first, [first], refusal)
                self._offer(first, [first])
            return
        answers = self._node.ask([("eth_getTransactionByHash", (hexed(d.hashes[-1]),)) for d in waiting])
        for draft, answer in zip(waiting, answers, strict=True):
            if isinstance(answer, RpcRefusal):
                continue
            if answer is None or self._raise(draft):
                self._offer(draft, [draft])

    def _is_unknown(self, draft: Draft) -> bool:
        """Whether the node says of all its hashes that it has no receipt and no transaction; a refusal says nothing."""
        methods = ("eth_getTransactionReceipt", "eth_getTransactionByHash")
        answers = self._node.ask([(method, (hexed(found),)) for found in draft.hashes for method in methods])
        return all(answer is None for answer in answers)

    def _no_funds(self, draft: Draft, refusal: RpcRefusal) -> LedgerError:
        if draft.item is None:
            return LedgerError(f"chain: {refusal.message}", "NoFunds")
        sender = draft.item.key.address
        balance = quantity(self._node.request("eth_getBalance", hexed(sender), "latest"), "balance")
        need = draft.gas * draft.fee.max_fee + draft.item.value
        return LedgerError(
            f"chain: 0x{sender.hex()} has {ether(balance)}, the transaction may cost {ether(need)}; fund it on chain "
            f"{self._chain_id}",
            "NoFunds",
        )


def unanswered(error: LedgerError) -> bool:
    """Whether it is trouble on the way, not the node's word."""
    return error.code in TROUBLES and not isinstance(error, RpcRefusal)


def _left(before: int, draft: Draft) -> str:
    """What an error leaves behind."""
    sent = f"{before} before it of the same sender were sent" if before else ""
    name = f"0x{draft.hashes[-1].hex()} (nonce {draft.nonce})"
    unsure = f"whether {name} was sent is unknown: look before you send it again" if draft.accepted else ""
    return "; ".join(part for part in (unsure, sent) if part)


def pause(milliseconds: int) -> int:
    """Wait; returns how long."""
    sleep(timedelta(milliseconds=milliseconds).total_seconds())
    return milliseconds


def ether(wei: int) -> str:
    """Wei in ether, exactly."""
    whole, rest = divmod(wei, 10**18)
    return f"{whole}" + (f".{rest:018d}".rstrip("0") if rest else "") + " ETH"
