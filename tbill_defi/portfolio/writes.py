"""Calls that a plan writes on what is held: what is covered, at what strike and expiry, for what premium and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

from tbill_defi.conventions import SETTLEMENT, is_settlement_day
from tbill_defi.core.errors import PlanError
from tbill_defi.core.money import UNITS_PER_DOLLAR, cash_from_price, decimal_price, format_units
from tbill_defi.instruments import Security, terms_hash
from tbill_defi.instruments.reading import AnySecurity
from tbill_defi.portfolio.dealing import DealingLimits
from tbill_defi.portfolio.holdings import Holdings
from tbill_defi.portfolio.metrics import Metrics
from tbill_defi.portfolio.target import CoveredCall, Overlay
from tbill_defi.portfolio.view import View

if TYPE_CHECKING:
    from tbill_defi.pricing.option_forward import OptionValue

MODEL = "black-76"


@dataclass(frozen=True)
class Write:
    """One covered call: the party writes it, the counterparty buys it.

    Attributes
    ----------
    face_units
        10^-6 dollar of face, positive: set aside until the call ends.
    strike
        Clean, per 100 face, 6 decimals.
    expiry
        Date on which an exercise settles.
    volatility
        Of the clean forward price, decimal a year.
    clean_price, forward_clean
        Mid at the settlement date, and its forward at the expiry at the view's repo rate; per 100 face, 6 decimals.
    premium_price
        Black-76 per 100 face at the settlement date, 6 decimals.
    premium_units
        face x premium / 100, rounded half up to 10^-6 dollar.
    delta
        Change of the premium for 1 point of the security's price.
    source, quote_date
        Where the security's price comes from and its date.
    """

    security: Security
    face_units: int
    strike: Decimal
    expiry: date
    volatility: float
    clean_price: Decimal
    forward_clean: Decimal
    premium_price: Decimal
    premium_units: int
    delta: float
    source: str
    quote_date: date
    reason: str

    @property
    def cusip(self) -> str:
        """CUSIP of the security."""
        return self.security.cusip

    @property
    def strike_e6(self) -> int:
        """The strike in 10^-6, as the OptionBook has it."""
        return int(self.strike.scaleb(6))

    def content(self) -> dict[str, str]:
        """What of the call the plan's context hash covers, as text."""
        return {
            "cusip": self.cusip,
            "terms_hash": "0x" + terms_hash(self.security).hex(),
            "kind": "call",
            "face": str(self.face_units),
            "strike": str(self.strike),
            "expiry": self.expiry.isoformat(),
            "model": MODEL,
            "volatility": str(self.volatility),
            "clean_price": str(self.clean_price),
            "forward_clean": str(self.forward_clean),
            "premium_price": str(self.premium_price),
            "premium": str(self.premium_units),
            "source": self.source,
            "quote_date": self.quote_date.isoformat(),
        }

    def check(self, lot_units: int) -> None:
        """Raise `PlanError` unless it agrees with its own price and lot."""
        if self.face_units <= 0 or self.face_units % lot_units:
            raise PlanError(f"{self.cusip}: call on {self.face_units} is not whole lots of {lot_units} units")
        premium = cash_from_price(self.face_units, self.premium_price)
        if not 0 < premium == self.premium_units:
            raise PlanError(f"{self.cusip}: premium {self.premium_units} is not face x price / 100 = {premium}")


def make_writes(overlay: Overlay, view: View, holdings: Holdings, dealing: DealingLimits | None) -> tuple[Write, ...]:
    """The calls of an overlay, priced, ordered by (maturity, CUSIP, expiry, strike).

    Raises
    ------
    UnknownSecurity
        If a security is not in the view.
    PlanError
        If a call is naked, not in whole lots, worth nothing, on a managed account, or expires on no good day.
    """
    if dealing is not None and dealing.mandate is not None:
        raise PlanError(f"overlay: {holdings.party} is a managed account; its manager cannot write options for it")
    covered: Counter[str] = Counter()
    for call in overlay.writes:
        covered[call.cusip] += call.face_units
    for cusip, face in covered.items():
        if face > (free := holdings.available(cusip)):
            raise PlanError(
                f"{cusip}: calls on ${format_units(face)} of face, of which {holdings.party} has ${format_units(free)} "
                "free; a naked call is not written"
            )
    calls = sorted(overlay.writes, key=lambda call: (view.index(call.cusip), call.expiry, call.strike_clean))
    return tuple(_write(call, overlay, view) for call in calls)


def _write(call: CoveredCall, overlay: Overlay, view: View) -> Write:
    index = view.index(call.cusip)
    if not is_settlement_day(call.expiry):
        raise PlanError(
            f"{call.cusip}: expiry {call.expiry} is no good settlement day; {SETTLEMENT.following(call.expiry)} is the "
            "next"
        )
    clean = clean_mid(view.mid_dirty_price(index), float(view.accrued[index]))
    strike = decimal_price(call.strike_clean)
    value = value_call(
        view.securities[index],
        strike=strike,
        expiry=call.expiry,
        settlement=view.settlement_date,
        clean_price=clean,
        repo_rate=view.repo_rate,
        volatility=call.volatility,
    )
    price = decimal_price(value.price)
    made = Write(
        security=view.securities[index],
        face_units=call.face_units,
        strike=strike,
        expiry=call.expiry,
        volatility=call.volatility,
        clean_price=decimal_price(float(clean)),
        forward_clean=decimal_price(value.forward_clean),
        premium_price=price,
        premium_units=cash_from_price(call.face_units, price),
        delta=value.delta,
        source=view.sources[index],
        quote_date=view.quote_dates[index],
        reason=overlay.reasons.get(call.cusip, ""),
    )
    if not made.premium_units:
        raise PlanError(f"{call.cusip}: a call at {strike} until {call.expiry} is worth nothing; write it nearer")
    made.check(overlay.lots.units)
    return made


def clean_mid(mid_dirty: Decimal, accrued: float) -> Decimal:
    """What is left of a dirty mid without its accrued interest, which is rounded to 6 decimals; per 100 face."""
    return mid_dirty - decimal_price(accrued)


def value_call(
    security: AnySecurity,
    *,
    strike: Decimal,
    expiry: date,
    settlement: date,
    clean_price: Decimal,
    repo_rate: float,
    volatility: float,
) -> OptionValue:
    """A call by Black-76, per 100 face: as plans write it and as what was written is valued later.

    Parameters
    ----------
    strike, clean_price
        Clean per 100 face; the price is for `settlement`.
    expiry
        The date on which an exercise settles, after `settlement`.
    repo_rate, volatility
        Decimal, Act/360; decimal a year, of the clean forward price.
    """
    from tbill_defi.pricing.option_forward import OptionKind
    from tbill_defi.pricing.options import black_option

    return black_option(
        security,
        kind=OptionKind.CALL,
        strike=float(strike),
        expiry=expiry,
        settlement=settlement,
        clean_price=float(clean_price),
        repo_rate=repo_rate,
        volatility=volatility,
    )


def with_writes(held: Metrics, view: View, writes: Sequence[Write]) -> Metrics:
    """Metrics with calls written: a call is owed at its premium, and takes its delta of the security's DV01 away."""
    if not writes:
        return held
    premium = sum(write.premium_units for write in writes) / UNITS_PER_DOLLAR
    taken = 0.0
    for write in writes:
        i = view.index(write.cusip)
        value = write.face_units / UNITS_PER_DOLLAR * float(view.mid_dirty[i]) / 100.0
        taken += write.delta * value * float(view.modified_duration[i]) / 1e4
    dv01 = held.dv01 - taken
    return replace(
        held, cash=held.cash + premium, dv01=dv01, duration=dv01 * 1e4 / held.nav if held.nav else held.duration
    )
