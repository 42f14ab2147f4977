"""The folder that holds a desk's market files, ledger, keys and plans."""

from __future__ import annotations

import os
from pathlib import Path

VARIABLE = "TBILL_HOME"
DEFAULT = ".tbill"


def home_path(home: str | Path | None = None) -> Path:
    """`home` if given, else the folder named by TBILL_HOME, else `.tbill` in the working folder."""
    return Path(home or os.environ.get(VARIABLE) or DEFAULT)
