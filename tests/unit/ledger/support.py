"""A ledger in memory with every key at hand, and raw transactions on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import Any

from eth_abi.abi import encode

from tbill_defi.chain.executor import DEPLOYMENT_PROXY
from tbill_defi.chain.keys import SigningKey
from tbill_defi.chain.transactions import sign_transaction
from tbill_defi.chain.types import Receipt
from tbill_defi.instruments import Bill, Note
from tbill_defi.ledger.abi import decode_revert, encode_call
from tbill_defi.ledger.artifacts import CONTRACTS, artifact
from tbill_defi.ledger.keyring import Keys
from tbill_defi.ledger.ledger import ROLE_NAMES, Ledger
from tbill_defi.ledger.open import create_ledger
from tbill_defi.ledger.settlement import Batch, Instruction, Leg, PlanLeg, SignedBatch, SignedInstruction, plan_hash
from tbill_defi.ledger.trades import Trades
from tests.behaviour.chain.support import deployment

START = 1_774_378_800
"""2026-03-24 15:00 New York."""
DOLLAR = 10**6
PARTIES = ("desk", "dealer", "fund")
OUTSIDER = SigningKey.from_seed("outsider")
NOTE = Note(cusip="91282CPZ8", coupon=0.04125, dated_date=date(2026, 2, 15), maturity_date=date(2036, 2, 15))
OTHER = Note(cusip="91282CQE4", coupon=0.035, dated_date=date(2026, 3, 15), maturity_date=date(2029, 3, 15))
BILL = Bill(cusip="912797QQ1", issue_date=date(2026, 3, 19), maturity_date=date(2026, 9, 17))
LONG_FIRST = Note(
    cusip="91282CCC3",
    coupon=0.07875,
    dated_date=date(2026, 1, 3),
    maturity_date=date(2028, 8, 15),
    first_coupon_date=date(2026, 8, 15),
)


def ring(*names: str) -> Keys:
    return Keys.in_memory({name: SigningKey.from_seed(name) for name in (*ROLE_NAMES, *names)})


def make_ledger(*parties: str, url: str = "sqlite://", at: int = START) -> Ledger:
    names = parties or PARTIES
    return create_ledger(url, keys=ring(*names, "stranger"), at=at, parties=names)


def stocked_ledger() -> Ledger:
    """The desk has a million of each note and of cash, the fund half of it, the dealer nothing."""
    ledger = make_ledger()
    for party, face in (("desk", 1_000_000), ("fund", 500_000)):
        ledger.deposit(party, {NOTE: face * DOLLAR, OTHER: face * DOLLAR}, face * DOLLAR)
    return ledger


class Bench:
    """A stocked ledger with the words of settlement: legs, instructions, signatures, raw transactions."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.chain = ledger.chain
        self.contracts = ledger.contracts
        self.note = ledger.token_of(NOTE.cusip) or b""
        self.other = ledger.token_of(OTHER.cusip) or b""
        self.usd = ledger.contracts.usd
        self._nonce = 0

    def key(self, name: str | SigningKey) -> SigningKey:
        if isinstance(name, SigningKey):
            return name
        assert self.ledger.keys is not None
        return self.ledger.keys.key(name)

    def address(self, name: str | SigningKey) -> bytes:
        return self.key(name).address

    def leg(self, token: bytes, giver: str, receiver: str, amount: int) -> Leg:
        return Leg(token, self.address(giver), self.address(receiver), amount)

    def exchange(self, face: int = 1_000, cash: int = 990) -> tuple[Leg, ...]:
        """The desk sells a note to the fund for cash, dollars."""
        return (
            self.leg(self.note, "desk", "fund", face * DOLLAR),
            self.leg(self.usd, "fund", "desk", cash * DOLLAR),
        )

    def instruction(self, legs: Sequence[Leg], **changes: Any) -> Instruction:
        """Valid now and for a minute, under a fresh nonce."""
        self._nonce += 1
        now = self.chain.now()
        return replace(Instruction(tuple(legs), now, now + 60, self._nonce), **changes)

    def planned(self, legs: Sequence[PlanLeg], context: bytes, **changes: Any) -> Instruction:
        """The instruction of a plan: its legs by name, hashed."""
        tokens = {NOTE.cusip: self.note, OTHER.cusip: self.other, "USD": self.usd}
        raw = tuple(self.leg(tokens[p.asset], p.from_party, p.to_party, p.amount) for p in sorted(legs))
        return self.instruction(raw, context_hash=context, plan_hash=plan_hash(context, legs), **changes)

    def sign(
        self, instruction: Instruction, *, chain_id: int | None = None, contract: bytes | None = None
    ) -> SignedInstruction:
        """Signed by each giver, for this ledger unless told otherwise."""
        digest = instruction.digest(chain_id or self.chain.chain_id, contract or self.contracts.settlement)
        return SignedInstruction(instruction, self.signatures(instruction.givers, digest))

    def sign_batch(self, *instructions: Instruction) -> SignedBatch:
        """Signed as one list by everyone who gives in any of them."""
        batch = Batch(instructions)
        digest = batch.digest(self.chain.chain_id, self.contracts.settlement)
        return SignedBatch(batch, self.signatures(batch.givers, digest))

    def signatures(self, givers: Sequence[bytes], digest: bytes) -> tuple[bytes, ...]:
        """One of each giver, in their order."""
        assert self.ledger.keys is not None
        keys = [self.key(name) for name in self.ledger.keys.names()] + [OUTSIDER]
        by_address = {key.address: key for key in keys}
        return tuple(by_address[giver].sign_digest(digest) for giver in givers)

    def transact(self, sender: str | SigningKey, to: bytes, data: bytes) -> Receipt:
        """A signed transaction, in a block of its own."""
        key = self.key(sender)
        raw = sign_transaction(key, chain_id=self.chain.chain_id, nonce=self.chain.nonce(key.address), to=to, data=data)
        (receipt,) = self.chain.submit([raw])
        return receipt

    def settle(self, signed: SignedInstruction, *, sender: str | SigningKey = OUTSIDER) -> Receipt:
        data = encode_call("Settlement", "settle", signed.instruction.abi_value(), list(signed.signatures))
        return self.transact(sender, self.contracts.settlement, data)

    def state(self) -> dict[str, Any]:
        """Every balance, frozen and held amount that the contracts report, and the tape's length."""
        found: dict[str, Any] = {"tape": len(self.ledger.tape())}
        for party in (*PARTIES, "stranger"):
            where = self.address(party)
            found[f"{party} usd"] = self.ledger.call("CashToken", self.usd, "balanceOf", where)
            for name, token in (("note", self.note), ("other", self.other)):
                for question in ("balanceOf", "getFrozenTokens", "heldOf"):
                    found[f"{party} {name} {question}"] = self.ledger.call("SecurityToken", token, question, where)
        return found


def refusal(receipt: Receipt) -> tuple[str, dict[str, Any]]:
    """Name and arguments of the error that a transaction reverted with."""
    assert not receipt.status, "it went through"
    return decode_revert(receipt.revert)


def logger_code(topics: int) -> bytes:
    """Runtime of a contract that logs its call data: the first words are topics, the rest is data."""
    size = 32 * topics
    take = f"61{size:04x}3603"  # length of the data
    copy = f"8061{size:04x}600037"  # data to memory 0
    push = "".join(f"61{32 * k:04x}35" for k in reversed(range(topics)))
    return bytes.fromhex(take + copy + push + f"{0x80 + topics:02x}6000{0xA0 + topics:02x}00")


class Spoofer:
    """Anyone's contracts that log whatever they are told."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.places: dict[int, bytes] = {}

    def log(self, topics: Sequence[bytes], data: bytes) -> Receipt:
        count = len(topics)
        if count not in self.places:
            address, creation = deployment(logger_code(count))
            assert self.bench.transact(OUTSIDER, DEPLOYMENT_PROXY, creation).status
            self.places[count] = address
        return self.bench.transact(OUTSIDER, self.places[count], b"".join(topics) + data)

    def emit(self, name: str, /, **values: Any) -> Receipt:
        """An event of ours by name, well formed."""
        entry = next(e for c in CONTRACTS for e in artifact(c).entries if (e.kind, e.name) == ("event", name))
        indexed = [p for p in entry.inputs if p.indexed]
        plain = [p for p in entry.inputs if not p.indexed]
        topics = [entry.topic] + [encode([p.type], [values[p.name]]) for p in indexed]
        return self.log(topics, encode([p.type for p in plain], [values[p.name] for p in plain]))


def assert_as_the_book_has_them(trades: Trades) -> None:
    """Every trade as its events are folded is as the contract keeps it."""
    states = trades.all()
    assert states
    for state in states:
        told = trades._ledger.call("TradeBook", trades.address, "progressOf", state.trade_id)
        assert (told["status"], told["settled"]) == (state.status, state.settled)
