"""The digests, against their definition spelled out with hashlib alone."""

from hashlib import sha256

import pytest

from tbill_defi.chain.digests import (
    digest_column,
    digest_columns,
    digest_fields,
    digest_value,
    encode_value,
    hash_digests,
    receipts_hash,
    split_digests,
)
from tbill_defi.chain.executor import Outcome
from tbill_defi.chain.types import Log


@pytest.mark.parametrize(
    ("value", "encoded"),
    [
        (0, b"i0"),
        (-5, b"i-5"),
        (2**70, b"i1180591620717411303424"),
        ("", b"s"),
        ("é", b"s\xc3\xa9"),
        (b"", b"b"),
        (b"\0", b"b\0"),
    ],
)
def test_encoding(value, encoded):
    assert encode_value(value) == encoded
    assert digest_value(value) == sha256(encoded).digest()


def test_types_do_not_collide():
    assert len({digest_value(value) for value in (1, "1", b"1", b"i1", "i1")}) == 5


def test_column_is_length_prefixed():
    by_hand = sha256((3).to_bytes(8, "big") + b"sab" + (2).to_bytes(8, "big") + b"i7").digest()
    assert digest_column(["ab", 7]) == by_hand
    assert digest_column(["a", "b"]) != digest_column(["ab", ""])
    assert digest_column([]) == sha256(b"").digest()


def test_columns_of_rows_and_of_none():
    rows = [(1, "a"), (2, "b")]
    assert split_digests(digest_columns(rows, 2)) == [digest_column([1, 2]), digest_column(["a", "b"])]
    assert split_digests(digest_columns([], 3)) == [sha256(b"").digest()] * 3


def test_row_hash_has_a_domain():
    digests = digest_fields([1, b"x"])
    assert digests == digest_value(1) + digest_value(b"x")
    assert hash_digests("kind", digests) == sha256(b"kind\n" + digests).digest()


LOG = Log(b"\x01" * 20, (b"\x02" * 32,), b"data")
OUTCOME = Outcome(True, (LOG,), b"out", 21_000)


def test_receipts_hash_sees_everything_but_gas():
    base = receipts_hash([OUTCOME])
    assert receipts_hash([Outcome(True, (LOG,), b"out", 99)]) == base
    others = [
        [],
        [OUTCOME, OUTCOME],
        [Outcome(False, (LOG,), b"out", 0)],
        [Outcome(True, (), b"out", 0)],
        [Outcome(True, (LOG, LOG), b"out", 0)],
        [Outcome(True, (LOG,), b"ou", 0)],
        [Outcome(True, (Log(b"\x02" * 20, LOG.topics, LOG.data),), b"out", 0)],
        [Outcome(True, (Log(LOG.address, (), LOG.topics[0] + LOG.data),), b"out", 0)],
        [Outcome(True, (Log(LOG.address, LOG.topics * 2, LOG.data),), b"out", 0)],
        [Outcome(True, (Log(LOG.address, LOG.topics, b"dat"),), b"out", 0)],
    ]
    assert len({base, *map(receipts_hash, others)}) == len(others) + 1


@pytest.mark.parametrize(
    "column",
    [
        [], [0, -5, 2**63 - 1, 7], [b"", b"x", b"y" * 300, b"z" * 70_000], ["", "é", "\ud800", "j" * 5_000],
        [1, "1", b"1"], [True, False], (b"in", b"a", b"tuple"),
    ],
    ids=["none", "integers", "bytes", "texts", "mixed", "truths", "a tuple"],
)  # fmt: skip
def test_a_column_is_its_values_each_behind_its_length(column):
    encoded = [encode_value(value) for value in column]
    expected = sha256(b"".join(len(each).to_bytes(8, "big") + each for each in encoded)).digest()
    assert digest_column(column) == digest_column(iter(column)) == expected
