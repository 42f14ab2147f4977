"""A new key for an old one: cut off at any step, and gone on with by the same call."""

from dataclasses import replace

import pytest

from tbill_defi.chain.evidence import verify
from tbill_defi.chain.executor import DEPLOYMENT_PROXY, create2_address
from tbill_defi.chain.keys import SigningKey
from tbill_defi.core.errors import LedgerError, UsageError
from tbill_defi.core.hashing import keccak256
from tbill_defi.ledger import governance, rotation
from tbill_defi.ledger import mandate as mandates
from tbill_defi.ledger.abi import decode_log, encode_call, encode_creation
from tbill_defi.ledger.clock import move_clock
from tbill_defi.ledger.deployment import SALT, Role, Step
from tbill_defi.ledger.keyring import Keys
from tbill_defi.ledger.ledger import Ledger
from tbill_defi.ledger.open import create_ledger
from tbill_defi.ledger.proofs import Evidence, checkpoint_faults
from tbill_defi.ledger.recovery import REGISTRY
from tests.unit.ledger.support import DOLLAR, NOTE, START, make_ledger


class Killed(BaseException):
    """The process ends here."""


def finish(ledger, name, *, lost=False):
    waits = []
    while True:
        found = rotation.rotate(ledger, name, lost=lost)
        if found.until is None:
            return waits, found
        waits.append(found.waits)
        move_clock(ledger, found.until)


@pytest.fixture
def stored(tmp_path):
    """A ledger and keystores on disk, and a way to open both again."""
    url, folder = f"sqlite:///{tmp_path / 'ledger.db'}", tmp_path / "keys"
    create_ledger(url, keys=Keys(folder, "secret", light=True), at=START, parties=("desk",)).close()
    return lambda: Ledger.open(url, keys=Keys(folder, "secret", light=True))


@pytest.mark.parametrize("name", ["compliance", "governor", "desk"])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_cut_off_anywhere_and_gone_on_with(stored, monkeypatch, name, after):
    """Killed before and after each thing that lasts: a transaction, a new keystore, the change of keystores."""
    lasting = [(Ledger, "send"), (Keys, "ensure"), (Keys, "replace")]
    state = {"left": 0}

    def fragile(real):
        def call(self, *words, **more):
            state["left"] -= 1
            if state["left"] == 0 and not after:
                raise Killed
            done = real(self, *words, **more)
            if state["left"] == 0:
                raise Killed
            return done

        return call

    for owner, method in lasting:
        monkeypatch.setattr(owner, method, fragile(getattr(owner, method)))
    with stored() as ledger:
        old = ledger.keyring.key(name).address
    cuts = 0
    while cuts < 40:
        state["left"] = 1 + cuts // 4 % 4  # each distance several times, as the clock goes on
        try:
            with stored() as ledger:
                found = rotation.rotate(ledger, name)
                state["left"] = 0
                if found.until is None:
                    break
                move_clock(ledger, found.until)
        except Killed:
            cuts += 1
            with stored() as ledger:
                new = ledger.keyring.key(name).address
                if new != old:
                    break
    else:
        pytest.fail("it never ends")
    assert cuts >= 3
    state["left"] = 0
    with stored() as ledger:
        new = ledger.keyring.key(name).address
        assert new != old
        assert f"{name}-next" not in ledger.keyring.names()
        for role in Role:
            assert not governance.in_force(ledger, role, old)
        works(ledger, name)


@pytest.mark.parametrize("cut", [(Keys, "create"), (rotation, "hand_over"), (Keys, "replace")], ids=lambda cut: cut[1])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_the_operator_cut_off_anywhere(stored, tmp_path, monkeypatch, cut, after):
    """Before or after each thing that lasts: the ledger opens, by whichever key signs it, and the same call goes on."""
    url, folder = f"sqlite:///{tmp_path / 'ledger.db'}", tmp_path / "keys"
    ring = Keys(folder, "secret", light=True)
    old = ring.address("operator")
    owner, name = cut
    real = getattr(owner, name)

    def killed(*words):
        if after:
            real(*words)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(owner, name, killed)
        with pytest.raises(Killed):
            rotation.rotate_operator(url, ring)
    with stored() as ledger:
        ledger.deposit("desk", {}, DOLLAR)
        signer = ledger.embedded.head().operator
        assert signer == ledger.keyring.key("operator").address
    if signer == old:
        assert rotation.rotate_operator(url, Keys(folder, "secret", light=True)).old == old
    with stored() as ledger:
        assert ledger.embedded.operators.addresses == (old, ledger.keyring.key("operator").address)
        assert "operator-next" not in ledger.keyring.names()
        ledger.deposit("desk", {}, DOLLAR)
    assert verify(url, decoder=decode_log).ok


def test_the_operator_s_ledger_is_closed_while_it_is_handed_over():
    with make_ledger("desk") as ledger, pytest.raises(UsageError, match="which is closed meanwhile"):
        rotation.rotate(ledger, "operator")


def test_the_operator_s_old_key_is_refused(stored, tmp_path):
    """For blocks, for another hand-over, and for checkpoints; of his own time it is still held to what he signed."""
    url, folder = f"sqlite:///{tmp_path / 'ledger.db'}", tmp_path / "keys"
    with stored() as ledger:
        old = ledger.keyring.key("operator")
        early = Evidence(ledger, old).checkpoint
    rotation.rotate_operator(url, Keys(folder, "secret", light=True))
    with pytest.raises(LedgerError, match="handed over at block") as refused:
        rotation.rotate_operator(url, Keys.in_memory({"operator": old}))
    assert refused.value.code == "WrongOperator"
    with stored() as ledger:
        ledger.deposit("desk", {}, DOLLAR)
        with pytest.raises(LedgerError, match="handed over at block") as refused:
            Evidence(ledger, old)
        assert refused.value.code == "WrongOperator"
        assert checkpoint_faults(ledger, ledger.keyring, early) == {}
        late = replace(early, height=str(ledger.chain.height)).signed(old)
        assert list(checkpoint_faults(ledger, ledger.keyring, late)) == ["operator"]
        forged = replace(early, assets_root="00" * 32).signed(old)
        assert list(checkpoint_faults(ledger, ledger.keyring, forged)) == ["assets_root"]
        assert checkpoint_faults(ledger, ledger.keyring, early.signed(SigningKey.from_seed("mallory")))


def works(ledger, name):
    """The new key does what the old one did."""
    if name == "governor":
        assert governance.propose(ledger, [governance.renewal_call(ledger)]).state == "waiting"
    elif name == "desk":
        assert ledger.wallet("desk").addresses == ("0x" + ledger.keyring.key("desk").address.hex(),)
    else:
        ledger.set_trade_limit(5 * DOLLAR)


def test_no_gap_in_order_and_no_trust_when_lost():
    with make_ledger("desk") as ledger:
        ring = ledger.keyring
        first = ring.key("issuer")
        found = rotation.rotate(ledger, "issuer")
        move_clock(ledger, found.until)
        assert rotation.rotate(ledger, "issuer").waits == "grant"
        ledger.deposit("desk", {NOTE: DOLLAR})  # by the old key, until the new one's role is in force
        finish(ledger, "issuer")
        ledger.deposit("desk", {NOTE: DOLLAR})
        data = encode_call("SecurityToken", "issue", ledger.address_of("desk"), 1)
        with pytest.raises(LedgerError, match="AccessManagedUnauthorized"):
            ledger.send([Step(first, ledger.token_of(NOTE.cusip), data)])
        second = ring.key("issuer")
        found = rotation.rotate(ledger, "issuer", lost=True)
        move_clock(ledger, found.until)
        rotation.rotate(ledger, "issuer", lost=True)
        assert not governance.in_force(ledger, Role.ISSUER, second.address)


def test_a_vetoed_rotation_is_proposed_again():
    with make_ledger("desk") as ledger:
        rotation.rotate(ledger, "bank")
        (one,) = governance.operations(ledger)
        governance.veto(ledger, one)
        assert governance.operations(ledger)[0].state == "vetoed"
        assert rotation.rotate(ledger, "bank").waits == "timelock"
        assert [o.state for o in governance.operations(ledger)] == ["waiting"]


def test_the_old_key_renounces_nothing_that_the_new_one_lacks():
    with make_ledger("desk") as ledger:
        old, found = ledger.keyring.key("bank").address, rotation.rotate(ledger, "bank")
        move_clock(ledger, found.until)
        found = rotation.rotate(ledger, "bank")
        again = governance.propose(ledger, [governance.role_call(ledger, "revokeRole", Role.CASH_ISSUER, found.new)])
        move_clock(ledger, again.due)
        governance.execute(ledger, governance.operation_of(ledger, again.id.hex()))
        with pytest.raises(LedgerError, match="CASH_ISSUER was taken from it") as caught:
            rotation.rotate(ledger, "bank")
        assert caught.value.code == "NotGranted"
        assert governance.in_force(ledger, Role.CASH_ISSUER, old)


def test_a_party_contests():
    with make_ledger("desk") as ledger:
        rotation.rotate(ledger, "desk")
        old = ledger.keyring.key("desk").address
        data = encode_call("IdentityRegistry", "contestRecovery")
        ledger.send([Step("desk", ledger.contracts.identity_registry, data)])
        assert rotation.rotate(ledger, "desk").waits == "recovery", "announced anew, with all of its day"
        assert ledger.address_of("desk") == old


LIMITS = mandates.Mandate(1_000_000, 3_000_000, 6_000, 2_000, 86_400, 10)
LOOSER = replace(LIMITS, duration_max_e6=4_000_000)


@pytest.fixture
def managed():
    with make_ledger("desk") as ledger:
        account = mandates.open_account(ledger, "pension", manager="pm")
        mandates.set_mandate(ledger, account, LIMITS)
        ledger.deposit("pension", {}, 5 * DOLLAR)
        yield ledger


def test_a_managed_account_follows_its_owner_s_new_key(managed):
    """The account stays the party's only wallet, with all it has; the new key is its owner, and the old one nobody."""
    ledger, account = managed, mandates.require_account(managed, "pension")
    old = ledger.keyring.key("pension")
    waits, found = finish(ledger, "pension")
    assert waits == ["recovery"]
    now = mandates.require_account(ledger, "pension")
    assert (now.address, now.manager, now.mandate) == (account.address, account.manager, LIMITS)
    assert now.owner == found.new == ledger.keyring.key("pension").address != old.address
    assert ledger.wallet("pension").addresses == ("0x" + account.address.hex(),)
    assert ledger.wallet("pension").cash == 5 * DOLLAR
    mandates.set_mandate(ledger, now, LOOSER)
    assert mandates.require_account(ledger, "pension").next_mandate == LOOSER
    number = mandates.announce_withdrawal(ledger, now, "USD", ledger.address_of("desk"), 2 * DOLLAR)
    move_clock(ledger, mandates.withdrawable_from(ledger, now, number))
    mandates.withdraw(ledger, now, number)
    assert (ledger.wallet("pension").cash, ledger.wallet("desk").cash) == (3 * DOLLAR, 2 * DOLLAR)
    data = encode_call("ManagedAccount", "setManager", old.address)
    with pytest.raises(LedgerError, match="NotOwner"):
        ledger.send([Step(old, account.address, data)])
    waits, again = finish(ledger, "pension")  # and again, from the successor
    assert (waits, again.old) == (["recovery"], found.new)
    assert mandates.require_account(ledger, "pension").owner == again.new


def test_an_account_that_did_not_follow_yet_does_when_it_goes_on(managed):
    """As a node may leave it, where a batch is several blocks: confirmed, and nothing after that."""
    ledger, registry = managed, managed.contracts.identity_registry
    owner = ledger.keyring.key("pension").address
    found = rotation.rotate(ledger, "pension")
    move_clock(ledger, found.until)
    bind = encode_call(REGISTRY, "registerWallet", owner, b"pension".ljust(32, b"\0"))
    ledger.send([Step("registrar", registry, bind)])
    ledger.send([Step("enforcer", registry, encode_call(REGISTRY, "confirmRecovery", owner))])
    assert len(ledger.wallet("pension").addresses) == 2
    assert rotation.rotate(ledger, "pension").until is None
    assert mandates.require_account(ledger, "pension").owner == found.new
    assert len(ledger.wallet("pension").addresses) == 1


def test_an_owner_contests(managed):
    ledger = managed
    rotation.rotate(ledger, "pension")
    old = ledger.keyring.key("pension").address
    ledger.send([Step("pension", ledger.contracts.identity_registry, encode_call(REGISTRY, "contestRecovery"))])
    found = rotation.rotate(ledger, "pension")
    assert found.waits == "recovery", "announced anew, with all of its day"
    assert mandates.require_account(ledger, "pension").owner == old
    assert len(ledger.wallet("pension").addresses) == 1


def test_an_account_whose_owner_is_another_party_follows_too(managed):
    """A wallet of the desk owns it: the desk's rotation brings it along."""
    ledger = managed
    ring = ledger.keyring
    address = ring.key("desk").address
    code = encode_creation(
        *("ManagedAccount", ledger.contracts.settlement, address, ring.ensure("pm").address),
        *(ledger.contracts.mandate_guard, 86_400),
    )
    place = create2_address(SALT, keccak256(code))
    ledger.send([Step("operator", DEPLOYMENT_PROXY, SALT + code)])
    ledger.add_party("fund", place, claim_expiry=2**40)
    _, found = finish(ledger, "desk")
    assert mandates.require_account(ledger, "fund").owner == found.new
    assert mandates.require_account(ledger, "pension").owner == ring.key("pension").address
