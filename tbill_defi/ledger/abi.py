"""Encoding and decoding by the committed ABIs: calls, results, events and custom errors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, NamedTuple

from eth_abi.abi import decode, encode, is_encodable
from eth_abi.exceptions import DecodingError, EncodingError

from tbill_defi.chain.types import DecodedEvent, Log
from tbill_defi.core.errors import UsageError
from tbill_defi.ledger.artifacts import Entry, Parameter, artifact, error_of, event_of
from tbill_defi.ledger.codec import JSON, PLAIN, Unusual, is_word, reads_all, words_to_json, writes_all

_ERROR_STRING = bytes.fromhex("08c379a0")
_PANIC = bytes.fromhex("4e487b71")


def encode_call(contract: str, function: str, *arguments: Any) -> bytes:
    """Calldata of a call: selector and arguments. Addresses and hashes are bytes, amounts int.

    Raises
    ------
    UsageError
        If an argument is no value of its parameter: names it, and what would be one.
    """
    selector, types, write = _calldata(contract, function)
    try:
        return selector + write(arguments)
    except (Unusual, UnicodeEncodeError):
        pass
    try:
        return selector + encode(types, arguments)
    except EncodingError as error:
        inputs = artifact(contract).function(function).inputs
        wrong = (_misfit(parameter, value) for parameter, value in zip(inputs, arguments, strict=False))
        why = next((text for text in wrong if text), str(error))
        raise UsageError(f"{contract}.{function}: {why}") from None


def _misfit(parameter: Parameter, value: Any, place: str = "") -> str:
    """Which part of a value its type does not take, and what it would take; empty if it takes all."""
    name, kind = place or parameter.name, parameter.type
    if kind.endswith("]") and isinstance(value, list | tuple):
        inner = Parameter(name, kind[: kind.rindex("[")], False, parameter.components)
        return next(filter(None, (_misfit(inner, item, f"{name}[{i}]") for i, item in enumerate(value))), "")
    if parameter.components and isinstance(value, list | tuple):
        parts = zip(parameter.components, value, strict=False)
        return next(filter(None, (_misfit(part, item, f"{name}.{part.name}") for part, item in parts)), "")
    if is_encodable(kind, value):
        return ""
    bits = kind.removeprefix("u").removeprefix("int")
    if kind.startswith("uint"):
        expected = f"an integer from 0 to 2^{bits} - 1"
    elif kind.startswith("int"):
        expected = f"an integer from -2^{int(bits) - 1} to 2^{int(bits) - 1} - 1"
    else:
        expected = "20 bytes" if kind == "address" else f"a value of the type {kind}"
    return f"{name} is {value!r:.80}; expected {expected}"


@cache
def _calldata(contract: str, function: str) -> tuple[bytes, list[str], Callable[[Sequence[Any]], bytes]]:
    entry = artifact(contract).function(function)
    return entry.selector, [p.type for p in entry.inputs], writes_all(entry.inputs)


def decode_call(contract: str, data: bytes) -> tuple[str, dict[str, Any]]:
    """Function and arguments by name of calldata: addresses and hashes as bytes; ("call", {}) if it is none of its."""
    entries = [e for e in artifact(contract).entries if e.kind == "function" and e.selector == data[:4]]
    try:
        return (entries[0].name, _named(entries[0], data[4:])) if entries else ("call", {})
    except (DecodingError, ValueError):
        return "call", {}


def encode_creation(contract: str, *arguments: Any) -> bytes:
    """Creation code of a contract with its constructor's arguments."""
    made = artifact(contract)
    return made.creation_code + encode(made.constructor_types, arguments)


def decode_result(contract: str, function: str, data: bytes) -> tuple[Any, ...]:
    """Results of a call: addresses as 20 bytes, bytes32 as bytes, integers as int."""
    outputs, read = _results(contract, function)
    try:
        return tuple(read(data))
    except ValueError:
        return tuple(_plain(p, v) for p, v in zip(outputs, _decode(outputs, data), strict=True))


@cache
def _results(contract: str, function: str) -> tuple[tuple[Parameter, ...], Callable[[bytes], list[Any]]]:
    outputs = artifact(contract).function(function).outputs
    return outputs, reads_all(outputs, PLAIN)


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


class _Shape(NamedTuple):
    """An event's entry, its indexed and its other parameters, and what makes JSON text of its topics and its data."""

    entry: Entry
    indexed: list[Parameter]
    plain: list[Parameter]
    read: Callable[[bytes, bytes], str]


def _shape(topic: bytes) -> _Shape | None:
    shape = _SHAPES.get(topic)
    if shape is None and (entry := event_of(topic)):
        shape = _SHAPES[topic] = _shape_of(entry)
    return shape


_SHAPES: dict[bytes, _Shape] = {}
"""Of events met so far; there are not more than the contracts declare."""


def _shape_of(entry: Entry) -> _Shape:
    indexed, plain = [p for p in entry.inputs if p.indexed], [p for p in entry.inputs if not p.indexed]
    if all(is_word(p) for p in entry.inputs):
        write = words_to_json([*indexed, *plain])
        return _Shape(entry, indexed, plain, lambda topics, data: write(topics + data))
    join = JSON.members([p.name for p in (*indexed, *plain)])
    read_topics, read_data = reads_all(indexed, JSON), reads_all(plain, JSON)
    return _Shape(entry, indexed, plain, lambda topics, data: join(read_topics(topics) + read_data(data)))


def decode_log(log: Log) -> DecodedEvent | None:
    """The event of a log, or None if no contract of ours declares it.

    Anyone's contract may log a topic of ours with other content (an ERC-721 `Transfer` has three indexed arguments):
    that is none of our events either.
    """
    topics = log.topics
    shape = _shape(topics[0]) if topics else None
    if shape is None or len(topics) != 1 + len(shape.indexed):
        return None
    try:
        return DecodedEvent(shape.entry.name, shape.read(b"".join(topics[1:]), log.data))
    except ValueError:
        return _decoded(shape, log)


def _decoded(shape: _Shape, log: Log) -> DecodedEvent | None:
    """The same of an unusual encoding."""
    entry, indexed, plain = shape.entry, shape.indexed, shape.plain
    try:
        values = {p.name: _plain(p, _decode([p], topic)[0]) for p, topic in zip(indexed, log.topics[1:], strict=True)}
        values |= {p.name: _plain(p, v) for p, v in zip(plain, _decode(plain, log.data), strict=True)}
    except (DecodingError, ValueError):
        return None
    return DecodedEvent.of(entry.name, {p.name: _json(values[p.name]) for p in entry.inputs})


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
