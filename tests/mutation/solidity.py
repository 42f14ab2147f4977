"""Mutants of contracts, found in solc's syntax tree.

All mutants of a run are woven into one build: each stands beside the original behind `mutated(number)`, which asks the
block's prevrandao, a word that no contract here reads. A mutant is then a run of forge, not a compilation. In assembly
the same is asked by arithmetic (see `assembly`), and nothing is pure then.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections import defaultdict
from pathlib import Path
from typing import Any

from tests.mutation import assembly
from tests.mutation.mutants import ROOT, Mutant, numbered

CONTRACTS = ROOT / "contracts"
Node = dict[str, Any]
SWAPS = {"<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "==", "+": "-", "-": "+", "*": "/", "/": "*"}
SWAPS |= {"%": "*", "<<": ">>", ">>": "<<", "&": "|", "|": "&", "^": "&"}
STEPS = {"+=": "-=", "-=": "+=", "*=": "/=", "/=": "*=", "|=": "&=", "&=": "|=", "<<=": ">>=", ">>=": "<<="}
ZEROS = {"address": "address(0)", "bytes32": "bytes32(0)"}
_IMPORT = re.compile(r'^import [^;]*?"([^"]+)";', re.MULTILINE)

SWITCH = """// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @dev Says that it is pure, so that it can stand anywhere.
function mutated(uint256 number) pure returns (bool) {
    function(uint256) view returns (bool) reads = _isChosen;
    function(uint256) pure returns (bool) asPure;
    assembly ("memory-safe") {
        asPure := reads
    }
    return asPure(number);
}

function _isChosen(uint256 number) view returns (bool) {
    return block.prevrandao == number;
}
"""
MODIFIERS = {
    "restricted": "if (!mutated(number)) _checkCanCall(_msgSender(), _msgData()); _;",
    "nonReentrant": "bytes32 slot = _reentrancyGuardStorageSlot(); if (!mutated(number)) { "
    "if (_reentrancyGuardEntered()) revert ReentrancyGuardReentrantCall(); assembly { tstore(slot, 1) } } _; "
    "if (!mutated(number)) { assembly { tstore(slot, 0) } }",
}
"""OpenZeppelin's, with a switch."""


def syntax_trees(sources: dict[str, str]) -> Node:
    """Solc's trees of files of `src`, with types."""
    units, waiting = {}, sorted(sources)
    while waiting:
        name = waiting.pop()
        if name in units:
            continue
        folder = CONTRACTS / "node_modules" if name.startswith("@") else CONTRACTS
        units[name] = sources.get(name) or (folder / name).read_text()
        for other in _IMPORT.findall(units[name]):
            near = (Path(name).parent / other).as_posix() if other.startswith(".") else other
            waiting.append(_normal(near))
    settings = json.loads((CONTRACTS / "settings.json").read_text())
    request = {
        "language": "Solidity",
        "sources": {name: {"content": text} for name, text in units.items()},
        "settings": {**settings, "outputSelection": {"*": {"": ["ast"]}}},
    }
    words = ["node", "script/solc.mjs", "--standard-json"]
    done = subprocess.run(words, cwd=CONTRACTS, input=json.dumps(request), capture_output=True, text=True, check=True)
    return {name: unit["ast"] for name, unit in json.loads(done.stdout)["sources"].items()}


def _normal(path: str) -> str:
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            parts.pop()
        elif part != ".":
            parts.append(part)
    return "/".join(parts)


def mutants(globs: list[str]) -> list[Mutant]:
    """Every mutant of the files of `contracts/src` that the globs name."""
    files = sorted({file for one in globs for file in (CONTRACTS / "src").glob(one) if "interfaces" not in file.parts})
    sources = {file.relative_to(CONTRACTS).as_posix(): file.read_text() for file in files}
    trees = syntax_trees(sources)
    found: list[Mutant] = []
    for name, text in sources.items():
        reader = _Reader(name, text.encode())
        reader.unit(trees[name])
        found += reader.found
    return list(numbered(found))


class _Reader:
    """Walks one file's syntax tree; positions are bytes."""

    def __init__(self, file: str, text: bytes) -> None:
        self.file, self.text, self.scope, self.found = file.removeprefix("src/"), text, "", []

    def unit(self, tree: Node) -> None:
        for node in tree["nodes"]:
            if node["nodeType"] == "FunctionDefinition":
                self.function(node, "")
            for part in node.get("nodes", ()) if node["nodeType"] == "ContractDefinition" else ():
                if part["nodeType"] in ("FunctionDefinition", "ModifierDefinition"):
                    self.function(part, node["name"] + ".")

    def function(self, node: Node, contract: str) -> None:
        self.scope = contract + (node["name"] or node.get("kind", ""))
        for modifier in node.get("modifiers", ()):
            if modifier["modifierName"]["name"] in MODIFIERS:
                self.add("modifier", modifier, "")
        if node.get("body"):
            self.walk(node["body"], {})

    def span(self, node: Node) -> tuple[int, int]:
        start, length, _ = map(int, node["src"].split(":"))
        return start, start + length

    def of(self, node: Node) -> str:
        start, end = self.span(node)
        return self.text[start:end].decode()

    def add(self, operator: str, node: Node, after: str, whole: bool = False) -> None:
        start, end = self.span(node)
        if whole and self.text[end - 1 : end] != b";":
            end = self.text.index(b";", end) + 1
        before = self.text[start:end].decode()
        self.found.append(Mutant(self.file, self.scope, operator, start, end, before, after, whole))

    def walk(self, node: Node, parent: Node) -> None:
        visit = getattr(self, "on_" + node["nodeType"], None)
        if visit is not None:
            visit(node, parent)
        for key, value in node.items():
            if node["nodeType"] == "ForStatement" and key in ("initializationExpression", "loopExpression"):
                continue
            if node["nodeType"] in ("InlineAssembly", "RevertStatement") or key == "typeName":
                continue
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, dict) and "nodeType" in child:
                    self.walk(child, node)

    def on_BinaryOperation(self, node: Node, _: Node) -> None:
        if kind(node).startswith("int_const") or node.get("function"):
            return
        left, right = node["leftExpression"], node["rightExpression"]
        operator, one, other = node["operator"], self.of(left), self.of(right)
        if operator in ("&&", "||"):
            self.add("operand", node, one)
            self.add("operand", node, other)
        elif operator in SWAPS:
            self.add("operator", node, f"({one}) {SWAPS[operator]} ({other})")
        for literal, beside in ((left, right), (right, left)):
            if kind(beside).startswith("uint"):
                self.number(literal)

    def number(self, node: Node) -> None:
        if node["nodeType"] == "Literal" and node["kind"] == "number" and not node.get("subdenomination"):
            value = self.of(node).replace("_", "")
            if value.isdecimal():
                self.add("number", node, f"uint256({int(value) + 1})")

    def on_IndexAccess(self, node: Node, _: Node) -> None:
        self.number(node["indexExpression"])

    def on_UnaryOperation(self, node: Node, parent: Node) -> None:
        if node["operator"] in ("!", "~"):
            self.add("negation", node, self.of(node["subExpression"]))
        elif node["operator"] in ("++", "--") and parent["nodeType"] != "ExpressionStatement":
            text, swap = self.of(node), {"++": "--", "--": "++"}[node["operator"]]
            self.add("operator", node, text.replace(node["operator"], swap))

    def on_IfStatement(self, node: Node, _: Node) -> None:
        self.add("condition", node["condition"], "true")
        self.add("condition", node["condition"], "false")

    on_Conditional = on_IfStatement

    def on_ForStatement(self, node: Node, _: Node) -> None:
        self.add("condition", node["condition"], "false")

    on_WhileStatement = on_ForStatement

    def on_Return(self, node: Node, _: Node) -> None:
        value = node.get("expression")
        if value is None or value["nodeType"] in ("Literal", "TupleExpression"):
            return
        if kind(value) == "bool":
            self.add("answer", value, f"!({self.of(value)})")
        elif kind(value).startswith("uint"):
            self.add("answer", value, f"{kind(value)}(0)")
        elif kind(value) in ZEROS:
            self.add("answer", value, ZEROS[kind(value)])

    def on_ExpressionStatement(self, node: Node, parent: Node) -> None:
        self.leave(node, parent)
        made = node["expression"]
        if made["nodeType"] == "Assignment" and made["operator"] in STEPS:
            left, right = self.of(made["leftHandSide"]), self.of(made["rightHandSide"])
            self.add("operator", node, f"{left} {STEPS[made['operator']]} {right};", whole=True)

    def leave(self, node: Node, parent: Node) -> None:
        if parent["nodeType"] == "IfStatement" and not parent.get("falseBody"):
            return  # the same as if its condition were false
        self.add("statement", node, "", whole=True)

    def on_InlineAssembly(self, node: Node, _: Node) -> None:
        for change in assembly.changes(node["AST"], self.of):
            whole, form = change.form == assembly.LEFT_OUT, change.form
            place = self.span(change.where)
            words = (self.file, self.scope, "assembly", *place, change.before, change.after)
            self.found.append(Mutant(*words, whole=whole, form=form))

    on_EmitStatement = on_RevertStatement = on_Continue = on_Break = leave


def kind(node: Node) -> str:
    """The type of an expression, in solc's words."""
    return str(node["typeDescriptions"]["typeString"])


def woven(file: str, text: bytes, chosen: list[tuple[int, Mutant]]) -> str:
    """A file with all its chosen mutants behind their switches, numbered."""
    edits = sorted(chosen, key=lambda one: (one[1].start, -one[1].end, not one[1].whole))
    made = _render(text, 0, len(text), edits)
    used = {short for _, one in chosen if one.operator == "modifier" for short in [(one.before, one.scope)]}
    per_contract: dict[str, set[str]] = defaultdict(set)
    for modifier, scope in used:
        per_contract[scope.split(".")[0]].add(modifier)
    for contract, names in per_contract.items():
        place = re.search(rf"\bcontract {contract}\b[^{{]*{{", made)
        assert place is not None
        extra = "".join(f" modifier {one}{contract}(uint256 number) {{ {MODIFIERS[one]} }}" for one in sorted(names))
        made = made[: place.end()] + extra + made[place.end() :]
    head = "pragma solidity 0.8.37;\n"
    return made.replace(head, head + 'import {mutated} from "src/Mutated.sol";\n', 1)


def _render(text: bytes, start: int, end: int, edits: list[tuple[int, Mutant]]) -> str:
    out, at = [], start
    while edits:
        (number, first), rest = edits[0], edits[1:]
        inner = [one for one in rest if one[1].end <= first.end]
        edits = rest[len(inner) :]
        out.append(text[at : first.start].decode())
        original = _render(text, first.start, first.end, inner)
        out.append(_switch(number, first, original))
        at = first.end
    out.append(text[at:end].decode())
    return "".join(out)


def as_view(text: str) -> str:
    """A source all of whose functions may ask for the block: assembly says what it reads."""
    return re.sub(r"\bpure\b", "view", text)


def _switch(number: int, mutant: Mutant, original: str) -> str:
    if mutant.form:
        return mutant.form.format(original=original, chosen=assembly.CHOSEN.format(number=number))
    if mutant.operator == "modifier":
        return f"{mutant.before}{mutant.scope.split('.')[0]}({number})"
    if mutant.whole:
        return f"{{ if (mutated({number})) {{ {mutant.after} }} else {{ {original} }} }}"
    return f"(mutated({number}) ? {mutant.after} : {_typed(mutant, original)})"


def _typed(mutant: Mutant, original: str) -> str:
    return f"uint256({original})" if mutant.operator == "number" else original


def number_at(text: str, line: int, column: int) -> int | None:
    """The mutant that a message of the compiler is about: the next one to the right, or the last before."""
    lines = text.splitlines(keepends=True)
    offset = sum(map(len, lines[: line - 1])) + column - 1
    switch = r"(?:mutated\(|prevrandao\(\), )(\d+)\)"
    after = re.search(switch, text[offset : offset + len(lines[line - 1])])
    before = re.findall(switch, text[:offset])
    return int(after[1]) if after else int(before[-1]) if before else None
