"""European options on bills, notes and bonds: Black-76 on the clean forward, and Hull-White by Jamshidian.

The strike is clean: at the exercise's settlement date T the payer pays strike + accrued interest of T. Forward and
discounting are at the repo rate, simple Act/360, as `carry` has them, so that both models agree on put - call =
D (strike - clean forward). Time is Act/365 from the settlement date to T. Premiums are per 100 face, paid at
`settlement`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from tbill_defi.core.errors import ConventionError, SettlementOutOfRange
from tbill_defi.pricing.carry import REPO_YEAR, coupons_between, forward_price_from_repo
from tbill_defi.pricing.curve import Curve
from tbill_defi.pricing.valuation import AnySecurity, checked_price, checked_rate, checked_settlement

YEAR = 365.0
Floats = NDArray[np.float64]
_HIGHEST_VOLATILITY = 4.0
_FLAT = 1e-12
"""A standard deviation of the payoff below this, relative, is none."""


class OptionKind(Enum):
    """The right to buy (call) or to sell (put)."""

    CALL = "call"
    PUT = "put"

    @property
    def sign(self) -> int:
        """+1 of a call, -1 of a put."""
        return 1 if self is OptionKind.CALL else -1


@dataclass(frozen=True, slots=True)
class OptionValue:
    """Value and sensitivities of the right on 100 face, for its holder.

    Attributes
    ----------
    price
        Premium per 100 face, paid at settlement.
    forward_clean, discount, years
        Clean forward per 100 face at the expiry date; discount factor to it; Act/365 years to it.
    delta
        Change of the premium for 1 point of the security's price (settlement date's, clean or dirty).
    gamma
        Change of delta for 1 point.
    vega
        Black-76: for 0.01 of price volatility. Hull-White: for 0.0001 (1 bp) of sigma.
    theta
        For one calendar day's passing, forward price and volatility unchanged. Negative: the holder loses.
    """

    kind: OptionKind
    price: float
    forward_clean: float
    discount: float
    years: float
    delta: float
    gamma: float
    vega: float
    theta: float


@dataclass(frozen=True, slots=True)
class _Terms:
    """What both models start from; `growth` is the forward's change for 1 point of the spot price."""

    kind: OptionKind
    strike: float
    accrued: float
    forward: float
    discount: float
    growth: float
    years: float
    rate: float

    @property
    def forward_clean(self) -> float:
        return self.forward - self.accrued

    @property
    def intrinsic(self) -> float:
        return self.discount * max(self.kind.sign * (self.forward_clean - self.strike), 0.0)


def _checked(security: AnySecurity, strike: float, expiry: date, settlement: date) -> float:
    """Accrued interest at the expiry date, once the dates and the strike can be."""
    flows = security.resolve()
    checked_settlement(security, flows, settlement)
    try:
        checked_settlement(security, flows, expiry)
    except SettlementOutOfRange as error:
        raise SettlementOutOfRange(f"expiry: {str(error).removeprefix('settlement: ')}") from None
    if expiry <= settlement:
        raise SettlementOutOfRange(f"expiry: {expiry} is not after settlement {settlement}; give a later date")
    if not checked_price("strike", strike) > 0.0:
        raise ConventionError(f"strike: {strike:g} is not a positive clean price per 100 face")
    return float(flows.accrued(expiry))


def _terms(
    security: AnySecurity,
    kind: OptionKind,
    strike: float,
    expiry: date,
    settlement: date,
    clean_price: float,
    repo_rate: float,
) -> _Terms:
    accrued = _checked(security, strike, expiry, settlement)
    rate = checked_rate("repo_rate", repo_rate)
    dirty = checked_price("clean_price", clean_price) + float(security.resolve().accrued(settlement))
    forward = forward_price_from_repo(security, dirty, settlement=settlement, forward_settlement=expiry, repo_rate=rate)
    days = (expiry - settlement).days
    growth = 1.0 + rate * days / REPO_YEAR
    if growth <= 0.0 or forward - accrued <= 0.0:
        raise ConventionError(f"forward: {forward - accrued:g} clean is not positive; check clean_price and repo_rate")
    return _Terms(kind, strike, accrued, forward, 1.0 / growth, growth, days / YEAR, rate * YEAR / REPO_YEAR / growth)


# --- Black-76 ---------------------------------------------------------------------------------------------------


def black_option(
    security: AnySecurity,
    *,
    kind: OptionKind,
    strike: float,
    expiry: date,
    settlement: date,
    clean_price: float,
    repo_rate: float,
    volatility: float,
) -> OptionValue:
    """Value of a European option by Black-76: the clean forward at expiry is lognormal.

    Parameters
    ----------
    strike
        Clean, per 100 face.
    expiry
        The date on which an exercise settles, in (settlement, maturity).
    settlement
        The date of `clean_price` and of the premium's payment.
    clean_price
        Per 100 face, for `settlement`.
    repo_rate
        Decimal, simple, Act/360: finances the forward and discounts the premium.
    volatility
        Decimal a year of the clean forward price; 0 gives the discounted intrinsic value.

    Raises
    ------
    SettlementOutOfRange
        If a date is out of range.
    ConventionError
        If a rate or volatility looks like percent, or strike, price or forward is not positive.

    Notes
    -----
    QuantLib's BlackCalculator. For a bill the forward price is lognormal: price volatility, not yield volatility.
    """
    terms = _terms(security, kind, strike, expiry, settlement, clean_price, repo_rate)
    return _black(terms, _checked_volatility(volatility))


def _checked_volatility(value: float) -> float:
    if checked_rate("volatility", value) < 0.0:
        raise ConventionError(f"volatility: {value:g} is negative; give a decimal such as 0.05")
    return value


def _black(terms: _Terms, volatility: float) -> OptionValue:
    import QuantLib

    ql = QuantLib
    forward, deviation = terms.forward_clean, volatility * math.sqrt(terms.years)
    payoff = ql.PlainVanillaPayoff(ql.Option.Call if terms.kind is OptionKind.CALL else ql.Option.Put, terms.strike)
    if deviation < _FLAT:
        return _certain(terms)
    found = ql.BlackCalculator(payoff, forward, deviation, terms.discount)
    density = ql.NormalDistribution()(math.log(forward / terms.strike) / deviation + deviation / 2.0)
    vega = terms.discount * forward * density * math.sqrt(terms.years)
    price = float(found.value())
    return OptionValue(
        kind=terms.kind,
        price=price,
        forward_clean=forward,
        discount=terms.discount,
        years=terms.years,
        delta=float(found.deltaForward()) * terms.growth,
        gamma=float(found.gammaForward()) * terms.growth**2,
        vega=vega / 100.0,
        theta=(terms.rate * price - vega * volatility / (2.0 * terms.years)) / YEAR,
    )


def _certain(terms: _Terms) -> OptionValue:
    """Without volatility the forward is the outcome."""
    price = terms.intrinsic
    inside = float(terms.kind.sign) if price > 0.0 else 0.0
    return OptionValue(
        terms.kind, price, terms.forward_clean, terms.discount, terms.years, inside, 0.0, 0.0, terms.rate * price / YEAR
    )


def implied_volatility(
    premium: float,
    security: AnySecurity,
    *,
    kind: OptionKind,
    strike: float,
    expiry: date,
    settlement: date,
    clean_price: float,
    repo_rate: float,
) -> float:
    """Price volatility (decimal a year) at which `black_option` gives a premium per 100 face.

    Raises
    ------
    ConventionError
        If no volatility up to 400% does: below the discounted intrinsic value, or too high; further as of
        `black_option`.
    """
    terms = _terms(security, kind, strike, expiry, settlement, clean_price, repo_rate)
    return _implied(premium, terms, lambda volatility: _black(terms, volatility).price, _HIGHEST_VOLATILITY)


def _implied(premium: float, terms: _Terms, price: Callable[[float], float], highest: float) -> float:
    """Bisection of a premium that rises in the volatility, to the last digits."""
    checked_price("premium", premium)
    low, high = 0.0, highest
    least, most = price(low), price(high)
    if not least <= premium <= most:
        raise ConventionError(
            f"premium: {premium:g} per 100 face is outside [{least:.6f}, {most:.6f}], what the {terms.kind.value} can "
            "be worth"
        )
    while high - low > 1e-15 * (1.0 + high):
        middle = 0.5 * (low + high)
        if middle in (low, high):
            break
        if price(middle) < premium:
            low = middle
        else:
            high = middle
    return 0.5 * (low + high)


# --- Hull-White -------------------------------------------------------------------------------------------------


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
    return _implied(premium, terms, lambda sigma: _hull_white(terms, flows, reversion, sigma).price, 0.5)


def _hull_white_terms(
    security: AnySecurity,
    kind: OptionKind,
    strike: float,
    expiry: date,
    settlement: date,
    curve: Curve,
    clean_price: float | None,
    repo_rate: float | None,
) -> tuple[_Terms, _Flows]:
    accrued = _checked(security, strike, expiry, settlement)
    if settlement < curve.curve_date:
        raise SettlementOutOfRange(f"settlement: {settlement} is before the curve of {curve.curve_date}; give another")
    resolved = security.resolve()
    later = resolved.dates > np.datetime64(expiry, "D")
    years = (resolved.dates[later] - np.datetime64(expiry, "D")).astype(np.float64) / YEAR
    factors = curve.discount_factors(resolved.dates[later]) / curve.discount(expiry)
    flows = _Flows(resolved.amounts[later], years, factors)
    if clean_price is None and repo_rate is None:
        discount = curve.discount(expiry) / curve.discount(settlement)
        forward = float(flows.amounts @ flows.factors)
        days = (expiry - settlement).days
        rate = -math.log(discount) * YEAR / days
        return _Terms(kind, strike, accrued, forward, discount, 1.0 / discount, days / YEAR, rate), flows
    if clean_price is None or repo_rate is None:
        raise ConventionError("hull_white_option: give clean_price and repo_rate, or neither")
    terms = _terms(security, kind, strike, expiry, settlement, clean_price, repo_rate)
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


def _hull_white(terms: _Terms, flows: _Flows, reversion: float, sigma: float) -> OptionValue:
    spans = np.array([_horizon(reversion, float(u)) for u in flows.years])
    variance = _horizon(2.0 * reversion, terms.years)
    deviations = sigma * spans * math.sqrt(variance)
    if float(deviations.max()) < _FLAT:
        return _certain(terms)
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
    """z with sum of worth exp(-s^2/2 + s z) = strike: Newton on the logarithm, which is convex and rises in z."""
    edge = 0.0
    for _ in range(200):
        parts = worth * np.exp(-0.5 * deviations**2 + deviations * edge)
        total = float(parts.sum())
        step = math.log(strike / total) * total / float(parts @ deviations)
        edge += step
        if abs(step) <= 1e-14 * max(1.0, abs(edge)):
            break
    return edge


# --- payoff -----------------------------------------------------------------------------------------------------


def profit_at_expiry(kind: OptionKind, strike: float, premium: float, clean_prices: Floats) -> Floats:
    """Holder's profit per 100 face over clean prices at expiry: payoff less premium; no interest on the premium.

    Parameters
    ----------
    clean_prices
        Any shape; the result has it too.
    """
    return np.asarray(np.maximum(kind.sign * (clean_prices - strike), 0.0) - premium, dtype=np.float64)


def coupons_before(security: AnySecurity, *, settlement: date, expiry: date) -> tuple[tuple[date, float], ...]:
    """(date, interest per 100 face) a covered call's writer gets while the option lives."""
    return coupons_between(security, settlement, expiry)
