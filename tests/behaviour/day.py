"""A scripted day on any ledger, and what is told of it: outcomes, balances, events, in words that fit every chain."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from typing import Any

import pytest

import tbill_defi as td
from tbill_defi.chain.dev import dev_chain
from tbill_defi.chain.rpc import open_chain
from tbill_defi.core.clock import new_york_midnight
from tbill_defi.core.errors import ComplianceRejection, LedgerError, PlanError
from tbill_defi.core.identifiers import bytes32
from tbill_defi.ledger.abi import decode_log, decode_revert, encode_call
from tbill_defi.ledger.decisions import decide
from tbill_defi.ledger.deployment import Step
from tbill_defi.ledger.eip712 import hold_id
from tbill_defi.ledger.ledger import OPERATOR, Ledger
from tbill_defi.ledger.open import create_ledger
from tbill_defi.ledger.option import Options
from tbill_defi.ledger.option_deeds import (
    BOOK,
    CONTRACT,
    buy_step,
    call_step,
    exercise_step,
    signed_quote,
    write_steps,
)
from tbill_defi.ledger.option_terms import OptionTerms
from tbill_defi.ledger.settlement import Instruction, Leg, PlanLeg, SignedInstruction, settle_many_arguments
from tbill_defi.market.sample import SAMPLE_DATE, sample_data
from tests.behaviour.nodes import ANVIL, anvil
from tests.unit.ledger.support import DOLLAR, OUTSIDER, PARTIES, START, ring

BACKENDS = ("revm", "eth-tester", pytest.param("anvil", marks=pytest.mark.node))
FIRST, SECOND = "91282CNY3", "91282CPP0"
EXPIRY = date(2026, 3, 27)
NO_LIMIT = 2**256 - 1
OF_THE_LEDGER = {"instructionHash", "claimExpiry", "since", "reason"}
"""Arguments that hold a chain id or the moment of the run."""
OF_THE_MOMENT = {"notBefore", "deadline", "clock", "timepoint"}
TODAY = td.view(date=SAMPLE_DATE.isoformat(), data=sample_data())


@contextmanager
def ledger_on(backend: str, *more_keys: str) -> Iterator[Ledger]:
    """A fresh ledger with three parties on one of the three machines; the sample day, 15:00 New York."""
    keys = ring(*PARTIES, "stranger", *more_keys)
    if backend == "revm":
        with create_ledger("sqlite://", keys=keys, at=START, parties=PARTIES) as ledger:
            yield ledger
    elif backend == "eth-tester":
        chain = open_chain("eth-tester:", at=START)
        yield create_ledger(chain=chain, keys=keys, parties=PARTIES)
    else:
        if not ANVIL.exists():
            pytest.skip("anvil is not installed: npm ci in contracts")
        with anvil(at=START) as url:
            yield create_ledger(chain=open_chain(url), keys=keys, parties=PARTIES)


def security(cusip: str) -> Any:
    return TODAY.securities[TODAY.index(cusip)]


def _is_hash(name: str, value: Any) -> bool:
    """A nonce that is a hash: that of an option's instruction is over the moment it is made at."""
    return name == "nonce" and int(value) >= 2**64


class Day:
    """Acts on a ledger; `story` is what each came to."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.story: list[tuple[str, Any]] = []
        self.dev = dev_chain(ledger.chain)  # type: ignore[arg-type]
        self._nonce = 0

    # --- words --------------------------------------------------------------------------------------------------

    def address(self, party: str) -> bytes:
        return OUTSIDER.address if party == "outsider" else self.ledger.keyring.key(party).address

    def token(self, asset: str) -> bytes:
        return self.ledger.contracts.usd if asset == "USD" else self.ledger.token_of(asset) or b""

    def step(self, key: str, asset: str, function: str, *arguments: Any) -> Step:
        contract = "CashToken" if asset == "USD" else "SecurityToken"
        return Step(key, self.token(asset), encode_call(contract, function, *arguments))

    def tell(self, act: str, outcome: Any) -> None:
        self.story.append((act, outcome))

    def attempt(self, act: str, *steps: Step) -> None:
        """Simulated, then sent whatever the simulation says: both must agree; a refusal's name and arguments."""
        tried = self.ledger.simulate(steps)
        receipts = self.ledger.chain.submit(self.ledger.sign(steps))
        for dry, real in zip(tried, receipts, strict=True):
            assert (dry.status, dry.revert) == (real.status, real.revert), act
            assert dry.logs == real.logs, act
        self.tell(act, [self._told(receipt) for receipt in receipts])

    def _told(self, receipt: Any) -> Any:
        if receipt.status:
            return [decode_log(log).name for log in receipt.logs]
        name, arguments = decode_revert(receipt.revert)
        return name, {k: v for k, v in arguments.items() if k not in OF_THE_MOMENT}

    def tell_refusal(self, act: str, attempt: Any) -> None:
        """What the framework itself refuses, by code."""
        try:
            attempt()
        except ComplianceRejection as refusal:
            self.tell(act, [(d.code, d.rule, d.message, d.largest_amount) for d in refusal.decisions])
        except (LedgerError, PlanError) as error:
            self.tell(act, getattr(error, "code", re.sub(r"block \d+", "a block", str(error))))
        else:
            self.tell(act, "passed")

    def instruction(self, *legs: tuple[str, str, str, int], **changes: int) -> Instruction:
        self._nonce += 1
        now = self.ledger.chain.now()
        raw = tuple(Leg(self.token(a), self.address(g), self.address(r), n) for a, g, r, n in legs)
        return Instruction(
            raw, now + changes.get("early", 0), now + changes.get("late", 600), changes.get("nonce", self._nonce)
        )

    def signed(self, instruction: Instruction, *, chain_id: int | None = None) -> SignedInstruction:
        digest = instruction.digest(chain_id or self.ledger.chain.chain_id, self.ledger.contracts.settlement)
        keys = {self.address(name): self.ledger.keyring.key(name) for name in PARTIES}
        return SignedInstruction(instruction, tuple(keys[giver].sign_digest(digest) for giver in instruction.givers))

    def settle(self, *signed: SignedInstruction, many: bool = False) -> Step:
        if many:
            data = encode_call("Settlement", "settleMany", *settle_many_arguments(signed))
        else:
            data = encode_call("Settlement", "settle", signed[0].instruction.abi_value(), list(signed[0].signatures))
        return Step(OPERATOR, self.ledger.contracts.settlement, data)

    # --- the day ------------------------------------------------------------------------------------------------

    def run(self) -> None:
        self.deposits()
        self.trades()
        self.plan()
        self.powers()
        self.holds()
        self.claims()
        self.options()

    def deposits(self) -> None:
        both = {security(FIRST): 3_000_000 * DOLLAR, security(SECOND): 4_000_000 * DOLLAR}
        self.tell("deposit", len(self.ledger.deposit("desk", both, 200_000 * DOLLAR)))
        self.tell("fund", len(self.ledger.deposit("fund", {}, 1_000_000 * DOLLAR)))
        self.tell_refusal("deposit to a stranger", lambda: self.ledger.deposit("stranger", {}, DOLLAR))
        self.attempt("issue to the unregistered", self.step("issuer", FIRST, "issue", self.address("outsider"), DOLLAR))
        self.attempt("issue by the wrong key", self.step("bank", FIRST, "issue", self.address("desk"), DOLLAR))

    def trades(self) -> None:
        legs = ((FIRST, "desk", "fund", 1_000 * DOLLAR), ("USD", "fund", "desk", 990 * DOLLAR))
        good = self.signed(self.instruction(*legs))
        self.attempt("DvP", self.settle(good))
        self.attempt("replay", self.settle(good))
        self.attempt("other chain", self.settle(self.signed(self.instruction(*legs), chain_id=1)))
        self.attempt("too late", self.settle(self.signed(self.instruction(*legs, early=-900, late=-800))))
        self.attempt("too early", self.settle(self.signed(self.instruction(*legs, early=5_000, late=6_000))))
        huge = (legs[0], ("USD", "fund", "desk", 10**7 * DOLLAR))
        self.attempt("one bad leg", self.settle(self.signed(self.instruction(*huge))))
        self.attempt("no legs", self.settle(SignedInstruction(self.instruction(), ())))
        several = [self.signed(self.instruction(*part)) for part in (legs, huge, legs)]
        self.attempt("three at once, one bad", self.settle(*several, many=True))
        self.attempt("cancel", Step("fund", self.ledger.contracts.settlement, encode_call("Settlement", "cancel", 77)))
        self.attempt("cancelled", self.settle(self.signed(self.instruction(*legs, nonce=77))))
        trial = self.instruction((FIRST, "desk", "outsider", DOLLAR))
        (decision,) = decide(self.ledger, [PlanLeg(FIRST, "desk", "outsider", DOLLAR)], trial)
        self.tell("decision", (decision.code, decision.rule, decision.largest_amount))

    def made_plan(self, **config: Any) -> Any:
        wallet = self.ledger.wallet("desk")
        book = td.Holdings("desk", wallet.positions, wallet.cash, wallet.unavailable())
        return td.plan(td.find("ladder")(**config), TODAY, book)

    def plan(self) -> None:
        made = self.made_plan(rungs=4, longest_years=3.0)
        dry = made.execute(self.ledger, approve_by="desk", dry_run=True)
        self.tell("dry run", [(d.ok, d.code, d.largest_amount) for d in dry.decisions])
        done = made.execute(self.ledger, approve_by="desk")
        self.tell("plan", (made.hash, done.settled, done.inventory, self.ledger.tape()[-1].legs))
        self.tell_refusal("plan again", lambda: made.execute(self.ledger, approve_by="desk"))
        self.ledger.set_trade_limit(1_000 * DOLLAR)
        other = self.made_plan(rungs=5, longest_years=4.0)
        self.tell_refusal("plan over the limit", lambda: other.execute(self.ledger, approve_by="desk"))
        data = self.step("desk", FIRST, "transfer", self.address("fund"), 1_001 * DOLLAR)
        self.attempt("transfer over the limit", data)
        self.ledger.set_trade_limit(NO_LIMIT)

    def powers(self) -> None:
        more = {security(FIRST): 5_000 * DOLLAR}
        self.ledger.deposit("desk", more)
        self.ledger.freeze("desk", FIRST, 4_000 * DOLLAR)
        for face in (1_000, 1_001):
            step = self.step("desk", FIRST, "transfer", self.address("fund"), face * DOLLAR)
            self.attempt(f"transfer {face} with 4,000 of 5,000 frozen", step)
        force = self.step(
            "enforcer", FIRST, "forcedTransfer", self.address("desk"), self.address("fund"), 2_000 * DOLLAR
        )
        self.attempt("forced transfer", force)
        self.attempt("forced by the wrong key", Step("desk", force.to, force.data))
        self.tell_refusal("freeze by name", lambda: self.ledger.freeze("desk", "912797ZZZ", 1))
        self.ledger.freeze("desk", FIRST, 0)
        self.tell_refusal("a view that reverts", lambda: self._future())

    def _future(self) -> None:
        self.ledger.call("SecurityToken", self.token(FIRST), "balanceOfAt", self.address("desk"), 2**40)

    def holds(self) -> None:
        who, to, amount = self.address("dealer"), self.address("fund"), 500 * DOLLAR
        salts = [bytes32(f"hold-{n}") for n in range(3)]
        names = [hold_id(self.address("desk"), salt) for salt in salts]
        for name in salts:
            self.attempt("hold", self.step("desk", FIRST, "createHold", name, who, to, amount, START + 50_000))
        self.attempt("hold twice", self.step("desk", FIRST, "createHold", salts[0], who, to, amount, START + 50_000))
        self.tell("held", self.ledger.wallet("desk").held)
        self.attempt("held cannot move", self.step("desk", FIRST, "transfer", to, 3_000 * DOLLAR))
        self.attempt("executed by a stranger", self.step("fund", FIRST, "executeHold", names[0], amount))
        self.attempt("executed", self.step("dealer", FIRST, "executeHold", names[0], amount))
        self.attempt("released", self.step("dealer", FIRST, "releaseHold", names[1]))
        self.attempt("expired too soon", self.step("fund", FIRST, "expireHold", names[2]))
        self.dev.set_next_time(START + 60_000)
        self.attempt("expired", self.step("fund", FIRST, "expireHold", names[2]))

    def claims(self) -> None:
        self.ledger.set_claim("fund", START + 100_000)
        self.attempt("transfer", self.step("desk", FIRST, "transfer", self.address("fund"), DOLLAR))
        self.dev.set_next_time(START + 100_001)
        self.ledger.set_claim("dealer", 0)
        for name in ("fund", "dealer"):
            step = self.step("desk", FIRST, "transfer", self.address(name), DOLLAR)
            self.attempt(f"transfer to {name} without a claim", step)
        both = {security(FIRST): DOLLAR}
        self.tell_refusal("deposit without a claim", lambda: self.ledger.deposit("fund", both))
        self.tell_refusal("unknown identity", lambda: self.ledger.set_claim("nobody", 1))
        self.tell_refusal("unknown party", lambda: self.ledger.wallet("nobody"))
        self.tell_refusal(
            "wallet taken", lambda: self.ledger.add_party("fund", self.address("desk"), claim_expiry=2**40)
        )
        for name in ("fund", "dealer"):
            self.ledger.set_claim(name, 2**40)

    def options(self) -> None:
        """A call from writing to delivery, a put from writing to expiry, a call that nobody buys."""
        book, ledger = Options(self.ledger), self.ledger
        book.ensure_book()
        ledger.deposit("desk", {security(FIRST): 10_000 * DOLLAR}, 10_000 * DOLLAR)
        desk, fund = ledger.keyring.key("desk"), ledger.keyring.key("fund")
        midnight = new_york_midnight(EXPIRY)

        def terms(kind: str, face: int, strike_e6: int) -> OptionTerms:
            given = {"writer": "desk", "holder": "fund", "kind": kind, "expiry": EXPIRY}
            window = (midnight + 34_200, midnight + 57_600)
            return book.terms(security(FIRST), strike_e6=strike_e6, face_units=face * DOLLAR, window=window, **given)

        call, put, idle = terms("call", 2_001, 98_123_457), terms("put", 3_003, 99_500_001), terms("call", 500, 10**8)
        naked = terms("call", 10**7, 10**8)
        self.tell_refusal("naked call", lambda: book.write(naked))
        self.attempt("naked call by hand", *write_steps(ledger, naked, "desk"))
        for name, made in (("call", call), ("put", put), ("idle call", idle)):
            self.attempt(f"{name} written", *write_steps(ledger, made, "desk"))
            self.attempt(
                f"{name} written again", Step("desk", book.address, encode_call(CONTRACT, "write", made.abi_value()))
            )
        for name, made, premium in (("call", call, 7_777_777), ("put", put, 1)):
            quote = signed_quote(ledger, made, premium, desk)
            self.attempt(f"{name} bought by the wrong key", buy_step(ledger, quote, desk))
            self.attempt(f"{name} bought", buy_step(ledger, quote, fund))
            self.attempt(f"{name} bought again", buy_step(ledger, quote, fund))
        self.tell("collateral", (ledger.wallet("desk").held, ledger.wallet(BOOK).cash))
        self.attempt("collateral sold", self.step("desk", FIRST, "transfer", self.address("fund"), 11_000 * DOLLAR))
        self.attempt("exercised too early", exercise_step(ledger, book.state(call.option_id), fund))
        self.attempt("expired too early", call_step(ledger, "expire", put.option_id))
        self.attempt("withdrawn", Step("desk", book.address, encode_call(CONTRACT, "withdraw", idle.option_id)))
        self._go_to(midnight + 50_000)
        self.attempt("exercised by the writer", exercise_step(ledger, book.state(call.option_id), desk))
        for name in ("exercised", "exercised again"):
            self.attempt(name, exercise_step(ledger, book.state(call.option_id), fund))
        self._go_to(midnight + 57_601)
        self.attempt("exercised too late", exercise_step(ledger, book.state(put.option_id), fund))
        for name in ("expired", "expired again"):
            self.attempt(name, call_step(ledger, "expire", put.option_id))
        self.tell_refusal("unknown option", lambda: book.state(bytes(32)))
        self.tell("options", [(o.status, o.payment_units, o.premium_units, o.terms) for o in book.all()])
        self.tell("escrow", (ledger.call(CONTRACT, book.address, "escrowed"), ledger.wallet(BOOK).cash))

    def _go_to(self, moment: int) -> None:
        self.dev.set_next_time(moment)
        self.ledger.deposit("dealer", {}, 1)  # a block, so that the time has come

    # --- what anyone may try ------------------------------------------------------------------------------------

    def scramble(self, seed: int, acts: int) -> None:
        """Acts drawn from a seed alone, most of them possible, some not."""
        draw = random.Random(seed)
        assets, people = [FIRST, SECOND, "USD"], [*PARTIES, "outsider"]
        for number in range(acts):
            giver, to = draw.choice(PARTIES), draw.choice(people)
            asset, amount = draw.choice(assets), draw.choice([0, 1, draw.randrange(10**9), 10**13])
            kind = draw.choice(["transfer", "dvp", "freeze", "force", "issue", "limit", "hold", "batch"])
            self.attempt(f"{seed}.{number} {kind}", *self._random(draw, kind, giver, to, asset, amount))

    def _random(self, draw: random.Random, kind: str, giver: str, to: str, asset: str, amount: int) -> Sequence[Step]:
        note = FIRST if asset == "USD" else asset
        where = self.address(to)
        match kind:
            case "transfer":
                return [self.step(giver, asset, "transfer", where, amount)]
            case "dvp":
                back = draw.randrange(1, 10**9)
                other = next(p for p in PARTIES if p != giver)
                legs = ((note, giver, other, amount), ("USD", other, giver, back))
                return [self.settle(self.signed(self.instruction(*legs)))]
            case "freeze":
                return [self.step("compliance", note, "setFrozenTokens", where, amount % 10**8)]
            case "force":
                return [self.step("enforcer", note, "forcedTransfer", self.address(giver), where, amount)]
            case "issue":
                return [self.step("bank" if asset == "USD" else "issuer", asset, "issue", where, amount)]
            case "limit":
                data = encode_call("Compliance", "setTradeLimit", draw.choice([NO_LIMIT, 10**8]))
                return [Step("compliance", self.ledger.contracts.compliance, data)]
            case "hold":
                name = bytes32(f"h{draw.randrange(10**6)}")
                held = hold_id(self.address(giver), name)
                terms = (name, self.address("dealer"), where, amount % 10**7, START + 10**6)
                return [
                    self.step(giver, note, "createHold", *terms),
                    self.step("dealer", note, draw.choice(["releaseHold", "expireHold"]), held),
                ]
        return [self.step(giver, note, "batchTransfer", [where, where], [amount, 1])]

    # --- what is compared ---------------------------------------------------------------------------------------

    def balances(self) -> dict[str, Any]:
        """As the contracts say; every registered asset and party."""
        found: dict[str, Any] = {}
        for asset in sorted(self.ledger.books().tokens().values()):
            contract, token = ("CashToken" if asset == "USD" else "SecurityToken"), self.token(asset)
            found[asset] = self.ledger.call(contract, token, "totalSupply")
            for name in (*PARTIES, "outsider"):
                for question in ("balanceOf",) if asset == "USD" else ("balanceOf", "getFrozenTokens", "heldOf"):
                    answer = self.ledger.call(contract, token, question, self.address(name))
                    found[f"{asset} {name} {question}"] = answer
        return found

    def events(self) -> list[tuple[str, str, dict[str, Any]]]:
        """Every event of the ledger's contracts and tokens: contract, name, arguments of no particular chain."""
        tokens = [bytes.fromhex(token[2:]) for token in self.ledger.books().tokens()]
        wanted = dict.fromkeys([*self.ledger.contracts.addresses(), *tokens])
        return [
            (
                event.log.address.hex(),
                event.name,
                {k: v for k, v in event.arguments.items() if k not in OF_THE_LEDGER and not _is_hash(k, v)},
            )
            for event in self.ledger.chain.events(addresses=list(wanted))
        ]
