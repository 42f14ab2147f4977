"""`tbill market simulate`: curves that were never published, fitted to those that were."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tbill_defi.cli.common import Home, Json, console, hint, parse_date, print_json
from tbill_defi.core.errors import UsageError
from tbill_defi.core.files import write_durably


def simulate(
    start: Annotated[str, typer.Option("--from", help="Day of the curve to go on from; nothing later is used.")],
    model: Annotated[
        str, typer.Option(help="dns (Nelson-Siegel), g2 (two-factor Gaussian) or bootstrap (of daily changes).")
    ] = "dns",
    days: Annotated[int, typer.Option(help="Trading days.")] = 2_520,
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 1,
    years: Annotated[float, typer.Option(help="Years of curves that the model is fitted to.")] = 10.0,
    data: Annotated[
        Path | None, typer.Option(help="Folder of market CSV files to read.", show_default="what the home imported")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="New folder.", show_default="HOME/simulated/MODEL-SEED-DATE")] = None,
    home: Home = None,
    json_: Json = False,
) -> None:
    """Write simulated par yields, fitted to published ones.

    par_yields.csv is in the Treasury's layout, with a last column that says what it is; simulation.json says how it was
    made. `tbill backtest STRATEGY --data FOLDER` runs over it, and whatever is shown of it is marked simulated. A home
    holds either published or simulated curves, never both.
    """
    from tbill_defi.core.home import home_path
    from tbill_defi.market.folder import read_folder
    from tbill_defi.market.simulation import simulate as run
    from tbill_defi.market.store import MarketStore

    day, place = parse_date(start, "from"), home_path(home)
    frame = MarketStore(place).frame("par_yields") if data is None else read_folder(data, ("par_yields",)).par_yields
    folder = out or place / "simulated" / f"{model}-{seed}-{day}"
    made = run(frame, model=model, days=days, seed=seed, start=day, years=years)
    files = {folder / name: text for name, text in made.files().items()}
    for path, text in files.items():
        if path.exists() and not (path.is_file() and path.read_text() == text):
            raise UsageError(f"market simulate: {path} is there already and is another; name another folder with --out")
    folder.mkdir(parents=True, exist_ok=True)
    for path, text in files.items():
        write_durably(path, text.encode())
    if json_:
        print_json({**made.to_json(), "files": {path.name: str(path) for path in files}})
        return
    from tbill_defi.report import market_tables

    out_ = console()
    out_.print(market_tables.simulated(made))
    for path in files:
        out_.print(str(path), soft_wrap=True)
    hint(f"tbill backtest ladder --from {made.days[0]} --to {made.days[-1]} --data {folder}")
