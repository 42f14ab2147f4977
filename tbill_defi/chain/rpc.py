"""A ledger on a node: anvil, geth and their kin by http, or an eth-tester in this process.

The one module that imports web3, and it only sends with it: requests, answers and errors are read by `rpc_node` and
`rpc_values`, so that every node answers alike.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from tbill_defi.chain.rpc_chain import RpcChain
from tbill_defi.chain.rpc_node import TESTER_URL, Node, Request, is_loopback, shown_url
from tbill_defi.chain.rpc_outbox import Settings
from tbill_defi.chain.rpc_values import hexed, tester_output
from tbill_defi.chain.types import EventDecoder
from tbill_defi.core.clock import Clock, SystemClock
from tbill_defi.core.errors import LedgerError, UsageError

__all__ = ["RpcChain", "Settings", "connect", "open_chain"]


def open_chain(
    target: Any,
    *,
    clock: Clock | None = None,
    records: Mapping[str, str] | None = None,
    decoder: EventDecoder | None = None,
    start_block: int = 0,
    chain_id: int | None = None,
    genesis_hash: bytes | None = None,
    settings: Settings | None = None,
    at: int | None = None,
) -> RpcChain:
    """A chain on a node.

    Parameters
    ----------
    target, at
        As in `connect`; a `Node` is taken as it is.
    chain_id, genesis_hash
        What the node must have, if given.

    Raises
    ------
    LedgerError
        If it is on another chain (code "WrongChain"), down ("NodeDown"), slow ("NodeSlow"), or no node ("NotANode").
    """
    time = clock or SystemClock()
    tester_clock = clock if clock is not None else None if at is not None else time
    node = target if isinstance(target, Node) else connect(target, settings=settings, clock=tester_clock, at=at)
    chain = RpcChain(node, clock=time, records=records, decoder=decoder, start_block=start_block, settings=settings)
    if chain_id is not None and chain.chain_id != chain_id:
        raise LedgerError(
            f"chain: the ledger is on chain {chain_id}, {chain.url} is on chain {chain.chain_id}; is the URL right?",
            "WrongChain",
        )
    if genesis_hash is not None:
        found = node.block(0)
        if found is None or found.hash != genesis_hash:
            raise LedgerError(
                f"chain: {chain.url} has the chain id {chain.chain_id}, but not the block 0 of this ledger's chain: "
                "a dev node that was started anew has lost it; make one there with `tbill init --chain`, another home",
                "WrongChain",
            )
    return chain


def connect(
    target: Any, *, settings: Settings | None = None, clock: Clock | None = None, at: int | None = None
) -> Node:
    """A connection to a node; nothing is sent yet.

    Parameters
    ----------
    target
        "http://127.0.0.1:8545", "https://HOST/...", "eth-tester:" (fresh, gone with the process), or an
        `EthereumTesterProvider` of one's own.
    clock
        An eth-tester's blocks follow it; None: each block is a second after the one before.
    at
        Time of block 0 of a fresh eth-tester, Unix seconds; None: now.
    """
    if not isinstance(target, str):
        return _tester_node(target, clock)
    shown = shown_url(target)
    if shown == TESTER_URL:
        return _tester_node(None, clock, at)
    import requests
    from web3 import HTTPProvider
    from web3.types import RPCEndpoint

    session = requests.Session()
    session.trust_env = not is_loopback(target)
    session.max_redirects = 3
    seconds = (settings or Settings()).request_seconds
    provider = HTTPProvider(target, {"timeout": seconds}, session=session, exception_retry_configuration=None)

    def guarded(what: str, send: Any) -> Any:
        try:
            return send()
        except requests.HTTPError as error:
            return _http_error(shown, error)
        except (requests.Timeout, TimeoutError):
            raise LedgerError(f"chain: {shown} did not answer {what} within {seconds} s", "NodeSlow") from None
        except requests.ConnectionError as error:
            if "timed out" in str(error).lower():
                raise LedgerError(f"chain: {shown} did not answer {what} within {seconds} s", "NodeSlow") from None
            raise LedgerError(f"chain: {shown} does not answer: is the node running there?", "NodeDown") from None
        except requests.exceptions.ChunkedEncodingError:
            raise LedgerError(f"chain: {shown} broke off its answer to {what}", "NodeDown") from None
        except requests.RequestException as error:
            raise LedgerError(f"chain: {shown}: {type(error).__name__}", "NodeDown") from None
        except (ValueError, KeyError, TypeError, AttributeError):
            raise LedgerError(
                f"chain: {shown} does not speak JSON-RPC: the answer to {what} is no JSON; is it the URL of a node?",
                "NotANode",
            ) from None

    def one(method: str, parameters: Sequence[Any]) -> Any:
        return guarded(method, lambda: provider.make_request(RPCEndpoint(method), list(parameters)))

    def many(items: Sequence[Request]) -> Any:
        batch = [(RPCEndpoint(method), list(parameters)) for method, parameters in items]
        return guarded("a batch", lambda: provider.make_batch_request(batch))

    return Node(shown, one, many)


def _http_error(shown: str, error: Any) -> Any:
    """Some nodes send a JSON-RPC error under a status of 4xx."""
    answer = error.response
    try:
        content = json.loads(answer.text)
    except ValueError:
        content = None
    if isinstance(content, dict) and isinstance(content.get("error"), dict):
        return content
    raise LedgerError(f"chain: {shown} answers with HTTP status {answer.status_code}, not as a node", "NodeRefuses")


def _tester_node(provider: Any, clock: Clock | None, at: int | None = None) -> Node:
    try:
        from eth_tester.exceptions import TransactionFailed
        from web3 import EthereumTesterProvider, Web3

        from tbill_defi.chain.rpc_tester import TesterMachine, make_tester
    except ImportError:
        raise LedgerError(
            "chain: eth-tester is not installed; pip install 'eth-tester[py-evm]==0.14.0b1'", "ExecutorMissing"
        ) from None
    chosen = provider if provider is not None else EthereumTesterProvider(make_tester(at))
    if not isinstance(chosen, EthereumTesterProvider):
        raise UsageError(f"chain: {type(chosen).__name__} is neither a URL nor an EthereumTesterProvider")
    web3 = Web3(chosen, middleware=[])
    send = chosen.request_func(web3, web3.middleware_onion)

    def one(method: str, parameters: Sequence[Any]) -> Any:
        try:
            return send(method, list(parameters))
        except TransactionFailed as error:
            data = hexed(tester_output(error))
            return {"error": {"code": 3, "message": "execution reverted", "data": data}}
        except Exception as error:  # eth-tester raises its validators' exceptions as they come
            return {"error": {"code": -32000, "message": str(error) or type(error).__name__}}

    return Node(TESTER_URL, one, machine=TesterMachine(chosen.ethereum_tester, clock))
