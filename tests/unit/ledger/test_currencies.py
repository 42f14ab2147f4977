"""Currencies: made by the bank, kept apart in books and wallets, exchanged for each other or not at all."""

import pytest

from tbill_defi.core.errors import ConventionError, LedgerError, UsageError
from tbill_defi.core.money import format_units, units
from tbill_defi.ledger.abi import encode_call
from tbill_defi.ledger.audit_node import audit_node
from tbill_defi.ledger.currencies import create_currency, currencies, deposit_cash, require_currency
from tbill_defi.ledger.settlement import PlanLeg, plan_hash
from tests.unit.ledger.support import DOLLAR, NOTE, Bench, make_ledger, refusal


@pytest.fixture
def bench():
    ledger = make_ledger()
    create_currency(ledger, "EUR", "euro")
    create_currency(ledger, "JPY", "yen", decimals=0)
    ledger.deposit("desk", {NOTE: 1_000 * DOLLAR}, 500 * DOLLAR)
    deposit_cash(ledger, "fund", "EUR", 1_000 * DOLLAR)
    deposit_cash(ledger, "fund", "JPY", 90_000)
    made = Bench(ledger)
    yield made
    ledger.close()


def test_a_wallet_has_each_currency_by_itself(bench):
    fund, desk = bench.ledger.wallet("fund"), bench.ledger.wallet("desk")
    assert (fund.cash, fund.currencies, fund.positions) == (0, {"EUR": 1_000 * DOLLAR, "JPY": 90_000}, {})
    assert (desk.cash, desk.currencies, desk.positions) == (500 * DOLLAR, {}, {NOTE.cusip: 1_000 * DOLLAR})
    assert bench.ledger.books().securities() == [NOTE.cusip]
    found = [(c.code, c.name, c.decimals) for c in currencies(bench.ledger)]
    assert found == [("EUR", "euro", 6), ("JPY", "yen", 0), ("USD", "US dollar", 6)]
    assert dict(bench.ledger.books().supply())["JPY"] == 90_000


def test_tokens_say_the_same(bench):
    for currency in currencies(bench.ledger):
        ask = lambda function, *arguments: bench.ledger.call("CashToken", currency.token, function, *arguments)  # noqa: B023, E731
        assert (ask("decimals"), ask("name"), ask("symbol")) == (currency.decimals, currency.name, currency.code)
    assert audit_node(bench.ledger).discrepancies == ()


def pvp(bench, dollars, euros):
    legs = [PlanLeg("USD", "desk", "fund", dollars * DOLLAR), PlanLeg("EUR", "fund", "desk", euros * DOLLAR)]
    tokens = {code: require_currency(bench.ledger, code).token for code in ("USD", "EUR")}
    raw = tuple(bench.leg(tokens[p.asset], p.from_party, p.to_party, p.amount) for p in sorted(legs))
    context = bytes(31) + b"\1"
    return bench.instruction(raw, context_hash=context, plan_hash=plan_hash(context, legs))


def test_one_currency_settles_against_another(bench):
    assert bench.settle(bench.sign(pvp(bench, 110, 100))).status
    assert bench.ledger.wallet("desk").currencies == {"EUR": 100 * DOLLAR}
    assert bench.ledger.wallet("fund").cash == 110 * DOLLAR
    (entry,) = bench.ledger.tape()
    assert [(leg.asset, leg.amount) for leg in entry.legs] == [("EUR", 100 * DOLLAR), ("USD", 110 * DOLLAR)]


def test_neither_moves_where_one_is_short(bench):
    before = [bench.ledger.wallet(party) for party in ("desk", "fund")]
    name, arguments = refusal(bench.settle(bench.sign(pvp(bench, 501, 100))))
    assert (name, arguments["balance"]) == ("ERC20InsufficientBalance", 500 * DOLLAR)
    assert [bench.ledger.wallet(party) for party in ("desk", "fund")] == before


def test_only_the_bank_makes_and_issues(bench):
    euro = require_currency(bench.ledger, "EUR").token
    create = encode_call("CashFactory", "create", b"GBP".ljust(32, b"\0"), "pound", 6)
    for to, data in (
        (bench.contracts.cash_factory, create),
        (euro, encode_call("CashToken", "issue", bench.address("desk"), 1)),
        (euro, encode_call("CashToken", "redeem", bench.address("fund"), 1)),
    ):
        for who in ("desk", "issuer", "admin", "compliance"):
            assert refusal(bench.transact(who, to, data))[0] == "AccessManagedUnauthorized"


@pytest.mark.parametrize("code", [NOTE.cusip, "eur", "EU", "EURO", "E1R", ""])
def test_the_bank_cannot_take_what_is_no_currency(bench, code):
    data = encode_call("CashFactory", "create", code.encode().ljust(32, b"\0"), "name", 6)
    assert refusal(bench.transact("bank", bench.contracts.cash_factory, data))[0] == "InvalidCurrency"
    with pytest.raises(ConventionError, match="three capital letters"):
        create_currency(bench.ledger, code, "name")


@pytest.mark.parametrize(("name", "decimals", "error"), [("", 6, "Name"), ("x" * 32, 6, "Name"), ("pound", 19, "Many")])
def test_names_and_decimals_have_bounds(bench, name, decimals, error):
    data = encode_call("CashFactory", "create", b"GBP".ljust(32, b"\0"), name, decimals)
    assert error in refusal(bench.transact("bank", bench.contracts.cash_factory, data))[0]
    with pytest.raises(UsageError):
        create_currency(bench.ledger, "GBP", name, decimals=decimals)


def test_a_code_is_made_once(bench):
    for code in ("EUR", "USD"):
        with pytest.raises(LedgerError) as refused:
            create_currency(bench.ledger, code, "again")
        assert refused.value.code == "CurrencyExists"
    data = encode_call("CashFactory", "create", b"USD".ljust(32, b"\0"), "mine", 6)
    assert refusal(bench.transact("bank", bench.contracts.cash_factory, data))[0] == "AssetAlreadyRegistered"


def test_what_is_not_there_is_refused_by_name(bench):
    with pytest.raises(LedgerError, match="it has EUR, JPY, USD"):
        deposit_cash(bench.ledger, "desk", "CHF", 1)
    with pytest.raises(UsageError, match="not positive"):
        deposit_cash(bench.ledger, "desk", "EUR", 0)
    with pytest.raises(LedgerError, match="no wallet"):
        deposit_cash(bench.ledger, "nobody", "EUR", 1)


@pytest.mark.parametrize(
    ("text", "decimals", "amount"), [("1,250", 0, 1_250), ("0.01", 2, 1), ("1.000000000000000001", 18, 10**18 + 1)]
)
def test_amounts_are_exact_in_each_currency(text, decimals, amount):
    assert units(text, decimals=decimals) == amount
    assert units(format_units(amount, decimals=decimals), decimals=decimals) == amount


@pytest.mark.parametrize(("text", "decimals"), [("0.5", 0), ("0.001", 2)])
def test_what_is_finer_than_a_unit_is_refused(text, decimals):
    with pytest.raises(ConventionError, match=f"10\\^-{decimals}"):
        units(text, decimals=decimals)
