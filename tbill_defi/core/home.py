"""The folder that holds a desk's market files, ledger, keys and plans."""

from __future__ import annotations

from pathlib import Path


def home_path(home: str | Path | None = None) -> Path:
    """`home` if given, else that of the settings: TBILL_HOME, a settings file, or `.tbill` in the working folder."""
    if home:
        return Path(home)
    from tbill_defi.core.settings import configuration

    return configuration().settings.home
