"""One real day and the quarter after it, typed as facts: enough market for the demo without a network or a file.

Of 2026-03-24 there are prices; of the days to 2026-06-30 curves and SOFR (`sample_curves`). Sources of the day:
TreasuryDirect, auction results (terms; the original issue's record of each security);
FedInvest, security prices of the date (buy and sell).
"""

from __future__ import annotations

from datetime import date
from functools import lru_cache

from tbill_defi.market.auctions import REQUIRED, parse_auctions
from tbill_defi.market.data import MarketData
from tbill_defi.market.fedinvest import parse_fedinvest
from tbill_defi.market.par_yields import parse_par_yields
from tbill_defi.market.sample_curves import TENORS, curve_rows
from tbill_defi.market.snapshot import MarketSnapshot, snapshot
from tbill_defi.market.sofr import parse_sofr

SAMPLE_DATE = date(2026, 3, 24)

# fmt: off
BILLS = (
    # CUSIP, auction, issue, maturity
    ("912797TE7", "2025-12-22", "2025-12-26", "2026-06-25"),
    ("912797UQ8", "2026-03-18", "2026-03-24", "2026-07-21"),
    ("912797TX5", "2026-02-17", "2026-02-19", "2026-08-20"),
    ("912797UG0", "2026-03-16", "2026-03-19", "2026-09-17"),
    ("912797TC1", "2025-12-23", "2025-12-26", "2026-12-24"),
    ("912797UD7", "2026-03-17", "2026-03-19", "2027-03-18"),
)

COUPONS = (
    # CUSIP, type, coupon in percent, auction, issue, dated, first coupon, maturity
    ("91282CMV0", "Note", "3.875", "2025-03-25", "2025-03-31", "2025-03-31", "2025-09-30", "2027-03-31"),
    ("91282CPE5", "Note", "3.500", "2025-10-27", "2025-10-31", "2025-10-31", "2026-04-30", "2027-10-31"),
    ("91282CPL9", "Note", "3.375", "2025-11-24", "2025-12-01", "2025-11-30", "2026-05-31", "2027-11-30"),
    ("91282CMN8", "Note", "4.250", "2025-02-11", "2025-02-18", "2025-02-15", "2025-08-15", "2028-02-15"),
    ("91282CMS7", "Note", "3.875", "2025-03-11", "2025-03-17", "2025-03-15", "2025-09-15", "2028-03-15"),
    ("91282CND9", "Note", "3.750", "2025-05-05", "2025-05-15", "2025-05-15", "2025-11-15", "2028-05-15"),
    ("91282CNM9", "Note", "3.875", "2025-07-08", "2025-07-15", "2025-07-15", "2026-01-15", "2028-07-15"),
    ("91282CNY3", "Note", "3.375", "2025-09-09", "2025-09-15", "2025-09-15", "2026-03-15", "2028-09-15"),
    ("91282CPP0", "Note", "3.500", "2025-12-08", "2025-12-15", "2025-12-15", "2026-06-15", "2028-12-15"),
    ("91282CQE4", "Note", "3.500", "2026-03-10", "2026-03-16", "2026-03-15", "2026-09-15", "2029-03-15"),
    ("91282CFC0", "Note", "2.625", "2022-07-28", "2022-08-01", "2022-07-31", "2023-01-31", "2029-07-31"),
    ("91282CPW5", "Note", "3.750", "2026-01-27", "2026-02-02", "2026-01-31", "2026-07-31", "2031-01-31"),
    ("91282CPY1", "Note", "4.000", "2026-01-29", "2026-02-02", "2026-01-31", "2026-07-31", "2033-01-31"),
    ("91282CPZ8", "Note", "4.125", "2026-02-11", "2026-02-17", "2026-02-15", "2026-08-15", "2036-02-15"),
    ("912810QL5", "Bond", "4.250", "2010-11-10", "2010-11-15", "2010-11-15", "2011-05-15", "2040-11-15"),
    ("912810QW1", "Bond", "3.000", "2012-05-10", "2012-05-15", "2012-05-15", "2012-11-15", "2042-05-15"),
    ("912810UL0", "Bond", "5.000", "2025-05-21", "2025-06-02", "2025-05-15", "2025-11-15", "2045-05-15"),
    ("912810SX7", "Bond", "2.375", "2021-05-13", "2021-05-17", "2021-05-15", "2021-11-15", "2051-05-15"),
    ("912810UP1", "Bond", "4.625", "2025-11-13", "2025-11-17", "2025-11-15", "2026-05-15", "2055-11-15"),
)
QUOTES = {
    # CUSIP: (buy, sell): a buyer pays buy, a seller gets sell
    "912797TE7": ("99.067417", "99.064833"),
    "912797UQ8": ("98.801736", "98.800083"),
    "912797TX5": ("98.505861", "98.501722"),
    "912797UG0": ("98.222625", "98.220167"),
    "912797TC1": ("97.250000", "97.234722"),
    "912797UD7": ("96.400028", "96.390056"),
    "91282CMV0": ("100.078125", "100.062500"),
    "91282CPE5": ("99.359375", "99.343750"),
    "91282CPL9": ("99.140625", "99.125000"),
    "91282CMN8": ("100.640625", "100.625000"),
    "91282CMS7": ("99.984375", "99.968750"),
    "91282CND9": ("99.703125", "99.687500"),
    "91282CNM9": ("99.953125", "99.937500"),
    "91282CNY3": ("98.796875", "98.781250"),
    "91282CPP0": ("98.984375", "98.968750"),
    "91282CQE4": ("98.921875", "98.906250"),
    "91282CFC0": ("96.000000", "95.968750"),
    "91282CPW5": ("98.921875", "98.906250"),
    "91282CPY1": ("98.984375", "98.968750"),
    "91282CPZ8": ("98.109375", "98.093750"),
    "912810QL5": ("94.828125", "94.718750"),
    "912810QW1": ("79.187500", "79.062500"),
    "912810UL0": ("100.718750", "100.687500"),
    "912810SX7": ("62.296875", "62.250000"),
    "912810UP1": ("95.281250", "95.250000"),
}
# fmt: on


def _auctions_text() -> str:
    lines = [",".join(REQUIRED)]
    for cusip, auction, issue, maturity in BILLS:
        lines.append(f"{cusip},Bill,No,{auction},{issue},,,{maturity},,,No,No")
    for cusip, kind, coupon, auction, issue, dated, first, maturity in COUPONS:
        lines.append(f"{cusip},{kind},No,{auction},{issue},{dated},,{maturity},{first},{coupon},No,No")
    return "\n".join(lines)


def _sheet_text() -> str:
    lines = [_sheet_line(cusip, "Bill", "0.000", maturity) for cusip, _, _, maturity in BILLS]
    lines += [_sheet_line(row[0], row[1], row[2], row[7]) for row in COUPONS]
    return "\n".join(lines)


def _sheet_line(cusip: str, kind: str, coupon: str, maturity: str) -> str:
    buy, sell = QUOTES[cusip]
    return f"{cusip},MARKET BASED {kind.upper()},{coupon}%,{maturity},,{buy},{sell},0"


def _par_yields_text() -> str:
    return "\n".join([",".join(("Date", *TENORS)), *(",".join((day, *row)) for day, row, _ in curve_rows())])


def _sofr_text() -> str:
    return "\n".join(["Date,SOFR", *(f"{day},{rate}" for day, _, rate in curve_rows() if rate)])


def sample_files() -> dict[str, str]:
    """The sample as files in their publishers' layouts: name -> text."""
    return {
        "par_yields.csv": _par_yields_text() + "\n",
        "auctions.csv": _auctions_text() + "\n",
        f"fedinvest_{SAMPLE_DATE}.csv": _sheet_text() + "\n",
        "sofr.csv": _sofr_text() + "\n",
    }


@lru_cache(maxsize=1)
def sample_data() -> MarketData:
    """The sample's records, through the same parsers as files."""
    par_yields, auctions, sheet, sofr = sample_files().items()
    return MarketData(
        par_yields=parse_par_yields(par_yields[1], par_yields[0]),
        auctions=parse_auctions(auctions[1], auctions[0]),
        fedinvest=parse_fedinvest(sheet[1], sheet[0], SAMPLE_DATE),
        sofr=parse_sofr(sofr[1], sofr[0]),
    )


def sample_snapshot(*, repo_rate: float | None = None) -> MarketSnapshot:
    """The market of the sample day; see `snapshot`."""
    return snapshot(sample_data(), SAMPLE_DATE, repo_rate=repo_rate)
