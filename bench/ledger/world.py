"""A ledger under every rule of the row, two parties that trade on it, and instructions that both have signed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import tbill_defi as td
from tbill_defi.chain.keys import SigningKey
from tbill_defi.ledger.ledger import ROLE_NAMES, UNITED_STATES
from tbill_defi.ledger.limits import Limits, limits, set_countries, set_trade_limit, set_volume_limit
from tbill_defi.ledger.settlement import Batch, Instruction, Leg, SignedBatch, SignedInstruction

PARTIES = ("desk", "dealer")
ISSUER = "agency"
"""Whose claims about them can be trusted."""
FACE, CASH = 1_000_000, 990_000
PLENTY = 10**16
TRADE, VOLUME, WINDOW = 10**12, 10**15, 86_400
"""Base units and seconds: rules in force that nobody reaches."""
AT = "2026-03-24T15:00-04:00"


@dataclass
class World:
    """A ledger whose desk delivers a note to its dealer against dollars."""

    ledger: td.Ledger
    keys: td.Keys
    token: bytes
    cusip: str

    @classmethod
    def on(cls, url: str | None = None, **options: Any) -> World:
        """Of a fresh ledger there, without rules but the identities'; `options` are of `create_ledger`."""
        keys = td.Keys.in_memory({name: SigningKey.from_seed(name) for name in (*ROLE_NAMES, *PARTIES, ISSUER)})
        ledger = td.create_ledger(url, keys=keys, parties=PARTIES, **options)
        security = td.view("2026-03-24", data=td.sample_data()).securities[10]
        for name in PARTIES:
            ledger.deposit(name, {security: PLENTY}, PLENTY)
        token = ledger.token_of(security.cusip)
        if token is None:
            raise SystemExit(f"{security.cusip}: no token was made")
        return cls(ledger, keys, token, security.cusip)

    def set_rules(self) -> None:
        """A largest trade, a sliding window of volumes and a list of countries, as well as identities' claims."""
        set_trade_limit(self.ledger, TRADE)
        set_volume_limit(self.ledger, VOLUME, WINDOW)
        set_countries(self.ledger, "admit", [UNITED_STATES])
        found = limits(self.ledger)
        if found != Limits(TRADE, VOLUME, WINDOW, None, "admit", (UNITED_STATES,)):
            raise SystemExit(f"the rules are not in force: {found}")

    def signed(self, nonces: range) -> list[SignedInstruction]:
        """Instructions of two legs, each signed by both givers."""
        sign = self._signer()
        return [SignedInstruction(each, sign(each)) for each in self._instructions(nonces)]

    def signed_batch(self, nonces: range) -> SignedBatch:
        """The same instructions, signed by both givers as one list."""
        batch = Batch(tuple(self._instructions(nonces)))
        return SignedBatch(batch, self._signer()(batch))

    def _instructions(self, nonces: range) -> Iterator[Instruction]:
        desk, dealer = map(self.ledger.address_of, PARTIES)
        usd, deadline = self.ledger.contracts.usd, self.ledger.chain.now() + 10**6
        for nonce in nonces:
            legs = (Leg(self.token, desk, dealer, FACE + nonce), Leg(usd, dealer, desk, CASH + nonce))
            yield Instruction(legs, 0, deadline, nonce)

    def _signer(self) -> Callable[[Instruction | Batch], tuple[bytes, ...]]:
        ledger = self.ledger
        keys = {ledger.address_of(name): self.keys.key(name) for name in PARTIES}
        chain_id, settlement = ledger.chain.chain_id, ledger.contracts.settlement

        def sign(signable: Instruction | Batch) -> tuple[bytes, ...]:
            digest = signable.digest(chain_id, settlement)
            return tuple(keys[giver].sign_digest(digest) for giver in signable.givers)

        return sign

    def settled(self) -> int:
        """Instructions that the ledger says are settled."""
        return sum(1 for _ in self.ledger.chain.events(names=["Settled"]))
