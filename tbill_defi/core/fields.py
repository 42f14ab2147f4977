"""Fields of JSON documents of others, by name and kind; the error says which field, and what it was."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from tbill_defi.core.errors import DataError

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Document:
    """A kind of document: what errors call it, and the command that writes it."""

    name: str
    writer: str

    def field(self, value: Any, name: str, read: Callable[[Any], _T]) -> _T:
        """A field of an object, as one of the functions below reads it.

        Raises
        ------
        DataError
            If it is missing, or `read` raises TypeError, ValueError, KeyError or AttributeError of it.
        """
        if not isinstance(value, dict) or name not in value:
            raise DataError(f"{self.name}: {name} is missing; give a file of `{self.writer}`")
        try:
            return read(value[name])
        except (TypeError, ValueError, KeyError, AttributeError):
            raise DataError(
                f"{self.name}: {name}: {value[name]!r:.60} is not what `{self.writer}` writes there"
            ) from None


def as_object(value: Any) -> dict[str, Any]:
    """An object."""
    if not isinstance(value, dict):
        raise TypeError(value)
    return value


def as_text(value: Any) -> str:
    """A text."""
    if not isinstance(value, str):
        raise TypeError(value)
    return value


def uint(bits: int) -> Callable[[Any], int]:
    """An integer of so many bits without sign, as a number or as decimal text."""

    def read(value: Any) -> int:
        text = isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 80
        found = int(value) if text else value
        if type(found) is not int or not 0 <= found < 2**bits:
            raise ValueError(value)
        return found

    return read


as_uint = uint(256)


def as_bytes(text: Any) -> bytes:
    """Bytes of 0x-hex."""
    if not as_text(text).startswith("0x"):
        raise ValueError(text)
    return bytes.fromhex(text[2:])


def as_address(text: Any) -> bytes:
    """20 bytes."""
    return _sized(text, 20)


def as_word(text: Any) -> bytes:
    """32 bytes."""
    return _sized(text, 32)


def _sized(text: Any, size: int) -> bytes:
    found = as_bytes(text)
    if len(found) != size:
        raise ValueError(text)
    return found
