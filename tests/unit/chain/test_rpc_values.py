"""Answers of nodes: quantities, bytes, errors and the output of a revert in every dress."""

import pytest

from tbill_defi.chain.rpc_fees import GWEI, Fee, fee_for, gwei, raised
from tbill_defi.chain.rpc_node import Node, is_whole, shown_url
from tbill_defi.chain.rpc_outbox import ether
from tbill_defi.chain.rpc_values import RpcRefusal, block_head, log_of, octets, quantity, sequence
from tbill_defi.chain.rpc_values import tester_output as output_of_tester
from tbill_defi.core.errors import LedgerError, UsageError
from tests.behaviour.nodes import Scripted

OUTPUT = bytes.fromhex("deadbeef") + bytes(32)
TEXT = "0x" + OUTPUT.hex()


@pytest.mark.parametrize(
    "data",
    [
        TEXT,  # geth, anvil, erigon, reth
        "Reverted " + TEXT,  # parity, nethermind
        {"data": TEXT, "message": "reverted"},  # hardhat
        {"originalError": {"code": 3, "data": TEXT, "message": "execution reverted"}},  # hosted nodes
        {"0xabc1": {"error": "revert", "return": TEXT, "reason": None}, "stack": "at"},  # ganache
        {"code": 3, "data": {"data": TEXT}},
        OUTPUT,
    ],
)
def test_the_output_of_a_revert_wherever_it_is(data):
    refusal = RpcRefusal("eth_call", -32000, "something", data)
    assert refusal.output() == OUTPUT
    assert refusal.reverted


@pytest.mark.parametrize(
    ("number", "message", "reverted"),
    [
        (3, "execution reverted", True),
        (-32000, "execution reverted", True),
        (-32015, "VM execution error.", True),
        (-32000, "out of gas", True),
        (-32000, "invalid opcode: INVALID", True),
        (-32003, "EVM error OutOfGas", True),
        (-32000, "header not found", False),
        (-32601, "Method not found", False),
        (-32005, "daily request count exceeded", False),
    ],
)
def test_what_was_executed_and_what_was_not(number, message, reverted):
    refusal = RpcRefusal("eth_call", number, message)
    assert refusal.reverted is reverted
    assert refusal.output() == b""


def wrapped(*arguments):
    try:
        try:
            raise ValueError(*arguments)
        except ValueError:
            raise RuntimeError("execution reverted: something") from None
    except RuntimeError as error:
        return error


@pytest.mark.parametrize("first", [OUTPUT, repr(OUTPUT), ValueError(OUTPUT)])
def test_the_output_of_a_revert_of_eth_tester(first):
    assert output_of_tester(ValueError(first)) == OUTPUT
    assert output_of_tester(wrapped(first)) == OUTPUT


def test_no_output_of_a_revert_of_eth_tester():
    assert output_of_tester(ValueError()) == b""
    assert output_of_tester(ValueError("words")) == b""


@pytest.mark.parametrize("value", ["0x", "12", "0xzz", "0x1_0", None, True, -1, 1.5, [], {}, "-0x1", "0x-1"])
def test_no_quantity(value):
    with pytest.raises(LedgerError, match="not an answer of an Ethereum node") as caught:
        quantity(value, "nonce")
    assert caught.value.code == "NotANode"


def test_quantities_and_octets():
    assert [quantity(v, "x") for v in ("0x0", "0x1f", 31)] == [0, 31, 31]
    assert octets("0x0102", "x") == b"\1\2"
    assert octets(b"\1", "x", 1) == b"\1"
    for bad in ("0102", "0x0", "0xgg", None, 5, "0x01"):
        with pytest.raises(LedgerError):
            octets(bad, "x", 2)
    with pytest.raises(LedgerError):
        sequence({}, "x")


@pytest.mark.parametrize("raw", ["x", [], {}, {"number": "0x1"}, {"number": "0x1", "hash": "0x12", "timestamp": "0x1"}])
def test_no_block(raw):
    with pytest.raises(LedgerError):
        block_head(raw)


@pytest.mark.parametrize("raw", [None, {}, {"topics": []}, {"topics": ["0x12"], "address": "0x", "data": "0x"}])
def test_no_log(raw):
    with pytest.raises(LedgerError):
        log_of(raw)


@pytest.mark.parametrize("answer", [None, 5, "ok", [], {}, {"id": 1}])
def test_no_answer(answer):
    with pytest.raises(LedgerError) as caught:
        Node("http://h", lambda method, parameters: answer).request("eth_chainId")
    assert caught.value.code == "NotANode"


def test_errors_of_any_shape():
    for error in ("text", 5, {"message": "no"}, {"code": "x", "message": 7}, ["no"]):
        node = Node("http://h", Scripted({"eth_chainId": {"error": error}}))
        with pytest.raises(RpcRefusal, match="refuses eth_chainId"):
            node.request("eth_chainId")


@pytest.mark.parametrize("answer", [{"error": {"code": -1, "message": "no batches"}}, [], [{}], "x", None])
def test_a_node_without_batches_is_asked_one_by_one(answer):
    asked = []

    def batch(items):
        asked.append(items)
        return answer

    node = Node("http://h", Scripted({"eth_chainId": "0x1", "eth_blockNumber": "0x2"}), batch)
    wanted = [("eth_chainId", ()), ("eth_blockNumber", ()), ("eth_none", ())]
    for _ in range(2):
        one, two, none = node.ask(wanted)
        assert (one, two) == ("0x1", "0x2")
        assert none.unknown_method
    assert len(asked) == 1, "and not asked for a batch again"
    assert not node.batches


def test_fees():
    assert fee_for(10 * GWEI, 2 * GWEI, 500 * GWEI) == Fee(2 * GWEI, 22 * GWEI)
    assert fee_for(10 * GWEI, 2 * GWEI, 15 * GWEI) == Fee(2 * GWEI, 15 * GWEI), "the cap holds"
    with pytest.raises(LedgerError, match="base fee is 16 gwei per gas, above the cap of 15 gwei") as caught:
        fee_for(16 * GWEI, GWEI, 15 * GWEI)
    assert caught.value.code == "FeeAboveCap"


@pytest.mark.parametrize(("tip", "most"), [(0, 1), (1, 7), (GWEI, 3 * GWEI), (12345678901, 98765432109)])
@pytest.mark.parametrize("base", [0, 1, 50 * GWEI])
def test_a_raise_replaces_anywhere(tip, most, base):
    """Pools want at least an eighth more of both parts, and more than before."""
    new = raised(Fee(tip, most), base, 10**15)
    assert new.tip * 8 >= tip * 9
    assert new.max_fee * 8 >= most * 9
    assert new.tip > tip
    assert new.max_fee > most
    assert new.tip <= new.max_fee


def test_a_raise_stays_below_the_cap():
    assert raised(Fee(GWEI, 100 * GWEI), GWEI, 112 * GWEI) is None
    assert raised(Fee(GWEI, 96 * GWEI), 80 * GWEI, 112 * GWEI) == Fee(1_125_000_000, 112 * GWEI)


def test_figures_for_people():
    assert [gwei(v) for v in (0, GWEI, 1_500_000_000, 1)] == ["0 gwei", "1 gwei", "1.5 gwei", "0.000000001 gwei"]
    assert [ether(v) for v in (0, 10**18, 10**16, 1)] == ["0 ETH", "1 ETH", "0.01 ETH", "0.000000000000000001 ETH"]


def test_urls_are_shown_without_secrets():
    assert shown_url("https://user:pass@node.example:8443/v3/KEY?k=KEY#KEY") == "https://node.example:8443"
    assert shown_url("http://[::1]:8545/") == "http://[::1]:8545"
    assert is_whole("http://127.0.0.1:8545/")
    for url in ("https://n.example/v3/KEY", "https://n.example?k=1", "https://u:p@n.example"):
        assert not is_whole(url)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("ws://127.0.0.1:8545", "ws:// is not served"),
        ("ipc:///tmp/geth.ipc", "ipc:// is not served"),
        ("127.0.0.1:8545", "not a URL of a node"),
        ("", "not a URL"),
        ("http://", "not a URL"),
        ("http://host:port", "not a URL"),
        ("file:///etc/passwd", "file:// is not served"),
    ],
)
def test_no_url_of_a_node(url, says):
    with pytest.raises(UsageError, match=says):
        shown_url(url)
