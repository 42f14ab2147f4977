"""A lost key: announced, contested, confirmed, and everything found at the successor."""

import pytest

from tbill_defi.core.errors import LedgerError
from tbill_defi.core.identifiers import bytes32
from tbill_defi.ledger import recovery, securities
from tbill_defi.ledger.abi import encode_call
from tbill_defi.ledger.deployment import Step
from tests.unit.ledger.support import DOLLAR, OUTSIDER

DAY = 86_400


def pass_a_day(bench):
    bench.chain.advance_clock(DAY)


def test_everything_is_at_the_successor(bench):
    ledger, lost = bench.ledger, bench.address("desk")
    ledger.freeze("desk", "91282CPZ8", 5 * DOLLAR)
    hold = encode_call(
        "SecurityToken", "createHold", bytes32("h"), bench.address("fund"), bench.address("dealer"), DOLLAR, 2**40
    )
    ledger.send([Step("desk", bench.note, hold)])
    before = ledger.wallet("desk")
    made = recovery.announce(ledger, lost, OUTSIDER.address)
    with pytest.raises(LedgerError) as early:
        recovery.confirm(ledger, lost)
    assert early.value.code == "RecoveryTooEarly"
    pass_a_day(bench)
    assert recovery.confirm(ledger, lost) == made
    after = ledger.wallet("desk")
    assert after.addresses == ("0x" + OUTSIDER.address.hex(),)
    for name in ("cash", "positions", "frozen", "held", "blocked"):
        assert getattr(after, name) == getattr(before, name), name
    assert ledger.call("SecurityToken", bench.note, "heldOf", OUTSIDER.address) == DOLLAR
    assert ledger.call("SecurityToken", bench.note, "balanceOf", lost) == 0
    with pytest.raises(LedgerError, match="no recovery"):
        recovery.confirm(ledger, lost)


def test_contested_by_whom_it_is_about(bench):
    lost = bench.address("desk")
    recovery.announce(bench.ledger, lost, OUTSIDER.address)
    registry = bench.contracts.identity_registry
    bench.ledger.send([Step("desk", registry, encode_call("IdentityRegistry", "contestRecovery"))])
    pass_a_day(bench)
    with pytest.raises(LedgerError) as gone:
        recovery.confirm(bench.ledger, lost)
    assert gone.value.code == "RecoveryNotAnnounced"


def test_paused_and_denominated(bench):
    ledger = bench.ledger
    assert securities.dealing(ledger, "91282CPZ8") == securities.Dealing("91282CPZ8", 1, False)
    securities.denominate(ledger, "91282CPZ8", 100 * DOLLAR)
    securities.pause(ledger, "91282CPZ8", True)
    assert securities.dealing(ledger, "91282CPZ8") == securities.Dealing("91282CPZ8", 100 * DOLLAR, True)
    largest = ledger.call(
        "SecurityToken", bench.note, "largestTransfer", bench.address("desk"), bench.address("dealer")
    )
    assert largest == (0, 9)
    with pytest.raises(LedgerError, match="no token"):
        securities.pause(ledger, "912797XX9", True)
