"""All imported records in memory, and the digest chain that names any prefix of them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import Any

import polars as pl

from tbill_defi.core.hashing import canonical_json, keccak256
from tbill_defi.market import auctions, fedinvest, par_yields, reference_cpi, sofr


@dataclass(frozen=True)
class Kind:
    """One kind of published file: what its frame looks like and what identifies a row.

    Attributes
    ----------
    name
        "par_yields", "auctions", "fedinvest", "sofr" or "reference_cpi".
    schema
        Column -> polars type of the frame.
    key
        Columns that identify a row.
    day
        The column that says when the row became known.
    order
        Columns by which the rows are sorted; they begin with `day` and include `key`.
    """

    name: str
    schema: dict[str, pl.DataType]
    key: tuple[str, ...]
    day: str
    order: tuple[str, ...]


KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("par_yields", par_yields.SCHEMA, ("date",), "date", ("date",)),
        Kind("auctions", auctions.SCHEMA, ("cusip", "auctionDate"), "auctionDate", ("auctionDate", "cusip")),
        Kind("fedinvest", fedinvest.SCHEMA, ("date", "cusip"), "date", ("date", "cusip")),
        Kind("sofr", sofr.SCHEMA, ("date",), "date", ("date",)),
        Kind("reference_cpi", reference_cpi.SCHEMA, ("date",), "date", ("date",)),
    )
}


def record_of(row: dict[str, Any]) -> dict[str, Any]:
    """A row as canonical JSON takes it: no empty cells, dates as YYYY-MM-DD, whole numbers beyond 2^53 as text."""
    return {name: _plain(value) for name, value in row.items() if value is not None}


def _plain(value: Any) -> Any:
    if isinstance(value, date):
        return value.isoformat()
    return str(value) if isinstance(value, int) and abs(value) >= 2**53 else value


@dataclass(frozen=True)
class Digest:
    """Names every row of one kind that was known on a day: how many, which days, and the head of the chain."""

    rows: int
    first: date | None
    last: date | None
    head: bytes

    def to_json(self) -> dict[str, Any]:
        """JSON form; `head` as 0x-hex."""
        return record_of({"rows": self.rows, "first": self.first, "last": self.last, "head": "0x" + self.head.hex()})


class Dataset:
    """The rows of one kind, sorted, with what was known on any day as a prefix.

    `heads[0]` is 32 zero bytes and `heads[i] = keccak256(heads[i - 1] + canonical_json(record of row i))`, so one pass
    gives the digest of every day, and a later row never changes an earlier day's.
    """

    def __init__(self, kind: Kind, frame: pl.DataFrame) -> None:
        self.kind = kind
        self.frame = frame.sort(kind.order)

    @cached_property
    def rows(self) -> list[dict[str, Any]]:
        """The rows as dicts, in the kind's order."""
        return self.frame.to_dicts()

    @cached_property
    def days(self) -> list[date]:
        """When each row became known, ascending."""
        return self.frame[self.kind.day].to_list()

    @cached_property
    def _heads(self) -> list[bytes]:
        heads = [bytes(32)]
        for record in self._records():
            heads.append(keccak256(heads[-1] + record))
        return heads

    def _records(self) -> Iterator[bytes]:
        """`canonical_json(record_of(row))` of each row, made column by column: a value that recurs is written once."""
        columns = []
        for name in sorted(self.frame.columns, key=str.encode):
            values, head = self.frame[name].to_list(), canonical_json(name) + b":"
            members = {value: head + canonical_json(_plain(value)) for value in set(values) - {None}}
            columns.append([members.get(value) for value in values])
        for row in zip(*columns, strict=True):
            yield b"{" + b",".join(filter(None, row)) + b"}"

    def known(self, day: date) -> Sequence[dict[str, Any]]:
        """The rows known on `day`, oldest first."""
        return self.rows[: bisect_right(self.days, day)]

    def latest(self, day: date, accept: Callable[[dict[str, Any]], bool]) -> dict[str, Any] | None:
        """The latest row known on `day` that `accept` takes."""
        for index in range(bisect_right(self.days, day) - 1, -1, -1):
            if accept(self.rows[index]):
                return self.rows[index]
        return None

    def digest(self, day: date) -> Digest:
        """Digest of the rows known on `day`."""
        count = bisect_right(self.days, day)
        first, last = (self.days[0], self.days[count - 1]) if count else (None, None)
        return Digest(count, first, last, self._heads[count])


@dataclass(frozen=True)
class MarketData:
    """Frames as the readers and the store return them; any may be empty.

    Nothing here is point in time: `snapshot` is.
    """

    par_yields: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=par_yields.SCHEMA))
    auctions: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=auctions.SCHEMA))
    fedinvest: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=fedinvest.SCHEMA))
    sofr: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=sofr.SCHEMA))
    reference_cpi: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=reference_cpi.SCHEMA))

    @cached_property
    def simulation(self) -> str | None:
        """What made the par yields, such as "dns seed 7"; None: they were published."""
        labels = self.par_yields["simulated"].drop_nulls()
        return str(labels[0]) if len(labels) else None

    @cached_property
    def datasets(self) -> dict[str, Dataset]:
        """Each kind's rows, by the kind's name."""
        return {name: Dataset(kind, getattr(self, name)) for name, kind in KINDS.items()}
