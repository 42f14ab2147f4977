from __future__ import annotations

from datetime import date

import pytest

from tbill_defi.core.errors import ConventionError, SettlementOutOfRange
from tbill_defi.instruments import Bond, Note
from tbill_defi.pricing import carried_back_price, coupons_between, forward_price_from_repo

NOTE = Note(cusip="91282CQX2", coupon=0.04125, dated_date=date(2026, 6, 30), maturity_date=date(2031, 6, 30))


def test_without_a_coupon_it_is_simple_interest() -> None:
    back = carried_back_price(
        NOTE, 100.5, quoted_settlement=date(2026, 8, 24), settlement=date(2026, 8, 21), repo_rate=0.0365
    )
    assert back == pytest.approx(100.5 / (1 + 0.0365 * 3 / 360), abs=1e-13)


@pytest.mark.parametrize(
    ("start", "end", "coupons"),
    [
        (date(2026, 12, 30), date(2026, 12, 31), 1),  # held at the start of the coupon date: ours
        (date(2026, 12, 31), date(2027, 1, 4), 0),  # bought on the coupon date: the seller's
        (date(2026, 12, 29), date(2026, 12, 30), 0),
        (date(2026, 12, 30), date(2027, 6, 30), 2),
    ],
)
def test_a_coupon_belongs_to_who_holds_at_the_start_of_its_date(start: date, end: date, coupons: int) -> None:
    assert len(coupons_between(NOTE, start, end)) == coupons
    back = carried_back_price(NOTE, 100.0, quoted_settlement=end, settlement=start, repo_rate=0.0)
    assert back == pytest.approx(100.0 + 2.0625 * coupons, abs=1e-13)


def test_forward_is_the_inverse() -> None:
    dates = (date(2026, 12, 1), date(2027, 7, 15))
    back = carried_back_price(NOTE, 101.25, quoted_settlement=dates[1], settlement=dates[0], repo_rate=0.0365)
    forward = forward_price_from_repo(NOTE, back, settlement=dates[0], forward_settlement=dates[1], repo_rate=0.0365)
    assert forward == pytest.approx(101.25, abs=1e-12)


def test_nothing_moves_on_the_same_day() -> None:
    day = date(2026, 8, 21)
    assert carried_back_price(NOTE, 99.0, quoted_settlement=day, settlement=day, repo_rate=0.05) == 99.0
    assert forward_price_from_repo(NOTE, 99.0, settlement=day, forward_settlement=day, repo_rate=0.05) == 99.0


def test_quantlib_repo_example() -> None:
    # QuantLib Examples/Repo (FINCAD): 8% 2005-09-15, clean 89.97693786 for 2000-02-14, 30/360, delivery 2000-08-15,
    # repo 5%: clean forward 88.24113958. Its accrued interest is 30/360: 149 and 150 days of 360
    bond = Bond(cusip="912810AA0", coupon=0.08, dated_date=date(1995, 9, 15), maturity_date=date(2005, 9, 15))
    dirty = 89.97693786 + 8 * 149 / 360
    forward = forward_price_from_repo(
        bond, dirty, settlement=date(2000, 2, 14), forward_settlement=date(2000, 8, 15), repo_rate=0.05
    )
    # the example reinvests the coupon at the repo rate over its remaining time instead of discounting it
    growth = 1 + 0.05 * 183 / 360
    reinvested = dirty * growth - 4 * (1 + 0.05 * 153 / 360)
    assert forward == pytest.approx(dirty * growth - 4 * growth / (1 + 0.05 * 30 / 360), abs=1e-12)
    assert forward - 8 * 150 / 360 == pytest.approx(88.24113958, abs=1e-8)
    assert abs(forward - reinvested) < 1e-3


def test_dates_must_be_in_order_and_in_range() -> None:
    with pytest.raises(SettlementOutOfRange, match="2026-08-25 is after 2026-08-24"):
        carried_back_price(
            NOTE, 99.0, quoted_settlement=date(2026, 8, 24), settlement=date(2026, 8, 25), repo_rate=0.04
        )
    with pytest.raises(SettlementOutOfRange, match="not before 91282CQX2's maturity"):
        carried_back_price(
            NOTE, 99.0, quoted_settlement=date(2031, 6, 30), settlement=date(2031, 6, 27), repo_rate=0.04
        )


def test_the_repo_rate_is_a_decimal() -> None:
    with pytest.raises(ConventionError, match=r"repo_rate: 3.65 looks like percent"):
        forward_price_from_repo(
            NOTE, 99.0, settlement=date(2026, 8, 21), forward_settlement=date(2026, 8, 24), repo_rate=3.65
        )
