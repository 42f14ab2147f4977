"""A plan is its hash: one changed lot, tick, row, value or byte makes another; nothing else does."""

import json
import os
import subprocess
import sys
from dataclasses import fields, replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest
import rfc8785
from eth_utils import keccak
from tbill_strategies.duration_target import DurationTarget
from tbill_strategies.ladder import Ladder

import tbill_defi as td
from tbill_defi.market import sample_data
from tests.unit.portfolio.support import DAY, DOLLAR, book_of

ROOT = Path(__file__).resolve().parents[3]


def recomputed(printed):
    """The hash from the JSON that `plan --json` prints, by rfc8785 and keccak alone."""
    words = b""
    for leg in sorted(printed["legs"], key=lambda leg: (leg["asset"], leg["from"], leg["to"])):
        for name in ("asset", "from", "to"):
            words += leg[name].encode("ascii").ljust(32, b"\0")
        words += int(leg["amount"]).to_bytes(32, "big")
    return "0x" + keccak(keccak(rfc8785.dumps(printed["context"])) + keccak(words)).hex()


def test_hash_from_what_is_printed(plan):
    printed = json.loads(json.dumps(plan.to_json()))
    assert recomputed(printed) == plan.hash == printed["hash"]
    assert printed["context_hash"] == "0x" + keccak(rfc8785.dumps(printed["context"])).hex()


def test_every_hash_in_the_context_recomputes(plan, sample):
    printed, context = plan.to_json(), plan.context
    inputs = printed["inputs"]
    assert context["holdings_hash"] == "0x" + keccak(rfc8785.dumps(inputs["holdings"])).hex()
    assert context["config_hash"] == "0x" + keccak(rfc8785.dumps(inputs["config"])).hex()
    assert context["market_hash"] == "0x" + sample.market_hash.hex()
    source = ROOT / "strategies" / "tbill_strategies" / f"{context['strategy'].replace('-', '_')}.py"
    assert context["strategy_source_hash"] == "0x" + keccak(source.read_bytes()).hex()


def test_legs_are_orders_and_net_cash(plan):
    flows = {(leg.asset, leg.from_party): leg for leg in plan.legs}
    assert len(flows) == len(plan.legs) == len(plan.orders) + 1
    net = 0
    for order in plan.orders:
        giver = "dealer" if order.side == "buy" else "desk"
        assert flows[order.cusip, giver].amount == order.face_units
        net += order.cash_units if order.side == "buy" else -order.cash_units
    (cash,) = [leg for leg in plan.legs if leg.asset == "USD"]
    assert (cash.from_party, cash.amount) == ("desk" if net > 0 else "dealer", abs(net))
    assert list(plan.legs) == sorted(plan.legs)


def test_figures(plan, sample, book):
    assert plan.net_cash_units == book.cash_units - round(plan.after.cash * DOLLAR)
    assert plan.after.cash >= 0
    assert plan.after.nav == pytest.approx(plan.before.nav - plan.cost_units / DOLLAR, abs=1e-4)
    assert plan.cost_bp == pytest.approx(plan.cost_units / DOLLAR / plan.before.nav * 1e4)
    assert plan.cost_32nds == pytest.approx(plan.cost_units / plan.traded_face_units * 100 * 32)
    gain = (plan.after.yield_ - plan.before.yield_) * plan.after.nav
    assert plan.breakeven_days == pytest.approx(plan.cost_units / DOLLAR / gain * 365)
    assert all(order.face_units % plan.lot_units == 0 for order in plan.orders)


# --- what changes the hash ------------------------------------------------------------------------------------------


def hashes_of_changed_orders(plan):
    first, rest = plan.orders[0], plan.orders[1:]
    tick = Decimal("0.000001")
    for name, value in {
        "face_units": first.face_units + plan.lot_units,
        "quoted_clean_price": first.quoted_clean_price + tick,
        "quoted_dirty_price": first.quoted_dirty_price + tick,
        "clean_price": first.clean_price + tick,
        "accrued": first.accrued + tick,
        "dirty_price": first.dirty_price + tick,
        "cash_units": first.cash_units + 1,
        "cost_units": first.cost_units + 1,
        "quote_settlement_date": first.quote_settlement_date + timedelta(days=1),
        "quote_date": first.quote_date - timedelta(days=1),
        "source": "model",
        "side": "buy" if first.side == "sell" else "sell",
        "security": first.security.model_copy(update={"cusip": "912797ZZ9"}),
    }.items():
        yield name, replace(plan, orders=(replace(first, **{name: value}), *rest)).hash


def test_any_changed_field_of_an_order(plan):
    changed = dict(hashes_of_changed_orders(plan))
    assert len({plan.hash, *changed.values()}) == len(changed) + 1, "each change another hash"
    figures = {"reason", "regular_dirty_price"}
    assert {f.name for f in fields(plan.orders[0])} == set(changed) | figures


def test_any_changed_input(plan):
    strategy = plan.strategy
    changed = [
        replace(plan, orders=plan.orders[1:]),
        replace(plan, party="fund", holdings=replace(plan.holdings, party="fund")),
        replace(plan, counterparty="broker"),
        replace(plan, trade_date=plan.trade_date + timedelta(days=1)),
        replace(plan, settlement_date=plan.settlement_date + timedelta(days=1)),
        replace(plan, market_hash=b"\1" * 32),
        replace(plan, repo_rate=plan.repo_rate + 1e-9),
        replace(plan, holdings=replace(plan.holdings, cash_units=plan.holdings.cash_units + 1)),
        replace(plan, lot_units=plan.lot_units + 1),
        replace(plan, strategy=replace(strategy, name="other")),
        replace(plan, strategy=replace(strategy, source_hash=b"\1" * 32)),
        replace(plan, strategy=replace(strategy, config={**strategy.config, "lot": 999})),
    ]
    assert len({plan.hash, *(p.hash for p in changed)}) == len(changed) + 1


def test_a_market_row_changes_the_hash(ladder_plan, book):
    """A tick in a quote that no order uses, a rate, an older curve: the market is another."""
    data = sample_data()
    traded = {order.cusip for order in ladder_plan.orders}
    (unused, *_) = [c for c in data.fedinvest["cusip"].to_list() if c not in traded]
    tick = pl.when(pl.col("cusip") == unused).then(pl.col("sell") - 1e-6).otherwise(pl.col("sell")).alias("sell")
    older = data.par_yields.head(1).with_columns(pl.lit(DAY - timedelta(days=1)).alias("date"))
    hashes = {ladder_plan.hash}
    for changed in (
        replace(data, fedinvest=data.fedinvest.with_columns(tick)),
        replace(data, par_yields=pl.concat([older, data.par_yields])),
        replace(data, auctions=data.auctions.with_columns(~pl.col("reopening"))),
    ):
        plan = td.plan(Ladder(rungs=5), td.view(DAY, data=changed), book)
        assert plan.legs == ladder_plan.legs
        hashes.add(plan.hash)
    assert len(hashes) == 4


def test_a_config_value_changes_the_hash(sample, book, ladder_plan):
    """Even one that changes no order."""
    same = td.plan(Ladder(rungs=5, longest_years=10.0, cash_weight=1e-12), sample, book)
    assert same.legs == ladder_plan.legs
    assert same.hash != ladder_plan.hash


def test_a_byte_of_the_strategy_changes_the_hash(tmp_path, sample, book, ladder_plan):
    source = (ROOT / "strategies" / "tbill_strategies" / "ladder.py").read_bytes()
    path = tmp_path / "ladder.py"
    path.write_bytes(source)
    same = td.plan(td.find(f"{path}:Ladder")(rungs=5), sample, book)
    assert same.hash == ladder_plan.hash, "where the file lies is of no account"
    path.write_bytes(source + b"\n")
    other = td.plan(td.find(f"{path}:Ladder")(rungs=5), sample, book)
    assert other.legs == ladder_plan.legs
    assert other.hash != ladder_plan.hash


def test_what_does_not_change_the_hash(plan, sample):
    """Figures and cost prices are for people; order of holdings is nobody's."""
    book = plan.holdings
    reordered = td.Holdings(
        "desk", dict(reversed(list(book.positions.items()))), book.cash_units, {}, {sample.cusips[0]: Decimal(99)}
    )
    same = replace(
        plan, holdings=reordered, before=replace(plan.before, nav=0.0), limits=(), repo_source="?", repo_date=DAY
    )
    assert same.hash == plan.hash


SCRIPT = """
import sys, json
from tests.unit.portfolio.support import book_of
from tbill_defi.market import sample_data
from tbill_strategies.ladder import Ladder
from tbill_strategies.duration_target import DurationTarget
import tbill_defi as td
view = td.view("2026-03-24", data=sample_data())
book = book_of(view)
print(json.dumps([td.plan(s, view, book).hash for s in (Ladder(rungs=5), DurationTarget(lot=10_000))]))
"""


def test_same_hash_in_another_process(ladder_plan, band_plan):
    """Another hash seed, another number of threads."""
    environment = {**os.environ, "PYTHONHASHSEED": "4711", "POLARS_MAX_THREADS": "1", "OMP_NUM_THREADS": "1"}
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout) == [ladder_plan.hash, band_plan.hash]


def test_no_address_or_chain_in_it(plan, sample, book):
    """Made again without any ledger in sight, it is the same."""
    strategy = Ladder(rungs=5) if plan.strategy.name == "ladder" else DurationTarget(lot=10_000)
    assert td.plan(strategy, sample, book_of(sample)).hash == plan.hash
    assert not {"chain_id", "nonce", "deadline", "address", "signature"} & set(plan.context)
