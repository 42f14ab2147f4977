"""The ledger against a plain Python model, with reopening and refused transactions between the steps."""

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

import tbill_defi.chain.executor_pyevm  # noqa: F401  (py-evm changes the recursion limit when imported)
from tbill_defi.chain.embedded import EmbeddedChain
from tbill_defi.chain.evidence import verify
from tbill_defi.chain.journal import Appending
from tbill_defi.chain.keys import SigningKey
from tbill_defi.chain.transactions import sign_transaction
from tbill_defi.chain.types import Call
from tbill_defi.core.clock import SimulatedClock
from tbill_defi.core.errors import LedgerError
from tests.behaviour.chain.support import (
    COUNTER_ADDRESS,
    OPERATOR,
    START,
    Desk,
    decode_count,
    url_of,
)

PEOPLE = [SigningKey.from_seed(name) for name in ("alice", "bob", "carol")]
people = st.sampled_from(PEOPLE)
# call data: none counts, any reverts with itself
moves = st.lists(st.tuples(people, st.binary(max_size=8)), min_size=1, max_size=6)


class Ledger(RuleBasedStateMachine):
    """Model: the count, each person's nonce, the height, the time, and the events."""

    def __init__(self):
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.clock = SimulatedClock(START)
        self.chain = None

    def teardown(self):
        if self.chain is not None:
            self.chain.close()
            report = verify(url_of(self.folder / "desk.db"), decoder=decode_count, head=self.head)
            assert report.ok, report.verdict
            assert report.events == self.count
        shutil.rmtree(self.folder)

    @initialize()
    def create(self):
        self.chain = EmbeddedChain.create(
            url_of(self.folder / "desk.db"), operator=OPERATOR, clock=self.clock, decoder=decode_count
        )
        Desk(self.chain).deploy(OPERATOR)
        self.count, self.height, self.nonces, self.times = 0, 1, dict.fromkeys(PEOPLE, 0), []
        self.head = self.chain.head()

    def signed(self, batch, **changes):
        nonces = dict(self.nonces)
        raws = []
        for key, data in batch:
            fields = {"chain_id": self.chain.chain_id, "nonce": nonces[key], "to": COUNTER_ADDRESS, "data": data}
            raws.append(sign_transaction(key, **{**fields, **changes}))
            nonces[key] += 1
        return raws

    def expected(self, batch):
        """(status, output) of each, and the count after."""
        count, outcomes = self.count, []
        for _, data in batch:
            count += not data
            outcomes.append((not data, data or count.to_bytes(32, "big")))
        return outcomes, count

    @rule(batch=moves)
    def submit(self, batch):
        receipts = self.chain.submit(self.signed(batch))
        outcomes, count = self.expected(batch)
        assert [(receipt.status, receipt.return_data) for receipt in receipts] == outcomes
        self.times += [self.clock.now()] * (count - self.count)
        self.count = count
        self.height += 1
        for key, _ in batch:
            self.nonces[key] += 1
        self.head = self.chain.head()

    @rule(batch=moves, at=st.none() | st.integers(START, START + 10**6))
    def simulate(self, batch, at):
        receipts = self.chain.simulate([Call(key.address, COUNTER_ADDRESS, data) for key, data in batch], at=at)
        assert [(receipt.status, receipt.return_data) for receipt in receipts] == self.expected(batch)[0]

    @rule(
        batch=moves,
        wrong=st.sampled_from([{"chain_id": 1}, {"gas_limit": 21_000}, {"to": b""}, {"nonce": 10_000}]),
    )
    def refuse(self, batch, wrong):
        raws = self.signed(batch)
        raws[-1] = self.signed(batch[-1:], **wrong)[0]
        self.refused(raws)

    @rule(batch=moves, position=st.integers(0, 10**6), bit=st.integers(0, 7))
    def damage(self, batch, position, bit):
        """A flipped bit makes it another sender's, whose nonce it is not, or no transaction at all."""
        raws = self.signed(batch)
        raw = bytearray(raws[-1])
        raw[position % len(raw)] ^= 1 << bit
        raws[-1] = bytes(raw)
        if all(self.nonces.values()):  # so its nonce is not 0, which any other sender's is
            self.refused(raws)

    @precondition(lambda self: any(self.nonces.values()))
    @rule(data=st.binary(max_size=8))
    def replay(self, data):
        key = next(key for key, nonce in self.nonces.items() if nonce)
        self.refused(self.signed([(key, data)], nonce=self.nonces[key] - 1))

    def refused(self, raws):
        with pytest.raises(LedgerError):
            self.chain.submit(raws)

    @rule(batch=moves)
    def fault(self, batch):
        """The commit fails."""
        append = Appending.append
        Appending.append = lambda *_: (_ for _ in ()).throw(OSError("disk full"))
        try:
            with pytest.raises(OSError, match="disk full"):
                self.chain.submit(self.signed(batch))
        finally:
            Appending.append = append

    @rule(operator=st.sampled_from([OPERATOR, None]), executor=st.sampled_from(["revm", "revm", "py-evm"]))
    def reopen(self, operator, executor):
        """A reader beside the writer, or a new writer on either machine."""
        options = {"clock": self.clock, "decoder": decode_count, "executor": executor}
        url = self.chain.url
        if operator is None:
            with EmbeddedChain.open(url, **options) as reader:
                assert reader.call(COUNTER_ADDRESS, b"")[:32] == (self.count + 1).to_bytes(32, "big")
                assert reader.head() == self.head
            return
        self.chain.close()
        self.chain = EmbeddedChain.open(url, operator=operator, **options)

    @rule(seconds=st.integers(0, 100_000))
    def wait(self, seconds):
        self.clock.advance(seconds)

    @rule(seconds=st.integers(3, 100))
    def clock_falls_behind(self, seconds):
        if self.times and self.height > 1 and self.times[-1] == self.clock.now():
            self.clock.seconds -= seconds
            with pytest.raises(LedgerError, match="behind"):
                self.chain.submit(self.signed([(PEOPLE[0], b"")]))
            self.clock.seconds += seconds

    @invariant()
    def agrees(self):
        if self.chain is None:
            return
        chain = self.chain
        assert chain.height == self.height
        assert chain.head() == self.head
        assert {key: chain.nonce(key.address) for key in PEOPLE} == self.nonces
        assert chain.call(COUNTER_ADDRESS, b"") == (self.count + 1).to_bytes(32, "big")
        assert chain.now() == self.clock.now()
        records = list(chain.events(names=["Counted"]))
        assert [int(record.arguments["count"]) for record in records] == list(range(1, self.count + 1))
        assert [record.timestamp for record in records] == self.times


TestLedger = Ledger.TestCase
TestLedger.settings = settings(
    max_examples=40,
    stateful_step_count=25,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
