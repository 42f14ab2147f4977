"""Calls written on what a strategy holds: booked, held, marked, exercised or lapsed, alike in arrays and contracts."""

import json
import math
from datetime import date
from itertools import pairwise
from statistics import NormalDist

import numpy as np
import polars as pl
import pytest

import tbill_defi as td
from tbill_defi.backtest import calls
from tbill_defi.backtest.books import DESK, Books
from tbill_defi.backtest.calls import OpenCall
from tbill_defi.backtest.engine import Engine
from tbill_defi.backtest.run import run_backtest
from tbill_defi.backtest.settings import Settings
from tbill_defi.core.errors import DataError, LedgerError, PlanError
from tbill_defi.market.data import MarketData
from tbill_defi.portfolio.history import HistoricalMarket
from tbill_defi.strategy.discovery import find
from tests.unit.backtest.support import market, par_yields

FIRST, LAST = date(2003, 1, 2), date(2004, 3, 31)


@pytest.fixture(scope="module")
def data():
    return market()


def run(data, out, **changes):
    arguments = {"first": FIRST, "last": LAST, "capital": 1_000_000, "data": data, "out": out} | changes
    overlay = arguments.pop("strategy", None) or find("covered-call-overlay")(delta=0.4, days=40)
    over = arguments.pop("over", None) or find("ladder")(rungs=6, longest_years=4.0)
    return run_backtest(overlay, over=over, **arguments)


@pytest.fixture(scope="module")
def result(data, tmp_path_factory):
    return run(data, tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def days(data):
    """Every day of the same run, its plans and its books' calls, in this process."""
    base, overlay = find("ladder")(rungs=6, longest_years=4.0), find("covered-call-overlay")(delta=0.4, days=40)
    settings = Settings(overlay.identity(), FIRST, LAST, 10**12, over=base.identity())
    engine = Engine(settings, HistoricalMarket(data), base, overlay=overlay)
    return list(engine.run(engine.fresh()))


def test_calls_end_in_both_ways_and_the_counts_agree(result):
    found = result.calls()
    assert min(found["exercised"], found["lapsed"]) > 5
    assert 0 <= found["written"] - found["exercised"] - found["lapsed"] < 30
    assert found["premium_units"] == result.journal.filter(kind="premium")["units"].sum() > 0


@pytest.mark.invariant("I1")
def test_the_journal_balances_and_nothing_is_short(result):
    balances = {}
    for line in result.journal.iter_rows(named=True):
        for account, units in ((line["giver"], -line["units"]), (line["receiver"], line["units"])):
            key = line["asset"], account
            balances[key] = balances.get(key, 0) + units
    assert all(units >= 0 for (_, account), units in balances.items() if account in ("desk", "collateral"))
    for asset in {asset for asset, _ in balances}:
        assert sum(units for (name, _), units in balances.items() if name == asset) == 0


def test_profit_and_loss_has_a_line_of_its_own(result):
    parts = result.attribution()
    assert list(parts) == ["carry", "roll_down", "curve", "cost", "options", "residual"]
    assert sum(parts.values()) == pytest.approx((result.final_nav_units - 10**12) / 1e6, abs=1e-6)
    assert parts["options"] != 0
    assert result.daily["residual"].abs().max() < 0.02


def test_an_option_is_worth_its_premium_on_the_day_it_is_written(result):
    first = result.daily.row(0, named=True)
    premiums = result.journal.filter((pl.col("kind") == "premium") & (pl.col("date") == FIRST))["units"].sum()
    assert first["options_units"] == premiums > 0
    assert first["options"] == 0.0


def test_options_gain_what_came_in_less_what_is_owed(result):
    """Over the run: premiums, and what exercises paid less what they took, less what is owed at the end."""
    journal, daily = result.journal, result.daily
    source = HistoricalMarket(market())
    taken = 0
    for line in journal.filter((pl.col("kind") == "exercise") & (pl.col("asset") != "USD")).iter_rows(named=True):
        view = source.view(line["date"])
        taken += line["units"] * float(view.mid_dirty_price(view.index(line["asset"]))) / 100
    paid = journal.filter((pl.col("kind") == "exercise") & (pl.col("asset") == "USD"))["units"].sum()
    gain = result.calls()["premium_units"] + paid - taken - daily["options_units"][-1]
    assert daily["options"].sum() == pytest.approx(gain / 1e6, abs=1e-3)


def test_who_holds_a_call_exercises_it_if_it_is_worth_it(days, data):
    """By plain arithmetic: the clean mid of the expiry date against the strike."""
    source, before, ends = HistoricalMarket(data), (), {True: 0, False: 0}
    for result in days:
        due = [call for call in before if call.expiry == result.day]
        if due:
            view = source.view(result.day)
            for call in due:
                index = view.index(call.cusip)
                clean = float(view.mid_dirty[index] - view.accrued[index])
                exercised = call not in result.record.calls
                assert exercised == (clean > float(call.strike)), call.name
                ends[exercised] += 1
        before = result.record.calls
    assert min(ends.values()) > 5


def test_marks_are_blacks_formula(days, data):
    """The formula in plain numbers, on open calls before whose expiry no coupon falls; what is owed is their sum."""
    source = HistoricalMarket(data)
    rows = run_rows(source, days)
    compared = 0
    for result in days[5:100:8]:
        owed, view = 0, source.view(result.day)
        for call in result.record.calls:
            if call.expiry == result.day:
                continue
            index = view.index(call.cusip)
            flows, span = view.securities[index].resolve(), (call.expiry - result.day).days
            quotes = view.bid[index].dirty_price, view.offer[index].dirty_price
            bid, offer = (int(price.scaleb(6)) for price in quotes)
            value = call.value(
                view.securities[index], result.day, bid, offer, float(view.accrued[index]), view.repo_rate
            )
            owed += round(call.face_units * round(value.price, 6) / 100)
            if any(result.day < day <= call.expiry for day in flows.payment_dates):
                continue
            growth, strike = 1 + view.repo_rate * span / 360, float(call.strike)
            forward = view.mid_dirty[index] * growth - float(flows.accrued(call.expiry))
            deviation = call.volatility * math.sqrt(span / 365)
            d1 = math.log(forward / strike) / deviation + deviation / 2
            cdf = NormalDist().cdf
            assert value.price == pytest.approx((forward * cdf(d1) - strike * cdf(d1 - deviation)) / growth, abs=2e-6)
            compared += 1
        assert rows[result.day] == pytest.approx(owed, abs=len(result.record.calls))
    assert compared > 20


def run_rows(source, days):
    from tbill_defi.backtest.valuation import DayRecord, daily_rows

    securities = {cusip: security for result in days for cusip, security in result.securities.items()}
    first = DayRecord(days[0].record.row, {}, 0)
    daily = daily_rows(source, securities, [first, *(result.record for result in days)], 10**12)
    return dict(zip(daily["date"], daily["options_units"], strict=True))


def test_the_plan_is_the_one_a_desk_makes(days, data):
    """The same strategy, view and holdings give the plan that was booked, hash and all."""
    source = HistoricalMarket(data)
    written = [plan for result in days for plan in result.plans if plan.writes]
    assert len(written) > 10
    for plan in (written[0], written[-1]):
        strategy = find("covered-call-overlay")(delta=0.4, days=40)
        assert td.plan(strategy, source.view(plan.trade_date), plan.holdings).hash == plan.hash
        assert plan.holdings.unavailable or plan is written[0]


def test_collateral_is_not_sold(days):
    """What is on hold is out of the reach of the strategy's sales; it is there on the next day."""
    for before, after in pairwise(days):
        for call in before.record.calls:
            if call in after.record.calls:
                assert after.record.positions[call.cusip] >= call.face_units


# --- contracts --------------------------------------------------------------------------------------------------------


@pytest.mark.invariant("I16")
def test_the_contracts_keep_the_same_books(result, data, tmp_path):
    certified = run(data, tmp_path, ledger="revm")
    assert certified.run_hash == result.run_hash
    assert certified.compared_days == result.daily.height
    assert certified.journal.equals(result.journal)
    assert certified.daily.equals(result.daily)


def test_a_payment_that_is_off_by_a_unit_is_noticed(data, tmp_path, monkeypatch):
    true = calls.exercise_units
    monkeypatch.setattr(calls, "exercise_units", lambda *given: true(*given) + 1)
    with pytest.raises(LedgerError, match=r"^2003-\d\d-\d\d: contracts and arrays differ: USD: \d+ in"):
        run(data, tmp_path, ledger="revm")


def test_a_hold_that_is_not_released_is_noticed(data, tmp_path, monkeypatch):
    """The contracts' holds are compared too: the arrays are made to release a day early."""
    monkeypatch.setattr(Engine, "_release", released_at_expiry)
    with pytest.raises(LedgerError, match="on hold"):
        run(data, tmp_path, ledger="revm")


def released_at_expiry(self, state, today):
    for call in [call for call in state.books.calls if call.expiry <= today.day]:
        today.lines += state.books.release(today.day, call)


class Crash(BaseException):
    """Nothing catches it: as if the process were gone."""


@pytest.mark.parametrize("ledger", ["arrays", "revm"])
def test_a_run_goes_on_with_its_open_calls(ledger, result, data, tmp_path):
    def stop(done, total):
        if done > 260:
            raise Crash

    with pytest.raises(Crash):
        run(data, tmp_path, ledger=ledger, progress=stop)
    assert json.loads((tmp_path / "state.json").read_text())["books"]["calls"]
    told = []
    again = run(data, tmp_path, ledger=ledger, resumed=told.append)
    assert told == [date(2003, 12, 31)]
    assert again.run_hash == result.run_hash
    assert again.daily.equals(result.daily)
    assert again.compared_days == (result.daily.height if ledger == "revm" else 0)


# --- bad input --------------------------------------------------------------------------------------------------------


NAKED = """
import datetime
import tbill_defi as td

class Naked(td.Strategy[td.StrategyConfig]):
    def decide(self, view, book):
        cusip = max(book.positions, key=book.positions.get)
        return td.Overlay.of([td.CoveredCall(cusip, 2 * book.positions[cusip], 101.0, datetime.date(2003, 2, 3), 0.05)])
"""


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        (
            {"over": find("covered-call-overlay")()},
            "writes options on what is held, and holds nothing .* --over",
        ),
        ({"strategy": find("ladder")(longest_years=4.0)}, "2003-01-02: ladder says what to hold and writes no options"),
        ({"strategy": NAKED}, "2003-01-02: .* a naked call is not written"),
    ],
)
def test_bad_input_is_one_clear_error(changes, text, data, tmp_path):
    if changes.get("strategy") is NAKED:
        (tmp_path / "naked.py").write_text(NAKED)
        changes = {"strategy": find(str(tmp_path / "naked.py"))()}
    with pytest.raises(PlanError, match=text) as caught:
        run(data, tmp_path, **changes)
    assert "\n" not in str(caught.value)


def test_an_expiry_without_a_curve_stops_the_run(days, data, tmp_path):
    gone = next(call.expiry for result in days for call in result.record.calls)
    rows = par_yields().filter(pl.col("date") != gone)
    with pytest.raises(DataError, match=f"there is no curve on {gone}, when a call on #"):
        run(MarketData(par_yields=rows), tmp_path)


def test_books_whose_holds_are_not_the_calls_stop_the_run():
    security = td.Note(cusip="#03260403", coupon=0.04125, dated_date=date(2023, 4, 3), maturity_date=date(2026, 4, 3))
    kept = Books()
    kept.capital(date(2023, 4, 3), 10**12)
    kept.securities[security.cusip] = security
    kept.balances[security.cusip] |= {DESK: 10**9, "dealer": -(10**9)}
    kept.check(date(2023, 4, 3))
    kept.calls.append(OpenCall(security.cusip, 10**6, 10**8, date(2023, 5, 1), 0.05, 10**6, "ab"))
    with pytest.raises(PlanError, match="on hold is not what the calls cover"):
        kept.check(date(2023, 4, 3))


def test_duration_is_less_by_the_calls_delta(result, data, tmp_path):
    """Beside the same run without calls, on its first day: the same positions."""
    plain = run_backtest(
        find("ladder")(rungs=6, longest_years=4.0), first=FIRST, last=LAST, capital=1_000_000, data=data, out=tmp_path
    )
    ours, theirs = result.daily.row(0, named=True), plain.daily.row(0, named=True)
    assert theirs["options_units"] == 0
    assert 0.5 * theirs["dv01"] < ours["dv01"] < theirs["dv01"]
    assert ours["duration"] / theirs["duration"] == pytest.approx(ours["dv01"] / theirs["dv01"], rel=1e-6)
    assert np.all(plain.daily["options"].to_numpy() == 0.0)
    assert plain.calls() == {"written": 0, "exercised": 0, "lapsed": 0, "premium_units": 0}
