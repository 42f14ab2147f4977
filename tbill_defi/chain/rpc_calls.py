"""Calls as a node takes them, and what it says of them as outcomes and receipts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tbill_defi.chain.executor import TRANSACTION_GAS, Outcome
from tbill_defi.chain.rpc_values import RpcRefusal, hexed, log_of, octets, quantity, sequence
from tbill_defi.chain.types import Call, Receipt


def call_fields(call: Call, *, gas: bool = False) -> dict[str, str]:
    """A call's fields; with the largest gas limit if `gas`."""
    asked = {"from": hexed(call.sender), "to": hexed(call.to), "data": hexed(call.data)}
    return asked | ({"gas": hex(TRANSACTION_GAS)} if gas else {})


def outcome_of(answer: Any) -> Outcome:
    """What an `eth_call` was answered; raises a refusal that is none of the contract's."""
    if isinstance(answer, RpcRefusal):
        if not answer.reverted:
            raise answer
        return Outcome(False, (), answer.output(), 0)
    return Outcome(True, (), octets(answer, "the call's output"), 0)


def simulated_outcome(item: Mapping[str, Any]) -> Outcome:
    """One call of `eth_simulateV1`."""
    status = quantity(item.get("status"), "status") == 1
    output = octets(item.get("returnData", "0x"), "returned data")
    if not status and not output and isinstance(item.get("error"), Mapping):
        output = RpcRefusal("", 0, "", item["error"].get("data")).output()
    logs = tuple(map(log_of, sequence(item.get("logs") or [], "logs"))) if status else ()
    return Outcome(status, logs, output, quantity(item.get("gasUsed"), "gas used"))


def receipt_of(outcome: Outcome, height: int) -> Receipt:
    """Receipt of what was only tried."""
    revert = b"" if outcome.status else outcome.output
    return Receipt(outcome.status, outcome.logs, outcome.output, outcome.gas_used, bytes(32), height, revert)
