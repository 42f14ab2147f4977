"""A repo as its parties sign it: terms by address, the hashes of every act, and a quote that travels as JSON.

The hashes are computed here by the recipe of contracts/src/repo/RepoTerms.sol; the RepoFacility recomputes them, so a
difference is a refusal, never a wrong repo.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Self

from tbill_defi.core.clock import new_york_midnight
from tbill_defi.core.errors import DataError, UsageError
from tbill_defi.core.fields import Document, as_address, as_bytes, as_text, as_uint, as_word, uint
from tbill_defi.core.hashing import keccak256
from tbill_defi.instruments.repo import Repo
from tbill_defi.ledger.deployment import CURRENCY
from tbill_defi.ledger.eip712 import words
from tbill_defi.ledger.settlement import Instruction, Leg, PlanLeg

FACILITY = "repo-facility"
"""Party name of the contract that holds collateral."""
_of = Document("repo quote", "repo quote").field
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
        repo = _of(value, "repo", _repo)
        terms = RepoTerms(
            repo=repo,
            lender=_of(value, "lender_address", as_address),
            borrower=_of(value, "borrower_address", as_address),
            token=_of(value, "token", as_address),
            call_seconds=_of(value, "call_seconds", uint(32)),
            nonce=_of(value, "nonce", as_uint),
        )
        instruction = Instruction(
            legs=_of(value, "legs", lambda legs: tuple(map(_leg, legs))),
            not_before=_of(value, "not_before", uint(64)),
            deadline=_of(value, "deadline", uint(64)),
            nonce=_of(value, "instruction_nonce", as_uint),
            context_hash=terms.repo_id,
            plan_hash=_of(value, "plan_hash", as_word),
        )
        signatures = _of(value, "signatures", _signatures)
        given = _of(value, "repo_id", as_word)
        lender, borrower = (_of(value, name, as_text) for name in ("lender", "borrower"))
        if given != terms.repo_id:
            raise DataError(f"repo quote: the id 0x{given.hex()} is not that of its terms 0x{terms.repo_id.hex()}")
        return cls(terms, instruction, lender, borrower, signatures)


def _repo(value: Any) -> Repo:
    return Repo(**{**value, **{name: uint(88)(value[name]) for name in ("face_units", "cash_units")}})


def _leg(value: Any) -> Leg:
    return Leg(as_address(value["token"]), as_address(value["from"]), as_address(value["to"]), as_uint(value["amount"]))


def _signatures(value: Any) -> dict[bytes, bytes]:
    return {as_address(who): as_bytes(signature) for who, signature in value.items()}
