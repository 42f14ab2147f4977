"""Treasury futures: the conversion factor at which a note or bond is delivered."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from enum import Enum

from tbill_defi.conventions.schedules import add_months
from tbill_defi.core.errors import ConventionError
from tbill_defi.core.money import decimal_price
from tbill_defi.instruments import Bond, Note

NOTIONAL_COUPON = 0.06
"""Of every contract."""


class FuturesContract(Enum):
    """A contract of the Chicago Board of Trade; to its step of months the term of what is delivered is rounded down."""

    TWO_YEAR = "2-year"
    THREE_YEAR = "3-year"
    FIVE_YEAR = "5-year"
    TEN_YEAR = "10-year"
    ULTRA_TEN_YEAR = "ultra 10-year"
    BOND = "bond"
    ULTRA_BOND = "ultra bond"

    @property
    def step_months(self) -> int:
        """1 of the 2, 3 and 5-year contract, 3 of the others."""
        return 1 if self in (FuturesContract.TWO_YEAR, FuturesContract.THREE_YEAR, FuturesContract.FIVE_YEAR) else 3


def conversion_factor(security: Note | Bond, *, delivery_month: date, contract: FuturesContract) -> Decimal:
    """Conversion factor of a deliverable security, 4 decimals: its price of 1 at a yield of 6%.

    Parameters
    ----------
    delivery_month
        Any day of it; the term is counted from its first.

    Raises
    ------
    ConventionError
        If the security is no note or bond, the month is no date, or leaves it less than a month, or quarter, to run.

    Notes
    -----
    CME Group, "Calculating U.S. Treasury Futures Conversion Factors": with n whole years and z months left,
    a (C/2 + c + d) - b, where a = 1.03^(-v/6), b = C/2 (6 - v)/6, c = 1.03^(-h), d = C/0.06 (1 - c); h is 2n half-years
    and v = z for z < 7, else 2n + 1 and v = z - 6 (3 in quarters). What a contract admits is not checked.
    """
    if not isinstance(security, Note | Bond):
        raise ConventionError(f"security: {type(security).__name__} is not delivered; give a note or bond")
    if isinstance(delivery_month, datetime) or not isinstance(delivery_month, date):
        raise ConventionError(f"delivery_month: {delivery_month!r} is not a datetime.date such as date(2026, 9, 1)")
    if not isinstance(contract, FuturesContract):
        names = ", ".join(f"FuturesContract.{member.name}" for member in FuturesContract)
        raise ConventionError(f"contract: {contract!r} is not one of {names}")
    first, maturity = delivery_month.replace(day=1), security.maturity_date
    months = (maturity.year - first.year) * 12 + maturity.month - first.month
    months -= months % contract.step_months
    if months < contract.step_months:
        latest = add_months(maturity, -contract.step_months)
        raise ConventionError(
            f"delivery_month: {first:%Y-%m} is too late for {security.cusip} of {maturity}; give one by {latest:%Y-%m}"
        )
    years, rest = divmod(months, 12)
    late = rest >= 7
    part = rest - 6 if late else rest
    half = security.coupon / 2.0
    worth = 1.03 ** -(2 * years + late)
    annuity = security.coupon / NOTIONAL_COUPON * (1.0 - worth)
    factor = 1.03 ** (-part / 6.0) * (half + worth + annuity) - half * (6 - part) / 6.0
    return decimal_price(factor, 4)
