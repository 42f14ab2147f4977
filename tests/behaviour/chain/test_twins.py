"""One journal on two independent EVMs: the same receipts, a test of the machine itself."""

import pytest

from tbill_defi.chain.digests import receipts_hash
from tbill_defi.chain.evidence import verify
from tbill_defi.chain.executor import DEPLOYMENT_PROXY, DEPLOYMENT_PROXY_CODE, executor_factory
from tbill_defi.chain.keys import SigningKey
from tbill_defi.core.errors import LedgerError, UsageError
from tests.behaviour.chain.support import (
    COUNTER,
    COUNTER_ADDRESS,
    CREATOR,
    ENVIRONMENT,
    GREEDY,
    INVALID,
    TRANSIENT,
    decode_count,
    deployment,
    make_ledger,
    reopen,
    url_of,
)

ALICE = SigningKey.from_seed("alice").address
CODES = [COUNTER, CREATOR, ENVIRONMENT, INVALID, GREEDY, TRANSIENT]
PRECOMPILES = [
    (1, bytes(128)),  # ecrecover of nothing
    (2, b"sha"),
    (3, b"ripemd"),
    (4, b"identity"),
    (5, bytes(31) + b"\x01" + bytes(31) + b"\x01" + bytes(31) + b"\x01" + b"\x03\x05\x07"),  # modexp
    (6, bytes(128)),
]


def run(name):
    """Outcomes of the same steps: creations, calls, reverts, halts, snapshots kept and dropped."""
    machine = executor_factory(name)(777, {DEPLOYMENT_PROXY: DEPLOYMENT_PROXY_CODE})
    machine.set_block(300, 1_000)
    outcomes = []
    addresses = []
    for n, code in enumerate(CODES):
        address, data = deployment(code, bytes([n]) * 32)
        outcomes.append(machine.execute(ALICE, DEPLOYMENT_PROXY, data))
        assert outcomes[-1].output == address
        addresses.append(address)
    counter = addresses[0]
    for address in addresses * 2:
        outcomes.append(machine.execute(ALICE, address, b""))
    outcomes += [
        machine.execute(ALICE, counter, b"x" * 100),
        machine.execute(ALICE, b"\x99" * 20, b"\x01"),
        machine.execute(ALICE, DEPLOYMENT_PROXY, b"\x01"),
    ]
    outcomes += [machine.execute(ALICE, bytes(19) + bytes([n]), data) for n, data in PRECOMPILES]
    outer = machine.snapshot()
    machine.set_block(301, 1_001)
    outcomes.append(machine.execute(ALICE, counter, b""))
    inner = machine.snapshot()
    outcomes.append(machine.execute(ALICE, counter, b""))
    machine.revert(inner)
    outcomes.append(machine.execute(ALICE, counter, b""))
    inner = machine.snapshot()
    outcomes.append(machine.execute(ALICE, counter, b""))
    machine.commit(inner)
    outcomes.append(machine.execute(ALICE, addresses[2], b""))
    machine.revert(outer)
    machine.set_block(302, 1_002)
    outcomes += [machine.execute(ALICE, address, b"") for address in addresses]
    return outcomes


def test_the_same_steps_have_the_same_outcomes():
    fast, slow = run("revm"), run("py-evm")
    for n, (ours, theirs) in enumerate(zip(fast, slow, strict=True)):
        assert (ours.status, ours.logs, ours.output) == (theirs.status, theirs.logs, theirs.output), n
    assert receipts_hash(fast) == receipts_hash(slow)
    assert sum(outcome.status for outcome in fast) > 20


@pytest.mark.invariant("I14")
@pytest.mark.parametrize(("writer", "reader"), [("revm", "py-evm"), ("py-evm", "revm")])
def test_a_journal_of_one_replays_on_the_other(tmp_path, writer, reader):
    path = tmp_path / "a.db"
    make_ledger(path, blocks=8, executor=writer)
    assert verify(url_of(path), decoder=decode_count, executor=reader).ok
    with reopen(path, executor=reader) as chain:
        count = chain.call(COUNTER_ADDRESS, b"")
    with reopen(path, executor=writer) as chain:
        assert chain.call(COUNTER_ADDRESS, b"") == count


def test_both_write_the_same_ledger_to_the_byte(tmp_path):
    heads = []
    for name in ("revm", "py-evm"):
        make_ledger(tmp_path / f"{name}.db", executor=name)
        with reopen(tmp_path / f"{name}.db", None) as chain:
            heads.append(chain.head())
    assert heads[0] == heads[1]


def test_a_contract_is_no_sender():
    for name in ("revm", "py-evm"):
        machine = executor_factory(name)(777, {DEPLOYMENT_PROXY: DEPLOYMENT_PROXY_CODE})
        with pytest.raises(LedgerError) as caught:
            machine.execute(DEPLOYMENT_PROXY, DEPLOYMENT_PROXY, bytes(64))
        assert caught.value.code == "SenderHasCode"


def test_unknown_executor():
    with pytest.raises(UsageError, match="geth"):
        executor_factory("geth")


def test_without_pyrevm_the_twin_serves_and_says_so(monkeypatch, caplog):
    import sys

    monkeypatch.setitem(sys.modules, "tbill_defi.chain.executor_revm", None)
    assert executor_factory().name == "py-evm"
    assert "fast platforms are CPython 3.11-3.12" in caplog.text
    with pytest.raises(LedgerError) as caught:
        executor_factory("revm")
    assert caught.value.code == "ExecutorMissing"
    monkeypatch.setitem(sys.modules, "tbill_defi.chain.executor_pyevm", None)
    with pytest.raises(LedgerError) as caught:
        executor_factory()
    assert caught.value.code == "ExecutorMissing"
