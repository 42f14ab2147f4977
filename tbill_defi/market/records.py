"""A published file as rows under column names, whatever it is written in: CSV, JSON, or the Treasury's XML feed.

JSON is read as the public services answer: FiscalData's ``{"data": [...], "meta": {...}}``
(https://fiscaldata.treasury.gov/api-documentation/), the New York Fed's ``{"refRates": [...]}``
(https://markets.newyorkfed.org/static/docs/markets-api.html), TreasuryDirect's list of records or
``{"securityList": [...]}`` (https://www.treasurydirect.gov/webapis/webapisecurities.htm). The XML is the Treasury's
Atom feed (https://home.treasury.gov/treasury-daily-interest-rate-xml-feed). Numbers are taken as they are written,
never through a float.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

from tbill_defi.core.errors import DataError
from tbill_defi.core.json_text import parse_json
from tbill_defi.market.table import FEED, MAX_ROWS, NoRows, Row, cells_of, header_of, show

ENVELOPES = ("data", "refRates", "securityList")
"""Where the records are in a JSON object, by the services' own names."""
_METADATA = "http://schemas.microsoft.com/ado/2007/08/dataservices/metadata"


@dataclass(frozen=True)
class Table:
    """The columns of a file, and its rows when asked for.

    Attributes
    ----------
    file
        Names it in errors.
    unit
        What a row is called: "line" (CSV), "record" (JSON), "entry" (XML).
    header
        The file's column names; in JSON and XML all names that occur, in order of first occurrence.
    """

    file: str
    unit: str
    header: tuple[str, ...]
    source: str | Sequence[Mapping[str, str]]

    @property
    def place(self) -> str:
        """Where the column names are, for an error about them."""
        return f"{self.file} line 1" if self.unit == "line" else self.file

    def rows(self, names: Mapping[str, str] | None = None, *, first_line: int = 2) -> list[Row]:
        """The rows, with the columns of `names` (the file's name -> the reader's) only; None: all, as they are."""
        wanted = {name: name for name in self.header} if names is None else dict(names)
        header, own = tuple(wanted.values()), tuple(wanted)
        return [Row(self.file, number, header, cells, own, self.unit) for number, cells in self._cells(own, first_line)]

    def _cells(self, own: tuple[str, ...], first_line: int) -> Iterator[tuple[int, tuple[str, ...]]]:
        if not isinstance(self.source, str):
            for number, record in enumerate(self.source, start=1):
                yield number, tuple(record.get(name, "") for name in own)
            return
        places = [self.header.index(name) for name in own]
        for number, cells in cells_of(self.source, self.file, self.header, first_line=first_line):
            yield number, tuple([cells[place] for place in places])


def is_csv(text: str) -> bool:
    """Whether a text is neither JSON nor XML."""
    return text.lstrip()[:1] not in ("{", "[", "<")


def table_of(text: str, file: str) -> Table:
    """The table a text holds.

    Raises
    ------
    DataError
        If it is broken JSON or XML, has no records, a record is not flat, or a column is there twice.
    """
    if is_csv(text):
        return Table(file, "line", header_of(text, file), text)
    unit, records = ("entry", _entries(text, file)) if text.lstrip()[0] == "<" else ("record", _records(text, file))
    if not records:
        raise NoRows(f"{file}: has no {unit}; the query it answers found nothing")
    if len(records) > MAX_ROWS:
        raise DataError(f"{file}: {len(records):,} {unit}s are over the limit of {MAX_ROWS:,} rows for one file")
    header = tuple(dict.fromkeys(name for record in records for name in record))
    return Table(file, unit, header, records)


def _records(text: str, file: str) -> list[dict[str, str]]:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        record = dict(pairs)
        if len(record) < len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            raise DataError(f"{file}: field {show(twice)} is there twice in one record")
        return record

    try:
        whole = parse_json(text, object_pairs_hook=once, parse_int=str, parse_float=str, parse_constant=str)
    except json.JSONDecodeError as error:
        raise DataError(f"{file} line {error.lineno}: is not JSON ({error.msg}, character {error.colno})") from None
    except ValueError:
        raise DataError(f"{file}: is JSON nested too deeply; expected a list of flat records") from None
    found = whole
    if isinstance(whole, dict):
        envelope = next((name for name in ENVELOPES if name in whole), None)
        if envelope is None:
            keys = show(", ".join(whole))
            expected = ", ".join(ENVELOPES)
            raise DataError(f"{file}: is JSON with {keys} and no records (expected one of {expected}, or a list)")
        found = whole[envelope]
    if not isinstance(found, list):
        raise DataError(f"{file}: is JSON without a list of records")
    count = whole["meta"].get("count") if isinstance(whole, dict) and isinstance(whole.get("meta"), dict) else None
    if isinstance(count, str) and count != str(len(found)):
        raise DataError(f"{file}: holds {len(found)} records where its meta counts {show(count)}; fetch it again")
    return [_flat(record, number, file) for number, record in enumerate(found, start=1)]


def _flat(record: Any, number: int, file: str) -> dict[str, str]:
    if not isinstance(record, dict):
        raise DataError(f"{file} record {number}: is not an object of fields")
    flat: dict[str, str] = {}
    for name, value in record.items():
        if value is None:
            flat[name] = ""
        elif isinstance(value, str):
            flat[name] = value
        else:
            shown = show(json.dumps(value))
            raise DataError(f'{file} record {number}, field "{name}": {shown} is neither text nor number')
    return flat


def _entries(text: str, file: str) -> list[dict[str, str]]:
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise DataError(f"{file}: is XML with a document type; the Treasury's feed has none")
    try:
        root = ElementTree.fromstring(text.encode())  # noqa: S314  no document type, so no entities to expand
    except ElementTree.ParseError as error:
        line = error.position[0]
        raise DataError(f"{file} line {line}: is not XML ({str(error).partition(':')[0]})") from None
    entries = []
    for number, entry in enumerate(root.iter(f"{{{FEED}}}entry"), start=1):
        properties = entry.find(f"{{{FEED}}}content/{{{_METADATA}}}properties")
        if properties is None:
            raise DataError(f"{file} entry {number}: has no properties")
        record: dict[str, str] = {}
        for element in properties:
            name = element.tag.rpartition("}")[2]
            if name in record:
                raise DataError(f"{file} entry {number}: field {show(name)} is there twice")
            missing = element.get(f"{{{_METADATA}}}null") == "true"
            record[name] = "" if missing else element.text or ""
        entries.append(record)
    return entries
