"""Random lives of three parties: wallets lost or exchanged, two currencies, strips cut off or seized, queue, options.

The books say what the contracts say, now and then, and however often they were closed in between.
"""

from __future__ import annotations

import random
from collections import Counter
from datetime import date

import pytest
from sqlalchemy import select

from tbill_defi.chain.keys import SigningKey
from tbill_defi.core.clock import market_date, new_york_midnight
from tbill_defi.core.errors import TbillError
from tbill_defi.core.identifiers import bytes32
from tbill_defi.ledger import life, permits, recovery
from tbill_defi.ledger.abi import encode_call
from tbill_defi.ledger.claims import sanction
from tbill_defi.ledger.currencies import create_currency, deposit_cash
from tbill_defi.ledger.deployment import Step
from tbill_defi.ledger.early_redemption import EarlyRedemption, Window
from tbill_defi.ledger.eip712 import hold_id
from tbill_defi.ledger.index import schema
from tbill_defi.ledger.index.export import export, table_rows
from tbill_defi.ledger.index.memory import Memory
from tbill_defi.ledger.index.reconcile import reconcile, replayed
from tbill_defi.ledger.index.store import Store
from tbill_defi.ledger.index.writer import BooksWriter
from tbill_defi.ledger.keyring import Keys
from tbill_defi.ledger.option import Options
from tbill_defi.ledger.stripping import Stripping
from tests.unit.ledger.index.support import Desk, bean_check, wallets_and_custody
from tests.unit.ledger.index.test_early_and_stripped import CUSIPS, NOTE, PRINCIPAL, SHORT, START
from tests.unit.ledger.support import DOLLAR, Bench, make_ledger

PARTIES = ("ann", "ben", "cat")
FACE, DAY = 1_000 * DOLLAR, 86_400
EXPIRY, COUPON = date(2026, 6, 24), date(2026, 9, 30)
ACTS = (
    *("trade", "trade", "swap", "transfer", "permit", "hold", "end_hold", "strip", "strip", "finish", "one_piece"),
    *("seize", "force", "ask", "take_back", "strike", "collect", "claim", "freeze", "sanction", "lose", "exchange"),
    *("write", "buy_option", "end_option", "deposit", "wait", "coupon"),
)


class Lives:
    """Acts that a seed chooses; what the contracts refuse did not happen."""

    def __init__(self, seed):
        self.random, self.count = random.Random(seed), 0
        self.ledger = ledger = make_ledger(*PARTIES, at=new_york_midnight(START) + 9 * 3600)
        create_currency(ledger, "EUR", "euro", decimals=2)
        for party in PARTIES:
            ledger.set_claim(party, 2**42)
            ledger.deposit(party, dict.fromkeys((NOTE, SHORT), 40 * FACE), 500_000 * DOLLAR)
            deposit_cash(ledger, party, "EUR", 5_000_000)
        self.office, self.queue, self.options = Stripping(ledger), EarlyRedemption(ledger), Options(ledger)
        self.office.name_pieces(SHORT, CUSIPS, PRINCIPAL)
        opens = new_york_midnight(START)
        self.queue.set_window(NOTE.cusip, Window(opens, opens + 900 * DAY, DOLLAR, 3 * FACE, 99_000_000))
        self.queue.fund(NOTE.cusip, 50_000 * DOLLAR)
        self.holds, self.written = [], []

    def act(self):
        name = self.random.choice(ACTS)
        try:
            getattr(self, name)()
        except TbillError:
            return None
        return name

    # --- words ------------------------------------------------------------------------------------------------------

    def number(self):
        self.count += 1
        return self.count

    def two(self):
        return self.random.sample(PARTIES, 2)

    def one(self):
        return self.random.choice(PARTIES)

    def some(self, most=6):
        return self.random.randint(1, 2 * most) * FACE // 2

    def token(self, *assets):
        return self.ledger.require_token(self.random.choice(assets or (NOTE.cusip, SHORT.cusip)))

    def send(self, key, place, contract, function, *arguments):
        self.ledger.send([Step(key, place, encode_call(contract, function, *arguments))])

    def on_token(self, key, token, function, *arguments):
        self.send(key, token, "SecurityToken", function, *arguments)

    def settle(self, *legs):
        bench = Bench(self.ledger)
        made = [bench.leg(*leg) for leg in legs if leg[1] != leg[2]]
        bench.settle(bench.sign(bench.instruction(made, nonce=10_000 + self.number())))

    def sign_by(self, **keys):
        ring = self.ledger.keyring
        self.ledger.keys = Keys.in_memory({name: ring.key(name) for name in ring.names()} | keys)

    # --- acts -------------------------------------------------------------------------------------------------------

    def trade(self):
        seller, buyer = self.two()
        cash = self.random.choice(((self.token("USD"), 9_000 * DOLLAR), (self.token("EUR"), 90_000)))
        paid = self.random.randint(1, cash[1])
        self.settle((self.token(), seller, buyer, self.some()), (cash[0], buyer, seller, paid))

    def swap(self):
        first, second = self.two()
        self.settle(
            (self.token(NOTE.cusip), first, second, self.some()),
            (self.token(SHORT.cusip), *self.random.sample((first, second), 2), self.some()),
            (self.token("USD"), second, first, self.some()),
            (self.token("EUR"), first, second, self.random.randint(1, 9_000)),
        )

    def transfer(self):
        giver, receiver = self.two()
        token = self.token(NOTE.cusip, SHORT.cusip, PRINCIPAL, *CUSIPS.values(), "USD")
        self.on_token(giver, token, "transfer", self.ledger.address_of(receiver), self.some())

    def permit(self):
        ledger, (owner, spender) = self.ledger, self.two()
        asset = self.random.choice((NOTE.cusip, SHORT.cusip, "USD"))
        made = permits.sign(
            ledger, ledger.keyring.key(owner), asset, ledger.address_of(spender), 3 * FACE, seconds=3_600
        )
        permits.send(ledger, made, self.one())
        permits.draw(ledger, asset, spender, ledger.address_of(owner), ledger.address_of(self.one()), self.some(3))

    def hold(self):
        holder, to = self.two()
        token, salt, address = self.token(), bytes32(f"s{self.number()}"), self.ledger.address_of
        expiry = self.ledger.chain.now() + self.random.choice((3 * DAY, 2**38))
        name = hold_id(address(holder), salt)
        self.on_token(holder, token, "createHold", salt, address(self.one()), address(to), self.some(), expiry)
        self.holds.append((token, name))

    def end_hold(self):
        if self.holds:
            token, name = self.random.choice(self.holds)
            words = self.random.choice(
                (("executeHold", name, self.some(2)), ("releaseHold", name), ("expireHold", name))
            )
            self.on_token(self.one(), token, *words)

    def strip(self):
        face, pieces = self.random.choice((800, 1_600, 3_200)) * DOLLAR, self.random.randint(1, 3)
        word = self.random.choice(("strip", "strip", "reconstitute"))
        place = self.ledger.contracts.stripping
        self.send(self.one(), place, "Stripping", word, self.token(SHORT.cusip), face, pieces)

    def an_act(self):
        acts = self.office.open_acts()
        return self.random.choice(acts) if acts else None

    def finish(self):
        if act := self.an_act():
            self.office.finish(act, give_up=act.joining and self.random.random() < 0.4)

    def one_piece(self):
        if act := self.an_act():
            by, place = act.holder if act.joining else "operator", self.ledger.contracts.stripping
            self.send(by, place, "Stripping", "carryOn", act.act_id, 1)

    def seize(self):
        if act := self.an_act():
            self.office.seize(act.act_id, self.one())

    def force(self):
        source, target = map(self.ledger.address_of, self.two())
        token = self.token(NOTE.cusip, SHORT.cusip, PRINCIPAL)
        self.on_token("enforcer", token, "forcedTransfer", source, target, self.some())

    def ask(self):
        self.queue.request(self.one(), NOTE.cusip, self.some(3))

    def take_back(self):
        if waiting := self.queue.waiting(NOTE.cusip):
            chosen = self.random.choice(waiting)
            self.queue.cancel(chosen.holder, chosen.request_id)

    def strike(self):
        self.queue.strike(NOTE.cusip)

    def collect(self):
        self.queue.collect(self.one(), NOTE.cusip)

    def claim(self):
        self.ledger.set_claim(self.one(), self.random.choice((0, 2**42, 2**42)))

    def freeze(self):
        self.ledger.freeze(self.one(), self.random.choice((NOTE, SHORT)).cusip, self.random.choice((0, self.some())))

    def sanction(self):
        sanction(self.ledger, [self.one()], lift=self.random.random() < 0.6)

    def lose(self):
        party, new = self.one(), SigningKey.from_seed(f"new key {self.number()}")
        lost = self.ledger.address_of(party)
        recovery.announce(self.ledger, lost, new.address)
        self.ledger.embedded.advance_clock(DAY)
        recovery.confirm(self.ledger, lost)
        self.sign_by(**{party: new})

    def exchange(self):
        """Two parties' wallets, each with what is in it, and its key."""
        first, second = self.two()
        mine, theirs = self.ledger.address_of(first), self.ledger.address_of(second)
        registry, ring = self.ledger.contracts.identity_registry, self.ledger.keyring
        words = [("removeWallet", mine), ("removeWallet", theirs)]
        words += [("registerWallet", mine, bytes32(second)), ("registerWallet", theirs, bytes32(first))]
        self.ledger.send([Step("registrar", registry, encode_call("IdentityRegistry", *each)) for each in words])
        self.sign_by(**{first: ring.key(second), second: ring.key(first)})

    def write(self):
        writer, holder = self.two()
        kind, strike = self.random.choice(("call", "put")), 98_500_000 + self.number()
        words = {"kind": kind, "strike_e6": strike, "face_units": self.some(), "expiry": EXPIRY}
        terms = self.options.terms(NOTE, writer=writer, holder=holder, **words)
        self.options.write(terms)
        self.written.append(terms)

    def buy_option(self):
        if self.written:
            self.options.buy(self.options.quote(self.random.choice(self.written), self.some(1)))

    def end_option(self):
        if self.written:
            end = self.random.choice((self.options.exercise, self.options.expire, self.options.withdraw))
            end(self.random.choice(self.written).option_id)

    def deposit(self):
        self.ledger.deposit(self.one(), {NOTE: self.some()}, FACE)

    def wait(self):
        self.ledger.embedded.advance_clock(self.random.choice((3_600, DAY, 6 * DAY)))

    def coupon(self):
        if market_date(self.ledger.chain.now()) >= COUPON:
            life.pay_coupon(self.ledger, self.random.choice((NOTE, SHORT)), COUPON)


def assert_sound(desk):
    """Contracts' figures; lots are wallets and custody; cash of trades and flows is that of wallets, by currency."""
    desk.update()
    assert reconcile(desk.view, desk.ledger)[1] == []
    with desk.store.reading() as connection:
        memory = Memory.load(connection)
    lots, booked, real = Counter(), Counter(), Counter()
    for (method, party, asset), shelf in memory.shelves.items():
        lots[party, asset] += shelf.units if method == "fifo" else 0
    assert +lots == wallets_and_custody(desk.ledger, memory.known)
    for table in (schema.trades, schema.flows):
        for row in desk.store.rows(select(table)):
            booked[row["party"], row["currency"]] += row["cash"]
    contracts = {"0x" + address.hex() for address in desk.ledger.contracts.addresses()} | {"0x" + "00" * 20}
    books = desk.ledger.books()
    for currency in books.decimals:
        for wallet, units in books.balances("0x" + desk.ledger.require_token(currency).hex()).items():
            if wallet not in contracts:
                real[books.party_of(wallet), currency] += units
    assert (+booked, -booked) == (+real, -real)


def pictures(desk, at=None):
    return [
        table_rows(desk.view, name, party, at=at)
        for party in PARTIES
        for name in ("positions", "lots", "trades", "flows")
    ]


@pytest.mark.slow
@pytest.mark.parametrize("seed", [12, 0, 1, 2])
def test_random_lives_are_booked_whole(seed, tmp_path):
    """In 12, two puts go with a wallet, in another order than they were written."""
    lives = Lives(seed)
    with lives.ledger as ledger:
        desk, then, done = Desk(ledger), {}, Counter()
        for number in range(90):
            done[lives.act()] += 1
            if number % 10 == 9:
                assert_sound(desk)
                then[ledger.chain.height] = pictures(desk)
        assert done.total() - done[None] > 30
        assert replayed(desk.view, ledger) == []
        for height, picture in then.items():
            assert pictures(desk, height) == picture, height
        with Store.open("sqlite://", create=True) as store:
            for height in range(1, ledger.chain.height + 1):
                BooksWriter(store, ledger).update(upto=height)
            for table in schema.metadata.sorted_tables:
                if table not in (schema.state, schema.terms):
                    mine, theirs = (sorted(map(str, one.rows(select(table)))) for one in (desk.store, store))
                    assert mine == theirs, table.name
        for party in PARTIES:
            path = tmp_path / f"{party}.beancount"
            export(desk.view, path, "journal", party)
            assert bean_check(path) == ""
