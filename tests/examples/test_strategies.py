"""Every shipped strategy is installed, is a page, makes a plan of the sample day, and passes the kit."""

import tomllib
from pathlib import Path

import pytest

import tbill_defi as td
from tbill_defi.strategy.kit import check

ROOT = Path(__file__).resolve().parents[2]
POINTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]["tbill_defi.strategies"]


def test_every_module_is_an_entry_point():
    modules = {p.stem for p in (ROOT / "strategies" / "tbill_strategies").glob("*.py")} - {"__init__"}
    assert {point.partition(":")[0].removeprefix("tbill_strategies.") for point in POINTS.values()} == modules


@pytest.mark.parametrize("name", POINTS)
def test_shipped(name):
    kind = td.find(POINTS[name])
    assert kind.name() == name
    assert kind.question().endswith("?")
    source = Path(td.__file__).parents[1] / "strategies" / "tbill_strategies" / f"{name.replace('-', '_')}.py"
    assert len(source.read_text().splitlines()) <= 75, "a strategy is a page"
    view = td.view("2026-03-24", data=td.sample_data())
    notes = {"91282CPP0": 6_000_000 * 10**6} if name == "covered-call-overlay" else {}
    book = td.Holdings("desk", notes, 10_000_000 * 10**6)
    plan = td.plan(kind(), view, book)
    assert plan.writes if notes else plan.orders
    assert plan.after.cash >= 0


@pytest.mark.parametrize("name", POINTS)
def test_passes_the_kit(name):
    report = check(POINTS[name])
    assert report.passed, report.failures()
