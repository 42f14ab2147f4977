"""Market prices against a fitted curve."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tbill_defi as td
from bench.universe import frn_index, universe
from tbill_defi.market import read_fedinvest
from tbill_defi.market.universe import terms_from_sheet
from tbill_defi.pricing.book.rich_cheap import LEAST_HISTORY

DAY = date(2026, 3, 24)
STREET = td.YieldConvention.STREET
AT: dict[str, Any] = {"settlement": DAY, "convention": STREET}
SHEET = Path(__file__).resolve().parents[5] / "shared" / "data" / "fedinvest_2026-03-24.csv"
CURVE = td.Curve.svensson(DAY, parameters=[0.048, -0.011, -0.02, 0.02, 1.5, 9.0])
SECURITIES = [s for s in universe(150, DAY, seed=2, floating=0.05) if s.kind != "tips"]
BOOK = td.Book(SECURITIES, frn_index=frn_index(DAY))
FAIR = BOOK.dirty_prices(CURVE, DAY) - BOOK.accrued(DAY)


def test_a_fit_finds_the_curve_that_made_the_prices_and_the_one_that_is_off() -> None:
    prices = FAIR.copy()
    odd = next(i for i, s in enumerate(SECURITIES) if s.kind == "note" and (s.maturity_date - DAY).days > 1000)
    prices[odd] += 0.25
    found = BOOK.rich_cheap(prices, **AT)
    dv01 = BOOK.analytics(clean_prices=prices, **AT).dv01
    assert found.residual[odd] == pytest.approx(0.25, abs=0.02)
    assert found.residual_bp[odd] == pytest.approx(-0.25 / dv01[odd], abs=1.0)
    rest = found.fitted & (np.arange(len(SECURITIES)) != odd)
    assert np.abs(found.residual_bp[rest]).max() < 1.0
    assert found.rms_bp == pytest.approx(np.sqrt(np.mean(found.residual_bp[found.fitted] ** 2)))
    assert set(np.array([s.kind for s in SECURITIES])[found.fitted]) == {"bill", "note", "bond"}


def test_a_curve_that_is_given_is_the_model() -> None:
    found = BOOK.rich_cheap(FAIR, curve=CURVE, **AT)
    assert np.abs(found.residual).max() < 1e-11
    assert np.abs(found.z_spread_bp).max() < 1e-7
    assert not found.fitted.any()
    moved = BOOK.rich_cheap(FAIR - 1.0, curve=CURVE, **AT)
    assert moved.residual == pytest.approx(np.full(len(BOOK), -1.0), abs=1e-11)
    assert (moved.residual_bp > 0.0).all()
    assert moved.z_spread_bp / 1e4 == pytest.approx(BOOK.z_spreads(CURVE, FAIR - 1.0, DAY), abs=1e-15)


def test_scores_are_deviations_of_the_history() -> None:
    noise = np.random.default_rng(1).normal(0.0, 0.05, (8, len(SECURITIES)))
    history = [BOOK.rich_cheap(FAIR + row, curve=CURVE, **AT) for row in noise]
    found = BOOK.rich_cheap(FAIR + 0.1, curve=CURVE, history=history, **AT)
    past = np.array([day.residual_bp for day in history])
    expected = (found.residual_bp - past.mean(axis=0)) / past.std(axis=0, ddof=1)
    assert found.z_score == pytest.approx(expected, abs=1e-9)
    assert "z_score" in found.frame().columns
    few = BOOK.rich_cheap(FAIR, curve=CURVE, history=history[: LEAST_HISTORY - 1], **AT)
    assert few.z_score is not None
    assert np.isnan(few.z_score).all()
    # another book's days count by CUSIP
    other = td.Book(SECURITIES[:1], frn_index=frn_index(DAY))
    alone = [other.rich_cheap(FAIR[:1] + row[:1], curve=CURVE, **AT) for row in noise]
    score = BOOK.rich_cheap(FAIR + 0.1, curve=CURVE, history=alone, **AT).z_score
    assert score is not None
    assert score[0] == pytest.approx(expected[0])
    assert np.isnan(score[1:]).all()


def test_real_and_nominal_securities_have_books_of_their_own() -> None:
    tips = [s for s in universe(400, DAY, seed=2) if s.kind == "tips"]
    mixed = td.Book([SECURITIES[0], tips[0]], frn_index=frn_index(DAY))
    with pytest.raises(td.ConventionError, match=r"securities\[1\] \(.*\): a TIPS is priced by a real curve"):
        mixed.rich_cheap([99.0, 99.0], **AT)
    real = td.Book(tips)
    prices = real.dirty_prices(CURVE, DAY) - real.accrued(DAY)
    found = real.rich_cheap(prices, **AT)
    assert found.fitted.sum() > 10
    assert found.rms_bp < 0.1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fitted": [True]}, r"fitted: is not \["),
        ({"fitted": [False] * len(SECURITIES)}, "securities: none given"),
        ({"clean_prices": [float("nan"), *FAIR[1:]]}, r"clean_prices\[0\] \(.*\): nan is not a finite number"),
    ],
)
def test_bad_input_is_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises((td.ConventionError, td.DataError), match=message):
        BOOK.rich_cheap(**{"clean_prices": FAIR, **AT, **change})


@pytest.mark.realdata
def test_the_market_of_a_day_lies_within_basis_points_of_its_curve() -> None:
    if not SHEET.exists():
        pytest.skip(f"{SHEET} is not here")
    rows = [
        row
        for row in read_fedinvest(SHEET, price_date=DAY).iter_rows(named=True)
        if row["type"] not in ("TIPS", "MARKET BASED FRN") and row["maturity_date"] > date(2026, 3, 25)
    ]
    settlement = date(2026, 3, 25)
    book = td.Book([terms_from_sheet(row) for row in rows])
    found = book.rich_cheap([row["sell"] for row in rows], settlement=settlement, convention=STREET)
    assert len(book) > 380
    assert found.rms_bp < 6.0
    notes = np.array([row["type"] == "MARKET BASED NOTE" for row in rows]) & found.fitted
    assert np.median(np.abs(found.residual_bp[notes])) < 3.0
    # residuals are what the single verbs say of the fitted curve
    for i in range(0, len(rows), 40):
        model = found.curve.clean_price(book.columns.securities[i], settlement=settlement)  # type: ignore[attr-defined]
        assert found.model_clean_price[i] == pytest.approx(model, abs=1e-11)
