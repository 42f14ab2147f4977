"""What tax makes of a municipal bond's yield: tax-equivalent yield, the de minimis rule, yield after tax."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

from tbill_defi.conventions.schedules import add_months
from tbill_defi.conventions.yields import YieldConvention
from tbill_defi.core.errors import ConventionError
from tbill_defi.instruments.municipal import MunicipalBond
from tbill_defi.pricing.valuation import checked_price, checked_rate, checked_settlement, valuation

DE_MINIMIS_PER_YEAR = 0.25
"""A quarter of 1% of par for each complete year: per 100 face."""
PAR = 100.0


def _checked_tax(name: str, rate: float) -> float:
    if 0.0 <= rate < 1.0:
        return float(rate)
    cure = f"looks like percent; give a decimal such as {rate / 100:g}" if 1.0 <= rate < 100.0 else "is not a tax rate"
    raise ConventionError(f"{name}: {rate:g} {cure} (in [0, 1))")


def tax_equivalent_yield(
    yield_: float,
    federal: float,
    state: float = 0.0,
    *,
    state_exempt: bool = True,
    state_deductible: bool = False,
) -> float:
    """Yield of a fully taxed bond that leaves as much after tax as a municipal bond of this yield, decimal.

    yield x (1 - s) / (1 - federal - s), where s is the state's rate, less the federal deduction of it; s is not taken
    from the municipal bond where the state exempts it.

    Parameters
    ----------
    yield_
        Decimal, exempt from federal tax.
    federal, state
        Marginal rates in [0, 1), together below 1; add the 3.8% of IRC 1411 to `federal` where it is due.
    state_exempt
        Whether the investor's state exempts the bond's interest, as most do of their own issuers.
    state_deductible
        Whether state tax is deducted from federal income: then s is state x (1 - federal).

    Raises
    ------
    ConventionError
        If the yield looks like percent, or the rates are not in their range.

    Notes
    -----
    Of interest alone (IRC 103): a market discount is taxed, see `after_tax_yield`.
    """
    rate, of_state = _checked_tax("federal", federal), _checked_tax("state", state)
    burden = of_state * (1.0 - rate) if state_deductible else of_state
    if rate + burden >= 1.0:
        raise ConventionError(f"state: {state:g} and federal {federal:g} together must be below 1")
    kept = 1.0 if state_exempt else 1.0 - burden
    return checked_rate("yield_", yield_) * kept / (1.0 - rate - burden)


def complete_years(settlement: date, maturity: date) -> int:
    """Whole years from a day to a later one; an anniversary counts."""
    years = maturity.year - settlement.year
    return years - (add_months(settlement, 12 * years) > maturity)


def _revised(bond: MunicipalBond, revised_issue_price: float) -> float:
    price = checked_price("revised_issue_price", revised_issue_price, bond.cusip)
    if not 0.0 < price <= PAR:
        raise ConventionError(
            f"revised_issue_price: {price:g} is not in (0, 100]: the issue price with the discount accrued since, "
            f"100 of a bond issued at par or above ({bond.cusip})"
        )
    return price


def de_minimis_price(bond: MunicipalBond, *, settlement: date, revised_issue_price: float = PAR) -> float:
    """The clean price per 100 face at or below which market discount is ordinary income.

    Par, or the revised issue price of a bond issued at a discount, less 0.25 for each complete year to maturity. Above
    it the discount counts as none, and is a capital gain at maturity.

    Parameters
    ----------
    settlement
        Day on which the bond is acquired.
    revised_issue_price
        Per 100 face: the issue price and the original issue discount that has accrued by then (IRC 1278(a)(4)).

    Raises
    ------
    SettlementOutOfRange
        If `settlement` is not in [issue date, maturity).
    ConventionError
        If the bond is not municipal, or the revised issue price is not in (0, 100].

    Notes
    -----
    IRC 1278(a)(2)(C): the market discount is zero if it is less than a quarter of 1 percent of the stated redemption
    price at maturity times the complete years to it. By (B) the discount itself is from the revised issue price; the
    quarter stays one of par.
    """
    _checked_municipal(bond)
    checked_settlement(bond, bond.resolve(), settlement)
    base = _revised(bond, revised_issue_price)
    return base - DE_MINIMIS_PER_YEAR * complete_years(settlement, bond.maturity_date)


def after_tax_yield(
    bond: MunicipalBond,
    clean_price: float,
    *,
    settlement: date,
    convention: YieldConvention,
    ordinary: float,
    capital_gains: float,
    revised_issue_price: float = PAR,
) -> float:
    """Decimal yield to maturity after the tax on a market discount, which is due when the bond is.

    Interest and original issue discount are exempt (IRC 103). The market discount, revised issue price less price, is
    taxed at `ordinary` if the price is at or below `de_minimis_price`, else at `capital_gains`; at a premium there is
    no tax, and the yield is the bond's own.

    Parameters
    ----------
    ordinary, capital_gains
        Marginal rates in [0, 1), of the federation and where it taxes them of the state.
    revised_issue_price
        As of `de_minimis_price`.

    Raises
    ------
    SettlementOutOfRange
        If `settlement` is not in [issue date, maturity).
    ConventionError
        If the bond is not municipal, or a price or rate is out of its range.

    Notes
    -----
    IRC 1276(a) for the discount as ordinary income at maturity, without the election of 1278(b).
    """
    threshold = de_minimis_price(bond, settlement=settlement, revised_issue_price=revised_issue_price)
    price = checked_price("clean_price", clean_price, bond.cusip)
    rates = _checked_tax("ordinary", ordinary), _checked_tax("capital_gains", capital_gains)
    tax = max(revised_issue_price - price, 0.0) * rates[price > threshold]
    place = valuation(bond, settlement, convention)
    amounts = place.amounts.copy()
    amounts[-1] -= tax
    return replace(place, amounts=amounts).yield_at(price + place.accrued)


def _checked_municipal(bond: MunicipalBond) -> None:
    if not isinstance(bond, MunicipalBond):
        raise ConventionError(f"bond: {type(bond).__name__} is taxed in other ways; give a MunicipalBond")
