"""Portfolio figures against sums done by hand."""

from dataclasses import replace

import pytest

import tbill_defi as td
from tbill_defi.core.errors import UnknownSecurity
from tbill_defi.portfolio.metrics import measure
from tests.unit.portfolio.support import DOLLAR, toy_cusip, toy_view


@pytest.fixture(scope="module")
def toy():
    return toy_view([98.0, 100.0, 105.0], [0.03, 0.04, 0.05], [0.5, 2.0, 7.0], [0.5, 2.1, 8.0])


def test_by_hand(toy):
    """$1m at 98, $2m at 105 and $920,000 in cash: NAV 980,000 + 2,100,000 + 920,000 = 4,000,000."""
    found = measure(toy, {toy_cusip(0): 1_000_000 * DOLLAR, toy_cusip(2): 2_000_000 * DOLLAR}, 920_000 * DOLLAR)
    assert (found.nav, found.cash, found.securities, found.rating) == (4_000_000.0, 920_000.0, 2, "AA+")
    assert found.yield_ == pytest.approx((0.98 * 0.03 + 2.1 * 0.05) / 4, rel=1e-14)
    assert found.duration == pytest.approx((0.98 * 0.5 + 2.1 * 7) / 4, rel=1e-14)
    assert found.wam_years == pytest.approx((0.98 * 0.5 + 2.1 * 8) / 4, rel=1e-14)
    assert found.dv01 == pytest.approx((980_000 * 0.5 + 2_100_000 * 7) / 10_000, rel=1e-14)
    assert found.dv01_weighted_yield == pytest.approx((0.49 * 0.03 + 14.7 * 0.05) / (0.49 + 14.7), rel=1e-14)


def test_cash_counts_with_nothing(toy):
    found = measure(toy, {}, 5 * DOLLAR)
    assert (found.nav, found.yield_, found.duration, found.wam_years, found.dv01) == (5.0, 0.0, 0.0, 0.0, 0.0)
    assert (found.dv01_weighted_yield, found.securities, found.rating) == (0.0, 0, "")


def test_nothing_at_all(toy):
    found = measure(toy, {}, 0)
    assert (found.nav, found.yield_, found.duration) == (0.0, 0.0, 0.0)


def test_dv01_is_the_loss_of_a_basis_point(sample, book):
    """Against the pricer: the sample book repriced with every yield one basis point up and down."""
    street = td.YieldConvention.STREET
    total = 0.0
    for cusip, face in book.positions.items():
        i = sample.index(cusip)
        security, settles = sample.securities[i], sample.bid[i].quote_settlement_date
        up, down = (
            td.dirty_price_from_yield(security, sample.yield_[i] + bump, settlement=settles, convention=street)
            for bump in (1e-4, -1e-4)
        )
        total += (down - up) / 2 * face / DOLLAR / 100
    assert measure(sample, book.positions, 0).dv01 == pytest.approx(total, rel=1e-5)


def test_lowest_rating(toy):
    mixed = replace(toy, ratings=("AAA", "A-", "AA"))
    assert measure(mixed, {toy_cusip(i): 1 for i in range(3)}, 0).rating == "A-"
    assert measure(mixed, {toy_cusip(i): 1 for i in (0, 2)}, 0).rating == "AA"


def test_unknown(toy):
    with pytest.raises(UnknownSecurity):
        measure(toy, {"91282CPZ8": 1}, 0)


def test_as_dict(toy):
    assert measure(toy, {}, 0).as_dict()["nav"] == 0.0
