"""Every line of `tbill chain doctor` about what can be wrong, on a node that answers as it is told."""

import pytest

from tbill_defi.chain.executor import DEPLOYMENT_PROXY_CODE, TRANSACTION_GAS
from tbill_defi.chain.rpc_fees import GWEI
from tbill_defi.core.clock import SimulatedClock
from tbill_defi.ledger.chain_file import ChainFile
from tbill_defi.ledger.deployment import plan_deployment
from tbill_defi.ledger.doctor import examine
from tests.behaviour.nodes import ANVIL, Scripted, answering, anvil, http_node
from tests.unit.ledger.support import START

ADMIN = b"\xad" * 20
GENESIS = b"\xaa" * 32
CAP = 50 * GWEI
PROXY = "0x" + DEPLOYMENT_PROXY_CODE.hex()
PAYER = {"operator": b"\x0f" * 20}


def head(**changes):
    return {
        "number": "0x5",
        "hash": "0x" + GENESIS.hex(),
        "timestamp": hex(START),
        "baseFeePerGas": hex(GWEI),
        "gasLimit": hex(30_000_000),
        **changes,
    }


def node(**answers):
    """In sync, on time, on chain 7, rich, with batches and simulation; unless told otherwise."""
    usual = {
        "eth_chainId": "0x7",
        "eth_blockNumber": "0x5",
        "web3_clientVersion": "Scripted/1.0",
        "eth_syncing": False,
        "eth_getBlockByNumber": lambda which, _: head(),
        "eth_maxPriorityFeePerGas": hex(GWEI),
        "eth_getCode": lambda address, _: PROXY,
        "eth_getBalance": hex(10**18),
        "eth_simulateV1": [{"calls": [{"status": "0x1", "returnData": "0x", "gasUsed": "0x5208", "logs": []}]}],
    }
    return http_node(answering(Scripted(usual | answers)))


def stored(chain_id=7, *, genesis=GENESIS, url="http://127.0.0.1"):
    contracts, _ = plan_deployment(ADMIN)
    records = {"admin": "0x" + ADMIN.hex(), **contracts.to_extras()}
    return ChainFile(url, True, chain_id, genesis, 0, 0, True, CAP, records)


def found(serving, file=None, *, now=START):
    with serving as url:
        return {
            c.name: (c.state, c.detail) for c in examine(url, clock=SimulatedClock(now), stored=file, accounts=PAYER)
        }


def test_nothing_is_wrong():
    checks = found(node())
    assert {name for name, (state, _) in checks.items() if state != "ok"} == {"contracts"}
    assert checks["contracts"] == ("warning", "this home has no ledger on a node yet")
    assert checks["chain id"] == ("ok", "7")
    assert "Scripted/1.0" in checks["reachable"][1]


@pytest.mark.parametrize(
    ("file", "state", "detail"),
    [
        (stored(), "ok", "7, block 0 is the ledger's"),
        (stored(1), "wrong", "7; the ledger is on chain 1: is the URL right?"),
        (stored(genesis=b"\xbb" * 32), "wrong", "7, but another block 0: the dev node was started anew"),
    ],
    ids=["right", "another chain", "started anew"],
)
def test_the_chain(file, state, detail):
    assert found(node(), file)["chain id"] == (state, detail)


@pytest.mark.parametrize(
    ("answers", "now", "name", "state", "detail"),
    [
        ({"eth_syncing": {"currentBlock": "0x1"}}, START, "sync", "wrong", "the node is still syncing"),
        ({}, START + 3_600, "latest block", "wrong", "3600 s behind this machine's clock: the node lags, or the clock"),
        ({}, START - 3_600, "latest block", "wrong", "3600 s ahead of this machine's clock"),
        ({"web3_clientVersion": "anvil/v1.7.1"}, START + 3_600, "latest block", "ok", "a development node's time"),
        (
            {"eth_getBlockByNumber": lambda which, _: head(baseFeePerGas=hex(60 * GWEI))},
            *(START, "fees", "wrong", "the base fee is 60 gwei per gas, above the cap of 50 gwei; wait, or raise"),
        ),
        ({"eth_simulateV1": {"error": {"code": -32601, "message": "no"}}}, START, "abilities", "warning", "one by one"),
        ({"eth_getCode": "0x"}, START, "deployment proxy", "warning", "absent; `tbill init --chain` sends its transac"),
        ({"eth_getCode": "0x00"}, START, "deployment proxy", "wrong", "holds other code"),
        ({"eth_getCode": "0x"}, START, "contracts", "wrong", "without code: role_manager"),
        ({"eth_getBalance": "0x0"}, START, "key operator", "wrong", "has 0 ETH; the largest transaction reserves 0.0"),
        ({"eth_getBalance": "0x1"}, START, "key operator", "warning", "0.000000000000000001 ETH; the largest"),
        ({"eth_getBalance": "many"}, START, "key operator", "wrong", "many"),
    ],
)
def test_what_is_wrong_is_named(answers, now, name, state, detail):
    checks = found(node(**answers), stored(), now=now)
    assert checks[name][0] == state
    assert detail in checks[name][1]


def test_the_ledgers_own_cap_counts():
    """A base fee above the usual cap and below the ledger's is no trouble, neither of fees nor of keys."""
    dear = {"eth_getBlockByNumber": lambda which, _: head(baseFeePerGas=hex(600 * GWEI)), "eth_getBalance": hex(10**20)}
    file = stored()
    raised = ChainFile(**{name: getattr(file, name) for name in file.__slots__} | {"fee_cap": 2_000 * GWEI})
    checks = found(node(**dear), raised)
    assert checks["fees"] == ("ok", "base fee 600 gwei, tip 1 gwei, cap 2000 gwei")
    assert checks["key operator"][0] == "ok"
    assert TRANSACTION_GAS * 1_201 * GWEI < 10**20


@pytest.mark.node
@pytest.mark.skipif(not ANVIL.exists(), reason="anvil is not installed: npm ci in contracts")
def test_another_chain_under_the_same_url(tmp_path):
    """Doctor and every other command name both chains."""
    from tbill_defi.core.errors import LedgerError
    from tbill_defi.ledger.node import chain_path
    from tbill_defi.ledger.open import create_ledger, open_ledger

    with anvil(at=START) as url:
        create_ledger(home=tmp_path, chain=url, light_keys=True).close()
    with anvil("--chain-id", "99", at=START) as other:
        text = chain_path(tmp_path).read_text()
        chain_path(tmp_path).write_text(text.replace(url, other))
        with pytest.raises(LedgerError, match=f"is on chain 31337, {other} is on chain 99; is the URL right") as caught:
            open_ledger(home=tmp_path, read_only=True)
        assert caught.value.code == "WrongChain"
        checks = {
            c.name: c for c in examine(other, clock=SimulatedClock(START), stored=ChainFile.read(chain_path(tmp_path)))
        }
        assert checks["chain id"].state == "wrong"
        assert checks["chain id"].detail == "99; the ledger is on chain 31337: is the URL right?"
