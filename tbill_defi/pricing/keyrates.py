"""Key rate durations: how a price moves with each tenor of the par curve."""

from __future__ import annotations

from datetime import date

from tbill_defi.instruments.reading import AnySecurity
from tbill_defi.pricing.par_curve import ParCurve

BUMP = 1e-4
"""A par yield is moved by one basis point up and down, the others stay."""


class KeyRates:
    """Key rate durations on one curve; its moved curves are built once, two a tenor.

    Parameters
    ----------
    curve
        The day's curve; its tenors are the key rates.
    """

    def __init__(self, curve: ParCurve) -> None:
        self.curve = curve
        self._moved = {
            tenor: tuple(curve.moved({tenor: sign * BUMP}) for sign in (1.0, -1.0)) for tenor in curve.par_yields
        }
        self._parallel = tuple(curve.moved(dict.fromkeys(curve.par_yields, sign * BUMP)) for sign in (1.0, -1.0))

    def durations(self, security: AnySecurity, *, settlement: date) -> dict[str, float]:
        """Tenor -> key rate duration, years: -(dP/dy)/P of the model dirty price P in that tenor's par yield.

        Central differences of one basis point. Their sum is `effective_duration`, up to the kinks of monotone convex
        forwards (0.02% of it).

        Raises
        ------
        SettlementOutOfRange
            If `settlement` is before the curve date or the issue date, or not before maturity.
        """
        price = self.curve.dirty_price(security, settlement=settlement)
        return {tenor: self._slope(up, down, security, settlement) / price for tenor, (up, down) in self._moved.items()}

    def effective_duration(self, security: AnySecurity, *, settlement: date) -> float:
        """Duration in a parallel move of all par yields, years. Errors as of `durations`."""
        up, down = self._parallel
        price = self.curve.dirty_price(security, settlement=settlement)
        return self._slope(up, down, security, settlement) / price

    @staticmethod
    def _slope(up: ParCurve, down: ParCurve, security: AnySecurity, settlement: date) -> float:
        low = up.dirty_price(security, settlement=settlement)
        high = down.dirty_price(security, settlement=settlement)
        return (high - low) / (2.0 * BUMP)


def key_rate_durations(security: AnySecurity, curve: ParCurve, *, settlement: date) -> dict[str, float]:
    """Tenor -> key rate duration, years, of one security; `KeyRates` for more than one on the same curve."""
    return KeyRates(curve).durations(security, settlement=settlement)
