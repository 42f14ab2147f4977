"""`tbill auction` and `tbill issue`: what they print, and what they say of misuse."""

import json

import pytest

from tests.unit.cli.support import refused
from tests.unit.cli.test_schemas import valid

CUSIP = "91282CAA1"
NOTE = {"kind": "note", "cusip": CUSIP, "coupon": 0.0, "dated_date": "2026-03-31", "maturity_date": "2028-03-31"}
CLOSES = ("--closes", "2026-03-24T17:00")


@pytest.fixture
def terms(tmp_path):
    path = tmp_path / "note.json"
    path.write_text(json.dumps(NOTE))
    return path


def announce(tbill, terms, *more):
    return tbill("auction", "announce", terms, "--offering", "100000", "--issue", "2026-03-31", *CLOSES, *more)


def bid(tbill, party, face, *more):
    return tbill("auction", "bid", CUSIP, "--party", party, "--face", face, *more)


def test_from_announcement_to_award(tbill, terms, tmp_path):
    (tmp_path / "cash.csv").write_text("cusip,face,cost_price\nUSD,50000,\n")
    assert tbill("holdings", "import", tmp_path / "cash.csv", "--party", "dealer", "--add").code == 0
    shown = valid("auction-announce", announce(tbill, terms, "--json").out)
    assert shown["offering"] == str(100_000 * 10**6)
    sealed = valid("auction-bid", bid(tbill, "desk", "35000", "--rate", "0.04", "--json").out)
    assert sealed["party"] == "desk"
    assert bid(tbill, "dealer", "1000").code == 0
    refused(tbill("auction", "close", CUSIP), 2, "bidding is open until 2026-03-24 17:00")
    tbill("clock", "--to", "2026-03-24T17:00")
    refused(bid(tbill, "desk", "1000", "--rate", "0.04"), 7, "BiddingClosed")
    result = valid("auction-close", tbill("auction", "close", CUSIP, "--json").out)
    assert (result["stop_e5"], result["at_stop_e4"], result["coupon_e5"]) == (4_000, 10_000, 4_000)
    assert result["price_e6"] == 100_000_000
    refused(tbill("auction", "award", CUSIP), 2, "2026-03-31")
    tbill("clock", "--to", "2026-03-31T09:00")
    done = valid("auction-award", tbill("auction", "award", CUSIP, "--json").out)
    assert [(row["party"], row["face"]) for row in done["issued"]] == [
        ("dealer", str(1_000 * 10**6)),
        ("desk", str(35_000 * 10**6)),
    ]
    (coupon,) = tbill("coupon", "show", CUSIP, "--json").json["coupons"]
    assert (coupon["date"], coupon["cash"]) == ("2026-09-30", str(36_000 * 10**6 // 50))


def test_issue_and_reopening_from_a_terms_file(tbill, terms):
    terms.write_text(json.dumps(NOTE | {"coupon": 0.04, "dated_date": "2026-03-24", "maturity_date": "2028-03-24"}))
    done = valid("issue", tbill("issue", terms, "--to", "desk=1000@99.5", "--json").out)
    assert done["issued"] == [{"party": "desk", "face": "1000000000", "cash": "995000000"}]
    assert tbill("issue", terms, "--to", "desk=500@99.5").code == 0
    assert tbill("coupon", "show", CUSIP).code == 0


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("auction", "bid", CUSIP, "--party", "desk", "--face", "100"), "none of 91282CAA1 was announced"),
        (("auction", "close", CUSIP), "none of 91282CAA1 was announced"),
        (("issue", "nothing.json", "--to", "desk=1@99"), "is not there"),
    ],
)
def test_what_is_not_there_is_named(tbill, words, says):
    refused(tbill(*words), 2, says)


def test_misuse_is_named(tbill, terms):
    assert announce(tbill, terms).code == 0
    refused(bid(tbill, "desk", "150", "--rate", "0.04"), 2, "multiples of")
    refused(bid(tbill, "desk", "100", "--rate", "0.040001"), 2, "finer than 0.001%")
    refused(tbill("issue", terms, "--to", "desk"), 2, "PARTY=FACE@PRICE")
