"""Plans that write calls: what is hashed, what is refused, and what settles of them."""

import json
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest
from tbill_strategies.covered_call_overlay import CoveredCallOverlay

import tbill_defi as td
from tbill_defi.core.clock import new_york_midnight
from tbill_defi.core.errors import ComplianceRejection, ConventionError, DataError, LedgerError, PlanError
from tbill_defi.core.money import cash_from_price, decimal_price
from tbill_defi.ledger.option import Options
from tbill_defi.ledger.option_deeds import BOOK
from tbill_defi.ledger.option_terms import OptionStatus
from tbill_defi.strategy.isolation import IsolatedStrategy
from tests.unit.portfolio.support import DAY, DOLLAR, ledger_with

NOTES = ("91282CPP0", "91282CPZ8")
EXPIRY = date(2026, 4, 23)


class Given(td.Strategy[td.StrategyConfig]):
    """What was asked for."""

    target: td.Overlay

    def decide(self, view, book):
        return self.target


def asked(*writes, lots=None):
    strategy = Given()
    strategy.target = td.Overlay.of(writes, lots=lots)
    return strategy


def call(cusip=NOTES[0], face=1_000_000, strike=99.5, expiry=EXPIRY, volatility=0.03):
    return td.CoveredCall(cusip, face * DOLLAR, strike, expiry, volatility)


@pytest.fixture(scope="module")
def held():
    return td.Holdings("desk", dict.fromkeys(NOTES, 2_000_000 * DOLLAR), 100_000 * DOLLAR)


@pytest.fixture(scope="module")
def overlay(sample, held):
    return td.plan(CoveredCallOverlay(), sample, held)


@pytest.fixture
def ledger(sample, held):
    with ledger_with(sample, held) as ledger:
        yield ledger


def test_premium_is_black_76_of_the_mid_for_the_settlement_date(sample, overlay):
    for write in overlay.writes:
        i = sample.index(write.cusip)
        value = td.black_option(
            write.security,
            kind=td.OptionKind.CALL,
            strike=float(write.strike),
            expiry=write.expiry,
            settlement=DAY,
            clean_price=float(sample.mid_dirty[i] - sample.accrued[i]),
            repo_rate=sample.repo_rate,
            volatility=write.volatility,
        )
        assert float(write.premium_price) == pytest.approx(value.price, abs=5e-7)  # six decimals
        assert write.premium_units == cash_from_price(write.face_units, write.premium_price)
        assert write.delta == pytest.approx(value.delta)
        assert write.forward_clean == decimal_price(sample.clean_forward(i, write.expiry))
        assert (write.face_units, write.expiry) == (1_000_000 * DOLLAR, EXPIRY)
        assert write.strike * 32 % 1 == 0
    assert overlay.net_cash_units == -sum(write.premium_units for write in overlay.writes)
    assert [(leg.asset, leg.from_party, leg.to_party) for leg in overlay.legs] == [("USD", "dealer", "desk")]


def test_calls_are_owed_and_take_their_delta(sample, overlay):
    before, after = overlay.before, overlay.after
    taken = sum(
        write.delta * write.face_units / DOLLAR * sample.mid_dirty[i] / 100 * sample.modified_duration[i] / 1e4
        for write in overlay.writes
        for i in [sample.index(write.cusip)]
    )
    assert (after.nav, after.yield_, after.wam_years) == (before.nav, before.yield_, before.wam_years)
    assert after.cash - before.cash == pytest.approx(-overlay.net_cash_units / DOLLAR)
    assert before.dv01 - after.dv01 == pytest.approx(taken)
    assert after.duration == pytest.approx(after.dv01 * 1e4 / after.nav)


@pytest.mark.parametrize(
    "change",
    [
        {"face": 999_000},
        {"strike": 99.53125},
        {"expiry": date(2026, 4, 24)},
        {"volatility": 0.031},
        {"cusip": NOTES[1]},
    ],
    ids=str,
)
def test_hash_covers_every_call(sample, held, change):
    strategy = asked(call())
    first = td.plan(strategy, sample, held)
    assert td.plan(strategy, sample, held).hash == first.hash
    assert td.plan(asked(call(**change)), sample, held).hash != first.hash
    assert "writes" not in td.plan(asked(), sample, held).context


def test_file_comes_back_and_a_change_is_noticed(tmp_path, overlay):
    path = overlay.save(tmp_path / "plan.json")
    assert td.RebalancePlan.load(path) == overlay
    raw = json.loads(path.read_text())
    for name, value, error in (
        ("premium_units", "1", PlanError),
        ("strike", "98.000000", PlanError),
        ("expiry", "2026-04-22", PlanError),
        ("delta", "0.3", PlanError),
        ("face_units", "7", PlanError),
        ("strike", "soon", DataError),
    ):
        changed = json.loads(json.dumps(raw))
        changed["writes"][0][name] = value
        path.write_text(json.dumps(changed))
        with pytest.raises(error):
            td.RebalancePlan.load(path)


@pytest.mark.parametrize(
    ("writes", "error", "says"),
    [
        ([call(face=2_000_001)], PlanError, "naked"),
        ([call(face=1_500_000), call(face=500_001, strike=99.0)], PlanError, "naked"),
        ([call(cusip="91282CQE4")], PlanError, r"\$0.00 free"),
        ([call(expiry=date(2026, 4, 25))], PlanError, "2026-04-27 is the next"),
        ([call(strike=200.0)], PlanError, "worth nothing"),
        ([call(face=1_500)], PlanError, "whole lots"),
    ],
    ids=lambda value: str(value)[:24],
)
def test_calls_that_are_not_written(sample, held, writes, error, says):
    with pytest.raises(error, match=says):
        td.plan(asked(*writes), sample, held)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: call(face=0), "not positive"),
        (lambda: call(strike=1_001), "clean price"),
        (lambda: call(volatility=5.0), "decimal in"),
        (lambda: td.Overlay.of([call(), call(face=1)]), "write their sum"),
        (lambda: td.Overlay.of([call(strike=90.0 + n) for n in range(33)]), "at most 32"),
    ],
)
def test_targets_that_cannot_be(make, says):
    with pytest.raises(ConventionError, match=says):
        make()


def test_what_is_on_hold_counts_as_written(sample, held, overlay):
    later = replace(held, unavailable={write.cusip: write.face_units for write in overlay.writes})
    again = td.plan(CoveredCallOverlay(), sample, later)
    assert (again.writes, again.legs) == ((), ())
    more = td.plan(CoveredCallOverlay(share=0.75), sample, later)
    assert {write.face_units for write in more.writes} == {500_000 * DOLLAR}


def test_delta_to_the_forward_is_the_one_asked_for(sample, held):
    for delta in (0.1, 0.25, 0.5):
        for write in td.plan(CoveredCallOverlay(delta=delta), sample, held).writes:
            finer = write.volatility * (30 / 365) ** 0.5 * float(write.strike) * 32  # strikes to a deviation
            assert delta - 0.4 / finer <= write.delta <= delta + 1e-6  # the normal density is below 0.4


def test_a_process_of_its_own_answers_the_same(sample, held, overlay):
    with IsolatedStrategy(CoveredCallOverlay()) as isolated:
        assert td.plan(isolated, sample, held).hash == overlay.hash


def test_collateral_is_held_and_premium_paid(ledger, overlay):
    dry = overlay.execute(ledger, approve_by="desk", dry_run=True)
    assert (dry.settled, ledger.wallet("desk").held, len(dry.decisions)) == (False, {}, 3)
    done = overlay.execute(ledger, approve_by="desk")
    desk, book = ledger.wallet("desk"), Options(ledger)
    assert desk.cash == 100_000 * DOLLAR - overlay.net_cash_units
    assert desk.held == {write.cusip: write.face_units for write in overlay.writes}
    assert ledger.wallet("dealer").cash == ledger.wallet(BOOK).cash == 0
    assert done.inventory == {"USD": -overlay.net_cash_units}
    assert len(done.options) == 2
    for write, state in zip(overlay.writes, book.all(), strict=True):
        assert state.status is OptionStatus.OPEN
        assert (state.terms.cusip, state.terms.face_units, state.terms.expiry) == (
            write.cusip,
            write.face_units,
            write.expiry,
        )
        assert Decimal(state.terms.strike_e6).scaleb(-6) == write.strike
        assert state.premium_units == write.premium_units
        assert state.terms.salt == int.from_bytes(overlay.context_hash, "big"), "the id says which plan wrote it"
    with pytest.raises(PlanError, match="settles once"):
        overlay.execute(ledger, approve_by="desk")
    first, second = book.all()
    ledger.deposit("dealer", {}, first.payment_units)
    ledger.chain.advance_clock(new_york_midnight(EXPIRY) + 36_000 - ledger.chain.now())
    assert book.exercise(first.option_id).status is OptionStatus.EXERCISED
    ledger.chain.advance_clock(86_400)
    assert book.expire(second.option_id).status is OptionStatus.EXPIRED
    after = ledger.wallet("desk")
    assert (after.held, after.cash) == ({}, desk.cash + first.payment_units)


def test_nothing_is_sent_that_would_be_refused(ledger, overlay):
    height = ledger.chain.height
    with pytest.raises(PlanError, match="approve-by"):
        overlay.execute(ledger, approve_by="fund")
    ledger.set_trade_limit(999_999 * DOLLAR)
    with pytest.raises(ComplianceRejection) as refusal:
        overlay.execute(ledger, approve_by="desk")
    assert {(d.rule, d.largest_amount) for d in refusal.value.decisions} == {("trade-limit", 999_999 * DOLLAR)}
    ledger.set_trade_limit(2**255)
    ledger.freeze("desk", NOTES[0], 1_500_000 * DOLLAR)
    with pytest.raises(ComplianceRejection, match="frozen"):
        overlay.execute(ledger, approve_by="desk")
    ledger.freeze("desk", NOTES[0], 0)
    ledger.set_claim("dealer", 0)
    with pytest.raises((ComplianceRejection, LedgerError)):
        overlay.execute(ledger, approve_by="desk")
    assert Options(ledger).all() == []
    assert ledger.chain.height == height + 5, "the five settings of this test"
    ledger.set_claim("dealer", 2**40)
    ledger.deposit("desk", {}, 1)
    with pytest.raises(PlanError, match="cash"):
        overlay.execute(ledger, approve_by="desk")


def test_a_plan_is_for_its_day(ledger, overlay):
    ledger.chain.advance_clock(86_400)
    with pytest.raises(PlanError, match=str(DAY + timedelta(days=1))):
        overlay.execute(ledger, approve_by="desk")
