"""Options on the ledger: quoted, written, bought, exercised, expired.

A call is written against a hold on the writer's own units, which stay in his wallet and keep paying him coupons; a put
against cash in the OptionBook. The holder buys by the writer's signed quote: premium against option, atomically. He
exercises on the expiry date by delivery. Strike and accrued interest for the face are rounded up to the base unit: the
payer bears it.

The book is a party like any other, "option-book"; it is registered when it is first needed.
"""

from __future__ import annotations

from datetime import date, timedelta

from tbill_defi.core.clock import moment, new_york_midnight
from tbill_defi.core.errors import ConventionError, LedgerError, UsageError
from tbill_defi.core.money import format_units
from tbill_defi.instruments import Security
from tbill_defi.ledger import option_deeds
from tbill_defi.ledger.abi import encode_call
from tbill_defi.ledger.accrual import accrual_period
from tbill_defi.ledger.deployment import Step
from tbill_defi.ledger.instructions import required_token
from tbill_defi.ledger.ledger import Ledger
from tbill_defi.ledger.life import NO_EXPIRY
from tbill_defi.ledger.option_deeds import BOOK, CONTRACT, QUOTE_SECONDS
from tbill_defi.ledger.option_terms import KINDS, OptionQuote, OptionState, OptionStatus, OptionTerms

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
        return list(self._ledger.books().options().values())

    def state(self, option_id: bytes) -> OptionState:
        """An option by its id.

        Raises
        ------
        LedgerError
            If none of that id was written (code "UnknownOption").
        """
        found = self._ledger.books().option(option_id)
        if found is None:
            raise LedgerError(
                f"option 0x{option_id.hex()[:16]}…: not written on this ledger; `tbill option show` lists them",
                "UnknownOption",
            )
        return found

    def find(self, text: str) -> bytes:
        """Id of the one option whose 0x-hex starts with `text`.

        Raises
        ------
        LedgerError
            If there is none, or more than one (code "UnknownOption").
        """
        wanted = text.lower().removeprefix("0x")
        found = [option_id for option_id in self._ledger.books().options() if option_id.hex().startswith(wanted)]
        if not wanted or len(found) != 1:
            raise LedgerError(
                f"option {text!r}: {len(found)} options have such an id; `tbill option show` lists them",
                "UnknownOption",
            )
        return found[0]

    def payment_units(self, terms: OptionTerms) -> int:
        """Strike and accrued interest for the face, base units, rounded up: computed by the contract."""
        return option_deeds.payment_units(self._ledger, terms)

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
        required_token(self._ledger, security.cusip)
        return OptionTerms(
            self._ledger.address_of(writer),
            self._ledger.address_of(holder),
            security.cusip,
            kind,
            strike_e6,
            face_units,
            start,
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
        writer = self._ledger.books().party_of("0x" + terms.writer.hex())
        key = self._ledger.keyring.key(writer)
        return option_deeds.signed_quote(self._ledger, terms, premium_units, key, valid_seconds=valid_seconds)

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
        self._require_collateral(writer, terms)
        self._ledger.send(option_deeds.write_steps(self._ledger, terms, writer))
        return self.state(option_id)

    def _require_collateral(self, writer: str, terms: OptionTerms) -> None:
        if terms.kind == "call":
            token, what, need = required_token(self._ledger, terms.cusip), terms.cusip, terms.face_units
            free: int = self._ledger.call("SecurityToken", token, "availableOf", terms.writer)
        else:
            what, need = "cash", self.payment_units(terms)
            free = self._ledger.call("CashToken", self._ledger.contracts.usd, "balanceOf", terms.writer)
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
            "QuoteExpired", "QuoteNotSigned", "OptionNotWritten", "ExerciseTooLate", "CallNotCovered", ...
        """
        option_id, deadline = quote.terms.option_id, quote.instruction.deadline
        status = self._status(option_id)
        if status is not OptionStatus.WRITTEN:
            raise LedgerError(
                f"option 0x{option_id.hex()[:16]}… cannot be bought: it is {self._word(status)}", "OptionNotWritten"
            )
        if self._ledger.chain.now() > (last := quote.terms.exercise_until):
            raise LedgerError(
                f"option 0x{option_id.hex()[:16]}… cannot be bought: its window ended {moment(last)}", "ExerciseTooLate"
            )
        if self._ledger.chain.now() > deadline:
            raise LedgerError(
                f"option: the quote expired {moment(deadline)}; ask {quote.writer} for another", "QuoteExpired"
            )
        if self._ledger.address_of(quote.holder) != quote.terms.holder:
            raise UsageError(f"option: {quote.holder} is not the holder that the terms name")
        self._ledger.send([option_deeds.buy_step(self._ledger, quote, self._ledger.keyring.key(quote.holder))])
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
        self._ledger.send([option_deeds.exercise_step(self._ledger, option, self._ledger.keyring.key(option.holder))])
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
        self._ledger.send([option_deeds.call_step(self._ledger, "expire", option_id)])
        return self.state(option_id)

    def expire_all(self) -> list[OptionState]:
        """End every option whose window has passed, in one batch; their collateral is free.

        Raises
        ------
        LedgerError
            "NothingOpen" if there is none.
        """
        live, now = [option for option in self.all() if option.is_live], self._ledger.chain.now()
        passed = [option.option_id for option in live if option.terms.exercise_until < now]
        if not passed:
            ends = min((option.terms.exercise_until for option in live), default=None)
            later = "" if ends is None else f"; the next ends {moment(ends)}"
            raise LedgerError(f"option: there is none on this ledger whose window has passed{later}", "NothingOpen")
        self._ledger.send([option_deeds.call_step(self._ledger, "expire", option_id) for option_id in passed])
        return [self.state(option_id) for option_id in passed]

    def withdraw(self, option_id: bytes) -> OptionState:
        """Take back an option that nobody has bought; its collateral is free. Signed by the writer.

        Raises
        ------
        LedgerError
            "OptionNotWritten" if it was bought or has ended.
        """
        writer = self.state(option_id).writer
        self._ledger.send([Step(writer, self.address, encode_call(CONTRACT, "withdraw", option_id))])
        return self.state(option_id)

    # --- inside -------------------------------------------------------------------------------------------------

    def _status(self, option_id: bytes) -> OptionStatus:
        return OptionStatus(self._ledger.call(CONTRACT, self.address, "optionOf", option_id)["status"])

    @staticmethod
    def _word(status: OptionStatus) -> str:
        return {OptionStatus.NONE: "not written", OptionStatus.OPEN: "bought"}.get(status, status.name.lower())
