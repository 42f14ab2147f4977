"""Encoding by the committed ABIs, against eth_abi's own reading of the same JSON."""

import json
from importlib import resources

import eth_abi
import pytest
from eth_utils import keccak
from eth_utils.abi import function_abi_to_4byte_selector

from tbill_defi.chain.types import Log
from tbill_defi.core.errors import UsageError
from tbill_defi.core.identifiers import bytes32
from tbill_defi.ledger.abi import (
    decode_log,
    decode_result,
    decode_revert,
    encode_call,
    encode_creation,
)
from tbill_defi.ledger.artifacts import CONTRACTS, artifact, error_of, event_of

A, B = bytes(range(20)), bytes(range(20, 40))
TRANSFER = keccak(text="Transfer(address,address,uint256)")


def raw(name):
    return json.loads(resources.files("tbill_defi.ledger").joinpath("artifacts", f"{name}.json").read_text())


def word(value):
    return value.rjust(32, b"\0") if isinstance(value, bytes) else value.to_bytes(32, "big")


@pytest.mark.parametrize("name", CONTRACTS)
def test_selectors_are_those_of_the_abi(name):
    for entry in raw(name)["abi"]:
        if entry["type"] == "function":
            ours = [e for e in artifact(name).entries if (e.kind, e.name) == ("function", entry["name"])]
            assert function_abi_to_4byte_selector(entry) in [e.selector for e in ours]


@pytest.mark.parametrize("name", CONTRACTS)
def test_functions_are_named_once(name):
    """`encode_call` takes a name: an overloaded function would be ambiguous."""
    functions = [e["name"] for e in raw(name)["abi"] if e["type"] == "function"]
    overloaded = {f for f in functions if functions.count(f) > 1}
    assert overloaded == set()


def test_no_two_errors_or_events_share_a_selector_with_other_arguments():
    for kind in ("error", "event"):
        seen = {}
        for name in CONTRACTS:
            for entry in artifact(name).entries:
                if entry.kind == kind:
                    shape = (entry.signature, tuple(p.indexed for p in entry.inputs))
                    key = entry.selector if kind == "error" else entry.topic
                    assert seen.setdefault(key, shape) == shape, f"{name}.{entry.name}"


def test_every_error_and_event_is_found():
    for name in CONTRACTS:
        for entry in artifact(name).entries:
            if entry.kind == "error":
                assert error_of(entry.selector).signature == entry.signature
            if entry.kind == "event":
                assert event_of(entry.topic).signature == entry.signature


def test_call_with_a_struct():
    legs = [(A, B, A, 7), (B, A, B, 2**256 - 1)]
    instruction = (legs, 1, 2**64 - 1, 3, b"\4" * 32, b"\5" * 32)
    data = encode_call("Settlement", "settle", instruction, [b"sig"])
    kinds = ["((address,address,address,uint256)[],uint64,uint64,uint256,bytes32,bytes32)", "bytes[]"]
    signature = f"settle({','.join(kinds)})"
    assert data[:4] == keccak(text=signature)[:4]
    (decoded, signatures) = eth_abi.decode(kinds, data[4:])
    assert [(bytes.fromhex(t[2:]), amount) for t, _, _, amount in decoded[0]] == [(A, 7), (B, 2**256 - 1)]
    assert decoded[1:] == (1, 2**64 - 1, 3, b"\4" * 32, b"\5" * 32)
    assert signatures == (b"sig",)


def test_creation_code_and_constructor_arguments():
    code = encode_creation("CashToken", A, B, A, B, bytes32("USD"), "US dollar", 6)
    compiled = bytes.fromhex(raw("CashToken")["bytecode"].removeprefix("0x"))
    assert code[: len(compiled)] == compiled
    arguments = eth_abi.decode([*["address"] * 4, "bytes32", "string", "uint8"], code[len(compiled) :])
    assert arguments[4:] == (bytes32("USD"), "US dollar", 6)


def test_result_of_several_values_and_of_a_struct():
    largest = eth_abi.encode(["uint256", "uint8"], [12, 5])
    assert decode_result("SecurityToken", "largestTransfer", largest) == (12, 5)
    held = eth_abi.encode(["(address,uint8,uint88,address,uint64,address)"], [(A, 1, 9, B, 8, A)])
    (found,) = decode_result("SecurityToken", "hold", held)
    assert found == {"holder": A, "status": 1, "amount": 9, "notary": B, "expiry": 8, "to": A}


def test_event():
    log = Log(B, (TRANSFER, word(A), word(B)), word(10**30))
    event = decode_log(log)
    assert (event.name, event.arguments) == (
        "Transfer",
        {"from": "0x" + A.hex(), "to": "0x" + B.hex(), "value": str(10**30)},
    )


def test_event_with_legs():
    entry = event_of(keccak(text="Settled(bytes32,bytes32,bytes32,(address,address,address,uint256)[])"))
    data = eth_abi.encode(["bytes32", "(address,address,address,uint256)[]"], [b"\3" * 32, [(A, B, A, 1)]])
    event = decode_log(Log(A, (entry.topic, b"\1" * 32, b"\2" * 32), data))
    assert event.arguments["contextHash"] == "0x" + "03" * 32
    assert event.arguments["legs"] == [
        {"token": "0x" + A.hex(), "from": "0x" + B.hex(), "to": "0x" + A.hex(), "amount": "1"}
    ]
    json.dumps(event.arguments)


@pytest.mark.parametrize(
    "log",
    [
        Log(A, (), b""),
        Log(A, (b"\xee" * 32,), b""),
        Log(A, (TRANSFER, word(A), word(B), word(7)), b""),
        Log(A, (TRANSFER, word(A)), word(B) + word(7)),
        Log(A, (TRANSFER,), word(A) + word(B) + word(7)),
        Log(A, (TRANSFER, word(A), word(B)), b""),
        Log(A, (TRANSFER, word(A), word(B)), word(7)[:31]),
        Log(A, (TRANSFER, b"\xff" * 32, word(B)), word(7)),
    ],
    ids=["no topic", "unknown", "ERC-721", "one indexed", "none indexed", "no data", "short data", "no address"],
)
def test_what_is_no_event_of_ours(log):
    assert decode_log(log) is None


def error_data(signature, kinds, *values):
    return keccak(text=signature)[:4] + eth_abi.encode(kinds, values)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", ("Reverted", {})),
        (b"\x01\x02", ("Reverted", {"data": b"\x01\x02"})),
        (b"\xee" * 40, ("Reverted", {"data": b"\xee" * 40})),
        (error_data("Error(string)", ["string"], "no"), ("Error", {"message": "no"})),
        (error_data("Panic(uint256)", ["uint256"], 17), ("Panic", {"code": 17})),
        (
            error_data("PlanMismatch(bytes32,bytes32)", ["bytes32", "bytes32"], b"\1" * 32, b"\2" * 32),
            ("PlanMismatch", {"expected": b"\1" * 32, "given": b"\2" * 32}),
        ),
        (error_data("NothingToSettle()", []), ("NothingToSettle", {})),
        (
            error_data("ERC20InsufficientBalance(address,uint256,uint256)", ["address", "uint256", "uint256"], A, 1, 2),
            ("ERC20InsufficientBalance", {"sender": A, "balance": 1, "needed": 2}),
        ),
    ],
)
def test_revert(data, expected):
    assert decode_revert(data) == expected


@pytest.mark.parametrize("selector", ["Error(string)", "Panic(uint256)", "PlanMismatch(bytes32,bytes32)"])
@pytest.mark.parametrize("rest", [b"", b"\xff" * 31, word(32) + word(10**9), word(32) + word(1) + b"\xff" * 32])
def test_revert_of_a_foreign_contract_that_lies(selector, rest):
    """A guard's reason is passed on as it is: three known bytes and rubbish are no crash."""
    data = keccak(text=selector)[:4] + rest
    name, arguments = decode_revert(data)
    assert name in ("Reverted", "Panic", "Error", "PlanMismatch")
    if name == "Reverted":
        assert arguments == {"data": data}


@pytest.mark.parametrize(
    ("function", "arguments", "told"),
    [
        ("strike", (A, -1), "steps is -1; expected an integer from 0 to 2^256 - 1"),
        ("strike", (A, 1.5), "steps is 1.5; expected an integer from 0 to 2^256 - 1"),
        ("strike", (b"1", 1), "token is b'1'; expected 20 bytes"),
        ("request", (A, 2**88), "face is 309485009821345068724781056; expected an integer from 0 to 2^88 - 1"),
        ("setWindow", (A, (1, -2, B, 1, 1, 0)), "terms.closesAt is -2; expected an integer from 0 to 2^64 - 1"),
        ("cancel", (b"1" * 33,), f"requestId is {b'1' * 33!r}; expected a value of the type bytes32"),
    ],
)
def test_what_is_no_value_of_a_parameter_is_named(function, arguments, told):
    with pytest.raises(UsageError) as caught:
        encode_call("EarlyRedemption", function, *arguments)
    assert str(caught.value) == f"EarlyRedemption.{function}: {told}"


def test_a_value_inside_a_list_is_named_by_its_place():
    stretches = [(3, 40_000_000), (2**32, 41_000_000)]
    with pytest.raises(UsageError, match=r"stretches\[1\].daysCount is 4294967296; expected an integer from 0 to"):
        encode_call("CouponPayer", "announceFloating", A, 1, 1, 1, 0, stretches)
    with pytest.raises(UsageError, match=r"spreadE9 is -9223372036854775809; expected .* from -2\^63 to 2\^63 - 1"):
        encode_call("CouponPayer", "announceFloating", A, 1, 1, 1, -(2**63) - 1, [])
    with pytest.raises(UsageError, match=r"^EarlyRedemption.strike: "):
        encode_call("EarlyRedemption", "strike", A)
