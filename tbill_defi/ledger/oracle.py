"""The price oracle: rounds that pricers sign, the rules they obey, and the prices that stand.

All numbers are the contract's integers: prices 10^-6 per 100 face, yields and coupons 10^-9, durations 10^-6 of a
year. Dates are `datetime.date` here and New York midnights on the ledger.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from tbill_defi.chain.keys import SigningKey
from tbill_defi.chain.types import Call
from tbill_defi.core.clock import market_date, new_york_midnight
from tbill_defi.core.errors import UsageError
from tbill_defi.core.hashing import keccak256
from tbill_defi.core.identifiers import bytes32, text32
from tbill_defi.ledger.abi import decode_result, decode_revert, encode_call
from tbill_defi.ledger.deployment import Step
from tbill_defi.ledger.eip712 import signed_word, typed_digest, words
from tbill_defi.ledger.ledger import OPERATOR, Ledger

ORACLE_KEY = "oracle"
PRICER_KEYS = ("pricer-1", "pricer-2", "pricer-3")
"""Keys of a ledger's own pricers; made when prices are first published."""
QUORUM, CONFIRM_QUORUM = 2, 3
MAX_QUOTES = 64
"""Most quotes of a round (PriceOracle.MAX_QUOTES)."""

_QUOTE_TYPE_TEXT = (
    b"Quote(bytes32 cusip,uint64 cleanE6,int64 yieldE9,uint32 durationE6,uint64 maturity,uint8 rating,"
    b"uint64 couponE9,uint64 accrualStart,uint64 priorCoupon,uint64 previousCoupon,uint64 nextCoupon)"
)
_QUOTE_TYPE = keccak256(_QUOTE_TYPE_TEXT)
_ROUND_TYPE = keccak256(b"Round(uint64 id,uint64 marketDate,uint64 observedAt,Quote[] quotes)" + _QUOTE_TYPE_TEXT)
_NAME = b"tbill_defi PriceOracle"


def _midnight(day: date | None) -> int:
    return new_york_midnight(day) if day else 0


@dataclass(frozen=True, slots=True)
class OracleQuote:
    """One security as priced at a round's market date.

    Attributes
    ----------
    clean_e6, yield_e9, duration_e6
        Clean price per 100 face in 10^-6; STREET yield in 10^-9; modified duration in 10^-6 of a year.
    rating
        1 for AAA, 2 for AA+ and so on; 0 for none.
    coupon_e9
        Annual rate in 10^-9; 0 for a bill, whose four dates below are None.
    accrual_start
        Last coupon date, or the dated date before the first coupon.
    prior_coupon
        Quasi-coupon date before `previous_coupon`, if interest has accrued from before `previous_coupon` (the second
        quasi-coupon period of a long first one); else None.
    previous_coupon, next_coupon
        Quasi-coupon dates around the market date: previous <= market date < next.
    """

    cusip: str
    clean_e6: int
    yield_e9: int
    duration_e6: int
    maturity: date
    rating: int
    coupon_e9: int = 0
    accrual_start: date | None = None
    prior_coupon: date | None = None
    previous_coupon: date | None = None
    next_coupon: date | None = None

    def abi_value(self) -> tuple[bytes | int, ...]:
        """The struct as the ABI encoder takes it."""
        return (
            bytes32(self.cusip),
            self.clean_e6,
            self.yield_e9,
            self.duration_e6,
            _midnight(self.maturity),
            self.rating,
            self.coupon_e9,
            _midnight(self.accrual_start),
            _midnight(self.prior_coupon),
            _midnight(self.previous_coupon),
            _midnight(self.next_coupon),
        )


@dataclass(frozen=True, slots=True)
class OracleRound:
    """What pricers sign: one market date's prices, observed at one moment (Unix seconds). Quotes ascend by CUSIP."""

    number: int
    market_date: date
    observed_at: int
    quotes: tuple[OracleQuote, ...]

    def digest(self, chain_id: int, oracle: bytes) -> bytes:
        """EIP-712 digest for that chain id and PriceOracle contract."""
        hashes = b"".join(
            keccak256(_QUOTE_TYPE + b"".join(v if isinstance(v, bytes) else signed_word(v) for v in quote.abi_value()))
            for quote in self.quotes
        )
        midnight = new_york_midnight(self.market_date)
        struct = _ROUND_TYPE + words(self.number, midnight, self.observed_at, keccak256(hashes))
        return typed_digest(_NAME, chain_id, oracle, struct)

    def abi_value(self) -> tuple[object, ...]:
        """The struct as the ABI encoder takes it."""
        quotes = [quote.abi_value() for quote in self.quotes]
        return (self.number, new_york_midnight(self.market_date), self.observed_at, quotes)


@dataclass(frozen=True, slots=True)
class OraclePrice:
    """The last price of a security; `accrued_e6` is computed by the contract for `market_date`."""

    cusip: str
    clean_e6: int
    accrued_e6: int
    yield_e9: int
    duration_e6: int
    maturity: date
    rating: int
    round_number: int
    market_date: date
    observed_at: int

    @property
    def dirty_e6(self) -> int:
        """Clean plus accrued, 10^-6 per 100 face."""
        return self.clean_e6 + self.accrued_e6


@dataclass(frozen=True, slots=True)
class OracleRules:
    """Signatures of a round, and of one that moves a price by more than `max_move_bp`; seconds for the rest."""

    quorum: int
    confirm_quorum: int
    max_move_bp: int
    interval: int
    max_age: int


class Oracle:
    """The PriceOracle of a ledger."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.address = ledger.contracts.price_oracle

    # --- reading ------------------------------------------------------------------------------------------------

    def rules(self) -> OracleRules:
        """The rules in force."""
        raw = self._call("rules")
        return OracleRules(raw["quorum"], raw["confirmQuorum"], raw["maxMoveBp"], raw["interval"], raw["maxAge"])

    def pricers(self) -> list[bytes]:
        """Addresses of those who sign rounds, ascending."""
        return list(self._call("pricers"))

    def last_round(self) -> tuple[int, date | None, int]:
        """Number, market date and time of observation of the last round; (0, None, 0) before the first."""
        number, midnight, observed = self._call("head")
        return number, market_date(midnight) if number else None, observed

    def price(self, cusip: str, *, stale: bool = False) -> OraclePrice:
        """The price of a CUSIP.

        Parameters
        ----------
        stale
            Answer however old it is.

        Raises
        ------
        LedgerError
            "PriceMissing", or "StalePrice" if it is older than the rules allow.
        """
        raw = self._call("lastPrice" if stale else "price", bytes32(cusip))
        return OraclePrice(
            cusip=cusip,
            clean_e6=raw["cleanE6"],
            accrued_e6=raw["accruedE6"],
            yield_e9=raw["yieldE9"],
            duration_e6=raw["durationE6"],
            maturity=market_date(raw["maturity"]),
            rating=raw["rating"],
            round_number=raw["roundId"],
            market_date=market_date(raw["marketDate"]),
            observed_at=raw["observedAt"],
        )

    def dirty_price(self, cusip: str) -> tuple[int, int]:
        """Dirty price per 100 face in 10^-6 at the market date of its round, and when it was observed."""
        price, observed = self._call("dirtyPrice", bytes32(cusip))
        return price, observed

    def accrued_interest(self, cusip: str, settlement: date) -> int:
        """Interest accrued per 100 face in 10^-6, half up, at a date of the current coupon period."""
        found: int = self._call("accruedInterest", bytes32(cusip), new_york_midnight(settlement))
        return found

    def cusips(self) -> list[str]:
        """Securities on this ledger, sorted: what is published when nothing else is asked."""
        return self._ledger.books().securities()

    def marks(self) -> dict[str, tuple[int, int]]:
        """CUSIP -> (dirty price per 100 face in 10^-6, duration in 10^-6 years) of every fresh price, by CUSIP."""
        rounds = self._ledger.chain.events(names=("RoundPublished",), addresses=(self.address,))
        names = sorted({quote["cusip"] for event in rounds for quote in event.arguments["quotes"]})
        asked = [bytes.fromhex(name[2:]) for name in names]
        calls = [Call(bytes(20), self.address, encode_call("PriceOracle", "measures", [cusip])) for cusip in asked]
        found: dict[str, tuple[int, int]] = {}
        for cusip, receipt in zip(asked, self._ledger.simulate((), then=calls), strict=True):
            if receipt.status:
                ((measure,),) = decode_result("PriceOracle", "measures", receipt.return_data)
                found[text32(cusip)] = measure["dirtyE6"], measure["durationE6"]
            elif decode_revert(receipt.revert)[0] != "StalePrice":
                self._ledger.require_success([receipt])
        return found

    def _call(self, function: str, *arguments: object) -> Any:
        return self._ledger.call("PriceOracle", self.address, function, *arguments)

    # --- writing ------------------------------------------------------------------------------------------------

    def set_pricers(
        self, addresses: Iterable[bytes], *, quorum: int = QUORUM, confirm_quorum: int = CONFIRM_QUORUM
    ) -> None:
        """Replace the pricers and both quorums; signed by the key "oracle"."""
        data = encode_call("PriceOracle", "setPricers", sorted(addresses), quorum, confirm_quorum)
        self._ledger.send([Step(ORACLE_KEY, self.address, data)])

    def set_rules(self, *, max_move_bp: int, interval: int, max_age: int) -> None:
        """Set the largest unconfirmed move (bp of price), the least seconds between observations, the usable age."""
        data = encode_call("PriceOracle", "setRules", max_move_bp, interval, max_age)
        self._ledger.send([Step(ORACLE_KEY, self.address, data)])

    def own_pricers(self) -> list[SigningKey]:
        """The ledger's own pricers, ascending by address; made and named on chain if it has none yet.

        Raises
        ------
        UsageError
            If the ledger's pricers are others, whose keys are not here.
        """
        ring, present = self._ledger.keyring, self.pricers()
        if not present:
            keys = [ring.ensure(name) for name in PRICER_KEYS]
            self.set_pricers(key.address for key in keys)
            present = self.pricers()
        named = [ring.key(name) for name in ring.names() if name.startswith("pricer-")]
        keys = [key for key in named if key.address in present]
        if not keys:
            raise UsageError("oracle: the pricers' keys are not here; a round is published by who has their signatures")
        return sorted(keys, key=lambda key: key.address)

    def sign(self, round_: OracleRound, pricers: Iterable[SigningKey]) -> list[bytes]:
        """Signatures of the pricers, in the order the contract takes them."""
        digest = round_.digest(self._ledger.chain.chain_id, self.address)
        return [key.sign_digest(digest) for key in sorted(pricers, key=lambda key: key.address)]

    def publish(self, rounds: Sequence[tuple[OracleRound, Sequence[bytes]]]) -> int:
        """Publish signed rounds in one block, all or none; its height.

        Raises
        ------
        LedgerError
            With the contract's error name as `code`: "TooSoon", "PriceMoveTooLarge", "QuorumMissing", ...
        """
        steps = [
            Step(OPERATOR, self.address, encode_call("PriceOracle", "publish", one.abi_value(), list(signatures)))
            for one, signatures in rounds
        ]
        return self._ledger.send(steps)[-1].height
