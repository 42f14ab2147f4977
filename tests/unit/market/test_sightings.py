"""First seen, revised, and what a crash in between leaves."""

from datetime import date

import polars as pl
import pytest

from tbill_defi.core.errors import DataError
from tbill_defi.market.merging import Change
from tbill_defi.market.sightings import Revision, Sightings
from tbill_defi.market.store import MarketStore

MONDAY, TUESDAY, FRIDAY = 1_774_300_000, 1_774_390_000, 1_774_650_000
PAR = "Date,1 Mo,10 Yr\n2026-03-23,3.73,4.34\n2026-03-24,3.74,4.39\n"


def test_a_revised_value_keeps_both_dates(store, put):
    store.import_file(put("a.csv", PAR), seen_at=MONDAY)
    store.import_file(put("b.csv", PAR.replace("4.39", "4.40")), seen_at=TUESDAY)
    store.import_file(put("c.csv", PAR.replace("4.39", "4.41")), seen_at=FRIDAY)
    first = Revision("par_yields", "2026-03-24", "10 Yr", "0.0439", MONDAY, "0.044", TUESDAY, "b.csv")
    second = Revision("par_yields", "2026-03-24", "10 Yr", "0.044", TUESDAY, "0.0441", FRIDAY, "c.csv")
    assert list(store.sightings().revisions()) == [first, second]
    assert list(store.sightings().revisions("sofr")) == []


def test_an_import_without_a_clock_says_so(store, put):
    store.import_file(put("a.csv", PAR))
    store.import_file(put("b.csv", PAR.replace("4.39", "4.40")), seen_at=TUESDAY)
    (found,) = store.sightings().revisions()
    assert (found.first_seen, found.revised_at) == (None, TUESDAY)


def test_a_filled_cell_is_no_revision(store, put):
    store.import_file(put("a.csv", "Date,10 Yr\n2026-03-24,4.39\n"), seen_at=MONDAY)
    store.import_file(put("b.csv", PAR), seen_at=TUESDAY)
    assert list(store.sightings().revisions()) == []
    (fill,) = store.sightings().revisions(fills=True)
    assert (fill.column, fill.old, fill.new, fill.revised_at) == ("1 Mo", None, "0.0374", TUESDAY)


def test_a_row_gone_from_a_sheet(store, put):
    from tbill_defi.market.sample import _sheet_text

    lines = _sheet_text().splitlines()
    store.import_file(put("fedinvest_2026-03-24.csv", "\n".join(lines)), seen_at=MONDAY)
    store.import_file(put("again.csv", "\n".join(lines[1:])), price_date=date(2026, 3, 24), seen_at=TUESDAY)
    (found,) = store.sightings().revisions()
    assert (found.key, found.column, found.new, found.first_seen) == ("2026-03-24 912797TE7", "", None, MONDAY)


def test_what_a_crash_left_is_not_repeated(store, put, monkeypatch):
    store.import_file(put("a.csv", PAR), seen_at=MONDAY)
    changed = put("b.csv", PAR.replace("4.39", "4.40"))
    real = MarketStore._replace

    def killed(self, path, frame):
        if path.name == "par_yields.parquet":
            raise KeyboardInterrupt
        real(self, path, frame)

    monkeypatch.setattr(MarketStore, "_replace", killed)
    with pytest.raises(KeyboardInterrupt):
        store.import_file(changed, seen_at=TUESDAY)
    assert store.frame("par_yields")["10 Yr"].to_list() == [0.0434, 0.0439]
    monkeypatch.setattr(MarketStore, "_replace", real)
    store.import_file(changed, seen_at=FRIDAY)
    assert store.frame("par_yields")["10 Yr"].to_list() == [0.0434, 0.044]
    (found,) = store.sightings().revisions()
    assert (found.first_seen, found.revised_at) == (MONDAY, TUESDAY)


def test_there_and_back_again():
    seen = Sightings().with_("sofr", ["2026-03-24"], [], seen_at=1, source="a")
    for at, old, new in [(2, 0.03, 0.04), (3, 0.04, 0.03), (4, 0.03, 0.04)]:
        seen = seen.with_("sofr", [], [Change("2026-03-24", "rate", old, new)], seen_at=at, source="b")
    assert [(r.first_seen, r.old, r.revised_at) for r in seen.revisions()] == [
        (1, "0.03", 2),
        (2, "0.04", 3),
        (3, "0.03", 4),
    ]


def test_a_damaged_file_is_named(store, put):
    path = put("a.csv", PAR)
    store.import_file(path)
    (store.folder / "sightings.parquet").write_bytes(b"PAR1 and nothing")
    with pytest.raises(DataError, match=r"sightings.parquet: is damaged .*; delete it; first-seen dates are lost"):
        store.import_file(put("b.csv", PAR.replace("4.39", "4.40")))
    assert store.frame("par_yields")["10 Yr"].to_list() == [0.0434, 0.0439]
    pl.DataFrame({"x": [1]}).write_parquet(store.folder / "sightings.parquet")
    with pytest.raises(DataError, match="has other columns than this version writes"):
        store.sightings()
