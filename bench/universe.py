"""A random universe with the market's mix of types, seeded: what benchmarks of a whole book price."""

from __future__ import annotations

from datetime import date, timedelta
from random import Random

from tbill_defi.conventions.schedules import add_months, quasi_coupon_dates
from tbill_defi.instruments import Bill, Bond, Note, Security

NOTE_MONTHS = (24, 36, 60, 84, 120)
BOND_MONTHS = (240, 360)
BILL_WEEKS = (4, 6, 8, 13, 17, 26, 52)
ODD = 0.05
"""Share of coupon securities with a short or long first period."""


def universe(count: int, settlement: date, seed: int = 1) -> list[Security]:
    """`count` securities issued before `settlement` and not matured: a sixth bills, a quarter bonds, the rest notes."""
    random = Random(seed)
    found: list[Security] = []
    while len(found) < count:
        cusip = f"91{len(found):07d}"
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
        kind = Bond if months in BOND_MONTHS else Note
        coupon = random.randint(1, 48) / 800
        found.append(
            kind(cusip=cusip, coupon=coupon, dated_date=dated, maturity_date=maturity, first_coupon_date=first)
        )
    return found


def _cycle_day(random: Random, day: date) -> date:
    """The 15th or the last of the month, as the Treasury has it."""
    return day.replace(day=15) if random.random() < 0.5 else add_months(day, 0, end_of_month=True)
