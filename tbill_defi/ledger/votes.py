"""Votes of a security's holders: the issuer asks for their consent, each votes what he held at the record time.

A position is a wallet on the register or, in the repo facility and the early redemption queue, an account there: it is
voted by its owner, by who stands for a wallet that was recovered, or, of a managed account, by the account's owner.
A party votes all its positions at once, by a transaction or by ballots that it signs and anyone brings to the ledger.
Weights are base units of face, 10^-6 dollar.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from enum import IntEnum
from fractions import Fraction
from typing import Any, Self

from tbill_defi.chain.types import Call, Receipt
from tbill_defi.core.clock import new_york_midnight
from tbill_defi.core.errors import LedgerError, UsageError
from tbill_defi.core.fields import Document, as_address, as_bytes, as_uint, as_word
from tbill_defi.core.hashing import keccak256
from tbill_defi.ledger.abi import decode_result, encode_call
from tbill_defi.ledger.deployment import Step
from tbill_defi.ledger.eip712 import typed_digest, words
from tbill_defi.ledger.ledger import OPERATOR, Ledger
from tbill_defi.ledger.securities import required_security

CONTRACT = "HolderVotes"
LARGEST_TERM = 2**32 - 1
ALL_BP = 10_000
NO_ACCOUNT = bytes(32)
_NAME = b"tbill_defi HolderVotes"
_BALLOT_TYPE = keccak256(b"Ballot(bytes32 voteId,address holder,bytes32 account,uint8 choice,uint256 nonce)")
_NOBODY = bytes(20)
_field = Document("ballot", "vote cast --sign").field


class Choice(IntEnum):
    """What a position says; NONE takes a vote back."""

    NONE = 0
    FOR = 1
    AGAINST = 2
    ABSTAIN = 3


class Stage(IntEnum):
    """Where a vote stands on the ledger; one whose deadline is over stays OPEN until it is closed."""

    OPEN = 1
    WITHDRAWN = 2
    CLOSED = 3


@dataclass(frozen=True, slots=True)
class Threshold:
    """What carries a resolution.

    Attributes
    ----------
    fraction
        Of what voted for or against, or of all that is outstanding.
    more_than
        More than the fraction; else at least it.
    of_outstanding
        Which of the two it is a fraction of.
    quorum_bp
        Basis points of what is outstanding that must have voted, abstentions too.
    """

    fraction: Fraction = Fraction(1, 2)
    more_than: bool = True
    of_outstanding: bool = False
    quorum_bp: int = 0

    def __post_init__(self) -> None:
        within = 0 < self.fraction < 1 or (self.fraction == 1 and not self.more_than)
        if not within or self.fraction.denominator > LARGEST_TERM:
            raise UsageError(f"vote: {self.fraction} is no threshold; a fraction such as 2/3, above 0, that can be met")
        if not 0 <= self.quorum_bp <= ALL_BP:
            raise UsageError(f"vote: a quorum of {self.quorum_bp} basis points is not between 0 and {ALL_BP}")


@dataclass(frozen=True, slots=True)
class Tally:
    """Units that have not voted, and those that have; they sum to what is outstanding."""

    silent: int
    in_favour: int
    against: int
    abstained: int

    @property
    def outstanding(self) -> int:
        """All of them."""
        return self.silent + self.in_favour + self.against + self.abstained


@dataclass(frozen=True, slots=True)
class Vote:
    """A vote as it stands.

    Attributes
    ----------
    record_time
        New York midnight: positions at the end of the second before it count.
    deadline
        Last second at which can be voted.
    text_hash
        Keccak-256 of the resolution.
    carries
        Whether it is carried by the tally as it stands; final once `over`.
    over
        Whether the deadline has passed.
    """

    vote_id: bytes
    cusip: str
    record_time: int
    deadline: int
    threshold: Threshold
    text_hash: bytes
    stage: Stage
    tally: Tally
    carries: bool
    over: bool

    @property
    def word(self) -> str:
        """Where it stands: "open", "withdrawn", "carried" or "rejected"."""
        if self.stage is Stage.WITHDRAWN:
            return "withdrawn"
        return ("carried" if self.carries else "rejected") if self.over else "open"


@dataclass(frozen=True, slots=True)
class Position:
    """Units that one vote is of.

    Attributes
    ----------
    holder, account
        The wallet on the register, and in a custody the account (32 bytes, else zero).
    voter
        Address of who votes it now.
    choice, count
        What it said last, and how often it spoke: the nonce of its next ballot.
    """

    holder: bytes
    account: bytes
    voter: bytes
    weight: int
    choice: Choice
    count: int


@dataclass(frozen=True, slots=True)
class Ballot:
    """A vote of one position that its voter signs; good once, and in its turn."""

    vote_id: bytes
    holder: bytes
    account: bytes
    choice: Choice
    nonce: int

    def digest(self, chain_id: int, votes: bytes) -> bytes:
        """EIP-712 digest for the contract at `votes`."""
        struct = _BALLOT_TYPE + words(*self.abi_value())
        return typed_digest(_NAME, chain_id, votes, struct)

    def abi_value(self) -> tuple[Any, ...]:
        """As the contract takes it."""
        return (self.vote_id, self.holder, self.account, int(self.choice), self.nonce)


@dataclass(frozen=True, slots=True)
class SignedBallot:
    """A ballot and its signature."""

    ballot: Ballot
    signature: bytes

    def to_json(self) -> dict[str, Any]:
        """JSON form: bytes as 0x-text, the choice by name."""
        found = {name: _text(value) for name, value in asdict(self.ballot).items()}
        return {**found, "choice": self.ballot.choice.name.lower(), "signature": _text(self.signature)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Read it back; DataError names what is wrong."""
        ballot = Ballot(
            vote_id=_field(value, "vote_id", as_word),
            holder=_field(value, "holder", as_address),
            account=_field(value, "account", as_word),
            choice=_field(value, "choice", lambda word: Choice[word.upper()]),
            nonce=_field(value, "nonce", as_uint),
        )
        return cls(ballot, _field(value, "signature", as_bytes))


class HolderVotes:
    """Votes of holders on a ledger."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.address = ledger.contracts.holder_votes

    # --- the issuer ---------------------------------------------------------------------------------------------

    def open(self, cusip: str, text: bytes, record: date, last_day: date, threshold: Threshold) -> Vote:
        """Ask the holders at the start of a day, until the end of another, in New York.

        Raises
        ------
        UsageError
            If the text is empty.
        LedgerError
            "UnknownAsset", "RecordTimeOutOfRange", "DeadlineOutOfRange", "NothingOutstanding", "VoteAlreadyOpened".
        """
        if not text:
            raise UsageError("vote: the text of the resolution is empty")
        token = required_security(self._ledger, cusip)
        times = (max(0, new_york_midnight(record)), new_york_midnight(last_day + timedelta(days=1)) - 1)
        self._send("issuer", "open", (token, *times, *_threshold_value(threshold), keccak256(text)))
        vote_id = self._ledger.call(CONTRACT, self.address, "voteIdOf", token, times[0], keccak256(text))
        return self.state(vote_id)

    def withdraw(self, vote_id: bytes) -> Vote:
        """Call a vote off, for good. LedgerError "VoteNotOpen", "VotingOver"."""
        self._send("issuer", "withdraw", vote_id)
        return self.state(vote_id)

    def close(self, vote_id: bytes) -> Vote:
        """Put the result on record; anyone may. LedgerError "VotingGoesOn", "VoteNotOpen"."""
        self._send(OPERATOR, "close", vote_id)
        return self.state(vote_id)

    # --- the holders --------------------------------------------------------------------------------------------

    def cast(self, party: str, vote_id: bytes, choice: Choice) -> list[Position]:
        """Vote all positions of a party's key; as they stand then.

        Raises
        ------
        LedgerError
            "NoPositionAtRecord" if it has none; "VotingOver", "VoterSanctioned", "VoterNotRegistered",
            "IssuerHasNoVote", "VoteNotOpen".
        """
        mine = self._of(party, vote_id)
        self._ledger.send(
            [
                Step(party, self.address, encode_call(CONTRACT, "cast", vote_id, at.holder, at.account, int(choice)))
                for at in mine
            ]
        )
        return self._of(party, vote_id)

    def sign(self, party: str, vote_id: bytes, choice: Choice) -> list[SignedBallot]:
        """Ballots of all positions of a party's key, which anyone can bring. Errors as of `cast`."""
        key, signed = self._ledger.keyring.key(party), []
        for at in self._of(party, vote_id):
            ballot = Ballot(vote_id, at.holder, at.account, choice, at.count)
            digest = ballot.digest(self._ledger.chain.chain_id, self.address)
            signed.append(SignedBallot(ballot, key.sign_digest(digest)))
        return signed

    def submit(self, ballots: Sequence[SignedBallot]) -> Sequence[Receipt]:
        """Bring signed ballots, all or none.

        Raises
        ------
        LedgerError
            "BallotNotSigned" by who votes the position now, "BallotOutOfTurn" if it has voted since; as of `cast`.
        """
        return self._ledger.send(
            [
                Step(
                    OPERATOR,
                    self.address,
                    encode_call(CONTRACT, "castBySignature", one.ballot.abi_value(), one.signature),
                )
                for one in ballots
            ]
        )

    # --- reading ------------------------------------------------------------------------------------------------

    def all(self) -> list[Vote]:
        """Every vote ever opened, in order."""
        return [self.state(vote_id) for vote_id in self._opened()]

    def find(self, digits: str) -> bytes:
        """Id of the one vote that the first digits name; LedgerError "UnknownVote" if there is none, or several."""
        wanted = digits.lower().removeprefix("0x")
        found = [vote_id for vote_id in self._opened() if vote_id.hex().startswith(wanted)]
        if not wanted or len(found) != 1:
            raise LedgerError(
                f"vote {digits!r}: {len(found)} votes have such an id; `tbill vote show` lists them", "UnknownVote"
            )
        return found[0]

    def state(self, vote_id: bytes) -> Vote:
        """A vote by its id; LedgerError "UnknownVote" if none of it was opened."""
        ledger = self._ledger
        terms, stage, counted = ledger.call(CONTRACT, self.address, "voteOf", vote_id)
        if not stage:
            raise LedgerError(f"vote 0x{vote_id.hex()}: not opened on this ledger", "UnknownVote")
        tally = Tally(counted["silent"], counted["inFavour"], counted["against"], counted["abstained"])
        threshold = Threshold(
            Fraction(terms["numerator"], terms["denominator"]),
            terms["moreThan"],
            terms["ofOutstanding"],
            terms["quorumBp"],
        )
        times = (terms["recordTime"], terms["deadline"])
        given = (terms["token"], *times, *_threshold_value(threshold), terms["textHash"])
        return Vote(
            vote_id,
            ledger.books().tokens()["0x" + terms["token"].hex()],
            *times,
            threshold,
            terms["textHash"],
            Stage(stage),
            tally,
            ledger.call(CONTRACT, self.address, "carries", given, tuple(asdict(tally).values())),
            ledger.chain.now() > terms["deadline"],
        )

    def positions(self, vote_id: bytes) -> list[Position]:
        """Every position that had units at the record time, the largest first; the issuer's too, which has no vote."""
        vote = self.state(vote_id)
        places = list(self._places(vote))
        questions = [encode_call(CONTRACT, "positionOf", vote_id, *place) for place in places]
        questions += [encode_call(CONTRACT, "castOf", vote_id, *place) for place in places]
        receipts = self._ledger.simulate((), then=[Call(_NOBODY, self.address, data) for data in questions])
        self._ledger.require_success(receipts)
        found = []
        for place, asked, said in zip(places, receipts[: len(places)], receipts[len(places) :], strict=True):
            _, voter, weight = decode_result(CONTRACT, "positionOf", asked.return_data)
            (last,) = decode_result(CONTRACT, "castOf", said.return_data)
            if weight:
                found.append(Position(*place, voter, weight, Choice(last["choice"]), last["count"]))
        return sorted(found, key=lambda at: (-at.weight, at.holder, at.account))

    # --- inside -------------------------------------------------------------------------------------------------

    def _opened(self) -> list[bytes]:
        events = self._ledger.chain.events(names=("VoteOpened",), addresses=(self.address,))
        return [bytes.fromhex(event.arguments["voteId"][2:]) for event in events]

    def _places(self, vote: Vote) -> Iterator[tuple[bytes, bytes]]:
        """(holder, account) of whatever may have had units: wallets of the register, accounts of each custody."""
        ledger, token = self._ledger, "0x" + self._ledger.require_token(vote.cusip).hex()
        custodies = (ledger.contracts.repo_facility, ledger.contracts.early_redemption)
        for wallet in ledger.books().holders(vote.cusip):
            if (address := bytes.fromhex(wallet[2:])) not in custodies:
                yield address, NO_ACCOUNT
        accounts: dict[tuple[bytes, bytes], None] = {}
        for custody in custodies:
            for event in ledger.chain.events(names=("CustodyChanged",), addresses=(custody,)):
                if event.arguments["token"] == token and event.timestamp < vote.record_time:
                    accounts[custody, bytes.fromhex(event.arguments["account"][2:])] = None
        yield from accounts

    def _of(self, party: str, vote_id: bytes) -> list[Position]:
        key = self._ledger.keyring.key(party).address
        mine = [at for at in self.positions(vote_id) if at.voter == key]
        if not mine:
            raise LedgerError(f"vote: {party} had no units at the record time", "NoPositionAtRecord")
        return mine

    def _send(self, key: str, function: str, *arguments: object) -> Sequence[Receipt]:
        return self._ledger.send([Step(key, self.address, encode_call(CONTRACT, function, *arguments))])


def _threshold_value(threshold: Threshold) -> tuple[Any, ...]:
    fraction = threshold.fraction
    quorum = (threshold.quorum_bp, threshold.more_than, threshold.of_outstanding)
    return (fraction.numerator, fraction.denominator, *quorum)


def _text(value: Any) -> Any:
    return "0x" + value.hex() if isinstance(value, bytes) else value
