"""DvP through the compiled contracts in the embedded EVM, durable: signed instructions in, receipts out, replay."""

from __future__ import annotations

import tempfile
from pathlib import Path
from time import perf_counter

import pyrevm

import tbill_defi as td
from bench.rows import Row, emit
from tbill_defi.chain.keys import SigningKey
from tbill_defi.ledger.abi import encode_call
from tbill_defi.ledger.deployment import Step
from tbill_defi.ledger.ledger import OPERATOR, ROLE_NAMES
from tbill_defi.ledger.settlement import Instruction, Leg, SignedInstruction, settle_many_arguments

INSTRUCTIONS, PER_TRANSACTION, PER_BLOCK = 6_000, 20, 10


def main() -> None:
    """ledger.dvp, ledger.order_to_receipt and ledger.replay, one core, SQLite with synchronous=FULL."""
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'ledger.db'}"
        names = ("desk", "dealer")
        keys = td.Keys.in_memory({name: SigningKey.from_seed(name) for name in (*ROLE_NAMES, *names)})
        ledger = td.create_ledger(url, keys=keys, at="2026-03-24T15:00-04:00")
        view = td.view("2026-03-24", data=td.sample_data())
        security = view.securities[10]
        for name in names:
            ledger.deposit(name, {security: 10**16}, 10**16)
        start = perf_counter()
        steps = build(ledger, ledger.token_of(security.cusip) or b"")
        built = perf_counter() - start
        start = perf_counter()
        for first in range(0, len(steps), PER_BLOCK):
            ledger.require_success(ledger.chain.submit(ledger.sign(steps[first : first + PER_BLOCK])))
        executed = perf_counter() - start
        settled = sum(1 for _ in ledger.chain.events(names=["Settled"]))
        ledger.close()
        start = perf_counter()
        td.Ledger.open(url, keys=keys).close()
        replayed = perf_counter() - start
    if settled != INSTRUCTIONS:
        raise SystemExit(f"{settled} of {INSTRUCTIONS} instructions settled")
    version = getattr(pyrevm, "__version__", "0.3.7")
    emit(
        [
            Row("ledger.dvp", INSTRUCTIONS / executed, "DvP/s", floor=3_000),
            Row("ledger.order_to_receipt", INSTRUCTIONS / (built + executed), "DvP/s", floor=1_500),
            Row(
                "ledger.replay",
                INSTRUCTIONS / replayed,
                "DvP/s",
                executed / replayed,
                floor=0.8,
                max_abs_diff=0,
                peer="its own execution, revm through pyrevm",
                peer_version=version,
            ),
        ]
    )


def build(ledger: td.Ledger, token: bytes) -> list[Step]:
    """Instructions signed by both givers, packed into transactions."""
    desk, dealer, usd = ledger.address_of("desk"), ledger.address_of("dealer"), ledger.contracts.usd
    signers = {ledger.address_of(name): ledger.keyring.key(name) for name in ("desk", "dealer")}
    chain, settlement, now = ledger.chain.chain_id, ledger.contracts.settlement, ledger.chain.now()
    steps = []
    for first in range(0, INSTRUCTIONS, PER_TRANSACTION):
        signed = []
        for nonce in range(first, first + PER_TRANSACTION):
            legs = (Leg(token, desk, dealer, 1_000_000 + nonce), Leg(usd, dealer, desk, 990_000 + nonce))
            instruction = Instruction(legs, 0, now + 10**6, nonce)
            digest = instruction.digest(chain, settlement)
            signatures = tuple(signers[giver].sign_digest(digest) for giver in instruction.givers)
            signed.append(SignedInstruction(instruction, signatures))
        data = encode_call("Settlement", "settleMany", *settle_many_arguments(signed))
        steps.append(Step(OPERATOR, settlement, data))
    return steps


if __name__ == "__main__":
    main()
