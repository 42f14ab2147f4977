"""What accrues on every type of security: `pricing`'s figures to the base unit, apart in gains, journal and files."""

from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal

import pytest

from tbill_defi.conventions import SETTLEMENT
from tbill_defi.core.clock import new_york_midnight
from tbill_defi.instruments import Frn, Tips
from tbill_defi.ledger import life
from tbill_defi.ledger.calls import call_bond
from tbill_defi.ledger.coupons import NO_FIXINGS, Fixings
from tbill_defi.ledger.index.accrued import PerFace, accrued_units, per_face
from tbill_defi.ledger.index.export import export, table_rows
from tbill_defi.ledger.index.reconcile import reconcile, replayed
from tbill_defi.ledger.index.view import BooksView
from tbill_defi.ledger.index.writer import keep_terms
from tbill_defi.ledger.life import Purchase
from tbill_defi.pricing import accrued_interest, adjusted_price, floating_accrued_interest, index_ratio
from tests.behaviour.test_every_security import CALLABLE, CALLED, DEFLATED, EVERY, FALLING, INDEX, RISING, START, TIPS
from tests.unit.ledger.index.support import Desk, bean_check
from tests.unit.ledger.support import DOLLAR, Bench, make_ledger

FACE = 1_234_567_000_001
"""Of an odd unit, so that every figure is rounded."""


def fixings_of(security):
    return Fixings(FALLING if security is DEFLATED else RISING, INDEX)


def half_up(per_100, face=FACE):
    return int((Decimal(repr(per_100)) * face / 100).quantize(Decimal(1), ROUND_HALF_UP))


def of_pricing(security, day, face=FACE):
    """Interest and inflation, base units, from `pricing`'s figures per 100."""
    fixings = fixings_of(security)
    if isinstance(security, Frn):
        return half_up(floating_accrued_interest(security, settlement=day, index=fixings.frn_index), face), 0
    real = accrued_interest(security, settlement=day)
    if not isinstance(security, Tips):
        return half_up(real, face), 0
    words = {"settlement": day, "reference_cpi": fixings.reference_cpi}
    growth = Decimal(repr(index_ratio(security, **words))) - 1
    exact = (growth * face).copy_abs().quantize(Decimal(1), ROUND_HALF_UP)
    return half_up(adjusted_price(security, real, **words), face), int(exact.copy_sign(growth))


def of_books(security, day, face=FACE):
    each = per_face(security, day, fixings_of(security))
    return tuple(accrued_units(each, face))


@pytest.mark.parametrize("kind", EVERY)
def test_every_day_is_as_priced(kind):
    """Each tenth day from issue to maturity, and the days around coupons."""
    security = EVERY[kind]
    first = getattr(security, "issue_date", None) or getattr(security, "dated_date", START)
    days = {first + timedelta(days=n) for n in range(0, (security.maturity_date - first).days, 10)}
    dates = security.payment_dates if isinstance(security, Frn) else security.resolve().payment_dates
    days |= {day + timedelta(days=n) for day in dates for n in (-1, 0, 1)}
    asked = sorted(day for day in days if first <= day < security.maturity_date)
    assert len(asked) > 2
    for day in asked:
        assert of_books(security, day) == of_pricing(security, day), day


def test_units_that_go_take_along_what_came_with_them():
    each = per_face(TIPS, date(2028, 8, 3), fixings_of(TIPS))
    assert accrued_units(each, -FACE) == tuple(-part for part in accrued_units(each, FACE))
    assert min(accrued_units(each, FACE)) > 0


def test_from_maturity_on_principal_is_at_least_its_face():
    """The floor is of the principal at maturity alone; the day before, inflation is negative."""
    end = DEFLATED.maturity_date
    before, after = (per_face(DEFLATED, end + timedelta(days=n), fixings_of(DEFLATED)) for n in (-1, 90))
    assert before.inflation < 0
    assert after == per_face(DEFLATED, end, fixings_of(DEFLATED)) == PerFace(0, 0)


def test_before_its_dated_date_nothing_has_accrued():
    for security in EVERY.values():
        assert of_books(security, START - timedelta(days=30)) == (0, 0)


@pytest.mark.parametrize("security", [TIPS, EVERY["FRN"]], ids=["TIPS", "FRN"])
def test_without_its_figures_nothing_is_told(security):
    assert per_face(security, date(2027, 2, 3), NO_FIXINGS) is None


# --- in the books -------------------------------------------------------------------------------------------------

TRADED = ("TIPS", "TIPS in deflation", "FRN", "corporate", "municipal", "note")
BOUGHT, SOLD = date(2027, 2, 3), date(2028, 3, 9)
COST, PROCEEDS = 1_251_000_000_003, 1_270_500_000_000


class Traded(Desk):
    """The desk buys a face of a security and sells two thirds of it a year later."""

    def __init__(self, security):
        self.security = security
        super().__init__(make_ledger("desk", "dealer", at=new_york_midnight(START)))
        self.view = BooksView(self.store, SETTLEMENT.following, lambda: fixings_of(security))
        self.income = type(self.income)(self.view)
        for party in ("desk", "dealer"):
            self.ledger.set_claim(party, 2**40)
            self.ledger.deposit(party, {security: FACE} if party == "dealer" else {}, 10**13)
        self.bench = Bench(self.ledger)

    def deal(self, day, seller, buyer, face, cash):
        self.go_to(day)
        bench = self.bench
        token = self.ledger.require_token(self.security.cusip)
        legs = bench.leg(token, seller, buyer, face), bench.leg(bench.usd, buyer, seller, cash)
        assert bench.settle(bench.sign(bench.instruction(legs))).status

    def live(self):
        self.deal(BOUGHT, "dealer", "desk", FACE, COST)
        self.deal(SOLD, "desk", "dealer", FACE * 2 // 3, PROCEEDS)
        self.update()
        keep_terms(self.store, [self.security])
        return self


@pytest.mark.parametrize("kind", TRADED)
def test_a_gain_is_price_interest_and_inflation(kind, tmp_path):
    security, face = EVERY[kind], FACE * 2 // 3
    desk = Traded(security).live()
    with desk.ledger:
        (gain,) = desk.income.gains("desk")
        bought, sold = of_pricing(security, BOUGHT, face), of_pricing(security, SOLD, face)
        assert (gain.interest_bought, gain.interest_sold) == (bought[0], sold[0])
        assert gain.interest == sold[0] - bought[0]
        assert gain.inflation == sold[1] - bought[1]
        assert gain.price + gain.interest + gain.inflation == gain.realised == PROCEEDS - gain.cost
        assert bool(gain.inflation) == (security.kind == "tips")
        (row,) = desk.income.accruals("desk", SOLD)
        assert (row.accrued, row.inflation) == of_pricing(security, SOLD, FACE - face)
        moved = [row for row in desk.view.journal("desk") if row.party == "desk" and row.asset == security.cusip]
        assert [(row.accrued, row.inflation) for row in moved] == [
            of_pricing(security, BOUGHT),
            tuple(-part for part in sold),
        ]
        totals = {}
        for row in desk.view.journal():
            there = totals.setdefault((row.entry, row.asset), [0, 0, 0])
            totals[row.entry, row.asset] = [
                a + b for a, b in zip(there, (row.amount, row.accrued, row.inflation), strict=True)
            ]
        assert not any(any(sums) for sums in totals.values())
        assert reconcile(desk.view, desk.ledger)[1] == []
        assert replayed(desk.view, desk.ledger) == []
        path = tmp_path / "desk.beancount"
        export(desk.view, path, "journal", "desk")
        assert bean_check(path) == ""
        text = path.read_text()
        assert ("Income:InflationAccrual" in text) == (security.kind == "tips")
        assert f"accrued-sold: {sold[0] // DOLLAR}.{sold[0] % DOLLAR:06d} USD" in text
        columns, rows = table_rows(desk.view, "gains", "desk")
        assert ("inflation", int) in columns
        assert rows[0]["interest_sold"] == sold[0]


def test_without_figures_only_the_sum_is_told(tmp_path):
    desk = Traded(TIPS).live()
    with desk.ledger:
        desk.view = BooksView(desk.store)
        (gain,) = type(desk.income)(desk.view).gains("desk")
        assert gain.realised == PROCEEDS - gain.cost
        assert {gain.price, gain.interest, gain.inflation, gain.interest_bought} == {None}
        export(desk.view, tmp_path / "desk.beancount", "journal", "desk")
        assert bean_check(tmp_path / "desk.beancount") == ""
        assert "Income:Gains" in (tmp_path / "desk.beancount").read_text()


@pytest.mark.parametrize(("security", "inflation"), [(TIPS, True), (DEFLATED, False)], ids=["inflation", "deflation"])
def test_what_is_redeemed_is_principal_and_inflation(security, inflation, tmp_path):
    """Bought at par at issue: all that its principal brings beyond is inflation, and deflation takes nothing."""
    desk = Traded(security)
    with desk.ledger as ledger:
        desk.go_to(security.dated_date)
        life.issue(ledger, security, [Purchase("desk", FACE, FACE)])
        desk.go_to(security.maturity_date)
        life.redeem(ledger, security, fixings=fixings_of(security))
        desk.update()
        keep_terms(desk.store, [security])
        (gain,) = desk.income.gains("desk")
        assert (gain.price, gain.interest) in ((0, 0), (-1, 0)), "a part of a unit is not paid"
        assert gain.inflation == gain.realised - gain.price
        assert (gain.inflation > 0) == inflation
        export(desk.view, tmp_path / "desk.beancount", "journal", "desk")
        assert bean_check(tmp_path / "desk.beancount") == ""


def test_a_call_pays_its_interest_apart():
    """Between coupon dates: the principal brings the call price, and no interest is in it."""
    desk = Traded(CALLABLE)
    with desk.ledger as ledger:
        desk.go_to(CALLABLE.dated_date)
        life.issue(ledger, CALLABLE, [Purchase("desk", FACE, FACE)])
        call_bond(ledger, CALLABLE, CALLED)
        desk.go_to(CALLED)
        life.redeem(ledger, CALLABLE, payment_date=CALLED)
        desk.update()
        keep_terms(desk.store, [CALLABLE])
        (gain,) = desk.income.gains("desk")
        assert of_pricing(CALLABLE, CALLED)[0] > 0
        assert (gain.interest, gain.inflation, gain.price) == (0, 0, FACE * 102_675 // 100_000 - FACE)


def test_coupons_of_corporates_are_on_the_ladder():
    corporate = EVERY["corporate"]
    desk = Traded(corporate).live()
    with desk.ledger:
        rungs = desk.income.ladder("desk")
        left = FACE - FACE * 2 // 3
        assert [rung.kind for rung in rungs] == ["coupon"] * 5 + ["redemption"]
        assert rungs[0].cash == left * 535 // 40_000
        assert rungs[-1].cash == left
