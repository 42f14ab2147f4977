"""Terms of an option, its id, and the signed quote by which it is bought.

The id is that of the writer's hold whose salt is the EIP-712 struct hash of the terms; it is the context of the
Instruction that pays the premium, so who signs that has signed the terms. All numbers are the contract's integers: the
strike is a clean price per 100 face in 10^-6, face and cash are base units, times are Unix seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import IntEnum
from typing import Any

from tbill_defi.core.clock import market_date, new_york_midnight
from tbill_defi.core.errors import DataError
from tbill_defi.core.hashing import keccak256
from tbill_defi.core.identifiers import bytes32
from tbill_defi.ledger.eip712 import hold_id, words
from tbill_defi.ledger.settlement import Instruction, Leg

KINDS = ("call", "put")
"""In the order of the contract's enum."""
_SCHEDULE_TEXT = (
    b"Schedule(uint32 couponE9,uint40 accrualStart,uint40 priorCoupon,uint40 previousCoupon,uint40 nextCoupon)"
)
_SCHEDULE_TYPE = keccak256(_SCHEDULE_TEXT)
_TERMS_TYPE = keccak256(
    b"OptionTerms(address writer,address holder,bytes32 cusip,uint8 kind,uint64 strikeE6,uint88 face,"
    b"uint64 settlementDate,uint64 exerciseFrom,uint64 exerciseUntil,Schedule schedule,uint256 salt)" + _SCHEDULE_TEXT
)
_EXERCISE_TYPE = keccak256(b"Exercise(bytes32 optionId)")


def exercise_context(option_id: bytes) -> bytes:
    """Context of the Instruction that exercises an option."""
    return keccak256(_EXERCISE_TYPE + option_id)


@dataclass(frozen=True, slots=True)
class OptionTerms:
    """A European option on a security, settled by delivery.

    Attributes
    ----------
    writer, holder
        Wallets.
    kind
        "call" or "put": the holder may buy or sell.
    strike_e6
        Clean, 10^-6 per 100 face; the payer pays it and the interest accrued at the expiry date.
    settles_at
        New York midnight of the expiry date, on which an exercise settles; Unix seconds.
    exercise_from, exercise_until
        First and last second of the window, on the expiry date.
    schedule
        Where the coupon accrues on the expiry date: coupon_e9, accrual_start, prior_coupon, previous_coupon,
        next_coupon (`ledger.accrual`), dates as New York midnights; zeros for a bill.
    salt
        Tells options of the same terms apart.
    """

    writer: bytes
    holder: bytes
    cusip: str
    kind: str
    strike_e6: int
    face_units: int
    settles_at: int
    exercise_from: int
    exercise_until: int
    schedule: tuple[int, ...] = (0, 0, 0, 0, 0)
    salt: int = 0

    @property
    def expiry(self) -> date:
        """New York date on which an exercise settles."""
        return market_date(self.settles_at)

    @property
    def option_id(self) -> bytes:
        """Its name, and that of the hold that covers a call."""
        return hold_id(self.writer, self.hold_salt)

    @property
    def hold_salt(self) -> bytes:
        """Struct hash of the terms."""
        schedule = keccak256(_SCHEDULE_TYPE + words(*self.schedule))
        return keccak256(_TERMS_TYPE + words(*self._head(), schedule, self.salt))

    def _head(self) -> tuple[int | bytes, ...]:
        return (
            self.writer,
            self.holder,
            bytes32(self.cusip),
            KINDS.index(self.kind),
            self.strike_e6,
            self.face_units,
            self.settles_at,
            self.exercise_from,
            self.exercise_until,
        )

    def abi_value(self) -> tuple[Any, ...]:
        """The struct as the ABI encoder takes it."""
        return (*self._head(), self.schedule, self.salt)

    @classmethod
    def from_abi(cls, raw: dict[str, Any]) -> OptionTerms:
        """From the decoded event, in which integers are text and addresses 0x-text."""
        return cls(
            bytes.fromhex(raw["writer"][2:]),
            bytes.fromhex(raw["holder"][2:]),
            bytes.fromhex(raw["cusip"][2:]).rstrip(b"\0").decode(),
            KINDS[int(raw["kind"])],
            int(raw["strikeE6"]),
            int(raw["face"]),
            int(raw["settlementDate"]),
            int(raw["exerciseFrom"]),
            int(raw["exerciseUntil"]),
            tuple(int(raw["schedule"][name]) for name in _SCHEDULE_FIELDS),
            int(raw["salt"]),
        )

    def to_json(self) -> dict[str, Any]:
        """JSON form; base units and the salt as decimal text."""
        return {
            "writer": "0x" + self.writer.hex(),
            "holder": "0x" + self.holder.hex(),
            "cusip": self.cusip,
            "kind": self.kind,
            "strike_e6": self.strike_e6,
            "face": str(self.face_units),
            "expiry": self.expiry.isoformat(),
            "exercise_from": self.exercise_from,
            "exercise_until": self.exercise_until,
            "schedule": list(self.schedule),
            "salt": str(self.salt),
        }

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> OptionTerms:
        """Inverse of `to_json`."""
        return cls(
            bytes.fromhex(raw["writer"][2:]),
            bytes.fromhex(raw["holder"][2:]),
            raw["cusip"],
            KINDS[KINDS.index(raw["kind"])],
            raw["strike_e6"],
            int(raw["face"]),
            new_york_midnight(date.fromisoformat(raw["expiry"])),
            raw["exercise_from"],
            raw["exercise_until"],
            tuple(int(value) for value in raw["schedule"]),
            int(raw["salt"]),
        )


_SCHEDULE_FIELDS = ("couponE9", "accrualStart", "priorCoupon", "previousCoupon", "nextCoupon")


@dataclass(frozen=True, slots=True)
class OptionQuote:
    """The writer's offer: his signature over the Instruction that pays `premium_units`, good until its deadline."""

    terms: OptionTerms
    writer: str
    holder: str
    instruction: Instruction
    signature: bytes

    @property
    def premium_units(self) -> int:
        """Cash, base units."""
        return self.instruction.legs[0].amount

    def to_json(self) -> dict[str, Any]:
        """What `option quote` writes and `option write` and `option buy` read."""
        given, leg = self.instruction, self.instruction.legs[0]
        return {
            "option_id": "0x" + self.terms.option_id.hex(),
            "terms": self.terms.to_json(),
            "writer": self.writer,
            "holder": self.holder,
            "premium": str(leg.amount),
            "leg": {"token": "0x" + leg.token.hex(), "to": "0x" + leg.receiver.hex()},
            "not_before": given.not_before,
            "deadline": given.deadline,
            "nonce": str(given.nonce),
            "plan_hash": "0x" + given.plan_hash.hex(),
            "signature": "0x" + self.signature.hex(),
        }

    @classmethod
    def from_json(cls, raw: Any) -> OptionQuote:
        """Inverse of `to_json`.

        Raises
        ------
        DataError
            If it is not such a quote.
        """
        try:
            terms = OptionTerms.from_json(raw["terms"])
            token, to = (bytes.fromhex(raw["leg"][name][2:]) for name in ("token", "to"))
            instruction = Instruction(
                (Leg(token, terms.holder, to, int(raw["premium"])),),
                raw["not_before"],
                raw["deadline"],
                int(raw["nonce"]),
                terms.option_id,
                bytes.fromhex(raw["plan_hash"][2:]),
            )
            quote = cls(terms, raw["writer"], raw["holder"], instruction, bytes.fromhex(raw["signature"][2:]))
            honest = raw["option_id"] == "0x" + terms.option_id.hex()
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise DataError(f"option: the file is not a quote of `tbill option quote` ({error!r})") from None
        if not honest:
            raise DataError("option: the quote's terms are not those of its option_id; ask for another")
        return quote


class OptionStatus(IntEnum):
    """As the contract counts them."""

    NONE = 0
    WRITTEN = 1
    OPEN = 2
    EXERCISED = 3
    EXPIRED = 4
    WITHDRAWN = 5


@dataclass(frozen=True, slots=True)
class OptionState:
    """An option and where it stands; base units.

    Attributes
    ----------
    writer, holder
        Names of the parties.
    payment_units
        Strike and accrued interest for the whole face.
    premium_units
        0 before it is bought.
    bought_at
        Unix seconds; 0 before it is bought.
    """

    terms: OptionTerms
    writer: str
    holder: str
    status: OptionStatus
    payment_units: int
    premium_units: int = 0
    bought_at: int = 0

    @property
    def option_id(self) -> bytes:
        """Its id."""
        return self.terms.option_id

    @property
    def is_live(self) -> bool:
        """Whether collateral is set aside for it: written or bought, and not ended."""
        return self.status in (OptionStatus.WRITTEN, OptionStatus.OPEN)
