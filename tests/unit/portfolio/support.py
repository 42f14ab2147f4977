"""Views made of chosen figures, the sample day, real data, and books to plan with."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import tbill_defi as td
from tbill_defi.chain.keys import SigningKey
from tbill_defi.core.identifiers import cusip_check_digit
from tbill_defi.instruments import Note
from tbill_defi.ledger.keyring import Keys
from tbill_defi.ledger.ledger import ROLE_NAMES, Ledger
from tbill_defi.market import MarketData
from tbill_defi.portfolio.view import Quote, View

DATA = Path(__file__).resolve().parents[3].parent / "shared" / "data"
needs_data = pytest.mark.skipif(not DATA.exists(), reason="../shared/data is not there")
DOLLAR = 10**6
DAY = date(2026, 3, 24)
PARTIES = ("desk", "dealer", "fund")


@cache
def real_data() -> MarketData:
    return MarketData(
        par_yields=td.read_par_yields(DATA / "par_yields.csv"),
        auctions=td.read_auctions(DATA / "auctions.csv"),
        fedinvest=td.read_fedinvest(DATA / "fedinvest_2026-03-24.csv", price_date=DAY),
        sofr=td.read_sofr(DATA / "sofr.csv"),
    )


def toy_cusip(number: int) -> str:
    body = f"912797{number:02d}"
    return body + cusip_check_digit(body)


def toy_view(
    mids: Sequence[float],
    yields: Sequence[float],
    durations: Sequence[float],
    years: Sequence[float],
    *,
    half_spread: float = 0.05,
    without_offer: Sequence[int] = (),
) -> View:
    """A view whose every figure is given: notes of these mid dirty prices, in order of `years`."""
    count = len(mids)
    securities = tuple(
        Note(
            cusip=toy_cusip(i),
            coupon=0.04,
            dated_date=DAY,
            maturity_date=DAY + timedelta(days=round(y * 365.25)),
        )
        for i, y in enumerate(years)
    )

    def quote(price: float) -> Quote:
        exact = Decimal(str(round(price, 6)))
        return Quote(exact, exact, DAY, Decimal(0), exact, exact)

    bid = tuple(quote(m - half_spread) for m in mids)
    offer = tuple(None if i in without_offer else quote(m + half_spread) for i, m in enumerate(mids))
    return View(
        date=DAY,
        settlement_date=DAY,
        market_settlement_date=DAY + timedelta(days=1),
        securities=securities,
        bid=bid,
        offer=offer,
        bid_dirty=np.array([float(q.dirty_price) for q in bid]),
        mid_dirty=np.array([m if offer[i] else m - half_spread for i, m in enumerate(mids)], dtype=float),
        offer_dirty=np.array([float(q.dirty_price) if q else np.nan for q in offer]),
        clean_price=np.array(mids, dtype=float),
        accrued=np.zeros(count),
        yield_=np.array(yields, dtype=float),
        modified_duration=np.array(durations, dtype=float),
        convexity=np.zeros(count),
        years_to_maturity=np.array(years, dtype=float),
        sources=("observed",) * count,
        quote_dates=(DAY,) * count,
        ratings=("AA+",) * count,
        inferred=(False,) * count,
        curve={"1 Mo": 0.037},
        repo_rate=0.0363,
        repo_source="SOFR",
        repo_date=DAY,
        excluded={"TIPS": ("912828WU0",)},
        market_hash=bytes(32),
    )


def book_of(view: View, face: int = 1_000_000, cash: int = 500_000, count: int = 8, party: str = "desk") -> td.Holdings:
    """Equal face of the first securities of a view, dollars."""
    return td.Holdings(party, dict.fromkeys(view.cusips[:count], face * DOLLAR), cash * DOLLAR)


def ring(*names: str) -> Keys:
    return Keys.in_memory({name: SigningKey.from_seed(name) for name in (*ROLE_NAMES, *PARTIES, *names)})


def ledger_with(view: View, book: td.Holdings, *, at: str = "2026-03-24T15:00") -> Ledger:
    """A ledger of the view's date on which the desk holds the book."""
    ledger = td.create_ledger("sqlite://", keys=ring(), at=at, parties=PARTIES)
    ledger.deposit(book.party, view.face_of(book.positions), book.cash_units)
    return ledger
