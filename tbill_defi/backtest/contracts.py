"""The contracts as a second bookkeeper: every trade, coupon and redemption of a run settles on a ledger in memory.

The ledger's clock is simulated: what happens on a day happens at three in the afternoon, New York. A plan settles as
its Instruction, signed by desk and dealer; coupons are paid by `CouponPayer` to the record at the start of their date,
principal by `Issuance`; calls are written, bought, exercised and end in the `OptionBook`. On every day the desk's cash,
positions and holds are read from the contracts and compared (I16).

Keys and chain id come from the run's settings and data, so the same run signs the same bytes. These are kept with the
finished years; an interrupted run executes them again, and has the contracts where they were.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date

import polars as pl

from tbill_defi.backtest.books import DEALER, DESK, Due
from tbill_defi.backtest.calls import OpenCall
from tbill_defi.chain.keys import SigningKey
from tbill_defi.chain.types import Call
from tbill_defi.core.clock import new_york_midnight
from tbill_defi.core.errors import LedgerError
from tbill_defi.instruments import Security
from tbill_defi.ledger.abi import decode_result, encode_call
from tbill_defi.ledger.deployment import Step
from tbill_defi.ledger.keyring import Keys
from tbill_defi.ledger.ledger import OPERATOR, ROLE_NAMES, Ledger
from tbill_defi.ledger.life import NO_EXPIRY, TREASURY, coupon_steps, ensure_treasury, redemption_steps
from tbill_defi.ledger.option import Options
from tbill_defi.ledger.option_deeds import call_step, exercise_step
from tbill_defi.ledger.option_terms import OptionState, OptionTerms
from tbill_defi.portfolio.execution import dealer_inventory, instruction_of
from tbill_defi.portfolio.plan import CURRENCY, RebalancePlan
from tbill_defi.portfolio.writing import writing_steps

AFTERNOON_SECONDS = 15 * 3_600
LOWEST_CHAIN_ID = 2**40
"""No public chain has an id as high."""
BLOCKS_SCHEMA: dict[str, pl.DataType] = {"timestamp": pl.Int64(), "raw": pl.List(pl.Binary())}
"""Unix seconds of a block, and its signed transactions."""
_NOBODY = bytes(20)


class ContractBooks:
    """Keeps the books of a run in contracts; made anew for each run.

    Parameters
    ----------
    key
        The run's, 32 bytes.

    Attributes
    ----------
    compared_days
        Days on which contracts and arrays were found equal.
    """

    def __init__(self, key: bytes) -> None:
        self.compared_days = 0
        self._chain_id = LOWEST_CHAIN_ID + int.from_bytes(key[:5], "big")
        self._blocks: list[tuple[int, list[bytes]]] = []
        self._ledger: Ledger | None = None
        self._height, self._taken = -1, 0
        self._found: dict[str, int] = {}
        self._options: dict[tuple[int, str, int, date], bytes] = {}

    @property
    def ledger(self) -> Ledger:
        """The ledger, once the run has begun."""
        if self._ledger is None:
            raise LedgerError("backtest: its ledger is opened on the first day", "NotFound")
        return self._ledger

    def open(self, day: date, capital_units: int) -> None:
        """Deploy the contracts, register who deals on them, and give the desk its capital."""
        names = (*ROLE_NAMES, DESK, DEALER, TREASURY)
        keys = Keys.in_memory({name: SigningKey.from_seed(f"backtest {name}") for name in names})
        self._ledger = Ledger.create("sqlite://", keys=keys, at=_afternoon(day), chain_id=self._chain_id)
        for party in (DESK, DEALER):
            self.ledger.add_party(party, keys.key(party).address, claim_expiry=NO_EXPIRY)
        ensure_treasury(self.ledger)
        Options(self.ledger).ensure_book()
        self.ledger.deposit(DESK, {}, capital_units)
        self._taken = self.ledger.chain.height

    def blocks(self) -> pl.DataFrame:
        """What was signed and settled since this was last asked, `BLOCKS_SCHEMA`.

        Raises
        ------
        LedgerError
            If the ledger has a block that was not taken (code "BooksDiffer").
        """
        taken, self._blocks = self._blocks, []
        self._taken += len(taken)
        if self._taken != self.ledger.chain.height:
            raise LedgerError(f"backtest: {self.ledger.chain.height - self._taken} blocks were not kept", "BooksDiffer")
        return pl.DataFrame(taken, schema=BLOCKS_SCHEMA, orient="row")

    def resume(self, day: date, capital_units: int, blocks: pl.DataFrame) -> None:
        """Open as on the first day, and execute the blocks that were taken before an interruption."""
        self.open(day, capital_units)
        for timestamp, raws in blocks.iter_rows():
            self._advance(timestamp)
            self._execute(raws)
        self._taken = self.ledger.chain.height
        self._know(option.terms for option in self.ledger.books().options().values())

    def close(self) -> None:
        """Let the ledger go."""
        if self._ledger is not None:
            self._ledger.close()
            self._ledger = None

    def pay(self, day: date, paid: Sequence[Due], securities: dict[str, Security]) -> None:
        """Coupons through `CouponPayer`, principal through `Issuance`, each in a block."""
        self._advance(_afternoon(day))
        for due in paid:
            security = securities[due.cusip]
            if due.kind == "coupon":
                steps, _ = coupon_steps(self.ledger, security, due.nominal, payment_date=due.payment)
            else:
                steps, _ = redemption_steps(self.ledger, security, payment_date=due.payment)
            self._submit(steps)

    def trade(self, day: date, plan: RebalancePlan) -> None:
        """The plan as one Instruction, or its calls, after the dealer has registered what he delivers."""
        self._advance(_afternoon(day))
        ledger = self.ledger
        _, deposits = dealer_inventory(plan, ledger)
        if plan.writes:
            steps, quotes = writing_steps(plan, ledger, ledger.keyring.key(DESK), ledger.keyring.key(DEALER))
            self._submit([*deposits, *steps])
            self._know(quote.terms for quote in quotes)
            return
        instruction = instruction_of(plan, ledger)
        digest = instruction.digest(ledger.chain.chain_id, ledger.contracts.settlement)
        keys = {ledger.address_of(name): ledger.keyring.key(name) for name in (DESK, DEALER)}
        signatures = [keys[giver].sign_digest(digest) for giver in instruction.givers]
        data = encode_call("Settlement", "settle", instruction.abi_value(), signatures)
        self._submit([*deposits, Step(OPERATOR, ledger.contracts.settlement, data)])

    def end(self, day: date, exercised: Sequence[OpenCall], lapsed: Sequence[OpenCall]) -> None:
        """The dealer exercises, after he has registered what he pays; holds of what lapsed end."""
        self._advance(_afternoon(day))
        ledger, dealer = self.ledger, self.ledger.keyring.key(DEALER)
        missing = sum(call.payment_units for call in exercised) - ledger.books().settling_wallet(DEALER).cash
        steps = ledger.deposit_steps(dealer.address, {}, missing) if missing > 0 else []
        steps += [exercise_step(ledger, self._option(call), dealer) for call in exercised]
        steps += [call_step(ledger, "expire", self._option(call).option_id) for call in lapsed]
        self._submit(steps)

    def _know(self, written: Iterable[OptionTerms]) -> None:
        for terms in written:
            self._options[terms.salt, terms.cusip, terms.strike_e6, terms.expiry] = terms.option_id

    def _option(self, call: OpenCall) -> OptionState:
        """The option that a call is on the ledger."""
        option_id = self._options.get((int(call.context, 16), call.cusip, call.strike_e6, call.expiry), b"")
        found = self.ledger.books().option(option_id)
        if found is None:
            raise LedgerError(f"contracts and arrays differ: no option is the call {call.name}", "BooksDiffer")
        return found

    def compare(self, day: date, cash: int, positions: dict[str, int], held: dict[str, int]) -> None:
        """Read the desk's balances from the contracts and hold them against the arrays'.

        Raises
        ------
        LedgerError
            If they differ by a base unit (code "BooksDiffer").
        """
        if self.ledger.chain.height != self._height:
            self._read()
        theirs, ours = self._found, {CURRENCY: cash, **positions, **_named(held)}
        if ours != theirs:
            differing = "; ".join(
                f"{asset}: {theirs.get(asset, 0)} in contracts, {ours.get(asset, 0)} in arrays"
                for asset in sorted({*ours, *theirs})
                if theirs.get(asset, 0) != ours.get(asset, 0)
            )
            raise LedgerError(f"contracts and arrays differ: {differing}", "BooksDiffer")
        self.compared_days += 1

    def _read(self) -> None:
        """The desk's balances as the contracts answer them, of every token that its events name, and what is held."""
        ledger = self.ledger
        desk = ledger.address_of(DESK)
        tokens = {cusip: ledger.token_of(cusip) or _NOBODY for cusip in ledger.wallet(DESK).positions}
        calls = [Call(_NOBODY, token, encode_call("CashToken", "balanceOf", desk)) for token in tokens.values()]
        calls.append(Call(_NOBODY, ledger.contracts.usd, encode_call("CashToken", "balanceOf", desk)))
        if self._options:
            calls += [Call(_NOBODY, token, encode_call("SecurityToken", "heldOf", desk)) for token in tokens.values()]
        receipts = ledger.simulate((), then=calls)
        ledger.require_success(receipts)
        answers = [int(decode_result("CashToken", "balanceOf", receipt.return_data)[0]) for receipt in receipts]
        held = zip(tokens, answers[len(tokens) + 1 :], strict=False)
        self._found = dict(zip([*tokens, CURRENCY], answers, strict=False))
        self._found |= _named({cusip: units for cusip, units in held if units})
        self._height = ledger.chain.height

    def _advance(self, timestamp: int) -> None:
        """The next block is at a time, or right after the last one if that is later."""
        ahead = timestamp - self.ledger.chain.now()
        if ahead > 0:
            self.ledger.embedded.advance_clock(ahead)

    def _submit(self, steps: Sequence[Step]) -> None:
        timestamp, raws = self.ledger.chain.now(), self.ledger.sign(steps)
        self._execute(raws)
        self._blocks.append((timestamp, raws))

    def _execute(self, raws: Sequence[bytes]) -> None:
        self.ledger.require_success(self.ledger.chain.submit(raws))


def _named(held: Mapping[str, int]) -> dict[str, int]:
    """Holds beside balances: by CUSIP and "on hold"."""
    return {f"{cusip} on hold": units for cusip, units in held.items()}


def _afternoon(day: date) -> int:
    """Three o'clock in New York, Unix seconds."""
    return new_york_midnight(day) + AFTERNOON_SECONDS
