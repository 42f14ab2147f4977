"""`tbill curve`: the curve of a day, or the zero rates of many."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tbill_defi.cli import curve_screens
from tbill_defi.cli.common import Day, Home, Json, chosen_date, console, parse_date, print_json
from tbill_defi.core.errors import UsageError

if TYPE_CHECKING:
    import polars as pl

    from tbill_defi.pricing.curve import Curve

METHODS = ("monotone_convex", "log_linear")
MOST_DAYS = 500
"""Of a history that are shown; more would be finer than a screen."""
POINTS = 600
"""Of a line on the page of a day's curve."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("curve")(curve)


def curve(
    day: Day = None,
    interpolation: Annotated[str, typer.Option(help="monotone_convex or log_linear.")] = METHODS[0],
    history: Annotated[bool, typer.Option("--history", help="Zero rates of many days.")] = False,
    start: Annotated[str | None, typer.Option("--from", help="First day of --history.", show_default="all")] = None,
    end: Annotated[str | None, typer.Option("--to", help="Last day of --history.", show_default="all")] = None,
    html: Annotated[Path | None, typer.Option(help="Write an HTML plot here; it needs no network.")] = None,
    home: Home = None,
    json_: Json = False,
) -> None:
    """Show a day's curve: zero rates, forwards, discount factors.

    With --history the zero rates of many days; --html draws them as heat map and surface. Of more than 500 days every
    second, third, ... is taken, the last among them. Curves that were simulated say so.
    """
    if interpolation not in METHODS:
        raise UsageError(f"interpolation: {interpolation!r} is not {' or '.join(METHODS)}")
    for name, given in (("from", start), ("to", end)):
        if given is not None and not history:
            raise UsageError(f"{name}: is for --history; a single day is named by --date")
    if history and day is not None:
        raise UsageError("date: --history takes --from and --to in its place")
    if html is not None:
        from tbill_defi.report.page import require_page

        require_page()
    if history:
        first, last = parse_date(start, "from") if start else None, parse_date(end, "to") if end else None
        _history(_published(home), interpolation, first, last, html, json_)
    else:
        chosen = chosen_date(home, day)
        _day(_published(home), interpolation, chosen, html, json_)


def _published(home: Path | None) -> pl.DataFrame:
    """The home's par yields."""
    from tbill_defi.core.home import home_path
    from tbill_defi.market.store import MarketStore

    return MarketStore(home_path(home)).frame("par_yields")


def _day(frame: pl.DataFrame, interpolation: str, day: date, html: Path | None, json_: bool) -> None:
    from tbill_defi.market.data import MarketData
    from tbill_defi.market.snapshot import par_yields_on
    from tbill_defi.pricing.curve_history import CurveHistory

    data = MarketData(par_yields=frame)
    par = par_yields_on(data, day)
    made = CurveHistory.bootstrap([day], list(par), [list(par.values())], interpolation).curve(day)
    value: dict[str, Any] = {
        "date": day.isoformat(),
        "interpolation": interpolation,
        "simulation": data.simulation,
        "tenors": rows(made, par),
    }
    if html is not None:
        import numpy as np

        from tbill_defi.report.curve_page import write_curve

        last = (date.fromisoformat(value["tenors"][-1]["maturity_date"]) - day).days
        write_curve(value, sampled(made, np.unique(np.geomspace(7.0, last, POINTS).astype(np.int64)).tolist()), html)
    if json_:
        print_json(value)
        return
    curve_screens.show_day(value)
    offsets = curve_screens.columns([(date.fromisoformat(row["maturity_date"]) - day).days for row in value["tenors"]])
    for line in curve_screens.plot(sampled(made, offsets), [row["tenor"] for row in value["tenors"]]):
        console().print(line)
    if html is not None:
        console().print(f"curve in {html}", soft_wrap=True)


def rows(curve: Curve, par_yields: Any) -> list[dict[str, Any]]:
    """A row a tenor: rates are decimal; zero and forward rates continuous, Act/365; of the last there is no forward."""
    from tbill_defi.pricing.bootstrap import node_date, tenor_months

    ends = [node_date(curve.curve_date, tenor_months(tenor)) for tenor in par_yields]
    return [
        {
            "tenor": tenor,
            "maturity_date": end.isoformat(),
            "years": (end - curve.curve_date).days / 365.0,
            "par_yield": par_yields[tenor],
            "zero_rate": curve.zero_rate(end),
            "forward_rate": curve.forward_rate(end, after) if after else None,
            "discount_factor": curve.discount(end),
        }
        for tenor, end, after in zip(par_yields, ends, [*ends[1:], None], strict=True)
    ]


def sampled(curve: Curve, offsets: list[int]) -> dict[str, list[float]]:
    """Zero rates at days after the curve date, and forward rates from each to the next; the last forward twice."""
    import numpy as np

    after = np.array(offsets, dtype=np.int64)
    logs = -np.log(curve.discount_factors(np.datetime64(curve.curve_date, "D") + after.astype("timedelta64[D]")))
    forwards = np.diff(logs) / np.diff(after) * 365.0
    return {
        "years": (after / 365.0).tolist(),
        "zero": (logs / after * 365.0).tolist(),
        "forward": [*forwards.tolist(), float(forwards[-1])],
    }


def _history(
    frame: pl.DataFrame, interpolation: str, start: date | None, end: date | None, html: Path | None, json_: bool
) -> None:
    value = history_of(frame, interpolation, start, end)
    if html is not None:
        from tbill_defi.report.curve_page import write_history

        write_history(value, html)
    if json_:
        print_json(value)
        return
    curve_screens.show_history(value)
    if html is not None:
        console().print(f"heat map and surface in {html}", soft_wrap=True)


def history_of(frame: pl.DataFrame, interpolation: str, start: date | None, end: date | None) -> dict[str, Any]:
    """Zero rates of the days in a range at the tenors that were published in it.

    Null outside a day's own tenors; between them, a tenor that it lacks is read from its curve.

    Raises
    ------
    UsageError
        If no day of the range has a curve.
    """
    import numpy as np
    import polars as pl

    from tbill_defi.market.data import MarketData
    from tbill_defi.pricing.curve_history import NOT_TENORS, CurveHistory

    tenors = [name for name in frame.columns if name not in NOT_TENORS]
    known = frame.filter(pl.sum_horizontal(pl.col(tenors).is_not_null()) >= 2).sort("date")
    if known.is_empty():
        raise UsageError("history: no par yields are imported; import par_yields.csv first")
    have = f"there are curves of {known['date'][0]} to {known['date'][-1]}"
    if start is not None and end is not None and start > end:
        raise UsageError(f"from: {start} is after --to {end}")
    if start is not None:
        known = known.filter(pl.col("date") >= start)
        if known.is_empty():
            raise UsageError(f"from: no day from {start} on has a curve; {have}")
    if end is not None:
        known = known.filter(pl.col("date") <= end)
        if known.is_empty():
            raise UsageError(f"to: no day of the range to {end} has a curve; {have}")
    step = -(-len(known) // MOST_DAYS)
    chosen = known[(len(known) - 1) % step :: step]
    chosen = chosen.drop(name for name in tenors if chosen[name].null_count() == len(chosen))
    found = CurveHistory.of(chosen, interpolation)
    zero = found.zero_rates()
    inside = np.logical_or.accumulate(~np.isnan(found.par_yields), axis=1)
    rates = [
        [rate if shown else None for rate, shown in zip(*row, strict=True)]
        for row in zip(zero.tolist(), (inside & ~np.isnan(zero)).tolist(), strict=True)
    ]
    days = [day.isoformat() for day in chosen["date"].to_list()]
    return {
        "from": known["date"][0].isoformat(),
        "to": known["date"][-1].isoformat(),
        "interpolation": interpolation,
        "simulation": MarketData(par_yields=frame).simulation,
        "curves": len(known),
        "tenors": list(found.tenors),
        "days": [{"date": day, "zero_rates": row} for day, row in zip(days, rates, strict=True)],
    }
