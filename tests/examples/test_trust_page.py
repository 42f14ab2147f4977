"""The page on who can do what: every row names the tests that show it, and each of them is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CLAIMS, SHOWN = (ROOT / "docs" / "trust.md").read_text().split("## What shows it")
ROWS = [line.split("|")[1].strip() for line in CLAIMS.splitlines() if line.startswith("| ")][1:]
ENTRIES = {
    re.sub(r"\*\*", "", who): re.findall(r"`([^`]+)`", named)
    for who, named in re.findall(r"^- ([^:]+): (.+?)(?=^- |\Z)", SHOWN, re.MULTILINE | re.DOTALL)
}


def test_every_row_names_its_tests():
    def plain(row):
        return row.removesuffix(", k of n").removesuffix(" (a party)").removesuffix(" (sequencer)")

    rows = [plain(row) for row in ROWS]
    assert len(rows) == len(set(rows)) >= 18
    assert rows == list(ENTRIES)[: len(rows)]
    assert all(ENTRIES.values())


@pytest.mark.parametrize("named", sorted({name for names in ENTRIES.values() for name in names}))
def test_each_is_there(named):
    path, name = named.split("::")
    keyword = "function" if path.endswith(".t.sol") else "def"
    assert re.search(rf"\b{keyword} {name}\(", (ROOT / path).read_text()), named
