"""Options on Treasuries against QuantLib, each other, and their limits."""

import math
from datetime import date

import numpy as np
import pytest
import QuantLib

from tbill_defi.core.errors import ConventionError, SettlementOutOfRange
from tbill_defi.instruments import Bill, Bond, Note
from tbill_defi.pricing import Curve, accrued_interest, forward_price_from_repo
from tbill_defi.pricing.hull_white import hull_white_option, implied_sigma
from tbill_defi.pricing.option_forward import OptionKind
from tbill_defi.pricing.options import black_option, implied_volatility, profit_at_expiry

ql = QuantLib
NOTE = Note(cusip="91282CPZ8", coupon=0.04125, dated_date=date(2026, 2, 15), maturity_date=date(2036, 2, 15))
BILL = Bill(cusip="912797QQ1", issue_date=date(2026, 3, 26), maturity_date=date(2027, 3, 25))
SETTLEMENT, EXPIRY, REPO = date(2026, 3, 26), date(2026, 9, 24), 0.0363
CURVE = Curve.bootstrap(
    date(2026, 3, 24),
    {"1 Mo": 0.0372, "6 Mo": 0.0374, "1 Yr": 0.0377, "2 Yr": 0.039, "5 Yr": 0.0402, "10 Yr": 0.0439, "30 Yr": 0.0495},
)
SECURITIES = pytest.mark.parametrize(("security", "clean"), [(NOTE, 97.9), (BILL, 96.4)], ids=["note", "bill"])
BOTH = pytest.mark.parametrize("kind", list(OptionKind), ids=lambda k: k.value)
STRIKES = pytest.mark.parametrize("money", [0.9, 0.99, 1.0, 1.01, 1.1])


def black(security=NOTE, clean=97.9, **changes):
    given = {"kind": OptionKind.CALL, "strike": 98.0, "expiry": EXPIRY, "settlement": SETTLEMENT}
    return black_option(security, **(given | {"clean_price": clean, "repo_rate": REPO, "volatility": 0.06} | changes))


def hull_white(security=NOTE, **changes):
    given = {"kind": OptionKind.CALL, "strike": 98.0, "expiry": EXPIRY, "settlement": SETTLEMENT}
    return hull_white_option(security, **(given | {"curve": CURVE, "mean_reversion": 0.03, "sigma": 0.009} | changes))


def forward_clean(security, clean):
    dirty = clean + accrued_interest(security, settlement=SETTLEMENT)
    forward = forward_price_from_repo(security, dirty, settlement=SETTLEMENT, forward_settlement=EXPIRY, repo_rate=REPO)
    return forward - accrued_interest(security, settlement=EXPIRY)


@SECURITIES
@BOTH
@STRIKES
def test_black_is_quantlibs(security, clean, kind, money):
    forward = forward_clean(security, clean)
    discount = 1 / (1 + REPO * 182 / 360)
    found = black(security, clean, kind=kind, strike=forward * money)
    side = ql.Option.Call if kind is OptionKind.CALL else ql.Option.Put
    deviation = 0.06 * math.sqrt(182 / 365)
    assert found.forward_clean == pytest.approx(forward, abs=1e-12)
    assert found.price == pytest.approx(ql.blackFormula(side, forward * money, forward, deviation, discount), abs=1e-10)
    implied = ql.blackFormulaImpliedStdDev(side, forward * money, forward, found.price, discount, 0.0, 0.05, 1e-13, 500)
    if found.price - max(0.0, discount * kind.sign * forward * (1 - money)) > 1e-3:
        volatility = implied_volatility(
            found.price,
            security,
            kind=kind,
            strike=forward * money,
            expiry=EXPIRY,
            settlement=SETTLEMENT,
            clean_price=clean,
            repo_rate=REPO,
        )
        assert volatility == pytest.approx(0.06, abs=1e-10)
        assert implied == pytest.approx(deviation, abs=1e-8)


def quantlib_hull_white(security, kind, strike, reversion, sigma):
    """Jamshidian by QuantLib's own parts: its model finds the exercise rate and prices each discount bond's option."""
    flows = security.resolve()
    later = [(d, float(a)) for d, a in zip(flows.payment_dates, flows.amounts, strict=True) if d > EXPIRY]
    days = [SETTLEMENT, EXPIRY, *(d for d, _ in later)]
    factors = [CURVE.discount(d) / CURVE.discount(SETTLEMENT) for d in days]
    dates = [ql.Date(d.day, d.month, d.year) for d in days]
    market = ql.YieldTermStructureHandle(ql.DiscountCurve(dates, factors, ql.Actual365Fixed()))
    model = ql.HullWhite(market, reversion, sigma)
    expiry = (EXPIRY - SETTLEMENT).days / 365
    times = [(d - SETTLEMENT).days / 365 for d, _ in later]
    dirty = strike + float(flows.accrued(EXPIRY))

    def excess(rate):
        return sum(a * model.discountBond(expiry, t, rate) for t, (_, a) in zip(times, later, strict=True)) - dirty

    rate = ql.Brent().solve(excess, 1e-15, 0.04, -1.0, 1.0)
    side = ql.Option.Call if kind is OptionKind.CALL else ql.Option.Put
    return sum(
        a * model.discountBondOption(side, model.discountBond(expiry, t, rate), expiry, t)
        for t, (_, a) in zip(times, later, strict=True)
    )


@pytest.mark.parametrize("security", [NOTE, BILL], ids=["note", "bill"])
@BOTH
@STRIKES
@pytest.mark.parametrize(("reversion", "sigma"), [(0.03, 0.009), (0.2, 0.015), (0.005, 0.004)])
def test_hull_white_is_quantlibs(security, kind, money, reversion, sigma):
    forward = hull_white(security).forward_clean
    ours = hull_white(security, kind=kind, strike=forward * money, mean_reversion=reversion, sigma=sigma).price
    assert ours == pytest.approx(quantlib_hull_white(security, kind, forward * money, reversion, sigma), abs=1e-10)


@STRIKES
def test_put_call_parity(money):
    """Call - put = D (F - K), in both models, which share forward and discount at the repo rate."""
    strike = forward_clean(NOTE, 97.9) * money
    for price in (black, lambda **k: hull_white(clean_price=97.9, repo_rate=REPO, **k), hull_white):
        call, put = (price(kind=kind, strike=strike) for kind in OptionKind)
        assert call.price - put.price == pytest.approx(call.discount * (call.forward_clean - strike), abs=1e-12)
        assert call.gamma == pytest.approx(put.gamma, abs=1e-12)
        assert call.vega == pytest.approx(put.vega, abs=1e-12)
    repo = hull_white(clean_price=97.9, repo_rate=REPO, strike=strike)
    assert (repo.forward_clean, repo.discount) == (black(strike=strike).forward_clean, black(strike=strike).discount)


@BOTH
def test_black_sensitivities_are_differences(kind):
    found, h = black(kind=kind), 1e-3
    up, down = black(clean=97.9 + h, kind=kind), black(clean=97.9 - h, kind=kind)
    assert found.delta == pytest.approx((up.price - down.price) / (2 * h), abs=1e-8)
    assert found.gamma == pytest.approx((up.delta - down.delta) / (2 * h), abs=1e-7)
    more, less = black(kind=kind, volatility=0.06 + 1e-5), black(kind=kind, volatility=0.06 - 1e-5)
    assert found.vega == pytest.approx((more.price - less.price) / 2e-5 / 100, abs=1e-9)
    forward, side = found.forward_clean, ql.Option.Call if kind is OptionKind.CALL else ql.Option.Put

    def at(days):
        return ql.blackFormula(side, 98.0, forward, 0.06 * math.sqrt(days / 365), 1 / (1 + REPO * days / 360))

    assert found.theta == pytest.approx((at(182 - 0.01) - at(182 + 0.01)) / 0.02, abs=1e-8)


@BOTH
def test_hull_white_sensitivities_are_differences(kind):
    def at(clean=97.9, sigma=0.009):
        return hull_white(kind=kind, clean_price=clean, repo_rate=REPO, sigma=sigma)

    found, h = at(), 1e-3
    assert found.delta == pytest.approx((at(97.9 + h).price - at(97.9 - h).price) / (2 * h), abs=1e-7)
    assert found.gamma == pytest.approx((at(97.9 + h).delta - at(97.9 - h).delta) / (2 * h), abs=1e-7)
    assert found.vega == pytest.approx((at(sigma=0.009 + 1e-6).price - at(sigma=0.009 - 1e-6).price) / 2e-2, abs=1e-8)
    assert found.theta < 0 < found.vega


def test_models_agree_at_one_volatility():
    """A bill is one flow, lognormal in both: Hull-White is Black with its deviation; the note is close to it."""
    hw = hull_white(BILL, strike=98.0, clean_price=96.4, repo_rate=REPO)
    kwargs = {"kind": OptionKind.CALL, "expiry": EXPIRY, "settlement": SETTLEMENT, "repo_rate": REPO}
    volatility = implied_volatility(hw.price, BILL, strike=98.0, clean_price=96.4, **kwargs)
    span = -math.expm1(-0.03 * 182 / 365) / 0.03
    variance = -math.expm1(-0.06 * 182 / 365) / 0.06
    assert volatility == pytest.approx(0.009 * span * math.sqrt(variance / (182 / 365)), abs=1e-10)
    hw = hull_white(clean_price=97.9, repo_rate=REPO)
    volatility = implied_volatility(hw.price, NOTE, strike=98.0, clean_price=97.9, **kwargs)
    assert black(volatility=volatility).delta == pytest.approx(hw.delta, abs=0.02)


@BOTH
@pytest.mark.parametrize("strike", [60.0, 98.0, 150.0])
def test_without_volatility_and_far_from_the_money(kind, strike):
    for price, none, little in (
        (black, {"volatility": 0.0}, {"volatility": 1e-9}),
        (hull_white, {"sigma": 0.0}, {"sigma": 1e-10}),
    ):
        certain = price(kind=kind, strike=strike, **none)
        intrinsic = certain.discount * max(kind.sign * (certain.forward_clean - strike), 0.0)
        assert certain.price == pytest.approx(intrinsic, abs=1e-12)
        assert (certain.gamma, certain.vega) == (0.0, 0.0)
        assert price(kind=kind, strike=strike, **little).price == pytest.approx(intrinsic, abs=1e-7)
        if strike != 98.0:
            assert price(kind=kind, strike=strike).price == pytest.approx(intrinsic, abs=2e-4)


@pytest.mark.parametrize("strike", [1e-6, 5.0, 1_000.0, 1e6])
@pytest.mark.parametrize(("reversion", "sigma"), [(0.0, 0.009), (-0.3, 0.05), (1.0, 1e-6)])
@pytest.mark.filterwarnings("error")
def test_strikes_out_of_all_reach(strike, reversion, sigma):
    """Worth the forward less the strike, or nothing; never less than nothing, and no overflow on the way."""
    long = Bond(cusip="912810UA1", coupon=0.0475, dated_date=date(2026, 2, 15), maturity_date=date(2056, 2, 15))
    flat = Note(cusip="91282CQX2", coupon=0.0, dated_date=date(2026, 2, 28), maturity_date=date(2028, 2, 29))
    for security in (NOTE, long, flat, BILL):
        for price in (
            lambda kind, of=security: black(of, 84.5, kind=kind, strike=strike, volatility=0.5),
            lambda kind, of=security: hull_white(
                of, kind=kind, strike=strike, expiry=date(2026, 3, 27), mean_reversion=reversion, sigma=sigma
            ),
        ):
            call, put = (price(kind) for kind in OptionKind)
            forward = call.discount * (call.forward_clean - strike)
            assert min(call.price, put.price) >= 0.0
            assert call.price - put.price == pytest.approx(forward, abs=1e-12 * max(1.0, strike / 100))
            for value in (call, put):
                assert all(math.isfinite(x) for x in (value.price, value.delta, value.gamma, value.vega, value.theta))


def test_implied_sigma_and_its_bounds():
    found = hull_white()
    given = {"strike": 98.0, "expiry": EXPIRY, "settlement": SETTLEMENT, "curve": CURVE, "mean_reversion": 0.03}
    sigma = implied_sigma(found.price, NOTE, kind=OptionKind.CALL, **given)
    assert sigma == pytest.approx(0.009, abs=1e-11)
    with pytest.raises(ConventionError, match="premium: 200 per 100 face is outside"):
        implied_sigma(200.0, NOTE, kind=OptionKind.CALL, **given)


@pytest.mark.parametrize(
    ("changes", "error", "says"),
    [
        ({"volatility": 6.0}, ConventionError, "looks like percent"),
        ({"volatility": -0.1}, ConventionError, "negative"),
        ({"repo_rate": 3.63}, ConventionError, "looks like percent"),
        ({"strike": 0.0}, ConventionError, "strike: 0"),
        ({"strike": math.nan}, ConventionError, "strike"),
        ({"clean": 1.0}, ConventionError, "not positive"),
        ({"expiry": SETTLEMENT}, SettlementOutOfRange, "not after settlement"),
        ({"expiry": date(2036, 2, 15)}, SettlementOutOfRange, "expiry: 2036-02-15 is not before"),
        ({"settlement": date(2026, 2, 1)}, SettlementOutOfRange, "before"),
    ],
    ids=str,
)
def test_errors_name_the_field(changes, error, says):
    with pytest.raises(error, match=says):
        black(**changes)


def test_hull_white_errors():
    with pytest.raises(ConventionError, match="or neither"):
        hull_white(clean_price=98.0)
    with pytest.raises(ConventionError, match=r"sigma: -0\.01 is negative"):
        hull_white(sigma=-0.01)
    with pytest.raises(SettlementOutOfRange, match="before the curve"):
        hull_white(settlement=date(2026, 3, 20))


def test_quantlibs_evaluation_date_is_neither_read_nor_moved():
    kept = ql.Settings.instance().evaluationDate
    first = (black(), hull_white())
    ql.Settings.instance().evaluationDate = ql.Date(1, 1, 2030)
    try:
        assert (black(), hull_white()) == first
        assert ql.Settings.instance().evaluationDate == ql.Date(1, 1, 2030)
    finally:
        ql.Settings.instance().evaluationDate = kept


def test_profit_at_expiry():
    prices = np.array([95.0, 98.0, 101.0])
    assert profit_at_expiry(OptionKind.CALL, 98.0, 1.5, prices).tolist() == [-1.5, -1.5, 1.5]
    assert profit_at_expiry(OptionKind.PUT, 98.0, 1.5, prices).tolist() == [1.5, -1.5, -1.5]
