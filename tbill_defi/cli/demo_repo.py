"""The demo's acts on repo: the book is financed, margin is called on a shock and met."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from tbill_defi.cli.demo_stage import Stage, require, shocked_view
from tbill_defi.core.clock import moment
from tbill_defi.core.money import UNITS_PER_DOLLAR, units
from tbill_defi.instruments.repo import MarginRule, Repo
from tbill_defi.ledger.identities import admit
from tbill_defi.ledger.life import pay_coupon
from tbill_defi.ledger.open import CLAIM_SECONDS
from tbill_defi.ledger.oracle import Oracle
from tbill_defi.ledger.repo import Repos
from tbill_defi.ledger.repo_state import Mark
from tbill_defi.portfolio.oracle_round import publish
from tbill_defi.pricing.repo import carry
from tbill_defi.report import formats
from tbill_defi.report.layout import Column, Sheet

LENDER, LENDER_CASH = "lender", "20000000"
COLLATERAL = ("91282CPL9", "91282CMN8", "91282CMS7", "91282CND9")
PLEDGED = "2500000"
EARNING = "91282CMV0"
"""Held and not pledged; its coupon on the repurchase date pays the interest."""
HAIRCUT = 0.02
END = date(2026, 3, 31)
SHOCK_DAY, SHOCK = date(2026, 3, 25), 0.005
CENT, LOT = UNITS_PER_DOLLAR // 100, 100 * UNITS_PER_DOLLAR


@dataclass(frozen=True)
class _Called:
    """A repo after the shock: its mark, and what met the call."""

    cusip: str
    before: Mark
    met_with: str
    after: Mark


def finance(stage: Stage) -> list[bytes]:
    """The desk borrows a week against four of its notes, at the oracle's prices; ids of the repos."""
    ledger, view = stage.ledger, stage.view()
    admit(ledger, LENDER, claim_expiry=ledger.chain.now() + CLAIM_SECONDS)
    ledger.deposit(LENDER, {}, units(LENDER_CASH))
    publish(ledger, view)
    repos, oracle, face = Repos(ledger), Oracle(ledger), units(PLEDGED)
    stage.out.rule(f"[bold]The book is financed by repo, {view.date}[/]", align="left")
    sheet = Sheet(
        "",
        *(Column("collateral", left=True), "face $", "oracle dirty", "cash lent $", "interest $"),
        *("forward clean", Column("carry per 100", rank=1)),
    )
    ids, lent, interest = [], 0, 0
    for cusip in COLLATERAL:
        price_e6 = oracle.price(cusip).dirty_e6
        cash = MarginRule.HAIRCUT.lendable_units(face, price_e6, round(HAIRCUT * 1e9)) // CENT * CENT
        terms = Repo(
            cusip=cusip,
            face_units=face,
            cash_units=cash,
            rate=view.repo_rate,
            start_date=view.date,
            end_date=END,
            margin_rule=MarginRule.HAIRCUT,
            margin=HAIRCUT,
        )
        state = repos.open(repos.sign(repos.quote(terms, lender=LENDER, borrower="desk"), "desk"))
        i, flows = view.index(cusip), terms.resolve()
        held = carry(
            view.securities[i],
            view.settled_clean_price(i),
            settlement=view.date,
            horizon=END,
            repo_rate=view.repo_rate,
        )
        sheet.add(
            cusip,
            formats.face(face),
            f"{price_e6 / 1e6:.6f}",
            formats.cents(cash)[1:],
            formats.cash(flows.interest_units)[1:],
            f"{held.forward_clean_price:.6f}",
            f"{held.carry:+.6f}",
        )
        ids.append(state.repo_id)
        lent, interest = lent + cash, interest + flows.interest_units
    stage.out.print(sheet)
    require(ledger.wallet("desk").pledged == dict.fromkeys(sorted(COLLATERAL), face), "the collateral is not pledged")
    stage.out.print(
        f"{formats.cents(lent)} from {LENDER} at {formats.percent(view.repo_rate, 2)} until {END}, haircut "
        f"{HAIRCUT:.0%}; {formats.cash(lent + interest)} to repay; coupons of the collateral stay the desk's\n"
    )
    return ids


def call_margin(stage: Stage, ids: list[bytes]) -> None:
    """Yields rise by half a percent overnight: prices are published, margin is called and met; then all is repaid."""
    ledger, repos = stage.ledger, Repos(stage.ledger)
    stage.go_to(SHOCK_DAY, hour=10)
    view = shocked_view(SHOCK_DAY, SHOCK)
    published = publish(ledger, view, confirm=True)
    stage.out.rule(f"[bold]Margin call: what if yields rose by {SHOCK * 1e4:.0f} bp overnight?[/]", align="left")
    stage.out.print(f"{len(published.signers)} of 3 pricers sign: a price may jump only with all of them")
    called = [_called(repos, repo_id, in_cash=number % 2 == 0) for number, repo_id in enumerate(ids)]
    sheet = Sheet(
        "",
        *(Column("collateral", left=True), Column("oracle dirty", rank=1), "owed $", "it lends $", "called $"),
        *(Column("met with", left=True), Column("short after", rank=2)),
    )
    for row in called:
        mark = row.before
        sheet.add(
            row.cusip,
            f"{mark.price_e6 / 1e6:.6f}",
            formats.cash(mark.exposure_units)[1:],
            formats.cash(mark.lendable_units)[1:],
            formats.cash(mark.deficit_units)[1:],
            row.met_with,
            formats.cents(row.after.deficit_units),
        )
    stage.out.print(sheet)
    stage.out.print(f"called until {moment(called[0].before.call_deadline)}; met, so no call is open")
    _repay(stage, repos, ids)


def _called(repos: Repos, repo_id: bytes, *, in_cash: bool) -> _Called:
    """Mark a repo on chain, and deliver what ends its call."""
    before, state = repos.mark(repo_id), repos.state(repo_id)
    require(before.deficit_units > 0 and before.call_deadline > 0, "the shock calls no margin")
    if in_cash:
        met_with = f"{formats.cents(before.deficit_units)} cash"
        repos.deliver_margin(repo_id, cash_units=before.deficit_units)
    else:
        needed = state.margin_rule.face_units(before.exposure_units, before.price_e6, state.margin_e9)
        face = -(-(needed - state.face_units) // LOT) * LOT
        met_with = f"{formats.face(face)} face"
        repos.deliver_margin(repo_id, face_units=face)
    after = repos.coverage(repo_id)
    require(not after.deficit_units and not after.call_deadline, "the call is still open")
    return _Called(state.cusip, before, met_with, after)


def _repay(stage: Stage, repos: Repos, ids: list[bytes]) -> None:
    """On the repurchase date, for the cash that is left and a coupon of what was not pledged."""
    stage.go_to(END)
    view = stage.view()
    coupon = pay_coupon(stage.ledger, view.securities[view.index(EARNING)], END)
    owed = [repos.state(repo_id) for repo_id in ids]
    before = stage.cash("desk")
    for repo_id in ids:
        repos.repurchase(repo_id)
    paid, interest = before - stage.cash("desk"), sum(repo.interest_units for repo in owed)
    require(paid == interest + sum(repo.principal_units for repo in owed), "the repurchase price is another")
    require(not stage.ledger.wallet("desk").pledged, "collateral is still pledged")
    stage.out.print(
        f"{END}: a coupon of {EARNING} brings {formats.cash(sum(coupon.paid.values()))}; repurchased for "
        f"{formats.cash(paid)}, {formats.cash(interest)} of it interest; all collateral is back\n"
    )
