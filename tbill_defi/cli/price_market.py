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
    from tbill_defi.conventions.yields import Floats
    from tbill_defi.instruments import AnySecurity
    from tbill_defi.market.data import MarketData
    from tbill_defi.market.snapshot import MarketSnapshot
    from tbill_defi.pricing.book import Book, DiscountCurve
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

    def curve_for(self, settlement: date) -> Curve:
        """The curve of par yields of the date, or of a settlement before it."""
        from tbill_defi.market.snapshot import par_yields_on
        from tbill_defi.pricing.curve_history import CurveHistory

        day = min(self.day, settlement)
        par = par_yields_on(self.data, day)
        return CurveHistory.bootstrap([day], list(par), [list(par.values())]).curve(day)

    @cached_property
    def latest_sheet(self) -> list[dict[str, Any]]:
        """Rows of the latest price sheet known on the date; none: no sheet is."""
        known = self.data.datasets["fedinvest"].known(self.day)
        return [row for row in known if row["date"] == known[-1]["date"]]

    def book(self, securities: list[AnySecurity]) -> Book:
        """The book of these, with the home's index where a floating rate note is among them."""
        from tbill_defi.pricing.book import Book

        floating = any(security.kind == "frn" for security in securities)
        return Book(securities, frn_index=self.frn_index if floating else None)

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
        return self.latest_sheet[0]["date"] if self.latest_sheet else self.day

    def index_ratio(self, security: AnySecurity, settlement: date) -> float | None:
        """Index ratio of a TIPS; None of any other security, or where no reference CPI is imported."""
        from tbill_defi.instruments import Tips
        from tbill_defi.pricing.tips import index_ratio

        if not isinstance(security, Tips) or self.reference_cpi is None:
            return None
        return index_ratio(security, settlement=settlement, reference_cpi=self.reference_cpi)

    @cached_property
    def real_curve(self) -> tuple[DiscountCurve, str]:
        """The curve that TIPS are shocked on, and what it is.

        Fitted to the TIPS of the latest sheet; without enough of them one of no interest, over which each TIPS's own
        spread is its real rate.
        """
        from tbill_defi.portfolio.relative_value import real_curve, sheet_prices
        from tbill_defi.pricing.curve import Curve

        if rows := self.latest_sheet:
            auctions = self.data.datasets["auctions"].known(self.day)
            found = real_curve(sheet_prices(rows[0]["date"], rows, auctions, self.frn_index))
            if found is not None:
                curve, count = found
                return curve, f"real rates, a Svensson fit to {count} TIPS of the sheet of {curve.curve_date}"
        flat = Curve.nelson_siegel(self.quoted_for, parameters=[0.0, 0.0, 0.0, 1.0])
        return flat, "real rates, flat at its own: no sheet with enough TIPS is known"

    def scenarios(self, book: Book, clean_prices: Any, settlement: date, chosen: list[Shock]) -> list[dict[str, Any]]:
        """For each security the curve that is shocked and its clean price after each shock, its own spread unchanged.

        TIPS are on the real curve, all others on the date's curve of par yields.
        """
        import numpy as np

        found: list[dict[str, Any]] = [{"scenario_curve": None, "scenarios": []} for _ in range(len(book))]
        real, prices = book.columns.kind == "tips", np.asarray(clean_prices, dtype=np.float64)
        for rows in (np.flatnonzero(~real), np.flatnonzero(real)) if chosen else ():
            if rows.size:
                curve, name = self.real_curve if real[rows[0]] else self._nominal(settlement)
                part = self.book([book.columns.securities[row] for row in rows.tolist()])
                after = _after(part, prices[rows], settlement, curve, chosen)
                for row, scenarios in zip(rows.tolist(), after, strict=True):
                    found[row] = {"scenario_curve": name, "scenarios": scenarios}
        return found

    def _nominal(self, settlement: date) -> tuple[DiscountCurve, str]:
        curve = self.curve_for(settlement)
        return curve, f"par yields of {curve.curve_date}"


def _after(
    book: Book, clean: Floats, settlement: date, curve: DiscountCurve, chosen: list[Shock]
) -> list[list[dict[str, Any]]]:
    spreads, accrued = book.z_spreads(curve, clean, settlement), book.accrued(settlement)
    prices = [book.prices_at_spreads(shock.on(curve), spreads, settlement) - accrued for shock in chosen]
    return [
        [
            {"name": shock.name, "clean_price": float(after[i]), "change": float(after[i] - clean[i])}
            for shock, after in zip(chosen, prices, strict=True)
        ]
        for i in range(len(book))
    ]
