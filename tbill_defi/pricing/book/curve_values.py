"""A book on a discount curve: prices, key rates, spreads, and prices on many curves at once.

Every price is linear in the factors E(t) = D(t) / D(settlement) at the dates of the cycles. The value of a level
coupon is a difference of their running sums, so a price costs a few look-ups, however many flows it has.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
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
    cycle_factors, single_factors
        [n_periods, n_cycles] and [n_singles + n_loose_flows] factors D(date) / D(settlement).
    """

    def __init__(self, placed: Placed, curve: DiscountCurve) -> None:
        start = curve.curve_date.toordinal() - EPOCH
        if placed.day < start:
            raise SettlementOutOfRange(
                f"settlement: {placed.settlement} is before the curve of {curve.curve_date}; give a later date"
            )
        self.placed = placed
        maturities = placed.columns.maturity[placed.singles]
        days = np.concatenate([placed.dates.ravel(), maturities, placed.loose.days, [placed.day]])
        factors = curve.discount_factors(days.view("datetime64[D]"))
        if not factors.min(initial=1.0) > 0.0:
            raise ConventionError(f"curve of {curve.curve_date}: has a discount factor that is not positive")
        relative = factors[:-1] / factors[-1]
        cut = placed.dates.size
        self.cycle_factors, self.single_factors = relative[:cut].reshape(placed.dates.shape), relative[cut:]
        self._times = (days - start) / DAYS_PER_YEAR

    def value(self, cycle_factors: Floats, single_factors: Floats) -> Floats:
        """What the book's flows are worth at factors, per 100 face; linear in them.

        Parameters
        ----------
        cycle_factors
            [n_periods, n_cycles] or [n_periods, n_cycles, n_scenarios].
        single_factors
            [n_singles + n_loose_flows] or [n_singles + n_loose_flows, n_scenarios].

        Returns
        -------
        [n] or [n, n_scenarios].
        """
        placed = self.placed
        tail = cycle_factors.shape[2:]
        sums = np.empty_like(cycle_factors)
        running = np.zeros(cycle_factors.shape[1:])
        for period, row in enumerate(cycle_factors):
            running += row
            sums[period] = running
        width = cycle_factors.shape[1]
        flat, total = cycle_factors.reshape(-1, *tail), sums.reshape(-1, *tail)
        end = placed.last * width + placed.cycles.of
        found: Floats = _spread(placed.coupon, tail) * total.take(end, axis=0)
        found += 100.0 * flat.take(end, axis=0)
        if (late := np.flatnonzero(placed.first > 0)).size:
            before = end[late] - (placed.last[late] - placed.first[late] + 1) * width
            found[late] -= _spread(placed.coupon[late], tail) * total.take(before, axis=0)
        if (odd := np.flatnonzero(placed.odd != 0.0)).size:
            first = end[odd] - (placed.last[odd] - placed.first[odd]) * width
            found[odd] += _spread(placed.odd[odd], tail) * flat.take(first, axis=0)
        values = np.empty((len(placed.columns), *tail))
        values[placed.rows] = found
        count = len(placed.singles)
        values[placed.singles] = 100.0 * single_factors[:count]
        if len(placed.loose.rows):
            values[placed.loose.rows] = placed.loose.values(single_factors[count:])
        return values

    def dirty_prices(self) -> Floats:
        """[n] per 100 face."""
        return self.value(self.cycle_factors, self.single_factors)

    def _moments(self, weight: Floats) -> Floats:
        """[n] value of the flows, each multiplied by the weight of its date."""
        cut = self.cycle_factors.size
        return self.value(
            self.cycle_factors * weight[:cut].reshape(self.cycle_factors.shape), self.single_factors * weight[cut:]
        )

    def effective(self) -> tuple[Floats, Floats]:
        """First and second derivative of the prices in a parallel move of continuous zero rates, each [n]."""
        terms = self._times[:-1] - self._times[-1]
        return -self._moments(terms), self._moments(terms * terms)

    def key_rates(self, nodes: Floats) -> Floats:
        """[n, n_nodes] dollars per 100 face that a fall of 1 bp in the zero rate at each node brings.

        A node's move falls off linearly to the nodes beside it, and is flat beyond the first and last, so the columns
        add up to the DV01 of a parallel move.
        """
        weights = tent_weights(self._times, nodes) * self._times
        return np.stack([self._moments(row[:-1] - row[-1]) * 1e-4 for row in weights], axis=1)

    def scenarios(self, shifts: Floats, nodes: Floats) -> Iterator[tuple[slice, Floats]]:
        """Prices after moves of the zero rates at nodes: blocks of (which scenarios, [n, n_block] dirty prices)."""
        weights = tent_weights(self._times, nodes) * self._times
        move = np.ascontiguousarray((weights[:, :-1] - weights[:, -1:]).T)
        base = np.concatenate([self.cycle_factors.ravel(), self.single_factors])[:, None]
        cut, shape = self.cycle_factors.size, self.cycle_factors.shape
        for start in range(0, len(shifts), BLOCK):
            part = shifts[start : start + BLOCK]
            factors = np.exp(move @ -part.T)
            factors *= base
            cycle = factors[:cut].reshape(*shape, len(part))
            yield slice(start, start + len(part)), self.value(cycle, factors[cut:])

    def dirty_at_spreads(self, spreads: Floats) -> Floats:
        """[n] dirty prices at [n] spreads over the curve's zero rates: decimal, continuous, Act/365."""
        placed = self.placed
        prices = np.empty(len(placed.columns))
        years = placed.days / DAYS_PER_YEAR
        count = len(placed.singles)
        prices[placed.singles] = 100.0 * self.single_factors[:count] * np.exp(-spreads[placed.singles] * years)
        if len((loose := placed.loose).rows):
            values, terms = self._loose_worth()
            factors = np.exp(-spreads[loose.rows][loose.owner] * terms)
            prices[loose.rows] = np.add.reduceat(values * factors, loose.starts)
        if len(placed.rows):
            flows = placed.flows
            terms = (flows.days - placed.day) / DAYS_PER_YEAR
            factors = self.cycle_factors[flows.period, placed.cycles.of[flows.owner]]
            values = flows.amounts * factors * np.exp(-spreads[placed.rows][flows.owner] * terms)
            prices[placed.rows] = np.add.reduceat(values, flows.starts)
        return prices

    def z_spreads(self, dirty: Floats) -> Floats:
        """[n] spreads over the curve's zero rates that explain dirty prices: decimal, continuous, Act/365."""
        placed = self.placed
        cut = self.cycle_factors.size
        terms = (self._times[:-1] - self._times[-1])[:cut].reshape(self.cycle_factors.shape)
        spreads = np.empty(len(placed.columns))
        years = placed.days / DAYS_PER_YEAR
        factors = self.single_factors[: len(placed.singles)]
        spreads[placed.singles] = np.log(100.0 * factors / dirty[placed.singles]) / years
        if len((loose := placed.loose).rows):
            values, later = self._loose_worth()
            sums = Sums(values, later, loose.owner, loose.starts, np.ones(len(loose.rows)))
            spreads[loose.rows] = np.log1p(solve(sums, dirty[loose.rows], np.zeros(len(loose.rows))))
        if len(placed.rows):
            flows = placed.flows
            at = flows.period, placed.cycles.of[flows.owner]
            sums = Sums(
                flows.amounts * self.cycle_factors[at], terms[at], flows.owner, flows.starts, np.ones(len(placed.rows))
            )
            spreads[placed.rows] = np.log1p(solve(sums, dirty[placed.rows], np.zeros(len(placed.rows))))
        return spreads

    def _loose_worth(self) -> tuple[Floats, Floats]:
        """[n_loose_flows] worth of the loose flows, and years to them."""
        loose = self.placed.loose
        years = (loose.days - self.placed.day) / DAYS_PER_YEAR
        return loose.present_values(self.single_factors[len(self.placed.singles) :]), years


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
