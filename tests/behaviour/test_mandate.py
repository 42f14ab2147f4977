"""Ten ways to break a mandate, on the ledger as the framework drives it: each leaves every balance as it was.

A pension fund of $400,000 each of a short and a long security and $200,000, all at par: duration 2.5, band 2 to 3.
"""

from dataclasses import replace

import pytest

from tbill_defi.core.errors import LedgerError
from tbill_defi.core.hashing import keccak256
from tbill_defi.core.identifiers import bytes32
from tbill_defi.ledger import limits
from tbill_defi.ledger import mandate as mandates
from tbill_defi.ledger.abi import encode_call
from tbill_defi.ledger.deployment import Step
from tests.behaviour.mandated import LIMITS, LONG, SHORT, Fund, breach, code
from tests.unit.ledger.support import DOLLAR, OUTSIDER, make_ledger, refusal


def test_inside_it_settles(fund):
    fund.deal(long=50_000, short=-50_000)
    assert fund.account.positions == {SHORT.cusip: 350_000 * DOLLAR, LONG.cusip: 450_000 * DOLLAR}
    assert fund.account.turnover == 50_000 * DOLLAR


def test_1_leave_the_duration_band(unchanged):
    assert breach(unchanged, long=150_000, usd=-150_000) == ("duration", 3_287_500, 2_000_000, 3_000_000)
    assert breach(unchanged, long=-150_000, usd=150_000) == ("duration", 1_712_500, 2_000_000, 3_000_000)


def test_2_pile_up_one_issue(fund):
    mandates.set_mandate(fund.ledger, fund.account, replace(LIMITS, issue_cap_bp=4_500))
    assert breach(fund, short=60_000, usd=-60_000) == ("issue-cap", 460_000 * DOLLAR, 0, 450_000 * DOLLAR)


@pytest.mark.invariant("I8")
def test_3_trade_in_slices(fund):
    """Many small plans are one turnover: at any second of the window its sum is within the limit."""
    for sign in (1, -1, 1, -1):
        fund.deal(long=sign * 50_000, short=-sign * 50_000)
        fund.ledger.chain.advance_clock(3_600)
    assert breach(fund, long=1, short=-1) == ("turnover", 200_001 * DOLLAR, 0, 200_000 * DOLLAR)
    fund.ledger.chain.advance_clock(86_400 - 4 * 3_600)  # the first slice has left the window
    fund.deal(long=50_000, short=-50_000)
    assert breach(fund, long=1, short=-1)[0] == "turnover"


def test_4_settle_without_a_plan(unchanged):
    assert code(unchanged, long=1_000, short=-1_000, planned=False) == "PlanRequired"
    step = unchanged.step(unchanged.instruction(unchanged.legs(long=1_000, short=-1_000), planned=False), many=True)
    (receipt,) = unchanged.ledger.send([step])
    assert receipt.status, "others in the batch would have settled"


@pytest.mark.invariant("I12")
def test_5_give_value_away(unchanged):
    assert breach(unchanged, short=-100_000, usd=99_899) == ("slippage", 101 * DOLLAR, 0, 100 * DOLLAR)
    assert breach(unchanged, usd=-1) == ("slippage", DOLLAR, 0, 0)


def test_6_go_to_the_tokens(unchanged):
    fund, account = unchanged, unchanged.account
    manager = fund.ledger.keyring.key("pm")
    note, dealer = fund.token(LONG.cusip), fund.ledger.address_of("dealer")
    for contract, token in (("SecurityToken", note), ("CashToken", fund.token("USD"))):
        for function in ("transferFrom", "settlementTransfer"):
            data = encode_call(contract, function, account.address, dealer, 1)
            assert not fund.transact(manager, token, data).status
        for data in (
            encode_call(contract, "transfer", dealer, 1),
            encode_call(contract, "approve", manager.address, 1),
        ):
            assert not fund.transact(manager, account.address, data).status, "the account passes no call on"
    hold = encode_call("SecurityToken", "createHold", bytes32("h"), manager.address, dealer, 1, 2**40)
    assert not fund.transact(manager, note, hold).status
    assert not fund.transact(manager, account.address, hold).status
    batch = encode_call("SecurityToken", "batchTransfer", [dealer], [1])
    assert not fund.transact(manager, account.address, batch).status


def test_7_sign_a_permit(unchanged):
    fund, account = unchanged, unchanged.account
    manager = fund.ledger.keyring.key("pm")
    kind = keccak256(b"Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)")
    for contract, asset in (("SecurityToken", LONG.cusip), ("CashToken", "USD")):
        token = fund.token(asset)
        domain = fund.ledger.call(contract, token, "DOMAIN_SEPARATOR")
        words = [account.address, manager.address, 1, 0, 2**40]
        body = b"".join(w.rjust(32, b"\0") if isinstance(w, bytes) else w.to_bytes(32, "big") for w in words)
        signature = manager.sign_digest(keccak256(b"\x19\x01" + domain + keccak256(kind + body)))
        r, s, v = signature[:32], signature[32:64], signature[64]
        data = encode_call(contract, "permit", account.address, manager.address, 1, 2**40, v, r, s)
        assert refusal(fund.transact(manager, token, data))[0] == "ERC2612InvalidSigner"


def test_8_sign_as_someone_else(unchanged):
    for someone in ("pension", "dealer", "operator", OUTSIDER):
        assert code(unchanged, long=1_000, short=-1_000, manager=someone) == "InvalidSignature"
    step = unchanged.step(unchanged.instruction(unchanged.legs(long=1_000, short=-1_000)))
    mandates.set_manager(unchanged.ledger, unchanged.account, "pm-2")
    with pytest.raises(LedgerError) as caught:
        unchanged.ledger.send([step])
    assert caught.value.code == "InvalidSignature", "the former manager's signatures are void"


def test_9_deal_on_old_prices_or_make_them(unchanged):
    fund = unchanged
    fund.ledger.chain.advance_clock(4 * 86_400 + 60)
    assert code(fund, long=1_000, short=-1_000) == "StalePrice"
    pricer = fund.ledger.keyring.key("pricer-1")
    data = encode_call("ManagedAccount", "setManager", pricer.address)
    fund.ledger.send([Step("pension", fund.account.address, data)])
    assert code(fund, long=1_000, short=-1_000, manager=pricer) == "ManagerIsPricer"


def test_10_gifts_neither_help_nor_hurt(fund):
    fund.ledger.deposit("pension", {LONG: 5_000_000 * DOLLAR, SHORT: 1}, 9_000_000 * DOLLAR)
    gift = fund.instruction(fund.legs(long=1_000_000))
    fund.ledger.send([fund.step(gift)])
    assert breach(fund, long=150_000, usd=-150_000) == ("duration", 3_287_500, 2_000_000, 3_000_000)
    fund.deal(long=50_000, short=-50_000)
    with pytest.raises(LedgerError) as caught:
        fund.deal(usd=-200_001)
    assert caught.value.code == "NotAccounted"
    assert fund.account.turnover == 50_000 * DOLLAR


def test_11_loosen_at_once(unchanged):
    fund = unchanged
    mandates.set_mandate(fund.ledger, fund.account, replace(LIMITS, duration_max_e6=9_000_000))
    assert fund.account.mandate == LIMITS
    assert breach(fund, long=150_000, usd=-150_000)[0] == "duration"
    manager = fund.ledger.keyring.key("pm")
    data = encode_call("MandateGuard", "applyMandate", fund.account.address)
    assert refusal(fund.transact(manager, fund.account.guard, data))[0] == "NotOwner"
    assert refusal(fund.transact(fund.ledger.keyring.key("pension"), fund.account.guard, data))[0] == "TooEarly"


def test_12_withdraw_at_once(unchanged):
    fund = unchanged
    owner = fund.ledger.keyring.key("pension")
    place = fund.ledger.address_of("desk")
    number = mandates.announce_withdrawal(fund.ledger, fund.account, "USD", place, DOLLAR)
    data = encode_call("ManagedAccount", "withdraw", number)
    assert refusal(fund.transact(owner, fund.account.address, data))[0] == "TooEarly"
    fund.ledger.chain.advance_clock(86_400 * 9)
    assert refusal(fund.transact(owner, fund.account.address, data))[0] == "AnnouncementLapsed"


@pytest.mark.parametrize("counted", [False, True], ids=["no rules", "every rule"])
def test_the_legs_a_managed_accounts_plan_may_have_fit_a_transaction(counted):
    """New securities and cash, into a new account's books: less than a quarter of 2^24 gas, or it is refused."""
    with make_ledger("dealer", "desk") as ledger:
        fund = Fund(ledger)
        most = limits.COUNTED_MANAGED_LEGS if counted else limits.MANAGED_LEGS
        bills = [replace_cusip(f"91279{i:04d}") for i in range(most - 1)]
        account = mandates.open_account(ledger, "pension", manager="pm")
        mandates.set_mandate(ledger, account, mandates.Mandate(0, 30_000_000, 10_000, 10_000, 86_400, 10))
        ledger.deposit("pension", {}, 390_000 * DOLLAR)
        for bill in bills:
            ledger.deposit("dealer", {bill: 20_000 * DOLLAR})
        fund.publish(*(bill.cusip for bill in bills))
        mandates.recognise(ledger, account, ["USD"], key="pm")
        if counted:
            limits.set_volume_limit(ledger, 10**15, 86_400)
            limits.set_holding_cap(ledger, 10**15)
            limits.set_countries(ledger, "admit", [840])
            for party in ("pension", "dealer"):
                limits.set_own_limits(ledger, party, 10**15, 10**15)
        assert limits.most_legs(ledger, managed=True) == most
        ledger.chain.advance_clock(1)
        (receipt,) = fund.deal(usd=-10_000 * len(bills), **{bill.cusip: 10_000 for bill in bills})
        assert receipt.gas_used < 2**22
        assert len(fund.account.positions) == len(bills)
        fund.ledger.chain.advance_clock(1)
        (receipt,) = fund.deal(usd=5_000 * len(bills), **{bill.cusip: -5_000 for bill in bills})
        assert receipt.gas_used < 2**22


def replace_cusip(cusip):
    return LONG.model_copy(update={"cusip": cusip})
