"""A contract small enough to assemble by hand, and ledgers with a few blocks of it."""

import re
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tbill_defi.chain.embedded import EmbeddedChain
from tbill_defi.chain.executor import DEPLOYMENT_PROXY, create2_address
from tbill_defi.chain.keys import SigningKey
from tbill_defi.chain.transactions import sign_transaction
from tbill_defi.chain.types import DecodedEvent, Log
from tbill_defi.core.clock import SimulatedClock
from tbill_defi.core.errors import LedgerError
from tbill_defi.core.hashing import keccak256

START = 1_774_378_800  # 2026-03-24 15:00 New York

# no call data: slot 0 += 1, LOG1(topic 0xaa, new count), return it; call data: revert with it
_COUNT = "600054600101" + "80600055" + "600052" + "60aa60206000a1" + "60206000f3"
_REVERT = "5b" + "36600060003736" + "6000fd"
COUNTER = bytes.fromhex("36" + f"60{4 + len(_COUNT) // 2:02x}" + "57" + _COUNT + _REVERT)
GREEDY = bytes.fromhex("5f63ffffffff52")  # MSTORE at 2^32 - 1: out of gas at once
INVALID = bytes.fromhex("fe")
TRANSIENT = bytes.fromhex("5f5c5f52" + "60015f5d" + "60205ff3")  # returns TLOAD(0), then TSTORE(0, 1)
CREATOR = bytes.fromhex("600060006000f060005260206000f3")  # CREATE with empty code, returns the address
ENVIRONMENT = bytes.fromhex(
    "43600052" + "42602052" + "46604052" + "41606052" + "44608052" + "4860a052" + "3a60c052" + "3260e052"
    "60014303406101005245610120523361014052303b61016052" + "6101806000f3"
)  # NUMBER TIMESTAMP CHAINID COINBASE PREVRANDAO BASEFEE GASPRICE ORIGIN BLOCKHASH GASLIMIT CALLER EXTCODESIZE(self)


def init_code(runtime: bytes) -> bytes:
    return bytes.fromhex(f"61{len(runtime):04x}80600c6000396000f3") + runtime


def deployment(runtime: bytes, salt: bytes = bytes(32)) -> tuple[bytes, bytes]:
    """Address, and call data for the deployment proxy."""
    code = init_code(runtime)
    return create2_address(salt, keccak256(code)), salt + code


COUNTER_ADDRESS, COUNTER_DEPLOYMENT = deployment(COUNTER)

OPERATOR = SigningKey.from_seed("operator")
ALICE = SigningKey.from_seed("alice")
BOB = SigningKey.from_seed("bob")


def decode_count(log: Log) -> DecodedEvent | None:
    if len(log.topics) != 1 or int.from_bytes(log.topics[0], "big") != 0xAA:
        return None
    return DecodedEvent.of("Counted", {"count": str(int.from_bytes(log.data, "big"))})


class Desk:
    """A chain and the nonces of those who use it."""

    def __init__(self, chain: EmbeddedChain) -> None:
        self.chain = chain

    def sign(self, key: SigningKey, *, to: bytes = COUNTER_ADDRESS, data: bytes = b"", ahead: int = 0) -> bytes:
        nonce = self.chain.nonce(key.address) + ahead
        return sign_transaction(key, chain_id=self.chain.chain_id, nonce=nonce, to=to, data=data)

    def deploy(self, key: SigningKey, runtime: bytes = COUNTER, salt: bytes = bytes(32)) -> bytes:
        address, data = deployment(runtime, salt)
        (receipt,) = self.chain.submit([self.sign(key, to=DEPLOYMENT_PROXY, data=data)])
        assert receipt.return_data == address
        return address

    def count(self, key: SigningKey = ALICE, times: int = 1) -> list:
        return list(self.chain.submit([self.sign(key, ahead=n) for n in range(times)]))


Place = Path | str
"""Where a ledger is: a file of SQLite, or the URL of a database of PostgreSQL."""


def url_of(place: Place) -> str:
    return place if isinstance(place, str) else f"sqlite:///{place}"


def make_ledger(path: Place, *, blocks: int = 6, executor: str | None = None) -> None:
    """Blocks of different sizes: block 1 deploys, block k counts 1 to 3 times, the even ones revert once too."""
    with EmbeddedChain.create(
        url_of(path),
        operator=OPERATOR,
        clock=SimulatedClock(0),
        simulated_start=START,
        chain_id=4_242_424_242_424,
        extras={"desk": "test"},
        decoder=decode_count,
        executor=executor,
    ) as chain:
        desk = Desk(chain)
        desk.deploy(ALICE)
        extend(desk, blocks - 1)


def extend(desk: Desk, blocks: int) -> None:
    for _ in range(blocks):
        height = desk.chain.height + 1
        batch = [desk.sign(ALICE, ahead=n) for n in range(1 + height % 3)]
        if height % 2 == 0:
            batch.append(desk.sign(BOB, data=b"no"))
        desk.chain.submit(batch)


def reopen(path: Place, operator: SigningKey | None = OPERATOR, **options) -> EmbeddedChain:
    return EmbeddedChain.open(
        url_of(path), clock=SimulatedClock(START), operator=operator, decoder=decode_count, **options
    )


class Database:
    """The database as someone sees it who has all of it, and no keys. Marks are ?, bytes x'..', on both."""

    def __init__(self, connection: Any, postgres: bool) -> None:
        self._connection, self._postgres = connection, postgres

    def execute(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Rows, if there are any."""
        if self._postgres:
            statement = re.sub(r"x'([0-9a-f]*)'", r"'\\x\1'::bytea", statement).replace("?", "%s")
        cursor = self._connection.execute(statement, values or ())
        return cursor.fetchall() if cursor.description else []


@contextmanager
def opened(place: Place) -> Iterator[Database]:
    """A ledger's database, past all of our code; committed at the end."""
    if isinstance(place, str):
        import psycopg

        with psycopg.connect(place, options="-c synchronous_commit=off") as connection:
            yield Database(connection, True)
        return
    connection = sqlite3.connect(place)
    with connection:
        yield Database(connection, False)
    connection.close()


def edit(place: Place, *statements: str | tuple[str, tuple]) -> None:
    """Write to the database as someone with the file but without keys would."""
    with opened(place) as database:
        for statement in statements:
            database.execute(*((statement,) if isinstance(statement, str) else statement))
    for suffix in ("-wal", "-shm") if not isinstance(place, str) else ():
        leftover = place.with_name(place.name + suffix)
        if leftover.exists():
            leftover.unlink()


def refused(attempt: Callable[[], object]) -> tuple[str | None, str]:
    """Code and message, one line, of the `LedgerError` that an attempt ends in."""
    with pytest.raises(LedgerError) as caught:
        attempt()
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 500
    return caught.value.code, message
