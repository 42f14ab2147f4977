"""A ledger on a node: deployment, gas, joining, going on, the file that remembers, nodes that can do less."""

import re
import tomllib

import pytest

from tbill_defi.chain.executor import DEPLOYMENT_PROXY, DEPLOYMENT_PROXY_CODE, TRANSACTION_GAS
from tbill_defi.chain.keys import create_keystore
from tbill_defi.chain.rpc import RpcChain, connect, open_chain
from tbill_defi.chain.rpc_outbox import Outbox
from tbill_defi.core.clock import SimulatedClock
from tbill_defi.core.errors import KeyStoreError, LedgerError, UsageError
from tbill_defi.core.hashing import keccak256
from tbill_defi.ledger.abi import encode_call
from tbill_defi.ledger.audit_node import audit_node
from tbill_defi.ledger.chain_file import URL_VARIABLE, ChainFile
from tbill_defi.ledger.decisions import decide
from tbill_defi.ledger.deployment import ROLE_KEYS, Step
from tbill_defi.ledger.doctor import examine
from tbill_defi.ledger.ledger import ROLE_NAMES
from tbill_defi.ledger.node import PROXY_DEPLOYER, PROXY_GAS, PROXY_GAS_PRICE, PROXY_TRANSACTION, chain_path, deploy
from tbill_defi.ledger.open import PASSPHRASE_VARIABLE, create_ledger, keys_folder, open_ledger
from tbill_defi.ledger.settlement import PlanLeg
from tests.behaviour.nodes import ANVIL, anvil
from tests.unit.ledger.support import DOLLAR, NOTE, OTHER, PARTIES, START, Bench, ring


@pytest.fixture(autouse=True)
def bare(monkeypatch):
    for name in (PASSPHRASE_VARIABLE, URL_VARIABLE, "TBILL_HOME"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def url():
    if not ANVIL.exists():
        pytest.skip("anvil is not installed: npm ci in contracts")
    with anvil(at=START) as place:
        yield place


def on_tester(**more):
    chain = open_chain("eth-tester:", at=START)
    return create_ledger(chain=chain, keys=ring(*PARTIES, "stranger"), parties=PARTIES, **more)


def refuse(node, *methods):
    """A node that does not have some methods."""
    send = node.send

    def sending(method, parameters):
        if method in methods:
            return {"error": {"code": -32601, "message": "the method does not exist"}}
        return send(method, parameters)

    node.send = sending
    node.send_batch = None


# --- the deployment proxy -------------------------------------------------------------------------------------------


def test_the_proxy_follows_from_its_transaction():
    """The address of a contract is that of its creator's nonce 0; so the creator's address is checked, not believed."""
    assert keccak256(b"\xd6\x94" + PROXY_DEPLOYER + b"\x80")[12:] == DEPLOYMENT_PROXY
    assert PROXY_TRANSACTION.count(DEPLOYMENT_PROXY_CODE) == 1
    assert PROXY_GAS_PRICE * PROXY_GAS == 10**16


def test_the_proxy_is_sent_where_it_is_not():
    ledger = on_tester()
    chain = ledger.chain
    assert chain.code(DEPLOYMENT_PROXY) == DEPLOYMENT_PROXY_CODE
    assert chain.balance(PROXY_DEPLOYER) < 10**16
    transactions = [
        entry
        for height in range(1, chain.height + 1)
        for entry in chain.node.request("eth_getBlockByNumber", height, True)["transactions"]
    ]
    legacy = [t for t in transactions if t["type"] != "0x2"]
    assert len(legacy) == 1, "the only one that is not EIP-1559"
    assert bytes.fromhex(legacy[0]["from"][2:]) == PROXY_DEPLOYER
    assert all(t["gas"] <= TRANSACTION_GAS for t in transactions)


@pytest.mark.node
def test_other_code_in_the_proxys_place(url):
    connect(url).request("anvil_setCode", "0x" + DEPLOYMENT_PROXY.hex(), "0x6000")
    with pytest.raises(LedgerError, match="holds other code") as caught:
        create_ledger(chain=open_chain(url), keys=ring("desk", "dealer"))
    assert caught.value.code == "ProxyDiffers"


# --- gas ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def closed_url():
    """anvil without open accounts: nobody's ether is ours."""
    if not ANVIL.exists():
        pytest.skip("anvil is not installed: npm ci in contracts")
    with anvil("--accounts", "0", at=START) as place:
        yield place


@pytest.mark.node
def test_who_needs_how_much_where(closed_url, tmp_path):
    with pytest.raises(LedgerError) as caught:
        create_ledger(home=tmp_path, chain=closed_url, light_keys=True)
    assert caught.value.code == "NoFunds"
    said = str(caught.value)
    assert "on chain 31337" in said
    for name in (*ROLE_NAMES,):
        assert re.search(rf"{name} 0x[0-9a-f]{{40}} 0\.\d+ ETH", said), name
    assert "--funder" in said
    assert not chain_path(tmp_path).exists()


@pytest.mark.node
def test_a_funder_pays(closed_url, tmp_path, monkeypatch):
    monkeypatch.setenv(PASSPHRASE_VARIABLE, "correct horse")
    with pytest.raises(KeyStoreError, match=r"funder: .*treasury.*copy its keystore"):
        create_ledger(home=tmp_path, chain=closed_url, light_keys=True, funder="treasury")
    funder = create_keystore(keys_folder(tmp_path), "treasury", "correct horse", light=True)
    with pytest.raises(
        LedgerError, match=r"funder treasury \(0x[0-9a-f]{40}\) has 0 ETH, and 0\.\d+ ETH and gas"
    ) as caught:
        create_ledger(home=tmp_path, chain=closed_url, light_keys=True, funder="treasury")
    assert caught.value.code == "NoFunds"
    connect(closed_url).request("anvil_setBalance", "0x" + funder.address.hex(), hex(10**19))
    with create_ledger(home=tmp_path, chain=closed_url, light_keys=True, funder="treasury") as ledger:
        ledger.deposit("desk", {NOTE: DOLLAR}, 5)
        assert all(ledger.chain.balance(ledger.keyring.key(name).address) > 0 for name in ROLE_KEYS)
    with open_ledger(home=tmp_path) as again:
        assert again.wallet("desk").cash == 5


# --- what a home remembers --------------------------------------------------------------------------------------------


@pytest.mark.node
def test_made_written_and_read_again(url, tmp_path):
    with create_ledger(home=tmp_path, chain=url, light_keys=True) as made:
        made.deposit("desk", {NOTE: 7 * DOLLAR}, 9)
    content = tomllib.loads(chain_path(tmp_path).read_text())
    assert content["url"] == url
    assert content["chain_id"] == 31337
    assert content["records"] == dict(made.chain.records)
    with open_ledger(home=tmp_path) as ledger:
        assert isinstance(ledger.chain, RpcChain)
        assert ledger.wallet("desk").positions == {NOTE.cusip: 7 * DOLLAR}
        ledger.deposit("desk", {}, 1)
    with open_ledger(home=tmp_path, read_only=True) as reader:
        assert reader.wallet("desk").cash == 10
        with pytest.raises(LedgerError) as caught:
            reader.deposit("desk", {}, 1)
        assert caught.value.code == "ReadOnly"
    for again in (lambda: create_ledger(home=tmp_path, chain=url), lambda: create_ledger(home=tmp_path, at=START)):
        with pytest.raises(LedgerError) as caught:
            again()
        assert caught.value.code == "Exists"
    with pytest.raises(LedgerError, match="no journal") as caught:
        ledger.embedded.head()
    assert caught.value.code == "NoJournal"


def test_a_node_is_opened_by_home():
    ledger = create_ledger("eth-tester:", keys=ring("desk", "dealer"))
    assert ledger.books().parties() == ["dealer", "desk"]
    for attempt in (lambda: open_ledger("http://127.0.0.1:1"), lambda: open_ledger("eth-tester:")):
        with pytest.raises(UsageError, match="opened by its home"):
            attempt()
    with pytest.raises(UsageError, match="its own place and time"):
        create_ledger("eth-tester:", at=START)


@pytest.mark.node
def test_a_node_that_was_started_anew(url, tmp_path):
    create_ledger(home=tmp_path, chain=url, light_keys=True)
    with anvil(at=START + 1) as other:
        text = chain_path(tmp_path).read_text()
        chain_path(tmp_path).write_text(text.replace(url, other))
        with pytest.raises(LedgerError, match="started anew") as caught:
            open_ledger(home=tmp_path)
        assert caught.value.code == "WrongChain"
        wrong = {
            c.name
            for c in examine(other, clock=SimulatedClock(START), stored=ChainFile.read(chain_path(tmp_path)))
            if c.state == "wrong"
        }
        assert wrong == {"chain id", "contracts"}


@pytest.mark.node
def test_the_key_in_a_url_is_not_written(url, tmp_path, monkeypatch):
    create_ledger(home=tmp_path, chain=f"{url}/?key=SECRET", light_keys=True)
    text = chain_path(tmp_path).read_text()
    assert "SECRET" not in text
    assert "whole_url = false" in text
    with pytest.raises(UsageError, match=f"set {URL_VARIABLE}"):
        open_ledger(home=tmp_path)
    monkeypatch.setenv(URL_VARIABLE, "http://127.0.0.1:1/?key=SECRET")
    with pytest.raises(UsageError, match=r"it is at http://127\.0\.0\.1:1,") as caught:
        open_ledger(home=tmp_path)
    assert "SECRET" not in str(caught.value)
    monkeypatch.setenv(URL_VARIABLE, f"{url}/?key=SECRET")
    with open_ledger(home=tmp_path) as ledger:
        assert ledger.books().parties() == ["dealer", "desk"]
        assert "SECRET" not in ledger.chain.url


@pytest.mark.node
@pytest.mark.parametrize("cut", [1, 5, 14, 17, 18])
def test_a_deployment_that_is_cut_off_goes_on(url, tmp_path, monkeypatch, cut):
    """The node goes away in the middle; the second `init` sends what is missing and nothing twice."""
    deliver, sent = Outbox._offer, []

    def failing(self, draft, group):
        deliver(self, draft, group)
        if len(draft.raws) and draft.item is not None:
            sent.append(draft)
        if len(sent) == cut:
            raise LedgerError("chain: the node went away", "NodeDown")

    with monkeypatch.context() as patch:
        patch.setattr(Outbox, "_offer", failing)
        with pytest.raises(LedgerError, match="went away"):
            create_ledger(home=tmp_path, chain=url, light_keys=True)
    with pytest.raises(LedgerError) as caught:
        open_ledger(home=tmp_path)
    assert caught.value.code == "Incomplete"
    with create_ledger(home=tmp_path, chain=url, light_keys=True) as ledger:
        assert ledger.books().parties() == ["dealer", "desk"]
        ledger.deposit("desk", {NOTE: DOLLAR}, 1)
    with open_ledger(home=tmp_path) as again:
        assert audit_node(again).ok
        states = {
            c.name: c.state
            for c in examine(url, clock=SimulatedClock(START), stored=ChainFile.read(chain_path(tmp_path)))
        }
        assert states["contracts"] == "ok"


@pytest.mark.node
def test_a_second_home_joins_with_the_same_keys(url, tmp_path):
    """Contracts follow from the administrator: who has the keys needs no file."""
    first = create_ledger(chain=open_chain(url), keys=ring(*PARTIES), parties=PARTIES)
    first.deposit("desk", {NOTE: DOLLAR}, 3)
    height = first.chain.height
    second = deploy(open_chain(url), keys=ring(*PARTIES), file=chain_path(tmp_path))
    assert second.chain.height == height, "nothing was sent"
    assert second.wallet("desk") == first.wallet("desk")
    second.deposit("desk", {}, 4)
    assert first.wallet("desk").cash == 7, "each follows the other"
    third = deploy(open_chain(url), keys=ring(*PARTIES), file=chain_path(tmp_path))
    assert third.wallet("desk").cash == 7, "a join that was cut off joins again"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("format = 1", "format = 2"), "format is 2"),
        (("chain_id = 31337", 'chain_id = "many"'), "chain_id is 'many', not int"),
        (("chain_id = 31337", ""), "chain_id is None"),
        (("start_block = ", "start_block = -"), "start_block is -"),
        (('genesis_hash = "0x', 'genesis_hash = "0xzz'), "not 32 bytes"),
        (("[records]", "records = 5\n[more]"), "records is 5"),
        (("url = ", "url : "), "is not TOML"),
    ],
)
def test_a_file_that_was_edited(tmp_path, change, says):
    records = {"admin": "0x" + "11" * 20}
    ChainFile("http://h:1", True, 31337, b"\1" * 32, 3, 0, True, 10**9, records).write(chain_path(tmp_path))
    stored = ChainFile.read(chain_path(tmp_path))
    assert (stored.chain_id, stored.fee_cap, stored.records) == (31337, 10**9, records)
    text = chain_path(tmp_path).read_text()
    assert change[0] in text
    chain_path(tmp_path).write_text(text.replace(*change))
    with pytest.raises(LedgerError, match=says) as caught:
        open_ledger(home=tmp_path, read_only=True)
    assert caught.value.code == "NotOurs"


# --- nodes that can do less -------------------------------------------------------------------------------------------


@pytest.mark.node
def test_a_node_without_simulation_or_batches(url):
    """Steps are tried and sent one at a time; a refusal stops there; plans that need deposits first say so."""
    chain = open_chain(url)
    refuse(chain.node, "eth_simulateV1", "debug_traceTransaction")
    ledger = create_ledger(chain=chain, keys=ring(*PARTIES, "stranger"), parties=PARTIES)
    assert not chain.simulates
    for party, face in (("desk", 1_000_000), ("fund", 500_000)):
        ledger.deposit(party, {NOTE: face * DOLLAR, OTHER: face * DOLLAR}, face * DOLLAR)
    bench = Bench(ledger)
    signed = bench.sign(bench.instruction(bench.exchange()))
    data = encode_call("Settlement", "settle", signed.instruction.abi_value(), list(signed.signatures))
    step = Step("operator", ledger.contracts.settlement, data)
    ledger.send([step])
    assert len(ledger.tape()) == 1
    with pytest.raises(LedgerError) as caught:
        ledger.send([step])
    assert caught.value.code == "NonceAlreadyUsed"
    (receipt,) = chain.submit(ledger.sign([step]))
    assert receipt.revert[:4] != b"", "the output of the revert is found without a trace"
    bad = [Step("bank", ledger.contracts.usd, encode_call("CashToken", "issue", bench.address("desk"), 5))]
    before = ledger.wallet("desk").cash
    with pytest.raises(LedgerError) as caught:
        ledger.send([*bad, step, *bad])
    assert caught.value.code == "NonceAlreadyUsed"
    assert ledger.wallet("desk").cash == before + 5, "what came before the refusal stands, what came after was not sent"
    leg = PlanLeg(NOTE.cusip, "desk", "fund", DOLLAR)
    trial = bench.instruction([bench.leg(bench.note, "desk", "fund", DOLLAR)])
    assert decide(ledger, [leg], trial)[0].ok, "questions alone need no simulation"
    with pytest.raises(LedgerError, match=r"cannot try \d transactions") as caught:
        decide(ledger, [leg], trial, after=bad)
    assert caught.value.code == "CannotSimulate"
    assert audit_node(ledger).ok
    assert {c.name: c.state for c in examine(chain.node, clock=SimulatedClock(START))}["abilities"] == "warning"


# --- audit and doctor -------------------------------------------------------------------------------------------------


def test_the_audit_sees_a_balance_that_no_event_explains():
    """The node is made to answer another balance for one holder."""
    ledger = on_tester()
    ledger.deposit("desk", {NOTE: 3 * DOLLAR}, 9)
    assert audit_node(ledger).ok
    views = ledger.chain.views

    def lying(calls):
        found = list(views(calls))
        for n, call in enumerate(calls):
            if call.to == ledger.contracts.usd and call.data == encode_call(
                "CashToken", "balanceOf", ledger.address_of("desk")
            ):
                found[n] = views([calls[0]])[0]
        return found

    ledger.deposit("fund", {}, 1)
    ledger.chain.views = lying
    report = audit_node(ledger)
    assert [(d.asset, d.holder, d.by_events, d.by_contract) for d in report.discrepancies] == [("USD", "desk", 9, 10)]
    assert "differ from their events" in report.verdict


@pytest.mark.node
def test_the_doctor_sees_code_that_is_not_ours(url, tmp_path):
    with create_ledger(home=tmp_path, chain=url, light_keys=True) as ledger:
        stored = ChainFile.read(chain_path(tmp_path))
        accounts = {name: ledger.keyring.key(name).address for name in ROLE_NAMES}

        def wrong():
            checks = examine(url, clock=SimulatedClock(START), stored=stored, accounts=accounts)
            return {c.name: c.detail for c in checks if c.state == "wrong"}

        assert wrong() == {}
        node = connect(url)
        node.request("anvil_setCode", "0x" + ledger.contracts.compliance.hex(), "0x00")
        node.request("anvil_setCode", "0x" + ledger.contracts.usd.hex(), "0x")
        node.request("anvil_setBalance", "0x" + accounts["bank"].hex(), "0x0")
        found = wrong()
        assert set(found) == {"contracts", "key bank"}
        assert found["contracts"] == "without code: usd; with other code: compliance"


def test_the_doctor_on_eth_tester():
    ledger = on_tester()
    states = {c.name: c.state for c in examine(ledger.chain.node, clock=SimulatedClock(START))}
    assert {name: state for name, state in states.items() if state != "ok"} == {"contracts": "warning"}
