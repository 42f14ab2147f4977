"""The chain port's suites run on both machines."""

import pytest

from tbill_defi.chain.embedded import EmbeddedChain
from tbill_defi.core.clock import SimulatedClock
from tests.behaviour.chain.support import OPERATOR, START, Desk, decode_count, url_of


@pytest.fixture(params=["revm", "py-evm"])
def executor(request):
    return request.param


@pytest.fixture
def clock():
    return SimulatedClock(START)


@pytest.fixture
def desk(tmp_path, clock, executor):
    """A ledger on a real (settable) clock, the counter deployed in block 1."""
    with EmbeddedChain.create(
        url_of(tmp_path / "desk.db"), operator=OPERATOR, clock=clock, decoder=decode_count, executor=executor
    ) as chain:
        made = Desk(chain)
        made.deploy(OPERATOR)
        yield made
