"""Mutants of inline assembly. What is changed is arithmetic there: a word that is 1 if the mutant is chosen, else 0."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

Node = dict[str, Any]
CHOSEN = "eq(prevrandao(), {number})"
MORE = "add({original}, {chosen})"
NEGATIVE = "mul({original}, sub(1, shl(1, {chosen})))"
OPPOSITE = "xor({original}, {chosen})"
ALL_BITS = "or({original}, sub(0, {chosen}))"
ALWAYS = "or({original}, {chosen})"
NOTHING = "mul({original}, iszero({chosen}))"
LEFT_OUT = "if iszero({chosen}) {{ {original} }}"
SWAPS = {"add": "sub", "sub": "add"}


class Change(NamedTuple):
    """`where` is woven in by `form`; what is told of it is that `before` becomes `after`."""

    where: Node
    form: str
    before: str
    after: str


def changes(block: Node, of: Callable[[Node], str]) -> Iterator[Change]:
    """Every change in a block of solc's tree of assembly; `of` is a node's text.

    Loops go on as they do: without its step, or with a condition that always holds, a loop only runs out of gas.
    """
    kind = block["nodeType"]
    if kind in ("YulExpressionStatement", "YulAssignment"):
        yield Change(block, LEFT_OUT, of(block), "")
    elif kind == "YulLiteral" and block["kind"] == "number":
        yield Change(block, MORE, of(block), f"add({of(block)}, 1)")
    elif kind == "YulIf":
        yield Change(block["condition"], ALWAYS, of(block["condition"]), "1")
        yield Change(block["condition"], NOTHING, of(block["condition"]), "0")
    elif kind == "YulForLoop":
        yield Change(block["condition"], NOTHING, of(block["condition"]), "0")
    elif kind == "YulFunctionCall":
        yield from _of_call(block, of)
    for child in _within(block):
        yield from changes(child, of)


def _of_call(call: Node, of: Callable[[Node], str]) -> Iterator[Change]:
    name, text = call["functionName"]["name"], of(call)
    if len(call["arguments"]) == 1:
        if name == "iszero":
            yield Change(call, OPPOSITE, text, f"iszero({text})")
        return
    if len(call["arguments"]) != 2:
        return
    first, second = call["arguments"]
    one, other = of(first), of(second)
    if name in SWAPS:
        yield Change(second, NEGATIVE, text, f"{SWAPS[name]}({one}, {other})")
    elif name in ("lt", "gt", "eq"):
        yield Change(call, OPPOSITE, text, f"iszero({text})")
        if name == "lt" and second["nodeType"] != "YulLiteral":
            yield Change(second, MORE, text, f"lt({one}, add({other}, 1))")
        if name == "gt" and first["nodeType"] != "YulLiteral":
            yield Change(first, MORE, text, f"gt(add({one}, 1), {other})")
    elif name in ("and", "or"):
        form = ALL_BITS if name == "and" else NOTHING
        yield Change(first, form, text, other)
        yield Change(second, form, text, one)


def _within(node: Node) -> Iterator[Node]:
    for key, value in node.items():
        if node["nodeType"] == "YulForLoop" and key in ("pre", "post"):
            continue
        if node["nodeType"] == "YulCase" and key == "value":
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, dict) and str(child.get("nodeType", "")).startswith("Yul"):
                yield child
