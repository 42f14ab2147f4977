"""A strategy is a checked config and a pure function; its identity is name, source and config."""

import copy
import dataclasses
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError
from tbill_strategies import ladder as module
from tbill_strategies.duration_target import DurationTarget, DurationTargetConfig
from tbill_strategies.ladder import Ladder, LadderConfig

import tbill_defi as td
from tbill_defi import Holdings, Strategy, StrategyConfig, Weights
from tbill_defi.core.errors import ConventionError, Infeasible, PlanError, StrategyError, UsageError
from tbill_defi.core.hashing import keccak256
from tbill_defi.portfolio.target import Optimize
from tests.unit.portfolio.support import DOLLAR, toy_cusip, toy_view


class Given(Strategy[StrategyConfig]):
    """What if I answer this?"""

    answer = None

    def decide(self, view, book):
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer


# --- config ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("strategy", "settings", "message"),
    [
        (
            DurationTarget,
            {"max_weight": 10},
            "duration-target: max_weight: 10 is not allowed; expected a number, above 0, at most 1",
        ),
        (DurationTarget, {"turnover": 25}, "duration-target: turnover: 25 is not allowed"),
        (DurationTarget, {"lower": 3}, "duration-target: config: .*lower 3.0 is above upper 2.1"),
        (DurationTarget, {"lower": -1}, "duration-target: lower: -1 is not allowed"),
        (DurationTarget, {"upper": float("nan")}, "duration-target: upper: nan is not allowed"),
        (DurationTarget, {"buckets": {"0-1y": [0.1]}}, "duration-target: buckets.0-1y"),
        (
            DurationTarget,
            {"maximum": 1},
            "maximum: there is no such setting; its settings are lower, upper, max_weight, buckets",
        ),
        (Ladder, {"rungs": 0}, "ladder: rungs: 0 is not allowed"),
        (Ladder, {"rungs": 61}, "ladder: rungs: 61 is not allowed"),
        (Ladder, {"rungs": "ten"}, "ladder: rungs: 'ten' is not allowed"),
        (Ladder, {"rungs": 2.5}, "ladder: rungs: 2.5 is not allowed"),
        (Ladder, {"longest_years": 0}, "ladder: longest_years: 0 is not allowed"),
        (Ladder, {"cash_weight": 5}, "ladder: cash_weight: 5 is not allowed"),
        (
            Ladder,
            {"rung": 3},
            "rung: there is no such setting; its settings are rungs, longest_years, cash_weight, lot",
        ),
        (Ladder, {"lot": None}, "ladder: lot: None is not allowed"),
    ],
)
def test_a_bad_setting_is_named(strategy, settings, message):
    with pytest.raises(ConventionError, match=message) as caught:
        strategy(**settings)
    assert "\n" not in str(caught.value), "one line"
    assert "http" not in str(caught.value)
    with pytest.raises(ConventionError, match=message.partition(": ")[2]):
        strategy.config_type(**settings)


def test_percent_for_decimal_in_a_bucket(sample, book):
    """A weight of 10 is refused when the limit is made."""
    with pytest.raises(ConventionError, match="MaturityBucket 0-1y"):
        td.plan(DurationTarget(buckets={"0-1y": (10, 40)}), sample, book)
    with pytest.raises(ConventionError, match="'short' is not a range of years"):
        td.plan(DurationTarget(buckets={"short": (0.1, 0.4)}), sample, book)


def test_config_or_fields():
    config = LadderConfig(rungs=3)
    assert Ladder(config).config is config
    assert Ladder(rungs=3).config == config
    assert Ladder().config == LadderConfig()
    with pytest.raises(UsageError, match="not both"):
        Ladder(config, rungs=4)


def test_config_is_frozen_and_makes_a_schema():
    with pytest.raises(ValidationError):
        Ladder().config.rungs = 4
    for cls in (Ladder, DurationTarget):
        schema = cls.config_type.model_json_schema()
        assert schema["additionalProperties"] is False
        assert all("description" in field for field in schema["properties"].values())


def test_config_type_is_the_parameter():
    class Steeper(Ladder):
        """What else?"""

    assert (Ladder.config_type, DurationTarget.config_type) == (LadderConfig, DurationTargetConfig)
    assert Steeper.config_type is LadderConfig
    assert Given.config_type is StrategyConfig


def test_a_strategy_without_decide_is_none():
    class Unfinished(Strategy[StrategyConfig]):
        """What?"""

    with pytest.raises(TypeError, match="abstract"):
        Unfinished()


# --- identity -------------------------------------------------------------------------------------------------------


def test_identity():
    identity = DurationTarget(lower=1.0).identity()
    assert identity.name == "duration-target"
    assert identity.config["lower"] == 1.0
    assert set(identity.config) == set(DurationTargetConfig.model_fields), "defaults are in it"
    assert DurationTarget.question() == "What is the best yield less cost that I can hold within a duration band?"


def test_source_hash_is_of_the_files_bytes(tmp_path):
    assert Ladder.source_hash() == keccak256(Path(module.__file__).read_bytes())
    source = Path(module.__file__).read_bytes()
    path = tmp_path / "ladder.py"
    hashes = set()
    for text in (source, source + b"#", source.replace(b"rung {rung}", b"Rung {rung}"), source + b"\n"):
        path.write_bytes(text)
        found = td.find(f"{path}:Ladder")
        assert found.source_hash() == keccak256(text)
        hashes.add(found.source_hash())
    assert len(hashes) == 4


def test_without_a_source_there_is_no_plan(sample, book):
    """A plan names the source it came from; a class typed at a prompt has none."""
    names = {"Strategy": Strategy, "StrategyConfig": StrategyConfig, "Weights": Weights, "__name__": "prompt"}
    exec("class Typed(Strategy[StrategyConfig]):\n def decide(self, view, book): return Weights.of({})", names)
    with pytest.raises(UsageError, match="Typed: its source file is not there"):
        td.plan(names["Typed"](), sample, book)


# --- deciding -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("strategy", [Ladder(rungs=6), DurationTarget(lot=10_000)], ids=["ladder", "duration-target"])
def test_pure(strategy, sample, book):
    """Twice the same, and neither view nor holdings nor config is touched."""
    view_before = {f.name: copy.copy(getattr(sample, f.name)) for f in dataclasses.fields(sample)}
    book_before, config_before = copy.deepcopy(book), strategy.config.model_dump()
    first, second = strategy.decide(sample, book), strategy.decide(sample, book)
    assert first == second
    assert strategy.config.model_dump() == config_before
    assert book == book_before
    assert vars(strategy) == {"config": strategy.config}, "state lives in the holdings"
    for name, value in view_before.items():
        same = np.array_equal if isinstance(value, np.ndarray) else lambda a, b: a == b
        assert same(getattr(sample, name), value), name


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (None, "given answered a NoneType; expected Weights.of"),
        ({"91282CPZ8": 1.0}, "given answered a dict; expected Weights.of"),
        (ValueError("out of ideas"), "given failed: ValueError: out of ideas"),
        (KeyError("x"), "given failed: KeyError: 'x'"),
        (SystemExit(0), r"given calls sys.exit\(0\); it is to answer"),
    ],
)
def test_a_strategy_that_goes_wrong(sample, book, answer, message):
    strategy = Given()
    strategy.answer = answer
    with pytest.raises(StrategyError, match=message):
        td.plan(strategy, sample, book)


def test_its_own_refusal_is_passed_on(sample, book):
    strategy = Given()
    strategy.answer = Infeasible("not today")
    with pytest.raises(Infeasible, match="not today"):
        td.plan(strategy, sample, book)


def test_counterparty(sample, book):
    assert td.plan(Ladder(rungs=3), sample, book).counterparty == "dealer"
    assert td.plan(Ladder(rungs=3), sample, book, counterparty="broker").counterparty == "broker"
    with pytest.raises(PlanError):
        td.plan(Ladder(rungs=3), sample, book, counterparty="desk")


# --- the shipped ones -----------------------------------------------------------------------------------------------


def test_ladder_by_hand():
    """Four securities of 1, 2.2, 2.9 and 4.1 years, three rungs to four years: due in 1.33, 2.67 and 4."""
    view = toy_view([100.0] * 4, [0.04] * 4, [1.0, 2.0, 3.0, 4.0], [1.0, 2.2, 2.9, 4.1])
    target = Ladder(rungs=3, longest_years=4.0).decide(view, Holdings("desk", {}, DOLLAR))
    assert target.weights == {toy_cusip(0): 1 / 3, toy_cusip(2): 1 / 3, toy_cusip(3): 1 / 3}
    assert target.reasons[toy_cusip(2)] == "rung 2 of 3, due in 2.67 y"


def test_ladder_ties_go_to_the_higher_yield():
    view = toy_view([100.0] * 2, [0.04, 0.05], [1.0, 1.0], [1.9, 2.1])
    target = Ladder(rungs=1, longest_years=2.0).decide(view, Holdings("desk", {}, DOLLAR))
    assert list(target.weights) == [toy_cusip(1)]


def test_ladder_takes_no_security_without_an_offer_unless_held():
    view = toy_view([100.0] * 2, [0.04] * 2, [1.0, 2.0], [1.0, 2.0], without_offer=[1])
    ladder = Ladder(rungs=1, longest_years=2.0)
    assert list(ladder.decide(view, Holdings("desk", {}, DOLLAR)).weights) == [toy_cusip(0)]
    assert list(ladder.decide(view, Holdings("desk", {toy_cusip(1): DOLLAR})).weights) == [toy_cusip(1)]
    with pytest.raises(Infeasible, match="2 rungs, but only 1 securities"):
        Ladder(rungs=2).decide(view, Holdings("desk", {}, DOLLAR))


@pytest.mark.parametrize("cash", [0.0, 0.2])
def test_ladder_on_the_sample_day(sample, book, cash):
    plan = td.plan(Ladder(rungs=8, cash_weight=cash), sample, book)
    assert plan.after.securities == 8
    assert plan.after.cash / plan.after.nav == pytest.approx(cash, abs=0.002)
    values = {}
    for cusip in {*book.positions, *(o.cusip for o in plan.orders)}:
        moved = sum((1 if o.side == "buy" else -1) * o.face_units for o in plan.orders if o.cusip == cusip)
        face = book.positions.get(cusip, 0) + moved
        values[cusip] = sample.mid_dirty[sample.index(cusip)] * face / 1e8 / plan.after.nav
    held = [v for v in values.values() if v]
    assert len(held) == 8
    assert all(v == pytest.approx((1 - cash) / 8, abs=2e-3) for v in held)


def test_duration_target_says_its_limits(sample, book):
    strategy = DurationTarget(buckets={"3-7y": (0.0, 0.2), "0-1y": (0.1, 0.4)}, turnover=0.5)
    target = strategy.decide(sample, book)
    assert isinstance(target, Optimize)
    assert [type(c).__name__ for c in target.constraints] == [
        "Duration",
        "MaxWeight",
        "MaturityBucket",
        "MaturityBucket",
    ]
    assert [c.label for c in target.constraints[2:]] == ["0-1y", "3-7y"], "sorted: one config, one programme"
    assert target.turnover.weight == 0.5


def test_duration_target_on_the_sample_day(sample, book):
    config = {"lower": 1.9, "upper": 2.1, "max_weight": 0.15, "buckets": {"0-1y": (0.1, 0.4)}, "lot": 10_000}
    plan = td.plan(DurationTarget(**config), sample, book)
    limits = {limit.name: limit for limit in plan.limits}
    assert 1.9 <= plan.after.duration <= 2.1
    assert limits["duration"].value == pytest.approx(plan.after.duration, rel=1e-9)
    assert 0.1 <= limits["bucket 0-1y"].value <= 0.4
    assert all(limits[f"max weight {c}"].value <= 0.15 for c in sample.cusips)
    assert plan.after.yield_ > plan.before.yield_
