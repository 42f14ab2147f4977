"""A day of settlement on three machines: currencies, parts, a block, a CCP and a fail, to the unit."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tbill_defi.chain.dev import dev_chain
from tbill_defi.chain.rpc_chain import RpcChain
from tbill_defi.core.clock import new_york_midnight
from tbill_defi.ledger.clearing import open_clearing
from tbill_defi.ledger.currencies import create_currency, deposit_cash
from tbill_defi.ledger.node import fund
from tbill_defi.ledger.trade_terms import NOBODY
from tests.behaviour.day import BACKENDS, ledger_on
from tests.unit.ledger.support import NOTE

FACE, PROCEEDS = 1_000_007, 990_001


@pytest.mark.slow
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_day_of_settlement(backend):
    with ledger_on(backend, "ccp") as ledger:
        for party in ("desk", "fund", "dealer"):
            ledger.set_claim(party, 2**40)
        ccp = ledger.keyring.key("ccp").address
        if isinstance(ledger.chain, RpcChain):
            fund(ledger.chain, ledger.keyring, {"ccp": ccp}, None)
        ledger.add_party("ccp", ccp, claim_expiry=2**40)
        create_currency(ledger, "JPY", "yen", decimals=0)
        deposit_cash(ledger, "fund", "JPY", 15_000)
        ledger.deposit("dealer", {NOTE: 10 * FACE}, 0)
        ledger.deposit("desk", {}, 10 * FACE)
        ledger.deposit("fund", {}, 10 * FACE)
        house = open_clearing(ledger, "ccp")
        trades, day = house.trades, ledger.market_date + timedelta(days=1)

        def agree(seller, buyer, clearer=NOBODY, **more):
            words = {"asset": NOTE.cusip, "face_units": FACE, "proceeds_units": PROCEEDS} | more
            terms = trades.terms(seller=seller, buyer=buyer, settlement_date=day, clearer=clearer, **words)
            return trades.agree(terms).trade_id

        part = agree("dealer", "desk", minimum_units=100_000, lot_units=100_000)
        yen = agree("fund", "desk", asset="JPY", face_units=15_000, proceeds_units=100)
        block = agree("dealer", "fund", allocator="fund")
        trades.allocate(block, {"desk": 400_000, "fund": FACE - 400_000})
        agree("dealer", "desk", house.address)
        agree("desk", "fund", house.address)
        house.novate()
        dev_chain(ledger.chain).set_next_time(new_york_midnight(day) + 9 * 3600)
        ledger.deposit("dealer", {}, 1)
        trades.settle(part, 300_000)
        trades.settle(yen)
        house.settle_due()
        done, refused = trades.settle_due()
        assert (len(done), refused) == (3, {})
        wallets = [ledger.wallet(party) for party in ("desk", "fund", "dealer", "ccp")]
        assert [w.positions.get(NOTE.cusip, 0) for w in wallets] == [
            FACE + 400_000,
            2 * FACE - 400_000,
            7 * FACE,
            0,
        ]
        desk = PROCEEDS * 400_000 // FACE
        assert [w.cash for w in wallets] == [
            10 * FACE - PROCEEDS - desk - 100,
            10 * FACE - PROCEEDS - (PROCEEDS - desk) + 100,
            3 * PROCEEDS + 1,
            0,
        ]
        assert wallets[0].currencies == {"JPY": 15_000}
        assert house.obligations() == {}
