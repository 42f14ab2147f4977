"""Value at risk and expected shortfall of positions, historical and parametric, and whether it has held."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from statistics import NormalDist

import numpy as np

from tbill_defi.conventions.yields import Floats
from tbill_defi.core.errors import ConventionError
from tbill_defi.core.money import UNITS_PER_DOLLAR
from tbill_defi.portfolio.face_vector import face_vector
from tbill_defi.pricing.book.book import Book
from tbill_defi.pricing.book.curve_values import DiscountCurve
from tbill_defi.pricing.curve_moves import CurveMoves

SMALLEST_SAMPLE = 20
"""Moves below which no tail is looked at."""
DECAY = 0.94
"""Of the weights of past squared losses in a day's variance, a day (RiskMetrics 1996)."""


@dataclass(frozen=True)
class TailRisk:
    """Losses over a horizon, dollars, positive.

    Attributes
    ----------
    level
        Such as 0.99: a loss beyond `value_at_risk` has probability 1 - level.
    historical_var, historical_es
        From revaluing the positions under each past move: the smallest loss that at most a share 1 - level of the
        moves exceed, and the mean of the losses from it on.
    filtered_var, filtered_es
        As the historical, with each loss scaled by today's volatility over that of its own day (Hull and White 1998):
        a calm window does not hide that the market has become wild.
    parametric_var, parametric_es
        From key rate DV01s and the moves' covariance, normal with mean 0.
    standard_deviation
        Of the parametric loss.
    worst
        (day, loss) of the largest historical losses.
    """

    level: float
    horizon_days: int
    moves: int
    market_value: float
    historical_var: float
    historical_es: float
    filtered_var: float
    filtered_es: float
    parametric_var: float
    parametric_es: float
    standard_deviation: float
    worst: tuple[tuple[date, float], ...]


@dataclass(frozen=True)
class VarBacktest:
    """How often losses went beyond the value at risk of the days before.

    Attributes
    ----------
    filtered
        Whether losses were scaled by volatility, as `TailRisk.filtered_var` is.
    days, exceptions
        Days tested, and those on which the loss was larger.
    expected
        (1 - level) x days.
    kupiec_p
        p-value of the unconditional coverage test (Kupiec 1995): that exceptions are as many as they should be.
    christoffersen_p
        p-value of conditional coverage (Christoffersen 1998): as many, and independent from day to day.
    """

    level: float
    window: int
    filtered: bool
    days: int
    exceptions: int
    expected: float
    kupiec_p: float
    christoffersen_p: float


class PositionRisk:
    """Positions on one day's curve, and what past moves would do to them.

    Parameters
    ----------
    book
        The securities.
    face_units
        CUSIP -> face in base units (10^-6 dollar); negative is short. CUSIPs of the book only; others of it are 0.
    curve
        Discounts every flow.
    settlement
        Of the prices.

    Raises
    ------
    ConventionError
        If a CUSIP is not in the book, or a face is no integer.
    """

    def __init__(self, book: Book, face_units: Mapping[str, int], curve: DiscountCurve, *, settlement: date) -> None:
        self.book, self.curve, self.settlement = book, curve, settlement
        self._face = face_vector(book, face_units) / (100.0 * UNITS_PER_DOLLAR)
        self._base = self._face @ book.dirty_prices(curve, settlement)

    @property
    def market_value(self) -> float:
        """Dollars."""
        return float(self._base)

    def profits(self, moves: CurveMoves) -> Floats:
        """[n_moves] dollars gained if each move happened now, by full revaluation."""
        return self.gains(moves.moves, moves.nodes)

    def gains(self, shifts: Floats, nodes: Floats) -> Floats:
        """[n_scenarios] dollars gained by moves [n_scenarios, n_nodes] of zero rates, decimal, at nodes in years."""
        prices = self.book.scenario_prices(self.curve, self.settlement, shifts, nodes.tolist())
        gained: Floats = self._face @ prices - self._base
        return gained

    def key_rate_dv01(self, nodes: Floats) -> Floats:
        """[n_nodes] dollars that a fall of 1 bp in the zero rate at each node brings."""
        keys: Floats = self._face @ self.book.key_rate_dv01(self.curve, self.settlement, nodes.tolist())
        return keys

    def tail(self, moves: CurveMoves, *, level: float = 0.99, worst: int = 5) -> TailRisk:
        """Value at risk and expected shortfall over the moves' horizon.

        Raises
        ------
        ConventionError
            If the level is not inside (0.5, 1), or there are too few moves.
        """
        _checked(level, len(moves))
        gained = self.profits(moves)
        var, shortfall = _historical(-gained, level)
        deviations = volatilities(-gained)
        filtered_var, filtered_es = _historical(_rescaled(-gained, deviations[:-1], deviations[-1]), level)
        keys = self.key_rate_dv01(moves.nodes) * 1e4
        deviation = math.sqrt(max(float(keys @ moves.covariance() @ keys), 0.0))
        normal = NormalDist()
        quantile = normal.inv_cdf(level)
        order = np.argsort(gained, kind="stable")[:worst]
        return TailRisk(
            level=level,
            horizon_days=moves.horizon_days,
            moves=len(moves),
            market_value=self.market_value,
            historical_var=var,
            historical_es=shortfall,
            filtered_var=filtered_var,
            filtered_es=filtered_es,
            parametric_var=quantile * deviation,
            parametric_es=normal.pdf(quantile) / (1.0 - level) * deviation,
            standard_deviation=deviation,
            worst=tuple((moves.dates[i].astype(date), -float(gained[i])) for i in order.tolist()),
        )

    def backtest(
        self, moves: CurveMoves, *, level: float = 0.99, window: int = 500, filtered: bool = False
    ) -> VarBacktest:
        """The positions held through the past: each move's loss against the value at risk of the `window` before it.

        Parameters
        ----------
        filtered
            Test `TailRisk.filtered_var` in place of `historical_var`.

        Raises
        ------
        ConventionError
            If the level is wrong, moves overlap, or there are no more of them than `window`.
        """
        _checked(level, window)
        if moves.horizon_days != 1:
            raise ConventionError(f"moves: a horizon of {moves.horizon_days} days overlaps; backtest moves of one day")
        if len(moves) <= window:
            raise ConventionError(f"window: {window} leaves no day to test of {len(moves)} moves")
        losses = -self.profits(moves)
        deviations = volatilities(losses)[:-1] if filtered else np.ones(len(losses))
        units = _rescaled(losses, deviations, 1.0)
        past = np.lib.stride_tricks.sliding_window_view(units, window)[:-1]
        place = _place(window, level)
        limit = np.partition(past, place, axis=1)[:, place] * deviations[window:]
        beyond = losses[window:] > limit
        return VarBacktest(
            level,
            window,
            filtered,
            len(beyond),
            int(beyond.sum()),
            (1.0 - level) * len(beyond),
            kupiec_p(len(beyond), int(beyond.sum()), 1.0 - level),
            christoffersen_p(beyond, 1.0 - level),
        )


def volatilities(losses: Floats) -> Floats:
    """[n + 1] standard deviation expected of each loss from those before it, and of the one after the last.

    Exponentially weighted about a mean of 0; it begins with the first losses' own mean square.

    Parameters
    ----------
    losses
        [n] in order of time, n >= 1.
    """
    squares = losses**2
    variance = float(squares[:SMALLEST_SAMPLE].mean())
    found = [variance]
    for square in squares.tolist():
        variance = DECAY * variance + (1.0 - DECAY) * square
        found.append(variance)
    deviations: Floats = np.sqrt(np.array(found))
    return deviations


def _rescaled(losses: Floats, deviations: Floats, deviation: float) -> Floats:
    """Losses as they would be at another volatility; 0 where nothing was at risk."""
    return np.divide(losses * deviation, deviations, out=np.zeros_like(losses), where=deviations > 0.0)


def least_moves(level: float) -> int:
    """Moves below which nothing is said of the tail beyond a level."""
    return max(SMALLEST_SAMPLE, math.ceil(1.0 / (1.0 - level) - 1e-9))


def check_level(level: float) -> None:
    """Raises `ConventionError` if a level is not inside (0.5, 1)."""
    if not 0.5 < level < 1.0:
        raise ConventionError(f"level: {level} is not between 0.5 and 1, such as 0.99")


def _checked(level: float, count: int) -> None:
    check_level(level)
    if count < (needed := least_moves(level)):
        raise ConventionError(f"moves: {count} are too few for a level of {level}; give at least {needed}")


def _place(count: int, level: float) -> int:
    """Place of the value at risk among ascending losses."""
    return math.ceil(level * count - 1e-9) - 1


def _historical(losses: Floats, level: float) -> tuple[float, float]:
    tail = np.sort(losses)[_place(len(losses), level) :]
    return float(tail[0]), float(tail.mean())


def _log_likelihood(hits: int, misses: int, probability: float) -> float:
    found = 0.0
    if hits:
        found += hits * math.log(probability)
    if misses:
        found += misses * math.log(1.0 - probability)
    return found


def kupiec_p(days: int, exceptions: int, probability: float) -> float:
    """p-value that exceptions have this probability: likelihood ratio, chi-squared with one degree of freedom."""
    ratio = 2.0 * (
        _log_likelihood(exceptions, days - exceptions, exceptions / days)
        - _log_likelihood(exceptions, days - exceptions, probability)
    )
    return math.erfc(math.sqrt(max(ratio, 0.0) / 2.0))


def christoffersen_p(beyond: np.ndarray, probability: float) -> float:
    """p-value that exceptions have this probability and do not cluster: two degrees of freedom.

    Parameters
    ----------
    beyond
        [n_days] bool, in order of time.
    """
    before, after = beyond[:-1], beyond[1:]
    counts = [[int((~before & ~after).sum()), int((~before & after).sum())]]
    counts.append([int((before & ~after).sum()), int((before & after).sum())])
    free = fixed = 0.0
    for misses, hits in counts:
        free += _log_likelihood(hits, misses, hits / max(hits + misses, 1))
        fixed += _log_likelihood(hits, misses, probability)
    return math.exp(-max(free - fixed, 0.0))
