"""What prices need of the home's market files: securities by CUSIP, their quotes, indices, the day's curve."""

from __future__ import annotations

from datetime import date
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tbill_defi.core.errors import DataError

if TYPE_CHECKING:
    from tbill_defi.conventions.frn_index import FrnIndex
    from tbill_defi.conventions.reference_cpi import ReferenceCpi
    from tbill_defi.instruments import AnySecurity
    from tbill_defi.market.data import MarketData
    from tbill_defi.market.snapshot import MarketSnapshot
    from tbill_defi.pricing.book import Book
    from tbill_defi.pricing.curve import Curve
    from tbill_defi.pricing.shocks import Shock


class PriceMarket:
    """The home's market of a date, read where it is asked for; of prices and auctions nothing later is."""

    def __init__(self, home: Path | None, day: date) -> None:
        self._home, self.day = home, day

    @cached_property
    def data(self) -> MarketData:
        """All records of the home."""
        from tbill_defi.core.home import home_path
        from tbill_defi.market.store import MarketStore

        return MarketStore(home_path(self._home)).load()

    @cached_property
    def snapshot(self) -> MarketSnapshot:
        """The market of the date."""
        from tbill_defi.market.snapshot import snapshot

        return snapshot(self.data, self.day)

    @cached_property
    def frn_index(self) -> FrnIndex:
        """Rates of the 13-week auctions known on the date."""
        from tbill_defi.conventions.frn_index import FrnIndex

        return FrnIndex.of_auctions(self.data.datasets["auctions"].known(self.day))

    @cached_property
    def reference_cpi(self) -> ReferenceCpi | None:
        """Daily reference CPI; None: none is imported."""
        from tbill_defi.conventions.reference_cpi import ReferenceCpi

        rows = self.data.reference_cpi.rows()
        return ReferenceCpi.of_daily(rows) if rows else None

    @cached_property
    def curve(self) -> Curve:
        """The date's curve of par yields."""
        from tbill_defi.market.snapshot import par_yields_on
        from tbill_defi.pricing.curve_history import CurveHistory

        par = par_yields_on(self.data, self.day)
        return CurveHistory.bootstrap([self.day], list(par), [list(par.values())]).curve(self.day)

    def quoted(self, cusip: str) -> tuple[float, str]:
        """Latest bid of a CUSIP, clean per 100 face, and where it is from.

        Raises
        ------
        DataError
            If no sheet quotes it.
        """
        quote, sheet = self.snapshot.quote(cusip), self.snapshot.sheet
        if quote is None or sheet is None:
            raise DataError(f"{cusip}: no price sheet known on {self.day} quotes it; give a price or a yield")
        return quote.bid, f"bid {sheet.date}"

    @property
    def quoted_for(self) -> date:
        """Settlement of the latest sheet's prices: its own date; the market's without a sheet."""
        sheet = self.snapshot.sheet
        return self.day if sheet is None else sheet.date

    def index_ratio(self, security: AnySecurity, settlement: date) -> float | None:
        """Index ratio of a TIPS; None of any other security, or where no reference CPI is imported."""
        from tbill_defi.instruments import Tips
        from tbill_defi.pricing.tips import index_ratio

        if not isinstance(security, Tips) or self.reference_cpi is None:
            return None
        return index_ratio(security, settlement=settlement, reference_cpi=self.reference_cpi)

    def scenarios(
        self, book: Book, clean_prices: Any, settlement: date, chosen: list[Shock]
    ) -> list[list[dict[str, Any]]]:
        """For each security, its clean price after each shock of the curve, its own spread over it unchanged."""
        if not chosen:
            return [[] for _ in range(len(book))]

        spreads = book.z_spreads(self.curve, clean_prices, settlement)
        accrued = book.accrued(settlement)
        after = [
            (book.prices_at_spreads(shock.on(self.curve), spreads, settlement) - accrued).tolist() for shock in chosen
        ]
        return [
            [
                {"name": shock.name, "clean_price": prices[i], "change": prices[i] - float(clean_prices[i])}
                for shock, prices in zip(chosen, after, strict=True)
            ]
            for i in range(len(book))
        ]
