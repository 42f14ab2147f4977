"""What every folding of events shares: movements, and the entries that explain them; see `entries`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from tbill_defi.chain.types import EventRecord
from tbill_defi.ledger.books import ZERO
from tbill_defi.ledger.deployment import Contracts
from tbill_defi.ledger.index.entries import Entry, Frame, Known, Movement, Sources

Values = Mapping[str, Any]


class Frames:
    """Movements of a transaction that nothing explained yet, and entries that are open; subclasses handle events.

    A method `_on_NAME` takes the values of an event that is no token's, one of `of_tokens` those of a token's.
    """

    of_tokens: ClassVar[Mapping[str, Callable[[Any, str, Values], None]]] = {}

    def __init__(self, contracts: Contracts, known: Known) -> None:
        self.known = known
        self._sources = Sources(contracts, self.known)
        self._usd = "0x" + contracts.usd.hex()
        self._facility = "0x" + contracts.repo_facility.hex()
        self._pending: list[tuple[int, Movement]] = []
        self._custody: list[tuple[str, str, int]] = []
        self._frames: list[Frame] = []
        self._done: list[Entry] = []
        self._now: EventRecord
        self.restricted: dict[tuple[str, str], None] = {}
        """(account, token) whose frozen or held units the last transaction changed, in order."""
        handlers = (name for name in dir(self) if name.startswith("_on_"))
        self._handlers: dict[str, Callable[[Values], None]] = {name[4:]: getattr(self, name) for name in handlers}

    def fold(self, events: Sequence[EventRecord]) -> list[Entry]:
        """Entries of one transaction, in the order of their first movements."""
        self._pending, self._custody, self._frames, self._done = [], [], [], []
        self.restricted = {}
        for event in events:
            self._now = event
            name = event.name
            if name == "Transfer":
                token = self._sources.token(event.log.address)
                if token is not None:
                    values = event.arguments
                    self._transfer(Movement(token, values["from"], values["to"], int(values["value"])), event.sequence)
            elif name in self.of_tokens:
                token = self._sources.token(event.log.address)
                if token is not None:
                    self.of_tokens[name](self, token, event.arguments)
            elif name in self._handlers and self._sources.believed(event):
                self._handlers[name](event.arguments)
        for sequence, movement in self._pending:
            if movement.units:
                self._done.append(self._entry(_unexplained(movement), sequence, movements=[movement]))
        self._done += [frame.entry for frame in self._frames]
        return sorted((e for e in self._done if e.movements or e.custody or e.facts), key=lambda e: e.sequence)

    # --- movements ----------------------------------------------------------------------------------------------

    def _transfer(self, movement: Movement, sequence: int) -> None:
        for frame in self._frames:
            expected = self._expected(frame, movement)
            if expected is not None:
                frame.expected.remove(expected)
                frame.entry.movements.append(movement)
                return
        self._pending.append((sequence, movement))

    def _expected(self, frame: Frame, movement: Movement) -> Movement | None:
        """What a frame expects that this is: between these wallets, or others of the same parties.

        What was begun with a wallet that was lost ends with its successor's.
        """
        if not frame.expected:
            return None
        if movement in frame.expected:
            return movement
        ends = self._by_party(movement)
        return next((one for one in frame.expected if self._by_party(one) == ends), None)

    def _by_party(self, movement: Movement) -> Movement:
        source, target = self.known.party_of(movement.source), self.known.party_of(movement.target)
        return movement._replace(source=source, target=target)

    def _entry(self, kind: str, sequence: int, reference: str = "", **rest: Any) -> Entry:
        event = self._now
        return Entry(
            sequence, event.height, event.timestamp, event.position, event.transaction_hash, kind, reference, **rest
        )

    def _take(self, wanted: Sequence[Movement]) -> tuple[int, list[Movement]]:
        """The last pending movements that are these, and the sequence of the first of them."""
        found: list[tuple[int, Movement]] = []
        for movement in reversed(wanted):
            for index in range(len(self._pending) - 1, -1, -1):
                if self._pending[index][1] == movement:
                    found.append(self._pending.pop(index))
                    break
        found.reverse()
        return (found[0][0] if found else self._now.sequence), [movement for _, movement in found]

    def _explain(self, kind: str, wanted: Sequence[Movement], reference: str = "", **facts: Any) -> None:
        """An entry of movements that have been made already."""
        sequence, movements = self._take([movement for movement in wanted if movement.units])
        self._done.append(self._entry(kind, sequence, reference, movements=movements, facts=facts))

    def _open(
        self, kind: str, reference: str, *expected: Movement, settles: int = 0, custody: bool = False, **facts: Any
    ) -> Frame:
        """An entry whose movements are still to be made."""
        frame = Frame(self._entry(kind, self._now.sequence, reference, facts=facts), settles, [])
        frame.expected += [movement for movement in expected if movement.units]
        if custody:
            frame.entry.custody, self._custody = self._custody, []
            for account, token, change in frame.entry.custody:
                if change < 0:
                    self._expect_delivery(frame, token, self.known.beneficiary(account), -change)
        self._frames.append(frame)
        return frame

    @property
    def _here(self) -> str:
        """The contract whose event it is, 0x-text."""
        return "0x" + self._now.log.address.hex()

    def _expect_delivery(self, frame: Frame, token: str, owner: str, units: int) -> None:
        """Out of the custody of the contract whose event it is: the token itself, or the cash it was redeemed for."""
        frame.expected.append(Movement(token, self._here, owner, units))
        if token in self.known.payers:
            _, numerator, denominator = self.known.payers[token]
            frame.expected.append(Movement(self._usd, self._here, owner, units * numerator // denominator))


def _unexplained(movement: Movement) -> str:
    if movement.source == ZERO:
        return "deposit"
    return "withdrawal" if movement.target == ZERO else "transfer"
