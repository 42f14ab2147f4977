import json
import sys

import pytest

from tbill_defi.core.json_text import parse_json


@pytest.fixture
def raised_limit():
    """As libraries that interpret deep programs set it."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(200_000)
    yield 200_000
    sys.setrecursionlimit(before)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, "[" * 50_000 + "]" * 50_000])
def test_deep_nesting_is_refused_and_ends_no_process(raised_limit, text):
    with pytest.raises(ValueError, match="nested too deeply"):
        parse_json(text)
    assert sys.getrecursionlimit() == raised_limit


def test_json_is_read_as_the_library_reads_it():
    text = '{"a": [1, 2.5, "x", null], "b": {"c": true}}'
    assert parse_json(text) == json.loads(text)
    assert parse_json("1.5", parse_float=str) == "1.5"
    with pytest.raises(json.JSONDecodeError):
        parse_json("{")


@pytest.mark.parametrize("text", ["NaN", "[Infinity]", '{"a": -Infinity}', "1e999", '{"a": [-1e400]}'])
def test_no_number_of_json_is_without_end(text):
    with pytest.raises(ValueError, match="is no number of JSON"):
        parse_json(text)
