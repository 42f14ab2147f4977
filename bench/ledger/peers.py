"""Other ways to settle the same instructions through the same contracts: anvil fed raw batches, web3, eth-tester."""

from __future__ import annotations

import json
import subprocess
import urllib.request
from collections.abc import Sequence
from contextlib import AbstractContextManager
from importlib.metadata import version
from time import perf_counter
from typing import Any

from bench.ledger.world import World
from tbill_defi.core.hashing import keccak256
from tbill_defi.ledger.abi import encode_call
from tbill_defi.ledger.ledger import OPERATOR
from tbill_defi.ledger.settlement import SignedInstruction
from tests.behaviour.nodes import ANVIL, anvil

GAS, BLOCK_GAS, FEE = 500_000, 10**9, 10**11
RICH = hex(10**24)
SECRET = keccak256(OPERATOR.encode())
"""The operator's key, as `World` has it."""


def node() -> AbstractContextManager[str]:
    """URL of an anvil whose blocks hold a batch."""
    return anvil("--gas-limit", str(BLOCK_GAS))


def versions() -> dict[str, str]:
    """Of the peers."""
    told = subprocess.run([str(ANVIL), "--version"], capture_output=True, text=True, check=True).stdout
    return {"anvil": told.split()[2].split("-")[0], "web3": version("web3"), "eth-tester": version("eth-tester")}


def tester_provider() -> Any:
    """A fresh eth-tester behind web3's provider."""
    from web3 import EthereumTesterProvider

    from tbill_defi.chain.rpc_tester import make_tester

    return EthereumTesterProvider(make_tester(None))


def ask(url: str, *requests: tuple[str, list[Any]]) -> list[Any]:
    """Results of a batch of JSON-RPC requests, in one HTTP request."""
    body = [{"jsonrpc": "2.0", "id": i, "method": m, "params": p} for i, (m, p) in enumerate(requests)]
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    asked = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with opener.open(asked, timeout=600) as answer:
        said = json.load(answer)
    found: list[Any] = [None] * len(said)
    for each in said:
        if "error" in each:
            raise SystemExit(f"{requests[each['id']][0]}: {each['error']}")
        found[each["id"]] = each["result"]
    return found


def fed_batches(world: World, url: str, signed: Sequence[SignedInstruction], per_block: int) -> float:
    """DvP a second of an anvil that is sent raw transactions, signed before, in batches of a block each."""
    from eth_account import Account
    from eth_utils import to_checksum_address

    account = Account.from_key(SECRET)
    ask(url, ("anvil_setBalance", [account.address, RICH]), ("evm_setAutomine", [False]))
    (nonce,) = ask(url, ("eth_getTransactionCount", [account.address, "latest"]))
    raws, settlement = [], to_checksum_address(world.ledger.contracts.settlement)
    for position, each in enumerate(signed):
        call = encode_call("Settlement", "settle", each.instruction.abi_value(), list(each.signatures))
        fields = {**_fields(world, int(nonce, 16) + position), "to": settlement, "data": call}
        raws.append("0x" + account.sign_transaction(fields).raw_transaction.hex().removeprefix("0x"))
    start = perf_counter()
    for first in range(0, len(raws), per_block):
        ask(url, *(("eth_sendRawTransaction", [raw]) for raw in raws[first : first + per_block]))
        ask(url, ("evm_mine", []))
        (receipts,) = ask(url, ("eth_getBlockReceipts", ["latest"]))
        if sum(int(receipt["status"], 16) for receipt in receipts) != len(raws[first : first + per_block]):
            raise SystemExit(f"anvil settled a block of {len(receipts)} transactions, not all of a batch")
    took = perf_counter() - start
    ask(url, ("evm_setAutomine", [True]))
    return len(raws) / took


def by_web3(world: World, target: Any, signed: Sequence[SignedInstruction]) -> float:
    """DvP a second of a desk that writes, signs and sends one transaction after the other with web3."""
    from web3 import HTTPProvider, Web3

    web3 = Web3(HTTPProvider(target, {"proxies": {"http": None}}) if isinstance(target, str) else target)
    account = web3.eth.account.from_key(SECRET)
    settlement = web3.eth.contract(
        Web3.to_checksum_address(world.ledger.contracts.settlement.hex()), abi=_abi("Settlement")
    )
    nonce = web3.eth.get_transaction_count(account.address)
    start = perf_counter()
    for position, each in enumerate(signed):
        call = settlement.functions.settle(each.instruction.abi_value(), list(each.signatures))
        fields = call.build_transaction(_fields(world, nonce + position))
        sent = web3.eth.send_raw_transaction(account.sign_transaction(fields).raw_transaction)
        if web3.eth.wait_for_transaction_receipt(sent, poll_latency=0.001)["status"] != 1:
            raise SystemExit("a peer's transaction reverted")
    return len(signed) / (perf_counter() - start)


def _fields(world: World, nonce: int) -> dict[str, Any]:
    return {
        "chainId": world.ledger.chain.chain_id,
        "nonce": nonce,
        "gas": GAS,
        "maxFeePerGas": FEE,
        "maxPriorityFeePerGas": 10**9,
        "value": 0,
    }


def _abi(contract: str) -> list[dict[str, Any]]:
    from importlib import resources

    text = resources.files("tbill_defi.ledger").joinpath("artifacts", f"{contract}.json").read_text()
    found: list[dict[str, Any]] = json.loads(text)["abi"]
    return found
