"""The books are folded from events of the ledger's own contracts, and say what the contracts say."""

import pytest

from tbill_defi.core.identifiers import bytes32
from tbill_defi.ledger.abi import encode_call
from tbill_defi.ledger.books import EVENTS, Books, Wallet
from tbill_defi.ledger.deployment import CURRENCY
from tests.unit.ledger.support import DOLLAR, NOTE, OTHER, OUTSIDER, START, Spoofer


def fresh(bench):
    """Books folded from zero, not from where the ledger stopped."""
    return Books(bench.contracts, CURRENCY).apply(bench.chain.events(names=EVENTS))


def test_wallet(shared):
    wallet = shared.ledger.wallet("desk")
    assert wallet.cash == 1_000_000 * DOLLAR
    assert wallet.positions == {NOTE.cusip: 1_000_000 * DOLLAR, OTHER.cusip: 1_000_000 * DOLLAR}
    assert list(wallet.positions) == sorted(wallet.positions)
    assert wallet.addresses == ("0x" + shared.address("desk").hex(),)
    assert (wallet.frozen, wallet.held, wallet.unavailable()) == ({}, {}, {})


def test_parties_and_supply(shared):
    books = shared.ledger.books()
    assert books.parties() == ["dealer", "desk", "fund"]
    assert dict(books.supply()) == dict.fromkeys((NOTE.cusip, OTHER.cusip, "USD"), 1500000 * DOLLAR)
    assert books.wallet("nobody") == Wallet("nobody", ())


def test_tape(bench):
    bench.settle(bench.sign(bench.instruction(bench.exchange())))
    (entry,) = bench.ledger.tape()
    assert (entry.height, entry.plan_hash) == (bench.chain.height, "")
    assert entry.timestamp == START + bench.chain.height
    assert [(leg.asset, leg.giver, leg.receiver, leg.amount) for leg in entry.legs] == [
        (NOTE.cusip, "desk", "fund", 1_000 * DOLLAR),
        ("USD", "fund", "desk", 990 * DOLLAR),
    ]


def test_following_equals_folding_from_zero(bench):
    for _ in range(3):
        bench.settle(bench.sign(bench.instruction(bench.exchange())))
        assert bench.ledger.tape() == tuple(fresh(bench).tape)
    for party in ("desk", "fund", "dealer"):
        assert bench.ledger.wallet(party) == fresh(bench).wallet(party)


def test_frozen_and_held(bench):
    bench.ledger.freeze("desk", NOTE.cusip, 300_000 * DOLLAR)
    hold = encode_call(
        "SecurityToken",
        "createHold",
        bytes32("h"),
        bench.address("dealer"),
        bench.address("fund"),
        200_000 * DOLLAR,
        2**40,
    )
    assert bench.transact("desk", bench.note, hold).status
    wallet = bench.ledger.wallet("desk")
    assert (wallet.frozen, wallet.held) == ({NOTE.cusip: 300_000 * DOLLAR}, {NOTE.cusip: 200_000 * DOLLAR})
    assert wallet.unavailable() == {NOTE.cusip: 500_000 * DOLLAR}
    bench.ledger.freeze("desk", NOTE.cusip, 5_000_000 * DOLLAR)
    assert bench.ledger.wallet("desk").unavailable() == {NOTE.cusip: 1_000_000 * DOLLAR}, "at most the position"


def test_what_is_frozen_in_one_wallet_blocks_no_other(bench):
    """The freezer may freeze more than a wallet has; the party's other wallet stays free."""
    bench.ledger.freeze("desk", NOTE.cusip, 1_500_000 * DOLLAR)
    second = bench.address("stranger")
    bench.ledger.add_party("desk", second, claim_expiry=2**40)
    issue = encode_call("SecurityToken", "issue", second, 400_000 * DOLLAR)
    assert bench.transact("issuer", bench.note, issue).status
    wallet = bench.ledger.wallet("desk")
    assert wallet.positions[NOTE.cusip] == 1_400_000 * DOLLAR
    assert wallet.unavailable() == {NOTE.cusip: 1_000_000 * DOLLAR}
    free = bench.ledger.call("SecurityToken", bench.note, "availableOf", second)
    assert wallet.positions[NOTE.cusip] - wallet.unavailable()[NOTE.cusip] == free


def test_a_removed_wallet_is_nobodys(bench):
    remove = encode_call("IdentityRegistry", "removeWallet", bench.address("fund"))
    assert bench.transact("registrar", bench.contracts.identity_registry, remove).status
    assert bench.ledger.books().parties() == ["dealer", "desk"]


def test_an_identity_that_is_no_text_is_shown_as_it_is(bench):
    identity = b"\xff\xfe" + bytes(30)
    registry = bench.contracts.identity_registry
    for function, arguments in (
        ("registerIdentity", (identity, 840, 2**40)),
        ("registerWallet", (OUTSIDER.address, identity)),
    ):
        assert bench.transact("registrar", registry, encode_call("IdentityRegistry", function, *arguments)).status
    assert "0x" + identity.hex() in bench.ledger.books().parties()


def lies(bench):
    """Name of an event -> arguments that would change the books if they were believed."""
    desk, fund = bench.address("desk"), bench.address("fund")
    leg = (bench.note, desk, OUTSIDER.address, 1)
    return {
        "AssetRegistered": {"assetId": bytes32("912797FAK"), "token": OUTSIDER.address},
        "CurrencyCreated": {"currency": bytes32("LIE"), "token": OUTSIDER.address, "name": "lie", "decimals": 2},
        "WalletRegistered": {"wallet": OUTSIDER.address, "identity": bytes32("desk")},
        "WalletRemoved": {"wallet": desk, "identity": bytes32("desk")},
        "WalletRecovered": {"wallet": desk, "successor": fund, "identity": bytes32("desk")},
        "Transfer": {"from": desk, "to": OUTSIDER.address, "value": 10**12},
        "Frozen": {"account": desk, "amount": 10**12},
        "HoldCreated": {
            "id": bytes32("lie"),
            "holder": desk,
            "notary": fund,
            "to": fund,
            "amount": 10**9,
            "expiry": 2**40,
        },
        "HoldExecuted": {"id": bytes32("unheard"), "holder": desk, "to": fund, "amount": 10**9},
        "HoldReleased": {"id": bytes32("unheard"), "holder": desk, "by": fund, "amount": 10**9},
        "HoldExpired": {"id": bytes32("unheard"), "holder": desk, "amount": 10**9},
        "HoldFollowed": {"id": bytes32("lie"), "lost": desk, "successor": fund},
        "Settled": {
            "instructionHash": b"\1" * 32,
            "planHash": b"\2" * 32,
            "contextHash": b"\3" * 32,
            "legs": [leg],
        },
        "RepoOpened": {
            "repoId": b"\4" * 32,
            "lender": fund,
            "borrower": desk,
            "terms": (fund, desk, bench.note, 1, 1, 0, 1, 2, 0, 0, 60, 0),
        },
        "RepoFollowed": {"repoId": b"\4" * 32, "lender": desk, "borrower": desk},
        "CustodyChanged": {"account": desk.rjust(32, b"\0"), "token": bench.note, "units": 10**9},
        "OptionWritten": {
            "id": b"\5" * 32,
            "writer": desk,
            "holder": fund,
            "terms": (desk, fund, bytes32(NOTE.cusip), 0, 1, 1, START, START, START, (0, 0, 0, 0, 0), 0),
            "payment": 1,
        },
        "OptionBought": {"id": b"\5" * 32, "holder": fund, "writer": desk, "premium": 1},
        "OptionFollowed": {"id": b"\5" * 32, "writer": fund, "holder": desk},
        "OptionExercised": {"id": b"\5" * 32, "holder": fund, "face": 1, "payment": 1},
        "OptionExpired": {"id": b"\5" * 32, "writer": desk, "bought": True},
        "OptionWithdrawn": {"id": b"\5" * 32, "writer": desk},
    }


def picture(bench):
    books = fresh(bench)
    wallets = [books.wallet(party) for party in books.parties()]
    names = [books.party_of(address) for wallet in wallets for address in wallet.addresses]
    return wallets, names, dict(books.supply()), tuple(books.tape), books.options(), dict(books.decimals)


def test_events_of_foreign_contracts_are_not_believed(bench):
    before = picture(bench)
    spoofer = Spoofer(bench)
    assert set(lies(bench)) == set(EVENTS)
    for name, values in lies(bench).items():
        assert spoofer.emit(name, **values).status
        (last,) = bench.chain.events(names=[name], from_block=bench.chain.height)
        assert last.name == name, "it looks like ours"
        assert picture(bench) == before, name
    assert bench.ledger.tape() == ()


@pytest.mark.parametrize("shape", [(4, b""), (1, bytes(96)), (2, bytes(64)), (3, b""), (3, bytes(31))])
def test_a_foreign_log_with_our_topic_stops_no_block(bench, shape):
    """An ERC-721 logs `Transfer` with three indexed arguments: it is journalled without a name."""
    topics, data = shape
    before = picture(bench)
    transfer = next(bench.chain.events(names=["Transfer"])).log.topics[0]
    receipt = Spoofer(bench).log([transfer, *[bytes(32)] * (topics - 1)], data)
    assert receipt.status
    assert bench.chain.height == receipt.height
    assert picture(bench) == before
