"""Books in SQL: events read, folded, booked and committed, a question answered; and the audit of the same ledger."""

from __future__ import annotations

import tempfile
from pathlib import Path
from time import perf_counter

import tbill_defi as td
from bench.rows import Row, best_of
from tbill_defi.chain.evidence import verify
from tbill_defi.chain.keys import SigningKey
from tbill_defi.ledger.abi import decode_log, encode_call
from tbill_defi.ledger.deployment import Step
from tbill_defi.ledger.index.store import Store
from tbill_defi.ledger.index.view import BooksView
from tbill_defi.ledger.index.writer import BooksWriter
from tbill_defi.ledger.ledger import OPERATOR, ROLE_NAMES
from tbill_defi.ledger.settlement import Instruction, Leg, SignedInstruction, settle_many_arguments

PER_TRANSACTION, PER_BLOCK, EVENTS_OF_A_DVP = 20, 10, 3
"""Of a DvP: two transfers and the settlement."""
EVENTS = 1_000_000


def rows(events: int = EVENTS) -> list[Row]:
    """ledger.index, ledger.index_query, ledger.verify; the ledger of DvP that is read is made first and not counted."""
    with tempfile.TemporaryDirectory() as folder:
        names = ("desk", "dealer")
        keys = td.Keys.in_memory({name: SigningKey.from_seed(name) for name in (*ROLE_NAMES, *names)})
        ledger = td.create_ledger(f"sqlite:///{Path(folder) / 'ledger.db'}", keys=keys, at="2026-03-24T15:00-04:00")
        security = td.view("2026-03-24", data=td.sample_data()).securities[10]
        for name in names:
            ledger.deposit(name, {security: 10**16}, 10**16)
        trade(ledger, ledger.token_of(security.cusip) or b"", events // EVENTS_OF_A_DVP)
        count = sum(1 for _ in ledger.chain.events())
        with Store.open(f"sqlite:///{Path(folder) / 'books.db'}", create=True) as store:
            start = perf_counter()
            BooksWriter(store, ledger).update()
            taken = perf_counter() - start
            view = BooksView(store)
            asked = best_of(lambda: view.positions("desk"))
            middle = ledger.chain.height // 2
            then = best_of(lambda: view.positions("desk", middle))
            held = {row.asset: row.units for row in view.positions("desk")}
        wallet = ledger.wallet("desk")
        wrong = max(abs(held["USD"] - wallet.cash), abs(held[security.cusip] - wallet.positions[security.cusip]))
        url, transfers = ledger.chain.url, ledger.books().transfers
        ledger.close()
        start = perf_counter()
        report = verify(url, decoder=decode_log)
        verified = perf_counter() - start
        if not report.ok:
            raise SystemExit(report.verdict)
    return [
        Row("ledger.index", count / taken, "events/s", floor=20_000, max_abs_diff=wrong),
        Row("ledger.index_query", 1_000 * asked, "ms", floor=5),
        Row("ledger.index_query_then", 1_000 * then, "ms"),
        Row("ledger.verify", transfers / verified, "transfers/s", floor=5_600),
    ]


def trade(ledger: td.Ledger, token: bytes, count: int) -> None:
    """So many DvP, back and forth, signed by both givers."""
    desk, dealer, usd = ledger.address_of("desk"), ledger.address_of("dealer"), ledger.contracts.usd
    signers = {ledger.address_of(name): ledger.keyring.key(name) for name in ("desk", "dealer")}
    chain, settlement, until = ledger.chain.chain_id, ledger.contracts.settlement, ledger.chain.now() + 10**8
    steps: list[Step] = []
    for first in range(0, count, PER_TRANSACTION):
        signed = []
        for nonce in range(first, min(first + PER_TRANSACTION, count)):
            seller, buyer = (desk, dealer) if nonce % 2 else (dealer, desk)
            face = 1_000_000 + nonce % 1_000
            legs = (Leg(token, seller, buyer, face), Leg(usd, buyer, seller, face * 99 // 100))
            instruction = Instruction(legs, 0, until, nonce)
            digest = instruction.digest(chain, settlement)
            signatures = tuple(signers[giver].sign_digest(digest) for giver in instruction.givers)
            signed.append(SignedInstruction(instruction, signatures))
        data = encode_call("Settlement", "settleMany", *settle_many_arguments(signed))
        steps.append(Step(OPERATOR, settlement, data))
        if len(steps) == PER_BLOCK or first + PER_TRANSACTION >= count:
            ledger.require_success(ledger.chain.submit(ledger.sign(steps)))
            steps = []
