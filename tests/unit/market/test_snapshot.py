"""A snapshot is what was known on its date, and its hash is over all of it."""

import dataclasses
import pickle
from datetime import date, timedelta

import polars as pl
import pytest

from tbill_defi.core.errors import ConventionError, NoCurve, UnknownSecurity
from tbill_defi.core.hashing import json_hash
from tbill_defi.market import MarketData, MarketStore, par_yields_on, sample_data, snapshot, trading_days
from tbill_defi.market.auctions import parse_auctions
from tbill_defi.market.fedinvest import parse_fedinvest
from tbill_defi.market.par_yields import parse_par_yields
from tbill_defi.market.sofr import parse_sofr

DAY = date(2026, 3, 24)


def curves(*days):
    return parse_par_yields("Date,1 Mo,10 Yr\n" + "".join(f"{day},3.7,4.{i:02d}\n" for i, day in enumerate(days)), "p")


def with_later_records(data):
    """The same market with a future: a curve, an auction, a sheet and a rate of later days."""
    tomorrow = DAY + timedelta(days=1)
    later_auction = data.auctions.tail(1).with_columns(
        pl.lit("912797ZZ9").alias("cusip"), pl.lit(tomorrow).alias("auctionDate"), pl.lit(tomorrow).alias("issueDate")
    )
    return MarketData(
        par_yields=pl.concat([data.par_yields, data.par_yields.with_columns(pl.lit(tomorrow).alias("date"))]),
        auctions=pl.concat([data.auctions, later_auction]),
        fedinvest=pl.concat([data.fedinvest, data.fedinvest.with_columns(pl.lit(tomorrow).alias("date"))]),
        sofr=pl.concat([data.sofr, data.sofr.with_columns(pl.lit(tomorrow).alias("date"))]),
    )


def test_nothing_later_is_reachable():
    data = sample_data()
    view = snapshot(data, DAY)
    assert snapshot(with_later_records(data), DAY) == view
    assert snapshot(with_later_records(data), DAY).content_hash() == view.content_hash()
    assert snapshot(with_later_records(data), DAY + timedelta(days=1)) != view


def test_order_of_rows_does_not_matter():
    data = sample_data()
    shuffled = MarketData(*(getattr(data, f.name).reverse() for f in dataclasses.fields(data)))
    assert snapshot(shuffled, DAY).content_hash() == snapshot(data, DAY).content_hash()


def changed(data, kind, column, row=0):
    frame = getattr(data, kind)
    values = frame[column].to_list()
    index = next(i for i, value in enumerate(values[row:], row) if value is not None)
    values[index] = {float: lambda v: v + 1e-6, bool: lambda v: not v, str: lambda v: v[::-1]}.get(
        type(values[index]), lambda v: v - timedelta(days=1)
    )(values[index])
    return dataclasses.replace(data, **{kind: frame.with_columns(pl.Series(column, values, frame.schema[column]))})


@pytest.mark.parametrize(
    ("kind", "column"),
    [
        *(("par_yields", tenor) for tenor in ("1 Mo", "1.5 Mo", "10 Yr", "30 Yr")),
        *(("fedinvest", column) for column in ("buy", "sell")),
        *(("auctions", column) for column in ("auctionDate", "issueDate", "reopening")),
        ("sofr", "rate"),
        ("sofr", "date"),
    ],
)
def test_any_changed_value_changes_the_hash(kind, column):
    data = sample_data()
    assert snapshot(changed(data, kind, column), DAY).content_hash() != snapshot(data, DAY).content_hash()


def test_every_quote_is_in_the_hash():
    data = sample_data()
    hashes = {snapshot(changed(data, "fedinvest", "sell", row), DAY).content_hash() for row in range(25)}
    assert len(hashes | {snapshot(data, DAY).content_hash()}) == 26


def test_earlier_history_is_in_the_hash():
    data = dataclasses.replace(sample_data(), par_yields=curves(date(2026, 3, 23), DAY))
    other = dataclasses.replace(data, par_yields=curves(date(2026, 3, 20), DAY))
    assert snapshot(data, DAY).par_yields == snapshot(other, DAY).par_yields
    assert snapshot(data, DAY).content_hash() != snapshot(other, DAY).content_hash()


def test_hash_is_over_the_json_and_nothing_else():
    view = snapshot(sample_data(), DAY)
    assert view.content_hash() == json_hash(view.to_json())
    assert len(view.content_hash()) == 32
    assert pickle.loads(pickle.dumps(view)) == view


def test_frozen():
    view = snapshot(sample_data(), DAY)
    with pytest.raises(dataclasses.FrozenInstanceError):
        view.date = date(2026, 3, 25)
    with pytest.raises(TypeError):
        view.par_yields["10 Yr"] = 0.05


def test_store_and_frames_give_the_same(tmp_path):
    store = MarketStore(tmp_path)
    store.folder.mkdir()
    data = sample_data()
    for f in dataclasses.fields(data):
        getattr(data, f.name).write_parquet(store.folder / f"{f.name}.parquet")
    assert snapshot(store, DAY) == snapshot(data, DAY)


@pytest.mark.parametrize(
    ("day", "message"),
    [
        (date(2026, 3, 21), "is a Saturday; nearest with one: 2026-03-20 and 2026-03-23"),
        (date(2026, 3, 22), "is a Sunday; nearest with one: 2026-03-20 and 2026-03-23"),
        (date(2025, 12, 25), "is a market holiday; nearest with one: 2025-12-24 and 2026-03-20"),
        (date(2026, 3, 19), "is missing from the imported history; nearest with one: 2025-12-24 and 2026-03-20"),
        (date(2026, 3, 25), "is outside the imported history 2025-12-24 to 2026-03-23; nearest with one: 2026-03-23"),
        (date(2026, 3, 28), "is a Saturday and is outside the imported history 2025-12-24 to 2026-03-23"),
        (date(1961, 1, 3), "is outside the imported history 2025-12-24 to 2026-03-23; nearest with one: 2025-12-24"),
    ],
)
def test_no_curve_names_the_nearest(day, message):
    data = MarketData(par_yields=curves(date(2025, 12, 24), date(2026, 3, 20), date(2026, 3, 23)))
    with pytest.raises(NoCurve) as caught:
        snapshot(data, day)
    assert str(caught.value).startswith(f"date: {day} has no curve: it {message}")
    with pytest.raises(NoCurve):
        par_yields_on(data, day)


def test_no_curve_in_an_empty_store(tmp_path):
    with pytest.raises(NoCurve, match="no par yields are imported; import"):
        snapshot(MarketStore(tmp_path), DAY)


def test_a_row_without_values_is_no_curve():
    data = MarketData(par_yields=parse_par_yields("Date,1 Mo\n2026-03-23,3.7\n2026-03-24,\n", "p"))
    assert trading_days(data) == (date(2026, 3, 23),)
    with pytest.raises(NoCurve):
        snapshot(data, DAY)


def test_trading_days_and_curve_of_a_day():
    data = MarketData(par_yields=curves(date(2026, 3, 24), date(2026, 3, 23)))
    assert trading_days(data) == (date(2026, 3, 23), date(2026, 3, 24))
    assert dict(par_yields_on(data, date(2026, 3, 23))) == {"1 Mo": 0.037, "10 Yr": 0.0401}


class TestRepoRate:
    def test_given(self):
        repo = snapshot(sample_data(), DAY, repo_rate=0.04).repo
        assert (repo.rate, repo.source, repo.date, repo.age_days) == (0.04, "given", DAY, 0)

    @pytest.mark.parametrize("rate", [4.25, 0.51, -0.06, float("nan")])
    def test_percent_for_decimal(self, rate):
        with pytest.raises(ConventionError, match=r"repo_rate: .* is not a decimal rate"):
            snapshot(sample_data(), DAY, repo_rate=rate)

    def test_latest_sofr_passes_over_holidays(self):
        sofr = parse_sofr("Date,SOFR\n2026-03-20,3.61\n2026-03-23,\n2026-03-25,3.9\n", "s")
        repo = snapshot(MarketData(par_yields=curves(DAY), sofr=sofr), DAY).repo
        assert (repo.rate, repo.source, repo.date, repo.age_days) == (0.0361, "SOFR", date(2026, 3, 20), 4)

    def test_shortest_tenor_without_sofr(self):
        assert snapshot(MarketData(par_yields=curves(DAY)), DAY).repo.source == "curve 1 Mo"
        long = parse_par_yields("Date,1 Mo,3 Mo\n2026-03-24,,3.74\n", "p")
        repo = snapshot(MarketData(par_yields=long), DAY).repo
        assert (repo.source, repo.date) == ("curve 3 Mo", DAY)
        assert repo.rate / 360 == pytest.approx(0.0374 / 365, rel=1e-15), "the same interest, Act/360"


class TestSheet:
    SHEET = "91282CPZ8,MARKET BASED NOTE,4.125%,02/15/2036,,{buy},98.093750,0\n"

    def data(self, *days, buy="98.109375"):
        sheets = [parse_fedinvest(self.SHEET.format(buy=buy), "f", day) for day in days]
        fedinvest = {"fedinvest": pl.concat(sheets)} if sheets else {}
        return MarketData(par_yields=curves(date(2026, 3, 20), date(2026, 3, 23), DAY), **fedinvest)

    def test_latest_not_after_with_age_and_its_own_curve(self):
        view = snapshot(self.data(date(2026, 3, 19), date(2026, 3, 20), date(2026, 3, 25)), DAY)
        assert (view.sheet.date, view.sheet.age_days) == (date(2026, 3, 20), 4)
        assert dict(view.sheet.par_yields) == {"1 Mo": 0.037, "10 Yr": 0.04}
        assert view.to_json()["sheet"]["par_yields"] == {"1 Mo": 0.037, "10 Yr": 0.04}

    def test_sheet_of_a_day_without_a_curve(self):
        assert snapshot(self.data(date(2026, 3, 19)), DAY).sheet.par_yields is None

    def test_none(self):
        view = snapshot(self.data(), DAY)
        assert (view.sheet, view.listings, view.quote("91282CPZ8")) == (None, (), None)
        assert len(view.content_hash()) == 32

    def test_no_offer(self):
        quote = snapshot(self.data(DAY, buy="0.000000"), DAY).quote("91282CPZ8")
        assert (quote.bid, quote.offer) == (98.09375, None)


def test_listing_says_why_not():
    rows = parse_auctions(
        "cusip,type,reopening,auctionDate,issueDate,datedDate,originalIssueDate,maturityDate,"
        "firstInterestPaymentDate,interestRate,tips,floatingRate\n"
        "91282CAA1,TIPS,No,2026-01-22,2026-01-30,2026-01-15,,2036-01-15,2026-07-15,1.875,Yes,No\n",
        "a",
    )
    view = snapshot(MarketData(par_yields=curves(DAY), auctions=rows), DAY)
    assert dict(view.excluded) == {"TIPS": ("91282CAA1",)}
    with pytest.raises(UnknownSecurity, match="91282CAA1 is excluded on 2026-03-24: TIPS has no nominal flows"):
        view.listing("91282CAA1")
    with pytest.raises(UnknownSecurity, match=r"037833100 is not in the universe of 2026-03-24 \(0 securities\)"):
        view.listing("037833100")
    assert snapshot(sample_data(), DAY).listing("91282CPZ8").security.coupon == 0.04125
