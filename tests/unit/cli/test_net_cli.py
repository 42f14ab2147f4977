"""`tbill net` and `tbill fails`: from trades to nets, and from a late delivery to its paid claim."""

import pytest

from tests.unit.cli.support import NOTE
from tests.unit.cli.test_schemas import valid

RATES = "effective_date,lower_bound\n2025-12-11,0.0\n"


@pytest.fixture
def rates(tmp_path):
    path = tmp_path / "rates.csv"
    path.write_text(RATES)
    return path


@pytest.fixture
def market(tbill):
    """The desk holds three million notes; the dealer and a fund have dollars, and a CCP stands by."""
    for party in ("fund", "ccp"):
        assert tbill("kyc", "add", party).code == 0
    for party in ("dealer", "fund"):
        assert tbill("cash", "deposit", party, "USD", "9000000").code == 0
    return tbill


def agree(tbill, seller, buyer, face, proceeds, *more):
    words = ("--seller", seller, "--buyer", buyer, "--json", *more)
    return valid("trade-agree", tbill("trade", "agree", NOTE, face, proceeds, *words).out)


def test_from_trades_to_nets(market):
    opened = valid("net-open", market("net", "open", "ccp", "--json").out)
    assert opened["ccp"] == "ccp"
    agree(market, "desk", "dealer", 2_000_000, 1_980_000, "--ccp", "ccp")
    agree(market, "dealer", "fund", 2_000_000, 1_990_000, "--ccp", "ccp")
    netted = valid("net-novate", market("net", "novate", "ccp", "--json").out)
    assert len(netted["novated"]) == 2
    found = {row["member"]: (row["face"], row["cash"]) for row in netted["obligations"]}
    assert found == {
        "dealer": ("0", "10000000000"),
        "desk": ("-2000000000000", "1980000000000"),
        "fund": ("2000000000000", "-1990000000000"),
    }
    said = market("net", "show", "ccp").out
    assert f"2026-03-25 desk owes 2,000,000.00 {NOTE} and is owed 1,980,000.00 USD" in said
    assert "nothing is due" in market("net", "settle", "ccp").out
    market("clock", "--to", "2026-03-25T09:00-04:00")
    done = valid("net-settle", market("net", "settle", "ccp", "--json").out)
    assert len(done["settled"]) == 3
    assert done["obligations"] == []
    assert valid("net-show", market("net", "show", "ccp", "--json").out) == {"obligations": []}
    wallet = valid("wallet", market("wallet", "dealer", "--json").out)
    assert (wallet["cash"], wallet["positions"]) == ("9010000000000", [])


def test_a_fail_of_a_member_stays_owed(market):
    market("net", "open", "ccp")
    agree(market, "desk", "fund", 2_000_000, 1_980_000, "--ccp", "ccp")
    market("net", "novate", "ccp")
    market("clock", "--to", "2026-03-26T09:00-04:00")
    done = valid("net-settle", market("net", "settle", "ccp", "--failing", "desk", "--json").out)
    assert (done["settled"], len(done["obligations"])) == ([], 2)
    assert market("net", "show", "ccp").out.count("; failed") == 2


def test_fails_are_charged_and_claimed(market, rates):
    agree(market, "desk", "dealer", 3_000_000, 2_970_000, "--settle-on", "2026-03-27")
    assert "nothing has failed" in market("fails", "show", "--rates", rates).out
    market("clock", "--to", "2026-03-31T09:00-04:00")
    market("trade", "settle")
    shown = valid("fails-show", market("fails", "show", "--rates", rates, "--json").out)
    assert [(row["days"], row["charge"]) for row in shown["fails"]] == [(4, "990000000")]
    assert [(row["month"], row["claimable"], row["paid"]) for row in shown["claims"]] == [
        ("2026-03", "990000000", False)
    ]
    assert "ends 2026-03-31" in market("fails", "claim", "2026-03", "--rates", rates).err
    market("clock", "--to", "2026-04-01T09:00-04:00")
    paid = valid("fails-claim", market("fails", "claim", "2026-03", "--rates", rates, "--json").out)
    assert [(row["debtor"], row["creditor"], row["paid"]) for row in paid["claims"]] == [("desk", "dealer", True)]
    assert "desk owes dealer 990.00 USD, paid" in market("fails", "show", "--rates", rates).out
    assert "nothing is claimable" in market("fails", "claim", "2026-03", "--rates", rates).err


def test_what_is_not_there_is_refused(market, tmp_path):
    assert "no clearing house" in market("net", "show", "ccp").err
    assert "no wallet" in market("net", "open", "nobody").err
    market("net", "open", "ccp")
    assert "no open trade" in market("net", "novate", "ccp").err
    assert "No such file" in market("fails", "show", "--rates", tmp_path / "none.csv").err
