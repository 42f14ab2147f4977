"""The face of a development chain, for tests and demos: to move time, to undo, to give ether.

No ledger uses it to settle anything: a real chain has none of this.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from tbill_defi.chain.embedded import EmbeddedChain
from tbill_defi.chain.rpc_chain import RpcChain
from tbill_defi.chain.rpc_node import Node
from tbill_defi.chain.rpc_values import RpcRefusal, hexed, octets, quantity, sequence
from tbill_defi.core.errors import LedgerError

DEV_CLIENTS = ("anvil", "hardhat", "ethereumtester", "ganache")


class DevChain(Protocol):
    """What only a development chain can do."""

    def set_next_time(self, timestamp: int) -> None:
        """Time of the next block, Unix seconds; after the latest block's."""
        ...

    def snapshot(self) -> Any:
        """Mark the state; a mark serves once."""
        ...

    def revert(self, mark: Any) -> None:
        """Go back to a mark: its blocks are gone."""
        ...


def client_of(node: Node) -> str:
    """What the node calls itself, such as "anvil/v1.7.1"."""
    try:
        return str(node.request("web3_clientVersion"))
    except RpcRefusal:
        return "a node that does not say what it is"


def is_dev(node: Node) -> bool:
    """Whether the node is a development node: its ether is worth nothing, its accounts are open."""
    return client_of(node).lower().startswith(DEV_CLIENTS)


def dev_chain(chain: EmbeddedChain | RpcChain) -> DevChain:
    """The development face of a chain.

    Raises
    ------
    LedgerError
        If it has none (code "NotDev").
    """
    if isinstance(chain, EmbeddedChain):
        return _EmbeddedDev(chain)
    if chain.node.machine is not None:
        return _TesterDev(chain)
    if is_dev(chain.node):
        return _NodeDev(chain)
    raise LedgerError(f"chain: {chain.url} is {client_of(chain.node)}, not a development node", "NotDev")


class _EmbeddedDev:
    """An embedded ledger with a simulated clock; its journal undoes nothing."""

    def __init__(self, chain: EmbeddedChain) -> None:
        self._chain = chain

    def set_next_time(self, timestamp: int) -> None:
        self._chain.advance_clock(timestamp - self._chain.now())

    def snapshot(self) -> Any:
        raise LedgerError("chain: a journal cannot be undone", "NotDev")

    def revert(self, mark: Any) -> None:
        raise LedgerError("chain: a journal cannot be undone", "NotDev")


class _TesterDev:
    def __init__(self, chain: RpcChain) -> None:
        self._chain = chain

    def set_next_time(self, timestamp: int) -> None:
        self._chain.node.machine.set_next_time(timestamp)

    def snapshot(self) -> Any:
        return self._chain.node.request("evm_snapshot")

    def revert(self, mark: Any) -> None:
        self._chain.node.request("evm_revert", mark)
        self._chain.forget_above(self._chain.node.tip().number)


class _NodeDev:
    def __init__(self, chain: RpcChain) -> None:
        self._chain = chain

    def set_next_time(self, timestamp: int) -> None:
        self._chain.node.request("evm_setNextBlockTimestamp", hex(timestamp))

    def snapshot(self) -> Any:
        return self._chain.node.request("evm_snapshot")

    def revert(self, mark: Any) -> None:
        if self._chain.node.request("evm_revert", mark) is not True:
            raise LedgerError("chain: the node has no such mark", "NodeRefuses")
        self._chain.forget_above(self._chain.node.tip().number)


def open_accounts(node: Node) -> Sequence[tuple[bytes, int]]:
    """Accounts that a development node signs for, with their wei; none elsewhere."""
    if not is_dev(node):
        return ()
    found = [octets(item, "account", 20) for item in sequence(node.request("eth_accounts"), "accounts")]
    balances = node.results([("eth_getBalance", (hexed(address), "latest")) for address in found])
    return [(address, quantity(wei, "balance")) for address, wei in zip(found, balances, strict=True)]


def send_from_open_account(chain: RpcChain, sender: bytes, to: bytes, wei: int) -> None:
    """Move ether from an account the development node signs for."""
    if chain.node.machine is not None:
        chain.node.machine.touch()
    asked = {"from": hexed(sender), "to": hexed(to), "value": hex(wei), "gas": hex(21_000)}
    found = octets(chain.node.request("eth_sendTransaction", asked), "transaction hash", 32)
    chain.await_hash(found)
