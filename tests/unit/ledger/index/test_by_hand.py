"""One party's half-year, every figure computed by hand.

The note pays 4.125%: 0.020625 of face a half-year, 15 February to 15 August 2026, 181 days. Accrued interest is
face x 0.020625 x days / 181: 37 days to 24 March, 59 to 15 April, 94 to 20 May.
"""

from datetime import date

import pytest

from tbill_defi.core.errors import DataError, UsageError
from tbill_defi.ledger import life
from tbill_defi.ledger.index import relot
from tbill_defi.ledger.index.beancount import beancount_file
from tbill_defi.ledger.index.export import TABLES, export, table_rows
from tbill_defi.ledger.index.reconcile import reconcile, replayed
from tbill_defi.ledger.index.writer import keep_terms
from tests.unit.ledger.index.support import Desk, bean_check
from tests.unit.ledger.support import DOLLAR, NOTE, OTHER, Bench, make_ledger

CUSIP = NOTE.cusip
MARCH, APRIL, MAY = date(2026, 3, 24), date(2026, 4, 15), date(2026, 5, 20)
COUPON_DAY, PAID = date(2026, 8, 15), date(2026, 8, 17)


@pytest.fixture(scope="module")
def desk():
    """Two purchases, a sale of more than the first, a coupon; settled one by one."""
    with make_ledger() as ledger:
        for party in ("desk", "dealer", "fund"):
            ledger.set_claim(party, 2**40)
        ledger.deposit("dealer", {NOTE: 10_000_000 * DOLLAR, OTHER: DOLLAR}, 10_000_000 * DOLLAR)
        ledger.deposit("desk", {}, 5_000_000 * DOLLAR)
        bench, made = Bench(ledger), Desk(ledger)

        def deal(seller, buyer, face, cash):
            legs = (
                bench.leg(bench.note, seller, buyer, face * DOLLAR),
                bench.leg(bench.usd, buyer, seller, cash * DOLLAR),
            )
            assert bench.settle(bench.sign(bench.instruction(legs))).status

        deal("dealer", "desk", 1_000_000, 1_003_000)
        made.go_to(APRIL)
        deal("dealer", "desk", 500_000, 498_000)
        made.go_to(MAY)
        deal("desk", "dealer", 1_200_000, 1_215_000)
        made.update()
        made.go_to(PAID)
        life.pay_coupon(ledger, NOTE, COUPON_DAY, payment_date=PAID)
        made.update()
        assert keep_terms(made.store, [NOTE, OTHER]) == 2
        yield made


def figures(gain):
    return gain.units, gain.cost, gain.proceeds, gain.realised, gain.price, gain.interest


def test_first_in_first_out(desk):
    """The first lot whole and 200,000 of the second: proceeds 1,215,000 x 10/12 and x 2/12."""
    first, second = desk.income.gains("desk")
    assert (first.opened, first.closed, second.opened) == (MARCH, MAY, APRIL)
    # accrued 10,711.325967 sold, 4,216.160221 bought
    assert figures(first) == (10**12, 1_003_000_000_000, 1_012_500_000_000, 9_500_000_000, 3_004_834_254, 6_495_165_746)
    # accrued 2,142.265193 sold, 1,344.613260 bought
    assert figures(second) == (2 * 10**11, 199_200_000_000, 202_500_000_000, 3_300_000_000, 2_502_348_067, 797_651_933)


def test_what_is_left(desk):
    (lot,) = desk.view.lots("desk")
    assert (lot.units, lot.cost, lot.remaining, lot.remaining_cost) == (
        500_000 * DOLLAR,
        498_000 * DOLLAR,
        300_000 * DOLLAR,
        298_800 * DOLLAR,
    )
    first, second = desk.view.lots("desk", at=APRIL)
    assert (first.remaining, second.remaining) == (1_000_000 * DOLLAR, 500_000 * DOLLAR)
    assert [lot.remaining for lot in desk.view.lots("desk", at=MARCH)] == [1_000_000 * DOLLAR]


def test_positions_then_and_now(desk):
    def held(at):
        return {row.asset: (row.units, row.pledged) for row in desk.view.positions("desk", at)}

    assert held(date(2026, 3, 23)) == {}
    assert held(MARCH) == {CUSIP: (10**12, 0), "USD": (3_997_000 * DOLLAR, 0)}
    assert held(MAY) == {CUSIP: (300_000 * DOLLAR, 0), "USD": (4_714_000 * DOLLAR, 0)}
    assert held(None)["USD"] == (4_714_000 * DOLLAR + 6_187_500_000, 0)


def test_interest_accrued(desk):
    """300,000 x 0.020625 x 94 / 181 = 3,213.397790 on 20 May; on the coupon date it starts again."""
    (row,) = desk.income.accruals("desk", MAY)
    assert (row.units, row.accrued) == (300_000 * DOLLAR, 3_213_397_790)
    (row,) = desk.income.accruals("desk", COUPON_DAY)
    assert row.accrued == 0


def test_cash_by_reason(desk):
    assert desk.income.cash_by_account("desk") == {"coupon": 6_187_500_000, "deposit": 5_000_000 * DOLLAR}
    assert desk.income.cash_by_account("desk", first=date(2026, 8, 1)) == {"coupon": 6_187_500_000}
    assert desk.income.cash_by_account("desk", last=MAY) == {"deposit": 5_000_000 * DOLLAR}


def test_cash_ahead(desk):
    """On 20 May: the coupon of Saturday 15 August is paid on Monday; the last is in February 2036, with the face."""
    rungs = desk.income.ladder("desk", MAY)
    assert (rungs[0].day, rungs[0].kind, rungs[0].cash) == (PAID, "coupon", 6_187_500_000)
    assert len(rungs) == 21
    assert (rungs[-1].kind, rungs[-1].cash, rungs[-1].day) == ("redemption", 300_000 * DOLLAR, date(2036, 2, 15))
    assert next(rung.day for rung in desk.income.ladder("desk")) == date(2027, 2, 16)  # the 15th is a holiday


def test_the_journal_balances(desk):
    rows = desk.view.journal()
    totals = {}
    for row in rows:
        totals[row.entry, row.asset] = totals.get((row.entry, row.asset), 0) + row.amount
    assert not any(totals.values())
    mine = [(row.kind, row.asset, row.amount, row.balance) for row in desk.view.journal("desk") if row.party == "desk"]
    assert mine[1:3] == [
        ("settlement", CUSIP, 10**12, 10**12),
        ("settlement", "USD", -1_003_000 * DOLLAR, 3_997_000 * DOLLAR),
    ]
    assert mine[-1][:3] == ("coupon", "USD", 6_187_500_000)


def test_it_is_what_the_contracts_say(desk):
    count, breaks = reconcile(desk.view, desk.ledger)
    assert count > 10
    assert breaks == []
    assert replayed(desk.view, desk.ledger) == []


def test_lots_as_identified(desk):
    """All of the second lot and 700,000 of the first: 8,250 and 6,650 instead of 9,500 and 3,300."""
    first, second = (lot.lot for lot in desk.view.lots("desk", at=APRIL))
    (sale,) = [row["trade"] for row in table_rows(desk.view, "trades", "desk")[1] if row["units"] < 0]
    relot.identify(desk.store, sale, {second: 500_000 * DOLLAR})
    try:
        gains = desk.income.gains("desk", method="specific")
        assert [(gain.lot, gain.units, gain.realised) for gain in gains] == [
            (second, 500_000 * DOLLAR, 8_250 * DOLLAR),
            (first, 700_000 * DOLLAR, 6_650 * DOLLAR),
        ]
        assert sum(gain.price + gain.interest for gain in gains) == 14_900 * DOLLAR
        (left,) = desk.view.lots("desk", method="specific")
        assert (left.lot, left.remaining, left.remaining_cost) == (first, 300_000 * DOLLAR, 300_900 * DOLLAR)
        assert [gain.realised for gain in desk.income.gains("desk")] == [9_500 * DOLLAR, 3_300 * DOLLAR]
        assert replayed(desk.view, desk.ledger) == []
        desk.writer.rebuild()
        assert [gain.lot for gain in desk.income.gains("desk", method="specific")] == [second, first]
    finally:
        relot.identify(desk.store, sale, {})
    assert desk.income.gains("desk", method="specific") == desk.income.gains("desk")


def test_lots_that_cannot_be_identified(desk):
    first, second = (lot.lot for lot in desk.view.lots("desk", at=APRIL))
    trades = {row["units"]: row["trade"] for row in table_rows(desk.view, "trades", "desk")[1]}
    sale = trades[-1_200_000 * DOLLAR]
    for lots, said in (
        ({second: 500_001 * DOLLAR}, "it has 500000000000 at that moment"),
        ({first: 10**12, second: 300_000 * DOLLAR}, "1300000000000 units identified for a disposal of 1200000000000"),
        ({99: 1}, "it has 0"),
    ):
        with pytest.raises(DataError, match=said):
            relot.identify(desk.store, sale, lots)
    with pytest.raises(DataError, match="lots are identified for what was sold"):
        relot.identify(desk.store, trades[10**12], {first: 1})
    with pytest.raises(DataError, match="the books have none"):
        relot.identify(desk.store, 999, {first: 1})
    assert len(desk.income.gains("desk")) == 2


def test_a_cost_that_is_declared(desk):
    """The dealer's first units came without a price: what he sold of them realises nothing until he says what."""
    assert [gain.realised for gain in desk.income.gains("dealer")] == [None, None]
    (lot, *_) = desk.view.lots("dealer", CUSIP)
    relot.declare(desk.store, lot.lot, -9_900_000 * DOLLAR, "bought before the ledger was")
    first, second = desk.income.gains("dealer")
    assert (first.basis, first.realised) == ("declared", 1_003_000 * DOLLAR - 990_000 * DOLLAR)
    assert second.realised == 498_000 * DOLLAR - 495_000 * DOLLAR
    assert replayed(desk.view, desk.ledger) == []
    paid = next(row["trade"] for row in table_rows(desk.view, "trades", "desk")[1])
    with pytest.raises(DataError, match="its cash is on the ledger"):
        relot.declare(desk.store, paid, -1, "?")
    with pytest.raises(UsageError, match="what is bought costs"):
        relot.declare(desk.store, lot.lot, 1, "?")


def test_beancount_finds_nothing_wrong(desk, tmp_path):
    for party in ("desk", "dealer", "treasury"):
        path = tmp_path / f"{party}.beancount"
        assert export(desk.view, path, "journal", party) > 10
        assert bean_check(path) == ""
    text = (tmp_path / "desk.beancount").read_text()
    assert '{{1003000.000000 USD, 2026-03-24, "' in text
    assert "Income:PriceGains" in text
    assert "-5507.182321 USD" in text  # 3,004.834254 + 2,502.348067
    assert "-7292.817679 USD" in text  # 6,495.165746 + 797.651933


def test_beancount_finds_what_is_wrong(desk, tmp_path):
    """So its silence says something: a cent off, a balance off, a lot that was never bought."""
    text = beancount_file(desk.view, "desk")
    for old, new in (
        ("-5507.182321 USD", "-5507.192321 USD"),
        ("1003000.000000 USD, 2026", "1003000.010000 USD, 2026"),
        ("4720187.500000 USD", "4720187.500100 USD"),
    ):
        assert old in text
        path = tmp_path / "wrong.beancount"
        path.write_text(text.replace(old, new))
        assert bean_check(path) != ""


def test_files_have_what_the_books_have(desk, tmp_path):
    import polars as pl

    for table in TABLES:
        columns, rows = table_rows(desk.view, table, "desk")
        for ending in ("csv", "parquet"):
            path = tmp_path / f"{table}.{ending}"
            assert export(desk.view, path, table, "desk") == len(rows)
        read = pl.read_parquet(tmp_path / f"{table}.parquet")
        assert read.columns == [name for name, _ in columns]
        assert read.to_dicts() == rows
        lines = (tmp_path / f"{table}.csv").read_text().splitlines()
        assert lines[0].split(",") == read.columns
        assert len(lines) == len(rows) + 1
        again = (tmp_path / f"{table}.parquet").read_bytes()
        export(desk.view, tmp_path / f"{table}.parquet", table, "desk")
        assert (tmp_path / f"{table}.parquet").read_bytes() == again
    with pytest.raises(UsageError, match=r"ends in none of \.csv"):
        export(desk.view, tmp_path / "books.xls", "lots", "desk")
    with pytest.raises(UsageError, match="is not one of positions"):
        table_rows(desk.view, "stock", "desk")
    with pytest.raises(UsageError, match="known: "):
        beancount_file(desk.view, "nobody")
