"""Many securities at once: prices, yields and risk of a whole book in a few array operations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime

import numpy as np
from numpy.typing import ArrayLike

from tbill_defi.conventions.frn_index import FrnIndex
from tbill_defi.conventions.yields import Floats, YieldConvention
from tbill_defi.core.errors import ConventionError, DataError
from tbill_defi.instruments import AnySecurity
from tbill_defi.pricing.book.analytics import Analytics
from tbill_defi.pricing.book.carry_roll import CarryRoll, carry_roll, checked_horizon
from tbill_defi.pricing.book.columns import Columns
from tbill_defi.pricing.book.curve_values import DiscountCurve, OnCurve, checked_nodes
from tbill_defi.pricing.book.cycles import Cycles, Placed
from tbill_defi.pricing.book.groups import Groups
from tbill_defi.pricing.book.inputs import finite_column, require_positive, yield_column
from tbill_defi.pricing.book.rich_cheap import RichCheap, fit_mask, z_scores
from tbill_defi.pricing.book.yields import Risk

BASIS_POINT = 1e-4
KEY_YEARS = (0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 7.0, 10.0, 15.0, 20.0, 25.0, 30.0)
"""Nodes of key rates where none are named."""


class Book:
    """Securities whose terms are laid out once, priced together on any day.

    Parameters
    ----------
    securities
        At least one.
    frn_index
        Rates that floating rate notes pay; a book without any takes none.

    Raises
    ------
    DataError
        If there are none, one is no security that a book prices, or a floating rate note has no index.

    Notes
    -----
    Agrees with the verbs on single securities, and with QuantLib, within 1e-11 per 100 face.

    TIPS are in real terms. The yield of a callable bond is to maturity, as are duration and DV01; its yield to worst
    is a column of its own, in which "worst" is the lowest yield to a call or to maturity (MSRB Rule G-15). The yield
    of a floating rate note is index + discount margin, and its duration and DV01 are of the margin with payments as
    projected, a spread risk; its risk to rates is the effective duration, from a curve, and nearly none.
    """

    def __init__(self, securities: Sequence[AnySecurity], *, frn_index: FrnIndex | None = None) -> None:
        self.columns = Columns.of(securities)
        self._index = frn_index
        self._require_index()
        c = self.columns
        rows = c.level
        self._cycles = Cycles.among(c.months[rows], c.maturity_month[rows], c.rule[rows])
        self._placed: Placed | None = None
        self._groups: tuple[Placed, YieldConvention, Groups] | None = None

    def __len__(self) -> int:
        return len(self.columns)

    def _require_index(self) -> None:
        if self._index is not None and not isinstance(self._index, FrnIndex):
            raise DataError(f"frn_index: {type(self._index).__name__} is not an FrnIndex")
        if self._index is None and (rows := np.flatnonzero(self.columns.floating)).size:
            row = int(rows[0])
            raise DataError(
                f"securities[{row}] ({self.cusips[row]}): a floating rate note needs the rates of 13-week auctions; "
                "give frn_index=FrnIndex.of_auctions(...)"
            )

    @property
    def cusips(self) -> tuple[str, ...]:
        """In the order of the securities."""
        return self.columns.cusips

    def at(self, settlement: date) -> Placed:
        """The book at a settlement date; the last one is kept.

        Raises
        ------
        SettlementOutOfRange
            If a security is not issued, or has matured: names its row and CUSIP.
        ConventionError
            If `settlement` is not a date.
        """
        if isinstance(settlement, datetime) or not isinstance(settlement, date):
            raise ConventionError(f"settlement: {settlement!r} is not a datetime.date such as date(2026, 8, 24)")
        if self._placed is None or self._placed.settlement != settlement:
            self._placed = Placed(self.columns, self._cycles, settlement, self._index)
        return self._placed

    def _kernels(self, settlement: date, convention: YieldConvention) -> Groups:
        placed = self.at(settlement)
        if self._groups is None or self._groups[0] is not placed or self._groups[1] is not convention:
            self._groups = placed, convention, Groups(placed, convention)
        return self._groups[2]

    def accrued(self, settlement: date) -> Floats:
        """[n] accrued interest per 100 face, unrounded."""
        return self.at(settlement).accrued.copy()

    def clean_prices(self, yields: ArrayLike, *, settlement: date, convention: YieldConvention) -> Floats:
        """[n] clean prices per 100 face at [n] yields, decimal: of `analytics`, what needs no risk.

        Raises
        ------
        SettlementOutOfRange
            If a security is not issued, or has matured.
        ConventionError
            If a yield is not finite or looks like percent: names row and CUSIP.
        """
        groups = self._kernels(settlement, convention)
        prices = groups.prices(yield_column(yields, self.cusips))
        prices -= groups.placed.accrued
        return prices

    def durations(
        self, clean_prices: ArrayLike, *, settlement: date, convention: YieldConvention
    ) -> tuple[Floats, Floats, Floats]:
        """[n] dirty prices, yields and modified durations of [n] clean prices per 100 face.

        Of `analytics`, what a fit needs; errors are those of it.
        """
        groups = self._kernels(settlement, convention)
        dirty = self._dirty(groups, clean_prices)
        return dirty, *groups.durations(dirty)

    def _dirty(self, groups: Groups, clean_prices: ArrayLike) -> Floats:
        dirty = finite_column("clean_prices", clean_prices, self.cusips) + groups.placed.accrued
        require_positive(dirty, self.cusips)
        return dirty

    def dirty_prices(self, curve: DiscountCurve, settlement: date) -> Floats:
        """[n] model dirty prices per 100 face."""
        return OnCurve(self.at(settlement), curve).dirty_prices()

    def key_rate_dv01(self, curve: DiscountCurve, settlement: date, nodes: Sequence[float] = KEY_YEARS) -> Floats:
        """[n, n_nodes] dollars per 100 face that a fall of 1 bp in the zero rate at each node (years) brings."""
        return OnCurve(self.at(settlement), curve).key_rates(checked_nodes(np.array(nodes)))

    def scenario_prices(
        self, curve: DiscountCurve, settlement: date, shifts: ArrayLike, nodes: Sequence[float]
    ) -> Floats:
        """[n, n_scenarios] model dirty prices after moves of the curve.

        Parameters
        ----------
        shifts
            [n_scenarios, n_nodes] decimal moves of continuous zero rates at the nodes, linear between them.
        nodes
            [n_nodes] years, ascending.
        """
        places = checked_nodes(np.array(nodes))
        moves = np.asarray(shifts, dtype=np.float64)
        if moves.ndim != 2 or moves.shape[1] != len(places) or not np.isfinite(moves).all():
            raise ConventionError(f"shifts: shape {moves.shape} is not [n_scenarios, {len(places)}] of finite decimals")
        prices = np.empty((len(self), len(moves)))
        for which, block in OnCurve(self.at(settlement), curve).scenarios(moves, places):
            prices[:, which] = block
        return prices

    def z_spreads(self, curve: DiscountCurve, clean_prices: ArrayLike, settlement: date) -> Floats:
        """[n] spreads over the curve's continuous Act/365 zero rates that explain clean prices, decimal."""
        placed = self.at(settlement)
        dirty = finite_column("clean_prices", clean_prices, self.cusips) + placed.accrued
        require_positive(dirty, self.cusips)
        return OnCurve(placed, curve).z_spreads(dirty)

    def prices_at_spreads(self, curve: DiscountCurve, spreads: ArrayLike, settlement: date) -> Floats:
        """[n] dirty prices at [n] spreads over the curve's zero rates, as of `z_spreads`: its inverse.

        Projected payments of floating rate notes are of this curve.
        """
        return OnCurve(self.at(settlement), curve).dirty_at_spreads(finite_column("spreads", spreads, self.cusips))

    def carry_roll(
        self,
        curve: DiscountCurve,
        *,
        settlement: date,
        horizon: date,
        repo_rate: float,
        convention: YieldConvention,
        clean_prices: ArrayLike | None = None,
        inflation: float | None = None,
    ) -> CarryRoll:
        """What the securities earn, financed at a repo rate, to a horizon at which the curve has not moved.

        Parameters
        ----------
        curve
            Of the settlement; it stands still by term.
        horizon
            A date after settlement, before every maturity.
        repo_rate
            Decimal, simple, Act/360.
        convention
            Of the yields.
        clean_prices
            [n] per 100 face; None: the curve's. The spread over the curve that explains a price stays.
        inflation
            Annual rate, decimal, at which the index ratio of TIPS grows to the horizon; needed if there are any. Their
            prices stay real.

        Raises
        ------
        SettlementOutOfRange
            If a security is not alive at settlement and horizon: names row and CUSIP.
        ConventionError
            If a price or rate is wrong.
        """
        groups = self._kernels(settlement, convention)
        checked_horizon(self.columns, settlement, horizon)
        dirty = OnCurve(groups.placed, curve).dirty_prices()
        if clean_prices is not None:
            dirty = finite_column("clean_prices", clean_prices, self.cusips) + groups.placed.accrued
            require_positive(dirty, self.cusips)
        held = None if self._index is None else self._index.held(settlement, horizon)
        later = Groups(Placed(self.columns, self._cycles, horizon, held), convention)
        return carry_roll(groups, later, curve, dirty, repo_rate, inflation)

    def rich_cheap(
        self,
        clean_prices: ArrayLike,
        *,
        settlement: date,
        convention: YieldConvention,
        curve: DiscountCurve | None = None,
        fitted: ArrayLike | None = None,
        history: Sequence[RichCheap] = (),
    ) -> RichCheap:
        """Market prices against a curve, or against the Svensson curve fitted to them.

        Parameters
        ----------
        clean_prices
            [n] per 100 face.
        convention
            Of the yields.
        curve
            The model; None: a fit.
        fitted
            [n] of bool, what the fit is to; None: bills, notes and bonds with more than 30 days left (in a book of
            TIPS: these). The others are valued by the curve all the same.
        history
            Earlier results, any books: z-scores are from their residuals of the same CUSIPs.

        Raises
        ------
        ConventionError
            If a price is wrong, TIPS and others are mixed, or too few securities are left to fit a curve to.
        SettlementOutOfRange
            If a security is not issued, or has matured.
        """
        from tbill_defi.pricing.svensson import SvenssonCurve

        groups = self._kernels(settlement, convention)
        placed, clean = groups.placed, finite_column("clean_prices", clean_prices, self.cusips)
        dirty = clean + placed.accrued
        require_positive(dirty, self.cusips)
        mask = np.zeros(len(self), dtype=bool)
        if curve is None:
            mask = fit_mask(self.columns, placed.day, fitted)
            chosen = np.flatnonzero(mask).tolist()
            curve = SvenssonCurve.fit(settlement, [self.columns.securities[i] for i in chosen], clean[mask])
        on = OnCurve(placed, curve)
        model, yields = on.dirty_prices(), groups.yields(dirty)
        of_model = groups.yields(model)
        residual_bp = (yields - of_model) / BASIS_POINT
        return RichCheap(
            cusips=self.cusips,
            settlement=settlement,
            curve=curve,
            maturity=self.columns.maturity.view("datetime64[D]"),
            clean_price=clean,
            model_clean_price=model - placed.accrued,
            residual=dirty - model,
            yield_=yields,
            model_yield=of_model,
            residual_bp=residual_bp,
            z_spread_bp=on.z_spreads(dirty) / BASIS_POINT,
            fitted=mask,
            z_score=z_scores(self.cusips, residual_bp, history) if history else None,
        )

    def analytics(
        self,
        *,
        settlement: date,
        convention: YieldConvention,
        curve: DiscountCurve | None = None,
        yields: ArrayLike | None = None,
        clean_prices: ArrayLike | None = None,
        key_years: Sequence[float] = KEY_YEARS,
    ) -> Analytics:
        """Prices, yields and risk from a curve, from yields or from clean prices: exactly one of the three.

        Parameters
        ----------
        settlement
            A date in [issue date, maturity) of every security.
        convention
            Of the yields; see `YieldConvention`.
        curve
            Discounts every flow from its own date.
        yields
            [n] decimal.
        clean_prices
            [n] per 100 face.
        key_years
            [n_nodes] nodes of key rates, years; read with a curve only.

        Raises
        ------
        SettlementOutOfRange
            If a security is not issued, or has matured.
        ConventionError
            If none or several of curve, yields and prices are given, a value is not finite, a yield looks like
            percent, no yield explains a price: names row and CUSIP.
        """
        choices = {"curve": curve, "yields": yields, "clean_prices": clean_prices}
        given = [name for name, value in choices.items() if value is not None]
        if len(given) != 1:
            raise ConventionError(f"analytics: give one of curve, yields, clean_prices; given: {given or 'none'}")
        groups = self._kernels(settlement, convention)
        if yields is not None:
            column = yield_column(yields, self.cusips)
            return self._measured(groups, column, groups.at(column))
        if clean_prices is not None:
            return self._measured(groups, *groups.solved(self._dirty(groups, clean_prices)))
        assert curve is not None
        nodes = checked_nodes(np.array(key_years))
        on = OnCurve(groups.placed, curve)
        dirty = on.dirty_prices()
        slope, bend = on.effective()
        found = self._measured(groups, *groups.solved(dirty))
        return replace(
            found,
            effective_duration=-slope / dirty,
            effective_convexity=bend / dirty,
            key_rate_dv01=on.key_rates(nodes),
            key_years=nodes,
        )

    def _measured(self, groups: Groups, yields: Floats, found: Risk) -> Analytics:
        price, accrued = found.price, groups.placed.accrued
        lowest, ends = groups.calls.worst(price, yields) if groups.calls else (None, None)
        floating = groups.placed.floating
        margin = None
        if floating is not None:
            margin = np.full(len(yields), np.nan)
            margin[floating.rows] = yields[floating.rows] - floating.index
        return Analytics(
            cusips=self.cusips,
            clean_price=price - accrued,
            dirty_price=price,
            accrued=accrued,
            yield_=yields,
            modified_duration=found.duration,
            convexity=found.convexity,
            dv01=price * found.duration * BASIS_POINT,
            yield_to_worst=lowest,
            worst_date=ends,
            discount_margin=margin,
        )
