"""Holdings of one party: face and cash in base units, what of it cannot move, and what it cost."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING

from tbill_defi.core.errors import ConventionError, DataError, PlanError
from tbill_defi.core.files import read_text
from tbill_defi.core.frozen import FrozenMap
from tbill_defi.core.hashing import json_hash
from tbill_defi.core.identifiers import cusip as parse_cusip
from tbill_defi.core.identifiers import party_name
from tbill_defi.core.money import units

if TYPE_CHECKING:
    from tbill_defi.ledger.books import Wallet
    from tbill_defi.ledger.ledger import Ledger

COLUMNS = ("cusip", "face", "cost_price")
CASH_NAMES = ("USD", "CASH")
MAX_ROWS = 100_000
MOST_UNITS = 10**18
"""Stated limit of one position and of cash: a trillion dollars."""


@dataclass(frozen=True)
class Holdings:
    """What a party holds at one moment.

    Attributes
    ----------
    party
        The party's name on the ledger.
    positions
        CUSIP -> face, base units (10^-6 dollar of face), all positive.
    cash_units
        Dollars, base units (10^-6).
    unavailable
        CUSIP -> face that is frozen or held and so cannot be sold.
    cost_prices
        CUSIP -> clean price per 100 paid, where known. Not part of the hash: it moves no decision.
    """

    party: str
    positions: Mapping[str, int]
    cash_units: int = 0
    unavailable: Mapping[str, int] = field(default_factory=dict)
    cost_prices: Mapping[str, Decimal] = field(default_factory=dict)

    def __post_init__(self) -> None:
        party_name(self.party)
        for name in ("positions", "unavailable", "cost_prices"):
            object.__setattr__(self, name, FrozenMap(getattr(self, name)))
        for cusip, face in self.positions.items():
            if face <= 0:
                raise ConventionError(f"face of {cusip}: {face} base units is not positive")
        if self.cash_units < 0:
            raise ConventionError(f"cash of {self.party}: {self.cash_units} base units is negative")
        for name, amount in {**self.positions, "cash": self.cash_units}.items():
            if amount > MOST_UNITS:
                raise ConventionError(f"{name}: {amount} base units is more than a trillion dollars")

    @classmethod
    def read(cls, path: str | Path, *, party: str = "desk") -> Holdings:
        """Read positions from a CSV file with the columns cusip, face, cost_price.

        A row whose cusip is USD or CASH is the cash balance, in dollars. Empty cost prices are allowed.

        Raises
        ------
        DataError
            Naming file, line, column, value and what was expected. The file is read whole or not at all.
        """
        positions: dict[str, int] = {}
        costs: dict[str, Decimal] = {}
        cash: int | None = None
        for where, row in _rows(Path(path)):
            name = row["cusip"].strip().upper()
            amount = _face(where, row["face"])
            if name in CASH_NAMES:
                if cash is not None:
                    raise DataError(f'{where}, column "cusip": {name} is there twice; one cash row is expected')
                cash = amount
                continue
            try:
                parse_cusip(name)
            except ConventionError as error:
                raise DataError(f'{where}, column "cusip": {error}') from None
            if name in positions:
                raise DataError(f'{where}, column "cusip": {name} is there twice; give one row per CUSIP')
            if amount == 0:
                raise DataError(f'{where}, column "face": {row["face"]} is not positive')
            positions[name] = amount
            cost = row.get("cost_price") or ""
            if cost.strip():
                costs[name] = _price(where, cost)
        if not positions and cash is None:
            raise DataError(f"{path}: no position in it; expected rows of cusip,face,cost_price")
        return cls(party, positions, cash or 0, {}, costs)

    @classmethod
    def from_wallet(cls, wallet: Wallet) -> Holdings:
        """What a party's wallet holds on a ledger, with what of it is frozen or on hold."""
        return cls(wallet.party, wallet.positions, wallet.cash, wallet.unavailable())

    @classmethod
    def of(cls, ledger: Ledger, party: str) -> Holdings:
        """What a party can make a plan with: its wallet, or what is accounted to its managed account.

        Raises
        ------
        LedgerError
            If the party has no wallet on the ledger.
        PlanError
            If it has assets in another wallet than its first, which alone settles its plans, or is a managed account
            in whose books nothing of its assets is.
        """
        from tbill_defi.ledger.mandate import managed_account

        first, *others = ledger.wallet(party).addresses
        books = ledger.books()
        found = {address: books.wallet(party, (address,)) for address in others}
        if stray := [address for address, other in found.items() if other.positions or other.cash]:
            raise PlanError(
                f"{party} has assets in {', '.join(stray)}; plans settle from its first wallet {first} alone, "
                "move them there"
            )
        wallet = books.settling_wallet(party)
        account = managed_account(ledger, party)
        if account is None:
            return cls.from_wallet(wallet)
        if account.unrecognised and not account.positions and not account.cash:
            raise PlanError(
                f"holdings: nothing of {party}'s account is in its books; `tbill mandate recognise {party}` takes it in"
            )
        blocked = wallet.unavailable()
        spare = {c: wallet.positions[c] - blocked.get(c, 0) for c in account.positions}
        unavailable = {c: units - spare[c] for c, units in account.positions.items() if units > spare[c]}
        return cls(party, account.positions, account.cash, unavailable)

    def available(self, cusip: str) -> int:
        """Face that can be sold, base units."""
        return max(0, self.positions.get(cusip, 0) - self.unavailable.get(cusip, 0))

    def content_hash(self) -> bytes:
        """Keccak-256 of the canonical JSON {party, positions, cash, unavailable}, amounts as decimal text."""
        return json_hash(self.content())

    def content(self) -> dict[str, object]:
        """What `content_hash` is made of."""
        return {
            "party": self.party,
            "positions": {cusip: str(face) for cusip, face in self.positions.items()},
            "cash": str(self.cash_units),
            "unavailable": {cusip: str(face) for cusip, face in self.unavailable.items() if face},
        }


def _rows(path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    try:
        text = read_text(path)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise DataError(
            f"{path}: is not UTF-8 text; expected a CSV file with the columns {','.join(COLUMNS)}"
        ) from None
    reader = csv.reader(text.splitlines(), strict=True)
    try:
        header = [name.strip().lower() for name in next(reader, [])]
        if not any(header):
            raise DataError(f"{path.name} line 1: is empty; expected the columns {','.join(COLUMNS)}")
        for name in COLUMNS:
            if header.count(name) > 1 or (name in COLUMNS[:2] and name not in header):
                found = "two columns" if name in header else "no column"
                raise DataError(f'{path.name} line 1: {found} "{name}"; expected {",".join(COLUMNS)}')
        for count, fields in enumerate(reader, start=1):
            if not any(f.strip() for f in fields):
                continue
            where = f"{path.name} line {reader.line_num}"
            if count > MAX_ROWS:
                raise DataError(f"{where}: more than {MAX_ROWS:,} rows")
            if len(fields) != len(header):
                raise DataError(
                    f"{where}: {','.join(fields)!r} has {len(fields)} fields, the header {len(header)}; an amount with "
                    "thousands separators needs quotes"
                )
            yield where, dict(zip(header, fields, strict=True))
    except csv.Error as error:
        raise DataError(f"{path.name} line {reader.line_num}: is not CSV: {error}") from None


def _face(where: str, text: str) -> int:
    try:
        amount = units(text, field="face")
    except ConventionError as error:
        raise DataError(f'{where}, column "face": {error}') from None
    if amount < 0:
        raise DataError(f'{where}, column "face": {text} is negative; expected dollars of face such as 1000000')
    if amount > MOST_UNITS:
        raise DataError(f'{where}, column "face": {text} is more than a trillion dollars')
    return amount


def _price(where: str, text: str) -> Decimal:
    try:
        price = Decimal(text.strip())
    except InvalidOperation:
        price = Decimal("NaN")
    if not price.is_finite() or not 0 < price < 1000:
        raise DataError(f'{where}, column "cost_price": {text!r} is not a clean price per 100 face such as 99.515625')
    return price
