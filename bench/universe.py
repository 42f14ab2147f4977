"""A random universe with the market's mix of types, seeded: what benchmarks of a whole book price."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from random import Random

from tbill_defi.conventions.frn_index import FrnIndex
from tbill_defi.conventions.schedules import add_months, quasi_coupon_dates
from tbill_defi.instruments import AnySecurity, Bill, Bond, Frn, Note, Tips

NOTE_MONTHS = (24, 36, 60, 84, 120)
BOND_MONTHS = (240, 360)
TIPS_MONTHS = (60, 120, 360)
BASE_CPI = 320.5
BILL_WEEKS = (4, 6, 8, 13, 17, 26, 52)
ODD = 0.05
"""Share of coupon securities with a short or long first period."""
FLOATING = 0.02
"""Share of floating rate notes in the market: 8 of 461 securities."""


def universe(count: int, settlement: date, seed: int = 1, *, floating: float = 0.0) -> list[AnySecurity]:
    """`count` securities issued before `settlement` and not matured.

    A share `floating` of floating rate notes; of the others a sixth bills, a quarter bonds, the rest notes; of those of
    5, 10 and 30 years a fifth TIPS.
    """
    random = Random(seed)
    found: list[AnySecurity] = []
    while len(found) < count:
        cusip = f"91{len(found):07d}"
        if floating and random.random() < floating:
            dated = _cycle_day(random, settlement - timedelta(days=random.randrange(35, 690)))
            maturity = add_months(dated, 24, end_of_month=dated.day > 27)
            spread = random.randint(-5, 30) / 10_000
            found.append(Frn(cusip=cusip, spread=spread, dated_date=dated, maturity_date=maturity))
            continue
        draw = random.random()
        if draw < 1 / 6:
            weeks = random.choice(BILL_WEEKS)
            issue = settlement - timedelta(days=random.randrange(weeks * 7))
            found.append(Bill(cusip=cusip, issue_date=issue, maturity_date=issue + timedelta(weeks=weeks)))
            continue
        months = random.choice(BOND_MONTHS if draw < 0.42 else NOTE_MONTHS)
        dated = _cycle_day(random, settlement - timedelta(days=random.randrange(months * 30)))
        maturity = add_months(dated, months, end_of_month=dated.day > 27)
        if not dated < settlement < maturity:
            continue
        first = None
        if random.random() < ODD:
            dated -= timedelta(days=random.randint(1, 150))
            first = random.choice(quasi_coupon_dates(dated, maturity)[1:3])
        terms = {"cusip": cusip, "dated_date": dated, "maturity_date": maturity, "first_coupon_date": first}
        terms["coupon"] = random.randint(1, 48) / 800
        if months in TIPS_MONTHS and len(found) % 5 == 0:
            found.append(Tips(**terms, dated_reference_cpi=BASE_CPI))
        else:
            found.append((Bond if months in BOND_MONTHS else Note)(**terms))
    return found


def frn_index(settlement: date, weeks: int = 30, seed: int = 1) -> FrnIndex:
    """Rates of weekly auctions up to `settlement`."""
    random = Random(seed)
    effective = [settlement - timedelta(days=7 * week + 1) for week in range(weeks)]
    return FrnIndex({day: Decimal(random.randint(34_000_000, 38_000_000)).scaleb(-9) for day in effective})


def _cycle_day(random: Random, day: date) -> date:
    """The 15th or the last of the month, as the Treasury has it."""
    return day.replace(day=15) if random.random() < 0.5 else add_months(day, 0, end_of_month=True)
