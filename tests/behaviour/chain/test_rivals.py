"""Processes that write to one ledger at once: one does, the others are told so and have executed nothing."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tbill_defi.chain.evidence import verify
from tbill_defi.chain.keys import SigningKey
from tests.behaviour.chain.rival import BATCH
from tests.behaviour.chain.support import COUNTER_ADDRESS, Place, decode_count, make_ledger, opened, reopen, url_of

ROOT = Path(__file__).resolve().parents[3]
NAMES = ("ann", "bea", "cid")
ROUNDS = 30


class Rivals:
    """The processes, all told at once; they are there and warm before the first word."""

    def __init__(self, place: Place, *options: str) -> None:
        self.children = [
            subprocess.Popen(
                [sys.executable, "-m", "tests.behaviour.chain.rival", url_of(place), name, *options],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for name in NAMES
        ]

    def tell(self, word: str, to: Any = None) -> list[dict[str, Any]]:
        """What each said, in their order."""
        chosen = self.children if to is None else [self.children[n] for n in to]
        for child in chosen:
            child.stdin.write(word + "\n")
        for child in chosen:  # one after the other is microseconds: far less than what they are told to do
            child.stdin.flush()
        return [json.loads(child.stdout.readline()) for child in chosen]

    def end(self) -> None:
        for child in self.children:
            child.kill()
            child.communicate()


@contextmanager
def rivals(place: Place, *options: str) -> Iterator[Rivals]:
    made = Rivals(place, *options)
    try:
        yield made
    finally:
        made.end()


@pytest.fixture
def ledger(place):
    make_ledger(place, blocks=2)
    return place


def holds(place: Place, height: int, hashes: dict[int, str]) -> None:
    """The ledger has the blocks that were acknowledged, each once, and nothing else; and it is sound."""
    report = verify(url_of(place), decoder=decode_count)
    assert report.ok, report.verdict
    assert report.height == height
    with opened(place) as database:
        found = {h: bytes(value).hex() for h, value in database.execute("SELECT height, hash FROM blocks")}
    assert {h: found[h] for h in hashes} == hashes


def spent(place: Place) -> dict[str, int]:
    """Nonces: how many transactions of each are in the ledger."""
    with reopen(place, None) as reader:
        return {name: reader.nonce(SigningKey.from_seed(name).address) for name in NAMES}


def counted(place: Place) -> int:
    with reopen(place, None) as reader:
        return int.from_bytes(reader.call(COUNTER_ADDRESS, b""), "big") - 1


def test_one_becomes_the_writer(ledger):
    """All open at once, thirty times: one is in, the others wait outside until it has gone."""
    before, hashes, wins = counted(ledger), {}, dict.fromkeys(NAMES, 0)
    with rivals(ledger) as three:
        for number in range(ROUNDS):
            opened = three.tell("open")
            (winner,) = [n for n, said in enumerate(opened) if "height" in said]
            losers = [n for n in range(len(NAMES)) if n != winner]
            assert opened[winner]["height"] == 2 + number
            assert all("another writer holds" in opened[n]["busy"] for n in losers)
            (done,) = three.tell("write", [winner])
            assert [said["executed"] for said in (*opened, done)] == [0, 0, 0, BATCH]
            assert all("another writer holds" in said["busy"] for said in three.tell("open", losers))
            hashes[done["height"]] = done["hash"]
            wins[NAMES[winner]] += BATCH
            three.tell("close")
    holds(ledger, 2 + ROUNDS, hashes)
    assert spent(ledger) == wins
    assert counted(ledger) == before + BATCH * ROUNDS


def test_one_writes_where_no_lock_holds(ledger):
    """All are writers on the same head and submit at once, thirty times: the head lets one through."""
    before, hashes, wins = counted(ledger), {}, dict.fromkeys(NAMES, 0)
    with rivals(ledger, "--without-lock") as three:
        for number in range(ROUNDS):
            assert [said.get("height") for said in three.tell("open")] == [2 + number] * 3
            said = three.tell("write")
            (winner,) = [n for n, one in enumerate(said) if "height" in one]
            losers = [n for n in range(len(NAMES)) if n != winner]
            assert all("nothing was executed" in said[n]["busy"] for n in losers), said
            assert [one["executed"] for one in said] == [BATCH * (n == winner) for n in range(3)]
            again = three.tell("write", losers)
            assert [one["refused"] for one in again] == ["Reopen"] * 2, "it says so until it is opened again"
            assert [one["executed"] for one in again] == [0, 0]
            hashes[said[winner]["height"]] = said[winner]["hash"]
            wins[NAMES[winner]] += BATCH
            three.tell("close")
    holds(ledger, 2 + ROUNDS, hashes)
    assert spent(ledger) == wins
    assert counted(ledger) == before + BATCH * ROUNDS


def let_in(three: Rivals, one: int) -> int:
    """The height at which one is the writer: on PostgreSQL when the server has seen who went."""
    deadline = time.monotonic() + 30
    while "height" not in (said := three.tell("open", [one])[0]):
        assert time.monotonic() < deadline, said
    return int(said["height"])


def test_a_writer_that_is_killed_leaves_the_door_open(ledger):
    """The lock goes with its holder: the next one is in."""
    with rivals(ledger) as three:
        for number, victim in enumerate(range(2)):
            assert let_in(three, victim) == 2 + number
            three.tell("write", [victim])
            assert "busy" in three.tell("open", [2])[0]
            three.children[victim].kill()
            three.children[victim].wait()
        assert let_in(three, 2) == 4
        three.tell("write", [2])
    holds(ledger, 5, {})
