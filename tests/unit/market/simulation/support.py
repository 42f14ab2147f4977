"""A known world: factors of known persistence and shocks, as if the Treasury had published its curves."""

from datetime import date, timedelta

import numpy as np
import polars as pl

from tbill_defi.conventions.calendars import TRADING
from tbill_defi.market.par_yields import TENORS, parse_par_yields
from tbill_defi.market.simulation import Chance, NelsonSiegel, Sample
from tbill_defi.market.simulation.shapes import years_of

NAMES = ("1 Mo", "3 Mo", "6 Mo", "1 Yr", "2 Yr", "3 Yr", "5 Yr", "7 Yr", "10 Yr", "20 Yr", "30 Yr")
YEARS = years_of(NAMES)
START, LAST = date(2016, 8, 22), date(2026, 8, 21)
WORLD = NelsonSiegel(
    YEARS,
    start=np.array([0.050, -0.012, -0.010]),
    mean=np.array([0.045, -0.015, -0.008]),
    transition=np.array([[0.995, 0.001, 0.0], [0.0, 0.990, 0.002], [0.0, 0.003, 0.980]]),
    shocks=np.array([[2.6, -1.8, -0.4], [-1.8, 3.2, 0.3], [-0.4, 0.3, 9.0]]) * 1e-7,
    rest_start=np.zeros(11),
    rest_mean=np.linspace(-3e-4, 3e-4, 11),
    rest_transition=np.linspace(0.90, 0.98, 11),
    rest_shocks=np.diag(np.linspace(4.0, 1.0, 11) * 1e-9),
)


def trading_days(first=START, last=LAST):
    return tuple(TRADING.good_days(first, last))


def world_sample(seed=3, days=None):
    """Curves of the known world; consecutive numbers stand for days where more are wanted than ten years have."""
    dates = trading_days() if days is None else tuple(date(1970, 1, 1) + timedelta(days=n) for n in range(days))
    return Sample(NAMES, dates, WORLD.paths(len(dates), Chance(seed))[0])


def world_csv(seed=3):
    """The same as a file of published par yields, with a tenor that came late."""
    sample = world_sample(seed)
    lines = [",".join(("Date", *NAMES, "4 Mo"))]
    for number, (day, row) in enumerate(zip(sample.days, sample.yields * 100, strict=True)):
        late = f"{row[1]:.4f}" if number > 1500 else ""
        lines.append(",".join((day.isoformat(), *(f"{value:.4f}" for value in row), late)))
    return "\n".join(lines) + "\n"


def world_frame(seed=3):
    return parse_par_yields(world_csv(seed), "par_yields.csv")


def shifted_after(frame, day):
    """The frame with every yield after `day` changed."""
    later = pl.when(pl.col("date") > day).then(0.01).otherwise(0.0)
    return frame.with_columns(*(pl.col(tenor) + later for tenor in TENORS))


def agrees(found, expected, error, sigmas=5.0):
    """Whether every figure is within so many standard errors; which is not, and by how much, if not."""
    off = np.abs(np.asarray(found) - expected) / error
    assert off.max() < sigmas, f"{off.max():.2f} standard errors at {np.unravel_index(off.argmax(), off.shape)}"
    return True
