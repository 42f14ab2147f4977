"""Sheets: tables that leave out their least important columns, never digits, where a screen is narrow."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from rich.console import Console, ConsoleOptions
from rich.table import Table
from rich.text import Text

UNBOUNDED = 10_000
"""Columns of a screen on which everything fits."""
LONGEST_TEXT = 60
"""Characters of a text cell."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a sheet.

    Attributes
    ----------
    name
        Header.
    left
        Aligned left: text. Numbers are aligned right.
    rank
        0: always shown. Otherwise the column with the highest rank is the first to go.
    of_some
        Left out, unnamed, where no row has anything in it.
    """

    name: str
    left: bool = False
    rank: int = 0
    of_some: bool = False


def text(words: str) -> str:
    """Free text for a cell: one line of at most `LONGEST_TEXT` characters."""
    line = " ".join(words.split())
    return line if len(line) <= LONGEST_TEXT else line[: LONGEST_TEXT - 1] + "…"


class Screen(Console):
    """A console that leaves lines of text whole: the terminal breaks them, and who copies a hash gets all of it."""

    def print(self, *objects: Any, **options: Any) -> None:
        """As rich prints, but strings unbroken."""
        if all(isinstance(one, str) for one in objects):
            options.setdefault("soft_wrap", True)
        super().print(*objects, **options)


class Sheet:
    """A titled table for `Console.print`: as many columns as the screen has room for.

    Cells are plain strings (no markup) or rich `Text`. What is left out is named below the table; a screen too
    narrow for the columns that always show folds their cells.
    """

    def __init__(self, title: str, *columns: Column | str) -> None:
        self.title = title
        self.columns = [Column(c) if isinstance(c, str) else c for c in columns]
        self.rows: list[tuple[Text, ...]] = []

    def add(self, *cells: str | Text) -> None:
        """One row: a cell for each column."""
        if len(cells) != len(self.columns):
            raise ValueError(f"{len(cells)} cells for {len(self.columns)} columns")
        self.rows.append(tuple(Text(cell) if isinstance(cell, str) else cell for cell in cells))

    def _table(self, shown: list[int]) -> Table:
        table = Table(header_style="bold", box=None, pad_edge=False)
        for i in shown:
            column = self.columns[i]
            table.add_column(
                Text(column.name), justify="left" if column.left else "right", no_wrap=False, overflow="fold"
            )
        for row in self.rows:
            table.add_row(*(row[i] for i in shown))
        return table

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text | Table]:
        empty = {i for i, column in enumerate(self.columns) if column.of_some and not any(row[i] for row in self.rows)}
        shown = [i for i in range(len(self.columns)) if i not in empty]
        unbounded = options.update(width=UNBOUNDED, max_width=UNBOUNDED)
        dropped: list[int] = []
        while console.measure(self._table(shown), options=unbounded).maximum > options.max_width:
            least = max(shown, key=lambda i: self.columns[i].rank)
            if self.columns[least].rank == 0:
                break
            shown.remove(least)
            dropped.append(least)
        if self.title:
            yield Text(self.title, style="bold")
        yield self._table(shown)
        if dropped:
            names = ", ".join(self.columns[i].name for i in sorted(dropped))
            yield Text(f"not shown at this width: {names}", style="dim")
