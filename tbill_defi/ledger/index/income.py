"""What the books earn and will be paid: accrued interest, realised gains, cash by reason, and the ladder ahead.

Interest and inflation accrue as in `accrued`, to the New York date of the ledger's time. A price gain is of clean
prices: what was paid and got, less what had accrued at each end. Cost is not amortised. Where a security's terms, or
the published figures that it follows, are not at hand the parts are not told apart and only their sum is given.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import select

from tbill_defi.core.clock import market_date, new_york_midnight
from tbill_defi.core.errors import UsageError
from tbill_defi.instruments import Frn, Tips
from tbill_defi.instruments.repo import interest_units
from tbill_defi.ledger.coupons import coupons
from tbill_defi.ledger.deployment import CURRENCY
from tbill_defi.ledger.index import schema
from tbill_defi.ledger.index.effects import CONVERTED, UNPRICED
from tbill_defi.ledger.index.lots import FIFO, METHODS, SPECIFIC
from tbill_defi.ledger.index.view import REDEMPTION, BooksView, Calendar

DAY_SECONDS = 86_400


@dataclass(frozen=True, slots=True)
class Accrual:
    """What has accrued on a position to the end of a day, base units; None: it is not known.

    `accrued` is interest, `inflation` what the index added to the principal of an inflation-protected security.
    """

    party: str
    asset: str
    day: date
    units: int
    accrued: int | None
    inflation: int | None


@dataclass(frozen=True, slots=True)
class Gain:
    """What part of a lot realised; base units, `cost` and `proceeds` dirty, `price` and `interest` their parts.

    `realised` is None where cost or proceeds are not known (`basis` says why). It is `price`, of clean prices of the
    principal as the index had it, and `interest` and `inflation`, each what accrued until it closed less what had
    accrued when it was opened; `interest_bought` and `interest_sold` are the two.
    """

    party: str
    asset: str
    lot: int
    opened: date
    closed: date
    units: int
    cost: int
    proceeds: int
    basis: str
    realised: int | None
    price: int | None
    interest: int | None
    inflation: int | None
    interest_bought: int | None
    interest_sold: int | None


@dataclass(frozen=True, slots=True)
class Rung:
    """Cash expected on a day: + is received; `about` is a CUSIP, or a repo's id."""

    day: date
    party: str
    kind: str
    about: str
    currency: str
    cash: int


class Income:
    """Reads what books earn."""

    def __init__(self, view: BooksView) -> None:
        self._view = view

    def accruals(self, party: str, day: date) -> list[Accrual]:
        """What has accrued on a party's positions at the end of a day, collateral it gave included."""
        found = []
        for row in self._view.positions(party, day):
            units = row.units + row.pledged
            if len(row.asset) != len(CURRENCY) and units:
                accrued = self._view.accrued(row.asset, units, day) or (None, None)
                found.append(Accrual(party, row.asset, day, units, *accrued))
        return found

    def gains(
        self, party: str, *, first: date | None = None, last: date | None = None, method: str = FIFO
    ) -> list[Gain]:
        """What a party realised between two days, both included, in order."""
        return [gain for _, gain in self.gains_by_trade(party, first=first, last=last, method=method)]

    def gains_by_trade(
        self, party: str, *, first: date | None = None, last: int | date | None = None, method: str = FIFO
    ) -> Iterator[tuple[int, Gain]]:
        """(disposal, what it realised of a lot) up to the end of a day or block, in order."""
        if method not in METHODS:
            raise UsageError(f"method: {method!r} is not one of {', '.join(METHODS)}")
        view, closures, lots, entries = self._view, schema.closures, schema.lots, schema.entries
        opening = entries.alias("opening")
        times = entries.c.timestamp, entries.c.kind, opening.c.timestamp.label("opened")
        query = select(closures, lots.c.basis.label("cost_basis"), *times)
        query = query.join(lots, (lots.c.method == closures.c.method) & (lots.c.lot == closures.c.lot))
        query = query.join(entries, entries.c.entry == closures.c.entry)
        query = query.join(opening, opening.c.entry == lots.c.entry)
        query = query.where(closures.c.party == party, closures.c.entry <= view.point(last).entry)
        if first is not None:
            query = query.where(entries.c.timestamp >= new_york_midnight(first))
        identified = view.identified() if method == SPECIFIC else set()
        for row in view.store.rows(query.order_by(closures.c.trade, closures.c.part)):
            if row["method"] == (SPECIFIC if (party, row["asset"]) in identified else FIFO):
                opened, closed = market_date(row["opened"]), market_date(row["timestamp"])
                amounts = (row["units"], row["cost"], row["proceeds"])
                basis = row["basis"] if row["basis"] in UNPRICED else row["cost_basis"]
                parts: tuple[int | None, ...] = (None,) * 6
                if row["basis"] == CONVERTED:  # at cost: nothing is realised, whether the cost is known or not
                    basis, parts = CONVERTED, (0,) * 6
                elif basis not in UNPRICED:
                    parts = self._parts(row["asset"], opened, closed, *amounts, row["kind"] == REDEMPTION)
                yield row["trade"], Gain(party, row["asset"], row["lot"], opened, closed, *amounts, basis, *parts)

    def _parts(
        self, asset: str, opened: date, closed: date, units: int, cost: int, proceeds: int, redeemed: bool
    ) -> tuple[int | None, ...]:
        """Realised in all, of clean prices, of interest, of inflation; interest bought and sold."""
        bought = self._view.accrued(asset, units, opened)
        sold = self._view.accrued(asset, units, closed, principal_only=redeemed)
        if bought is None or sold is None:
            return (proceeds - cost, *(None,) * 5)
        interest, inflation = sold.interest - bought.interest, sold.inflation - bought.inflation
        price = proceeds - cost - interest - inflation
        return proceeds - cost, price, interest, inflation, bought.interest, sold.interest

    def cash_by_account(self, party: str, *, first: date | None = None, last: date | None = None) -> dict[str, int]:
        """Cash of a party by reason, that of no trades: "coupon", "repo-interest", "premium", "deposit", ..."""
        view, flows, entries = self._view, schema.flows, schema.entries
        query = select(flows.c.account, flows.c.cash).join(entries, entries.c.entry == flows.c.entry)
        query = query.where(flows.c.party == party, flows.c.currency == CURRENCY)
        query = query.where(flows.c.entry <= view.point(last).entry)
        if first is not None:
            query = query.where(entries.c.timestamp >= new_york_midnight(first))
        found: dict[str, int] = {}
        for row in view.store.rows(query):
            found[row["account"]] = found.get(row["account"], 0) + row["cash"]
        return dict(sorted(found.items()))

    # --- ahead --------------------------------------------------------------------------------------------------

    def ladder(self, party: str, day: date | None = None) -> list[Rung]:
        """Cash a party's positions at the end of a day are to bring after it, if nothing changes; by date.

        Coupons on what it has and has given as collateral, redemptions, repurchases of repos that run, what a CCP has
        netted (both now: the books do not keep what ran before). Days are those on which the view's calendar pays.
        """
        at = market_date(self._view.point().timestamp) if day is None else day
        rungs = []
        for row in self._view.positions(party, day):
            security, units = self._view.terms(row.asset), row.units + row.pledged
            if security is not None and not isinstance(security, Frn | Tips) and units:
                for coupon in coupons(security):
                    if coupon.day > at:
                        cash = coupon.units(units)
                        rungs.append(Rung(self._view.payable(coupon.day), party, "coupon", row.asset, CURRENCY, cash))
                rungs.append(
                    Rung(self._view.payable(security.maturity_date), party, "redemption", row.asset, CURRENCY, units)
                )
        owners = self._view.parties(self._view.point())
        for repo in self._view.store.rows(select(schema.repos).where(schema.repos.c.open == 1)):
            sign = (owners.get(repo["lender"]) == party) - (owners.get(repo["borrower"]) == party)
            if sign:
                rungs.append(_repo_end(party, repo, sign, self._view.payable))
        rungs += self._nets(party, owners)
        return sorted(rungs, key=lambda rung: (rung.day, rung.kind, rung.about))

    def _nets(self, party: str, owners: Mapping[str, str]) -> Iterator[Rung]:
        """What a CCP and its members owe each other in cash, by security; late, it is of its settlement date still."""
        assets = {row["token"]: row["asset"] for row in self._view.store.rows(select(schema.assets))}
        due: dict[tuple[date, str, str], int] = {}
        for row in self._view.store.rows(select(schema.nets)):
            sign = (owners.get(row["member"]) == party) - (owners.get(row["ccp"]) == party)
            key = market_date(row["opens"]), assets[row["token"]], assets[row["cash"]]
            due[key] = due.get(key, 0) + sign * (row["received"] - row["paid"])
        for (day, asset, currency), cash in due.items():
            if cash:
                yield Rung(self._view.payable(day), party, "net-settlement", asset, currency, cash)


def _repo_end(party: str, repo: Mapping[str, Any], sign: int, payable: Calendar) -> Rung:
    """Principal and interest at the repurchase date, at the rate in force."""
    days = (repo["end"] - repo["accrued_to"] + DAY_SECONDS // 2) // DAY_SECONDS
    interest = interest_units(((int(repo["accrued"]), 1), (repo["principal"] * repo["rate_e9"], days)), 1)
    cash = sign * (repo["principal"] + interest)
    return Rung(payable(market_date(repo["end"])), party, "repo-end", repo["repo_id"], CURRENCY, cash)
