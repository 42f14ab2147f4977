"""ledger.dvp and its peers: one core, SQLite with synchronous=FULL, signed instructions under every rule of the row."""

from __future__ import annotations

import gc
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from time import perf_counter

import pyrevm

import tbill_defi as td
from bench.ledger.peers import by_web3, fed_batches, node, tester_provider, versions
from bench.ledger.world import World
from bench.rows import Row
from tbill_defi.chain.rpc import open_chain
from tbill_defi.ledger.abi import encode_call
from tbill_defi.ledger.deployment import Step
from tbill_defi.ledger.ledger import OPERATOR
from tbill_defi.ledger.settlement import SignedInstruction, settle_batch_arguments, settle_many_arguments

INSTRUCTIONS, IN_SMALL_BLOCKS, SINGLES, IN_LISTS = 6_000, 2_000, 2_000, 2_000
"""Instructions settled together, the same in blocks as small as anvil's, one by one, and signed as lists."""
PER_TRANSACTION, PER_BLOCK, PER_SMALL_BLOCK = 20, 500, 100
"""Instructions of a transaction, which is a list where lists are signed, of a block, and of one of anvil's blocks."""
ALL = INSTRUCTIONS + IN_SMALL_BLOCKS + SINGLES + IN_LISTS
FED, BY_WEB3, BY_TESTER = 1_000, 200, 40
"""Instructions that each peer settles."""


def rows() -> list[Row]:
    """ledger.dvp, .bulk, .order_to_receipt, .replay, .memory, against anvil, web3 and eth-tester.

    A block is one group commit: the peers are compared with blocks of as many instructions as anvil's.
    """
    first, small, single, listed = _ranges(INSTRUCTIONS, IN_SMALL_BLOCKS, SINGLES, IN_LISTS)
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'ledger.db'}"
        world = World.on(url, at="2026-03-24T15:00-04:00")
        world.set_rules()
        start = perf_counter()
        steps = together(world, world.signed(first))
        built = perf_counter() - start
        gc.collect()
        before = _resident()
        executed = settle(world, steps, PER_BLOCK // PER_TRANSACTION)
        grown = (_resident() - before) / INSTRUCTIONS / 1e3
        in_small = settle(world, together(world, world.signed(small)), PER_SMALL_BLOCK // PER_TRANSACTION)
        singly = settle(world, one_by_one(world, world.signed(single)), PER_SMALL_BLOCK)
        lists = settle(world, in_lists(world, listed), PER_BLOCK // PER_TRANSACTION)
        _require(world.settled(), ALL)
        world.ledger.close()
        start = perf_counter()
        td.Ledger.open(url, keys=world.keys).close()
        replayed = perf_counter() - start
    ours, alike, apart = INSTRUCTIONS / executed, IN_SMALL_BLOCKS / in_small, SINGLES / singly
    fed, web3, tester = _peers()
    settled, release = executed + in_small + singly + lists, versions()
    anvil = f"anvil, raw batches of {PER_SMALL_BLOCK} in a block, a DvP a transaction"
    singly_signed = f"ledger.dvp, where a DvP has two signatures; here {PER_TRANSACTION} have two"
    one_by_web3, one_by_tester = "web3 to anvil, one by one", "web3 to eth-tester"
    execution = "its own execution, revm through pyrevm"
    revm = getattr(pyrevm, "__version__", "0.3.7")
    return [
        Row("ledger.dvp", ours, "DvP/s", floor=3_000),
        Row("ledger.dvp.anvil", alike, "DvP/s", alike / fed, 1.5, 0, anvil, release["anvil"]),
        Row("ledger.dvp.single", apart, "DvP/s", apart / fed, None, 0, anvil, release["anvil"]),
        Row("ledger.dvp.bulk", IN_LISTS / lists, "DvP/s", IN_LISTS / lists / ours, None, 0, singly_signed),
        Row("ledger.dvp_web3", alike, "DvP/s", alike / web3, 20, 0, one_by_web3, release["web3"]),
        Row("ledger.dvp_eth_tester", alike, "DvP/s", alike / tester, 80, 0, one_by_tester, release["eth-tester"]),
        Row("ledger.order_to_receipt", INSTRUCTIONS / (built + executed), "DvP/s", floor=1_500),
        Row("ledger.replay", ALL / replayed, "DvP/s", settled / replayed, 0.8, 0, execution, revm),
        Row("ledger.memory", grown, "kB a DvP, at most", floor=10),
    ]  # fmt: skip


def together(world: World, signed: Sequence[SignedInstruction]) -> list[Step]:
    """Transactions of `settleMany`."""
    settlement, groups = world.ledger.contracts.settlement, range(0, len(signed), PER_TRANSACTION)
    return [
        Step(
            OPERATOR,
            settlement,
            encode_call("Settlement", "settleMany", *settle_many_arguments(signed[i : i + PER_TRANSACTION])),
        )
        for i in groups
    ]


def in_lists(world: World, nonces: range) -> list[Step]:
    """Transactions of `settleBatch`, each of a list that both givers have signed as one."""
    settlement = world.ledger.contracts.settlement
    lists = [nonces[i : i + PER_TRANSACTION] for i in range(0, len(nonces), PER_TRANSACTION)]
    return [
        Step(
            OPERATOR,
            settlement,
            encode_call("Settlement", "settleBatch", *settle_batch_arguments(world.signed_batch(each))),
        )
        for each in lists
    ]


def one_by_one(world: World, signed: Sequence[SignedInstruction]) -> list[Step]:
    """Transactions of `settle`."""
    settlement = world.ledger.contracts.settlement
    return [
        Step(OPERATOR, settlement, encode_call("Settlement", "settle", s.instruction.abi_value(), list(s.signatures)))
        for s in signed
    ]


def settle(world: World, steps: Sequence[Step], per_block: int) -> float:
    """Seconds to sign the transactions, execute them and have them on the disk, so many a block."""
    ledger = world.ledger
    start = perf_counter()
    for first in range(0, len(steps), per_block):
        ledger.require_success(ledger.chain.submit(ledger.sign(steps[first : first + per_block])))
    return perf_counter() - start


def _peers() -> tuple[float, float, float]:
    """DvP a second of anvil fed batches, of web3 to anvil, and of web3 to eth-tester."""
    with node() as url:
        world = World.on(chain=open_chain(url))
        world.set_rules()
        fed = fed_batches(world, url, world.signed(range(FED)), PER_SMALL_BLOCK)
        web3 = by_web3(world, url, world.signed(range(FED, FED + BY_WEB3)))
        _require(world.settled(), FED + BY_WEB3)
    provider = tester_provider()
    world = World.on(chain=provider)
    world.set_rules()
    tester = by_web3(world, provider, world.signed(range(BY_TESTER)))
    _require(world.settled(), BY_TESTER)
    return fed, web3, tester


def _ranges(*counts: int) -> Iterator[range]:
    """Nonces of so many instructions each, one after the other."""
    end = 0
    for count in counts:
        yield range(end, end := end + count)


def _require(found: int, wanted: int) -> None:
    if found != wanted:
        raise SystemExit(f"{found} of {wanted} instructions settled")


def _resident() -> int:
    """Bytes of memory that this process holds."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
