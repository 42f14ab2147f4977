"""TIPS against what the Treasury published: every auction, every day's reference CPI, single index ratios."""

from __future__ import annotations

import csv
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from tbill_defi.conventions import YieldConvention
from tbill_defi.conventions.reference_cpi import ReferenceCpi
from tbill_defi.instruments import Tips
from tbill_defi.market.reference_cpi import read_reference_cpi
from tbill_defi.pricing import adjusted_price, clean_price_from_yield, index_ratio, yield_from_clean_price

DATA = Path(__file__).resolve().parents[4] / "shared" / "data"
TREASURY = YieldConvention.TREASURY


def rows(name: str) -> list[dict[str, str]]:
    if not (DATA / name).exists():
        pytest.skip(f"{DATA / name} is not here")
    with (DATA / name).open() as file:
        return list(csv.DictReader(file))


def auctioned(row: dict[str, str]) -> Tips:
    return Tips(
        cusip=row["cusip"],
        coupon=float(row["interestRate"]) / 100,
        dated_date=date.fromisoformat(row["datedDate"]),
        maturity_date=date.fromisoformat(row["maturityDate"]),
        first_coupon_date=date.fromisoformat(row["firstInterestPaymentDate"]),
        dated_reference_cpi=float(row["refCpiOnDatedDate"]),
    )


@pytest.fixture(scope="module")
def published() -> ReferenceCpi:
    rows("reference_cpi.csv")
    return ReferenceCpi.of_daily(read_reference_cpi(DATA / "reference_cpi.csv").iter_rows())


@pytest.mark.realdata
def test_every_auction(published: ReferenceCpi) -> None:
    found = [row for row in rows("auctions.csv") if row["type"] == "TIPS"]
    assert len(found) == 83
    for row in found:
        tips, issue = auctioned(row), date.fromisoformat(row["issueDate"])
        rate = float(row["highYield"]) / 100
        price = clean_price_from_yield(tips, rate, settlement=issue, convention=TREASURY)
        assert price == pytest.approx(float(row["unadjustedPrice"]), abs=1e-6), row["cusip"]
        assert yield_from_clean_price(tips, price, settlement=issue, convention=TREASURY) == pytest.approx(
            rate, abs=1e-14
        )
        assert published.on(issue) == Decimal(row["refCpiOnIssueDate"])
        where = {"settlement": issue, "reference_cpi": published}
        assert index_ratio(tips, **where) == float(row["indexRatioOnIssueDate"]), row["cusip"]
        adjusted = adjusted_price(tips, price, **where)
        assert adjusted == pytest.approx(float(row["adjustedPrice"]), abs=1.2e-6), row["cusip"]


@pytest.mark.realdata
def test_every_issue_has_the_reference_cpi_of_its_dated_date(published: ReferenceCpi) -> None:
    found = [row for row in rows("tips_issues.csv") if row["datedDate"] >= "1998-04-15"]
    assert len(found) == 106
    for row in found:
        assert published.on(date.fromisoformat(row["datedDate"])) == Decimal(row["baseCpi"]), row["cusip"]


@pytest.mark.realdata
def test_every_day_follows_from_the_months() -> None:
    daily = {date.fromisoformat(row["date"]): row["refCpi"] for row in rows("reference_cpi.csv")}
    firsts = {day: float(value) for day, value in daily.items() if day.day == 1}
    months = {(day.replace(day=1) - timedelta(days=80)): value for day, value in firsts.items()}
    # 80 days before the first of a month is in the third month before it
    made = ReferenceCpi.of_monthly(months)
    checked = [day for day in daily if min(firsts) <= day <= max(firsts)]
    assert len(checked) == 10_320
    for day in checked:
        assert made.on(day) == Decimal(daily[day]), day


def test_the_first_index_ratio_is_truncated_then_rounded() -> None:
    # 163.29032 / 161.55484 = 1.010742..., 31 CFR 356 Appendix B, I.B
    tips = Tips(
        cusip="9128273T7",
        coupon=0.03625,
        dated_date=date(1998, 1, 15),
        maturity_date=date(2008, 1, 15),
        dated_reference_cpi=161.55484,
    )
    cpi = ReferenceCpi.of_daily({date(1998, 10, 15): 163.29032})
    assert index_ratio(tips, settlement=date(1998, 10, 15), reference_cpi=cpi) == 1.01074


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("day", "ratio"), [(date(2026, 1, 1), 1.33107), (date(2026, 3, 31), 1.32947), (date(2026, 6, 1), 1.34991)]
)
def test_published_index_ratios(day: date, ratio: float, published: ReferenceCpi) -> None:
    # TreasuryDirect, TIPS/CPI data of 9128282L3
    tips = Tips(
        cusip="9128282L3",
        coupon=0.00375,
        dated_date=date(2017, 7, 15),
        maturity_date=date(2027, 7, 15),
        dated_reference_cpi=244.61839,
    )
    assert index_ratio(tips, settlement=day, reference_cpi=published) == ratio


def test_the_cpi_that_was_never_published() -> None:
    # no CPI-U of October 2025; the Treasury's own value for 2026-01-01 is 325.604
    months = {date(2024, 9, 1): 315.301, date(2025, 9, 1): 324.800}
    assert ReferenceCpi.of_monthly(months).on(date(2026, 1, 1)) == Decimal("325.60400")
    # November's 324.122 is known: 2026-01-16 lies between the estimate and it
    known = ReferenceCpi.of_monthly(months | {date(2025, 11, 1): 324.122})
    assert known.on(date(2026, 1, 16)) == Decimal("324.88690")
    assert known.is_estimated(date(2026, 1, 16))
    assert not known.is_estimated(date(2025, 12, 1))
