"""Curves of few parameters fitted to the prices of many securities."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import numpy as np
from numpy.typing import ArrayLike

from tbill_defi.conventions.yields import Floats, YieldConvention
from tbill_defi.core.errors import ConventionError
from tbill_defi.instruments.reading import AnySecurity
from tbill_defi.pricing.book import Analytics, Book
from tbill_defi.pricing.curve import DAYS_PER_YEAR
from tbill_defi.pricing.least_squares import minimum
from tbill_defi.pricing.svensson import SvenssonCurve, loadings
from tbill_defi.pricing.tau_grid import TauGrid

NODES, FIRST_YEARS = 48, 0.3
"""Chebyshev's nodes in log(1 + t/FIRST_YEARS): between them the factors and slopes of a curve are exact to 1e-12."""
STARTS, FIRST_STEPS = 4, 4
"""So many starts take so many steps; the best goes on."""
NOMINAL = 0.04
"""Zero rate at which bonds' sensitivities are taken for the search of decay times."""
BROAD_TAUS = (1.5, 5.0)
"""Decay times, years, of slopes and humps of the curve at which prices are linearised for that search."""
LARGEST_TAU, SMALLEST_TAU = 200.0, 1.0 / 52.0


class CurveFit:
    """Least squares in prices, weighted by inverse dollar duration; laid out once for a day's securities.

    Parameters
    ----------
    curve_date
        Settlement of the prices.
    securities
        More than there are parameters.
    humps
        2: Svensson, six parameters; 1: Nelson-Siegel, four.

    Raises
    ------
    ConventionError
        If there are too few securities, or one has payments that follow an index.
    SettlementOutOfRange
        If a security is not issued, or has matured.

    Notes
    -----
    Levenberg and Marquardt's method with the analytic Jacobian. A security's value is a sum over its flows of a smooth
    function of time, so it is laid out once as a sum over few nodes (interpolation at Chebyshev's points). The fit
    starts at the decay times at which linear regressions explain prices best (`TauGrid`), linearised at a curve through
    the yields.
    """

    def __init__(self, curve_date: date, securities: Sequence[AnySecurity], *, humps: int = 2) -> None:
        self.curve_date, self.humps = curve_date, humps
        floating = next((i for i, security in enumerate(securities) if security.kind == "frn"), None)
        if floating is not None:
            raise ConventionError(
                f"securities[{floating}] ({securities[floating].cusip}): the price of a floating rate note tells "
                "nothing of the curve; leave it out of the fit"
            )
        self.book = Book(securities)
        size = 2 * humps + 2
        if len(securities) <= size:
            raise ConventionError(f"securities: {len(securities)} given; a fit of {size} parameters needs more")
        placed = self.book.at(curve_date)
        flows = placed.flows
        owner = np.concatenate([placed.rows[flows.owner], placed.singles])
        days = np.concatenate([flows.days, placed.columns.maturity[placed.singles]])
        amounts = np.concatenate([flows.amounts, np.full(len(placed.singles), 100.0)])
        order = np.argsort(owner, kind="stable")
        starts = np.searchsorted(owner[order], np.arange(len(self.book)))
        self.years, shares = _nodes((days[order] - placed.day) / DAYS_PER_YEAR)
        self.matrix = np.add.reduceat(amounts[order, None] * shares, starts, axis=0)
        weights = self.matrix * (self.years * np.exp(-NOMINAL * self.years))
        weights /= weights.sum(axis=1, keepdims=True)
        self.grid = TauGrid(weights, self.years, humps)
        broad = [loadings(self.years, tau, tau)[0][1:3] for tau in BROAD_TAUS]
        loads = np.concatenate([np.ones((1, NODES)), *broad]).T
        self.smooth = loads @ np.linalg.pinv(weights @ loads)

    def to(self, clean_prices: ArrayLike) -> SvenssonCurve:
        """The curve nearest to [n] clean prices per 100 face.

        Raises
        ------
        ConventionError
            If a price is not finite, or no yield explains it: names row and CUSIP.
        """
        found = self.book.analytics(
            clean_prices=clean_prices, settlement=self.curve_date, convention=YieldConvention.STREET
        )
        problem = FitProblem(self, found)
        tried = minimum(problem.residuals, problem.starts(), steps=FIRST_STEPS)
        best = minimum(problem.residuals, tried.points[tried.totals.argmin(), None])
        betas, taus = (tuple(values[0].tolist()) for values in problem.parameters(best.points))
        return SvenssonCurve(self.curve_date, betas, taus, float(best.totals[0]))


def _nodes(years: Floats) -> tuple[Floats, Floats]:
    """[n_nodes] times, from 0 to the last of `years`, and [n, n_nodes] shares by which they stand for each."""
    span = np.log1p(years.max() / FIRST_YEARS)
    nodes = 0.5 * (1.0 - np.cos(np.pi * np.arange(NODES) / (NODES - 1)))
    weights = (-1.0) ** np.arange(NODES)
    weights[[0, -1]] *= 0.5
    gaps = np.log1p(years / FIRST_YEARS)[:, None] / span - nodes
    on = gaps == 0.0
    shares = weights / np.where(on, 1.0, gaps)
    shares = np.where(on.any(axis=1, keepdims=True), on, shares)
    return FIRST_YEARS * np.expm1(nodes * span), shares / shares.sum(axis=1, keepdims=True)


class FitProblem:
    """Residuals of a fit as a function of (betas, log taus).

    Attributes
    ----------
    yields
        [n] of the securities, continuous.
    """

    def __init__(self, fit: CurveFit, found: Analytics) -> None:
        scale = 1.0 / (found.dv01 * 1e4)
        self.humps, self._grid, self._years, self._smooth = fit.humps, fit.grid, fit.years, fit.smooth
        self._matrix = np.ascontiguousarray((fit.matrix * scale[:, None]).T)
        self._dirty = found.dirty_price * scale
        self.yields = 2.0 * np.log1p(found.yield_ / 2.0)

    def parameters(self, points: Floats) -> tuple[Floats, Floats]:
        """[n, 4] betas and [n, 2] taus of points."""
        taus = np.clip(np.exp(points[:, -self.humps :]), SMALLEST_TAU, LARGEST_TAU)
        if self.humps == 2:
            return points[:, :4], taus
        return np.concatenate([points[:, :3], np.zeros((len(points), 1))], axis=1), np.repeat(taus, 2, axis=1)

    def starts(self) -> Floats:
        """Points to begin at: what explains the prices best, linearised at a curve through the yields."""
        rates = self._smooth @ self.yields
        error = np.exp(-self._years * rates) @ self._matrix - self._dirty
        return self._grid.starts(self._grid.weights @ rates + error, STARTS)

    def residuals(self, points: Floats) -> tuple[Floats, Floats]:
        """[n_points, n] weighted price errors and their [n_points, n_parameters, n] derivatives."""
        betas, taus = self.parameters(points)
        years, humps = self._years, self.humps
        scaled = years / taus[:, :, None]
        lost = -np.expm1(-scaled)
        decay = 1.0 - lost
        near = np.divide(lost, scaled, out=np.ones_like(scaled), where=scaled > 0.0)
        hump = near - decay
        bent = hump - scaled * decay  # d hump / d log tau; that of `near` is `hump`
        rows = np.empty((len(points), 3 + 2 * humps, len(years)))
        rows[:, 0] = -1.0
        rows[:, 1] = 1.0
        rows[:, 2], rows[:, 3] = near[:, 0], hump[:, 0]
        if humps == 2:
            rows[:, 4] = hump[:, 1]
            rows[:, 6] = betas[:, 3, None] * bent[:, 1]
        rows[:, 3 + humps] = betas[:, 1, None] * hump[:, 0] + betas[:, 2, None] * bent[:, 0]
        rates = (betas[:, None, : humps + 2] @ rows[:, 1 : humps + 3])[:, 0]
        rows[:, 1:] *= years
        rows *= -np.exp(-years * rates)[:, None]
        found = (rows.reshape(-1, len(years)) @ self._matrix).reshape(*rows.shape[:2], -1)
        return found[:, 0] - self._dirty, found[:, 1:]
