"""The chain port's suites run on both machines and both databases."""

import shutil

import pytest

from tbill_defi.chain.embedded import EmbeddedChain
from tbill_defi.core.clock import SimulatedClock
from tests.behaviour.chain.support import OPERATOR, START, Desk, decode_count, make_ledger, url_of

BACKENDS = [("revm", "sqlite"), ("py-evm", "sqlite"), ("revm", "postgresql")]


@pytest.fixture(params=BACKENDS, ids="-".join)
def backend(request):
    return request.param


@pytest.fixture
def executor(backend):
    return backend[0]


@pytest.fixture
def clock():
    return SimulatedClock(START)


@pytest.fixture
def new_place(backend, request, tmp_path):
    """Makes places for ledgers: files, or databases on a server."""
    return places(backend[1], request, tmp_path)


@pytest.fixture
def desk(new_place, clock, executor):
    """A ledger on a real (settable) clock, the counter deployed in block 1."""
    with EmbeddedChain.create(
        url_of(new_place()), operator=OPERATOR, clock=clock, decoder=decode_count, executor=executor
    ) as chain:
        made = Desk(chain)
        made.deploy(OPERATOR)
        yield made


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def database(request):
    """Which database a suite about what is stored runs on."""
    return request.param


@pytest.fixture
def place(database, request, tmp_path):
    """Where a ledger can be made."""
    return places(database, request, tmp_path)()


@pytest.fixture
def copied(database, request, tmp_path):
    """Copies the ledger of a place to another."""

    def copy(source):
        if database == "postgresql":
            return fresh(request, template=source.rpartition("/")[2])
        return shutil.copy(source, tmp_path / f"copy{len(list(tmp_path.iterdir()))}.db")

    return copy


@pytest.fixture
def url(postgres):
    """A ledger of two blocks on PostgreSQL."""
    made = postgres.database()
    make_ledger(made, blocks=2)
    yield made
    postgres.drop(made)


def places(database, request, folder):
    """Makes new places on a database."""
    if database == "postgresql":
        return lambda: fresh(request)
    count = iter(range(1_000))
    return lambda: folder / f"desk{next(count)}.db"


def fresh(request, **options):
    """A database that is there until what asked for it is done."""
    server = request.getfixturevalue("postgres")
    url = server.database(**options)
    request.addfinalizer(lambda: server.drop(url))
    return url
