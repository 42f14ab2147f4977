"""What was imported, as Parquet files under `<home>/market/`: one file a kind, replaced atomically."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from tbill_defi.core.errors import DataError, UsageError
from tbill_defi.market.auctions import is_auctions, parse_auctions
from tbill_defi.market.data import KINDS, Kind, MarketData
from tbill_defi.market.fedinvest import COLUMNS, parse_fedinvest
from tbill_defi.market.par_yields import XML_DATE, is_fred, parse_par_yields, tenor_name
from tbill_defi.market.records import is_csv, table_of
from tbill_defi.market.sofr import is_sofr, parse_sofr
from tbill_defi.market.table import delimiter_of, lines_of, parse_date, read_text, show, split_line

NAMED_CHANGES = 20
"""How many changed values a report names; it counts them all."""

_NAME_DATES = (
    re.compile(r"(?<![0-9])(?P<y>[0-9]{4})([-_.]?)(?P<m>[0-9]{2})\2(?P<d>[0-9]{2})(?![0-9])"),
    re.compile(r"(?<![0-9])(?P<m>[0-9]{2})([-_.])(?P<d>[0-9]{2})\2(?P<y>[0-9]{4})(?![0-9])"),
)


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What one import did.

    Attributes
    ----------
    kind, path
        Kind of file, and the file.
    rows
        Rows in the file.
    new, changed, removed
        Rows that were not in the store; rows of which a stored value was replaced; rows of an earlier import of the
        same price sheet that the file no longer has.
    first, last
        First and last date of the file's rows.
    changes
        The first `NAMED_CHANGES` replaced values, such as "2026-03-24, 10 Yr: 0.0438 -> 0.0439".
    """

    kind: str
    path: Path
    rows: int
    new: int
    changed: int
    removed: int
    first: date
    last: date
    changes: tuple[str, ...]

    def describe(self) -> str:
        """One line for a person, and one more for each named change."""
        head = (
            f"{self.path.name}: {self.kind}, {self.rows:,} rows {self.first} to {self.last}, "
            f"{self.new:,} new, {self.changed:,} changed"
        )
        head += f", {self.removed:,} removed" if self.removed else ""
        return "\n  ".join((head, *self.changes))


def sniff(text: str, file: str) -> str:
    """The kind of a file by its column names, or by its first line.

    Raises
    ------
    DataError
        If it is none that is known.
    """
    if is_csv(text):
        cells = tuple(cell.strip() for cell in split_line(file, 1, lines_of(text)[0], delimiter_of(text)))
        seen = f"line 1: {show(lines_of(text)[0])} is the first line"
    else:
        cells = table_of(text, file).header
        seen = f"fields {show(', '.join(cells))} are those"
    if is_auctions(cells):
        return "auctions"
    yields = is_fred(cells) or XML_DATE in cells or (cells[:1] and cells[0].lower() == "date" and _has_tenor(cells))
    rates = is_sofr(cells)
    if yields and rates:
        raise DataError(f"{file} line 1: has both par yields and SOFR; import it twice, naming the kind each time")
    if yields or rates:
        return "par_yields" if yields else "sofr"
    if len(cells) == len(COLUMNS) and len(cells[0]) == 9 and parse_date(cells[3]):
        return "fedinvest"
    raise DataError(
        f"{file} {seen} of no known file; expected par yields (Date, 1 Mo, ...; FRED's DGS1MO, ...; the Treasury's XML "
        "feed), auction results (cusip, ..., auctionDate or auction_date, ...), a FedInvest sheet (8 columns, no "
        "header) or SOFR"
    )


def _has_tenor(cells: tuple[str, ...]) -> bool:
    return any(tenor_name(cell) for cell in cells)


def date_in_name(name: str) -> date | None:
    """The one date in a file's name: 2026-03-24, 20260324 or 03-24-2026; None if there is none or more than one."""
    found = set()
    for pattern in _NAME_DATES:
        for match in pattern.finditer(name):
            day = parse_date(f"{match['y']}-{match['m']}-{match['d']}")
            if day is not None:
                found.add(day)
    return found.pop() if len(found) == 1 else None


class MarketStore:
    """Imported market files.

    Parameters
    ----------
    home
        The folder of everything of one desk; the store lives in `<home>/market/`.
    """

    def __init__(self, home: str | Path) -> None:
        self.folder = Path(home) / "market"

    def _file(self, kind: Kind) -> Path:
        return self.folder / f"{kind.name}.parquet"

    def frame(self, kind: str) -> pl.DataFrame:
        """All stored rows of a kind ("par_yields", "auctions", "fedinvest", "sofr"); empty if none were imported.

        Raises
        ------
        DataError
            If the stored file is damaged or of another version.
        """
        entry = KINDS[kind]
        path = self._file(entry)
        if not path.exists():
            return pl.DataFrame(schema=entry.schema)
        cure = "delete it and import the source files again"
        try:
            frame = pl.read_parquet(path, glob=False)
        except (pl.exceptions.PolarsError, OSError) as error:
            raise DataError(f"{path}: is damaged ({str(error).splitlines()[0]}); {cure}") from None
        if dict(frame.schema) != entry.schema:
            raise DataError(f"{path}: has other columns than this version writes; {cure}")
        return frame

    def load(self) -> MarketData:
        """Everything stored."""
        return MarketData(**{kind: self.frame(kind) for kind in KINDS})

    def import_file(self, path: str | Path, *, kind: str | None = None, price_date: date | None = None) -> ImportReport:
        """Read a file and merge it into the store: all of it, or nothing.

        Importing the same file again changes nothing. Where a value differs from the stored one the file's wins, and
        the report counts and names it; a column without any value in the file says nothing. A price sheet replaces an
        earlier one of its date as a whole.

        Parameters
        ----------
        path
            The file.
        kind
            "par_yields", "auctions", "fedinvest" or "sofr"; None: told by the first line.
        price_date
            Day of a FedInvest sheet; None: the date in the file's name.

        Raises
        ------
        DataError
            If the file is bad, or a sheet has no date; the store is unchanged.
        UsageError
            If `kind` is none of these, or `price_date` is given for another kind.
        """
        path = Path(path)
        if kind is not None and kind not in KINDS:
            raise UsageError(f"kind: {kind!r} is not one of {', '.join(KINDS)}")
        text = read_text(path)
        entry = KINDS[kind or sniff(text, path.name)]
        if price_date is not None and entry.name != "fedinvest":
            raise UsageError(f"price_date: {path.name} is a {entry.name} file, which carries its own dates")
        frame = self._parse(text, path, entry, price_date)
        with self._one_writer():
            merged, report = merge(entry, self.frame(entry.name), frame, path)
            if report.new or report.changed or report.removed:
                self._replace(self._file(entry), merged)
        return report

    def replace(self, data: MarketData) -> None:
        """Store these frames in place of everything stored, each kind atomically."""
        with self._one_writer():
            for name, kind in KINDS.items():
                self._replace(self._file(kind), getattr(data, name))

    @contextmanager
    def _one_writer(self) -> Iterator[None]:
        """Wait until no other process imports, so that no import is lost (on POSIX; elsewhere import one by one)."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = os.open(self.folder / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise DataError(f"{self.folder}: cannot be written ({error.strerror})") from None
        try:
            if sys.platform != "win32":
                import fcntl

                fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    @staticmethod
    def _parse(text: str, path: Path, kind: Kind, price_date: date | None) -> pl.DataFrame:
        if kind.name == "fedinvest":
            price_date = price_date or date_in_name(path.name)
            if price_date is None:
                raise DataError(
                    f"{path.name}: a FedInvest sheet does not carry its date; give the price date, or put it in the "
                    "file's name such as fedinvest_2026-03-24.csv"
                )
            return parse_fedinvest(text, path.name, price_date)
        parsers: dict[str, Callable[[str, str], pl.DataFrame]] = {
            "par_yields": parse_par_yields,
            "auctions": parse_auctions,
            "sofr": parse_sofr,
        }
        return parsers[kind.name](text, path.name)

    def _replace(self, path: Path, frame: pl.DataFrame) -> None:
        """Write beside, fsync, rename: a crash leaves the old file or the new one, whole."""
        temporary: str | None = None
        try:
            handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".new", dir=self.folder)
            with os.fdopen(handle, "wb") as file:
                frame.write_parquet(file)
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).replace(path)
            temporary = None
        except OSError as error:
            raise DataError(f"{path}: cannot be written ({error.strerror or error})") from None
        finally:
            if temporary is not None:
                Path(temporary).unlink(missing_ok=True)
        _sync_folder(self.folder)


def _sync_folder(folder: Path) -> None:
    """Make a rename durable, where folders can be synced."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def merge(kind: Kind, stored: pl.DataFrame, frame: pl.DataFrame, path: Path) -> tuple[pl.DataFrame, ImportReport]:
    """The stored rows with a file's rows laid over them, and what that changed."""
    rows = {tuple(row[name] for name in kind.key): row for row in stored.to_dicts()}
    whole = kind.name == "fedinvest"
    silent = set() if whole else {name for name in frame.columns if frame[name].null_count() == frame.height}
    new, changed, changes = 0, 0, []
    given: set[tuple[Any, ...]] = set()
    for row in frame.to_dicts():
        key = tuple(row[name] for name in kind.key)
        given.add(key)
        old = rows.get(key)
        if old is None:
            new += 1
            rows[key] = row
            continue
        differing = [name for name in row if name not in silent and row[name] != old[name]]
        if differing:
            changed += 1
            label = " ".join(str(part) for part in key)
            changes += [f"{label}, {name}: {old[name]} -> {row[name]}" for name in differing]
            rows[key] = {**old, **{name: row[name] for name in differing}}
    days = set(frame[kind.day].to_list())
    gone = [key for key, row in rows.items() if whole and row[kind.day] in days and key not in given]
    for key in gone:
        del rows[key]
        changes.append(f"{' '.join(str(part) for part in key)}: no longer on the sheet")
    merged = pl.DataFrame(list(rows.values()), schema=kind.schema).sort(kind.order)
    report = ImportReport(
        kind=kind.name,
        path=path,
        rows=frame.height,
        new=new,
        changed=changed,
        removed=len(gone),
        first=min(days),
        last=max(days),
        changes=tuple(changes[:NAMED_CHANGES]),
    )
    return merged, report
