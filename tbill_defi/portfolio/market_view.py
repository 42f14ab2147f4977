"""From a market snapshot to a view: every security priced, each price with its source and age.

Observed quotes (a FedInvest sheet of the date itself) are for settlement on the sheet's date: on 2026-03-24 its
bills yield what the curve does at that settlement and far more a day later. Model quotes are for T+1, as the market
deals: curve yield plus the spread last seen on a sheet, bid and offer half the tabulated spread away. Either is
carried to the view's settlement date at its repo rate, so that all prices are of one day.
"""

from __future__ import annotations

import datetime as dates
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tbill_defi.conventions import YieldConvention, settlement_date
from tbill_defi.core.errors import PlanError, UsageError
from tbill_defi.core.home import home_path
from tbill_defi.core.money import decimal_price, round_decimal
from tbill_defi.instruments import Security
from tbill_defi.market.data import MarketData
from tbill_defi.market.snapshot import MarketSnapshot, snapshot
from tbill_defi.market.snapshot import Quote as SheetQuote
from tbill_defi.market.store import MarketStore
from tbill_defi.market.universe import Listing
from tbill_defi.portfolio.spreads import half_spread
from tbill_defi.portfolio.view import Quote, View
from tbill_defi.pricing.carry import carried_back_price, forward_price_from_repo
from tbill_defi.pricing.curve import Curve
from tbill_defi.pricing.prices import accrued_interest
from tbill_defi.pricing.risk import measures_from_clean_price

if TYPE_CHECKING:
    from tbill_defi.portfolio.plan import RebalancePlan

OBSERVED, MODEL, MODEL_NO_SPREAD, SIMULATED = "observed", "model", "model, no spread", "simulated"
STREET = YieldConvention.STREET
DAYS_PER_YEAR = 365.25
DOWNGRADE = dates.date(2011, 8, 5)
"""Standard & Poor's long-term rating of the United States: AAA until then, AA+ since."""


@dataclass(frozen=True)
class _Line:
    """One security's prices."""

    security: Security
    bid: Quote | None
    offer: Quote | None
    clean_mid: float
    quote_settlement: dates.date
    source: str
    quote_date: dates.date
    inferred: bool


def view(
    date: dates.date | str,
    *,
    home: str | Path | None = None,
    data: MarketData | None = None,
    repo_rate: float | None = None,
) -> View:
    """The point-in-time view of a date.

    Parameters
    ----------
    date
        Trade date: a date with a curve, as a date or as text such as "2026-08-21".
    home
        Folder with imported market files; None: TBILL_HOME, else `.tbill`.
    data
        Market data in memory, in place of `home`.
    repo_rate
        Decimal, Act/360; None: the latest SOFR not after the date, else the shortest curve tenor.

    Raises
    ------
    NoCurve
        If the date is a weekend, a holiday or outside the history.
    DataError
        If nothing is imported.
    """
    return view_of(snapshot(data or MarketStore(home_path(home)), _day(date), repo_rate=repo_rate))


def require_same_market(plan: RebalancePlan, *, home: str | Path | None = None, data: MarketData | None = None) -> None:
    """A plan's market data are still those that it was made from; `home` and `data` as in `view`.

    Raises
    ------
    PlanError
        If they are not.
    """
    given = plan.repo_rate if plan.repo_source == "given" else None
    now = view(plan.trade_date, home=home, data=data, repo_rate=given).market_hash
    if now != plan.market_hash:
        raise PlanError(
            f"the plan was made from market data 0x{plan.market_hash.hex()[:16]}…, those of {plan.trade_date} are now "
            f"0x{now.hex()[:16]}…; make the plan again"
        )


def _day(day: dates.date | str) -> dates.date:
    if isinstance(day, dates.date):
        return day
    try:
        return dates.date.fromisoformat(day)
    except ValueError:
        raise UsageError(f"date: {day!r} is not a date such as 2026-08-21") from None


def view_of(market: MarketSnapshot) -> View:
    """The view of a snapshot."""
    trade = market.date
    curve = Curve.bootstrap(trade, market.par_yields)
    sheet_curve = _sheet_curve(market)
    lines = []
    for listing in market.listings:
        observed = market.quote(listing.cusip) if market.sheet else None
        if observed is not None and market.sheet is not None and market.sheet.date == trade:
            line = _observed(listing, observed, market)
        else:
            line = _modelled(listing, observed, market, curve, sheet_curve)
        lines.append(line)
    lines.sort(key=lambda line: (line.security.maturity_date, line.security.cusip))
    return _assemble(lines, market)


def _sheet_curve(market: MarketSnapshot) -> Curve | None:
    sheet = market.sheet
    if sheet is None or sheet.par_yields is None:
        return None
    return Curve.bootstrap(sheet.date, sheet.par_yields)


def _observed(listing: Listing, quote: SheetQuote, market: MarketSnapshot) -> _Line:
    """Quotes of the day's own sheet, settled on the sheet's date."""
    security, day = listing.security, market.date
    bid = _quote(security, decimal_price(quote.bid), day, market)
    offer = None if quote.offer is None else _quote(security, decimal_price(quote.offer), day, market)
    return _Line(security, bid, offer, _mid(quote), day, OBSERVED, day, listing.inferred)


def _mid(quote: SheetQuote) -> float:
    return quote.bid if quote.offer is None else (quote.bid + quote.offer) / 2.0


def _modelled(
    listing: Listing, seen: SheetQuote | None, market: MarketSnapshot, curve: Curve, sheet_curve: Curve | None
) -> _Line:
    """Curve plus last known spread, for regular settlement (the trade date if it matures by then)."""
    security, day, regular = listing.security, market.date, settlement_date(market.date)
    settles = regular if security.maturity_date > regular else day
    spread, source, quoted = 0.0, SIMULATED if market.simulation else MODEL_NO_SPREAD, day
    if seen is not None and sheet_curve is not None and market.sheet is not None:
        quoted, source = market.sheet.date, SIMULATED if market.simulation else MODEL
        spread = sheet_curve.yield_spread(security, _mid(seen), settlement=quoted, convention=STREET)
    clean = curve.clean_price_at_spread(security, spread, settlement=settles, convention=STREET)
    half = half_spread(security.kind, (security.maturity_date - day).days / DAYS_PER_YEAR)
    bid, offer = (
        _quote(security, round_decimal(decimal_price(clean) + sign * half, 6), settles, market) for sign in (-1, 1)
    )
    return _Line(security, bid, offer, clean, settles, source, quoted, listing.inferred)


def _quote(security: Security, clean: Decimal, quoted_for: dates.date, market: MarketSnapshot) -> Quote:
    """A quote for one date carried to the date it settles on and to regular settlement; prices with 6 decimals."""
    settles, regular, repo_rate = market.date, settlement_date(market.date), market.repo.rate
    dirty = float(clean) + accrued_interest(security, settlement=quoted_for)
    carried = carried_back_price(security, dirty, quoted_settlement=quoted_for, settlement=settles, repo_rate=repo_rate)
    return Quote(
        quoted_clean_price=clean,
        quoted_dirty_price=decimal_price(dirty),
        quote_settlement_date=quoted_for,
        accrued=decimal_price(accrued_interest(security, settlement=settles)),
        dirty_price=decimal_price(carried),
        regular_dirty_price=None
        if security.maturity_date <= regular
        else decimal_price(
            forward_price_from_repo(
                security, carried, settlement=settles, forward_settlement=regular, repo_rate=repo_rate
            )
        ),
    )


def _assemble(lines: Sequence[_Line], market: MarketSnapshot) -> View:
    day = market.date
    measures = [
        measures_from_clean_price(line.security, line.clean_mid, settlement=line.quote_settlement, convention=STREET)
        for line in lines
    ]
    bid, offer = (
        np.array([float(q.dirty_price) if q else np.nan for q in side])
        for side in ([line.bid for line in lines], [line.offer for line in lines])
    )
    return View(
        date=day,
        settlement_date=day,
        market_settlement_date=settlement_date(day),
        securities=tuple(line.security for line in lines),
        bid=tuple(line.bid for line in lines),
        offer=tuple(line.offer for line in lines),
        bid_dirty=bid,
        mid_dirty=np.where(np.isnan(offer), bid, (bid + offer) / 2.0),
        offer_dirty=offer,
        clean_price=np.array([line.clean_mid for line in lines]),
        accrued=np.array([accrued_interest(line.security, settlement=day) for line in lines]),
        yield_=np.array([m.yield_ for m in measures]),
        modified_duration=np.array([m.modified_duration for m in measures]),
        convexity=np.array([m.convexity for m in measures]),
        years_to_maturity=np.array([(line.security.maturity_date - day).days / DAYS_PER_YEAR for line in lines]),
        sources=tuple(line.source for line in lines),
        quote_dates=tuple(line.quote_date for line in lines),
        ratings=("AAA" if day < DOWNGRADE else "AA+",) * len(lines),
        inferred=tuple(line.inferred for line in lines),
        curve=dict(market.par_yields),
        repo_rate=market.repo.rate,
        repo_source=market.repo.source,
        repo_date=market.repo.date,
        excluded=dict(market.excluded),
        market_hash=market.content_hash(),
    )
