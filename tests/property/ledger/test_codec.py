"""Readers and writers of ABI values against eth_abi, on random types, values and damaged encodings."""

from __future__ import annotations

from typing import Any

import eth_abi
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tbill_defi.chain.types import Log
from tbill_defi.ledger import abi
from tbill_defi.ledger.artifacts import CONTRACTS, Parameter, artifact
from tbill_defi.ledger.codec import PLAIN, Unusual, reads_all, writes_all

LEAVES = {
    "address": st.binary(min_size=20, max_size=20),
    "bool": st.booleans(),
    "bytes": st.binary(max_size=70),
    "string": st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
    "int64": st.integers(-(2**63), 2**63 - 1),
    "int256": st.integers(-(2**255), 2**255 - 1),
    **{f"bytes{size}": st.binary(min_size=size, max_size=size) for size in (1, 4, 31, 32)},
    **{f"uint{size}": st.integers(0, 2**size - 1) for size in (8, 16, 32, 40, 48, 64, 88, 128, 256)},
}


def value_of(parameter: Parameter) -> st.SearchStrategy[Any]:
    if parameter.type.endswith("]"):
        at = parameter.type.rindex("[")
        item = value_of(Parameter("", parameter.type[:at], False, parameter.components))
        count = parameter.type[at + 1 : -1]
        size = {"min_size": int(count), "max_size": int(count)} if count else {"max_size": 3}
        return st.lists(item, **size)
    if parameter.components:
        return st.tuples(*map(value_of, parameter.components))
    return LEAVES[parameter.type]


def struct(parts: list[Parameter]) -> Parameter:
    named = tuple(Parameter(f"p{i}", p.type, False, p.components) for i, p in enumerate(parts))
    return Parameter("", f"({','.join(p.type for p in named)})", False, named)


PARAMETERS = st.recursive(
    st.sampled_from(list(LEAVES)).map(lambda kind: Parameter("", kind, False, ())),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(struct),
        st.tuples(inner, st.sampled_from(["[]", "[2]"])).map(
            lambda pair: Parameter("", pair[0].type + pair[1], False, pair[0].components)
        ),
    ),
    max_leaves=6,
)


def by_eth_abi(parameters: list[Parameter], data: bytes) -> list[Any]:
    found = eth_abi.decode([p.type for p in parameters], data)
    return [abi._plain(p, v) for p, v in zip(parameters, found, strict=True)]


@settings(deadline=None)
@given(st.data(), st.lists(PARAMETERS, min_size=1, max_size=3))
def test_what_is_written_and_read_is_what_eth_abi_writes_and_reads(data: st.DataObject, parameters: Any) -> None:
    values = [data.draw(value_of(p)) for p in parameters]
    written = writes_all(parameters)(values)
    assert written == eth_abi.encode([p.type for p in parameters], values)
    assert reads_all(parameters, PLAIN)(written) == by_eth_abi(parameters, written)


@settings(deadline=None)
@given(st.data(), st.lists(PARAMETERS, min_size=1, max_size=3))
def test_nothing_is_read_from_damaged_bytes_that_eth_abi_refuses_or_reads_otherwise(
    data: st.DataObject, parameters: Any
) -> None:
    values = [data.draw(value_of(p)) for p in parameters]
    damaged = bytearray(writes_all(parameters)(values))
    for _ in range(data.draw(st.integers(1, 3))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] ^= data.draw(st.integers(1, 255))
    cut = bytes(damaged[: data.draw(st.integers(0, len(damaged)))] if data.draw(st.booleans()) else damaged)
    try:
        found = reads_all(parameters, PLAIN)(cut)
    except ValueError:
        return
    assert found == by_eth_abi(parameters, cut)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("uint8", 256), ("uint8", True), ("uint256", -1), ("int64", 2**63), ("address", "0x" + "00" * 20),
        ("address", bytes(19)), ("bytes32", b"short"), ("bytes", "text"), ("string", b"bytes"), ("bool", 1),
        ("uint8[]", 7), ("uint8[2]", [1]),
    ],
)  # fmt: skip
def test_a_value_of_another_kind_is_left_to_eth_abi(kind: str, value: Any) -> None:
    with pytest.raises(Unusual):
        writes_all([Parameter("", kind, False, ())])([value])


EVENTS = [entry for name in CONTRACTS for entry in artifact(name).entries if entry.kind == "event"]


@settings(deadline=None)
@given(st.data(), st.sampled_from(EVENTS))
def test_an_event_is_the_one_that_eth_abi_reads(data: st.DataObject, entry: Any) -> None:
    indexed, plain = [p for p in entry.inputs if p.indexed], [p for p in entry.inputs if not p.indexed]
    topics = [eth_abi.encode([p.type], [data.draw(value_of(p))])[:32] for p in indexed]
    body = bytearray(eth_abi.encode([p.type for p in plain], [data.draw(value_of(p)) for p in plain]))
    if body and data.draw(st.booleans()):
        body[data.draw(st.integers(0, len(body) - 1))] ^= data.draw(st.integers(1, 255))
    log = Log(bytes(20), (entry.topic, *topics), bytes(body))
    shape = abi._shape(entry.topic)
    assert shape is not None
    assert abi.decode_log(log) == abi._decoded(shape, log)
