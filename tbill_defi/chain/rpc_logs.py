"""Logs of a node, by ranges of blocks as large as it likes to give, and the events in them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from tbill_defi.chain.rpc_node import Node
from tbill_defi.chain.rpc_values import (
    RpcRefusal,
    block_head,
    garbage,
    hexed,
    log_of,
    mapping,
    octets,
    quantity,
    sequence,
)
from tbill_defi.chain.types import EventDecoder, EventRecord

ADDRESSES = 200
"""Contracts asked for at once."""


def read_logs(
    node: Node, first: int, last: int, addresses: Sequence[bytes] | None, step: int
) -> Iterator[list[dict[str, Any]]]:
    """Raw logs of blocks `first` to `last`, range by range, in order; a range the node refuses is halved."""
    while first <= last:
        end = min(first + step - 1, last)
        try:
            raws = _range(node, first, end, addresses)
        except RpcRefusal as refusal:
            if end == first or refusal.unknown_method:
                raise
            step = max(1, (end - first + 1) // 2)
            continue
        yield sorted(raws, key=lambda raw: (_number(raw, "blockNumber"), _number(raw, "logIndex")))
        first = end + 1


def _range(node: Node, first: int, last: int, addresses: Sequence[bytes] | None) -> list[dict[str, Any]]:
    span = {"fromBlock": hex(first), "toBlock": hex(last)}
    if addresses is None:
        asked: list[dict[str, Any]] = [span]
    else:
        names = [hexed(address) for address in addresses]
        asked = [span | {"address": names[k : k + ADDRESSES]} for k in range(0, len(names), ADDRESSES)]
    answers = node.results([("eth_getLogs", (item,)) for item in asked])
    raws = [dict(mapping(raw, "log")) for answer in answers for raw in sequence(answer, "logs")]
    return [raw for raw in raws if not raw.get("removed")]


def _number(raw: dict[str, Any], name: str) -> int:
    return quantity(raw.get(name), f"a log's {name}")


def records_of(
    node: Node, raws: Sequence[dict[str, Any]], decoder: EventDecoder | None, names: Sequence[str] | None
) -> Iterator[EventRecord]:
    """Events of raw logs, of the given names."""
    found = []
    for raw in raws:
        log = log_of(raw)
        event = decoder(log) if decoder is not None else None
        name, arguments = (event.name, event.arguments) if event else ("", {})
        if names is None or name in names:
            found.append((raw, log, name, arguments))
    times = _times(node, [raw for raw, *_ in found])
    for sequence_number, (raw, log, name, arguments) in enumerate(found, 1):
        height = _number(raw, "blockNumber")
        yield EventRecord(
            sequence_number,
            height,
            times[height],
            octets(raw.get("transactionHash"), "a log's transaction", 32),
            _number(raw, "transactionIndex"),
            _number(raw, "logIndex"),
            log,
            name,
            arguments,
        )


def _times(node: Node, raws: Sequence[dict[str, Any]]) -> dict[int, int]:
    """Time of each log's block: with the log on newer nodes, else from the block."""
    times: dict[int, int] = {}
    for raw in raws:
        if raw.get("blockTimestamp") is not None:
            times[_number(raw, "blockNumber")] = _number(raw, "blockTimestamp")
    missing = sorted({_number(raw, "blockNumber") for raw in raws} - set(times))
    answers = node.results([("eth_getBlockByNumber", (hex(height), False)) for height in missing])
    for height, answer in zip(missing, answers, strict=True):
        head = block_head(answer)
        if head is None:
            raise garbage(f"block {height}", None)
        times[height] = head.timestamp
    return times
