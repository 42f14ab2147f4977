"""A ledger's limits on a plan: as rows of the programme, as cuts of given lots, and as reports after the trade.

Legs settle in the order of their CUSIPs, and the holding cap counts while they do: the running sum of purchases less
sales may never exceed it. It is greatest just before a sale or at the end, so one row for each of these suffices.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tbill_defi.core.money import UNITS_PER_DOLLAR
from tbill_defi.portfolio.dealing import COUNTERPARTY, HOLDING, TRADE, VOLUME, DealingLimits
from tbill_defi.portfolio.limit_report import LimitReport
from tbill_defi.portfolio.view import View

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

MILLION = 10**6 * UNITS_PER_DOLLAR
"""Base units of what these limits are shown in: $1m of face."""
UNIT = "$m"
NAMES = (TRADE, VOLUME, HOLDING, COUNTERPARTY)


@dataclass(frozen=True)
class Row:
    """sum of `loadings` x lots <= `most`, over the lots bought, then those sold: [2 n_securities]; in lots."""

    name: str
    loadings: Floats
    most: int


def rows(dealing: DealingLimits | None, view: View, lot_units: int, sellable: Ints) -> Iterator[Row]:
    """The rows of the limits that are set; `sellable` is [n_securities], in lots."""
    if dealing is None:
        return
    n = len(view.cusips)
    for name, units in ((VOLUME, dealing.volume), (COUNTERPARTY, dealing.counterparty_holding)):
        if units is not None:
            yield Row(name, np.ones(2 * n), units // lot_units)
    if dealing.holding is not None:
        order = _leg_order(view)
        ends = [i for i in range(n) if sellable[order[i]] > 0] + [n]
        for end in ends:
            loadings = np.zeros(2 * n)
            loadings[order[:end]] = 1.0
            loadings[n + order[:end]] = -1.0
            yield Row(HOLDING, loadings, dealing.holding // lot_units)


def largest_lots(dealing: DealingLimits | None, lot_units: int) -> int | None:
    """Lots of the largest order; None if there is no limit."""
    return None if dealing is None or dealing.trade is None else dealing.trade // lot_units


def cut(trade: Ints, dealing: DealingLimits | None, view: View, lot_units: int) -> Ints:
    """Signed lots, [n_securities], brought within the limits; never more of anything, never the other side."""
    if dealing is None:
        return trade
    most = largest_lots(dealing, lot_units)
    if most is not None:
        trade = np.clip(trade, -most, most)
    for units in (dealing.volume, dealing.counterparty_holding):
        total = int(np.abs(trade).sum())
        if units is not None and total > units // lot_units:
            trade = np.sign(trade) * (np.abs(trade) * (units // lot_units) // total)
    if dealing.holding is not None:
        running, most = 0, dealing.holding // lot_units
        for i in _leg_order(view):
            trade[i] = min(int(trade[i]), max(most - running, 0)) if trade[i] > 0 else trade[i]
            running += int(trade[i])
    return trade


def reports(
    dealing: DealingLimits | None,
    view: View,
    lots: Ints,
    lot_units: int,
    shadow_prices: dict[str, float] | None = None,
) -> Iterator[LimitReport]:
    """Each limit that is set, after a trade of signed lots, in $m of face; shadow prices are of the programme's."""
    if dealing is None:
        return
    total = int(np.abs(lots).sum()) * lot_units
    running = np.cumsum(lots[_leg_order(view)]) * lot_units
    for name, value, units in (
        (TRADE, int(np.abs(lots).max(initial=0)) * lot_units, dealing.trade),
        (VOLUME, total, dealing.volume),
        (HOLDING, max(int(running.max(initial=0)), 0), dealing.holding),
        (COUNTERPARTY, total, dealing.counterparty_holding),
    ):
        if units is not None:
            slack = (units - value) / MILLION
            price = (shadow_prices or {}).get(name, 0.0)
            yield LimitReport(name, value / MILLION, 0.0, units / MILLION, UNIT, slack, price)


def _leg_order(view: View) -> Ints:
    """Indices of securities in the order in which their legs settle."""
    return np.argsort(np.array(view.cusips), kind="stable")
