"""The digest chain is what its recipe says, record by record."""

from datetime import date

from tbill_defi.core.hashing import canonical_json, keccak256
from tbill_defi.market import sample_data
from tbill_defi.market.data import KINDS, record_of


def test_heads_are_the_hashes_of_the_records_one_by_one():
    for name, dataset in sample_data().datasets.items():
        head, day = bytes(32), None
        for row in dataset.rows:
            head, day = keccak256(head + canonical_json(record_of(row))), row[KINDS[name].day]
        assert day is None or dataset.digest(day).head == head, name


def test_a_record_has_no_empty_cells_and_no_number_beyond_doubles():
    assert record_of({"a": None, "b": date(2026, 3, 24), "c": 2**53, "d": True, "e": 0.5}) == {
        "b": "2026-03-24",
        "c": str(2**53),
        "d": True,
        "e": 0.5,
    }
