"""A sheet drops columns by rank, never digits."""

import io

import pytest
from rich.console import Console
from rich.text import Text

from tbill_defi.report.layout import LONGEST_TEXT, Column, Sheet, text


def printed(sheet, width):
    out = io.StringIO()
    Console(file=out, width=width, highlight=False).print(sheet)
    return out.getvalue()


def sheet():
    made = Sheet("A title that is longer than the table", Column("key", left=True), Column("b", rank=2), "c")
    made.columns.append(Column("d", rank=1))
    made.add("k", "2" * 10, "3" * 10, "4" * 10)
    return made


def test_all_of_it_where_there_is_room():
    said = printed(sheet(), 80)
    assert said.splitlines()[0] == "A title that is longer than the table"
    assert said.splitlines()[1].split() == ["key", "b", "c", "d"]
    assert "not shown" not in said


@pytest.mark.parametrize(
    ("width", "shown"), [(39, "kbcd"), (38, "kcd"), (27, "kcd"), (26, "kc"), (15, "kc"), (14, "kc"), (6, "kc")]
)
def test_the_highest_rank_goes_first(width, shown):
    said = printed(sheet(), width)
    digits = {"b": "2", "c": "3", "d": "4"}
    table = said.split("not")[0]
    for name, digit in digits.items():
        assert table.count(digit) == (10 if name in shown else 0), said
    dropped = [name for name in "bcd" if name not in shown]
    assert ("not shown" in " ".join(said.split())) == bool(dropped)
    if width > 20 and dropped:
        assert f"not shown at this width: {', '.join(dropped)}" in " ".join(said.split())
    assert all(len(line) <= width for line in said.splitlines())


def test_a_column_of_some_goes_where_nobody_has_it():
    made = Sheet("", Column("name", left=True), Column("margin", of_some=True), Column("always"))
    made.add("a", "", "")
    assert printed(made, 80).split() == ["name", "always", "a"]
    made.add("b", "7", "")
    assert printed(made, 80).splitlines()[0].split() == ["name", "margin", "always"]


def test_numbers_right_and_text_left():
    made = Sheet("", Column("name", left=True), "value")
    made.add("a", "1")
    made.add("longer", "1,000")
    assert printed(made, 80).splitlines() == ["name    value", "a           1", "longer  1,000"]


def test_cells_are_text_and_no_markup():
    made = Sheet("[red]title[/]", Column("[b]", left=True))
    made.add("[/bold] [red]x :smile:")
    made.add(Text("styled", style="red"))
    said = printed(made, 80)
    for words in ("[red]title[/]", "[b]", "[/bold] [red]x :smile:", "styled"):
        assert words in said


def test_a_row_has_a_cell_for_each_column():
    with pytest.raises(ValueError, match="1 cells for 2 columns"):
        Sheet("", "a", "b").add("1")


def test_free_text_is_one_short_line():
    assert text(" two\nlines\tof  it ") == "two lines of it"
    assert text("x" * LONGEST_TEXT) == "x" * LONGEST_TEXT
    assert text("x" * (LONGEST_TEXT + 1)) == "x" * (LONGEST_TEXT - 1) + "…"
