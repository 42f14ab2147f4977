"""Fields of documents of others: read by kind, or named with what they were."""

import pytest

from tbill_defi.core.errors import DataError
from tbill_defi.core.fields import Document, as_address, as_bytes, as_object, as_text, as_uint, as_word

DEED = Document("deed", "deed sign")


@pytest.mark.parametrize(
    ("read", "value", "found"),
    [
        (as_object, {"a": 1}, {"a": 1}),
        (as_text, "", ""),
        (as_uint, 0, 0),
        (as_uint, "0", 0),
        (as_uint, str(2**256 - 1), 2**256 - 1),
        (as_bytes, "0x", b""),
        (as_bytes, "0xAb", b"\xab"),
        (as_address, "0x" + "11" * 20, b"\x11" * 20),
        (as_word, "0x" + "11" * 32, b"\x11" * 32),
    ],
)
def test_what_is_of_its_kind_is_read(read, value, found):
    assert DEED.field({"part": value}, "part", read) == found


@pytest.mark.parametrize(
    ("read", "value"),
    [
        (as_object, []),
        (as_object, None),
        (as_text, 1),
        (as_uint, -1),
        (as_uint, True),
        (as_uint, 1.0),
        (as_uint, 2**256),
        (as_uint, "-1"),
        (as_uint, "1_0"),
        (as_uint, "\u0661"),
        (as_uint, "9" * 5_000),
        (as_bytes, "12"),
        (as_bytes, "0x1"),
        (as_bytes, "0xzz"),
        (as_bytes, 12),
        (as_address, "0x" + "11" * 21),
        (as_word, "0x" + "11" * 31),
    ],
)
def test_another_kind_is_named(read, value):
    with pytest.raises(DataError) as error:
        DEED.field({"part": value}, "part", read)
    assert str(error.value).startswith(f"deed: part: {value!r:.60} is not what `deed sign` writes")


@pytest.mark.parametrize("value", [{}, [], None, "part", {"other": 1}])
def test_what_is_missing_is_named(value):
    with pytest.raises(DataError, match="deed: part is missing; give a file of `deed sign`"):
        DEED.field(value, "part", as_text)
