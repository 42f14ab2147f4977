"""Encoding and decoding by the committed ABIs: calls, results, events and custom errors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from eth_abi.abi import decode, encode
from eth_abi.exceptions import DecodingError

from tbill_defi.chain.types import DecodedEvent, Log
from tbill_defi.ledger.artifacts import Entry, Parameter, artifact, error_of, event_of

_ERROR_STRING = bytes.fromhex("08c379a0")
_PANIC = bytes.fromhex("4e487b71")


def encode_call(contract: str, function: str, *arguments: Any) -> bytes:
    """Calldata of a call: selector and arguments. Addresses and hashes are bytes, amounts int."""
    entry = artifact(contract).function(function)
    return entry.selector + encode([p.type for p in entry.inputs], arguments)


def encode_creation(contract: str, *arguments: Any) -> bytes:
    """Creation code of a contract with its constructor's arguments."""
    made = artifact(contract)
    return made.creation_code + encode(made.constructor_types, arguments)


def decode_result(contract: str, function: str, data: bytes) -> tuple[Any, ...]:
    """Results of a call: addresses as 20 bytes, bytes32 as bytes, integers as int."""
    entry = artifact(contract).function(function)
    return tuple(_plain(p, v) for p, v in zip(entry.outputs, _decode(entry.outputs, data), strict=True))


def _decode(parameters: Sequence[Parameter], data: bytes) -> tuple[Any, ...]:
    return tuple(decode([p.type for p in parameters], data))


def _plain(parameter: Parameter, value: Any) -> Any:
    """Addresses come from eth_abi as 0x-text; here they are bytes."""
    if parameter.type.endswith("]"):
        inner = Parameter(parameter.name, parameter.type[: parameter.type.rindex("[")], False, parameter.components)
        return tuple(_plain(inner, item) for item in value)
    if parameter.components:
        return {p.name: _plain(p, v) for p, v in zip(parameter.components, value, strict=True)}
    if parameter.type == "address":
        return bytes.fromhex(value[2:])
    return value


def _json(value: Any) -> Any:
    """JSON form: integers as decimal text, bytes as 0x-hex."""
    if isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        return str(value)
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, dict):
        return {k: _json(v) for k, v in value.items()}
    return [_json(v) for v in value]


def decode_log(log: Log) -> DecodedEvent | None:
    """The event of a log, or None if no contract of ours declares it.

    Anyone's contract may log a topic of ours with other content (an ERC-721 `Transfer` has three indexed arguments):
    that is none of our events either.
    """
    entry = event_of(log.topics[0]) if log.topics else None
    if entry is None:
        return None
    indexed = [p for p in entry.inputs if p.indexed]
    plain = [p for p in entry.inputs if not p.indexed]
    if len(log.topics) != 1 + len(indexed):
        return None
    try:
        values = {p.name: _plain(p, _decode([p], topic)[0]) for p, topic in zip(indexed, log.topics[1:], strict=True)}
        values |= {p.name: _plain(p, v) for p, v in zip(plain, _decode(plain, log.data), strict=True)}
    except (DecodingError, ValueError):
        return None
    return DecodedEvent(entry.name, {p.name: _json(values[p.name]) for p in entry.inputs})


def decode_revert(data: bytes) -> tuple[str, dict[str, Any]]:
    """Name and arguments of a revert: a custom error of ours, Error(string), Panic(uint256), or what is left.

    Returns
    -------
    tuple
        ("PlanMismatch", {"expected": bytes, "given": bytes}), for example. An empty revert is "Reverted", and so is
        what does not decode: a guard or a signer may be anyone's contract.
    """
    selector, body = data[:4], data[4:]
    try:
        if selector == _ERROR_STRING:
            return "Error", {"message": decode(["string"], body)[0]}
        if selector == _PANIC:
            return "Panic", {"code": decode(["uint256"], body)[0]}
        if entry := error_of(selector):
            return entry.name, _named(entry, body)
    except (DecodingError, ValueError):
        pass
    return ("Reverted", {"data": data} if data else {})


def _named(entry: Entry, data: bytes) -> dict[str, Any]:
    return {p.name: _plain(p, v) for p, v in zip(entry.inputs, _decode(entry.inputs, data), strict=True)}
