"""All benchmarks as a table."""

from __future__ import annotations

import json
import subprocess
import sys

from rich.console import Console
from rich.table import Table

NAMES = ("pricing", "book", "optimiser", "ledger", "backtest")


def main() -> None:
    """Run each benchmark in a process of its own and show what it measured."""
    table = Table("row", "value", "unit", "ratio", "floor", "largest difference", "peer")
    for name in NAMES:
        run = subprocess.run([sys.executable, "-m", f"bench.{name}"], capture_output=True, text=True, check=True)
        for line in run.stdout.splitlines():
            row = json.loads(line)
            cells = [row["value"], row["ratio"], row["floor"], row["max_abs_diff"]]
            value, ratio, floor, difference = ("" if cell is None else f"{cell:,.4g}" for cell in cells)
            peer = f"{row['peer']} {row['peer_version']}" if row["peer"] else ""
            table.add_row(row["name"], value, row["unit"], ratio, floor, difference, peer)
    Console().print(table)


if __name__ == "__main__":
    main()
