"""The fails charge: the formula in integers, by day, with its dated parameters."""

from datetime import date, timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tbill_defi.conventions import SETTLEMENT
from tbill_defi.core.errors import DataError, UsageError
from tbill_defi.ledger.fails import TMPG, FailsPractice, TargetRate, read_rates
from tests.unit.ledger.support import DOLLAR

FIFTY_MILLION = 50_000_000 * DOLLAR


def day_before(day):
    return SETTLEMENT.advance(day, -1)


def practice(*rates):
    return FailsPractice([TargetRate(date.fromisoformat(day), rate) for day, rate in rates], day_before)


@pytest.mark.parametrize(
    ("rate_e6", "dollars"),
    [
        (0, "12500"),  # 50,000,000 x 3/360 x 3%
        (2_500, "11458.333333"),  # 2.75%
        (20_000, "4166.666667"),  # 1%, where ceiling and floor meet
        (36_250, "4166.666667"),  # the floor
    ],
)
def test_the_formula(rate_e6, dollars):
    """A weekend is three days: due on Friday, delivered on Monday."""
    made = practice(("2020-01-01", rate_e6)).charge(FIFTY_MILLION, date(2026, 3, 27), date(2026, 3, 30))
    assert made.units == round(Fraction(dollars) * DOLLAR)
    assert sum(part.count for part in made.days) == 3


def test_delivery_on_time_costs_nothing():
    day = date(2026, 3, 27)
    assert practice().charge(FIFTY_MILLION, day, day) == practice().charge(FIFTY_MILLION, day, day - timedelta(days=1))
    assert practice().charge(FIFTY_MILLION, day, day).units == 0


def test_nothing_to_pay_costs_nothing_and_less_is_refused():
    monday, friday = date(2026, 3, 30), date(2026, 3, 27)
    assert practice(("2020-01-01", 0)).charge(0, friday, monday).units == 0
    with pytest.raises(UsageError, match="proceeds of -1 base units are negative"):
        practice(("2020-01-01", 0)).charge(-1, friday, monday)


def test_a_leap_day_a_floor_and_a_change_of_the_practice_within_one_fail():
    """28 and 29 February 2024 are two days; a floor that begins within a fail counts from its day on."""
    assert practice(("2020-01-01", 53_750)).charge(FIFTY_MILLION, date(2024, 2, 28), date(2024, 3, 1)).units == (
        2 * 50_000_000 * DOLLAR * 10_000 + 180 * 10**6
    ) // (360 * 10**6)
    made = practice(("2016-01-01", 25_000), ("2018-06-01", 35_000))  # 3% - 3.5% is none, before there was a floor
    found = made.charge(FIFTY_MILLION, date(2018, 6, 29), date(2018, 7, 4))
    assert [(part.first, part.count, part.rate_e6) for part in found.days] == [
        (date(2018, 6, 29), 3, 0),
        (date(2018, 7, 2), 2, 10_000),
    ]


def test_the_rate_is_that_of_the_business_day_before_each_day():
    """A rate in force from Thursday the 26th counts from Friday on, over the weekend too."""
    made = practice(("2020-01-01", 0), ("2026-03-26", 10_000))
    found = made.charge(FIFTY_MILLION, date(2026, 3, 25), date(2026, 3, 31))
    assert [(part.first.day, part.count, part.rate_e6) for part in found.days] == [(25, 2, 30_000), (27, 4, 20_000)]
    assert found.units == round(Fraction(FIFTY_MILLION) * (2 * 30_000 + 4 * 20_000) / 360 / 10**6)


def test_a_rate_of_a_weekend_counts_once_a_business_day_has_had_it():
    made = practice(("2020-01-01", 0), ("2026-03-28", 10_000))
    assert [made.rate_e6(date(2026, 3, day)) for day in (29, 30, 31)] == [30_000, 30_000, 20_000]


def test_parameters_are_dated():
    made = practice(("2000-01-01", 50_000))
    assert made.rate_e6(date(2009, 4, 30)) == 0, "before the practice"
    assert made.rate_e6(date(2009, 5, 1)) == 0, "3% - R, and no less than nothing"
    assert made.rate_e6(date(2018, 7, 1)) == 0
    assert made.rate_e6(date(2018, 7, 2)) == 10_000
    assert [rule.minimum_claim for rule in TMPG] == [500 * DOLLAR] * 2


def test_a_claim_must_exceed_the_minimum():
    made, end = practice(("2020-01-01", 0)), date(2026, 3, 31)
    assert made.claimable([300 * DOLLAR, 200 * DOLLAR], end) == 0
    assert made.claimable([300 * DOLLAR, 200 * DOLLAR + 1], end) == 500 * DOLLAR + 1
    assert made.claimable([10**12], date(2009, 4, 30)) == 0


def test_a_day_without_a_rate_is_refused_by_name():
    with pytest.raises(DataError, match="given for 2026-03-26, the business day before 2026-03-27"):
        practice(("2026-03-27", 0)).rate_e6(date(2026, 3, 27))


@given(
    proceeds=st.integers(1, 10**18),
    rates=st.lists(st.integers(0, 60_000), min_size=1, max_size=6),
    days=st.integers(0, 60),
)
def test_it_is_the_exact_sum_rounded_once(proceeds, rates, days):
    first = date(2026, 3, 2)
    dated = [TargetRate(date(2026, 2, 1), rates[0])]
    dated += [TargetRate(first + timedelta(days=7 * k), rate) for k, rate in enumerate(rates[1:])]
    found = FailsPractice(dated, day_before).charge(proceeds, first, first + timedelta(days=days))
    exact = Fraction(0)
    for count in range(days):
        before = day_before(first + timedelta(days=count))
        (*_, known) = (one.lower_bound_e6 for one in dated if one.effective <= before)
        exact += Fraction(proceeds) * max(10_000, 30_000 - known) / 360 / 10**6
    assert abs(exact - found.units) <= Fraction(1, 2)
    assert found.units == (exact + Fraction(1, 2)).__floor__()
    assert sum(part.count for part in found.days) == days


HEAD = "effective_date,lower_bound\n"


def test_rates_are_read(tmp_path):
    path = tmp_path / "rates.csv"
    path.write_text(HEAD + "2025-09-18,0.04\n2025-10-30,0.0375\n2025-12-11,0.035\n")
    assert [(rate.effective, rate.lower_bound_e6) for rate in read_rates(path)] == [
        (date(2025, 9, 18), 40_000),
        (date(2025, 10, 30), 37_500),
        (date(2025, 12, 11), 35_000),
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("date,rate\n", "line 1: columns are"),
        (HEAD, "no rate in it"),
        (HEAD + "soon,0.03\n", "line 2: 'soon' is not a date"),
        (HEAD + "2025-10-30,three\n", "line 2: 'three' is not a decimal rate"),
        (HEAD + "2025-10-30,3.75\n", "in \\[0, 1\\)"),
        (HEAD + "2025-10-30,NaN\n", "in \\[0, 1\\)"),
        (HEAD + "2025-10-30,0.03\n2025-10-30,0.03\n", "line 3: 2025-10-30 does not follow"),
        (HEAD + "2025-10-30\n", "line 2: None is not a decimal"),
        (HEAD + "2025-09-18,0.04\n2025-10-30,0.03\n2025-10-02,0.03\n", "line 4: 2025-10-02 does not follow"),
    ],
)
def test_rates_that_are_none(tmp_path, text, said):
    path = tmp_path / "rates.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=said):
        read_rates(path)


def test_rates_that_are_no_text(tmp_path):
    path = tmp_path / "rates.csv"
    path.write_bytes(HEAD.encode("utf-16"))
    with pytest.raises(DataError, match=r"rates\.csv: is not UTF-8 text; expected CSV of effective_date,lower_bound"):
        read_rates(path)
