"""How the cost of a bond falls on its pieces: in proportion to what each is worth at the yield of the cost itself.

The pieces of a stripped bond are payments of known size and date. Their relative values are their present values at one
yield, that at which together they are worth what the bond cost: so they add up to the cost, whatever market there is.
Integers throughout: a daily discount factor in 256 binary places, found by halving, gives the same shares everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence

_PLACES = 256
_ONE = 1 << _PLACES
_LEAST, _MOST = _ONE * 995 // 1000, _ONE * 1005 // 1000
"""Daily discount factors between which the yield is sought: a dollar in a year is worth 16 cents, or 6 dollars."""
_HALVINGS = 64


def shares(cost: int, payments: Sequence[tuple[int, int]]) -> list[int]:
    """Share of a cost that falls on each payment; they add up to it.

    Parameters
    ----------
    cost
        Base units, not negative.
    payments
        (amount in base units, days until it is made), each amount positive.

    Notes
    -----
    Shares are rounded down one after the other on their running sum, so the last takes what is left. A cost that no
    yield explains (nothing, or many times what is paid) is shared out at the end of the range.
    """
    low, high = _LEAST, _MOST
    for _ in range(_HALVINGS):
        middle = (low + high) // 2
        if sum(_values(payments, middle)) < cost << _PLACES:
            low = middle
        else:
            high = middle
    values = _values(payments, high)
    whole, so_far, given, found = sum(values), 0, 0, []
    for value in values:
        so_far += value
        share = cost * so_far // whole - given
        given += share
        found.append(share)
    return found


def _values(payments: Sequence[tuple[int, int]], factor: int) -> list[int]:
    """Present values in 2^-256 units, at a daily discount factor."""
    return [amount * _power(factor, days) for amount, days in payments]


def _power(factor: int, days: int) -> int:
    """The discount over some days, rounded down at each step."""
    result = _ONE
    while days:
        if days & 1:
            result = result * factor >> _PLACES
        factor = factor * factor >> _PLACES
        days >>= 1
    return result
