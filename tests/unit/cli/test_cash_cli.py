"""`tbill cash`: a currency is made, issued, seen in the wallet, and refused where it cannot be."""

import pytest

from tests.unit.cli.support import NOTE, refused, state
from tests.unit.cli.test_schemas import valid


def test_a_currency_from_nothing_to_the_wallet(tbill):
    made = valid("cash-create", tbill("cash", "create", "eur", "euro", "--json").out)
    assert (made["currency"], made["name"], made["decimals"]) == ("EUR", "euro", 6)
    valid("cash-create", tbill("cash", "create", "JPY", "yen", "--decimals", "0", "--json").out)
    given = valid("cash-deposit", tbill("cash", "deposit", "desk", "EUR", "1,000.50", "--json").out)
    assert (given["units"], given["balance"]) == ("1000500000", "1000500000")
    assert "90,000 JPY deposited" in tbill("cash", "deposit", "desk", "JPY", "90000").out
    shown = valid("cash-show", tbill("cash", "show", "--json").out)["currencies"]
    assert [(row["currency"], row["supply"]) for row in shown] == [
        ("EUR", "1000500000"),
        ("JPY", "90000"),
        ("USD", "200000000000"),
    ]
    wallet = valid("wallet", tbill("wallet", "desk", "--json").out)
    assert wallet["currencies"] == {"EUR": "1000500000", "JPY": "90000"}
    said = tbill("wallet", "desk").out
    assert "1,000.50" in said
    assert "90,000" in said
    assert "90,000." not in said
    assert "EUR, euro: 1,000.50 EUR in circulation" in tbill("cash", "show").out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("create", "EURO", "euro"), "three capital letters"),
        (("create", "USD", "dollar"), "already"),
        (("deposit", "desk", "CHF", "1"), "CHF is no currency of this ledger; it has USD"),
        (("deposit", "desk", "USD", "-1"), "not positive"),
        (("deposit", "nobody", "USD", "1"), "no wallet"),
    ],
)
def test_what_cannot_be_is_refused_in_words(tbill, words, said):
    refused = tbill("cash", *words[:1], "--", *words[1:])
    assert refused.code != 0
    assert said in refused.err
    assert len(refused.err.splitlines()) <= 2


def test_securities_go_on_beside_a_second_currency(tbill):
    """A currency has no coupon, no maturity and no terms, and nothing of it is asked for."""
    before = [tbill(*words, "--json").json for words in (("redeem",), ("coupon", "show"))]
    assert tbill("cash", "create", "EUR", "euro").code == 0
    assert tbill("cash", "deposit", "desk", "EUR", "100").code == 0
    assert [tbill(*words, "--json").json for words in (("redeem",), ("coupon", "show"))] == before


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("early", "open", "USD", "--opens", "2026-03-24", "--closes", "2026-06-24", "--daily", "1000"), 7),
        (("early", "request", "USD", "100"), 7),
        (("early", "strike", "USD"), 7),
        (("early", "collect", "USD", "desk"), 7),
        (("strips", "strip", "USD", "100"), 3),
        (("call", "USD", "2026-06-24"), 3),
        (("vote", "open", "USD", "--until", "2026-06-24", "--document", __file__), 3),
        (("default", "declare", "USD", "--document", __file__), 7),
        (("coupon", "pay", "USD"), 3),
        (("redeem", "USD"), 3),
    ],
)
def test_a_currency_is_no_security(tbill, words, code):
    before = state(tbill.home)
    refused(tbill(*words), code, "USD", *(() if code == 3 else (NOTE,)))
    assert state(tbill.home) == before
