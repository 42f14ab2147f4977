"""The shell blocks of docs/settlement.md, in order, as a reader types them; its Python, on a ledger."""

import re
from pathlib import Path

import pytest

from tbill_defi.ledger.abi import decode_log, encode_call
from tbill_defi.ledger.settlement import settle_batch_arguments
from tests.examples import terminal
from tests.unit.ledger.support import OUTSIDER, Bench, stocked_ledger

PAGE = Path(__file__).resolve().parents[2] / "docs" / "settlement.md"


@pytest.mark.slow
def test_the_page_runs(tmp_path):
    said = {}
    for count, block in enumerate(terminal.blocks(PAGE)):
        code, said[count] = terminal.typed(block, tmp_path, TBILL_HOME=str(tmp_path / "desk"))
        assert code == 0, said[count]
    assert "15,000,000 JPY in circulation" in said[1]
    assert "settled: dealer delivers 1,000,000.00 91282CPP0 to fund for 991,250.00 USD" in said[2]
    assert "5,000,000.00 of it has settled" in said[3]
    assert said[4].count("pending: dealer delivers") == 2
    assert re.search(r"2026-03: dealer owes desk [0-9.]+ USD, not above the minimum", said[5])
    assert re.search(r"paid in block [0-9]+: dealer owes fund [0-9.]+ USD, paid", said[5])
    assert "3 obligations settled" in said[6]


def test_the_list_that_the_page_signs_settles():
    (block,) = terminal.blocks(PAGE, "python")
    names = {}
    exec(block, names)
    with stocked_ledger() as ledger:
        bench = Bench(ledger)
        keys = {ledger.address_of(name): bench.key(name) for name in ("desk", "fund")}
        instructions = [bench.instruction(bench.exchange(face)) for face in (1_000, 2_500)]
        signed = names["sign"](instructions, keys, bench.chain.chain_id, bench.contracts.settlement)
        data = encode_call("Settlement", "settleBatch", *settle_batch_arguments(signed))
        receipt = bench.transact(OUTSIDER, bench.contracts.settlement, data)
        assert [decode_log(log).name for log in receipt.logs].count("Settled") == 2
