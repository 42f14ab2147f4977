"""Two-factor Gaussian short rate, G2++, that starts at the published curve.

Brigo and Mercurio (2006), "Interest Rate Models", section 4.2: r = x + y + f(t), dx = -a x dt + s dW1,
dy = -b y dt + e dW2, dW1 dW2 = rho dt, and f such that today's discount factors are the published curve's. Paths are
under the pricing measure: the curve is expected to go where its forwards are, and no strategy earns a term premium.

a, b, s, e and rho are those whose covariance of a day's changes of zero rates, L S L' dt with L = B(t)/t, is nearest to
the sample's, tenor by tenor: for given a and b that is a linear regression for S; a and b are searched.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tbill_defi.market.simulation.chance import Chance
from tbill_defi.market.simulation.history import LONGEST_GAP_DAYS, Sample
from tbill_defi.market.simulation.linear import factor, nearest_covariance
from tbill_defi.market.simulation.shapes import HALF, Floats, discounts_of_par, par_of_discounts, zeros_of_par

DAY = 1.0 / 252.0
SLOWEST, FASTEST = 0.01, 6.0
"""Mean reversions that are searched, per year."""
STEPS, ROUNDS = 25, 6


def _b(speed: float, years: Floats) -> Floats:
    """B(t) = (1 - e^-kt) / k."""
    return -np.expm1(-speed * years) / speed


@dataclass(frozen=True, eq=False)
class Gaussian:
    """The fitted model.

    Attributes
    ----------
    start
        [n_tenors] par yields of the last day of the sample.
    speeds
        a and b, per year, a < b.
    shocks
        [2, 2] covariance of the factors' shocks, per year.
    """

    years: Floats
    start: Floats
    speeds: tuple[float, float]
    shocks: Floats

    name = "g2"

    @classmethod
    def fit(cls, sample: Sample) -> Gaussian:
        """Match the covariance of a day's changes of zero rates."""
        zeros = zeros_of_par(sample.yields, sample.years)
        numbers = np.array([day.toordinal() for day in sample.days])
        changes = np.diff(zeros, axis=0)[np.diff(numbers) <= LONGEST_GAP_DAYS]
        target = np.cov(changes.T, bias=True) / DAY
        speeds = _search(sample.years, target)
        return cls(sample.years, sample.yields[-1], speeds, _shocks(sample.years, speeds, target)[0])

    def loadings(self) -> Floats:
        """[n_tenors, 2] of zero rates on x and y."""
        return _loadings(self.years, self.speeds)

    def zero_covariance(self) -> Floats:
        """[n_tenors, n_tenors] covariance of a day's changes of zero rates, as the model has it."""
        shape = self.loadings()
        found: Floats = shape @ self.shocks @ shape.T * DAY
        return found

    def step_covariance(self, elapsed: float) -> Floats:
        """[2, 2] covariance of x and y after `elapsed` years from a known state."""
        return _integrated(np.array(self.speeds), self.shocks, elapsed)

    def factors(self, days: int, chance: Chance, count: int = 1) -> Floats:
        """[count, days, 2] x and y of the days after the start, where both are 0; exact, not discretised."""
        decay = np.exp(-np.array(self.speeds) * DAY)
        shocks = chance.normal(count, days, 2) @ factor(self.step_covariance(DAY)).T
        state = np.zeros((count, 2))
        found = np.empty((count, days, 2))
        for day in range(days):
            state = state * decay + shocks[:, day]
            found[:, day] = state
        return found

    def paths(self, days: int, chance: Chance, count: int = 1) -> Floats:
        """[count, days, n_tenors] par yields of the days after the start, decimal."""
        states = self.factors(days, chance, count)
        halves = np.arange(HALF, self.years[-1] + HALF / 2, HALF)
        short = self.years[self.years < 1.0]
        log_today = self._log_discounts()
        found = np.empty((count, days, len(self.years)))
        for day in range(days):
            now = (day + 1) * DAY
            factors, bills = (
                np.exp(self._log_discount(log_today, now, times, states[:, day])) for times in (halves, short)
            )
            found[:, day] = par_of_discounts(factors, bills, self.years)
        return found

    def _log_discounts(self) -> tuple[Floats, Floats]:
        """Times and log discount factors of the start curve; between them log-linear, beyond at the last forward."""
        factors, bills = discounts_of_par(self.start, self.years)
        short = self.years < 1.0
        grid = np.arange(HALF, self.years[-1] + HALF / 2, HALF)
        keep = ~np.isin(grid, self.years[short])
        times = np.concatenate([[0.0], self.years[short], grid[keep]])
        logs = np.concatenate([[0.0], np.log(bills), np.log(factors[keep])])
        order = np.argsort(times)
        return times[order], logs[order]

    def _log_discount(self, today: tuple[Floats, Floats], now: float, ahead: Floats, state: Floats) -> Floats:
        """[count, n_times] log P(now, now + ahead), Brigo and Mercurio (4.14)."""
        ends = now + ahead
        initial = _beyond(today, ends) - _beyond(today, np.array([now]))
        spread = self._variance(ahead) - self._variance(ends) + self._variance(np.array([now]))
        moves = sum(np.outer(state[:, place], _b(speed, ahead)) for place, speed in enumerate(self.speeds))
        found: Floats = initial + spread / 2.0 - moves
        return found

    def _variance(self, years: Floats) -> Floats:
        """V(0, t): variance of the integral of x + y over t years, Brigo and Mercurio (4.10)."""
        total = np.zeros_like(years)
        for i, a in enumerate(self.speeds):
            for j, b in enumerate(self.speeds):
                joint = _b(a + b, years)
                total += self.shocks[i, j] / (a * b) * (years - _b(a, years) - _b(b, years) + joint)
        return total

    def to_json(self) -> dict[str, object]:
        """Parameters, decimal and per year."""
        deviations = np.sqrt(np.diag(self.shocks))
        product = float(np.prod(deviations))
        return {
            "a": self.speeds[0],
            "b": self.speeds[1],
            "sigma": float(deviations[0]),
            "eta": float(deviations[1]),
            "rho": float(self.shocks[0, 1] / product) if product else 0.0,
            "start": self.start.tolist(),
        }


def _loadings(years: Floats, speeds: tuple[float, float]) -> Floats:
    return np.column_stack([_b(speed, years) / years for speed in speeds])


def _integrated(speeds: Floats, shocks: Floats, elapsed: float) -> Floats:
    sums = speeds[:, None] + speeds[None, :]
    found: Floats = shocks * -np.expm1(-sums * elapsed) / sums
    return found


def _beyond(today: tuple[Floats, Floats], times: Floats) -> Floats:
    """Log discount factors at any time from 0 on."""
    known, logs = today
    slope = (logs[-1] - logs[-2]) / (known[-1] - known[-2])
    found: Floats = np.interp(times, known, logs) + slope * np.maximum(times - known[-1], 0.0)
    return found


def _shocks(years: Floats, speeds: tuple[float, float], target: Floats) -> tuple[Floats, float]:
    """The factors' covariance that comes nearest to the target, and the squared distance that is left."""
    shape = _loadings(years, speeds)
    inverse = np.linalg.pinv(shape)
    shocks = nearest_covariance(inverse @ target @ inverse.T)
    return shocks, float(np.square(shape @ shocks @ shape.T - target).sum())


def _search(years: Floats, target: Floats) -> tuple[float, float]:
    """The two speeds: a grid in logarithms, drawn together around its best point."""
    centre, width = np.log([0.1, 1.0]), np.log(FASTEST / SLOWEST) / 2.0
    for _ in range(ROUNDS):
        axes = [np.clip(np.linspace(c - width, c + width, STEPS), np.log(SLOWEST), np.log(FASTEST)) for c in centre]
        best = np.inf
        for slow in np.exp(axes[0]):
            for fast in np.exp(axes[1]):
                if fast > 1.2 * slow:
                    left = _shocks(years, (float(slow), float(fast)), target)[1]
                    if left < best:
                        best, centre = left, np.log([slow, fast])
        width /= 4.0
    return float(np.exp(centre[0])), float(np.exp(centre[1]))
