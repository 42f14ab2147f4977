"""The store takes a file whole or not at all, and importing again changes nothing."""

import multiprocessing
import os
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from tbill_defi.core.errors import DataError, UsageError
from tbill_defi.market import MarketStore, read_par_yields
from tbill_defi.market.data import KINDS
from tbill_defi.market.sample import _auctions_text, _sheet_text
from tbill_defi.market.store import date_in_name, sniff

DAY = date(2026, 3, 24)
PAR = "Date,1 Mo,10 Yr\n2026-03-23,3.73,4.34\n2026-03-24,3.74,4.39\n"


def folder_bytes(store):
    return {path.name: path.read_bytes() for path in store.folder.glob("*") if path.name != ".lock"}


def test_empty_store(store):
    for kind in KINDS:
        assert store.frame(kind).height == 0
    assert not store.folder.exists()


def test_import_and_again(store, put):
    path = put("par.csv", PAR)
    report = store.import_file(path)
    assert (report.kind, report.rows, report.new, report.changed) == ("par_yields", 2, 2, 0)
    assert (report.first, report.last, report.source) == (date(2026, 3, 23), DAY, "par.csv")
    assert report.describe() == "par.csv: par_yields, 2 rows 2026-03-23 to 2026-03-24, 2 new, 0 changed"
    assert store.frame("par_yields").equals(read_par_yields(path))
    before = folder_bytes(store)
    again = store.import_file(path)
    assert (again.rows, again.new, again.changed, again.removed) == (2, 0, 0, 0)
    assert folder_bytes(store) == before


def test_overlapping_files_merge(store, put):
    store.import_file(put("a.csv", PAR))
    report = store.import_file(put("b.csv", "Date,10 Yr,1 Mo\n03/25/2026,4.4,3.75\n03/24/2026,4.39,3.74\n"))
    assert (report.new, report.changed) == (1, 0)
    assert store.frame("par_yields")["10 Yr"].to_list() == [0.0434, 0.0439, 0.044]


def test_the_new_file_wins_and_is_named(store, put):
    store.import_file(put("a.csv", PAR))
    report = store.import_file(put("b.csv", PAR.replace("4.39", "4.40").replace("3.73", "")))
    assert (report.new, report.changed) == (0, 2)
    assert report.changes == ("2026-03-23, 1 Mo: 0.0373 -> None", "2026-03-24, 10 Yr: 0.0439 -> 0.044")
    assert report.describe().splitlines()[1:] == [f"  {change}" for change in report.changes]
    assert store.frame("par_yields")["10 Yr"].to_list() == [0.0434, 0.044]


def test_a_column_the_file_lacks_says_nothing(store, put):
    store.import_file(put("a.csv", PAR))
    report = store.import_file(put("b.csv", "Date,10 Yr\n2026-03-24,4.39\n"))
    assert report.changed == 0
    assert store.frame("par_yields")["1 Mo"].to_list() == [0.0373, 0.0374]


def test_many_changes_are_counted_and_some_named(store, put):
    rows = [f"2026-01-{day:02d},{{}}" for day in range(1, 32)]
    store.import_file(put("a.csv", "\n".join(["Date,SOFR", *rows]).replace("{}", "3.6")))
    report = store.import_file(put("b.csv", "\n".join(["Date,SOFR", *rows]).replace("{}", "3.7")))
    assert (report.kind, report.changed, len(report.changes)) == ("sofr", 31, 20)


def test_a_sheet_replaces_the_earlier_one_of_its_day(store, put):
    lines = _sheet_text().splitlines()
    store.import_file(put("fedinvest_2026-03-24.csv", "\n".join(lines)))
    store.import_file(put("other.csv", "\n".join(lines[:3])), price_date=date(2026, 3, 25))
    report = store.import_file(put("again.csv", "\n".join(lines[1:])), price_date=DAY)
    assert (report.new, report.changed, report.removed) == (0, 0, 1)
    assert report.changes == ("2026-03-24 912797TE7: no longer on the sheet",)
    assert "1 removed" in report.describe()
    assert store.frame("fedinvest").filter(pl.col("date") == DAY).height == len(lines) - 1
    assert store.frame("fedinvest").height == len(lines) + 2


def test_order_of_imports_does_not_matter(tmp_path, put):
    files = [
        put("p1.csv", PAR),
        put("p2.csv", "Date,2 Yr\n2026-03-20,3.9\n"),
        put("a.csv", _auctions_text()),
        put("fedinvest_2026-03-24.csv", _sheet_text()),
        put("s.csv", "Date,SOFR\n2026-03-24,3.63\n"),
        put("c.csv", "date,refCpi\n2026-03-24,324.5\n"),
    ]
    one, two = MarketStore(tmp_path / "one"), MarketStore(tmp_path / "two")
    for path in files:
        one.import_file(path)
    for path in reversed(files):
        two.import_file(path)
    for kind in KINDS:
        assert one.frame(kind).equals(two.frame(kind))
        assert one.frame(kind).height > 0


@pytest.mark.parametrize("bad", [PAR + "2026-03-25,x,1\n", PAR + "2026-03-24,1,1\n", "<html>", "", PAR[:-3] + "\n,"])
def test_a_bad_file_leaves_the_store_as_it_was(store, put, bad):
    with pytest.raises(DataError):
        store.import_file(put("bad.csv", bad))
    assert not store.folder.exists()
    store.import_file(put("a.csv", PAR))
    before = folder_bytes(store)
    with pytest.raises(DataError):
        store.import_file(put("bad.csv", bad))
    assert folder_bytes(store) == before


@pytest.mark.parametrize("step", ["write_parquet", "fsync", "replace"])
def test_a_crash_leaves_the_old_file(store, put, monkeypatch, step):
    store.import_file(put("a.csv", PAR))
    before = folder_bytes(store)

    def fail(*args, **kwargs):
        raise OSError(28, "No space left on device")

    owner = {"write_parquet": pl.DataFrame, "fsync": os, "replace": Path}[step]
    monkeypatch.setattr(owner, step, fail)
    with pytest.raises(DataError, match=r"sightings.parquet: cannot be written \(No space left on device\)"):
        store.import_file(put("b.csv", PAR.replace("4.39", "4.40")))
    monkeypatch.undo()
    assert folder_bytes(store) == before
    assert store.frame("par_yields")["10 Yr"].to_list() == [0.0434, 0.0439]


def _import_one(home, path):
    MarketStore(home).import_file(path)


def test_imports_at_the_same_time_lose_nothing(store, put):
    paths = [put(f"{n}.csv", f"Date,SOFR\n2026-01-{n:02d},3.{n:02d}\n") for n in range(1, 7)]
    spawn = multiprocessing.get_context("spawn")
    workers = [spawn.Process(target=_import_one, args=(store.folder.parent, path)) for path in paths]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0] * 6
    assert store.frame("sofr").height == 6


def test_damaged_store_file(store, put):
    store.import_file(put("a.csv", PAR))
    path = store.folder / "par_yields.parquet"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(DataError, match=r"par_yields.parquet: is damaged .*; delete it and import"):
        store.load()
    pl.DataFrame({"x": [1]}).write_parquet(path)
    with pytest.raises(DataError, match="has other columns than this version writes"):
        store.load()


def test_home_that_cannot_be_written(put):
    path = put("a.csv", PAR)
    with pytest.raises(DataError, match="cannot be written"):
        MarketStore(path).import_file(path)


def test_kind_and_price_date_arguments(store, put):
    path = put("a.csv", PAR)
    with pytest.raises(UsageError, match="kind: 'bonds' is not one of par_yields, auctions, fedinvest, sofr, r"):
        store.import_file(path, kind="bonds")
    with pytest.raises(UsageError, match=r"price_date: a.csv is a par_yields file"):
        store.import_file(path, price_date=DAY)
    with pytest.raises(DataError, match=r"a.csv line 1: no column"):
        store.import_file(path, kind="sofr")
    with pytest.raises(DataError, match=r"sheet.csv: a FedInvest sheet does not carry its date; give the price date"):
        store.import_file(put("sheet.csv", _sheet_text()))


@pytest.mark.parametrize(
    ("name", "day"),
    [
        ("fedinvest_2026-03-24.csv", DAY),
        ("securityprice-20260324.csv", DAY),
        ("securityPrice_03-24-2026.csv", DAY),
        ("securityprice 2026.03.24 (1).csv", DAY),
        ("securityprice.csv", None),
        ("securityprice_2026-13-24.csv", None),
        ("2026-03-24_to_2026-03-25.csv", None),
        ("912810QK7_120260324.csv", None),
    ],
)
def test_date_in_name(name, day):
    assert date_in_name(name) == day


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (PAR, "par_yields"),
        ('Date,"1.5 Month"\n', "par_yields"),
        (_auctions_text(), "auctions"),
        (_sheet_text(), "fedinvest"),
        ("Effective Date,Rate Type,Rate (%)\n", "sofr"),
        ("DATE,SOFR\n", "sofr"),
    ],
)
def test_sniff(text, kind):
    assert sniff(text, "a.csv") == kind


@pytest.mark.parametrize("text", ["cusip,face,cost_price\n", "Date,Index\n", "hello\n", "a,b,c,d,e,f,g,h\n"])
def test_sniff_refuses(text):
    with pytest.raises(DataError, match=r"a.csv line 1: .* is the first line of no known file"):
        sniff(text, "a.csv")
