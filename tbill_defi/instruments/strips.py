"""STRIPS: single payments of a note or bond, each a security of its own, and their putting together again."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from fractions import Fraction
from typing import Literal

from tbill_defi.conventions.schedules import add_months
from tbill_defi.core.errors import ConventionError
from tbill_defi.instruments.flows import CashFlows, single_flow
from tbill_defi.instruments.securities import Bond, Note
from tbill_defi.instruments.terms import Cusip, Terms

LONGEST_YEARS = 30
"""A strip settles at most this long before its maturity: no bond is longer."""


class Strip(Terms):
    """One payment of 100 per 100 face, interest or principal of a note or bond.

    Yields count semiannual periods back from its maturity, as of a note with a coupon of 0.

    Attributes
    ----------
    cusip
        Nine characters. Interest due on one date is one security, whatever note or bond it comes from.
    maturity_date
        The payment's date.
    principal_of
        CUSIP of the note or bond whose principal this is; None: interest.
    """

    kind: Literal["strip"] = "strip"
    cusip: Cusip
    maturity_date: date
    principal_of: Cusip | None = None

    def resolve(self) -> CashFlows:
        """The single flow of 100 at maturity, in semiannual periods."""
        return single_flow(add_months(self.maturity_date, -12 * LONGEST_YEARS), self.maturity_date)


def strip(
    bond: Note | Bond,
    *,
    face: Fraction | int = 100,
    settlement: date | None = None,
    interest_cusips: Mapping[date, str] | None = None,
    principal_cusip: str | None = None,
) -> dict[Strip, Fraction]:
    """The strips of a note or bond and the exact face of each; together they pay what it pays.

    Parameters
    ----------
    bond
        A note or bond.
    face
        Face that is stripped.
    settlement
        Interest paid on or before it is gone; None: all of it.
    interest_cusips
        Payment date -> CUSIP of interest due on it; a date without one gets `#CI` and the date as YYMMDD.
    principal_cusip
        CUSIP of the principal strip; None: `#NP` (of a note) or `#BP` and the last six characters of the bond's. No
        US security's CUSIP begins with `#`.

    Raises
    ------
    ConventionError
        If the security is not a note or bond, or `settlement` is not before its maturity.

    Notes
    -----
    31 CFR 356.31.
    """
    if not isinstance(bond, Note | Bond):
        raise ConventionError(
            f"bond: {type(bond).__name__} {bond.cusip} is not a note or bond; only these are stripped"
        )
    flows, cusips = bond.resolve(), interest_cusips or {}
    if settlement is not None and settlement >= flows.maturity:
        raise ConventionError(f"settlement: {settlement} is not before {bond.cusip}'s maturity {flows.maturity}")
    found = {}
    for day, fraction in zip(flows.payment_dates, flows.fractions, strict=True):
        interest = flows.rate * fraction * face / 100
        if interest and (settlement is None or day > settlement):
            found[Strip(cusip=cusips.get(day, f"#CI{day:%y%m%d}"), maturity_date=day)] = interest
    name = principal_cusip or f"{'#NP' if isinstance(bond, Note) else '#BP'}{bond.cusip[3:]}"
    found[Strip(cusip=name, maturity_date=flows.maturity, principal_of=bond.cusip)] = Fraction(face)
    return found


def reconstitute(
    bond: Note | Bond, strips: Mapping[Strip, Fraction | int], *, settlement: date | None = None
) -> Fraction:
    """Face of the note or bond that these strips are, none missing and none over.

    Parameters
    ----------
    strips
        Strip -> face, as of `strip`; interest of any origin, the principal of this very security.
    settlement
        Interest paid on or before it is not needed.

    Raises
    ------
    ConventionError
        Names the payment that is missing, short, over or not of this security, and the face that is right.
    """
    given: dict[tuple[date, str | None], Fraction] = {}
    for piece, amount in strips.items():
        key = (piece.maturity_date, piece.principal_of)
        given[key] = given.get(key, Fraction(0)) + Fraction(amount)
    face = given.get((bond.maturity_date, bond.cusip), Fraction(0))
    if face <= 0:
        raise ConventionError(f"strips: the principal of {bond.cusip}, due {bond.maturity_date}, is missing")
    needed = {
        (piece.maturity_date, piece.principal_of): amount
        for piece, amount in strip(bond, face=face, settlement=settlement).items()
    }
    for day, origin in sorted(needed.keys() | given.keys(), key=lambda key: (key[0], key[1] or "")):
        right, amount = needed.get((day, origin), Fraction(0)), given.get((day, origin), Fraction(0))
        if right != amount:
            what = f"principal of {origin}" if origin else "interest"
            raise ConventionError(
                f"strips: {what} due {day} is of face {float(amount):g}; "
                f"{float(face):g} face of {bond.cusip} takes {float(right):g}"
            )
    return face
