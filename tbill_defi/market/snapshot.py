"""The market as it was known on a date, and nothing later."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import Any, Protocol

from tbill_defi.conventions.calendars import TRADING
from tbill_defi.core.clock import age_days
from tbill_defi.core.errors import ConventionError, NoCurve, UnknownSecurity
from tbill_defi.core.frozen import FrozenMap
from tbill_defi.core.hashing import json_hash
from tbill_defi.instruments import AnySecurity, Frn, Tips
from tbill_defi.market.data import Digest, MarketData, record_of
from tbill_defi.market.par_yields import TENORS
from tbill_defi.market.universe import Listing, universe_on

FORMAT = "tbill_defi market snapshot, version 1"
_NOT_TOLD = {"TIPS": "reference CPI of the dated date", "FRN": "spread"}
"""Type -> what of its terms no price sheet tells."""
MONEY_MARKET_SHARE = 360.0 / 365.0
"""A simple yield Act/365, as the curve's under a year, times this is the simple rate Act/360 of the same interest."""


@dataclass(frozen=True, slots=True)
class Quote:
    """Prices of one security on one sheet, clean, per 100 face.

    `bid` is what a seller gets (FedInvest's sell); `offer` what a buyer pays (FedInvest's buy), None if there is none.
    """

    bid: float
    offer: float | None


@dataclass(frozen=True, slots=True)
class Sheet:
    """The latest price sheet not after the snapshot's date.

    Attributes
    ----------
    date
        The sheet's own date.
    age_days
        Calendar days from the sheet to the snapshot; 0: the quotes are observed on the date itself.
    quotes
        CUSIP -> quote, for the securities of the universe.
    par_yields
        The par curve of the sheet's own date, against which its spreads are measured; None if there is none.
    """

    date: date
    age_days: int
    quotes: FrozenMap[Quote]
    par_yields: FrozenMap[float] | None


@dataclass(frozen=True, slots=True)
class RepoRate:
    """The repo rate, decimal, Act/360, with its source ("given", "SOFR", "curve 1 Mo"), date and age in days."""

    rate: float
    source: str
    date: date
    age_days: int


@dataclass(frozen=True)
class MarketSnapshot:
    """The market of one date, frozen.

    Attributes
    ----------
    date
        A day with a curve.
    par_yields
        Tenor -> decimal par yield of the date, shortest first, only the tenors that were published.
    listings
        The universe by CUSIP ascending: issued and not matured.
    sheet
        The latest price sheet, or None if none is known.
    repo
        The repo rate with source and age.
    excluded
        Type without nominal flows that its terms fix ("TIPS", "FRN", "callable") -> CUSIPs that are in the market.
    linked
        CUSIP -> terms of the TIPS and FRNs among them, where auction records tell them.
    linked_quotes
        CUSIP -> quote of the latest sheet, of these. A TIPS is quoted unadjusted.
    sources
        Kind of file of which something is known on the date -> digest of all those rows.
    simulation
        What made the curve, such as "dns seed 7"; None: it was published.
    """

    date: date
    par_yields: FrozenMap[float]
    listings: tuple[Listing, ...]
    sheet: Sheet | None
    repo: RepoRate
    excluded: FrozenMap[tuple[str, ...]]
    sources: FrozenMap[Digest]
    linked: FrozenMap[Tips | Frn] = field(default_factory=lambda: FrozenMap({}))
    linked_quotes: FrozenMap[Quote] = field(default_factory=lambda: FrozenMap({}))
    simulation: str | None = None

    @cached_property
    def _by_cusip(self) -> dict[str, Listing]:
        return {listing.cusip: listing for listing in self.listings}

    def listing(self, cusip: str) -> Listing:
        """The security of a CUSIP.

        Raises
        ------
        UnknownSecurity
            If it is not in the universe; says so if it is one that is excluded.
        """
        found = self._by_cusip.get(cusip)
        if found is not None:
            return found
        for kind, cusips in self.excluded.items():
            if cusip in cusips:
                raise UnknownSecurity(
                    f"cusip: {cusip} is excluded on {self.date}: {kind} has no nominal flows that its terms fix"
                )
        raise UnknownSecurity(
            f"cusip: {cusip} is not in the universe of {self.date} ({len(self.listings)} securities); "
            "no auction record or price sheet known on that date names it as issued and not matured"
        )

    def security(self, cusip: str) -> AnySecurity:
        """Terms of a CUSIP, those of TIPS and FRNs included. Raises `UnknownSecurity` as `listing` does."""
        linked = self.linked.get(cusip)
        if linked is not None:
            return linked
        for kind, missing in _NOT_TOLD.items():
            if cusip in self.excluded.get(kind, ()):
                raise UnknownSecurity(
                    f"cusip: {cusip} is a {kind} on {self.date}, and no auction record known then tells its {missing}; "
                    "import its auction, or give its terms"
                )
        return self.listing(cusip).security

    def quote(self, cusip: str) -> Quote | None:
        """The latest sheet's quote of a CUSIP, or None."""
        found = self.sheet.quotes.get(cusip) if self.sheet else None
        return self.linked_quotes.get(cusip) if found is None else found

    def to_json(self) -> dict[str, Any]:
        """Everything in the snapshot as JSON; `content_hash` is over its canonical form."""
        sheet = self.sheet and {
            "date": self.sheet.date.isoformat(),
            "quotes": {cusip: {"bid": quote.bid, "offer": quote.offer} for cusip, quote in self.sheet.quotes.items()},
            "par_yields": self.sheet.par_yields and dict(self.sheet.par_yields),
        }
        return {
            "format": FORMAT,
            "date": self.date.isoformat(),
            "par_yields": dict(self.par_yields),
            "securities": [listing.to_json() for listing in self.listings],
            "sheet": sheet,
            "repo": record_of({"rate": self.repo.rate, "source": self.repo.source, "date": self.repo.date}),
            "excluded": {kind: list(cusips) for kind, cusips in self.excluded.items()},
            "sources": {kind: digest.to_json() for kind, digest in self.sources.items()},
        }

    @cached_property
    def _content_hash(self) -> bytes:
        return json_hash(self.to_json())

    def content_hash(self) -> bytes:
        """Keccak-256 of the RFC 8785 canonical JSON of `to_json()`, 32 bytes.

        Any changed value known on the date changes it; the order of imports does not, nor does anything later.
        """
        return self._content_hash


class Loadable(Protocol):
    """Anything that can load market data: a `MarketStore`."""

    def load(self) -> MarketData:
        """All records."""
        ...


def _data(source: MarketData | Loadable) -> MarketData:
    return source if isinstance(source, MarketData) else source.load()


def _tenors(row: Mapping[str, Any]) -> FrozenMap[float]:
    return FrozenMap({tenor: row[tenor] for tenor in TENORS if row[tenor] is not None})


def trading_days(source: MarketData | Loadable) -> tuple[date, ...]:
    """Every date with a curve, ascending."""
    rows = _data(source).datasets["par_yields"].rows
    return tuple(row["date"] for row in rows if len(_tenors(row)) > 0)


def par_yields_on(source: MarketData | Loadable, day: date) -> FrozenMap[float]:
    """Tenor -> decimal par yield published for `day`, shortest first.

    Raises
    ------
    NoCurve
        If there is none; names the nearest dates with one.
    """
    data = _data(source)
    row = _curve_row(data, day)
    if row is None:
        raise _no_curve(data, day)
    return _tenors(row)


def _curve_row(data: MarketData, day: date) -> dict[str, Any] | None:
    row = data.datasets["par_yields"].latest(day, lambda row: True)
    return row if row is not None and row["date"] == day and len(_tenors(row)) > 0 else None


def _no_curve(data: MarketData, day: date) -> NoCurve:
    days = trading_days(data)
    if not days:
        return NoCurve(f"date: {day} has no curve, since no par yields are imported; import par_yields.csv first")
    before = max((d for d in days if d < day), default=None)
    after = min((d for d in days if d > day), default=None)
    why = []
    if day.weekday() >= 5:
        why.append(f"is a {day:%A}")
    if before is None or after is None:
        why.append(f"is outside the imported history {days[0]} to {days[-1]}")
    nearest = " and ".join(str(d) for d in (before, after) if d is not None)
    if not why:
        why.append("is missing from the imported history" if TRADING.is_good(day) else "is a market holiday")
    reason = " and ".join(why)
    return NoCurve(f"date: {day} has no curve: it {reason}; nearest with one: {nearest}")


def _repo_rate(data: MarketData, day: date, given: float | None, curve: FrozenMap[float]) -> RepoRate:
    if given is not None:
        if not -0.05 <= given <= 0.5:
            raise ConventionError(f"repo_rate: {given!r} is not a decimal rate in [-0.05, 0.5] such as 0.0425")
        return RepoRate(float(given), "given", day, 0)
    row = data.datasets["sofr"].latest(day, lambda row: row["rate"] is not None)
    if row is not None:
        return RepoRate(row["rate"], "SOFR", row["date"], age_days(row["date"], day))
    tenor = next(iter(curve))
    made = "simulated curve" if data.simulation else "curve"
    return RepoRate(curve[tenor] * MONEY_MARKET_SHARE, f"{made} {tenor}", day, 0)


def _sheet(
    data: MarketData, day: date, cusips: AbstractSet[str], linked: AbstractSet[str]
) -> tuple[Sheet | None, FrozenMap[Quote]]:
    """The latest sheet, with the quotes of `cusips`; and those of `linked`."""
    known = data.datasets["fedinvest"].known(day)
    if not known:
        return None, FrozenMap({})
    sheet_date = known[-1]["date"]
    found = {row["cusip"]: Quote(row["sell"], row["buy"]) for row in known if row["date"] == sheet_date}
    quotes, others = ({cusip: found[cusip] for cusip in found if cusip in wanted} for wanted in (cusips, linked))
    curve = _curve_row(data, sheet_date)
    tenors = None if curve is None else _tenors(curve)
    return Sheet(sheet_date, age_days(sheet_date, day), FrozenMap(quotes), tenors), FrozenMap(others)


def snapshot(source: MarketData | Loadable, day: date, *, repo_rate: float | None = None) -> MarketSnapshot:
    """The market as it was known on `day`.

    Parameters
    ----------
    source
        A `MarketStore` or `MarketData`.
    day
        A date with a curve. Auctions held, sheets and rates dated after it are not reachable.
    repo_rate
        Decimal, Act/360; None: the latest SOFR not after `day`, else the shortest tenor of the curve.

    Raises
    ------
    NoCurve
        If `day` has no curve: weekend, holiday, outside the history; names the nearest dates with one.
    ConventionError
        If `repo_rate` is not a decimal rate.
    DataError
        If records known on `day` contradict each other.
    """
    data = _data(source)
    curve = par_yields_on(data, day)
    universe = universe_on(day, data.datasets["auctions"].known(day), data.datasets["fedinvest"].known(day))
    linked = {security.cusip: security for security in universe.linked}
    sheet, quotes = _sheet(data, day, {listing.cusip for listing in universe.listings}, linked.keys())
    digests = {kind: dataset.digest(day) for kind, dataset in data.datasets.items()}
    return MarketSnapshot(
        date=day,
        par_yields=curve,
        listings=universe.listings,
        sheet=sheet,
        repo=_repo_rate(data, day, repo_rate, curve),
        excluded=FrozenMap(universe.excluded),
        sources=FrozenMap({kind: digest for kind, digest in digests.items() if digest.rows}),
        linked=FrozenMap(linked),
        linked_quotes=quotes,
        simulation=data.simulation,
    )
