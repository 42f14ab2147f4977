"""A sheet's securities in two groups: nominal ones, and TIPS on a curve of real rates."""

from datetime import date, timedelta

import numpy as np
import pytest

import tbill_defi as td
from tbill_defi.conventions import add_months
from tbill_defi.conventions.frn_index import FrnIndex
from tbill_defi.core.errors import DataError
from tbill_defi.market.universe import real_terms_from_sheet
from tbill_defi.portfolio.relative_value import Group, middle, real_curve, rich_cheap, sheet_prices

DAY = date(2026, 3, 24)
TRUE = td.Curve.svensson(DAY, parameters=[0.025, -0.015, -0.01, 0.01, 2.0, 10.0])
NO_INDEX = FrnIndex({})


def row(number, day=DAY, kind="TIPS", offer=True, noise=0.0):
    maturity = add_months(date(2026, 4, 15), 6 * number)
    terms = {"cusip": f"91282C{number:03d}", "rate": 0.00125 * (1 + number % 9), "maturity_date": maturity}
    base = {"date": day, "type": kind, "call_date": None, "end_of_day": None, **terms}
    price = TRUE.clean_price(real_terms_from_sheet(base), settlement=DAY) + noise
    return base | {"sell": price - 0.01 if offer else price, "buy": price + 0.01 if offer else None}


def prices(rows, auctions=()):
    return sheet_prices(DAY, rows, list(auctions), NO_INDEX)


def test_a_price_is_the_middle_or_the_bid():
    assert middle({"sell": 99.0, "buy": 99.5}) == 99.25
    assert middle({"sell": 99.0, "buy": None}) == 99.0


def test_the_real_curve_explains_tips():
    found = prices([row(n) for n in range(20)])
    assert (len(found.nominal), len(found.real), found.left_out) == (0, 20, {})
    curve, count = real_curve(found)
    assert count == 19  # all but the one with 22 days left
    days = np.array([DAY + timedelta(days=int(365 * years)) for years in (0.5, 1, 2, 5, 9)], dtype="datetime64[D]")
    assert curve.discount_factors(days) == pytest.approx(TRUE.discount_factors(days), abs=1e-6)
    measured, sheets = rich_cheap(found.real, DAY)
    assert sheets == 0
    assert np.abs(measured.residual_bp).max() < 0.01
    assert measured.fitted.tolist() == [False] + [True] * 19


def test_too_few_tips_are_left_out():
    found = prices([row(n) for n in range(7)])
    assert (len(found.real), found.left_out) == (0, {"TIPS": 7})
    assert real_curve(found) is None
    assert real_curve(prices([])) is None


def test_types_that_no_curve_values_are_counted():
    callable_ = row(30, kind="MARKET BASED BOND") | {"call_date": date(2030, 2, 15)}
    found = prices(
        [row(n) for n in range(12)] + [row(31, kind="MARKET BASED FRN"), callable_, row(32, kind="MARKET BASED NOTE")]
    )
    assert found.left_out == {"FRN": 1, "callable": 1}
    assert [security.kind for security in found.nominal.securities] == ["note"]
    assert len(found.real) == 12


def test_scores_of_tips_are_over_earlier_sheets():
    random = np.random.default_rng(3)
    earlier = [row(n, DAY - timedelta(days=d), noise=random.normal(0, 0.02)) for d in range(1, 9) for n in range(20)]
    found = prices([row(n) for n in range(20)])
    measured, sheets = rich_cheap(found.real, DAY, earlier=[*earlier, *(row(n) for n in range(20))], sheets=60)
    assert sheets == 8
    assert measured.z_score is not None
    assert np.isfinite(measured.z_score).all()
    assert rich_cheap(found.real, DAY, earlier=earlier, sheets=3)[1] == 3
    short = [one for one in earlier if one["cusip"] < "91282C008"]
    assert rich_cheap(found.real, DAY, earlier=short, sheets=60)[1] == 0


def test_a_sheet_row_that_is_no_security_is_named():
    with pytest.raises(DataError, match=r"91282C001, FedInvest sheet of 2026-03-24: coupon: 0.9 looks like percent"):
        real_terms_from_sheet(row(1) | {"rate": 0.9})


def test_wrong_prices_are_named():
    group = prices([row(n) for n in range(20)]).real
    bad = Group(group.securities, (*group.clean_prices[:-1], -200.0), real=True)
    with pytest.raises(td.ConventionError, match=r"clean_prices\[19\] \(91282C019\)"):
        rich_cheap(bad, DAY)
