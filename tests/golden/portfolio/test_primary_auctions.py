"""Auctions that were held: from the high yield, coupon and price are the official ones, of every one on record."""

from __future__ import annotations

import csv
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from tbill_defi.conventions.frn_index import FrnIndex
from tbill_defi.conventions.reference_cpi import ReferenceCpi
from tbill_defi.instruments import Bill, Bond, Frn, Note, Tips
from tbill_defi.ledger.auction import Announcement, Bid
from tbill_defi.market import read_auctions
from tbill_defi.market.reference_cpi import read_reference_cpi
from tbill_defi.portfolio.auction import Offered
from tests.golden.pricing.test_frn import CHECKED

DATA = Path(__file__).resolve().parents[4] / "shared" / "data"
pytestmark = pytest.mark.realdata


def day(text):
    return date.fromisoformat(text)


def rows():
    if not (DATA / "auctions.csv").exists():
        pytest.skip(f"{DATA} is not here")
    with (DATA / "auctions.csv").open() as file:
        return list(csv.DictReader(file))


def terms(row):
    """The security as it was announced: a new one's coupon, or spread, is not known yet."""
    known = row["reopening"] == "Yes"
    cusip, maturity = row["cusip"], day(row["maturityDate"])
    if row["type"] in ("Bill", "CMB"):
        return Bill(cusip=cusip, issue_date=day(row["issueDate"]), maturity_date=maturity)
    dated = day(row["datedDate"])
    if row["floatingRate"] == "Yes":
        spread = float(row["spread"]) / 100 if known else 0.0
        return Frn(cusip=cusip, spread=spread, dated_date=dated, maturity_date=maturity)
    more = {"coupon": float(row["interestRate"]) / 100 if known else 0.0, "dated_date": dated}
    more |= {"maturity_date": maturity, "first_coupon_date": day(row["firstInterestPaymentDate"])}
    if row["tips"] == "Yes":
        return Tips(cusip=cusip, dated_reference_cpi=float(row["refCpiOnDatedDate"]), **more)
    return (Note if row["type"] == "Note" else Bond)(cusip=cusip, **more)


def held(row, security, **figures):
    """Four bidders at the published high rate, and a lower and a higher one."""
    rate = row["highDiscountRate"] or row["highYield"] or row["highDiscountMargin"]
    stop = int(Decimal(rate) * 1000)
    step = 5 if isinstance(security, Bill) else 1
    offering = int(row["offeringAmount"] or 10**10) * 10**6
    announcement = Announcement(
        cusip=security.cusip,
        kind=security.kind,
        offering=offering,
        auction_date=date(2026, 1, 2),  # of the rules alone
        issue_date=day(row["issueDate"]),
        maturity_date=security.maturity_date,
        noncompetitive_close=1,
        competitive_close=1,
        reopening=row["reopening"] == "Yes",
    )
    third = offering * 30 // 100 // 10**8 * 10**8
    bids = [Bid(f"d{n}", third, stop) for n in range(4)] + [Bid("far", third, stop + step)]
    if stop > 0:
        bids.append(Bid("near", third, stop - step))
    result, issued = Offered(announcement, security, **figures).result(bids)
    assert result.allocation.stop_e5 == stop
    return result, issued


def test_notes_and_bonds():
    found = [r for r in rows() if r["type"] in ("Note", "Bond") and r["tips"] == "No" and r["floatingRate"] == "No"]
    assert len(found) == 743
    for row in found:
        result, issued = held(row, terms(row))
        assert result.coupon_e5 == int(Decimal(row["interestRate"]) * 1000), row["cusip"]
        assert Decimal(result.price_e6).scaleb(-6) == Decimal(row["pricePer100"]), row["cusip"]
        assert issued.coupon == float(row["interestRate"]) / 100


def test_bills():
    found = [r for r in rows() if r["type"] in ("Bill", "CMB")]
    assert len(found) == 878
    for row in found:
        result, _ = held(row, terms(row))
        assert Decimal(result.price_e6).scaleb(-6) == Decimal(row["pricePer100"]), row["cusip"]


def test_tips():
    cpi = ReferenceCpi.of_daily(read_reference_cpi(DATA / "reference_cpi.csv").rows())
    found = [r for r in rows() if r["tips"] == "Yes"]
    assert len(found) == 83
    for row in found:
        result, issued = held(row, terms(row), reference_cpi=cpi)
        assert issued.coupon == float(row["interestRate"]) / 100, row["cusip"]
        if row["adjustedPrice"]:
            assert abs(Decimal(result.price_e6).scaleb(-6) - Decimal(row["adjustedPrice"])) <= Decimal("0.000001")


def test_frns():
    index = FrnIndex.of_auctions(read_auctions(DATA / "auctions.csv").iter_rows(named=True))
    found = [r for r in rows() if r["floatingRate"] == "Yes" and (r["cusip"], day(r["issueDate"])) in CHECKED]
    assert len(found) == 15
    for row in found:
        result, issued = held(row, terms(row), frn_index=index)
        assert issued.spread == pytest.approx(float(row["spread"]) / 100, abs=1e-12)
        assert abs(Decimal(result.price_e6).scaleb(-6) - Decimal(row["pricePer100"])) <= Decimal("0.000001")
