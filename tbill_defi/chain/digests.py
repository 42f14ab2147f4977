"""Digests of the journal: SHA-256 over type-tagged, length-prefixed values.

A row's header keeps one digest per field, a block one digest per column of its transaction and event rows. So the
digest that differs names the column. SHA-256 and not Keccak: it needs no library to recompute and costs a tenth.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from itertools import chain
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tbill_defi.chain.executor import Outcome

Value = int | str | bytes
"""What a column holds; None and float never are."""

DIGEST_BYTES = 32


def encode_value(value: Value) -> bytes:
    """Type tag and content: b"i" + decimal, b"s" + UTF-8, b"b" + bytes.

    Raises
    ------
    TypeError
        If it is of another type: a float, cut to a whole number, would pass for one.
    """
    if isinstance(value, bytes):
        return b"b" + value
    if isinstance(value, str):
        return b"s" + value.encode("utf-8", "surrogatepass")
    if not isinstance(value, int):
        raise TypeError(f"{type(value).__name__} is no type of a column")
    return b"i%d" % value


def digest_value(value: Value) -> bytes:
    """SHA-256 of an encoded value."""
    return sha256(encode_value(value)).digest()


def digest_column(values: Iterable[Value]) -> bytes:
    """SHA-256 of the values of one column in row order, each prefixed by its length (8 bytes, big-endian)."""
    column: Sequence[Any] = values if isinstance(values, list | tuple) else list(values)
    kinds = set(map(type, column))
    join = _JOINS.get(kinds.pop(), _join_any) if len(kinds) == 1 else _join_any
    return sha256(join(column)).digest()


def _join_any(column: Sequence[Any]) -> bytes:
    encoded = map(encode_value, column)
    return b"".join([part for each in encoded for part in (len(each).to_bytes(8, "big"), each)])


def _join_integers(column: Sequence[int]) -> bytes:
    """Mostly a few numbers many times. Decimal text has less than 128 digits here, so that its prefix is text too."""
    texts = {value: str(value) for value in set(column)}
    encoded = {value: _INTEGER_PREFIX[len(text)] + text for value, text in texts.items()}
    return "".join([encoded[value] for value in column]).encode()


def _join_bytes(column: Sequence[bytes]) -> bytes:
    return _prefixed(_BYTES_PREFIX, column)


def _join_texts(column: Sequence[str]) -> bytes:
    return _prefixed(_TEXT_PREFIX, [text.encode("utf-8", "surrogatepass") for text in column])


def _prefixed(prefixes: _Prefixes, column: Sequence[bytes]) -> bytes:
    before = map(prefixes.__getitem__, map(len, column))
    return b"".join(chain.from_iterable(zip(before, column, strict=True)))


class _Prefixes(dict[int, bytes]):
    """Length and type tag by the content's length, made when it is met first."""

    def __init__(self, tag: bytes) -> None:
        self._tag = tag

    def __missing__(self, length: int) -> bytes:
        made = (length + 1).to_bytes(8, "big") + self._tag
        if length < _REMEMBERED:
            self[length] = made
        return made


_REMEMBERED = 4_096
_BYTES_PREFIX, _TEXT_PREFIX = _Prefixes(b"b"), _Prefixes(b"s")
_INTEGER_PREFIX = [(length + 1).to_bytes(8, "big").decode() + "i" for length in range(127)]
_JOINS: dict[type, Callable[[Sequence[Any]], bytes]] = {int: _join_integers, bytes: _join_bytes, str: _join_texts}


def digest_fields(values: Iterable[Value]) -> bytes:
    """One digest per value, concatenated."""
    return b"".join(map(digest_value, values))


def digest_columns(rows: Sequence[Sequence[Value]], width: int) -> bytes:
    """One digest per column of rows of `width` values, concatenated; of no rows too."""
    columns: Iterable[Sequence[Value]] = zip(*rows, strict=True) if rows else [()] * width
    return b"".join(map(digest_column, columns))


def split_digests(digests: bytes) -> list[bytes]:
    """The digests that were concatenated."""
    return [digests[start : start + DIGEST_BYTES] for start in range(0, len(digests), DIGEST_BYTES)]


def hash_digests(domain: str, digests: bytes) -> bytes:
    """Hash of a row: SHA-256 of its kind and its field digests."""
    return sha256(domain.encode() + b"\n" + digests).digest()


def receipts_hash(outcomes: Iterable[Outcome]) -> bytes:
    """Hash of what a block's transactions did: status, logs and output of each; never gas."""
    parts: list[bytes] = []
    for outcome in outcomes:
        parts += (b"\x01" if outcome.status else b"\x00", outcome.output, len(outcome.logs).to_bytes(8, "big"))
        for log in outcome.logs:
            parts += (log.address, b"".join(log.topics), log.data)
    return digest_column(parts)
