"""A book on a discount curve: prices, key rates, spreads, and prices on many curves at once.

Every price is linear in the factors E(t) = D(t) / D(settlement) at the dates of the cycles. The value of a level
coupon is a difference of their running sums, so a price costs a few look-ups, however many flows it has.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tbill_defi.conventions.yields import Floats
from tbill_defi.core.errors import ConventionError, SettlementOutOfRange
from tbill_defi.pricing.book.columns import EPOCH
from tbill_defi.pricing.book.cycles import Placed
from tbill_defi.pricing.book.yields import Sums, solve

DAYS_PER_YEAR = 365.0
BLOCK = 32
"""Scenarios that are valued together: their factors stay in the processor's cache."""


class DiscountCurve(Protocol):
    """What a book asks of a curve."""

    @property
    def curve_date(self) -> date:
        """The day whose discount factor is 1."""
        ...

    def discount_factors(self, days: NDArray[np.datetime64], /) -> Floats:
        """Discount factors of days, of their shape."""
        ...


class OnCurve:
    """A placed book and the factors of a curve at its dates.

    Parameters
    ----------
    placed
        The book at its settlement date.
    curve
        Any discount curve whose date is not after settlement.

    Attributes
    ----------
    factors
        [n_dates] D(date) / D(settlement) at the dates of `Grid`.
    """

    def __init__(self, placed: Placed, curve: DiscountCurve) -> None:
        start = curve.curve_date.toordinal() - EPOCH
        if placed.day < start:
            raise SettlementOutOfRange(
                f"settlement: {placed.settlement} is before the curve of {curve.curve_date}; give a later date"
            )
        self.placed, self.grid = placed, placed.grid
        factors = curve.discount_factors(self.grid.days.view("datetime64[D]"))
        if not factors.min() > 0.0:
            raise ConventionError(_not_positive(placed, curve.curve_date, factors))
        self.factors: Floats = factors[:-1] / factors[-1]
        self._start = start

    @cached_property
    def _times(self) -> Floats:
        """[n_dates + 1] years from the curve's date, of settlement last."""
        return (self.grid.days - self._start) / DAYS_PER_YEAR

    def value(self, factors: Floats) -> Floats:
        """What the book's flows are worth at factors, per 100 face; linear in them.

        Parameters
        ----------
        factors
            [n_dates] or [n_dates, n_scenarios].

        Returns
        -------
        [n] or [n, n_scenarios].
        """
        grid = self.grid
        tail = factors.shape[1:]
        sums, by_period = np.zeros_like(factors), (-1, max(grid.width, 1), *tail)
        np.cumsum(factors[: grid.cut].reshape(by_period), axis=0, out=sums[: grid.cut].reshape(by_period))
        found: Floats = sums.take(grid.last, axis=0)
        found *= _spread(grid.coupon, tail)
        found += (100.0 * factors).take(grid.last, axis=0)
        if grid.late.size:
            found[grid.late] -= _spread(grid.coupon[grid.late], tail) * sums.take(grid.before, axis=0)
        if grid.odd.size:
            found[grid.odd] += _spread(grid.extra, tail) * factors.take(grid.first, axis=0)
        if len((loose := self.placed.loose).rows):
            found[loose.rows] = loose.values(factors.take(grid.loose, axis=0))
        return found

    def dirty_prices(self) -> Floats:
        """[n] per 100 face."""
        return self.value(self.factors)

    def effective(self) -> tuple[Floats, Floats]:
        """First and second derivative of the prices in a parallel move of continuous zero rates, each [n]."""
        terms = self._times[:-1] - self._times[-1]
        weighted = self.factors * terms
        return -self.value(weighted), self.value(weighted * terms)

    def key_rates(self, nodes: Floats) -> Floats:
        """[n, n_nodes] dollars per 100 face that a fall of 1 bp in the zero rate at each node brings.

        A node's move falls off linearly to the nodes beside it, and is flat beyond the first and last, so the columns
        add up to the DV01 of a parallel move.
        """
        moves = self._moves(nodes)
        moves *= 1e-4 * self.factors[:, None]
        return self.value(moves)

    def _moves(self, nodes: Floats) -> Floats:
        """[n_dates, n_nodes] by which the logarithm of each factor falls for a unit move of the zero rate at a node."""
        weights = (tent_weights(self._times, nodes) * self._times).T
        moves: Floats = np.ascontiguousarray(weights[:-1] - weights[-1])
        return moves

    def scenarios(self, shifts: Floats, nodes: Floats) -> Iterator[tuple[slice, Floats]]:
        """Prices after moves of the zero rates at nodes: blocks of (which scenarios, [n, n_block] dirty prices)."""
        moves = self._moves(nodes)
        for start in range(0, len(shifts), BLOCK):
            part = shifts[start : start + BLOCK]
            factors = np.exp(moves @ -part.T)
            factors *= self.factors[:, None]
            yield slice(start, start + len(part)), self.value(factors)

    def dirty_at_spreads(self, spreads: Floats) -> Floats:
        """[n] dirty prices at [n] spreads over the curve's zero rates: decimal, continuous, Act/365."""
        placed = self.placed
        prices = np.empty(len(placed.columns))
        years = placed.days / DAYS_PER_YEAR
        prices[placed.singles] = 100.0 * self._single_factors() * np.exp(-spreads[placed.singles] * years)
        if len((loose := placed.loose).rows):
            values, terms = self._loose_worth()
            factors = np.exp(-spreads[loose.rows][loose.owner] * terms)
            prices[loose.rows] = np.add.reduceat(values * factors, loose.starts)
        if len(placed.rows):
            flows = placed.flows
            terms = (flows.days - placed.day) / DAYS_PER_YEAR
            values = flows.amounts * self.factors[flows.place] * np.exp(-spreads[placed.rows][flows.owner] * terms)
            prices[placed.rows] = np.add.reduceat(values, flows.starts)
        return prices

    def z_spreads(self, dirty: Floats) -> Floats:
        """[n] spreads over the curve's zero rates that explain dirty prices: decimal, continuous, Act/365."""
        placed = self.placed
        spreads = np.empty(len(placed.columns))
        years = placed.days / DAYS_PER_YEAR
        spreads[placed.singles] = np.log(100.0 * self._single_factors() / dirty[placed.singles]) / years
        if len((loose := placed.loose).rows):
            values, later = self._loose_worth()
            sums = Sums(values, later, loose.owner, loose.starts, np.ones(len(loose.rows)))
            spreads[loose.rows] = solve(sums, dirty[loose.rows], np.zeros(len(loose.rows)))[0]
        if len(placed.rows):
            flows = placed.flows
            values, terms = flows.amounts * self.factors[flows.place], (flows.days - placed.day) / DAYS_PER_YEAR
            sums = Sums(values, terms, flows.owner, flows.starts, np.ones(len(placed.rows)))
            spreads[placed.rows] = solve(sums, dirty[placed.rows], np.zeros(len(placed.rows)))[0]
        return spreads

    def _loose_worth(self) -> tuple[Floats, Floats]:
        """[n_loose_flows] worth of the loose flows, and years to them."""
        loose = self.placed.loose
        years = (loose.days - self.placed.day) / DAYS_PER_YEAR
        return loose.present_values(self.factors[self.grid.loose]), years

    def _single_factors(self) -> Floats:
        return self.factors.take(self.grid.last[self.placed.singles])


def tent_weights(times: Floats, nodes: Floats) -> Floats:
    """[n_nodes, n_times] share of each node's move at times in years: linear between nodes, flat beyond them."""
    unit = np.eye(len(nodes))
    return np.stack([np.interp(times, nodes, row) for row in unit])


def checked_nodes(nodes: Floats) -> Floats:
    """Nodes in years if they can be.

    Raises
    ------
    ConventionError
        If there are none, or they do not rise.
    """
    nodes = np.asarray(nodes, dtype=np.float64)
    if nodes.ndim != 1 or not len(nodes) or not np.isfinite(nodes).all() or (np.diff(nodes) <= 0).any():
        raise ConventionError(f"nodes: {nodes.tolist()} are not ascending years such as (0.5, 1, 2, 5, 10, 30)")
    return nodes


def _spread(values: Floats, tail: tuple[int, ...]) -> Floats:
    return values.reshape(-1, *([1] * len(tail)))


def _not_positive(placed: Placed, curve_date: date, factors: Floats) -> str:
    """What is wrong with a curve that has a discount factor of zero or less, at the first security that it values."""
    wrong = ~(factors > 0.0)
    flows, loose = placed.flows, placed.loose
    rows = np.concatenate([placed.rows[flows.owner], loose.rows[loose.owner], placed.singles])
    days = np.concatenate([flows.days, loose.days, placed.columns.maturity[placed.singles]])
    met = np.flatnonzero(np.isin(days, placed.grid.days[wrong]))
    day = int(days[met[0]] if met.size else placed.grid.days[wrong][0])
    factor = factors[placed.grid.days == day][0]
    on = date.fromordinal(day + EPOCH)
    said = f"curve of {curve_date}: the discount factor of {on} is {factor:g}, which is not positive"
    if not met.size:
        return said
    row = int(rows[met[0]])
    return f"{said}; securities[{row}] ({placed.columns.cusips[row]}) has a payment on it"
