"""A desk's formats."""

from datetime import date

import pytest

from tbill_defi import Bill, CorporateBond, Note
from tbill_defi.report import formats

BILL = Bill(cusip="912797UQ8", issue_date=date(2026, 3, 24), maturity_date=date(2026, 7, 21))
CORPORATE = CorporateBond(cusip="594918BZ6", coupon=0.041, dated_date=date(2024, 2, 6), maturity_date=date(2037, 2, 6))
NOTE = Note(cusip="91282CNY3", coupon=0.03375, dated_date=date(2025, 9, 15), maturity_date=date(2028, 9, 15))


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (formats.price(NOTE, 98.78125), "98-25"),
        (formats.price(NOTE, 99.515625), "99-16+"),
        (formats.price(BILL, 98.8017361), "98.801736"),
        (formats.decimals(98.7890625), "98.789063"),  # 98 101/128 as FedInvest prints it
        (formats.decimals(0.0), "0.000000"),
        (formats.coupon(NOTE), "3.375"),
        (formats.coupon(BILL), ""),
        (formats.coupon(CORPORATE), "4.100"),
        (formats.percent(0.0425), "4.250%"),
        (formats.percent(0.0363, 2), "3.63%"),
        (formats.basis_points(0.00049), "+4.9 bp"),
        (formats.basis_points(-0.00049), "-4.9 bp"),
        (formats.basis_points(0.00049, sign=False), "4.9 bp"),
        (formats.dollars(1234.4), "$1,234"),
        (formats.dollars(-1234.6), "-$1,235"),
        (formats.dollars(0.2, sign=True), "+$0"),
        (formats.dollars(-0.2), "$0"),
        (formats.dollars(-0.6), "-$1"),
        (formats.cents(1_234_500_000), "$1,234.50"),
        (formats.cents(-1), "-$0.000001"),
        (formats.cash(4_263_029_865), "$4,263.03"),
        (formats.cash(5_000), "$0.01"),
        (formats.cash(4_999), "$0.00"),
        (formats.cash(-4_999), "$0.00"),
        (formats.cash(-5_000), "-$0.01"),
        (formats.face(3_000_000_000_000), "3,000,000"),
        (formats.face(750_000), "0.75"),
        (formats.shadow_price(10.6, "years"), "1.06 bp per 0.1 y"),
        (formats.shadow_price(14.0, "share"), "0.14 bp per 1%"),
        (formats.moment(1_774_378_800), "2026-03-24 15:00:00 EDT"),
        (formats.moment(1_768_000_000), "2026-01-09 18:06:40 EST"),
        (formats.short_hash("0x" + "ab" * 32), "0xabababab…ababab"),
        (formats.short_hash(""), ""),
    ],
)
def test_formats(made, expected):
    assert made == expected
