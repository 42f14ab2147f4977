"""Treasury auction results, TreasuryDirect's and FiscalData's: bills, notes, bonds, TIPS, FRNs, CMBs.

Sources of the layouts: TreasuryDirect's securities API and exports (`auctionDate`, `interestRate`, ...; CSV or JSON)
https://www.treasurydirect.gov/webapis/webapisecurities.htm; FiscalData's "Treasury Securities Auctions Data"
(`auction_date`, `int_rate`, ...; CSV or JSON, a missing value is the text "null")
https://fiscaldata.treasury.gov/datasets/treasury-securities-auctions-data/.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl

from tbill_defi.core.errors import DataError
from tbill_defi.market.records import Table, table_of
from tbill_defi.market.table import (
    COUPON_PERCENT,
    PERCENT,
    PRICE,
    Bounds,
    NoRows,
    Row,
    read_text,
    refuse_duplicates,
    show,
)

TYPES = ("Bill", "CMB", "Note", "Bond", "TIPS", "FRN")
_AMOUNT = Bounds(Decimal(0), Decimal(1_000_000), "3.94")
_PRICE = frozenset({"highPrice", "pricePer100", "unadjustedPrice", "adjustedPrice"})
_TEXT = frozenset({"cusip", "type", "securityType", "securityTerm"})
_DATES = frozenset(
    {
        "announcementDate",
        "auctionDate",
        "issueDate",
        "datedDate",
        "originalIssueDate",
        "maturityDate",
        "firstInterestPaymentDate",
        "callDate",
    }
)
_FLAGS = frozenset({"reopening", "tips", "floatingRate", "cashManagementBillCMB"})
_PERCENT = frozenset({"highYield", "highDiscountRate", "highInvestmentRate", "spread", "highDiscountMargin"})
_WHOLE = frozenset({"offeringAmount", "totalAccepted"})
COLUMNS = (
    "cusip",
    "type",
    "securityType",
    "securityTerm",
    "reopening",
    "announcementDate",
    "auctionDate",
    "issueDate",
    "datedDate",
    "originalIssueDate",
    "maturityDate",
    "callDate",
    "firstInterestPaymentDate",
    "interestRate",
    "highYield",
    "highDiscountRate",
    "highInvestmentRate",
    "highPrice",
    "pricePer100",
    "accruedInterestPer1000",
    "tips",
    "floatingRate",
    "refCpiOnIssueDate",
    "refCpiOnDatedDate",
    "indexRatioOnIssueDate",
    "unadjustedPrice",
    "adjustedPrice",
    "spread",
    "highDiscountMargin",
    "bidToCoverRatio",
    "offeringAmount",
    "totalAccepted",
    "cashManagementBillCMB",
)
REQUIRED = (
    "cusip",
    "type",
    "reopening",
    "auctionDate",
    "issueDate",
    "datedDate",
    "originalIssueDate",
    "maturityDate",
    "firstInterestPaymentDate",
    "interestRate",
    "tips",
    "floatingRate",
)
"""Columns without which terms cannot be told; of the others a file may have any."""
FISCAL_NAMES = {
    "cusip": "cusip",
    "security_type": "securityType",
    "security_term": "securityTerm",
    "reopening": "reopening",
    "announcemt_date": "announcementDate",
    "auction_date": "auctionDate",
    "issue_date": "issueDate",
    "dated_date": "datedDate",
    "original_issue_date": "originalIssueDate",
    "maturity_date": "maturityDate",
    "call_date": "callDate",
    "first_int_payment_date": "firstInterestPaymentDate",
    "int_rate": "interestRate",
    "high_yield": "highYield",
    "high_discnt_rate": "highDiscountRate",
    "high_investment_rate": "highInvestmentRate",
    "high_price": "highPrice",
    "price_per100": "pricePer100",
    "accrued_int_per1000": "accruedInterestPer1000",
    "inflation_index_security": "tips",
    "floating_rate": "floatingRate",
    "ref_cpi_on_issue_date": "refCpiOnIssueDate",
    "ref_cpi_on_dated_date": "refCpiOnDatedDate",
    "index_ratio_on_issue_date": "indexRatioOnIssueDate",
    "unadj_price": "unadjustedPrice",
    "adj_price": "adjustedPrice",
    "spread": "spread",
    "high_discnt_margin": "highDiscountMargin",
    "bid_to_cover_ratio": "bidToCoverRatio",
    "offering_amt": "offeringAmount",
    "total_accepted": "totalAccepted",
    "cash_management_bill_cmb": "cashManagementBillCMB",
}
"""FiscalData's names -> TreasuryDirect's. FiscalData has no `type`: a TIPS, FRN or CMB is told by its flag."""
_NULL = "null"
_RESULTS = (
    "totalAccepted",
    "highYield",
    "highDiscountRate",
    "highInvestmentRate",
    "highDiscountMargin",
    "highPrice",
    "pricePer100",
)
"""What an auction leaves behind; a record with none of it announces one."""


def _dtype(column: str) -> pl.DataType:
    if column in _TEXT:
        return pl.String()
    if column in _DATES:
        return pl.Date()
    if column in _FLAGS:
        return pl.Boolean()
    return pl.Int64() if column in _WHOLE else pl.Float64()


SCHEMA: dict[str, pl.DataType] = {column: _dtype(column) for column in COLUMNS}


def read_auctions(path: str | Path) -> pl.DataFrame:
    """Every auction of a file, TIPS, FRNs and cash management bills included.

    Parameters
    ----------
    path
        CSV (comma, semicolon or tab; UTF-8 or UTF-16) or JSON with TreasuryDirect's or FiscalData's field names in any
        order; further columns are passed over. Dates are YYYY-MM-DD, with or without T00:00:00, or MM/DD/YYYY.
        Records without any result announce an auction that was not yet held, and are left out.

    Returns
    -------
    polars.DataFrame
        All of `COLUMNS` under TreasuryDirect's names, null where the file has none; sorted by auction date, issue
        date, CUSIP. Dates are Date, Yes/No Boolean, dollars Int64. Rates (`interestRate`, `highYield`,
        `highDiscountRate`, `highInvestmentRate`, `spread`, `highDiscountMargin`) are decimal, percent in the file;
        prices per 100 face, `accruedInterestPer1000` per 1,000.

    Raises
    ------
    DataError
        Names file, line, column, value and what was expected. The file is read whole or not at all. Two rows of one
        CUSIP that disagree on type, maturity or coupon are refused by both lines.

    Notes
    -----
    https://www.treasurydirect.gov/auctions/announcements-data-results/
    """
    return parse_auctions(read_text(path), Path(path).name)


def parse_auctions(text: str, file: str) -> pl.DataFrame:
    """`read_auctions` on a text; `file` names it in errors."""
    table = table_of(text, file)
    rows = [row for row in _rows(table) if not _is_announcement(row)]
    if not rows:
        raise NoRows(f"{file}: announces auctions and has the result of none")
    readers = {column: _reader(column) for column in COLUMNS if column in rows[0].header}
    records = [_record(row, readers) for row in rows]
    refuse_duplicates(rows, [(r["cusip"], r["auctionDate"]) for r in records], "cusip", "CUSIP and auction date")
    _refuse_conflicts(rows, records)
    frame = pl.DataFrame(records, schema=SCHEMA)
    return frame.sort("auctionDate", "issueDate", "cusip")


def is_auctions(header: Sequence[str]) -> bool:
    """Whether a header is that of auction results, TreasuryDirect's or FiscalData's."""
    return "cusip" in header and ("auctionDate" in header or "auction_date" in header)


def _rows(table: Table) -> list[Row]:
    """The rows under TreasuryDirect's names."""
    fiscal = "auctionDate" not in table.header and "auction_date" in table.header
    names = FISCAL_NAMES if fiscal else {column: column for column in COLUMNS}
    required = {"securityType" if fiscal and column == "type" else column for column in REQUIRED}
    missing = [name for name, column in names.items() if column in required and name not in table.header]
    if missing:
        raise DataError(f"{table.place}: header lacks column {', '.join(show(name) for name in missing)}")
    rows = table.rows({name: column for name, column in names.items() if name in table.header})
    return [_from_fiscal(row) for row in rows] if fiscal else rows


def _from_fiscal(row: Row) -> Row:
    """A row of FiscalData with "null" as empty and TreasuryDirect's `type`."""
    cells = tuple("" if cell.strip() == _NULL else cell for cell in row.cells)
    row = replace(row, cells=cells)
    flags = (("tips", "TIPS"), ("floatingRate", "FRN"), ("cashManagementBillCMB", "CMB"))
    kinds = [kind for column, kind in flags if column in row.header and row.text(column) == "Yes"]
    if len(kinds) > 1:
        raise row.error("securityType", row.text("securityType"), f"is flagged as {' and '.join(kinds)} at once")
    kind = kinds[0] if kinds else row.text("securityType")
    return replace(
        row,
        header=(*row.header, "type"),
        cells=(*cells, kind),
        own=(*row.own, row.own[row.header.index("securityType")]),
    )


def _is_announcement(row: Row) -> bool:
    told = [column for column in _RESULTS if column in row.header]
    return bool(told) and not any(row.text(column) for column in (*told, "interestRate"))


def _text(row: Row, column: str) -> str | None:
    return row.text(column) or None


Reader = Callable[[Row, str], object]
_READERS: dict[pl.DataType, Reader] = {
    pl.Date(): Row.optional_day,
    pl.Boolean(): Row.yes_no,
    pl.Int64(): Row.integer,
    pl.String(): _text,
}


def _reader(column: str) -> Reader:
    """How a cell of a column is read; a text that recurs is read once."""
    if column == "interestRate":
        bounds = COUPON_PERCENT
    elif column in _PERCENT:
        bounds = PERCENT
    else:
        bounds = PRICE if column in _PRICE else _AMOUNT

    def number(row: Row, name: str) -> float | None:
        return row.optional_number(name, bounds)

    read = _READERS.get(SCHEMA[column], number)
    known: dict[str, object] = {}

    def remembered(row: Row, name: str) -> object:
        text = row.cells[row.header.index(name)]
        if text not in known:
            known[text] = read(row, name)
        return known[text]

    return remembered


def _record(row: Row, readers: Mapping[str, Reader]) -> dict[str, Any]:
    row.cusip("cusip")
    kind = row.required("type", "one of " + ", ".join(TYPES))
    if kind not in TYPES:
        raise row.error("type", kind, f"is not a type of security (expected one of {', '.join(TYPES)})")
    for column in ("auctionDate", "issueDate", "maturityDate"):
        row.day(column)
    for column in ("reopening", "tips", "floatingRate"):
        row.required(column, "Yes or No")
    record: dict[str, Any] = dict.fromkeys(COLUMNS)
    for column, read in readers.items():
        record[column] = read(row, column)
    _check_order(row, record)
    if kind in ("Note", "Bond"):
        row.day("datedDate")
        row.required("interestRate", "percent such as 4.125")
    return record


_ORDER = (
    ("announcementDate", "auctionDate", False),
    ("auctionDate", "issueDate", False),
    ("originalIssueDate", "issueDate", False),
    ("issueDate", "maturityDate", True),
    ("datedDate", "maturityDate", True),
    ("datedDate", "firstInterestPaymentDate", True),
    ("firstInterestPaymentDate", "maturityDate", False),
)


def _check_order(row: Row, record: dict[str, Any]) -> None:
    for earlier, later, strictly in _ORDER:
        first: date | None = record[earlier]
        second: date | None = record[later]
        if first is None or second is None:
            continue
        if second < first or (strictly and second == first):
            problem = "is not after" if strictly else "is before"
            raise row.error(later, row.text(later), f"{problem} {earlier} {first}")


def _refuse_conflicts(rows: list[Row], records: list[dict[str, Any]]) -> None:
    """A reopening is the same security: type, maturity and coupon must be those of the other rows."""
    seen: dict[str, tuple[Row, dict[str, Any]]] = {}
    for row, record in zip(rows, records, strict=True):
        first_row, first = seen.setdefault(record["cusip"], (row, record))
        for column in ("type", "maturityDate", "interestRate"):
            if record[column] != first[column]:
                raise row.error(
                    column,
                    row.text(column),
                    f"contradicts {first_row.place} of the same CUSIP {record['cusip']}, "
                    f"which has {show(first_row.text(column))}",
                )
