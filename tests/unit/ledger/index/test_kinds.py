"""Each kind of entry: what it is called, what of it is a trade, what a flow, and for whom."""

from datetime import date

import pytest
from sqlalchemy import select

from tbill_defi.core.clock import new_york_midnight
from tbill_defi.core.errors import LedgerBusy, LedgerError, UsageError
from tbill_defi.ledger import life
from tbill_defi.ledger.abi import encode_call
from tbill_defi.ledger.currencies import create_currency, deposit_cash
from tbill_defi.ledger.deployment import Step
from tbill_defi.ledger.index import schema
from tbill_defi.ledger.index.export import export
from tbill_defi.ledger.index.reconcile import reconcile, replayed
from tbill_defi.ledger.index.source import identity
from tbill_defi.ledger.index.store import Store
from tbill_defi.ledger.index.view import BooksView
from tbill_defi.ledger.index.writer import BooksWriter
from tbill_defi.ledger.life import Purchase
from tbill_defi.ledger.open import create_ledger
from tbill_defi.ledger.option import Options
from tests.unit.ledger.index.support import Desk, bean_check
from tests.unit.ledger.repo_support import BORROWER, LENDER, SECURITIES, RepoBench
from tests.unit.ledger.support import BILL, DOLLAR, NOTE, OTHER, PARTIES, START, Bench, Spoofer, make_ledger, ring

EXPIRY = date(2026, 6, 24)
FACE = 100_000 * DOLLAR
TERMS = {"strike_e6": 98_500_000, "face_units": FACE, "expiry": EXPIRY}


@pytest.fixture
def desk():
    with make_ledger() as ledger:
        for party in PARTIES:
            ledger.set_claim(party, 2**40)
            ledger.deposit(party, dict.fromkeys((NOTE, OTHER, BILL), 10 * FACE), 10 * FACE)
        made = Desk(ledger)
        made.update()
        yield made


def told(desk, party):
    """(kind, trades, flows) of the entries since the deposits, as a party sees them."""
    desk.update()
    assert reconcile(desk.view, desk.ledger)[1] == []
    assert replayed(desk.view, desk.ledger) == []
    found = {}
    for entry in desk.store.rows(select(schema.entries).where(schema.entries.c.kind != "deposit")):
        found[entry["entry"]] = (entry["kind"], [], [])
    for place, table, names in (
        (1, schema.trades, ("asset", "units", "cash", "basis")),
        (2, schema.flows, ("account", "cash")),
    ):
        for row in desk.store.rows(select(table).where(table.c.party == party).order_by(*table.primary_key.columns)):
            if row["entry"] in found:
                found[row["entry"]][place].append(tuple(row[name] for name in names))
    return list(found.values())


def send(desk, key, asset, function, *arguments):
    token = desk.ledger.token_of(asset)
    desk.ledger.send([Step(key, token, encode_call("SecurityToken", function, *arguments))])


@pytest.mark.parametrize("kind", ["call", "put"])
def test_an_option_from_premium_to_delivery(desk, kind):
    """What the holder pays or gets at exercise is the trade's price; the premium is a flow of its own."""
    options = Options(desk.ledger)
    made = options.terms(NOTE, writer="desk", holder="fund", kind=kind, **TERMS)
    options.write(made)
    state = options.buy(options.quote(made, 1_234 * DOLLAR))
    due = state.payment_units
    desk.ledger.embedded.advance_clock(new_york_midnight(EXPIRY) + 15 * 3600 - desk.ledger.chain.now())
    options.exercise(state.option_id)
    premium, exercise = ("option-premium", [], [("premium", 1_234 * DOLLAR)]), "option-exercise"
    sign = -1 if kind == "call" else 1
    trade = [(NOTE.cusip, sign * FACE, -sign * due, "cash")]
    expected = [premium, (exercise, trade, [])]
    if kind == "put":
        expected = [("option-escrow", [], [("escrow", -due)]), premium, (exercise, trade, [("escrow", due)])]
    assert told(desk, "desk") == expected
    held = [(exercise, [(NOTE.cusip, -sign * FACE, sign * due, "cash")], [])]
    assert told(desk, "fund")[-2:] == [("option-premium", [], [("premium", -1_234 * DOLLAR)]), *held]
    (row,) = desk.store.rows(select(schema.options))
    assert (row["status"], row["face"], row["payment"]) == ("exercised", FACE, due)


def test_an_option_that_is_not_exercised(desk):
    options = Options(desk.ledger)
    made = options.terms(NOTE, writer="desk", holder="fund", kind="put", **TERMS)
    state = options.write(made)
    options.withdraw(state.option_id)
    due = state.payment_units
    assert told(desk, "desk") == [
        ("option-escrow", [], [("escrow", -due)]),
        ("option-escrow", [], [("escrow", due)]),
    ]


def test_the_least_unit_against_the_least_unit_is_a_trade(desk):
    bench = Bench(desk.ledger)
    legs = bench.leg(bench.note, "desk", "fund", 1), bench.leg(bench.usd, "fund", "desk", 1)
    assert bench.settle(bench.sign(bench.instruction(legs))).status
    for party, sign in (("desk", -1), ("fund", 1)):
        assert told(desk, party) == [("settlement", [(NOTE.cusip, sign, -sign, "cash")], [])]


def test_a_forced_transfer_and_a_gift_are_at_cost(desk):
    """Nothing was paid: who gives realises nothing, and of what he got the cost is not known."""
    books = desk.ledger
    send(desk, "enforcer", NOTE.cusip, "forcedTransfer", books.address_of("desk"), books.address_of("fund"), FACE)
    send(desk, "desk", OTHER.cusip, "transfer", books.address_of("fund"), FACE)
    assert told(desk, "desk") == [
        ("forced-transfer", [(NOTE.cusip, -FACE, 0, "carried")], []),
        ("transfer", [(OTHER.cusip, -FACE, 0, "carried")], []),
    ]
    assert told(desk, "fund") == [
        ("forced-transfer", [(NOTE.cusip, FACE, 0, "none")], []),
        ("transfer", [(OTHER.cusip, FACE, 0, "none")], []),
    ]
    assert [gain.realised for gain in desk.income.gains("desk")] == [None, None]


def test_between_wallets_of_one_party_nothing_is_traded(desk):
    """A lost wallet's units go to the new one: lots, cost and party stay."""
    second = ring("second").key("second")
    identity = b"desk".ljust(32, b"\0")
    registry = desk.ledger.contracts.identity_registry
    register = encode_call("IdentityRegistry", "registerWallet", second.address, identity)
    remove = encode_call("IdentityRegistry", "removeWallet", desk.ledger.address_of("desk"))
    lots = desk.view.lots("desk", NOTE.cusip)
    old = desk.ledger.address_of("desk")
    desk.ledger.send([Step("registrar", registry, register)])
    send(desk, "enforcer", NOTE.cusip, "forcedTransfer", old, second.address, 4 * FACE)
    desk.ledger.send([Step("registrar", registry, remove)])
    send(desk, "enforcer", NOTE.cusip, "forcedTransfer", old, second.address, 6 * FACE)
    assert told(desk, "desk") == [("forced-transfer", [], [])] * 2
    assert desk.view.lots("desk", NOTE.cusip) == lots
    (row,) = (row for row in desk.view.positions("desk") if row.asset == NOTE.cusip)
    assert row.units == 10 * FACE


def test_a_wallet_that_changes_hands_takes_what_is_in_it_along(desk):
    registry, wallet = desk.ledger.contracts.identity_registry, desk.ledger.address_of("dealer")
    height = desk.ledger.chain.height
    desk.ledger.send([Step("registrar", registry, encode_call("IdentityRegistry", "removeWallet", wallet))])
    desk.update()
    assert [row.units for row in desk.view.positions("dealer")] == [10 * FACE] * 4
    to = b"fund".ljust(32, b"\0")
    desk.ledger.send([Step("registrar", registry, encode_call("IdentityRegistry", "registerWallet", wallet, to))])
    cash = next(row.units for row in desk.view.positions("dealer", height) if row.asset == "USD")
    ((kind, trades, flows),) = told(desk, "dealer")
    assert (kind, flows) == ("reassignment", [("reassignment", -cash)])
    assert sorted(trades) == sorted((s.cusip, -10 * FACE, 0, "carried") for s in (NOTE, OTHER, BILL))
    assert desk.view.positions("dealer") == []
    assert [row.units for row in desk.view.positions("fund")] == [20 * FACE] * 4
    assert [row.units for row in desk.view.positions("dealer", height)] == [10 * FACE] * 4


def test_from_issue_to_redemption(tmp_path):
    """Proceeds are the issuer's debt; frozen units are redeemed into a claim, and the claim is paid out."""
    with make_ledger() as ledger:
        for party in PARTIES:
            ledger.set_claim(party, 2**40)
            ledger.deposit(party, {}, 10_000_000 * DOLLAR)
        desk = Desk(ledger)
        life.issue(
            ledger, BILL, [Purchase("desk", 10 * FACE, 9_800_000 * DOLLAR), Purchase("fund", FACE, 98_000 * DOLLAR)]
        )
        ledger.freeze("desk", BILL.cusip, FACE)
        desk.go_to(BILL.maturity_date)
        life.redeem(ledger, BILL)
        life.release_blocked(ledger, "desk", FACE)
        seen = [row for row in told(desk, "desk") if row[1] or row[2]]
        assert seen == [
            ("issuance", [(BILL.cusip, 10 * FACE, -9_800_000 * DOLLAR, "cash")], []),
            ("redemption", [(BILL.cusip, -10 * FACE, 10 * FACE, "cash")], [("blocked", -FACE)]),
            ("blocked-release", [], [("blocked", FACE)]),
        ]
        issuer = [flow for _, trades, flows in told(desk, "treasury") for flow in flows]
        assert issuer == [("issuance", 9_898_000 * DOLLAR), ("redemption-funding", -11 * FACE)]
        (gain,) = desk.income.gains("desk")
        assert gain.realised == 10 * FACE - 9_800_000 * DOLLAR
        for party in ("desk", "treasury"):
            path = tmp_path / f"{party}.beancount"
            export(desk.view, path, "journal", party)
            assert bean_check(path) == ""


def test_what_was_funded_for_units_that_ended_elsewhere_is_the_issuer_s_again():
    """The redemption is funded ahead of time; then the issuer takes three tenths back, and the rest is paid."""
    with make_ledger() as ledger:
        ledger.set_claim("desk", 2**40)
        ledger.deposit("desk", {BILL: 10 * FACE}, 0)
        desk = Desk(ledger)
        steps, _ = life.redemption_steps(ledger, BILL)
        ledger.send(steps[:-1])
        taken = encode_call("SecurityToken", "redeem", ledger.address_of("desk"), 3 * FACE)
        ledger.send([Step("issuer", ledger.token_of(BILL.cusip), taken)])
        desk.go_to(BILL.maturity_date)
        assert life.redeem(ledger, BILL).returned == 3 * FACE
        funding = [flows for kind, _, flows in told(desk, "treasury") if kind == "redemption-funding"]
        assert funding == [[("redemption-funding", -10 * FACE)], [("redemption-funding", 3 * FACE)]]


# --- reading on, and what is refused ------------------------------------------------------------------------------


def test_books_of_another_ledger_are_refused(desk):
    with make_ledger() as other, pytest.raises(LedgerError, match="are of ledger") as caught:
        BooksWriter(desk.store, other).update()
    assert caught.value.code == "OtherLedger"


def test_a_ledger_that_was_rewritten_is_noticed(tmp_path):
    """The same keys and height; another past."""
    keys = ring(*PARTIES)

    def ledger(name, face):
        made = create_ledger(f"sqlite:///{tmp_path / name}", keys=keys, at=START, parties=PARTIES[:1])
        made.deposit("desk", {NOTE: face}, DOLLAR)
        return made

    store = Store.open("sqlite://", create=True)
    with ledger("first.db", FACE) as first:
        BooksWriter(store, first).update()
        height, chain_id = first.chain.height, first.chain.chain_id
    with ledger("second.db", 2 * FACE) as second:
        assert second.chain.height == height
        with store.writing() as connection:
            connection.execute(schema.state.update().values(ledger=identity(second)))
        with pytest.raises(LedgerError, match=f"has another block {height}.*rewritten") as caught:
            BooksWriter(store, second).update()
        assert caught.value.code == "Forked"
        assert chain_id != second.chain.chain_id
        writer = BooksWriter(store, second)
        writer.rebuild()
        (row,) = (row for row in BooksView(store).positions("desk") if row.asset == NOTE.cusip)
        assert row.units == 2 * FACE
    with ledger("third.db", FACE) as third:
        with store.writing() as connection:
            connection.execute(schema.state.update().values(ledger=identity(third), height=height + 7))
        with pytest.raises(LedgerError, match=f"ends before block {height + 7}"):
            BooksWriter(store, third).update()


def test_two_writers_at_once(desk, tmp_path):
    """Whoever comes second finds the books moved, and has changed nothing."""
    first, second = BooksWriter(desk.store, desk.ledger), BooksWriter(desk.store, desk.ledger)
    second.update()
    desk.ledger.deposit("desk", {}, DOLLAR)
    real = second._write

    def after_the_other(events, upto):
        first.update()
        real(events, upto)

    second._write = after_the_other
    with pytest.raises(LedgerBusy, match="nothing was changed"):
        second.update()
    second._write = real
    assert second.update().events == 0
    assert replayed(desk.view, desk.ledger) == []


def test_a_batch_that_fails_leaves_nothing(desk, monkeypatch):
    desk.ledger.deposit("desk", {}, DOLLAR)
    before = {t.name: desk.store.rows(select(t)) for t in schema.metadata.sorted_tables}
    monkeypatch.setattr(desk.writer, "_move", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        desk.writer.update()
    assert {t.name: desk.store.rows(select(t)) for t in schema.metadata.sorted_tables} == before
    monkeypatch.undo()
    desk.update()
    assert replayed(desk.view, desk.ledger) == []


@pytest.mark.parametrize("party", [LENDER, BORROWER])
def test_a_repo_is_a_loan_and_its_interest_a_flow(party):
    bench = RepoBench()
    bench.price()
    with bench.ledger as ledger:
        desk = Desk(ledger)
        repo = bench.opened()
        bench.go_to(bench.terms().end_date)
        bench.repos.repurchase(repo)
        lent, interest = 9_974_250 * DOLLAR, 332_475_000  # 9,974,250 x 0.4% x 3 / 360
        sign = 1 if party == LENDER else -1
        assert [one for one in told(desk, party) if one[0].startswith("repo-")] == [
            ("repo-open", [], [("repo", -sign * lent)]),
            ("repo-repurchase", [], [("repo", sign * lent), ("repo-interest", sign * interest)]),
        ]


def test_margin_in_cash_is_paid_off_and_no_longer_due_at_the_end():
    bench = RepoBench()
    bench.price()
    with bench.ledger as ledger:
        desk = Desk(ledger)
        repo = bench.opened(end_date=date(2021, 4, 19))
        bench.price(first=99_000_000)
        bench.repos.mark(repo)
        bench.repos.deliver_margin(repo, cash_units=173_250 * DOLLAR)
        assert told(desk, BORROWER)[-1] == ("repo-margin", [], [("repo", -173_250 * DOLLAR)])
        (rung,) = desk.income.ladder(LENDER)
        end = new_york_midnight(rung.day)
        _, interest = ledger.call("RepoFacility", bench.repos.address, "exposureOf", repo, end)
        assert (rung.kind, rung.cash) == ("repo-end", 9_801_000 * DOLLAR + interest)


def test_a_wallet_that_changes_hands_takes_its_collateral_along():
    """Ten of thirty million are with the repo facility: all thirty, and the debt, are the new party's."""
    bench = RepoBench()
    bench.price()
    with bench.ledger as ledger:
        desk, wallet = Desk(ledger), ledger.address_of(BORROWER)
        bench.opened()
        for name, words in (("removeWallet", ()), ("registerWallet", (LENDER.encode().ljust(32, b"\0"),))):
            data = encode_call("IdentityRegistry", name, wallet, *words)
            ledger.send([Step("registrar", ledger.contracts.identity_registry, data)])
        for party, sign, basis in ((BORROWER, -1, "carried"), (LENDER, 1, "none")):
            kind, trades, flows = told(desk, party)[-1]
            all_of_it = [(s.cusip, sign * 30_000_000 * DOLLAR, 0, basis) for s in SECURITIES]
            assert (kind, sorted(trades)) == ("reassignment", sorted(all_of_it))
            cash = sum(amount for account, amount in flows if account == "reassignment")
            debt = sum(amount for account, amount in flows if account == "repo")
            assert (debt, cash) == (sign * 9_974_250 * DOLLAR, sign * 30_000_000 * DOLLAR)


def test_strangers_events_are_not_booked(desk):
    """A contract of anyone's may log whatever it likes under our events' names."""
    spoofer = Spoofer(Bench(desk.ledger))
    mine, fund = desk.ledger.address_of("desk"), desk.ledger.address_of("fund")
    before = desk.view.positions()
    assert spoofer.emit("Transfer", **{"from": mine, "to": fund, "value": FACE}).status
    assert spoofer.emit("CouponFunded", couponId=b"\1" * 32, payer=mine, faceAtRecord=1, due=1).status
    assert spoofer.emit("Frozen", account=mine, amount=FACE).status
    assert told(desk, "desk") == []
    assert desk.view.positions() == before


def test_an_amount_beyond_64_bits_is_refused_by_name(desk):
    desk.ledger.send(
        [
            Step(
                "bank",
                desk.ledger.contracts.usd,
                encode_call("CashToken", "issue", desk.ledger.address_of("desk"), 2**63),
            )
        ]
    )
    with pytest.raises(LedgerError, match="9,223,372,036,854,775,807 base units"):
        desk.update()


def test_questions_that_cannot_be_answered(desk, tmp_path):
    with pytest.raises(LedgerError, match=r"block 999 is not in them"):
        desk.view.positions(at=999)
    with pytest.raises(UsageError, match="-1 is not a height"):
        desk.view.positions(at=-1)
    with pytest.raises(UsageError, match="'lifo' is not one of fifo, specific"):
        desk.view.lots("desk", method="lifo")
    with pytest.raises(LedgerError, match="does not exist"):
        Store.open(f"sqlite:///{tmp_path / 'none.db'}")
    for url in ("mysql://host/books", "books.db"):
        with pytest.raises(UsageError, match=r"such as sqlite:///books\.db"):
            Store.open(url)
    desk.ledger.deposit("desk", {}, DOLLAR)
    with pytest.raises(LedgerError, match="run `tbill books index` first"):
        reconcile(desk.view, desk.ledger)


def test_what_was_bought_in_another_currency_is_taken_at_its_cost_in_it(desk, tmp_path):
    ledger = desk.ledger
    create_currency(ledger, "EUR", "euro")
    deposit_cash(ledger, "fund", "EUR", 95 * FACE // 100)
    bench = Bench(ledger)
    bench._nonce = 900
    euro, note = ledger.require_token("EUR"), ledger.require_token(NOTE.cusip)
    legs = bench.leg(note, "dealer", "fund", FACE), bench.leg(euro, "fund", "dealer", 95 * FACE // 100)
    assert bench.settle(bench.sign(bench.instruction(legs))).status
    wallets = ledger.address_of("fund"), ledger.address_of("dealer")
    send(desk, "enforcer", NOTE.cusip, "forcedTransfer", *wallets, 11 * FACE)
    assert told(desk, "fund")[-1] == ("forced-transfer", [(NOTE.cusip, -11 * FACE, 0, "carried")], [])
    path = tmp_path / "fund.beancount"
    export(desk.view, path, "journal", "fund")
    assert bean_check(path) == ""
    assert [line.split()[2] for line in path.read_text().splitlines() if "Equity:Transfers  " in line] == ["USD", "EUR"]
