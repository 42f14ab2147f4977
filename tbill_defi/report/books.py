"""Sheets of the books."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tbill_defi.core.clock import market_date, moment
from tbill_defi.core.money import format_units
from tbill_defi.ledger.index.income import Accrual, Gain, Rung
from tbill_defi.ledger.index.view import OpenLot, Point, Position, Posting
from tbill_defi.report.formats import short_hash
from tbill_defi.report.layout import Column, Sheet

UNKNOWN = "not known"


def positions(rows: Sequence[Position], point: Point) -> Sheet:
    """Units by party and asset; what is pledged is with the repo facility."""
    title = f"Positions at block {point.height}" + (f", {moment(point.timestamp)}" if point.timestamp else "")
    sheet = Sheet(title, Column("party", left=True), Column("asset", left=True), "in wallets $", "pledged $")
    for row in rows:
        sheet.add(row.party, row.asset, format_units(row.units), format_units(row.pledged) if row.pledged else "")
    return sheet


def lots(rows: Sequence[OpenLot], party: str, method: str) -> Sheet:
    """Open lots; price is cost per 100 face, dirty."""
    sheet = Sheet(
        f"Lots of {party}, {method}",
        *(Column("CUSIP", left=True), "lot", "opened", Column("block", rank=2), Column("bought $", rank=1), "left $"),
        *("cost $", Column("cost by", left=True, rank=1)),
    )
    for row in rows:
        opened = (row.asset, str(row.lot), market_date(row.opened).isoformat(), str(row.height))
        known = UNKNOWN if row.basis in ("none", "unallocated") else format_units(row.remaining_cost)
        sheet.add(*opened, format_units(row.units), format_units(row.remaining), known, row.basis)
    return sheet


def journal(rows: Sequence[Posting]) -> Sheet:
    """Debits and credits, entry by entry."""
    sheet = Sheet(
        "Journal",
        *("entry", Column("block", rank=2), Column("", left=True, rank=1), Column("account", left=True)),
        *(Column("asset", left=True), "debit", "credit", Column("balance", rank=1)),
        *(Column("accrued $", rank=3), Column("inflation $", rank=4)),
    )
    for row in rows:
        account = "issuer" if not int(row.address, 16) else row.party
        account = short_hash(account) if account.startswith("0x") else account
        sides = (format_units(row.amount), "") if row.amount > 0 else ("", format_units(-row.amount))
        amounts = (*sides, format_units(row.balance), *(_parted(part) for part in (row.accrued, row.inflation)))
        sheet.add(str(row.entry), str(row.height), row.kind, account, row.asset, *amounts)
    return sheet


def _parted(units: int | None) -> str:
    return format_units(units) if units else "" if units == 0 else UNKNOWN


def gains(rows: Sequence[Gain], party: str, method: str) -> Sheet:
    """What parts of lots realised."""
    sheet = Sheet(
        f"Realised by {party}, {method}",
        *(Column("CUSIP", left=True), Column("lot", rank=3), Column("opened", rank=2), "closed", "face $"),
        *(
            Column("cost $", rank=1),
            Column("proceeds $", rank=1),
            "price $",
            "interest $",
            Column("inflation $", rank=2),
            "in all $",
        ),
    )
    for row in rows:
        amounts_of = (row.price, row.interest, row.inflation, row.realised)
        parts = [UNKNOWN if part is None else format_units(part) for part in amounts_of]
        days = (str(row.lot), row.opened.isoformat(), row.closed.isoformat())
        amounts = (format_units(row.units), format_units(row.cost), format_units(row.proceeds))
        sheet.add(row.asset, *days, *amounts, *parts)
    known = [row.realised for row in rows if row.realised is not None]
    if known:
        sheet.add("in all", *[""] * 9, format_units(sum(known)))
    return sheet


def cash(amounts: Mapping[str, int], party: str) -> Sheet:
    """Cash that was no trade's, by reason."""
    sheet = Sheet(f"Other cash of {party}", Column("reason", left=True), "cash $")
    for name, units in amounts.items():
        sheet.add(name, format_units(units))
    return sheet


def accruals(rows: Sequence[Accrual], party: str) -> Sheet:
    """Interest accrued, and inflation of the principal."""
    names = ("to", "face $", "accrued $", "inflation $")
    sheet = Sheet(f"Accrued by {party}", Column("CUSIP", left=True), *names)
    for row in rows:
        parts = [UNKNOWN if part is None else format_units(part) for part in (row.accrued, row.inflation)]
        sheet.add(row.asset, row.day.isoformat(), format_units(row.units), *parts)
    return sheet


def ladder(rows: Sequence[Rung], party: str) -> Sheet:
    """Cash to come, by date."""
    sheet = Sheet(f"Cash to come for {party}", "date", Column("", left=True), Column("of", left=True), "cash $")
    for row in rows:
        about = short_hash(row.about) if row.about.startswith("0x") else row.about
        sheet.add(row.day.isoformat(), row.kind, about, format_units(row.cash))
    return sheet
