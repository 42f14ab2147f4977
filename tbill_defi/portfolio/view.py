"""The point-in-time view a strategy sees: prices, yields, durations and maturities of one date."""

from __future__ import annotations

import datetime as dates
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from types import MappingProxyType
from typing import Literal

import numpy as np
import numpy.typing as npt

from tbill_defi.core.errors import UnknownSecurity
from tbill_defi.core.identifiers import cusip_check_digit
from tbill_defi.instruments import Security

Floats = npt.NDArray[np.float64]
ARRAYS = (
    "bid_dirty",
    "mid_dirty",
    "offer_dirty",
    "clean_price",
    "accrued",
    "yield_",
    "modified_duration",
    "convexity",
    "years_to_maturity",
)


@dataclass(frozen=True)
class Quote:
    """One side of the dealer's market in a security, per 100 face.

    Attributes
    ----------
    quoted_clean_price, quoted_dirty_price, quote_settlement_date
        As quoted, for the settlement date of the quote.
    accrued, dirty_price
        At the view's settlement date, 6 decimals.
    regular_dirty_price
        At regular settlement (T+1), 6 decimals: the settled price carried forward at the view's repo rate. None if
        the security matures by then.
    """

    quoted_clean_price: Decimal
    quoted_dirty_price: Decimal
    quote_settlement_date: dates.date
    accrued: Decimal
    dirty_price: Decimal
    regular_dirty_price: Decimal | None


def key_rate_durations(
    day: dates.date, par_yields: Mapping[str, float], securities: Sequence[Security], settlement: dates.date
) -> Mapping[str, Floats]:
    """Tenor -> key rate durations, years, [n_securities], read only; see `pricing.keyrates.KeyRates`."""
    from tbill_defi.pricing.curve import Curve
    from tbill_defi.pricing.keyrates import KeyRates

    rates = KeyRates(Curve.bootstrap(day, dict(par_yields)))
    arrays = {tenor: np.zeros(len(securities)) for tenor in rates.curve.par_yields}
    for i, security in enumerate(securities):
        if security.maturity_date > settlement:
            for tenor, years in rates.durations(security, settlement=settlement).items():
                arrays[tenor][i] = years
    for array in arrays.values():
        array.setflags(write=False)
    return MappingProxyType(arrays)


@dataclass(frozen=True)
class View:
    """Everything a strategy may look at on a date; nothing later is in it.

    All arrays are [n_securities], ordered by (maturity, CUSIP), and read only: a strategy cannot move a price.

    Attributes
    ----------
    date, settlement_date, market_settlement_date
        Trade date; the date of atomic settlement (the trade date); T+1 on the settlement calendar.
    bid_dirty, mid_dirty, offer_dirty
        Dirty price per 100 face at `settlement_date`; nan where there is no quote on that side.
    clean_price
        Mid clean price per 100 face, as quoted.
    accrued
        Accrued interest per 100 face at `settlement_date`.
    yield_, modified_duration, convexity
        STREET, at the quoted mid and the quote's settlement date; decimal, years, years squared.
    years_to_maturity
        Actual days from `date` over 365.25.
    sources, quote_dates
        Where each price comes from ("observed", "model", "model, no spread") and its date.
    ratings
        Long-term rating of each issuer (S&P scale).
    inferred
        Whether the terms come without an auction record.
    curve
        Par yields of the date: tenor -> decimal.
    repo_rate, repo_source, repo_date
        Decimal, Act/360; where it comes from and its date.
    excluded
        Kind -> CUSIPs that are in the market and not in the view: no nominal flows that their terms fix.
    market_hash
        Keccak-256 of the market data behind the view.
    """

    date: dates.date
    settlement_date: dates.date
    market_settlement_date: dates.date
    securities: tuple[Security, ...]
    bid: Sequence[Quote | None] = field(repr=False)
    offer: Sequence[Quote | None] = field(repr=False)
    bid_dirty: Floats = field(repr=False)
    mid_dirty: Floats = field(repr=False)
    offer_dirty: Floats = field(repr=False)
    clean_price: Floats = field(repr=False)
    accrued: Floats = field(repr=False)
    yield_: Floats = field(repr=False)
    modified_duration: Floats = field(repr=False)
    convexity: Floats = field(repr=False)
    years_to_maturity: Floats = field(repr=False)
    sources: tuple[str, ...] = field(repr=False)
    quote_dates: tuple[dates.date, ...] = field(repr=False)
    ratings: tuple[str, ...] = field(repr=False)
    inferred: tuple[bool, ...] = field(repr=False)
    curve: Mapping[str, float]
    repo_rate: float
    repo_source: str
    repo_date: dates.date
    excluded: Mapping[str, tuple[str, ...]]
    market_hash: bytes

    def __post_init__(self) -> None:
        for name in ARRAYS:
            getattr(self, name).setflags(write=False)

    @cached_property
    def key_rate_durations(self) -> Mapping[str, Floats]:
        """Tenor of the par curve -> key rate durations, years, [n_securities], read only.

        Of the model price at regular settlement on the day's curve; 0 for a security that matures by then. Computed
        when first asked for (seconds for a whole market), so a strategy that does not ask pays nothing.
        """
        return key_rate_durations(self.date, self.curve, self.securities, self.market_settlement_date)

    @cached_property
    def cusips(self) -> tuple[str, ...]:
        """CUSIPs in the order of the arrays."""
        return tuple([security.cusip for security in self.securities])

    @cached_property
    def _places(self) -> Mapping[str, int]:
        return {cusip: place for place, cusip in enumerate(self.cusips)}

    def index(self, cusip: str) -> int:
        """Position of a CUSIP in the arrays.

        Raises
        ------
        UnknownSecurity
            If it is not in the view, saying what is known of it.
        """
        if cusip in self._places:
            return self._places[cusip]
        for kind, cusips in self.excluded.items():
            if cusip in cusips:
                raise UnknownSecurity(
                    f"{cusip} is {kind}: in the market on {self.date}, but no view has it: no nominal yield"
                )
        digit = cusip_check_digit(cusip[:8]) if len(cusip) == 9 and cusip[:8].isalnum() else cusip[-1:]
        hint = "" if digit == cusip[-1:] else f"; its check digit should be {digit}, is it mistyped?"
        raise UnknownSecurity(f"{cusip} is not an outstanding security on {self.date} in the imported records{hint}")

    def face_of(self, positions: Mapping[str, int]) -> dict[Security, int]:
        """Positions by terms instead of CUSIP, as `Ledger.deposit` takes them. Raises `UnknownSecurity`."""
        return {self.securities[self.index(cusip)]: units for cusip, units in positions.items()}

    def quote(self, index: int, side: Literal["buy", "sell"]) -> Quote | None:
        """The dealer's quote for a party who buys (the offer) or sells (the bid); None if there is none."""
        return self.offer[index] if side == "buy" else self.bid[index]

    def settled_clean_price(self, index: int) -> float:
        """Mid clean price per 100 face for `settlement_date`, unrounded; nan where there is no quote."""
        return float(self.mid_dirty[index] - self.accrued[index])

    def clean_forward(self, index: int, day: dates.date) -> float:
        """Clean forward of the mid at a later date before maturity, per 100 face, at the view's repo rate.

        Raises
        ------
        SettlementOutOfRange
            If the date is not after `settlement_date` and before maturity.
        """
        from tbill_defi.pricing.carry import forward_price_from_repo
        from tbill_defi.pricing.prices import accrued_interest

        security = self.securities[index]
        forward = forward_price_from_repo(
            security,
            float(self.mid_dirty[index]),
            settlement=self.settlement_date,
            forward_settlement=day,
            repo_rate=self.repo_rate,
        )
        return forward - accrued_interest(security, settlement=day)

    def mid_dirty_price(self, index: int) -> Decimal:
        """Mid dirty price at `settlement_date`: halfway between bid and offer, else the only side."""
        prices = [quote.dirty_price for quote in (self.bid[index], self.offer[index]) if quote is not None]
        return sum(prices, Decimal(0)) / len(prices)
