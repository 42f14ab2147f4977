"""The whole way: published curves in, a marked file out; the same bytes; nothing from the future."""

import hashlib
import json
import subprocess
import sys
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from tbill_defi.conventions.calendars import TRADING
from tbill_defi.core.errors import DataError, UsageError
from tbill_defi.market.data import MarketData
from tbill_defi.market.par_yields import SCHEMA, TENORS, parse_par_yields
from tbill_defi.market.simulation import MODELS, Chance, simulate
from tbill_defi.market.simulation.shapes import discounts_of_par, par_of_discounts
from tbill_defi.market.store import MarketStore
from tests.unit.market.simulation.support import LAST, NAMES, YEARS, shifted_after, world_csv, world_frame

ALL = sorted(MODELS)


@pytest.fixture(scope="module")
def published():
    return world_frame()


def made(published, **more):
    return simulate(published, **{"model": "dns", "days": 300, "seed": 7, "start": LAST, **more})


@pytest.mark.parametrize("model", ALL)
def test_the_file_is_the_treasurys_layout_with_a_mark(published, model):
    found = made(published, model=model)
    frame = found.frame()
    assert dict(frame.schema) == SCHEMA
    assert frame.height == 300
    assert set(frame["simulated"]) == {f"{model} seed 7"}
    assert frame["date"].to_list() == [TRADING.advance(LAST, n + 1) for n in range(300)]
    assert [tenor for tenor in TENORS if frame[tenor].null_count() == 0] == list(NAMES), "4 Mo came late: left out"
    assert frame.select(NAMES).to_numpy() == pytest.approx(found.yields, abs=1e-6)
    assert MarketData(par_yields=frame).simulation == f"{model} seed 7"


@pytest.mark.parametrize("model", ALL)
def test_the_same_seed_gives_the_same_bytes_in_another_process(published, model, tmp_path):
    path = tmp_path / "par_yields.csv"
    path.write_text(world_csv())
    code = (
        "import sys, hashlib, datetime\n"
        "from tbill_defi.market import read_par_yields\n"
        "from tbill_defi.market.simulation import simulate\n"
        f"made = simulate(read_par_yields(sys.argv[1]), model='{model}', days=300, seed=7, start={LAST!r})\n"
        "print(hashlib.sha256(''.join(made.files().values()).encode()).hexdigest())"
    )
    run = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
    here = "".join(made(published, model=model).files().values())
    assert run.stdout.strip() == hashlib.sha256(here.encode()).hexdigest()
    assert made(published, model=model, seed=8).csv() != made(published, model=model).csv()


@pytest.mark.parametrize("model", ALL)
def test_nothing_after_the_start_is_used(published, model):
    start = date(2024, 3, 1)
    before = made(published, model=model, start=start, years=5)
    after = made(shifted_after(published, start), model=model, start=start, years=5)
    assert before.files() == after.files()
    assert before.sample.days[-1] == start


@pytest.mark.parametrize("model", ALL)
def test_discount_factors_stay_positive(published, model):
    fitted = made(published, model=model, days=1).model
    path = np.maximum(fitted.paths(1_260, Chance(23), 40), 0.0)
    factors, bills = discounts_of_par(path, YEARS)
    assert factors.min() > 0.0
    assert bills.min() > 0.0
    assert factors.max() <= 1.0


def test_yields_below_zero_are_zero_and_counted(published):
    low = published.with_columns(*(pl.col(tenor) - 0.03 for tenor in TENORS))
    found = made(low)
    assert found.yields.min() == 0.0
    assert found.floored == int((found.model.paths(300, Chance(7))[0] < 0).sum()) > 0


def test_what_made_it_is_written_down(published):
    found = made(published, model="g2")
    value = json.loads(found.files()["simulation.json"])
    assert (value["model"], value["seed"], value["days"], value["label"]) == ("g2", 7, 300, "g2 seed 7")
    assert value["fitted_to"]["last"] == LAST.isoformat()
    assert set(value["parameters"]) == {"a", "b", "sigma", "eta", "rho", "start"}


@pytest.mark.parametrize(
    ("more", "error", "says"),
    [
        ({"model": "sabr"}, UsageError, "model: 'sabr' is not one of g2, dns, bootstrap"),
        ({"days": 0}, UsageError, "days: 0 is not in 1 to 12600"),
        ({"seed": -1}, UsageError, "seed: -1 is not in 0 to"),
        ({"years": 1.0}, UsageError, "years: 1 is not in 2 to 60"),
        ({"start": date(2030, 1, 2)}, DataError, "no published curve near 2030-01-02"),
        ({"start": date(2017, 3, 1)}, DataError, "are too few to fit"),
    ],
)
def test_what_is_refused(published, more, error, says):
    with pytest.raises(error, match=says.replace("(", r"\(")):
        made(published, **more)


def test_a_simulation_is_not_fitted_to_a_simulation(published):
    frame = made(published, days=800).frame()
    with pytest.raises(DataError, match="are simulated themselves"):
        made(frame, start=frame["date"][-1], years=3)


def test_too_few_tenors(published):
    gone = [tenor for tenor in TENORS if tenor not in ("1 Yr", "2 Yr", "10 Yr")]
    bare = published.with_columns(*(pl.lit(None, pl.Float64).alias(tenor) for tenor in gone))
    with pytest.raises(DataError, match="only 1 Yr, 2 Yr, 10 Yr is there on every day; needed are"):
        made(bare)


def test_a_curve_that_cannot_be_is_refused(published, monkeypatch):
    from tbill_defi.market.simulation import NelsonSiegel

    steep = np.where(YEARS < 20, 0.01, 0.25)
    monkeypatch.setattr(NelsonSiegel, "paths", lambda self, days, chance: np.broadcast_to(steep, (1, days, 11)))
    with pytest.raises(DataError, match=r"dns with seed 7 gives 2026-08-24 a curve without positive discount factors"):
        made(published)


# --- the mark -------------------------------------------------------------------------------------------------------


def test_a_home_holds_one_or_the_other(published, tmp_path):
    simulated = made(published).frame()
    real, other = MarketStore(tmp_path / "real"), MarketStore(tmp_path / "simulated")
    real.add("par_yields", published, "treasury")
    other.add("par_yields", simulated, "par_yields.csv")
    with pytest.raises(DataError, match=r"here are published, the new ones simulated \(dns seed 7\); keep them in"):
        real.add("par_yields", simulated, "par_yields.csv")
    with pytest.raises(DataError, match=r"here are simulated \(dns seed 7\), the new ones published"):
        other.add("par_yields", published, "treasury")
    with pytest.raises(DataError, match=r"the new ones simulated \(dns seed 8\)"):
        other.add("par_yields", made(published, seed=8).frame(), "par_yields.csv")
    assert real.load().simulation is None
    assert other.load().simulation == "dns seed 7"
    assert real.frame("par_yields").equals(published.sort("date"))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("Date,10 Yr,Simulated\n2026-03-24,4.2,<b>\n", 'column "Simulated": "<b>" is not what a simulation is called'),
        ("Date,10 Yr,Simulated\n2026-03-24,4.2,dns seed 7\n2026-03-25,4.2,\n", "some rows are simulated and some"),
        ("Date,Simulated\n2026-03-24,dns seed 7\n", "has no tenor column"),
    ],
)
def test_a_bad_mark(text, says):
    with pytest.raises(DataError, match=says):
        parse_par_yields(text, "par_yields.csv")


def test_a_mark_changes_the_hash(published):
    from dataclasses import replace

    frame = made(published).frame()
    data = MarketData(par_yields=frame)
    washed = replace(data, par_yields=frame.with_columns(pl.lit(None, pl.String).alias("simulated")))
    day = frame["date"][10]
    assert data.datasets["par_yields"].digest(day) != washed.datasets["par_yields"].digest(day)


# --- arithmetic -----------------------------------------------------------------------------------------------------


def test_par_to_discounts_and_back():
    yields = np.array([[0.038, 0.039, 0.0395, 0.0403, 0.0424, 0.0431, 0.0443, 0.0457, 0.0474, 0.0525, 0.0527]] * 2)
    yields[1] = yields[1][::-1]
    assert par_of_discounts(*discounts_of_par(yields, YEARS), YEARS) == pytest.approx(yields, abs=1e-14)


def test_chance_is_part_of_the_format():
    """PCG64's raw stream is numpy's promise; these figures are ours."""
    assert Chance(7).uniform(2).tolist() == [0.6250954666046671, 0.8972138009695756]
    assert Chance(7).uniform(9) == pytest.approx(np.random.Generator(np.random.PCG64(7)).random(9), abs=2**-53)
    drawn = Chance(1).normal(200_000)
    assert abs(drawn.mean()) < 5 / np.sqrt(200_000)
    assert drawn.var() == pytest.approx(1.0, abs=5 * np.sqrt(2 / 200_000))
    assert (drawn**4).mean() == pytest.approx(3.0, abs=5 * np.sqrt(96 / 200_000))
    assert Chance(1).normal(3).shape == (3,)
    assert np.unique(Chance(1).uniform(10_000)).size == 10_000


def test_a_gap_is_no_daily_change(published):
    start = LAST - timedelta(days=400)
    holed = published.filter(~pl.col("date").is_between(start, start + timedelta(days=20)))
    sample = made(holed).sample
    assert len(sample.changes()) == len(sample.days) - 2
