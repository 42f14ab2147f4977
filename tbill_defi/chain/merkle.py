"""Merkle sum trees in the shape of RFC 6962, over canonical JSON.

A node is a sum and a hash. A hash is SHA-256, as hex, of the canonical JSON of a list whose first member says what it
is: ["holding", leaf], ["node", left sum, left hash, right sum, right hash]. So no leaf can be taken for a node, and
whoever verifies needs JSON and SHA-256 alone. Sums are decimal texts of unsigned numbers of 128 bits; where leaves have
no amount each counts 1, so that the root says how many there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from typing import Any, NamedTuple

from tbill_defi.core.errors import DataError
from tbill_defi.core.hashing import canonical_json

LIMIT = 2**128


def tagged_hash(*parts: Any) -> str:
    """SHA-256 of the canonical JSON of a list, as hex."""
    return sha256(canonical_json(parts)).hexdigest()


class Node(NamedTuple):
    """The sum of the leaves below it, decimal text, and its hash."""

    sum: str
    hash: str


def counted(*parts: Any) -> Node:
    """A leaf that counts 1."""
    return Node("1", tagged_hash(*parts))


def inner_node(left: Node, right: Node) -> Node:
    """What two nodes come to.

    Raises
    ------
    DataError
        If the sum or one of its parts is not in [0, 2^128).
    """
    total = int(left.sum) + int(right.sum)
    for number in (int(left.sum), int(right.sum), total):
        if not 0 <= number < LIMIT:
            raise DataError(f"sum tree: {number} is not an unsigned number of 128 bits")
    text = f'["node","{left.sum}","{left.hash}","{right.sum}","{right.hash}"]'
    return Node(str(total), sha256(text.encode()).hexdigest())


class SumTree:
    """The tree of RFC 6962 2.1: of n nodes, the left part has the largest power of two below n."""

    def __init__(self, leaves: Sequence[Node]) -> None:
        self._levels: list[list[Node]] = [list(leaves) or [Node("0", tagged_hash("empty"))]]
        while len(self._levels[-1]) > 1:
            below = self._levels[-1]
            above = [inner_node(below[n], below[n + 1]) for n in range(0, len(below) - 1, 2)]
            self._levels.append(above + below[len(below) & ~1 :])

    @property
    def root(self) -> Node:
        """What all leaves come to."""
        return self._levels[-1][0]

    def path(self, index: int) -> list[dict[str, Node]]:
        """From a leaf up, the siblings: {"left": ...} or {"right": ...}."""
        found = []
        for level in self._levels[:-1]:
            sibling = index ^ 1
            if sibling < len(level):
                found.append({"left" if sibling < index else "right": level[sibling]})
            index //= 2
        return found
