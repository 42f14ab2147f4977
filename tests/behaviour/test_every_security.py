"""Every type of security from issue to redemption: the contracts pay what `pricing` values, to the base unit."""

from __future__ import annotations

import random
from datetime import date, timedelta
from decimal import Decimal

import pytest

from tbill_defi.conventions import SETTLEMENT
from tbill_defi.conventions.frn_index import FrnIndex
from tbill_defi.conventions.reference_cpi import ReferenceCpi
from tbill_defi.conventions.schedules import add_months
from tbill_defi.core.clock import new_york_midnight
from tbill_defi.instruments import Bill, Bond, CorporateBond, Frn, MunicipalBond, Note, Strip, Tips
from tbill_defi.ledger import life
from tbill_defi.ledger.calls import call_bond
from tbill_defi.ledger.coupons import Fixings, coupon_dates
from tbill_defi.ledger.life import Purchase
from tbill_defi.pricing import floating_coupon, nominal_coupon, nominal_principal
from tests.unit.ledger.support import DOLLAR, make_ledger

HOLDERS = ("ann", "ben", "cat")
START = date(2026, 4, 1)
CALLED = date(2028, 1, 20)


def monthly_cpi(drift: float) -> ReferenceCpi:
    """Twelve years of CPI-U from 2025 on that grow by `drift` a month, unevenly."""
    draw, level, found = random.Random(drift), 320.0, {}
    for month in range(144):
        found[add_months(date(2025, 1, 1), month)] = round(level, 3)
        level *= 1.0 + drift + draw.uniform(-0.002, 0.002)
    return ReferenceCpi.of_monthly(found)


RISING, FALLING = monthly_cpi(0.0025), monthly_cpi(-0.001)
WEEKS = [date(2026, 3, 3) + timedelta(days=7 * week) for week in range(160)]
INDEX = FrnIndex({day: Decimal(n * 7_919_317 % 41_000_000 - 1_500_000) / 10**9 for n, day in enumerate(WEEKS)})
NEGATIVE = FrnIndex(
    {
        day: Decimal(-30_000_000 if n < 26 else n * 7_919_317 % 41_000_000 - 35_000_000) / 10**9
        for n, day in enumerate(WEEKS)
    }
)
"""Half a year in which no day pays anything, then days that do between days that do not."""
BELOW_ZERO = Frn(cusip="91282CFF1", spread=0.00164, dated_date=date(2026, 4, 30), maturity_date=date(2028, 4, 30))

LONG_LAST = Note(
    cusip="91282CEE5",
    coupon=0.03625,
    dated_date=date(2026, 4, 15),
    maturity_date=date(2028, 7, 3),
    penultimate_coupon_date=date(2027, 10, 15),
)
TIPS = Tips(
    cusip="91282CTT1",
    coupon=0.01875,
    dated_date=date(2026, 4, 15),
    maturity_date=date(2031, 4, 15),
    dated_reference_cpi=float(RISING.on(date(2026, 4, 15))),
)
DEFLATED = Tips(
    cusip="91282CTT2",
    coupon=0.00125,
    dated_date=date(2026, 4, 15),
    maturity_date=date(2031, 4, 15),
    dated_reference_cpi=float(FALLING.on(date(2026, 4, 15))),
)
CALLABLE = CorporateBond(
    cusip="594918CC4",
    coupon=0.0535,
    dated_date=date(2026, 4, 20),
    maturity_date=date(2032, 4, 20),
    call_schedule=((CALLED, 102.675), (date(2029, 4, 20), 101.0)),
)
EVERY = {
    "bill": Bill(cusip="912797QQ1", issue_date=date(2026, 4, 2), maturity_date=date(2026, 10, 1)),
    "cash management bill": Bill(cusip="912797QQ2", issue_date=date(2026, 4, 2), maturity_date=date(2026, 4, 21)),
    "note": Note(cusip="91282CAA1", coupon=0.04125, dated_date=date(2026, 4, 30), maturity_date=date(2028, 4, 30)),
    "bond": Bond(cusip="912810DD4", coupon=0.0475, dated_date=date(2026, 5, 15), maturity_date=date(2037, 5, 15)),
    "odd first": Note(
        cusip="91282CCC3",
        coupon=0.07875,
        dated_date=date(2026, 5, 3),
        maturity_date=date(2028, 8, 15),
        first_coupon_date=date(2027, 2, 15),
    ),
    "odd last": LONG_LAST,
    "TIPS": TIPS,
    "TIPS in deflation": DEFLATED,
    "FRN": Frn(cusip="91282CFF1", spread=0.00164, dated_date=date(2026, 4, 30), maturity_date=date(2028, 4, 30)),
    "FRN below zero": BELOW_ZERO,
    "principal strip": Strip(cusip="912821AA1", maturity_date=date(2028, 5, 15), principal_of="91282CAA1"),
    "coupon strip": Strip(cusip="912833AA1", maturity_date=date(2028, 5, 15)),
    "corporate": CorporateBond(
        cusip="594918BZ6", coupon=0.0535, dated_date=date(2026, 4, 20), maturity_date=date(2029, 4, 20), frequency=4
    ),
    "called corporate": CALLABLE,
    "municipal": MunicipalBond(
        cusip="64966QAA1", coupon=0.0505, dated_date=date(2026, 4, 9), maturity_date=date(2029, 1, 1)
    ),
}


def units(face: int, per_100: float) -> int:
    """floor(face x flow / 100) of a flow that a double holds to 16 digits."""
    exact = face * Decimal(repr(per_100)) / 100
    nearest = exact.to_integral_value()
    return int(nearest) if abs(exact - nearest) < Decimal("0.001") else int(exact)


def flows_of_pricing(security, fixings):
    """Payment date -> interest per 100, and the principal per 100 with its date, as `pricing` has them."""
    if isinstance(security, Frn):
        interest = {
            day: floating_coupon(security, payment_date=day, index=fixings.frn_index) for day in security.payment_dates
        }
        return interest, 100.0, security.maturity_date
    flows = security.resolve_to_call(CALLED) if security is CALLABLE else security.resolve()
    interest = {day: float(amount) for day, amount in zip(flows.payment_dates, flows.coupons, strict=True) if amount}
    principal = float(flows.amounts[-1] - flows.coupons[-1])
    if isinstance(security, Tips):
        cpi = fixings.reference_cpi
        interest = {day: nominal_coupon(security, coupon_date=day, reference_cpi=cpi) for day in interest}
        principal = nominal_principal(security, reference_cpi=cpi)
    return interest, round(principal, 9), flows.payment_dates[-1]


class Walk:
    """Three holders of a security, and what they should have."""

    def __init__(self, ledger, security, fixings):
        self.ledger, self.security, self.fixings = ledger, security, fixings
        draw = random.Random(security.cusip)
        self.face = {who: draw.randrange(1, 1_000_000 * DOLLAR) for who in HOLDERS}
        self.wealth = {}

    def go_to(self, day):
        ahead = new_york_midnight(day) + 9 * 3600 - self.ledger.chain.now()
        self.ledger.chain.advance_clock(max(0, ahead))

    def settle(self, payment, per_100):
        expected = {who: units(face, per_100) for who, face in self.face.items()}
        wallets = {"0x" + self.ledger.address_of(who).hex(): amount for who, amount in expected.items()}
        assert payment.paid == {wallet: amount for wallet, amount in wallets.items() if amount}
        assert payment.complete
        assert payment.due == units(sum(self.face.values()), per_100)
        assert sum(payment.paid.values()) + payment.returned == payment.due
        assert 0 <= payment.returned < len(HOLDERS)
        self.wealth = {who: cash + expected[who] for who, cash in self.wealth.items()}
        assert {who: self.ledger.wallet(who).cash for who in HOLDERS} == self.wealth


@pytest.fixture
def ledger():
    with make_ledger(*HOLDERS, at=new_york_midnight(START)) as made:
        for party in HOLDERS:
            made.set_claim(party, 2**40)
            made.deposit(party, {}, 2_000_000 * DOLLAR)
        yield made


@pytest.mark.parametrize("kind", EVERY)
@pytest.mark.invariant("I9")
@pytest.mark.invariant("I10")
def test_from_issue_to_redemption(ledger, kind):
    security = EVERY[kind]
    fixings = Fixings(FALLING if security is DEFLATED else RISING, NEGATIVE if security is BELOW_ZERO else INDEX)
    walk = Walk(ledger, security, fixings)
    interest, principal, end = flows_of_pricing(security, fixings)
    walk.go_to(max(getattr(security, "issue_date", None) or getattr(security, "dated_date", START), START))
    life.issue(ledger, security, [Purchase(who, face, face * 99 // 100) for who, face in walk.face.items()])
    walk.wealth = {who: 2_000_000 * DOLLAR - face * 99 // 100 for who, face in walk.face.items()}
    if security is CALLABLE:
        call_bond(ledger, security, CALLED)
        assert life.called_on(ledger, security) == CALLED
    assert coupon_dates(security, called=life.called_on(ledger, security)) == tuple(interest)
    for day, per_100 in interest.items():
        paid_on = SETTLEMENT.following(day)
        walk.go_to(paid_on)
        if per_100:
            walk.settle(life.pay_coupon(ledger, security, day, payment_date=paid_on, fixings=fixings), per_100)
    paid_on = SETTLEMENT.following(end)
    walk.go_to(paid_on)
    assert security is not CALLABLE or principal == 102.675
    assert security is not DEFLATED or principal == 100.0
    assert security is not TIPS or principal > 110.0
    assert security is not BELOW_ZERO or 0 < sum(per_100 > 0 for per_100 in interest.values()) < len(interest)
    walk.settle(life.redeem(ledger, security, payment_date=paid_on, fixings=fixings), principal)
    token = ledger.token_of(security.cusip)
    redemption = ledger.call("Issuance", ledger.contracts.issuance, "redemptionOf", token)
    issued = ledger.call("Issuance", ledger.contracts.issuance, "issuedOf", token)
    assert redemption["redeemed"] == issued == sum(walk.face.values())
    assert dict(ledger.books().supply())[security.cusip] == 0
    for contract in (ledger.contracts.issuance, ledger.contracts.coupon_payer):
        assert ledger.call("CashToken", ledger.contracts.usd, "balanceOf", contract) == 0
