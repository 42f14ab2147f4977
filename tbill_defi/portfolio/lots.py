"""From weights to whole lots that cash can pay for."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tbill_defi.core.errors import PlanError
from tbill_defi.core.money import cash_from_price, format_units
from tbill_defi.portfolio.dealing import DealingLimits
from tbill_defi.portfolio.dealing_rows import cut
from tbill_defi.portfolio.holdings import Holdings
from tbill_defi.portfolio.target import Weights
from tbill_defi.portfolio.view import View

Ints = npt.NDArray[np.int64]


def lots_from_weights(target: Weights, view: View, holdings: Holdings, dealing: DealingLimits | None = None) -> Ints:
    """Signed lots to trade, [n_securities] int64, that bring the holdings to the weights.

    The wanted lots of a security are its weight of NAV at mid, rounded to the nearest lot. Sales come first;
    purchases are then cut, one lot of the largest at a time, until cash pays for all of them. Limits of a ledger cut
    before that: each order to the trade limit, all in proportion to the volume, purchases to what may be held.

    Raises
    ------
    UnknownSecurity
        If a weight names a security that is not in the view.
    PlanError
        If a wanted security has no offer, or no weight reaches a single lot.
    """
    lot = target.lots.units
    wanted_weights = np.zeros(len(view.cusips))
    for cusip, weight in target.weights.items():
        wanted_weights[view.index(cusip)] = weight
    held = np.zeros(len(view.cusips), dtype=np.int64)
    for cusip, face in holdings.positions.items():
        held[view.index(cusip)] = face
    lot_value = view.mid_dirty * lot / 100.0
    nav = float(view.mid_dirty @ held) / 100.0 + holdings.cash_units
    wanted = np.rint(wanted_weights * nav / lot_value).astype(np.int64)
    if wanted_weights.any() and not wanted.any():
        raise PlanError(
            f"every order is below a lot of ${target.lots.face:,} face: NAV is ${format_units(int(nav))}; "
            "use smaller lots or fewer securities"
        )
    change = wanted * lot - held
    trade = np.where(change > 0, change // lot, -(-change // lot))
    for index in np.flatnonzero(trade > 0).tolist():
        if view.offer[index] is None:
            raise PlanError(f"{view.cusips[index]}: no offer on {view.date}; it cannot be bought")
    for index in np.flatnonzero(trade < 0).tolist():
        sellable = 0 if view.bid[index] is None else holdings.available(view.cusips[index]) // lot
        trade[index] = max(trade[index], -sellable)
    return _affordable(cut(trade, dealing, view, lot), lot, view, holdings.cash_units)


def _affordable(trade: Ints, lot: int, view: View, cash: int) -> Ints:
    """Purchases cut until cash pays; the exact amounts of `orders.make_order`."""

    def paid(index: int, lots: int) -> int:
        quote = view.quote(index, "buy" if lots > 0 else "sell")
        assert quote is not None
        amount = cash_from_price(abs(lots) * lot, quote.dirty_price)
        return amount if lots > 0 else -amount

    amounts = {int(i): paid(int(i), int(trade[i])) for i in np.flatnonzero(trade)}
    while (missing := sum(amounts.values()) - cash) > 0:
        largest = max((i for i in amounts if trade[i] > 0), key=lambda i: (amounts[i], -i))
        one = paid(largest, 1)
        trade[largest] -= min(int(trade[largest]), max(1, missing // one // 4))
        amounts[largest] = paid(largest, int(trade[largest])) if trade[largest] else 0
    return trade
