"""A managed fund on a ledger, its dealer, and the words for plans between them."""

from datetime import date

import pytest

from tbill_defi.chain.keys import SigningKey
from tbill_defi.chain.transactions import sign_transaction
from tbill_defi.core.errors import LedgerError, MandateBreach
from tbill_defi.core.hashing import keccak256
from tbill_defi.instruments import Bill
from tbill_defi.ledger import mandate as mandates
from tbill_defi.ledger.abi import encode_call
from tbill_defi.ledger.deployment import Step
from tbill_defi.ledger.oracle import MAX_QUOTES, Oracle, OracleQuote, OracleRound
from tbill_defi.ledger.settlement import Instruction, Leg, PlanLeg, SignedInstruction, plan_hash, settle_many_arguments
from tests.unit.ledger.support import DOLLAR

TODAY = date(2026, 3, 24)
SHORT = Bill(cusip="912797AA1", issue_date=date(2026, 3, 1), maturity_date=date(2027, 2, 1))
LONG = Bill(cusip="912797BB9", issue_date=date(2026, 3, 1), maturity_date=date(2027, 2, 15))
LIMITS = mandates.Mandate(2_000_000, 3_000_000, 6_000, 2_000, 86_400, 10)
YEARS_E6 = {SHORT.cusip: 1_000_000, LONG.cusip: 5_250_000}


def quotes(*cusips):
    return tuple(
        OracleQuote(cusip, 100_000_000, 0, YEARS_E6.get(cusip, 2_500_000), LONG.maturity_date, 2)
        for cusip in sorted(cusips)
    )


class Fund:
    """The managed fund, its dealer, and the words for plans between them."""

    def __init__(self, ledger):
        self.ledger = ledger
        self.oracle = Oracle(ledger)
        self._nonce = 0

    def publish(self, *cusips):
        number, _, _ = self.oracle.last_round()
        found = quotes(*(cusips or YEARS_E6))
        parts = [found[i : i + MAX_QUOTES] for i in range(0, len(found), MAX_QUOTES)]
        rounds = [OracleRound(number + 1 + i, TODAY, self.ledger.chain.now(), part) for i, part in enumerate(parts)]
        self.oracle.publish([(one, self.oracle.sign(one, self.oracle.own_pricers()[:2])) for one in rounds])

    def publish_at(self, *cusips):
        """At par again, of the ledger's date, by as many as a jump takes."""
        number, _, _ = self.oracle.last_round()
        round_ = OracleRound(number + 1, self.ledger.market_date, self.ledger.chain.now(), quotes(*cusips))
        self.oracle.publish([(round_, self.oracle.sign(round_, self.oracle.own_pricers()))])

    @property
    def account(self):
        return mandates.require_account(self.ledger, "pension")

    def token(self, asset):
        return self.ledger.token_of(asset)

    def legs(self, **amounts):
        """Signed dollars that the fund receives (positive) or gives, by asset: long, short, usd, or a CUSIP."""
        names = {"long": LONG.cusip, "short": SHORT.cusip, "usd": "USD"}
        made = []
        for name, amount in amounts.items():
            parties = ("dealer", "pension") if amount > 0 else ("pension", "dealer")
            made.append(PlanLeg(names.get(name, name), *parties, abs(int(amount * DOLLAR))))
        return sorted(made)

    def instruction(self, legs, *, planned=True):
        self._nonce += 1
        now = self.ledger.chain.now()
        raw = tuple(
            Leg(
                self.token(leg.asset),
                self.ledger.address_of(leg.from_party),
                self.ledger.address_of(leg.to_party),
                leg.amount,
            )
            for leg in legs
        )
        context = keccak256(bytes([self._nonce])) if planned else bytes(32)
        hashed = plan_hash(context, legs) if planned else bytes(32)
        return Instruction(raw, now, now + 600, self._nonce, context, hashed)

    def signatures(self, instruction, manager="pm"):
        digest = instruction.digest(self.ledger.chain.chain_id, self.ledger.contracts.settlement)
        key = manager if isinstance(manager, SigningKey) else self.ledger.keyring.key(manager)
        signer = {
            self.ledger.address_of("dealer"): self.ledger.keyring.key("dealer"),
            self.ledger.address_of("pension"): key,
        }
        return [signer[giver].sign_digest(digest) for giver in instruction.givers]

    def step(self, instruction, *, manager="pm", many=False):
        signatures = self.signatures(instruction, manager)
        data = (
            encode_call(
                "Settlement", "settleMany", *settle_many_arguments([SignedInstruction(instruction, signatures)])
            )
            if many
            else encode_call("Settlement", "settle", instruction.abi_value(), signatures)
        )
        return Step("operator", self.ledger.contracts.settlement, data)

    def deal(self, *, planned=True, manager="pm", **amounts):
        return self.ledger.send([self.step(self.instruction(self.legs(**amounts), planned=planned), manager=manager)])

    def transact(self, key, to, data):
        """A raw transaction past every check of the framework."""
        chain = self.ledger.chain
        raw = sign_transaction(key, chain_id=chain.chain_id, nonce=chain.nonce(key.address), to=to, data=data)
        (receipt,) = chain.submit([raw])
        return receipt

    def state(self):
        wallet = self.ledger.wallet("pension")
        account = self.account
        return dict(wallet.positions), wallet.cash, account.positions, account.cash


def managed_fund(ledger):
    """$400,000 each of a short and a long security and $200,000, all at par: duration 2.5, band 2 to 3."""
    made = Fund(ledger)
    account = mandates.open_account(ledger, "pension", manager="pm")
    mandates.set_mandate(ledger, account, LIMITS)
    ledger.deposit("pension", {LONG: 400_000 * DOLLAR, SHORT: 400_000 * DOLLAR}, 200_000 * DOLLAR)
    ledger.deposit("dealer", {LONG: 10**7 * DOLLAR, SHORT: 10**7 * DOLLAR}, 10**7 * DOLLAR)
    made.publish()
    mandates.recognise(ledger, made.account, [LONG.cusip, SHORT.cusip, "USD"], key="pm")
    return made


def breach(fund, **amounts):
    with pytest.raises(MandateBreach) as caught:
        fund.deal(**amounts)
    return caught.value.rule, caught.value.value, caught.value.lower, caught.value.upper


def code(fund, **options):
    with pytest.raises(LedgerError) as caught:
        fund.deal(**options)
    return caught.value.code
