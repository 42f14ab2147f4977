"""Face held, in the order of a book."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tbill_defi.conventions.yields import Floats
from tbill_defi.core.errors import ConventionError
from tbill_defi.pricing.book.book import Book


def face_vector(book: Book, face_units: Mapping[str, int]) -> Floats:
    """[n] face in base units (10^-6 dollar) of each security of a book; 0 of those that are not named.

    Parameters
    ----------
    face_units
        CUSIP -> whole base units; negative is short.

    Raises
    ------
    ConventionError
        If a CUSIP is not in the book, or a face is no integer.
    """
    place = {cusip: row for row, cusip in enumerate(book.cusips)}
    face = np.zeros(len(book))
    for cusip, units in face_units.items():
        if cusip not in place:
            raise ConventionError(f"face_units: {cusip} is not in the book")
        if isinstance(units, bool) or not isinstance(units, int):
            raise ConventionError(f"face_units[{cusip}]: {units!r} is not a whole number of base units")
        face[place[cusip]] = units
    return face
