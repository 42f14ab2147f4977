"""The algebra says what it means, and refuses what means nothing."""

import numpy as np
import pytest

from tbill_defi import Duration, Lots, MaturityBucket, MaxWeight, TransactionCost, Turnover, Weights, Yield, maximize
from tbill_defi.core.errors import ConventionError
from tests.unit.portfolio.support import toy_cusip, toy_view


@pytest.fixture(scope="module")
def toy():
    return toy_view([98.0, 100.0, 105.0], [0.03, 0.04, 0.05], [0.5, 2.0, 7.0], [0.5, 2.0, 8.0])


def test_objective():
    objective = Yield() - TransactionCost(horizon_years=0.5)
    assert (objective.yield_weight, objective.cost_per_year) == (1.0, -2.0)
    twice = objective + objective
    assert (twice.yield_weight, twice.cost_per_year) == (2.0, -4.0)


def test_limits(toy):
    (band,) = Duration.between(1.9, 2.1).limits(toy)
    assert (band.name, band.lower, band.upper, band.unit) == ("duration", 1.9, 2.1, "years")
    np.testing.assert_array_equal(band.loadings, [0.5, 2.0, 7.0])
    caps = MaxWeight(0.25).limits(toy)
    assert [cap.name for cap in caps] == [f"max weight {toy_cusip(i)}" for i in range(3)]
    np.testing.assert_array_equal(np.array([cap.loadings for cap in caps]), np.eye(3))


@pytest.mark.parametrize(
    ("label", "inside"), [("0-1y", [1, 0, 0]), ("0-2y", [1, 1, 0]), ("2-8y", [0, 0, 1]), ("0.5-2", [0, 1, 0])]
)
def test_a_bucket_is_open_below_and_closed_above(toy, label, inside):
    (limit,) = MaturityBucket(label, 0.1, 0.4).limits(toy)
    assert limit.loadings.tolist() == inside


@pytest.mark.parametrize(
    "make",
    [
        lambda: Duration.between(2.1, 1.9),
        lambda: Duration.between(-1, 1),
        lambda: Duration.between(float("nan"), 1),
        lambda: MaxWeight(0),
        lambda: MaxWeight(5),
        lambda: MaxWeight(float("nan")),
        lambda: Lots(0),
        lambda: Turnover.at_most(-0.1),
        lambda: Turnover.at_most(float("nan")),
        lambda: TransactionCost(horizon_years=0),
        lambda: TransactionCost(horizon_years=float("nan")),
        lambda: MaturityBucket("short", 0.1, 0.4),
        lambda: MaturityBucket("1-0y", 0.1, 0.4),
        lambda: MaturityBucket("0-1y", 10, 40),
        lambda: MaturityBucket("0-1y", 0.4, 0.1),
        lambda: Weights.of({"91282CPZ8": -0.1}),
        lambda: Weights.of({"91282CPZ8": float("nan")}),
        lambda: Weights.of({"91282CPZ8": 0.6, "912810QL5": 0.5}),
        lambda: maximize(Yield(), subject_to=[Lots(1), Lots(2)]),
        lambda: maximize(Yield(), subject_to=[Turnover.at_most(1), Turnover.at_most(2)]),
    ],
)
def test_what_means_nothing(make):
    with pytest.raises(ConventionError):
        make()


def test_a_target():
    target = maximize(Yield(), subject_to=[Duration.between(0, 1), Turnover.at_most(0.5)])
    assert target.lots == Lots(1_000)
    assert target.turnover == Turnover(0.5)
    assert target.constraints == (Duration(0, 1),)
