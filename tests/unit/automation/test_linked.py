"""The keeper pays what follows an index: TIPS by their index ratio, floating rate notes by the auctions' rates."""

from datetime import date, timedelta

import polars as pl
import pytest

from tbill_defi.conventions.frn_index import FrnIndex
from tbill_defi.conventions.reference_cpi import ReferenceCpi
from tbill_defi.instruments import Frn, Tips
from tbill_defi.ledger.life import TREASURY
from tbill_defi.market.data import KINDS
from tbill_defi.pricing import floating_coupon, nominal_coupon, nominal_principal
from tests.unit.automation.support import DOLLAR, once, open_at, rule, statuses, wallet

START, PAID = date(2025, 12, 30), date(2026, 3, 31)
FACE = 1_000_000 * DOLLAR
TIPS = Tips(
    cusip="91282CTT1",
    coupon=0.01875,
    dated_date=date(2021, 3, 31),
    maturity_date=PAID,
    dated_reference_cpi=262.01,
)
FRN = Frn(cusip="91282CFF1", spread=0.00125, dated_date=date(2025, 12, 31), maturity_date=date(2027, 12, 31))
CPI = {START + timedelta(days=n): round(325.0 + 0.0137 * n, 5) for n in range(100)}
COUPON = rule("coupons", '{ kind = "coupon" }', '{ kind = "pay-coupon" }')
REDEEM = rule("redeem", '{ kind = "maturity" }', '{ kind = "redeem" }')


def auctions():
    """A 13-week bill each Monday."""
    for week in range(14):
        day = date(2025, 12, 22) + timedelta(days=7 * week)
        yield {
            "cusip": f"9127970{week:02d}",
            "type": "Bill",
            "securityTerm": "13-Week",
            "auctionDate": day,
            "issueDate": day + timedelta(days=3),
            "maturityDate": day + timedelta(days=94),
            "highDiscountRate": round(0.036 + 0.0001 * week, 5),
        }


def index():
    return FrnIndex.of_auctions(auctions())


def add(home, kind, rows):
    path = home / "market" / f"{kind}.parquet"
    frame = pl.read_parquet(path)
    fresh = pl.DataFrame(rows, schema={name: KINDS[kind].schema[name] for name in rows[0]})
    pl.concat([fresh, frame], how="diagonal").sort(KINDS[kind].order).write_parquet(path)


@pytest.fixture
def linked(home):
    """The desk holds a million of each; their terms are in the home's folder."""
    (home / "terms").mkdir()
    for security in (TIPS, FRN):
        (home / "terms" / f"{security.cusip}.json").write_text(security.model_dump_json(exclude_none=True))
    add(home, "auctions", list(auctions()))
    with open_at(home, "2026-03-24T15:30") as ledger:
        ledger.deposit("desk", {TIPS: FACE, FRN: FACE})
    return home


def test_coupons_and_principal_follow_their_index(linked):
    add(linked, "reference_cpi", [{"date": day, "value": value} for day, value in CPI.items()])
    before = wallet(linked).cash
    done = once(linked, "2026-03-31T00:01", COUPON, REDEEM)
    assert {status for _, status in statuses(done)} == {"done"}
    events = {outcome.firing.event for outcome in done.outcomes}
    assert events >= {f"{TIPS.cusip} coupon {PAID}", f"{TIPS.cusip} matured {PAID}", f"{FRN.cusip} coupon {PAID}"}
    cpi = ReferenceCpi.of_daily(CPI)
    expected = [
        nominal_coupon(TIPS, coupon_date=PAID, reference_cpi=cpi),
        nominal_principal(TIPS, reference_cpi=cpi),
        floating_coupon(FRN, payment_date=PAID, index=index()),
    ]
    note = 3_000_000 * DOLLAR * 0.03875 / 2  # the desk's other coupon of the day
    assert wallet(linked).cash - before == sum(int(FACE * flow / 100 + 1e-3) for flow in expected) + note
    assert expected[1] > 120
    with open_at(linked, "2026-03-31T00:02") as ledger:
        shown = {event.name: event.arguments for event in ledger.chain.events()}
        assert shown["CouponIndexed"]["referenceCpiE5"] == str(round(CPI[PAID] * 10**5))
        assert shown["CouponIndexed"]["datedCpiE5"] == "26201000"
        assert sum(int(part["daysCount"]) for part in shown["CouponFloated"]["stretches"]) == 90
        assert ledger.wallet(TREASURY).cash == 0
    assert once(linked, "2026-03-31T09:00").outcomes == ()


def test_a_figure_that_is_not_there_stops_its_own_security_alone(linked):
    done = once(linked, "2026-03-31T00:01", COUPON)
    by_event = {o.firing.event if o.firing else "": o.result for o in done.outcomes}
    assert by_event[f"{FRN.cusip} coupon {PAID}"].status == "done"
    assert "reference CPI" in by_event[""].message
    assert TIPS.cusip in by_event[""].message
