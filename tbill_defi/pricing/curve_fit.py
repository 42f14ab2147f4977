"""Curves of few parameters fitted to the prices of many securities."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date
from operator import attrgetter

import numpy as np
from numpy.typing import ArrayLike

from tbill_defi.conventions.yields import Floats, YieldConvention
from tbill_defi.core.errors import ConventionError
from tbill_defi.instruments.reading import AnySecurity
from tbill_defi.pricing.book import Book
from tbill_defi.pricing.curve import DAYS_PER_YEAR
from tbill_defi.pricing.least_squares import minimum
from tbill_defi.pricing.svensson import SvenssonCurve, loadings
from tbill_defi.pricing.tau_grid import Regressions, TauGrid

NODES, FIRST_YEARS = 40, 0.3
"""Chebyshev's nodes in log(1 + t/FIRST_YEARS): between them the factors and slopes of a curve are exact to 5e-12."""
STARTS = 8
"""Points to begin at, at most; the first will often do."""
CLOSE, BLURRED, FINE = 1.05, 0.85, 4e-10
"""Further starts are tried while their regressions leave less than so many times the squares of the best fit; and,
whatever they leave, if regressions do not tell, because that fit leaves less than such a share of the squares of its
own, or 0.2 bp a security: so much is lost by linearising."""
NOMINAL = 0.04
"""Zero rate at which bonds' sensitivities are taken for the search of decay times."""
BROAD_TAUS = (1.5, 5.0)
"""Decay times, years, of slopes and humps of the curve at which prices are linearised for that search."""
LOWEST, HIGHEST = math.log(1.0 / 52.0), math.log(200.0)
"""Logarithms of the decay times, years, between which a fit has them."""


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
    the yields; at the next best as well, as long as these regressions do not rule out that they lead lower.
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
        matrix = np.add.reduceat(amounts[order, None] * shares, starts, axis=0)
        self.matrix = np.ascontiguousarray(matrix.T)
        weights = matrix * (self.years * np.exp(-NOMINAL * self.years))
        weights /= weights.sum(axis=1, keepdims=True)
        self.grid = TauGrid(weights, self.years, humps)
        broad = [loadings(self.years, tau, tau)[0][1:3] for tau in BROAD_TAUS]
        self.smooth = np.concatenate([np.ones((1, NODES)), *broad])
        self.smoothed = self.smooth @ weights.T
        self.smoothing = np.linalg.pinv(self.smoothed)

    def to(self, clean_prices: ArrayLike) -> SvenssonCurve:
        """The curve nearest to [n] clean prices per 100 face.

        Raises
        ------
        ConventionError
            If a price is not finite, or no yield explains it: names row and CUSIP.
        """
        problem = FitProblem(self, clean_prices)
        regressions = problem.regressions()
        first, *others = regressions.starts(STARTS)
        best = minimum(problem.products, regressions.point(first))
        telling = max(BLURRED * first.left, FINE * len(self.book))
        for other in others:
            if best.total > telling and other.left > CLOSE * best.total:
                break
            best = min(best, minimum(problem.products, regressions.point(other)), key=attrgetter("total"))
        error = problem.errors(best.point)
        betas, taus = problem.parameters(best.point)
        level, slope, *humps = betas if self.humps == 2 else [*betas, 0.0]
        return SvenssonCurve(
            self.curve_date, (level, slope, humps[0], humps[1]), (taus[0], taus[-1]), float(error @ error)
        )


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
    yields, durations
        [n] of the securities: continuous; modified, years.
    """

    def __init__(self, fit: CurveFit, clean_prices: ArrayLike) -> None:
        dirty, yields, self.durations = fit.book.durations(
            clean_prices, settlement=fit.curve_date, convention=YieldConvention.STREET
        )
        self.humps, self._fit, self._years, self._matrix = fit.humps, fit, fit.years, fit.matrix
        self._dirty, self._scale = dirty, 1.0 / (dirty * self.durations)
        self.yields = 2.0 * np.log1p(0.5 * yields)
        self._rows = np.ones((2 * fit.humps + 3, len(fit.years)))
        self._rows[0] = fit.years

    def parameters(self, point: Floats) -> tuple[list[float], list[float]]:
        """Betas and taus of a point, 2 + humps and humps of them."""
        *betas, last = point.tolist()
        taus = [last] if self.humps == 1 else [betas.pop(), last]
        return betas, [math.exp(min(max(tau, LOWEST), HIGHEST)) for tau in taus]

    def regressions(self) -> Regressions:
        """Of the prices, linearised at a curve through the yields."""
        fit = self._fit
        betas = self.yields @ fit.smoothing
        return fit.grid.of(betas @ fit.smoothed + self._errors(np.exp(-self._years * (betas @ fit.smooth))))

    def errors(self, point: Floats) -> Floats:
        """[n] weighted price errors."""
        return self._errors(self._factors(point)[0])

    def _errors(self, factors: Floats) -> Floats:
        """[n] weighted price errors of [n_nodes] discount factors."""
        errors: Floats = factors @ self._matrix
        errors -= self._dirty
        errors *= self._scale
        return errors

    def residuals(self, point: Floats) -> tuple[Floats, Floats]:
        """[n] weighted price errors and their [n_parameters, n] derivatives."""
        found = self._priced(point)
        return found[-1], -found[:-1]

    def products(self, point: Floats) -> Floats:
        """[n_parameters + 1, n_parameters + 1] as of `least_squares.Products`."""
        found = self._priced(point)
        products: Floats = np.dot(found, found.T)
        return products

    def _priced(self, point: Floats) -> Floats:
        """[n_parameters + 1, n] falls of the price errors with each parameter, and the errors."""
        factors, scaled, decay = self._factors(point)
        humps, rows = self.humps, self._rows
        hump = rows[2 : 2 + humps]
        decay *= scaled
        decay += hump  # d hump / d log tau; that of t g is the hump
        np.multiply(decay, point[2 : 2 + humps, None], out=rows[2 + humps : -1])
        rows[2 + humps] += point[1] * hump[0]
        for row, log in zip(rows[2 + humps : -1], point[-humps:].tolist(), strict=True):
            if not LOWEST < log < HIGHEST:
                row[:] = 0.0
        found: Floats = np.dot(rows * factors, self._matrix)
        found[-1] -= self._dirty
        found *= self._scale
        return found

    def _factors(self, point: Floats) -> tuple[Floats, Floats, Floats]:
        """[n_nodes] discount factors, [humps, n_nodes] -t/tau and t e^(-t/tau); times by loadings are left in rows."""
        taus, humps, years, rows = self.parameters(point)[1], self.humps, self._years, self._rows
        tau = np.array(taus)[:, None]
        np.negative(tau, out=tau)
        scaled = years / tau
        lost = np.expm1(scaled)
        decay = lost * years
        decay += years
        lost *= tau  # t g(t/tau)
        np.subtract(lost, decay, out=rows[2 : 2 + humps])
        rows[1] = lost[0]
        return np.exp(-np.dot(point[: 2 + humps], rows[: 2 + humps])), scaled, decay
