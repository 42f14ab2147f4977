"""The programme against scipy's solvers, given the same problem written down a second time."""

import math
import random
from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import Bounds, LinearConstraint, linprog, milp
from tbill_strategies.duration_target import DurationTarget

import tbill_defi as td
from tbill_defi import Duration, Holdings, Lots, MaturityBucket, MaxWeight, TransactionCost, Turnover, Yield, maximize
from tbill_defi.core.errors import Infeasible
from tbill_defi.portfolio.optimiser import NEAR, solve
from tests.unit.portfolio.support import DOLLAR, book_of, toy_cusip, toy_view

HORIZON = 0.5
OBJECTIVE = Yield() - TransactionCost(horizon_years=HORIZON)


class Oracle:
    """The programme in dollars, dense, with the NAV after costs substituted and not a column of its own.

    x = [bought, sold] in lots. Cash after is c - o b + d s; value of i is m_i (h_i + b_i - s_i); NAV after is
    NAV before - (o - m) b - (m - d) s.
    """

    def __init__(self, view, book, target):
        lot = target.lots.face
        self.count = len(view.cusips)
        self.mid, self.bid = view.mid_dirty * lot / 100, view.bid_dirty * lot / 100
        self.offer = np.where(np.isnan(view.offer_dirty), self.mid, view.offer_dirty * lot / 100)
        self.held = np.array([book.positions.get(c, 0) / DOLLAR / lot for c in view.cusips])
        self.cash = book.cash_units / DOLLAR
        self.nav = float(self.mid @ self.held) + self.cash
        self.view, self.target = view, target
        buyable = np.isfinite(view.offer_dirty)
        self.most = np.concatenate(
            [
                np.where(buyable, np.floor(self.nav / self.offer), 0),
                [book.available(c) // target.lots.units for c in view.cusips],
            ]
        )
        gain = self.mid * view.yield_
        self.costs = np.concatenate([gain - (self.offer - self.mid) / HORIZON, -gain - (self.mid - self.bid) / HORIZON])
        self.drag = np.concatenate([self.offer - self.mid, self.mid - self.bid])
        self.rows, self.limits = [np.concatenate([self.offer, -self.bid])], [self.cash]
        for constraint in target.constraints:
            for limit in constraint.limits(view):
                self.add(limit)
        if target.turnover is not None:
            self.rows.append(np.concatenate([self.mid, self.mid]) / 2)
            self.limits.append(target.turnover.weight * self.nav)

    def add(self, limit):
        value = self.mid * limit.loadings
        weight = np.concatenate([value, -value])
        start = float(value @ self.held)
        for bound, sign in ((limit.lower, -1), (limit.upper, 1)):
            if math.isfinite(bound):
                self.rows.append(sign * (weight + bound * self.drag))
                self.limits.append(sign * (bound * self.nav - start))

    def value(self, lots):
        x = np.concatenate([np.maximum(lots, 0), np.maximum(-lots, 0)])
        return float(self.costs @ x)

    def relaxed(self):
        """Best objective over fractional lots, dollars a year above holding on; None if infeasible."""
        bounds = np.column_stack([np.zeros_like(self.most), self.most])
        found = linprog(-self.costs, np.array(self.rows), np.array(self.limits), bounds=bounds, method="highs-ds")
        return -found.fun if found.status == 0 else None

    def whole(self):
        """Best objective over whole lots; None if infeasible."""
        found = milp(
            -self.costs,
            constraints=LinearConstraint(np.array(self.rows), -np.inf, np.array(self.limits)),
            bounds=Bounds(0, self.most),
            integrality=np.ones_like(self.costs),
            options={"mip_rel_gap": 0.0},
        )
        return -found.fun if found.status == 0 else None


def problem(seed, *, lot):
    """A random market of seven securities, a random book, random limits."""
    dice = random.Random(seed)
    years = sorted(dice.uniform(0.3, 9) for _ in range(7))
    view = toy_view(
        [dice.uniform(92, 108) for _ in years],
        [0.035 + 0.002 * y + dice.uniform(-0.003, 0.003) for y in years],
        [y * 0.92 for y in years],
        years,
        half_spread=dice.choice([0.005, 0.05, 0.3]),
        without_offer=dice.sample(range(7), dice.randint(0, 2)),
    )
    held = dice.sample(range(7), dice.randint(0, 5))
    faces = {toy_cusip(i): dice.randint(10, 400) * 1_000 * DOLLAR + dice.choice([0, 123_456]) for i in held}
    frozen = {c: dice.randint(0, 200_000) * DOLLAR for c in list(faces)[:1]}
    cash = dice.choice([0, 5, 300_000]) if faces else 300_000
    book = Holdings("desk", faces, cash * DOLLAR + 1, frozen)
    low = dice.uniform(0.5, 4)
    limits = [
        Duration.between(low, low + dice.choice([0.1, 0.5, 2])),
        MaxWeight(dice.choice([0.3, 0.5, 1.0])),
        Lots(lot),
    ]
    if dice.random() < 0.4:
        limits.append(MaturityBucket("0-3y", 0.1, dice.choice([0.5, 0.9])))
    if dice.random() < 0.4:
        limits.append(Turnover.at_most(dice.choice([0.1, 0.4, 1.0])))
    return view, book, maximize(OBJECTIVE, subject_to=limits)


SEEDS = range(60)


@pytest.mark.parametrize("seed", SEEDS)
def test_whole_lots_are_the_best_there_are(seed):
    view, book, target = problem(seed, lot=10_000)
    oracle = Oracle(view, book, target)
    best = oracle.whole()
    try:
        solution = solve(target, view, book)
    except Infeasible:
        assert best is None
        return
    assert best is not None
    assert oracle.value(solution.lots) >= best - NEAR * oracle.nav - 1e-6
    assert oracle.value(solution.lots) <= best + 1e-3, "a cent is kept in cash, so no better than the best"


@pytest.mark.parametrize("seed", SEEDS)
def test_fine_lots_reach_the_relaxed_optimum(seed):
    """With lots of $1 the whole-lot optimum is the linear one, but for NEAR and a few dollars of face."""
    view, book, target = problem(seed, lot=1)
    oracle = Oracle(view, book, target)
    best = oracle.relaxed()
    if best is None:
        with pytest.raises(Infeasible):
            solve(target, view, book)
        return
    solution = solve(target, view, book)
    assert oracle.value(solution.lots) == pytest.approx(best, abs=NEAR * oracle.nav + 1.0)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("lot", [1, 10_000])
def test_limits_hold_after_whole_lots(seed, lot):
    """Recomputed here from the lots: every limit, what can be sold, what can be bought, and cash."""
    view, book, target = problem(seed, lot=lot)
    try:
        solution = solve(target, view, book)
    except Infeasible:
        return
    oracle = Oracle(view, book, target)
    bought, sold = np.maximum(solution.lots, 0), np.maximum(-solution.lots, 0)
    assert (bought <= oracle.most[:7]).all()
    assert (sold <= oracle.most[7:]).all()
    cash = oracle.cash - oracle.offer @ bought + oracle.bid @ sold
    assert cash >= 0
    values = oracle.mid * (oracle.held + solution.lots)
    nav = values.sum() + cash
    for constraint in target.constraints:
        for limit in constraint.limits(view):
            value = float(limit.loadings @ values) / nav
            assert limit.lower - 1e-9 <= value <= limit.upper + 1e-9, limit.name
            (report,) = [r for r in solution.limits if r.name == limit.name]
            assert report.value == pytest.approx(value, abs=1e-12)
            assert report.slack == pytest.approx(min(value - limit.lower, limit.upper - value), abs=1e-12)
    if target.turnover is not None:
        turnover = float(oracle.mid @ np.abs(solution.lots)) / 2 / oracle.nav
        assert turnover <= target.turnover.weight + 1e-9
        assert solution.limits[-1].value == pytest.approx(turnover, abs=1e-12)


def shifted(target, name, change):
    """The target with one bound, the one that binds, relaxed by `change`."""
    constraints = []
    for constraint in target.constraints:
        if isinstance(constraint, Duration) and name.startswith("duration"):
            low, high = constraint.lower, constraint.upper
            constraint = Duration(low - change, high) if name.endswith("lower") else Duration(low, high + change)
        if isinstance(constraint, MaturityBucket) and name.startswith("bucket"):
            low, high = constraint.lower, constraint.upper
            constraint = (
                MaturityBucket(constraint.label, low - change, high)
                if name.endswith("lower")
                else MaturityBucket(constraint.label, low, high + change)
            )
        constraints.append(constraint)
    turnover = target.turnover
    if name == "turnover" and turnover is not None:
        turnover = Turnover(turnover.weight + change)
    return replace(target, constraints=tuple(constraints), turnover=turnover)


@pytest.mark.parametrize("seed", SEEDS)
def test_shadow_price_is_what_a_bit_more_room_earns(seed):
    """Against a re-solve with the bound moved, by scipy: dollars a year over NAV, in bp per unit."""
    view, book, target = problem(seed, lot=1)
    try:
        solution = solve(target, view, book)
    except Infeasible:
        return
    oracle = Oracle(view, book, target)
    best, step = oracle.relaxed(), 1e-5
    checked = {"duration": ("duration lower", "duration upper"), "bucket 0-3y": ("bucket lower", "bucket upper")}
    for report in solution.limits:
        if report.name.startswith("max weight"):
            continue
        earned = 0.0
        for name in checked.get(report.name, (report.name,)):
            more = Oracle(view, book, shifted(target, name, step)).relaxed()
            less = Oracle(view, book, shifted(target, name, -step)).relaxed()
            if less is None or abs((more - best) - (best - less)) > 1e-4 * abs(more - less) + 1e-7:
                break  # a corner: there is no one price
            earned = max(earned, (more - less) / 2 / step)
        else:
            assert report.shadow_price_bp == pytest.approx(earned / oracle.nav * 1e4, rel=0.01, abs=0.02), report.name


def relax(target, relaxation):
    """The target with exactly the named limits relaxed by the named amounts."""
    constraints = []
    room = 1 + 1e-6
    for constraint in target.constraints:
        if isinstance(constraint, Duration):
            by = relaxation.get("duration", 0.0) * room
            constraint = Duration(constraint.lower - by, constraint.upper + by)
        if isinstance(constraint, MaturityBucket):
            by = relaxation.get(f"bucket {constraint.label}", 0.0) * room
            constraint = replace(
                constraint, lower=max(0.0, constraint.lower - by), upper=min(1.0, constraint.upper + by)
            )
        if isinstance(constraint, MaxWeight):
            by = max((v for k, v in relaxation.items() if k.startswith("max weight")), default=0.0) * room
            constraint = MaxWeight(min(1.0, constraint.weight + by))
        constraints.append(constraint)
    turnover = target.turnover and Turnover(target.turnover.weight + relaxation.get("turnover", 0.0) * room)
    return replace(target, constraints=tuple(constraints), turnover=turnover)


def test_relaxations_make_it_feasible():
    seen = set()
    for seed in range(300):
        view, book, target = problem(seed, lot=1)
        if Oracle(view, book, target).relaxed() is not None:
            continue
        with pytest.raises(Infeasible) as caught:
            solve(target, view, book)
        relaxation = caught.value.relaxation
        assert relaxation, "it names what to relax"
        assert all(amount > 0 for amount in relaxation.values())
        for name in relaxation:
            assert name in str(caught.value)
        wider = relax(target, relaxation)
        assert Oracle(view, book, wider).relaxed() is not None, f"seed {seed}: {relaxation}"
        if len(relaxation) == 1:
            less = {name: 0.99 * amount for name, amount in relaxation.items()}
            assert Oracle(view, book, relax(target, less)).relaxed() is None, "and no less would do"
        seen |= {name.split(" 9")[0] for name in relaxation}
    assert {"duration", "turnover", "max weight"} <= seen


def test_relaxation_in_words_suffices():
    """The amount shown is rounded up: who types it in gets a plan."""
    view, book, _ = problem(3, lot=1)
    target = maximize(OBJECTIVE, subject_to=[Duration.between(20.0, 21.0), Lots(1)])
    with pytest.raises(Infeasible, match=r"relax duration by \d+\.\d+ years$") as caught:
        solve(target, view, book)
    shown = float(str(caught.value).split()[-2])
    exact = caught.value.relaxation["duration"]
    assert exact <= shown <= exact * 1.001
    solve(maximize(OBJECTIVE, subject_to=[Duration.between(20.0 - shown, 21.0), Lots(1)]), view, book)


@pytest.mark.parametrize("lot", [1_000, 10_000])
def test_a_limit_to_one_value_is_met_to_within_half_a_lot(lot, sample):
    """No whole lots have a duration of exactly 2: the band is what half of the longest lot moves."""
    cash = Holdings("desk", {}, 25_000_000 * DOLLAR)
    target = maximize(OBJECTIVE, subject_to=[Duration.between(2.0, 2.0), MaxWeight(0.1), Lots(lot)])
    found = {limit.name: limit for limit in solve(target, sample, cash).limits}["duration"]
    half = max(np.abs(sample.modified_duration - 2.0) * sample.mid_dirty * lot / 100.0) / 25_000_000 / 2.0
    assert (found.lower, found.upper) == pytest.approx((2.0 - half, 2.0 + half), rel=1e-12)
    assert abs(found.value - 2.0) <= half < 0.004
    empty = maximize(OBJECTIVE, subject_to=[MaturityBucket("0-1y", 0.0, 0.0), Lots(lot)])
    assert {limit.name: limit for limit in solve(empty, sample, cash).limits}["bucket 0-1y"].value == 0.0


def test_lots_too_coarse():
    """Two lots of $175,000 have a duration of 1.14, three 1.71: none is between 1.2 and 1.3."""
    view = toy_view([100.0], [0.04], [2.0], [2.0])
    book = Holdings("desk", {}, 175_000 * DOLLAR)
    target = maximize(OBJECTIVE, subject_to=[Duration.between(1.2, 1.3), Lots(50_000)])
    with pytest.raises(Infeasible, match=r"whole lots of \$50,000 do not fit") as caught:
        solve(target, view, book)
    assert caught.value.relaxation == {}


def test_cost_is_weighed_against_yield():
    """Switching earns 10 bp a year and costs 20 cents per 100: worth it over three years, not over two."""
    view = toy_view([100.0, 100.0], [0.040, 0.041], [2.0, 2.0], [2.0, 2.1], half_spread=0.1)
    book = Holdings("desk", {toy_cusip(0): 1_000_000 * DOLLAR})
    for horizon, trades in ((1.0, False), (1.9, False), (3.0, True), (4.0, True)):
        target = maximize(Yield() - TransactionCost(horizon_years=horizon), subject_to=[Lots(1_000)])
        assert bool(solve(target, view, book).lots.any()) == trades, horizon


def test_longer_horizons_pay_more_for_more_yield(sample, book):
    plans = [td.plan(DurationTarget(horizon_years=h, lot=10_000), sample, book) for h in (0.02, 0.2, 2.0)]
    costs, yields = [p.cost_units for p in plans], [p.after.yield_ for p in plans]
    assert costs == sorted(costs)
    assert yields == sorted(yields)
    assert costs[0] < costs[2]


def test_a_book_at_its_best_is_left_alone(sample, book):
    """The plan of a plan's result trades next to nothing: no churning."""
    strategy = DurationTarget(lot=10_000)
    first = td.plan(strategy, sample, book)
    positions = dict(book.positions)
    for order in first.orders:
        positions[order.cusip] = positions.get(order.cusip, 0) + order.face_units * (1 if order.side == "buy" else -1)
    after = Holdings("desk", {c: f for c, f in positions.items() if f}, book.cash_units - first.net_cash_units)
    second = td.plan(strategy, sample, after)
    assert second.traded_face_units < first.traded_face_units / 50


def test_what_cannot_be_sold_stays(sample):
    book = book_of(sample, count=4)
    frozen = replace(book, unavailable=dict(book.positions))
    plan = td.plan(DurationTarget(lower=0, upper=30, max_weight=1.0, lot=10_000), sample, frozen)
    assert all(order.side == "buy" for order in plan.orders)


def test_same_input_same_lots(sample, book):
    target = DurationTarget(lot=10_000).decide(sample, book)
    first = solve(target, sample, book)
    for _ in range(3):
        np.testing.assert_array_equal(solve(target, sample, book).lots, first.lots)


def test_the_last_digit_of_a_double_decides_nothing(sample, book):
    """Processors differ in the last digit of an exponential; the plan made of the figures is the same."""
    rng = np.random.default_rng(7)
    plans = []
    for size in (0.0, 4e-16, 4e-16, 1e-15):
        noisy = {
            name: getattr(sample, name) * (1.0 + size * rng.choice([-1.0, 0.0, 1.0], len(sample.cusips)))
            for name in ("yield_", "modified_duration")
        }
        plans.append(td.plan(DurationTarget(), replace(sample, **noisy), book).hash)
    assert len(set(plans)) == 1
