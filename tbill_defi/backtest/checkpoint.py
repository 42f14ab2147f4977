"""A run on disk: finished years as Parquet parts, and a state file that is replaced last.

A crash at any moment leaves the parts of whole years and the state that names them, with their hashes; what a part
holds beyond the state is written again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import polars as pl

from tbill_defi.backtest.books import Books, Line
from tbill_defi.backtest.calls import OpenCall
from tbill_defi.backtest.engine import State
from tbill_defi.backtest.valuation import DayRecord
from tbill_defi.core.errors import DataError, UsageError
from tbill_defi.core.files import FileLock, read_text, write_durably
from tbill_defi.core.hashing import keccak256
from tbill_defi.core.json_text import parse_json

STATE, PARTS, LOCK = "state.json", "parts", ".lock"
JOURNAL_SCHEMA: dict[str, pl.DataType] = {
    "date": pl.Date(),
    "kind": pl.String(),
    "giver": pl.String(),
    "receiver": pl.String(),
    "asset": pl.String(),
    "units": pl.Int64(),
    "reference": pl.String(),
}


def journal_frame(lines: list[Line]) -> pl.DataFrame:
    """Journal lines as a table."""
    return pl.DataFrame(
        {
            "date": [line.day for line in lines],
            "kind": [line.kind for line in lines],
            "giver": [line.giver for line in lines],
            "receiver": [line.receiver for line in lines],
            "asset": [line.asset for line in lines],
            "units": [line.units for line in lines],
            "reference": [line.reference for line in lines],
        },
        schema=JOURNAL_SCHEMA,
    )


@dataclass(frozen=True)
class Saved:
    """A run as it was found: the state, the last day's record, and the tables of the years that are done.

    `blocks` are those of the other bookkeeper; none if they are not asked for.
    """

    state: State
    record: DayRecord
    daily: list[pl.DataFrame]
    journal: list[pl.DataFrame]
    blocks: list[pl.DataFrame]


class Checkpoint:
    """The folder of one run; `key` is the hash of its settings and data."""

    def __init__(self, folder: Path, key: bytes) -> None:
        self.folder, self.key = folder, key
        self._parts: list[dict[str, str]] = []

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the folder against another process.

        Raises
        ------
        UsageError
            If another run writes it, or it holds something else.
        """
        try:
            (self.folder / PARTS).mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.folder / LOCK)
        except BlockingIOError:
            raise UsageError(f"out: another backtest is writing {self.folder}; name another folder") from None
        except OSError as error:
            raise UsageError(f"out: {self.folder} cannot be written ({error.strerror})") from None
        try:
            yield
        finally:
            lock.release()

    def load(self, *, blocks: bool) -> Saved | None:
        """What is done of this run, or None to begin: nothing there, finished, or damaged.

        Parameters
        ----------
        blocks
            Whether those of the other bookkeeper are wanted; if some are not there, the run begins.

        Raises
        ------
        UsageError
            If the folder holds a run with other settings or data.
        """
        path = self.folder / STATE
        try:
            value = parse_json(read_text(path))
            key, finished, parts = value["key"], value["finished"], value["parts"]
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError):
            raise UsageError(f"out: {path} is not a backtest's state; name another folder or delete it") from None
        if key != self.key.hex():
            raise UsageError(
                f"out: {self.folder} holds another run (other settings or market data); name another folder"
            )
        if finished:
            return None
        try:
            kinds = ("daily", "journal", *(("blocks",) if blocks else ()))
            tables = {kind: [self._read(part, kind) for part in parts] for kind in kinds}
            state = State(
                value["done"], bytes.fromhex(value["chain"]), value["events"], Books.from_json(value["books"])
            )
            saved = Saved(state, _record(value["record"]), tables["daily"], tables["journal"], tables.get("blocks", []))
        except (DataError, KeyError, ValueError, TypeError):
            return None
        self._parts = parts
        return saved

    def _read(self, part: dict[str, str], kind: str) -> pl.DataFrame:
        path = self.folder / PARTS / f"{part['name']}.{kind}.parquet"
        try:
            data = path.read_bytes()
        except OSError:
            raise DataError(f"{path}: is gone") from None
        if keccak256(data).hex() != part[kind]:
            raise DataError(f"{path}: was changed")
        return pl.read_parquet(BytesIO(data))

    def save(self, name: str, state: State, record: DayRecord, tables: Mapping[str, pl.DataFrame]) -> None:
        """Add a part, a table by kind, and replace the state."""
        part = {"name": name}
        for kind, frame in tables.items():
            buffer = BytesIO()
            frame.write_parquet(buffer)
            write_durably(self.folder / PARTS / f"{name}.{kind}.parquet", buffer.getvalue())
            part[kind] = keccak256(buffer.getvalue()).hex()
        self._parts = [*self._parts, part]
        self._replace(state, record, finished=False)

    def forget(self) -> None:
        """Begin anew: the parts that are there are no longer named."""
        self._parts = []

    def finish(self, state: State, record: DayRecord) -> None:
        """Mark the run finished; the next one in this folder begins anew."""
        self._replace(state, record, finished=True)

    def _replace(self, state: State, record: DayRecord, *, finished: bool) -> None:
        value = {
            "key": self.key.hex(),
            "finished": finished,
            "done": state.done,
            "chain": state.chain.hex(),
            "events": state.events,
            "books": state.books.to_json(),
            "record": {
                "row": record.row,
                "positions": {cusip: str(face) for cusip, face in record.positions.items()},
                "cash": str(record.cash),
                "receivable": str(record.receivable),
                "matured": str(record.matured),
                "calls": [call.to_json() for call in record.calls],
            },
            "parts": self._parts,
        }
        write_durably(self.folder / STATE, json.dumps(value).encode())


def _record(value: dict[str, Any]) -> DayRecord:
    return DayRecord(
        row=value["row"],
        positions={cusip: int(face) for cusip, face in value["positions"].items()},
        cash=int(value["cash"]),
        receivable=int(value["receivable"]),
        matured=int(value["matured"]),
        calls=tuple(OpenCall.from_json(call) for call in value["calls"]),
    )
