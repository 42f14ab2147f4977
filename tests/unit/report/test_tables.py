"""Sheets say what plan, wallet and tape say, at every width."""

import io
import re

import pytest
from rich.console import Console

import tbill_defi as td
from tbill_defi.core.decision import Decision
from tbill_defi.core.money import units
from tbill_defi.ledger.books import TapeEntry, TapeLeg, Wallet
from tbill_defi.market.sample import SAMPLE_DATE, sample_data
from tbill_defi.portfolio.dealing import DealingLimits
from tbill_defi.report import tables
from tbill_defi.report.layout import Screen

BOOK = {"91282CNY3": units("3000000"), "91282CPP0": units("4000000")}
WIDTHS = [60, 80, 100, 120, 160, 200]


@pytest.fixture(scope="module")
def view():
    return td.view(SAMPLE_DATE, data=sample_data())


@pytest.fixture(scope="module")
def plan(view):
    book = td.Holdings("desk", BOOK, units("200000"))
    return td.plan(td.find("duration-target")(max_weight=0.2), view, book)


def printed(what, width):
    out = io.StringIO()
    Console(file=out, width=width, highlight=False).print(what)
    said = out.getvalue()
    assert all(len(line) <= width for line in said.splitlines())
    return said


@pytest.mark.parametrize("width", WIDTHS)
def test_orders_are_whole_at_every_width(plan, width):
    """Side, CUSIP, face, dirty price and cash of each order, no digit lost, no cell broken."""
    said = printed(tables.orders(plan), width)
    lines = [line.split() for line in said.splitlines()]
    for order in plan.orders:
        (line,) = (line for line in lines if order.cusip in line)
        assert line[0] == order.side
        assert f"{order.face_units // 10**6:,}" in line
        assert str(order.dirty_price) in line
        assert f"{(order.cash_units + 5_000) // 10_000 / 100:,.2f}" in line
    assert ("not shown" in said) == (width < 160 + 30)
    assert ("…" in said) is False


def test_wide_orders_say_why_and_from_when(plan):
    said = printed(tables.orders(plan), 200)
    for order in plan.orders:
        assert order.reason in said
    assert said.count("observed") == len(plan.orders)


@pytest.mark.parametrize("width", WIDTHS)
def test_effect(plan, width):
    said = printed(tables.effect(plan), width)
    assert re.search(rf"modified duration +{plan.before.duration:.3f} y +{plan.after.duration:.3f} y", said)
    assert len(tables.effect_rows(plan)) == 9


def test_limits_that_bind_and_all(plan):
    binding, every = tables.limits(plan), tables.limits(plan, binding_only=False)
    assert 0 < len(binding.rows) < len(every.rows) == len(plan.limits)
    assert "duration" in printed(binding, 80)


def test_a_limit_that_cuts_given_weights_binds(view):
    """The ladder's weights are given, so nothing is earned by relaxing; its orders are cut all the same."""
    dealing = DealingLimits(trade=units("1000000"))
    plan = td.plan(td.find("ladder")(rungs=4), view, td.Holdings("desk", BOOK, units("200000")), dealing=dealing)
    said = printed(tables.limits(plan), 100)
    assert re.search(r"\nledger trade limit +1\.000 \$m .* reached\n", said)


def test_lines_of_text_are_left_whole():
    out = io.StringIO()
    screen = Screen(file=out, width=60, highlight=False)
    screen.print("instruction 0x" + "ab" * 32 + " and more words after it")
    assert out.getvalue().count("\n") == 1


def test_cost_line(plan):
    assert tables.cost_line(plan).startswith(f"cost ${plan.cost_units / 1e6:,.2f} = ")


@pytest.mark.parametrize("width", WIDTHS)
def test_wallet(view, width):
    wallet = Wallet("desk", ("0x" + "ab" * 20,), cash=units("0.75"), positions=dict(BOOK))
    for priced in (view, None):
        said = printed(tables.wallet(wallet, priced), width)
        assert "3,000,000.00" in said
        assert re.search(r"USD +0\.75", said)
    assert tables.blocked(wallet) == []


def test_blocked():
    wallet = Wallet("desk", ("0x",), positions=dict(BOOK), frozen={"91282CNY3": 10**6}, blocked={"91282CNY3": 10**6})
    assert tables.blocked(wallet) == ["91282CNY3: frozen $1.00, on hold $0.00"]


@pytest.mark.parametrize("width", WIDTHS)
def test_tape(width):
    leg = TapeLeg("91282CNY3", "desk", "alice", 137_250_001)
    entry = TapeEntry(7, 1_774_378_800, "0x" + "11" * 32, "", "0x" + "00" * 32, (leg,))
    said = printed(tables.tape([entry]), width)
    assert re.search(r"91282CNY3 +desk +alice +137\.250001", said)


def test_refusals():
    decision = Decision(False, 5, "frozen", "1 of X from a to b is 1 over: the rest is frozen", 10**6, 0, "X", "a")
    said = printed(tables.refusals([decision]), 120)
    assert re.search(r"X +1\.00 +frozen +5 +a +0\.00 +the rest is frozen", said)


def test_curve(view):
    said = printed(tables.curve(view), 60)
    assert re.search(r"10 Yr +4\.39%", said)
    assert len(tables.curve(view).rows) == len(view.curve)
