"""Every typed fact of the sample is the published one."""

import csv
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from tbill_defi.market import SAMPLE_DATE, sample_snapshot, snapshot
from tbill_defi.market.sample import BILLS, COUPONS, QUOTES, sample_files
from tbill_defi.market.sample_curves import TENORS, curve_rows
from tbill_defi.market.store import MarketStore

DATA = Path(__file__).resolve().parents[3].parent / "shared" / "data"
realdata = pytest.mark.skipif(not DATA.exists(), reason="../shared/data is not there")


def read(name, header=True):
    with (DATA / name).open(newline="") as file:
        return list(csv.DictReader(file) if header else csv.reader(file))


def years(listing):
    return (listing.security.maturity_date - SAMPLE_DATE).days / 365.25


def test_a_market_to_show_with():
    view = sample_snapshot()
    kinds = [listing.kind for listing in view.listings]
    assert (kinds.count("bill"), kinds.count("note"), kinds.count("bond")) == (6, 14, 5)
    assert sum(1.5 <= years(listing) <= 4 for listing in view.listings) >= 10
    assert all(not listing.inferred for listing in view.listings)
    assert all(view.quote(listing.cusip).offer >= view.quote(listing.cusip).bid for listing in view.listings)
    assert view.sheet.age_days == 0
    assert view.sheet.par_yields == view.par_yields
    assert (view.repo.rate, view.repo.source, view.repo.age_days) == (0.0363, "SOFR", 0)
    assert dict(view.excluded) == {}


@pytest.mark.realdata
@realdata
def test_par_yields_and_sofr():
    rows = curve_rows()
    published = {row["Date"]: row for row in read("par_yields.csv")}
    assert [day for day, *_ in rows] == [day for day in published if "2026-03-24" <= day <= "2026-06-30"]
    rates = {row["Date"]: row["SOFR"] for row in read("sofr.csv")}
    for day, yields, sofr in rows:
        assert {"Date", *TENORS} == set(published[day])
        assert [Decimal(text) for text in yields] == [Decimal(published[day][tenor]) for tenor in TENORS]
        assert (sofr and Decimal(sofr)) == (rates[day] and Decimal(rates[day]))


def test_the_files_are_read_as_published_ones(tmp_path):
    store = MarketStore(tmp_path / "home")
    for name, text in sample_files().items():
        (tmp_path / name).write_text(text)
        report = store.import_file(tmp_path / name)
        assert report.rows == report.new
    kinds = [path.stem for path in sorted(store.folder.glob("*.parquet"))]
    assert kinds == ["auctions", "fedinvest", "par_yields", "sightings", "sofr"]
    assert snapshot(store, SAMPLE_DATE).content_hash() == sample_snapshot().content_hash()


@pytest.mark.realdata
@realdata
def test_terms():
    original = {row["cusip"]: row for row in reversed(read("auctions.csv")) if row["reopening"] == "No"}
    for cusip, auction, issue, maturity in BILLS:
        row = original[cusip]
        assert (row["type"], row["auctionDate"], row["issueDate"], row["maturityDate"]) == (
            "Bill",
            auction,
            issue,
            maturity,
        )
    for cusip, kind, coupon, auction, issue, dated, first, maturity in COUPONS:
        row = original[cusip]
        assert Decimal(row["interestRate"]) == Decimal(coupon)
        assert (row["type"], row["auctionDate"], row["issueDate"], row["datedDate"]) == (kind, auction, issue, dated)
        assert (row["firstInterestPaymentDate"], row["maturityDate"]) == (first, maturity)


@pytest.mark.realdata
@realdata
def test_quotes():
    sheet = {row[0]: row for row in read("fedinvest_2026-03-24.csv", header=False)}
    assert set(QUOTES) == {row[0] for row in (*BILLS, *COUPONS)}
    for cusip, (buy, sell) in QUOTES.items():
        assert (sheet[cusip][5], sheet[cusip][6]) == (buy, sell)
    for cusip, kind, coupon, *_ in COUPONS:
        assert (sheet[cusip][1], sheet[cusip][2]) == (f"MARKET BASED {kind.upper()}", f"{coupon}%")


def test_known_before_the_day_is_over():
    assert max(date.fromisoformat(row[1]) for row in BILLS) <= SAMPLE_DATE
    assert max(date.fromisoformat(row[3]) for row in COUPONS) <= SAMPLE_DATE
