"""Which securities a date has, and whence their terms."""

from datetime import date, timedelta

import pytest

from tbill_defi.core.errors import DataError
from tbill_defi.instruments import Bill, Bond, Frn, Note, Tips
from tbill_defi.market.auctions import COLUMNS
from tbill_defi.market.universe import inferred_dated_date, terms_from_auctions, terms_from_sheet, universe_on

DAY = date(2026, 3, 24)


def auction(cusip="91282CPZ8", **fields):
    row = dict.fromkeys(COLUMNS) | {
        "cusip": cusip,
        "type": "Note",
        "reopening": False,
        "auctionDate": date(2026, 2, 11),
        "issueDate": date(2026, 2, 17),
        "datedDate": date(2026, 2, 15),
        "maturityDate": date(2036, 2, 15),
        "firstInterestPaymentDate": date(2026, 8, 15),
        "interestRate": 0.04125,
        "tips": False,
        "floatingRate": False,
    }
    return row | fields


def sheet(cusip="91282CPZ8", **fields):
    row = {
        "date": DAY,
        "cusip": cusip,
        "type": "MARKET BASED NOTE",
        "rate": 0.04125,
        "maturity_date": date(2036, 2, 15),
        "call_date": None,
        "buy": 98.109375,
        "sell": 98.09375,
        "end_of_day": None,
    }
    return row | fields


def test_note_from_its_auction():
    assert terms_from_auctions([auction()]) == Note(
        cusip="91282CPZ8",
        coupon=0.04125,
        dated_date=date(2026, 2, 15),
        maturity_date=date(2036, 2, 15),
        first_coupon_date=date(2026, 8, 15),
        issue_date=date(2026, 2, 17),
    )


def test_a_regular_reopening_changes_nothing():
    reopening = auction(
        auctionDate=date(2026, 3, 11),
        issueDate=date(2026, 3, 16),
        originalIssueDate=date(2026, 2, 17),
        reopening=True,
    )
    alone = terms_from_auctions([auction()])
    assert terms_from_auctions([reopening, auction()]) == alone
    assert terms_from_auctions([reopening]) == alone


def test_the_earliest_record_gives_the_dated_date():
    # 912828Z78: a 7-year of January 2020, reopened as a 5-year in January 2022 with its own dated date
    first = {
        "maturityDate": date(2027, 1, 31),
        "interestRate": 0.015,
        "auctionDate": date(2020, 1, 28),
        "issueDate": date(2020, 1, 31),
        "datedDate": date(2020, 1, 31),
        "firstInterestPaymentDate": date(2020, 7, 31),
    }
    again = first | {
        "auctionDate": date(2022, 1, 25),
        "issueDate": date(2022, 1, 31),
        "datedDate": date(2022, 1, 31),
        "firstInterestPaymentDate": date(2022, 7, 31),
        "originalIssueDate": date(2020, 1, 31),
        "reopening": True,
    }
    whole = terms_from_auctions([auction("912828Z78", **again), auction("912828Z78", **first)])
    assert (whole.dated_date, whole.first_coupon_date) == (date(2020, 1, 31), date(2020, 7, 31))
    # and if only the reopening is on record, the dated date goes back to the original issue on the cycle
    assert terms_from_auctions([auction("912828Z78", **again)]) == whole


def test_bill_is_issued_at_its_earliest_known_issue():
    row = auction(
        "912797TE7",
        type="Bill",
        auctionDate=date(2026, 3, 23),
        issueDate=date(2026, 3, 26),
        originalIssueDate=date(2025, 12, 26),
        maturityDate=date(2026, 6, 25),
        datedDate=None,
        firstInterestPaymentDate=None,
        interestRate=None,
        reopening=True,
    )
    expected = Bill(cusip="912797TE7", issue_date=date(2025, 12, 26), maturity_date=date(2026, 6, 25))
    assert terms_from_auctions([row]) == expected
    assert terms_from_auctions([row | {"type": "CMB"}]) == expected
    # known and issued before the reopening settles
    assert universe_on(DAY, [row], []).listings[0].security == expected


@pytest.mark.parametrize(
    ("column", "value"), [("interestRate", 0.0425), ("maturityDate", date(2036, 8, 15)), ("type", "Bond")]
)
def test_contradicting_auctions_name_both(column, value):
    later = auction(auctionDate=date(2026, 3, 11), issueDate=date(2026, 3, 16), **{column: value})
    with pytest.raises(DataError, match=rf"91282CPZ8: {column} is .* auction of 2026-02-11 and .* of 2026-03-11"):
        terms_from_auctions([auction(), later])


def test_terms_that_are_none_are_a_data_error():
    with pytest.raises(DataError, match="91282CPZ8, auction of 2026-02-11: first_coupon_date"):
        terms_from_auctions([auction(firstInterestPaymentDate=date(2026, 9, 1))])


@pytest.mark.parametrize(
    ("maturity", "years", "dated"),
    [
        (date(2036, 2, 15), 10, date(2026, 2, 15)),
        (date(2028, 2, 29), 10, date(2018, 2, 28)),
        (date(2027, 2, 28), 10, date(2017, 2, 28)),
        (date(2030, 2, 28), 10, date(2020, 2, 29)),
        (date(2027, 6, 30), 10, date(2017, 6, 30)),
        (date(2040, 2, 15), 30, date(2010, 2, 15)),
        (date(2037, 2, 15), 10, date(2026, 2, 15)),
    ],
)
def test_inferred_dated_date(maturity, years, dated):
    assert inferred_dated_date(maturity, years, DAY) == dated


def test_note_and_bond_inferred_from_a_sheet():
    assert terms_from_sheet(sheet()) == Note(
        cusip="91282CPZ8", coupon=0.04125, dated_date=date(2026, 2, 15), maturity_date=date(2036, 2, 15)
    )
    assert isinstance(terms_from_sheet(sheet(type="MARKET BASED BOND")), Bond)


def test_inferred_terms_do_not_depend_on_which_sheet():
    months = [sheet(date=DAY + timedelta(days=30 * n)) for n in range(100)]
    assert len({terms_from_sheet(row) for row in months}) == 1


def test_inferred_bill():
    row = sheet("912797SC2", type="MARKET BASED BILL", rate=0.0, maturity_date=date(2026, 3, 26))
    assert terms_from_sheet(row) == Bill(
        cusip="912797SC2", issue_date=date(2025, 3, 27), maturity_date=date(2026, 3, 26)
    )


def test_a_bill_of_two_years_is_none():
    with pytest.raises(DataError, match="912797SC2, FedInvest sheet of 2026-03-24: maturity_date"):
        terms_from_sheet(sheet("912797SC2", type="MARKET BASED BILL", maturity_date=date(2028, 3, 26)))


def test_issued_and_not_matured():
    rows = [auction()]
    assert [x.cusip for x in universe_on(date(2026, 2, 17), rows, []).listings] == ["91282CPZ8"]
    assert universe_on(date(2026, 2, 16), rows, []).listings == ()
    assert universe_on(date(2036, 2, 14), rows, []).listings != ()
    assert universe_on(date(2036, 2, 15), rows, []).listings == ()
    assert universe_on(date(2036, 2, 15), [], [sheet()]).listings == ()


def test_a_sheet_does_not_issue_what_the_auction_record_issues_later():
    assert universe_on(date(2026, 2, 12), [auction()], [sheet(date=date(2026, 2, 12))]).listings == ()


def test_auction_record_before_sheet():
    (listing,) = universe_on(DAY, [auction()], [sheet()]).listings
    assert (listing.source, listing.inferred, listing.kind) == ("auction", False, "note")
    (listing,) = universe_on(DAY, [], [sheet()]).listings
    assert (listing.source, listing.inferred) == ("fedinvest", True)


def test_excluded_by_name():
    rows = [auction("91282CAA1", type="TIPS", tips=True), auction("91282CAA2", type="FRN", floatingRate=True)]
    rows += [auction("91282CAA3", callDate=date(2031, 2, 15))]
    sheets = [sheet("91282CAB1", type="TIPS"), sheet("91282CAB2", type="MARKET BASED FRN"), sheet("91282CAA1")]
    sheets += [sheet("91282CAB3", call_date=date(2031, 2, 15)), sheet("91282CAB4", type="TIPS", maturity_date=DAY)]
    universe = universe_on(DAY, rows, sheets)
    assert universe.listings == ()
    assert universe.excluded == {
        "FRN": ("91282CAA2", "91282CAB2"),
        "TIPS": ("91282CAA1", "91282CAB1"),
        "callable": ("91282CAA3", "91282CAB3"),
    }


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"rate": 0.0425}, "coupon is 0.04125 by the auction of 2026-02-11 and 0.0425 by the FedInvest sheet"),
        ({"maturity_date": date(2036, 8, 15)}, "maturity is 2036-02-15 by the auction of 2026-02-11 and 2036-08-15"),
    ],
)
def test_a_sheet_that_contradicts_the_auction(fields, problem):
    with pytest.raises(DataError, match=problem):
        universe_on(DAY, [auction()], [sheet(**fields)])


def test_sheets_that_contradict_each_other():
    later = sheet(date=DAY + timedelta(days=1), rate=0.05)
    with pytest.raises(DataError, match="FedInvest sheet of 2026-03-25 contradicts an earlier sheet"):
        universe_on(DAY + timedelta(days=1), [], [sheet(), later])


TIPS = {
    "type": "TIPS",
    "tips": True,
    "maturityDate": date(2028, 1, 15),
    "auctionDate": date(2008, 7, 22),
    "issueDate": date(2008, 7, 31),
    "datedDate": date(2008, 7, 15),
    "originalIssueDate": date(2008, 1, 31),
    "firstInterestPaymentDate": date(2009, 1, 15),
    "interestRate": 0.0175,
    "refCpiOnDatedDate": 209.49645,
}
FRN = {
    "type": "FRN",
    "floatingRate": True,
    "maturityDate": date(2027, 10, 31),
    "auctionDate": date(2025, 12, 23),
    "issueDate": date(2025, 12, 26),
    "datedDate": date(2025, 10, 31),
    "originalIssueDate": date(2025, 10, 31),
    "firstInterestPaymentDate": date(2026, 1, 31),
    "interestRate": None,
    "spread": 0.0019,
}


def test_tips_and_floating_rate_notes_have_terms_beside_the_universe():
    # 912810PV4: the reopening of July 2008 restarts the dated date; the reference CPI stays that of January
    universe = universe_on(DAY, [auction("912810PV4", **TIPS), auction("91282CPG0", **FRN)], [])
    assert universe.excluded == {"FRN": ("91282CPG0",), "TIPS": ("912810PV4",)}
    assert universe.linked == (
        Tips(
            cusip="912810PV4",
            coupon=0.0175,
            dated_date=date(2008, 1, 15),
            maturity_date=date(2028, 1, 15),
            first_coupon_date=date(2008, 7, 15),
            issue_date=date(2008, 1, 31),
            dated_reference_cpi=209.49645,
        ),
        Frn(
            cusip="91282CPG0",
            spread=0.0019,
            dated_date=date(2025, 10, 31),
            maturity_date=date(2027, 10, 31),
            issue_date=date(2025, 10, 31),
        ),
    )


@pytest.mark.parametrize("row", [TIPS | {"refCpiOnDatedDate": None}, FRN | {"spread": None}])
def test_without_its_index_there_are_no_terms_and_no_error(row):
    universe = universe_on(DAY, [auction("91282CAA1", **row)], [])
    assert (universe.linked, list(universe.excluded.values())) == ((), [("91282CAA1",)])


@pytest.mark.parametrize(("row", "column", "value"), [(TIPS, "refCpiOnDatedDate", 209.5), (FRN, "spread", 0.002)])
def test_linked_records_that_contradict_each_other(row, column, value):
    later = row | {column: value, "auctionDate": row["auctionDate"] + timedelta(days=30)}
    with pytest.raises(DataError, match=f"91282CAA1: {column} is .* by the auction of .* and {value} by that of"):
        universe_on(DAY, [auction("91282CAA1", **row), auction("91282CAA1", **later)], [])


def test_linked_terms_that_are_none():
    with pytest.raises(DataError, match=r"91282CAA1, auction of 2025-12-23: spread: 0.19 looks like percent"):
        universe_on(DAY, [auction("91282CAA1", **FRN | {"spread": 0.19})], [])
