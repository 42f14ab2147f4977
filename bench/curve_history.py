"""Every day's curve since 1990 in one pass against QuantLib's bootstrap, a day at a time, in the same process."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import polars as pl
import QuantLib as ql  # noqa: N813 - its own alias

from bench.rows import Row, in_turn
from tbill_defi.pricing.bootstrap import _helper, tenor_months
from tbill_defi.pricing.curve_history import CurveHistory

PAR_YIELDS = Path(__file__).resolve().parents[2] / "shared" / "data" / "par_yields.csv"
SAMPLE = 40
"""QuantLib bootstraps every so-manieth day; its time is scaled by the days left out."""
COUNT = ql.Actual365Fixed()
METHODS = {
    "monotone_convex": lambda start, helpers: ql.PiecewiseConvexMonotoneForward(
        start, helpers, COUNT, ql.IterativeBootstrap(1e-14), ql.ConvexMonotone(0.3, 0.7, False)
    ),
    "log_linear": lambda start, helpers: ql.PiecewiseLogLinearDiscount(
        start, helpers, COUNT, ql.IterativeBootstrap(1e-14)
    ),
}


_Solved = tuple[np.ndarray, float, float]


def _quantlib(day: date, history: CurveHistory, place: int, method: str) -> _Solved:
    """Zero rates of a day by QuantLib; seconds to make its objects and to solve."""
    rates = history.par_yields[place]
    nodes = [(tenor_months(t), r) for t, r in zip(history.tenors, rates.tolist(), strict=True) if r == r]
    begin = perf_counter()
    start = ql.Date(day.day, day.month, day.year)
    ql.Settings.instance().evaluationDate = start
    helpers = [_helper(ql, day, months, rate) for months, rate in nodes]
    made = perf_counter()
    curve: Any = METHODS[method](start, helpers)
    curve.enableExtrapolation()
    offsets = history.offsets[history.starts[place] + 1 : history.starts[place + 1] - 1]
    zeros = np.array([curve.zeroRate(offset / 365.0, ql.Continuous).rate() for offset in offsets.tolist()])
    return zeros, made - begin, perf_counter() - made


def rows() -> list[Row]:
    """Rows `curve.history`, one an interpolation; none where the published yields are not at hand."""
    if not PAR_YIELDS.exists():
        return []
    frame = pl.read_csv(PAR_YIELDS, try_parse_dates=True).rename({"Date": "date"})
    frame = frame.with_columns(pl.exclude("date").cast(pl.Float64) / 100.0)
    found = []
    for method in METHODS:
        history = CurveHistory.of(frame, method)
        zeros = history.zero_rates()
        places = range(0, len(history), SAMPLE)

        def peers(history: CurveHistory = history, method: str = method, places: range = places) -> list[_Solved]:
            return [_quantlib(history.dates[place].astype(date), history, place, method) for place in places]

        took, peer_took = in_turn(lambda method=method: CurveHistory.of(frame, method).zero_rates(), peers, each=2)
        worst = objects = solving = 0.0
        for place, (theirs, made, solved) in zip(places, peers(), strict=True):
            mine = zeros[place][np.isfinite(history.par_yields[place])]
            worst = max(worst, float(np.abs(mine - theirs).max()))
            objects, solving = objects + made, solving + solved
        peer = (
            f"QuantLib {method}, every {SAMPLE}th day; {objects / (objects + solving):.0%} of its time makes objects "
            "from Python"
        )
        ratio = peer_took * len(history) / len(places) / took
        found.append(Row("curve.history", len(history) / took, "curves/s", ratio, 50, worst, peer, ql.__version__))
    return found
