"""Auditing a ledger on a node: it has no journal of ours, so events are checked against what the contracts say.

Every registered token: the sum of its Transfer events is `balanceOf` for every holder that ever was and `totalSupply`;
the last Frozen is `getFrozenTokens`; open holds are `heldOf`. What it cannot show is that the node tells the truth: for
that, ask another node.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tbill_defi.chain.types import Call
from tbill_defi.ledger.abi import decode_result, encode_call
from tbill_defi.ledger.books import ZERO
from tbill_defi.ledger.ledger import Ledger

TRIES = 5
"""How often it starts again because a block came in meanwhile."""
AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """A place where events and contracts differ: token and holder as names or 0x-text, both figures in base units."""

    asset: str
    holder: str
    question: str
    by_events: int
    by_contract: int

    def describe(self) -> str:
        """One line."""
        return (
            f"{self.asset}, {self.holder}: {self.question} is {self.by_contract}, by its events it is {self.by_events}"
        )


@dataclass(frozen=True, slots=True)
class NodeAudit:
    """What was found. `figures` counts the comparisons, `events` the token events they rest on."""

    height: int
    tokens: int
    holders: int
    events: int
    figures: int
    discrepancies: tuple[Discrepancy, ...]

    @property
    def ok(self) -> bool:
        """Whether everything agrees."""
        return not self.discrepancies

    @property
    def verdict(self) -> str:
        """One sentence for a person."""
        if self.ok:
            return (
                f"no journal: this ledger is on a node; to block {self.height} the events of its {self.tokens} tokens "
                "agree with every balance and supply that the contracts report"
            )
        return (
            f"no journal: this ledger is on a node; to block {self.height} {len(self.discrepancies)} of {self.figures} "
            "figures that the contracts report differ from their events"
        )


@dataclass(frozen=True, slots=True)
class _Question:
    asset: str
    holder: str
    contract: str
    function: str
    call: Call
    expected: int


def audit_node(ledger: Ledger, progress: Callable[[int, int], None] | None = None) -> NodeAudit:
    """Compare events with balances, up to one block.

    Raises
    ------
    LedgerError
        If the node fails, or its blocks changed meanwhile (code "Reorganised").
    """
    for attempt in range(TRIES):
        books = ledger.books()
        height = ledger.chain.height
        questions = _questions(ledger)
        found = _compare(ledger, questions, progress)
        if not found or ledger.chain.height == height or attempt == TRIES - 1:
            break
    holders = {q.holder for q in questions if q.function == "balanceOf"}
    return NodeAudit(height, len(books.tokens()), len(holders), books.transfers, len(questions), tuple(found))


def _questions(ledger: Ledger) -> list[_Question]:
    books = ledger.books()
    questions = []
    for token, asset in books.tokens().items():
        contract = "CashToken" if asset in books.decimals else "SecurityToken"
        where = bytes.fromhex(token[2:])

        def ask(holder: str, function: str, expected: int, *arguments: bytes) -> _Question:
            call = Call(bytes(20), where, encode_call(contract, function, *arguments))  # noqa: B023 - used at once
            return _Question(asset, books.name(holder), contract, function, call, expected)  # noqa: B023

        balances = books.balances(token)
        questions.append(ask(token, "totalSupply", -balances.pop(ZERO, 0)))
        for holder, units in balances.items():
            account = bytes.fromhex(holder[2:])
            questions.append(ask(holder, "balanceOf", units, account))
            if contract == "SecurityToken":
                frozen, held = books.blocked(token, holder)
                questions.append(ask(holder, "getFrozenTokens", frozen, account))
                questions.append(ask(holder, "heldOf", held, account))
    return questions


def _compare(
    ledger: Ledger, questions: Sequence[_Question], progress: Callable[[int, int], None] | None
) -> list[Discrepancy]:
    found = []
    for first in range(0, len(questions), AT_ONCE):
        part = questions[first : first + AT_ONCE]
        receipts = ledger.chain.views([q.call for q in part])
        ledger.require_success(receipts)
        for question, receipt in zip(part, receipts, strict=True):
            (said,) = decode_result(question.contract, question.function, receipt.return_data)
            if said != question.expected:
                found.append(Discrepancy(question.asset, question.holder, question.function, question.expected, said))
        if progress is not None:
            progress(first + len(part), len(questions))
    return found
