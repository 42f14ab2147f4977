"""CUSIPs, party names and their 32-byte forms on the ledger."""

from __future__ import annotations

import re

from tbill_defi.core.errors import ConventionError

_CUSIP = re.compile(r"[0-9A-Z*@#]{9}")
_CURRENCY = re.compile(r"[A-Z]{3}")
_PARTY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,30}")


def cusip(text: str) -> str:
    """`text` if it has the form of a CUSIP: nine of 0-9, A-Z, *, @, #.

    Raises
    ------
    ConventionError
        If it has not.
    """
    if not _CUSIP.fullmatch(text):
        raise ConventionError(f"cusip: {text!r} is not nine characters of 0-9 and A-Z, such as 91282CPZ8")
    return text


def cusip_check_digit(first_eight: str) -> str:
    """Check digit of a CUSIP (ANSI X9.6, modulus 10 double add double)."""
    total = 0
    for position, character in enumerate(first_eight):
        value = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ*@#".index(character) * (1 + position % 2)
        total += value // 10 + value % 10
    return str(-total % 10)


def currency_code(text: str) -> str:
    """`text` if it has the form of an ISO 4217 code: three capital letters.

    Raises
    ------
    ConventionError
        If it has not.
    """
    if not _CURRENCY.fullmatch(text):
        raise ConventionError(f"currency: {text!r} is not three capital letters, such as EUR")
    return text


def party_name(text: str) -> str:
    """`text` if it can name a party: 1 to 31 of letters, digits, dot, dash, underscore (a LEI fits).

    Raises
    ------
    ConventionError
        If it cannot.
    """
    if not _PARTY.fullmatch(text):
        raise ConventionError(f"party: {text!r} is not 1 to 31 letters, digits, '.', '-' or '_'")
    return text


def bytes32(text: str) -> bytes:
    """ASCII, padded right with zeros to 32 bytes: asset ids (CUSIP, currency) and party ids."""
    if not (text.isascii() and 0 < len(text) <= 32):
        raise ConventionError(f"identifier {text!r} is not 1 to 32 ASCII characters, such as 91282CPZ8 or desk")
    return text.encode("ascii").ljust(32, b"\0")


def text32(raw: bytes) -> str:
    """The text of a `bytes32` identifier."""
    return raw.rstrip(b"\0").decode("ascii")
