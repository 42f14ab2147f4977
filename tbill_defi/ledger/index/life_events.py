"""Fold the life of a security: coupons, issues, redemptions at the end and before it, what is stripped, custody."""

from __future__ import annotations

from tbill_defi.ledger.books import ZERO
from tbill_defi.ledger.deployment import Contracts
from tbill_defi.ledger.index.effects import ACT_TRANSFER, EARLY_REDEMPTION, RECONSTITUTION, STRIP
from tbill_defi.ledger.index.entries import Act, Frame, Known, Movement, Piece
from tbill_defi.ledger.index.frames import Frames, Values


class LifeFrames(Frames):
    """Entries of a security's life."""

    def __init__(self, contracts: Contracts, known: Known) -> None:
        super().__init__(contracts, known)
        self._coupon_payer = "0x" + contracts.coupon_payer.hex()
        self._issuance = "0x" + contracts.issuance.hex()

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
        movement = Movement(self._usd, self._here, values["beneficiary"], int(values["amount"]))
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

    # --- custody ------------------------------------------------------------------------------------------------

    def _on_CustodyChanged(self, values: Values) -> None:  # noqa: N802
        key, units = (self._here, values["account"], values["token"]), int(values["units"])
        change = units - self.known.custody.get(key, 0)
        self.known.custody[key] = units
        if change:
            self._custody.append((*key[1:], change))

    def _on_DeliveryDeferred(self, values: Values) -> None:  # noqa: N802
        """The delivery of the frame before was refused: the units stay in custody, for their owner."""
        frame = self._frames[-1]
        frame.entry.custody += self._custody
        self._custody = []

    def _on_DeliveryCollected(self, values: Values) -> None:  # noqa: N802
        self._open("delivery", values["owner"], custody=True)

    # --- early redemption ---------------------------------------------------------------------------------------

    def _on_EarlyRedemptionRequested(self, values: Values) -> None:  # noqa: N802
        """The units lie in the queue, and are still their holder's."""
        request, holder = values["requestId"], values["holder"]
        self.known.requests[request] = holder
        movement = Movement(values["token"], holder, self._here, int(values["face"]))
        self._open("early-redemption-request", request, movement, custody=True)

    def _on_EarlyRedemptionStruck(self, values: Values) -> None:  # noqa: N802
        token, face, paid = values["token"], int(values["face"]), int(values["paid"])
        frame = self._open(EARLY_REDEMPTION, values["requestId"], custody=True)
        frame.expected = [
            Movement(token, self._here, ZERO, face),
            Movement(self._usd, self._here, values["holder"], paid),
        ]

    def _on_EarlyRedemptionEnded(self, values: Values) -> None:  # noqa: N802
        if int(values["returned"]):
            self._open("early-redemption-return", values["requestId"], custody=True)

    def _on_WindowFunded(self, values: Values) -> None:  # noqa: N802
        self._window_cash(values, values["payer"], self._here)

    def _on_FundsWithdrawn(self, values: Values) -> None:  # noqa: N802
        self._window_cash(values, self._here, values["payer"])

    def _window_cash(self, values: Values, source: str, target: str) -> None:
        token = values["token"]
        movement = Movement(self._usd, source, target, int(values["amount"]))
        self._open("early-redemption-funding", token, movement, asset=self.known.assets[token])

    # --- stripping ----------------------------------------------------------------------------------------------

    def _on_PiecesNamed(self, values: Values) -> None:  # noqa: N802
        named = (Piece(one["token"], int(one["numerator"]), int(one["denominator"])) for one in values["pieces"])
        self.known.pieces[values["bond"]] = tuple(named)

    def _on_StrippingBegun(self, values: Values) -> None:  # noqa: N802
        act = self._begun(values, STRIP)
        self._act_frame(act).expected.append(Movement(act.bond, act.holder, ZERO, act.face))

    def _on_ReconstitutionBegun(self, values: Values) -> None:  # noqa: N802
        self._begun(values, RECONSTITUTION)

    def _begun(self, values: Values, kind: str) -> Act:
        act = Act(values["actId"], kind, values["bond"], values["holder"], int(values["face"]))
        self.known.acts[act.act_id] = act
        return act

    def _act_frame(self, act: Act) -> Frame:
        """The entry of what an act does in this transaction, for whose it is now."""
        mine = [frame for frame in self._frames if frame.entry.reference == act.act_id]
        return mine[-1] if mine and mine[-1].entry.kind == act.kind else self._open(act.kind, act.act_id)

    def _on_ActSeized(self, values: Values) -> None:  # noqa: N802
        act = self.known.acts[values["actId"]]
        self.known.acts[act.act_id] = act._replace(holder=values["to"])
        before = self.known.party_of(act.holder)
        self._open(ACT_TRANSFER, act.act_id, before=before, wallet=values["to"])

    def _on_PieceMoved(self, values: Values) -> None:  # noqa: N802
        act = self.known.acts[values["actId"]]
        ends = (act.holder, ZERO) if values["joining"] else (ZERO, act.holder)
        self._act_frame(act).expected.append(Movement(values["token"], *ends, int(values["amount"])))

    def _on_ActCompleted(self, values: Values) -> None:  # noqa: N802
        act = self.known.acts[values["actId"]]
        if values["joining"]:
            self._act_frame(act).expected.append(Movement(act.bond, ZERO, act.holder, act.face))
