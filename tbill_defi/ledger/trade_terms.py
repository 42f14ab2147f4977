"""Trades agreed now and settled later: their terms, what is signed of them, and where they stand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date
from enum import IntEnum
from typing import Any, Self

from tbill_defi.core.errors import UsageError
from tbill_defi.core.hashing import keccak256
from tbill_defi.core.money import LARGEST_UNITS
from tbill_defi.ledger.eip712 import typed_digest, words

NOBODY = bytes(20)
LAST_YEAR = 9_000
MOST_FAIL_DAYS = 36_600
_NAME = b"tbill_defi TradeBook"
_TRADE_TYPE = keccak256(
    b"Trade(address seller,address buyer,address asset,address cash,uint128 face,uint128 proceeds,uint64 opens,"
    b"uint64 closes,uint64 deadline,uint128 minimum,uint128 lot,address clearer,address allocator,uint256 nonce)"
)
_CANCELLATION_TYPE = keccak256(b"Cancellation(bytes32 tradeId,uint128 settled)")
_ALLOCATION_TYPE = keccak256(b"Allocation(bytes32 tradeId,address[] accounts,uint128[] faces)")


class TradeStatus(IntEnum):
    """TradeBook's status; an open trade is pending until its settlement date has closed, and a fail after it."""

    NONE = 0
    OPEN = 1
    SETTLED = 2
    CANCELLED = 3
    ALLOCATED = 4
    NOVATED = 5


@dataclass(frozen=True, slots=True)
class TradeTerms:
    """Face of an asset against proceeds of a currency, on a date. Addresses are 20 bytes, amounts base units.

    Attributes
    ----------
    asset
        Token that the seller delivers: of a security, or of a currency against another.
    opens, closes
        First and last second (Unix time) of the settlement date; what is open after it has failed.
    deadline
        Last second at which it can settle at all.
    minimum, lot
        A part that settles is at least `minimum` and a multiple of `lot`; both 0: whole or not at all.
    clearer, allocator
        Who may novate it, and which of the two may allocate it; 20 zero bytes: nobody.
    """

    seller: bytes
    buyer: bytes
    asset: bytes
    cash: bytes
    face: int
    proceeds: int
    opens: int
    closes: int
    deadline: int
    minimum: int
    lot: int
    clearer: bytes
    allocator: bytes
    nonce: int

    def abi_value(self) -> tuple[Any, ...]:
        """The struct as the ABI encoder takes it."""
        return tuple(getattr(self, f.name) for f in fields(self))

    @classmethod
    def from_event(cls, arguments: Mapping[str, Any]) -> Self:
        """From a decoded event."""
        values: dict[str, Any] = {
            f.name: bytes.fromhex(arguments[f.name][2:]) if f.type == "bytes" else int(arguments[f.name])
            for f in fields(cls)
        }
        return cls(**values)

    def trade_id(self, chain_id: int, book: bytes) -> bytes:
        """EIP-712 digest for a chain id and a TradeBook: the trade's id, and what both parties sign."""
        return typed_digest(_NAME, chain_id, book, _TRADE_TYPE + words(*self.abi_value()))

    def cash_of(self, settled: int, face: int) -> int:
        """Cash for the next `face` of a trade of which `settled` has gone before.

        floor(proceeds x settled / face), less what was paid: a part favours the payer by less than one unit, and all
        parts make the proceeds exactly.
        """
        return self.proceeds * (settled + face) // self.face - self.proceeds * settled // self.face

    def allows(self, face: int, settled: int) -> bool:
        """Whether `face` may settle now, of which `settled` has gone before."""
        open_face = self.face - settled
        if face == open_face:
            return face > 0
        return self.lot > 0 and self.minimum <= face < open_face and face % self.lot == 0

    def largest(self, face: int, settled: int) -> int:
        """The largest amount not above `face` that may settle; 0 if none may."""
        open_face = self.face - settled
        if face >= open_face:
            return open_face
        part = face // self.lot * self.lot if self.lot else 0
        return part if part >= max(1, self.minimum) else 0


def check_amounts(face: int, proceeds: int, minimum: int, lot: int) -> None:
    """Raise UsageError, with the amount, if a trade cannot be of these base units."""
    for name, units in (("face", face), ("proceeds", proceeds), ("minimum", minimum), ("lot", lot)):
        if not isinstance(units, int):
            raise UsageError(f"trade: {name} {units!r} is not an integer, of base units")
    if not (0 < face <= LARGEST and 0 < proceeds <= LARGEST):
        raise UsageError(f"trade: face {face} and proceeds {proceeds} units must be positive, at most {LARGEST}")
    if (minimum or lot) and not 0 < lot <= minimum <= face:
        raise UsageError(f"trade: a partial needs 0 < lot <= minimum <= face; lot {lot}, minimum {minimum}")


def check_times(settlement_date: date, fail_days: int, nonce: int | None) -> None:
    """Raise UsageError if a trade cannot open on that date, stay open for so many days, or have that nonce."""
    if settlement_date.year > LAST_YEAR:
        raise UsageError(f"trade: settlement date {settlement_date} is after the year {LAST_YEAR}")
    if not 0 <= fail_days <= MOST_FAIL_DAYS:
        raise UsageError(
            f"trade: {fail_days} days after the settlement date is not 0 or more, at most {MOST_FAIL_DAYS}"
        )
    if nonce is not None and not 0 <= nonce < 2**256:
        raise UsageError(f"trade: nonce {nonce} is not from 0 to 2^256 - 1")


def cancellation_digest(chain_id: int, book: bytes, trade_id: bytes, settled: int) -> bytes:
    """What both parties sign to end what is open."""
    return typed_digest(_NAME, chain_id, book, _CANCELLATION_TYPE + words(trade_id, settled))


def allocation_digest(
    chain_id: int, book: bytes, trade_id: bytes, accounts: Sequence[bytes], faces: Sequence[int]
) -> bytes:
    """What the allocator of a block signs."""
    lists = keccak256(words(*accounts)) + keccak256(words(*faces))
    return typed_digest(_NAME, chain_id, book, _ALLOCATION_TYPE + trade_id + lists)


@dataclass(frozen=True, slots=True)
class Fill:
    """A part of a trade that has settled: Unix time, face and cash, base units."""

    at: int
    face: int
    cash: int


@dataclass(frozen=True, slots=True)
class TradeState:
    """A trade and where it stands, as the TradeBook's events tell it.

    `children` are the trades of the accounts that a block was allocated to.
    """

    trade_id: bytes
    terms: TradeTerms
    status: TradeStatus
    fills: tuple[Fill, ...] = ()
    children: tuple[bytes, ...] = ()

    @property
    def settled(self) -> int:
        """Face that has settled."""
        return sum(fill.face for fill in self.fills)

    @property
    def open_face(self) -> int:
        """Face that is still to settle here; 0 of a trade that has ended."""
        return self.terms.face - self.settled if self.status is TradeStatus.OPEN else 0

    def word(self, now: int) -> str:
        """pending, failed (its date has closed), lapsed (it can settle no more), settled, cancelled, ..."""
        if self.status is not TradeStatus.OPEN:
            return self.status.name.lower()
        if now > self.terms.deadline:
            return "lapsed"
        return "failed" if now > self.terms.closes else "pending"


LARGEST = min(LARGEST_UNITS, 2**127 - 1)
"""Of a trade's face and proceeds."""
