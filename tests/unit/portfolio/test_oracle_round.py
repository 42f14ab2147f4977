"""From a view to rounds: what the contract adds up is what the pricer values, to the sixth decimal."""

from datetime import date
from pathlib import Path

import pytest

import tbill_defi as td
from tbill_defi.core.errors import UsageError
from tbill_defi.core.money import round_decimal
from tbill_defi.ledger.oracle import MAX_QUOTES, Oracle
from tbill_defi.portfolio.oracle_round import LONG_FIRST_PERIOD, NOT_IN_VIEW, accrual_period, publish, quotes_from_view
from tbill_defi.pricing.prices import official_accrued
from tests.unit.ledger.support import make_ledger

DATA = Path(__file__).resolve().parents[3].parent / "shared" / "data"


@pytest.fixture(scope="module")
def view():
    return td.view(date="2026-03-24", data=td.sample_data())


def assert_priced(ledger, view, publication):
    oracle = Oracle(ledger)
    published = [quote.cusip for one in publication.rounds for quote in one.quotes]
    for cusip in published:
        i = view.index(cusip)
        price, security = oracle.price(cusip), view.securities[i]
        accrued = official_accrued(security, settlement=view.date)
        assert price.accrued_e6 == accrued.scaleb(6)
        assert price.dirty_e6 == round_decimal(view.mid_dirty_price(i), 6).scaleb(6)
        assert price.maturity == security.maturity_date
        assert abs(price.yield_e9 / 1e9 - view.yield_[i]) <= 0.5e-9
        assert abs(price.duration_e6 / 1e6 - view.modified_duration[i]) <= 0.5e-6
    return published


def test_the_sample_day_on_chain(view):
    with make_ledger() as ledger:
        publication = publish(ledger, view, cusips=view.cusips)
        assert sorted(assert_priced(ledger, view, publication)) == sorted(view.cusips)
        assert publication.excluded == {}
        assert len(publication.signers) == 2


@pytest.mark.realdata
@pytest.mark.skipif(not DATA.exists(), reason="../shared/data is not there")
def test_a_whole_market_day_on_chain(tmp_path):
    for name in ("par_yields", "auctions", "sofr", "fedinvest_2026-03-24"):
        td.MarketStore(tmp_path).import_file(DATA / f"{name}.csv")
    view = td.view(date="2026-03-24", home=tmp_path)
    assert len(view.cusips) > 300
    with make_ledger() as ledger:
        publication = publish(ledger, view, cusips=view.cusips)
        assert len(publication.rounds) == -(-len(view.cusips) // MAX_QUOTES)
        assert sorted(assert_priced(ledger, view, publication)) == sorted(view.cusips)


def test_only_what_the_ledger_has_unless_told(view):
    with make_ledger() as ledger:
        with pytest.raises(UsageError, match="no securities"):
            publish(ledger, view)
        ledger.deposit("desk", view.face_of({view.cusips[3]: 10**9}))
        publication = publish(ledger, view)
        assert [quote.cusip for quote in publication.rounds[0].quotes] == [view.cusips[3]]


def test_an_earlier_date_counts_as_its_last_second(view):
    with make_ledger(at=1_774_378_800 + 86_400) as ledger:
        publication = publish(ledger, view, cusips=view.cusips[:1])
        (one,) = publication.rounds
        assert (one.market_date, one.observed_at) == (date(2026, 3, 24), 1_774_411_199)
    with make_ledger(at=1_774_378_800 - 86_400) as ledger, pytest.raises(UsageError, match="market date is 2026-03-23"):
        publish(ledger, view, cusips=view.cusips[:1])


def test_what_cannot_be_quoted_is_named(view):
    found = quotes_from_view(view, [view.cusips[0], "000000000"])
    assert [quote.cusip for quote in found.quotes] == [view.cusips[0]]
    assert found.excluded == {NOT_IN_VIEW: ("000000000",)}


def test_long_first_periods():
    """31 CFR 356 App. B II.C's shape: dated in one half-year, first coupon at the end of the next."""
    note = td.Note(
        cusip="912827TA1",
        coupon=0.0875,
        dated_date=date(1990, 6, 7),
        maturity_date=date(2000, 8, 15),
        first_coupon_date=date(1991, 2, 15),
    )
    first = accrual_period(note, date(1990, 7, 1))
    assert (first["accrual_start"], first["prior_coupon"]) == (date(1990, 6, 7), None)
    second = accrual_period(note, date(1990, 9, 1))
    assert (second["accrual_start"], second["prior_coupon"]) == (date(1990, 6, 7), date(1990, 2, 15))
    assert (second["previous_coupon"], second["next_coupon"]) == (date(1990, 8, 15), date(1991, 2, 15))
    later = accrual_period(note, date(1991, 2, 15))
    assert (later["accrual_start"], later["prior_coupon"]) == (date(1991, 2, 15), None)
    longest = note.model_copy(update={"first_coupon_date": date(1991, 8, 15)})
    assert accrual_period(longest, date(1991, 3, 1)) is None
    assert "long first coupon" in LONG_FIRST_PERIOD
