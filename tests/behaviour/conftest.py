"""Stocked ledgers for the settlement suite."""

import pytest

from tests.behaviour.mandated import managed_fund
from tests.behaviour.postgres import started
from tests.unit.ledger.support import Bench, make_ledger, stocked_ledger


@pytest.fixture(scope="session")
def postgres():
    """A PostgreSQL server, started by the first test that needs one."""
    server = started()
    yield server
    server.end()


@pytest.fixture(scope="session")
def hall():
    """One ledger for all attempts that must leave no trace: each test proves that it left none."""
    with stocked_ledger() as ledger:
        yield Bench(ledger)


@pytest.fixture
def unmoved(hall):
    """The hall, checked to be as it was."""
    before = hall.state()
    yield hall
    assert hall.state() == before


@pytest.fixture
def bench():
    with stocked_ledger() as ledger:
        yield Bench(ledger)


@pytest.fixture
def fund():
    with make_ledger("dealer", "desk") as ledger:
        yield managed_fund(ledger)


@pytest.fixture
def unchanged(fund):
    """Whatever the test tries, the fund has what it had, on its wallet and in its books."""
    before = fund.state()
    yield fund
    assert fund.state() == before
