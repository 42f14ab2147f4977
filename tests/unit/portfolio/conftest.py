"""The sample day, a book on it, and one plan of each shipped kind."""

import pytest
from tbill_strategies.duration_target import DurationTarget
from tbill_strategies.ladder import Ladder

import tbill_defi as td
from tbill_defi.market import sample_data
from tests.unit.portfolio.support import book_of


@pytest.fixture(scope="session")
def sample():
    return td.view("2026-03-24", data=sample_data())


@pytest.fixture(scope="session")
def book(sample):
    return book_of(sample)


@pytest.fixture(scope="session")
def ladder_plan(sample, book):
    return td.plan(Ladder(rungs=5), sample, book)


@pytest.fixture(scope="session")
def band_plan(sample, book):
    return td.plan(DurationTarget(lot=10_000), sample, book)


@pytest.fixture(params=["ladder", "band"])
def plan(request, ladder_plan, band_plan):
    return {"ladder": ladder_plan, "band": band_plan}[request.param]
