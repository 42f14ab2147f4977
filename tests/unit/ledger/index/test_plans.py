"""What the securities of a plan cost: its orders say it, where they are known and come to what was paid."""

import pytest
from sqlalchemy import select

from tbill_defi.ledger.index import schema
from tbill_defi.ledger.index.reconcile import replayed
from tbill_defi.ledger.index.writer import BooksWriter
from tbill_defi.ledger.settlement import PlanLeg
from tests.unit.ledger.index.support import Desk
from tests.unit.ledger.support import DOLLAR, NOTE, OTHER, Bench, stocked_ledger

BOUGHT, SOLD, PAID = 1_000 * DOLLAR, 400 * DOLLAR, 600 * DOLLAR
LEGS = (
    PlanLeg(NOTE.cusip, "fund", "desk", BOUGHT),
    PlanLeg(OTHER.cusip, "desk", "fund", SOLD),
    PlanLeg("USD", "desk", "fund", PAID),
)


def settled(prices):
    """(security, units, cash, basis) of the desk's trades, and its flows, once the plan has settled."""
    with stocked_ledger() as ledger:
        desk, bench = Desk(ledger), Bench(ledger)
        desk.writer = BooksWriter(desk.store, ledger, prices)
        desk.update()
        assert bench.settle(bench.sign(bench.planned(LEGS, b"\7" * 32))).status
        desk.update()
        assert replayed(desk.view, ledger, prices) == []
        entries, found = schema.entries, []
        for table in (schema.trades, schema.flows):
            joined = select(table, entries.c.kind).join(entries, entries.c.entry == table.c.entry)
            found.append(
                [row for row in desk.store.rows(joined.where(table.c.party == "desk")) if row["kind"] == "settlement"]
            )
        trades, flows = found
        return (
            sorted((row["asset"], row["units"], row["cash"], row["basis"]) for row in trades),
            [(row["account"], row["cash"]) for row in flows],
        )


def test_a_plan_s_orders_price_each_security():
    orders = {NOTE.cusip: 990 * DOLLAR, OTHER.cusip: 390 * DOLLAR}
    trades = [(NOTE.cusip, BOUGHT, -990 * DOLLAR, "plan"), (OTHER.cusip, -SOLD, 390 * DOLLAR, "plan")]
    assert settled(lambda _: orders) == (trades, [])


@pytest.mark.parametrize(
    "orders",
    [None, {NOTE.cusip: PAID}, {NOTE.cusip: 990 * DOLLAR, OTHER.cusip: 391 * DOLLAR}],
    ids=["an unknown plan", "one of the two securities", "another sum than was paid"],
)
def test_without_orders_that_come_to_what_was_paid_nothing_is_priced(orders):
    """One sum for two securities: no cost is made up for either, and the cash is booked as not allocated."""
    trades = [(NOTE.cusip, BOUGHT, 0, "unallocated"), (OTHER.cusip, -SOLD, 0, "unallocated")]
    assert settled(lambda _: orders) == (trades, [("unallocated", -PAID)])
