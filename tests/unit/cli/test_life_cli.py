"""`tbill clock`, `coupon` and `redeem` as a desk uses them, and what they say of misuse."""

from fractions import Fraction

import pytest

from tbill_defi.ledger.abi import encode_call
from tbill_defi.ledger.deployment import Step
from tbill_defi.ledger.open import open_ledger
from tests.unit.cli.support import NOTE, refused, state
from tests.unit.cli.test_schemas import valid

SUNDAY, BILL = "91282CPL9", "912797TE7"
"""A note with a coupon on Sunday 2026-05-31; a bill of 2026-06-25."""
DOLLAR = 10**6


@pytest.fixture
def holder(tbill, tmp_path):
    """The desk holds a note and a bill more."""
    more = tmp_path / "more.csv"
    more.write_text(f"cusip,face,cost_price\n{SUNDAY},1000000.01,\n{BILL},500000,\n")
    assert tbill("holdings", "import", more, "--add").code == 0
    return tbill


def cash(tbill, party="desk"):
    return int(tbill("wallet", party, "--json").json["cash"])


def coupons(tbill, *words):
    return valid("coupon-show", tbill("coupon", "show", *words, "--json").out)["coupons"]


def paid(tbill, *words):
    return valid("coupon-pay", tbill("coupon", "pay", *words, "--json").out)["payments"]


# --- clock ----------------------------------------------------------------------------------------------------------


def test_the_clock_is_shown_and_moved_for_good(tbill):
    before = state(tbill.home)
    shown = valid("clock", tbill("clock", "--json").out)
    assert (shown["market_date"], shown["clock"]) == ("2026-03-24", "simulated")
    assert state(tbill.home) == before
    moved = valid("clock", tbill("clock", "--to", "2026-03-25T09:30", "--json").out)
    assert (moved["market_date"], moved["height"]) == ("2026-03-25", shown["height"] + 1)
    assert tbill("clock").out.startswith("2026-03-25 09:30:01 EDT, simulated clock")
    assert tbill("audit", "verify").code == 0


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("2026-03-24T14:59", ("before the ledger's", "never goes back")),
        ("2026-03-01", ("never goes back",)),
        ("tomorrow", ("tomorrow", "ISO 8601")),
        ("2300-01-01", ("to: 2300-01-01", "2200")),
    ],
)
def test_a_time_that_cannot_be(tbill, text, says):
    before = state(tbill.home)
    refused(tbill("clock", "--to", text), 2, *says)
    assert state(tbill.home) == before


def test_a_real_clock_is_not_moved(nothing):
    assert nothing("init", "--light-keys").code == 0
    refused(nothing("clock", "--to", "2199-01-01"), 7, "the system's clock", "--at")
    assert "system clock" in nothing("clock").out


# --- coupons --------------------------------------------------------------------------------------------------------


def test_a_coupon_on_a_sunday_is_paid_on_monday_to_the_base_unit(holder):
    (row,) = coupons(holder, SUNDAY)
    assert (row["date"], row["payable"], row["status"]) == ("2026-05-31", "2026-06-01", "next")
    assert "no coupon is due" in holder("coupon", "pay").out
    holder("clock", "--to", "2026-05-31T12:00")
    refused(holder("coupon", "pay", SUNDAY), 7, "no coupon", "payable 2026-06-01")
    holder("clock", "--to", "2026-06-01")
    before = cash(holder)
    (payment,) = paid(holder)
    due = int(1_000_000_010_000 * Fraction(3375, 200_000))
    assert (payment["paid"], payment["due"], payment["complete"]) == ({"desk": str(due)}, str(due), True)
    assert cash(holder) - before == due
    assert paid(holder) == []
    first, second = coupons(holder, SUNDAY)
    assert (first["status"], second["status"], second["date"]) == ("paid", "next", "2026-11-30")
    refused(holder("coupon", "pay", SUNDAY, "--date", "2026-05-31"), 7, "of 2026-05-31 is paid")


def test_units_on_hold_and_sold_units_count_where_they_were(holder):
    """The record is the start of the coupon date: what is sold on it keeps its coupon, what is on hold has it."""
    with open_ledger(home=holder.home) as ledger:
        token, dealer = ledger.token_of(SUNDAY), ledger.address_of("dealer")
        held = encode_call("SecurityToken", "createHold", bytes(31) + b"\1", dealer, dealer, 400_000 * DOLLAR, 2**40)
        ledger.send([Step("desk", token, held)])
    holder("clock", "--to", "2026-06-01")
    with open_ledger(home=holder.home) as ledger:
        ledger.send([Step("desk", token, encode_call("SecurityToken", "transfer", dealer, 600_000 * DOLLAR))])
    (payment,) = paid(holder, SUNDAY)
    assert payment["paid"] == {"desk": payment["due"]}


def test_a_coupon_of_collateral_is_passed_on(holder):
    with open_ledger(home=holder.home) as ledger:
        ledger.deposit("dealer", {}, 5_000_000 * DOLLAR)
    assert holder("oracle", "publish").code == 0
    words = ("--cusip", SUNDAY, "--rate", "0.0365", "--end", "90", "--face", "700000", "--haircut", "0.02")
    quote = holder("repo", "quote", *words, "--json").json
    assert holder("repo", "open", quote["file"]).code == 0
    holder("clock", "--to", "2026-06-01")
    before = cash(holder)
    (payment,) = paid(holder)
    passed = int(700_000 * DOLLAR * Fraction(3375, 200_000))
    assert payment["passed"] == {"desk": str(passed)}
    assert int(payment["paid"]["repo-facility"]) == passed
    assert cash(holder) - before == passed + int(payment["paid"]["desk"]) == int(payment["due"])
    (first, _) = coupons(holder, SUNDAY)
    assert first["status"] == "paid"


def test_a_wallet_that_lost_its_registration_is_withheld(holder):
    with open_ledger(home=holder.home) as ledger:
        registry, desk = ledger.contracts.identity_registry, ledger.address_of("desk")
        ledger.send([Step("registrar", registry, encode_call("IdentityRegistry", "removeWallet", desk))])
    holder("clock", "--to", "2026-06-01")
    assert [row["status"] for row in coupons(holder, SUNDAY)] == ["due", "next"]
    (payment,) = paid(holder, SUNDAY)
    assert (payment["paid"], len(payment["withheld"]), payment["complete"]) == ({}, 1, False)
    assert [row["status"] for row in coupons(holder, SUNDAY)] == ["withheld", "next"]
    refused(holder("coupon", "pay", SUNDAY, "--date", "2026-05-31"), 7, "not registered")


def test_several_are_paid_in_order_and_shown(holder):
    holder("clock", "--to", "2026-12-16")
    shown = holder("coupon", "show").out
    assert shown.count(" due") == 5
    out = holder("coupon", "pay").out
    days = [line.split()[1] for line in out.splitlines()[2:]]
    assert days == ["2026-05-31", "2026-06-15", "2026-09-15", "2026-11-30", "2026-12-15"]


def test_terms_that_are_not_there_are_said(holder):
    (holder.home / "market" / "auctions.parquet").unlink()
    (holder.home / "market" / "fedinvest.parquet").unlink()
    shown = valid("coupon-show", holder("coupon", "show", "--json").out)
    assert (shown["coupons"], len(shown["problems"])) == ([], 4)
    assert "cannot be told: " + NOTE in holder("coupon", "show").out
    refused(holder("coupon", "show", NOTE), 3, NOTE, "import the auctions")


# --- redemption -----------------------------------------------------------------------------------------------------


def test_a_bill_is_redeemed_once_at_par(holder):
    refused(holder("redeem", BILL), 7, "matures on 2026-06-25", "2026-03-24")
    assert f"the next is of {BILL}, payable 2026-06-25" in holder("redeem").out
    holder("clock", "--to", "2026-06-25")
    before = cash(holder)
    (payment,) = valid("redeem", holder("redeem", "--json").out)["payments"]
    assert payment["paid"] == {"desk": str(500_000 * DOLLAR)}
    assert cash(holder) - before == 500_000 * DOLLAR
    assert "nothing is to be redeemed" in holder("redeem").out
    refused(holder("redeem", BILL), 7, "nothing of it is outstanding")


def test_frozen_units_go_into_a_blocked_account_and_held_ones_wait(holder):
    with open_ledger(home=holder.home) as ledger:
        token, dealer = ledger.token_of(BILL), ledger.address_of("dealer")
        held = encode_call("SecurityToken", "createHold", bytes(31) + b"\1", dealer, dealer, 100_000 * DOLLAR, 2**40)
        ledger.send([Step("desk", token, held)])
        ledger.freeze("desk", BILL, 150_000 * DOLLAR)
    holder("clock", "--to", "2026-06-25")
    (payment,) = valid("redeem", holder("redeem", BILL, "--json").out)["payments"]
    assert int(payment["paid"]["desk"]) + int(payment["blocked"]["desk"]) == 400_000 * DOLLAR
    assert payment["complete"] is False
    refused(holder("redeem", BILL), 7, "on hold")


def test_misuse_is_named_and_changes_nothing(holder):
    before = state(holder.home)
    refused(holder("coupon", "pay", "--date", "2026-05-31"), 2, "--date needs a CUSIP")
    refused(holder("coupon", "pay", SUNDAY, "--date", "soon"), 2, "soon")
    refused(holder("coupon", "pay", SUNDAY, "--date", "2026-06-01"), 4, "pays none", "2026-05-31")
    refused(holder("coupon", "pay", BILL, "--date", "2026-06-25"), 4, "no coupons")
    refused(holder("coupon", "pay", SUNDAY, "--date", "2025-11-30"), 4, "2026-05-31")
    refused(holder("coupon", "pay", SUNDAY, "--date", "2026-11-30"), 7, "payable on 2026-11-30")
    refused(holder("coupon", "pay", NOTE, "--date", "2026-03-15"), 7, "nobody held")
    refused(holder("coupon", "pay", BILL), 7, "none is to come")
    refused(holder("coupon", "show", "912797ZZ9"), 3, "no token")
    refused(holder("redeem", "912797ZZ9"), 3, "no token")
    assert state(holder.home) == before
