"""`tbill books`: from the first index to files, and what is refused."""

import csv
import json
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

import tbill_defi as td
from tbill_defi.ledger.identities import remove_wallet
from tests.unit.cli.support import NOTE, OTHER, refused
from tests.unit.cli.test_schemas import valid
from tests.unit.ledger.index.support import bean_check


@pytest.fixture
def booked(tbill):
    """The desk rebalances, then its books are read."""
    ran = tbill("rebalance", "duration-target", "--lower", 1.5, "--upper", 1.7, "--max-weight", 0.3, "--yes")
    assert ran.code == 0, ran.err
    assert tbill("books", "index").code == 0
    return tbill


def shown(tbill, *words):
    name = f"books-{words[0]}"
    return valid(name, tbill("books", *words, "--json").out)


def test_reading_again_reads_nothing(booked):
    first = shown(booked, "index")
    assert (first["events"], first["entries"], first["without_terms"]) == (0, 0, [])
    again = shown(booked, "index", "--rebuild")
    assert again["height"] == first["height"]
    assert again["entries"] > 5


def test_positions_are_the_wallets(booked):
    wallet = booked("wallet", "desk", "--json").json
    held = {row["asset"]: row["units"] for row in shown(booked, "positions", "desk")["positions"]}
    assert held.pop("USD") == wallet["cash"]
    assert held == {row["cusip"]: row["face"] for row in wallet["positions"]}
    assert NOTE in booked("books", "positions").out


def test_a_party_that_has_no_wallet_any_more_has_books(booked, tmp_path):
    booked("kyc", "add", "fund")
    (tmp_path / "fund.csv").write_text(f"cusip,face,cost_price\n{NOTE},1000,\nUSD,7,\n")
    assert booked("holdings", "import", tmp_path / "fund.csv", "--party", "fund").code == 0
    (wallet,) = booked("wallet", "fund", "--json").json["addresses"]
    with td.open_ledger(home=booked.home) as ledger:
        remove_wallet(ledger, bytes.fromhex(wallet[2:]))
    assert booked("kyc", "add", "dealer", "--wallet", wallet).code == 0
    assert booked("books", "index").code == 0
    assert shown(booked, "positions", "fund")["positions"] == []
    assert booked("books", "export", "fund", "--out", tmp_path / "fund.beancount").code == 0
    text = (tmp_path / "fund.beancount").read_text()
    assert NOTE in text
    assert bean_check(tmp_path / "fund.beancount") == ""
    refused(booked("books", "positions", "nobody"), 2, "know no 'nobody'", "desk", "fund")


def test_a_plans_trades_are_priced_by_its_orders(booked):
    """One net sum on the ledger; each line of the plan at its own price in the books."""
    (tape,) = booked("tape", "--json").json
    assert len(tape["legs"]) > 2
    plan = booked.home / "plans" / f"{tape['plan_hash']}.json"
    orders = {order["cusip"]: order for order in json.loads(plan.read_text())["orders"]}
    assert booked("books", "export", "desk", "--table", "trades", "--out", "trades.csv").code == 0
    with Path("trades.csv").open(newline="") as file:
        trades = {row["asset"]: row for row in csv.DictReader(file) if row["basis"] == "plan"}
    assert trades.keys() == orders.keys()
    for cusip, trade in trades.items():
        assert abs(int(trade["cash"])) == int(orders[cusip]["cash_units"])
        assert abs(int(trade["units"])) == int(orders[cusip]["face_units"])


def test_gains_need_a_cost(booked):
    first = shown(booked, "pnl", "desk")
    assert first["gains"]
    assert {gain["realised"] for gain in first["gains"]} == {None}
    assert "not known" in booked("books", "pnl", "desk").out
    for gain in first["gains"]:
        assert booked("books", "cost", gain["lot"], 3_000_000).code == 0
    known = shown(booked, "pnl", "desk")["gains"]
    for gain in known:
        assert int(gain["realised"]) == int(gain["proceeds"]) - int(gain["cost"])
        assert int(gain["price"]) + int(gain["interest"]) == int(gain["realised"])
    assert shown(booked, "reconcile")["breaks"] == []


def test_lots_journal_and_ladder(booked):
    lots = shown(booked, "lots", "desk")
    assert {lot["basis"] for lot in lots} == {"none", "plan"}
    assert shown(booked, "lots", "desk", OTHER) == [lot for lot in lots if lot["asset"] == OTHER]
    totals = {}
    for row in shown(booked, "journal"):
        key = row["entry"], row["asset"]
        totals[key] = totals.get(key, 0) + int(row["amount"])
    assert totals
    assert not any(totals.values())
    ladder = shown(booked, "ladder", "desk")
    assert [rung["day"] for rung in ladder["ladder"]] == sorted(rung["day"] for rung in ladder["ladder"])
    assert all(row["accrued"] is not None for row in ladder["accrued"])
    for words in (("lots", "desk"), ("journal", "desk"), ("ladder", "desk"), ("pnl", "desk")):
        assert booked("books", *words).code == 0


def test_then(booked):
    height = shown(booked, "positions")["block"]
    before = shown(booked, "positions", "desk", "--at", height - 1)
    assert before["positions"] != shown(booked, "positions", "desk")["positions"]
    assert shown(booked, "positions", "desk", "--at", "2026-03-23")["positions"] == []
    assert "block 9999 is not in them" in booked("books", "positions", "--at", 9999).err
    assert "'soon' is not a date" in booked("books", "positions", "--at", "soon").err


def test_files(booked, tmp_path):
    out = tmp_path / "desk.beancount"
    assert booked("books", "export", "desk", "--out", out).code == 0
    assert bean_check(out) == ""
    for name in ("gains.csv", "lots.parquet"):
        ran = booked("books", "export", "desk", "--table", name.split(".")[0], "--out", tmp_path / name)
        assert ran.code == 0, ran.err
        assert (tmp_path / name).stat().st_size > 50
    assert "ends in none of .csv, .parquet, .beancount" in booked("books", "export", "desk", "--out", "x.txt").err


def test_a_break_is_told(booked):
    ran = booked("books", "reconcile")
    assert ran.code == 0
    assert "figures are those of the contracts; every row is what its events give" in ran.out
    engine = create_engine(f"sqlite:///{booked.home / 'books' / 'books.db'}")
    with engine.begin() as connection:
        connection.execute(text("UPDATE books_positions SET balance = balance + 7 WHERE balance > 0"))
    engine.dispose()
    ran = booked("books", "reconcile", "--quick")
    assert ran.code == 10
    assert "desk, USD: balanceOf is" in ran.out
    assert "difference +7" in ran.out
    assert "breaks at block" in ran.err


def test_what_is_refused(booked):
    for words, said in (
        (("lots", "nobody"), "the books know no 'nobody'; known: "),
        (("lots", "desk", "--method", "lifo"), "'lifo' is not one of fifo, specific"),
        (("identify", 1, "x=1"), "is not such as 12=500000"),
        (("identify", 1, "1=x"), "is not an amount of dollars"),
        (("identify", 99), "the books have none of that number"),
        (("cost", 99, 1), "the books have none of that number"),
        (("cost", 1, "minus"), "is not an amount of dollars"),
        (("positions", "--books", "mysql://x/y"), "mysql is not served"),
        (("pnl", "desk", "--from", "2026-02-30"), "is not a date"),
    ):
        ran = booked("books", *words)
        assert ran.code not in (0, 1), words
        assert said in ran.err, (words, ran.err)


DAMAGED = {
    "a balance that is none": ("UPDATE books_positions SET balance = x'00' WHERE asset_id = 1", "positions"),
    "an account that is none": (
        "UPDATE books_positions SET account_id = 'a' WHERE asset_id = 1 AND account_id = 2",
        "index",
    ),
    "an account that is not there": (
        "UPDATE books_positions SET account_id = -1 WHERE asset_id = 1 AND account_id = 2",
        "index",
    ),
    "an asset that is gone": ("DELETE FROM books_assets WHERE asset_id = 1", "index"),
    "a token that is none": ("UPDATE books_assets SET token = token || 'x'", "reconcile"),
    "a wallet that is none": ("UPDATE books_accounts SET address = '{}' WHERE account_id = 2", "reconcile"),
    "terms of another": (
        "UPDATE books_terms SET terms = (SELECT max(terms) FROM books_terms), terms_hash = (SELECT max(terms_hash) "
        "FROM books_terms)",
        "ladder desk",
    ),
    "terms that are none": ("UPDATE books_terms SET terms = '{}'", "ladder desk"),
}


@pytest.mark.parametrize("what", DAMAGED)
def test_damaged_books_are_named_and_made_anew(booked, what):
    """One line, never figures; and what it says to do mends it."""
    statement, words = DAMAGED[what]
    before = {name: booked("books", *name.split(), "--json").out for name in ("positions", "journal", "ladder desk")}
    with sqlite3.connect(booked.home / "books" / "books.db") as database:
        assert database.execute(statement).rowcount
    database.close()
    refused(booked("books", *words.split()), 7, "is damaged", "`tbill books index --rebuild`")
    assert booked("books", "index", "--rebuild").code == 0
    assert {name: booked("books", *name.split(), "--json").out for name in before} == before
    assert booked("books", "reconcile").code == 0
