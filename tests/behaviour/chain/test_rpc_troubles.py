"""Nodes that fail: each trouble one clear error with a code; transactions that get stuck, lost or overtaken."""

import json
import subprocess
import sys
import time

import pytest

from tbill_defi.chain.keys import SigningKey
from tbill_defi.chain.rpc import Settings, connect, open_chain
from tbill_defi.chain.rpc_fees import GWEI, Fee
from tbill_defi.chain.types import Call, CallReverted, Unsigned
from tbill_defi.core.clock import SimulatedClock
from tests.behaviour.chain.support import refused
from tests.behaviour.nodes import ANVIL, Scripted, answering, anvil, http_node

KEY = SigningKey.from_seed("sender")
TO = b"\x11" * 20
QUICK = Settings(request_seconds=5, receipt_seconds=20, patience_seconds=1)
HTML = b"<!DOCTYPE html><html><body>It works!</body></html>"
needs_anvil = pytest.mark.skipif(not ANVIL.exists(), reason="anvil is not installed: npm ci in contracts")


# --- what is no node --------------------------------------------------------------------------------------------------


def test_nobody_there():
    code, message = refused(lambda: open_chain("http://127.0.0.1:1"))
    assert code == "NodeDown"
    assert "http://127.0.0.1:1 does not answer" in message


@pytest.mark.parametrize(
    ("status", "kind", "body", "code"),
    [
        (200, "text/html", HTML, "NotANode"),
        (200, "application/json", b"", "NotANode"),
        (200, "application/json", b"\xff\xfe\x00", "NotANode"),
        (200, "application/json", b"[]", "NotANode"),
        (200, "application/json", b'"hello"', "NotANode"),
        (200, "application/json", b'{"hello": "world"}', "NotANode"),
        (200, "application/json", b'{"jsonrpc":"2.0","id":0,"result":"many"}', "NotANode"),
        (200, "application/json", b'{"jsonrpc":"2.0","id":0,"result":null}', "NotANode"),
        (404, "text/html", HTML, "NodeRefuses"),
        (429, "text/plain", b"slow down", "NodeRefuses"),
        (500, "text/plain", b"oops", "NodeRefuses"),
        (400, "application/json", b'{"error":{"code":-32600,"message":"no"}}', "NodeRefuses"),
    ],
)
def test_a_web_server_that_is_no_node(status, kind, body, code):
    with http_node(lambda _: (status, kind, body)) as url:
        assert refused(lambda: open_chain(url))[0] == code


def test_a_slow_node():
    def answer(_):
        time.sleep(1.5)
        return 200, "application/json", b"{}"

    with http_node(answer) as url:
        code, message = refused(lambda: open_chain(url, settings=Settings(request_seconds=1)))
    assert code == "NodeSlow"
    assert "did not answer eth_chainId within 1 s" in message


def test_secrets_of_a_url_are_in_no_error():
    with http_node(lambda _: (200, "text/html", HTML)) as url:
        port = url.rsplit(":", 1)[1]
        for bad in (f"http://user:SECRET@127.0.0.1:{port}/v3/SECRET?key=SECRET", "http://127.0.0.1:1/SECRET"):
            assert "SECRET" not in refused(lambda bad=bad: open_chain(bad))[1]


def head(number, mark="aa", **more):
    return {
        "number": hex(number),
        "hash": "0x" + mark * 32,
        "timestamp": hex(1_000 + number),
        "baseFeePerGas": hex(GWEI),
        "gasLimit": hex(30_000_000),
        **more,
    }


def scripted(**answers):
    """A node at block 5 of chain 7 that knows little else."""
    node = Scripted({"eth_chainId": "0x7", "eth_getBlockByNumber": lambda which, _: head(5)} | answers)
    return node, http_node(answering(node))


def test_another_chain():
    _, serving = scripted()
    with serving as url:
        assert open_chain(url, chain_id=7).chain_id == 7
        code, message = refused(lambda: open_chain(url, chain_id=1))
        assert code == "WrongChain"
        assert message == f"chain: the ledger is on chain 1, {url} is on chain 7; is the URL right?"
        code, message = refused(lambda: open_chain(url, chain_id=7, genesis_hash=b"\xbb" * 32))
        assert code == "WrongChain"
        assert "started anew" in message


def test_time_of_a_node_that_names_no_next_block():
    """The clock's; the latest block's plus a second where the clock is behind it."""

    def block(which, _):
        return None if which == "pending" else head(5)

    for now, expected in ((5_000, 5_000), (10, 1_006)):
        _, serving = scripted(eth_getBlockByNumber=block)
        with serving as url:
            assert open_chain(url, clock=SimulatedClock(now)).now() == expected


def test_a_call_that_halts_reverts_or_is_refused():
    answers = iter(
        [
            {"error": {"code": 3, "message": "execution reverted", "data": "0x01020304"}},
            {"error": {"code": -32000, "message": "out of gas"}},
            {"error": {"code": -32000, "message": "header not found"}},
        ]
    )
    _, serving = scripted(eth_call=lambda *_: next(answers))
    with serving as url:
        chain = open_chain(url)
        for output, code in ((b"\1\2\3\4", "Reverted"), (b"", "Halted")):
            with pytest.raises(CallReverted) as caught:
                chain.call(TO, b"")
            assert (caught.value.data, caught.value.code) == (output, code)
        assert refused(lambda: chain.call(TO, b""))[0] == "NodeRefuses"


def test_a_node_that_simulates_nothing():
    """One call is tried by itself; a sequence is refused with the reason."""
    node, serving = scripted(eth_call="0x05")
    with serving as url:
        chain = open_chain(url)
        assert not chain.simulates
        (receipt,) = chain.simulate([Call(TO, TO)])
        assert receipt.return_data == b"\5"
        code, message = refused(lambda: chain.simulate([Call(TO, TO)] * 2))
        assert code == "CannotSimulate"
        assert "no eth_simulateV1" in message
    assert node.count("eth_simulateV1") == 1, "asked once whether it can"


def test_logs_in_ranges_as_small_as_the_node_likes():
    """It gives three blocks at once; every log comes once and in order."""
    spans = []

    def logs(asked):
        first, last = int(asked["fromBlock"], 16), int(asked["toBlock"], 16)
        if last - first > 2:
            return {"error": {"code": -32005, "message": "query returned more than 3 blocks"}}
        spans.append((first, last))
        return [
            {
                "address": "0x" + "11" * 20,
                "topics": [],
                "data": "0x",
                "blockNumber": hex(n),
                "blockTimestamp": hex(1_000 + n),
                "transactionHash": "0x" + "22" * 32,
                "transactionIndex": "0x0",
                "logIndex": hex(k),
                "removed": k == 2,
            }
            for n in range(first, last + 1)
            for k in (1, 0, 2)
        ]

    _, serving = scripted(eth_getLogs=logs, eth_getBlockByNumber=lambda which, _: head(20))
    with serving as url:
        chain = open_chain(url, start_block=4)
        found = [(e.height, e.log_index, e.timestamp) for e in chain.events()]
    assert found == [(n, k, 1_000 + n) for n in range(4, 21) for k in (0, 1)]
    assert spans == [(n, min(n + 1, 20)) for n in range(4, 21, 2)]


@pytest.mark.parametrize(("absences", "code"), [(0, None), (2, None), (99, "Reorganised")])
def test_a_server_that_is_a_block_behind_is_no_reorganisation(absences, code):
    """Behind one URL are several servers: a block that was read may be missing for a moment, not for long."""
    missing = iter([False] * 3 + [True] * absences)

    def block(which, _):
        return None if which == "0x5" and next(missing, False) else head(5)

    _, serving = scripted(eth_getLogs=[], eth_getBlockByNumber=block)
    with serving as url:
        chain = open_chain(url, settings=Settings(lag_milliseconds=600))
        assert [list(chain.events()) for _ in range(4)] == [[]] * 4
        if code is None:
            assert chain.height == 5
        else:
            assert refused(lambda: chain.height)[0] == code


# --- stuck, dropped, overtaken ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def node():
    with anvil() as url:
        yield url


def funded(url, seed, settings=QUICK):
    chain, key = open_chain(url, settings=settings), SigningKey.from_seed(seed)
    chain.node.request("anvil_setBalance", "0x" + key.address.hex(), hex(10**21))
    return chain, key


def pay(key, wei=1):
    return Unsigned(key, TO, b"", wei)


def hooked(chain, method, after):
    """Call `after(times)` when the method was answered."""
    send, times = chain.node.send, []

    def sending(name, parameters):
        answer = send(name, parameters)
        if name == method:
            times.append(parameters)
            after(len(times))
        return answer

    chain.node.send = sending
    return times


@pytest.fixture
def quiet(node):
    """anvil that mines when told."""
    connect(node).request("evm_setAutomine", False)
    yield node
    connect(node).request("evm_setAutomine", True)
    connect(node).request("evm_mine")


def dearer(chain, item):
    """A transaction with nonce 0 that no other replaces unawares."""
    return chain._outbox.write(item, 0, 50_000, Fee(50 * GWEI, 90 * GWEI)).raws[0]


def transaction(chain, receipt):
    return chain.node.request("eth_getTransactionByHash", "0x" + receipt.transaction_hash.hex())


@needs_anvil
@pytest.mark.node
class TestOnAnvil:
    def test_a_stuck_transaction_is_raised_by_an_eighth(self, quiet):
        chain, key = funded(quiet, "stuck")
        control = connect(quiet)
        (raw,) = chain.sign([pay(key)])
        sent = hooked(chain, "eth_sendRawTransaction", lambda n: control.request("evm_mine") if n == 3 else None)
        (receipt,) = chain.submit([raw])
        assert receipt.status
        assert len(sent) == 3
        assert len({item[0] for item in sent}) == 3
        mined = transaction(chain, receipt)
        assert int(mined["nonce"], 16) == 0
        first = 2 * GWEI * 9 // 8 * 9 // 8
        assert int(mined["maxFeePerGas"], 16) >= first
        assert int(mined["maxPriorityFeePerGas"], 16) >= GWEI * 81 // 64

    def test_the_cap_stops_the_raises(self, quiet):
        """It waits, and then says that it waited."""
        chain, key = funded(quiet, "capped", Settings(receipt_seconds=3, patience_seconds=1, fee_cap=3 * GWEI))
        (raw,) = chain.sign([pay(key)])
        sent = hooked(chain, "eth_sendRawTransaction", lambda n: None)
        code, message = refused(lambda: chain.submit([raw]))
        assert code == "NotMined"
        assert "cap 3 gwei" in message
        assert "it may still be" in message
        assert len(sent) <= 2

    def test_a_dropped_transaction_is_sent_again(self, quiet):
        chain, key = funded(quiet, "dropped")
        control = connect(quiet)

        def act(times):
            if times == 1:
                control.request("anvil_dropAllTransactions")
            else:
                control.request("evm_mine")

        raws = chain.sign([pay(key)])
        sent = hooked(chain, "eth_sendRawTransaction", act)
        (receipt,) = chain.submit(raws)
        assert receipt.status
        assert len(sent) == 2
        assert sent[0] == sent[1], "the same, not a second one"

    def test_a_nonce_that_another_used(self, node):
        ours, key = funded(node, "used")
        theirs, _ = funded(node, "used")
        raws = ours.sign([pay(key, 1), pay(key, 2)])
        assert theirs.submit(theirs.sign([pay(key, 4)]))[0].status
        receipts = ours.submit(raws)
        assert [int(transaction(ours, r)["nonce"], 16) for r in receipts] == [1, 2]
        assert [int(transaction(ours, r)["value"], 16) for r in receipts] == [1, 2]
        assert ours.nonce(key.address) == 3

    def test_a_nonce_that_another_has_in_the_pool(self, quiet):
        ours, key = funded(quiet, "pooled")
        theirs, _ = funded(quiet, "pooled")
        control = connect(quiet)
        (raw,) = ours.sign([pay(key, 1)])
        theirs.node.request("eth_sendRawTransaction", "0x" + dearer(theirs, pay(key, 4)).hex())
        hooked(ours, "eth_sendRawTransaction", lambda n: control.request("evm_mine") if n == 2 else None)
        (receipt,) = ours.submit([raw])
        assert int(transaction(ours, receipt)["nonce"], 16) == 1

    def test_one_that_another_replaced(self, quiet):
        """The key's other user raised our nonce: ours is sent again under the next one, once."""
        ours, key = funded(quiet, "replaced")
        theirs, _ = funded(quiet, "replaced")
        control = connect(quiet)
        (raw,) = ours.sign([pay(key, 1)])
        other = dearer(theirs, pay(key, 4))

        def act(times):
            if times == 1:
                theirs.node.request("eth_sendRawTransaction", "0x" + other.hex())
            control.request("evm_mine")

        hooked(ours, "eth_sendRawTransaction", act)
        (receipt,) = ours.submit([raw])
        mined = transaction(ours, receipt)
        assert (int(mined["nonce"], 16), int(mined["value"], 16)) == (1, 1)
        control.request("evm_mine")
        assert ours.nonce(key.address) == 2, "nothing was sent twice"

    @pytest.mark.slow
    def test_two_processes_with_one_key(self, node):
        """Thirty transactions of two processes at once: each mined once."""
        chain, key = funded(node, "together")
        program = (
            "import sys; sys.path.insert(0, sys.argv[2])\n"
            "from tests.behaviour.chain.test_rpc_troubles import *\n"
            "chain, key = open_chain(sys.argv[1]), SigningKey.from_seed('together')\n"
            "done = [r for _ in range(5) for r in chain.submit(chain.sign([pay(key)] * 3))]\n"
            "print(sum(r.status for r in done), len({r.transaction_hash for r in done}))\n"
        )
        root = str(ANVIL.parents[5])
        both = [
            subprocess.Popen(
                [sys.executable, "-W", "ignore", "-c", program, node, root], stdout=subprocess.PIPE, text=True
            )
            for _ in range(2)
        ]
        assert [process.communicate(timeout=100)[0].split() for process in both] == [["15", "15"]] * 2
        assert chain.nonce(key.address) == 30

    def test_no_ether(self, node):
        chain, key = open_chain(node, settings=QUICK), SigningKey.from_seed("poor")
        code, message = refused(lambda: chain.submit(chain.sign([pay(key)])))
        assert code == "NoFunds"
        assert "0x" + key.address.hex() in message
        assert "has 0 ETH" in message

    def test_a_base_fee_above_the_cap(self, node):
        chain = open_chain(node, settings=Settings(fee_cap=1))
        code, message = refused(lambda: chain.sign([pay(KEY)]))
        assert code == "FeeAboveCap"
        assert "cap of 0.000000001 gwei" in message

    def test_a_node_that_goes_away(self):
        with anvil() as url:
            chain, key = funded(url, "left")
            raws = chain.sign([pay(key)])
        assert refused(lambda: chain.submit(raws))[0] == "NodeDown"

    def test_a_transaction_signed_elsewhere(self, node):
        ours, key = funded(node, "elsewhere")
        theirs = open_chain(node, settings=QUICK)
        raws = theirs.sign([pay(key, 3)])
        (receipt,) = ours.submit(raws)
        assert receipt.status
        assert ours.submit(raws)[0].transaction_hash == receipt.transaction_hash, "it is there already"

    def test_blocks_that_go_away_are_noticed(self, node):
        chain, key = funded(node, "fork")
        control = connect(node)
        mark = control.request("evm_snapshot")
        (receipt,) = chain.submit(chain.sign([pay(key)]))
        assert chain.height == receipt.height
        control.request("evm_revert", mark)
        code, message = refused(lambda: chain.height)
        assert code == "Reorganised"
        assert f"block {receipt.height} " in message
        assert "gone" in message
        control.request("evm_mine")
        code, message = refused(lambda: list(chain.events()))
        assert code == "Reorganised"
        assert "is now 0x" in message
        assert open_chain(node).height == receipt.height, "opened anew it reads what is there now"


def test_the_scripted_node_speaks_json():
    node = Scripted({"eth_chainId": "0x1"})
    _, _, body = answering(node)(b'[{"id":1,"method":"eth_chainId","params":[]},{"id":2,"method":"no","params":[]}]')
    assert [item.get("result") for item in json.loads(body)] == ["0x1", None]
