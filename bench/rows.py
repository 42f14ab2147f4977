"""A benchmark's row: what was measured against which peer, in one process, with the largest difference beside it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from time import perf_counter


@dataclass(frozen=True)
class Row:
    """One measured figure.

    Attributes
    ----------
    ratio
        Against the peer in the same process; more is better. None where there is no peer.
    floor
        The ratio, or the value where there is no peer, that is to be reached; None where none is set.
    max_abs_diff
        Largest difference of the results from the peer's.
    """

    name: str
    value: float
    unit: str
    ratio: float | None = None
    floor: float | None = None
    max_abs_diff: float | None = None
    peer: str | None = None
    peer_version: str | None = None


def emit(rows: list[Row]) -> None:
    """One JSON line a row."""
    for row in rows:
        print(json.dumps(asdict(row)), flush=True)


def best_of(work: Callable[[], object], repeats: int = 5) -> float:
    """Seconds of the fastest of several runs: the least disturbed one."""
    times = []
    for _ in range(repeats):
        start = perf_counter()
        work()
        times.append(perf_counter() - start)
    return min(times)


def in_turn(
    ours: Callable[[], object], theirs: Callable[[], object], rounds: int = 3, each: int = 10
) -> tuple[float, float]:
    """Seconds of the fastest run of ours and of a peer's, which take turns, so that both meet the same machine.

    Ours runs `each` times a round and is judged by the median of its rounds' fastest: many short runs find a quiet
    moment that the peer's few long ones never have.
    """
    mine, peers = [], []
    for _ in range(rounds):
        peers.append(best_of(theirs, 1))
        mine.append(best_of(ours, each))
    return sorted(mine)[rounds // 2], min(peers)
