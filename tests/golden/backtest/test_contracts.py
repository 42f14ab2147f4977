"""Arrays and contracts keep the same books on stretches of the real past that are drawn at random."""

import random
from pathlib import Path

import pytest

from tbill_defi.backtest.run import loaded_market, run_backtest
from tbill_defi.strategy.discovery import find

PLACES = [folder / "shared" / "data" for folder in Path(__file__).resolve().parents]
SHARED = next((place for place in PLACES if place.is_dir()), PLACES[3])
pytestmark = [
    pytest.mark.realdata,
    pytest.mark.skipif(not SHARED.exists(), reason=f"no published data at {SHARED}"),
]
STRETCHES = {
    1: ("ladder", {"rungs": 6, "longest_years": 7.0}, range(1990, 1999)),
    2: ("barbell", {}, range(2002, 2006)),
    3: ("duration-target", {"max_weight": 0.3}, [2008, 2020]),
    4: ("covered-call-overlay", {"delta": 0.4, "days": 20}, range(1994, 2026)),
    5: ("ladder", {"rungs": 60, "longest_years": 20.0}, range(1995, 2001)),
}
"""Seed -> strategy, settings, years; in 2002 to 2006 there is no 30-year, in 2008 and 2020 bills yield nothing; the
ladder of 60 rungs has more orders than an Instruction has legs."""


@pytest.fixture(scope="module")
def data():
    return loaded_market(SHARED, None)


@pytest.mark.invariant("I16")
@pytest.mark.parametrize("seed", STRETCHES)
def test_contracts_keep_the_same_books(seed, data, tmp_path):
    name, settings, years = STRETCHES[seed]
    rng = random.Random(seed)
    days = data.par_yields["date"].to_list()
    place = rng.choice([i for i, day in enumerate(days) if day.year in years])
    first, last = days[place], days[place + rng.randint(60, 120)]
    capital, frequency = rng.randint(1_000_000, 30_000_000), rng.choice(["weekly", "monthly"])
    arrays, contracts = (
        run_backtest(
            find(name)(**settings), first=first, last=last, capital=capital, frequency=frequency, data=data,
            ledger=ledger, out=tmp_path / ledger,
        )
        for ledger in ("arrays", "revm")
    )  # fmt: skip
    assert contracts.compared_days == contracts.daily.height > 60
    assert contracts.run_hash == arrays.run_hash
    assert contracts.journal.equals(arrays.journal)
    assert arrays.events > 10
