"""The market hash, recomputed from the published recipe and the files alone."""

import csv
from collections import Counter
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
import rfc8785
from Crypto.Hash import keccak

from tbill_defi.conventions import YieldConvention
from tbill_defi.conventions.schedules import quasi_coupon_dates
from tbill_defi.market import MarketStore, sample_snapshot, snapshot
from tbill_defi.market.table import PERCENT, Row
from tbill_defi.market.universe import terms_from_auctions
from tbill_defi.pricing import yield_from_clean_price

DATA = Path(__file__).resolve().parents[3].parent / "shared" / "data"
FILES = ("par_yields.csv", "auctions.csv", "fedinvest_2026-03-24.csv", "sofr.csv")
AUCTION_PERCENT = {
    "interestRate",
    "highYield",
    "highDiscountRate",
    "highInvestmentRate",
    "spread",
    "highDiscountMargin",
}
AUCTION_TEXT = {"cusip", "type", "securityType", "securityTerm"}


def hash256(data):
    return keccak.new(digest_bits=256, data=data).digest()


def head(records):
    value = bytes(32)
    for record in records:
        value = hash256(value + rfc8785.dumps(record))
    return "0x" + value.hex()


def percent(text):
    return float(Decimal(text) / 100)


def auction_record(row):
    record = {}
    for name, text in row.items():
        if text == "":
            continue
        if text in ("Yes", "No"):
            record[name] = text == "Yes"
        elif name in AUCTION_PERCENT:
            record[name] = percent(text)
        elif name in ("offeringAmount", "totalAccepted"):
            record[name] = int(text)
        elif name in AUCTION_TEXT or (name.endswith("Date") and not name.startswith("ref") and "Ratio" not in name):
            record[name] = text
        else:
            record[name] = float(text)
    return record


def sheet_record(row):
    month, day, year = row[3].split("/")
    record = {
        "date": "2026-03-24",
        "cusip": row[0],
        "type": row[1],
        "rate": percent(row[2].rstrip("%")),
        "maturity_date": f"{year}-{month}-{day}",
        "sell": float(row[6]),
    }
    return record | ({"buy": float(row[5])} if float(row[5]) else {})


def heads_from_files(day):
    """What README.md of the package tells an outsider to do, in csv, decimal, keccak and RFC 8785 only."""

    def table(name):
        with (DATA / name).open(newline="") as file:
            return list(csv.DictReader(file))

    with (DATA / "fedinvest_2026-03-24.csv").open(newline="") as file:
        sheet = sorted((sheet_record(row) for row in csv.reader(file)), key=lambda r: r["cusip"])
    par = [
        {"date": row.pop("Date")} | {tenor: percent(text) for tenor, text in row.items() if text}
        for row in table("par_yields.csv")
    ]
    sofr = [
        {"date": row["Date"]} | ({"rate": percent(row["SOFR"])} if row["SOFR"] else {}) for row in table("sofr.csv")
    ]
    auctions = sorted(map(auction_record, table("auctions.csv")), key=lambda r: (r["auctionDate"], r["cusip"]))
    known = {
        "par_yields": [r for r in par if r["date"] <= day],
        "auctions": [r for r in auctions if r["auctionDate"] <= day],
        "fedinvest": [r for r in sheet if r["date"] <= day],
        "sofr": [r for r in sofr if r["date"] <= day],
    }
    return {kind: head(rows) for kind, rows in known.items() if rows}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    store = MarketStore(tmp_path_factory.mktemp("home"))
    for name in FILES:
        store.import_file(DATA / name)
    return store


def test_hash_of_the_sample_day_is_that_of_its_json():
    view = sample_snapshot()
    assert view.content_hash() == hash256(rfc8785.dumps(view.to_json()))


def test_percent_here_and_there_agree():
    row = Row("a", 1, ("x",), ("",))
    texts = [f"{n // 100}.{n % 100:02d}0000" for n in range(0, 10_000, 7)]
    assert [percent(text) for text in texts] == [row.number("x", PERCENT, text) for text in texts]


realdata = pytest.mark.skipif(not DATA.exists(), reason="../shared/data is not there")


@pytest.mark.realdata
@realdata
@pytest.mark.parametrize("day", ["2026-08-21", "2026-03-24", "2015-06-15"])
def test_hash_from_the_files_alone(store, day):
    view = snapshot(store, date.fromisoformat(day))
    content = view.to_json()
    assert {kind: source["head"] for kind, source in content["sources"].items()} == heads_from_files(day)
    assert view.content_hash() == hash256(rfc8785.dumps(content))


@pytest.mark.realdata
@realdata
@pytest.mark.parametrize(
    ("day", "universe", "excluded", "quotes"),
    [
        (
            date(2026, 3, 24),
            {"bill": (23, 27), "note": (133, 108), "bond": (66, 43)},
            {"FRN": 8, "TIPS": 53},
            (400, 0),
        ),
        (
            date(2026, 8, 21),
            {"bill": (31, 1), "note": (138, 95), "bond": (68, 42)},
            {"FRN": 7, "TIPS": 52},
            (338, 150),
        ),
    ],
)
def test_universe_of_the_files(store, day, universe, excluded, quotes):
    view = snapshot(store, day)
    counts = Counter((listing.kind, listing.inferred) for listing in view.listings)
    assert {kind: (counts[kind, False], counts[kind, True]) for kind in universe} == universe
    assert {kind: len(cusips) for kind, cusips in view.excluded.items()} == excluded
    assert (len(view.sheet.quotes), view.sheet.age_days) == quotes
    assert all(listing.security.maturity_date > day for listing in view.listings)


@pytest.mark.realdata
@realdata
def test_every_auctioned_security_has_terms(store):
    records = {}
    for row in store.frame("auctions").to_dicts():
        if row["type"] in ("Bill", "Note", "Bond"):
            records.setdefault(row["cusip"], []).append(row)
    assert len(records) == 1_180  # distinct CUSIPs of bills, notes and bonds in the file
    for rows in records.values():
        security = terms_from_auctions(rows)
        for row in rows:
            assert security.maturity_date == row["maturityDate"]
            assert security.issue_date == (row["originalIssueDate"] or row["issueDate"])
            if security.kind != "bill":
                # a reopening may restart its dated date, always on the coupon cycle: accrued interest agrees
                periods = quasi_coupon_dates(security.dated_date, security.maturity_date)
                assert security.dated_date == row["datedDate"] or row["datedDate"] in periods
                assert security.first_coupon_date <= row["firstInterestPaymentDate"]
                assert security.coupon == row["interestRate"]


@pytest.mark.realdata
@realdata
def test_tips_and_floating_rate_notes_beside_the_universe(store):
    view = snapshot(store, date(2026, 3, 24))
    with (DATA / "tips_issues.csv").open() as file:
        issues = {row["cusip"]: row for row in csv.DictReader(file)}
    tips = [security for security in view.linked.values() if security.kind == "tips"]
    notes = [security for security in view.linked.values() if security.kind == "frn"]
    assert (len(tips), len(notes)) == (33, 5)  # of 53 and 8; of the others there is no auction record
    for security in tips:
        issue = issues[security.cusip]
        assert security.dated_date == date.fromisoformat(issue["datedDate"]), security.cusip
        assert (security.coupon, security.dated_reference_cpi) == (float(issue["coupon"]), float(issue["baseCpi"]))
        assert view.security(security.cusip) == security
        settles = {"settlement": view.date, "convention": YieldConvention.STREET}
        # the real yield of the shortest is as low as inflation to its maturity is high
        assert -0.05 < yield_from_clean_price(security, view.quote(security.cusip).bid, **settles) < 0.04
    assert set(view.linked) == {security.cusip for security in (*tips, *notes)}
