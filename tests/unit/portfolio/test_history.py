"""A view of the past is the live recipe's, quote by quote."""

import dataclasses
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from tbill_defi.core.errors import NoCurve
from tbill_defi.market import read_auctions, read_par_yields, read_sofr
from tbill_defi.market.data import MarketData
from tbill_defi.market.snapshot import snapshot
from tbill_defi.market.universe import Listing
from tbill_defi.portfolio import market_view
from tbill_defi.portfolio.history import HistoricalMarket, par_security
from tbill_defi.portfolio.view import ARRAYS
from tbill_defi.pricing.curve import Curve
from tests.unit.backtest.support import market

SHARED = Path(__file__).resolve().parents[3].parent / "shared" / "data"
CLOSE = {"convexity": 1e-10, "modified_duration": 1e-11, "yield_": 1e-12, "clean_price": 1e-11, "accrued": 1e-13}


class LogLinear:
    """The live recipe's curve, with the history's interpolation."""

    @staticmethod
    def bootstrap(day, rates):
        return Curve.bootstrap(day, rates, "log_linear")


def assert_equals_the_live_recipe(history, data, day, monkeypatch):
    monkeypatch.setattr(market_view, "Curve", LogLinear)
    view = history.view(day)
    plain = MarketData(par_yields=data.par_yields, sofr=data.sofr)
    listings = tuple(
        Listing(security, "auction", flag) for security, flag in zip(view.securities, view.inferred, strict=True)
    )
    live = market_view.view_of(dataclasses.replace(snapshot(plain, day), listings=listings, sheet=None))
    assert live.cusips == view.cusips
    for name in ARRAYS:
        assert np.abs(getattr(live, name) - getattr(view, name)).max() <= CLOSE.get(name, 0.0), name
    assert list(view.bid) == list(live.bid)
    assert list(view.offer) == list(live.offer)
    for name in ("date", "market_settlement_date", "sources", "quote_dates", "ratings", "curve", "repo_rate"):
        assert getattr(view, name) == getattr(live, name), name


@pytest.mark.parametrize("day", [date(2003, 1, 2), date(2003, 5, 14), date(2003, 5, 15), date(2004, 2, 27)])
def test_equals_the_live_recipe(day, monkeypatch):
    data = market()
    assert_equals_the_live_recipe(HistoricalMarket(data), data, day, monkeypatch)


@pytest.fixture(scope="module")
def published():
    if not SHARED.exists():
        pytest.skip(f"no published data at {SHARED}")
    return MarketData(
        par_yields=read_par_yields(SHARED / "par_yields.csv"),
        auctions=read_auctions(SHARED / "auctions.csv"),
        sofr=read_sofr(SHARED / "sofr.csv"),
    )


@pytest.mark.realdata
@pytest.mark.parametrize("day", [date(1990, 1, 2), date(2008, 12, 31), date(2020, 3, 9), date(2026, 4, 2)])
def test_equals_the_live_recipe_on_published_days(day, published, monkeypatch):
    assert_equals_the_live_recipe(HistoricalMarket(published), published, day, monkeypatch)


@pytest.mark.realdata
def test_records_fill_what_the_calendar_does_not(published):
    view = HistoricalMarket(published).view(date(2026, 3, 24))
    assert sum(not flag for flag in view.inferred) > 200
    assert any(cusip.startswith("#") for cusip in view.cusips)
    assert set(view.excluded) == {"TIPS", "FRN"}


def test_a_view_knows_nothing_later():
    day = date(2003, 9, 15)
    seen = HistoricalMarket(market()).view(day)
    scrambled = HistoricalMarket(market(shift=0.02, from_day=date(2003, 9, 16))).view(day)
    assert seen.market_hash == scrambled.market_hash
    assert seen.securities == scrambled.securities
    for name in ARRAYS:
        assert (getattr(seen, name) == getattr(scrambled, name)).all(), name
    changed = HistoricalMarket(market(shift=0.0001, from_day=day)).view(day)
    assert changed.market_hash != seen.market_hash


def test_without_costs_bid_is_offer():
    view = HistoricalMarket(market(), costs="none").view(date(2003, 6, 2))
    assert (view.bid_dirty == view.offer_dirty).all()


def test_par_universe_is_the_curve():
    history = HistoricalMarket(market(), universe="par", costs="none")
    day = date(2003, 6, 2)
    held = par_security("10 Yr", date(2003, 5, 1), 0.04)
    view = history.view(day, {held.cusip: held})
    assert "@10030602" in view.cusips
    assert held.cusip in view.cusips
    assert len(view.cusips) == len(view.curve) + 1
    notes = [i for i, s in enumerate(view.securities) if s.kind != "bill" and s.cusip != held.cusip]
    assert view.mid_dirty[notes] == pytest.approx(100.0, abs=2e-3)


def test_a_day_without_a_curve():
    with pytest.raises(NoCurve, match="2003-01-04 has no curve"):
        HistoricalMarket(market()).view(date(2003, 1, 4))


def test_a_prepared_view_is_the_view():
    plain, prepared = HistoricalMarket(market()), HistoricalMarket(market())
    for day, ahead in ((date(2003, 6, 2), date(2003, 7, 1)), (date(2003, 7, 1), date(2003, 9, 2))):
        seen = prepared.view(day)
        prepared.prepare(ahead)
        expected = plain.view(day)
        for name in ARRAYS:
            assert (getattr(seen, name) == getattr(expected, name)).all(), name
        assert (seen.securities, seen.market_hash) == (expected.securities, expected.market_hash)
