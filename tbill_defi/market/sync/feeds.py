"""The official feeds: what is asked of whom, in which pieces, and how an answer is read.

Sources of the addresses: the Treasury's CSV of a calendar year behind "Daily Treasury Par Yield Curve Rates",
https://home.treasury.gov/resource-center/data-chart-center/interest-rates; FiscalData's API,
https://fiscaldata.treasury.gov/api-documentation/; the New York Fed's markets API,
https://markets.newyorkfed.org/static/docs/markets-api.html; FRED's graph download, https://fred.stlouisfed.org.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date

import polars as pl

from tbill_defi.core.errors import DataError
from tbill_defi.core.json_text import parse_json
from tbill_defi.market.auctions import FISCAL_NAMES, parse_auctions
from tbill_defi.market.merging import Precedence
from tbill_defi.market.par_yields import FRED_SERIES, parse_par_yields
from tbill_defi.market.sofr import parse_sofr

PAGE_SIZE = 500
"""Auctions asked for at once; a year has about as many."""
MOST_PAGES = 40
"""Stated limit of the pages of one piece."""
FIRST_CURVE = date(1990, 1, 2)
FIRST_SOFR = date(2018, 4, 3)


@dataclass(frozen=True, slots=True)
class Span:
    """Whole calendar years, asked for at once: `first` is a 1 January, `last` a 31 December."""

    first: date
    last: date

    @property
    def name(self) -> str:
        """Such as 2026, or 2020-2029."""
        first, last = self.first.year, self.last.year
        return str(first) if first == last else f"{first}-{last}"


@dataclass(frozen=True)
class Feed:
    """One publisher's series.

    Attributes
    ----------
    name, title
        As on the command line and in feeds.toml; as in reports.
    kind
        Kind of file (a name of `KINDS`) whose reader takes the answers.
    base
        Where its addresses begin.
    earliest
        First day on which it has something.
    years
        Calendar years asked for at once.
    suffix
        "csv" or "json".
    address
        (span, page) -> what follows `base`; pages count from 1.
    parse
        (text, name) -> frame.
    needs
        (text, name, span) -> None; raises `DataError` where the answer lacks a column that it always has.
    pages
        (text, name) -> pages of the whole span; None: an answer is never in pages.
    daily
        Whether there is a row for every trading day.
    precedence
        Whose value stands where a stored one differs.
    """

    name: str
    title: str
    kind: str
    base: str
    earliest: date
    years: int
    suffix: str
    address: Callable[[Span, int], str]
    parse: Callable[[str, str], pl.DataFrame]
    needs: Callable[[str, str, Span], None]
    pages: Callable[[str, str], int] | None = None
    daily: bool = True
    precedence: Precedence = Precedence.FEED

    def spans(self, first: date, today: date) -> Iterator[Span]:
        """The pieces that hold [first, today], the latest first."""
        since = max(first, self.earliest).year // self.years * self.years
        until = today.year // self.years * self.years
        for year in range(until, since - 1, -self.years):
            yield Span(date(year, 1, 1), date(year + self.years - 1, 12, 31))

    def url(self, span: Span, page: int) -> str:
        """The whole address."""
        return self.base.rstrip("/") + self.address(span, page)


def _treasury_address(span: Span, _: int) -> str:
    year = span.first.year
    return f"/{year}/all?type=daily_treasury_yield_curve&field_tdr_date_value={year}&page&_format=csv"


def _auctions_address(span: Span, page: int) -> str:
    return (
        f"?filter=auction_date:gte:{span.first},auction_date:lte:{span.last}&sort=auction_date,cusip"
        f"&format=json&page[number]={page}&page[size]={PAGE_SIZE}"
    )


def _sofr_address(span: Span, _: int) -> str:
    return f"?startDate={span.first}&endDate={span.last}"


def _fred_address(span: Span, _: int) -> str:
    return f"?id={','.join(FRED_SERIES)}&cosd={span.first}&coed={span.last}"


_ALWAYS = ("3 Mo", "6 Mo", "1 Yr", "2 Yr", "3 Yr", "5 Yr", "7 Yr", "10 Yr")
"""Tenors that the Treasury has published without a break since 1990."""


def _needs_tenors(text: str, name: str, span: Span) -> None:
    frame = parse_par_yields(text, name)
    for tenor in _ALWAYS:
        if frame[tenor].null_count() == frame.height:
            raise DataError(f'{name}: no day has a value in "{tenor}"; the layout has changed')


def _needs_series(text: str, name: str, span: Span) -> None:
    header = text.partition("\n")[0].strip().split(",")
    missing = [series for series in FRED_SERIES if series not in header]
    if missing:
        raise DataError(f"{name} line 1: lacks column {', '.join(missing)}, which was asked for")


def _needs_fields(text: str, name: str, span: Span) -> None:
    found = {field for record in parse_json(text)["data"] for field in record}
    missing = [field for field in FISCAL_NAMES if field not in found]
    if missing:
        raise DataError(f"{name}: records lack field {', '.join(missing)}; the layout has changed")


def _needs_nothing(text: str, name: str, span: Span) -> None:
    """The reader requires all there is."""


def _fiscal_pages(text: str, name: str) -> int:
    try:
        pages = parse_json(text)["meta"]["total-pages"]
    except json.JSONDecodeError as error:
        raise DataError(f"{name} line {error.lineno}: is not JSON ({error.msg}, character {error.colno})") from None
    except (KeyError, TypeError, ValueError):
        raise DataError(f'{name}: has no "meta" with "total-pages"; the layout has changed') from None
    if type(pages) is not int or not 0 <= pages <= MOST_PAGES:
        raise DataError(f"{name}, meta total-pages: {str(pages)[:40]} is not a number of pages up to {MOST_PAGES}")
    return pages


TREASURY = Feed(
    name="treasury",
    title="Treasury par yields",
    kind="par_yields",
    base="https://home.treasury.gov/resource-center/data-chart-center/interest-rates/daily-treasury-rates.csv",
    earliest=FIRST_CURVE,
    years=1,
    suffix="csv",
    address=_treasury_address,
    parse=parse_par_yields,
    needs=_needs_tenors,
)
FISCALDATA = Feed(
    name="fiscaldata",
    title="FiscalData auctions",
    kind="auctions",
    base="https://api.fiscaldata.treasury.gov/services/api/fiscal_service/v1/accounting/od/auctions_query",
    earliest=date(1979, 11, 15),
    years=1,
    suffix="json",
    address=_auctions_address,
    parse=parse_auctions,
    needs=_needs_fields,
    pages=_fiscal_pages,
    daily=False,
)
NEWYORKFED = Feed(
    name="newyorkfed",
    title="New York Fed SOFR",
    kind="sofr",
    base="https://markets.newyorkfed.org/api/rates/secured/sofr/search.json",
    earliest=FIRST_SOFR,
    years=1,
    suffix="json",
    address=_sofr_address,
    parse=parse_sofr,
    needs=_needs_nothing,
)
FRED = Feed(
    name="fred",
    title="FRED par yields",
    kind="par_yields",
    base="https://fred.stlouisfed.org/graph/fredgraph.csv",
    earliest=FIRST_CURVE,
    years=10,
    suffix="csv",
    address=_fred_address,
    parse=parse_par_yields,
    needs=_needs_series,
    precedence=Precedence.SECOND,
)
FEEDS: dict[str, Feed] = {feed.name: feed for feed in (TREASURY, FISCALDATA, NEWYORKFED, FRED)}
"""In the order in which they are asked: FRED repeats the Treasury's figures, so it comes after and only fills."""
