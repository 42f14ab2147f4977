"""What paths do is what the fitted model says, within Monte Carlo error; and the fit finds what made the sample."""

import numpy as np
import pytest

from tbill_defi.market.simulation import Bootstrap, Chance, Gaussian, NelsonSiegel, Sample
from tbill_defi.market.simulation.gaussian import DAY
from tbill_defi.market.simulation.nelson_siegel import loadings
from tests.unit.market.simulation.support import NAMES, WORLD, YEARS, agrees, trading_days, world_sample

PATHS = 4_000


def covariance_error(covariance, count):
    """[n, n] standard error of a sample covariance of normals."""
    variances = np.diag(covariance)
    return np.sqrt((np.outer(variances, variances) + covariance**2) / count)


# --- dynamic Nelson-Siegel ------------------------------------------------------------------------------------------


def test_dns_fit_finds_the_world():
    days = 40_000
    found = NelsonSiegel.fit(world_sample(days=days))
    apart = _stationary_covariance(WORLD.transition, WORLD.shocks)
    error = np.sqrt(np.outer(np.diag(WORLD.shocks), np.diag(np.linalg.inv(apart))) / days)
    assert agrees(found.transition, WORLD.transition, error)
    assert agrees(found.shocks, WORLD.shocks, covariance_error(WORLD.shocks, days) + 2e-9, 6.0)
    long_run = np.linalg.inv(np.eye(3) - WORLD.transition)
    assert agrees(found.mean, WORLD.mean, np.sqrt(np.diag(long_run @ WORLD.shocks @ long_run.T) / days) + 2e-4)


def _stationary_covariance(transition, shocks, days=20_000):
    total, power = np.zeros_like(shocks), np.eye(len(shocks))
    for _ in range(days):
        total += power @ shocks @ power.T
        power = transition @ power
    return total


@pytest.mark.parametrize("day", [1, 20, 120])
def test_dns_paths_revert_and_spread_as_fitted(day):
    model = NelsonSiegel.fit(world_sample())
    found = model.paths(day, Chance(11), PATHS)[:, -1]
    shape = loadings(YEARS)
    power = np.linalg.matrix_power(model.transition, day)
    state, rest = model.start - model.mean, model.rest_start - model.rest_mean
    mean = shape @ (model.mean + power @ state) + model.rest_mean + model.rest_transition**day * rest
    kept = np.outer(model.rest_transition, model.rest_transition)
    covariance = shape @ _stationary_covariance(model.transition, model.shocks, day) @ shape.T
    covariance += model.rest_shocks * (1 - kept**day) / (1 - kept)
    assert agrees(found.mean(axis=0), mean, np.sqrt(np.diag(covariance) / PATHS))
    assert agrees(np.cov(found.T), covariance, covariance_error(covariance, PATHS))


def test_dns_daily_changes_have_the_samples_volatility_and_correlation():
    sample = world_sample()
    moves = np.diff(NelsonSiegel.fit(sample).paths(252, Chance(5), 200), axis=1).reshape(-1, len(NAMES))
    changes = sample.changes()
    assert moves.std(axis=0) == pytest.approx(changes.std(axis=0), rel=0.03)
    assert np.abs(np.corrcoef(moves.T) - np.corrcoef(changes.T)).max() < 0.05


def test_dns_goes_on_from_the_last_curve():
    model = NelsonSiegel.fit(world_sample())
    first = model.paths(1, Chance(2), PATHS)[:, 0].mean(axis=0)
    assert np.abs(first - world_sample().yields[-1]).max() < 2e-4


def test_a_trend_is_not_taken_for_a_law():
    sample = world_sample()
    rising = Sample(NAMES, sample.days, sample.yields + np.linspace(0, 0.2, len(sample.days))[:, None])
    assert np.abs(np.linalg.eigvals(NelsonSiegel.fit(rising).transition)).max() <= 0.9997 + 1e-9


# --- two-factor Gaussian --------------------------------------------------------------------------------------------

KNOWN = Gaussian(
    YEARS,
    start=np.array([0.0380, 0.0388, 0.0395, 0.0403, 0.0424, 0.0431, 0.0443, 0.0457, 0.0474, 0.0525, 0.0527]),
    speeds=(0.05, 0.8),
    shocks=np.array([[1.0e-4, -0.7e-4], [-0.7e-4, 1.5e-4]]),
)


def test_g2_fit_finds_what_made_the_sample():
    days = trading_days()
    path = np.vstack([KNOWN.start, KNOWN.paths(len(days) - 1, Chance(3))[0]])
    found = Gaussian.fit(Sample(NAMES, days, path))
    assert found.speeds == pytest.approx(KNOWN.speeds, rel=0.1)
    assert found.zero_covariance() == pytest.approx(KNOWN.zero_covariance(), rel=0.15)
    parameters = found.to_json()
    assert parameters["sigma"] == pytest.approx(0.010, rel=0.1)
    assert parameters["eta"] == pytest.approx(0.01225, rel=0.1)
    assert parameters["rho"] == pytest.approx(-0.5715, abs=0.08)


@pytest.mark.parametrize("day", [1, 60, 252])
def test_g2_factors_have_their_exact_moments(day):
    found = KNOWN.factors(day, Chance(13), PATHS)[:, -1]
    years = day * DAY
    (a, b), shocks = KNOWN.speeds, KNOWN.shocks
    covariance = np.array(
        [
            [shocks[i, j] * (1 - np.exp(-(p + q) * years)) / (p + q) for j, q in enumerate((a, b))]
            for i, p in enumerate((a, b))
        ]
    )
    assert agrees(found.mean(axis=0), 0.0, np.sqrt(np.diag(covariance) / PATHS))
    assert agrees(np.cov(found.T), covariance, covariance_error(covariance, PATHS))


def test_g2_starts_at_the_published_curve():
    calm = Gaussian(YEARS, KNOWN.start, KNOWN.speeds, KNOWN.shocks * 1e-12)
    assert calm.paths(1, Chance(1))[0, 0] == pytest.approx(KNOWN.start, abs=1e-4), "forwards of one day"
    today = KNOWN._log_discounts()
    assert KNOWN._log_discount(today, 0.0, np.array([0.5, 5.0, 30.0]), np.zeros((1, 2)))[0] == pytest.approx(
        np.interp([0.5, 5.0, 30.0], *today), abs=1e-14
    )


@pytest.mark.parametrize("ahead", [0.25, 5.0, 20.0])
def test_g2_discounted_prices_are_martingales(ahead):
    """Rolled over day by day, a bond of the future is worth what it costs today: no arbitrage."""
    days = 252
    states = np.concatenate([np.zeros((PATHS, 1, 2)), KNOWN.factors(days, Chance(17), PATHS)], axis=1)
    today = KNOWN._log_discounts()
    overnight = sum(KNOWN._log_discount(today, day * DAY, np.array([DAY]), states[:, day])[:, 0] for day in range(days))
    bond = KNOWN._log_discount(today, days * DAY, np.array([ahead]), states[:, days])[:, 0]
    worth = np.exp(overnight + bond)
    now = np.exp(np.interp(days * DAY + ahead, *today))
    assert agrees(worth.mean(), now, worth.std() / np.sqrt(PATHS))


def test_g2_volatility_and_correlation_by_tenor():
    path = KNOWN.paths(252, Chance(19), 60)
    from tbill_defi.market.simulation.shapes import zeros_of_par

    moves = np.diff(zeros_of_par(path, YEARS), axis=1).reshape(-1, len(NAMES))
    expected = KNOWN.zero_covariance()
    assert np.sqrt(np.diag(np.cov(moves.T))) == pytest.approx(np.sqrt(np.diag(expected)), rel=0.03)
    scale = np.sqrt(np.diag(expected))
    assert np.abs(np.corrcoef(moves.T) - expected / np.outer(scale, scale)).max() < 0.03


# --- stationary bootstrap -------------------------------------------------------------------------------------------


def test_bootstrap_keeps_volatility_correlation_and_no_trend():
    sample = world_sample()
    model = Bootstrap.fit(sample)
    path = np.concatenate([np.broadcast_to(model.start, (400, 1, 11)), model.paths(252, Chance(5), 400)], axis=1)
    moves = np.diff(path, axis=1).reshape(-1, 11)
    changes = sample.changes()
    error = covariance_error(np.cov(changes.T), len(moves) / 4)
    assert agrees(np.cov(moves.T), np.cov(changes.T), error, 6.0)
    year = path[:, -1] - path[:, 0]
    assert agrees(year.mean(axis=0), 0.0, year.std(axis=0) / np.sqrt(400))


def test_bootstrap_moves_are_the_samples_and_stay_in_blocks():
    sample = world_sample()
    model = Bootstrap.fit(sample)
    path = np.vstack([model.start, model.paths(2_000, Chance(9))[0]])
    moves = np.diff(path, axis=0)
    places = np.array([np.abs(model.changes - move).sum(axis=1).argmin() for move in moves])
    assert np.abs(model.changes[places] - moves).max() < 1e-12
    breaks = int((np.diff(places) != 1).sum())
    assert breaks == pytest.approx(2_000 / 21, abs=5 * np.sqrt(2_000 / 21))
