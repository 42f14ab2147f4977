"""Managed accounts: how one is made, whatever happens meanwhile, and who approves for it."""

from unittest import mock

import pytest

from tbill_defi.core.errors import LedgerError, UsageError
from tbill_defi.ledger import mandate as mandates
from tbill_defi.ledger.identities import admit, identity
from tests.unit.ledger.support import DOLLAR, NOTE, make_ledger

LIMITS = mandates.Mandate(1_000_000, 3_000_000, 6_000, 2_000, 86_400, 10)


@pytest.fixture
def ledger():
    with make_ledger("dealer", "desk") as made:
        yield made


def test_a_new_party_or_one_that_holds_nothing(ledger):
    for party in ("pension", "desk"):
        account = mandates.open_account(ledger, party, manager="pm")
        assert mandates.require_account(ledger, party) == account
        assert identity(ledger, party).wallets == (account.address,)
        assert (account.mandate, account.next_mandate, account.positions, account.cash) == (None, None, {}, 0)
        assert account.owner == ledger.keyring.key(party).address
        assert account.manager == mandates.approving_address(ledger, party) == ledger.keyring.key("pm").address
        assert mandates.approver_of(ledger, party) == "pm"
        with pytest.raises(LedgerError) as caught:
            mandates.open_account(ledger, party, manager="pm-2")
        assert caught.value.code == "AlreadyManaged"


def test_who_cannot_be_managed(ledger):
    with pytest.raises(UsageError, match="owner's own key"):
        mandates.open_account(ledger, "pension", manager="pension")
    ledger.deposit("desk", {NOTE: DOLLAR}, 0)
    with pytest.raises(UsageError, match="desk holds assets"):
        mandates.open_account(ledger, "desk", manager="pm")
    with pytest.raises(LedgerError, match="tbill mandate set desk") as caught:
        mandates.require_account(ledger, "desk")
    assert caught.value.code == "NotManaged"
    assert mandates.approver_of(ledger, "desk") == "desk"


def test_every_wallet_of_the_party_makes_way(ledger):
    """A second wallet would be its first one when that is unbound, and stay outside the mandate."""
    admit(ledger, "desk", claim_expiry=2**40, wallet=ledger.keyring.create("desk-2").address)
    account = mandates.open_account(ledger, "desk", manager="pm")
    assert identity(ledger, "desk").wallets == (account.address,)


def test_a_process_killed_between_account_and_party(ledger):
    """The account is there, its party is not: the same call goes on where it stopped."""
    with mock.patch.object(type(ledger), "add_party", side_effect=KeyboardInterrupt), pytest.raises(KeyboardInterrupt):
        mandates.open_account(ledger, "pension", manager="pm")
    assert "pension" not in ledger.books().parties()
    account = mandates.open_account(ledger, "pension", manager="pm")
    mandates.set_mandate(ledger, account, LIMITS)
    assert mandates.require_account(ledger, "pension").mandate == LIMITS


@pytest.mark.parametrize("delay", [-1, 0, 3_599, 366 * 86_400 + 1])
def test_delays_out_of_range(ledger, delay):
    with pytest.raises(UsageError, match=f"delay: {delay} s is not between an hour and 366 days"):
        mandates.open_account(ledger, "pension", manager="pm", delay=delay)


@pytest.mark.parametrize("delay", [3_600, 366 * 86_400])
def test_shortest_and_longest_delay(ledger, delay):
    assert mandates.open_account(ledger, "pension", manager="pm", delay=delay).delay == delay
