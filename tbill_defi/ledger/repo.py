"""Repos on the ledger: quoted, opened, marked, margined, substituted, repurchased, closed out.

The collateral is really moved: from the borrower to the RepoFacility, which holds it for the lender until the
repurchase. Title is the lender's while the repo runs; its coupons are passed on to the borrower; on default the lender
takes it at the oracle's mark. The facility is a party like any other, "repo-facility"; it is registered when it is
first needed. It is in every Instruction of a repo, and settles none but through its own functions: cash that the
borrower pays goes to it, and in the same transaction on to the lender.

Every act is dated with the ledger's market date. Amounts are base units; what the contract rounds is said in
contracts/src/repo/RepoFacility.sol.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from tbill_defi.chain.types import Receipt
from tbill_defi.core.clock import market_date
from tbill_defi.core.errors import LedgerError, UsageError
from tbill_defi.instruments.repo import MarginRule, Repo
from tbill_defi.ledger import repo_deeds
from tbill_defi.ledger.abi import decode_log
from tbill_defi.ledger.deployment import Step
from tbill_defi.ledger.instructions import required_token
from tbill_defi.ledger.ledger import OPERATOR, Ledger
from tbill_defi.ledger.life import NO_EXPIRY
from tbill_defi.ledger.limits import set_own_limits
from tbill_defi.ledger.repo_deeds import QUOTE_SECONDS, today_of
from tbill_defi.ledger.repo_state import CloseOut, Mark, RepoState, RepoStatus, explained
from tbill_defi.ledger.repo_terms import FACILITY, RepoQuote, RepoTerms, opening_legs

CALL_SECONDS = 86_400


class Repos:
    """The RepoFacility of a ledger."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.address = ledger.contracts.repo_facility

    # --- opening ------------------------------------------------------------------------------------------------

    def ensure_facility(self) -> None:
        """Register the facility's wallet, if it is not; its claim does not expire, and it has no limits of its own."""
        if FACILITY not in self._ledger.books().parties():
            set_own_limits(self._ledger, FACILITY, None, None)
            self._ledger.add_party(FACILITY, self.address, claim_expiry=NO_EXPIRY)  # last: who finds it finds all of it

    def quote(
        self,
        repo: Repo,
        *,
        lender: str,
        borrower: str,
        signer: str | None = None,
        call_seconds: int = CALL_SECONDS,
        valid_seconds: int = QUOTE_SECONDS,
        nonce: int = 0,
    ) -> RepoQuote:
        """A quote, signed by one of its parties; who signs it as well can open it.

        Parameters
        ----------
        repo
            Starts on the ledger's market date.
        signer
            Who quotes; None: the lender.
        nonce
            Tells repos with the same terms apart.

        Raises
        ------
        UsageError
            If the repo does not start today, or lender and borrower are one.
        LedgerError
            If a party, or a token of the collateral, is not there.
        """
        if lender == borrower:
            raise UsageError(f"repo: {lender} cannot lend to itself; name two parties")
        ledger, today = self._ledger, self._ledger.market_date
        if repo.start_date != today:
            raise UsageError(f"repo: it starts on {repo.start_date}, the ledger's market date is {today}")
        token = required_token(self._ledger, repo.cusip)
        self.ensure_facility()
        giver, taker = ledger.address_of(lender), ledger.address_of(borrower)
        terms = RepoTerms(repo, giver, taker, token, call_seconds, nonce)
        legs = opening_legs(repo, lender, borrower)
        made = RepoQuote(terms, repo_deeds.instruction(ledger, legs, terms.repo_id, valid_seconds), lender, borrower)
        return self.sign(made, signer or lender)

    def sign(self, quote: RepoQuote, party: str) -> RepoQuote:
        """The quote with the signature of one more of its parties.

        Raises
        ------
        UsageError
            If it is neither lender nor borrower, or the quote would move anything but what its terms say.
        """
        if party not in (quote.lender, quote.borrower):
            raise UsageError(f"repo: {party} is neither the lender {quote.lender} nor the borrower {quote.borrower}")
        terms, ledger = quote.terms, self._ledger
        legs = opening_legs(terms.repo, quote.lender, quote.borrower)
        expected = repo_deeds.instruction(ledger, legs, terms.repo_id)
        given = quote.instruction
        honest = (
            (given.legs, given.context_hash, given.plan_hash) == (expected.legs, terms.repo_id, expected.plan_hash)
            and (terms.lender, terms.borrower) == (ledger.address_of(quote.lender), ledger.address_of(quote.borrower))
            and terms.token == required_token(self._ledger, terms.repo.cusip)
        )
        if not honest:
            raise UsageError("repo: the quote would not move what its terms say; do not sign it, ask for another")
        signed = repo_deeds.signature(ledger, party, given)
        return replace(quote, signatures={**quote.signatures, ledger.keyring.key(party).address: signed})

    def open(self, quote: RepoQuote) -> RepoState:
        """Open a repo whose quote both parties signed: cash against collateral, or nothing.

        Raises
        ------
        UsageError
            If a signature is missing.
        LedgerError
            "CollateralShort", "CollateralIneligible", "PriceMissing", "StalePrice", "RepoAlreadyExists", ...
        """
        names = {quote.terms.lender: quote.lender, quote.terms.borrower: quote.borrower}
        if missing := [name for address, name in names.items() if address not in quote.signatures]:
            raise UsageError(f"repo: the quote is not signed by {' and '.join(missing)}")
        self._send(repo_deeds.open_step(self._ledger, quote))
        return self.state(quote.terms.repo_id)

    # --- reading ------------------------------------------------------------------------------------------------

    def state(self, repo_id: bytes) -> RepoState:
        """A repo as it stands.

        Raises
        ------
        LedgerError
            If there is none of that id (code "UnknownRepo").
        """
        raw = self._call("repoOf", repo_id)
        status = RepoStatus(raw["status"])
        if status is RepoStatus.NONE:
            raise LedgerError(f"repo 0x{repo_id.hex()} is not on this ledger", "UnknownRepo")
        as_of = max(raw["accruedTo"], today_of(self._ledger)) if status is RepoStatus.OPEN else raw["accruedTo"]
        principal, interest = self._call("exposureOf", repo_id, as_of)
        books = self._ledger.books()
        return RepoState(
            repo_id=repo_id,
            status=status,
            lender=books.party_of("0x" + raw["lender"].hex()),
            borrower=books.party_of("0x" + raw["borrower"].hex()),
            cusip=books.asset_of("0x" + raw["token"].hex()),
            face_units=raw["face"],
            principal_units=principal,
            interest_units=interest,
            rate_e9=raw["rateE9"],
            start_date=market_date(raw["start"]),
            end_date=market_date(raw["end"]),
            margin_rule=list(MarginRule)[raw["marginRule"]],
            margin_e9=raw["marginE9"],
            call_seconds=raw["callSeconds"],
            call_deadline=raw["callDeadline"],
            shortfall_units=raw["shortfall"],
            acts=raw["acts"],
        )

    def all(self) -> list[RepoState]:
        """Every repo ever opened, in order."""
        return [self.state(repo_id) for repo_id in self._ledger.books().custody.repo_ids()]

    def find(self, text: str) -> bytes:
        """Id of the one repo whose 0x-hex starts with `text`.

        Raises
        ------
        LedgerError
            If there is none, or more than one (code "UnknownRepo").
        """
        wanted = text.lower().removeprefix("0x")
        found = [repo_id for repo_id in self._ledger.books().custody.repo_ids() if repo_id.hex().startswith(wanted)]
        if not wanted or len(found) != 1:
            raise LedgerError(
                f"repo {text!r}: {len(found)} repos have such an id; `tbill repo show` lists them", "UnknownRepo"
            )
        return found[0]

    def coverage(self, repo_id: bytes) -> Mark:
        """A repo at the oracle's price now; nothing is recorded.

        Raises
        ------
        LedgerError
            "RepoNotOpen", "PriceMissing", "StalePrice".
        """
        price, exposure, lendable = self._call("coverageOf", repo_id, today_of(self._ledger))
        return Mark(price, exposure, lendable, self._call("repoOf", repo_id)["callDeadline"])

    def price(self, cusip: str) -> int:
        """What 100 of face counts as collateral now, 10^-6: dirty; clean if a coupon date has passed since; then par.

        Raises
        ------
        LedgerError
            "UnknownAsset", "PriceMissing", "StalePrice".
        """
        with explained():
            found: int = self._call("priceOf", required_token(self._ledger, cusip))
        return found

    # --- acts ---------------------------------------------------------------------------------------------------

    def mark(self, repo_id: bytes) -> Mark:
        """Mark to market on chain: calls margin if the collateral is short, ends a call if it is not.

        Raises
        ------
        LedgerError
            As of `coverage`.
        """
        self._act(OPERATOR, "mark", repo_id, today_of(self._ledger))
        return self.coverage(repo_id)

    def deliver_margin(self, repo_id: bytes, *, face_units: int = 0, cash_units: int = 0) -> RepoState:
        """More of the collateral, or cash that reduces what is outstanding, from the borrower.

        Raises
        ------
        UsageError
            If nothing is delivered.
        LedgerError
            "CashNotCalled" if cash is more than an open call asks for, or all that is outstanding.
        """
        if not (face_units or cash_units) or min(face_units, cash_units) < 0:
            raise UsageError("repo: give face or cash to deliver, base units, positive")
        self._send(repo_deeds.margin_step(self._ledger, self.state(repo_id), face_units, cash_units))
        return self.state(repo_id)

    def release(self, repo_id: bytes, face_units: int) -> RepoState:
        """Let the lender give collateral back that is not needed.

        Raises
        ------
        LedgerError
            "CollateralShort" if what remains does not cover.
        """
        self._act(self.state(repo_id).lender, "releaseCollateral", repo_id, today_of(self._ledger), face_units)
        return self.state(repo_id)

    def substitute(self, repo_id: bytes, cusip: str, face_units: int) -> RepoState:
        """Exchange the collateral for another; both parties sign, and the new one must cover.

        Raises
        ------
        LedgerError
            "CollateralShort", "CollateralIneligible", "PriceMissing", "StalePrice".
        """
        self._send(repo_deeds.substitute_step(self._ledger, self.state(repo_id), cusip, face_units))
        return self.state(repo_id)

    def repurchase(
        self, repo_id: bytes, *, principal_units: int | None = None, face_units: int | None = None
    ) -> RepoState:
        """Repurchase all, or with the lender's signature a part, against collateral.

        Parameters
        ----------
        principal_units, face_units
            Outstanding cash that is paid, and collateral that comes back for a part of it; None: all cash, with all
            interest, for which all collateral comes back. Before the repurchase date, and for a part, the lender signs
            too.

        Raises
        ------
        LedgerError
            "CollateralShort" if what remains does not cover; "RepoNotOpen"; the borrower's missing cash.
        """
        repo = self.state(repo_id)
        principal = repo.principal_units if principal_units is None else principal_units
        whole = principal == repo.principal_units
        if whole and face_units not in (None, repo.face_units):
            raise UsageError(f"repo: all {repo.face_units} of the face comes back with all of the cash; leave it out")
        self._send(repo_deeds.repurchase_step(self._ledger, repo, principal, 0 if whole else face_units or 0))
        return self.state(repo_id)

    def close_out(self, repo_id: bytes, *, by: str | None = None) -> CloseOut:
        """Close out a repo in default at the mark: the lender's to do.

        Parameters
        ----------
        by
            Key that acts; None: the lender's.

        Raises
        ------
        LedgerError
            "NotInDefault", "RepoNotOpen" (closed out already, for one), "NotLender", "StalePrice".
        """
        receipts = self._act(by or self.state(repo_id).lender, "closeOut", repo_id, today_of(self._ledger))
        (event,) = (e for log in receipts[-1].logs if (e := decode_log(log)) and e.name == "ClosedOut")
        values = event.arguments
        return CloseOut(*(int(values[name]) for name in ("priceE6", "debt", "lenderFace", "borrowerFace", "shortfall")))

    # --- inside -------------------------------------------------------------------------------------------------

    def _call(self, function: str, *arguments: Any) -> Any:
        return self._ledger.call(repo_deeds.CONTRACT, self.address, function, *arguments)

    def _send(self, step: Step) -> Sequence[Receipt]:
        with explained():
            return self._ledger.send([step])

    def _act(self, key: str, function: str, *arguments: Any) -> Sequence[Receipt]:
        return self._send(repo_deeds.call_step(self._ledger, key, function, *arguments))
