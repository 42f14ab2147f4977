from __future__ import annotations

from datetime import date
from fractions import Fraction

import numpy as np
import pytest

from tbill_defi.instruments import Bill, Bond, Note


def test_regular_note_pays_exactly_half_its_coupon() -> None:
    flows = Note(
        cusip="91282CQX2", coupon=0.04125, dated_date=date(2026, 6, 30), maturity_date=date(2028, 6, 30)
    ).resolve()
    assert flows.dates.tolist() == [date(2026, 12, 31), date(2027, 6, 30), date(2027, 12, 31), date(2028, 6, 30)]
    assert flows.amounts.tolist() == [2.0625, 2.0625, 2.0625, 102.0625]
    assert flows.fractions == (Fraction(1, 2),) * 4
    assert flows.payment_dates == tuple(flows.dates.tolist())


def test_short_first_coupon() -> None:
    # 31 CFR 356 App. B II.B: 8.50%, 1990-04-02 to 1992-03-31: 181 of 183 days
    flows = Note(
        cusip="912827AA0", coupon=0.085, dated_date=date(1990, 4, 2), maturity_date=date(1992, 3, 31)
    ).resolve()
    assert flows.fractions[0] == Fraction(181, 366)
    assert flows.amounts[0] == pytest.approx(4.25 * 181 / 183, abs=1e-15)


def test_long_first_coupon() -> None:
    # 31 CFR 356 App. B I.B: 7.875%, 1990-12-03 to 1996-02-15: 74 of 184 days and a half-year. The published payment
    # on 7,000 face rounds the interest of one day and of 100 face, which leaves 2e-9 per 100
    flows = Note(
        cusip="912827AB8",
        coupon=0.07875,
        dated_date=date(1990, 12, 3),
        maturity_date=date(1996, 2, 15),
        first_coupon_date=date(1991, 8, 15),
    ).resolve()
    assert flows.fractions[0] == Fraction(74, 368) + Fraction(1, 2)
    assert 70 * flows.amounts[0] == pytest.approx(386.474184670, abs=70 * 2e-9)
    assert flows.dates[0] == np.datetime64("1991-08-15")
    assert flows.amounts[1] == 3.9375


def test_first_coupon_two_full_periods_away() -> None:
    flows = Note(
        cusip="912827AB8",
        coupon=0.06,
        dated_date=date(1990, 12, 3),
        maturity_date=date(1996, 2, 15),
        first_coupon_date=date(1992, 2, 15),
    ).resolve()
    assert flows.fractions[0] == Fraction(74, 368) + 1


def test_bill_is_one_flow_of_100() -> None:
    flows = Bill(cusip="912797SC2", issue_date=date(2025, 9, 25), maturity_date=date(2026, 3, 26)).resolve()
    assert flows.amounts.tolist() == [100.0]
    assert flows.dates.tolist() == [date(2026, 3, 26)]
    assert flows.accrued(date(2026, 1, 1)) == 0


def test_zero_coupon_note_accrues_nothing() -> None:
    flows = Note(cusip="912827AB8", coupon=0.0, dated_date=date(2026, 1, 15), maturity_date=date(2028, 1, 15)).resolve()
    assert flows.amounts.tolist() == [0.0, 0.0, 0.0, 100.0]
    assert flows.accrued(date(2026, 5, 1)) == 0


def test_accrued_is_exact_and_falls_to_zero_on_the_coupon_date() -> None:
    flows = Bond(
        cusip="912810SH2", coupon=0.02875, dated_date=date(2019, 5, 15), maturity_date=date(2049, 5, 15)
    ).resolve()
    assert flows.accrued(date(2019, 7, 15)) == Fraction(4765625, 10**7)
    assert flows.accrued(date(2019, 11, 15)) == 0
    assert flows.accrued(date(2019, 11, 14)) == Fraction("2.875") * Fraction(183, 368)


def test_accrued_in_a_long_first_period_runs_across_the_quasi_coupon_date() -> None:
    # 31 CFR 356 App. B II.E
    flows = Bond(
        cusip="912810AA0",
        coupon=0.1075,
        dated_date=date(1985, 7, 2),
        maturity_date=date(2005, 8, 15),
        first_coupon_date=date(1986, 2, 15),
    ).resolve()
    assert flows.accrued(date(1985, 8, 15)) == Fraction("10.75") * Fraction(44, 362)
    assert float(flows.accrued(date(1985, 11, 4))) == pytest.approx(3.672798, abs=5e-7)
    assert flows.accrued(date(1986, 2, 15)) == 0


def test_coupons_add_up_to_rate_times_years() -> None:
    flows = Note(
        cusip="91282CQX2", coupon=0.04125, dated_date=date(2026, 6, 30), maturity_date=date(2036, 6, 30)
    ).resolve()
    assert sum(flows.fractions) == 10
    assert flows.amounts.sum() == pytest.approx(141.25, abs=1e-12)


def test_arrays_cannot_be_changed() -> None:
    flows = Bill(cusip="912797SC2", issue_date=date(2025, 9, 25), maturity_date=date(2026, 3, 26)).resolve()
    with pytest.raises(ValueError, match="read-only"):
        flows.amounts[0] = 0.0
    with pytest.raises(ValueError, match="read-only"):
        flows.dates[0] = np.datetime64("2026-01-01")


def test_results_depend_on_terms_not_on_the_cusip() -> None:
    first = Note(cusip="91282CQX2", coupon=0.04, dated_date=date(2026, 6, 30), maturity_date=date(2028, 6, 30))
    second = first.model_copy(update={"coupon": 0.05})
    assert second.resolve().amounts[0] == 2.5
    assert first.resolve().amounts[0] == 2.0
