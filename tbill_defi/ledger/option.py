"""Options on the ledger: quoted, written, bought, exercised, expired.

A call is written against a hold on the writer's own units, which stay in his wallet and keep paying him coupons; a put
against cash in the OptionBook. The holder buys by the writer's signed quote: premium against option, atomically. He
exercises on the expiry date by delivery. Strike and accrued interest for the face are rounded up to the base unit: the
payer bears it.

The book is a party like any other, "option-book"; it is registered when it is first needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

from tbill_defi.chain.types import Receipt
from tbill_defi.core.clock import moment, new_york_midnight
from tbill_defi.core.errors import ConventionError, LedgerError, UsageError
from tbill_defi.core.hashing import keccak256
from tbill_defi.core.money import format_units
from tbill_defi.instruments import Security
from tbill_defi.ledger.abi import encode_call
from tbill_defi.ledger.accrual import accrual_period
from tbill_defi.ledger.deployment import CURRENCY, Step
from tbill_defi.ledger.ledger import OPERATOR, Ledger
from tbill_defi.ledger.life import NO_EXPIRY
from tbill_defi.ledger.option_terms import (
    KINDS,
    OptionQuote,
    OptionState,
    OptionStatus,
    OptionTerms,
    exercise_context,
)
from tbill_defi.ledger.settlement import Instruction, Leg, PlanLeg, plan_hash

BOOK = "option-book"
QUOTE_SECONDS = 900
_CONTRACT = "OptionBook"
_LARGEST_STRIKE_E6 = 10**9
"""1,000 per 100 face."""


class Options:
    """The OptionBook of a ledger."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.address = ledger.contracts.option_book

    # --- reading ------------------------------------------------------------------------------------------------

    def all(self) -> list[OptionState]:
        """Every option ever written, in order."""
        return [self._state(terms) for terms in self._written()]

    def state(self, option_id: bytes) -> OptionState:
        """An option by its id.

        Raises
        ------
        LedgerError
            If none of that id was written (code "UnknownOption").
        """
        for terms in self._written():
            if terms.option_id == option_id:
                return self._state(terms)
        raise LedgerError(
            f"option 0x{option_id.hex()[:16]}…: not written on this ledger; `tbill option show` lists them",
            "UnknownOption",
        )

    def find(self, text: str) -> bytes:
        """Id of the one option whose 0x-hex starts with `text`.

        Raises
        ------
        LedgerError
            If there is none, or more than one (code "UnknownOption").
        """
        wanted = text.lower().removeprefix("0x")
        found = [terms.option_id for terms in self._written() if terms.option_id.hex().startswith(wanted)]
        if not wanted or len(found) != 1:
            raise LedgerError(
                f"option {text!r}: {len(found)} options have such an id; `tbill option show` lists them",
                "UnknownOption",
            )
        return found[0]

    def payment_units(self, terms: OptionTerms) -> int:
        """Strike and accrued interest for the face, base units, rounded up: computed by the contract."""
        found: int = self._ledger.call(_CONTRACT, self.address, "paymentOf", terms.abi_value())
        return found

    def _written(self) -> list[OptionTerms]:
        chain = self._ledger.chain
        events = chain.events(names=("OptionWritten",), addresses=(self.address,), from_block=1, to_block=chain.height)
        return [OptionTerms.from_abi(event.arguments["terms"]) for event in events]

    def _state(self, terms: OptionTerms) -> OptionState:
        raw = self._ledger.call(_CONTRACT, self.address, "optionOf", terms.option_id)
        books = self._ledger.books()
        writer, holder = (books.party_of("0x" + wallet.hex()) for wallet in (terms.writer, terms.holder))
        return OptionState(terms, writer, holder, OptionStatus(raw["status"]), raw["payment"], raw["premium"])

    # --- making -------------------------------------------------------------------------------------------------

    def terms(
        self,
        security: Security,
        *,
        writer: str,
        holder: str,
        kind: str,
        strike_e6: int,
        face_units: int,
        expiry: date,
        window: tuple[int, int] | None = None,
        salt: int = 0,
    ) -> OptionTerms:
        """Terms of an option on a security.

        Parameters
        ----------
        window
            First and last second (Unix time) at which it can be exercised, on the expiry date; None: the whole day.

        Raises
        ------
        UsageError
            If writer and holder are one, or an amount or the kind cannot be.
        ConventionError
            If the expiry is not before maturity and on or after the issue, or the window is not on it.
        LedgerError
            If a party or the token is not there (codes "UnknownParty", "UnknownAsset"), or the window has passed
            ("ExerciseTooLate").
        """
        if kind not in KINDS:
            raise UsageError(f"option: {kind!r} is not call or put")
        if writer == holder:
            raise UsageError(f"option: {writer} cannot write to itself; name two parties")
        if face_units <= 0 or not 0 < strike_e6 <= _LARGEST_STRIKE_E6:
            raise UsageError(
                f"option: face {face_units} and strike {strike_e6} (10^-6) must be positive, a strike at most 1,000"
            )
        flows = security.resolve()
        if not flows.first_settlement <= expiry < flows.maturity:
            raise ConventionError(
                f"expiry: {expiry} is not in [{flows.first_settlement}, {flows.maturity}), the life of {security.cusip}"
            )
        start, end = new_york_midnight(expiry), new_york_midnight(expiry + timedelta(days=1)) - 1
        first, last = window or (start, end)
        if not start <= first <= last <= end:
            raise ConventionError(f"window: {moment(first)} to {moment(last)} is not a part of {expiry} in New York")
        if self._ledger.chain.now() > last:
            raise LedgerError(f"option: its window ends {moment(last)}, which has passed", "ExerciseTooLate")
        period = accrual_period(security, expiry)
        if period is None:
            raise ConventionError(f"{security.cusip}: {expiry} is in the third half-year of a long first coupon period")
        names = ("accrual_start", "prior_coupon", "previous_coupon", "next_coupon")
        dates = [new_york_midnight(period[name]) if period.get(name) else 0 for name in names]
        self._token(security.cusip)
        return OptionTerms(
            self._ledger.address_of(writer),
            self._ledger.address_of(holder),
            security.cusip,
            kind,
            strike_e6,
            face_units,
            expiry,
            first,
            last,
            (period.get("coupon_e9", 0), *dates),
            salt,
        )

    def ensure_book(self) -> None:
        """Register the book's wallet, if it is not; its claim does not expire."""
        if BOOK not in self._ledger.books().parties():
            self._ledger.add_party(BOOK, self.address, claim_expiry=NO_EXPIRY)

    def quote(self, terms: OptionTerms, premium_units: int, *, valid_seconds: int = QUOTE_SECONDS) -> OptionQuote:
        """The writer's signed offer of an option at a premium; it can be made again for one that is written.

        Raises
        ------
        UsageError
            If the premium or the validity is not positive.
        """
        if premium_units <= 0 or valid_seconds <= 0:
            raise UsageError(f"option: premium {premium_units} and validity {valid_seconds} s must be positive")
        self.ensure_book()
        books = self._ledger.books()
        writer, holder = (books.party_of("0x" + wallet.hex()) for wallet in (terms.writer, terms.holder))
        legs = [PlanLeg(CURRENCY, holder, BOOK, premium_units)]
        instruction = self._instruction(legs, terms.option_id, valid_seconds)
        signature = self._ledger.keyring.key(writer).sign_digest(self._digest(instruction))
        return OptionQuote(terms, writer, holder, instruction, signature)

    def write(self, terms: OptionTerms) -> OptionState:
        """Set the writer's collateral aside: of a call the face on hold, of a put strike and accrued in cash.

        Raises
        ------
        LedgerError
            "CollateralShort" if he has not got it free, "OptionAlreadyWritten", "ExerciseTooLate", ...
        """
        option_id, books = terms.option_id, self._ledger.books()
        if self._status(option_id) is not OptionStatus.NONE:
            raise LedgerError(
                f"option 0x{option_id.hex()[:16]}… is written already; another salt makes another option",
                "OptionAlreadyWritten",
            )
        writer = books.party_of("0x" + terms.writer.hex())
        if terms.kind == "call":
            place, need = self._token(terms.cusip), terms.face_units
            self._require_collateral(writer, terms.cusip, place, "SecurityToken", "availableOf", terms.writer, need)
            hold = (option_id, self.address, terms.holder, need, terms.exercise_until)
            first = Step(writer, place, encode_call("SecurityToken", "createHold", *hold))
        else:
            place, need = self._ledger.contracts.usd, self.payment_units(terms)
            self._require_collateral(writer, "cash", place, "CashToken", "balanceOf", terms.writer, need)
            first = Step(writer, place, encode_call("CashToken", "approve", self.address, need))
        self._ledger.send([first, Step(writer, self.address, encode_call(_CONTRACT, "write", terms.abi_value()))])
        return self.state(option_id)

    def _require_collateral(
        self, writer: str, what: str, place: bytes, contract: str, question: str, wallet: bytes, need: int
    ) -> None:
        free: int = self._ledger.call(contract, place, question, wallet)
        if free < need:
            raise LedgerError(
                f"option: {writer} has ${format_units(free)} of {what} free and needs ${format_units(need)} as "
                "collateral; a naked option cannot be written",
                "CollateralShort",
            )

    def buy(self, quote: OptionQuote) -> OptionState:
        """Buy a written option by its quote: the holder signs it too, premium and option change hands.

        Raises
        ------
        LedgerError
            "QuoteExpired", "QuoteNotSigned", "OptionNotWritten", "CallNotCovered", "ERC20InsufficientBalance", ...
        """
        option_id, deadline = quote.terms.option_id, quote.instruction.deadline
        status = self._status(option_id)
        if status is not OptionStatus.WRITTEN:
            raise LedgerError(
                f"option 0x{option_id.hex()[:16]}… cannot be bought: it is {self._word(status)}", "OptionNotWritten"
            )
        if self._ledger.chain.now() > deadline:
            raise LedgerError(
                f"option: the quote expired {moment(deadline)}; ask {quote.writer} for another", "QuoteExpired"
            )
        if self._ledger.address_of(quote.holder) != quote.terms.holder:
            raise UsageError(f"option: {quote.holder} is not the holder that the terms name")
        signatures = [self._ledger.keyring.key(quote.holder).sign_digest(self._digest(quote.instruction))]
        self._send("buy", option_id, quote.instruction.abi_value(), signatures, quote.signature)
        return self.state(option_id)

    # --- ends ---------------------------------------------------------------------------------------------------

    def exercise(self, option_id: bytes) -> OptionState:
        """Exercise a bought option, whole: cash against delivery, or nothing. Signed by the holder.

        Raises
        ------
        LedgerError
            "ExerciseTooEarly", "ExerciseTooLate", "OptionNotOpen", or what the tokens refuse.
        """
        option = self.state(option_id)
        self._require_open(option)
        terms = option.terms
        if terms.kind == "call":
            legs = [PlanLeg(CURRENCY, option.holder, BOOK, option.payment_units)]
        else:
            legs = [
                PlanLeg(terms.cusip, option.holder, option.writer, terms.face_units),
                PlanLeg(CURRENCY, BOOK, option.holder, option.payment_units),
            ]
        instruction = self._instruction(legs, exercise_context(option_id), QUOTE_SECONDS)
        digest = self._digest(instruction)
        signed = {terms.holder: self._ledger.keyring.key(option.holder).sign_digest(digest), self.address: b""}
        signatures = [signed[giver] for giver in instruction.givers]
        self._send("exercise", option_id, instruction.abi_value(), signatures)
        return self.state(option_id)

    def _require_open(self, option: OptionState) -> None:
        name, terms, now = option.option_id.hex()[:16], option.terms, self._ledger.chain.now()
        if option.status is not OptionStatus.OPEN:
            raise LedgerError(
                f"option 0x{name}… cannot be exercised: it is {self._word(option.status)}", "OptionNotOpen"
            )
        if not terms.exercise_from <= now <= terms.exercise_until:
            early = now < terms.exercise_from
            raise LedgerError(
                f"option 0x{name}… can be exercised from {moment(terms.exercise_from)} to "
                f"{moment(terms.exercise_until)}; the ledger is at {moment(now)}",
                "ExerciseTooEarly" if early else "ExerciseTooLate",
            )

    def expire(self, option_id: bytes) -> OptionState:
        """End an option whose window has passed; its collateral is free. Anyone may: the operator does it here.

        Raises
        ------
        LedgerError
            "ExerciseWindowNotPassed", or "OptionOver" if it has ended.
        """
        option = self.state(option_id)
        if option.status in (OptionStatus.WRITTEN, OptionStatus.OPEN):
            last = option.terms.exercise_until
            if self._ledger.chain.now() <= last:
                raise LedgerError(
                    f"option 0x{option_id.hex()[:16]}… can be exercised until {moment(last)}; it expires after that",
                    "ExerciseWindowNotPassed",
                )
        self._send("expire", option_id)
        return self.state(option_id)

    def withdraw(self, option_id: bytes) -> OptionState:
        """Take back an option that nobody has bought; its collateral is free. Signed by the writer.

        Raises
        ------
        LedgerError
            "OptionNotWritten" if it was bought or has ended.
        """
        writer = self.state(option_id).writer
        self._ledger.send([Step(writer, self.address, encode_call(_CONTRACT, "withdraw", option_id))])
        return self.state(option_id)

    # --- inside -------------------------------------------------------------------------------------------------

    def _status(self, option_id: bytes) -> OptionStatus:
        return OptionStatus(self._ledger.call(_CONTRACT, self.address, "optionOf", option_id)["status"])

    @staticmethod
    def _word(status: OptionStatus) -> str:
        return {OptionStatus.NONE: "not written", OptionStatus.OPEN: "bought"}.get(status, status.name.lower())

    def _send(self, function: str, *arguments: Any) -> Sequence[Receipt]:
        return self._ledger.send([Step(OPERATOR, self.address, encode_call(_CONTRACT, function, *arguments))])

    def _token(self, cusip: str) -> bytes:
        token = self._ledger.token_of(cusip)
        if token is None:
            raise LedgerError(f"{cusip} has no token on this ledger", "UnknownAsset")
        return token

    def _digest(self, instruction: Instruction) -> bytes:
        return instruction.digest(self._ledger.chain.chain_id, self._ledger.contracts.settlement)

    def _instruction(self, legs: Sequence[PlanLeg], context: bytes, seconds: int) -> Instruction:
        """The legs by address, valid from now on, under the hash of what they are for."""
        places, now = {BOOK: self.address}, self._ledger.chain.now()
        hashed = plan_hash(context, legs)
        return Instruction(
            tuple(
                Leg(
                    self._ledger.contracts.usd if leg.asset == CURRENCY else self._token(leg.asset),
                    places.get(leg.from_party) or self._ledger.address_of(leg.from_party),
                    places.get(leg.to_party) or self._ledger.address_of(leg.to_party),
                    leg.amount,
                )
                for leg in sorted(legs)
            ),
            now,
            now + seconds,
            int.from_bytes(keccak256(hashed + now.to_bytes(8, "big")), "big"),
            context,
            hashed,
        )
