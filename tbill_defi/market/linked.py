"""TIPS and floating rate notes from auction records: securities whose payments follow an index."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from typing import Any

from tbill_defi.conventions.schedules import quasi_coupon_dates
from tbill_defi.core.errors import ConventionError, DataError
from tbill_defi.instruments import Frn, Tips

Row = dict[str, Any]


def linked_terms(rows: Sequence[Row]) -> Tips | Frn | None:
    """Terms of one CUSIP from its auction records, if it is a TIPS or a floating rate note and they tell enough.

    Parameters
    ----------
    rows
        All records of the CUSIP known: the original issue, its reopenings.

    Returns
    -------
    Tips | Frn | None
        None for any other security, a TIPS without the reference CPI of its dated date, a note without its spread. A
        price sheet tells neither, so a security that only sheets name has no terms.

    Raises
    ------
    DataError
        If records contradict each other or are no terms of a security.
    """
    first = min(rows, key=lambda row: (row["issueDate"], row["auctionDate"]))
    issue_date = min(row["originalIssueDate"] or row["issueDate"] for row in rows)
    if first["tips"] or first["type"] == "TIPS":
        make: Callable[[Row, float, date], Tips | Frn] = _tips
        index = "refCpiOnDatedDate"
    elif first["floatingRate"] or first["type"] == "FRN":
        make, index = _frn, "spread"
    else:
        return None
    told = {row[index]: row for row in rows if row[index] is not None}
    if len(told) > 1:
        one, other = list(told.items())[:2]
        raise DataError(
            f"{first['cusip']}: {index} is {one[0]} by the auction of {one[1]['auctionDate']} and {other[0]} by that "
            f"of {other[1]['auctionDate']}; correct the file that is wrong and import it again"
        )
    if not told or first["datedDate"] is None or (make is _tips and first["interestRate"] is None):
        return None
    try:
        return make(first, next(iter(told)), issue_date)
    except ConventionError as error:
        raise DataError(f"{first['cusip']}, auction of {first['auctionDate']}: {error}") from None


def _tips(row: Row, dated_reference_cpi: float, issue_date: date) -> Tips:
    dated, first_coupon = row["datedDate"], row["firstInterestPaymentDate"]
    if dated > issue_date:  # a reopening that restarts its dated date: back on the cycle to the original issue
        dated, first_coupon = quasi_coupon_dates(issue_date, row["maturityDate"])[:2]
    return Tips(
        cusip=row["cusip"],
        coupon=row["interestRate"],
        dated_date=dated,
        maturity_date=row["maturityDate"],
        first_coupon_date=first_coupon,
        issue_date=issue_date,
        dated_reference_cpi=dated_reference_cpi,
    )


def _frn(row: Row, spread: float, issue_date: date) -> Frn:
    return Frn(
        cusip=row["cusip"],
        spread=spread,
        dated_date=min(row["datedDate"], issue_date),
        maturity_date=row["maturityDate"],
        issue_date=issue_date,
    )
