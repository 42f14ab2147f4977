"""Keccak-256 and RFC 8785 canonical JSON: what every hash of the framework is made of."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from json.encoder import encode_basestring
from typing import Any

from sha3 import keccak_256

from tbill_defi.core.errors import ConventionError

LARGEST_SAFE_INTEGER = 2**53 - 1
"""RFC 8785 numbers are IEEE doubles; larger integers must travel as strings."""


def keccak256(data: bytes) -> bytes:
    """Keccak-256 (the EVM's hash, not NIST SHA-3), 32 bytes."""
    digest: bytes = keccak_256(data).digest()
    return digest


@lru_cache(maxsize=65_536)
def _number(value: float) -> str:
    """ECMAScript Number::toString, which RFC 8785 section 3.2.2.3 prescribes."""
    if not math.isfinite(value):
        raise ConventionError(f"{value!r} has no canonical JSON form; use a finite number")
    if value == 0:
        return "0"
    mantissa, _, exponent_text = float.__repr__(value).partition("e")
    sign = "-" if mantissa.startswith("-") else ""
    whole, _, fraction = mantissa.lstrip("-").partition(".")
    fraction = "" if fraction == "0" else fraction
    point = len(whole) + int(exponent_text or 0)
    digits = (whole + fraction).lstrip("0")
    point -= len(whole + fraction) - len(digits)
    digits = digits.rstrip("0")
    count = len(digits)
    if count <= point <= 21:
        return sign + digits + "0" * (point - count)
    if 0 < point <= 21:
        return sign + digits[:point] + "." + digits[point:]
    if -6 < point <= 0:
        return sign + "0." + "0" * -point + digits
    power = point - 1
    head = digits[0] + ("." + digits[1:] if count > 1 else "")
    return f"{sign}{head}e{'+' if power > 0 else '-'}{abs(power)}"


def _members(value: Mapping[Any, Any]) -> str:
    try:
        names = sorted(value, key=None if all(map(str.isascii, value)) else _utf_16)
    except TypeError:
        named = {str(name): item for name, item in value.items()}
        if len(named) != len(value):
            raise ConventionError("two members of one name have no canonical JSON form") from None
        return _members(named)
    return "{" + ",".join([f"{encode_basestring(name)}:{_write(value[name])}" for name in names]) + "}"


def _utf_16(name: str) -> bytes:
    return name.encode("utf-16-be")


def _items(value: Sequence[Any]) -> str:
    return "[" + ",".join([_write(item) for item in value]) + "]"


def _integer(value: int) -> str:
    if abs(value) > LARGEST_SAFE_INTEGER:
        raise ConventionError(f"integer {value} is beyond 2^53 - 1; canonical JSON carries it as a string")
    return int.__repr__(value)


_WRITERS: dict[type, Callable[[Any], str]] = {
    str: encode_basestring,
    dict: _members,
    list: _items,
    tuple: _items,
    float: _number,
    bool: {True: "true", False: "false"}.__getitem__,
    int: _integer,
    type(None): lambda _: "null",
}


def _write(value: Any) -> str:
    writer = _WRITERS.get(type(value)) or _of_subclass(value)
    return writer(value)


def _of_subclass(value: Any) -> Callable[[Any], str]:
    for kind, writer in ((str, encode_basestring), (int, _integer), (float, _number), (Mapping, _members)):
        if isinstance(value, kind):
            return writer
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray | memoryview):
        return _items
    raise ConventionError(f"{type(value).__name__} has no canonical JSON form")


def canonical_json(value: Any) -> bytes:
    """RFC 8785 bytes of a JSON value: sorted keys, no white space, ECMAScript numbers.

    Raises
    ------
    ConventionError
        If a number is not finite, an integer is beyond 2^53 - 1, or a type is not JSON.
    """
    return _write(value).encode()


def json_hash(value: Any) -> bytes:
    """Keccak-256 of the canonical JSON of `value`."""
    return keccak256(canonical_json(value))
