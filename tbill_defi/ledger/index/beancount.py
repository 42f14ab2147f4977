"""A party's books as a beancount file: every entry in double entry, lots at cost, gains apart, balances asserted.

Units are dollars of face, money dollars with six digits. A security's commodity is its CUSIP after a C, since names
begin with a letter. Beancount keeps a lot's cost per unit, the books its exact total; what differs is below a millionth
of a dollar for each part of a lot, and the file's tolerance allows exactly that.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from sqlalchemy import select

from tbill_defi.core.clock import market_date
from tbill_defi.core.money import UNITS_PER_DOLLAR
from tbill_defi.ledger.index import schema
from tbill_defi.ledger.index.effects import ACT_TRANSFER, CARRIED, CONVERTED, DECLARED, NETTED, UNALLOCATED
from tbill_defi.ledger.index.folding import FAILS
from tbill_defi.ledger.index.income import Gain, Income
from tbill_defi.ledger.index.lots import FIFO, SPECIFIC
from tbill_defi.ledger.index.view import BooksView

CONTRA = {
    "coupon": "Income:Coupons",
    "recovery": "Income:Recoveries",
    "repo-interest": "Income:RepoInterest",
    "premium": "Income:OptionPremium",
    "escrow": "Assets:OptionEscrow",
    "blocked": "Assets:Blocked",
    "issuance": "Liabilities:Issued",
    "coupon-funding": "Assets:CouponFunding",
    "redemption-funding": "Assets:RedemptionFunding",
    "early-redemption-funding": "Assets:RedemptionFunding",
    "deposit": "Equity:Contributions",
    "withdrawal": "Equity:Contributions",
    "net-settlement": "Assets:Currencies",
    UNALLOCATED: "Equity:Unallocated",
}
"""Account against which a flow is booked; of what is not here, Equity:Transfers."""
TRANSFERS, IN_KIND, UNPRICED_GAINS = "Equity:Transfers", "Equity:InKind", "Equity:Unpriced"
PRICE_GAINS, INTEREST, GAINS = "Income:PriceGains", "Income:AccruedInterest", "Income:Gains"
INFLATION = "Income:InflationAccrual"
IN_CONVERSION = "Assets:Securities:InConversion"
"""Cost of what is being stripped or put together and is not complete."""
FAILS_RECEIVED, FAILS_PAID = "Income:FailsCharges", "Expenses:FailsCharges"
Row = Mapping[str, Any]
_NOT_IN_NAMES = re.compile(r"[^A-Z0-9]")


def commodity(asset: str) -> str:
    """Beancount's name of a currency or CUSIP."""
    return asset if asset.isalpha() else "C" + _NOT_IN_NAMES.sub("-", asset).rstrip("-")


def dollars(units: int) -> str:
    """Base units as dollars with six digits."""
    sign, units = ("-", -units) if units < 0 else ("", units)
    return f"{sign}{units // UNITS_PER_DOLLAR}.{units % UNITS_PER_DOLLAR:06d}"


def beancount_file(view: BooksView, party: str, *, method: str = FIFO, at: int | date | None = None) -> str:
    """The file's text.

    Raises
    ------
    UsageError
        If the books know no such party.
    """
    return "\n".join(_Writer(view, party, method, at).lines()) + "\n"


class _Writer:
    def __init__(self, view: BooksView, party: str, method: str, at: int | date | None) -> None:
        self._view, self._party, self._method, self._at = view, party, method, at
        self._point = view.point(at)
        view.require_party(party, self._point)
        self._gains: dict[int, list[Gain]] = {}
        for trade, gain in Income(view).gains_by_trade(party, last=at, method=method):
            self._gains.setdefault(trade, []).append(gain)
        self._trades, self._flows = self._by_entry(schema.trades), self._by_entry(schema.flows)
        self._lots = self._lots_by_number()
        self._lenders = {row["repo_id"]: row["lender"] for row in view.store.rows(select(schema.repos))}
        self._accounts: set[str] = set()
        self._most_parts = max([1, *map(len, self._gains.values())])

    def _lots_by_number(self) -> dict[int, Row]:
        """Lots as the method has them."""
        identified = self._view.identified() if self._method == SPECIFIC else set()
        rows = self._view.store.rows(select(schema.lots).where(schema.lots.c.party == self._party))
        mine = (row for row in rows if (row["method"] == SPECIFIC) == ((self._party, row["asset"]) in identified))
        return {row["lot"]: row for row in mine}

    def _by_entry(self, table: Any) -> dict[int, list[dict[str, Any]]]:
        found: dict[int, list[dict[str, Any]]] = {}
        query = select(table).where(table.c.party == self._party, table.c.entry <= self._point.entry)
        for row in self._view.store.rows(query.order_by(*table.primary_key.columns)):
            found.setdefault(row["entry"], []).append(row)
        return found

    def lines(self) -> Iterator[str]:
        """Options, accounts, transactions, balances."""
        numbers = sorted(self._trades.keys() | self._flows.keys())
        entries = schema.entries
        rows = {row["entry"]: row for row in self._view.store.rows(select(entries))}
        body = [line for number in numbers for line in self._transaction(rows[number])]
        first = market_date(rows[numbers[0]]["timestamp"]) if numbers else date(1970, 1, 1)
        yield f"; Books of {self._party} to block {self._point.height}, {self._method}"
        yield f'option "title" "{self._party}"'
        yield 'option "operating_currency" "USD"'
        yield f'option "tolerance_multiplier" "{2 * self._most_parts + 2}"'
        yield ""
        yield from (f"{first} open {account}" for account in sorted(self._accounts))
        yield from body
        yield ""
        yield from self._balances(market_date(self._point.timestamp) + timedelta(days=1))

    def _transaction(self, entry: Mapping[str, Any]) -> Iterator[str]:
        number = entry["entry"]
        trades, flows = self._trades.get(number, []), self._flows.get(number, [])
        at_once = entry["kind"] == ACT_TRANSFER or any(trade["basis"] == NETTED for trade in trades)
        if at_once:  # bought and sold: the lot has to be there first
            for trade in trades:
                yield from self._moves(entry, [trade], [])
            trades = []
        yield from self._moves(entry, trades, flows)

    def _moves(self, entry: Row, trades: Sequence[Row], flows: Sequence[Row]) -> Iterator[str]:
        """One transaction of the file, if there is anything in it."""
        lines: list[str] = []
        cash: dict[str, int] = {}
        converted: dict[str, int] = {}
        for trade in trades:
            if trade["basis"] == CONVERTED:
                for currency, cost in self._carried_over(trade):
                    converted[currency] = converted.get(currency, 0) + cost
            if trade["basis"] == DECLARED:
                lines.append(self._amount(IN_KIND, trade["cash"], trade["currency"]))
            else:
                cash[trade["currency"]] = cash.get(trade["currency"], 0) + trade["cash"]
            lines += self._bought(trade, entry) if trade["units"] > 0 else self._sold(trade)
        for flow in flows:
            cash[flow["currency"]] = cash.get(flow["currency"], 0) + flow["cash"]
            lines.append(self._amount(self._contra(flow), -flow["cash"], flow["currency"]))
        for currency, cost in converted.items():
            if cost:
                lines.append(self._amount(IN_CONVERSION, cost, currency))
        for currency, amount in cash.items():
            if amount:
                lines.append(self._amount("Assets:Cash", amount, currency))
        if not lines:
            return
        day = market_date(entry["timestamp"])
        yield ""
        yield f'{day} * "{entry["kind"]}" "{entry["reference"]}"'
        yield f"  block: {entry['height']}"
        yield f"  entry: {entry['entry']}"
        yield f'  transaction: "{entry["transaction_hash"]}"'
        yield from lines

    def _bought(self, trade: Mapping[str, Any], entry: Mapping[str, Any]) -> Iterator[str]:
        cost, currency, day = -trade["cash"], trade["currency"], market_date(entry["timestamp"])
        if trade["basis"] == CONVERTED:
            cost, currency = self._lots[trade["trade"]]["cost"], self._lots[trade["trade"]]["currency"]
        paid = f"{dollars(cost)} {currency}"
        lot = f'{{{{{paid}, {day}, "{trade["trade"]}"}}}}'
        yield f"{self._amount(self._securities(trade['asset']), trade['units'], commodity(trade['asset']))} {lot}"
        accrued = self._view.accrued(trade["asset"], trade["units"], day)
        if accrued is not None:
            yield from self._notes(trade["currency"], accrued_bought=accrued.interest, inflation=accrued.inflation)

    def _sold(self, trade: Mapping[str, Any]) -> Iterator[str]:
        account = self._securities(trade["asset"])
        for gain in self._gains[trade["trade"]]:
            lot = f'{{{self._lots[gain.lot]["currency"]}, {gain.opened}, "{gain.lot}"}}'
            yield f"{self._amount(account, -gain.units, commodity(trade['asset']))} {lot}"
            yield from self._notes(trade["currency"], accrued_sold=gain.interest_sold or 0)
        gains = self._gains[trade["trade"]]
        if trade["basis"] == CARRIED:
            costs: dict[str, int] = {}
            for currency, cost in self._carried_over(trade):
                costs[currency] = costs.get(currency, 0) + cost
            yield from (self._amount(TRANSFERS, cost, currency) for currency, cost in costs.items())
            return
        if trade["basis"] == CONVERTED:
            return
        totals: dict[str, int] = {}
        for gain in gains:
            parts = {PRICE_GAINS: gain.price, INTEREST: gain.interest, INFLATION: gain.inflation}
            if gain.price is None:
                parts = {UNPRICED_GAINS if gain.realised is None else GAINS: gain.proceeds - gain.cost}
            for name, amount in parts.items():
                totals[name] = totals.get(name, 0) + (amount or 0)
        for name, total in totals.items():
            if total:
                yield self._amount(name, -total, trade["currency"])

    def _carried_over(self, trade: Row) -> Iterator[tuple[str, int]]:
        """(currency, cost) that a trade at cost carried over puts into its act, or takes out of it (-)."""
        if trade["units"] > 0:
            yield self._lots[trade["trade"]]["currency"], -self._lots[trade["trade"]]["cost"]
            return
        for gain in self._gains[trade["trade"]]:
            yield self._lots[gain.lot]["currency"], gain.cost

    def _notes(self, currency: str, **amounts: int) -> Iterator[str]:
        """Amounts that are in a posting's, as its metadata."""
        for name, units in amounts.items():
            if units:
                yield f"    {name.replace('_', '-')}: {dollars(units)} {currency}"

    def _contra(self, flow: Mapping[str, Any]) -> str:
        if flow["account"] == "repo":
            lender = self._view.parties(self._point).get(self._lenders[flow["about"]])
            return "Assets:ReverseRepo" if lender == self._party else "Liabilities:Repo"
        if flow["account"] == FAILS:
            return FAILS_RECEIVED if flow["cash"] > 0 else FAILS_PAID
        return CONTRA.get(flow["account"], TRANSFERS)

    def _securities(self, asset: str) -> str:
        return f"Assets:Securities:{commodity(asset)}"

    def _amount(self, account: str, units: int, name: str) -> str:
        self._accounts.add(account)
        return f"  {account:<40} {dollars(units):>24} {name}"

    def _balances(self, day: date) -> Iterator[str]:
        """What the contracts have of the party's, so that the file says it too."""
        for row in self._view.positions(self._party, self._at):
            account = "Assets:Cash" if row.asset.isalpha() else self._securities(row.asset)
            if account in self._accounts:
                units = dollars(row.units + row.pledged)
                yield f"{day} balance {account:<40} {units:>24} {commodity(row.asset)}"
