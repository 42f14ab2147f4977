from __future__ import annotations

from datetime import date

import pytest

from tbill_defi.core.errors import SettlementOutOfRange
from tbill_defi.instruments import Bill, Note
from tbill_defi.pricing import Curve, Interpolation, KeyRates, key_rate_durations

DAY = date(2026, 8, 21)
PAR = {"3 Mo": 0.0388, "6 Mo": 0.0395, "1 Yr": 0.0403, "2 Yr": 0.0424, "5 Yr": 0.0443, "10 Yr": 0.0474}
PAR_BOND = Note(cusip="91282CQX2", coupon=0.0443, dated_date=DAY, maturity_date=date(2031, 8, 21))


@pytest.fixture(scope="module", params=["monotone_convex", "log_linear"])
def rates(request: pytest.FixtureRequest) -> KeyRates:
    return KeyRates(Curve.bootstrap(DAY, PAR, request.param))


def test_a_par_bond_depends_on_its_own_tenor_alone(rates: KeyRates) -> None:
    # its price is 100 whatever the other par yields are, and 1 bp of its own is worth 1 bp of its annuity
    found = rates.durations(PAR_BOND, settlement=DAY)
    annuity = rates.curve.discount_factors(PAR_BOND.resolve().dates).sum() / 2
    assert found["5 Yr"] == pytest.approx(annuity, rel=1e-5)
    assert [found[tenor] for tenor in PAR if tenor != "5 Yr"] == pytest.approx([0.0] * 5, abs=1e-8)


def test_key_rates_add_up_to_the_parallel_move(rates: KeyRates) -> None:
    note = Note(cusip="91282CQX2", coupon=0.02, dated_date=date(2021, 11, 15), maturity_date=date(2033, 11, 15))
    found = rates.durations(note, settlement=date(2026, 8, 24))
    # the limits that keep monotone convex forwards monotone have kinks
    tolerance = 1e-6 if rates.curve.interpolation is Interpolation.LOG_LINEAR else 1e-3
    parallel = rates.effective_duration(note, settlement=date(2026, 8, 24))
    assert sum(found.values()) == pytest.approx(parallel, rel=tolerance)
    assert found["5 Yr"] > 1.0
    assert found["10 Yr"] > 1.0


def test_a_bill_at_a_node_has_its_own_duration(rates: KeyRates) -> None:
    bill = Bill(cusip="912797SC2", issue_date=DAY, maturity_date=date(2027, 2, 21))
    found = rates.durations(bill, settlement=DAY)
    years = 184 / 365
    assert found["6 Mo"] == pytest.approx(years / (1 + 0.0395 * years), rel=1e-7)
    assert found["10 Yr"] == pytest.approx(0.0, abs=1e-8)


def test_one_security_by_the_verb(rates: KeyRates) -> None:
    assert key_rate_durations(PAR_BOND, rates.curve, settlement=DAY) == rates.durations(PAR_BOND, settlement=DAY)
    with pytest.raises(SettlementOutOfRange):
        key_rate_durations(PAR_BOND, rates.curve, settlement=date(2031, 8, 21))
