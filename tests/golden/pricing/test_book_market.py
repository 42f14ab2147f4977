"""A book on the real market: every auction's published price, every security of a day's sheet."""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import QuantLib as ql  # noqa: N813 - its own alias

from tbill_defi.conventions import YieldConvention
from tbill_defi.instruments import Bill
from tbill_defi.market import read_auctions, read_fedinvest
from tbill_defi.market.universe import terms_from_sheet, universe_on
from tbill_defi.pricing import investment_rate_from_price, measures_from_clean_price
from tbill_defi.pricing.book import Book
from tbill_defi.pricing.interop import quantlib_bond
from tests.golden.pricing.test_auctions import PATH, coupon_security, rows

pytestmark = pytest.mark.realdata

DAY = date(2026, 3, 24)
SHEET = Path(__file__).resolve().parents[4] / "shared" / "data" / "fedinvest_2026-03-24.csv"


def test_every_note_and_bond_auction_at_once() -> None:
    by_day = defaultdict(list)
    for row in rows("Note", "Bond"):
        by_day[date.fromisoformat(row["issueDate"])].append(row)
    worst = 0.0
    for day, auctioned in by_day.items():
        book = Book([coupon_security(row) for row in auctioned])
        yields = np.array([float(row["highYield"]) / 100 for row in auctioned])
        found = book.analytics(yields=yields, settlement=day, convention=YieldConvention.TREASURY)
        published = np.array([float(row["pricePer100"]) for row in auctioned])
        assert found.clean_price == pytest.approx(published, abs=1e-6)
        back = book.analytics(clean_prices=found.clean_price, settlement=day, convention=YieldConvention.TREASURY)
        worst = max(worst, float(np.abs(back.yield_ - yields).max()))
    assert worst < 1e-13


def test_every_bill_auction_at_once() -> None:
    by_day = defaultdict(list)
    for row in rows("Bill"):
        by_day[date.fromisoformat(row["issueDate"])].append(row)
    for day, auctioned in by_day.items():
        bills = [
            Bill(cusip=row["cusip"], issue_date=day, maturity_date=date.fromisoformat(row["maturityDate"]))
            for row in auctioned
        ]
        prices = [float(row["pricePer100"]) for row in auctioned]
        found = Book(bills).analytics(clean_prices=prices, settlement=day, convention=YieldConvention.STREET)
        singles = [investment_rate_from_price(b, p, settlement=day) for b, p in zip(bills, prices, strict=True)]
        assert found.yield_ == pytest.approx(singles, abs=1e-13)


def test_a_days_sheet_is_the_single_verbs_and_quantlib() -> None:
    if not SHEET.exists():
        pytest.skip(f"{SHEET} is not here")
    sheet = [
        row
        for row in read_fedinvest(SHEET, price_date=DAY).iter_rows(named=True)
        if row["type"] not in ("TIPS", "MARKET BASED FRN") and row["maturity_date"] > DAY
    ]
    securities = [terms_from_sheet(row) for row in sheet]
    assert len(securities) == 400
    prices = np.array([row["sell"] for row in sheet])
    street = YieldConvention.STREET
    found = Book(securities).analytics(clean_prices=prices, settlement=DAY, convention=street)
    day = ql.Date(24, 3, 2026)
    ql.Settings.instance().evaluationDate = day
    for i, security in enumerate(securities):
        single = measures_from_clean_price(security, float(prices[i]), settlement=DAY, convention=street)
        for name in ("accrued", "yield_", "modified_duration", "convexity", "dv01"):
            limit = 1e-10 if name == "convexity" else 1e-11
            assert getattr(found, name)[i] == pytest.approx(getattr(single, name), abs=limit), (name, security)
        if security.kind == "bill":
            continue
        bond = quantlib_bond(security)
        final = sum(flow.date() > day for flow in bond.cashflows()) == 2
        terms = bond.dayCounter(), ql.SimpleThenCompounded if final else ql.Compounded, ql.Semiannual
        quoted = ql.BondPrice(float(prices[i]), ql.BondPrice.Clean)
        rate = ql.BondFunctions.bondYield(bond, quoted, *terms, day, 1e-14, 100, float(found.yield_[i]) + 0.01)
        assert found.yield_[i] == pytest.approx(rate, abs=1e-11), security


def test_terms_inferred_from_the_sheet_give_the_yields_of_the_official_terms() -> None:
    """Every bill, note and bond that has an auction on record: QuantLib with its terms, a book with the sheet's."""
    if not SHEET.exists():
        pytest.skip(f"{SHEET} is not here")
    auctions = read_auctions(PATH).filter(pl.col("auctionDate") <= DAY).to_dicts()
    official = {listing.cusip: listing.security for listing in universe_on(DAY, auctions, []).listings}
    sheet = [
        row
        for row in read_fedinvest(SHEET, price_date=DAY).iter_rows(named=True)
        if row["cusip"] in official and row["maturity_date"] > DAY
    ]
    assert len(sheet) == 222
    prices = [row["sell"] for row in sheet]
    book = Book([terms_from_sheet(row) for row in sheet])
    found = book.analytics(clean_prices=prices, settlement=DAY, convention=YieldConvention.STREET)
    day = ql.Date(24, 3, 2026)
    ql.Settings.instance().evaluationDate = day
    for row, price, yield_ in zip(sheet, prices, found.yield_, strict=True):
        security = official[row["cusip"]]
        if security.kind == "bill":
            expected = investment_rate_from_price(security, price, settlement=DAY)
        else:
            bond = quantlib_bond(security)
            final = sum(flow.date() > day for flow in bond.cashflows()) == 2
            terms = bond.dayCounter(), ql.SimpleThenCompounded if final else ql.Compounded, ql.Semiannual
            quoted = ql.BondPrice(float(price), ql.BondPrice.Clean)
            expected = ql.BondFunctions.bondYield(bond, quoted, *terms, day, 1e-14, 100, 0.04)
        assert yield_ == pytest.approx(expected, abs=1e-10), security
