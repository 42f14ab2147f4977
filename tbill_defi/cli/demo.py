"""`tbill demo`: the whole line offline, on one real day."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tbill_defi.cli.common import console, hint


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("demo")(demo)


def demo(
    keep: Annotated[
        Path | None, typer.Option(help="Leave the demo's home in this new folder.", show_default="a temporary one")
    ] = None,
) -> None:
    """Rebalance a real $25m book offline, from plan to audit.

    On real Treasury prices of one day: two plans, one atomic settlement, three refusals, fractions for investors. On
    the curves of the weeks after it: repo and a margin call, a covered call over a coupon, a rogue plan stopped by a
    mandate, a backtest certified on the contracts. Then an audit that finds a flipped byte. Nothing is left behind,
    unless --keep names a folder.
    """
    import tempfile

    from tbill_defi.cli.demo_acts import Demo
    from tbill_defi.core.errors import UsageError

    if keep is not None:
        if keep.exists():
            raise UsageError(f"keep: {keep} is there already; name a new folder")
        Demo(keep).run()
        console().print(f"left in {keep}: the ledger and its keys, and in copy/ the ledger with the flipped byte")
        hint(f"tbill tape --home {keep}, tbill audit verify --home {keep}")
        return
    with tempfile.TemporaryDirectory(prefix="tbill-demo-") as folder:
        Demo(Path(folder)).run()
