"""Live options at the day's market: Black-76 at the volatility given, else at the one their own premium implied."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from functools import cache
from typing import TYPE_CHECKING, Any

from tbill_defi.cli.option_market import OptionMarket
from tbill_defi.core.clock import market_date
from tbill_defi.core.errors import ConventionError, TbillError
from tbill_defi.core.money import cash_from_price, decimal_price

if TYPE_CHECKING:
    from tbill_defi.ledger.option_terms import OptionState
    from tbill_defi.portfolio.view import View

FIELDS = ("price", "clean_price", "forward_clean", "repo_rate", "source", "delta", "gamma", "vega", "theta", "model")


class Marks:
    """Marks of options.

    Parameters
    ----------
    now
        Ledger time, Unix seconds; marks are of its market date.
    view_of
        The view of a date; its errors become the reason for which there is no mark.
    volatility
        Of the clean forward price, decimal a year; None: the one that the premium paid implied when it was paid.
    """

    def __init__(self, now: int, view_of: Callable[[date], View], volatility: float | None) -> None:
        from tbill_defi.pricing.options import checked_volatility

        if volatility is not None:
            checked_volatility(volatility)
        self._now, self._today = now, market_date(now)
        self._view_of, self._volatility = cache(view_of), volatility

    def of(self, option: OptionState) -> dict[str, Any]:
        """{"mark": figures for the holder or None, "unmarked": why there are none or ""}."""
        if not option.is_live:
            return {"mark": None, "unmarked": "it has ended"}
        if option.terms.exercise_until < self._now:
            return {"mark": None, "unmarked": "its window has passed; `tbill option expire` frees its collateral"}
        if option.terms.expiry <= self._today:
            return {"mark": None, "unmarked": "its expiry date has come: it is worth its exercise"}
        try:
            return {"mark": self._mark(option), "unmarked": ""}
        except TbillError as error:
            return {"mark": None, "unmarked": str(error)}

    def _market(self, option: OptionState, day: date) -> OptionMarket:
        terms = option.terms
        return OptionMarket(self._view_of(day), terms.cusip, terms.kind, terms.strike_e6 / 1e6, terms.expiry, None, 0.0)

    def _mark(self, option: OptionState) -> dict[str, Any]:
        volatility, source = self._chosen(option)
        value = self._market(option, self._today).value(volatility, None)
        units = cash_from_price(option.terms.face_units, decimal_price(value["price"]))
        return {
            **{name: value[name] for name in FIELDS},
            "volatility": volatility,
            "volatility_source": source,
            "value": str(units),
            "profit": str(units - option.premium_units) if option.premium_units else None,
        }

    def _chosen(self, option: OptionState) -> tuple[float, str]:
        if self._volatility is not None:
            return self._volatility, "given"
        if not option.premium_units:
            raise ConventionError("nobody has bought it; give --volatility")
        bought = market_date(option.bought_at)
        premium = option.premium_units / option.terms.face_units * 100.0
        found, _ = self._market(option, bought).implied(premium, False)
        assert found is not None
        return found, f"premium of {bought}"
