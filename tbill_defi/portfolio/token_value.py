"""What tokens are worth at a moment of the ledger: accrued interest within a day, fractions, net asset value per share.

Everything is exact until it is cash: prices and accrued interest are rationals, each amount is rounded once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from enum import Enum
from fractions import Fraction

from tbill_defi.core.clock import market_date, new_york_midnight
from tbill_defi.core.errors import ConventionError, UnknownSecurity
from tbill_defi.core.frozen import FrozenMap
from tbill_defi.core.splitting import split_units
from tbill_defi.instruments import Security, require_nominal
from tbill_defi.pricing.valuation import checked_settlement

PLACES = 10**6
"""Accrued interest is charged at six decimals per 100 face (31 CFR 356)."""


class IntradayAccrual(Enum):
    """How interest accrues within a day; always passed.

    MARKET_DATE
        By whole days: interest of the ledger time's New York date, the same from midnight to midnight. What settles is
        in it: invoices, the contracts' accrual, coupon entitlement.
    CONTINUOUS
        By the second: between New York midnights interest grows linearly from one day's to the next's, so that a value
        has no step at midnight but where a coupon goes. Of a day on which clocks change the seconds are 23 or 25 hours.
        For marks between settlements; nothing settles in it.
    """

    MARKET_DATE = "market date"
    CONTINUOUS = "continuous"

    def accrued(self, security: Security, at: int) -> Fraction:
        """Exact accrued interest per 100 face at a ledger time (Unix seconds).

        Raises
        ------
        SettlementOutOfRange
            If the time's New York date is before the issue, or not before maturity.
        ConventionError
            If the security is no bill, note or bond.
        """
        flows, day = require_nominal(security).resolve(), market_date(at)
        checked_settlement(security, flows, day)
        today = flows.accrued(day)
        if self is IntradayAccrual.MARKET_DATE:
            return today
        following = day + timedelta(days=1)
        paid = dict(zip(flows.payment_dates, flows.fractions, strict=True)).get(following)
        tomorrow = flows.accrued(following) if paid is None else flows.rate * paid
        start, end = new_york_midnight(day), new_york_midnight(following)
        return today + (tomorrow - today) * Fraction(at - start, end - start)


def value_units(security: Security, face_units: int, clean_price: Decimal, *, at: int, accrual: IntradayAccrual) -> int:
    """Cash base units that a face of a security is worth at a ledger time.

    Parameters
    ----------
    face_units
        Base units, 10^-6 dollar of face.
    clean_price
        Per 100 face, exact.
    at
        Unix seconds.
    accrual
        Of the interest within the day. It is rounded half up at six decimals per 100 face, as it is charged, and the
        amount then half up to the base unit.

    Raises
    ------
    SettlementOutOfRange, ConventionError
        As of `IntradayAccrual.accrued`; if face or price is wrong.
    """
    if isinstance(face_units, bool) or not isinstance(face_units, int) or face_units < 0:
        raise ConventionError(f"face_units ({security.cusip}): {face_units!r} is not a whole number, at least 0")
    if not isinstance(clean_price, Decimal) or not clean_price.is_finite():
        raise ConventionError(f"clean_price ({security.cusip}): {clean_price!r} is not a finite Decimal")
    charged = Fraction(_half_up(accrual.accrued(security, at) * PLACES), PLACES)
    dirty = Fraction(clean_price) + charged
    if dirty <= 0:
        raise ConventionError(f"clean_price ({security.cusip}): {clean_price} and accrued interest must be positive")
    return _half_up(face_units * dirty / 100)


def fraction_values(
    security: Security, held: Mapping[str, int], clean_price: Decimal, *, at: int, accrual: IntradayAccrual
) -> dict[str, int]:
    """Cash base units that each holder's fraction of a position is worth; they sum to the value of the whole.

    Parameters
    ----------
    held
        Holder -> face, base units: any fractions of a token's unit. Others as of `value_units`.
    """
    whole = value_units(security, sum(held.values()), clean_price, at=at, accrual=accrual)
    return split_units(whole, held)


@dataclass(frozen=True)
class NetAssetValue:
    """The worth of holdings at a ledger time, and of their shares.

    Attributes
    ----------
    at
        Unix seconds.
    accrual
        The convention of the day's interest.
    cash_units, security_units
        Base units: cash, and CUSIP -> worth.
    shares
        Shares outstanding, in their smallest unit.
    """

    at: int
    accrual: IntradayAccrual
    cash_units: int
    security_units: Mapping[str, int]
    shares: int

    @property
    def units(self) -> int:
        """Net asset value, base units of cash: the sum of its parts."""
        return self.cash_units + sum(self.security_units.values())

    @property
    def per_share(self) -> Fraction:
        """Exact base units of cash a smallest unit of share."""
        return Fraction(self.units, self.shares)

    def redeemed(self, shares: int) -> int:
        """Base units that a redemption of shares pays: rounded down, so those who stay never lose by it."""
        if isinstance(shares, bool) or not isinstance(shares, int) or not 0 <= shares <= self.shares:
            raise ConventionError(f"shares: {shares!r} is not a whole number from 0 to {self.shares}, all there are")
        return self.units * shares // self.shares

    def split(self, held: Mapping[str, int]) -> dict[str, int]:
        """Each holder's part of the net asset value, base units; they sum to it exactly.

        Raises
        ------
        ConventionError
            If the shares held are not all there are.
        """
        if sum(held.values()) != self.shares:
            raise ConventionError(f"held: {sum(held.values())} shares in all; {self.shares} are outstanding")
        return split_units(self.units, held)


def net_asset_value(
    positions: Mapping[str, int],
    cash_units: int,
    securities: Mapping[str, Security],
    clean_prices: Mapping[str, Decimal],
    *,
    shares: int,
    at: int,
    accrual: IntradayAccrual,
) -> NetAssetValue:
    """Net asset value of holdings at ledger precision.

    Parameters
    ----------
    positions, cash_units
        CUSIP -> face, and cash, base units: as of `Holdings`.
    securities, clean_prices
        CUSIP -> terms, and exact clean price per 100 face.
    shares
        Outstanding, in their smallest unit.
    at, accrual
        As of `value_units`.

    Raises
    ------
    UnknownSecurity
        If a position has no terms.
    ConventionError
        If a position has no price, or no shares are outstanding.
    """
    if isinstance(shares, bool) or not isinstance(shares, int) or shares <= 0:
        raise ConventionError(f"shares: {shares!r} is not a whole number above 0")
    worth = {}
    for cusip, face in sorted(positions.items()):
        if cusip not in securities:
            raise UnknownSecurity(f"positions: {cusip} has no terms among the securities")
        if cusip not in clean_prices:
            raise ConventionError(f"clean_prices: {cusip} is held and has no price")
        worth[cusip] = value_units(securities[cusip], face, clean_prices[cusip], at=at, accrual=accrual)
    return NetAssetValue(at, accrual, cash_units, FrozenMap(worth), shares)


def _half_up(exact: Fraction) -> int:
    return int((2 * exact.numerator + exact.denominator) // (2 * exact.denominator))
