"""The demo's acts, in order. Every figure on the screen comes from the calls that a script would make."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from time import perf_counter

from rich.console import Console

from tbill_defi.chain.evidence import AuditReport, verify
from tbill_defi.chain.keys import SigningKey
from tbill_defi.cli import demo_backtest, demo_mandate, demo_option, demo_repo
from tbill_defi.cli import demo_screens as screens
from tbill_defi.cli.demo_stage import Stage
from tbill_defi.core.errors import ComplianceRejection, PlanError
from tbill_defi.core.money import UNITS_PER_DOLLAR, cash_from_price, units
from tbill_defi.ledger.abi import decode_log, decode_revert, encode_call
from tbill_defi.ledger.decisions import decide
from tbill_defi.ledger.deployment import Step
from tbill_defi.ledger.ledger import OPERATOR, Ledger
from tbill_defi.ledger.open import create_ledger, ledger_url
from tbill_defi.ledger.settlement import Instruction, Leg, PlanLeg
from tbill_defi.market.sample import SAMPLE_DATE, sample_data
from tbill_defi.portfolio.execution import dealer_inventory, execute, instruction_of
from tbill_defi.portfolio.holdings import Holdings
from tbill_defi.portfolio.market_view import view
from tbill_defi.portfolio.plan import RebalancePlan
from tbill_defi.portfolio.settlement_cost import compare_settlement
from tbill_defi.strategy.discovery import find
from tbill_defi.strategy.planning import plan

BOOK = {
    "912797TX5": "1500000",
    "91282CMS7": "2000000",
    "91282CND9": "3000000",
    "91282CNM9": "3000000",
    "91282CNY3": "3000000",
    "91282CPP0": "3250000",
    "91282CQE4": "3000000",
    "91282CFC0": "3000000",
    "91282CPW5": "2250000",
    "91282CPY1": "1000000",
}
"""CUSIP -> dollars of face: about $25m of real securities at a duration of 2.6."""
CASH = "200000"
BAND = (1.9, 2.1)
INVESTORS = {"alice": "137.25", "bob": "0.75"}
"""Party -> dollars of face bought from the desk."""
TRADE_LIMIT = "1000000"
NO_LIMIT = 2**256 - 1
WIDEST = 118
"""Columns of the screens at most, and of what goes into a pipe where `COLUMNS` says nothing."""
DAILY_MOVE_BP = 5.19
"""Standard deviation of daily changes of the 2-year par yield, 250 days to 2026-03-24 (US Treasury)."""
TARGET_RATE = 0.035
"""Lower bound of the target federal funds rate taken for the fails charge."""


class Demo:
    """One run in one home."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.out = Console(highlight=False, emoji=False)
        known = self.out.is_terminal or os.environ.get("COLUMNS", "").isdigit()
        self.out.width = min(self.out.width, WIDEST) if known else WIDEST
        self.view = view(SAMPLE_DATE, data=sample_data())

    def run(self) -> None:
        """All acts."""
        started = perf_counter()
        with create_ledger(
            home=self.home, at=f"{SAMPLE_DATE}T15:00-04:00", light_keys=True, parties=("desk", "dealer", *INVESTORS)
        ) as ledger:
            self._fund(ledger)
            chosen = self._decide(ledger)
            self._settle(ledger, chosen)
            self._refuse(ledger)
            self._retail(ledger)
            comparison = compare_settlement(chosen, self.view, daily_move_bp=DAILY_MOVE_BP, target_rate=TARGET_RATE)
            screens.closing(self.out, chosen, comparison, DAILY_MOVE_BP, TARGET_RATE)
            stage = Stage(ledger, self.out)
            demo_repo.call_margin(stage, demo_repo.finance(stage))
            demo_option.covered_call(stage)
            demo_mandate.stop_a_rogue(stage)
            head = ledger.embedded.head()
        demo_backtest.certify(self.out, self.home / "backtest")
        screens.audit(self.out, verify(ledger_url(self.home), head=head, decoder=decode_log), self._tampered())
        self.out.print(f"[dim]whole demo {perf_counter() - started:.1f} s[/]")

    def _fund(self, ledger: Ledger) -> None:
        securities = {self.view.securities[self.view.index(cusip)]: units(face) for cusip, face in BOOK.items()}
        receipts = ledger.deposit("desk", securities)
        self.out.print(
            f"[dim]issuance: {len(securities)} securities, ${sum(securities.values()) // UNITS_PER_DOLLAR:,} face "
            f"deposited with the registrar and tokenised in block {receipts[0].height}[/]"
        )
        for investor in INVESTORS:
            ledger.deposit(investor, {}, units("1000"))
        receipts = ledger.deposit("desk", {}, units(CASH))
        self.out.print(
            f"[dim]funding: ${int(CASH):,} to desk, $1,000 each to {' and '.join(INVESTORS)}, by block "
            f"{receipts[0].height} of chain {ledger.chain.chain_id}[/]\n"
        )

    def _book(self, ledger: Ledger) -> Holdings:
        wallet = ledger.wallet("desk")
        return Holdings("desk", wallet.positions, wallet.cash, wallet.unavailable())

    def _decide(self, ledger: Ledger) -> RebalancePlan:
        """First screen, and two plans side by side; the optimiser's is taken."""
        book = self._book(ledger)
        best = find("duration-target")(lower=BAND[0], upper=BAND[1], max_weight=0.12, buckets={"0-1y": (0.1, 0.4)})
        even = find("ladder")(rungs=8, longest_years=3.8)
        plans = [plan(strategy, self.view, book) for strategy in (best, even)]
        screens.opening(self.out, self.view, plans[0], BAND)
        screens.side_by_side(self.out, plans, BAND)
        return plans[0]

    def _settle(self, ledger: Ledger, chosen: RebalancePlan) -> None:
        stages: list[tuple[str, float]] = []
        clock = perf_counter()

        def note(text: str) -> None:
            stages.append((text, perf_counter()))

        execution = execute(chosen, ledger, approve_by="desk", stage=note)
        screens.settled(self.out, chosen, execution, stages, clock, perf_counter(), ledger.wallet("desk"))

    def _refuse(self, ledger: Ledger) -> None:
        """No KYC, over a limit, one bad leg."""
        self.out.rule("[bold]Three refusals[/]", align="left")
        self._no_kyc(ledger)
        after_trade = plan(find("ladder")(rungs=6, longest_years=4.0), self.view, self._book(ledger))
        ledger.set_trade_limit(units(TRADE_LIMIT))
        try:
            after_trade.execute(ledger, approve_by="desk")
        except ComplianceRejection as refusal:
            screens.refusal(self.out, f"2. over a limit of ${int(TRADE_LIMIT):,} a trade", refusal.decisions[0])
            self.out.print(f"   {len(refusal.decisions)} legs refused before anything was sent")
        ledger.set_trade_limit(NO_LIMIT)
        self._one_bad_leg(ledger, after_trade)

    def _no_kyc(self, ledger: Ledger) -> None:
        stranger = SigningKey.generate().address
        cusip, face = max(ledger.wallet("desk").positions.items())
        token = ledger.token_of(cusip) or b""
        leg = Leg(token, ledger.address_of("desk"), stranger, face)
        trial = Instruction((leg,), 0, 0, 0)
        (decision,) = decide(ledger, [PlanLeg(cusip, "desk", "stranger", face)], trial)
        screens.refusal(self.out, "1. no KYC: a wallet that nobody registered", decision)

    def _one_bad_leg(self, ledger: Ledger, trade: RebalancePlan) -> None:
        """One position is frozen; the whole plan, rightly signed by both, is sent past every check of ours."""
        _, deposits = dealer_inventory(trade, ledger)
        ledger.send(deposits)
        before = self._balances(ledger)
        sold = next(order for order in trade.orders if order.side == "sell")
        ledger.freeze("desk", sold.cusip, trade.holdings.positions[sold.cusip])
        (receipt,) = ledger.chain.submit(ledger.sign([self._settlement(ledger, instruction_of(trade, ledger))]))
        name, _ = decode_revert(receipt.revert)
        ledger.freeze("desk", sold.cusip, 0)
        screens.require(not receipt.status and self._balances(ledger) == before)
        self.out.print(
            f"[bold]3. one bad leg reverts the whole plan[/]: {sold.cusip} is frozen, so of {len(trade.legs)} signed "
            f"legs none settles: {name}"
        )
        self.out.print("   every balance is what it was before\n")

    def _settlement(self, ledger: Ledger, instruction: Instruction) -> Step:
        digest = instruction.digest(ledger.chain.chain_id, ledger.contracts.settlement)
        names = {ledger.address_of(name): name for name in ("desk", "dealer", *INVESTORS)}
        signatures = [ledger.keyring.key(names[giver]).sign_digest(digest) for giver in instruction.givers]
        data = encode_call("Settlement", "settle", instruction.abi_value(), signatures)
        return Step(OPERATOR, ledger.contracts.settlement, data)

    def _retail(self, ledger: Ledger) -> None:
        """Investors buy fractions of a token from the desk, each delivery against payment."""
        cusip = next(c for c in ledger.wallet("desk").positions if not self._is_bill(c))
        index = self.view.index(cusip)
        offer = self.view.quote(index, "buy")
        if offer is None:
            raise PlanError(f"{cusip}: no offer")
        desk, token = ledger.address_of("desk"), ledger.token_of(cusip) or b""
        for name, face in INVESTORS.items():
            buyer, amount = ledger.address_of(name), units(face)
            cash = cash_from_price(amount, offer.dirty_price)
            now = ledger.chain.now()
            legs = (Leg(token, desk, buyer, amount), Leg(ledger.contracts.usd, buyer, desk, cash))
            ledger.send([self._settlement(ledger, Instruction(legs, now, now + 60, nonce=now))])
        screens.retail(self.out, [ledger.wallet(name) for name in INVESTORS], self.view, ledger.tape())

    def _is_bill(self, cusip: str) -> bool:
        return self.view.securities[self.view.index(cusip)].kind == "bill"

    def _balances(self, ledger: Ledger) -> dict[str, tuple[int, dict[str, int]]]:
        wallets = [ledger.wallet(name) for name in ledger.books().parties()]
        return {w.party: (w.cash, w.positions) for w in wallets}

    def _tampered(self) -> AuditReport:
        """An audit of a copy in which one byte of one stored transaction is flipped."""
        source = Path(ledger_url(self.home).removeprefix("sqlite:///"))
        copy = self.home / "copy" / "ledger.db"
        copy.parent.mkdir()
        with sqlite3.connect(source) as original, sqlite3.connect(copy) as target:
            original.backup(target)
            height, raw = target.execute("SELECT height, raw FROM transactions ORDER BY height DESC LIMIT 1").fetchone()
            flipped = bytearray(raw)
            flipped[len(flipped) // 2] ^= 1
            target.execute(
                "UPDATE transactions SET raw = ? WHERE height = ? AND raw = ?", (bytes(flipped), height, raw)
            )
        return verify(f"sqlite:///{copy}", decoder=decode_log)
