"""European options on bills, notes and bonds by Black-76 on the clean forward; conventions as of `option_forward`."""

from __future__ import annotations

import math
from datetime import date

import numpy as np
from numpy.typing import NDArray

from tbill_defi.core.errors import ConventionError
from tbill_defi.instruments.reading import AnySecurity
from tbill_defi.pricing.option_forward import (
    FLAT,
    YEAR,
    Forward,
    OptionKind,
    OptionValue,
    certain_value,
    forward_of,
    implied,
)
from tbill_defi.pricing.valuation import checked_rate

Floats = NDArray[np.float64]
_HIGHEST_VOLATILITY = 4.0


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
    terms = forward_of(security, kind, strike, expiry, settlement, clean_price, repo_rate)
    return _black(terms, checked_volatility(volatility))


def checked_volatility(value: float) -> float:
    """`value` if it can be a decimal volatility a year. Raises `ConventionError` if negative, not finite or percent."""
    if checked_rate("volatility", value) < 0.0:
        raise ConventionError(f"volatility: {value:g} is negative; give a decimal such as 0.05")
    return value


def _black(terms: Forward, volatility: float) -> OptionValue:
    import QuantLib

    ql = QuantLib
    forward, deviation = terms.forward_clean, volatility * math.sqrt(terms.years)
    payoff = ql.PlainVanillaPayoff(ql.Option.Call if terms.kind is OptionKind.CALL else ql.Option.Put, terms.strike)
    if deviation < FLAT:
        return certain_value(terms)
    found = ql.BlackCalculator(payoff, forward, deviation, terms.discount)
    density = ql.NormalDistribution()(math.log(forward / terms.strike) / deviation + deviation / 2.0)
    vega = terms.discount * forward * density * math.sqrt(terms.years)
    price = max(float(found.value()), 0.0)
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
    terms = forward_of(security, kind, strike, expiry, settlement, clean_price, repo_rate)
    return implied(premium, terms, lambda volatility: _black(terms, volatility).price, _HIGHEST_VOLATILITY)


def profit_at_expiry(kind: OptionKind, strike: float, premium: float, clean_prices: Floats) -> Floats:
    """Holder's profit per 100 face over clean prices at expiry: payoff less premium; no interest on the premium.

    Parameters
    ----------
    clean_prices
        Any shape; the result has it too.
    """
    return np.asarray(np.maximum(kind.sign * (clean_prices - strike), 0.0) - premium, dtype=np.float64)
