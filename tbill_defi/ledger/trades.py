"""The TradeBook of a ledger: trades agreed now, settled on their date, in parts, allocated, or cancelled by both.

A party names the book as its operator at Settlement once, when it first agrees to a trade; from then on anyone may
settle what it has signed. A managed account names no operator: its manager signs the instruction when a trade settles.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta

from tbill_defi.core.clock import moment, new_york_midnight
from tbill_defi.core.errors import LedgerError, TbillError, UsageError
from tbill_defi.core.hashing import keccak256
from tbill_defi.ledger.abi import encode_call
from tbill_defi.ledger.decisions import explained
from tbill_defi.ledger.deployment import CURRENCY, Step
from tbill_defi.ledger.instructions import required_token
from tbill_defi.ledger.ledger import OPERATOR, Ledger
from tbill_defi.ledger.mandate import approver_of, managed_account
from tbill_defi.ledger.settlement import Instruction, Leg
from tbill_defi.ledger.trade_terms import (
    LARGEST,
    NOBODY,
    Fill,
    TradeState,
    TradeStatus,
    TradeTerms,
    allocation_digest,
    cancellation_digest,
    check_amounts,
    check_times,
)

CONTRACT = "TradeBook"
FAIL_DAYS = 30
"""Days after the settlement date for which a fail can still be delivered, unless told otherwise."""
_ENDS = {
    "TradeCancelled": TradeStatus.CANCELLED,
    "TradeAllocated": TradeStatus.ALLOCATED,
    "TradeNovated": TradeStatus.NOVATED,
}
EVENTS = ("TradeAffirmed", "TradeSettled", *_ENDS)


class Trades:
    """The TradeBook of a ledger."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.address = ledger.contracts.trade_book
        self._height = 0
        self._states: dict[bytes, TradeState] = {}

    # --- reading ------------------------------------------------------------------------------------------------

    def all(self) -> list[TradeState]:
        """Every trade ever affirmed, in order."""
        height = self._ledger.chain.height
        if height > self._height:
            found = self._ledger.chain.events(
                names=EVENTS, addresses=(self.address,), from_block=self._height + 1, to_block=height
            )
            for event in found:
                self._fold(event.name, event.arguments, event.timestamp)
            self._height = height
        return list(self._states.values())

    def _fold(self, name: str, arguments: Mapping[str, object], timestamp: int) -> None:
        trade_id = bytes.fromhex(str(arguments["id"])[2:])
        if name == "TradeAffirmed":
            terms = TradeTerms.from_event(arguments["trade"])  # type: ignore[arg-type]
            self._states[trade_id] = TradeState(trade_id, terms, TradeStatus.OPEN)
            return
        before = self._states[trade_id]
        if name == "TradeSettled":
            fill = Fill(timestamp, int(str(arguments["face"])), int(str(arguments["cash"])))
            over = TradeStatus.OPEN if int(str(arguments["remaining"])) else TradeStatus.SETTLED
            self._states[trade_id] = replace(before, status=over, fills=(*before.fills, fill))
            return
        children: Sequence[str] = arguments.get("children", ())  # type: ignore[assignment]
        self._states[trade_id] = replace(
            before, status=_ENDS[name], children=tuple(bytes.fromhex(child[2:]) for child in children)
        )

    def state(self, trade_id: bytes) -> TradeState:
        """A trade by its id.

        Raises
        ------
        LedgerError
            If none of that id was affirmed (code "UnknownTrade").
        """
        self.all()
        if trade_id not in self._states:
            raise LedgerError(
                f"trade 0x{trade_id.hex()[:16]}…: not affirmed on this ledger; `tbill trade show` lists them",
                "UnknownTrade",
            )
        return self._states[trade_id]

    def find(self, text: str) -> bytes:
        """Id of the one trade whose 0x-hex starts with `text`; "UnknownTrade" if there is none, or more than one."""
        wanted = text.lower().removeprefix("0x")
        found = [state.trade_id for state in self.all() if state.trade_id.hex().startswith(wanted)]
        if not wanted or len(found) != 1:
            raise LedgerError(
                f"trade {text!r}: {len(found)} trades have such an id; `tbill trade show` lists them", "UnknownTrade"
            )
        return found[0]

    def party_of(self, wallet: bytes) -> str:
        """Name of the party of a wallet."""
        return self._ledger.books().party_of("0x" + wallet.hex())

    def trade_id(self, terms: TradeTerms) -> bytes:
        """Id of terms on this ledger."""
        return terms.trade_id(self._ledger.chain.chain_id, self.address)

    # --- agreeing -----------------------------------------------------------------------------------------------

    def terms(
        self,
        *,
        seller: str,
        buyer: str,
        asset: str,
        face_units: int,
        proceeds_units: int,
        settlement_date: date,
        currency: str = CURRENCY,
        fail_days: int = FAIL_DAYS,
        minimum_units: int = 0,
        lot_units: int = 0,
        clearer: bytes = NOBODY,
        allocator: str | None = None,
        nonce: int | None = None,
    ) -> TradeTerms:
        """Terms by names: it opens at the New York midnight of the settlement date and closes at the end of that day.

        Raises
        ------
        UsageError
            If parties, amounts, the partial's bounds, times or the allocator cannot be, or a managed account would be
            a clearing member.
        LedgerError
            If a party or a token is not there, or the date has passed (code "TradeLapsed").
        """
        if seller == buyer:
            raise UsageError(f"trade: {seller} cannot trade with itself; name two parties")
        if asset == currency:
            raise UsageError(f"trade: {asset} against itself is no trade")
        check_amounts(face_units, proceeds_units, minimum_units, lot_units)
        check_times(settlement_date, fail_days, nonce)
        if allocator not in (None, seller, buyer):
            raise UsageError(f"trade: allocator {allocator} is neither {seller} nor {buyer}")
        if clearer != NOBODY:
            self._require_members(seller, buyer)
        day_after = settlement_date + timedelta(days=1)
        deadline = new_york_midnight(day_after + timedelta(days=fail_days)) - 1
        now = self._ledger.chain.now()
        if now > deadline:
            raise LedgerError(f"trade: it could settle until {moment(deadline)}, which has passed", "TradeLapsed")
        return TradeTerms(
            seller=self._ledger.address_of(seller),
            buyer=self._ledger.address_of(buyer),
            asset=required_token(self._ledger, asset),
            cash=required_token(self._ledger, currency),
            face=face_units,
            proceeds=proceeds_units,
            opens=new_york_midnight(settlement_date),
            closes=new_york_midnight(day_after) - 1,
            deadline=deadline,
            minimum=minimum_units,
            lot=lot_units,
            clearer=clearer,
            allocator=NOBODY if allocator is None else self._ledger.address_of(allocator),
            nonce=len(self.all()) if nonce is None else nonce,
        )

    def _require_members(self, *parties: str) -> None:
        for party in parties:
            if managed_account(self._ledger, party) is not None:
                raise UsageError(
                    f"ccp: {party} is a managed account, which names no operator and so cannot be a clearing member; "
                    "agree the trade without a clearing house"
                )

    def sign(self, terms: TradeTerms, party: str) -> bytes:
        """A party's signature of terms, by the key of its name."""
        return self._ledger.keyring.key(party).sign_digest(self.trade_id(terms))

    def affirm(self, terms: TradeTerms, seller_signature: bytes, buyer_signature: bytes) -> TradeState:
        """Enter a trade that both have signed.

        Raises
        ------
        LedgerError
            "TradeNotSigned", "TradeAlreadyAffirmed", "InvalidTrade".
        """
        data = encode_call(CONTRACT, "affirm", terms.abi_value(), seller_signature, buyer_signature)
        self._ledger.send([Step(OPERATOR, self.address, data)])
        return self.state(self.trade_id(terms))

    def agree(self, terms: TradeTerms) -> TradeState:
        """Sign by both parties' keys, name the book as their operator where they have not, and affirm."""
        parties = [self.party_of(terms.seller), self.party_of(terms.buyer)]
        self._ledger.send(operator_steps(self._ledger, parties, self._operators(terms)))
        return self.affirm(terms, *(self.sign(terms, party) for party in parties))

    def _operators(self, terms: TradeTerms) -> list[bytes]:
        """Who may settle for the parties: the book, and who takes the trade over."""
        return [self.address, terms.clearer] if terms.clearer != NOBODY else [self.address]

    # --- settling -----------------------------------------------------------------------------------------------

    def settle(self, trade_id: bytes, face_units: int | None = None) -> TradeState:
        """Settle a trade, whole or (where both allow it) a part; anyone may, the operator does it here.

        Raises
        ------
        LedgerError
            "TradeTooEarly", "TradeLapsed", "TradeNotOpen", "PartialNotAllowed", or what the tokens refuse.
        """
        state = self.state(trade_id)
        try:
            self._ledger.send([self.settle_step(state, face_units)])
        except LedgerError as error:
            terms, face = state.terms, state.open_face if face_units is None else face_units
            raise explained(self._ledger, error, Leg(terms.asset, terms.seller, terms.buyer, face)) from None
        return self.state(trade_id)

    def settle_step(self, state: TradeState, face_units: int | None = None) -> Step:
        """The transaction of `settle`."""
        face = state.open_face if face_units is None else face_units
        if not 0 <= face <= LARGEST:
            raise UsageError(f"face: {face} units is out of range")
        signatures = [self._authority(state.terms, wallet, face) for wallet in _givers(state.terms)]
        data = encode_call(CONTRACT, "settle", state.terms.abi_value(), face, signatures)
        return Step(OPERATOR, self.address, data)

    def _authority(self, terms: TradeTerms, wallet: bytes, face: int) -> bytes:
        """What a party adds when its trade settles: nothing if the book is its operator, else a signature of that."""
        settlement = self._ledger.contracts.settlement
        if self._ledger.call("Settlement", settlement, "isOperator", wallet, self.address):
            return b""
        party = self.party_of(wallet)
        found = self._ledger.call(CONTRACT, self.address, "instructionOf", terms.abi_value(), face)
        legs = tuple(Leg(leg["token"], leg["from"], leg["to"], leg["amount"]) for leg in found["legs"])
        instruction = Instruction(
            legs, found["notBefore"], found["deadline"], found["nonce"], found["contextHash"], found["planHash"]
        )
        key = self._ledger.keyring.key(approver_of(self._ledger, party))
        return key.sign_digest(instruction.digest(self._ledger.chain.chain_id, settlement))

    def settle_due(self) -> tuple[list[TradeState], dict[bytes, TbillError]]:
        """Settle every open trade whose date has come, each by itself: whole, else the largest part that can be.

        Returns
        -------
        tuple
            Trades of which something settled, and trade id -> why nothing did.
        """
        now, done, refused = self._ledger.chain.now(), [], {}
        for state in self.all():
            if state.status is not TradeStatus.OPEN or not state.terms.opens <= now <= state.terms.deadline:
                continue
            try:
                done.append(self.settle_most(state.trade_id))
            except TbillError as error:
                refused[state.trade_id] = error
        return done, refused

    def settle_most(self, trade_id: bytes) -> TradeState:
        """Settle a trade whole, else the largest part that its terms allow and both can; errors as of `settle`."""
        try:
            return self.settle(trade_id)
        except TbillError:
            part = self._deliverable(self.state(trade_id))
            if not part:
                raise
        return self.settle(trade_id, part)

    def _deliverable(self, state: TradeState) -> int:
        """The largest part that the seller can deliver and the buyer can pay; 0 if the terms allow none."""
        terms = state.terms
        if not terms.lot:
            return 0
        asset = self._ledger.books().asset_of("0x" + terms.asset.hex())
        if asset in self._ledger.books().decimals:
            face: int = self._ledger.call("CashToken", terms.asset, "balanceOf", terms.seller)
        else:
            face, _ = self._ledger.call("SecurityToken", terms.asset, "largestTransfer", terms.seller, terms.buyer)
        cash: int = self._ledger.call("CashToken", terms.cash, "balanceOf", terms.buyer)
        return terms.largest(min(face, cash * terms.face // terms.proceeds, state.open_face - 1), state.settled)

    # --- ends ---------------------------------------------------------------------------------------------------

    def cancel(self, trade_id: bytes) -> TradeState:
        """End what is open of a trade, by both parties' signatures.

        Raises
        ------
        LedgerError
            "TradeNotOpen" if it has ended.
        """
        state = self.state(trade_id)
        digest = cancellation_digest(self._ledger.chain.chain_id, self.address, trade_id, state.settled)
        wallets = (state.terms.seller, state.terms.buyer)
        signatures = [self._ledger.keyring.key(self.party_of(wallet)).sign_digest(digest) for wallet in wallets]
        data = encode_call(CONTRACT, "cancel", state.terms.abi_value(), *signatures)
        self._ledger.send([Step(OPERATOR, self.address, data)])
        return self.state(trade_id)

    def allocate(self, trade_id: bytes, faces: Mapping[str, int]) -> list[TradeState]:
        """Replace a block by one trade for each account, at its price; signed by its allocator.

        An account that the allocator manages needs to agree to nothing now; another signs its trade, and names the book
        and the clearing house, if there is one, as its operators where it has not.

        Parameters
        ----------
        faces
            Party -> face, base units; they sum to the block's face.

        Raises
        ------
        UsageError
            If they do not, or a managed account would be a clearing member.
        LedgerError
            "NotAllocable", "TradeNotOpen", "TradeNotSigned", "TooManyAccounts".
        """
        state, chain_id = self.state(trade_id), self._ledger.chain.chain_id
        terms = state.terms
        if terms.allocator == NOBODY:
            raise LedgerError("trade: its terms let neither party allocate it", "NotAllocable")
        if (total := sum(faces.values())) != terms.face or any(face <= 0 for face in faces.values()):
            raise UsageError(
                f"allocation: faces must be positive and sum to {terms.face} base units; they sum to {total}"
            )
        if terms.clearer != NOBODY:
            self._require_members(*faces)
        accounts = [self._ledger.address_of(party) for party in faces]
        allocated, consents, own = 0, [], []
        for index, (party, wallet) in enumerate(zip(faces, accounts, strict=True)):
            child = self.child(terms, index, wallet, allocated, faces[party])
            managed = managed_account(self._ledger, party) is not None
            consents.append(b"" if managed else self.sign(child, party))
            own += [] if managed else [party]
            allocated += faces[party]
        digest = allocation_digest(chain_id, self.address, trade_id, accounts, list(faces.values()))
        signature = self._ledger.keyring.key(self.party_of(terms.allocator)).sign_digest(digest)
        allotments = list(zip(accounts, faces.values(), consents, strict=True))
        arguments = (terms.abi_value(), allotments, signature)
        self._ledger.send(operator_steps(self._ledger, own, self._operators(terms)))
        self._ledger.send([Step(OPERATOR, self.address, encode_call(CONTRACT, "allocate", *arguments))])
        return [self.state(child) for child in self.state(trade_id).children]

    def child(self, terms: TradeTerms, index: int, account: bytes, allocated: int, face: int) -> TradeTerms:
        """The trade of account number `index` of a block of which `allocated` went to those before it."""
        nonce = keccak256(self.trade_id(terms) + index.to_bytes(32, "big"))
        sells = terms.allocator == terms.seller
        parts = terms.minimum <= face
        return replace(
            terms,
            seller=account if sells else terms.seller,
            buyer=terms.buyer if sells else account,
            face=face,
            proceeds=terms.cash_of(allocated, face),
            minimum=terms.minimum if parts else 0,
            lot=terms.lot if parts else 0,
            allocator=NOBODY,
            nonce=int.from_bytes(nonce, "big"),
        )


def operator_steps(ledger: Ledger, parties: Sequence[str], operators: Sequence[bytes]) -> list[Step]:
    """Each party that has a key of its own names these contracts as its operators, where it has not."""
    place, steps = ledger.contracts.settlement, []
    for party in dict.fromkeys(parties):
        if managed_account(ledger, party) is not None:
            continue
        wallet = ledger.address_of(party)
        steps += [
            Step(party, place, encode_call("Settlement", "setOperator", operator, True))
            for operator in operators
            if not ledger.call("Settlement", place, "isOperator", wallet, operator)
        ]
    return steps


def _givers(terms: TradeTerms) -> list[bytes]:
    """Both parties, ascending by address: the order of signatures."""
    return sorted((terms.seller, terms.buyer))
