"""A connection to a node: requests, batches, and one clear error for each way it can fail.

Knows no library: `rpc.connect` gives it functions that send. Nothing of a URL but scheme, host and port is ever shown:
paths and queries of hosted nodes are their keys.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from tbill_defi.chain.rpc_values import RpcRefusal, block_head, garbage, mapping
from tbill_defi.core.errors import LedgerError, UsageError

BATCH = 100
"""Requests in one batch."""
TESTER_URL = "eth-tester:"
LOOPBACK = ("localhost", "127.0.0.1", "::1")

Request = tuple[str, Sequence[Any]]


def shown_url(url: str) -> str:
    """A URL without anything that may be a secret.

    Raises
    ------
    UsageError
        If it is not one this framework serves.
    """
    if url == TESTER_URL:
        return url
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port, parts = None, None, urlsplit("")
    if parts.scheme not in ("http", "https") or not host:
        scheme = url.split("://", 1)[0] if "://" in url else ""
        what = f"{scheme}:// is not served" if scheme not in ("", "http", "https") else "it is not a URL of a node"
        raise UsageError(f"chain: {what}; give http://127.0.0.1:8545, https://HOST or eth-tester:")
    named = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{named}" + (f":{port}" if port else "")


def is_whole(url: str) -> bool:
    """Whether `shown_url` shows all of it."""
    return url.rstrip("/") == shown_url(url)


def is_loopback(url: str) -> bool:
    """Whether the node is on this machine."""
    return url == TESTER_URL or urlsplit(url).hostname in LOOPBACK


@dataclass
class Node:
    """See the module. `send` and `send_batch` return decoded JSON, or raise `LedgerError` for what is no answer.

    Attributes
    ----------
    machine
        The EVM of an eth-tester in this process, which simulates sequences; None for any other node.
    """

    url: str
    send: Callable[[str, Sequence[Any]], Any]
    send_batch: Callable[[Sequence[Request]], Any] | None = None
    machine: Any = None

    def request(self, method: str, *parameters: Any) -> Any:
        """Result of one request.

        Raises
        ------
        RpcRefusal
            If the node answers with an error.
        LedgerError
            By code: "NodeDown", "NodeSlow", "NotANode", "NodeRefuses".
        """
        return _result(method, self.send(method, parameters))

    def ask(self, requests: Sequence[Request]) -> list[Any]:
        """Results of several requests, an `RpcRefusal` in the place of one that the node refuses.

        In batches where the node takes batches, else one by one.
        """
        answers: list[Any] = []
        for first in range(0, len(requests), BATCH):
            part = requests[first : first + BATCH]
            found = self._batch(part) if len(part) > 1 else None
            answers += found if found is not None else [self._one(*item) for item in part]
        return answers

    def results(self, requests: Sequence[Request]) -> list[Any]:
        """Results of several requests; raises the first refusal."""
        answers = self.ask(requests)
        for answer in answers:
            if isinstance(answer, RpcRefusal):
                raise answer
        return answers

    @property
    def batches(self) -> bool:
        """Whether it is not known yet that the node takes no batches."""
        return self.send_batch is not None

    def _one(self, method: str, parameters: Sequence[Any]) -> Any:
        try:
            return self.request(method, *parameters)
        except RpcRefusal as refusal:
            return refusal

    def _batch(self, part: Sequence[Request]) -> list[Any] | None:
        """None if the node takes no batches; it is not asked again."""
        if self.send_batch is None:
            return None
        try:
            found = self.send_batch(part)
        except LedgerError as error:
            if error.code in ("NodeDown", "NodeSlow"):
                raise
            found = None
        whole = isinstance(found, list) and len(found) == len(part)
        if not whole or not all(isinstance(item, Mapping) and ("result" in item or "error" in item) for item in found):
            self.send_batch = None
            return None
        answers: list[Any] = []
        for (method, _), item in zip(part, found, strict=True):
            try:
                answers.append(_result(method, item))
            except RpcRefusal as refusal:
                answers.append(refusal)
        return answers

    def tip(self) -> Any:
        """Head of the latest block."""
        return self.block("latest")

    def block(self, which: int | str) -> Any:
        """Head of a block by height or tag; None if there is none."""
        name = hex(which) if isinstance(which, int) else which
        found = block_head(self.request("eth_getBlockByNumber", name, False))
        if found is None and which == "latest":
            raise garbage("the latest block", None)
        return found


def _result(method: str, answer: Any) -> Any:
    content = mapping(answer, f"the answer to {method}")
    error = content.get("error")
    if error is not None:
        if isinstance(error, Mapping):
            number = error.get("code", 0)
            text = str(error.get("message", "no message"))[:300]
            raise RpcRefusal(method, number if isinstance(number, int) else 0, text, error.get("data"))
        raise RpcRefusal(method, 0, str(error)[:300])
    if "result" not in content:
        raise garbage(f"the answer to {method}", dict(content))
    return content["result"]
