"""An audit by two processes says what one by a single process says, of whole ledgers and of damaged ones."""

import subprocess
import sys
from dataclasses import replace

import pytest

from tbill_defi.chain import audit_ahead
from tbill_defi.chain.blocks import build_block
from tbill_defi.chain.evidence import Kind, SignedHead, _Audit, verify
from tbill_defi.chain.executor import executor_factory
from tbill_defi.chain.replay import Machine
from tests.behaviour.chain.forge import admit_anyone, genesis_of, replace_blocks, rewrite, stored_blocks
from tests.behaviour.chain.support import (
    ALICE,
    OPERATOR,
    Desk,
    decode_count,
    edit,
    extend,
    make_ledger,
    opened,
    reopen,
    url_of,
)

BLOCKS = 5


@pytest.fixture
def ledger(place):
    make_ledger(place, blocks=BLOCKS)
    return place


@pytest.fixture
def processes(monkeypatch):
    """Every process that was started."""
    started = []
    real = subprocess.Popen

    def start(*command, **options):
        started.append(real(*command, **options))
        return started[-1]

    monkeypatch.setattr(audit_ahead.subprocess, "Popen", start)
    return started


def audit(place, processes, **options):
    return verify(url_of(place), decoder=decode_count, processes=processes, **options)


def test_a_whole_ledger_needs_no_second_look(ledger, processes, monkeypatch):
    expected = audit(ledger, 1)
    assert expected.ok
    assert processes == []
    monkeypatch.setattr(_Audit, "check_rows", lambda *_: pytest.fail("one process did it after all"))
    seen = []
    assert audit(ledger, 2, progress=lambda done, total: seen.append((done, total))) == expected
    assert seen == [(n, BLOCKS) for n in range(1, BLOCKS + 1)]
    assert [process.returncode is not None for process in processes] == [True]


def test_py_evm_executes_what_was_read_ahead(ledger):
    assert audit(ledger, 2, executor="py-evm") == audit(ledger, 1)


DAMAGE = {
    "a raw transaction": "UPDATE transactions SET raw = x'02' WHERE sequence = 3",
    "a sender": "UPDATE transactions SET sender = recipient WHERE sequence = 3",
    "a status": "UPDATE transactions SET status = 1 - status WHERE sequence = 4",
    "an output": "UPDATE transactions SET output = x'00' WHERE sequence = 2",
    "a log's data": "UPDATE events SET data = topics WHERE sequence = 2",
    "topics of no whole words": "UPDATE events SET topics = x'00' WHERE sequence = 2",
    "a decoded argument": 'UPDATE events SET arguments = \'{"count":"99"}\' WHERE sequence = 2',
    "a position before the first": "UPDATE events SET position = -1 WHERE sequence = 2",
    "a missing event": "DELETE FROM events WHERE sequence = 2",
    "the last transactions": "DELETE FROM transactions WHERE sequence > 5",
    "an event of no block": "UPDATE events SET sequence = 900 WHERE sequence = (SELECT max(sequence) FROM events)",
    "a block's time": "UPDATE blocks SET timestamp = timestamp + 1 WHERE height = 3",
    "a receipts hash": "UPDATE blocks SET receipts_hash = parent_hash WHERE height = 3",
    "all blocks": "DELETE FROM blocks",
}


@pytest.mark.parametrize("statement", DAMAGE.values(), ids=DAMAGE)
def test_damage_is_found_as_one_process_finds_it(ledger, statement):
    edit(ledger, statement)
    found = audit(ledger, 2)
    assert not found.ok
    assert found == audit(ledger, 1)


def test_a_history_that_its_operator_forged_is_refused(ledger):
    """Hashed and signed anew, so that every row is what the others say of it: only executing it shows the lie."""
    genesis = genesis_of(ledger)
    machine = Machine(genesis, executor_factory())
    blocks = []
    for timestamp, raws in stored_blocks(ledger):
        batch = machine.admit(raws)
        outcomes = machine.run(batch, timestamp)
        if machine.tip.height == 2:
            log = outcomes[0].logs[0]
            outcomes[0] = replace(outcomes[0], logs=(log._replace(data=bytes(31) + b"\x63"),))
        blocks.append(build_block(machine.tip, timestamp, batch, outcomes, decode_count))
        machine.keep(blocks[-1].tip)
    head = SignedHead.sign(OPERATOR, genesis, BLOCKS, blocks[-1].tip.hash)
    with opened(ledger) as database:
        replace_blocks(database, blocks)
        database.execute("UPDATE head SET hash = ?, signature = ?", (head.block_hash, head.signature))
    found = audit(ledger, 2)
    assert {(one.kind, one.block) for one in found.findings} == {(Kind.REPLAY, 3)}
    assert found == audit(ledger, 1)


def test_a_transaction_that_comes_twice_is_refused(ledger):
    raw = stored_blocks(ledger)[1][1][0]
    rewrite(
        ledger,
        lambda history: history.append((history[-1][0], [raw])),
        signer=OPERATOR,
        admit=admit_anyone(ALICE.address),
    )
    found = audit(ledger, 2)
    assert {(one.kind, one.block) for one in found.findings} == {(Kind.AUTHORITY, BLOCKS + 1)}
    assert found == audit(ledger, 1)


def test_it_goes_on_alone_where_no_process_starts(ledger, monkeypatch):
    expected = audit(ledger, 1)
    monkeypatch.setattr(sys, "executable", "/bin/false")
    assert audit(ledger, 2) == expected


def test_it_goes_on_alone_where_the_process_is_killed(ledger, processes):
    expected = audit(ledger, 1)
    assert audit(ledger, 2, progress=lambda done, _: done == 1 and processes[0].kill()) == expected


def test_it_goes_on_alone_with_a_decoder_of_this_process(ledger):
    assert verify(url_of(ledger), decoder=lambda log: decode_count(log), processes=2) == audit(ledger, 1)


def test_nothing_is_left_of_it_when_it_is_interrupted(ledger, processes):
    def interrupt(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        audit(ledger, 2, progress=interrupt)
    assert [process.returncode is not None for process in processes] == [True]


def test_while_the_writer_writes(ledger):
    with reopen(ledger) as chain:
        extend(Desk(chain), 1)
        assert audit(ledger, 2).ok
