"""Curves of few parameters fitted to the prices of many securities."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import numpy as np
from numpy.typing import ArrayLike

from tbill_defi.conventions.yields import Floats, YieldConvention
from tbill_defi.core.errors import ConventionError
from tbill_defi.instruments.reading import AnySecurity
from tbill_defi.pricing.book.book import Analytics, Book
from tbill_defi.pricing.curve import DAYS_PER_YEAR
from tbill_defi.pricing.least_squares import minimum
from tbill_defi.pricing.svensson import SvenssonCurve, loadings

TAUS = (0.5, 1.5, 4.0, 10.0)
"""Years; a fit starts at the closest pairs of these."""
STARTS, TRIED = 6, 1
"""So many starts take so many steps; the best goes on."""
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
        If there are too few securities.
    SettlementOutOfRange
        If a security is not issued, or has matured.

    Notes
    -----
    Levenberg and Marquardt's method with the analytic Jacobian, from the decay times at which linear regressions of
    the yields come closest; flows are discounted at their distinct dates.
    """

    def __init__(self, curve_date: date, securities: Sequence[AnySecurity], *, humps: int = 2) -> None:
        self.curve_date, self.humps = curve_date, humps
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
        distinct, self.place = np.unique(days[order], return_inverse=True)
        self.owner, self.amounts = owner[order], amounts[order]
        self.starts = np.searchsorted(self.owner, np.arange(len(self.book)))
        self.years = (distinct - placed.day) / DAYS_PER_YEAR

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
        problem = _Problem(self, found)
        linear = self.humps + 2
        tried = [minimum(problem.residuals, start, linear=linear, steps=TRIED) for start in problem.starts()]
        start = min(tried, key=lambda found: found.total).point
        best = minimum(problem.residuals, start, linear=linear)
        betas, taus = problem.parameters(best.point)
        return SvenssonCurve(self.curve_date, betas, taus, best.total)


class _Problem:
    """Residuals of a fit as a function of (betas, log taus)."""

    def __init__(self, fit: CurveFit, found: Analytics) -> None:
        weights = 1.0 / (found.dv01 * 1e4)
        self.humps = fit.humps
        self._place, self._starts, self._years = fit.place, fit.starts, fit.years
        self._amounts = fit.amounts * weights[fit.owner]
        self._dirty = found.dirty_price * weights
        self._yields = 2.0 * np.log1p(found.yield_ / 2.0)
        self._durations = found.modified_duration

    def parameters(self, point: Floats) -> tuple[tuple[float, float, float, float], tuple[float, float]]:
        """Betas and taus of a point."""
        taus = np.clip(np.exp(point[-self.humps :]), SMALLEST_TAU, LARGEST_TAU).tolist()
        betas = point[: self.humps + 2].tolist()
        if self.humps == 2:
            return (betas[0], betas[1], betas[2], betas[3]), (taus[0], taus[1])
        return (betas[0], betas[1], betas[2], 0.0), (taus[0], taus[0])

    def starts(self) -> list[Floats]:
        """Points to begin at: yields regressed on the loadings at their durations, at the closest taus."""
        pairs = [(a, b) for a in TAUS for b in TAUS if a != b] if self.humps == 2 else [(a, a) for a in TAUS]
        loads = np.stack([loadings(self._durations, *pair)[0][: self.humps + 2] for pair in pairs])
        gram = loads @ loads.transpose(0, 2, 1) + 1e-9 * np.eye(self.humps + 2)
        betas = np.linalg.solve(gram, (loads @ self._yields)[:, :, None])[:, :, 0]
        errors = ((np.einsum("pk,pkn->pn", betas, loads) - self._yields) ** 2).sum(axis=1)
        order = np.argsort(errors, kind="stable")[:STARTS]
        return [np.concatenate([betas[i], np.log(pairs[i][: self.humps])]) for i in order]

    def residuals(self, point: Floats) -> tuple[Floats, Floats]:
        """[n] weighted price errors and their [n, n_parameters] derivatives."""
        betas, taus = self.parameters(point)
        years = self._years
        loads, decay1, decay2 = loadings(years, *taus)
        factors = np.exp(-years * (np.array(betas) @ loads))
        # d/d log tau of g is g - e^-x, of the hump g - e^-x - x e^-x
        first = betas[1] * loads[2] + betas[2] * (loads[2] - years / taus[0] * decay1)
        rows = [loads[: self.humps + 2], first[None]]
        if self.humps == 2:
            rows.append((betas[3] * (loads[3] - years / taus[1] * decay2))[None])
        slopes = np.concatenate(rows) * (-years * factors)
        values = np.concatenate([factors[None], slopes]).take(self._place, axis=1)
        values *= self._amounts
        found = np.add.reduceat(values, self._starts, axis=1)
        return found[0] - self._dirty, found[1:].T
