"""What was imported, as Parquet files under `<home>/market/`: one file a kind, replaced atomically."""

from __future__ import annotations

import io
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import polars as pl

from tbill_defi.core.errors import DataError, UsageError
from tbill_defi.core.files import write_durably
from tbill_defi.market.auctions import is_auctions, parse_auctions
from tbill_defi.market.data import KINDS, Kind, MarketData
from tbill_defi.market.fedinvest import COLUMNS, parse_fedinvest
from tbill_defi.market.merging import Merged, Precedence, merge
from tbill_defi.market.par_yields import XML_DATE, is_fred, is_treasury, parse_par_yields
from tbill_defi.market.records import is_csv, table_of
from tbill_defi.market.reference_cpi import is_reference_cpi, parse_reference_cpi
from tbill_defi.market.sightings import SCHEMA as SIGHTINGS
from tbill_defi.market.sightings import Sightings
from tbill_defi.market.sofr import is_sofr, parse_sofr
from tbill_defi.market.table import delimiter_of, lines_of, parse_date, read_text, show, split_line

NAMED_CHANGES = 20
"""How many changed values a report names; it counts them all."""

PARSERS: dict[str, Callable[[str, str], pl.DataFrame]] = {
    "par_yields": parse_par_yields,
    "auctions": parse_auctions,
    "sofr": parse_sofr,
    "reference_cpi": parse_reference_cpi,
}
"""Kind of file -> its reader, of a text and its name; a FedInvest sheet also needs its day."""

_NAME_DATES = (
    re.compile(r"(?<![0-9])(?P<y>[0-9]{4})([-_.]?)(?P<m>[0-9]{2})\2(?P<d>[0-9]{2})(?![0-9])"),
    re.compile(r"(?<![0-9])(?P<m>[0-9]{2})([-_.])(?P<d>[0-9]{2})\2(?P<y>[0-9]{4})(?![0-9])"),
)


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What one import did.

    Attributes
    ----------
    kind, source
        Kind of file, and the file or feed it comes from.
    rows
        Rows in the file.
    new, changed, removed
        Rows that were not in the store; rows of which a stored value was replaced; rows of an earlier import of the
        same price sheet that the file no longer has.
    differing
        Values that are not the stored ones, which stand: of a second source.
    first, last
        First and last date of the rows.
    changes
        The first `NAMED_CHANGES` values that differ, such as "2026-03-24, 10 Yr: 0.0438 -> 0.0439".
    """

    kind: str
    source: str
    rows: int
    new: int
    changed: int
    removed: int
    differing: int
    first: date
    last: date
    changes: tuple[str, ...]

    def describe(self) -> str:
        """One line for a person, and one more for each named change."""
        head = (
            f"{self.source}: {self.kind}, {self.rows:,} rows {self.first} to {self.last}, "
            f"{self.new:,} new, {self.changed:,} changed"
        )
        head += f", {self.removed:,} removed" if self.removed else ""
        head += f", {self.differing:,} differ and are not taken" if self.differing else ""
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
    yields = is_fred(cells) or XML_DATE in cells or is_treasury(cells)
    rates = is_sofr(cells)
    if is_reference_cpi(cells):
        return "reference_cpi"
    if yields and rates:
        raise DataError(f"{file} line 1: has both par yields and SOFR; import it twice, naming the kind each time")
    if yields or rates:
        return "par_yields" if yields else "sofr"
    if len(cells) == len(COLUMNS) and len(cells[0]) == 9 and parse_date(cells[3]):
        return "fedinvest"
    raise DataError(
        f"{file} {seen} of no known file; expected par yields (Date, 1 Mo, ...; FRED's DGS1MO, ...; the Treasury's XML "
        "feed), auction results (cusip, ..., auctionDate or auction_date, ...), a FedInvest sheet (8 columns, no "
        "header), SOFR or reference CPI (index_date, ref_cpi)"
    )


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
        self._sightings = self.folder / "sightings.parquet"

    def _file(self, kind: Kind) -> Path:
        return self.folder / f"{kind.name}.parquet"

    def frame(self, kind: str) -> pl.DataFrame:
        """All stored rows of a kind (a name of `KINDS`); empty if none were imported.

        Raises
        ------
        DataError
            If the stored file is damaged or of another version.
        """
        entry = KINDS[kind]
        return self._read(self._file(entry), entry.schema, "delete it and import the source files again")

    @staticmethod
    def _read(path: Path, schema: dict[str, pl.DataType], cure: str) -> pl.DataFrame:
        if not os.path.lexists(path):
            return pl.DataFrame(schema=schema)
        if not path.is_file():
            raise DataError(f"{path}: is not a regular file; {cure}")
        try:
            frame = pl.read_parquet(path, glob=False)
        except (pl.exceptions.PolarsError, OSError) as error:
            raise DataError(f"{path}: is damaged ({str(error).splitlines()[0]}); {cure}") from None
        if dict(frame.schema) != schema:
            raise DataError(f"{path}: has other columns than this version writes; {cure}")
        return frame

    def load(self) -> MarketData:
        """Everything stored."""
        return MarketData(**{kind: self.frame(kind) for kind in KINDS})

    def import_file(
        self,
        path: str | Path,
        *,
        kind: str | None = None,
        price_date: date | None = None,
        seen_at: int | None = None,
    ) -> ImportReport:
        """Read a file and merge it into the store: all of it, or nothing.

        Importing the same file again changes nothing. Where a value differs from the stored one the file's wins, and
        the report counts and names it; a column without any value in the file says nothing. A price sheet replaces an
        earlier one of its date as a whole.

        Parameters
        ----------
        path
            The file.
        kind
            A name of `KINDS`; None: told by the first line.
        price_date
            Day of a FedInvest sheet; None: the date in the file's name.
        seen_at
            Unix seconds of the import; None: nobody says.

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
        return self.add(entry.name, parse(text, path.name, entry.name, price_date), path.name, seen_at=seen_at)

    def add(
        self,
        kind: str,
        frame: pl.DataFrame,
        source: str,
        *,
        seen_at: int | None = None,
        precedence: Precedence = Precedence.FILE,
        check: Callable[[Merged], None] | None = None,
    ) -> ImportReport:
        """Merge the rows of a reader's frame into the store: all of them, or none.

        Parameters
        ----------
        source
            File or feed they come from, for reports and sightings.
        seen_at
            Unix seconds at which they were read; None: nobody says.
        precedence
            Whose value stands where one differs.
        check
            Sees what would change before anything does, and may raise.

        Raises
        ------
        DataError
            If the store cannot be read or written.
        """
        entry = KINDS[kind]
        with self._one_writer():
            merged = merge(entry, self.frame(kind), frame, precedence)
            if check is not None:
                check(merged)
            if merged.anything:
                seen = self.sightings().with_(kind, merged.new, merged.changes, seen_at=seen_at, source=source)
                self._replace(self._sightings, seen.frame)
                self._replace(self._file(entry), merged.frame)
        return ImportReport(
            kind=kind,
            source=source,
            rows=frame.height,
            new=len(merged.new),
            changed=len(merged.changed),
            removed=merged.removed,
            differing=len(merged.differing),
            first=frame[entry.day].min(),  # type: ignore[arg-type]
            last=frame[entry.day].max(),  # type: ignore[arg-type]
            changes=tuple(change.describe() for change in (*merged.changes, *merged.differing)[:NAMED_CHANGES]),
        )

    def sightings(self) -> Sightings:
        """When rows were first seen, and which values were replaced.

        Raises
        ------
        DataError
            If the stored file is damaged or of another version.
        """
        return Sightings(self._read(self._sightings, SIGHTINGS, "delete it; first-seen dates are lost"))

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

    def _replace(self, path: Path, frame: pl.DataFrame) -> None:
        data = io.BytesIO()
        try:
            frame.write_parquet(data)
            write_durably(path, data.getvalue())
        except OSError as error:
            raise DataError(f"{path}: cannot be written ({error.strerror or error})") from None


def parse(text: str, name: str, kind: str, price_date: date | None = None) -> pl.DataFrame:
    """The frame of a file's text, by its kind; a FedInvest sheet also needs its day, if not in its name.

    Raises
    ------
    DataError
        If the text is bad, or a sheet has no date.
    """
    if kind == "fedinvest":
        price_date = price_date or date_in_name(name)
        if price_date is None:
            raise DataError(
                f"{name}: a FedInvest sheet does not carry its date; give the price date, or put it in the "
                "file's name such as fedinvest_2026-03-24.csv"
            )
        return parse_fedinvest(text, name, price_date)
    return PARSERS[kind](text, name)
