"""Credit spreads by rating and term, read from prices of corporate bonds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from tbill_defi.conventions.yields import Floats
from tbill_defi.core.errors import ConventionError, SettlementOutOfRange
from tbill_defi.instruments import CorporateBond
from tbill_defi.pricing.credit import z_spread
from tbill_defi.pricing.curve import DAYS_PER_YEAR, Curve
from tbill_defi.pricing.spread_curve import SpreadCurve

NODE_YEARS = (1.0, 3.0, 5.0, 7.0, 10.0, 20.0, 30.0)
LARGEST_SPREAD = 1.0
"""Spreads beyond it are taken for percent or basis points."""
STEPS, FOUND = 50, 1e-13


@dataclass(frozen=True, eq=False)
class CreditSpreads:
    """Zero-rate spreads over a curve, by rating and term.

    Attributes
    ----------
    years
        [n_nodes] ascending.
    spreads
        Rating -> [n_nodes] decimal, continuous Act/365.
    """

    years: Floats
    spreads: Mapping[str, Floats]

    @classmethod
    def of(cls, years: Sequence[float], spreads: Mapping[str, Sequence[float]]) -> Self:
        """Spreads that are known, such as a matrix of a data vendor.

        Raises
        ------
        ConventionError
            If years do not ascend from above 0, a rating has another number of spreads, or one looks like percent.
        """
        nodes = np.array(years, dtype=np.float64)
        if not len(nodes) or not (np.diff(nodes, prepend=0.0) > 0.0).all() or not np.isfinite(nodes).all():
            raise ConventionError(f"years: {list(years)} are not ascending years above 0")
        found = {}
        for rating, values in spreads.items():
            row = np.array(values, dtype=np.float64)
            if row.shape != nodes.shape:
                raise ConventionError(f"spreads of {rating}: {row.size} given for {len(nodes)} nodes")
            if not (np.abs(row) <= LARGEST_SPREAD).all():
                raise ConventionError(f"spreads of {rating}: {row.tolist()} are not decimals such as 0.0125")
            found[rating] = row
        if not found:
            raise ConventionError("spreads: no rating given")
        return cls(nodes, found)

    @classmethod
    def fit(
        cls,
        bonds: Sequence[CorporateBond],
        clean_prices: ArrayLike,
        curve: Curve,
        *,
        years: Sequence[float] = NODE_YEARS,
    ) -> Self:
        """The spreads nearest to prices that settle on the curve date: for each rating least squares in spread.

        Parameters
        ----------
        bonds
            Each with a rating; discounted to maturity, calls are not exercised.
        clean_prices
            [n] per 100 face.
        years
            Nodes, ascending. A node that no bond of a rating reaches stays at the rating's average spread.

        Raises
        ------
        ConventionError
            If there are no bonds, one has no rating, a price is wrong: names row and CUSIP.
        SettlementOutOfRange
            If a bond is not issued, or has matured.

        Notes
        -----
        Gauss and Newton's method on the model prices, weighted by inverse dollar duration, of all spreads that explain
        prices equally well the one nearest to flat.
        """
        prices = np.asarray(clean_prices, dtype=np.float64)
        if not len(bonds) or prices.shape != (len(bonds),):
            raise ConventionError(f"clean_prices: shape {prices.shape} for {len(bonds)} bonds; give one each")
        rows: dict[str, list[int]] = {}
        for row, bond in enumerate(bonds):
            if not isinstance(bond, CorporateBond) or bond.rating is None:
                raise ConventionError(f"bonds, row {row}, {bond.cusip}: has no rating; give a rated CorporateBond")
            rows.setdefault(bond.rating, []).append(row)
        nodes = cls.of(years, {"": [0.0] * len(years)}).years
        quoted = [_Quoted.of(row, bond, float(prices[row]), curve) for row, bond in enumerate(bonds)]
        return cls(nodes, {rating: _fitted(nodes, [quoted[row] for row in found]) for rating, found in rows.items()})

    def curve(self, rating: str, base: Curve) -> SpreadCurve:
        """The curve that discounts bonds of a rating.

        Raises
        ------
        ConventionError
            If the rating has no spreads; names those that have.
        """
        if rating not in self.spreads:
            raise ConventionError(f"rating: {rating!r} has no spreads; there are those of {', '.join(self.spreads)}")
        return SpreadCurve(base, self.years, self.spreads[rating])

    def spread(self, rating: str, years: float) -> float:
        """Decimal spread of a rating at a term. Errors as of `curve`."""
        if rating not in self.spreads:
            raise ConventionError(f"rating: {rating!r} has no spreads; there are those of {', '.join(self.spreads)}")
        return float(np.interp(years, self.years, self.spreads[rating]))


def default_probability(spread: float, years: float, *, recovery: float = 0.4) -> float:
    """Probability of default within a term that a spread pays for: 1 - exp(-spread x years / (1 - recovery)).

    Parameters
    ----------
    spread
        Decimal, continuous.
    years
        At least 0.
    recovery
        Part of face recovered, in [0, 1).

    Raises
    ------
    ConventionError
        If a value is outside its range.

    Notes
    -----
    Hull, Options, Futures and Other Derivatives, chapter on credit risk: the average hazard rate is the spread over
    loss given default. Risk-neutral: it pays for risk and illiquidity too.
    """
    if not 0.0 <= recovery < 1.0:
        raise ConventionError(f"recovery: {recovery} is not in [0, 1)")
    if not 0.0 <= years < math.inf:
        raise ConventionError(f"years: {years} is not a term of 0 or more")
    if not 0.0 <= spread <= LARGEST_SPREAD:
        raise ConventionError(f"spread: {spread} is not a decimal from 0 to 1 such as 0.0125")
    return -math.expm1(-spread * years / (1.0 - recovery))


@dataclass(frozen=True)
class _Quoted:
    """A bond's flows discounted without credit risk, its dirty price, and its own flat spread."""

    years: Floats
    values: Floats
    dirty: float
    flat: float

    @classmethod
    def of(cls, row: int, bond: CorporateBond, clean: float, curve: Curve) -> Self:
        day = curve.curve_date
        try:
            flat = z_spread(bond, clean, curve, settlement=day)
        except (ConventionError, SettlementOutOfRange) as error:
            raise type(error)(f"row {row}, {bond.cusip}: {error}") from None
        flows = bond.resolve()
        later = flows.dates > np.datetime64(day, "D")
        days = flows.dates[later]
        years = (days - np.datetime64(day, "D")).astype(np.int64) / DAYS_PER_YEAR
        return cls(years, flows.amounts[later] * curve.discount_factors(days), clean + float(flows.accrued(day)), flat)


def _fitted(nodes: Floats, quoted: Sequence[_Quoted]) -> Floats:
    """[n_nodes] spreads of one rating."""
    shapes = [_shares(nodes, bond.years) for bond in quoted]
    flat = float(np.mean([bond.flat for bond in quoted]))
    spreads = np.full(len(nodes), flat)
    for _ in range(STEPS):
        missed, slopes = [], []
        for bond, shares in zip(quoted, shapes, strict=True):
            terms = bond.values * np.exp(-(shares @ spreads) * bond.years)
            slope = (terms * bond.years) @ shares
            weight = slope.sum()
            missed.append((terms.sum() - bond.dirty) / weight)
            slopes.append(slope / weight)
        matrix = np.array(slopes)
        # nearest to flat of all least squares: the pseudo-inverse on what is left to explain of the distance from flat
        target = np.array(missed) + matrix @ (spreads - flat)
        step = flat + np.linalg.lstsq(matrix, target, rcond=1e-9)[0] - spreads
        spreads = spreads + step
        if np.abs(step).max() < FOUND:
            break
    return spreads


def _shares(nodes: Floats, years: Floats) -> Floats:
    """[n_flows, n_nodes] weights of the nodes' spreads at times: linear between nodes, flat outside."""
    return np.stack([np.interp(years, nodes, unit) for unit in np.eye(len(nodes))], axis=1)
