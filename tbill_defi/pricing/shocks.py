"""Scenarios of the zero curve by name: parallel, steepener, key rates."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tbill_defi.conventions.yields import Floats
from tbill_defi.core.errors import ConventionError
from tbill_defi.pricing.book import KEY_YEARS, DiscountCurve
from tbill_defi.pricing.curve_moves import parallel, steepeners
from tbill_defi.pricing.spread_curve import SpreadCurve

LARGEST_BP = 2_000.0
_SIZE = re.compile(r"([+-]?[0-9]+(?:\.[0-9]+)?)\s*bp")
_NODE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([ym])")


@dataclass(frozen=True, eq=False)
class Shock:
    """A move of continuous zero rates.

    Attributes
    ----------
    name
        Such as "parallel +50 bp".
    moves
        [n_nodes] decimal, at `KEY_YEARS`; linear between them and flat beyond.
    """

    name: str
    moves: Floats

    def on(self, curve: DiscountCurve) -> SpreadCurve:
        """The curve after the move."""
        return SpreadCurve(curve, np.array(KEY_YEARS), self.moves)


def size_bp(text: str, field: str) -> float:
    """Basis points of text such as "50bp" or "-12.5bp".

    Raises
    ------
    ConventionError
        If it is no such text, or beyond `LARGEST_BP`.
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise ConventionError(f"{field}: {text!r} is not a size in basis points such as 50bp or -25bp")
    size = float(match[1])
    if abs(size) > LARGEST_BP:
        raise ConventionError(f"{field}: {text} is beyond {LARGEST_BP:g} bp")
    return size


def shocks(shift: Sequence[str] = (), steepener: Sequence[str] = (), key_rate: Sequence[str] = ()) -> list[Shock]:
    """Scenarios from text, in the order of the arguments.

    Parameters
    ----------
    shift
        Parallel moves such as "50bp".
    steepener
        Moves at 30 years such as "25bp", linear in the years around 5, where nothing moves; negative: flatteners.
    key_rate
        A node of `KEY_YEARS` and a size, such as "10y:25bp": the move falls off linearly to the nodes beside it.

    Raises
    ------
    ConventionError
        If a text is none of these.
    """
    nodes, found = np.array(KEY_YEARS), []
    for text in shift:
        size = size_bp(text, "shift")
        found.append(Shock(f"parallel {size:+g} bp", parallel(nodes, [size])[0]))
    for text in steepener:
        size = size_bp(text, "steepener")
        found.append(
            Shock(f"{'flattener' if size < 0 else 'steepener'} {abs(size):g} bp", steepeners(nodes, [size])[0])
        )
    for text in key_rate:
        node, colon, amount = text.partition(":")
        match = _NODE.fullmatch(node.strip().lower())
        years = float(match[1]) / (12.0 if match[2] == "m" else 1.0) if match else 0.0
        if not colon or years not in KEY_YEARS:
            known = ", ".join(f"{year * 12:g}m" if year < 1 else f"{year:g}y" for year in KEY_YEARS)
            raise ConventionError(f"key_rate: {text!r} is not a node and a size such as 10y:25bp; nodes are {known}")
        size = size_bp(amount, "key_rate")
        found.append(Shock(f"{node.strip()} {size:+g} bp", np.where(nodes == years, size * 1e-4, 0.0)))
    return found
