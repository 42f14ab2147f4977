"""Price, yield and risk of one security at a time, against QuantLib's own objects built once."""

from __future__ import annotations

from datetime import date

import QuantLib as ql  # noqa: N813 - its own alias

import tbill_defi as td
from bench.rows import Row, best_of, emit
from tbill_defi.pricing.interop import quantlib_bond
from tbill_defi.pricing.risk import measures_from_clean_price

SETTLEMENT = date(2026, 3, 24)


def main() -> None:
    """pricing.measures: yield, duration, convexity and DV01 from a clean price, over the sample day's coupons."""
    view = td.view(SETTLEMENT, data=td.sample_data())
    pairs = [
        (security, float(view.clean_price[i])) for i, security in enumerate(view.securities) if security.kind != "bill"
    ]
    street = td.YieldConvention.STREET
    bonds = [(quantlib_bond(security), price) for security, price in pairs]
    day = ql.Date(24, 3, 2026)

    def ours() -> list[float]:
        return [
            measures_from_clean_price(security, price, settlement=SETTLEMENT, convention=street).yield_
            for security, price in pairs
        ]

    def theirs() -> list[float]:
        found = []
        for bond, price in bonds:
            terms = (bond.dayCounter(), ql.Compounded, ql.Semiannual)
            rate = bond.bondYield(ql.BondPrice(price, ql.BondPrice.Clean), *terms, day, 1e-14, 100)
            for measure in (ql.BondFunctions.convexity, ql.BondFunctions.basisPointValue):
                measure(bond, rate, *terms, day)
            ql.BondFunctions.duration(bond, rate, *terms, ql.Duration.Modified, day)
            found.append(rate)
        return found

    difference = max(abs(a - b) for a, b in zip(ours(), theirs(), strict=True))
    mine, peer = best_of(ours), best_of(theirs)
    emit(
        [
            Row(
                "pricing.measures",
                len(pairs) / mine,
                "securities/s",
                peer / mine,
                max_abs_diff=difference,
                peer="QuantLib, objects built once",
                peer_version=ql.__version__,
            )
        ]
    )


if __name__ == "__main__":
    main()
