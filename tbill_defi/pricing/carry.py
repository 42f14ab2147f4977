"""Prices moved between settlement dates at a repo rate: T+1 quotes to atomic settlement, and forwards."""

from __future__ import annotations

from datetime import date

from tbill_defi.core.errors import SettlementOutOfRange
from tbill_defi.instruments.reading import AnySecurity
from tbill_defi.pricing.valuation import checked_price, checked_rate, checked_settlement

REPO_YEAR = 360.0
"""Repo interest is simple, Act/360."""


def coupons_between(security: AnySecurity, after: date, until: date) -> tuple[tuple[date, float], ...]:
    """(coupon date, interest per 100 face) with after < date <= until: what a holder from `after` to `until` gets.

    A coupon belongs to the position at the start of its date: settlement on a coupon date buys no coupon.
    """
    flows = security.resolve()
    return tuple(
        (day, float(coupon))
        for day, coupon in zip(flows.payment_dates, flows.coupons, strict=True)
        if after < day <= until
    )


def _growth(start: date, end: date, repo_rate: float) -> float:
    return 1.0 + repo_rate * (end - start).days / REPO_YEAR


def _checked(security: AnySecurity, first: date, second: date) -> None:
    flows = security.resolve()
    checked_settlement(security, flows, first)
    checked_settlement(security, flows, second)
    if first > second:
        raise SettlementOutOfRange(f"settlement: {first} is after {second}; the earlier date comes first")


def carried_back_price(
    security: AnySecurity, dirty_price: float, *, quoted_settlement: date, settlement: date, repo_rate: float
) -> float:
    """Dirty price per 100 face for an earlier settlement than the one quoted.

    The buyer who settles early finances the security to the quoted date and gets the coupons in between:
    P(t0) = P(t1) / (1 + r (t1 - t0)/360) + sum of c / (1 + r (t_c - t0)/360), t0 < t_c <= t1.

    Parameters
    ----------
    dirty_price
        Per 100 face, for `quoted_settlement` (T+1 of the market quote).
    settlement
        The earlier date, of atomic settlement; both in [issue date, maturity).
    repo_rate
        Decimal, simple, Act/360.

    Raises
    ------
    SettlementOutOfRange
        If a date is out of range, or they are not in order.
    ConventionError
        If the rate looks like percent.
    """
    _checked(security, settlement, quoted_settlement)
    rate = checked_rate("repo_rate", repo_rate)
    price = checked_price("dirty_price", dirty_price) / _growth(settlement, quoted_settlement, rate)
    for day, coupon in coupons_between(security, settlement, quoted_settlement):
        price += coupon / _growth(settlement, day, rate)
    return price


def forward_price_from_repo(
    security: AnySecurity, dirty_price: float, *, settlement: date, forward_settlement: date, repo_rate: float
) -> float:
    """Forward dirty price per 100 face of a dirty price for `settlement`; inverse of `carried_back_price`.

    Coupons in between are discounted to `settlement`, the rest grows at the repo rate:
    P(t1) = (P(t0) - sum of c / (1 + r (t_c - t0)/360)) (1 + r (t1 - t0)/360). Errors as of `carried_back_price`.
    """
    _checked(security, settlement, forward_settlement)
    rate = checked_rate("repo_rate", repo_rate)
    price = checked_price("dirty_price", dirty_price)
    for day, coupon in coupons_between(security, settlement, forward_settlement):
        price -= coupon / _growth(settlement, day, rate)
    return price * _growth(settlement, forward_settlement, rate)
