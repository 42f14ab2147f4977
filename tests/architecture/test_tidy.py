"""House rules that no linter knows."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "tbill_defi"
MODULES = sorted([*PACKAGE.rglob("*.py"), *(ROOT / "strategies").rglob("*.py")])
INTEGER_FLOORS = ("chain", "ledger")


def identify(path):
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", MODULES, ids=identify)
def test_module_is_short_and_documented(path):
    text = path.read_text()
    assert text.count("\n") <= 400, "a module has at most 400 lines"
    tree = ast.parse(text)
    assert ast.get_docstring(tree), "a module says what it is for"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            assert length <= 70, f"{node.name} has {length} lines; a function has at most 70"


@pytest.mark.parametrize("path", [p for p in MODULES if p != PACKAGE / "core" / "clock.py"], ids=identify)
def test_wall_clock_is_read_in_one_place(path):
    text = path.read_text()
    assert not re.search(r"\btime\.time\(|datetime\.now\(|date\.today\(|utcnow\(", text), "inject a Clock"


@pytest.mark.parametrize("path", [p for f in INTEGER_FLOORS for p in sorted((PACKAGE / f).rglob("*.py"))], ids=identify)
def test_no_float_near_money(path):
    for node in ast.walk(ast.parse(path.read_text())):
        assert not (isinstance(node, ast.Constant) and isinstance(node.value, float)), (
            f"float literal, line {node.lineno}"
        )
        assert not (isinstance(node, ast.Name) and node.id == "float"), f"float, line {node.lineno}"
        assert not (isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div) and not _is_path(node)), (
            f"true division, line {node.lineno}"
        )


def _is_path(node):
    """A path is joined with a slash: one of its parts is text or named for a path."""
    return any(
        (isinstance(part, ast.Constant) and isinstance(part.value, str))
        or isinstance(part, ast.JoinedStr)
        or re.search(r"path|home|dir|folder|root|keys", ast.unparse(part), re.IGNORECASE)
        for part in (node.left, node.right)
    )


def test_every_package_has_design_notes():
    packages = [p.parent for p in PACKAGE.glob("*/__init__.py")]
    assert [p.name for p in packages if not (p / "README.md").exists()] == []


def test_every_shipped_word_is_about_the_product():
    """No unfinished marks in what ships."""
    marks = re.compile(r"\b(TODO|FIXME|XXX|NotImplementedError)\b")
    assert [identify(p) for p in MODULES if marks.search(p.read_text())] == []


WRITERS = {"core/drafts.py", "core/files.py", "core/archive.py", "market/store.py"}
"""The first opens drafts, the second writes files, the third archives, the fourth's lock is a file too."""


@pytest.mark.parametrize("path", [p for p in MODULES if p.is_relative_to(PACKAGE)], ids=identify)
def test_files_are_written_whole_in_one_place(path):
    if path.relative_to(PACKAGE).as_posix() in WRITERS:
        return
    found = re.findall(
        r"\.write_text\(|\.write_bytes\(|open\([^)\n]*[\"'][wax]b?\+?[\"']|NamedTemporaryFile|O_CREAT", path.read_text()
    )
    assert not found, "write_output, write_durably and write_new of core.files leave nothing half written"
