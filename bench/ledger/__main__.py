"""All rows: `python -m bench.ledger`, or some groups: `python -m bench.ledger dvp gas`."""

from __future__ import annotations

import sys

from bench.ledger import dvp, gas, index
from bench.rows import emit

GROUPS = {"dvp": dvp.rows, "gas": gas.rows, "index": index.rows}


def main() -> None:
    """Rows of the groups that are named, or of all."""
    names = sys.argv[1:] or list(GROUPS)
    if unknown := sorted(set(names) - set(GROUPS)):
        raise SystemExit(f"{unknown[0]}: no group; there are {', '.join(GROUPS)}")
    for name in names:
        emit(GROUPS[name]())


if __name__ == "__main__":
    main()
