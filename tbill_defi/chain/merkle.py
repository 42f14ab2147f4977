"""Merkle trees and Merkle sum trees in the shape of RFC 6962, over canonical JSON.

A hash is SHA-256, as hex, of the canonical JSON of a list whose first member says what it is: ["leaf", ...],
["node", left, right], ["sum", left total, left hash, right total, right hash]. So no leaf can be taken for a node, and
whoever verifies needs JSON and SHA-256 alone. Totals are decimal texts of unsigned numbers of 128 bits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Any, Generic, NamedTuple, TypeVar

from tbill_defi.core.errors import DataError
from tbill_defi.core.hashing import canonical_json

LIMIT = 2**128
NodeT = TypeVar("NodeT")


def tagged_hash(*parts: Any) -> str:
    """SHA-256 of the canonical JSON of a list, as hex."""
    return sha256(canonical_json(parts)).hexdigest()


def node_hash(left: str, right: str) -> str:
    """Hash of an inner node."""
    return sha256(f'["node","{left}","{right}"]'.encode()).hexdigest()


class Sum(NamedTuple):
    """A node of a sum tree: decimal text and hash."""

    total: str
    hash: str


def sum_node(left: Sum, right: Sum) -> Sum:
    """An inner node of a sum tree.

    Raises
    ------
    DataError
        If the sum or one of its parts is not in [0, 2^128).
    """
    total = int(left.total) + int(right.total)
    for number in (int(left.total), int(right.total), total):
        if not 0 <= number < LIMIT:
            raise DataError(f"sum tree: {number} is not an unsigned number of 128 bits")
    return Sum(str(total), tagged_hash("sum", *left, *right))


class Tree(Generic[NodeT]):
    """The tree of RFC 6962 2.1: of n nodes, the left part has the largest power of two below n."""

    def __init__(self, leaves: Sequence[NodeT], combine: Callable[[NodeT, NodeT], NodeT], empty: NodeT) -> None:
        self._levels: list[list[NodeT]] = [list(leaves) or [empty]]
        while len(self._levels[-1]) > 1:
            below = self._levels[-1]
            above = [combine(below[n], below[n + 1]) for n in range(0, len(below) - 1, 2)]
            self._levels.append(above + below[len(below) & ~1 :])

    @property
    def root(self) -> NodeT:
        """What all leaves come to."""
        return self._levels[-1][0]

    def path(self, index: int) -> list[dict[str, NodeT]]:
        """From a leaf up, the siblings: {"left": ...} or {"right": ...}."""
        found = []
        for level in self._levels[:-1]:
            sibling = index ^ 1
            if sibling < len(level):
                found.append({"left" if sibling < index else "right": level[sibling]})
            index //= 2
        return found


def merkle_tree(leaves: Sequence[str]) -> Tree[str]:
    """Over hashes of leaves."""
    return Tree(leaves, node_hash, tagged_hash("empty"))


def sum_tree(leaves: Sequence[Sum]) -> Tree[Sum]:
    """Over leaves with their amounts."""
    return Tree(leaves, sum_node, Sum("0", tagged_hash("empty")))
