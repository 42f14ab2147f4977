"""Calls on notes and bonds that are held anyway."""

from __future__ import annotations

import math
from datetime import timedelta
from statistics import NormalDist

from pydantic import Field

from tbill_defi import CoveredCall, Holdings, Lots, Overlay, Strategy, StrategyConfig, View
from tbill_defi.conventions import SETTLEMENT

TICK = 32
"""Strikes are whole 32nds."""


class CoveredCallOverlayConfig(StrategyConfig):
    """Settings of `CoveredCallOverlay`."""

    share: float = Field(0.5, gt=0, le=1, description="of each position that calls are written on")
    delta: float = Field(0.25, ge=0.01, le=0.6, description="of a call to its forward; more is nearer the money")
    days: int = Field(30, ge=1, le=365, description="to expiry, calendar days, then the next good settlement day")
    yield_volatility_bp: float = Field(90.0, gt=0, le=500, description="at which the dealer buys, bp of yield a year")
    names: int = Field(10, ge=1, le=32, description="most positions that calls are written on, largest first")
    lot: int = Field(1_000, ge=1, description="face of a lot, dollars")


class CoveredCallOverlay(Strategy[CoveredCallOverlayConfig]):
    """What calls do I write against the free notes I hold, at what strike and expiry, for what premium?

    Of each note and bond that outlives the expiry, calls on `share` of the position are written, less what is on hold
    or frozen already, so that asking again writes nothing more. With F the clean forward at the view's repo rate, P and
    D dirty price and modified duration, s the volatility of the yield and T the time to expiry, the price volatility is
    v = s D P / F, and the strike is the one whose delta to the forward N(d1) is the one asked for,

        K = F exp(v^2 T / 2 - v sqrt(T) N^-1(delta)),

    rounded up to a whole 32nd. Positions change only by exercise; what the premium is, the plan says (Black-76).
    """

    over = "ladder"

    def decide(self, view: View, book: Holdings) -> Overlay:
        """The calls to write on this book."""
        config, lots = self.config, Lots(self.config.lot)
        expiry = SETTLEMENT.following(view.date + timedelta(days=config.days))
        years = (expiry - view.settlement_date).days / 365.0
        writes: list[CoveredCall] = []
        for cusip in sorted(book.positions, key=lambda name: (-book.positions[name], name)):
            index, face, free = view.index(cusip), book.positions[cusip], book.available(cusip)
            security = view.securities[index]
            units = min(free, int(face * config.share) - (face - free)) // lots.units * lots.units
            if security.kind not in ("note", "bond") or security.maturity_date <= expiry or units <= 0:
                continue
            forward = view.clean_forward(index, expiry)
            scale = float(view.modified_duration[index] * view.mid_dirty[index]) / forward
            volatility = round(config.yield_volatility_bp / 1e4 * scale, 6)
            strike = self._strike(forward, volatility * math.sqrt(years))
            writes.append(CoveredCall(cusip, units, strike, expiry, volatility))
        reason = f"delta {config.delta:g} at {config.yield_volatility_bp:g} bp of yield a year"
        chosen = writes[: config.names]
        return Overlay.of(chosen, lots=lots, reasons={call.cusip: reason for call in chosen})

    def _strike(self, forward: float, deviation: float) -> float:
        """Clean strike per 100 face, a whole 32nd."""
        exact = forward * math.exp(deviation**2 / 2 - deviation * NormalDist().inv_cdf(self.config.delta))
        return math.ceil(round(exact * TICK, 9)) / TICK
