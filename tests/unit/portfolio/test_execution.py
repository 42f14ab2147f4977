"""A plan settles as what was approved, or not at all."""

from dataclasses import replace
from datetime import timedelta

import pytest
from tbill_strategies.ladder import Ladder

import tbill_defi as td
from tbill_defi.chain.keys import SigningKey, recover_address
from tbill_defi.core.errors import ComplianceRejection, KeyStoreError, LedgerError, PlanError
from tbill_defi.ledger import limits
from tbill_defi.ledger.keyring import Keys
from tbill_defi.ledger.ledger import ROLE_NAMES
from tbill_defi.ledger.settlement import PlanLeg, plan_hash
from tbill_defi.portfolio.execution import execute as settle
from tbill_defi.portfolio.holdings import Holdings
from tests.unit.portfolio.support import DOLLAR, PARTIES, book_of, ledger_with, ring


@pytest.fixture
def ledger(sample, book):
    with ledger_with(sample, book) as made:
        yield made


def picture(ledger):
    """All that anyone could notice: balances, tape, height, nonces of those who deal."""
    return (
        [ledger.wallet(party) for party in PARTIES],
        dict(ledger.books().supply()),
        len(ledger.tape()),
        ledger.chain.height,
        [ledger.chain.nonce(ledger.keys.key(name).address) for name in (*ROLE_NAMES, *PARTIES)],
    )


@pytest.fixture
def untouched(ledger):
    before = picture(ledger)
    yield ledger
    assert picture(ledger) == before


def execute(plan, ledger, **options):
    return plan.execute(ledger, **{"approve_by": "desk", **options})


# --- settled --------------------------------------------------------------------------------------------------------


def test_balances_are_recomputed_from_the_orders(plan, ledger, book):
    done = execute(plan, ledger)
    expected, cash = dict(book.positions), book.cash_units
    for order in plan.orders:
        sign = 1 if order.side == "buy" else -1
        expected[order.cusip] = expected.get(order.cusip, 0) + sign * order.face_units
        cash -= sign * order.cash_units
    wallet = ledger.wallet("desk")
    assert wallet.positions == {cusip: face for cusip, face in sorted(expected.items()) if face}
    assert wallet.cash == cash
    bought = {order.cusip: order.face_units for order in plan.orders if order.side == "sell"}
    dealer = ledger.wallet("dealer")
    assert dealer.positions == dict(sorted(bought.items()))
    assert dealer.cash == max(0, plan.net_cash_units)
    assert done.settled
    assert done.inventory == {
        **{o.cusip: o.face_units for o in plan.orders if o.side == "buy"},
        **({"USD": -plan.net_cash_units} if plan.net_cash_units < 0 else {}),
    }


@pytest.mark.invariant("I6")
def test_the_chains_own_legs_hash_to_the_plan(plan, ledger):
    done = execute(plan, ledger)
    (event,) = ledger.chain.events(names=["Settled"])
    assert event.arguments["planHash"] == plan.hash
    assert event.arguments["contextHash"] == "0x" + plan.context_hash.hex()
    (entry,) = ledger.tape()
    legs = [PlanLeg(leg.asset, leg.giver, leg.receiver, leg.amount) for leg in entry.legs]
    assert "0x" + plan_hash(bytes.fromhex(entry.context_hash[2:]), legs).hex() == plan.hash
    assert (done.height, done.timestamp, done.instruction_hash) == (
        entry.height,
        entry.timestamp,
        entry.instruction_hash,
    )
    assert done.transaction_hash == "0x" + event.transaction_hash.hex()


def test_one_block(plan, ledger):
    """Deposits of the dealer's inventory and the Instruction go together."""
    height = ledger.chain.height
    done = execute(plan, ledger)
    assert ledger.chain.height == done.height == height + 1


def test_the_dealers_quote_is_his_signature(ladder_plan, ledger):
    quote = execute(ladder_plan, ledger).quote
    assert quote.signer == ledger.address_of("dealer")
    assert recover_address(quote.instruction_hash, quote.signature) == quote.signer
    assert quote.instruction.digest(ledger.chain.chain_id, ledger.contracts.settlement) == quote.instruction_hash
    assert quote.instruction.deadline - quote.instruction.not_before == 900
    assert quote.to_json()["plan_hash"] == ladder_plan.hash


def test_decisions_are_of_every_leg(ladder_plan, ledger):
    done = execute(ladder_plan, ledger)
    assert [d.asset for d in done.decisions] == [leg.asset for leg in ladder_plan.legs]
    assert all(d.ok and d.amount <= d.largest_amount for d in done.decisions)
    printed = done.to_json()
    assert (printed["plan_hash"], printed["settled"]) == (ladder_plan.hash, True)
    assert all(isinstance(row["amount"], str) for row in printed["decisions"])


def test_on_another_ledger_too(ladder_plan, sample, book, ledger):
    """The same plan, the same hash, other chain, other keys, other signatures."""
    other = Keys.in_memory({name: SigningKey.from_seed(f"other {name}") for name in (*ROLE_NAMES, *PARTIES)})
    first = execute(ladder_plan, ledger)
    with td.create_ledger("sqlite://", keys=other, at="2026-03-24T10:00", parties=PARTIES) as twin:
        twin.deposit("desk", sample.face_of(book.positions), book.cash_units)
        second = execute(ladder_plan, twin)
        assert twin.wallet("desk").positions == ledger.wallet("desk").positions
    assert first.plan_hash == second.plan_hash == ladder_plan.hash
    assert first.instruction_hash != second.instruction_hash


def test_plan_after_plan(sample, ledger, ladder_plan):
    """The dealer delivers from what he bought before he registers more."""
    execute(ladder_plan, ledger)
    book = Holdings.from_wallet(ledger.wallet("desk"))
    back = td.plan(Ladder(rungs=8, longest_years=1.5), sample, book)
    had = ledger.wallet("dealer").positions
    done = execute(back, ledger)
    for order in back.orders:
        if order.side == "buy":
            assert done.inventory.get(order.cusip, 0) == max(0, order.face_units - had.get(order.cusip, 0))
    assert any(had.get(o.cusip) for o in back.orders if o.side == "buy")


def test_stages_are_told(ladder_plan, ledger):
    told = []
    settle(ladder_plan, ledger, approve_by="desk", stage=told.append)
    assert len(told) >= 4
    assert told[-1] == "legs settle, all or none"


# --- dry ------------------------------------------------------------------------------------------------------------


class NoSignature(SigningKey):
    """A key that is there and is never used."""

    def sign_digest(self, digest):
        raise AssertionError("a dry run signs nothing")


def test_a_dry_run_leaves_no_trace_and_signs_nothing(plan, untouched):
    names = untouched.keys.names()
    real = untouched.keys
    untouched.keys = Keys.in_memory({n: NoSignature(real.key(n)._key.secret) for n in names})
    try:
        done = execute(plan, untouched, dry_run=True)
    finally:
        untouched.keys = real
    assert not done.settled
    assert done.plan_hash == plan.hash
    assert all(d.ok for d in done.decisions)
    assert (done.height, done.quote, done.instruction_hash) == (0, None, "")


def test_a_dry_run_refuses_what_would_be_refused(ladder_plan, untouched):
    moved = replace(ladder_plan, trade_date=ladder_plan.trade_date + timedelta(days=1))
    with pytest.raises(PlanError):
        execute(moved, untouched, dry_run=True)


def test_a_dry_run_says_what_execution_does(ladder_plan, ledger):
    dry = execute(ladder_plan, ledger, dry_run=True)
    wet = execute(ladder_plan, ledger)
    assert (dry.decisions, dry.inventory, dry.plan_hash) == (wet.decisions, wet.inventory, wet.plan_hash)


# --- refused by the plan itself -------------------------------------------------------------------------------------


def test_another_market_date(ladder_plan, sample, book):
    with ledger_with(sample, book, at="2026-03-25T09:00") as tomorrow:
        before = picture(tomorrow)
        with pytest.raises(
            PlanError, match=r"for 2026-03-24, the ledger's market date is 2026-03-25.*--at 2026-03-24T"
        ):
            execute(ladder_plan, tomorrow)
        assert picture(tomorrow) == before


def test_a_minute_to_midnight_in_new_york(ladder_plan, sample, book):
    """It is the 25th in London already."""
    with ledger_with(sample, book, at="2026-03-24T23:59-04:00") as late:
        assert execute(ladder_plan, late).settled


@pytest.mark.invariant("I6")
def test_a_second_time(plan, ledger):
    first = execute(plan, ledger)
    before = picture(ledger)
    for dry in (False, True):
        with pytest.raises(PlanError, match=f"the plan was settled in block {first.height}"):
            execute(plan, ledger, dry_run=dry)
    assert picture(ledger) == before


@pytest.mark.invariant("I6")
def test_a_second_time_after_the_holdings_came_back(ladder_plan, ledger, sample, book):
    """Even when the desk holds again what it held, the plan was settled."""
    execute(ladder_plan, ledger)
    wallet = ledger.wallet("desk")
    lacking = {c: f - wallet.positions.get(c, 0) for c, f in book.positions.items() if f > wallet.positions.get(c, 0)}
    ledger.deposit("desk", sample.face_of(lacking))
    with pytest.raises(PlanError, match="was settled in block"):
        execute(ladder_plan, ledger)


@pytest.mark.parametrize(
    ("move", "named"),
    [
        (lambda ledger, view: ledger.deposit("desk", {view.securities[0]: 1}), "912797TE7"),
        (lambda ledger, view: ledger.deposit("desk", {view.securities[20]: 1}), "912810QL5"),
        (lambda ledger, view: ledger.deposit("desk", {}, 1), "cash"),
    ],
    ids=["a position", "a new position", "cash"],
)
def test_holdings_moved(ladder_plan, ledger, sample, move, named):
    move(ledger, sample)
    before = picture(ledger)
    with pytest.raises(PlanError, match=rf"are not those of the plan \(.*{named}.*\); make the plan again"):
        execute(ladder_plan, ledger)
    assert picture(ledger) == before


def test_no_orders(ladder_plan, untouched):
    with pytest.raises(PlanError, match="no orders"):
        execute(replace(ladder_plan, orders=()), untouched)


def test_unknown_party(ladder_plan, untouched):
    for changed in (
        replace(ladder_plan, counterparty="broker"),
        replace(ladder_plan, party="client", holdings=replace(ladder_plan.holdings, party="client")),
    ):
        with pytest.raises(LedgerError, match="has no wallet on this ledger"):
            execute(changed, untouched)


# --- refused by a signature -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["dealer", "fund", "operator", "admin"])
def test_another_partys_key_approves_nothing(ladder_plan, untouched, name):
    with pytest.raises(PlanError, match=f"approve-by: key '{name}' is 0x[0-9a-f]{{40}}, not desk's wallet"):
        execute(ladder_plan, untouched, approve_by=name)


def test_a_key_that_is_not_there(ladder_plan, untouched):
    with pytest.raises(KeyStoreError, match="'boss' is not there"):
        execute(ladder_plan, untouched, approve_by="boss")


def test_a_dealer_who_is_not_the_dealer(ladder_plan, untouched):
    """The contract checks the signature of the wallet that gives, whatever a keyring calls its keys."""
    keys = Keys.in_memory({"desk": SigningKey.from_seed("desk"), "dealer": SigningKey.from_seed("impostor")})
    with pytest.raises(LedgerError, match="InvalidSignature") as caught:
        execute(ladder_plan, untouched, keys=keys)
    assert caught.value.code == "InvalidSignature"


def test_keys_of_ones_own(ladder_plan, ledger):
    keys = Keys.in_memory({"desk": SigningKey.from_seed("desk"), "dealer": SigningKey.from_seed("dealer")})
    assert execute(ladder_plan, ledger, keys=keys).settled


def test_a_reader_settles_nothing(ladder_plan, sample, book, tmp_path):
    url = f"sqlite:///{tmp_path / 'desk.db'}"
    with td.create_ledger(url, keys=ring(), at="2026-03-24T15:00", parties=PARTIES) as made:
        made.deposit("desk", sample.face_of(book.positions), book.cash_units)
    with (
        td.open_ledger(url, keys=ring(), read_only=True) as reader,
        pytest.raises(LedgerError, match="read only") as caught,
    ):
        execute(ladder_plan, reader)
    assert caught.value.code == "ReadOnly"


# --- refused by a rule ----------------------------------------------------------------------------------------------


def first(plan, side):
    return next(order for order in plan.orders if order.side == side)


RULES = {
    "frozen": (lambda ledger, plan: ledger.freeze("desk", first(plan, "sell").cusip, 950_000 * DOLLAR), 5, "frozen"),
    "claim of the desk": (lambda ledger, plan: ledger.set_claim("desk", 0), 3, "claim"),
    "trade limit": (lambda ledger, plan: ledger.set_trade_limit(70_000 * DOLLAR), 7, "trade-limit"),
}


@pytest.mark.parametrize("case", RULES)
@pytest.mark.parametrize("dry", [False, True], ids=["wet", "dry"])
def test_a_rule_refuses_before_anything_is_sent(ladder_plan, ledger, case, dry):
    prepare, code, rule = RULES[case]
    prepare(ledger, ladder_plan)
    before = picture(ledger)
    with pytest.raises(ComplianceRejection) as caught:
        execute(ladder_plan, ledger, dry_run=dry)
    decision = next(d for d in caught.value.decisions if d.code == code)
    assert (decision.ok, decision.rule) == (False, rule)
    assert f"rule {rule} (code {code})" in str(caught.value)
    assert "largest amount that passes $" in str(caught.value)
    assert picture(ledger) == before


def test_the_largest_amount_is_the_true_one(ladder_plan, ledger):
    order = first(ladder_plan, "sell")
    ledger.freeze("desk", order.cusip, order.face_units - 7)
    with pytest.raises(ComplianceRejection) as caught:
        execute(ladder_plan, ledger)
    (decision,) = caught.value.decisions
    assert (decision.asset, decision.party) == (order.cusip, "desk")
    assert decision.largest_amount == 1_000_000 * DOLLAR - (order.face_units - 7)
    ledger.freeze("desk", order.cusip, 1_000_000 * DOLLAR - order.face_units)
    assert execute(ladder_plan, ledger).settled, "exactly enough is free"


def test_an_expired_claim(ladder_plan, ledger):
    """The claim ran out between plan and approval."""
    ledger.set_claim("desk", ledger.chain.now() + 1)
    ledger.chain.advance_clock(5)
    with pytest.raises(ComplianceRejection, match="expired or was revoked"):
        execute(ladder_plan, ledger)


def test_a_dealer_without_a_claim(ladder_plan, ledger):
    """He can neither take delivery nor be issued his inventory: told by rule and code, not as a revert."""
    ledger.set_claim("dealer", 0)
    before = picture(ledger)
    with pytest.raises(ComplianceRejection) as caught:
        execute(ladder_plan, ledger)
    assert {(d.party, d.rule) for d in caught.value.decisions} == {("dealer", "claim")}
    sides = {o.cusip: 3 if o.side == "buy" else 4 for o in ladder_plan.orders}
    assert {d.asset: d.code for d in caught.value.decisions} == sides, "as giver and as receiver"
    assert picture(ledger) == before


def test_too_little_cash_on_the_ledger(sample):
    """The plan counts on cash that the ledger does not have: said by name, whatever the file says."""
    book = book_of(sample, cash=50_000_000)
    plan = td.plan(Ladder(rungs=5), sample, book)
    poor = replace(book, cash_units=DOLLAR)
    with ledger_with(sample, poor) as ledger:
        before = picture(ledger)
        with pytest.raises(PlanError, match=r"are not those of the plan \(cash\)"):
            execute(plan, ledger)
        forged = replace(plan, holdings=poor)
        with pytest.raises(ComplianceRejection) as caught:
            execute(forged, ledger)
        (decision,) = caught.value.decisions
        assert (decision.asset, decision.code, decision.largest_amount) == ("USD", 6, DOLLAR)
        assert picture(ledger) == before


def test_a_plan_changed_after_approval_is_another_plan(ladder_plan, ledger):
    """Who changes an order changes the hash; the old name does not settle the new legs."""
    order = ladder_plan.orders[0]
    changed = replace(
        ladder_plan, orders=(replace(order, face_units=order.face_units - DOLLAR), *ladder_plan.orders[1:])
    )
    assert replace(changed).hash != ladder_plan.hash
    changed.__dict__["context_hash"] = ladder_plan.context_hash
    done = execute(changed, ledger)
    assert done.plan_hash == changed.hash != ladder_plan.hash


# --- wallets, caps, terms -------------------------------------------------------------------------------------------


def test_assets_in_another_wallet_are_named_when_the_plan_is_made(ledger, sample):
    second = SigningKey.from_seed("desk-2")
    ledger.add_party("desk", second.address, claim_expiry=2**40)
    assert Holdings.of(ledger, "desk").positions, "an empty wallet more does not matter"
    ledger.send(ledger.deposit_steps(second.address, {sample.securities[0]: 5 * DOLLAR}))
    with pytest.raises(PlanError, match=f"assets in 0x{second.address.hex()}; plans settle from its first wallet 0x"):
        Holdings.of(ledger, "desk")


def test_a_dealer_delivers_from_his_first_wallet(ladder_plan, ledger):
    """What he has elsewhere does not count as inventory."""
    second = SigningKey.from_seed("dealer-2")
    ledger.add_party("dealer", second.address, claim_expiry=2**40)
    order = next(order for order in ladder_plan.orders if order.side == "buy")
    ledger.send(ledger.deposit_steps(second.address, {order.security: order.face_units}))
    done = execute(ladder_plan, ledger)
    assert done.settled
    assert done.inventory[order.cusip] == order.face_units


@pytest.mark.parametrize("dry", [False, True])
def test_a_dealer_over_his_holding_cap_is_a_decision(ladder_plan, ledger, dry):
    """He registers what he delivers, which counts under his cap; the amount that passes is the true one."""
    bought = [order for order in ladder_plan.orders if order.side == "buy"]
    room = sum(order.face_units for order in bought) - 1
    limits.set_own_limits(ledger, "dealer", None, room)
    before = picture(ledger)
    with pytest.raises(ComplianceRejection) as caught:
        execute(ladder_plan, ledger, dry_run=dry)
    (decision,) = caught.value.decisions
    assert (decision.code, decision.rule, decision.party) == (14, "holding-cap", "dealer")
    assert decision.amount - decision.largest_amount == 1
    assert picture(ledger) == before
    limits.clear_own_limits(ledger, "dealer")
    assert all(decision.ok for decision in execute(ladder_plan, ledger, dry_run=dry).decisions)


@pytest.mark.parametrize("name", ["fund", "dealer", "operator"])
def test_a_dry_run_checks_the_approver(ladder_plan, untouched, name):
    with pytest.raises(PlanError, match=f"approve-by: key '{name}' is 0x"):
        execute(ladder_plan, untouched, approve_by=name, dry_run=True)


def test_a_dry_run_knows_who_is_nobody(ladder_plan, untouched):
    with pytest.raises(KeyStoreError, match="key 'nobody' is not there"):
        execute(ladder_plan, untouched, approve_by="nobody", dry_run=True)


def test_a_token_of_other_terms_is_one_clear_error(ladder_plan, ledger):
    """Made by somebody from other records: at execution and at a deposit, with both hashes."""
    security = next(order.security for order in ladder_plan.orders if order.side == "buy")
    other = security.model_copy(update={"maturity_date": security.maturity_date + timedelta(days=1)})
    ledger.deposit("fund", {other: DOLLAR})
    before = picture(ledger)
    hashes = f"0x{td.terms_hash(other).hex()}.*0x{td.terms_hash(security).hex()}"
    for attempt in (
        lambda: execute(ladder_plan, ledger),
        lambda: execute(ladder_plan, ledger, dry_run=True),
        lambda: ledger.deposit("desk", {security: DOLLAR}),
    ):
        with pytest.raises(LedgerError, match=f"{security.cusip}.*{hashes}") as caught:
            attempt()
        assert caught.value.code == "TermsMismatch"
    assert picture(ledger) == before
