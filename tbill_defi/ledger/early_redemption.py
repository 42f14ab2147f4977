"""The early redemption queue: holders ask before a cut-off, the front is struck after it, up to a face a day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tbill_defi.chain.types import Receipt
from tbill_defi.core.errors import UsageError
from tbill_defi.ledger.abi import decode_log, encode_call
from tbill_defi.ledger.deployment import Step
from tbill_defi.ledger.ledger import OPERATOR, Ledger
from tbill_defi.ledger.life import NO_EXPIRY, TREASURY, allowance_steps, ensure_treasury
from tbill_defi.ledger.limits import set_own_limits
from tbill_defi.ledger.securities import required_security

QUEUE = "early-redemption"
"""Party name of the queue: units asked for lie in its wallet."""
MOST_STEPS = 20
"""Requests that one strike looks at."""
CUT_OFF = 16 * 3_600
"""Seconds from midnight to the cut-off, where none is given: 4 p.m., when funds compute their price."""


@dataclass(frozen=True, slots=True)
class Window:
    """Terms of a window. Faces in base units, times in Unix seconds.

    Attributes
    ----------
    opens_at, closes_at
        `opens_at` is a New York midnight.
    price_e6
        All that is paid per 100 face, 10^-6; 0: the oracle's clean price and accrued interest, observed on the day of
        the strike.
    cut_off
        Seconds from `opens_at` to the first cut-off, less than a day; then there is one every 24 hours, also where New
        York's clocks are put on or back. Dealing days, for prices and for the limit, go from one to the next.
    """

    opens_at: int
    closes_at: int
    minimum_face: int
    daily_face: int
    price_e6: int = 0
    cut_off: int = CUT_OFF

    def __post_init__(self) -> None:
        if self.opens_at < 0:
            raise UsageError(f"early redemption: a window that opens at {self.opens_at} s opens before 1970")
        if not 0 <= self.cut_off < 86_400:
            raise UsageError(f"early redemption: a cut-off {self.cut_off} s after midnight is not of the same day")

    def cut_off_after(self, moment: int) -> int:
        """The first cut-off after a moment, Unix seconds: what is asked at that moment is final from then on."""
        return moment + 86_400 - (moment - self.opens_at - self.cut_off) % 86_400


@dataclass(frozen=True, slots=True)
class Request:
    """A request in the queue: who asked, when, and the face that is not struck yet.

    Attributes
    ----------
    leaves_at
        The cut-off from which it can no longer be struck, Unix seconds; 0: its holder has not asked to leave.
    """

    request_id: bytes
    holder: str
    made_at: int
    face_units: int
    leaves_at: int = 0


@dataclass(frozen=True, slots=True)
class Cancelled:
    """What became of a wish to leave the queue.

    Attributes
    ----------
    leaves_at
        0: the units went back. Else the request was final, and this is the cut-off at which it leaves, Unix seconds.
    height
        Block.
    """

    leaves_at: int
    height: int


@dataclass(frozen=True, slots=True)
class Struck:
    """What a strike did: request, holder, face and cash, base units."""

    request_id: bytes
    holder: str
    face_units: int
    paid_units: int


class EarlyRedemption:
    """Early redemption windows on a ledger, paid by the Treasury."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._queue = ledger.contracts.early_redemption

    def set_window(self, cusip: str, window: Window) -> Sequence[Receipt]:
        """Open a window, or change its terms. LedgerError "UnknownAsset", "InvalidWindow", "WindowHasFunds"."""
        ledger, token = self._ledger, required_security(self._ledger, cusip)
        if QUEUE not in ledger.books().parties():
            set_own_limits(ledger, QUEUE, None, None)
            ledger.add_party(QUEUE, self._queue, claim_expiry=NO_EXPIRY)
        treasury = ensure_treasury(ledger)
        times, faces = (window.opens_at, window.closes_at), (window.minimum_face, window.daily_face)
        terms = (*times, treasury, *faces, window.price_e6, window.cut_off)
        return self._send("issuer", "setWindow", token, terms)

    def fund(self, cusip: str, units: int) -> Sequence[Receipt]:
        """Let the Treasury put cash, base units, into a window."""
        if units <= 0:
            raise UsageError(f"early redemption: {units} base units of cash is not positive")
        ledger, token = self._ledger, required_security(self._ledger, cusip)
        steps = allowance_steps(ledger, ensure_treasury(ledger), self._queue, units)
        data = encode_call("EarlyRedemption", "fund", token, units)
        return ledger.send([*steps, Step(TREASURY, self._queue, data)])

    def request(self, party: str, cusip: str, face_units: int) -> bytes:
        """Put a face of a party's at the end of the queue; the request's id.

        Raises
        ------
        LedgerError
            "WindowNotOpen", "RequestTooSmall", "TooManyRequests", "SecurityInDefault", or what the token says.
        """
        if face_units <= 0:
            raise UsageError(f"early redemption: {face_units} base units of face is not positive")
        ledger, token = self._ledger, required_security(self._ledger, cusip)
        approve = encode_call("SecurityToken", "approve", self._queue, face_units)
        ask = encode_call("EarlyRedemption", "request", token, face_units)
        receipts = ledger.send([Step(party, token, approve), Step(party, self._queue, ask)])
        (event,) = self._named(receipts, "EarlyRedemptionRequested")
        return bytes.fromhex(event["requestId"][2:])

    def cancel(self, party: str, request_id: bytes) -> Cancelled:
        """Take back what has not been struck: at once before its cut-off, or while nothing can be struck at all.

        A request is final from its cut-off on. It leaves at the next one then, until which it can be struck; from that
        on this gives the units back, as a strike does.

        Raises
        ------
        LedgerError
            "RequestFinal" if it leaves already, at a cut-off that is still to come; "NotRequestHolder",
            "RequestUnknown".
        """
        receipts = self._send(party, "cancel", request_id)
        revoked = self._named(receipts, "EarlyRedemptionRevoked")
        return Cancelled(int(revoked[0]["leavesAt"]) if revoked else 0, receipts[-1].height)

    def strike(self, cusip: str, *, steps: int = MOST_STEPS) -> list[Struck]:
        """Redeem from the front of the queue, as far as the day's limit, cash and prices go; anyone may.

        Raises
        ------
        LedgerError
            "PriceMissing" or "StalePrice" where the oracle's price counts; "WindowNotOpen", "SecurityEnded".
        """
        receipts = self._send(OPERATOR, "strike", required_security(self._ledger, cusip), steps)
        party = self._ledger.books().party_of
        return [
            Struck(bytes.fromhex(e["requestId"][2:]), party(e["holder"]), int(e["face"]), int(e["paid"]))
            for e in self._named(receipts, "EarlyRedemptionStruck")
        ]

    def foretold(self, cusip: str, *, steps: int = MOST_STEPS) -> int:
        """Face that a strike would redeem now, base units. Errors as of `strike`."""
        face: int = self._ledger.call(
            "EarlyRedemption", self._queue, "strike", self._ledger.require_token(cusip), steps
        )
        return face

    def collect(self, party: str, cusip: str) -> Sequence[Receipt]:
        """Deliver a party's units that it could not receive when its request ended. LedgerError "NothingToCollect".

        They lie here under the wallet that it had then, which may have been recovered since.
        """
        ledger, token = self._ledger, required_security(self._ledger, cusip)
        kept, party_of = self._accounts_at(token, ledger.chain.now() + 1), ledger.books().party_of
        owners = [account[12:] for account in kept if not any(account[:12]) and party_of(_text(account[12:])) == party]
        return ledger.send(
            [
                Step(OPERATOR, self._queue, encode_call("EarlyRedemption", "collect", owner, token))
                for owner in owners or [ledger.address_of(party)]
            ]
        )

    def windows(self) -> dict[str, tuple[Window, int]]:
        """CUSIP -> the window's terms and its cash, base units, by CUSIP."""
        ledger = self._ledger
        assets, found = ledger.books().tokens(), {}
        for event in ledger.chain.events(names=("WindowSet",), addresses=(self._queue,)):
            cusip = assets[event.arguments["token"]]
            terms, queue = ledger.call("EarlyRedemption", self._queue, "windowOf", ledger.require_token(cusip))
            faces = (terms["minimumFace"], terms["dailyFace"])
            window = Window(terms["opensAt"], terms["closesAt"], *faces, terms["priceE6"], terms["cutOff"])
            found[cusip] = (window, queue["funds"])
        return dict(sorted(found.items()))

    def find(self, digits: str) -> tuple[str, Request]:
        """CUSIP and request that the first digits of an id name.

        Raises
        ------
        UsageError
            If they name none in any queue, or several.
        """
        wanted = digits.removeprefix("0x").lower()
        queued = [(cusip, request) for cusip in self.windows() for request in self.waiting(cusip)]
        found = [entry for entry in queued if wanted and entry[1].request_id.hex().startswith(wanted)]
        if len(found) != 1:
            many = f"{len(found)} requests begin so; give more digits" if found else "no request in a queue begins so"
            raise UsageError(f"request: {digits!r}: {many}")
        return found[0]

    def waiting(self, cusip: str) -> list[Request]:
        """The queue, from its front."""
        ledger, token, found = self._ledger, self._ledger.require_token(cusip), []
        _, queue = ledger.call("EarlyRedemption", self._queue, "windowOf", token)
        at = queue["first"]
        while any(at):
            entry = ledger.call("EarlyRedemption", self._queue, "requestOf", at)
            holder = ledger.books().party_of(_text(entry["holder"]))
            found.append(Request(at, holder, entry["madeAt"], entry["face"], entry["leavesAt"]))
            at = entry["next"]
        return found

    def kept_for(self, party: str) -> dict[str, int]:
        """CUSIP -> base units of a party's that lie in the queue, or could not be given back; by CUSIP."""
        ledger, books = self._ledger, self._ledger.books()
        last: dict[tuple[str, str], int] = {}
        for event in ledger.chain.events(names=("CustodyChanged",), addresses=(self._queue,)):
            last[event.arguments["account"], event.arguments["token"]] = int(event.arguments["units"])
        found: dict[str, int] = {}
        for (name, token), units in last.items():
            account = bytes.fromhex(name[2:])
            if units:
                asked = ledger.call("EarlyRedemption", self._queue, "requestOf", account)["holder"]
                if books.party_of(_text(asked if any(asked) else account[12:])) == party:
                    cusip = books.asset_of(token)
                    found[cusip] = found.get(cusip, 0) + units
        return dict(sorted(found.items()))

    def pass_coupon(self, cusip: str, record_time: int) -> dict[str, int]:
        """Pass a coupon that was paid to the queue on to who asked: party -> cash, base units; once."""
        ledger, token = self._ledger, self._ledger.require_token(cusip)
        payer = ledger.contracts.coupon_payer
        coupon_id = ledger.call("CouponPayer", payer, "couponIdOf", token, record_time)
        steps = [
            Step(OPERATOR, self._queue, encode_call("EarlyRedemption", "passCoupon", account, coupon_id))
            for account in self._accounts_at(token, record_time)
            if not ledger.call("EarlyRedemption", self._queue, "isPassed", coupon_id, account)
        ]
        passed: dict[str, int] = {}
        for event in self._named(ledger.send(steps), "CouponPassed"):
            who = ledger.books().party_of(event["beneficiary"])
            passed[who] = passed.get(who, 0) + int(event["amount"])
        return passed

    def _accounts_at(self, token: bytes, moment: int) -> list[bytes]:
        """Requests (and owners of units that wait) that had units at the end of the second before a moment."""
        held: dict[str, int] = {}
        for event in self._ledger.chain.events(names=("CustodyChanged",), addresses=(self._queue,)):
            if event.arguments["token"] == "0x" + token.hex() and event.timestamp < moment:
                held[event.arguments["account"]] = int(event.arguments["units"])
        return [bytes.fromhex(account[2:]) for account, units in held.items() if units]

    def _send(self, key: str, function: str, *arguments: object) -> Sequence[Receipt]:
        return self._ledger.send([Step(key, self._queue, encode_call("EarlyRedemption", function, *arguments))])

    def _named(self, receipts: Sequence[Receipt], name: str) -> list[dict[str, str]]:
        logs = (decode_log(log) for r in receipts for log in r.logs if log.address == self._queue)
        return [dict(event.arguments) for event in logs if event is not None and event.name == name]


def _text(wallet: bytes) -> str:
    return "0x" + wallet.hex()
