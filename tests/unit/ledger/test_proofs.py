"""Proofs and their stand-alone verifier: what is true verifies, and nothing else does."""

import contextlib
import importlib.util
import json
import re
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tbill_defi.chain import merkle
from tbill_defi.chain.checkpoint import Checkpoint
from tbill_defi.chain.handing_over import hand_over
from tbill_defi.chain.handovers import Handover
from tbill_defi.chain.keys import SigningKey
from tbill_defi.chain.merkle import LIMIT, Node, SumTree, counted, inner_node, tagged_hash
from tbill_defi.core.errors import DataError, LedgerError, UsageError
from tbill_defi.core.hashing import canonical_json
from tbill_defi.ledger import proofs
from tbill_defi.ledger.keyring import Keys
from tbill_defi.ledger.ledger import OPERATOR, Ledger
from tbill_defi.ledger.proofs import Evidence, holding_leaf
from tests.unit.chain.test_heads import one_bit_changed
from tests.unit.ledger.support import DOLLAR, NOTE, Bench, make_ledger, ring, stocked_ledger

VERIFIER = Path(__file__).resolve().parents[3] / "tools" / "verify_proof.py"
_spec = importlib.util.spec_from_file_location("verify_proof", VERIFIER)
verifier = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(verifier)


@pytest.fixture(scope="module")
def bench():
    with stocked_ledger() as ledger:
        made = Bench(ledger)
        for face in range(1, 6):
            assert made.settle(made.sign(made.instruction(made.exchange(face=face)))).status
        assert not made.settle(made.sign(made.instruction(made.exchange(cash=10**9)))).status
        yield made


@pytest.fixture(scope="module")
def evidence(bench):
    return Evidence(bench.ledger, bench.key(OPERATOR))


@pytest.fixture(scope="module")
def operator(bench):
    return bench.key(OPERATOR).public_key.hex()


def hashes(bench):
    head = bench.ledger.embedded.height
    return [record.hash for record in bench.ledger.embedded.transactions(head)]


def test_every_transaction_is_shown(bench, evidence, operator):
    shown = []
    for transaction_hash in hashes(bench):
        proof = canonical_json(evidence.prove_transaction(transaction_hash))
        shown.append(verifier.verify(proof, operator))
        assert len(proof) < 150_000
    assert len(shown) == int(evidence.checkpoint.transactions)
    assert [one["status"] for one in shown[-6:]] == ["succeeded"] * 5 + ["reverted"]
    assert {one["block_hash"] for one in shown} == {bench.ledger.embedded.head().block_hash.hex()}
    raws = [raw for _, each in bench.ledger.embedded._journal.read_blocks(1, bench.ledger.chain.height) for raw in each]
    assert [one["raw"] for one in shown] == [raw.hex() for raw in raws]


def test_a_proof_of_a_settlement_is_small(bench, evidence):
    assert len(canonical_json(evidence.prove_transaction(hashes(bench)[-1]))) < 4_000
    assert len(canonical_json(evidence.prove_holding(NOTE.cusip, "desk"))) < 2_500


def test_every_holding_is_shown(bench, evidence, operator):
    for asset in (NOTE.cusip, "USD"):
        contract = "CashToken" if asset == "USD" else "SecurityToken"
        token = bench.ledger.token_of(asset)
        supply = bench.ledger.call(contract, token, "totalSupply")
        total = 0
        for party in ("desk", "fund"):
            shown = verifier.verify(canonical_json(evidence.prove_holding(asset, party)), operator)
            held = bench.ledger.call(contract, token, "balanceOf", bench.address(party))
            assert (shown["holder"], shown["amount"], shown["supply"]) == (party, str(held), str(supply))
            total += held
        assert total == supply


def test_as_of_a_block(bench, operator):
    early = Evidence(bench.ledger, bench.key(OPERATOR), bench.ledger.chain.height - 6)
    shown = verifier.verify(canonical_json(early.prove_holding(NOTE.cusip, "desk")), operator)
    assert shown["amount"] == str(1_000_000 * DOLLAR)
    with pytest.raises(DataError, match="no transaction"):
        early.prove_transaction(hashes(bench)[-1])
    with pytest.raises(UsageError, match="is not a block"):
        Evidence(bench.ledger, bench.key(OPERATOR), 10**6)


def test_another_holder_is_not_named(evidence):
    text = canonical_json(evidence.prove_holding(NOTE.cusip, "desk")).decode()
    assert "fund" not in text
    assert evidence.prove_holding(NOTE.cusip, "fund")["leaf"]["salt"] not in text


def fails(proof, operator):
    """Whether the verifier ends with an error; which one is left to it."""
    try:
        verifier.verify(proof, operator)
    except Exception:
        return True
    return False


@pytest.mark.slow
def test_no_bit_can_be_changed(proof_and_key):
    """Every bit of every byte."""
    found, operator = proof_and_key
    proof = canonical_json(found)
    assert verifier.verify(proof, operator)
    for place in range(len(proof)):
        for bit in range(8):
            changed = proof[:place] + bytes([proof[place] ^ 1 << bit]) + proof[place + 1 :]
            assert fails(changed, operator), changed
    with pytest.raises(ValueError, match="not written canonically"):
        verifier.verify(proof + b" ", operator)


HOSTILE = (
    *(
        None,
        True,
        False,
        0,
        -1,
        1.5,
        float("nan"),
        float("inf"),
        10**4000,
        "",
        "0",
        "-0",
        " 1",
        "1_0",
        "\u0661",
        "\ud800",
    ),
    *(
        "9" * 5000,
        "0" * 64,
        [],
        [[]],
        {},
        {"left": ""},
        [{"left": "0" * 64}],
        [{"left": ["0", ""]}],
        ["x"],
        "x" * 10**5,
    ),
)


def places(value, path=()):
    """Paths of all values of a JSON document."""
    yield path
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in inside:
        yield from places(inner, (*path, name))


def at(document, path):
    for name in path:
        document = document[name]
    return document


def altered(document):
    """The document with a value put in the place of another, one left out, one added, of every value in it."""
    for path in places(document):
        for value in HOSTILE:
            changed = json.loads(json.dumps(document))
            if path:
                at(changed, path[:-1])[path[-1]] = value
            yield changed if path else value
        if path:
            changed = json.loads(json.dumps(document))
            del at(changed, path[:-1])[path[-1]]
            yield changed
        changed = json.loads(json.dumps(document))
        there = at(changed, path)
        if isinstance(there, dict):
            there["more"] = ""
            yield changed
        elif isinstance(there, list):
            there.append(there[0] if there else {})
            yield changed


@pytest.fixture(params=["transaction", "holding", "handed over"])
def proof_and_key(request, bench, evidence, handed):
    if request.param == "handed over":
        return json.loads(canonical_json(handed[0])), handed[1][0]
    found = evidence.prove_holding(NOTE.cusip, "desk")
    if request.param == "transaction":
        found = evidence.prove_transaction(hashes(bench)[-1])
    return json.loads(canonical_json(found)), evidence.checkpoint.operator


def test_nothing_else_in_any_place_shows_anything(proof_and_key):
    """Every value of a proof by anything else JSON has, left out, or with something beside it."""
    proof, operator = proof_and_key
    assert verifier.verify(canonical_json(proof), operator)
    tried = 0
    for changed in altered(proof):
        if changed == proof and json.dumps(changed) == json.dumps(proof):
            continue
        try:
            data = verifier.canonical(changed)
        except ValueError:  # no JSON can say it
            data = json.dumps(changed).encode()
        assert fails(data, operator), changed
        tried += 1
    assert tried > 500


def test_another_writing_of_a_proof_shows_nothing(proof_and_key):
    """Keys in another order, twice, escaped, spaced; the other signature of the same key; bytes of another encoding."""
    proof, operator = proof_and_key
    data = canonical_json(proof)
    text = data.decode()
    signature = bytes.fromhex(proof["checkpoint"]["signature"])
    order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
    s = order - int.from_bytes(signature[32:64], "big")
    mirrored = signature[:32] + s.to_bytes(32, "big") + bytes([55 - signature[64]])
    others = {
        "reversed": json.dumps(dict(reversed(proof.items())), separators=(",", ":")),
        "indented": json.dumps(proof, sort_keys=True, indent=1),
        "twice": text.replace('"leaf":', '"leaf":{"amount":"1"},"leaf":', 1),
        "escaped": text.replace('"leaf"', '"\\u006ceaf"', 1),
        "upper": text.replace(signature.hex(), signature.hex().upper()),
        "mirrored": text.replace(signature.hex(), mirrored.hex()),
        "spaced": text.replace(signature.hex(), " " + signature.hex()),
    }
    for name, other in others.items():
        assert other != text, name
        assert fails(other.encode(), operator), name
    deep = b"[" * 10_000 + b"]" * 10_000
    for other in (text.encode("utf-16"), text.encode("utf-8-sig"), data + b"\0", b"", deep, b'{"leaf":' + deep + b"}"):
        assert fails(other, operator)


def test_another_operator_shows_nothing(evidence):
    proof = canonical_json(evidence.prove_holding(NOTE.cusip, "desk"))
    with pytest.raises(ValueError, match="not signed by the operator"):
        verifier.verify(proof, SigningKey.from_seed("mallory").public_key.hex())


# --- hand-overs ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def handed(tmp_path_factory):
    """A proof of a ledger that was handed over twice, its checkpoint's key, and the keys of before in order."""
    folder = tmp_path_factory.mktemp("handed")
    url = f"sqlite:///{folder / 'ledger.db'}"
    keys = [SigningKey.from_seed(name) for name in ("operator", "second", "third")]
    make_ledger("desk", url=url).close()
    for old, new in pairwise(keys):
        hand_over(url, old, new)
    with Ledger.open(url, keys=Keys.in_memory({"operator": keys[-1], "bank": ring().key("bank")})) as ledger:
        ledger.deposit("desk", {}, DOLLAR)
        proof = Evidence(ledger, keys[-1]).prove_holding("USD", "desk")
    return proof, [key.public_key.hex() for key in keys]


def test_whoever_knows_any_of_the_keys_follows(handed):
    proof, keys = handed
    for key in keys:
        assert verifier.verify(canonical_json(proof), key)["holder"] == "desk"
    assert fails(canonical_json(proof), SigningKey.from_seed("mallory").public_key.hex())


def test_a_chain_with_a_link_missing_or_altered_is_not_followed(handed):
    """Every field of each hand-over, one character; each left out; in another order; of another ledger."""
    proof, (first, second, last) = handed
    one, two = proof["handovers"]
    chains = [[one], [two], [], [two, one]]
    for place, link in enumerate((one, two)):
        for name, text in link.items():
            for at in range(0, len(text), 9):
                other = {**link, name: text[:at] + ("1" if text[at] != "1" else "2") + text[at + 1 :]}
                chains.append([other, two] if place == 0 else [one, other])
    for chain in chains:
        assert fails(canonical_json({**proof, "handovers": chain}), first), chain
    assert not fails(canonical_json({**proof, "handovers": [two]}), second)
    assert not fails(canonical_json({**proof, "handovers": []}), last)
    mallory = SigningKey.from_seed("mallory")
    elsewhere = Handover(**{**one, "genesis_hash": "11" * 32, "successor": last, "signature": ""})
    for key in (SigningKey.from_seed("operator"), mallory):  # of another ledger; and forged
        made = replace(elsewhere, signature=key.sign_digest(elsewhere.digest()).hex())
        assert fails(canonical_json({**proof, "handovers": [made.value()]}), first)


def test_a_hand_over_that_leads_nowhere_is_refused(handed):
    """One of another key before, between or after; one twice; one that leads back."""
    proof, (first, second, last) = handed
    one, two = (Handover(**link) for link in proof["handovers"])

    def signed(name, link, successor):
        key = SigningKey.from_seed(name)
        made = replace(link, operator=key.public_key.hex(), successor=successor, signature="")
        return replace(made, signature=key.sign_digest(made.digest()).hex())

    mallory = SigningKey.from_seed("mallory").public_key.hex()
    for key, chain in (
        *((key, [one, two, signed("mallory", two, first)]) for key in (first, second, last)),
        *((key, [signed("mallory", one, mallory), one, two]) for key in (first, second, last)),
        *((key, [one, signed("mallory", one, second), two]) for key in (first, second, last)),
        *((key, [signed("operator", one, mallory), one, two]) for key in (first, second, last)),
        *((key, [one, two, two]) for key in (first, second, last)),
        *((key, [one, one, two]) for key in (first, second, last)),
        (first, [one, signed("second", two, first), one, two]),
        (mallory, [one, two]),
        (mallory, [signed("mallory", one, mallory), one, two]),
    ):
        data = canonical_json({**proof, "handovers": [link.value() for link in chain]})
        with pytest.raises(ValueError, match=r"leads nowhere|not signed by the operator"):
            verifier.verify(data, key)


# --- forged trees: what a dishonest operator would sign -----------------------------------------------------------


def careless(left, right):
    """An inner node of a sum tree that checks nothing."""
    return Node(str(int(left.sum) + int(right.sum)), tagged_hash("node", *left, *right))


def forged(evidence, key, monkeypatch, leaves, holder):
    """A proof of a holder in a tree of these leaves, signed by the operator himself."""
    monkeypatch.setattr(merkle, "inner_node", careless)
    supply = str(sum(int(one["amount"]) for one in leaves))
    leaves = [one | {"supply": supply} for one in leaves]
    tree = SumTree([Node(one["amount"], tagged_hash("holding", one)) for one in leaves])
    place = next((n for n, one in enumerate(leaves) if one["holder"] == holder), 0)
    root = counted("asset", leaves[0]["asset"], *tree.root)
    checkpoint = Checkpoint(**{**evidence.checkpoint.value(), "assets": "1", "assets_root": root.hash}).signed(key)
    proof = {"leaf": leaves[place], "path": tree.path(place), "asset_path": []}
    return canonical_json({**proof, "checkpoint": checkpoint.value(), "handovers": []})


def content(holder, amount):
    return {"asset": NOTE.cusip, "holder": holder, "amount": str(amount), "salt": "00" * 32}


def test_a_negative_sum_is_refused_though_it_is_signed(bench, evidence, operator, monkeypatch):
    def prove(*amounts):
        leaves = [content(f"holder {n}", amount) for n, amount in enumerate(amounts)]
        return verifier.verify(forged(evidence, bench.key(OPERATOR), monkeypatch, leaves, "holder 0"), operator)

    assert prove(100, 50)["supply"] == "150"
    for amounts in ((100, -50), (100, -1), (100, LIMIT), (-5,), (LIMIT,), (-5, 10), (100, 1, -70, 50)):
        with pytest.raises(ValueError, match="unsigned"):
            prove(*amounts)


def test_a_supply_that_is_not_the_sum_is_refused_though_it_is_signed(bench, evidence, operator, monkeypatch):
    leaves = [content("desk", 100), content("fund", 50)]
    proof = json.loads(forged(evidence, bench.key(OPERATOR), monkeypatch, leaves, "desk"))
    assert verifier.verify(canonical_json(proof), operator)["supply"] == "150"
    leaf = proof["leaf"] | {"supply": "151"}
    other = holding_leaf(content("fund", 50) | {"supply": "151"})
    root = counted("asset", NOTE.cusip, *careless(holding_leaf(leaf), other))
    checkpoint = replace(Checkpoint(**proof["checkpoint"]), assets_root=root.hash).signed(bench.key(OPERATOR))
    proof |= {"leaf": leaf, "path": [{"right": other}], "checkpoint": checkpoint.value()}
    with pytest.raises(ValueError, match="no unsigned sum"):
        verifier.verify(canonical_json(proof), operator)


@pytest.mark.parametrize("kind", ["transactions", "assets"])
def test_a_wrong_count_is_refused_though_it_is_signed(bench, evidence, operator, kind):
    """How many transactions there are is what their tree comes to, not what is said."""
    proof = evidence.prove_holding(NOTE.cusip, "desk")
    if kind == "transactions":
        proof = evidence.prove_transaction(hashes(bench)[-1])
    count = str(int(getattr(evidence.checkpoint, kind)) + 1)
    proof["checkpoint"] = replace(evidence.checkpoint, **{kind: count}).signed(bench.key(OPERATOR)).value()
    with pytest.raises(ValueError, match="no proof of it"):
        verifier.verify(canonical_json(proof), operator)


def test_a_holder_who_was_left_out_gets_no_proof(bench, evidence, operator, monkeypatch):
    """Whatever he is shown names another, or is not in the tree."""
    leaves = [content("desk", 100), content("dealer", 50)]
    proof = json.loads(forged(evidence, bench.key(OPERATOR), monkeypatch, leaves, "desk"))
    assert verifier.verify(canonical_json(proof), operator)["holder"] == "desk"
    proof["leaf"]["holder"] = "fund"
    with pytest.raises(ValueError, match="no proof of it"):
        verifier.verify(canonical_json(proof), operator)
    proof["leaf"] = content("fund", 0) | {"supply": "50"}
    with pytest.raises(ValueError, match="no proof of it"):
        verifier.verify(canonical_json(proof), operator)


@pytest.mark.parametrize("kind", ["transaction", "holding"])
def test_both_siblings_in_a_step_show_nothing(bench, evidence, operator, kind):
    """Else the children of the root would do as a path for anything."""
    proof = evidence.prove_holding(NOTE.cusip, "desk")
    if kind == "transaction":
        proof = evidence.prove_transaction(hashes(bench)[-1])
        left, right = evidence._transactions._levels[-2]
    else:
        left, right = evidence._shelves[NOTE.cusip]._tree._levels[-2]
        proof["leaf"]["holder"] = "mallory"
    proof["path"] = [{"left": left, "right": right}]
    with pytest.raises(ValueError, match="not one unsigned sibling"):
        verifier.verify(canonical_json(proof), operator)


def test_a_supply_that_is_not_held_is_not_signed(bench, monkeypatch):
    honest = proofs.holdings

    def one_less(books):
        found = honest(books)
        found["USD"]["desk"] -= 1
        return found

    monkeypatch.setattr(proofs, "holdings", one_less)
    with pytest.raises(LedgerError, match="USD: its contract reports a supply of") as caught:
        Evidence(bench.ledger, bench.key(OPERATOR))
    assert caught.value.code == "NotReserved"


# --- trees --------------------------------------------------------------------------------------------------------


def plain_root(leaves):
    """RFC 6962 2.1 as it is written: split at the largest power of two below n."""
    if len(leaves) == 1:
        return leaves[0]
    split = 1 << (len(leaves) - 1).bit_length() - 1
    left, right = plain_root(leaves[:split]), plain_root(leaves[split:])
    return Node(str(int(left.sum) + int(right.sum)), tagged_hash("node", *left, *right))


@given(st.lists(st.integers(0, 2**100), min_size=1, max_size=70), st.integers(0, 69))
def test_trees_are_those_of_the_rfc(amounts, index):
    leaves = [Node(str(amount), tagged_hash("leaf", n)) for n, amount in enumerate(amounts)]
    tree = SumTree(leaves)
    assert tree.root == plain_root(leaves)
    assert tree.root.sum == str(sum(amounts))
    place = index % len(leaves)
    assert verifier.climb(list(leaves[place]), tree.path(place)) == list(tree.root)
    if len(leaves) > 1:
        other = leaves[(place + 1) % len(leaves)]
        assert verifier.climb(list(other), tree.path(place)) != list(tree.root)


def test_sums_out_of_range_are_not_made():
    for left, right in ((-1, 5), (LIMIT, 0), (LIMIT - 1, 1)):
        with pytest.raises(DataError, match="unsigned number of 128 bits"):
            inner_node(Node(str(left), ""), Node(str(right), ""))


def test_leaves_are_no_nodes():
    leaves = [counted("transaction", {"raw": "00"}), counted("transaction", {"raw": "01"})]
    assert counted("transaction", leaves) != SumTree(leaves).root
    assert SumTree(leaves).root.sum == "2"
    assert SumTree([]).root.sum == "0"


# --- the file alone -----------------------------------------------------------------------------------------------


def test_the_verifier_stands_alone(bench, evidence, operator, tmp_path):
    """A short file that imports nothing of ours, run where nothing of ours can be imported."""
    source = VERIFIER.read_text()
    assert set(re.findall(r"^(?:from|import) (\w+)", source, re.MULTILINE)) == {
        *("json", "sys", "hashlib", "coincurve")
    }
    code = source.split('"""', 2)[2]
    assert len([line for line in code.splitlines() if line.strip()]) <= 40
    words = [sys.executable, "-I", str(VERIFIER), operator]

    def run(data, words=words):
        return subprocess.run(words, input=data, capture_output=True, cwd=tmp_path, timeout=60, check=False)

    proof = canonical_json(evidence.prove_holding("USD", "desk")) + b"\n"
    done = run(proof)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["holder"] == "desk"
    nonsense = (b"", b"null", b"{}", b"\xff\xfe\x00", b"[" * 10_000, b"9" * 5_000)
    for bad in (proof.replace(b'"desk"', b'"fund"'), *nonsense):
        done = run(bad)
        assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (1, b"", 1), done.stderr
    done = run(proof, words[:-1])
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)


@pytest.mark.slow
def test_no_bit_of_a_checkpoint_can_be_changed(evidence):
    text = evidence.checkpoint.to_json()
    assert Checkpoint.from_json(text).holds()
    for changed in one_bit_changed(text):
        with contextlib.suppress(DataError):
            assert not Checkpoint.from_json(changed).holds(), changed


def test_a_checkpoint_comes_back(evidence):
    made = evidence.checkpoint
    again = Checkpoint.from_json(made.to_json())
    assert again == made
    assert again.holds()
    for name, text in made.value().items():
        changed = {**made.value(), name: ("1" if text[:1] == "0" else "0") + text[1:]}
        assert not Checkpoint(**changed).holds(), name
    for nonsense in (
        "",
        "[]",
        "{}",
        json.dumps({**made.value(), "more": "x"}),
        json.dumps({**made.value(), "height": 3}),
    ):
        with pytest.raises(DataError, match="not one that"):
            Checkpoint.from_json(nonsense)
