import math
import struct

import pytest
import rfc8785
from Crypto.Hash import keccak
from hypothesis import given, settings
from hypothesis import strategies as st

from tbill_defi.core.errors import ConventionError
from tbill_defi.core.hashing import canonical_json, json_hash, keccak256

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
    max_leaves=20,
)


@settings(derandomize=True, max_examples=500)
@given(JSON)
def test_canonical_json_equals_the_reference_library(value):
    assert canonical_json(value) == rfc8785.dumps(value)


@settings(derandomize=True, max_examples=2000)
@given(st.binary(min_size=8, max_size=8))
def test_every_double_is_written_as_the_reference_writes_it(raw):
    number = struct.unpack("<d", raw)[0]
    if math.isfinite(number):
        assert canonical_json(number) == rfc8785.dumps(number)


@pytest.mark.parametrize("value", [math.nan, math.inf, 2**53, -(2**53), b"bytes", {"a": {1, 2}}])
def test_what_has_no_canonical_form_is_refused(value):
    with pytest.raises(ConventionError):
        canonical_json(value)


def test_keccak_of_nothing():
    # Ethereum yellow paper: KECCAK-256 of the empty string
    assert keccak256(b"").hex() == "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"


def test_order_of_keys_does_not_matter():
    assert json_hash({"b": 1, "a": [2.5, "x"]}) == json_hash({"a": [2.5, "x"], "b": 1})


@settings(derandomize=True, max_examples=500)
@given(st.binary(max_size=600))
def test_keccak_256_equals_another_librarys(data):
    assert keccak256(data) == keccak.new(digest_bits=256, data=data).digest()
