"""Fails on a ledger, of trades and of a CCP's nets: what each costs, a month's claims, and their payment.

A claim is one cash leg from who delivered late to whom he delivered, in an instruction under the hash of what it is
for, so that it is paid once. What is delivered in parts is charged part by part. Of a net the member owes the CCP what
it delivers late, and the CCP the receivers what it passes on late.
"""

from __future__ import annotations

from calendar import monthrange
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import NamedTuple

from tbill_defi.conventions.schedules import add_months
from tbill_defi.core.clock import market_date
from tbill_defi.core.errors import LedgerError, UsageError
from tbill_defi.core.hashing import keccak256
from tbill_defi.ledger.abi import encode_call
from tbill_defi.ledger.clearing import clearing_houses
from tbill_defi.ledger.deployment import Step
from tbill_defi.ledger.fails import TMPG, Charge, FailsPractice
from tbill_defi.ledger.instructions import digest, instruction_of
from tbill_defi.ledger.ledger import OPERATOR, Ledger
from tbill_defi.ledger.settlement import PlanLeg
from tbill_defi.ledger.trade_terms import TradeState
from tbill_defi.ledger.trades import Trades

VALID_SECONDS = 900


@dataclass(frozen=True, slots=True)
class FailCharge:
    """What a trade, a net, or a part of one, costs for being late: until its delivery, or (`delivered` None) so far.

    `reference` is the trade's id; of a net Keccak-256 of its start, CUSIP, currency and member, a line each.
    """

    reference: bytes
    debtor: str
    creditor: str
    currency: str
    failed: date
    delivered: date | None
    charge: Charge

    @property
    def days(self) -> int:
        """Calendar days from the failed date up to delivery."""
        return sum(part.count for part in self.charge.days)


@dataclass(frozen=True, slots=True)
class Claim:
    """A month's charges between two parties: their total, and what of it is claimed (all, or nothing)."""

    month: str
    debtor: str
    creditor: str
    currency: str
    total: int
    units: int
    references: tuple[bytes, ...]
    paid: bool

    @property
    def legs(self) -> tuple[PlanLeg, ...]:
        """The cash leg that pays it."""
        return (PlanLeg(self.currency, self.debtor, self.creditor, self.units),)

    @property
    def context(self) -> bytes:
        """What it is for: month, parties and currency; so there is one a month."""
        return claim_context(self.month, self.debtor, self.creditor, self.currency)


def claim_context(month: str, debtor: str, creditor: str, currency: str) -> bytes:
    """Keccak-256 of "fails charge", month, debtor, creditor and currency, a line each."""
    return keccak256("\n".join(("fails charge", month, debtor, creditor, currency)).encode())


def claimed_month(context: bytes, debtor: str, creditor: str, currency: str, last: date) -> str | None:
    """Month whose claim a payment of this context settles, among those from the practice's first to `last`'s.

    None: it settles none.
    """
    first = TMPG[0].effective
    for months in range(12 * (last.year - first.year) + last.month - first.month, -1, -1):
        month = f"{add_months(first, months):%Y-%m}"
        if claim_context(month, debtor, creditor, currency) == context:
            return month
    return None


def charges(ledger: Ledger, practice: FailsPractice) -> list[FailCharge]:
    """Every late part of every trade and net of a security, and what is late still, up to the ledger's market date."""
    found = [*_of_trades(ledger), *_of_nets(ledger)]
    currencies = ledger.books().decimals  # the practice is of Treasuries, not of currencies
    return [late.charged(practice) for late in found if late.asset not in currencies]


class _Part(NamedTuple):
    """Proceeds due on a date and delivered on the last, or (`over` false) not by the last yet."""

    proceeds: int
    failed: date
    last: date
    over: bool


@dataclass(frozen=True, slots=True)
class _Late:
    """A part that is late: of which asset, in which currency, from whom to whom."""

    reference: bytes
    asset: str
    currency: str
    debtor: str
    creditor: str
    part: _Part

    def charged(self, practice: FailsPractice) -> FailCharge:
        """What it costs."""
        proceeds, failed, last, over = self.part
        return FailCharge(
            self.reference,
            self.debtor,
            self.creditor,
            self.currency,
            failed,
            last if over else None,
            practice.charge(proceeds, failed, last),
        )


def _of_trades(ledger: Ledger) -> Iterator[_Late]:
    trades, books = Trades(ledger), ledger.books()
    for state in trades.all():
        terms = state.terms
        asset, currency = (books.asset_of("0x" + token.hex()) for token in (terms.asset, terms.cash))
        seller, buyer = (trades.party_of(wallet) for wallet in (terms.seller, terms.buyer))
        for part in _parts(state, ledger.market_date):
            yield _Late(state.trade_id, asset, currency, seller, buyer, part)


def _parts(state: TradeState, today: date) -> Iterator[_Part]:
    failed, paid = market_date(state.terms.opens), 0
    for fill in state.fills:
        paid += fill.cash
        delivered = market_date(fill.at)
        if delivered > failed:
            yield _Part(fill.cash, failed, delivered, True)
    last = min(today, market_date(state.terms.deadline))
    if state.open_face and last > failed:
        yield _Part(state.terms.proceeds - paid, failed, last, False)


def _of_nets(ledger: Ledger) -> Iterator[_Late]:
    """Late deliveries to a CCP and by it; what a member owes in money alone is none."""
    for house in clearing_houses(ledger):
        parts = [(move.key, move.face, move.cash, market_date(move.at), True) for move in house.moves()]
        today = ledger.market_date
        parts += [(key, one.face, one.cash, today, False) for key, one in house.obligations().items()]
        for key, face, cash, last, over in parts:
            failed = market_date(key.opens)
            if face and last > failed:
                debtor, creditor = (key.member, house.ccp) if face < 0 else (house.ccp, key.member)
                name = "\n".join((str(key.opens), key.asset, key.currency, key.member))
                part = _Part(abs(cash), failed, last, over)
                yield _Late(keccak256(name.encode()), key.asset, key.currency, debtor, creditor, part)


def claims(ledger: Ledger, practice: FailsPractice) -> list[Claim]:
    """Claims of each month between two parties, of the days of the month; those of a month that runs are so far."""
    days: dict[tuple[str, str, str, str], list[tuple[bytes, int]]] = defaultdict(list)
    for one in charges(ledger, practice):
        end = one.delivered or ledger.market_date
        for month, first, last in _months(one.failed, end):
            part = practice.charge(one.charge.proceeds, first, last)
            days[month, one.debtor, one.creditor, one.currency].append((one.reference, part.units))
    found = []
    for (month, debtor, creditor, currency), parts in sorted(days.items()):
        units = practice.claimable((amount for _, amount in parts), _last_day(month))
        made = Claim(
            month,
            debtor,
            creditor,
            currency,
            sum(amount for _, amount in parts),
            units,
            tuple(dict.fromkeys(reference for reference, _ in parts)),
            False,
        )
        found.append(made if not _is_paid(ledger, made) else _paid(made))
    return found


def pay(ledger: Ledger, found: Iterable[Claim], month: str) -> list[Claim]:
    """Settle a month's claims, each signed by its debtor.

    Raises
    ------
    UsageError
        If the month is none, or has not ended.
    LedgerError
        "NothingOpen" if nothing is claimable, or what the tokens refuse.
    """
    try:
        last = _last_day(month)
    except ValueError:
        raise UsageError(f"month: {month!r} is not a month such as 2026-03") from None
    if ledger.market_date <= last:
        raise UsageError(f"month: {month} ends {last} and the ledger is at {ledger.market_date}; claim it after that")
    due = [one for one in found if one.month == month and one.units and not one.paid]
    if not due:
        raise LedgerError(f"fails: nothing is claimable of {month}", "NothingOpen")
    ledger.send([_step(ledger, one) for one in due])
    return [_paid(one) for one in due]


def _step(ledger: Ledger, one: Claim) -> Step:
    instruction = instruction_of(ledger, one.legs, one.context, places={}, seconds=VALID_SECONDS)
    signature = ledger.keyring.key(one.debtor).sign_digest(digest(ledger, instruction))
    data = encode_call("Settlement", "settle", instruction.abi_value(), [signature])
    return Step(OPERATOR, ledger.contracts.settlement, data)


def _is_paid(ledger: Ledger, one: Claim) -> bool:
    """Whether an instruction of this context has settled."""
    wanted = "0x" + one.context.hex()
    return any(entry.context_hash == wanted for entry in ledger.tape())


def _paid(one: Claim) -> Claim:
    return replace(one, paid=True)


def _months(first: date, end: date) -> Iterator[tuple[str, date, date]]:
    """(month, first day, day after the last) of [first, end), month by month."""
    while first < end:
        month = f"{first:%Y-%m}"
        after = min(end, _last_day(month) + timedelta(days=1))
        yield month, first, after
        first = after


def _last_day(month: str) -> date:
    first = date.fromisoformat(f"{month}-01")
    return first.replace(day=monthrange(first.year, first.month)[1])
