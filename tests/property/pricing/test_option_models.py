"""The option pricers against a second implementation in 32 digits, and against QuantLib's swaption engines.

The second implementation shares nothing with the first but the terms: its own schedule, accrued interest and forward;
Black's formula by mpmath; Hull-White by quadrature over the state instead of Jamshidian's decomposition. Sensitivities
are differences of its prices.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import pairwise

import mpmath as mp
import pytest
import QuantLib

from tbill_defi.instruments import Bill, Bond, Note, Security
from tbill_defi.pricing import Curve, OptionKind, black_option, hull_white_option
from tbill_defi.pricing.hull_white import _hull_white, _hull_white_terms

ql = QuantLib
TODAY = date(2026, 3, 24)
CURVE = Curve.bootstrap(
    TODAY,
    {"1 Mo": 0.0372, "6 Mo": 0.0374, "1 Yr": 0.0377, "2 Yr": 0.039, "5 Yr": 0.0402, "10 Yr": 0.0439, "30 Yr": 0.0495},
)
STEP = mp.mpf(10) ** -9


@dataclass(frozen=True)
class Case:
    """A European option and its market; amounts per 100 face."""

    security: Security
    kind: OptionKind
    strike: float
    expiry: date
    settlement: date
    clean: float
    repo: float
    volatility: float
    reversion: float
    sigma: float

    def given(self):
        return {
            "kind": self.kind,
            "strike": self.strike,
            "expiry": self.expiry,
            "settlement": self.settlement,
            "clean_price": self.clean,
            "repo_rate": self.repo,
        }


@pytest.fixture(autouse=True)
def _digits():
    with mp.workdps(32):
        yield


# --- a second implementation ------------------------------------------------------------------------------------------


def month_end(day):
    return (day + timedelta(days=1)).day == 1


def back(maturity, halves):
    """The coupon date so many half-years before maturity; at the end of its month if maturity is."""
    year, month = divmod(maturity.year * 12 + maturity.month - 1 - 6 * halves, 12)
    last = date(year + (month + 1) // 12, (month + 1) % 12 + 1, 1) - timedelta(days=1)
    return last if month_end(maturity) else date(year, month + 1, min(maturity.day, last.day))


def coupon_days(security):
    found = [security.maturity_date]
    while found[-1] > security.dated_date:
        found.append(back(security.maturity_date, len(found)))
    return found[::-1]


def coupon(security):
    return mp.mpf(str(security.coupon)) * 50


def accrued(security, day):
    if security.kind == "bill":
        return mp.mpf(0)
    days = coupon_days(security)
    start, end = next((a, b) for a, b in pairwise(days) if a <= day < b)
    return coupon(security) * (day - start).days / (end - start).days


def growth(case, first, last):
    return 1 + mp.mpf(case.repo) * (last - first).days / 360


def forward(case, clean):
    """Clean, by financing the purchase to the expiry date."""
    cost = clean + accrued(case.security, case.settlement)
    if case.security.kind != "bill":
        for day in coupon_days(case.security)[1:]:
            if case.settlement < day <= case.expiry:
                cost -= coupon(case.security) / growth(case, case.settlement, day)
    return cost * growth(case, case.settlement, case.expiry) - accrued(case.security, case.expiry)


def years(case):
    return mp.mpf((case.expiry - case.settlement).days) / 365


def black(case, clean, volatility):
    ahead, sign = forward(case, clean), case.kind.sign
    deviation = volatility * mp.sqrt(years(case))
    upper = mp.log(ahead / case.strike) / deviation + deviation / 2
    worth = ahead * mp.ncdf(sign * upper) - mp.mpf(case.strike) * mp.ncdf(sign * (upper - deviation))
    return sign * worth / growth(case, case.settlement, case.expiry)


def later_flows(case):
    if case.security.kind == "bill":
        return [(case.security.maturity_date, mp.mpf(100))]
    last = case.security.maturity_date
    days = [day for day in coupon_days(case.security)[1:] if day > case.expiry]
    return [(day, coupon(case.security) + (100 if day == last else 0)) for day in days]


def root(function):
    return mp.findroot(function, mp.mpf(0))


def hull_white(case, clean, sigma):
    """Integral of the payoff over the standard normal that drives the rate under the expiry's measure."""
    a, t = mp.mpf(case.reversion), years(case)
    flows = later_flows(case)
    spans = [mp.mpf((day - case.expiry).days) / 365 for day, _ in flows]
    plain = [c * mp.mpf(CURVE.discount(day)) / mp.mpf(CURVE.discount(case.expiry)) for day, c in flows]
    interest = accrued(case.security, case.expiry)
    ahead, strike = forward(case, clean) + interest, mp.mpf(case.strike) + interest
    shift = root(lambda s: mp.log(sum(w * mp.exp(-s * u) for w, u in zip(plain, spans, strict=True)) / ahead))
    worth = [w * mp.exp(-shift * u) for w, u in zip(plain, spans, strict=True)]
    scale = sigma * mp.sqrt((1 - mp.exp(-2 * a * t)) / (2 * a))
    moves = [scale * (1 - mp.exp(-a * u)) / a for u in spans]

    def bond(z):
        return sum(w * mp.exp(-m * m / 2 + m * z) for w, m in zip(worth, moves, strict=True))

    edge = root(lambda z: mp.log(bond(z) / strike))
    ends = [edge, max(edge, 0) + 5, 30] if case.kind is OptionKind.CALL else [-30, min(edge, 0) - 5, edge]
    paid = mp.quad(lambda z: case.kind.sign * (bond(z) - strike) * mp.npdf(z), ends)
    return paid / growth(case, case.settlement, case.expiry)


# --- cases ------------------------------------------------------------------------------------------------------------


def cases(seed, count):
    draw = random.Random(seed)
    found = []
    while len(found) < count:
        settlement = TODAY + timedelta(days=draw.randrange(1, 200))
        if draw.random() < 0.2:
            maturity = settlement + timedelta(days=draw.randrange(20, 360))
            security = Bill(cusip="912797QQ1", issue_date=settlement - timedelta(days=3), maturity_date=maturity)
            clean = 100 - 3 * draw.random()
        else:
            maturity = settlement + timedelta(days=draw.randrange(300, 10_900))
            model = Note if (maturity - settlement).days < 3_200 else Bond
            dated = back(maturity, (maturity - settlement).days // 182 + 2)
            rate = draw.randrange(1, 64) / 800
            security = model(cusip="91282CPZ8", coupon=rate, dated_date=dated, maturity_date=maturity)
            clean = draw.uniform(60, 140)
        expiry = settlement + timedelta(days=draw.randrange(1, min((maturity - settlement).days, 1_500)))
        volatility, reversion = draw.choice([0.005, 0.02, 0.06, 0.15, 0.5]), draw.choice([0.005, 0.03, 0.1, 0.3])
        rates = draw.uniform(-0.005, 0.08), volatility, reversion, draw.choice([0.002, 0.009, 0.02])
        case = Case(security, draw.choice(list(OptionKind)), 0.0, expiry, settlement, clean, *rates)
        middle = float(forward(case, clean))
        if middle > 5:
            money = draw.choice([0.8, 0.95, 0.99, 1.0, 1.01, 1.05, 1.2, draw.uniform(0.5, 1.5)])
            found.append(replace(case, strike=middle * money))
    return found


def differences(price, clean, volatility):
    """Delta, gamma and the change for a unit of volatility, as differences of prices."""
    h, at = STEP, mp.mpf(clean)
    up, middle, down = price(at + h, volatility), price(at, volatility), price(at - h, volatility)
    vega = (price(at, volatility + h) - price(at, volatility - h)) / (2 * h)
    return (up - down) / (2 * h), (up - 2 * middle + down) / h**2, vega


def test_black_is_the_formula_in_many_digits():
    for case in cases(5, 250):
        found = black_option(case.security, volatility=case.volatility, **case.given())
        assert found.forward_clean == pytest.approx(float(forward(case, case.clean)), abs=1e-12), case
        assert found.price == pytest.approx(float(black(case, case.clean, mp.mpf(case.volatility))), abs=1e-12), case
        wanted = differences(lambda c, v, case=case: black(case, c, v), case.clean, mp.mpf(case.volatility))
        for ours, theirs in zip((found.delta, found.gamma, found.vega * 100), wanted, strict=True):
            assert ours == pytest.approx(float(theirs), abs=1e-10), case


def assert_hull_white(case, *, slopes):
    given = {"curve": CURVE, "mean_reversion": case.reversion, "sigma": case.sigma}
    found = hull_white_option(case.security, **given, **case.given())
    assert found.price == pytest.approx(float(hull_white(case, case.clean, mp.mpf(case.sigma))), abs=1e-12), case
    if slopes:
        wanted = differences(lambda c, s: hull_white(case, c, s), case.clean, mp.mpf(case.sigma))
        for ours, theirs in zip((found.delta, found.gamma, found.vega * 1e4), wanted, strict=True):
            assert ours == pytest.approx(float(theirs), abs=1e-9), case


def test_hull_white_is_the_integral():
    for number, case in enumerate(cases(7, 4)):
        assert_hull_white(case, slopes=not number)


@pytest.mark.slow
def test_hull_white_is_the_integral_in_many_cases():
    for number, case in enumerate(cases(11, 40)):
        assert_hull_white(case, slopes=number % 8 == 0)


def test_hull_white_theta_is_a_days_passing():
    """The forward stays, time to expiry and discounting do not."""
    for case in cases(13, 40):
        terms, flows = _hull_white_terms(
            case.security, case.kind, case.strike, case.expiry, case.settlement, CURVE, case.clean, case.repo
        )
        days = (case.expiry - case.settlement).days

        def at(shift, case=case, terms=terms, flows=flows, days=days):
            moved = replace(terms, years=(days + shift) / 365, discount=1 / (1 + case.repo * (days + shift) / 360))
            return _hull_white(moved, flows, case.reversion, case.sigma).price

        h = 1e-3 * min(days, 10)
        found = hull_white_option(
            case.security, curve=CURVE, mean_reversion=case.reversion, sigma=case.sigma, **case.given()
        )
        assert found.theta == pytest.approx((at(-h) - at(h)) / (2 * h), abs=1e-7 + 1e-5 * abs(found.theta)), case


@pytest.mark.parametrize(("reversion", "sigma"), [(0.03, 0.009), (0.2, 0.015), (0.005, 0.004)])
@pytest.mark.parametrize("kind", list(OptionKind), ids=lambda k: k.value)
def test_hull_white_at_par_is_quantlibs_swaption(kind, reversion, sigma):
    """On a coupon date the right to buy the note at par is a receiver swaption at its coupon; to sell it, a payer's."""
    note = Note(cusip="91282CPZ8", coupon=0.04125, dated_date=date(2026, 2, 15), maturity_date=date(2036, 2, 15))
    expiry, kept = date(2027, 2, 15), ql.Settings.instance().evaluationDate
    days = [TODAY, *(day for day in note.resolve().payment_dates if day > TODAY)]
    dates = [ql.Date(day.day, day.month, day.year) for day in days]
    start, end, calendar = ql.Date(15, 2, 2027), ql.Date(15, 2, 2036), ql.NullCalendar()
    try:
        ql.Settings.instance().evaluationDate = dates[0]
        factors = [CURVE.discount(day) / CURVE.discount(TODAY) for day in days]
        market = ql.YieldTermStructureHandle(ql.DiscountCurve(dates, factors, ql.Actual365Fixed(), calendar))
        half = ql.Period(ql.Semiannual)
        rule = (ql.Unadjusted, ql.Unadjusted, ql.DateGeneration.Forward, False)
        schedule = ql.Schedule(start, end, half, calendar, *rule)
        index = ql.IborIndex(
            "par", half, 0, ql.USDCurrency(), calendar, ql.Unadjusted, False, ql.Actual365Fixed(), market
        )
        side = ql.Swap.Receiver if kind is OptionKind.CALL else ql.Swap.Payer
        fixed = ql.Thirty360(ql.Thirty360.BondBasis)
        swap = ql.VanillaSwap(side, 100.0, schedule, note.coupon, fixed, schedule, index, 0.0, ql.Actual365Fixed())
        prices = []
        for engine in (ql.JamshidianSwaptionEngine, ql.FdHullWhiteSwaptionEngine):
            swaption = ql.Swaption(swap, ql.EuropeanExercise(start))
            grid = (200, 400) if engine is ql.FdHullWhiteSwaptionEngine else (market,)
            swaption.setPricingEngine(engine(ql.HullWhite(market, reversion, sigma), *grid))
            prices.append(swaption.NPV())
    finally:
        ql.Settings.instance().evaluationDate = kept
    terms = {"kind": kind, "strike": 100.0, "expiry": expiry, "settlement": TODAY, "curve": CURVE}
    ours = hull_white_option(note, mean_reversion=reversion, sigma=sigma, **terms).price
    assert ours == pytest.approx(prices[0], abs=1e-9)
    assert ours == pytest.approx(prices[1], abs=1e-4)
