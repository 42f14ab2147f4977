"""Svensson and Nelson-Siegel curves: a few parameters for a day, published or fitted to prices.

The continuous zero rate to t years is::

    z(t) = b0 + b1 g(t/tau1) + b2 (g(t/tau1) - e^(-t/tau1)) + b3 (g(t/tau2) - e^(-t/tau2)),  g(x) = (1 - e^-x)/x

without the last term in Nelson and Siegel (1987); the Federal Reserve publishes it with both humps (Gurkaynak, Sack and
Wright 2006).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tbill_defi.conventions.yields import Floats
from tbill_defi.core.errors import ConventionError
from tbill_defi.instruments.reading import AnySecurity
from tbill_defi.pricing.curve import DAYS_PER_YEAR, Curve

NAMES = {1: ("beta0", "beta1", "beta2", "tau"), 2: ("beta0", "beta1", "beta2", "beta3", "tau1", "tau2")}
LARGEST_RATE = 1.0
"""A long rate beyond it is taken for percent."""


@dataclass(frozen=True, eq=False)
class SvenssonCurve(Curve):
    """A curve of four betas and two decay times.

    Attributes
    ----------
    curve_date
        Its discount factor is 1.
    betas
        [4] decimal, continuous Act/365; the last is 0 in a Nelson-Siegel curve.
    taus
        [2] years.
    weighted_sse
        Of a fit: sum over securities of ((model - price) / dollar duration)^2, a squared yield error; else None.
    """

    curve_date: date
    betas: tuple[float, float, float, float]
    taus: tuple[float, float]
    weighted_sse: float | None = None

    @classmethod
    def of(cls, curve_date: date, parameters: Sequence[float], *, humps: int = 2) -> Self:
        """The curve of published parameters.

        Parameters
        ----------
        parameters
            beta 0 to 3 (decimal), tau 1 and 2 (years); of Nelson-Siegel (`humps` = 1) beta 0 to 2 and tau. With a
            beta 3 of 0 tau 2 means nothing and may be what stands for none: NaN, or the Federal Reserve's -999.99.

        Raises
        ------
        ConventionError
            If their number is another, one is not finite, a tau is not positive, or the long rate looks like percent.
        """
        values = [float(value) for value in parameters]
        names = (
            ("beta0", "beta1", "beta2", "beta3", "tau1", "tau2") if humps == 2 else ("beta0", "beta1", "beta2", "tau")
        )
        if len(values) != len(names):
            raise ConventionError(f"parameters: {len(values)} given; expected {len(names)}: {', '.join(names)}")
        if humps == 2 and values[3] == 0.0:
            values[5] = values[4]
        for name, value in zip(names, values, strict=True):
            if not np.isfinite(value) or (name.startswith("tau") and value <= 0.0):
                raise ConventionError(
                    f"parameters: {name} = {value} is not a finite number" + " above 0" * ("tau" in name)
                )
        if abs(values[0]) > LARGEST_RATE:
            raise ConventionError(f"parameters: beta0 = {values[0]:g} looks like percent; give {values[0] / 100:g}")
        if humps == 2:
            return cls(curve_date, (values[0], values[1], values[2], values[3]), (values[4], values[5]))
        return cls(curve_date, (values[0], values[1], values[2], 0.0), (values[3], values[3]))

    @classmethod
    def fit(
        cls, curve_date: date, securities: Sequence[AnySecurity], clean_prices: ArrayLike, *, humps: int = 2
    ) -> SvenssonCurve:
        """The curve nearest to prices: least squares weighted by inverse dollar duration.

        Parameters
        ----------
        curve_date
            Settlement of the prices.
        securities
            More than there are parameters.
        clean_prices
            [n] per 100 face.

        Raises
        ------
        ConventionError
            If there are too few securities, or a price is wrong: names row and CUSIP.
        SettlementOutOfRange
            If a security is not issued, or has matured.

        Notes
        -----
        Betas are without bounds: near-equal taus with large opposite betas are real. Compare discount factors, never
        parameters. `CurveFit` fits the same securities to many days' prices.
        """
        from tbill_defi.pricing.curve_fit import CurveFit

        return CurveFit(curve_date, securities, humps=humps).to(clean_prices)

    def zero_rates(self, years: Floats) -> Floats:
        """Continuous zero rates to times in years, of their shape; beta0 + beta1 at 0."""
        loads, _, _ = loadings(np.asarray(years, dtype=np.float64).ravel(), *self.taus)
        rates: Floats = (np.array(self.betas) @ loads).reshape(np.shape(years))
        return rates

    def _factors_after(self, offsets: NDArray[np.int64]) -> Floats:
        years = offsets / DAYS_PER_YEAR
        factors: Floats = np.exp(-years * self.zero_rates(years))
        return factors


def loadings(years: Floats, tau1: float, tau2: float) -> tuple[Floats, Floats, Floats]:
    """[4, n] loadings of the betas; [n] e^(-t/tau) of both taus."""
    (near, hump, decay), (_, second, decay2) = _hump(years / tau1), _hump(years / tau2)
    return np.stack([np.ones_like(years), near, hump, second]), decay, decay2


def _hump(x: Floats) -> tuple[Floats, Floats, Floats]:
    lost = -np.expm1(-x)
    near = np.divide(lost, x, out=np.ones_like(x), where=x > 0.0)
    decay = 1.0 - lost
    return near, near - decay, decay
