"""Each trigger fires when it should and not before, says why, and what it does is on the ledger."""

import re
from datetime import date

import pytest

import tbill_defi as td
from tbill_defi.automation.scene import Scene
from tbill_defi.core.clock import market_date
from tbill_defi.instruments.repo import MarginRule, Repo
from tbill_defi.ledger.coupons import coupon_on
from tbill_defi.ledger.oracle import Oracle
from tbill_defi.ledger.repo import Repos
from tbill_defi.ledger.repo_state import RepoStatus
from tbill_defi.portfolio.metrics import measure
from tbill_defi.portfolio.oracle_round import publish
from tests.unit.automation.support import (
    BILL,
    DAILY,
    DOLLAR,
    LADDER,
    NOTE,
    keeper_at,
    moment,
    once,
    open_at,
    rule,
    statuses,
    tape,
    wallet,
    write_market,
)

DAY = "2026-03-24T15:30"
COUPON = rule("coupons", '{ kind = "coupon" }', '{ kind = "pay-coupon" }')
REDEEM = rule("redeem", '{ kind = "maturity" }', '{ kind = "redeem" }')


def standing(home, text, *rules):
    _, found = keeper_at(home, text, *rules).show()
    return found[0].evaluation


# --- schedule -------------------------------------------------------------------------------------------------------


def scheduled(every, **more):
    fields = "".join(f", {name} = {value if isinstance(value, int) else repr(value)}" for name, value in more.items())
    return rule("s", f'{{ kind = "schedule", every = "{every}", at = "15:00"{fields} }}', LADDER)


@pytest.mark.parametrize(
    ("text", "due"),
    [
        ("2026-03-31T14:59", False),
        ("2026-03-31T15:00", True),
        ("2026-04-01T15:00", False),
        ("2026-03-30T15:00", False),
    ],
)
def test_month_end(home, text, due):
    assert bool(standing(home, text, scheduled("month-end")).firings) == due


def test_a_missed_time_is_let_go_or_caught_up(home):
    missed = standing(home, "2026-04-02T10:00", scheduled("month-start"))
    assert missed.firings == ()
    assert "2026-04-01 was missed" in missed.why
    assert missed.next == "2026-05-01T15:00:00-04:00"
    late = standing(home, "2026-04-02T10:00", scheduled("month-start", late_days=3))
    assert [firing.event for firing in late.firings] == ["2026-04-01"]
    assert statuses(once(home, "2026-04-02T10:00")) == [("s", "done")]
    assert once(home, "2026-04-02T11:00").outcomes == ()


def test_late_waits_for_a_trading_day(home):
    found = standing(home, "2026-03-28T10:00", scheduled("weekly", weekday="friday", late_days=4))
    assert found.firings == ()
    assert "not a trading day" in found.why
    assert standing(home, "2026-03-30T10:00").firings


def test_without_market_data_it_is_refused_and_settles_later(home):
    (home / "market" / "par_yields.parquet").unlink()
    done = once(home, DAY, DAILY)
    assert statuses(done) == [("daily", "refused")]
    assert done.exit_code == 3
    write_market(home)
    assert statuses(once(home, DAY)) == [("daily", "done")]


# --- conditions -----------------------------------------------------------------------------------------------------


def test_drift_from_given_targets(home):
    view = td.view("2026-03-24", home=home)
    held = wallet(home)
    values = {c: f * view.mid_dirty[view.index(c)] / 100 for c, f in held.positions.items()}
    nav = sum(values.values()) + held.cash
    weight = values[NOTE] / nav
    others = {c: v / nav for c, v in values.items() if c != NOTE}
    for miss, due in ((0.011, True), (0.009, False)):
        targets = ", ".join(f"{c} = {w:.12f}" for c, w in {**others, NOTE: weight - miss}.items())
        found = standing(
            home, DAY, rule("d", f'{{ kind = "drift", tolerance = 0.01, targets = {{ {targets} }} }}', LADDER)
        )
        assert bool(found.firings) == due
        worst = re.match(r"(\w+) is ([-+][\d.]+)%", found.why)
        assert abs(float(worst[2])) == pytest.approx(miss * 100, abs=0.006)
        assert worst[1] in (NOTE, "USD")


def test_drift_from_the_last_plan(home):
    drift = rule("d", '{ kind = "drift", tolerance = 0.02 }', LADDER)
    before = standing(home, DAY, drift)
    assert "no settled plan" in str(before.problems[0])
    done = once(home, DAY, DAILY)
    settled = done.outcomes[0].result.details["plan_hash"]
    same = standing(home, DAY, drift)
    assert same.firings == ()
    assert settled[:10] in same.why
    with open_at(home, DAY) as ledger:
        scene = Scene(ledger, home)
        plan = scene.last_plan("desk")
        assert scene.planned_weights(plan) == pytest.approx(scene.weights("desk"))
        ledger.deposit("desk", {}, 2_000_000 * DOLLAR)
    (firing,) = standing(home, DAY).firings
    assert firing.reason.startswith("USD is +")
    assert statuses(once(home, DAY)) == [("d", "done")]
    assert once(home, "2026-03-24T16:00").outcomes == ()
    assert len(tape(home)) == 2


def test_duration_out_of_band(home):
    held = wallet(home)
    duration = measure(td.view("2026-03-24", home=home), held.positions, held.cash).duration
    edge = f"{duration + 1e-9:.9f}"
    inside = rule("d", f'{{ kind = "duration", lower = 0, upper = {edge} }}', LADDER)
    outside = rule("d", f'{{ kind = "duration", lower = 0, upper = {duration - 1e-3:.6f} }}', LADDER)
    assert standing(home, DAY, inside).firings == ()
    assert standing(home, DAY, outside).firings
    assert "not a trading day" in standing(home, "2026-03-28T12:00").why
    done = once(home, DAY)
    assert statuses(done) == [("d", "done")]
    assert f"{duration:.3f}" in done.outcomes[0].firing.reason


def test_a_holding_near_maturity(home):
    near = rule("roll", '{ kind = "maturity", within_days = 30 }', LADDER)
    early = standing(home, "2026-05-22T12:00", near)
    assert early.firings == ()
    assert early.next == "2026-05-26"
    (firing,) = standing(home, "2026-05-26T12:00").firings
    assert firing.reason == f"{BILL} matures on 2026-06-25, in 30 days"
    assert statuses(once(home, "2026-05-26T12:00")) == [("roll", "done")]


# --- life -----------------------------------------------------------------------------------------------------------


def test_a_coupon_is_paid_once_and_on_its_day(home):
    early = standing(home, "2026-03-30T23:59:59", COUPON)
    assert early.firings == ()
    assert early.next == "2026-03-31"
    before, held = wallet(home).cash, wallet(home).positions[NOTE]
    done = once(home, "2026-03-31T00:00")
    (outcome,) = done.outcomes
    assert (outcome.firing.event, outcome.result.status) == (f"{NOTE} coupon 2026-03-31", "done")
    with open_at(home, "2026-03-31T09:00") as ledger:
        promised = coupon_on(Scene(ledger, home).terms(NOTE), date(2026, 3, 31)).units(held)
    assert wallet(home).cash - before == promised == 58_125 * DOLLAR
    assert once(home, "2026-03-31T09:00").outcomes == ()
    assert standing(home, "2026-03-31T09:00").next == "2026-05-15"


def test_a_coupon_on_a_sunday_is_paid_on_monday(home):
    """91282CPL9 pays on 2026-05-31, a Sunday."""
    with open_at(home, DAY) as ledger:
        view = td.view("2026-03-24", home=home)
        ledger.deposit("desk", view.face_of({"91282CPL9": 1_000_000 * DOLLAR}))
    once(home, "2026-05-29T12:00", COUPON)
    assert once(home, "2026-05-31T12:00").outcomes == ()
    assert [o.firing.event for o in once(home, "2026-06-01T00:01").outcomes] == ["91282CPL9 coupon 2026-05-31"]


def test_coupons_before_the_ledger_knew_the_security_are_not_its(home):
    assert standing(home, DAY, COUPON).firings == ()


def test_terms_that_are_not_the_tokens_are_a_problem_of_that_security_alone(home):
    import polars as pl

    path = home / "market" / "auctions.parquet"
    frame = pl.read_parquet(path)
    rate = pl.when(pl.col("cusip") == NOTE).then(pl.lit(0.01)).otherwise(pl.col("interestRate"))
    frame.with_columns(rate.alias("interestRate")).write_parquet(path)
    done = once(home, "2026-06-01T12:00", COUPON)
    assert NOTE in done.outcomes[0].result.message
    assert done.outcomes[0].firing is None
    assert statuses(done)[1:] == [("coupons", "done")] * (len(done.outcomes) - 1)
    assert len(done.outcomes) > 1
    assert done.exit_code == 3


def test_redemption_when_it_has_matured(home):
    early = standing(home, "2026-06-24T23:59", REDEEM)
    assert (early.firings, early.next) == ((), "2026-06-25")
    before = wallet(home)
    done = once(home, "2026-06-25T00:00")
    assert [o.firing.event for o in done.outcomes] == [f"{BILL} matured 2026-06-25"]
    after = wallet(home)
    assert after.cash - before.cash == before.positions[BILL] == 3_000_000 * DOLLAR
    assert BILL not in after.positions
    assert once(home, "2026-06-26T00:00").outcomes == ()


def test_units_on_hold_are_left_and_redeemed_later(home):
    from tbill_defi.ledger.abi import encode_call
    from tbill_defi.ledger.deployment import Step
    from tbill_defi.ledger.eip712 import hold_id

    with open_at(home, DAY) as ledger:
        token, notary = ledger.token_of(BILL), ledger.address_of("dealer")
        until = ledger.chain.now() + 200 * 86_400
        held = encode_call("SecurityToken", "createHold", bytes(31) + b"\1", notary, notary, 3_000_000 * DOLLAR, until)
        ledger.send([Step("desk", token, held)])
    found = standing(home, "2026-06-25T10:00", REDEEM)
    assert found.firings == ()
    assert BILL in found.why
    with open_at(home, "2026-06-25T10:00") as ledger:
        name = hold_id(ledger.address_of("desk"), bytes(31) + b"\1")
        ledger.send([Step("dealer", token, encode_call("SecurityToken", "releaseHold", name))])
    assert statuses(once(home, "2026-06-25T10:00")) == [("redeem", "done")]


# --- margin ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def financed(home):
    """The desk borrows on its note for a month at a haircut of 2%; the next day yields are half a percent higher."""
    with open_at(home, DAY) as ledger:
        Oracle(ledger).own_pricers()
        publish(ledger, td.view("2026-03-24", home=home))
        repos = Repos(ledger)
        repos.ensure_facility()
        price = repos.price(NOTE)
        face = 2_000_000 * DOLLAR
        terms = Repo(
            cusip=NOTE,
            face_units=face,
            cash_units=face * price // 10**8 * 98 // 100,
            rate=0.0365,
            start_date=market_date(ledger.chain.now()),
            end_date=date(2026, 4, 24),
            margin_rule=MarginRule.HAIRCUT,
            margin=0.02,
        )
        quote = repos.quote(terms, lender="dealer", borrower="desk")
        repo_id = repos.open(repos.sign(quote, "desk")).repo_id
    write_market(home, shift=0.005)
    return home, repo_id


def shocked(home):
    with open_at(home, "2026-03-25T12:00") as ledger:
        publish(ledger, td.view("2026-03-25", home=home), confirm=True)


def margin(deliver="nothing", party="desk", unmet="nothing"):
    action = f'{{ kind = "margin-call", deliver = "{deliver}", unmet = "{unmet}" }}'
    return rule("margin", '{ kind = "margin" }', action, party=party, approval=f"key:{party}")


def repo_state(home, text, repo_id):
    with open_at(home, text) as ledger:
        repos = Repos(ledger)
        return repos.state(repo_id), repos.coverage(repo_id)


def test_no_call_while_covered(financed):
    home, _ = financed
    found = standing(home, DAY, margin())
    assert found.firings == ()
    assert "is covered" in found.why


def test_a_deficit_is_called_once(financed):
    home, repo_id = financed
    shocked(home)
    done = once(home, "2026-03-25T13:00", margin())
    assert statuses(done) == [("margin", "done")]
    state, mark = repo_state(home, "2026-03-25T13:10", repo_id)
    assert mark.deficit_units > 0
    assert state.call_deadline > 0
    again = once(home, "2026-03-25T14:00")
    assert again.outcomes == ()
    found = standing(home, "2026-03-25T14:00")
    assert "called until 2026-03-26T13:00" in found.why
    assert "may close out" in standing(home, "2026-03-26T14:00").why


@pytest.mark.parametrize("deliver", ["cash", "face"])
@pytest.mark.invariant("I11")
def test_a_borrower_meets_the_call(financed, deliver):
    home, repo_id = financed
    shocked(home)
    (outcome,) = once(home, "2026-03-25T13:00", margin(deliver)).outcomes
    assert outcome.result.status == "done", outcome.result.message
    state, mark = repo_state(home, "2026-03-25T13:10", repo_id)
    assert (mark.deficit_units, state.call_deadline) == (0, 0)
    details = outcome.result.details
    assert details[f"delivered_{deliver}"] == (
        details["deficit"] if deliver == "cash" else str(state.face_units - 2 * 10**12)
    )
    assert int(details["delivered_face"]) % (100 * DOLLAR) == 0
    assert once(home, "2026-03-25T14:00").outcomes == ()


def test_a_lender_only_calls(financed):
    home, repo_id = financed
    shocked(home)
    assert statuses(once(home, "2026-03-25T13:00", margin("cash", "dealer"))) == [("margin", "done")]
    state, mark = repo_state(home, "2026-03-25T13:10", repo_id)
    assert state.call_deadline
    assert mark.deficit_units > 0


CLOSES = margin(party="dealer", unmet="close-out")


def fresh_prices(home, text):
    with open_at(home, text) as ledger:
        publish(ledger, td.view(text[:10], home=home), confirm=True)


@pytest.mark.invariant("I11")
def test_a_call_that_is_not_met_is_closed_out_at_its_deadline(financed):
    """Marked every day; called when yields rise; nothing before the deadline; then closed out, once."""
    home, repo_id = financed
    assert once(home, DAY, CLOSES).outcomes == ()
    shocked(home)
    (called,) = once(home, "2026-03-25T13:00").outcomes
    assert (called.rule.name, called.result.status) == ("margin", "done")
    deadline = called.result.details["call_deadline"]
    fresh_prices(home, "2026-03-26T12:00")
    assert once(home, "2026-03-26T13:00:00").outcomes == ()
    state, mark = repo_state(home, "2026-03-26T13:00:00", repo_id)
    assert state.call_deadline == deadline == moment("2026-03-26T13:00:00")
    before = {who: wallet(home, who).positions.get(NOTE, 0) for who in ("desk", "dealer")}
    (closed,) = once(home, "2026-03-26T13:00:02").outcomes
    assert closed.result.status == "done", closed.result.message
    taken = -(-mark.exposure_units * 10**8 // mark.price_e6)
    details = closed.result.details
    assert (details["debt"], details["taken_face"]) == (str(mark.exposure_units), str(taken))
    assert details["shortfall"] == "0"
    after = {who: wallet(home, who).positions.get(NOTE, 0) for who in ("desk", "dealer")}
    assert after["dealer"] - before["dealer"] == taken
    assert after["desk"] - before["desk"] == state.face_units - taken == int(details["back_face"])
    assert repo_state_only(home, repo_id).status is RepoStatus.CLOSED_OUT
    assert once(home, "2026-03-26T14:00").outcomes == ()


def repo_state_only(home, repo_id):
    with td.open_ledger(home=home, read_only=True) as ledger:
        return Repos(ledger).state(repo_id)


@pytest.mark.invariant("I11")
def test_a_repo_that_was_not_repurchased_is_closed_out_after_its_date(financed):
    """It covers all the time. Nothing through its last day; then the lender takes the debt at the mark, once."""
    home, repo_id = financed
    with open_at(home, DAY) as ledger:
        Repos(ledger).deliver_margin(repo_id, face_units=500_000 * DOLLAR)
    fresh_prices(home, "2026-04-24T12:00")
    assert once(home, "2026-04-24T23:59:59", CLOSES).outcomes == ()
    found = standing(home, "2026-04-24T23:59:59", CLOSES)
    assert (found.firings, found.next) == ((), "2026-04-25T00:00:00-04:00")
    borrower = margin("cash", unmet="close-out").replace("rules.margin", "rules.pays")
    only_calls = margin(party="dealer").replace("rules.margin", "rules.calls")
    assert once(home, "2026-04-25T00:00:00", borrower, only_calls).outcomes == (), "not asked to, or not theirs to do"
    assert "was not repurchased on 2026-04-24" in standing(home, "2026-04-25T00:00:00", only_calls).why
    state, mark = repo_state(home, "2026-04-25T00:00:01", repo_id)
    assert (mark.deficit_units, state.is_overdue(moment("2026-04-25T00:00:00"))) == (0, True)
    (closed,) = once(home, "2026-04-25T00:00:02", CLOSES).outcomes
    assert closed.result.status == "done", closed.result.message
    taken = -(-mark.exposure_units * 10**8 // mark.price_e6)
    details = closed.result.details
    assert (details["debt"], details["taken_face"], details["shortfall"]) == (
        str(mark.exposure_units),
        str(taken),
        "0",
    )
    assert repo_state_only(home, repo_id).status is RepoStatus.CLOSED_OUT
    assert once(home, "2026-04-25T01:00", CLOSES).outcomes == ()


def test_a_call_that_was_met_is_not_closed_out(financed):
    """Of both sides' rules in one file: the borrower's pays, the lender's has nothing to do."""
    home, repo_id = financed
    shocked(home)
    borrower = margin("cash").replace("rules.margin", "rules.pays")
    assert statuses(once(home, "2026-03-25T13:00", CLOSES, borrower)) == [("margin", "done"), ("pays", "done")]
    fresh_prices(home, "2026-03-26T14:00")
    assert once(home, "2026-03-26T15:00").outcomes == ()
    assert repo_state_only(home, repo_id).status is RepoStatus.OPEN


def test_a_borrower_cannot_have_it_closed_out(financed):
    home, repo_id = financed
    shocked(home)
    once(home, "2026-03-25T13:00", margin(unmet="close-out"))
    fresh_prices(home, "2026-03-26T14:00")
    assert once(home, "2026-03-26T15:00").outcomes == ()
    assert repo_state_only(home, repo_id).status is RepoStatus.OPEN


def test_a_call_ends_when_prices_recover(financed):
    home, repo_id = financed
    shocked(home)
    once(home, "2026-03-25T13:00", margin())
    write_market(home)
    with open_at(home, "2026-03-25T15:00") as ledger:
        publish(ledger, td.view("2026-03-25", home=home), confirm=True)
    done = once(home, "2026-03-25T15:10")
    assert "covers again" in done.outcomes[0].firing.reason
    assert repo_state(home, "2026-03-25T15:20", repo_id)[0].call_deadline == 0
    assert once(home, "2026-03-25T15:30").outcomes == ()


def test_a_stale_price_is_a_problem(financed):
    home, _ = financed
    done = once(home, "2026-04-10T12:00", margin())
    assert statuses(done) == [("margin", "refused")]
    assert "StalePrice" in done.outcomes[0].result.message
    assert done.exit_code == 7


def test_a_coupon_of_collateral_is_passed_on(financed):
    home, _ = financed
    before = wallet(home).cash
    (outcome,) = once(home, "2026-03-31T12:00", COUPON).outcomes
    assert outcome.result.details["passed"] == {"desk": str(38_750 * DOLLAR)}
    assert wallet(home).cash - before == 58_125 * DOLLAR
    assert once(home, "2026-03-31T13:00").outcomes == ()
