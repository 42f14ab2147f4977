"""An option at a view's price: its value by either model, and what a premium implies."""

from __future__ import annotations

import math
from dataclasses import asdict
from datetime import date
from typing import TYPE_CHECKING, Any

from tbill_defi.cli import option_screens
from tbill_defi.core.errors import PlanError, UsageError

if TYPE_CHECKING:
    from tbill_defi.portfolio.view import View


class OptionMarket:
    """An option at a view's price for settlement on its date: mid, carried to that date."""

    def __init__(
        self,
        view: View,
        cusip: str,
        kind: str,
        strike: float,
        expiry: date,
        repo_rate: float | None,
        reversion: float,
    ) -> None:
        from tbill_defi.pricing.valuation import checked_rate

        index = view.index(cusip)
        clean = view.settled_clean_price(index)
        if math.isnan(clean):
            raise PlanError(f"{cusip} has no price on {view.date}; an option on it cannot be priced")
        self._view, self._security, self._reversion = (
            view,
            view.securities[index],
            checked_rate("mean_reversion", reversion),
        )
        self._source = f"{view.sources[index]} {view.quote_dates[index]}"
        self._terms: dict[str, Any] = {
            "kind": option_kind(kind),
            "strike": strike,
            "expiry": expiry,
            "settlement": view.settlement_date,
            "clean_price": clean,
            "repo_rate": view.repo_rate if repo_rate is None else repo_rate,
        }

    def _rates(self) -> dict[str, Any]:
        from tbill_defi.pricing.curve import Curve

        curve = Curve.bootstrap(self._view.date, self._view.curve)
        return {**self._terms, "curve": curve, "mean_reversion": self._reversion}

    def implied(self, premium: float, hull_white: bool) -> tuple[float | None, float | None]:
        """(price volatility, sigma) of a premium per 100 face: one of them."""
        from tbill_defi.pricing import implied_sigma, implied_volatility

        if hull_white:
            return None, implied_sigma(premium, self._security, **self._rates())
        return implied_volatility(premium, self._security, **self._terms), None

    def value(self, volatility: float | None, sigma: float | None) -> dict[str, Any]:
        """JSON form of the value by the model whose volatility is given."""
        from tbill_defi.pricing import black_option, hull_white_option

        if volatility is not None:
            found, model = black_option(self._security, volatility=volatility, **self._terms), "black-76"
        else:
            found = hull_white_option(self._security, sigma=sigma or 0.0, **self._rates())
            model = "hull-white"
        terms = self._terms
        return {
            "cusip": self._security.cusip,
            **asdict(found),
            "kind": found.kind.value,
            "strike": terms["strike"],
            "expiry": terms["expiry"].isoformat(),
            "settlement_date": terms["settlement"].isoformat(),
            "clean_price": terms["clean_price"],
            "source": self._source,
            "repo_rate": terms["repo_rate"],
            "model": model,
            "volatility": volatility,
            "sigma": sigma,
            "mean_reversion": None if sigma is None else self._reversion,
            "payoff": option_screens.payoff(found.kind, terms["strike"], found.price),
        }


def option_kind(text: str) -> Any:
    """The kind that a word names."""
    from tbill_defi.pricing import OptionKind

    try:
        return OptionKind(text.lower())
    except ValueError:
        raise UsageError(f"kind: {text!r} is not call or put") from None
