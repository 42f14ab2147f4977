"""The view of a date: every price with its source and age, on one settlement date, and nothing later."""

import dataclasses
from datetime import date, timedelta
from decimal import Decimal

import numpy as np
import polars as pl
import pytest

import tbill_defi as td
from tbill_defi.core.errors import ConventionError, DataError, NoCurve, UnknownSecurity, UsageError
from tbill_defi.market import MarketData, MarketStore, sample_data
from tbill_defi.market.sample import QUOTES
from tbill_defi.portfolio.spreads import half_spread
from tbill_defi.portfolio.view import ARRAYS
from tests.unit.portfolio.support import DAY, needs_data, real_data

STREET = td.YieldConvention.STREET
FIELDS = [f.name for f in dataclasses.fields(td.View)]


def same(first, second):
    """Views are equal to the last bit, in every field."""
    for name in FIELDS:
        a, b = getattr(first, name), getattr(second, name)
        if isinstance(a, np.ndarray):
            np.testing.assert_array_equal(a, b, err_msg=name)
        else:
            assert a == b, name
    return True


# --- the sample day: observed prices --------------------------------------------------------------------------------


def test_order_and_shape(sample):
    keys = [(s.maturity_date, s.cusip) for s in sample.securities]
    assert keys == sorted(keys)
    assert len(sample.cusips) == len(set(sample.cusips)) == 25
    assert all(getattr(sample, name).shape == (25,) for name in ARRAYS)
    for name in ("bid", "offer", "sources", "quote_dates", "ratings", "inferred"):
        assert len(getattr(sample, name)) == 25


def test_observed_prices_are_the_sheets(sample):
    """Settled on the sheet's own date: no carry; bid is FedInvest's sell, offer its buy."""
    assert set(sample.sources) == {"observed"}
    assert set(sample.quote_dates) == {DAY}
    for i, security in enumerate(sample.securities):
        buy, sell = (Decimal(text) for text in QUOTES[security.cusip])
        bid, offer = sample.bid[i], sample.offer[i]
        assert (bid.quoted_clean_price, offer.quoted_clean_price) == (sell, buy)
        for quote in (bid, offer):
            assert quote.quote_settlement_date == sample.settlement_date == DAY
            assert quote.dirty_price == quote.quoted_dirty_price
            accrued = td.accrued_interest(security, settlement=DAY)
            assert abs(quote.accrued - Decimal(accrued)) <= Decimal("5e-7")
            assert abs(quote.dirty_price - quote.quoted_clean_price - Decimal(accrued)) <= Decimal("5.1e-7")
            assert quote.dirty_price == round(quote.dirty_price, 6)
        assert sample.clean_price[i] == pytest.approx(float(buy + sell) / 2, rel=1e-15)


def test_bid_mid_offer(sample):
    assert (sample.bid_dirty <= sample.mid_dirty).all()
    assert (sample.mid_dirty <= sample.offer_dirty).all()
    assert (sample.bid_dirty > 0).all()
    for i in range(len(sample.cusips)):
        assert float(sample.mid_dirty_price(i)) == pytest.approx(sample.mid_dirty[i], rel=1e-15)
        assert sample.bid_dirty[i] == float(sample.bid[i].dirty_price)
        assert sample.offer_dirty[i] == float(sample.offer[i].dirty_price)


def test_measures_are_street_at_the_quoted_mid(sample):
    for i, security in enumerate(sample.securities):
        arguments = {"settlement": DAY, "convention": STREET}
        yield_ = td.yield_from_clean_price(security, sample.clean_price[i], **arguments)
        assert sample.yield_[i] == pytest.approx(yield_, abs=1e-12)
        assert sample.modified_duration[i] == pytest.approx(
            td.modified_duration(security, yield_, **arguments), rel=1e-9
        )
        assert sample.convexity[i] == pytest.approx(td.convexity(security, yield_, **arguments), rel=1e-9)
        assert sample.years_to_maturity[i] == (security.maturity_date - DAY).days / 365.25


def test_dates_repo_rate_and_curve(sample):
    assert (sample.date, sample.settlement_date, sample.market_settlement_date) == (DAY, DAY, date(2026, 3, 25))
    assert (sample.repo_rate, sample.repo_source, sample.repo_date) == (0.0363, "SOFR", DAY)
    assert sample.curve["10 Yr"] == 0.0439
    assert set(sample.ratings) == {"AA+"}
    assert not any(sample.inferred)


def test_arrays_are_read_only(sample):
    """A strategy cannot move a price."""
    for name in ARRAYS:
        with pytest.raises(ValueError, match="read-only"):
            getattr(sample, name)[0] = 0.0
    with pytest.raises(dataclasses.FrozenInstanceError):
        sample.repo_rate = 0.0


def test_repo_rate_given():
    given = td.view(DAY, data=sample_data(), repo_rate=0.05)
    assert (given.repo_rate, given.repo_source) == (0.05, "given")
    with pytest.raises(ConventionError, match=r"repo_rate: 3\.63 is not a decimal"):
        td.view(DAY, data=sample_data(), repo_rate=3.63)


def test_without_sofr_the_shortest_tenor_serves():
    data = dataclasses.replace(sample_data(), sofr=sample_data().sofr.head(0))
    found = td.view(DAY, data=data)
    assert (found.repo_source, found.repo_date) == ("curve 1 Mo", DAY)
    assert found.repo_rate == pytest.approx(0.0374 * 360 / 365, rel=1e-15), "Act/365 of the curve written as Act/360"


def test_buy_zero_is_no_offer():
    data = sample_data()
    cusip = "91282CPZ8"
    sheet = data.fedinvest.with_columns(
        pl.when(pl.col("cusip") == cusip).then(None).otherwise(pl.col("buy")).alias("buy")
    )
    found = td.view(DAY, data=dataclasses.replace(data, fedinvest=sheet))
    i = found.index(cusip)
    assert found.offer[i] is None
    assert np.isnan(found.offer_dirty[i])
    assert found.mid_dirty[i] == found.bid_dirty[i]
    assert found.mid_dirty_price(i) == found.bid[i].dirty_price
    assert found.quote(i, "buy") is None
    assert found.quote(i, "sell") is found.bid[i]


# --- a day without a sheet: model prices ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def friday():
    """The sample market on the following Friday: same curve, no sheet of that day; T+1 is the Monday."""
    data, day = sample_data(), date(2026, 3, 27)
    sheets = data.par_yields.head(1)
    curves = pl.concat([sheets, sheets.with_columns(pl.lit(day).alias("date"))])
    return td.view(day, data=dataclasses.replace(data, par_yields=curves, sofr=data.sofr.head(1)))


def test_model_prices_say_so(friday):
    assert set(friday.sources) == {"model"}
    assert set(friday.quote_dates) == {DAY}, "three days old: the sheet the spread comes from"
    assert (friday.settlement_date, friday.market_settlement_date) == (date(2026, 3, 27), date(2026, 3, 30))
    assert (friday.repo_rate, friday.repo_source, friday.repo_date) == (0.0363, "SOFR", DAY)


def test_model_prices_are_carried_from_regular_settlement(friday):
    """P(t0) = P(t1) / (1 + r days/360), plus what is paid in between, discounted: done here from the formula."""
    days = (friday.market_settlement_date - friday.settlement_date).days
    assert days == 3
    growth = 1 + friday.repo_rate * days / 360
    for i, security in enumerate(friday.securities):
        flows = security.resolve()
        coupons = sum(
            float(c) / (1 + friday.repo_rate * (d - friday.date).days / 360)
            for d, c in zip(flows.payment_dates, flows.coupons, strict=True)
            if friday.date < d <= friday.market_settlement_date
        )
        for quote in (friday.bid[i], friday.offer[i]):
            assert quote.quote_settlement_date == friday.market_settlement_date
            clean = float(quote.quoted_clean_price)
            dirty = clean + td.accrued_interest(security, settlement=friday.market_settlement_date)
            assert float(quote.quoted_dirty_price) == pytest.approx(dirty, abs=5.1e-7)
            assert float(quote.dirty_price) == pytest.approx(dirty / growth + coupons, abs=5.1e-7)
            assert quote.regular_dirty_price == pytest.approx(quote.quoted_dirty_price, abs=Decimal("1.1e-6"))
        assert friday.accrued[i] == td.accrued_interest(security, settlement=friday.date)


def test_model_spread_is_the_tables(friday):
    for i, security in enumerate(friday.securities):
        full = friday.offer[i].quoted_clean_price - friday.bid[i].quoted_clean_price
        half = half_spread(security.kind, float(friday.years_to_maturity[i]))
        assert abs(full - 2 * half) <= Decimal("1e-6")
    assert (friday.bid_dirty < friday.mid_dirty).all()
    assert (friday.mid_dirty < friday.offer_dirty).all()


def test_model_yield_is_curve_plus_last_known_spread(friday, sample):
    """Under the sheet's own curve three days on, yields stay near those observed: the spread was carried over.

    Roll-down over three days and half a rounding of FedInvest's bill prices are within two basis points.
    """
    longer = np.array([friday.index(c) for c in sample.cusips if sample.years_to_maturity[sample.index(c)] > 0.5])
    before = np.array([sample.yield_[sample.index(friday.cusips[i])] for i in longer])
    assert np.abs(friday.yield_[longer] - before).max() < 2e-4


def test_without_a_sheet_there_is_no_spread():
    data = dataclasses.replace(sample_data(), fedinvest=sample_data().fedinvest.head(0))
    found = td.view(DAY, data=data)
    assert set(found.sources) == {"model, no spread"}
    assert set(found.quote_dates) == {DAY}
    i = found.index("91282CPZ8")
    assert found.yield_[i] == pytest.approx(0.0439, abs=3e-4), "the 10-year note is near the 10-year par yield"


# --- point in time --------------------------------------------------------------------------------------------------


def with_future(data):
    tomorrow, known, rates = DAY + timedelta(days=1), data.par_yields.head(1), data.sofr.head(1)
    return MarketData(
        par_yields=pl.concat([known, known.with_columns(pl.lit(tomorrow).alias("date"))]),
        auctions=pl.concat(
            [
                data.auctions,
                data.auctions.tail(1).with_columns(
                    pl.lit("912797ZZ9").alias("cusip"),
                    pl.lit(tomorrow).alias("auctionDate"),
                    pl.lit(tomorrow).alias("issueDate"),
                ),
            ]
        ),
        fedinvest=pl.concat([data.fedinvest, data.fedinvest.with_columns(pl.lit(tomorrow).alias("date"))]),
        sofr=pl.concat([rates, rates.with_columns(pl.lit(tomorrow).alias("date"))]),
    )


def test_nothing_later_changes_anything(sample):
    later = td.view(DAY, data=with_future(sample_data()))
    assert same(later, sample)
    assert later.market_hash == sample.market_hash


def cut(data, day):
    return MarketData(
        *(
            getattr(data, name).filter(pl.col(column) <= day)
            for name, column in (
                ("par_yields", "date"),
                ("auctions", "auctionDate"),
                ("fedinvest", "date"),
                ("sofr", "date"),
            )
        )
    )


@pytest.mark.realdata
@needs_data
@pytest.mark.parametrize("day", [DAY, date(2025, 6, 30), date(2011, 8, 4)])
def test_removing_the_future_changes_nothing(day):
    assert same(td.view(day, data=real_data()), td.view(day, data=cut(real_data(), day)))


# --- real files -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def march():
    return td.view("2026-03-24", data=real_data())


@pytest.fixture(scope="module")
def august():
    return td.view("2026-08-21", data=real_data())


@pytest.mark.realdata
@needs_data
def test_observed_day(march):
    assert set(march.sources) == {"observed"}
    assert {"TIPS", "FRN"} <= set(march.excluded)
    assert sum(quote is None for quote in march.offer) > 0, "near-maturity rows have no offer"
    offered = np.isfinite(march.offer_dirty)
    assert (march.bid_dirty[offered] <= march.offer_dirty[offered]).all()
    assert (march.modified_duration > 0).all()
    assert np.isfinite(march.yield_).all()


@pytest.mark.realdata
@needs_data
def test_model_day(august):
    assert set(august.sources) <= {"model", "model, no spread"}
    assert set(august.quote_dates) <= {DAY, date(2026, 8, 21)}
    assert (august.settlement_date, august.market_settlement_date) == (date(2026, 8, 21), date(2026, 8, 24))
    assert august.repo_source == "SOFR"
    assert august.repo_date < august.date
    assert (august.bid_dirty < august.offer_dirty).all()


@pytest.mark.realdata
@needs_data
def test_trades_around_a_day_that_is_no_settlement_day():
    """2026-04-03 has a curve and is no good settlement day: trades of the 2nd and of the 3rd settle on the 6th."""
    for day in (date(2026, 4, 2), date(2026, 4, 3)):
        found = td.view(day, data=real_data())
        assert (found.settlement_date, found.market_settlement_date) == (day, date(2026, 4, 6))


@pytest.mark.realdata
@needs_data
@pytest.mark.parametrize(("day", "rating"), [(date(2011, 8, 4), "AAA"), (date(2011, 8, 5), "AA+")])
def test_rating_of_the_day(day, rating):
    """Standard & Poor's lowered the United States on 5 August 2011."""
    assert set(td.view(day, data=real_data()).ratings) == {rating}


@pytest.mark.realdata
@needs_data
def test_store_and_memory_give_the_same(march, tmp_path):
    store = MarketStore(tmp_path)
    store.folder.mkdir()
    for f in dataclasses.fields(MarketData):
        getattr(real_data(), f.name).write_parquet(store.folder / f"{f.name}.parquet")
    assert same(td.view(DAY, home=tmp_path), march)


# --- questions that have no answer ----------------------------------------------------------------------------------


def test_no_view(tmp_path):
    for text in ("2026-3-24", "yesterday", "2026-13-01"):
        with pytest.raises(UsageError, match="is not a date such as 2026-08-21"):
            td.view(text, data=sample_data())
    with pytest.raises(NoCurve, match="is a Saturday"):
        td.view("2026-03-28", data=sample_data())
    with pytest.raises(DataError):
        td.view(DAY, home=tmp_path)


def test_what_is_known_of_an_unknown_cusip(sample):
    with pytest.raises(UnknownSecurity, match=r"91282CPZ9 is not an outstanding security on 2026-03-24.*should be 8"):
        sample.index("91282CPZ9")
    with pytest.raises(UnknownSecurity) as caught:
        sample.index("912797AB7")
    assert "912797AB7 is not an outstanding security" in str(caught.value)


@pytest.mark.realdata
@needs_data
def test_what_is_known_of_tips(march):
    cusip = march.excluded["TIPS"][0]
    with pytest.raises(UnknownSecurity, match=f"{cusip} is TIPS: in the market on 2026-03-24, but no view has it"):
        march.index(cusip)


def test_face_of(sample):
    (cusip,) = sample.cusips[3:4]
    assert sample.face_of({cusip: 7}) == {sample.securities[3]: 7}
