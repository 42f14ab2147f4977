"""Stocked ledgers for the settlement suite."""

import pytest

from tests.unit.ledger.support import Bench, stocked_ledger


@pytest.fixture(scope="session")
def hall():
    """One ledger for all attempts that must leave no trace: each test proves that it left none."""
    with stocked_ledger() as ledger:
        yield Bench(ledger)


@pytest.fixture
def bench():
    with stocked_ledger() as ledger:
        yield Bench(ledger)
