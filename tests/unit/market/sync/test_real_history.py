"""The checks of an answer pass what was really published, year by year, and models take its moments."""

import csv
import json
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from tbill_defi.market import read_par_yields
from tbill_defi.market.simulation import MODELS, Chance, sample_of
from tbill_defi.market.sync.checks import check_frame
from tbill_defi.market.sync.feeds import NEWYORKFED, TREASURY

PLACES = [folder / "shared" / "data" for folder in Path(__file__).resolve().parents]
DATA = next((place for place in PLACES if place.is_dir()), PLACES[0])
pytestmark = [
    pytest.mark.realdata,
    pytest.mark.skipif(not DATA.is_dir(), reason="the shared data are not here"),
]
LAST_CURVE, LAST_SOFR = date(2026, 8, 21), date(2026, 7, 30)


def test_every_year_of_curves_is_whole():
    head, *rows = csv.reader((DATA / "par_yields.csv").read_text().splitlines())
    known = 0
    for span in TREASURY.spans(date(1990, 1, 1), LAST_CURVE):
        lines = [",".join(row) for row in rows if row[0].startswith(str(span.first.year))]
        text = "\n".join([",".join(head), *reversed(lines)]) + "\n"
        frame = TREASURY.parse(text, "answer")
        TREASURY.needs(text, "answer", span)
        check_frame(TREASURY, span, frame, "answer", LAST_CURVE)
        known += frame.height
    assert known == len(rows)


def test_every_year_of_sofr_is_whole():
    _, *rows = csv.reader((DATA / "sofr.csv").read_text().splitlines())
    given = [(day, float(rate)) for day, rate in rows if rate]
    known = 0
    for span in NEWYORKFED.spans(date(1990, 1, 1), LAST_SOFR):
        year = str(span.first.year)
        rates = [{"effectiveDate": d, "type": "SOFR", "percentRate": r} for d, r in given if d.startswith(year)]
        frame = NEWYORKFED.parse(json.dumps({"refRates": rates}), "answer")
        check_frame(NEWYORKFED, span, frame, "answer", LAST_SOFR)
        known += frame.height
    assert known == len(given)


@pytest.mark.parametrize(("model", "largest"), [("dns", 0.07), ("bootstrap", 0.10), ("g2", 0.25)])
def test_volatility_from_a_year_on_is_the_published_curves(model, largest):
    """bp a day, ten years to 2026-08-21.

    dns draws the shocks of its factors and of what they leave over apart: up to 6% off. Two factors cannot have eleven
    volatilities: g2 is the loosest.
    """
    sample = sample_of(read_par_yields(DATA / "par_yields.csv"), LAST_CURVE, 10.0)
    assert sample.tenors[0] == "1 Mo"
    moves = np.diff(MODELS[model](sample).paths(252, Chance(4), 80), axis=1).reshape(-1, len(sample.tenors))
    long = sample.years >= 1.0
    ratios = moves.std(axis=0)[long] / sample.changes().std(axis=0)[long]
    assert np.abs(ratios - 1.0).max() < largest, ratios
