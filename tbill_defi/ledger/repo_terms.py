"""A repo as its parties sign it: terms by address, the hashes of every act, and a quote that travels as JSON.

The hashes are computed here by the recipe of contracts/src/repo/RepoTerms.sol; the RepoFacility recomputes them, so a
difference is a refusal, never a wrong repo.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self, TypeVar

from tbill_defi.core.clock import new_york_midnight
from tbill_defi.core.errors import DataError, UsageError
from tbill_defi.core.hashing import keccak256
from tbill_defi.instruments.repo import Repo
from tbill_defi.ledger.deployment import CURRENCY
from tbill_defi.ledger.eip712 import words
from tbill_defi.ledger.settlement import Instruction, Leg, PlanLeg

_T = TypeVar("_T")

FACILITY = "repo-facility"
"""Party name of the contract that holds collateral."""
_TERMS_TYPE = keccak256(
    b"RepoTerms(address lender,address borrower,address token,uint256 face,uint256 cash,uint64 rateE9,"
    b"uint64 start,uint64 end,uint8 marginRule,uint64 marginE9,uint32 callSeconds,uint256 nonce)"
)
_MARGIN_TYPE = keccak256(b"RepoMargin(bytes32 repoId,uint32 act,uint64 asOf)")
_SUBSTITUTION_TYPE = keccak256(b"RepoSubstitution(bytes32 repoId,uint32 act,uint64 asOf,address token,uint256 face)")
_REPURCHASE_TYPE = keccak256(b"RepoRepurchase(bytes32 repoId,uint32 act,uint64 asOf,uint256 principal,uint256 face)")


@dataclass(frozen=True, slots=True)
class RepoTerms:
    """A repo's terms between two wallets, against the token of its collateral; 20-byte addresses.

    `call_seconds` is the time to meet a margin call. `repo_id` names the repo on the ledger.

    Raises
    ------
    UsageError
        If `call_seconds` has more than 32 bits or `nonce` more than 256, or either is negative.
    """

    repo: Repo
    lender: bytes
    borrower: bytes
    token: bytes
    call_seconds: int
    nonce: int

    def __post_init__(self) -> None:
        for name, value, bits in (("call_seconds", self.call_seconds, 32), ("nonce", self.nonce, 256)):
            if not 0 <= value < 2**bits:
                raise UsageError(f"repo: {name}: {value} is not in [0, 2^{bits})")

    def abi_value(self) -> tuple[Any, ...]:
        """The struct as the ABI encoder takes it."""
        repo = self.repo
        return (
            self.lender,
            self.borrower,
            self.token,
            repo.face_units,
            repo.cash_units,
            repo.rate_e9,
            new_york_midnight(repo.start_date),
            new_york_midnight(repo.end_date),
            repo.margin_rule.code,
            repo.margin_e9,
            self.call_seconds,
            self.nonce,
        )

    @property
    def repo_id(self) -> bytes:
        """Struct hash of the terms: the repo's name, and the contextHash of its opening."""
        return keccak256(_TERMS_TYPE + words(*self.abi_value()))


def opening_legs(repo: Repo, lender: str, borrower: str) -> list[PlanLeg]:
    """What moves when a repo is opened."""
    return [
        PlanLeg(repo.cusip, borrower, FACILITY, repo.face_units),
        PlanLeg(CURRENCY, lender, borrower, repo.cash_units),
    ]


def margin_hash(repo_id: bytes, act: int, as_of: int) -> bytes:
    """The contextHash of margin delivered."""
    return keccak256(_MARGIN_TYPE + words(repo_id, act, as_of))


def substitution_hash(repo_id: bytes, act: int, as_of: int, token: bytes, face_units: int) -> bytes:
    """The contextHash of a substitution by that much of that token."""
    return keccak256(_SUBSTITUTION_TYPE + words(repo_id, act, as_of, token, face_units))


def repurchase_hash(repo_id: bytes, act: int, as_of: int, principal_units: int, face_units: int) -> bytes:
    """The contextHash of a repurchase of that much cash against that much face."""
    return keccak256(_REPURCHASE_TYPE + words(repo_id, act, as_of, principal_units, face_units))


@dataclass(frozen=True, slots=True)
class RepoQuote:
    """Terms and the Instruction that opens them, with the signatures there are: one binds its signer until `deadline`.

    Attributes
    ----------
    lender, borrower
        Party names.
    signatures
        Signer's address -> signature over the Instruction.
    """

    terms: RepoTerms
    instruction: Instruction
    lender: str
    borrower: str
    signatures: dict[bytes, bytes] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """JSON form: terms as in `Repo`, amounts as decimal text, bytes as 0x-hex."""
        instruction, repo = self.instruction, self.terms.repo.model_dump(mode="json")
        repo |= {name: str(repo[name]) for name in ("face_units", "cash_units")}
        return {
            "repo_id": "0x" + self.terms.repo_id.hex(),
            "repo": repo,
            "lender": self.lender,
            "borrower": self.borrower,
            "lender_address": "0x" + self.terms.lender.hex(),
            "borrower_address": "0x" + self.terms.borrower.hex(),
            "token": "0x" + self.terms.token.hex(),
            "call_seconds": self.terms.call_seconds,
            "nonce": str(self.terms.nonce),
            "not_before": instruction.not_before,
            "deadline": instruction.deadline,
            "instruction_nonce": str(instruction.nonce),
            "plan_hash": "0x" + instruction.plan_hash.hex(),
            "legs": [
                {
                    "token": "0x" + leg.token.hex(),
                    "from": "0x" + leg.giver.hex(),
                    "to": "0x" + leg.receiver.hex(),
                    "amount": str(leg.amount),
                }
                for leg in instruction.legs
            ],
            "signatures": {"0x" + who.hex(): "0x" + what.hex() for who, what in sorted(self.signatures.items())},
        }

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Read `to_json` back.

        Raises
        ------
        DataError
            If a field is missing or not what it should be, or the id is not that of the terms.
        """
        told = _Told(value)
        repo = told.of("repo", _repo)
        terms = RepoTerms(
            repo=repo,
            lender=told.of("lender_address", _address),
            borrower=told.of("borrower_address", _address),
            token=told.of("token", _address),
            call_seconds=told.of("call_seconds", _uint(32)),
            nonce=told.of("nonce", _uint(256)),
        )
        instruction = Instruction(
            legs=told.of("legs", lambda legs: tuple(map(_leg, legs))),
            not_before=told.of("not_before", _uint(64)),
            deadline=told.of("deadline", _uint(64)),
            nonce=told.of("instruction_nonce", _uint(256)),
            context_hash=terms.repo_id,
            plan_hash=told.of("plan_hash", _word),
        )
        signatures = told.of("signatures", lambda given: {_address(who): _bytes(what) for who, what in given.items()})
        given, lender, borrower = told.of("repo_id", _word), told.of("lender", _text), told.of("borrower", _text)
        if given != terms.repo_id:
            raise DataError(f"repo quote: the id 0x{given.hex()} is not that of its terms 0x{terms.repo_id.hex()}")
        return cls(terms, instruction, lender, borrower, signatures)


class _Told:
    """A quote's JSON, read field by field."""

    def __init__(self, value: Any) -> None:
        if not isinstance(value, dict):
            raise DataError("repo quote: it is no JSON object; give a file of `repo quote`")
        self._value = value

    def of(self, name: str, read: Callable[[Any], _T]) -> _T:
        if name not in self._value:
            raise DataError(f"repo quote: {name} is missing; give a file of `repo quote`")
        found = self._value[name]
        try:
            return read(found)
        except (KeyError, TypeError, ValueError, AttributeError):
            shown = repr(found) if len(repr(found)) < 60 else repr(found)[:60] + "..."
            raise DataError(f"repo quote: {name}: {shown} is not what `repo quote` writes there") from None


def _repo(value: Any) -> Repo:
    return Repo(**{**value, **{name: _uint(88)(value[name]) for name in ("face_units", "cash_units")}})


def _leg(value: Any) -> Leg:
    return Leg(_address(value["token"]), _address(value["from"]), _address(value["to"]), _uint(256)(value["amount"]))


def _uint(bits: int) -> Callable[[Any], int]:
    def read(value: Any) -> int:
        found = int(value) if isinstance(value, str) and value.isdecimal() else value
        if type(found) is not int or not 0 <= found < 2**bits:
            raise ValueError(value)
        return found

    return read


def _address(text: Any) -> bytes:
    return _sized(text, 20)


def _word(text: Any) -> bytes:
    return _sized(text, 32)


def _sized(text: Any, size: int) -> bytes:
    found = _bytes(text)
    if len(found) != size:
        raise ValueError(text)
    return found


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))
