"""Repo as the value wing sees it: what is lent, what it costs, what it is worth, and what a repo rate implies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from tbill_defi.core.errors import ConventionError, SettlementOutOfRange
from tbill_defi.instruments.reading import AnySecurity
from tbill_defi.instruments.repo import REPO_YEAR_DAYS, MarginRule, checked_margin, exact_e9
from tbill_defi.pricing.carry import coupons_between, forward_price_from_repo
from tbill_defi.pricing.prices import accrued_interest
from tbill_defi.pricing.valuation import checked_price, checked_rate

_HIGHEST_RATE = 1.0
_STEPS = 200


def purchase_price(market_value: float, margin_rule: MarginRule, margin: float) -> float:
    """Cash lent on collateral.

    Parameters
    ----------
    market_value
        Face x dirty price / 100, any currency unit; with the index ratio where there is one.
    margin_rule, margin
        HAIRCUT: market value x (1 - margin); MARGIN_RATIO: market value / margin.

    Raises
    ------
    ConventionError
        If the margin is not one of the rule's.
    """
    return market_value * _factor(margin_rule, margin)


def collateral_value(cash: float, margin_rule: MarginRule, margin: float) -> float:
    """Market value that covers cash: the inverse of `purchase_price`."""
    return cash / _factor(margin_rule, margin)


def repurchase_price(cash: float, repo_rate: float, *, start: date, end: date) -> float:
    """Cash and simple Act/360 interest, unrounded: cash (1 + r days / 360).

    Raises
    ------
    SettlementOutOfRange
        If `end` is before `start`.
    ConventionError
        If the rate looks like percent.
    """
    return cash * _growth(start, end, checked_rate("repo_rate", repo_rate))


def implied_repo_rate(
    security: AnySecurity,
    dirty_price: float,
    forward_dirty_price: float,
    *,
    settlement: date,
    forward_settlement: date,
) -> float:
    """The repo rate at which buying now and delivering forward earns nothing: inverse of `forward_price_from_repo`.

    Parameters
    ----------
    dirty_price, forward_dirty_price
        Per 100 face, for `settlement` and `forward_settlement`.

    Returns
    -------
    float
        Decimal, simple, Act/360; coupons in between are discounted at the same rate.

    Raises
    ------
    SettlementOutOfRange
        If the dates are not in order, or out of the security's life.
    ConventionError
        If no rate between -100% and 100% gives the forward price.
    """
    if settlement >= forward_settlement:
        raise SettlementOutOfRange(f"settlement: {settlement} must be before forward_settlement {forward_settlement}")
    target = checked_price("forward_dirty_price", forward_dirty_price)

    def excess(rate: float) -> float:
        dates = {"settlement": settlement, "forward_settlement": forward_settlement}
        return forward_price_from_repo(security, dirty_price, repo_rate=rate, **dates) - target

    days = (forward_settlement - settlement).days
    lowest = max(-_HIGHEST_RATE, -REPO_YEAR_DAYS / days * (1 - 1e-9))  # money does not fall below nothing
    return _root(excess, lowest, f"no repo rate within 100% takes {dirty_price:g} to {forward_dirty_price:g}")


@dataclass(frozen=True, slots=True)
class Carry:
    """Income and cost of a financed position from `settlement` to `horizon`, per 100 face.

    Attributes
    ----------
    interest_income
        Coupons received plus accrued interest at the end, less accrued interest at the start.
    financing_cost
        What makes `carry` = income - cost: repo interest on the dirty price, less what coupons save of it.
    carry
        Clean price - forward clean price: the drop of the forward.
    forward_clean_price
        At which the position earns nothing by the horizon.
    """

    interest_income: float
    financing_cost: float
    carry: float
    forward_clean_price: float


def carry(security: AnySecurity, clean_price: float, *, settlement: date, horizon: date, repo_rate: float) -> Carry:
    """Carry of a position financed at a repo rate.

    Parameters
    ----------
    clean_price
        Per 100 face, for `settlement`.
    repo_rate
        Decimal, simple, Act/360.

    Raises
    ------
    SettlementOutOfRange
        If the dates are not in order, or out of the security's life.
    ConventionError
        If the rate looks like percent.
    """
    first = accrued_interest(security, settlement=settlement)
    last = accrued_interest(security, settlement=horizon)
    coupons = sum(amount for _, amount in coupons_between(security, settlement, horizon))
    dirty = checked_price("clean_price", clean_price) + first
    forward = forward_price_from_repo(
        security, dirty, settlement=settlement, forward_settlement=horizon, repo_rate=repo_rate
    )
    income, drop = coupons + last - first, clean_price - (forward - last)
    return Carry(income, income - drop, drop, forward - last)


def repo_value(
    outstanding: float, accrued_interest: float, rate: float, *, on: date, end: date, repo_rate: float
) -> float:
    """Value to the lender of a running repo: what is paid at the end, discounted at today's repo rate to then.

    The borrower's is its negative. At the repo's own rate it is outstanding cash and interest so far.

    Parameters
    ----------
    outstanding, accrued_interest
        Cash lent and interest on it until `on`, any currency unit.
    rate, repo_rate
        The repo's, and today's for the remaining term; decimal, simple, Act/360.

    Raises
    ------
    SettlementOutOfRange
        If `end` is before `on`.
    ConventionError
        If a rate looks like percent.
    """
    remaining = outstanding * (_growth(on, end, checked_rate("rate", rate)) - 1.0)
    return (outstanding + accrued_interest + remaining) / _growth(on, end, checked_rate("repo_rate", repo_rate))


def _factor(rule: MarginRule, margin: float) -> float:
    return float(rule.factor(exact_e9("margin", checked_margin(rule, margin))))


def _growth(start: date, end: date, repo_rate: float) -> float:
    if end < start:
        raise SettlementOutOfRange(f"end: {end} is before start {start}")
    return 1.0 + repo_rate * (end - start).days / REPO_YEAR_DAYS


def _root(function: Callable[[float], float], lowest: float, failure: str) -> float:
    """Zero of an increasing function of a rate in [lowest, 100%], to the last bit."""
    low, high = lowest, _HIGHEST_RATE
    if function(low) > 0 or function(high) < 0:
        raise ConventionError(failure)
    for _ in range(_STEPS):
        middle = 0.5 * (low + high)
        if middle in (low, high):
            break
        if function(middle) < 0:
            low = middle
        else:
            high = middle
    return 0.5 * (low + high)
