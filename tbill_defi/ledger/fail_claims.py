"""Fails of the trades on a ledger: what each costs, a month's claims between two parties, and their payment.

A claim is one cash leg from who delivered late to whom he delivered, in an instruction under the hash of what it is
for, so that it is paid once. What is delivered in parts is charged part by part.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from tbill_defi.core.clock import market_date
from tbill_defi.core.errors import LedgerError, UsageError
from tbill_defi.core.hashing import keccak256
from tbill_defi.ledger.abi import encode_call
from tbill_defi.ledger.deployment import Step
from tbill_defi.ledger.fails import Charge, FailsPractice
from tbill_defi.ledger.instructions import digest, instruction_of
from tbill_defi.ledger.ledger import OPERATOR, Ledger
from tbill_defi.ledger.settlement import PlanLeg
from tbill_defi.ledger.trade_terms import TradeState
from tbill_defi.ledger.trades import Trades

VALID_SECONDS = 900


@dataclass(frozen=True, slots=True)
class FailCharge:
    """What a trade, or a part of it, costs for being late: until its delivery, or (`delivered` None) so far."""

    trade_id: bytes
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
    trades: tuple[bytes, ...]
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


def charges(ledger: Ledger, practice: FailsPractice) -> list[FailCharge]:
    """Every late part of every trade of a security, and what is late still, up to the ledger's market date."""
    trades, today = Trades(ledger), ledger.market_date
    found = []
    for state in trades.all():
        for proceeds, first, last, over in _late(state, today):
            found.append(_charged(ledger, trades, state, practice, proceeds, (first, last), over))
    return [one for one in found if one is not None]


def _late(state: TradeState, today: date) -> Iterator[tuple[int, date, date, bool]]:
    """(proceeds, failed date, delivery date or today, delivered) of each part that is late."""
    failed, paid = market_date(state.terms.opens), 0
    for fill in state.fills:
        paid += fill.cash
        delivered = market_date(fill.at)
        if delivered > failed:
            yield fill.cash, failed, delivered, True
    last = min(today, market_date(state.terms.deadline))
    if state.open_face and last > failed:
        yield state.terms.proceeds - paid, failed, last, False


def _charged(
    ledger: Ledger,
    trades: Trades,
    state: TradeState,
    practice: FailsPractice,
    proceeds: int,
    between: tuple[date, date],
    over: bool,
) -> FailCharge | None:
    books, terms = ledger.books(), state.terms
    if books.asset_of("0x" + terms.asset.hex()) in books.decimals:
        return None  # the practice is of Treasuries, not of currencies
    return FailCharge(
        state.trade_id,
        trades.party_of(terms.seller),
        trades.party_of(terms.buyer),
        books.asset_of("0x" + terms.cash.hex()),
        between[0],
        between[1] if over else None,
        practice.charge(proceeds, *between),
    )


def claims(ledger: Ledger, practice: FailsPractice) -> list[Claim]:
    """Claims of each month between two parties, of the days of the month; those of a month that runs are so far."""
    days: dict[tuple[str, str, str, str], list[tuple[bytes, int]]] = defaultdict(list)
    for one in charges(ledger, practice):
        end = one.delivered or ledger.market_date
        for month, first, last in _months(one.failed, end):
            part = practice.charge(one.charge.proceeds, first, last)
            days[month, one.debtor, one.creditor, one.currency].append((one.trade_id, part.units))
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
            tuple(dict.fromkeys(trade for trade, _ in parts)),
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
    from dataclasses import replace

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
    return (first.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)
