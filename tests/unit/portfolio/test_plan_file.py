"""A plan file gives the plan back, or is refused: no field of it can be changed unnoticed."""

import copy
import json
from dataclasses import replace
from datetime import date
from decimal import Decimal

import polars as pl
import pytest
from tbill_strategies.ladder import Ladder

import tbill_defi as td
from tbill_defi.core.errors import DataError, PlanError
from tbill_defi.market import sample_data
from tests.unit.portfolio.support import DOLLAR


def test_round_trip(plan, tmp_path):
    path = plan.save(tmp_path / "plans" / "plan.json")
    assert td.RebalancePlan.load(path) == plan
    assert td.RebalancePlan.load(path).hash == plan.hash
    assert [p.name for p in path.parent.iterdir()] == ["plan.json"], "the draft is gone"


def test_round_trip_of_cost_prices_frozen_units_and_a_maturing_bill(tmp_path):
    """The day before a bill matures there is no regular settlement of it."""
    data, day = sample_data(), date(2026, 6, 24)
    data = replace(data, par_yields=data.par_yields.with_columns(pl.lit(day).alias("date")))
    view = td.view(day, data=data)
    bill = view.cusips[0]
    book = td.Holdings("desk", {bill: 10**12}, 7 * DOLLAR, {bill: 10**11}, {bill: Decimal("99.1")})
    plan = td.plan(Ladder(rungs=3), view, book)
    assert any(order.regular_dirty_price is None for order in plan.orders)
    assert td.RebalancePlan.load(plan.save(tmp_path / "plan.json")) == plan


def paths(value, prefix=()):
    """Every leaf of a JSON value."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from paths(item, (*prefix, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from paths(item, (*prefix, index))
    else:
        yield prefix, value


def put(value, path, new):
    for key in path[:-1]:
        value = value[key]
    value[path[-1]] = new


def other(leaf):
    """A value of the same shape that is not this one."""
    if isinstance(leaf, bool) or leaf is None:
        return 1.5
    if isinstance(leaf, int | float):
        return leaf + 1
    if leaf[:-1].startswith("0x"):
        return leaf[:-1] + ("0" if leaf[-1] != "0" else "1")
    if leaf.lstrip("-").replace(".", "").isdigit():
        return leaf[:-1] + str((int(leaf[-1]) + 1) % 10)
    if leaf[:4].isdigit() and leaf.count("-") == 2:
        return "2020-01-02"
    return leaf + "x"


def refused(raw, path):
    path.write_text(json.dumps(raw))
    with pytest.raises((PlanError, DataError)) as caught:
        td.RebalancePlan.load(path)
    assert type(caught.value) in (PlanError, DataError)
    return str(caught.value)


def test_every_tampered_field_is_refused(plan, tmp_path):
    path = plan.save(tmp_path / "plan.json")
    honest = json.loads(path.read_text())
    leaves = list(paths(honest))
    assert len(leaves) > 200
    for where, leaf in leaves:
        if any(isinstance(part, int) and part > 0 for part in where):
            continue  # the first order, leg and limit stand for all
        raw = copy.deepcopy(honest)
        put(raw, where, other(leaf))
        refused(raw, path)


def test_fields_added_or_taken_away_are_refused(plan, tmp_path):
    path = plan.save(tmp_path / "plan.json")
    honest = json.loads(path.read_text())
    for name in honest:
        refused({k: v for k, v in honest.items() if k != name}, path)
    for where in ("context", "inputs", "before", "cost"):
        for name in honest[where]:
            raw = copy.deepcopy(honest)
            del raw[where][name]
            refused(raw, path)
    assert "more" in refused({**honest, "more": 1}, path)
    refused({**honest, "orders": honest["orders"][1:]}, path)
    refused({**honest, "orders": honest["orders"][::-1]}, path)
    refused({**honest, "legs": honest["legs"][1:]}, path)


def test_an_order_must_agree_with_its_own_price(plan, tmp_path):
    """Even if every hash were made to fit: cash follows from face and price."""
    path = plan.save(tmp_path / "plan.json")
    honest = json.loads(path.read_text())
    for name, value, message in (
        ("cash_units", str(plan.orders[0].cash_units + 1), "is not face x dirty price / 100"),
        ("dirty_price", "1.000000", "!= 1.000000"),
        ("face_units", "1", "is not a whole number of lots"),
        ("side", "hold", "is not buy or sell"),
        ("dirty_price", "NaN", ""),
        ("dirty_price", "sNaN", ""),
    ):
        raw = copy.deepcopy(honest)
        raw["orders"][0][name] = value
        assert message in refused(raw, path)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "not json",
        "[]",
        "{}",
        "null",
        "3",
        '"plan"',
        '{"context": {}, "inputs": {}}',
        '{"hash": NaN}',
        "\ud7ff\x00",
    ],
)
def test_no_plan(tmp_path, text):
    path = tmp_path / "plan.json"
    path.write_text(text)
    with pytest.raises(DataError, match=r"plan\.json: is not"):
        td.RebalancePlan.load(path)


def test_no_file(tmp_path, plan, monkeypatch):
    with pytest.raises(DataError, match="cannot be read"):
        td.RebalancePlan.load(tmp_path / "missing.json")
    path = plan.save(tmp_path / "plan.json")
    monkeypatch.setattr("tbill_defi.portfolio.plan_file.MAX_BYTES", 10)
    with pytest.raises(DataError, match="has more than 10 bytes"):
        td.RebalancePlan.load(path)
