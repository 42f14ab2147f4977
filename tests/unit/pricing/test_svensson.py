"""Svensson and Nelson-Siegel curves: published parameters, fits, and what they refuse."""

from datetime import date

import numpy as np
import pytest
from scipy.optimize import least_squares

import tbill_defi as td
from bench.universe import universe
from tbill_defi.core.errors import ConventionError
from tbill_defi.pricing.curve_fit import CurveFit, FitProblem
from tbill_defi.pricing.least_squares import minimum

DAY = date(2026, 3, 24)
STREET = td.YieldConvention.STREET
SECURITIES = [s for s in universe(120, DAY, seed=2) if (s.maturity_date - DAY).days > 30][:80]
TRUE = (0.048, -0.009, -0.012, 0.02, 1.4, 11.0)


@pytest.mark.parametrize("none", [-999.99, float("nan"), 0.0, 7.0])
def test_the_second_tau_means_nothing_without_its_hump(none):
    # Federal Reserve, feds200628.csv, 1961-06-14: BETA3 0, TAU2 -999.99
    betas = (0.0391760612208239, -0.012779552459795, -0.0194939709504669)
    day = date(1961, 6, 14)
    curve = td.Curve.svensson(day, parameters=[*betas, 0.0, 0.339217585301823, none])
    one = td.Curve.nelson_siegel(day, parameters=[*betas, 0.339217585301823])
    assert curve.zero_rates(np.array([2.0])) == pytest.approx([0.033771], abs=5e-7)
    assert curve.zero_rates(np.array([0.5, 9.0])) == pytest.approx(one.zero_rates(np.array([0.5, 9.0])), abs=1e-17)


@pytest.mark.parametrize(
    ("day", "parameters", "humps", "published"),
    [
        # https://www.federalreserve.gov/data/nominal-yield-curve.htm, SVENY columns, percent
        (date(1961, 6, 14), (3.91760612208239, -1.2779552459795, -1.94939709504669, 0.339217585301823), 1,
         {1: 2.9825, 2: 3.3771, 5: 3.6987, 7: 3.7612}),
        (date(2026, 7, 31), (0.00333568845488353, 4.07984987183707, -453.541782211023, 465.498100569302,
                             13.5322235142735, 13.7200141026744), 2,
         {1: 4.1434, 2: 4.2112, 5: 4.4417, 10: 4.8348, 20: 5.3667, 30: 5.4657}),
    ],
)  # fmt: skip
def test_published_parameters_give_published_zero_yields(day, parameters, humps, published):
    betas, taus = [b / 100 for b in parameters[: humps + 2]], list(parameters[humps + 2 :])
    make = td.Curve.svensson if humps == 2 else td.Curve.nelson_siegel
    curve = make(day, parameters=betas + taus)
    found = curve.zero_rates(np.array(list(published), dtype=float)) * 100
    assert found == pytest.approx(np.array(list(published.values())), abs=5.1e-5)


def priced(parameters, noise=0.0):
    book = td.Book(SECURITIES)
    curve = td.Curve.svensson(DAY, parameters=parameters)
    found = book.analytics(curve=curve, settlement=DAY, convention=STREET)
    moves = np.random.default_rng(1).normal(0.0, 1.0, len(SECURITIES)) * noise
    return found.clean_price + moves * found.modified_duration * 100


def test_a_fit_to_model_prices_finds_the_discount_factors():
    curve = td.Curve.svensson(DAY, SECURITIES, priced(TRUE))
    days = np.datetime64(DAY, "D") + np.arange(0, 10_950, 30)
    expected = td.Curve.svensson(DAY, parameters=TRUE).discount_factors(days)
    assert curve.discount_factors(days) == pytest.approx(expected, abs=1e-9)
    assert curve.weighted_sse < 1e-18


def test_a_noisy_fit_is_no_worse_than_minpack_from_many_starts():
    prices = priced(TRUE, noise=5e-6)
    curve = td.Curve.svensson(DAY, SECURITIES, prices)
    book = td.Book(SECURITIES)
    exact = book.analytics(clean_prices=prices, settlement=DAY, convention=STREET)

    def residuals(point):
        parameters = [*point[:4], *np.exp(point[4:])]
        dirty = book.dirty_prices(td.Curve.svensson(DAY, parameters=parameters), DAY)
        return (dirty - exact.dirty_price) / (exact.dv01 * 1e4)

    assert curve.weighted_sse == pytest.approx(float((residuals([*curve.betas, *np.log(curve.taus)]) ** 2).sum()))
    for taus in ((1.0, 8.0), (8.0, 1.0), (0.5, 3.0)):
        start = np.array([0.045, -0.01, 0.0, 0.0, *np.log(taus)])
        found = least_squares(residuals, start, x_scale=[0.01] * 4 + [0.5] * 2, max_nfev=300)
        assert curve.weighted_sse <= 2.0 * found.cost * (1.0 + 1e-9)


def test_the_jacobian_is_a_difference():
    for humps in (1, 2):
        fit = CurveFit(DAY, SECURITIES, humps=humps)
        problem = FitProblem(fit, priced(TRUE))
        point = np.array([0.05, -0.01, 0.004, 0.01][: humps + 2] + [0.3, 2.0][:humps])
        error, slopes = problem.residuals(point)
        for slope, step in zip(slopes, np.eye(len(point)) * 1e-6, strict=True):
            difference = problem.errors(point + step) - problem.errors(point - step)
            assert slope == pytest.approx(difference / 2e-6, rel=1e-5, abs=1e-8)  # 1e-14 of rounding / 2e-6
        rows = np.concatenate([-slopes, error[None]])
        assert problem.products(point) == pytest.approx(rows @ rows.T, rel=1e-12)


def test_residuals_are_those_of_the_flows():
    """A security's value as a sum over few nodes is the sum over its flows."""
    fit = CurveFit(DAY, SECURITIES)
    prices = priced(TRUE)
    found = fit.book.analytics(clean_prices=prices, settlement=DAY, convention=STREET)
    problem = FitProblem(fit, prices)
    points = np.array([[0.05, -0.02, 0.03, -0.01, -1.5, 2.0], [0.01, 0.04, -0.05, 0.06, 0.5, 1.0]])
    for point in points:
        error = problem.errors(point)
        curve = td.Curve.svensson(DAY, parameters=[*point[:4], *np.exp(point[4:])])
        expected = (fit.book.dirty_prices(curve, DAY) - found.dirty_price) / (found.dv01 * 1e4)
        assert error == pytest.approx(expected, abs=5e-12)


def test_nelson_siegel_is_svensson_without_its_second_hump():
    flat = td.Curve.nelson_siegel(DAY, SECURITIES, priced((0.05, -0.01, 0.01, 0.0, 2.0, 9.0)))
    assert flat.betas == pytest.approx((0.05, -0.01, 0.01, 0.0), abs=1e-8)
    assert flat.taus[0] == pytest.approx(2.0, abs=1e-6)


def test_a_fitted_curve_prices_like_any_curve():
    curve = td.Curve.svensson(DAY, parameters=TRUE)
    note = next(s for s in SECURITIES if s.kind == "note")
    book = td.Book([note]).dirty_prices(curve, DAY)
    assert curve.dirty_price(note, settlement=DAY) == pytest.approx(book[0], abs=1e-11)
    assert curve.discount(DAY) == 1.0
    assert curve.zero_rates(np.array([0.0]))[0] == pytest.approx(TRUE[0] + TRUE[1])


@pytest.mark.parametrize("start", [(3.0, -1.2), (-1.0, 4.0), (1.0, 1.0)])
def test_least_squares_solves_rosenbrock(start):
    def products(x):
        rows = np.array([[-10.0, 0.0], [20.0 * x[1], 1.0], [10.0 * (x[0] - x[1] ** 2), 1.0 - x[1]]])
        return rows @ rows.T

    found = minimum(products, np.array(start))
    assert found.point == pytest.approx(np.ones(2), abs=1e-6)
    assert found.total == pytest.approx(0.0, abs=1e-12)


def test_a_step_to_where_nothing_is_finite_is_not_taken():
    """Residual log x, whose full step from 8 goes to a negative x."""

    def products(x):
        rows = np.array([[-1.0 / x[0]], [np.log(x[0])]])
        return rows @ rows.T

    assert minimum(products, np.array([8.0])).point == pytest.approx([1.0], abs=1e-6)
    assert minimum(products, np.array([-1.0])).total == np.inf


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"parameters": TRUE[:5]}, "5 given; expected 6"),
        ({"parameters": (4.8, *TRUE[1:])}, "beta0 = 4.8 looks like percent; give 0.048"),
        ({"parameters": (*TRUE[:5], 0.0)}, "tau2 = 0.0 is not a finite number above 0"),
        ({"parameters": (float("nan"), *TRUE[1:])}, "beta0 = nan is not a finite"),
        ({}, "give securities and clean_prices, or parameters"),
        ({"securities": SECURITIES[:6], "clean_prices": [100.0] * 6}, "6 given; a fit of 6 parameters needs more"),
        ({"securities": SECURITIES, "clean_prices": [float("inf")] * len(SECURITIES)}, r"clean_prices\[0\]"),
    ],
)
def test_bad_input_says_what_is_wrong(given, message):
    with pytest.raises(ConventionError, match=message):
        td.Curve.svensson(DAY, **given)
