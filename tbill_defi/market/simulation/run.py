"""From published curves to simulated ones: fitted, drawn, checked, and written in the Treasury's layout."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Protocol

import numpy as np
import polars as pl

from tbill_defi.conventions.calendars import TRADING
from tbill_defi.core.errors import DataError, UsageError
from tbill_defi.core.hashing import keccak256
from tbill_defi.market.par_yields import MARK, parse_par_yields
from tbill_defi.market.simulation.bootstrap import Bootstrap
from tbill_defi.market.simulation.chance import Chance
from tbill_defi.market.simulation.gaussian import Gaussian
from tbill_defi.market.simulation.history import Sample, sample_of
from tbill_defi.market.simulation.nelson_siegel import NelsonSiegel
from tbill_defi.market.simulation.shapes import Floats, discounts_of_par

FORMAT = "tbill_defi market simulation, version 1"
MOST_DAYS = 12_600
"""Fifty years."""
LARGEST_SEED = 2**63 - 1
DECIMALS = 4
"""Of a percent, in the file."""


class Model(Protocol):
    """A fitted model of the par curve."""

    name: str

    def paths(self, days: int, chance: Chance, count: int = 1) -> Floats:
        """[count, days, n_tenors] decimal par yields of the trading days after the sample's last."""
        ...

    def to_json(self) -> dict[str, object]:
        """Parameters."""
        ...


MODELS: Mapping[str, Callable[[Sample], Model]] = {
    "g2": Gaussian.fit,
    "dns": NelsonSiegel.fit,
    "bootstrap": Bootstrap.fit,
}


@dataclass(frozen=True, eq=False)
class Simulation:
    """A simulated history of the par curve.

    Attributes
    ----------
    label
        What each row of the file carries, such as "dns seed 7".
    sample
        The published curves that the model was fitted to; the path goes on from the last.
    model
        As fitted.
    seed
        Of the path.
    days
        Trading days after the sample's last.
    yields
        [n_days, n_tenors] decimal par yields, not below 0.
    floored
        How many values were below 0 and are 0: the Treasury, too, takes a negative yield as 0 when it derives its
        curve (https://home.treasury.gov/policy-issues/financing-the-government/interest-rate-statistics).
    """

    label: str
    sample: Sample
    model: Model
    seed: int
    days: tuple[date, ...]
    yields: Floats
    floored: int

    def csv(self) -> str:
        """In the Treasury's layout, percent, and a last column that says what it is."""
        lines = [",".join(("Date", *self.sample.tenors, MARK))]
        for day, row in zip(self.days, self.yields * 100.0, strict=True):
            lines.append(",".join((day.isoformat(), *(f"{value:.{DECIMALS}f}" for value in row), self.label)))
        return "\n".join(lines) + "\n"

    def frame(self) -> pl.DataFrame:
        """As the reader of par yields returns the file."""
        return parse_par_yields(self.csv(), "par_yields.csv")

    def to_json(self) -> dict[str, Any]:
        """How it was made."""
        sample = self.sample
        return {
            "format": FORMAT,
            "label": self.label,
            "model": self.model.name,
            "seed": self.seed,
            "parameters": self.model.to_json(),
            "fitted_to": {
                "first": sample.days[0].isoformat(),
                "last": sample.days[-1].isoformat(),
                "days": len(sample.days),
                "tenors": list(sample.tenors),
            },
            "first": self.days[0].isoformat(),
            "last": self.days[-1].isoformat(),
            "days": len(self.days),
            "floored_values": self.floored,
            "par_yields": "0x" + keccak256(self.csv().encode()).hex(),
        }

    def files(self) -> dict[str, str]:
        """Name -> text."""
        return {"par_yields.csv": self.csv(), "simulation.json": json.dumps(self.to_json(), indent=1) + "\n"}


def simulate(
    par_yields: pl.DataFrame, *, model: str, days: int, seed: int, start: date, years: float = 10.0
) -> Simulation:
    """Fit a model to published par yields, and draw a path that goes on from them.

    Parameters
    ----------
    par_yields
        As the reader returns them.
    model
        "g2", "dns" or "bootstrap".
    days
        Trading days.
    seed
        The same one gives the same bytes.
    start
        The path begins on the first trading day after it; nothing published later is used.
    years
        Years before `start` that the model is fitted to.

    Raises
    ------
    UsageError
        If an argument is out of range.
    DataError
        If the published curves do not suffice, or the path has a curve without positive discount factors.
    """
    if model not in MODELS:
        raise UsageError(f"model: {model!r} is not one of {', '.join(MODELS)}")
    for name, value, low, high in (("days", days, 1, MOST_DAYS), ("seed", seed, 0, LARGEST_SEED)):
        if not low <= value <= high:
            raise UsageError(f"{name}: {value} is not in {low} to {high}")
    if not 2.0 <= years <= 60.0:
        raise UsageError(f"years: {years:g} is not in 2 to 60")
    sample = sample_of(par_yields, start, years)
    fitted = MODELS[model](sample)
    path = fitted.paths(days, Chance(seed))[0]
    yields = np.maximum(path, 0.0)
    dates = _trading_days(start, days)
    factors, bills = discounts_of_par(yields, sample.years)
    bad = ~(np.isfinite(yields).all(axis=1) & (factors > 0.0).all(axis=1) & (bills > 0.0).all(axis=1))
    if bad.any():
        raise DataError(
            f"simulate: {model} with seed {seed} gives {dates[int(bad.argmax())]} a curve without positive discount "
            "factors; take another seed, fewer days or more years"
        )
    return Simulation(f"{model} seed {seed}", sample, fitted, seed, dates, yields, int((path < 0.0).sum()))


def _trading_days(start: date, count: int) -> tuple[date, ...]:
    found, day = [], start
    for _ in range(count):
        day = TRADING.advance(day, 1)
        found.append(day)
    return tuple(found)
