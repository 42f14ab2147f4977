"""A run: results that add up, and the same hash however it was interrupted."""

import json
from datetime import date

import numpy as np
import polars as pl
import pytest

from tbill_defi.backtest.checkpoint import Checkpoint
from tbill_defi.backtest.contracts import ContractBooks
from tbill_defi.backtest.engine import Engine
from tbill_defi.backtest.run import run_backtest
from tbill_defi.backtest.settings import Settings
from tbill_defi.core.errors import DataError, Infeasible, LedgerError, NoCurve, PlanError, UsageError
from tbill_defi.market.data import MarketData
from tbill_defi.portfolio.history import HistoricalMarket
from tbill_defi.strategy.discovery import find
from tests.unit.backtest.support import market, par_yields

FIRST, LAST = date(2003, 1, 2), date(2004, 12, 31)


def run(data, out, **changes):
    """Quarterly, with a first rung of three months: there are purchases, sales, coupons and redemptions."""
    arguments = {"first": FIRST, "last": LAST, "capital": 1_000_000, "data": data, "out": out} | changes
    arguments.setdefault("frequency", "quarterly")
    strategy = arguments.pop("strategy", None) or find("ladder")(rungs=16, longest_years=4.0)
    return run_backtest(strategy, **arguments)


@pytest.fixture(scope="module")
def result(data, tmp_path_factory):
    return run(data, tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="session")
def data():
    return market()


def test_every_day_has_its_row(result, data):
    assert result.daily["date"].to_list() == data.par_yields["date"].to_list()
    assert result.daily.null_count().sum_horizontal()[0] == 0
    assert (result.daily["nav_units"] > 0).all()


def test_profit_and_loss_is_explained(result):
    """The residual is rounding: mids to 10^-6 per 100, here of a million; each day and in sum."""
    parts = result.attribution()
    gain = (result.final_nav_units - 10**12) / 1e6
    assert sum(parts.values()) == pytest.approx(gain, abs=1e-6)
    assert result.daily["residual"].abs().max() < 0.02
    assert parts["cost"] < 0 < parts["carry"]


@pytest.mark.invariant("I1")
def test_the_journal_balances(result):
    journal = result.journal
    accounts = pl.concat(
        [
            journal.select("asset", account="giver", units=-pl.col("units")),
            journal.select("asset", account="receiver", units="units"),
        ]
    )
    totals = accounts.group_by("asset").agg(pl.col("units").sum())
    assert totals["units"].unique().to_list() == [0]
    desk = accounts.filter(account="desk").group_by("asset").agg(pl.col("units").sum())
    cash = dict(zip(desk["asset"], desk["units"], strict=True))["USD"]
    assert cash == result.daily["cash_units"][-1]
    assert (journal["units"] > 0).all()


def test_events_are_counted(result):
    kinds = result.journal.filter(pl.col("asset") != "USD").group_by("kind").len()
    securities = dict(zip(kinds["kind"], kinds["len"], strict=True))
    coupons = result.journal.filter(kind="coupon").height
    assert min(coupons, securities["redemption"]) > 3
    assert result.events == 1 + securities["trade"] + securities.get("redemption", 0) + coupons


def test_returns_compound_to_the_final_nav(result):
    growth = np.prod([1.0 + r for r in result.returns_by_year().values()])
    assert growth * 1e12 == pytest.approx(result.final_nav_units, rel=1e-12)
    net, gross = result.returns_by_year(), result.returns_by_year(without=["cost"])
    assert all(gross[year] > net[year] for year in net)
    assert result.drawdown().depth <= 0


def test_the_same_run_has_the_same_hash_and_another_another(result, data, tmp_path):
    assert run(data, tmp_path / "again").run_hash == result.run_hash
    assert run(data, tmp_path / "more", capital=1_001_000).run_hash != result.run_hash
    assert run(data, tmp_path / "free", costs="none").run_hash != result.run_hash


class Crash(BaseException):
    """Nothing catches it: as if the process were gone."""


def interrupted(data, out, **changes):
    """A run that is gone after the first year and a bit."""

    def stop(done, total):
        if done > 300:
            raise Crash

    with pytest.raises(Crash):
        run(data, out, progress=stop, **changes)


def test_an_interrupted_run_goes_on_to_the_same_hash(result, data, tmp_path):
    interrupted(data, tmp_path)
    state = json.loads((tmp_path / "state.json").read_text())
    assert (state["finished"], [part["name"] for part in state["parts"]]) == (False, ["2003"])
    told = []
    again = run(data, tmp_path, resumed=told.append)
    assert told == [date(2003, 12, 31)]
    assert again.run_hash == result.run_hash
    assert again.daily.equals(result.daily)
    assert again.journal.equals(result.journal)


def test_a_damaged_part_is_made_again(result, data, tmp_path):
    interrupted(data, tmp_path)
    part = tmp_path / "parts" / "2003.daily.parquet"
    part.write_bytes(part.read_bytes()[:-9])
    told = []
    assert run(data, tmp_path, resumed=told.append).run_hash == result.run_hash
    assert told == []


def test_a_folder_of_another_run_is_refused(data, tmp_path):
    run(data, tmp_path, last=date(2003, 3, 31))
    with pytest.raises(UsageError, match="holds another run"):
        run(data, tmp_path, last=date(2003, 4, 30))


def test_two_runs_do_not_share_a_folder(data, tmp_path):
    with Checkpoint(tmp_path, bytes(32)).held(), pytest.raises(UsageError, match="another backtest is writing"):
        run(data, tmp_path)


@pytest.mark.invariant("I16")
def test_the_contracts_keep_the_same_books(result, data, tmp_path):
    certified = run(data, tmp_path, ledger="revm")
    assert certified.run_hash == result.run_hash
    assert certified.compared_days == result.daily.height
    assert certified.daily.equals(result.daily)


@pytest.mark.invariant("I16")
def test_contracts_go_on_where_they_were(result, data, tmp_path):
    interrupted(data, tmp_path / "cut", ledger="revm")
    told = []
    again = run(data, tmp_path / "cut", ledger="revm", resumed=told.append)
    assert told == [date(2003, 12, 31)]
    assert again.run_hash == result.run_hash
    assert again.compared_days == result.daily.height
    run(data, tmp_path / "whole", ledger="revm")
    parts = [sorted((tmp_path / name / "parts").iterdir()) for name in ("cut", "whole")]
    assert [path.read_bytes() for path in parts[0]] == [path.read_bytes() for path in parts[1]]
    assert {path.name for path in parts[0]} >= {"2003.blocks.parquet", "2004.blocks.parquet"}


def test_contracts_begin_where_blocks_are_not_kept(result, data, tmp_path):
    """An interrupted run of arrays alone has no blocks; one with a damaged part of them begins anew too."""
    told = []
    interrupted(data, tmp_path / "arrays")
    assert run(data, tmp_path / "arrays", ledger="revm", resumed=told.append).compared_days == result.daily.height
    interrupted(data, tmp_path / "damaged", ledger="revm")
    part = tmp_path / "damaged" / "parts" / "2003.blocks.parquet"
    part.write_bytes(part.read_bytes()[:-9])
    assert run(data, tmp_path / "damaged", ledger="revm", resumed=told.append).run_hash == result.run_hash
    assert told == []


def test_contracts_that_are_not_where_the_state_is_stop_the_run(data, tmp_path):
    interrupted(data, tmp_path, ledger="revm")
    key = bytes.fromhex(json.loads((tmp_path / "state.json").read_text())["key"])
    saved = Checkpoint(tmp_path, key).load(blocks=True)
    strategy = find("ladder")(rungs=16, longest_years=4.0)
    settings = Settings(strategy.identity(), FIRST, LAST, 10**12, "quarterly")
    keeper = ContractBooks(key)
    engine = Engine(settings, HistoricalMarket(data), strategy, keeper)
    with pytest.raises(LedgerError, match="contracts and arrays differ: "):
        engine.resume(saved.state, saved.blocks[0][:-1])
    keeper.close()


@pytest.mark.invariant("I16")
def test_a_wrong_base_unit_is_noticed(data, tmp_path, monkeypatch):
    """The arrays are made to cheat by one unit of a coupon."""
    from tbill_defi.backtest import books

    true = books.coupons_due

    def generous(security, face, after, until):
        for due in true(security, face, after, until):
            yield books.Due(due.kind, due.cusip, due.nominal, due.payment, due.face, due.cash + 1)

    monkeypatch.setattr(books, "coupons_due", generous)
    with pytest.raises(Exception, match=r"2003-\d\d-\d\d: contracts and arrays differ: USD: \d+ in contracts, \d+ in"):
        run(data, tmp_path, ledger="revm")


@pytest.mark.parametrize(
    ("changes", "error", "text"),
    [
        ({"first": date(2003, 1, 1)}, DataError, "from: there is no curve on 2003-01-01; the curves are from"),
        ({"first": date(2003, 7, 4)}, NoCurve, "2003-07-04, a Friday, is not a trading day; .* curve is 2003-07-07"),
        ({"last": date(2005, 1, 3)}, DataError, "to: there is no curve up to 2005-01-03; the curves are"),
        ({"last": date(2002, 1, 3)}, UsageError, "to: 2002-01-03 is not after from"),
        ({"capital": "999.99"}, UsageError, r"capital: \$999.99 is below a lot"),
        ({"capital": "1000"}, PlanError, "2003-01-02: every order is below a lot"),
        ({"frequency": "hourly"}, UsageError, "frequency: 'hourly'"),
        ({"universe": "all"}, UsageError, "universe: 'all' is not one of issued, par"),
        ({"costs": "some"}, UsageError, "costs: 'some'"),
        ({"ledger": "paper"}, UsageError, "ledger: 'paper' is not one of arrays, revm"),
        ({"strategy": find("ladder")(longest_years=30.0)}, Infeasible, "2003-01-02: .*no 30 Yr is issued on"),
    ],
)
def test_bad_input_is_one_clear_error(changes, error, text, data, tmp_path):
    with pytest.raises(error, match=text):
        run(data, tmp_path, **changes)


def test_a_hole_in_the_curves(tmp_path):
    rows = par_yields().filter((pl.col("date") < date(2003, 5, 1)) | (pl.col("date") > date(2003, 6, 1)))
    with pytest.raises(DataError, match="no curve between 2003-04-30 and 2003-06-02; the range has a hole"):
        run(MarketData(par_yields=rows), tmp_path)


def test_no_data(tmp_path):
    with pytest.raises(DataError, match="no par yields"):
        run(MarketData(), tmp_path)


def test_scrambled_later_data_leave_earlier_plans_byte_equal(data):
    """No look-ahead: the plans of the first year are the same whatever comes after it."""
    strategy = find("ladder")(rungs=4, longest_years=4.0)
    settings = Settings(strategy.identity(), FIRST, date(2003, 12, 31), 10**12)

    def plans(source):
        engine = Engine(settings, HistoricalMarket(source), strategy)
        return [plan.to_json() for result in engine.run(engine.fresh()) for plan in result.plans]

    scrambled = market(shift=0.03, from_day=date(2004, 1, 2))
    assert not scrambled.par_yields.equals(data.par_yields)
    found = plans(data)
    assert len(found) == 12
    assert json.dumps(found) == json.dumps(plans(scrambled))
