"""One stocked ledger for tests that leave it as it is, a fresh one for those that do not."""

import pytest

from tests.unit.ledger.support import Bench, stocked_ledger


@pytest.fixture(scope="session")
def shared():
    """Read only by agreement."""
    with stocked_ledger() as ledger:
        yield Bench(ledger)


@pytest.fixture
def bench():
    with stocked_ledger() as ledger:
        yield Bench(ledger)
