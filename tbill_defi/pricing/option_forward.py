"""What every European option on a Treasury starts from: kind, dates, forward, discounting; and its value.

The strike is clean: at the exercise's settlement date T the payer pays strike + accrued interest of T. Forward and
discounting are at the repo rate, simple Act/360, as `carry` has them, so that all models agree on call - put =
D (clean forward - strike). Time is Act/365 from the settlement date to T. Premiums are per 100
face, paid at settlement.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from enum import Enum

from tbill_defi.core.errors import ConventionError, SettlementOutOfRange
from tbill_defi.instruments.reading import AnySecurity
from tbill_defi.pricing.carry import REPO_YEAR, forward_price_from_repo
from tbill_defi.pricing.valuation import checked_price, checked_rate, checked_settlement

YEAR = 365.0
FLAT = 1e-12
"""A relative standard deviation of the forward below this is none."""


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
class Forward:
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
        """Per 100 face."""
        return self.forward - self.accrued

    @property
    def intrinsic(self) -> float:
        """Discounted value if the forward is the outcome."""
        return self.discount * max(self.kind.sign * (self.forward_clean - self.strike), 0.0)


def checked_accrued(security: AnySecurity, strike: float, expiry: date, settlement: date) -> float:
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


def forward_of(
    security: AnySecurity,
    kind: OptionKind,
    strike: float,
    expiry: date,
    settlement: date,
    clean_price: float,
    repo_rate: float,
) -> Forward:
    """The forward of a clean price for `settlement` at the repo rate. Errors as of `black_option`."""
    accrued = checked_accrued(security, strike, expiry, settlement)
    rate = checked_rate("repo_rate", repo_rate)
    dirty = checked_price("clean_price", clean_price) + float(security.resolve().accrued(settlement))
    forward = forward_price_from_repo(security, dirty, settlement=settlement, forward_settlement=expiry, repo_rate=rate)
    days = (expiry - settlement).days
    growth = 1.0 + rate * days / REPO_YEAR
    if growth <= 0.0 or forward - accrued <= 0.0:
        raise ConventionError(f"forward: {forward - accrued:g} clean is not positive; check clean_price and repo_rate")
    return Forward(kind, strike, accrued, forward, 1.0 / growth, growth, days / YEAR, rate * YEAR / REPO_YEAR / growth)


def certain_value(terms: Forward) -> OptionValue:
    """Without volatility the forward is the outcome."""
    price = terms.intrinsic
    inside = float(terms.kind.sign) if price > 0.0 else 0.0
    return OptionValue(
        terms.kind, price, terms.forward_clean, terms.discount, terms.years, inside, 0.0, 0.0, terms.rate * price / YEAR
    )


def implied(premium: float, terms: Forward, price: Callable[[float], float], highest: float) -> float:
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
