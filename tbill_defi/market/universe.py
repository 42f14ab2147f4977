"""The securities of a date: terms from auction records, else inferred from price sheets."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Literal

from tbill_defi.conventions.schedules import add_months, is_month_end, quasi_coupon_dates
from tbill_defi.core.errors import ConventionError, DataError
from tbill_defi.instruments import Bill, Bond, Frn, Note, Tips
from tbill_defi.market.linked import linked_terms

LONGEST_BILL_DAYS = 364
"""A 52-week bill: an inferred bill is taken to be issued this long before maturity."""
LONGEST_TERM_YEARS = {"MARKET BASED NOTE": 10, "MARKET BASED BOND": 30}
"""An inferred note or bond is taken to be dated this long before maturity."""

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Listing:
    """One security of the universe.

    Attributes
    ----------
    security
        Its terms.
    source
        "auction": from auction records. "fedinvest": from a price sheet.
    inferred
        Whether part of the terms (dated date, first coupon, a bill's issue date) is inferred and not recorded.
    """

    security: Bill | Note | Bond
    source: Literal["auction", "fedinvest"]
    inferred: bool

    @property
    def cusip(self) -> str:
        """The security's CUSIP."""
        return self.security.cusip

    @property
    def kind(self) -> str:
        """The security's kind: "bill", "note" or "bond"."""
        return self.security.kind

    def to_json(self) -> dict[str, Any]:
        """JSON form: the terms as their own file format, source, inferred."""
        terms = self.security.model_dump(mode="json", exclude_none=True)
        return {"terms": terms, "source": self.source, "inferred": self.inferred}


@dataclass(frozen=True, slots=True)
class Universe:
    """The securities of a date.

    Attributes
    ----------
    listings
        With nominal flows that their terms fix, by CUSIP ascending.
    excluded
        Type of the others ("TIPS", "FRN", "callable") -> CUSIPs, ascending.
    linked
        Terms of the excluded TIPS and FRNs whose auction records tell them, by CUSIP ascending.
    """

    listings: tuple[Listing, ...]
    excluded: dict[str, tuple[str, ...]]
    linked: tuple[Tips | Frn, ...] = ()


def universe_on(day: date, auctions: Iterable[Row], sheets: Iterable[Row]) -> Universe:
    """Securities issued and not matured on `day`.

    Parameters
    ----------
    day
        The date; a security that matures on it is matured.
    auctions, sheets
        Auction and price sheet rows known on `day`, by date ascending; nothing later may be among them.

    Raises
    ------
    DataError
        If two records of one CUSIP contradict each other on type, maturity or coupon.
    """
    by_cusip: dict[str, list[Row]] = {}
    for row in auctions:
        if row["maturityDate"] > day:
            by_cusip.setdefault(row["cusip"], []).append(row)
    listings: dict[str, Listing] = {}
    excluded: dict[str, set[str]] = {}
    linked: dict[str, Tips | Frn] = {}
    not_issued: set[str] = set()
    for cusip, rows in by_cusip.items():
        if min(row["originalIssueDate"] or row["issueDate"] for row in rows) > day:
            not_issued.add(cusip)
        elif kind := excluded_auction(rows):
            excluded.setdefault(kind, set()).add(cusip)
            if terms := linked_terms(rows):
                linked[cusip] = terms
        else:
            listings[cusip] = Listing(terms_from_auctions(rows), "auction", False)
    for row in sheets:
        cusip = row["cusip"]
        if row["maturity_date"] <= day or cusip in not_issued:
            continue
        if cusip in by_cusip:
            _check_sheet(row, by_cusip[cusip][0])
        elif kind := _excluded_sheet(row):
            excluded.setdefault(kind, set()).add(cusip)
        elif cusip not in listings:
            listings[cusip] = Listing(terms_from_sheet(row), "fedinvest", True)
        else:
            _check_inferred(row, listings[cusip].security)
    return Universe(
        tuple(listings[cusip] for cusip in sorted(listings)),
        {kind: tuple(sorted(cusips)) for kind, cusips in sorted(excluded.items())},
        tuple(linked[cusip] for cusip in sorted(linked)),
    )


def excluded_auction(rows: Sequence[Row]) -> str | None:
    """Why a security is in no view ("TIPS", "FRN", "callable"), from its auction records; None: it is in them."""
    first = rows[0]
    if first["tips"] or first["type"] == "TIPS":
        return "TIPS"
    if first["floatingRate"] or first["type"] == "FRN":
        return "FRN"
    return "callable" if any(row["callDate"] for row in rows) else None


def _excluded_sheet(row: Row) -> str | None:
    if row["type"] in ("TIPS", "MARKET BASED FRN"):
        return str(row["type"]).removeprefix("MARKET BASED ")
    return "callable" if row["call_date"] else None


def _named(row: Row) -> str:
    if "auctionDate" in row:
        return f"auction of {row['auctionDate']}"
    return f"FedInvest sheet of {row['date']}"


def _conflict(cusip: str, what: str, first: tuple[Row, object], second: tuple[Row, object]) -> DataError:
    return DataError(
        f"{cusip}: {what} is {first[1]} by the {_named(first[0])} and {second[1]} by the {_named(second[0])}; "
        "correct the file that is wrong and import it again"
    )


def terms_from_auctions(rows: Sequence[Row]) -> Bill | Note | Bond:
    """Terms of one CUSIP from its auction records: the original issue and its reopenings.

    Type, maturity and coupon must agree in all of them. Dated date and first coupon are those of the record with the
    earliest issue date; the issue date is the earliest original issue date, else issue date. Where only a reopening
    is on record and the Treasury restarted its dated date (a 5-year reopened as a 3-year), the dated date is moved
    back on the coupon cycle to the original issue.

    Raises
    ------
    DataError
        If records contradict each other or are no terms of a security.
    """
    ordered = sorted(rows, key=lambda row: (row["issueDate"], row["auctionDate"]))
    first = ordered[0]
    for row in ordered[1:]:
        for column in ("type", "maturityDate", "interestRate"):
            if row[column] != first[column]:
                raise _conflict(first["cusip"], column, (first, first[column]), (row, row[column]))
    issue_date = min(row["originalIssueDate"] or row["issueDate"] for row in ordered)
    cusip, maturity = first["cusip"], first["maturityDate"]
    try:
        if first["type"] in ("Bill", "CMB"):
            return Bill(cusip=cusip, issue_date=issue_date, maturity_date=maturity)
        dated, first_coupon = first["datedDate"], first["firstInterestPaymentDate"]
        if dated > issue_date:
            dated, first_coupon = quasi_coupon_dates(issue_date, maturity)[:2]
        model = Note if first["type"] == "Note" else Bond
        return model(
            cusip=cusip,
            coupon=first["interestRate"],
            dated_date=dated,
            maturity_date=maturity,
            first_coupon_date=first_coupon,
            issue_date=issue_date,
        )
    except ConventionError as error:
        raise DataError(f"{cusip}, {_named(first)}: {error}") from None


def terms_from_sheet(row: Row) -> Bill | Note | Bond:
    """Terms of a security that only price sheets name, inferred.

    The coupon cycle runs back from maturity, at month ends if the maturity is one. The dated date is the cycle date
    10 years (a note) or 30 years (a bond) before maturity, or further back if the sheet is older: it depends on the
    security alone, so importing more sheets never changes it, and on any day after the true first coupon accrued
    interest and price are the true ones. A bill is taken to be issued 364 days before maturity.

    Raises
    ------
    DataError
        If the row gives no terms of a security.
    """
    cusip, maturity, day = row["cusip"], row["maturity_date"], row["date"]
    try:
        if row["type"] == "MARKET BASED BILL":
            issue_date = min(maturity - timedelta(days=LONGEST_BILL_DAYS), day)
            return Bill(cusip=cusip, issue_date=issue_date, maturity_date=maturity)
        dated = inferred_dated_date(maturity, LONGEST_TERM_YEARS[row["type"]], day)
        model = Note if row["type"] == "MARKET BASED NOTE" else Bond
        return model(cusip=cusip, coupon=row["rate"], dated_date=dated, maturity_date=maturity)
    except ConventionError as error:
        raise DataError(f"{cusip}, {_named(row)}: {error}") from None


def real_terms_from_sheet(row: Row) -> Bond:
    """Real flows of a TIPS that only price sheets name, inferred: a bond's, since no sheet tells its reference CPI.

    Raises
    ------
    DataError
        If the row gives no terms of a security.
    """
    cusip, maturity = row["cusip"], row["maturity_date"]
    dated = inferred_dated_date(maturity, LONGEST_TERM_YEARS["MARKET BASED BOND"], row["date"])
    try:
        return Bond(cusip=cusip, coupon=row["rate"], dated_date=dated, maturity_date=maturity)
    except ConventionError as error:
        raise DataError(f"{cusip}, {_named(row)}: {error}") from None


def inferred_dated_date(maturity: date, years: int, day: date) -> date:
    """The coupon cycle date `years` before maturity, or the last one not after `day` if that is earlier."""
    longest = add_months(maturity, -12 * years, end_of_month=is_month_end(maturity))
    return min(longest, quasi_coupon_dates(day, maturity)[0])


def _check_sheet(row: Row, auction: Row) -> None:
    """A sheet that contradicts the auction record prices another security."""
    if row["maturity_date"] != auction["maturityDate"]:
        raise _conflict(row["cusip"], "maturity", (auction, auction["maturityDate"]), (row, row["maturity_date"]))
    fixed = auction["type"] in ("Note", "Bond", "TIPS")
    if fixed and auction["interestRate"] is not None and row["rate"] != auction["interestRate"]:
        raise _conflict(row["cusip"], "coupon", (auction, auction["interestRate"]), (row, row["rate"]))


def _check_inferred(row: Row, security: Bill | Note | Bond) -> None:
    """Two sheets must speak of one security."""
    inferred = terms_from_sheet(row)
    if inferred != security:
        raise DataError(
            f"{row['cusip']}: the {_named(row)} contradicts an earlier sheet on type, maturity or coupon; "
            "correct the file that is wrong and import it again"
        )
