"""A bad line to a good node: whatever is lost or garbled on the way, nothing is sent twice and nonces are right."""

from __future__ import annotations

import random
import re
from datetime import date

import pytest

from tbill_defi.chain.dev import dev_chain
from tbill_defi.chain.keys import SigningKey
from tbill_defi.chain.rpc import Settings, connect, open_chain
from tbill_defi.chain.types import Unsigned
from tbill_defi.core.errors import LedgerError
from tbill_defi.instruments import Note
from tbill_defi.ledger.audit_node import audit_node
from tbill_defi.ledger.open import create_ledger
from tests.behaviour.chain.support import refused
from tests.behaviour.nodes import ANVIL, anvil
from tests.behaviour.proxy import BEFORE, KINDS, SEND, proxy
from tests.unit.ledger.support import DOLLAR, PARTIES, START, ring

pytestmark = [
    pytest.mark.node,
    pytest.mark.skipif(not ANVIL.exists(), reason="anvil is not installed: npm ci in contracts"),
]

TO = b"\x22" * 20
QUICK = Settings(request_seconds=1, receipt_seconds=8, patience_seconds=1)
CODES = {"NodeDown", "NodeSlow", "NotANode", "NodeRefuses"}
NOTE = Note(cusip="91282CPZ8", coupon=0.04125, dated_date=date(2026, 2, 15), maturity_date=date(2036, 2, 15))


@pytest.fixture(scope="module")
def node():
    with anvil("--chain-id", "31337") as url:
        yield url


@pytest.fixture
def line(node):
    with proxy(node) as made:
        yield made


def funded(line, seed):
    """A chain through the line and a key with ether."""
    chain, key = open_chain(line.url, settings=QUICK), SigningKey.from_seed(seed)
    chain.node.request("anvil_setBalance", "0x" + key.address.hex(), hex(10**21))
    line.passed.clear()
    line.sent.clear()
    return chain, key


def pay(key, wei=1):
    return Unsigned(key, TO, b"", wei)


def mined(node, key):
    """Values of the key's mined transactions by nonce, as the node itself tells them."""
    direct, found = connect(node), {}
    for height in range(int(direct.request("eth_blockNumber"), 16) + 1):
        for one in direct.request("eth_getBlockByNumber", hex(height), True)["transactions"]:
            if one["from"] == "0x" + key.address.hex():
                found[int(one["nonce"], 16)] = int(one["value"], 16)
    return [found[nonce] for nonce in sorted(found)]


def next_nonces(node, key):
    """The next nonce by what is mined, and with what waits."""
    direct = connect(node)
    return [
        int(direct.request("eth_getTransactionCount", "0x" + key.address.hex(), tag), 16)
        for tag in ("latest", "pending")
    ]


# --- the answer to a send is lost -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_a_lost_answer_sends_nothing_twice(line, node, kind):
    """The node took it (or never heard of it); the same bytes are offered again, and it is mined once."""
    chain, key = funded(line, f"lost {kind}")
    line.once(kind)
    (receipt,) = chain.submit(chain.sign([pay(key, 7)]))
    assert receipt.status
    assert len(set(line.sent)) == 1, "one transaction, however often it was offered"
    assert len(line.sent) == (1 if kind in BEFORE else 2)
    assert mined(node, key) == [7]
    assert next_nonces(node, key) == [1, 1]
    assert chain.submit(chain.sign([pay(key, 8)]))[0].status
    assert mined(node, key) == [7, 8]


@pytest.mark.parametrize("kind", ["lost", "html"])
def test_in_the_middle_of_a_batch(line, node, kind):
    chain, key = funded(line, f"batch {kind}")
    line.once(kind, skip=1, times=2)
    receipts = chain.submit(chain.sign([pay(key, wei) for wei in (1, 2, 3, 4)]))
    assert all(receipt.status for receipt in receipts)
    assert mined(node, key) == [1, 2, 3, 4]
    assert len(set(line.sent)) == 4


def test_the_answer_is_lost_again_and_again(line, node):
    """It gives up, and says what is not known; the same bytes may be brought again, and do nothing twice."""
    chain, key = funded(line, "again")
    raws = chain.sign([pay(key, 1), pay(key, 2)])
    line.once("lost", skip=1, times=4)
    code, message = refused(lambda: chain.submit(raws))
    assert code == "NodeDown"
    assert re.search(r"whether 0x[0-9a-f]{64} \(nonce 1\) was sent is unknown: look before you send it again", message)
    assert "1 before it of the same sender were sent" in message
    assert mined(node, key) == [1, 2], "the node had taken both"
    assert all(receipt.status for receipt in chain.submit(raws))
    assert mined(node, key) == [1, 2]
    assert chain.nonce(key.address) == 2


def test_nothing_gets_through(line, node):
    chain, key = funded(line, "nothing")
    raws = chain.sign([pay(key)])
    line.once("dropped", times=100)
    code, message = refused(lambda: chain.submit(raws))
    assert code == "NodeDown"
    assert "is unknown" in message
    line.once("dropped", times=0)
    assert mined(node, key) == []
    assert next_nonces(node, key) == [0, 0]
    assert chain.submit(raws)[0].status
    assert mined(node, key) == [1]


# --- after it was sent ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("times", [1, 4])
def test_receipts_that_do_not_come(line, node, kind, times):
    """Awaiting outlives it."""
    if kind == "slow" and times > 1:
        times = 2
    chain, key = funded(line, f"receipt {kind} {times}")
    line.once(kind, "eth_getTransactionReceipt", times=times)
    assert all(receipt.status for receipt in chain.submit(chain.sign([pay(key, 1), pay(key, 2)])))
    assert mined(node, key) == [1, 2]
    assert len(line.sent) == 2


def test_receipts_that_never_come(line, node):
    chain, key = funded(line, "never")
    line.once("html", "eth_getTransactionReceipt", times=10_000)
    code, message = refused(lambda: chain.submit(chain.sign([pay(key, 5)])))
    assert code == "NotANode"
    assert "was mined is unknown" in message
    line.once("html", times=0)
    assert mined(node, key) == [5]
    assert chain.nonce(key.address) == 1


def test_a_refused_question_is_no_proof_that_it_was_not_mined(line, node):
    """A node that is too busy to tell of receipts knows that the nonce is used: by ours, which is not sent anew."""
    chain, key = funded(line, "busy")
    send, asked = chain.node.send, []

    def busy(method, parameters):
        if method == "eth_getTransactionReceipt" and len(asked) < 40:
            asked.append(method)
            return {"error": {"code": -32005, "message": "limit exceeded"}}
        return send(method, parameters)

    chain.node.send, chain.node.send_batch = busy, None
    settings = Settings(request_seconds=1, receipt_seconds=30, patience_seconds=0, poll_milliseconds=1)
    chain._outbox._settings = settings
    (receipt,) = chain.submit(chain.sign([pay(key, 9)]))
    assert receipt.status
    assert len(asked) == 40
    assert mined(node, key) == [9]
    assert len(set(line.sent)) == 1


def test_why_it_reverted_is_not_told(line, node):
    """That it was mined and reverted stands, whatever becomes of the question why."""
    chain, key = funded(line, "why")
    place = b"\x33" * 20
    connect(node).request("anvil_setCode", "0x" + place.hex(), "0x63deadbeef5f526004601cfd")
    call = Unsigned(key, place, b"", 0)
    (told,) = chain.submit(chain.sign([call]))
    assert (told.status, told.revert) == (False, b"\xde\xad\xbe\xef")
    line.fault = lambda methods: "error 500" if {"debug_traceTransaction", "eth_call"} & set(methods) else None
    (untold,) = chain.submit(chain.sign([call]))
    assert (untold.status, untold.revert) == (False, b"")
    assert next_nonces(node, key) == [2, 2]


# --- reading ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("lost", "NodeDown"),
        ("dropped", "NodeDown"),
        ("cut off", "NodeDown"),
        ("slow", "NodeSlow"),
        ("error 500", "NodeRefuses"),
        ("refused 503", "NodeRefuses"),
        ("html", "NotANode"),
        ("half a document", "NotANode"),
        ("empty", "NotANode"),
    ],
)
def test_each_trouble_has_its_error(line, kind, code):
    """When nothing was sent yet, nothing is sent, and the next try is like the first."""
    chain, key = funded(line, f"reading {kind}")
    for attempt in (lambda: chain.height, lambda: chain.nonce(key.address), lambda: chain.sign([pay(key)])):
        line.fault = lambda methods: kind
        found, message = refused(attempt)
        assert found == code
        assert line.url in message
        line.once(kind, times=0)
    assert line.sent == []
    assert chain.submit(chain.sign([pay(key)]))[0].status


def test_another_chain_behind_the_same_address(line, node):
    """A line that leads elsewhere is seen before anything is sent, and by the node if it is not."""
    chain, key = funded(line, "elsewhere")
    with anvil("--chain-id", "31338") as other:
        connect(other).request("anvil_setBalance", "0x" + key.address.hex(), hex(10**21))
        line.target = other
        code, message = refused(lambda: open_chain(line.url, chain_id=31337))
        assert code == "WrongChain"
        assert "on chain 31337" in message
        assert "is on chain 31338" in message
        code, message = refused(lambda: chain.submit(chain.sign([pay(key)])))
        assert code == "WrongChain"
        line.target = node
        assert chain.submit(chain.sign([pay(key, 2)]))[0].status
        line.target = other
        assert refused(lambda: chain.submit(chain.sign([pay(key)])))[0] == "Reorganised"
        assert mined(other, key) == []
    assert mined(node, key) == [2]


# --- blocks that go away ----------------------------------------------------------------------------------------------


def test_a_reorganisation_after_the_receipt(line, node):
    """The receipt's block is replaced: the next word says so, and the ledger opened anew sends it once."""
    chain, key = funded(line, "reorganised")
    connect(node).request("anvil_mine", "0x3")
    (receipt,) = chain.submit(chain.sign([pay(key, 3)]))
    connect(node).request("anvil_reorg", 1, [])
    for attempt in (lambda: chain.height, lambda: chain.sign([pay(key)]), lambda: list(chain.events())):
        code, message = refused(attempt)
        assert code == "Reorganised"
        assert f"block {receipt.height} " in message
    assert mined(node, key) == []
    again = open_chain(line.url, settings=QUICK)
    assert again.nonce(key.address) == 0
    assert again.submit(again.sign([pay(key, 3)]))[0].status
    assert mined(node, key) == [3]


def test_a_reorganisation_while_it_is_awaited(line, node):
    """It was mined in a block that is gone before its receipt was read: the same bytes go out again."""
    chain, key = funded(line, "meanwhile")
    connect(node).request("anvil_mine", "0x3")
    gone = []

    def fault(methods):
        if "eth_getTransactionReceipt" in methods and not gone:
            gone.append(mined(node, key))
            connect(node).request("anvil_reorg", 1, [])
        return None

    line.fault = fault
    (receipt,) = chain.submit(chain.sign([pay(key, 4)]))
    assert receipt.status
    assert gone == [[4]]
    assert mined(node, key) == [4]
    assert len(line.sent) == 2
    assert len(set(line.sent)) == 1
    assert next_nonces(node, key) == [1, 1]


def test_a_snapshot_taken_back(line, node):
    """Undone through the chain's own development face, it goes on; undone behind its back, it says so."""
    chain, key = funded(line, "undone")
    dev = dev_chain(chain)
    mark = dev.snapshot()
    chain.submit(chain.sign([pay(key, 1)]))
    dev.revert(mark)
    assert chain.nonce(key.address) == 0
    assert chain.submit(chain.sign([pay(key, 2)]))[0].status
    assert mined(node, key) == [2]


# --- everything at once -----------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_a_storm(line, node, seed):
    """One request in eight goes wrong, any way: what was answered is mined once, what was not at most once."""
    draw = random.Random(seed)
    chain, key = funded(line, f"storm {seed}")
    kinds = [kind for kind in KINDS if kind != "slow"]
    line.fault = lambda methods: draw.choice(kinds) if draw.random() < 0.125 else None
    answered, unsure, codes, value = [], [], set(), 0
    for _ in range(25):
        values = [value + n + 1 for n in range(draw.randrange(1, 4))]
        value = values[-1]
        try:
            receipts = chain.submit(chain.sign([pay(key, wei) for wei in values]))
        except LedgerError as error:
            codes.add(error.code)
            unsure += values
        else:
            assert all(receipt.status for receipt in receipts)
            answered += values
    assert codes <= CODES
    line.once("", times=0)
    found = mined(node, key)
    assert len(found) == len(set(found)), "nothing was mined twice"
    assert set(answered) <= set(found) <= set(answered) | set(unsure)
    assert found == sorted(found), "in the order in which they were given"
    assert next_nonces(node, key) == [len(found)] * 2
    assert answered
    assert unsure
    assert chain.submit(chain.sign([pay(key, value + 1)]))[0].status
    assert mined(node, key) == [*found, value + 1]


def test_a_ledger_on_a_bad_line():
    """Deposits whose answers are lost are made once; so says the sum of all, and the audit."""
    with anvil(at=START) as url, proxy(url) as line:
        chain = open_chain(line.url, settings=QUICK)
        ledger = create_ledger(chain=chain, keys=ring(*PARTIES, "stranger"), parties=PARTIES)
        for number, kind in enumerate(KINDS):
            line.once(kind, skip=number % 2)
            ledger.deposit("desk", {NOTE: DOLLAR}, 10**number)
            wallet = ledger.wallet("desk")
            assert wallet.cash == int("1" * (number + 1))
            assert wallet.positions == {NOTE.cusip: DOLLAR * (number + 1)}
        assert SEND in line.passed
        report = audit_node(ledger)
        assert report.ok, [d.describe() for d in report.discrepancies]
