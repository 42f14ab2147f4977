"""Views of past days, fast: the same `View` as the live one, priced by the day's own curve.

For a day T the curve is log-linear through its par yields; a security's mid is its model price for T+1, the dealer's
bid and offer half the tabulated spread away, carried back to T at the day's repo rate: the recipe of
`portfolio.market_view` without a price sheet. Nothing known after T enters a view; `market_hash` names all that does.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property, lru_cache
from typing import Literal

import numpy as np
import polars as pl

from tbill_defi.conventions import SETTLEMENT, TRADING, settlement_date
from tbill_defi.core.errors import ConventionError, DataError, NoCurve
from tbill_defi.core.hashing import json_hash
from tbill_defi.instruments import Bill, Bond, Note, Security
from tbill_defi.instruments.flows import day_numbers
from tbill_defi.market.data import MarketData
from tbill_defi.market.history import LONGEST_NOTE_YEARS, IssueHistory, issue_history
from tbill_defi.market.par_yields import TENORS
from tbill_defi.market.snapshot import MONEY_MARKET_SHARE
from tbill_defi.portfolio import spreads
from tbill_defi.portfolio.market_view import DAYS_PER_YEAR, DOWNGRADE, MODEL_NO_SPREAD, SIMULATED
from tbill_defi.portfolio.quotes import MICRO, ModelQuotes, to_micro
from tbill_defi.portfolio.view import Floats, View
from tbill_defi.pricing.book.yields import Risk
from tbill_defi.pricing.bootstrap import node_date, tenor_months
from tbill_defi.pricing.curve_history import CurveHistory
from tbill_defi.pricing.history_bootstrap import Ints
from tbill_defi.pricing.lines import Bools, FlowTable, Lines, day_number

FORMAT = "tbill_defi history, version 1"
SPREAD_DIGITS = 10**10
Universe = Literal["issued", "par"]
Costs = Literal["table", "none"]


@dataclass(frozen=True, eq=False)
class Marks:
    """Lines priced on their days: [n] arrays, per 100 face.

    Attributes
    ----------
    lines
        Security and quote settlement (T+1, or T for what matures by then) of each line.
    clean, yields, risk
        Mid clean price as quoted; STREET yield and risk at it.
    mid
        Mid dirty price carried to T, before rounding and spread.
    accrued
        At T.
    bid_micro, offer_micro
        Dirty at T, whole 10^-6.
    """

    lines: Lines
    clean: Floats
    yields: Floats
    risk: Risk
    mid: Floats
    accrued: Floats
    bid: ModelQuotes
    offer: ModelQuotes

    @property
    def bid_micro(self) -> Ints:
        """[n] dirty bid at T, 10^-6."""
        return self.bid.arrays[4]

    @property
    def offer_micro(self) -> Ints:
        """[n] dirty offer at T, 10^-6."""
        return self.offer.arrays[4]


@dataclass(frozen=True)
class Repo:
    """The repo rate of a day: decimal, Act/360, with source and date."""

    rate: float
    source: str
    date: date


class HistoricalMarket:
    """Market data as past days knew them.

    Parameters
    ----------
    data
        Par yields; auctions and SOFR where there are any. Price sheets are not read.
    universe
        "issued": recorded and implied issues. "par": the day's par curve as securities, one a tenor, and those of
        earlier days that are held.
    costs
        "table": dealer's spreads of `portfolio.spreads`. "none": bid and offer at mid.
    """

    def __init__(self, data: MarketData, *, universe: Universe = "issued", costs: Costs = "table") -> None:
        if data.par_yields.is_empty():
            raise DataError("no par yields; import them with `tbill market import`, or name a folder with --data")
        self.data, self.universe, self.costs = data, universe, costs
        self.days: list[date] = data.par_yields["date"].to_list()
        self.grid = CurveHistory.bootstrap(self.days, TENORS, data.par_yields.select(TENORS).to_numpy(), "log_linear")
        self._prepared: tuple[int, Marks] | None = None
        self._regular = day_numbers(_regular(day) for day in self.days)

    # --- days -----------------------------------------------------------------------------------------------------

    def row(self, day: date) -> int:
        """Place of a day among the curves. Raises `NoCurve` if it has none."""
        place = bisect_left(self.days, day)
        if place == len(self.days) or self.days[place] != day:
            raise NoCurve(f"date: {day} has no curve")
        return place

    def repo(self, row: int) -> Repo:
        """The repo rate of a day: the latest SOFR not after it, else the shortest tenor of its curve."""
        place = int(self._sofr_places[row])
        if place >= 0:
            day: date = self._sofr["date"][place]
            return Repo(float(self.repo_rates[row]), "SOFR", day)
        tenor = next(iter(self.curve(row)))
        made = "simulated curve" if self.data.simulation else "curve"
        return Repo(float(self.repo_rates[row]), f"{made} {tenor}", self.days[row])

    @cached_property
    def repo_rates(self) -> Floats:
        """[n_days] rates of `repo`."""
        shortest = np.argmax(np.isfinite(self.grid.par_yields), axis=1)
        curve = self.grid.par_yields[np.arange(len(self.days)), shortest] * MONEY_MARKET_SHARE
        sofr = np.append(self._sofr["rate"].to_numpy(), np.nan)
        return np.where(self._sofr_places >= 0, sofr[self._sofr_places], curve)

    @cached_property
    def _sofr(self) -> pl.DataFrame:
        return self.data.datasets["sofr"].frame.drop_nulls("rate")

    @cached_property
    def _sofr_places(self) -> Ints:
        """[n_days] place of the latest SOFR not after each day; -1 where there is none."""
        known = self._sofr["date"].to_physical().to_numpy()
        places: Ints = np.searchsorted(known, self.grid.days, side="right") - 1
        return places

    def curve(self, row: int) -> dict[str, float]:
        """Par yields of a day: tenor -> decimal, shortest first."""
        rates = self.grid.par_yields[row]
        return {tenor: float(rate) for tenor, rate in zip(TENORS, rates, strict=True) if rate == rate}

    # --- pricing --------------------------------------------------------------------------------------------------

    def marks(self, table: FlowTable, index: Ints, rows: Ints) -> Marks:
        """Prices of securities (places in `table`) on days (`rows`), one line each."""
        day, regular = self.grid.days[rows], self._regular[rows]
        settlement = np.where(table.maturity[index] > regular, regular, day)
        rates = self.repo_rates[rows]
        lines = Lines(table, index, settlement)
        dirty = lines.dirty_on(self.grid, rows)
        yields, risk = lines.solved(dirty)
        clean = dirty - lines.accrued
        accrued = table.accrued(index, day)
        settled = to_micro(accrued)
        matures = settlement < regular
        half = np.zeros(len(index), np.int64) if self.costs == "none" else _halves(table, index, day)
        sides = []
        for sign in (-1, 1):
            quoted = (to_micro(clean) * (SPREAD_DIGITS // MICRO) + sign * half + 5_000) // (SPREAD_DIGITS // MICRO)
            price = quoted / MICRO + lines.accrued
            carried = lines.carried_back(price, day, rates)
            later = np.where(matures | (table.maturity[index] <= regular), -1, to_micro(price))
            sides.append(ModelQuotes(quoted, to_micro(price), settlement, settled, to_micro(carried), later))
        mid = lines.carried_back(dirty, day, rates)
        return Marks(lines, clean, yields, risk, mid, accrued, *sides)

    # --- views ----------------------------------------------------------------------------------------------------

    @cached_property
    def issues(self) -> IssueHistory:
        """Recorded and implied issues of all days; a view shows those of its own."""
        return issue_history(self.data)

    @cached_property
    def _issued(self) -> tuple[FlowTable, Ints]:
        issues = self.issues.issues
        return FlowTable.of([issue.security for issue in issues]), day_numbers(issue.listed for issue in issues)

    def view(self, day: date, held: Mapping[str, Security] | None = None) -> View:
        """The view of a day with a curve.

        Parameters
        ----------
        held
            Terms of what the book holds, by CUSIP; in the universe "par" these stay in the view.
        """
        row = self.row(day)
        if self.universe == "par":
            table = FlowTable.of(self._par_securities(row, held or {}))
            index = np.arange(len(table.securities), dtype=np.int64)
            marks = self.marks(table, index, np.full(len(index), row, np.int64))
            return self._assemble(row, marks, (True,) * len(index))
        ready = self._prepared
        marks = ready[1] if ready is not None and ready[0] == row else self._issued_marks(row)
        return self._assemble(row, marks, tuple(self._implied[marks.lines.index].tolist()))

    def prepare(self, day: date) -> None:
        """Price what is issued on a day, for the view that will be asked: while another process has the word."""
        if self.universe == "issued":
            row = self.row(day)
            self._prepared = row, self._issued_marks(row)

    def _issued_marks(self, row: int) -> Marks:
        """Marks of everything that is issued on a day and has not matured."""
        number, (table, listed) = day_number(self.days[row]), self._issued
        index = np.flatnonzero((listed <= number) & (table.maturity > number)).astype(np.int64)
        return self.marks(table, index, np.full(len(index), row, np.int64))

    def table_of(self, securities: Mapping[str, Security]) -> tuple[FlowTable, Mapping[str, int]]:
        """A table with these securities, and the place of each CUSIP in it."""
        if self.universe == "issued" and securities.keys() <= self._places.keys():
            return self._issued[0], self._places
        names = sorted(securities)
        return FlowTable.of([securities[name] for name in names]), {name: place for place, name in enumerate(names)}

    @cached_property
    def _places(self) -> dict[str, int]:
        return {security.cusip: place for place, security in enumerate(self._issued[0].securities)}

    @cached_property
    def _implied(self) -> Bools:
        return np.array([issue.source == "implied" for issue in self.issues.issues])

    def _par_securities(self, row: int, held: Mapping[str, Security]) -> list[Security]:
        day = self.days[row]
        found: dict[str, Security] = {
            cusip: security for cusip, security in held.items() if security.maturity_date > day
        }
        for tenor, rate in self.curve(row).items():
            security = par_security(tenor, day, rate)
            found[security.cusip] = security
        return sorted(found.values(), key=lambda security: (security.maturity_date, security.cusip))

    def _assemble(self, row: int, marks: Marks, implied: tuple[bool, ...]) -> View:
        day, repo = self.days[row], self.repo(row)
        table, index = marks.lines.table, marks.lines.index
        number = day_number(day)
        bid, offer = marks.bid_micro / MICRO, marks.offer_micro / MICRO
        return View(
            date=day,
            settlement_date=day,
            market_settlement_date=_regular(day),
            securities=tuple([table.securities[i] for i in index.tolist()]),
            bid=marks.bid,
            offer=marks.offer,
            bid_dirty=bid,
            mid_dirty=(bid + offer) / 2.0,
            offer_dirty=offer,
            clean_price=marks.clean,
            accrued=marks.accrued,
            yield_=marks.yields,
            modified_duration=marks.risk.duration,
            convexity=marks.risk.convexity,
            years_to_maturity=(table.maturity[index] - number) / DAYS_PER_YEAR,
            sources=(SIMULATED if self.data.simulation else MODEL_NO_SPREAD,) * len(index),
            quote_dates=(day,) * len(index),
            ratings=("AAA" if day < DOWNGRADE else "AA+",) * len(index),
            inferred=implied,
            curve=self.curve(row),
            repo_rate=repo.rate,
            repo_source=repo.source,
            repo_date=repo.date,
            excluded=self._excluded(day),
            market_hash=self.market_hash(day),
        )

    def _excluded(self, day: date) -> dict[str, tuple[str, ...]]:
        found: dict[str, tuple[str, ...]] = {}
        if self.universe == "issued":
            for entry in self.issues.exclusions:
                if entry.listed <= day < entry.maturity:
                    found[entry.kind] = (*found.get(entry.kind, ()), entry.cusip)
        return found

    def market_hash(self, day: date) -> bytes:
        """Keccak-256 of canonical JSON: every record known on the day, and how views are made of them; 32 bytes."""
        kinds = ("par_yields", "auctions", "sofr")
        return json_hash(
            {
                "format": FORMAT,
                "date": day.isoformat(),
                "universe": self.universe,
                "costs": self.costs,
                "interpolation": "log_linear",
                "sources": {kind: self.data.datasets[kind].digest(day).to_json() for kind in kinds},
            }
        )


def par_security(tenor: str, day: date, rate: float) -> Security:
    """The security worth par on a day's curve: a bill under a year, else a note or bond with the yield as coupon.

    Its identifier has the form of a CUSIP and cannot be one: `@`, the tenor ("3M", "6W" for 1.5 months, "10"), and
    the issue date as YYMMDD.
    """
    months = tenor_months(tenor)
    maturity = node_date(day, months)
    if months < 12:
        name = "6W" if months == 1.5 else f"{months:.0f}M"
        return Bill(cusip=f"@{name}{day:%y%m%d}", issue_date=day, maturity_date=maturity)
    years = int(months) // 12
    model = Note if years <= LONGEST_NOTE_YEARS else Bond
    coupon = max(round(rate, 10), 0.0)
    return model(cusip=f"@{years:02d}{day:%y%m%d}", coupon=coupon, dated_date=day, maturity_date=maturity)


@lru_cache(maxsize=65_536)
def _regular(day: date) -> date:
    """T+1; a day with a curve that is not a trading day by the calendar settles on the next good day."""
    return settlement_date(day) if TRADING.is_good(day) else SETTLEMENT.advance(day, 1)


@lru_cache(maxsize=8)
def _spread_steps(kind: str) -> tuple[Floats, Ints]:
    """Ends of the spread table's maturity ranges, years, and half of each spread in 10^-10 per 100 face."""
    rows = [row for row in spreads.TABLE if row.kind == kind]
    halves = [row.thirty_seconds / 64 * SPREAD_DIGITS for row in rows]
    if any(half != int(half) for half in halves):
        raise ConventionError(f"spreads of a {kind}: half of one is finer than 10^-10 per 100 face")
    return np.array([row.up_to_years for row in rows]), np.array([int(half) for half in halves], dtype=np.int64)


def _halves(table: FlowTable, index: Ints, day: Ints) -> Ints:
    """[n] half spreads in 10^-10 per 100 face."""
    years = (table.maturity[index] - day) / DAYS_PER_YEAR
    halves, kinds = np.zeros(len(index), np.int64), table.kind[index]
    for kind in np.unique(kinds):
        ends, steps = _spread_steps(str(kind))
        chosen = kinds == kind
        halves[chosen] = steps[np.minimum(np.searchsorted(ends, years[chosen]), len(ends) - 1)]
    return halves
