"""FRN auctions of the real data whose 13-week history is on record: price from the high discount margin."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from tbill_defi.conventions import YieldConvention
from tbill_defi.conventions.frn_index import FrnIndex
from tbill_defi.core.errors import DataError
from tbill_defi.instruments import Frn
from tbill_defi.market import read_auctions
from tbill_defi.pricing import discount_margin_from_price, price_from_discount_margin
from tbill_defi.pricing.book import Book

PATH = Path(__file__).resolve().parents[4] / "shared" / "data" / "auctions.csv"

CHECKED = {
    ("912828Z45", date(2020, 1, 31)),
    ("912828ZK9", date(2020, 4, 30)),
    ("91282CAA9", date(2020, 7, 31)),
    ("91282CAS0", date(2020, 11, 2)),
    ("91282CBK6", date(2021, 2, 1)),
    ("91282CBY6", date(2021, 4, 30)),
    ("91282CCQ2", date(2021, 8, 2)),
    ("91282CDE8", date(2021, 11, 1)),
    ("91282CDE8", date(2021, 12, 31)),
    ("91282CDU2", date(2022, 1, 31)),
    ("91282CEL1", date(2022, 5, 2)),
    ("91282CFD8", date(2022, 8, 1)),
    ("91282CQM6", date(2026, 4, 30)),
    ("91282CQM6", date(2026, 5, 29)),
    ("91282CQM6", date(2026, 6, 26)),
}
"""CUSIP and issue date; the other 38 have an auction missing where their interest or their index needs it."""


@pytest.mark.realdata
def test_every_auction_with_its_index_on_record() -> None:
    if not PATH.exists():
        pytest.skip(f"{PATH} is not here")
    frame = read_auctions(PATH)
    index = FrnIndex.of_auctions(frame.iter_rows(named=True))
    rows = frame.filter(pl.col("type") == "FRN").to_dicts()
    assert len(rows) == 53
    checked, without = set(), 0
    for row in rows:
        frn = Frn(
            cusip=row["cusip"],
            spread=row["spread"],
            dated_date=row["datedDate"],
            maturity_date=row["maturityDate"],
            issue_date=row["originalIssueDate"] or row["issueDate"],
        )
        where = {"settlement": row["issueDate"], "index": index}
        try:
            price = price_from_discount_margin(frn, row["highDiscountMargin"], **where)
        except DataError:
            without += 1
            continue
        assert price == pytest.approx(row["pricePer100"], abs=2e-6), row["cusip"]
        assert discount_margin_from_price(frn, price, **where) == pytest.approx(row["highDiscountMargin"], abs=1e-13)
        book = Book([frn], frn_index=index)
        found = book.analytics(clean_prices=[price], settlement=row["issueDate"], convention=YieldConvention.STREET)
        assert found.discount_margin == pytest.approx([row["highDiscountMargin"]], abs=1e-13)
        checked.add((row["cusip"], row["issueDate"]))
    assert checked == CHECKED
    assert without == 38
