"""Every test can fail: it asserts, expects an error, or calls a helper whose name says that it asserts."""

import ast
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
FILES = sorted(TESTS.rglob("*.py"))
EXPECTS = ("raises", "warns", "fail")
REFUSALS = ("refused", "unchanged")
"""Helpers that assert a refusal, and that nothing has changed by it."""


def calls(node):
    """Last part of the name of everything that a function calls."""
    for found in ast.walk(node):
        if isinstance(found, ast.Call):
            yield found.func.attr if isinstance(found.func, ast.Attribute) else getattr(found.func, "id", "")


def asserts(node):
    return any(isinstance(found, ast.Assert) for found in ast.walk(node)) or any(
        name in (*EXPECTS, *REFUSALS) or name.startswith("assert_") for name in calls(node)
    )


def functions(path):
    return [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef)]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(TESTS)))
def test_every_test_and_every_helper_that_says_so_asserts(path):
    named = [f for f in functions(path) if f.name.startswith(("test_", "assert_")) or f.name in REFUSALS]
    assert [f"{f.name}, line {f.lineno}" for f in named if not asserts(f)] == []


def test_what_asserts_nothing_is_seen():
    nothing = "def test_a():\n    value = compute()\n    check(value)\n"
    assert not asserts(ast.parse(nothing))
    assert asserts(ast.parse(nothing + "    assert value\n"))
    assert asserts(ast.parse(nothing + "    with pytest.raises(ValueError):\n        compute(1)\n"))
    assert asserts(ast.parse(nothing + "    assert_whole(value)\n"))
