"""`tbill trade`: agreed, settled on its date, in parts, allocated, cancelled; every answer as its schema says."""

import pytest

from tests.unit.cli.support import NOTE, OTHER
from tests.unit.cli.test_schemas import valid


@pytest.fixture
def market(tbill):
    """The desk holds notes; the dealer has dollars."""
    assert tbill("cash", "deposit", "dealer", "USD", "9000000").code == 0
    return tbill


def agree(tbill, *more, asset=NOTE, face="1000000", proceeds="990000"):
    words = ("--seller", "desk", "--buyer", "dealer", "--json", *more)
    return valid("trade-agree", tbill("trade", "agree", asset, face, proceeds, *words).out)


def test_t_plus_one(market):
    made = agree(market)
    assert (made["status"], made["settlement_date"], made["last_date"]) == ("pending", "2026-03-25", "2026-04-24")
    assert "no trade is due" in market("trade", "settle").out
    assert market("clock", "--to", "2026-03-25T00:00-04:00").code == 0
    done = valid("trade-settle", market("trade", "settle", "--json").out)
    assert [(row["id"], row["status"]) for row in done["trades"]] == [(made["id"], "settled")]
    assert valid("wallet", market("wallet", "dealer", "--json").out)["cash"] == "8010000000000"
    assert f"settled: desk delivers 1,000,000.00 {NOTE} to dealer for 990,000.00 USD" in market("trade", "show").out
    assert "no trade is open" in market("trade", "show", "--open").out


def test_parts_and_what_is_left(market):
    made = agree(market, "--minimum", "1000000", "--lot", "500000", face="5000000", proceeds="4950000")
    market("clock", "--to", "2026-03-25T09:00-04:00")
    done = valid("trade-settle", market("trade", "settle", "--json").out)
    assert [row["settled_face"] for row in done["trades"]] == ["3000000000000"], "all that the desk has"
    refused = valid("trade-settle", market("trade", "settle", "--json").out)["refused"]
    assert list(refused) == [made["id"]]
    said = market("trade", "settle").out
    assert "did not settle: the contract refuses" in said
    assert "3,000,000.00 of it has settled" in market("trade", "show").out
    cancelled = valid("trade-cancel", market("trade", "cancel", made["id"][:8], "--json").out)
    assert (cancelled["status"], cancelled["open_face"]) == ("cancelled", "0")


def test_a_block(market):
    block = agree(market, "--allocator", "dealer", asset=OTHER, face="3000000", proceeds="2950001")
    refused = market("trade", "allocate", block["id"], "dealer=1000000")
    assert refused.code != 0
    assert "sum to" in refused.err
    words = ("trade", "allocate", block["id"], "dealer=1000000", "--json")
    assert market(*words[:3], "dealer").code != 0
    children = valid("trade-allocate", market(*words[:3], "dealer=3000000", "--json").out)["trades"]
    assert [child["proceeds"] for child in children] == ["2950001000000"]
    shown = valid("trade-show", market("trade", "show", "--json").out)["trades"]
    assert [row["status"] for row in shown] == ["allocated", "pending"]
    assert shown[0]["children"] == [children[0]["id"]]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--lot", "5"), "give it with --minimum"),
        (("--settle-on", "2026-03-28"), "the next is 2026-03-30"),
        (("--settle-on", "soon"), "not a date"),
        (("--buyer", "nobody"), "no wallet"),
        (("--currency", "CHF"), "CHF"),
        (("--allocator", "nobody"), "neither"),
    ],
)
def test_what_cannot_be_is_refused_in_words(market, words, said):
    refused = market("trade", "agree", NOTE, "1000", "990", "--seller", "desk", "--buyer", "dealer", *words)
    assert refused.code != 0
    assert said in refused.err
    assert len(refused.err.splitlines()) <= 2


def test_ids_and_faces_that_are_none(market):
    assert "0 trades" in market("trade", "settle", "ffff").err
    assert "name the trade" in market("trade", "settle", "--face", "5").err
    assert "no trade on this ledger" in market("trade", "show").out
