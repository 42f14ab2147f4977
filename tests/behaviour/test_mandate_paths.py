"""More ways around a mandate, on the real ledger: other contracts, bundles, signatures, and what comes and goes."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tbill_defi.chain.executor import DEPLOYMENT_PROXY
from tbill_defi.core.clock import new_york_midnight
from tbill_defi.core.errors import LedgerError, MandateBreach
from tbill_defi.core.hashing import keccak256
from tbill_defi.instruments import MarginRule, Repo
from tbill_defi.ledger import life
from tbill_defi.ledger import mandate as mandates
from tbill_defi.ledger.abi import encode_call
from tbill_defi.ledger.option import Options
from tbill_defi.ledger.option_deeds import BOOK
from tbill_defi.ledger.option_terms import OptionTerms
from tbill_defi.ledger.repo import Repos
from tbill_defi.ledger.settlement import PlanLeg, SignedInstruction, settle_many_arguments
from tests.behaviour.chain.support import deployment
from tests.behaviour.mandated import LIMITS, LONG, SHORT, TODAY, code
from tests.unit.ledger.support import DOLLAR, refusal

NOBODY = b"\xff\xff\xff\xff"
ASKER = bytes.fromhex("602036038060206000375f5f825f5f355afa3d5f5f3e3d5ff3")
"""Runtime of a contract that asks the address in the first word of its call data the rest, and answers what it says."""


def repo_at_no_haircut(fund, lender, borrower):
    """Signed by the dealer and, for the fund, by its manager."""
    repos = Repos(fund.ledger)
    repos.ensure_facility()
    terms = Repo(
        cusip=LONG.cusip,
        face_units=50_000 * DOLLAR,
        cash_units=50_000 * DOLLAR,
        rate=0.04,
        start_date=TODAY,
        end_date=TODAY + timedelta(days=7),
        margin_rule=MarginRule.HAIRCUT,
        margin=0.0,
    )
    quote = repos.quote(terms, lender=lender, borrower=borrower, signer="dealer")
    digest = quote.instruction.digest(fund.ledger.chain.chain_id, fund.ledger.contracts.settlement)
    signature = fund.ledger.keyring.key("pm").sign_digest(digest)
    return repos, replace(quote, signatures={**quote.signatures, fund.account.address: signature})


def test_a_repo_is_an_obligation_the_guard_does_not_see(unchanged):
    """Collateral at its full price looks like a sale within the slippage; its cash could buy as much duration again."""
    repos, quote = repo_at_no_haircut(unchanged, lender="dealer", borrower="pension")
    with pytest.raises(LedgerError) as caught:
        repos.open(quote)
    assert caught.value.code == "ObligationRefused"


def test_cash_lent_is_cash_given_away(unchanged):
    repos, quote = repo_at_no_haircut(unchanged, lender="pension", borrower="dealer")
    with pytest.raises(MandateBreach) as caught:
        repos.open(quote)
    assert caught.value.rule == "slippage"


def test_an_option_takes_the_writers_own_call(unchanged):
    """The account calls nobody, so the manager can write nothing in its name; nor does it pay a premium."""
    fund, ledger, day = unchanged, unchanged.ledger, new_york_midnight(TODAY + timedelta(days=7))
    book, manager = ledger.contracts.option_book, unchanged.ledger.keyring.key("pm")
    dealer = ledger.address_of("dealer")
    for kind in ("call", "put"):
        terms = OptionTerms(
            fund.account.address, dealer, LONG.cusip, kind, 100_000_000, 1_000 * DOLLAR, day, day, day + 86_399
        )
        data = encode_call("OptionBook", "write", terms.abi_value())
        assert refusal(fund.transact(manager, book, data))[0] == "NotOptionWriter"
        assert not fund.transact(manager, fund.account.address, data).status
    Options(ledger).ensure_book()
    premium = fund.instruction([PlanLeg("USD", "pension", BOOK, DOLLAR)])
    with pytest.raises(LedgerError) as caught:
        ledger.send([fund.step(premium)])
    assert caught.value.code in ("ObligationRefused", "OnlyThroughOptionBook")


def test_one_good_and_one_bad_in_a_batch(fund):
    """The good one settles, the bad one leaves no trace but its failure."""
    good = fund.instruction(fund.legs(long=50_000, short=-50_000))
    bad = fund.instruction(fund.legs(long=150_000, usd=-150_000))
    signed = [SignedInstruction(one, fund.signatures(one)) for one in (bad, good)]
    data = encode_call("Settlement", "settleMany", *settle_many_arguments(signed))
    receipt = fund.transact(fund.ledger.keyring.key("pm"), fund.ledger.contracts.settlement, data)
    assert receipt.status
    (failed,) = fund.ledger.chain.events(names=("InstructionFailed",))
    digest = bad.digest(fund.ledger.chain.chain_id, fund.ledger.contracts.settlement)
    assert failed.arguments["instructionHash"] == "0x" + digest.hex()
    assert fund.account.positions == {SHORT.cusip: 350_000 * DOLLAR, LONG.cusip: 450_000 * DOLLAR}
    assert (fund.account.cash, fund.account.turnover) == (200_000 * DOLLAR, 50_000 * DOLLAR)


def test_two_halves_in_a_batch_are_one_turnover(fund):
    """Each half is within the limit by itself, together they are a dollar over."""
    halves = [fund.instruction(fund.legs(long=sign * 100_001, short=-sign * 100_001)) for sign in (1, -1)]
    signed = [SignedInstruction(one, fund.signatures(one)) for one in halves]
    data = encode_call("Settlement", "settleMany", *settle_many_arguments(signed))
    assert fund.transact(fund.ledger.keyring.key("pm"), fund.ledger.contracts.settlement, data).status
    assert len(list(fund.ledger.chain.events(names=("InstructionFailed",)))) == 1
    assert fund.account.turnover == 100_001 * DOLLAR


def test_a_plan_again_or_with_other_legs(fund):
    plan = fund.instruction(fund.legs(long=50_000, short=-50_000))
    fund.ledger.send([fund.step(plan)])
    before = fund.state()
    again = replace(plan, nonce=plan.nonce + 1_000)
    other = replace(again, legs=(replace(again.legs[0], amount=again.legs[0].amount + 1), *again.legs[1:]))
    fewer = replace(again, legs=again.legs[:1])
    turned = replace(again, context_hash=keccak256(b"another"))
    for instruction, expected in (
        (plan, "NonceAlreadyUsed"),
        (again, "PlanAlreadySettled"),
        (other, "PlanMismatch"),
        (fewer, "PlanMismatch"),
        (turned, "PlanMismatch"),
    ):
        with pytest.raises(LedgerError) as caught:
            fund.ledger.send([fund.step(instruction)])
        assert caught.value.code == expected
    assert fund.state() == before


def test_a_signature_asked_by_another_contract(unchanged):
    """The account answers ERC-1271 to Settlement alone, though the signature is its manager's over a real plan."""
    fund, ledger = unchanged, unchanged.ledger
    plan = fund.instruction(fund.legs(long=1_000, short=-1_000))
    digest = plan.digest(ledger.chain.chain_id, ledger.contracts.settlement)
    data = encode_call("ManagedAccount", "isValidSignature", digest, ledger.keyring.key("pm").sign_digest(digest))
    account, manager = fund.account.address, ledger.keyring.key("pm")
    asker, creation = deployment(ASKER)
    assert fund.transact(manager, DEPLOYMENT_PROXY, creation).status
    assert ledger.chain.call(asker, account.rjust(32, b"\0") + data)[:4] == NOBODY
    assert ledger.chain.call(account, data, sender=manager.address)[:4] == NOBODY
    ledger.send([fund.step(plan)])
    fund.deal(long=-1_000, short=1_000)


def test_another_guard_waits_too(unchanged):
    fund, account = unchanged, unchanged.account
    owner, manager = (fund.ledger.keyring.key(name) for name in ("pension", "pm"))
    lax = fund.ledger.contracts.compliance  # any contract would do
    announce, put = encode_call("ManagedAccount", "announceGuard", lax), encode_call("ManagedAccount", "setGuard")
    assert refusal(fund.transact(manager, account.address, announce))[0] == "NotOwner"
    assert refusal(fund.transact(owner, account.address, put))[0] == "NothingAnnounced"
    assert fund.transact(owner, account.address, announce).status
    assert refusal(fund.transact(owner, account.address, put))[0] == "TooEarly"
    assert refusal(fund.transact(manager, account.address, put))[0] == "NotOwner"
    assert fund.account.guard == account.guard


def test_the_manager_cannot_change_the_limits(unchanged):
    fund, account = unchanged, unchanged.account
    manager = fund.ledger.keyring.key("pm")
    for tighter in (replace(LIMITS, turnover_bp=1), replace(LIMITS, turnover_bp=20_000)):
        values = tuple(getattr(tighter, name) for name in tighter.__dataclass_fields__)
        data = encode_call("MandateGuard", "setMandate", account.address, values)
        assert refusal(fund.transact(manager, account.guard, data))[0] == "NotOwner"


def test_what_is_redeemed_is_not_dealt_with_before_it_is_recognised(fund):
    """Money of a redemption lands in the account, out of the books; the line is gone for the guard at once."""
    ledger = fund.ledger
    ledger.chain.advance_clock(new_york_midnight(SHORT.maturity_date) + 15 * 3600 - ledger.chain.now())
    for party in ("pension", "dealer"):
        ledger.set_claim(party, 2**40)
    life.redeem(ledger, SHORT)
    fund.publish_at(LONG.cusip)
    assert ledger.wallet("pension").cash == 600_000 * DOLLAR
    assert fund.account.positions == {LONG.cusip: 400_000 * DOLLAR}
    assert code(fund, long=100_000, usd=-200_001) == "NotAccounted"
    with pytest.raises(MandateBreach):  # 400 x 5.25 over 600: what is left is too long, whatever is bought
        fund.deal(long=1_000, usd=-1_000)
    mandates.recognise(ledger, fund.account, ["USD"], key="pm")
    fund.deal(long=50_000, usd=-50_000)  # 450 x 5.25 over 1,000 = 2.3625
    assert fund.account.cash == 550_000 * DOLLAR


def test_a_forced_transfer_lowers_the_books(fund):
    """Units that the enforcer took cannot be sold, held against a limit, or named again."""
    ledger, account = fund.ledger, fund.account
    data = encode_call("SecurityToken", "forcedTransfer", account.address, ledger.address_of("desk"), 100_000 * DOLLAR)
    assert (
        refusal(fund.transact(ledger.keyring.key("pm"), fund.token(LONG.cusip), data))[0] == "AccessManagedUnauthorized"
    )
    assert fund.transact(ledger.keyring.key("enforcer"), fund.token(LONG.cusip), data).status
    assert fund.account.positions[LONG.cusip] == 300_000 * DOLLAR
    with pytest.raises(MandateBreach) as caught:  # 300 x 5.25 + 400 + of 900: below two years with less
        fund.deal(long=-100_000, usd=100_000)
    assert caught.value.rule == "duration"
    fund.deal(long=50_000, usd=-50_000)
    assert fund.account.positions[LONG.cusip] == 350_000 * DOLLAR
