"""Tail losses are order statistics and normal quantiles; the backtest's tests have the published distributions."""

import math
from datetime import date, timedelta

import numpy as np
import pytest
from scipy.stats import chi2, norm

import tbill_defi as td
from bench.universe import universe
from tbill_defi.core.errors import ConventionError
from tbill_defi.portfolio.value_at_risk import PositionRisk, christoffersen_p, kupiec_p, volatilities
from tbill_defi.pricing.curve_moves import CurveMoves, component_moves, parallel, steepeners

DAY = date(2026, 3, 24)
TENORS = ("3 Mo", "6 Mo", "1 Yr", "2 Yr", "5 Yr", "10 Yr", "30 Yr")
YEARS = np.array([0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0])
NODES = (0.25, 1.0, 2.0, 5.0, 10.0, 30.0)


def history(count=400, seed=1):
    """Par yields that move in level, slope and a little noise."""
    rng = np.random.default_rng(seed)
    steps = rng.normal(0.0, 5e-4, (count, 1)) + rng.normal(0.0, 2e-4, (count, 1)) * np.log(YEARS / 2.0)
    steps += rng.normal(0.0, 1e-5, (count, len(YEARS)))
    start = 0.037 + 0.004 * np.log1p(YEARS)
    days = np.datetime64(DAY) - np.arange(count)[::-1]
    return td.CurveHistory.bootstrap(days, TENORS, start + (steps.cumsum(axis=0) - steps.sum(axis=0)))


HISTORY = history()
MOVES = CurveMoves.of(HISTORY, NODES)
BOOK = td.Book(universe(40, DAY, seed=9))
FACE = {cusip: 1_000_000_000_000 + 7_000_001 * i for i, cusip in enumerate(BOOK.cusips)}
RISK = PositionRisk(BOOK, FACE, HISTORY.curve(DAY), settlement=DAY)


def test_moves_are_differences_of_zero_rates():
    ten = HISTORY.curve(DAY).zero_rate(DAY + timedelta(days=3650))
    assert len(MOVES) == len(HISTORY) - 1
    offsets = np.array([round(365 * node) for node in NODES])
    last, before = (
        HISTORY.logarithms(np.full(len(offsets), len(HISTORY) - k), offsets) / offsets * 365.0 for k in (1, 2)
    )
    assert MOVES.moves[-1] == pytest.approx(last - before, abs=1e-16)
    assert ten == pytest.approx(last[4], abs=1e-15)
    five = CurveMoves.of(HISTORY, NODES, horizon_days=5)
    assert five.moves[-1] == pytest.approx(MOVES.moves[-5:].sum(axis=0), abs=1e-15)


def test_components_are_those_of_the_covariance():
    found = MOVES.components(3)
    assert found.vectors @ found.vectors.T == pytest.approx(np.eye(3), abs=1e-12)
    assert found.explained[0] > found.explained[1] > found.explained[2] > 0.0
    assert found.explained.sum() > 0.99  # level and slope were put in
    scores = MOVES.moves @ found.vectors.T
    assert np.sqrt((scores**2).mean(axis=0)) == pytest.approx(found.deviations, rel=1e-9)
    shocks = component_moves(found, (-2.0, 2.0))
    assert shocks.shape == (6, len(NODES))
    assert shocks[1] == pytest.approx(2.0 * found.deviations[0] * found.vectors[0])


def test_shapes_of_shocks():
    assert parallel(NODES, [10.0, -50.0]) == pytest.approx(np.array([[0.001] * 6, [-0.005] * 6]))
    bend = steepeners(NODES, [25.0])[0]
    assert bend[3] == 0.0
    assert bend[-1] == pytest.approx(0.0025)
    assert bend[0] < 0.0


def test_market_value_is_faces_times_prices():
    prices = BOOK.dirty_prices(HISTORY.curve(DAY), DAY)
    expected = sum(units / 1e6 * price / 100 for units, price in zip(FACE.values(), prices.tolist(), strict=True))
    assert pytest.approx(expected, rel=1e-12) == RISK.market_value


def test_historical_losses_are_order_statistics_of_full_revaluation():
    gained = RISK.profits(MOVES)
    curve = HISTORY.curve(DAY)
    moved = BOOK.scenario_prices(curve, DAY, MOVES.moves[7:8], NODES)[:, 0] - BOOK.dirty_prices(curve, DAY)
    assert gained[7] == pytest.approx(float(np.array(list(FACE.values())) / 1e8 @ moved), rel=1e-9)
    found = RISK.tail(MOVES, level=0.95)
    losses = np.sort(-gained)
    assert found.historical_var == losses[math.ceil(0.95 * len(losses)) - 1]
    assert (losses > found.historical_var).mean() <= 0.05
    assert found.historical_es == pytest.approx(losses[losses >= found.historical_var].mean())
    assert found.worst[0][1] == losses[-1]
    assert found.historical_es > found.historical_var > 0.0


def test_parametric_losses_are_normal_in_the_key_rates():
    found = RISK.tail(MOVES, level=0.99)
    keys = RISK.key_rate_dv01(MOVES.nodes) * 1e4
    deviation = math.sqrt(keys @ MOVES.covariance() @ keys)
    assert found.parametric_var == pytest.approx(norm.ppf(0.99) * deviation)
    assert found.parametric_es == pytest.approx(norm.pdf(norm.ppf(0.99)) / 0.01 * deviation)
    linear = -(MOVES.moves @ keys)
    assert np.abs(linear - RISK.profits(MOVES)).max() < 0.02 * np.abs(linear).max()  # the rest is convexity


def test_a_hedged_position_risks_what_is_left():
    cusip = BOOK.cusips[3]
    long = PositionRisk(BOOK, {cusip: 10**12}, HISTORY.curve(DAY), settlement=DAY).tail(MOVES)
    flat = PositionRisk(BOOK, {cusip: 0}, HISTORY.curve(DAY), settlement=DAY).tail(MOVES)
    assert long.historical_var > 0.0
    assert flat.historical_var == flat.parametric_var == 0.0


def test_backtest_counts_what_went_beyond_the_days_before():
    found = RISK.backtest(MOVES, level=0.95, window=100)
    losses = -RISK.profits(MOVES)
    count = 0
    for day in range(100, len(losses)):
        limit = np.sort(losses[day - 100 : day])[94]
        count += losses[day] > limit
    assert (found.days, found.exceptions) == (len(losses) - 100, count)
    assert found.expected == pytest.approx(0.05 * found.days)
    assert found.kupiec_p > 0.01


def test_filtered_losses_are_scaled_to_the_latest_volatility():
    losses = -RISK.profits(MOVES)
    deviations = [math.sqrt((losses[:20] ** 2).mean())]
    for loss in losses:
        deviations.append(math.sqrt(0.94 * deviations[-1] ** 2 + 0.06 * loss**2))
    scaled = np.sort(losses / deviations[:-1] * deviations[-1])
    place = math.ceil(0.95 * len(losses)) - 1
    found = RISK.tail(MOVES, level=0.95)
    assert found.filtered_var == pytest.approx(scaled[place], rel=1e-12)
    assert found.filtered_es == pytest.approx(scaled[place:].mean(), rel=1e-12)


def test_a_market_that_turns_wild_is_seen_by_the_filtered_backtest():
    """300 calm moves, then 200 five times as large: history of the calm ones is broken again and again."""
    scale = np.where(np.arange(len(MOVES)) < 300, 1.0, 5.0)
    moves = CurveMoves(MOVES.dates, MOVES.nodes, MOVES.moves * scale[:, None], 1)
    plain = RISK.backtest(moves, level=0.95, window=250)
    scaled = RISK.backtest(moves, level=0.95, window=250, filtered=True)
    assert plain.kupiec_p < 1e-3 < scaled.kupiec_p
    assert scaled.exceptions < plain.exceptions
    losses, limits = -RISK.profits(moves), []
    for day in range(250, len(losses)):
        deviations = volatilities(losses[:day])  # nothing of the day itself
        units = np.sort(losses[day - 250 : day] / deviations[day - 250 : day])
        limits.append(units[math.ceil(0.95 * 250) - 1] * deviations[day])
    assert scaled.exceptions == int((losses[250:] > np.array(limits)).sum())


def test_nothing_at_risk_has_no_filtered_loss():
    flat = PositionRisk(BOOK, {BOOK.cusips[3]: 0}, HISTORY.curve(DAY), settlement=DAY)
    assert flat.tail(MOVES).filtered_var == 0.0
    assert flat.backtest(MOVES, window=200, filtered=True).exceptions == 0


@pytest.mark.parametrize(("days", "exceptions"), [(250, 2), (250, 9), (1000, 0), (1000, 25)])
def test_kupiec_is_a_likelihood_ratio(days, exceptions):
    p, x = 0.01, exceptions / days
    free = (exceptions * math.log(x) if exceptions else 0.0) + (days - exceptions) * math.log(1 - x)
    ratio = 2 * (free - exceptions * math.log(p) - (days - exceptions) * math.log(1 - p))
    assert kupiec_p(days, exceptions, p) == pytest.approx(chi2.sf(ratio, 1))


def test_clusters_are_seen():
    spread, cluster = np.zeros(1000, bool), np.zeros(1000, bool)
    spread[50::100] = True
    cluster[500:510] = True
    assert christoffersen_p(spread, 0.01) > 0.5
    assert christoffersen_p(cluster, 0.01) < 1e-6


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: RISK.tail(MOVES, level=1.2), "level: 1.2 is not between 0.5 and 1"),
        (lambda: RISK.tail(MOVES.last(50), level=0.99), "50 are too few for a level of 0.99; give at least 100"),
        (lambda: RISK.backtest(MOVES, window=399), "399 leaves no day to test of 399 moves"),
        (lambda: RISK.backtest(CurveMoves.of(HISTORY, NODES, horizon_days=5), window=100), "5 days overlaps"),
        (lambda: CurveMoves.of(HISTORY, (5.0, 2.0)), "are not ascending years"),
        (lambda: CurveMoves.of(HISTORY, NODES, horizon_days=400), "400 is not from 1 to 399"),
        (lambda: MOVES.components(7), "7 is not from 1 to 6"),
        (lambda: steepeners(NODES, [1.0], pivot_years=40.0), "pivot_years: 40 is not between 0"),
        (
            lambda: PositionRisk(BOOK, {"000000000": 1}, HISTORY.curve(DAY), settlement=DAY),
            "000000000 is not in the book",
        ),
        (
            lambda: PositionRisk(BOOK, {BOOK.cusips[0]: 1.5}, HISTORY.curve(DAY), settlement=DAY),
            "1.5 is not a whole number of base units",
        ),
    ],
)
def test_bad_input_is_named(call, words):
    with pytest.raises(ConventionError, match=words):
        call()


def test_a_tenor_that_comes_or_goes_is_no_move():
    par = HISTORY.par_yields.copy()
    par[200:, -1] = np.nan
    found = CurveMoves.of(td.CurveHistory.bootstrap(HISTORY.dates, TENORS, par), NODES)
    assert len(found) == len(MOVES) - 1
    assert HISTORY.dates[200] not in found.dates
    assert found.moves[:199] == pytest.approx(MOVES.moves[:199], abs=1e-15)
