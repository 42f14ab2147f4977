"""What `tbill submit` reads from its standard input."""

import io
import sys

import pytest

from tbill_defi.cli import serve


@pytest.mark.parametrize(
    ("data", "says"),
    [(b"\xff\xfe", "transaction 1"), (b"0x02f8\n0xzz", "transaction 2"), (b"0" * 64, "64 bytes or more")],
    ids=["no text", "no hex", "without an end"],
)
def test_what_is_no_list_of_transactions_is_one_line(tbill, monkeypatch, data, says):
    monkeypatch.setattr(serve, "MOST_BYTES", 64)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data), encoding="utf-8"))
    ran = tbill("submit", "--wait", "0")
    assert ran.code == 3
    assert "stdin" in ran.err
    assert says in ran.err
    assert len(ran.err.splitlines()) <= 2
