"""What is wrong with a connection to a node: one check a line, each with its cure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from time import monotonic_ns
from typing import Any

from tbill_defi.chain.dev import client_of, is_dev
from tbill_defi.chain.executor import (
    DEPLOYMENT_PROXY,
    DEPLOYMENT_PROXY_CODE,
    TRANSACTION_GAS,
    executor_factory,
)
from tbill_defi.chain.rpc import RpcChain, Settings, open_chain
from tbill_defi.chain.rpc_fees import FEE_CAP, fee_for, gwei, suggested_tip
from tbill_defi.chain.rpc_outbox import ether
from tbill_defi.core.clock import Clock, market_date
from tbill_defi.core.errors import LedgerError, TbillError
from tbill_defi.ledger.abi import decode_log
from tbill_defi.ledger.chain_file import ChainFile
from tbill_defi.ledger.deployment import SALT, Contracts, plan_deployment

OK, WARNING, WRONG = "ok", "warning", "wrong"
SKEW_SECONDS = 120
"""A chain whose latest block is older than this, or as far in the future, is told apart from the clock."""
SLOW_MILLISECONDS = 2_000

_READ_CODE = bytes.fromhex("5f35803b805f5f843c5ff3")
"""Runtime of a contract that returns the code of the address in its call data."""
_READER = b"\xc0" * 20


@dataclass(frozen=True, slots=True)
class Check:
    """What was looked at, "ok", "warning" or "wrong", and what was seen."""

    name: str
    state: str
    detail: str


def examine(
    target: Any, *, clock: Clock, stored: ChainFile | None = None, accounts: Mapping[str, bytes] | None = None
) -> list[Check]:
    """All checks of a node, and of the ledger that `stored` says is there.

    Parameters
    ----------
    accounts
        Key name -> account of the keys that pay for gas.
    """
    try:
        settings = Settings(request_seconds=10, fee_cap=stored.fee_cap if stored else FEE_CAP)
        chain = open_chain(target, clock=clock, decoder=decode_log, settings=settings)
        started = monotonic_ns()
        client = client_of(chain.node)
    except TbillError as error:
        return [Check("reachable", WRONG, str(error).removeprefix("chain: "))]
    took = (monotonic_ns() - started) // 1_000_000
    checks = [Check("reachable", OK if took < SLOW_MILLISECONDS else WARNING, f"{chain.url}, {client}, {took} ms")]
    looks: dict[str, Callable[[str], Check]] = {
        "chain id": partial(_chain_id, chain, stored),
        "sync": partial(_syncing, chain),
        "latest block": partial(_latest, chain, clock),
        "fees": partial(_fees, chain),
        "abilities": partial(_abilities, chain),
        "deployment proxy": partial(_proxy, chain),
        "contracts": partial(_contracts, chain, stored),
        **{f"key {name}": partial(_funds, chain, address) for name, address in (accounts or {}).items()},
    }
    for name, look in looks.items():
        try:
            checks.append(look(name))
        except LedgerError as error:
            checks.append(Check(name, WRONG, str(error).removeprefix("chain: ")))
    return checks


def _chain_id(chain: RpcChain, stored: ChainFile | None, name: str) -> Check:
    if stored is None:
        return Check(name, OK, f"{chain.chain_id}")
    if stored.chain_id != chain.chain_id:
        detail = f"{chain.chain_id}; the ledger is on chain {stored.chain_id}: is the URL right?"
        return Check(name, WRONG, detail)
    if chain.node.block(0).hash != stored.genesis_hash:
        return Check(name, WRONG, f"{chain.chain_id}, but another block 0: the dev node was started anew")
    return Check(name, OK, f"{chain.chain_id}, block 0 is the ledger's")


def _syncing(chain: RpcChain, name: str) -> Check:
    answer = chain.node.request("eth_syncing")
    if answer is False:
        return Check(name, OK, "in sync, as it says")
    return Check(name, WRONG, "the node is still syncing: what it answers is old")


def _latest(chain: RpcChain, clock: Clock, name: str) -> Check:
    tip, now = chain.tip(), chain.now()
    behind = clock.now() - now
    seen = f"block {tip.number}; market date {market_date(now)} by the node's next block"
    if abs(behind) <= SKEW_SECONDS:
        return Check(name, OK, f"{seen}, {abs(behind)} s from this machine's clock")
    side = "behind" if behind > 0 else "ahead of"
    what = f"{seen}, {abs(behind)} s {side} this machine's clock"
    if is_dev(chain.node):
        return Check(name, OK, what + " (a development node's time is its own)")
    return Check(name, WRONG, what + ": the node lags, or the clock is wrong")


def _fees(chain: RpcChain, name: str) -> Check:
    base_fee, cap = chain.tip().base_fee, chain.settings.fee_cap
    fee = fee_for(base_fee, suggested_tip(chain.node), cap)
    return Check(name, OK, f"base fee {gwei(base_fee)}, tip {gwei(fee.tip)}, cap {gwei(cap)}")


def _abilities(chain: RpcChain, name: str) -> Check:
    chain.node.ask([("eth_chainId", ()), ("eth_blockNumber", ())])
    batches = "takes batches" if chain.node.batches else "takes no batches"
    if chain.simulates:
        return Check(name, OK, f"simulates sequences; {batches}")
    return Check(
        name,
        WARNING,
        f"no eth_simulateV1: steps are tried and sent one by one, plans need deposits first; {batches}",
    )


def _proxy(chain: RpcChain, name: str) -> Check:
    found = chain.code(DEPLOYMENT_PROXY)
    if found == DEPLOYMENT_PROXY_CODE:
        return Check(name, OK, "there, with its code")
    if found:
        return Check(name, WRONG, f"0x{DEPLOYMENT_PROXY.hex()} holds other code")
    return Check(name, WARNING, "absent; `tbill init --chain` sends its transaction (0.01 ETH)")


def _contracts(chain: RpcChain, stored: ChainFile | None, name: str) -> Check:
    if stored is None:
        return Check(name, WARNING, "this home has no ledger on a node yet")
    named = Contracts.from_extras(stored.records)
    admin = bytes.fromhex(stored.records.get("admin", "0x")[2:])
    planned, codes = plan_deployment(admin)
    if planned != named:
        return Check(name, WRONG, "not those of this version's artifacts and this administrator")
    expected = expected_code(chain.chain_id, admin, named, codes)
    absent, other = [], []
    for record, place in stored.records.items():
        address = bytes.fromhex(place[2:])
        if record.startswith("contract.") and address in expected:
            code = chain.code(address)
            if not code:
                absent.append(record.removeprefix("contract."))
            elif code != expected[address]:
                other.append(record.removeprefix("contract."))
    if absent or other:
        parts = [f"without code: {', '.join(absent)}"] * bool(absent) + [f"with other code: {', '.join(other)}"] * bool(
            other
        )
        return Check(name, WRONG, "; ".join(parts))
    return Check(name, OK, f"{len(expected)} contracts, code equal to the artifacts'")


def expected_code(chain_id: int, admin: bytes, contracts: Contracts, codes: list[bytes]) -> dict[bytes, bytes]:
    """Runtime code of each contract, immutables included: from the same deployment in an EVM of this process."""
    machine = executor_factory()(chain_id, {DEPLOYMENT_PROXY: DEPLOYMENT_PROXY_CODE, _READER: _READ_CODE})
    machine.set_block(1, 1)
    for code in codes:
        machine.execute(admin, DEPLOYMENT_PROXY, SALT + code)
    return {
        address: machine.execute(admin, _READER, address.rjust(32, b"\0")).output for address in contracts.addresses()
    }


def _funds(chain: RpcChain, address: bytes, name: str) -> Check:
    wei = chain.balance(address)
    need = TRANSACTION_GAS * fee_for(chain.tip().base_fee, suggested_tip(chain.node), chain.settings.fee_cap).max_fee
    seen = f"0x{address.hex()} has {ether(wei)}"
    if wei >= need:
        return Check(name, OK, seen)
    return Check(name, WARNING if wei else WRONG, f"{seen}; the largest transaction reserves {ether(need)}")
