"""The sample day and a book on it."""

import pytest

import tbill_defi as td
from tbill_defi.market import sample_data
from tests.unit.portfolio.support import book_of


@pytest.fixture(scope="session")
def sample():
    return td.view("2026-03-24", data=sample_data())


@pytest.fixture(scope="session")
def book(sample):
    return book_of(sample)
