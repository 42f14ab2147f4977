"""What is given to a book: one finite number for each security, or an error that names row and CUSIP."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from tbill_defi.conventions.yields import Floats
from tbill_defi.core.errors import ConventionError
from tbill_defi.pricing.valuation import LARGEST_YIELD


def finite_column(name: str, values: ArrayLike, cusips: tuple[str, ...]) -> Floats:
    """[n] finite numbers.

    Raises
    ------
    ConventionError
        If they are no numbers, not one for each security, or one is not finite.
    """
    column = _shaped(name, values, len(cusips))
    if not np.isfinite(column.sum()):
        _require_finite(name, column, cusips)
    return column


def yield_column(values: ArrayLike, cusips: tuple[str, ...]) -> Floats:
    """[n] yields, decimal.

    Raises
    ------
    ConventionError
        As of `finite_column`, or if one looks like percent.
    """
    column = _shaped("yields", values, len(cusips))
    if not -LARGEST_YIELD <= np.minimum.reduce(column) <= np.maximum.reduce(column) <= LARGEST_YIELD:
        _require_finite("yields", column, cusips)
        row = int(np.flatnonzero(np.abs(column) > LARGEST_YIELD)[0])
        raise ConventionError(
            f"yields[{row}] ({cusips[row]}): {column[row]:g} looks like percent; "
            f"give a decimal such as {column[row] / 100:g}"
        )
    return column


def require_positive(dirty: Floats, cusips: tuple[str, ...]) -> None:
    """Refuse a dirty price that no yield explains.

    Raises
    ------
    ConventionError
        Naming the first row and its CUSIP.
    """
    if not np.minimum.reduce(dirty) > 0.0:
        row = int(np.flatnonzero(~(dirty > 0.0))[0])
        raise ConventionError(
            f"clean_prices[{row}] ({cusips[row]}): the dirty price {dirty[row]:g} is not positive; "
            "no yield discounts flows to it"
        )


def _shaped(name: str, values: ArrayLike, count: int) -> Floats:
    try:
        column = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ConventionError(f"{name}: is not [{count}] numbers, one for each security ({error})") from None
    if column.shape != (count,):
        raise ConventionError(f"{name}: shape {column.shape} is not [{count}], one for each security")
    return column


def _require_finite(name: str, column: Floats, cusips: tuple[str, ...]) -> None:
    if (rows := np.flatnonzero(~np.isfinite(column))).size:
        row = int(rows[0])
        raise ConventionError(f"{name}[{row}] ({cusips[row]}): {column[row]} is not a finite number")
