"""Fold the events of a transaction into entries; see `entries`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tbill_defi.chain.types import EventRecord
from tbill_defi.core.clock import market_date, new_york_midnight
from tbill_defi.ledger.books import ZERO
from tbill_defi.ledger.deployment import Contracts
from tbill_defi.ledger.index.entries import Entry, Frame, Known, Movement, Option, Repo, Sources, legs_of, text

DAY_SECONDS = 86_400
CALL = 0
Values = Mapping[str, Any]


class Folder:
    """Folds transactions in order; `known` is what it has learnt, and may be loaded from where it was kept."""

    def __init__(self, contracts: Contracts, known: Known | None = None) -> None:
        self.known = known or Known()
        self._sources = Sources(contracts, self.known)
        self._usd = "0x" + contracts.usd.hex()
        self._facility = "0x" + contracts.repo_facility.hex()
        self._option_book = "0x" + contracts.option_book.hex()
        self._coupon_payer = "0x" + contracts.coupon_payer.hex()
        self._issuance = "0x" + contracts.issuance.hex()
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
            elif name in _OF_TOKENS:
                token = self._sources.token(event.log.address)
                if token is not None:
                    _OF_TOKENS[name](self, token, event.arguments)
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
            if movement in frame.expected:
                frame.expected.remove(movement)
                frame.entry.movements.append(movement)
                frame.entry.sequence = min(frame.entry.sequence, sequence)
                return
        self._pending.append((sequence, movement))

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

    def _expect_delivery(self, frame: Frame, token: str, owner: str, units: int) -> None:
        """The token itself, or the cash it was redeemed for."""
        frame.expected.append(Movement(token, self._facility, owner, units))
        if token in self.known.payers:
            _, numerator, denominator = self.known.payers[token]
            frame.expected.append(Movement(self._usd, self._facility, owner, units * numerator // denominator))

    def _on_Settled(self, values: Values) -> None:  # noqa: N802 - the event's name
        sequence, movements = self._take(legs_of(values))
        frame = next((frame for frame in reversed(self._frames) if frame.settles), None)
        plan = values["planHash"] if int(values["planHash"], 16) else ""
        if frame is None:
            entry = self._entry("settlement", sequence, values["instructionHash"], plan_hash=plan, movements=movements)
            self._done.append(entry)
            return
        frame.settles -= 1
        frame.entry.movements += movements
        frame.entry.plan_hash = plan
        frame.entry.sequence = min(frame.entry.sequence, sequence)

    # --- registries ---------------------------------------------------------------------------------------------

    def _on_AssetRegistered(self, values: Values) -> None:  # noqa: N802
        self.known.assets[values["token"]] = text(values["assetId"])

    def _on_SecurityCreated(self, values: Values) -> None:  # noqa: N802
        self.known.securities[text(values["cusip"])] = (values["termsHash"], int(values["maturity"]))

    def _on_WalletRegistered(self, values: Values) -> None:  # noqa: N802
        wallet, party = values["wallet"], text(values["identity"])
        before = self.known.party_of(wallet)
        self.known.parties[wallet] = party
        if before != party:
            self._done.append(
                self._entry("reassignment", self._now.sequence, wallet, facts={"before": before, "wallet": wallet})
            )

    # --- tokens -------------------------------------------------------------------------------------------------

    def _frozen(self, token: str, values: Values) -> None:
        self.known.frozen[values["account"], token] = int(values["amount"])
        if not int(values["amount"]):
            del self.known.frozen[values["account"], token]
        self.restricted[values["account"], token] = None

    def _hold_created(self, token: str, values: Values) -> None:
        holder, units = values["holder"], int(values["amount"])
        self.known.holds[token, values["id"]] = (holder, units)
        self._held(holder, token, units)

    def _hold_ended(self, token: str, values: Values) -> None:
        holder, units = self.known.holds.pop((token, values["id"]), (values["holder"], 0))
        self._held(holder, token, -units)

    def _held(self, holder: str, token: str, change: int) -> None:
        units = self.known.held.get((holder, token), 0) + change
        self.known.held[holder, token] = units
        if not units:
            del self.known.held[holder, token]
        self.restricted[holder, token] = None

    def _hold_executed(self, token: str, values: Values) -> None:
        self._hold_ended(token, values)
        movement = Movement(token, values["holder"], values["to"], int(values["amount"]))
        if any(found == movement for _, found in self._pending):
            self._explain("hold-execution", [movement], values["id"])

    def _forced(self, token: str, values: Values) -> None:
        movement = Movement(token, values["from"], values["to"], int(values["amount"]))
        self._explain("forced-transfer", [movement])

    # --- coupons, issues and redemptions ------------------------------------------------------------------------

    def _on_CouponAnnounced(self, values: Values) -> None:  # noqa: N802
        self.known.coupons[values["couponId"]] = (values["token"], "")

    def _on_RecoveryAnnounced(self, values: Values) -> None:  # noqa: N802
        self.known.recoveries.add(values["couponId"])

    def _kind(self, coupon: str) -> str:
        return "recovery" if coupon in self.known.recoveries else "coupon"

    def _coupon(self, values: Values) -> tuple[str, str, str]:
        """Id, payer, and CUSIP of a coupon."""
        token, payer = self.known.coupons[values["couponId"]]
        return values["couponId"], payer, self.known.assets[token]

    def _on_CouponFunded(self, values: Values) -> None:  # noqa: N802
        coupon, payer = values["couponId"], values["payer"]
        self.known.coupons[coupon] = (self.known.coupons[coupon][0], payer)
        _, _, asset = self._coupon(values)
        movement = Movement(self._usd, payer, self._coupon_payer, int(values["due"]))
        self._open("coupon-funding", coupon, movement, asset=asset)

    def _on_CouponPaid(self, values: Values) -> None:  # noqa: N802
        coupon, _, asset = self._coupon(values)
        movement = Movement(self._usd, self._coupon_payer, values["holder"], int(values["amount"]))
        self._explain(self._kind(coupon), [movement], coupon, asset=asset)

    def _on_CouponClosed(self, values: Values) -> None:  # noqa: N802
        coupon, payer, asset = self._coupon(values)
        movement = Movement(self._usd, self._coupon_payer, payer, int(values["dust"]))
        self._open("coupon-funding", coupon, movement, asset=asset)

    def _on_CouponPassed(self, values: Values) -> None:  # noqa: N802
        coupon, _, asset = self._coupon(values)
        movement = Movement(self._usd, self._facility, values["beneficiary"], int(values["amount"]))
        self._open(self._kind(coupon), coupon, movement, asset=asset)

    def _on_Issued(self, values: Values) -> None:  # noqa: N802
        token, account = values["token"], values["account"]
        sequence, minted = self._take([Movement(token, ZERO, account, int(values["face"]))])
        frame = self._open("issuance", values["instructionHash"], settles=1, issuer=account)
        frame.entry.movements, frame.entry.sequence = minted, min(sequence, frame.entry.sequence)

    def _on_RedemptionOpened(self, values: Values) -> None:  # noqa: N802
        fraction = int(values["numerator"]), int(values["denominator"])
        self.known.payers[values["token"]] = (values["payer"], *fraction)

    def _on_RedemptionFunded(self, values: Values) -> None:  # noqa: N802
        movement = Movement(self._usd, values["payer"], self._issuance, int(values["amount"]))
        self._open("redemption-funding", values["token"], movement, asset=self.known.assets[values["token"]])

    def _on_Redeemed(self, values: Values) -> None:  # noqa: N802
        token, holder, face, paid = values["token"], values["holder"], int(values["face"]), int(values["paid"])
        moves = Movement(token, holder, ZERO, face), Movement(self._usd, self._issuance, holder, paid)
        self._open("redemption", token, *moves, holder=holder, blocked=int(values["blocked"]))

    def _on_RedemptionCompleted(self, values: Values) -> None:  # noqa: N802
        token = values["token"]
        movement = Movement(self._usd, self._issuance, self.known.payers[token][0], int(values["surplus"]))
        self._open("redemption-funding", token, movement, asset=self.known.assets[token])

    def _on_BlockedReleased(self, values: Values) -> None:  # noqa: N802
        movement = Movement(self._usd, self._issuance, values["wallet"], int(values["amount"]))
        self._open("blocked-release", values["identity"], movement)

    # --- repos --------------------------------------------------------------------------------------------------

    def _on_CustodyChanged(self, values: Values) -> None:  # noqa: N802
        account, token, units = values["account"], values["token"], int(values["units"])
        change = units - self.known.custody.get((account, token), 0)
        self.known.custody[account, token] = units
        if change:
            self._custody.append((account, token, change))

    def _on_RepoOpened(self, values: Values) -> None:  # noqa: N802
        terms, repo_id = values["terms"], values["repoId"]
        start = int(terms["start"])
        self.known.repos[repo_id] = Repo(
            repo_id,
            values["lender"],
            values["borrower"],
            int(terms["cash"]),
            int(terms["rateE9"]),
            start,
            int(terms["end"]),
            start,
        )
        self._open("repo-open", repo_id, settles=1, custody=True, principal=int(terms["cash"]))

    def _accrued(self, repo: Repo) -> None:
        """Interest up to today: what is outstanding changes."""
        today = new_york_midnight(market_date(self._now.timestamp))
        days = (today - repo.accrued_to + DAY_SECONDS // 2) // DAY_SECONDS
        repo.accrued += repo.principal * repo.rate_e9 * days
        repo.accrued_to = today

    def _on_MarginDelivered(self, values: Values) -> None:  # noqa: N802
        repo, paid = self.known.repos[values["repoId"]], int(values["cash"])
        if paid:
            self._accrued(repo)
            repo.principal -= paid
        onward = Movement(self._usd, self._facility, repo.lender, paid)
        self._open("repo-margin", repo.repo_id, onward, settles=1, custody=True, principal=paid)

    def _on_CollateralSubstituted(self, values: Values) -> None:  # noqa: N802
        self._open("repo-substitution", values["repoId"], settles=1, custody=True)

    def _on_CollateralReleased(self, values: Values) -> None:  # noqa: N802
        self._open("repo-release", values["repoId"], custody=True)

    def _on_PartlyRepurchased(self, values: Values) -> None:  # noqa: N802
        repo, principal = self.known.repos[values["repoId"]], int(values["principal"])
        self._accrued(repo)
        self._repaid(repo, principal, 0)

    def _on_Repurchased(self, values: Values) -> None:  # noqa: N802
        repo = self.known.repos[values["repoId"]]
        repo.open = False
        self._repaid(repo, int(values["principal"]), int(values["interest"]))

    def _repaid(self, repo: Repo, principal: int, interest: int) -> None:
        repo.principal -= principal
        onward = Movement(self._usd, self._facility, repo.lender, principal + interest)
        self._open(
            "repo-repurchase", repo.repo_id, onward, settles=1, custody=True, principal=principal, interest=interest
        )

    def _on_ClosedOut(self, values: Values) -> None:  # noqa: N802
        repo = self.known.repos[values["repoId"]]
        debt, taken, shortfall = int(values["debt"]), int(values["lenderFace"]), int(values["shortfall"])
        back = int(values["borrowerFace"])
        settled = debt - shortfall
        principal = min(settled, repo.principal)
        tokens = {token for _, token, _ in self._custody}
        frame = self._open(
            "repo-close-out", repo.repo_id, custody=True, taken=taken, principal=principal, interest=settled - principal
        )
        frame.expected = []
        for token in tokens:
            for owner, units in ((repo.lender, taken), (repo.borrower, back)):
                if units:
                    self._expect_delivery(frame, token, owner, units)
        repo.open, repo.principal = False, repo.principal - principal

    def _on_DeliveryDeferred(self, values: Values) -> None:  # noqa: N802
        """The delivery of the frame before was refused: the units stay in custody, for their owner."""
        frame = self._frames[-1]
        frame.entry.custody += self._custody
        self._custody = []

    def _on_DeliveryCollected(self, values: Values) -> None:  # noqa: N802
        self._open("delivery", values["owner"], custody=True)

    # --- options ------------------------------------------------------------------------------------------------

    def _on_OptionWritten(self, values: Values) -> None:  # noqa: N802
        terms = values["terms"]
        option = Option(
            values["id"],
            int(terms["kind"]),
            values["writer"],
            values["holder"],
            self.known.token_of(text(terms["cusip"])),
            int(terms["face"]),
            int(values["payment"]),
            int(terms["exerciseUntil"]),
        )
        self.known.options[option.option_id] = option
        if option.kind != CALL:
            movement = Movement(self._usd, option.writer, self._option_book, option.payment)
            self._open("option-escrow", option.option_id, movement)

    def _on_OptionBought(self, values: Values) -> None:  # noqa: N802
        option = self.known.options[values["id"]]
        option.status = "open"
        onward = Movement(self._usd, self._option_book, option.writer, int(values["premium"]))
        self._open("option-premium", option.option_id, onward, settles=1)

    def _on_OptionExercised(self, values: Values) -> None:  # noqa: N802
        option = self.known.options[values["id"]]
        option.status = "exercised"
        frame = self._open("option-exercise", option.option_id, settles=1)
        if option.kind == CALL:
            frame.expected += [
                Movement(option.token, option.writer, option.holder, option.face),
                Movement(self._usd, self._option_book, option.writer, option.payment),
            ]
        else:
            frame.entry.facts = {"writer": option.writer, "payment": option.payment}

    def _on_OptionExpired(self, values: Values) -> None:  # noqa: N802
        self._escrow_back(self.known.options[values["id"]], "expired")

    def _on_OptionWithdrawn(self, values: Values) -> None:  # noqa: N802
        self._escrow_back(self.known.options[values["id"]], "withdrawn")

    def _escrow_back(self, option: Option, status: str) -> None:
        option.status = status
        if option.kind != CALL:
            movement = Movement(self._usd, self._option_book, option.writer, option.payment)
            self._open("option-escrow", option.option_id, movement)


def _unexplained(movement: Movement) -> str:
    if movement.source == ZERO:
        return "deposit"
    return "withdrawal" if movement.target == ZERO else "transfer"


_OF_TOKENS: dict[str, Callable[[Folder, str, Values], None]] = {
    "Frozen": Folder._frozen,
    "HoldCreated": Folder._hold_created,
    "HoldExecuted": Folder._hold_executed,
    "HoldReleased": Folder._hold_ended,
    "HoldExpired": Folder._hold_ended,
    "ForcedTransfer": Folder._forced,
}
