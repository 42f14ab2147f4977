"""A book of 10,000 securities against QuantLib's objects, built once and asked one by one, in the same process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import QuantLib as ql  # noqa: N813 - its own alias

from bench import curve_history
from bench.rows import Row, best_of, emit, in_turn
from bench.universe import FLOATING, frn_index, universe
from tbill_defi.conventions import YieldConvention
from tbill_defi.instruments import AnySecurity, Bill, Frn
from tbill_defi.pricing.book import KEY_YEARS, Analytics, Book
from tbill_defi.pricing.frn import discount_margin_duration
from tbill_defi.pricing.interop import quantlib_bond, quantlib_frn

SETTLEMENT = date(2026, 3, 24)
DAY = ql.Date(24, 3, 2026)
COUNT = 10_000
SCENARIOS = 1_000
STREET = YieldConvention.STREET
ACCURACY = 1e-14
INDEX = frn_index(SETTLEMENT)


@dataclass(frozen=True)
class Node:
    """A curve with log-linear discount factors between yearly nodes, on both sides the same."""

    curve_date: date
    years: np.ndarray
    logs: np.ndarray

    def discount_factors(self, days: np.ndarray) -> np.ndarray:
        """Of days, of their shape."""
        times = (days.astype(np.int64) - np.datetime64(self.curve_date, "D").astype(np.int64)) / 365.0
        return np.exp(np.interp(times, self.years, self.logs))

    def shifted(self, move: float) -> Node:
        """Continuous zero rates moved by a decimal."""
        return Node(self.curve_date, self.years, self.logs - move * self.years)


@dataclass(frozen=True)
class _Fitted:
    """QuantLib's fitted curve, seen as one of ours."""

    curve_date: date
    curve: Any

    def discount_factors(self, days: np.ndarray) -> np.ndarray:
        """Of days, of their shape."""
        offsets = days.astype(np.int64) - np.datetime64(self.curve_date, "D").astype(np.int64)
        return np.array([self.curve.discount(offset / 365.0, True) for offset in offsets.tolist()])


def _terms(bond: Any, security: AnySecurity) -> tuple[Any, ...]:
    if isinstance(security, Bill):
        return ()
    if isinstance(security, Frn):
        return ql.Actual360(), ql.Simple, ql.Quarterly
    days = len([flow for flow in bond.cashflows() if flow.date() > DAY]) - 1
    final = days == 1
    return bond.dayCounter(), ql.SimpleThenCompounded if final else ql.Compounded, ql.Semiannual


@dataclass
class Peer:
    """QuantLib's objects of a universe."""

    bonds: list[Any]
    terms: list[tuple[Any, ...]]
    years: list[int]

    @classmethod
    def of(cls, securities: list[AnySecurity]) -> Peer:
        """Built from terms, as a user would."""
        bonds = [
            quantlib_frn(s, settlement=SETTLEMENT, index=INDEX) if isinstance(s, Frn) else quantlib_bond(s)
            for s in securities
        ]
        return cls(bonds, [_terms(b, s) for b, s in zip(bonds, securities, strict=True)], [])

    def full(self, yields: np.ndarray) -> np.ndarray:
        """[n, 5] clean price, yield of it, modified duration, convexity, DV01; bills by their own formula's terms."""
        f, out = ql.BondFunctions, np.empty((len(self.bonds), 5))
        clean = ql.BondPrice.Clean
        for i, (bond, terms, rate) in enumerate(zip(self.bonds, self.terms, yields.tolist(), strict=True)):
            terms = terms or (ql.Actual365Fixed(), ql.Simple, ql.Annual)
            price = f.cleanPrice(bond, rate, *terms, DAY)
            found = f.bondYield(bond, ql.BondPrice(price, clean), *terms, DAY, ACCURACY, 100, rate + 0.01)
            out[i] = (
                price,
                found,
                f.duration(bond, found, *terms, ql.Duration.Modified, DAY),
                f.convexity(bond, found, *terms, DAY),
                -f.basisPointValue(bond, found, *terms, DAY),
            )
        return out


def _compare(ours: np.ndarray, theirs: np.ndarray) -> float:
    return float(np.abs(ours - theirs).max())


def _curve() -> tuple[Node, Callable[[float], None], Any]:
    """Our curve; QuantLib's on the same nodes, a handle that all engines share, and what relinks it moved."""
    years = np.arange(0.0, 41.0)
    rates = 0.035 + 0.01 * (1.0 - np.exp(-years / 6.0))
    mine = Node(SETTLEMENT, years, -rates * years)
    dates = [DAY + int(365 * y) for y in years]
    handle = ql.RelinkableYieldTermStructureHandle()

    def link(move: float = 0.0) -> None:
        handle.linkTo(ql.DiscountCurve(dates, np.exp(mine.shifted(move).logs).tolist(), ql.Actual365Fixed()))

    link()
    return mine, link, handle


def _full_rows(securities: list[AnySecurity], book: Book, peer: Peer, yields: np.ndarray) -> list[Row]:
    """What QuantLib is asked for: prices of yields, then yield and risk of prices; and all figures at both ends."""

    def ours(target: Book) -> tuple[np.ndarray, Analytics]:
        prices = target.clean_prices(yields, settlement=SETTLEMENT, convention=STREET)
        return prices, target.analytics(clean_prices=prices, settlement=SETTLEMENT, convention=STREET)

    def twice() -> Analytics:
        prices = book.analytics(yields=yields, settlement=SETTLEMENT, convention=STREET).clean_price
        return book.analytics(clean_prices=prices, settlement=SETTLEMENT, convention=STREET)

    prices, solved = ours(book)
    theirs = peer.full(yields)
    floats = np.array([isinstance(s, Frn) for s in securities])
    quoted = np.where(floats, prices + solved.accrued, prices)  # QuantLib's flows of them have no accrued
    mine = np.stack([quoted, solved.yield_, solved.modified_duration, solved.convexity, solved.dv01], axis=1)
    theirs[floats, 2:] = mine[floats, 2:]  # QuantLib's derivatives discount each flow at once, its prices by period
    coupons = np.array([not isinstance(s, Bill) for s in securities])
    short = np.array([isinstance(s, Bill) and (s.maturity_date - SETTLEMENT).days <= 182 for s in securities])
    same = coupons | short  # QuantLib has no yield that compounds once beyond half a year
    worst = max(_compare(mine[same][:, :3], theirs[same][:, :3]), _margin_durations(securities, solved))
    seconds, peers = in_turn(lambda: ours(book), lambda: peer.full(yields))
    both = best_of(twice, 30)
    built, rebuilt = in_turn(
        lambda: ours(Book(securities, frn_index=INDEX)), lambda: Peer.of(securities).full(yields), each=3
    )
    bend = _compare(mine[same][:, 3], theirs[same][:, 3])

    def row(name: str, took: float, peer_took: float, floor: float, against: str) -> Row:
        return Row(name, COUNT / took, "securities/s", peer_took / took, floor, worst, against, ql.__version__)

    return [
        row("book.full", seconds, peers, 1000, "QuantLib, one by one"),
        Row("book.full.twice", COUNT / both, "securities/s", peers / both, None, worst, "QuantLib, as book.full"),
        Row("book.full.convexity", bend, "largest difference", max_abs_diff=bend),
        row("book.build", built, rebuilt, 100, "QuantLib from terms"),
    ]


def _margin_durations(securities: list[AnySecurity], found: Analytics) -> float:
    """Largest difference from the single verb, whose oracle is a published auction."""
    margins = found.discount_margin
    singles = [
        discount_margin_duration(s, float(margins[i]), settlement=SETTLEMENT, index=INDEX) - found.modified_duration[i]
        for i, s in enumerate(securities)
        if isinstance(s, Frn) and margins is not None
    ]
    return float(np.abs(singles).max())


def _curve_rows(book: Book, peer: Peer) -> list[Row]:
    curve, link, handle = _curve()
    engine = ql.DiscountingBondEngine(handle)
    bonds = [
        quantlib_frn(s, settlement=SETTLEMENT, index=INDEX, curve=handle) if isinstance(s, Frn) else bond
        for s, bond in zip(book.columns.securities, peer.bonds, strict=True)
    ]
    for bond in bonds:
        bond.setPricingEngine(engine)

    def values(move: float) -> np.ndarray:
        link(move)
        return np.array([bond.NPV() for bond in bonds])

    worst = _compare(book.dirty_prices(curve.shifted(0.001), SETTLEMENT), values(0.001))
    moves = iter(np.linspace(0.001, 0.01, 10_000))
    mine, theirs = in_turn(
        lambda: book.dirty_prices(curve.shifted(next(moves)), SETTLEMENT), lambda: values(next(moves)), 5
    )
    keys = best_of(lambda: book.key_rate_dv01(curve, SETTLEMENT), 10)
    nodes = (0.5, 2.0, 5.0, 10.0, 20.0, 30.0)
    shifts = np.random.default_rng(1).normal(0.0, 0.002, (SCENARIOS, len(nodes)))
    many = best_of(lambda: book.scenario_prices(curve, SETTLEMENT, shifts, nodes), 3)

    def row(name: str, unit: str, count: int, took: float, revalued: int, floor: float) -> Row:
        against = f"QuantLib, curve relinked {revalued:,} times"
        return Row(name, count / took, unit, revalued * theirs / took, floor, worst, against, ql.__version__)

    return [
        row("book.shift", "prices/s", COUNT, mine, 1, 350),
        row("book.key_rates", "DV01/s", len(KEY_YEARS) * COUNT, keys, 2 * len(KEY_YEARS), 500),
        row("book.scenarios", "prices/s", SCENARIOS * COUNT, many, SCENARIOS, 400),
    ]


def _svensson_rows() -> list[Row]:
    """A fit to 200 noisy prices against QuantLib's simplex and scipy's MINPACK with the same Jacobian.

    All start from prices; QuantLib's helpers and the layout of the fit are made before. Scipy evaluates residuals and
    Jacobian together and starts where yields are regressed at decay times of 1.5 and 5 years.
    """
    from scipy import __version__ as scipy_version
    from scipy.optimize import least_squares

    from tbill_defi.pricing.curve_fit import CurveFit, FitProblem
    from tbill_defi.pricing.svensson import loadings

    securities = [s for s in universe(300, SETTLEMENT, seed=3) if (s.maturity_date - SETTLEMENT).days > 30][:200]
    curve, _, _ = _curve()
    fit = CurveFit(SETTLEMENT, securities)
    model = fit.book.analytics(curve=curve, settlement=SETTLEMENT, convention=STREET)
    noise = np.random.default_rng(0).normal(0.0, 0.0005, len(securities))
    prices = model.clean_price + noise * model.modified_duration
    mine = fit.to(prices)

    def minpack() -> Any:
        problem = FitProblem(fit, prices)
        loads = loadings(problem.durations, 1.5, 5.0)[0]
        start = np.append(np.linalg.lstsq(loads.T, problem.yields, rcond=None)[0], np.log([1.5, 5.0]))
        latest: list[Any] = [start - 1.0, None]

        def at(point: np.ndarray) -> Any:
            if not np.array_equal(latest[0], point):
                latest[:] = point.copy(), problem.residuals(point)
            return latest[1]

        return least_squares(lambda x: at(x)[0], start, lambda x: at(x)[1].T, method="lm", x_scale="jac")

    theirs = minpack()
    helpers = [
        ql.BondHelper(ql.QuoteHandle(ql.SimpleQuote(price)), quantlib_bond(security))
        for security, price in zip(securities, prices.tolist(), strict=True)
    ]

    def simplex() -> Any:
        fitted = ql.FittedBondDiscountCurve(DAY, helpers, ql.Actual365Fixed(), ql.SvenssonFitting(), 1e-10, 10_000)
        fitted.discount(1.0)
        return fitted

    fitted = simplex()
    quantlib = _Fitted(SETTLEMENT, fitted)
    dirty = fit.book.dirty_prices(quantlib, SETTLEMENT)
    peer_sse = float((((dirty - model.accrued - prices) / (model.dv01 * 1e4)) ** 2).sum())
    took, peer_took = in_turn(lambda: fit.to(prices), simplex, each=20)
    beside, scipy_took = in_turn(lambda: fit.to(prices), minpack, rounds=9, each=5)
    return [
        Row(
            "curve.svensson", 1 / took, "fits/s", peer_took / took, 2000, mine.weighted_sse - peer_sse,
            f"QuantLib, simplex, SSE {peer_sse:.4g} (ours {mine.weighted_sse:.4g})", ql.__version__,
        ),
        Row(
            "curve.svensson.scipy", 1 / beside, "fits/s", scipy_took / beside, 2, mine.weighted_sse - 2.0 * theirs.cost,
            f"scipy least_squares lm, same Jacobian, one start, SSE {2.0 * theirs.cost:.4g}", scipy_version,
        ),
    ]  # fmt: skip


def main() -> None:
    """All rows."""
    ql.Settings.instance().evaluationDate = DAY
    securities = universe(COUNT, SETTLEMENT, floating=FLOATING)
    book, peer = Book(securities, frn_index=INDEX), Peer.of(securities)
    yields = np.random.default_rng(7).uniform(0.001, 0.08, COUNT)
    emit(_full_rows(securities, book, peer, yields))
    emit(_curve_rows(book, peer))
    emit(_svensson_rows())
    emit(curve_history.rows())


if __name__ == "__main__":
    main()
