"""The market of a price sheet against curves fitted to it: nominal securities against one, TIPS against a real one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np

from tbill_defi.conventions.frn_index import FrnIndex
from tbill_defi.conventions.yields import YieldConvention
from tbill_defi.core.errors import DataError
from tbill_defi.instruments import AnySecurity, Frn
from tbill_defi.market.universe import real_terms_from_sheet, universe_on
from tbill_defi.pricing.book import Book, RichCheap
from tbill_defi.pricing.book.rich_cheap import LEAST_FIT_DAYS
from tbill_defi.pricing.svensson import NAMES, SvenssonCurve

FITTED_KINDS = ("bill", "note", "bond", "tips")
"""Of which earlier sheets tell a z-score; the index of floating rate notes is not kept for each of them."""

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Group:
    """Securities that one curve is to explain, and their clean prices per 100 face.

    Attributes
    ----------
    securities, clean_prices
        [n] each.
    real
        Whether they are TIPS, with real flows and unadjusted prices.
    """

    securities: tuple[AnySecurity, ...]
    clean_prices: tuple[float, ...]
    real: bool = False

    @classmethod
    def of(cls, pairs: Iterable[tuple[AnySecurity, float]], *, real: bool = False) -> Group:
        """The group of pairs of security and price."""
        found = tuple(pairs)
        return cls(tuple(security for security, _ in found), tuple(price for _, price in found), real)

    def __len__(self) -> int:
        return len(self.securities)


@dataclass(frozen=True)
class SheetPrices:
    """A price sheet as what curves are fitted to.

    Attributes
    ----------
    day
        The sheet's own date, the settlement of its prices.
    nominal, real
        Its securities, at the middle of bid and offer, at the bid where there is no offer.
    left_out
        Type -> how many cannot be priced: callable bonds, floating rate notes without a spread or an index on record.
    """

    day: date
    nominal: Group
    real: Group
    left_out: dict[str, int]


def sheet_prices(day: date, rows: Sequence[Row], auctions: Sequence[Row], frn_index: FrnIndex) -> SheetPrices:
    """What a sheet prices, with terms from auction records, else inferred from the sheet.

    Parameters
    ----------
    day
        The sheet's date; what matures on it is left out.
    rows
        Of `read_fedinvest`.
    auctions
        Records known on the day; may be empty.
    frn_index
        Of the floating rate notes.

    Raises
    ------
    DataError
        If records contradict each other.
    """
    prices = {row["cusip"]: middle(row) for row in rows}
    universe = universe_on(day, map(dict, auctions), map(dict, rows))
    known = {security.cusip: security for security in universe.linked if security.cusip in prices}
    floating = {cusip: frn for cusip, frn in known.items() if isinstance(frn, Frn) and _has_index(frn, day, frn_index)}
    tips = [
        known.get(row["cusip"]) or real_terms_from_sheet(dict(row))
        for row in rows
        if row["cusip"] in universe.excluded.get("TIPS", ())
    ]
    left_out = {kind: sum(cusip in prices for cusip in cusips) for kind, cusips in universe.excluded.items()}
    left_out["FRN"] = left_out.get("FRN", 0) - len(floating)
    fixed = [listing.security for listing in universe.listings if listing.cusip in prices]
    real = Group.of(((security, prices[security.cusip]) for security in tips), real=True)
    if fit_to(real, day).sum() > len(NAMES[2]):
        left_out["TIPS"] = 0
    else:
        real = Group.of((), real=True)
    return SheetPrices(
        day,
        Group.of((security, prices[security.cusip]) for security in (*fixed, *floating.values())),
        real,
        {kind: count for kind, count in left_out.items() if count},
    )


def middle(row: Row) -> float:
    """Mid price of a sheet's row; its bid where nothing is offered."""
    return float(row["sell"]) if row["buy"] is None else 0.5 * (row["sell"] + row["buy"])


def _has_index(frn: Frn, day: date, index: FrnIndex) -> bool:
    try:
        Book([frn], frn_index=index).at(day)
    except DataError:
        return False
    return True


def fit_to(group: Group, day: date) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """[n] which TIPS a real curve is fitted to; its last year follows the CPI's seasons."""
    left = [(security.maturity_date - day).days for security in group.securities]
    return np.array(left, dtype=np.int64) > LEAST_FIT_DAYS


def real_curve(prices: SheetPrices) -> tuple[SvenssonCurve, int] | None:
    """The Svensson curve of real rates fitted to a sheet's TIPS, and how many; None: the sheet has too few."""
    if not len(prices.real):
        return None
    chosen = np.flatnonzero(fit_to(prices.real, prices.day)).tolist()
    securities = [prices.real.securities[i] for i in chosen]
    clean = [prices.real.clean_prices[i] for i in chosen]
    return SvenssonCurve.fit(prices.day, securities, clean), len(chosen)


def rich_cheap(
    group: Group, day: date, frn_index: FrnIndex | None = None, earlier: Iterable[Row] = (), sheets: int = 0
) -> tuple[RichCheap, int]:
    """A group against the curve fitted to it; and how many earlier sheets its z-scores are over.

    Parameters
    ----------
    day
        Settlement of the prices.
    frn_index
        Needed if there are floating rate notes.
    earlier, sheets
        Rows of earlier sheets; of how many of the latest before `day` residuals are taken.

    Raises
    ------
    ConventionError
        If a price is wrong, or too few securities are left to fit a curve to: names row and CUSIP.
    DataError
        If an index is missing.
    """
    past = _past(group, day, earlier, sheets) if sheets else []
    mask = fit_to(group, day) if group.real else None
    found = Book(group.securities, frn_index=frn_index).rich_cheap(
        group.clean_prices, settlement=day, convention=YieldConvention.STREET, fitted=mask, history=past
    )
    return found, len(past)


def _past(group: Group, day: date, earlier: Iterable[Row], sheets: int) -> list[RichCheap]:
    """The same securities on the latest sheets before a day; a sheet with too few for a fit is left out."""
    by_cusip = {security.cusip: security for security in group.securities if security.kind in FITTED_KINDS}
    days: dict[date, dict[str, float]] = {}
    for row in earlier:
        if row["date"] < day and row["cusip"] in by_cusip:
            days.setdefault(row["date"], {})[row["cusip"]] = middle(row)
    found = []
    for at in sorted(days)[-sheets:]:
        alive = Group.of(
            (
                (by_cusip[cusip], price)
                for cusip, price in days[at].items()
                if by_cusip[cusip].resolve().first_settlement <= at
            ),
            real=group.real,
        )
        enough = fit_to(alive, at).sum() if group.real else len(alive)
        if enough > 2 * len(NAMES[2]):
            found.append(rich_cheap(alive, at)[0])
    return found
