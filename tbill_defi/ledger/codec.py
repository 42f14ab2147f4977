"""ABI values by readers and writers made once for a type.

They know one encoding, the canonical one that compilers and libraries write, and values of exact Python types. All else
is `Unusual`, and eth_abi decides what it is: so what is accepted, and what comes out, is the same, in a tenth of the
time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from operator import itemgetter
from struct import Struct
from typing import Any, NamedTuple

from tbill_defi.core.hashing import canonical_json
from tbill_defi.ledger.artifacts import Parameter

WORD = 32
_LEAF = re.compile(r"(address|bool|bytes|u?int)(\d*)")


class Unusual(ValueError):
    """Not the canonical encoding, or not of the exact Python type."""


class Reader(NamedTuple):
    """Reads a value at a place.

    Attributes
    ----------
    size
        Bytes of it; of a dynamic type None.
    read
        (data, place) -> value and the place after it.
    of_word
        What a value of one word is made of its 32 bytes by; None of other types.
    """

    size: int | None
    read: Callable[[bytes, int], tuple[Any, int]]
    of_word: Callable[[bytes], Any] | None = None


class Writer(NamedTuple):
    """Writes a value; `size` as a reader's."""

    size: int | None
    write: Callable[[Any], bytes]


class Form(NamedTuple):
    """How values come out: what is made of an address or bytes, of an integer, a truth value, a text, the items of an
    array; and, of the names of a struct's parts, what makes a struct of them.
    """

    octets: Callable[[bytes], Any]
    integer: Callable[[int], Any]
    truth: Callable[[bool], Any]
    text: Callable[[str], Any]
    items: Callable[[list[Any]], Any]
    members: Callable[[Sequence[str]], Callable[[list[Any]], Any]]


def json_members(names: Sequence[str]) -> Callable[[list[str]], str]:
    """What writes canonical JSON of an object: its members' names in their order, whose values come as JSON text."""
    if not names:
        return lambda _: "{}"
    places, template = _json_object(names)
    in_order = itemgetter(*places)
    return lambda values: template % in_order(values)


def _json_object(names: Sequence[str]) -> tuple[list[int], str]:
    """Places of an object's members in canonical order, and the template that takes their values' texts in it."""
    places = sorted(range(len(names)), key=names.__getitem__)
    return places, f"{{{','.join(f'{json_text(names[place])}:%s' for place in places)}}}"


def json_text(text: str) -> str:
    """Canonical JSON of a text."""
    return canonical_json(text).decode()


PLAIN = Form(bytes, int, bool, str, tuple, lambda names: lambda values: dict(zip(names, values, strict=True)))
"""Bytes, integers, truth values, texts, tuples; structs by name."""
JSON = Form(
    octets=lambda octets: f'"0x{octets.hex()}"',
    integer=lambda integer: f'"{integer}"',
    truth=lambda truth: "true" if truth else "false",
    text=json_text,
    items=lambda items: f"[{','.join(items)}]",
    members=json_members,
)
"""Canonical JSON: 0x-text, decimal text, truth values, lists, objects."""


def reads_all(parameters: Sequence[Parameter], form: Form) -> Callable[[bytes], list[Any]]:
    """What reads the values of parameters, and nothing after them."""
    read = _sequence_reader([_reader(p, form) for p in parameters])

    def whole(data: bytes) -> list[Any]:
        values, end = read(data, 0)
        if end != len(data):
            raise Unusual
        return values

    return whole


def words_to_json(parameters: Sequence[Parameter]) -> Callable[[bytes], str]:
    """What writes canonical JSON of an object whose values are one word each: most events are nothing else."""
    places, template = _json_object([p.name for p in parameters])
    makers = [_leaf_reader(p.type, JSON).of_word for p in parameters]
    in_order = [(place, make) for place in places if (make := makers[place]) is not None]
    layout = Struct(f"{WORD}s" * len(makers))
    size, unpack = layout.size, layout.unpack

    def write(data: bytes) -> str:
        if len(data) != size:
            raise Unusual
        words = unpack(data)
        return template % tuple([make(words[place]) for place, make in in_order])

    return write


def writes_all(parameters: Sequence[Parameter]) -> Callable[[Sequence[Any]], bytes]:
    """What writes the values of parameters."""
    return _sequence_writer([_writer(p) for p in parameters])


def is_word(parameter: Parameter) -> bool:
    """Whether a parameter's values are one word each."""
    return _LEAF.fullmatch(parameter.type) is not None and parameter.type != "bytes"


def _item(parameter: Parameter) -> tuple[Parameter, int | None] | None:
    """An array's item and its fixed length, or None of what is no array."""
    if not parameter.type.endswith("]"):
        return None
    at = parameter.type.rindex("[")
    count = parameter.type[at + 1 : -1]
    return Parameter(parameter.name, parameter.type[:at], False, parameter.components), int(count) if count else None


def _sequence_reader(readers: Sequence[Reader]) -> Callable[[bytes, int], tuple[list[Any], int]]:
    words = [reader.of_word for reader in readers if reader.of_word is not None]
    if len(words) == len(readers):
        return _words_reader(words)
    head = sum(WORD if reader.size is None else reader.size for reader in readers)

    def read(data: bytes, start: int) -> tuple[list[Any], int]:
        at, tail, values = start, start + head, []
        for size, each, _ in readers:
            if size is None:
                if int.from_bytes(data[at : at + WORD], "big") != tail - start:
                    raise Unusual
                value, tail = each(data, tail)
                at += WORD
            else:
                value, at = each(data, at)
            values.append(value)
        return values, tail

    return read


def _words_reader(words: Sequence[Callable[[bytes], Any]]) -> Callable[[bytes, int], tuple[list[Any], int]]:
    """Reads values of one word each: most events and the legs of an instruction are nothing else."""
    layout = Struct(f"{WORD}s" * len(words))

    def read(data: bytes, at: int) -> tuple[list[Any], int]:
        end = at + layout.size
        if end > len(data):
            raise Unusual
        return [make(word) for make, word in zip(words, layout.unpack_from(data, at), strict=True)], end

    return read


def _reader(parameter: Parameter, form: Form) -> Reader:
    if array := _item(parameter):
        return _array_reader(_reader(array[0], form), array[1], form)
    if parameter.components:
        readers, names = [_reader(p, form) for p in parameter.components], [p.name for p in parameter.components]
        parts, join = _sequence_reader(readers), form.members(names)

        def read(data: bytes, at: int) -> tuple[Any, int]:
            values, end = parts(data, at)
            return join(values), end

        return Reader(_total([reader.size for reader in readers]), read)
    if parameter.type in ("bytes", "string"):
        if parameter.type == "bytes":
            return Reader(None, lambda data, at: _octets(data, at, form.octets))
        return Reader(None, lambda data, at: _octets(data, at, lambda octets: form.text(octets.decode("utf-8"))))
    return _leaf_reader(parameter.type, form)


def _total(sizes: Sequence[int | None]) -> int | None:
    known = [size for size in sizes if size is not None]
    return sum(known) if len(known) == len(sizes) else None


def _array_reader(item: Reader, count: int | None, form: Form) -> Reader:
    def read(data: bytes, at: int) -> tuple[Any, int]:
        many = count
        if many is None:
            many = int.from_bytes(data[at : at + WORD], "big")
            at += WORD
        if many * WORD > len(data) - at:
            raise Unusual
        if item.size is None:
            values, at = _sequence_reader([item] * many)(data, at)
            return form.items(values), at
        values = []
        for _ in range(many):
            value, at = item.read(data, at)
            values.append(value)
        return form.items(values), at

    return Reader(None if count is None or item.size is None else count * item.size, read)


def _octets(data: bytes, at: int, form: Callable[[bytes], Any]) -> tuple[Any, int]:
    start = at + WORD
    end = start + int.from_bytes(data[at:start], "big")
    after = end + -(end - start) % WORD
    if after > len(data) or data[end:after].strip(b"\0"):
        raise Unusual
    return form(data[start:end]), after


def _leaf_reader(kind: str, form: Form) -> Reader:
    found = _LEAF.fullmatch(kind)
    if not found:
        raise TypeError(f"{kind}: no type of an ABI that is read here")
    name, size = found[1], int(found[2] or 256)
    octets, integer, limit, padding, from_bytes = form.octets, form.integer, 1 << size, bytes(12), int.from_bytes

    @lru_cache(maxsize=4_096)
    def address(word: bytes) -> Any:
        if word[:12] != padding:
            raise Unusual
        return octets(word[12:])

    def unsigned(word: bytes) -> Any:
        value = from_bytes(word)
        if value >= limit:
            raise Unusual
        return integer(value)

    def signed(word: bytes) -> Any:
        value = int.from_bytes(word, "big", signed=True)
        if not -limit <= 2 * value < limit:
            raise Unusual
        return integer(value)

    def truth(word: bytes) -> Any:
        value = int.from_bytes(word, "big")
        if value > 1:
            raise Unusual
        return form.truth(value == 1)

    def fixed(word: bytes) -> Any:
        if word[size:].strip(b"\0"):
            raise Unusual
        return octets(word[:size])

    by_name: dict[str, Callable[[bytes], Any]] = {
        "address": address, "uint": unsigned, "int": signed, "bool": truth, "bytes": fixed
    }  # fmt: skip
    of_word = octets if kind == "bytes32" else by_name[name]

    def read(data: bytes, at: int) -> tuple[Any, int]:
        return of_word(data[at : at + WORD]), at + WORD

    return Reader(WORD, read, of_word)


def _sequence_writer(writers: Sequence[Writer]) -> Callable[[Sequence[Any]], bytes]:
    head = sum(WORD if size is None else size for size, _ in writers)

    def write(values: Sequence[Any]) -> bytes:
        if type(values) not in (list, tuple) or len(values) != len(writers):
            raise Unusual
        heads, tails, tail = [], [], head
        for (size, each), value in zip(writers, values, strict=True):
            written = each(value)
            if size is None:
                heads.append(tail.to_bytes(WORD, "big"))
                tails.append(written)
                tail += len(written)
            else:
                heads.append(written)
        return b"".join(heads + tails)

    return write


def _writer(parameter: Parameter) -> Writer:
    if array := _item(parameter):
        return _array_writer(_writer(array[0]), array[1])
    if parameter.components:
        writers = [_writer(p) for p in parameter.components]
        return Writer(_total([writer.size for writer in writers]), _sequence_writer(writers))
    if parameter.type in ("bytes", "string"):
        return Writer(None, _write_text if parameter.type == "string" else _write_octets)
    return _leaf_writer(parameter.type)


def _array_writer(item: Writer, count: int | None) -> Writer:
    def write(values: Any) -> bytes:
        if type(values) not in (list, tuple) or len(values) != (len(values) if count is None else count):
            raise Unusual
        length = len(values).to_bytes(WORD, "big") if count is None else b""
        if item.size is None:
            return length + _sequence_writer([item] * len(values))(values)
        return length + b"".join(map(item.write, values))

    return Writer(None if count is None or item.size is None else count * item.size, write)


def _write_octets(value: Any) -> bytes:
    if type(value) is not bytes:
        raise Unusual
    return b"".join((len(value).to_bytes(WORD, "big"), value, bytes(-len(value) % WORD)))


def _write_text(value: Any) -> bytes:
    if type(value) is not str:
        raise Unusual
    return _write_octets(value.encode("utf-8"))


def _leaf_writer(kind: str) -> Writer:
    found = _LEAF.fullmatch(kind)
    if not found:
        raise TypeError(f"{kind}: no type of an ABI that is written here")
    name, size = found[1], int(found[2] or 256)

    def octets(value: Any) -> bytes:
        if type(value) is not bytes or len(value) != (20 if name == "address" else size):
            raise Unusual
        return value.rjust(WORD, b"\0") if name == "address" else value.ljust(WORD, b"\0")

    def unsigned(value: Any) -> bytes:
        if type(value) is not int or value < 0 or value >> size:
            raise Unusual
        return value.to_bytes(WORD, "big")

    def signed(value: Any) -> bytes:
        if type(value) is not int or not -(1 << size) <= 2 * value < 1 << size:
            raise Unusual
        return value.to_bytes(WORD, "big", signed=True)

    def truth(value: Any) -> bytes:
        if type(value) is not bool:
            raise Unusual
        return int(value).to_bytes(WORD, "big")

    by_name = {"address": octets, "bytes": octets, "uint": unsigned, "int": signed, "bool": truth}
    return Writer(WORD, by_name[name])
