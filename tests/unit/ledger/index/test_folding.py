"""Several events in one transaction, as somebody's contract may bring them about: each has its own movements."""

import pytest

from tbill_defi.chain.types import EventRecord, Log
from tbill_defi.ledger.index.entries import Known, Option, Repo
from tbill_defi.ledger.index.folding import Folder
from tests.unit.ledger.support import NOTE, START, make_ledger

LENDER, BORROWER = "0x" + "1e" * 20, "0x" + "b0" * 20
FIRST, SECOND = "0x" + "01" * 32, "0x" + "02" * 32


class Transaction:
    """Events of one transaction, and what they are folded into."""

    def __init__(self, ledger):
        self.contracts, self.note, self.usd = ledger.contracts, ledger.token_of(NOTE.cusip), ledger.contracts.usd
        self.known = Known(assets={self.of(self.note): NOTE.cusip, self.of(self.usd): "USD"})
        self.facility = self.of(self.contracts.repo_facility)
        self._events = []

    @staticmethod
    def of(address):
        return "0x" + address.hex()

    def event(self, source, name, **values):
        at = len(self._events)
        self._events.append(EventRecord(at + 1, 1, START, b"\1" * 32, 0, at, Log(source, (), b""), name, values))

    def moved(self, token, source, target, units):
        self.event(token, "Transfer", **{"from": source, "to": target, "value": units})

    def settled(self, *legs):
        """Legs (token, from, to, units) move, and Settlement says so."""
        for leg in legs:
            self.moved(*leg)
        self.said(*legs)

    def said(self, *legs):
        """Settlement says that legs have moved."""
        told = [dict(zip(("token", "from", "to", "amount"), (self.of(t), *rest), strict=True)) for t, *rest in legs]
        hashes = {"instructionHash": FIRST, "planHash": "0x" + "00" * 32, "contextHash": "0x" + "00" * 32}
        self.event(self.contracts.settlement, "Settled", legs=told, **hashes)

    def entries(self):
        """(kind, (receiver, units) of its movements)."""
        folded = Folder(self.contracts, self.known).fold(self._events)
        return [(one.kind, [(m.target, m.units) for m in one.movements]) for one in folded]


@pytest.fixture
def transaction():
    with make_ledger() as ledger:
        ledger.deposit("desk", {NOTE: 1}, 0)
        yield Transaction(ledger)


def test_two_close_outs_have_each_its_own_deliveries(transaction):
    """A lender's contract may close out several repos at once; what the second gives back is not the first's."""
    accounts, note, facility = {FIRST: 50, SECOND: 120}, transaction.note, transaction.contracts.repo_facility
    known = transaction.known
    known.repos = {name: Repo(name, LENDER, BORROWER, 70, 0, START, START, START) for name in accounts}
    known.custody = {(transaction.facility, name, transaction.of(note)): units for name, units in accounts.items()}
    for name, units in accounts.items():
        taken = 70 if units == 120 else units
        transaction.event(facility, "CustodyChanged", account=name, token=transaction.of(note), units=0)
        figures = {"debt": 70, "lenderFace": taken, "borrowerFace": units - taken, "shortfall": 70 - taken}
        transaction.event(facility, "ClosedOut", repoId=name, **figures)
        for to, amount in ((LENDER, taken), (BORROWER, units - taken)):
            if amount:
                transaction.moved(note, transaction.facility, to, amount)
    assert transaction.entries() == [
        ("repo-close-out", [(LENDER, 50)]),
        ("repo-close-out", [(LENDER, 70), (BORROWER, 50)]),
    ]
    assert [repo.principal for repo in known.repos.values()] == [20, 0], "what is not paid off is still owed"


def test_what_moves_between_a_leg_and_the_word_of_it_is_no_part_of_it(transaction):
    """A guard that is asked before Settlement says what it did may move something, once or more often."""
    usd = transaction.usd
    legs = (usd, BORROWER, LENDER, 71), (transaction.note, LENDER, BORROWER, 70)
    for others in ((), (9,), (9, 8)):
        for leg in legs:
            transaction.moved(*leg)
        for units in others:
            transaction.moved(usd, LENDER, BORROWER, units)
        transaction.said(*legs)
    settlement = ("settlement", [(LENDER, 71), (BORROWER, 70)])
    nine, eight = (("transfer", [(BORROWER, units)]) for units in (9, 8))
    assert transaction.entries() == [settlement, settlement, nine, settlement, nine, eight]


def test_what_moves_nothing_is_no_entry(transaction):
    transaction.moved(transaction.note, LENDER, BORROWER, 0)
    transaction.event(transaction.note, "ForcedTransfer", **{"from": LENDER, "to": BORROWER, "amount": 0})
    assert transaction.entries() == []


TERMS = {"start": START, "end": START, "cash": 70, "rateE9": 0}
TAKING = {
    "RepoOpened": {"repoId": FIRST, "lender": LENDER, "borrower": BORROWER, "terms": TERMS},
    "MarginDelivered": {"repoId": SECOND, "cash": 0},
    "CollateralSubstituted": {"repoId": SECOND},
    "PartlyRepurchased": {"repoId": SECOND, "principal": 70},
    "Repurchased": {"repoId": SECOND, "principal": 70, "interest": 1},
    "OptionBought": {"id": FIRST, "premium": 3},
    "OptionExercised": {"id": FIRST},
    "Issued": {"token": None, "account": LENDER, "face": 0, "instructionHash": SECOND},
}
"""Events that take the settlement after them."""


@pytest.mark.parametrize("name", TAKING)
def test_one_settlement_is_an_event_s_and_the_next_is_an_entry_of_its_own(transaction, name):
    contracts, note, usd = transaction.contracts, transaction.of(transaction.note), transaction.usd
    transaction.known.repos = {SECOND: Repo(SECOND, LENDER, BORROWER, 100, 0, START, START, START)}
    transaction.known.options = {FIRST: Option(FIRST, 1, LENDER, BORROWER, note, 100, 70, START)}
    kinds = {"Option": contracts.option_book, "Issued": contracts.issuance}
    source = next((place for start, place in kinds.items() if name.startswith(start)), contracts.repo_facility)
    transaction.event(source, name, **{key: note if key == "token" else value for key, value in TAKING[name].items()})
    transaction.settled((usd, BORROWER, LENDER, 71))
    transaction.settled((usd, BORROWER, LENDER, 9))
    (_, first), (kind, second) = transaction.entries()
    assert (first, kind, second) == ([(LENDER, 71)], "settlement", [(LENDER, 9)])
