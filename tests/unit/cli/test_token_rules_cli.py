"""`tbill rules`: added, shown, changed, removed, seen in refusals with code and figure, and refused when misused."""

import pytest

from tests.unit.cli.support import NOTE, refused
from tests.unit.cli.test_schemas import valid

SALE = ("--seller", "desk", "--buyer", "dealer", "--settle-on", "2026-03-24")
ALL = ("--share-bp", "2505", "--holders", "99", "--lock-up", "30d", "--minimum", "1,000", "--classes", "accredited")


@pytest.fixture
def noted(tbill):
    """A desk with a sale of its note, for which the dealer has dollars."""
    assert tbill("cash", "deposit", "dealer", "USD", "9000000").code == 0
    assert tbill("trade", "agree", NOTE, "1000", "990", *SALE).code == 0
    return tbill


def test_rules_added_shown_changed_and_removed(noted):
    none = valid("rules", noted("rules", NOTE, "--json").out)
    assert [none[key] for key in ("share_of_supply_bp", "most_holders", "lock_up_seconds", "minimum_holding")] == [
        None
    ] * 4
    made = valid("rules", noted("rules", NOTE, *ALL, "--exempt", "dealer", "--json").out)
    assert (made["share_of_supply_bp"], made["most_holders"], made["holders"]) == (2_505, 99, 1), "the desk holds"
    assert (made["lock_up_seconds"], made["minimum_holding"]) == (30 * 86_400, "1000000000")
    assert (made["classes"], made["exempt"]) == (["accredited"], ["dealer"])
    text = noted("rules", NOTE).out
    for words in ("25.05% at most", "99 at most, 1 now", "30 days from receipt", "$1,000.00", "accredited", "dealer"):
        assert words in text
    changed = valid("rules", noted("rules", NOTE, "--holders", "none", "--bind", "dealer", "--json").out)
    assert changed == {**made, "most_holders": None, "holders": None, "exempt": []}, "the others stay"
    nothing = ("--share-bp", "none", "--lock-up", "none", "--minimum", "none", "--classes", "none")
    assert valid("rules", noted("rules", NOTE, *nothing, "--json").out) == none
    assert "share of supply   none" in noted("rules", NOTE).out


@pytest.mark.parametrize(
    ("words", "code", "rule", "figure"),
    [
        (("--share-bp", "1"), 21, "share-of-supply", "0.01% of it at most"),
        (("--holders", "1"), 22, "holder-count", "1 at most"),
        (("--minimum", "2999500", "--exempt", "dealer"), 24, "minimum-holding", "2,999,500"),
        (("--minimum", "4000000"), 25, "minimum-holding", "4,000,000"),
        (("--classes", "qualified-purchaser,accredited"), 20, "required-claim", "accredited or qualified-purchaser"),
    ],
)
def test_a_trade_is_refused_with_code_and_figure(noted, words, code, rule, figure):
    assert noted("rules", NOTE, *words).code == 0
    ran = noted("trade", "settle", noted("trade", "show", "--json").json["trades"][0]["id"][:10])
    refused(ran, 7, f"rule {rule} (code {code})", figure, "largest amount that passes")


def test_a_lock_up_is_refused_with_its_length(noted):
    """The dealer registers what he delivers, and it would be under lock-up in his own hands."""
    assert noted("rules", NOTE, "--lock-up", "36h").code == 0
    assert noted("trade", "settle").code == 0
    assert noted("trade", "agree", NOTE, "500", "495", "--seller", "dealer", "--buyer", "desk", *SALE[4:]).code == 0
    out = noted("trade", "settle").out
    assert "rule lock-up (code 23)" in out
    assert "36 h from receipt" in out


def test_a_rebalance_is_refused_with_code_and_figure(noted):
    assert noted("rules", NOTE, "--minimum", "4000000").code == 0
    words = ("ladder", "--rungs", "4", "--longest-years", "3", "--yes")
    refused(noted("rebalance", *words), 6, "rule minimum-holding (code 25)", "4,000,000", "nothing was sent")


def test_rules_misuse(noted):
    refused(noted("rules", NOTE, "--share-bp", "10001"), 2, "share-bp", "1 to 10000")
    refused(noted("rules", NOTE, "--share-bp", "0"), 2, "none")
    refused(noted("rules", NOTE, "--holders", "-1"), 2, "holders")
    refused(noted("rules", NOTE, "--lock-up", "1w"), 2, "lock-up")
    refused(noted("rules", NOTE, "--minimum", "0"), 2, "minimum")
    refused(noted("rules", NOTE, "--classes", "accredited,rich"), 2, "rich", "qualified-purchaser")
    refused(noted("rules", NOTE, "--exempt", "desk", "--bind", "desk"), 2, "desk", "--bind")
    refused(noted("rules", NOTE, "--exempt", "nobody"), 7, "nobody", "dealer")
    refused(noted("rules", "USD", "--holders", "2"), 7, "USD", NOTE)
    refused(noted("rules", "912797ZZ9"), 7, "912797ZZ9")
