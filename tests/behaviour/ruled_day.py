"""Random days on which securities are under rules of their own, which change from day to day."""

from __future__ import annotations

import random

from tbill_defi.ledger.claims import InvestorClass, Topic, issue, trust
from tbill_defi.ledger.ledger import Ledger
from tbill_defi.ledger.token_rules import TokenRules, exempt_parties, holders_of, set_token_rules, token_rules
from tests.behaviour.random_day import FOR_EVER, SECURITIES, RandomDay
from tests.unit.ledger.support import DOLLAR, PARTIES

ISSUER = "stranger"


class RuledDay(RandomDay):
    """What is drawn of rules does not change what is drawn of the rest."""

    def __init__(self, ledger: Ledger, seed: int) -> None:
        super().__init__(ledger, seed)
        self.of_rules = random.Random(seed + 1)

    def stock(self) -> None:
        super().stock()
        trust(self.ledger, ISSUER, [Topic.INVESTOR])
        for party in PARTIES[:2]:
            issue(self.ledger, party, Topic.INVESTOR, issuer=ISSUER, expiry=FOR_EVER, class_=InvestorClass.ACCREDITED)
        for cusip in SECURITIES:
            self.rule(f"stock {cusip}", cusip)

    def tomorrow(self, act: str) -> None:
        super().tomorrow(act)
        self.rule(f"{act}'s rules", self.of_rules.choice([*SECURITIES]))

    def rule(self, act: str, cusip: str) -> None:
        draw = self.of_rules
        rules = TokenRules(
            share_of_supply_bp=draw.choice([0, 2_000, 5_000, 9_000]),
            most_holders=draw.choice([0, 1, 2, 3]),
            lock_up_seconds=draw.choice([0, 0, 40_000]),
            minimum_holding=draw.choice([0, 1, 1_000, 500_000]) * DOLLAR,
            classes=frozenset(draw.choice([(), (), (InvestorClass.ACCREDITED,)])),
        )
        party = draw.choice(PARTIES)
        change = {draw.choice(["exempt", "bind"]): [party]}

        def ruled() -> tuple[TokenRules, tuple[str, ...], int]:
            set_token_rules(self.ledger, cusip, rules, **change)
            return token_rules(self.ledger, cusip), exempt_parties(self.ledger, cusip), holders_of(self.ledger, cusip)

        self.outcome(act, ruled)
