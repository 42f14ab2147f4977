"""Calls that the desk has written on what it holds: what they cover, what they are worth, and what ends them.

A call is written by a plan, bought by the dealer at the plan's premium, and its face is on hold until it ends. On its
expiry date the dealer exercises it if what he gets is worth more at mid than what he pays, strike and accrued interest;
else it lapses, and the hold ends with the day. Until then it is owed at what the same model gives at the day's prices
and at the volatility it was written at.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from tbill_defi.core.errors import PlanError
from tbill_defi.instruments.reading import AnySecurity
from tbill_defi.ledger.accrual import accrual_period, exercise_units
from tbill_defi.portfolio.plan import RebalancePlan
from tbill_defi.portfolio.quotes import MICRO
from tbill_defi.portfolio.writes import clean_mid, value_call
from tbill_defi.pricing.option_forward import OptionValue


@dataclass(frozen=True, slots=True)
class OpenCall:
    """One call that has not ended.

    Attributes
    ----------
    cusip, face_units
        What is on hold for it, 10^-6 dollar of face.
    strike_e6
        Clean, 10^-6 per 100 face.
    expiry
        The day on which it is exercised or lapses.
    volatility
        Of the clean forward price, decimal a year.
    payment_units
        What an exercise pays for the face: strike and accrued interest of the expiry date, base units.
    context
        Context hash of the plan that wrote it, hex: tells it apart from others of the same terms.
    """

    cusip: str
    face_units: int
    strike_e6: int
    expiry: date
    volatility: float
    payment_units: int
    context: str

    @property
    def name(self) -> str:
        """CUSIP, strike and expiry, as the journal names it."""
        return f"{self.cusip} {self.strike} {self.expiry}"

    @property
    def strike(self) -> Decimal:
        """Clean, per 100 face."""
        return Decimal(self.strike_e6).scaleb(-6)

    def value(
        self, security: AnySecurity, day: date, bid_micro: int, offer_micro: int, accrued: float, repo_rate: float
    ) -> OptionValue:
        """Worth per 100 face on a day before expiry, at the security's mid of the day.

        Parameters
        ----------
        bid_micro, offer_micro
            Dirty on the day, 10^-6 per 100 face.
        accrued
            On the day, per 100 face.
        repo_rate
            Decimal, Act/360.
        """
        return value_call(
            security,
            strike=self.strike,
            expiry=self.expiry,
            settlement=day,
            clean_price=clean_mid(Decimal(bid_micro + offer_micro) / (2 * MICRO), accrued),
            repo_rate=repo_rate,
            volatility=self.volatility,
        )

    def to_json(self) -> list[Any]:
        """JSON form; base units as text."""
        return [
            self.cusip,
            str(self.face_units),
            self.strike_e6,
            self.expiry.isoformat(),
            self.volatility,
            str(self.payment_units),
            self.context,
        ]

    @classmethod
    def from_json(cls, value: Sequence[Any]) -> OpenCall:
        """Inverse of `to_json`."""
        cusip, face, strike_e6, expiry, volatility, payment, context = value
        return cls(cusip, int(face), strike_e6, date.fromisoformat(expiry), volatility, int(payment), context)


def calls_of(plan: RebalancePlan) -> list[OpenCall]:
    """The calls that a plan writes, in its order.

    Raises
    ------
    PlanError
        If the accrued interest of an expiry date is one that the contracts do not compute.
    """
    found = []
    for write in plan.writes:
        if accrual_period(write.security, write.expiry) is None:
            raise PlanError(
                f"{write.cusip}: {write.expiry} is in the third half-year of a long first coupon period, for which no "
                "option is written"
            )
        payment = exercise_units(write.security, write.strike_e6, write.face_units, write.expiry)
        found.append(
            OpenCall(
                write.cusip,
                write.face_units,
                write.strike_e6,
                write.expiry,
                write.volatility,
                payment,
                plan.context_hash.hex(),
            )
        )
    return found


def on_hold(calls: Sequence[OpenCall]) -> Mapping[str, int]:
    """CUSIP -> face units that are set aside for the calls, by CUSIP."""
    held: dict[str, int] = {}
    for call in sorted(calls, key=lambda call: call.cusip):
        held[call.cusip] = held.get(call.cusip, 0) + call.face_units
    return held
