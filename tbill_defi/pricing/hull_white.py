"""European options on bills, notes and bonds under Hull-White, by Jamshidian; conventions as of `option_forward`."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import date

import numpy as np
from numpy.typing import NDArray

from tbill_defi.core.errors import ConventionError, SettlementOutOfRange
from tbill_defi.instruments.reading import AnySecurity
from tbill_defi.pricing.curve import Curve
from tbill_defi.pricing.option_forward import (
    FLAT,
    YEAR,
    Forward,
    OptionKind,
    OptionValue,
    certain_value,
    checked_accrued,
    forward_of,
    implied,
)
from tbill_defi.pricing.valuation import checked_rate

Floats = NDArray[np.float64]
_HIGHEST_SIGMA = 0.5


@dataclass(frozen=True, slots=True)
class _Flows:
    """Flows after expiry: amounts, years from expiry, forward discount factors to expiry, each [n_flows]."""

    amounts: Floats
    years: Floats
    factors: Floats


def hull_white_option(
    security: AnySecurity,
    *,
    kind: OptionKind,
    strike: float,
    expiry: date,
    settlement: date,
    curve: Curve,
    mean_reversion: float,
    sigma: float,
    clean_price: float | None = None,
    repo_rate: float | None = None,
) -> OptionValue:
    """Value of a European option when the short rate follows Hull-White: dr = (theta(t) - a r) dt + sigma dW.

    Each flow after expiry is a zero-coupon bond with an option of its own; all are exercised at the same short rate
    (Jamshidian).

    Parameters
    ----------
    curve
        Gives forward discount factors from expiry to each later flow.
    mean_reversion, sigma
        a and sigma: decimal a year (0.03), absolute decimal a year (0.009).
    clean_price, repo_rate
        If both are given, the forward is that of the price at the repo rate, which discounts too; a constant
        continuous spread on the curve's forward factors reprices it. None: forward and discounting of the curve.

    Raises
    ------
    SettlementOutOfRange
        If a date is out of range, or settlement is before the curve.
    ConventionError
        If only one of price and repo rate is given; else as of `black_option`.

    Notes
    -----
    With Z the standard normal that drives the rate under the expiry's forward measure, a flow is worth
    F_i exp(-s_i^2/2 + s_i Z) at expiry, s_i = sigma (1 - e^(-a u_i))/a sqrt((1 - e^(-2 a T))/(2 a)); with z where their
    sum is strike + accrued, a call is D (sum c_i F_i N(s_i - z) - K N(-z)).
    Delta and gamma are along parallel moves of the forward curve after expiry. Oracle: QuantLib's
    HullWhite.discountBondOption.
    """
    terms, flows = _hull_white_terms(security, kind, strike, expiry, settlement, curve, clean_price, repo_rate)
    if checked_rate("sigma", sigma) < 0.0:
        raise ConventionError(f"sigma: {sigma:g} is negative; give a decimal such as 0.009")
    return _hull_white(terms, flows, checked_rate("mean_reversion", mean_reversion), sigma)


def implied_sigma(
    premium: float,
    security: AnySecurity,
    *,
    kind: OptionKind,
    strike: float,
    expiry: date,
    settlement: date,
    curve: Curve,
    mean_reversion: float,
    clean_price: float | None = None,
    repo_rate: float | None = None,
) -> float:
    """Sigma (absolute, decimal a year) at which `hull_white_option` gives a premium per 100 face.

    Raises
    ------
    ConventionError
        If no sigma up to 50% does; further as of `hull_white_option`.
    """
    terms, flows = _hull_white_terms(security, kind, strike, expiry, settlement, curve, clean_price, repo_rate)
    reversion = checked_rate("mean_reversion", mean_reversion)
    return implied(premium, terms, lambda sigma: _hull_white(terms, flows, reversion, sigma).price, _HIGHEST_SIGMA)


def _hull_white_terms(
    security: AnySecurity,
    kind: OptionKind,
    strike: float,
    expiry: date,
    settlement: date,
    curve: Curve,
    clean_price: float | None,
    repo_rate: float | None,
) -> tuple[Forward, _Flows]:
    accrued = checked_accrued(security, strike, expiry, settlement)
    if settlement < curve.curve_date:
        raise SettlementOutOfRange(f"settlement: {settlement} is before the curve of {curve.curve_date}; give another")
    resolved = security.resolve()
    later = (resolved.dates > np.datetime64(expiry, "D")) & (resolved.amounts > 0.0)
    years = (resolved.dates[later] - np.datetime64(expiry, "D")).astype(np.float64) / YEAR
    factors = curve.discount_factors(resolved.dates[later]) / curve.discount(expiry)
    flows = _Flows(resolved.amounts[later], years, factors)
    if clean_price is None and repo_rate is None:
        discount = curve.discount(expiry) / curve.discount(settlement)
        forward = float(flows.amounts @ flows.factors)
        days = (expiry - settlement).days
        rate = -math.log(discount) * YEAR / days
        return Forward(kind, strike, accrued, forward, discount, 1.0 / discount, days / YEAR, rate), flows
    if clean_price is None or repo_rate is None:
        raise ConventionError("hull_white_option: give clean_price and repo_rate, or neither")
    terms = forward_of(security, kind, strike, expiry, settlement, clean_price, repo_rate)
    return terms, replace(flows, factors=_repriced(flows, terms.forward))


def _repriced(flows: _Flows, forward: float) -> Floats:
    """Forward factors under the constant spread at which they give the forward price; Newton on its logarithm."""
    spread = 0.0
    for _ in range(100):
        factors: Floats = flows.factors * np.exp(-spread * flows.years)
        value = float(flows.amounts @ factors)
        step = math.log(value / forward) * value / float((flows.amounts * flows.years) @ factors)
        spread += step
        if abs(step) < 1e-15:
            break
    return np.asarray(flows.factors * np.exp(-spread * flows.years), dtype=np.float64)


def _horizon(rate: float, years: float) -> float:
    """(1 - e^(-rate years)) / rate, and years where the rate is 0."""
    return years if rate == 0.0 else -math.expm1(-rate * years) / rate


def _normal(values: Floats | float) -> Floats:
    """Standard normal distribution function."""
    return np.array([0.5 * math.erfc(-x / math.sqrt(2.0)) for x in np.atleast_1d(values)])


def _hull_white(terms: Forward, flows: _Flows, reversion: float, sigma: float) -> OptionValue:
    spans = np.array([_horizon(reversion, float(u)) for u in flows.years])
    variance = _horizon(2.0 * reversion, terms.years)
    deviations = sigma * spans * math.sqrt(variance)
    if float(deviations.max()) < FLAT:
        return certain_value(terms)
    sign, strike = terms.kind.sign, terms.strike + terms.accrued
    worth = flows.amounts * flows.factors
    edge = _exercise_edge(worth, deviations, strike)
    inside = _normal(sign * (deviations - edge))
    price = terms.discount * sign * (float(worth @ inside) - strike * float(_normal(-sign * edge)[0]))
    at_edge = worth * np.exp(-0.5 * deviations**2 + deviations * edge)
    density = math.exp(-0.5 * edge * edge) / math.sqrt(2.0 * math.pi)
    slope, bend = float((worth * flows.years) @ inside), float((worth * flows.years**2) @ inside)
    duration, convexity = float(worth @ flows.years), float(worth @ flows.years**2)
    moved = float(at_edge @ flows.years)
    delta = sign * slope / duration
    curvature = sign * bend + density * moved**2 / float(at_edge @ deviations)
    gamma = (curvature - delta * convexity) / duration**2
    vega = terms.discount * density * float(at_edge @ deviations) / sigma
    decay = vega * sigma * math.exp(-2.0 * reversion * terms.years) / (2.0 * variance)
    return OptionValue(
        kind=terms.kind,
        price=max(price, 0.0),
        forward_clean=terms.forward_clean,
        discount=terms.discount,
        years=terms.years,
        delta=terms.discount * terms.growth * delta,
        gamma=terms.discount * terms.growth**2 * gamma,
        vega=vega / 10_000.0,
        theta=(terms.rate * price - decay) / YEAR,
    )


def _exercise_edge(worth: Floats, deviations: Floats, strike: float) -> float:
    """Exercise point z, where sum of worth exp(-s^2/2 + s z) = strike: Newton on the logarithm, convex and rising.

    Its largest term is taken out of the sum, which so does not overflow on the way to a far strike.
    """
    edge, logarithms = 0.0, np.log(worth) - 0.5 * deviations**2
    for _ in range(200):
        exponents = logarithms + deviations * edge
        largest = float(exponents.max())
        parts = np.exp(exponents - largest)
        total = float(parts.sum())
        step = (math.log(strike / total) - largest) * total / float(parts @ deviations)
        edge += step
        if abs(step) <= 1e-14 * max(1.0, abs(edge)):
            break
    return edge
