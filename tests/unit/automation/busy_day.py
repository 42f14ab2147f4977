"""A day on which a desk has everything to do at once: two coupons, a redemption, two margin calls, a rebalance.

The ledger runs on a simulated clock of its own, so that the command line needs nothing of the tests.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path

import tbill_defi as td
from tbill_defi.chain.dev import dev_chain
from tbill_defi.core.clock import market_date
from tbill_defi.instruments.repo import MarginRule, Repo
from tbill_defi.ledger.clock import move_clock
from tbill_defi.ledger.ledger import Ledger
from tbill_defi.ledger.life import TREASURY
from tbill_defi.ledger.limits import set_holding_cap
from tbill_defi.ledger.oracle import Oracle
from tbill_defi.ledger.repo import Repos
from tbill_defi.portfolio.oracle_round import publish
from tests.unit.automation.support import BILL, DAILY, DOLLAR, NOTE, START, moment, rule, write_market

BUSY_DAY = "2026-06-26T15:30"
"""The coupons of 2026-03-31 and 2026-05-15 and the bill of 2026-06-25 are due; yields have risen by half a percent."""
COUPON = rule("coupons", '{ kind = "coupon" }', '{ kind = "pay-coupon" }')
REDEEM = rule("redeem", '{ kind = "maturity" }', '{ kind = "redeem" }')
MARGIN = rule("margin", '{ kind = "margin" }', '{ kind = "margin-call", deliver = "cash" }')
RULES = (DAILY, MARGIN, COUPON, REDEEM)
FACE = 1_000_000 * DOLLAR


def lend(ledger: Ledger, cusip: str, end: date) -> bytes:
    """Id of a repo at a haircut of 2% in which the dealer lends the desk all it can on a million of face."""
    repos = Repos(ledger)
    repos.ensure_facility()
    terms = Repo(
        cusip=cusip,
        face_units=FACE,
        cash_units=FACE * repos.price(cusip) // 10**8 * 98 // 100,
        rate=0.0365,
        start_date=market_date(ledger.chain.now()),
        end_date=end,
        margin_rule=MarginRule.HAIRCUT,
        margin=0.02,
    )
    return repos.open(repos.sign(repos.quote(terms, lender="dealer", borrower="desk"), "desk")).repo_id


def pass_time(ledger: Ledger, until: int) -> None:
    """A block at that time: of a simulated clock, or of a development node."""
    if ledger.chain.shared:
        dev_chain(ledger.chain).set_next_time(until)
        ledger.deposit("dealer", {}, 1)
    else:
        move_clock(ledger, until - 2)
        ledger.deposit("dealer", {}, 1)


def make_busy_home(home: Path, chain: str | None = None) -> Path:
    """A home just before its keeper runs; the rules are in its keeper.toml.

    The Treasury has a cheap key, since making a dear one would take longer than all the rest, and is no party yet.

    Parameters
    ----------
    chain
        URL of a development node that stands at START; None: an embedded ledger.
    """
    write_market(home, shift=0.005, from_day=date(2026, 6, 26))
    at = moment(START) if chain is None else None
    with td.create_ledger(home=home, at=at, chain=chain, light_keys=True) as ledger:
        view = td.view("2026-03-24", home=home)
        book = dict.fromkeys((NOTE, BILL, *view.cusips[-8:-4]), 3_000_000 * DOLLAR)
        ledger.deposit("desk", view.face_of(book), 500_000 * DOLLAR)
        ledger.deposit("dealer", {}, 50_000_000 * DOLLAR)
        set_holding_cap(ledger, 100_000_000 * DOLLAR)
        ledger.keyring.create(TREASURY)
        Oracle(ledger).own_pricers()
        publish(ledger, view)
        for cusip in (NOTE, view.cusips[-5]):
            lend(ledger, cusip, date(2026, 7, 24))
        pass_time(ledger, moment(BUSY_DAY))
        publish(ledger, td.view("2026-06-26", home=home), confirm=True)
    (home / "keeper.toml").write_text("\n".join(RULES))
    return home
