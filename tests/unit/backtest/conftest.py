import pytest

from tests.unit.backtest.support import market


@pytest.fixture(scope="session")
def data():
    return market()
